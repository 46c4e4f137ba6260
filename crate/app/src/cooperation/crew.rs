//! Who takes part in a cooperation: by place, the coordinator first. Who is lost stays in the list, with the reason.

use std::fmt;

use cleave_contract::WorkerState;
use cleave_session::cooperate::{MemberError, MemberSpec, MemberStatus};
use cleave_wire::RefusalCode;

/// A worker that is wanted beside the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// How it is connected to.
    pub spec: MemberSpec,
    /// What people call it until it has told its name.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// Whether its engine is one of the coordinator's kind, on the same machine: what is learnt of one counts for both.
    pub is_alike: bool,
}

/// A worker that was lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Gone {
    /// Its place.
    pub place: usize,
    /// What it called itself.
    pub name: String,
    /// Why.
    pub why: MemberError,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker \"{}\": {}", self.name, self.why)
    }
}

impl Gone {
    /// Whether it is there but refuses its part: no accident, but a mistake in what was asked of it.
    pub(super) fn is_refusal(&self) -> bool {
        let MemberError::Refused(refusal) = &self.why else { return false };
        let mistakes =
            [RefusalCode::BadPlan, RefusalCode::ModelTooLarge, RefusalCode::ModelInvalid, RefusalCode::BadWeights];
        mistakes.contains(&refusal.code)
    }
}

/// All workers.
#[derive(Clone, Debug)]
pub struct Crew {
    states: Vec<WorkerState>,
    gone: Vec<Gone>,
}

impl Crew {
    pub(super) fn new(name: &str, place: &str, members: &[Candidate]) -> Self {
        let state = |name: &str, place: &str, status: &str| WorkerState {
            name: name.into(),
            place: place.into(),
            status: status.into(),
            is_gone: false,
        };
        let own = std::iter::once(state(name, place, "ready"));
        let states = own.chain(members.iter().map(|member| state(&member.name, &member.place, "starting"))).collect();
        Self { states, gone: Vec::new() }
    }

    /// As people are told, by place.
    pub fn states(&self) -> &[WorkerState] {
        &self.states
    }

    /// Who was lost so far, in order.
    pub fn gone(&self) -> &[Gone] {
        &self.gone
    }

    /// Places of those who are there.
    pub fn places(&self) -> Vec<usize> {
        let there = self.states.iter().enumerate().filter(|(_, state)| !state.is_gone);
        there.map(|(place, _)| place).collect()
    }

    pub(super) fn are_there(&self, places: &[usize]) -> bool {
        places.iter().all(|place| self.states.get(*place).is_some_and(|state| !state.is_gone))
    }

    pub(super) fn note(&mut self, place: usize, status: &MemberStatus) {
        let Some(state) = self.states.get_mut(place) else { return };
        state.status = match status {
            MemberStatus::Connecting => "starting".into(),
            MemberStatus::Welcomed { name, version, threads } => {
                state.name.clone_from(name);
                format!("there: version {version}, {threads} threads")
            }
            MemberStatus::Sending { sent, total } => format!("receives the weights: {sent} of {total} bytes"),
            MemberStatus::Joined { .. } => "ready".into(),
            MemberStatus::Gone(why) => {
                state.is_gone = true;
                self.gone.push(Gone { place, name: state.name.clone(), why: why.clone() });
                why.to_string()
            }
        };
    }
}
