//! Sans-IO state machines of both halves of a co-inference session.
//!
//! A leaf (the browser's worker, the edge server, the command line) owns sockets, clocks and engines. It tells a
//! machine what happened, `handle(event, now)`, and does what the returned effects say; `next_wake` says when to tick
//! at the latest. Nothing here blocks, spawns, reads a clock or opens a socket, so that a whole session with a broken
//! link runs in a test in microseconds, and the page's simulated edge is the same code as the native one.
//!
//! [`DeviceSession`] walks every frame through its plan and promises that **each submitted frame is reported exactly
//! once, by its deadline**: answered as planned, answered by the device alone, or failed with a reason.
//! [`EdgeSession`] serves one connection. [`Shaper`] imposes a link's rate and delay on what one side sends, and
//! [`ledger`] tells where a frame's time went. [`dispatch`] decides under a live stream which of several works to run.
//! [`cooperate`] is for networks that several workers share: a coordinator and its members. Both are services over
//! one `link`: greeting, weights, pings, refusals and silence are the same for all four machines.
//!
//! Driving a machine, the same for both (`Event`, `Effect` and `Session` of that side):
//!
//! ```text
//! loop {
//!     let event = first of {
//!         a message or a change of the socket   -> Received / Opened / Closed
//!         an engine that is done                -> Computed
//!         a request of the person or program       -> Connect, Submit, Replan, Shape, …
//!         session.next_wake() has come          -> Tick
//!     };
//!     for effect in session.handle(event, clock.now()) {
//!         match effect {
//!             Connect / Disconnect / Close      => the socket (close after what is queued),
//!             Send { bytes, at }                => queue in order; write the first when `at` has come,
//!             Compute { job, segment, .. }      => run it elsewhere, then Computed { job, .. }, always,
//!             Measure { id, probe, runs }       => run it elsewhere, then Measured { id, .. }, always,
//!             NeedModel / StoreModel            => cache by hash and engine, then Model… events,
//!             Report / Status / Measured / …    => whoever watches,
//!         }
//!     }
//! }
//! ```
//!
//! This crate knows no tensor library, no runtime and no DOM.

mod backoff;
mod clock;
pub mod cooperate;
pub mod device;
pub mod dispatch;
pub mod edge;
mod error;
pub mod ledger;
mod link;
mod measure;
mod refusal;
mod shaper;
pub mod tensors;
mod time;
mod work;

pub use clock::ClockEstimate;
pub use device::{DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, Fetched, LinkStatus, StopReason, UnderWay};
pub use edge::{EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession, OwnValidation};
pub use error::{DownloadError, EngineError, MeasureError};
pub use ledger::{FrameError, FrameReport, Lane, LocalReason, Outcome, Span};
pub use link::{Host, SocketEvent, TokenCheck};
pub use measure::{Echo, MAX_ECHO_BYTES, MAX_RUNS, MAX_WORK, Measured, measure_codec};
pub use shaper::Shaper;
pub use time::{Micros, Stopwatch, unmeasured};
pub use work::{Model, Weights, Work};
