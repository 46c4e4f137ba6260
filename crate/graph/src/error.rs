//! What can be wrong with a graph, its text or a partition of it. Positions of operations count from 0.

use thiserror::Error;

use crate::graph::MAX_NODES;
use crate::partition::MAX_WORKERS;

/// Why a graph, a text or a partition is refused: what was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// No operation, or too many.
    #[error("{n_nodes} operations; a network has 1 to {MAX_NODES}")]
    Length {
        /// Operations given.
        n_nodes: usize,
    },
    /// An operation that does not fit where it stands.
    #[error("`{op}` at position {position} {why}")]
    Node {
        /// Where it stands.
        position: usize,
        /// What stands there.
        op: String,
        /// What is wrong, as the end of a sentence.
        why: String,
    },
    /// An operation whose result nothing reads.
    #[error("nothing reads what `{op}` at position {position} makes; leave it out, or let the last operation use it")]
    Unused {
        /// Where it stands.
        position: usize,
        /// What stands there.
        op: String,
    },
    /// An input without content or beyond all bounds.
    #[error("an input of {input} is not possible; each extent is from 1 to {most}")]
    Input {
        /// What was given.
        input: String,
        /// The largest extent.
        most: usize,
    },
    /// Cuts that a graph cannot have.
    #[error("cuts {cuts:?} are not possible; at most 2, in order, each before one of the nodes 0 to {}", n_nodes - 1)]
    Cuts {
        /// The cuts given.
        cuts: Vec<usize>,
        /// Nodes of the graph.
        n_nodes: usize,
    },
    /// A text that is no network.
    #[error("\"{found}\" is not understood; {expected}")]
    Text {
        /// The part that is wrong.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A name that no network has.
    #[error("there is no network \"{name}\"; there are {known}, or give a chain like \"1x28x28: conv 6 k5 p2, relu\"")]
    UnknownName {
        /// What was given.
        name: String,
        /// All names.
        known: String,
    },
    /// No worker, or too many.
    #[error("{workers} workers; a partition has 1 to {MAX_WORKERS}")]
    Workers {
        /// Workers given.
        workers: usize,
    },
    /// Not one step for each operator.
    #[error("{steps} steps for a network of {operators} operators; each operator needs one")]
    Steps {
        /// Steps given.
        steps: usize,
        /// Operators of the network.
        operators: usize,
    },
    /// Shares that do not cover what they share.
    #[error("operator {operator}: shares {shares:?} over {workers} workers; they must sum to {units} {what}")]
    Shares {
        /// Which operator.
        operator: usize,
        /// What was given.
        shares: Vec<usize>,
        /// Workers there are.
        workers: usize,
        /// What there is to share.
        units: usize,
        /// "output channels", "input channels" or "rows".
        what: &'static str,
    },
    /// A worker that is not there.
    #[error("operator {operator}: there is no worker {worker}; they are numbered 0 to {last}")]
    NoWorker {
        /// Which operator.
        operator: usize,
        /// The number given.
        worker: usize,
        /// The highest number.
        last: usize,
    },
    /// A split that this kind of operator has not.
    #[error("operator {operator} (`{op}`) cannot be split by {split}")]
    Illegal {
        /// Which operator.
        operator: usize,
        /// Its operation.
        op: String,
        /// "output channel", "input channel" or "rows".
        split: &'static str,
    },
}
