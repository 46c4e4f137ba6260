//! The `cleave` command as a library: each subcommand is its arguments and a `run`, and what tests and benchmarks
//! drive themselves is public.
//!
//! A command gathers what it was asked for ([`network`], [`input`]), lets the libraries work ([`local`] on this
//! machine alone, [`remote`] together with an edge) and prints the result as a table or, with `--json`, as one line
//! of JSON ([`output`]). Files, sockets, clocks and threads live here and nowhere below.

pub mod arch;
pub mod bench;
pub mod command;
pub mod edge;
pub mod infer;
pub mod input;
pub mod local;
pub mod loopback;
mod material;
pub mod network;
pub mod output;
pub mod partition;
pub mod predict;
pub mod profile;
pub mod remote;
pub mod search;
pub mod task;
pub mod train;
