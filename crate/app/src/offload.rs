//! The device's session and whatever is at its other end: a native edge behind a socket of the shell's, or the edge half
//! here. The session decides; this file only carries, and says what people are told of the link.

use crate::effect::SocketEffect;
use crate::simulated::{EdgeJob, EdgeJobDone, SimulatedEdge};
use cleave_arch::tolerance::Engines;
use cleave_contract::{self as contract, EdgeAddress, EdgeStatus};
use cleave_session::{
    DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, LinkStatus, LocalReason, Micros, Stopwatch, Work,
};
use cleave_wire::{LinkShape, ValidationSet};
use std::sync::Arc;

/// Frames that may be in flight at once: a stream's, and those of one that was just stopped.
const MAX_FRAMES: usize = 3 * contract::MAX_IN_FLIGHT;
/// A change of the round trip that is worth telling, as a fraction.
const RTT_CHANGE: f64 = 0.1;

/// What the shell is to do, and what the session tells of its frames.
#[derive(Debug)]
pub enum OffloadEffect {
    /// Something with the socket to the native edge.
    Socket(SocketEffect),
    /// Work of the edge half here.
    EdgeJob(EdgeJob),
    /// Whatever else the session wants; never `Connect`, `Disconnect` or `Send`.
    Session(DeviceEffect),
}

enum Far {
    Nothing,
    Socket { connection: u32 },
    Simulated { edge: Box<SimulatedEdge>, connection: u32 },
}

/// The session and its link.
pub struct Offload {
    stopwatch: Stopwatch,
    edge: Option<EdgeAddress>,
    shape: LinkShape,
    session: Option<DeviceSession>,
    far: Far,
    told_rtt: f64,
}

impl Offload {
    /// A link with nothing to run yet.
    pub fn new(stopwatch: Stopwatch) -> Self {
        let shape = LinkShape::UNSHAPED;
        Self { stopwatch, edge: None, shape, session: None, far: Far::Nothing, told_rtt: 0.0 }
    }

    /// Runs this work from now on.
    pub fn work(&mut self, work: Arc<Work>, now: Micros) -> Vec<OffloadEffect> {
        if self.session.is_some() {
            return self.handle(DeviceEvent::Replan(work), now);
        }
        let config = DeviceConfig {
            token: self.token(),
            name: "browser".into(),
            max_frames: MAX_FRAMES,
            stopwatch: self.stopwatch,
            ..DeviceConfig::default()
        };
        self.session = Some(DeviceSession::new(config, work));
        let mut effects = self.handle(DeviceEvent::Shape { up: self.shape, down: self.shape }, now);
        effects.extend(self.handle(DeviceEvent::Connect, now));
        effects
    }

    /// Uses a native edge, or the edge half here.
    pub fn use_edge(&mut self, edge: Option<EdgeAddress>, now: Micros) -> Vec<OffloadEffect> {
        self.edge = edge;
        let mut effects = self.handle(DeviceEvent::Disconnect, now);
        let token = self.token();
        if let Some(session) = &mut self.session {
            session.set_token(token);
        }
        effects.extend(self.handle(DeviceEvent::Connect, now));
        effects
    }

    fn token(&self) -> String {
        self.edge.as_ref().map(|edge| edge.token.clone()).unwrap_or_default()
    }

    /// Shapes both directions.
    pub fn reshape(&mut self, link: contract::Link, now: Micros) -> Vec<OffloadEffect> {
        self.shape = LinkShape {
            bits_per_second: if link.mbps > 0.0 { ((link.mbps * 1e6) as u64).max(1) } else { 0 },
            delay_micros: (link.delay_ms.clamp(0.0, 10_000.0) * 1000.0) as u32,
            jitter_micros: (link.jitter_ms.clamp(0.0, 10_000.0) * 1000.0) as u32,
        };
        self.handle(DeviceEvent::Shape { up: self.shape, down: self.shape }, now)
    }

    /// Loses the connection, as a network failure would.
    pub fn sever(&mut self, now: Micros) -> Vec<OffloadEffect> {
        let (connection, is_socket) = match std::mem::replace(&mut self.far, Far::Nothing) {
            Far::Nothing => return Vec::new(),
            Far::Socket { connection } => (connection, true),
            Far::Simulated { connection, .. } => (connection, false),
        };
        let mut effects = Vec::new();
        if is_socket {
            effects.push(OffloadEffect::Socket(SocketEffect::Disconnect { connection }));
        }
        let why = "the link was broken here, on purpose".into();
        effects.extend(self.handle(DeviceEvent::Closed { connection, why }, now));
        effects
    }

    /// Tells the session something.
    pub fn handle(&mut self, event: DeviceEvent, now: Micros) -> Vec<OffloadEffect> {
        let (mut effects, mut events) = (Vec::new(), vec![event]);
        while let Some(event) = events.pop() {
            let Some(session) = &mut self.session else { return effects };
            for effect in session.handle(event, now) {
                match effect {
                    DeviceEffect::Connect { connection } => match &self.edge {
                        Some(edge) => {
                            self.far = Far::Socket { connection };
                            effects.push(OffloadEffect::Socket(SocketEffect::Connect {
                                connection,
                                url: edge.url.clone(),
                            }));
                        }
                        None => {
                            let edge = Box::new(SimulatedEdge::open(self.stopwatch, now));
                            self.far = Far::Simulated { edge, connection };
                            events.push(DeviceEvent::Opened { connection });
                        }
                    },
                    DeviceEffect::Disconnect { connection } => effects.extend(self.disconnect(connection)),
                    DeviceEffect::Send { connection, bytes, at } => {
                        effects.extend(self.send(connection, at, bytes));
                    }
                    other => effects.push(OffloadEffect::Session(other)),
                }
            }
        }
        effects
    }

    /// Delivers what is due now.
    pub fn tick(&mut self, now: Micros) -> Vec<OffloadEffect> {
        let (mut effects, mut received) = (Vec::new(), Vec::new());
        if let Far::Simulated { edge, connection } = &mut self.far {
            effects.extend(edge.pump(*connection, now).into_iter().map(OffloadEffect::EdgeJob));
            while let Some(bytes) = edge.received(now) {
                received.push(DeviceEvent::Received { connection: *connection, bytes });
            }
            let closed = edge.closed();
            received.extend(closed.map(|why| DeviceEvent::Closed { connection: *connection, why }));
        }
        for event in received.into_iter().chain([DeviceEvent::Tick]) {
            effects.extend(self.handle(event, now));
        }
        effects
    }

    /// Work of the edge half here is done. That of an edge which is no more concerns nobody.
    pub fn edge_computed(&mut self, done: EdgeJobDone, now: Micros) -> Vec<OffloadEffect> {
        match &mut self.far {
            Far::Simulated { edge, connection } if *connection == done.connection => {
                edge.computed(done, now).into_iter().map(OffloadEffect::EdgeJob).collect()
            }
            _ => Vec::new(),
        }
    }

    /// When [`Self::tick`] must come at the latest.
    pub fn next_wake(&self) -> Option<Micros> {
        self.session.as_ref().and_then(DeviceSession::next_wake)
    }

    /// When a message arrives on the simulated link; a tick must come then to a fraction of a millisecond.
    pub fn next_arrival(&self) -> Option<Micros> {
        match &self.far {
            Far::Simulated { edge, .. } => edge.next_arrival(),
            Far::Nothing | Far::Socket { .. } => None,
        }
    }

    /// The session, once there is work.
    pub fn session(&self) -> Option<&DeviceSession> {
        self.session.as_ref()
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

    /// The validation set that a native edge has, while it is connected.
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

    /// Whether a frame that is submitted now would go as planned, as far as the edge is concerned.
    ///
    /// # Errors
    /// The reason that such a frame would report.
    pub fn readiness(&self) -> Result<(), LocalReason> {
        self.session.as_ref().map_or(Err(LocalReason::NoEdge), DeviceSession::readiness)
    }

    /// Whether the edge has a part in the plan of now.
    pub fn is_split(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.work().needs_edge())
    }

    /// Frames that have not ended.
    pub fn frames_in_flight(&self) -> usize {
        self.session.as_ref().map_or(0, DeviceSession::frames_under_way)
    }

    fn disconnect(&mut self, of: u32) -> Option<OffloadEffect> {
        match &self.far {
            Far::Socket { connection } if *connection == of => {
                self.far = Far::Nothing;
                Some(OffloadEffect::Socket(SocketEffect::Disconnect { connection: of }))
            }
            Far::Simulated { connection, .. } if *connection == of => {
                self.far = Far::Nothing;
                None
            }
            _ => None,
        }
    }

    fn send(&mut self, of: u32, at: Micros, bytes: Vec<u8>) -> Option<OffloadEffect> {
        match &mut self.far {
            Far::Socket { connection } if *connection == of => {
                Some(OffloadEffect::Socket(SocketEffect::Send { connection: of, at, bytes }))
            }
            Far::Simulated { edge, connection } if *connection == of => {
                edge.send(at, bytes);
                None
            }
            _ => None,
        }
    }

    /// The edge's state for people, where this status changes it.
    pub fn edge_status(&mut self, status: &LinkStatus, now: Micros) -> Option<EdgeStatus> {
        let url = self.edge.as_ref().map(|edge| edge.url.clone());
        match (status, url) {
            (LinkStatus::Stopped(why), Some(url)) => {
                Some(EdgeStatus::Lost { url, why: why.to_string(), retry_ms: 0.0 })
            }
            (LinkStatus::Off | LinkStatus::Stopped(_) | LinkStatus::Refused { .. }, _) => None,
            (_, None) => Some(EdgeStatus::Simulated),
            (LinkStatus::Connecting { .. }, Some(url)) => Some(EdgeStatus::Connecting { url }),
            (LinkStatus::Deploying { .. }, Some(_)) => None,
            (LinkStatus::Lost { why, retry_at }, Some(url)) => {
                let retry_ms = (*retry_at - now).as_millis();
                Some(EdgeStatus::Lost { url, why: why.clone(), retry_ms })
            }
            (LinkStatus::Ready { .. }, Some(_)) => {
                self.told_rtt = f64::INFINITY;
                self.connected()
            }
        }
    }

    /// A native edge with its round trip, when that has changed enough to be told.
    pub fn connected(&mut self) -> Option<EdgeStatus> {
        let (session, edge) = (self.session.as_ref()?, self.edge.as_ref()?);
        let LinkStatus::Ready { name, threads, .. } = session.status() else { return None };
        let rtt_ms = session.clock().and_then(|clock| clock.rtt()).map_or(0.0, Micros::as_millis);
        if (rtt_ms - self.told_rtt).abs() <= RTT_CHANGE * self.told_rtt.min(1e9) {
            return None;
        }
        self.told_rtt = rtt_ms;
        let told = |set: &ValidationSet| contract::Validation { name: set.name.clone(), clouds: set.clouds as usize };
        Some(EdgeStatus::Connected {
            url: edge.url.clone(),
            name: name.clone(),
            threads: *threads as usize,
            rtt_ms,
            validation: session.validation().map(told),
        })
    }
}
