//! What can be wrong with weights and inputs, each with what would be right.

use cleave_arch::GraphSource;
use thiserror::Error;

/// Errors of this crate.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum ModelError {
    /// The file is no safetensors file.
    #[error("the weights are not a safetensors file: {why}")]
    NotSafetensors {
        /// The parser's own words.
        why: String,
    },
    /// A tensor has an element type that weights cannot have.
    #[error("weight `{name}` has element type {found}; F32, F16 or BF16 is expected")]
    WrongType {
        /// Tensor name.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// A tensor is missing.
    #[error("weight `{name}` of shape {expected:?} is missing")]
    Missing {
        /// Tensor name.
        name: String,
        /// Shape that the architecture needs.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the architecture needs.
    #[error("weight `{name}` has shape {found:?}; this architecture needs {expected:?}")]
    WrongShape {
        /// Tensor name.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that the architecture needs.
        expected: Vec<usize>,
    },
    /// The file has a tensor that the architecture does not use.
    #[error("weight `{name}` belongs to no operation of this architecture; is this another network's file?")]
    Unknown {
        /// Tensor name.
        name: String,
    },
    /// A partition that the network has not.
    #[error(transparent)]
    Network {
        /// What is wrong with it.
        #[from]
        why: cleave_graph::GraphError,
    },
    /// Messages that are not those of the schedule.
    #[error("{found}; each part must be what the schedule says")]
    Parts {
        /// What came.
        found: String,
    },
    /// A weight is NaN or infinite, or a variance negative.
    #[error(
        "weight `{name}` holds {value} at position {position}; finite values (and variances of at least 0) are expected"
    )]
    NotFinite {
        /// Tensor name.
        name: String,
        /// Flat position.
        position: usize,
        /// The value.
        value: f32,
    },
    /// The file does not say which network it belongs to, or says it wrongly.
    #[error("the weights' metadata entry `{key}` {why}")]
    Metadata {
        /// Key.
        key: String,
        /// What is wrong with it and what would be right.
        why: String,
    },
    /// An architecture outside the supernet's space.
    #[error("the supernet does not cover this architecture: {why}")]
    Uncovered {
        /// What keeps it out.
        why: String,
    },
    /// A network of one graph source with a task of the other.
    #[error("the network is for {architecture}, but its task is for {task}; each task has networks of its own")]
    Source {
        /// The architecture's.
        architecture: GraphSource,
        /// The task's.
        task: GraphSource,
    },
    /// No graph where an operation reads one.
    #[error("operation {op} reads a graph, but none was given; the input of this network is features and their graph")]
    NoGraph {
        /// Position of the operation.
        op: usize,
    },
    /// The values handed in are not those that the segment reads.
    #[error("what begins at node {node} reads {expected}, but {found} was given")]
    WrongInput {
        /// The segment's first node.
        node: usize,
        /// Kinds and shapes expected.
        expected: String,
        /// Shapes given.
        found: String,
    },
    /// Reading tensors back from the device failed.
    #[error("reading the result back from the device failed: {why}")]
    ReadBack {
        /// The backend's words.
        why: String,
    },
    /// A device computes something else than the CPU.
    #[error("the device computes a wrong {operation}: {found} where the CPU has {expected}; it cannot be used")]
    Deviates {
        /// The operation.
        operation: String,
        /// The CPU's value.
        expected: f32,
        /// The device's value.
        found: f32,
    },
}
