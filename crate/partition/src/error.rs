//! What can be wrong with workers, links and times, and what no plan can satisfy. Workers count from 0.

use cleave_graph::{GraphError, MAX_WORKERS};
use thiserror::Error;

/// Why there is no plan: what was wrong, with whom, and what would be right.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PartitionError {
    /// No worker, or too many.
    #[error("{workers} workers; a network is shared by 1 to {MAX_WORKERS}")]
    Workers {
        /// Workers given.
        workers: usize,
    },
    /// Two workers that cannot be told apart.
    #[error("workers {first} and {second} are both named \"{name}\"; give each a name of its own")]
    SameName {
        /// The first of them.
        first: usize,
        /// The second.
        second: usize,
        /// Their name.
        name: String,
    },
    /// A speed, a share or a power that is none.
    #[error("worker {worker}: {what} of {value}; it must be {right}")]
    Number {
        /// Whose.
        worker: usize,
        /// "a speed", "a share", "a power" …
        what: &'static str,
        /// What was given.
        value: f64,
        /// What would be right.
        right: &'static str,
    },
    /// Speeds, shares or links for another number of workers.
    #[error("{found} {what} for {workers} workers; there must be one for each")]
    Count {
        /// "speeds", "shares", "rows of links".
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many workers there are.
        workers: usize,
    },
    /// A link over which nothing arrives.
    #[error("link from worker {from} to worker {to}: {what} of {value}; it must be {right}")]
    Link {
        /// Who sends.
        from: usize,
        /// Who receives.
        to: usize,
        /// "a rate in Mbps", "a set-up time in ms", "a delay in ms".
        what: &'static str,
        /// What was given.
        value: f64,
        /// What would be right.
        right: &'static str,
    },
    /// A pair of workers whose messages cannot be relayed.
    #[error(
        "messages between workers {from} and {to} cannot be relayed by worker 0; a pair is two others that there are"
    )]
    Relay {
        /// One of them.
        from: usize,
        /// The other.
        to: usize,
    },
    /// A worker that is not there.
    #[error("there is no worker {worker}; there are {workers}, numbered from 0")]
    NoWorker {
        /// The number given.
        worker: usize,
        /// Workers there are.
        workers: usize,
    },
    /// A time that is none.
    #[error("worker {worker} is said to take {ms} ms for operator {operator}; a time is a number from 0")]
    Time {
        /// Whose.
        worker: usize,
        /// For what.
        operator: usize,
        /// What was given.
        ms: f64,
    },
    /// More than a worker's memory.
    #[error(
        "worker {worker} (\"{name}\") may use {has_bytes} bytes, and the least that was found to be needed of it by {by} is \
         {needs_bytes}; allow it that much, add a worker, or choose a strategy that holds less"
    )]
    Memory {
        /// Whose.
        worker: usize,
        /// Its name.
        name: String,
        /// Its limit.
        has_bytes: u64,
        /// Its peak in the plan that breaks limits least.
        needs_bytes: u64,
        /// The strategy.
        by: &'static str,
    },
    /// Faster than can be.
    #[error("no plan takes at most {limit_ms} ms; the fastest that was found takes {least_ms:.3} ms")]
    Latency {
        /// The limit.
        limit_ms: f64,
        /// The least.
        least_ms: f64,
    },
    /// A name that no strategy has.
    #[error("there is no strategy \"{name}\"; there are {known}")]
    Strategy {
        /// What was given.
        name: String,
        /// All names.
        known: String,
    },
    /// The linear program could not be solved for a reason that is not the problem's.
    #[error("the linear program was not solved: {0}")]
    Solver(String),
    /// A partition that does not fit its network.
    #[error(transparent)]
    Network(#[from] GraphError),
}
