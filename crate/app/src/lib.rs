//! The application without IO: what the page's worker and the command line do alike is written here, once. Events and a
//! clock come in, effects go out; browser workers, sockets, threads, files and the GPU are the shells'.

mod app;
pub mod calibration;
pub mod cooperation;
pub mod dispatch;
pub mod effect;
pub mod evaluation;
pub mod input;
pub mod network;
pub mod offload;
pub mod operators;
pub mod partition;
pub mod pricing;
pub mod profiling;
pub mod report;
pub mod search;
pub mod share;
pub mod simulated;
pub mod single;
pub mod stream;

pub use app::App;
