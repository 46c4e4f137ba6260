//! Why a member, a plan or a run is given up: what was wrong, and what would be right.

use cleave_graph::GraphError;
use cleave_wire::cooperate::MAX_NAME_BYTES;
use cleave_wire::{Refusal, RefusalCode, Subject, WireError};
use thiserror::Error;

use crate::refusal::Wrong;
use crate::time::Micros;

/// Why a member is not, or no longer, among the workers.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MemberError {
    /// The connection did not come about.
    #[error("it cannot be reached ({why}); check its address, and that it runs")]
    Unreachable {
        /// What the leaf saw.
        why: String,
    },
    /// Something did not come in time.
    #[error("it did not {what} within {after}; check its address and its machine")]
    NoAnswer {
        /// "open the connection", "answer", "get ready".
        what: &'static str,
        /// How long was waited.
        after: Micros,
    },
    /// It says no: a wrong token, another version, a plan that it cannot run, an engine that failed.
    #[error("it refused: {0}")]
    Refused(Refusal),
    /// Its messages are in another version.
    #[error("{0}")]
    Version(WireError),
    /// Its messages cannot be read, or are not those of a member.
    #[error("it sent what no member sends: {why}")]
    Malformed {
        /// What was wrong.
        why: String,
    },
    /// Somebody else answered.
    #[error("\"{found}\" answered where \"{expected}\" was expected; check the addresses")]
    WrongName {
        /// Who was expected.
        expected: String,
        /// Who answered.
        found: String,
    },
    /// Another worker has this name, or the same worker was given twice.
    #[error("there is another worker called \"{name}\"; give each a name of its own, and each address once")]
    SameName {
        /// The name.
        name: String,
    },
    /// No name.
    #[error("its name has {bytes} bytes; give it one of 1 to {MAX_NAME_BYTES} bytes")]
    BadName {
        /// Bytes of the name.
        bytes: usize,
    },
    /// A connection that worked broke.
    #[error("its connection broke: {why}")]
    Lost {
        /// What the leaf saw.
        why: String,
    },
    /// The others waited for it in vain.
    #[error("nothing came from it for {after}, though it was its turn")]
    Stalled {
        /// For how long.
        after: Micros,
    },
}

/// Why a plan is not taken.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    /// It is none of this graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// It came too early, or too late.
    #[error("nobody can be given a part now; answer when a plan is needed")]
    Untimely,
    /// Not one place and one uplink for each worker.
    #[error("{places} places and {uplinks} uplinks for {workers} workers; give one of both for each worker")]
    Count {
        /// Workers of the partition.
        workers: usize,
        /// Places given.
        places: usize,
        /// Uplinks given.
        uplinks: usize,
    },
    /// The first worker is not the coordinator, a place is given twice, or nobody is there.
    #[error(
        "place {place} cannot be worker {worker}; worker 0 is at place 0, the others at those asked for, each once"
    )]
    Place {
        /// Which place.
        place: usize,
        /// As which worker.
        worker: usize,
    },
    /// A part that fits into no message.
    #[error("a part of {bytes} bytes is sent, messages carry {most}; use more workers or other splits")]
    Part {
        /// Bytes of the largest part.
        bytes: u64,
        /// Most that is taken.
        most: u64,
    },
    /// More than a worker may hold.
    #[error("its part takes {bytes} bytes, this worker allows {most}; give it a smaller share")]
    Memory {
        /// Bytes by the schedule.
        bytes: u64,
        /// Most that it allows.
        most: u64,
    },
    /// The coordinator's own engine.
    #[error("the coordinator's own part cannot be loaded: {why}")]
    Load {
        /// What it says.
        why: String,
    },
}

/// Why a run has no answer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RunError {
    /// Not the network's inputs.
    #[error("the inputs have {found:?} numbers, the network reads {wanted:?}")]
    Inputs {
        /// Numbers of each input given.
        found: Vec<u64>,
        /// Numbers of each of the network's inputs.
        wanted: Vec<u64>,
    },
    /// Too many at once.
    #[error("{most} runs are waiting already; submit another one when one has ended")]
    Busy {
        /// Most that may wait.
        most: usize,
    },
    /// Nobody said how it is to be computed, or nothing that could be done.
    #[error("there is no plan by which it could be run{}", .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoPlan {
        /// Why the last one was not taken.
        why: Option<String>,
    },
    /// The coordinator's own engine.
    #[error("the coordinator's engine failed: {why}")]
    Engine {
        /// What it says.
        why: String,
    },
    /// A member says that a run cannot be done, for a reason that is not its own.
    #[error("worker \"{name}\" gave the run up: {refusal}")]
    Refused {
        /// The member's name.
        name: String,
        /// What was wrong.
        refusal: Refusal,
    },
    /// Nothing came for too long, and nobody is to blame.
    #[error("nothing came for {after}, and every worker says that it waits for another")]
    Stalled {
        /// For how long.
        after: Micros,
    },
    /// The owner left.
    #[error("the workers were dismissed")]
    Dismissed,
}

/// What a plan is refused with on the wire.
pub(super) fn bad_plan(error: &PlanError) -> Wrong {
    Wrong::new(RefusalCode::BadPlan, error.to_string(), "send a partition that this worker can run")
}

/// A refusal is about this group.
pub(super) fn about(group: u64) -> Subject {
    Subject::Deployment(group as u32)
}
