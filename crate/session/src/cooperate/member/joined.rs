//! A member in a group: its walk, its uplink, and its connections to the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_wire::Call;
use cleave_wire::cooperate::{
    Activity, Missed, Neighbour, Part, Report, Role, Span, Standing, ToCoordinator, ToMember, Uplink as Conditions,
};

use super::{Effects, Line, MemberEffect, close, write};
use crate::cooperate::EngineCall;
use crate::cooperate::group::{Group, Sent};
use crate::cooperate::uplink::Uplink;
use crate::cooperate::walk::{Act, Walk};
use crate::time::Micros;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Opening { until: Micros },
    Up,
    Missed,
}

#[derive(Debug)]
pub(super) struct Joined {
    pub(super) walk: Walk,
    /// The engine has its weights.
    pub(super) ready: bool,
    name: String,
    uplink: Uplink<Line>,
    links: BTreeMap<u16, Link>,
    /// Not yet told.
    missed: Vec<Missed>,
    told: bool,
}

impl Joined {
    pub(super) fn new(group: Group, name: String, uplink: Conditions, seed: u64, jobs: u64) -> Self {
        Self {
            walk: Walk::new(Arc::new(group), jobs),
            ready: false,
            name,
            uplink: Uplink::new(uplink, seed),
            links: BTreeMap::new(),
            missed: Vec::new(),
            told: false,
        }
    }

    pub(super) fn group(&self) -> &Group {
        &self.walk.group
    }

    /// Whether a line is one of this group.
    pub(super) fn has(&self, line: Line) -> bool {
        let workers = 1..self.group().workers();
        match line {
            Line::Coordinator => true,
            Line::To { group, worker } => group == self.group().id && self.links.contains_key(&worker),
            Line::From { group, worker } => {
                let other = usize::from(worker);
                group == self.group().id && workers.contains(&other) && other != self.group().worker
            }
        }
    }

    /// Whether a part is for this worker in this group.
    pub(super) fn takes(&self, part: &Part) -> bool {
        self.ready && part.group == self.group().id && usize::from(part.to) == self.group().worker
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { run: self.walk.run().unwrap_or_default(), awaits: self.walk.awaits() }
    }

    // ---- neighbours

    pub(super) fn link(&mut self, neighbours: Vec<Neighbour>, until: Micros, fx: &mut Effects) {
        let group = self.group().id;
        for Neighbour { worker, address } in neighbours {
            if self.has(Line::From { group, worker }) && !self.links.contains_key(&worker) {
                self.links.insert(worker, Link::Opening { until });
                fx.push(MemberEffect::Connect { line: Line::To { group, worker }, address });
            }
        }
        self.tell(fx);
    }

    pub(super) fn greet(&self, line: Line, fx: &mut Effects) {
        let role = Role::Peer { group: self.group().id, worker: self.group().worker as u16 };
        let hello = ToMember::Link(Call::Hello { token: String::new(), name: self.name.clone(), role });
        fx.push(MemberEffect::Send { line, bytes: hello.encode() });
    }

    pub(super) fn linked(&mut self, line: Line, fx: &mut Effects) {
        let Line::To { worker, .. } = line else { return };
        if let Some(link @ Link::Opening { .. }) = self.links.get_mut(&worker) {
            *link = Link::Up;
            self.tell(fx);
        }
    }

    /// What goes to this worker goes through the coordinator from now on.
    pub(super) fn missed(&mut self, line: Line, why: String, fx: &mut Effects) {
        let Line::To { worker, .. } = line else { return };
        if let Some(link) = self.links.get_mut(&worker).filter(|link| **link != Link::Missed) {
            *link = Link::Missed;
            close(line, &why, fx);
            self.missed.push(Missed { worker, why });
            self.tell(fx);
        }
    }

    /// Tells the coordinator when the last has been reached or missed, and every loss after that.
    fn tell(&mut self, fx: &mut Effects) {
        let is_opening = self.links.values().any(|link| matches!(link, Link::Opening { .. }));
        if is_opening || (self.told && self.missed.is_empty()) {
            return;
        }
        self.told = true;
        write(&ToCoordinator::Linked { group: self.group().id, missed: std::mem::take(&mut self.missed) }, fx);
    }

    // ---- runs

    pub(super) fn act(&mut self, act: Act, now: Micros, fx: &mut Effects) {
        match act {
            Act::Engine(call) => {
                // Another run has begun: what is left of the one before is for nobody.
                if matches!(call, EngineCall::Forget { .. }) {
                    self.uplink.clear();
                }
                fx.push(MemberEffect::Engine(call));
            }
            Act::Send(sent) => self.send(sent, now),
            Act::Done => {
                let Some(ended) = self.walk.end() else { return };
                let (group, run, peak_bytes) = (self.group().id, ended.run, ended.peak_bytes);
                fx.push(MemberEffect::Engine(EngineCall::Forget { run }));
                write(&ToCoordinator::Report(Report { group, run, spans: ended.spans, peak_bytes }), fx);
            }
        }
    }

    fn send(&mut self, sent: Sent, now: Micros) {
        let Some(run) = self.walk.run() else { return };
        let part = self.group().part(run, sent);
        let (stage, to) = (part.stage, part.to);
        let (line, message) = match self.links.get(&to) {
            Some(Link::Up) => (Line::To { group: part.group, worker: to }, ToMember::Part(part).encode()),
            _ => (Line::Coordinator, ToCoordinator::Part(part).encode()),
        };
        let bytes = message.len() as u32;
        let [start, end] = self.uplink.push(line, message, now);
        let activity = Activity::Send { to, bytes };
        self.walk.note(Span { stage, activity, start_micros: start.0, end_micros: end.0 });
    }

    pub(super) fn cancel(&mut self, run: u64, fx: &mut Effects) {
        if self.walk.run().is_none_or(|current| current <= run) {
            self.uplink.clear();
        }
        fx.extend(self.walk.cancel(run).map(MemberEffect::Engine));
    }

    // ---- time and end

    pub(super) fn send_due(&mut self, now: Micros, fx: &mut Effects) {
        while let Some((line, bytes)) = self.uplink.due(now) {
            fx.push(MemberEffect::Send { line, bytes });
        }
    }

    pub(super) fn next_wake(&self) -> Option<Micros> {
        let deadline = |link: &Link| match link {
            Link::Opening { until } => Some(*until),
            Link::Up | Link::Missed => None,
        };
        self.links.values().filter_map(deadline).chain(self.uplink.next()).min()
    }

    pub(super) fn check_time(&mut self, now: Micros, fx: &mut Effects) {
        let group = self.group().id;
        let late = |(worker, link): (&u16, &Link)| match link {
            Link::Opening { until } if now >= *until => Some(Line::To { group, worker: *worker }),
            _ => None,
        };
        let late: Vec<Line> = self.links.iter().filter_map(late).collect();
        late.into_iter().for_each(|line| self.missed(line, "it did not answer in time".to_owned(), fx));
    }

    pub(super) fn close(&mut self, fx: &mut Effects) {
        let group = self.group().id;
        for (worker, link) in &self.links {
            if *link != Link::Missed {
                close(Line::To { group, worker: *worker }, "the group is over", fx);
            }
        }
        if let Some(run) = self.walk.run() {
            self.cancel(run, fx);
        }
    }
}
