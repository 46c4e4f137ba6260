//! The harness of the suites: what no single crate can show, shown over real sockets and through the command line.
//!
//! [`link`] is a device and an edge with TCP between them, [`random`] draws networks, [`case`] reads the folders of
//! command-line cases. How close two answers have to be stands in [`cleave_arch::tolerance`].

pub mod case;
pub mod link;
pub mod random;
