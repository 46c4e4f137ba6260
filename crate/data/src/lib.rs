//! Bytes to samples: point-cloud and mesh formats, surface sampling, normalisation, seeded synthetic furniture, text
//! graphs.
//!
//! Whoever holds a file's bytes (the page after a drop, the command line after a read) gets from here what the
//! network eats: `n` points in a sphere of radius one, flat `[n, 3]`. The way is [`read`] → [`Geometry`] →
//! [`sample::to_cloud`]; a sentence's way is [`text::tokens`] → [`text::graph`]. The crate opens no file and no socket, knows no tensor library, and never trusts a
//! header: every announced count is held against the bytes that are there before memory is taken for it.
//!
//! Everything that draws is a function of a seed and of [`VERSION`], on every platform.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod error;
mod format;
pub mod furniture;
mod geometry;
pub mod images;
pub mod modelnet;
mod read;
pub mod sample;
pub mod text;
pub mod validation;

pub use error::{DataError, Place};
pub use format::Format;
pub use format::idx;
pub use geometry::{Geometry, Mesh};
pub use read::{Sample, read};

/// One training sample in so many of each class is kept aside: searches are judged on these, which no shared weights have
/// seen, and never on the test set.
pub const ASIDE: usize = 10;

/// Version of everything seeded here. The same seed and version give the same bits; a change of the generator,
/// the sampler or the furniture raises it, so that an exported seed never silently means something else.
pub const VERSION: u32 = 1;
