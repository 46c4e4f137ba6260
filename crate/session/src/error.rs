//! What is answered instead of a result, where the answer crosses this crate's border: the engine's word and the edge's.

use cleave_wire::{Limits, Refusal};
use thiserror::Error;

/// What an engine says of work that it could not do. Engines are outside of this crate, so it is a sentence for people; it
/// is told, never taken apart.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct EngineError(String);

impl EngineError {
    /// An engine's word, or the error that it gave.
    pub fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// Why an edge gave no times.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum MeasureError {
    /// Nobody is there, or not any more.
    #[error("no edge is connected")]
    NoEdge,
    /// The edge cannot measure this.
    #[error("{0}")]
    Refused(Refusal),
}

/// Why an edge's validation set does not come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DownloadError {
    /// Nobody is there, or not any more.
    #[error("no edge is connected")]
    NoEdge,
    /// It has none.
    #[error("this edge has no clouds that judge")]
    NoClouds,
    /// More than is taken.
    #[error("the clouds of this edge have {bytes} bytes, at most {} are taken", Limits::MAX_VALIDATION_BYTES)]
    TooLarge {
        /// Bytes that the edge tells of.
        bytes: u32,
    },
    /// A piece that was not asked for.
    #[error("the edge sent {found} bytes from byte {offset} on, where byte {here} of {total} was asked for")]
    Unasked {
        /// Bytes of the piece.
        found: usize,
        /// Where it begins.
        offset: u32,
        /// Where it should begin.
        here: usize,
        /// Bytes of the whole set.
        total: usize,
    },
}
