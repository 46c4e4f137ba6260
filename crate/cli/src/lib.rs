//! The `cleave` command as a library: each subcommand is its arguments and a `run`, and what the workspace's tests drive
//! themselves is public.
//!
//! A command gathers what it was asked for ([`network`], `input`), lets the libraries work ([`local`] on this
//! machine alone, [`remote`] together with an edge) and prints the result as a table or, with `--json`, as one line
//! of JSON (`output`). Files, sockets, clocks and threads live here and nowhere below.

mod arch;
mod bench;
pub mod command;
mod edge;
mod file;
mod infer;
mod input;
pub mod local;
pub mod loopback;
mod material;
pub mod network;
mod output;
pub mod partition;
mod predict;
mod profile;
pub mod remote;
mod search;
mod task;
mod train;
