//! What can be wrong with an image network, its text or its partition. Positions of layers count from 0.

use thiserror::Error;

use super::layer::{Layer, Shape};
use super::network::MAX_LAYERS;
use super::partition::MAX_WORKERS;

/// Why a network, a text or a partition is refused: what was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// No layer, or too many.
    #[error("{n_layers} layers; a network has 1 to {MAX_LAYERS}")]
    Length {
        /// Layers given.
        n_layers: usize,
    },
    /// Something that needs an operator before it.
    #[error("`{layer}` begins the network; it must begin with a convolution, or with flatten and a linear layer")]
    Begins {
        /// The first layer.
        layer: Layer,
    },
    /// A layer for maps where features are, or the other way round.
    #[error("`{layer}` at position {position} needs {needs}; before it are {found}")]
    WrongInput {
        /// Where it stands.
        position: usize,
        /// What stands there.
        layer: Layer,
        /// "a map" or "flattened features".
        needs: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A flatten that no linear layer follows.
    #[error("nothing but dropout may stand between flatten (position {position}) and a linear layer")]
    AfterFlatten {
        /// Where the flatten stands.
        position: usize,
    },
    /// A zero, a padding as large as the window, an even neighbourhood or something enormous.
    #[error("`{layer}` at position {position}: {why}")]
    Number {
        /// Where it stands.
        position: usize,
        /// What stands there.
        layer: Layer,
        /// What would be right.
        why: &'static str,
    },
    /// A window larger than the map.
    #[error("`{layer}` at position {position}: its window does not fit into a map of {input}")]
    Window {
        /// Where it stands.
        position: usize,
        /// What stands there.
        layer: Layer,
        /// The map before it.
        input: Shape,
    },
    /// An input without content or beyond all bounds.
    #[error("an input of {input} is not possible; give channels×height×width, each from 1 to 4096")]
    Input {
        /// What was given.
        input: Shape,
    },
    /// A text that is no network.
    #[error("\"{found}\" is not understood; {expected}")]
    Text {
        /// The part that is wrong.
        found: String,
        /// What would be right.
        expected: &'static str,
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
    #[error("operator {operator} (`{layer}`) cannot be split by {split}: {why}")]
    Illegal {
        /// Which operator.
        operator: usize,
        /// Its layer.
        layer: Layer,
        /// "input channel" or "rows".
        split: &'static str,
        /// The reason.
        why: &'static str,
    },
}
