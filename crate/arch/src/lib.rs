//! The vocabulary: operations, architectures, tiers, plans, and what they cost in shape, FLOPs and bytes.
//!
//! A graph network is a list of [`Op`]s followed by a fixed classifier C → 512 → 256 → classes. An
//! [`Architecture`] that exists is valid; who runs which part of it is said by a [`Plan`], which adds at most two
//! *cuts*, places where the running tier changes. Keeping the two apart lets every placement of one network share
//! its weights, its trace and its answer. [`Architecture::trace`] tells shapes, FLOPs, parameters and what is live
//! between operations, which is exactly what a cut has to send.
//!
//! Everything here is plain arithmetic on plain data: no tensors, no clock, no files, no sockets, no serialisation
//! framework. The text form is that of GCoDE (arXiv 2404.05605), widened by HGNAS's functions (arXiv 2303.10875)
//! and by the two operations that make DGCNN (arXiv 1801.07829) expressible.
//!
//! ```
//! use cleave_arch::{Codec, Plan, Task, Tier};
//!
//! let plan: Plan = "3 2 1 4 5,0 6 3 3 0".parse()?;
//! assert_eq!(plan.architecture().ops()[1].to_string(), "aggregate max [x_i ‖ x_j − x_i]");
//! assert_eq!(plan.tier_of_classifier(), Tier::Edge);
//!
//! let trace = plan.architecture().trace(&Task::modelnet10());
//! assert_eq!(trace.cut_bytes(plan.cuts()[0], Codec::F32), 128 * 4); // one row of 64 ‖ 64 channels
//! # Ok::<(), cleave_arch::ArchError>(())
//! ```

mod architecture;
pub mod array;
mod codec;
mod error;
mod flow;
mod halves;
mod lower;
mod mapping;
mod op;
mod params;
mod plan;
mod probe;
pub mod space;
pub mod supernet;
mod task;
mod text;
pub mod tolerance;
mod trace;

pub use architecture::Architecture;
pub use array::{Array, ArrayError, Data};
pub use cleave_graph::{CutGraph, MAX_CUTS, ParamSpec, Segment, SplitMix64, Tier, fnv_1a, random_neighbour};
pub use codec::{Codec, Compression, LinkCodec};
pub use error::ArchError;
pub use halves::{Halves, HalvesError};
pub use lower::{Lowered, graph_named};
pub use mapping::{Crossing, Mapping};
pub use op::{Connect, MAX_CHANNELS, MAX_OPS, MIN_CHANNELS, Message, Op, Pool, Reducer, Sampler};
pub use params::CLASSIFIER_HIDDEN;
pub use plan::{Plan, Stretch};
pub use probe::{Probe, timed};
pub use task::{GraphSource, MODELNET10, Task};
pub use trace::{ClassifierTrace, Live, Slot, Step, Trace};
