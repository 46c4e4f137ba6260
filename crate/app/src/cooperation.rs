//! Running a network over real workers, from a request to a report: everybody is there, speeds are known, a plan is
//! made, the runs are made, and whoever is lost is done without.
//!
//! [`Cooperation`] is a machine around `session`'s coordinator, which keeps the workers together but does not decide what
//! they do. A shell carries its messages, runs its engine, makes its plans where it likes, and hears the report:
//!
//! ```text
//! Start, Run(request); then loop { event -> handle(event, now) -> effects; Tick at next_wake }
//!     Connect, Send, Disconnect, Engine   => as for the coordinator; Opened, Received, Closed, Engine back
//!     Plan(task)                          => task.run(), at once or elsewhere; Planned back
//!     News                                => people
//!     Ended                               => the request is answered, or why not; the workers stay for another
//! ```
//!
//! A worker that does not answer at the beginning, or that refuses its part, ends the request with an error that names it.
//! One that is lost later costs no answer: those that remain go on by another plan.

mod choice;
mod crew;
mod error;
mod event;
mod machine;
mod report;
mod request;
mod series;
mod speeds;
mod trained;
pub mod view;

pub use choice::{Chosen, PlanTask};
pub use crew::{Candidate, Crew, Gone};
pub use error::{CooperationError, RequestError};
pub use event::{Config, Effect, Event, News};
pub use machine::Cooperation;
pub use report::{Formed, Report, Whole};
pub(crate) use request::image;
pub use request::{Read, Request, noise, read};
pub use series::{Answer, EngineKind};
pub use trained::Trained;
