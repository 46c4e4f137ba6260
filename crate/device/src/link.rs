//! The device's session and whatever is at its other end: a socket to a native edge, or the edge
//! half in this tab. The session decides; this file only carries.

use crate::browser::now_micros;
use crate::compute::Computed;
use crate::dispatching::Dispatching;
use crate::mailbox::Mailbox;
use crate::outbox::{Outbox, look_at};
use crate::port::Page;
use crate::simulated::{EdgeJob, SimulatedEdge};
use crate::socket::{Socket, SocketEvent};
use crate::worker::Input;
use cleave_arch::tolerance::Engines;
use cleave_contract::{self as contract, EdgeAddress, EdgeStatus, Event};
use cleave_session::{
    DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, LinkStatus, LocalReason, Micros, StopReason, Work,
};
use cleave_wire::{LinkShape, ValidationSet};
use std::sync::Arc;

/// Frames that may be under way at once: a stream's, and those of one that was just stopped.
const MAX_FRAMES: usize = 3 * contract::MAX_IN_FLIGHT;
/// A change of the round trip that is worth telling, as a fraction.
const RTT_CHANGE: f64 = 0.1;

/// What is said while the weights go to the edge.
const UPLOAD: &str = "Sending the weights to the edge";

enum Far {
    Nothing,
    Socket { socket: Socket, connection: u32, outbox: Outbox<Vec<u8>> },
    Simulated { edge: Box<SimulatedEdge>, connection: u32 },
}

/// The session and its link.
pub struct Link {
    mailbox: Mailbox<Input>,
    page: Page,
    edge: Option<EdgeAddress>,
    shape: LinkShape,
    session: Option<DeviceSession>,
    far: Far,
    woken_for: Option<Micros>,
    told_rtt: f64,
    told_upload: bool,
}

impl Link {
    /// A link with nothing to run yet.
    pub fn new(mailbox: Mailbox<Input>, page: Page) -> Self {
        let shape = LinkShape::UNSHAPED;
        Self {
            mailbox,
            page,
            edge: None,
            shape,
            session: None,
            far: Far::Nothing,
            woken_for: None,
            told_rtt: 0.0,
            told_upload: false,
        }
    }

    /// Runs this work from now on.
    pub fn work(&mut self, work: Arc<Work>) -> Vec<DeviceEffect> {
        if self.session.is_some() {
            return self.device(DeviceEvent::Replan(work));
        }
        self.open(work)
    }

    /// Uses a native edge, or the one in this tab.
    pub fn use_edge(&mut self, edge: Option<EdgeAddress>) -> Vec<DeviceEffect> {
        self.edge = edge;
        let mut effects = self.device(DeviceEvent::Disconnect);
        let token = self.token();
        if let Some(session) = &mut self.session {
            session.set_token(token);
        }
        effects.extend(self.device(DeviceEvent::Connect));
        effects
    }

    fn token(&self) -> String {
        self.edge.as_ref().map(|edge| edge.token.clone()).unwrap_or_default()
    }

    fn open(&mut self, work: Arc<Work>) -> Vec<DeviceEffect> {
        let config = DeviceConfig {
            token: self.token(),
            name: "browser".into(),
            max_frames: MAX_FRAMES,
            stopwatch: || Micros(now_micros()),
            ..DeviceConfig::default()
        };
        self.session = Some(DeviceSession::new(config, work));
        self.woken_for = None;
        let mut effects = self.device(DeviceEvent::Shape { up: self.shape, down: self.shape });
        effects.extend(self.device(DeviceEvent::Connect));
        effects
    }

    /// Shapes both directions.
    pub fn reshape(&mut self, link: contract::Link) -> Vec<DeviceEffect> {
        self.shape = LinkShape {
            bits_per_second: if link.mbps > 0.0 { ((link.mbps * 1e6) as u64).max(1) } else { 0 },
            delay_micros: (link.delay_millis.clamp(0.0, 10_000.0) * 1000.0) as u32,
            jitter_micros: (link.jitter_millis.clamp(0.0, 10_000.0) * 1000.0) as u32,
        };
        self.device(DeviceEvent::Shape { up: self.shape, down: self.shape })
    }

    /// Loses the connection, as a network failure would.
    pub fn sever(&mut self) -> Vec<DeviceEffect> {
        let connection = match std::mem::replace(&mut self.far, Far::Nothing) {
            Far::Nothing => return Vec::new(),
            Far::Socket { connection, .. } | Far::Simulated { connection, .. } => connection,
        };
        self.device(DeviceEvent::Closed { connection, why: "the link was broken here, on purpose".into() })
    }

    /// Tells the session something; carries out what concerns the link and returns the rest.
    pub fn device(&mut self, event: DeviceEvent) -> Vec<DeviceEffect> {
        let mut left = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            let Some(session) = &mut self.session else { return left };
            for effect in session.handle(event, Micros(now_micros())) {
                match effect {
                    DeviceEffect::Connect { connection } => events.extend(self.connect(connection)),
                    DeviceEffect::Disconnect { connection } => self.disconnect(connection),
                    DeviceEffect::Send { connection, bytes, at } => self.send(connection, at, bytes),
                    other => left.push(other),
                }
            }
        }
        self.wake();
        left
    }

    /// A socket's callback.
    pub fn socket(&mut self, connection: u32, event: SocketEvent) -> Vec<DeviceEffect> {
        self.device(match event {
            SocketEvent::Opened => DeviceEvent::Opened { connection },
            SocketEvent::Received(bytes) => DeviceEvent::Received { connection, bytes },
            SocketEvent::Closed(why) => DeviceEvent::Closed { connection, why },
        })
    }

    /// Delivers what is due now in both directions.
    pub fn pump(&mut self) -> (Vec<DeviceEffect>, Vec<EdgeJob>) {
        let (mut jobs, mut received) = (Vec::new(), Vec::new());
        match &mut self.far {
            Far::Nothing => {}
            Far::Socket { socket, outbox, .. } => {
                while let Some(bytes) = outbox.due() {
                    socket.send(&bytes);
                }
            }
            Far::Simulated { edge, connection } => {
                jobs = edge.pump(*connection, &self.mailbox);
                while let Some(bytes) = edge.received() {
                    received.push(DeviceEvent::Received { connection: *connection, bytes });
                }
                let closed = edge.closed();
                received.extend(closed.map(|why| DeviceEvent::Closed { connection: *connection, why }));
            }
        }
        let mut effects = Vec::new();
        for event in received {
            effects.extend(self.device(event));
        }
        effects.extend(self.device(DeviceEvent::Tick));
        self.tell_rtt();
        (effects, jobs)
    }

    /// The simulated edge's work is done. That of an edge which is no more concerns nobody.
    pub fn edge_computed(&mut self, of: u32, job: u64, result: Computed, span: (u64, u64)) -> Vec<EdgeJob> {
        match &mut self.far {
            Far::Simulated { edge, connection } if *connection == of => {
                edge.computed(of, job, result, span, &self.mailbox)
            }
            _ => Vec::new(),
        }
    }

    /// Whether a native edge is wanted.
    pub fn is_native(&self) -> bool {
        self.edge.is_some()
    }

    /// Name and threads of a native edge that is connected.
    pub fn native_edge(&self) -> Option<(String, u16)> {
        let session = self.session.as_ref().filter(|_| self.edge.is_some())?;
        match session.status() {
            LinkStatus::Ready { name, threads, .. } => Some((name.clone(), *threads)),
            _ => None,
        }
    }

    /// The clouds for judging that a native edge has, while it is connected.
    pub fn validation(&self) -> Option<&ValidationSet> {
        self.session.as_ref()?.validation()
    }

    /// Whether a native edge is about to answer.
    pub fn is_connecting(&self) -> bool {
        let status = self.session.as_ref().map(DeviceSession::status);
        self.is_native() && matches!(status, Some(LinkStatus::Connecting { .. }))
    }

    /// Whether the edge half computes with other kernels than the device.
    pub fn engines(&self) -> Engines {
        if matches!(self.far, Far::Socket { .. }) { Engines::Two } else { Engines::One }
    }

    /// Tells a dispatcher how the link is, what is under way, and what the edge holds ready.
    pub fn observe(&self, dispatching: &mut Dispatching) {
        let Some(session) = &self.session else { return };
        let dispatcher = dispatching.dispatcher();
        match session.status() {
            LinkStatus::Deploying { .. } | LinkStatus::Ready { .. } | LinkStatus::Refused { .. } => {
                dispatcher.edge_back();
            }
            _ => dispatcher.edge_lost(),
        }
        dispatcher.observe_under_way(session.under_way());
        dispatching.ready(|work| session.is_ready_for(work));
    }

    /// Whether a frame that is submitted now would go as planned, as far as the edge is concerned.
    pub fn readiness(&self) -> Result<(), LocalReason> {
        self.session.as_ref().map_or(Err(LocalReason::NoEdge), DeviceSession::readiness)
    }

    /// Whether the edge has a part in the plan of now.
    pub fn is_split(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.work().needs_edge())
    }

    /// Frames that have not ended.
    pub fn frames_under_way(&self) -> usize {
        self.session.as_ref().map_or(0, DeviceSession::frames_under_way)
    }

    fn connect(&mut self, connection: u32) -> Option<DeviceEvent> {
        let Some(edge) = &self.edge else {
            self.far = Far::Simulated { edge: Box::new(SimulatedEdge::open()), connection };
            return Some(DeviceEvent::Opened { connection });
        };
        let mailbox = self.mailbox.clone();
        match Socket::open(&edge.url, move |event| mailbox.put(Input::Socket(connection, event))) {
            Ok(socket) => {
                self.far = Far::Socket { socket, connection, outbox: Outbox::default() };
                None
            }
            Err(why) => Some(DeviceEvent::Closed { connection, why }),
        }
    }

    fn disconnect(&mut self, of: u32) {
        let is_current = match &self.far {
            Far::Nothing => false,
            Far::Socket { connection, .. } | Far::Simulated { connection, .. } => *connection == of,
        };
        if is_current {
            self.far = Far::Nothing;
        }
    }

    fn send(&mut self, of: u32, at: Micros, bytes: Vec<u8>) {
        match &mut self.far {
            Far::Socket { socket, connection, outbox } if *connection == of => {
                if at.0 <= now_micros() && outbox.is_empty() {
                    socket.send(&bytes);
                } else {
                    outbox.put(at, bytes, &self.mailbox);
                }
            }
            Far::Simulated { edge, connection } if *connection == of => edge.send(at, bytes, &self.mailbox),
            _ => {}
        }
    }

    /// Sees to it that the session is ticked when it wants to be.
    fn wake(&mut self) {
        let Some(at) = self.session.as_ref().and_then(DeviceSession::next_wake) else { return };
        let now = Micros(now_micros());
        let is_covered = self.woken_for.is_some_and(|set| set > now && set <= at);
        if !is_covered {
            self.woken_for = Some(at);
            look_at(at, &self.mailbox);
        }
    }

    /// Tells the page what the session says of the edge.
    pub fn tell(&mut self, status: &LinkStatus) {
        let url = self.edge.as_ref().map(|edge| edge.url.clone());
        let is_upload = matches!(status, LinkStatus::Deploying { .. }) && url.is_some();
        if self.told_upload && !is_upload {
            self.page.post(Event::Progress { what: UPLOAD.into(), done: 1, total: 1 });
        }
        self.told_upload = is_upload;
        match (status, url) {
            (LinkStatus::Stopped(why), Some(url)) => {
                let (what, remedy) = match why {
                    StopReason::Refused(refusal) => (refusal.wrong.clone(), refusal.right.clone()),
                    StopReason::Version(why) => (why.to_string(), "Load the page from this edge itself.".into()),
                };
                self.page.fail("The edge refused this page", &what, &remedy);
                self.page.post(Event::Edge(EdgeStatus::Lost { url, why: why.to_string(), retry_millis: 0.0 }));
            }
            (LinkStatus::Refused { refusal, .. }, _) => {
                self.page.fail("The edge refused this plan; the device runs it alone", &refusal.wrong, &refusal.right);
            }
            (LinkStatus::Off | LinkStatus::Stopped(_), _) => {}
            (_, None) => self.page.post(Event::Edge(EdgeStatus::Simulated)),
            (LinkStatus::Connecting { .. }, Some(url)) => self.page.post(Event::Edge(EdgeStatus::Connecting { url })),
            (LinkStatus::Deploying { sent, total, .. }, Some(_)) => {
                self.page.post(Event::Progress {
                    what: "Sending the weights to the edge".into(),
                    done: *sent,
                    total: *total,
                });
            }
            (LinkStatus::Lost { why, retry_at }, Some(url)) => {
                let retry_millis = (*retry_at - Micros(now_micros())).as_millis();
                self.page.post(Event::Edge(EdgeStatus::Lost { url, why: why.clone(), retry_millis }));
            }
            (LinkStatus::Ready { .. }, Some(_)) => {
                self.told_rtt = f64::INFINITY;
                self.tell_rtt();
            }
        }
    }

    /// Tells the page of a native edge's round trip when it has changed.
    fn tell_rtt(&mut self) {
        let (Some(session), Some(edge)) = (&self.session, &self.edge) else { return };
        let LinkStatus::Ready { name, threads, .. } = session.status() else { return };
        let rtt_millis = session.clock().and_then(|clock| clock.rtt()).map_or(0.0, Micros::as_millis);
        if (rtt_millis - self.told_rtt).abs() <= RTT_CHANGE * self.told_rtt.min(1e9) {
            return;
        }
        self.told_rtt = rtt_millis;
        let (url, name, threads) = (edge.url.clone(), name.clone(), *threads as usize);
        let told = |set: &ValidationSet| contract::Validation { name: set.name.clone(), clouds: set.clouds as usize };
        let validation = session.validation().map(told);
        self.page.post(Event::Edge(EdgeStatus::Connected { url, name, threads, rtt_millis, validation }));
    }
}
