//! Cooperations in virtual time: the machine with real members and engines, from a request to its answer, whatever happens
//! meanwhile; and the two ways to ask for one.

#![allow(clippy::unwrap_used)]

mod losses;
mod requests;
mod runs;
mod world;
