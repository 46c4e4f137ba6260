//! Frames to bytes and back: the protocol between device and edge, and among workers that cooperate.
//!
//! One message is one binary WebSocket message: a 10-byte header ([`header`]) and a body, little-endian throughout.
//! Every claimed length is checked against the bytes that are really there and against [`Limits`] before anything is
//! allocated, so that bytes from outside cannot panic this crate or make it reserve more than the limits say.
//!
//! The direction is in the type: [`ToEdge`] is what a device says, [`ToDevice`] what an edge says. What they have in
//! common with the messages of [`cooperate`] is in [`link`]. Tensors travel as [`Packed`] bytes inside a message, so that
//! packing and unpacking can be timed apart from the rest.
//!
//! This crate knows no socket, no clock and no tensor library.

mod bytes;
pub mod cooperate;
pub mod error;
pub mod header;
pub mod limits;
pub mod link;
pub mod tensor;
pub mod to_device;
pub mod to_edge;
pub mod types;

pub use error::WireError;
pub use header::{Header, PROTOCOL_VERSION};
pub use limits::Limits;
pub use link::{Answer, Call};
pub use tensor::Packed;
pub use to_device::{Offer, ToDevice};
pub use to_edge::ToEdge;
pub use types::{LinkShape, ModelHash, Refusal, RefusalCode, Subject, Timing, ValidationSet, WeightSource};
