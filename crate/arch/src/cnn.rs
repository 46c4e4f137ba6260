//! Image networks and how several workers share one: layers, the operators that they make, who computes which part of
//! an operator, and what then has to be sent between whom.
//!
//! A [`Network`] is a chain of layers; its unit of work is the [`Operator`], a layer with weights (or across channels)
//! and everything per channel that follows it. A [`Partition`] says how every operator is split over the workers, and
//! a [`Schedule`] is what follows from it: for each operator, what each worker needs, computes, sends and holds. One
//! schedule is counted, priced, drawn and executed, so that these cannot differ.
//!
//! Source: IOP (arXiv 2409.07693) for output and input channels, CoEdge (arXiv 2012.03257) for rows. The regions that
//! make all three one algebra are a reconstruction.
//!
//! ```
//! use cleave_arch::cnn::{Network, Partition, Reduce, Schedule, Shares, Split, Step};
//!
//! let network: Network = "1x8x8: conv 6 k3 p1, relu, conv 4 k3 p1, flatten, linear 3".parse()?;
//! let shares = Shares::even(6, 3);
//! let steps = vec![
//!     Step::new(Split::Outputs(shares.clone())),
//!     Step { split: Split::Inputs(shares), reduce: Reduce::Direct },
//!     Step::new(Split::Outputs(Shares::even(3, 3))),
//! ];
//! let schedule = Schedule::new(&network, &Partition { workers: 3, steps })?;
//! // Nothing is sent between the first two; all send partial sums to all after the second.
//! assert_eq!(schedule.stages[1].gather.len(), 0);
//! assert_eq!(schedule.stages[1].sums.len(), 6);
//! # Ok::<(), cleave_arch::cnn::NetworkError>(())
//! ```

mod error;
pub mod kernel;
mod layer;
mod memory;
mod network;
mod operator;
mod partition;
mod region;
mod schedule;
mod text;
pub mod zoo;

pub use error::NetworkError;
pub use layer::{Layer, PoolKind, Shape};
pub use memory::Memory;
pub use network::{MAX_LAYERS, Network};
pub use operator::{Kind, LRN_ALPHA, LRN_BETA, LRN_K, Operator, RowInput, Tail};
pub use partition::{MAX_WORKERS, Partition, Reduce, Shares, Split, Step};
pub use region::Region;
pub use schedule::{COORDINATOR, Schedule, Stage, Transfer, Work, gathers};
