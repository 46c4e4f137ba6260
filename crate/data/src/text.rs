//! Text graphs: a document becomes a graph of its words, and a network says what the document is.
//!
//! The set is MR (Pang and Lee, "Seeing stars", ACL 2005): sentences of movie reviews, negative or positive, in the
//! split of TextGCN; the graphs are those of TextING (Zhang et al., "Every document owns its structure", ACL 2020).
//! [`Corpus`] and [`Vectors`] read the files, [`graph`] builds, and [`tokens`] brings a typed sentence to the same
//! words. As for points, the data itself is never ours to ship.

mod corpus;
mod graph;
mod tokens;
mod vectors;

pub use corpus::{CLASSES, Corpus, Document, Part};
pub use graph::{NEIGHBOURS, NODES, TextGraph, WINDOW, graph};
pub use tokens::tokens;
pub use vectors::{DIMENSIONS, Vectors};
