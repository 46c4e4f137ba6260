//! A network as values and operations: the unit of everything that is cut, priced, streamed and shared.
//!
//! A [`Graph`] has inputs and [`Node`]s, each an [`Op`] on earlier values; its text form is a chain with names for what
//! does not read the latest features. One file for each operation says what is known of it ([`op::Operation`], [`op::Sharing`]): shape,
//! weights, FLOPs, bytes, along which axes it can be shared, and the region of its input that a region of its result needs.
//!
//! Several workers share a graph by [`Operator`]s, an operation with everything per channel that follows it. A
//! [`Partition`] says how each is split over the workers, and a [`Schedule`] is what follows from it: for each operator
//! what each worker needs, computes, sends and holds. One schedule is counted, priced, drawn and executed, so that these
//! cannot differ.
//!
//! Source: IOP (arXiv 2409.07693) for output and input channels, CoEdge (arXiv 2012.03257) for rows. The regions that make
//! all three one algebra are a reconstruction.
//!
//! Everything here is plain arithmetic on plain data: no tensors, no clock, no files, no sockets, no serialisation
//! framework.
//!
//! ```
//! use cleave_graph::{Graph, Partition, Reduce, Schedule, Shares, Split, Step};
//!
//! let graph: Graph = "1x8x8: conv 6 k3 p1, relu, conv 4 k3 p1, flatten, linear 3".parse()?;
//! let shares = Shares::even(6, 3);
//! let steps = vec![
//!     Step::new(Split::Outputs(shares.clone())),
//!     Step { split: Split::Inputs(shares), reduce: Reduce::Direct },
//!     Step::new(Split::Outputs(Shares::even(3, 3))),
//! ];
//! let schedule = Schedule::new(&graph, &Partition { workers: 3, steps })?;
//! // Nothing is sent between the first two; all send partial sums to all after the second.
//! assert_eq!(schedule.stages[1].gather.len(), 0);
//! assert_eq!(schedule.stages[1].sums.len(), 6);
//! # Ok::<(), cleave_graph::GraphError>(())
//! ```

mod cut;
mod error;
mod graph;
pub mod kernel;
mod memory;
pub mod op;
mod operator;
mod partition;
mod region;
mod rng;
mod schedule;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod value;
pub mod zoo;

pub use cut::{CutGraph, MAX_CUTS, Segment, Tier};
pub use error::GraphError;
pub use graph::{Builder, Graph, MAX_NODES, Node, ParamSpec, ValueId};
pub use memory::Memory;
pub use op::{Axis, Op};
pub use operator::{Operator, Tail};
pub use partition::{MAX_WORKERS, Partition, Reduce, Shares, Split, Step};
pub use region::Region;
pub use rng::{SplitMix64, fnv_1a, random_neighbour};
pub use schedule::{COORDINATOR, Held, Schedule, Stage, Transfer, Work, gathers};
pub use value::{Layout, Shape, ValueType};
