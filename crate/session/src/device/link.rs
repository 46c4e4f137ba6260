//! The device's connection: opening, greeting, deploying, pinging, failing and coming back.

use std::sync::Arc;

use cleave_arch::Probe;
use cleave_wire::{
    Call, LinkShape, ModelHash, Packed, Refusal, RefusalCode, Subject, Timing, ToDevice, ToEdge, ValidationSet,
    WireError,
};
use thiserror::Error;

use super::download::{Download, Fetched};
use super::peer::{Deployed, Known, Up};
use super::{Deployment, DeviceConfig, DeviceEffect, Effects};
use crate::backoff::Backoff;
use crate::clock::ClockEstimate;
use crate::error::{DownloadError, MeasureError};
use crate::ledger::LocalReason;
use crate::link::{Calling, Heard, Offload};
use crate::measure::{Echo, Measured};
use crate::shaper::Shaper;
use crate::time::Micros;

/// State of the link, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkStatus {
    /// No edge is wanted.
    Off,
    /// A socket is being opened, or the edge's welcome is awaited.
    Connecting {
        /// Failures since it last worked.
        attempt: u32,
    },
    /// Connected; the plan is being made ready there.
    Deploying {
        /// What the edge calls itself.
        name: String,
        /// Bytes of the model that it has received in this session; 0 of 0 if it needs none.
        sent: u64,
        /// Bytes of the model file.
        total: u64,
    },
    /// The edge computes.
    Ready {
        /// What the edge calls itself.
        name: String,
        /// Its program version.
        version: String,
        /// Its threads.
        threads: u16,
    },
    /// Connected, but the edge refused the plan: frames run on the device.
    Refused {
        /// What the edge calls itself.
        name: String,
        /// What was wrong and what would be right.
        refusal: Refusal,
    },
    /// It failed and will be tried again.
    Lost {
        /// What was seen.
        why: String,
        /// When.
        retry_at: Micros,
    },
    /// It failed in a way that trying again does not mend; [`crate::DeviceEvent::Connect`] tries anyway.
    Stopped(StopReason),
}

/// Why the machine does not try again by itself.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum StopReason {
    /// The edge refused the session: wrong token or version.
    #[error("the edge refused the session: {0}")]
    Refused(Refusal),
    /// The edge's messages are in another version.
    #[error("{0}")]
    Version(WireError),
}

#[derive(Debug)]
enum Phase {
    Off,
    Waiting {
        why: String,
        until: Micros,
    },
    /// There is a connection, or one is being opened.
    Line(Calling<Offload, Known>),
    Stopped(StopReason),
}

/// What a message means for frames.
pub(super) enum News {
    Result { order: u64, timing: Timing, tensors: Packed },
    FrameRefused(Refusal),
}

/// A frame's message before it is encoded.
pub(super) struct Outgoing {
    pub(super) message: ToEdge,
    /// Time that packing took.
    pub(super) encode: Micros,
}

/// A frame's message on its way.
pub(super) struct Sent {
    pub(super) handed: Micros,
    pub(super) bytes: usize,
    pub(super) encode: Micros,
}

/// Why a frame's message does not leave.
#[derive(Debug, Error)]
pub(super) enum SendError {
    #[error("it does not wait for the edge")]
    NotWaiting,
    #[error(transparent)]
    Values(#[from] WireError),
    #[error("the link is down")]
    LinkDown,
    #[error("its message has {bytes} bytes, the edge takes at most {most}")]
    TooLarge { bytes: usize, most: u32 },
}

#[derive(Debug)]
pub(super) struct Link {
    config: DeviceConfig,
    phase: Phase,
    connection: u32,
    backoff: Backoff,
    shaper: Shaper,
    down: LinkShape,
    status: LinkStatus,
    /// Measurements and echoes that are awaited.
    measuring: Vec<u32>,
    echoing: Vec<(u32, Micros)>,
    /// The validation set that is under way.
    fetching: Option<Download>,
}

impl Link {
    pub(super) fn new(config: &DeviceConfig) -> Self {
        Self {
            config: config.clone(),
            phase: Phase::Off,
            connection: 0,
            backoff: Backoff::new(config.first_retry, config.longest_retry, config.seed),
            shaper: Shaper::new(LinkShape::UNSHAPED, config.seed),
            down: LinkShape::UNSHAPED,
            status: LinkStatus::Off,
            measuring: Vec::new(),
            echoing: Vec::new(),
            fetching: None,
        }
    }

    pub(super) fn set_token(&mut self, token: String) {
        self.config.token = token;
    }

    pub(super) fn status(&self) -> &LinkStatus {
        &self.status
    }

    pub(super) fn clock(&self) -> Option<&ClockEstimate> {
        self.up().map(|up| &up.clock)
    }

    fn line(&mut self) -> Option<&mut Calling<Offload, Known>> {
        match &mut self.phase {
            Phase::Line(line) => Some(line),
            _ => None,
        }
    }

    fn up(&self) -> Option<&Up> {
        match &self.phase {
            Phase::Line(line) => line.up(),
            _ => None,
        }
    }

    fn up_mut(&mut self) -> Option<&mut Up> {
        self.line()?.up_mut()
    }

    // ---- requests

    pub(super) fn want(&mut self, now: Micros, fx: &mut Effects) {
        if matches!(self.phase, Phase::Off | Phase::Stopped(_) | Phase::Waiting { .. }) {
            self.backoff.reset();
            self.open(now, fx);
        }
    }

    pub(super) fn unwant(&mut self, now: Micros, fx: &mut Effects) {
        if self.up().is_some() {
            self.write(&ToEdge::Link(Call::Close), now, fx);
        }
        self.hang_up(fx);
        self.phase = Phase::Off;
        self.announce(fx);
    }

    pub(super) fn shape(&mut self, up: LinkShape, down: LinkShape, now: Micros, fx: &mut Effects) {
        self.shaper.reshape(up);
        self.down = down;
        if self.up().is_some() {
            self.write(&ToEdge::Shape(down), now, fx);
        }
    }

    // ---- what the socket says

    pub(super) fn opened(&mut self, connection: u32, now: Micros, fx: &mut Effects) {
        if connection != self.connection {
            return;
        }
        let (token, name) = (self.config.token.clone(), self.config.name.clone());
        let until = now + self.config.handshake_timeout;
        if let Some(hello) = self.line().and_then(|line| line.opened(&token, &name, until)) {
            self.write(&hello, now, fx);
        }
    }

    pub(super) fn closed(&mut self, connection: u32, why: String, now: Micros, fx: &mut Effects) {
        if connection == self.connection && self.has_socket() {
            self.wait(why, now, fx);
        }
    }

    pub(super) fn received(&mut self, connection: u32, bytes: &[u8], now: Micros, fx: &mut Effects) -> Option<News> {
        if connection != self.connection {
            return None;
        }
        let limits = self.config.limits;
        match self.line()?.received(bytes, &limits, Known::new, now) {
            Ok(Heard::Nothing | Heard::State(())) => {}
            Ok(Heard::Welcome) => self.welcomed(now, fx),
            Ok(Heard::NeedWeights(model)) => self.start_upload(model, now, fx),
            Ok(Heard::Progress) => self.continue_upload(now, fx),
            Ok(Heard::Refused(refusal)) => return self.refused(refusal, now, fx),
            Ok(Heard::Message(message)) => return self.message(message, now, fx),
            Err(error @ WireError::Version { .. }) => self.stop(StopReason::Version(error), fx),
            Err(error) => self.lose(format!("the edge sent what cannot be read: {error}"), now, fx),
        }
        None
    }

    fn message(&mut self, message: ToDevice, now: Micros, fx: &mut Effects) -> Option<News> {
        match message {
            ToDevice::Deployed { deployment } => self.set_deployed(deployment, Deployed::Ready, fx),
            ToDevice::Credit { n } => {
                let most = self.config.max_frames as u32;
                if let Some(up) = self.up_mut() {
                    let credit = &mut up.known.credit;
                    *credit = credit.saturating_add(n.into()).min(most.max(*credit));
                }
            }
            ToDevice::Result { id, timing, tensors } => return Some(News::Result { order: id, timing, tensors }),
            ToDevice::Measured { id, bytes, nanos } => {
                let ms = nanos.into_iter().map(|nanos| nanos as f64 / 1e6).collect();
                self.measured(id, Ok(Measured { ms, bytes }), fx);
            }
            ToDevice::Validation { offset, piece } => self.fetched(offset, &piece, now, fx),
            ToDevice::Echoed { id, received_micros, sent_micros, .. } => {
                if let Some(at) = self.echoing.iter().position(|(echo, _)| *echo == id) {
                    let (_, sent) = self.echoing.remove(at);
                    let echo = Echo { sent, edge_received: received_micros, edge_sent: sent_micros, arrived: now };
                    fx.push(DeviceEffect::Echoed { id, result: Ok(echo) });
                }
            }
            // Those the link has taken out.
            ToDevice::Link(_) => {}
        }
        None
    }

    fn welcomed(&mut self, now: Micros, fx: &mut Effects) {
        if self.down != LinkShape::UNSHAPED {
            let down = self.down;
            self.write(&ToEdge::Shape(down), now, fx);
        }
        self.ping(now, fx);
        self.announce(fx);
    }

    fn refused(&mut self, refusal: Refusal, now: Micros, fx: &mut Effects) -> Option<News> {
        match refusal.subject {
            Subject::Frame(_) => return Some(News::FrameRefused(refusal)),
            Subject::Deployment(id) => self.set_deployed(id, Deployed::Refused(refusal), fx),
            Subject::Measurement(id) => self.measured(id, Err(MeasureError::Refused(refusal)), fx),
            Subject::Session => match refusal.code {
                RefusalCode::BadToken | RefusalCode::WrongVersion => self.stop(StopReason::Refused(refusal), fx),
                _ => self.lose(refusal.to_string(), now, fx),
            },
        }
        None
    }

    // ---- deployment

    /// True if `deployment` needs the edge and was not asked for on this connection.
    pub(super) fn lacks(&self, deployment: &Deployment) -> bool {
        let known = |up: &Up| up.known.deployments.contains_key(&deployment.id);
        deployment.work.needs_edge() && self.up().is_some_and(|up| !known(up))
    }

    /// True if asking for `deployment` would interrupt another one's weights.
    pub(super) fn would_interrupt(&self, deployment: &Deployment) -> bool {
        self.up().is_some_and(|up| up.known.is_busy_with_another(deployment.work.weights().source()))
    }

    /// New frames run `deployment`.
    pub(super) fn set_current(&mut self, deployment: &Deployment, fx: &mut Effects) {
        if let Some(up) = self.up_mut().filter(|up| up.known.current != deployment.id) {
            up.known.current = deployment.id;
            self.announce(fx);
        }
    }

    /// Asks for `deployment`, and that those in `keep` do not make room for it.
    pub(super) fn deploy(&mut self, deployment: &Deployment, keep: &[Arc<Deployment>], now: Micros, fx: &mut Effects) {
        let messages = self.up_mut().map(|up| up.known.deploy(deployment, keep)).unwrap_or_default();
        messages.iter().for_each(|message| self.write(message, now, fx));
        self.announce(fx);
    }

    fn set_deployed(&mut self, id: u32, deployed: Deployed, fx: &mut Effects) {
        let Some(up) = self.up_mut() else { return };
        if let Some(held) = up.known.deployments.get_mut(&id) {
            held.state = deployed;
            if up.upload.as_ref().is_some_and(|upload| held.work.is_of(upload.model())) {
                up.upload = None;
            }
        }
        self.announce(fx);
    }

    fn start_upload(&mut self, model: ModelHash, now: Micros, fx: &mut Effects) {
        let Some(up) = self.up_mut() else { return };
        let mut files = up.known.deployments.values().filter_map(|held| held.work.weights().file());
        let Some(file) = files.find(|file| file.hash == model).cloned() else { return };
        if let Err(refusal) = up.start_upload::<Offload>(file) {
            up.known.refuse_all(model, &refusal);
        }
        self.continue_upload(now, fx);
    }

    fn continue_upload(&mut self, now: Micros, fx: &mut Effects) {
        while let Some(message) = self.up_mut().and_then(Up::next_piece) {
            self.write(&message, now, fx);
        }
        self.announce(fx);
    }

    // ---- measurements

    pub(super) fn measure(&mut self, id: u32, probe: Probe, runs: u16, now: Micros, fx: &mut Effects) {
        self.measuring.push(id);
        if self.up().is_some() {
            self.write(&ToEdge::Measure { id, probe, runs }, now, fx);
        }
    }

    pub(super) fn echo(&mut self, id: u32, bytes: u32, answer_bytes: u32, now: Micros, fx: &mut Effects) {
        self.echoing.push((id, now));
        if self.up().is_some() {
            self.write(&ToEdge::Echo { id, answer_bytes, payload: vec![0; bytes as usize] }, now, fx);
        }
    }

    fn measured(&mut self, id: u32, result: Result<Measured, MeasureError>, fx: &mut Effects) {
        if let Some(at) = self.measuring.iter().position(|awaited| *awaited == id) {
            self.measuring.remove(at);
            fx.push(DeviceEffect::Measured { id, result });
        }
    }

    // ---- the validation set

    pub(super) fn validation(&self) -> Option<&ValidationSet> {
        self.up()?.known.validation.as_ref()
    }

    pub(super) fn fetch_validation(&mut self, now: Micros, fx: &mut Effects) {
        if self.fetching.is_some() {
            return;
        }
        match self.up().map_or(Err(DownloadError::NoEdge), |up| Download::new(up.known.validation.as_ref())) {
            Ok(download) => {
                self.write(&download.ask(), now, fx);
                self.fetching = Some(download);
            }
            Err(why) => fx.push(DeviceEffect::Validation(Fetched::Failed(why))),
        }
    }

    fn fetched(&mut self, offset: u32, piece: &[u8], now: Micros, fx: &mut Effects) {
        let Some(download) = &mut self.fetching else { return };
        let fetched = download.take(offset, piece);
        let next = matches!(fetched, Fetched::Part { .. }).then(|| download.ask());
        match next {
            Some(next) => self.write(&next, now, fx),
            None => self.fetching = None,
        }
        fx.push(DeviceEffect::Validation(fetched));
    }

    /// Without a connection nothing that is awaited will come.
    pub(super) fn give_up_waiting(&mut self, fx: &mut Effects) {
        if self.up().is_some() {
            return;
        }
        let measured = |id| DeviceEffect::Measured { id, result: Err(MeasureError::NoEdge) };
        let echoed = |(id, _)| DeviceEffect::Echoed { id, result: Err(MeasureError::NoEdge) };
        fx.extend(self.measuring.drain(..).map(measured));
        fx.extend(self.echoing.drain(..).map(echoed));
        let failed = |_| DeviceEffect::Validation(Fetched::Failed(DownloadError::NoEdge));
        fx.extend(self.fetching.take().map(failed));
    }

    // ---- frames

    /// Whether the edge can run a frame of this deployment now.
    pub(super) fn serves(&self, deployment: &Deployment) -> Result<(), LocalReason> {
        match &self.phase {
            Phase::Off => Err(LocalReason::NoEdge),
            Phase::Waiting { why, .. } => Err(LocalReason::LinkLost { why: why.clone() }),
            Phase::Stopped(reason) => Err(LocalReason::LinkLost { why: reason.to_string() }),
            Phase::Line(line) => {
                let Some(up) = line.up() else { return Err(LocalReason::Connecting) };
                match up.known.deployments.get(&deployment.id).map(|held| &held.state) {
                    Some(Deployed::Ready) => Ok(()),
                    Some(Deployed::Refused(refusal)) => Err(LocalReason::Refused(refusal.clone())),
                    Some(Deployed::Asked) | None => Err(LocalReason::Deploying),
                }
            }
        }
    }

    pub(super) fn has_credit(&self) -> bool {
        self.up().is_some_and(|up| up.known.credit > 0)
    }

    /// Spends one credit.
    pub(super) fn send_frame(&mut self, frame: Outgoing, now: Micros, fx: &mut Effects) -> Result<Sent, SendError> {
        let stopwatch = self.config.stopwatch;
        let Some(up) = self.up_mut() else { return Err(SendError::LinkDown) };
        let (bytes, writing) = crate::time::measured(stopwatch, || frame.message.encode());
        if bytes.len() as u64 > u64::from(up.limits.max_frame_bytes) {
            return Err(SendError::TooLarge { bytes: bytes.len(), most: up.limits.max_frame_bytes });
        }
        up.known.credit = up.known.credit.saturating_sub(1);
        let encode = frame.encode + writing;
        let (handed, len) = (now + encode, bytes.len());
        self.push(bytes, handed, fx);
        Ok(Sent { handed, bytes: len, encode })
    }

    pub(super) fn cancel(&mut self, order: u64, now: Micros, fx: &mut Effects) {
        if self.up().is_some() {
            self.write(&ToEdge::Cancel { id: order }, now, fx);
        }
    }

    // ---- time

    pub(super) fn next_wake(&self) -> Option<Micros> {
        match &self.phase {
            Phase::Off | Phase::Stopped(_) => None,
            Phase::Waiting { until, .. } => Some(*until),
            Phase::Line(line) => line.up().map(|up| self.silent_at(up)).into_iter().chain([line.next_wake()]).min(),
        }
    }

    pub(super) fn tick(&mut self, now: Micros, fx: &mut Effects) {
        match &self.phase {
            Phase::Waiting { until, .. } if now >= *until => self.open(now, fx),
            Phase::Line(line) => match (line.overdue(now), line.up()) {
                (Some(what), _) => {
                    self.lose(format!("the edge did not {what} within {}", self.config.handshake_timeout), now, fx);
                }
                (None, Some(up)) if now >= self.silent_at(up) => {
                    self.lose(format!("nothing was heard for {}", self.config.silence_limit), now, fx);
                }
                (None, Some(up)) if now >= up.next_ping => self.ping(now, fx),
                _ => {}
            },
            _ => {}
        }
    }

    fn silent_at(&self, up: &Up) -> Micros {
        up.last_heard + self.config.silence_limit
    }

    fn ping(&mut self, now: Micros, fx: &mut Effects) {
        let interval = self.config.ping_interval;
        if let Some(ping) = self.up_mut().map(|up| up.ping(now, interval)) {
            self.write(&ToEdge::Link(ping), now, fx);
        }
    }

    // ---- connection

    fn has_socket(&self) -> bool {
        matches!(self.phase, Phase::Line(_))
    }

    fn open(&mut self, now: Micros, fx: &mut Effects) {
        self.connection = self.connection.wrapping_add(1);
        self.shaper.restart();
        self.phase = Phase::Line(Calling::new(now + self.config.handshake_timeout));
        fx.push(DeviceEffect::Connect { connection: self.connection });
        self.announce(fx);
    }

    fn hang_up(&mut self, fx: &mut Effects) {
        if self.has_socket() {
            fx.push(DeviceEffect::Disconnect { connection: self.connection });
        }
    }

    fn stop(&mut self, reason: StopReason, fx: &mut Effects) {
        self.hang_up(fx);
        self.phase = Phase::Stopped(reason);
        self.announce(fx);
    }

    /// This side gives the connection up.
    fn lose(&mut self, why: String, now: Micros, fx: &mut Effects) {
        self.hang_up(fx);
        self.wait(why, now, fx);
    }

    /// An edge that welcomes and closes at once is no success: waits grow until a connection has lasted.
    fn wait(&mut self, why: String, now: Micros, fx: &mut Effects) {
        let lasted = self.up().is_some_and(|up| now - up.since >= self.config.longest_retry);
        if lasted {
            self.backoff.reset();
        }
        self.phase = Phase::Waiting { why, until: now + self.backoff.next() };
        self.announce(fx);
    }

    fn write(&mut self, message: &ToEdge, now: Micros, fx: &mut Effects) {
        self.push(message.encode(), now, fx);
    }

    fn push(&mut self, bytes: Vec<u8>, now: Micros, fx: &mut Effects) {
        let at = self.shaper.send(bytes.len(), now);
        fx.push(DeviceEffect::Send { connection: self.connection, bytes, at });
    }

    /// Tells the state if it changed.
    fn announce(&mut self, fx: &mut Effects) {
        let status = match &self.phase {
            Phase::Off => LinkStatus::Off,
            Phase::Line(line) => match line.up() {
                None => LinkStatus::Connecting { attempt: self.backoff.attempts() },
                Some(up) => up.status(),
            },
            Phase::Waiting { why, until } => LinkStatus::Lost { why: why.clone(), retry_at: *until },
            Phase::Stopped(reason) => LinkStatus::Stopped(reason.clone()),
        };
        if status != self.status {
            self.status = status.clone();
            fx.push(DeviceEffect::Status(status));
        }
    }
}
