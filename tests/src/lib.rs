//! The harness of the suites: what no single crate can show, shown over real sockets and through the command line.
//!
//! [`link`] is a device and an edge with TCP between them, [`random`] draws networks, [`case`] reads the folders of
//! command-line cases, and [`tolerance`] is the one place that says how close two answers have to be.

pub mod case;
pub mod link;
pub mod random;
pub mod tolerance;
