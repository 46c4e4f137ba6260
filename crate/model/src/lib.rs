//! What runs: an [`Architecture`](cleave_arch::Architecture) and [`Weights`] become a [`Gnn`] on a
//! burn device, and any segment of it maps a [`State`] to a [`State`]; a graph and a schedule become each
//! worker's [`exec::Member`].
//!
//! The crate knows tensors and nothing of where its inputs come from or its results go. It is exact:
//! every cut of a network gives the answer of the whole, because a segment starts from precisely the
//! values that the segment before it left. It is fast where the operations of graph networks are
//! slow elsewhere: neighbour search never holds a distance matrix, aggregation never holds an edge
//! tensor, and linear layers run once per node (see [`kernel`] and [`Gnn`]).

#[cfg(feature = "autodiff")]
mod autodiff;
mod check;
#[cfg(feature = "wgpu")]
mod cube;
mod error;
pub mod exec;
mod flex;
pub mod functional;
mod gin;
mod gnn;
mod image_card;
pub mod kernel;
mod measure;
pub mod ops;
mod state;
mod supernet;
mod weights;
mod words;

pub use check::self_check;
pub use error::ModelError;
pub use gin::{Gin, GinWeights};
pub use gnn::{EPSILON, Gnn, SLOPE};
pub use image_card::{ImageCard, likeliest};
pub use measure::measure;
pub use state::State;
pub use supernet::SupernetWeights;
pub use weights::{Card, Storage, Weight, Weights};
pub use words::WordVectors;
