//! One member's connection: what is known of it, and what its messages mean.

use std::collections::VecDeque;

use cleave_wire::cooperate::{MAX_NAME_BYTES, ToCoordinator, ToMember};
use cleave_wire::{Limits, ModelHash, Refusal, RefusalCode, Subject, WireError};

use super::{Coordinator, CoordinatorEffect, Effects, MemberSpec};
use crate::clock::ClockEstimate;
use crate::cooperate::error::MemberError;
use crate::cooperate::report::MemberStatus;
use crate::time::Micros;
use crate::work::Model;

/// Pings whose answers are awaited.
const MAX_PINGS: usize = 32;
/// Four pieces, 1 MiB, may be unacknowledged: the link stays busy and pings do not wait for the whole file.
const WINDOW: u64 = 4 * Limits::WEIGHTS_CHUNK_BYTES as u64;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) spec: MemberSpec,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Idle,
    Opening { until: Micros },
    Greeting { until: Micros },
    Up(Box<Up>),
    Gone,
}

/// What is known of a member that is there.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) name: String,
    pub(super) limits: Limits,
    pub(super) last_heard: Micros,
    pub(super) clock: ClockEstimate,
    /// The run that it was at, and whom it waited for, when it last said so.
    pub(super) run: u64,
    pub(super) awaits: u16,
    pub(super) next_ping: Micros,
    pub(super) upload: Option<Upload>,
    ping_id: u32,
    pings: VecDeque<(u32, Micros)>,
}

/// A file of weights on its way.
#[derive(Debug)]
pub(super) struct Upload {
    model: Model,
    sent: usize,
    acknowledged: u64,
}

impl Peer {
    pub(super) fn new(spec: MemberSpec) -> Self {
        Self { spec, state: State::Idle }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        match &self.state {
            State::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.state {
            State::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(super) fn is_greeting(&self) -> bool {
        matches!(self.state, State::Opening { .. } | State::Greeting { .. })
    }

    pub(super) fn next_wake(&self) -> Option<Micros> {
        match &self.state {
            State::Opening { until } | State::Greeting { until } => Some(*until),
            State::Up(up) => Some(up.next_ping),
            State::Idle | State::Gone => None,
        }
    }
}

impl Up {
    fn new(name: String, limits: Limits, now: Micros) -> Self {
        Self {
            name,
            limits,
            last_heard: now,
            clock: ClockEstimate::default(),
            run: 0,
            awaits: 0,
            next_ping: now,
            upload: None,
            ping_id: 0,
            pings: VecDeque::new(),
        }
    }

    pub(super) fn ping(&mut self, now: Micros, interval: Micros) -> ToMember {
        self.next_ping = now + interval;
        self.ping_id = self.ping_id.wrapping_add(1);
        if self.pings.len() == MAX_PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((self.ping_id, now));
        ToMember::Ping { id: self.ping_id, sent_micros: now.0 }
    }

    fn pong(&mut self, id: u32, received: u64, answered: u64, now: Micros) {
        if let Some(at) = self.pings.iter().position(|(ping, _)| *ping == id)
            && let Some((_, sent)) = self.pings.remove(at)
        {
            self.clock.add(sent, received, answered, now);
        }
    }
}

impl Upload {
    pub(super) fn new(model: Model) -> Self {
        Self { model, sent: 0, acknowledged: 0 }
    }

    /// The member has so much of this file; more than was sent is not believed.
    fn acknowledge(&mut self, model: ModelHash, received: u64) {
        if model == self.model.hash {
            self.acknowledged = received.clamp(self.acknowledged, self.sent as u64);
        }
    }

    fn status(&self) -> MemberStatus {
        MemberStatus::Sending { sent: self.acknowledged, total: self.model.bytes.len() as u64 }
    }

    /// The next piece, if the window has room for it.
    fn next(&mut self) -> Option<ToMember> {
        let total = self.model.bytes.len();
        if self.sent >= total || self.sent as u64 - self.acknowledged >= WINDOW {
            return None;
        }
        let (start, end) = (self.sent, total.min(self.sent + Limits::WEIGHTS_CHUNK_BYTES));
        self.sent = end;
        let chunk = self.model.bytes[start..end].to_vec();
        Some(ToMember::Weights { model: self.model.hash, offset: start as u64, total: total as u64, chunk })
    }
}

impl Coordinator {
    pub(super) fn received(&mut self, place: usize, bytes: &[u8], now: Micros, fx: &mut Effects) {
        let limits = self.config.limits;
        let Some(peer) = self.peer(place).filter(|peer| matches!(peer.state, State::Greeting { .. } | State::Up(_)))
        else {
            return;
        };
        if let Some(up) = peer.up_mut() {
            up.last_heard = now;
        }
        match ToCoordinator::decode(bytes, &limits) {
            Ok(message) => self.message(place, message, now, fx),
            Err(error @ WireError::Version { .. }) => self.lose(vec![(place, MemberError::Version(error))], now, fx),
            Err(error) => self.malformed(place, error.to_string(), now, fx),
        }
    }

    pub(super) fn malformed(&mut self, place: usize, why: String, now: Micros, fx: &mut Effects) {
        self.lose(vec![(place, MemberError::Malformed { why })], now, fx);
    }

    fn message(&mut self, place: usize, message: ToCoordinator, now: Micros, fx: &mut Effects) {
        let is_up = self.place_is_up(place);
        match message {
            ToCoordinator::Refused(refusal) => self.refused(place, refusal, now, fx),
            ToCoordinator::Welcome { version, name, threads, limits } if !is_up => {
                match self.check_name(place, &name) {
                    Err(error) => self.lose(vec![(place, error)], now, fx),
                    Ok(()) => {
                        let status = MemberStatus::Welcomed { name: name.clone(), version, threads };
                        fx.push(CoordinatorEffect::Status { place, status });
                        if let Some(peer) = self.peer(place) {
                            peer.state = State::Up(Box::new(Up::new(name, limits, now)));
                        }
                        self.settle(now, fx);
                    }
                }
            }
            ToCoordinator::Welcome { .. } => self.malformed(place, "a welcome came twice".to_owned(), now, fx),
            _ if !is_up => self.malformed(place, "something came before its welcome".to_owned(), now, fx),
            ToCoordinator::NeedWeights { model } => self.start_upload(place, model, now, fx),
            ToCoordinator::WeightsProgress { model, received, .. } => {
                if let Some(upload) = self.upload(place) {
                    upload.acknowledge(model, received);
                    self.continue_upload(place, now, fx);
                }
            }
            ToCoordinator::Joined { group, weight_bytes } => self.joined(place, group, weight_bytes, now, fx),
            ToCoordinator::Linked { group, missed } => self.linked(place, group, &missed, now, fx),
            ToCoordinator::Part(part) => self.part(place, part, now, fx),
            ToCoordinator::Report(report) => self.report(place, report, fx),
            ToCoordinator::Pong { id, received_micros, answered_micros, run, awaits, .. } => {
                if let Some(up) = self.peer(place).and_then(Peer::up_mut) {
                    up.pong(id, received_micros, answered_micros, now);
                    (up.run, up.awaits) = (run, awaits);
                }
            }
        }
    }

    fn check_name(&self, place: usize, name: &str) -> Result<(), MemberError> {
        let (bytes, found) = (name.len(), name.to_owned());
        let expected = self.peers.get(place - 1).map_or("", |peer| &peer.spec.name);
        if !(1..=MAX_NAME_BYTES).contains(&bytes) {
            return Err(MemberError::BadName { bytes });
        }
        if !expected.is_empty() && expected != name {
            return Err(MemberError::WrongName { expected: expected.to_owned(), found });
        }
        let others = self.peers.iter().filter_map(Peer::up).map(|up| up.name.as_str());
        match others.chain([self.config.name.as_str()]).any(|other| other == name) {
            true => Err(MemberError::SameName { name: found }),
            false => Ok(()),
        }
    }

    fn refused(&mut self, place: usize, refusal: Refusal, now: Micros, fx: &mut Effects) {
        let is_at_fault = match refusal.subject {
            _ if !self.place_is_up(place) => true,
            Subject::Session => true,
            Subject::Deployment(id) => self.team.as_ref().is_some_and(|team| team.group().id as u32 == id),
            Subject::Frame(run) if self.is_running(run) => match refusal.code {
                RefusalCode::ComputeFailed => true,
                _ => return self.run_refused(place, refusal, fx),
            },
            Subject::Frame(_) | Subject::Measurement(_) => false,
        };
        if is_at_fault {
            self.lose(vec![(place, MemberError::Refused(refusal))], now, fx);
        }
    }

    // ---- weights

    fn upload(&mut self, place: usize) -> Option<&mut Upload> {
        self.peer(place)?.up_mut()?.upload.as_mut()
    }

    fn start_upload(&mut self, place: usize, model: ModelHash, now: Micros, fx: &mut Effects) {
        let Some(file) = self.team.as_ref().and_then(|team| team.file(model)) else { return };
        let Some(up) = self.peer(place).and_then(Peer::up_mut) else { return };
        let (bytes, most) = (file.bytes.len() as u64, up.limits.max_model_bytes);
        if bytes > most {
            let refusal = Refusal {
                subject: Subject::Session,
                code: RefusalCode::ModelTooLarge,
                wrong: format!("the file of weights has {bytes} bytes"),
                right: format!("this worker takes at most {most} bytes; start it so that it takes more"),
            };
            return self.lose(vec![(place, MemberError::Refused(refusal))], now, fx);
        }
        up.upload = Some(Upload::new(file));
        self.continue_upload(place, now, fx);
    }

    fn continue_upload(&mut self, place: usize, now: Micros, fx: &mut Effects) {
        while let Some(piece) = self.upload(place).and_then(Upload::next) {
            self.write(place, &piece, fx);
        }
        if let Some(status) = self.upload(place).map(|upload| upload.status()) {
            fx.push(CoordinatorEffect::Status { place, status });
        }
        self.put_off(now);
    }
}
