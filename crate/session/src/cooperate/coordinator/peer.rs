//! One member's connection: what is known of it, and what its messages mean.

use cleave_wire::cooperate::{MAX_NAME_BYTES, Standing, ToCoordinator, ToMember};
use cleave_wire::{ModelHash, Refusal, RefusalCode, Subject, WireError};

use super::{Coordinator, CoordinatorEffect, Effects, MemberSpec};
use crate::cooperate::error::MemberError;
use crate::cooperate::report::MemberStatus;
use crate::link::{self, Calling, Cooperation, Heard, Pace};
use crate::time::Micros;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) spec: MemberSpec,
    /// While there is a connection, or one is being opened.
    pub(super) line: Option<Calling<Cooperation, Standing>>,
}

/// A member that is there, with where it was when it last said so.
pub(super) type Up = link::Up<Standing>;

impl Peer {
    pub(super) fn new(spec: MemberSpec) -> Self {
        Self { spec, line: None }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        self.line.as_ref()?.up()
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        self.line.as_mut()?.up_mut()
    }

    pub(super) fn is_greeting(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.up().is_none())
    }

    /// A message that asks for a sign of life.
    pub(super) fn ping(&mut self, now: Micros, interval: Micros) -> Option<ToMember> {
        self.up_mut().map(|up| ToMember::Link(up.ping(now, interval)))
    }
}

impl Coordinator {
    pub(super) fn received(&mut self, place: usize, bytes: &[u8], now: Micros, fx: &mut Effects) {
        let limits = self.config.limits;
        let Some(line) = self.peer(place).and_then(|peer| peer.line.as_mut()) else { return };
        match line.received(bytes, &limits, |()| Standing::default(), now) {
            Ok(Heard::Nothing) => {}
            Ok(Heard::Welcome) => self.welcomed(place, now, fx),
            Ok(Heard::NeedWeights(model)) => self.start_upload(place, model, now, fx),
            Ok(Heard::Progress) => self.continue_upload(place, now, fx),
            Ok(Heard::State(standing)) => {
                if let Some(up) = self.peer(place).and_then(Peer::up_mut) {
                    up.known = standing;
                }
            }
            Ok(Heard::Refused(refusal)) => self.refused(place, refusal, now, fx),
            Ok(Heard::Message(message)) => self.message(place, message, now, fx),
            Err(error @ WireError::Version { .. }) => self.lose(vec![(place, MemberError::Version(error))], now, fx),
            Err(error) => self.malformed(place, error.to_string(), now, fx),
        }
    }

    pub(super) fn malformed(&mut self, place: usize, why: String, now: Micros, fx: &mut Effects) {
        self.lose(vec![(place, MemberError::Malformed { why })], now, fx);
    }

    fn message(&mut self, place: usize, message: ToCoordinator, now: Micros, fx: &mut Effects) {
        match message {
            ToCoordinator::Joined { group, weight_bytes } => self.joined(place, group, weight_bytes, now, fx),
            ToCoordinator::Linked { group, missed } => self.linked(place, group, &missed, now, fx),
            ToCoordinator::Part(part) => self.part(place, part, now, fx),
            ToCoordinator::Report(report) => self.report(place, report, fx),
            // Those the link has taken out.
            ToCoordinator::Link(_) => {}
        }
    }

    fn welcomed(&mut self, place: usize, now: Micros, fx: &mut Effects) {
        let Some(up) = self.peers.get(place - 1).and_then(Peer::up) else { return };
        match self.check_name(place, &up.name) {
            Err(error) => self.lose(vec![(place, error)], now, fx),
            Ok(()) => {
                let (name, version, threads) = (up.name.clone(), up.version.clone(), up.threads);
                fx.push(CoordinatorEffect::Status { place, status: MemberStatus::Welcomed { name, version, threads } });
                self.settle(now, fx);
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
        let others = self.peers.iter().enumerate().filter(|(at, _)| at + 1 != place);
        let others = others.filter_map(|(_, peer)| peer.up()).map(|up| up.name.as_str());
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

    fn start_upload(&mut self, place: usize, model: ModelHash, now: Micros, fx: &mut Effects) {
        let Some(file) = self.team.as_ref().and_then(|team| team.file(model)) else { return };
        let Some(up) = self.peer(place).and_then(Peer::up_mut) else { return };
        match up.start_upload::<Cooperation>(file) {
            Ok(()) => self.continue_upload(place, now, fx),
            Err(refusal) => self.lose(vec![(place, MemberError::Refused(refusal))], now, fx),
        }
    }

    fn continue_upload(&mut self, place: usize, now: Micros, fx: &mut Effects) {
        let Some(up) = self.peer(place).and_then(Peer::up_mut) else { return };
        while let Some(piece) = up.piece(Pace::Fast) {
            fx.push(CoordinatorEffect::Send { place, bytes: ToMember::Link(piece).encode() });
        }
        if let Some((sent, total)) = up.upload.as_ref().map(|upload| upload.progress()) {
            fx.push(CoordinatorEffect::Status { place, status: MemberStatus::Sending { sent, total } });
        }
        self.put_off(now);
    }
}
