//! Members' processes: each with a machine, an engine, a cache of weights, and lines to the others.

use std::collections::{BTreeMap, BTreeSet};

use cleave_session::cooperate::{
    CoordinatorEvent, Line, Member, MemberConfig, MemberEffect, MemberEvent, greeting, no_such_group,
};
use cleave_session::{Host, Micros, SocketEvent, TokenCheck};
use cleave_wire::cooperate::{Role, ToCoordinator, ToMember};
use cleave_wire::{Header, Limits, ModelHash};

use super::{AHEAD, Fate, Happening, World, member_name};
use crate::toy::Engine;

/// A member's process.
pub struct Node {
    pub config: MemberConfig,
    pub machine: Option<Member>,
    pub is_reachable: bool,
    pub(super) fate: Option<(usize, Fate)>,
    pub(super) is_doomed: bool,
    pub(super) muted: bool,
    pub(super) stalled: bool,
    /// A connection of the coordinator that has not greeted.
    pub(super) accepted: bool,
    pub(super) engine: Engine,
    pub(super) cache: BTreeSet<ModelHash>,
    pub(super) free_at: Micros,
    /// The other ends of its lines to and from other members.
    pub(super) lines: BTreeMap<Line, (usize, Line)>,
}

impl Node {
    pub fn new(place: usize) -> Self {
        Self {
            config: MemberConfig::new(Host::new(TokenCheck::new(|token| token == "right"), member_name(place))),
            machine: None,
            is_reachable: true,
            fate: None,
            is_doomed: false,
            muted: false,
            stalled: false,
            accepted: false,
            engine: Engine::default(),
            cache: BTreeSet::new(),
            free_at: Micros(0),
            lines: BTreeMap::new(),
        }
    }
}

impl World {
    pub(super) fn arrives(&mut self, place: usize, line: Line, bytes: Vec<u8>) {
        let node = &mut self.nodes[place - 1];
        if line == Line::Coordinator && node.accepted {
            node.accepted = false;
            match greeting(&bytes, &node.config.host.limits) {
                Ok(Role::Coordinator) => {
                    node.machine = Some(Member::new(node.config.clone(), self.now + Micros(AHEAD * place as u64)))
                }
                Ok(Role::Peer { .. }) => return self.say(place, no_such_group()),
                Err(bytes) => return self.say(place, bytes),
            }
        }
        self.member(place, MemberEvent::Received { line, bytes });
    }

    pub(super) fn member(&mut self, place: usize, event: MemberEvent) {
        let here = self.clock(place);
        let node = &mut self.nodes[place - 1];
        if node.muted {
            return;
        }
        let Some(machine) = &mut node.machine else { return };
        let effects = machine.handle(event, here);
        let fate = match &mut node.fate {
            Some((0, fate)) => Some(*fate),
            Some((events, _)) => {
                *events -= 1;
                None
            }
            None => None,
        };
        if let Some(fate) = fate {
            self.nodes[place - 1].fate = None;
            self.befall(place, fate);
            if matches!(fate, Fate::Kill | Fate::Mute) {
                return;
            }
        }
        effects.into_iter().for_each(|effect| self.member_effect(place, effect));
    }

    pub fn befall(&mut self, place: usize, fate: Fate) {
        let node = &mut self.nodes[place - 1];
        match fate {
            Fate::Mute => node.muted = true,
            Fate::StallEngine => node.stalled = true,
            Fate::Kill => {
                node.machine = None;
                node.is_reachable = false;
                let event = CoordinatorEvent::Socket { place, event: SocketEvent::Closed("connection reset".into()) };
                self.later(place, 0, Line::Coordinator, Happening::Coordinator(event));
                self.break_lines(place, |_| true);
            }
            Fate::BreakLines => self.break_lines(place, |line| matches!(line, Line::To { .. })),
        }
    }

    fn break_lines(&mut self, place: usize, which: impl Fn(&Line) -> bool) {
        let lines: Vec<_> = self.nodes[place - 1].lines.extract_if(.., |line, _| which(line)).collect();
        for (line, (other, there)) in lines {
            let closed = |line| MemberEvent::Closed { line, why: "connection reset".into() };
            self.nodes[other - 1].lines.remove(&there);
            self.later(place, other, there, Happening::Member { place: other, event: closed(there) });
            self.later(other, place, line, Happening::Member { place, event: closed(line) });
        }
    }

    fn say(&mut self, place: usize, mut bytes: Vec<u8>) {
        if let Some(tamper) = &mut self.tamper {
            tamper(place, &mut bytes);
        }
        if let Ok(ToCoordinator::Part(part)) = ToCoordinator::decode(&bytes, &Limits::DEFAULT) {
            self.count(&part);
        }
        let event = CoordinatorEvent::Socket { place, event: SocketEvent::Received(bytes) };
        self.later(place, 0, Line::Coordinator, Happening::Coordinator(event));
    }

    fn member_effect(&mut self, place: usize, effect: MemberEffect) {
        match effect {
            MemberEffect::Connect { line, address } => {
                let other: Option<usize> = address.strip_prefix("place ").and_then(|place| place.parse().ok());
                let other = other.filter(|other| self.nodes.get(other - 1).is_some_and(|node| node.is_reachable));
                let event = match other {
                    Some(_) => MemberEvent::Opened { line },
                    None => MemberEvent::Closed { line, why: "connection refused".into() },
                };
                // The other end is known when it has greeted.
                self.nodes[place - 1].lines.extend(other.map(|other| (line, (other, line))));
                self.later(place, place, line, Happening::Member { place, event });
            }
            MemberEffect::Send { line: Line::Coordinator, bytes } => self.say(place, bytes),
            MemberEffect::Send { line, bytes } => self.say_to_peer(place, line, bytes),
            MemberEffect::Close { line: Line::Coordinator, why } => {
                let event = CoordinatorEvent::Socket { place, event: SocketEvent::Closed(why) };
                self.later(place, 0, Line::Coordinator, Happening::Coordinator(event));
                self.break_lines(place, |_| true);
            }
            MemberEffect::Close { line, .. } => self.break_lines(place, |other| *other == line),
            MemberEffect::Engine(call) => {
                if let Some((moment, event)) = self.engine(place, call) {
                    self.at(moment, Happening::Member { place, event: MemberEvent::Engine(event) });
                }
            }
            MemberEffect::StoreWeights { model, bytes } => {
                let event = match ModelHash([bytes.len() as u8; 32]) == model {
                    true => {
                        self.nodes[place - 1].cache.insert(model);
                        MemberEvent::WeightsStored { model }
                    }
                    false => MemberEvent::WeightsRejected { model, why: "its hash is another".into() },
                };
                self.later(place, place, Line::Coordinator, Happening::Member { place, event });
            }
        }
    }

    fn say_to_peer(&mut self, place: usize, line: Line, mut bytes: Vec<u8>) {
        let Some(&(other, there)) = self.nodes[place - 1].lines.get(&line) else { return };
        if let Some(tamper) = &mut self.tamper {
            tamper(place, &mut bytes);
        }
        match (line, Header::read(&bytes).map(|header| header.kind)) {
            (Line::To { .. }, Ok(32)) => {
                let Ok(Role::Peer { group, worker }) = greeting(&bytes, &Limits::DEFAULT) else {
                    return self.break_lines(place, |other| *other == line);
                };
                let there = Line::From { group, worker };
                self.nodes[place - 1].lines.insert(line, (other, there));
                let is_here = self.nodes[other - 1].machine.as_ref().is_some_and(|m| m.group() == Some(group));
                let happening = match is_here {
                    true => {
                        self.nodes[other - 1].lines.insert(there, (place, line));
                        Happening::Member { place: other, event: MemberEvent::Opened { line: there } }
                    }
                    false => {
                        let bytes = no_such_group();
                        Happening::Member { place, event: MemberEvent::Received { line, bytes } }
                    }
                };
                self.later(place, other, there, happening);
            }
            _ => {
                if let Ok(ToMember::Part(part)) = ToMember::decode(&bytes, &Limits::DEFAULT) {
                    self.count(&part);
                }
                let event = MemberEvent::Received { line: there, bytes };
                self.later(place, other, there, Happening::Member { place: other, event });
            }
        }
    }
}
