//! The application without IO: what the page's worker and the command line do alike is written here, once. Events and a
//! clock come in, effects go out; browser workers, sockets, threads, files and the GPU are the shells'.

pub mod cooperation;
pub mod operators;
pub mod partition;
pub mod share;
pub mod single;
