//! The native half: serves the page and one WebSocket, executes the offloaded partition.
//!
//! A session itself, what a client may say and what it is answered, is [`cleave_session::EdgeSession`], which knows no
//! socket. This crate gives it one: [`serve_on`] accepts connections on hyper with a time limit for everything, lets in
//! who names this edge, comes from its page and knows its token, and drives each session from one task. Segments run on
//! threads of their own behind a bounded queue; a second task per session sends at the moments that the shaped link
//! allows. [`cooperate`] is for workers that share a network. Nothing that a client sends becomes a path, and every queue, cache and wait has a bound in [`Bounds`].

pub mod clock;
mod closing;
mod config;
pub mod cooperate;
mod edge;
mod error;
mod executor;
mod guard;
mod measure;
mod models;
mod outbox;
mod page;
mod server;
mod socket;
mod token;
mod validation;

pub use config::{Bounds, Config};
pub use error::EdgeError;
pub use measure::measure;
pub use server::serve_on;
pub use token::Token;
pub use validation::read_validation;
