//! The device's half: walks frames through their plan, over a link that may fail at any moment.
//!
//! Three parts: `link` is the connection (deployment, credit, measurements and coming back, over the crate's `link`),
//! `frames` the frames under way and their order, and this file joins them. After every event `settle` brings
//! everything to where it should be *now*, so that no event needs to know what else it might set in motion.

mod config;
mod download;
mod frames;
mod link;
mod peer;

use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_arch::{Probe, Segment, Tier};
use cleave_wire::{LinkShape, Subject, ToEdge, ValidationSet};

use crate::clock::ClockEstimate;
use crate::error::{EngineError, MeasureError};
use crate::ledger::{FrameError, FrameReport, LocalReason};
use crate::measure::{Echo, Measured};
use crate::time::Micros;
use crate::work::Work;
pub use config::DeviceConfig;
pub use download::Fetched;
use frames::{Frames, Stage};
use link::{Link, News};
pub use link::{LinkStatus, StopReason};

/// What happened.
#[derive(Clone, Debug)]
pub enum DeviceEvent {
    /// An edge is wanted from now on.
    Connect,
    /// No edge is wanted any more.
    Disconnect,
    /// The socket of this connection is open.
    Opened {
        /// The number of [`DeviceEffect::Connect`].
        connection: u32,
    },
    /// It is closed, or could not be opened.
    Closed {
        /// The number of [`DeviceEffect::Connect`].
        connection: u32,
        /// What the socket said.
        why: String,
    },
    /// A message came.
    Received {
        /// The number of [`DeviceEffect::Connect`].
        connection: u32,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// A frame is to be answered.
    Submit {
        /// The caller's number; unique among the frames under way.
        frame: u64,
        /// Values before the first node, as `live_before(0)` of the graph has them.
        input: Vec<Array>,
        /// When the answer is worthless, on the clock of `now`.
        deadline: Micros,
    },
    /// Nobody wants this frame any more.
    Cancel {
        /// The caller's number.
        frame: u64,
    },
    /// A compute effect is done.
    Computed {
        /// Its number.
        job: u64,
        /// Values behind its segment, or what the engine said.
        result: Result<Vec<Array>, EngineError>,
    },
    /// Frames submitted from now on run this. Those under way keep theirs.
    Replan(Arc<Work>),
    /// These may be replanned to: they are deployed ahead in this order, at most [`MAX_PREPARED`] of those that need
    /// the edge, and again after a reconnect, until the next such event. Their weights travel in the background.
    Prepare(Vec<Arc<Work>>),
    /// A piece of work is to be measured on the edge; [`DeviceEffect::Measured`] tells. One at a time.
    Measure {
        /// The caller's number.
        id: u32,
        /// What.
        probe: Probe,
        /// How often, after the warm-up.
        runs: u16,
    },
    /// The edge is to answer at once with so many bytes; [`DeviceEffect::Echoed`] tells.
    Echo {
        /// The caller's number.
        id: u32,
        /// Bytes to send.
        bytes: u32,
        /// Bytes to get.
        answer_bytes: u32,
    },
    /// The edge's validation set is wanted; [`DeviceEffect::Validation`] tells. While it is under way, asking again changes
    /// nothing.
    FetchValidation,
    /// Conditions of both directions from now on.
    Shape {
        /// Device → edge.
        up: LinkShape,
        /// Edge → device; the edge is asked to shape what it sends.
        down: LinkShape,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum DeviceEffect {
    /// Open a socket; answer with `Opened` or `Closed` of this number.
    Connect {
        /// Number of the connection.
        connection: u32,
    },
    /// Close the socket. No answer is needed, and none does harm.
    Disconnect {
        /// Number of the connection.
        connection: u32,
    },
    /// Write one message to the socket.
    Send {
        /// Number of the connection.
        connection: u32,
        /// The whole message.
        bytes: Vec<u8>,
        /// Not before this moment; never earlier than that of the message before. Unshaped: now.
        at: Micros,
    },
    /// Run a segment; answer with exactly one `Computed` of this number. There is one at a time.
    Compute {
        /// Number of the job.
        job: u64,
        /// The caller's number of the frame.
        frame: u64,
        /// The network; equal models and architectures may share an engine.
        work: Arc<Work>,
        /// Nodes to run.
        segment: Segment,
        /// Values before them, as `live_before(segment.nodes.start)`.
        input: Vec<Array>,
    },
    /// A frame has ended. Each submitted frame is reported exactly once.
    Report(Box<FrameReport>),
    /// A measurement has ended; exactly one for each [`DeviceEvent::Measure`].
    Measured {
        /// The caller's number.
        id: u32,
        /// Times, or why there are none.
        result: Result<Measured, MeasureError>,
    },
    /// An echo has come back; exactly one for each [`DeviceEvent::Echo`].
    Echoed {
        /// The caller's number.
        id: u32,
        /// Moments, or why there are none.
        result: Result<Echo, MeasureError>,
    },
    /// More of the edge's validation set is here, or it will not come.
    Validation(Fetched),
    /// The link's state changed.
    Status(LinkStatus),
}

/// The machine. See the crate's documentation for how to drive it.
#[derive(Debug)]
pub struct DeviceSession {
    config: DeviceConfig,
    link: Link,
    frames: Frames,
    current: Arc<Deployment>,
    prepared: Vec<Arc<Deployment>>,
    next_deployment: u32,
}

/// Most works that are kept ready on the edge beside the current one.
pub const MAX_PREPARED: usize = 8;

/// A message of a frame whose result is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// When it was handed to the link.
    pub handed: Micros,
    /// Its bytes, with those of the frame's earlier messages.
    pub bytes: usize,
}

/// One work with the number under which the edge knows it.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) id: u32,
    pub(crate) work: Arc<Work>,
}

pub(crate) type Effects = Vec<DeviceEffect>;

impl DeviceSession {
    /// A machine without a connection: every frame runs on the device until [`DeviceEvent::Connect`].
    pub fn new(config: DeviceConfig, work: Arc<Work>) -> Self {
        let current = Arc::new(Deployment { id: 1, work });
        let link = Link::new(&config);
        let frames = Frames::new(config.max_frames, config.stopwatch);
        Self { config, link, frames, current, prepared: Vec::new(), next_deployment: 2 }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: DeviceEvent, now: Micros) -> Vec<DeviceEffect> {
        let mut fx = Vec::new();
        self.apply(event, now, &mut fx);
        self.settle(now, &mut fx);
        fx
    }

    /// When [`DeviceEvent::Tick`] must come at the latest if nothing else happens; `None`: never.
    pub fn next_wake(&self) -> Option<Micros> {
        self.link.next_wake().into_iter().chain(self.frames.next_wake()).min()
    }

    /// Frames that were submitted and not yet reported.
    pub fn frames_under_way(&self) -> usize {
        self.frames.len()
    }

    /// What pings have told, while connected.
    pub fn clock(&self) -> Option<&ClockEstimate> {
        self.link.clock()
    }

    /// The secret of the edge that is greeted next: frames under way go on through a change of edges.
    pub fn set_token(&mut self, token: String) {
        self.link.set_token(token);
    }

    /// The link's state.
    pub fn status(&self) -> &LinkStatus {
        self.link.status()
    }

    /// The clouds for judging that the connected edge has.
    pub fn validation(&self) -> Option<&ValidationSet> {
        self.link.validation()
    }

    /// What newly submitted frames run.
    pub fn work(&self) -> &Arc<Work> {
        &self.current.work
    }

    /// True if a frame that runs `work` would be answered as planned: no part of it needs an edge, or the edge has it.
    pub fn is_ready_for(&self, work: &Work) -> bool {
        let known = |deployment: &&Arc<Deployment>| deployment.work.as_ref().is_same(work);
        let mut deployments = std::iter::once(&self.current).chain(&self.prepared).filter(known);
        !work.needs_edge() || deployments.any(|deployment| self.link.serves(deployment).is_ok())
    }

    /// Whether a frame that is submitted now would go as planned, as far as the edge is concerned; otherwise why the
    /// device would compute it alone.
    ///
    /// # Errors
    /// The reason that such a frame would report.
    pub fn readiness(&self) -> Result<(), LocalReason> {
        if self.current.work.needs_edge() { self.link.serves(&self.current) } else { Ok(()) }
    }

    /// The frame's message that has been with the edge for longest.
    pub fn under_way(&self) -> Option<UnderWay> {
        self.frames.sent_first()
    }

    fn apply(&mut self, event: DeviceEvent, now: Micros, fx: &mut Effects) {
        match event {
            DeviceEvent::Connect => self.link.want(now, fx),
            DeviceEvent::Disconnect => self.link.unwant(now, fx),
            DeviceEvent::Opened { connection } => self.link.opened(connection, now, fx),
            DeviceEvent::Closed { connection, why } => self.link.closed(connection, why, now, fx),
            DeviceEvent::Received { connection, bytes } => self.received(connection, &bytes, now, fx),
            DeviceEvent::Submit { frame, input, deadline } => self.submit(frame, input, deadline, now, fx),
            DeviceEvent::Cancel { frame } => self.cancel(frame, now, fx),
            DeviceEvent::Computed { job, result } => self.frames.computed(job, result, now, fx),
            DeviceEvent::Replan(work) => {
                let prepared = self.prepared.iter().find(|prepared| self.may_reuse(prepared, &work)).cloned();
                self.current = prepared.unwrap_or_else(|| self.number(work));
            }
            DeviceEvent::Prepare(works) => self.prepare(works),
            DeviceEvent::Measure { id, probe, runs } => self.link.measure(id, probe, runs, now, fx),
            DeviceEvent::Echo { id, bytes, answer_bytes } => self.link.echo(id, bytes, answer_bytes, now, fx),
            DeviceEvent::FetchValidation => self.link.fetch_validation(now, fx),
            DeviceEvent::Shape { up, down } => self.link.shape(up, down, now, fx),
            DeviceEvent::Tick => {}
        }
    }

    fn number(&mut self, work: Arc<Work>) -> Arc<Deployment> {
        let id = self.next_deployment;
        self.next_deployment = id.wrapping_add(1);
        Arc::new(Deployment { id, work })
    }

    /// What the edge refused is worth another number, and so another try.
    fn may_reuse(&self, deployment: &Deployment, work: &Work) -> bool {
        let refused = matches!(self.link.serves(deployment), Err(LocalReason::Refused(_)));
        deployment.work.is_same(work) && !refused
    }

    fn prepare(&mut self, works: Vec<Arc<Work>>) {
        let before = std::mem::take(&mut self.prepared);
        for work in works.into_iter().filter(|work| work.needs_edge()).take(MAX_PREPARED) {
            let mut known = std::iter::once(&self.current).chain(&before);
            let known = known.find(|deployment| self.may_reuse(deployment, &work)).cloned();
            let deployment = known.unwrap_or_else(|| self.number(work));
            self.prepared.push(deployment);
        }
    }

    fn submit(&mut self, frame: u64, input: Vec<Array>, deadline: Micros, now: Micros, fx: &mut Effects) {
        self.frames.submit(frame, &self.current, input, deadline, now, fx);
    }

    fn cancel(&mut self, frame: u64, now: Micros, fx: &mut Effects) {
        if let Some(order) = self.frames.order_of(frame) {
            self.tell_edge_to_drop(order, now, fx);
            self.frames.fail(order, FrameError::Cancelled, now, fx);
        }
    }

    fn received(&mut self, connection: u32, bytes: &[u8], now: Micros, fx: &mut Effects) {
        match self.link.received(connection, bytes, now, fx) {
            Some(News::Result { order, timing, tensors }) => {
                let offset = self.link.clock().and_then(ClockEstimate::offset_micros);
                let arrival = frames::Arrival { timing, tensors, bytes: bytes.len(), offset, now };
                self.frames.arrived(order, arrival, &self.config.limits, fx);
            }
            Some(News::FrameRefused(refusal)) => {
                if let Subject::Frame(order) = refusal.subject {
                    self.frames.recall(order, LocalReason::Refused(refusal));
                }
            }
            None => {}
        }
    }

    /// Brings everything to where it should be now.
    fn settle(&mut self, now: Micros, fx: &mut Effects) {
        self.link.tick(now, fx);
        self.link.give_up_waiting(fx);
        self.deploy(now, fx);
        self.expire(now, fx);
        self.recall(now, fx);
        self.send(now, fx);
        self.recall(now, fx);
        self.frames.compute(now, fx);
    }

    /// Asks the edge for what is run and then for what is prepared, those one model after the other.
    fn deploy(&mut self, now: Micros, fx: &mut Effects) {
        self.link.set_current(&self.current, fx);
        while let Some(next) = self.next_to_deploy() {
            let kept = self.frames.deployments().chain(&self.prepared).chain([&self.current]);
            let kept: Vec<_> = kept.cloned().collect();
            self.link.deploy(&next, &kept, now, fx);
        }
    }

    fn next_to_deploy(&self) -> Option<Arc<Deployment>> {
        let mut wanted = std::iter::once(&self.current).chain(&self.prepared);
        let next = wanted.find(|deployment| self.link.lacks(deployment))?;
        let may = next.id == self.current.id || !self.link.would_interrupt(next);
        may.then(|| next.clone())
    }

    fn expire(&mut self, now: Micros, fx: &mut Effects) {
        for order in self.frames.expired(now) {
            self.tell_edge_to_drop(order, now, fx);
            self.frames.expire(order, now, fx);
        }
    }

    /// Frames whose edge cannot or did not serve them in time go on here. Each adds to the device's backlog, which may
    /// make it time for an older one, so it is looked again until nothing moves.
    fn recall(&mut self, now: Micros, fx: &mut Effects) {
        while let Some((order, reason)) = self.next_recall(now) {
            self.tell_edge_to_drop(order, now, fx);
            self.frames.recall(order, reason);
        }
    }

    fn next_recall(&self, now: Micros) -> Option<(u64, LocalReason)> {
        self.frames.with_edge().find_map(|(order, frame)| match self.link.serves(&frame.deployment) {
            Err(reason) => Some((order, reason)),
            Ok(()) if now >= self.frames.recall_at(frame) => Some((order, LocalReason::DeadlineNear)),
            Ok(()) => None,
        })
    }

    fn tell_edge_to_drop(&mut self, order: u64, now: Micros, fx: &mut Effects) {
        if self.frames.get(order).is_some_and(|frame| matches!(frame.stage, Stage::Edge { .. })) {
            self.link.cancel(order, now, fx);
        }
    }

    /// Sends waiting frames, oldest first, as far as credit reaches.
    fn send(&mut self, now: Micros, fx: &mut Effects) {
        for order in self.frames.waiting_for_credit() {
            if !self.link.has_credit() {
                return;
            }
            let packed = self.frames.pack(order, now);
            let sent = packed.and_then(|message| self.link.send_frame(message, now, fx));
            match sent {
                Ok(sent) => self.frames.handed_over(order, sent),
                Err(error) => self.frames.recall(order, LocalReason::CannotSend { why: error.to_string() }),
            }
        }
    }
}

impl Deployment {
    /// The message that asks the edge for it.
    pub(crate) fn ask(&self) -> ToEdge {
        let work = &self.work;
        ToEdge::Deploy {
            deployment: self.id,
            graph: work.cut().graph().to_string(),
            cuts: work.cut().cuts().to_vec(),
            weights: work.weights().source(),
            codec: work.mapping().codec(),
        }
    }

    /// Tier of segment `index`; behind the last there is none.
    pub(crate) fn tier(&self, index: usize) -> Option<Tier> {
        self.work.segments().get(index).map(|segment| segment.tier)
    }
}
