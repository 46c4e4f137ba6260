//! What would be right where a person, or a link, has written something that cannot be read.

use cleave_arch::{ArchError, MODELNET10};
use cleave_contract::{MAX_PARTITION_WORKERS, MIN_PARTITION_WORKERS, PartitionStrategy};
use cleave_graph::GraphError;
use thiserror::Error;

/// What is needed instead. The words go on a sentence, or become one beside a field.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Needed {
    /// A link's codec.
    #[error(transparent)]
    Codec(#[from] ArchError),
    /// An image network.
    #[error(transparent)]
    Network(#[from] GraphError),
    /// Positions of cuts.
    #[error("write one position, two as “3-9”, or “none”")]
    Cuts,
    /// A shape's class.
    #[error("the shapes are {}", MODELNET10.join(", "))]
    Class,
    /// An engine, or none in particular.
    #[error("the engines are auto, wasm and webgpu")]
    Engine,
    /// A whole number, bounds included.
    #[error("a whole number from {least} to {most} is needed")]
    Whole {
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A number, bounds included.
    #[error("a number from {least} to {most} is needed")]
    Number {
        /// The least.
        least: f64,
        /// The most.
        most: f64,
    },
    /// A number that is not 0.
    #[error("a number above 0 and up to {most} is needed")]
    Positive {
        /// The most.
        most: f64,
    },
    /// Another number of workers.
    #[error("{MIN_PARTITION_WORKERS} to {MAX_PARTITION_WORKERS} workers are needed, a number for each")]
    Workers,
    /// Fewer places of workers.
    #[error("there are at most {} workers beside this tab", MAX_PARTITION_WORKERS - 1)]
    Places,
    /// A medium.
    #[error("the media are own and shared")]
    Medium,
    /// A switch.
    #[error("on or off is needed")]
    Switch,
    /// Two strategies.
    #[error("two of {} with a comma between are needed", strategies())]
    Pair,
    /// A worker's address.
    #[error("an address ws://HOST:PORT without a path is needed")]
    Address,
}

fn strategies() -> String {
    PartitionStrategy::ALL.map(PartitionStrategy::name).join(", ")
}

/// A number, bounds included.
pub(crate) fn number(text: &str, least: f64, most: f64) -> Result<f64, Needed> {
    let number = text.trim().parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or(Needed::Number { least, most })
}

/// A number above 0.
pub(crate) fn positive(text: &str, most: f64) -> Result<f64, Needed> {
    let number = number(text, 0.0, most).ok().filter(|n| *n > 0.0);
    number.ok_or(Needed::Positive { most })
}
