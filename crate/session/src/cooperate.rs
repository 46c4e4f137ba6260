//! Workers that share one network: the coordinator's machine and the members'.
//!
//! Worker 0, the [`Coordinator`], has the inputs and gets the answer; it greets every [`Member`], hands out a partition,
//! and walks the schedule like all others: what a stage needs is awaited, computed, sent on, stage by stage. Nobody
//! says when: values that have come are what lets a worker go on. Members that can reach each other send directly, all
//! else is relayed by the coordinator.
//!
//! **Each submitted run is answered, or fails with a reason.** A member whose connection breaks or on whom the others
//! wait for longer than the run's timeout is left behind: the coordinator asks for a partition over those that remain
//! ([`CoordinatorEffect::NeedPlan`]), they join under a new number, and the run starts again; with nobody left it runs
//! alone. Every wait has a deadline.
//!
//! Driving the machines (what is not said here is as for [`crate::DeviceSession`]):
//!
//! ```text
//! coordinator: Connect; then loop { event -> handle(event, now) -> effects; Tick at next_wake }
//!     Connect / Disconnect { place }  => the socket to that member; Opened, Received, Closed
//!     Send { place, bytes }           => write now
//!     Engine(call)                    => one engine, calls in order, some at once; Engine(event) back
//!     NeedPlan { places }             => plan over these places; Plan(plan) back, or Leave
//!     Answered, Ended, Failed         => whoever submitted; each run ends in Ended or in Failed
//! member: per accepted socket, greeting(first message):
//!     Ok(Coordinator)                 => Member::new, the message as its first Received
//!     Ok(Peer { group, worker })      => the member of that group: Opened { From }, else no_such_group and close
//!     Err(answer)                     => send it and close
//!     Connect { line, address }       => a socket to another member; Opened { line } or Closed { line }
//! ```
//!
//! Unlike in a session of frames, `Send` is to be written at once: what a shaped uplink holds back stays in the machine
//! until its moment, so that pings pass it and what is cancelled is never sent.
//!
//! This is our reconstruction: neither IOP nor CoEdge says how workers are kept together.

mod coordinator;
mod error;
mod group;
mod member;
mod report;
mod uplink;
mod walk;

use std::sync::Arc;

use cleave_graph::{Graph, Partition, Region, Schedule};
use cleave_wire::WeightSource;
pub use cleave_wire::cooperate::{Activity, Span, Uplink};

use crate::error::EngineError;
use crate::time::Micros;
use crate::work::Weights;

pub use coordinator::{Coordinator, CoordinatorConfig, CoordinatorEffect, CoordinatorEvent, MemberSpec, Relaying};
pub use error::{MemberError, PlanError, RunError};
pub use member::{Line, Member, MemberConfig, MemberEffect, MemberEvent, greeting, no_such_group};
pub use report::{MemberStatus, RunReport, Traffic, WorkerReport};

/// Who does what from now on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is computed.
    pub graph: Arc<Graph>,
    /// How it is shared.
    pub partition: Partition,
    /// Which place each worker of the partition is at; the first is 0, the coordinator.
    pub places: Vec<usize>,
    /// Where the weights come from.
    pub weights: Weights,
    /// What each worker imposes on the parts that it sends.
    pub uplinks: Vec<Uplink>,
}

/// What an engine is to do for one worker. Numbers are in the order of their value's layout. Between its calls an engine
/// holds, of every value that it has read or made, what its worker reads later.
#[derive(Clone, Debug)]
pub enum EngineCall {
    /// Hold a worker's slices of the weights, instead of any others; answer with [`EngineEvent::Loaded`],
    /// [`EngineEvent::LoadFailed`] or [`EngineEvent::WeightsMissing`].
    Load {
        /// For which group.
        group: u64,
        /// The network.
        graph: Arc<Graph>,
        /// How it is shared.
        partition: Arc<Partition>,
        /// What each worker does by that; not empty.
        schedule: Arc<Schedule>,
        /// Which worker.
        worker: usize,
        /// Where the weights come from.
        weights: WeightSource,
    },
    /// The operation of an operator; keep what it makes for [`EngineCall::Finish`]. Answer with [`EngineEvent::Computed`].
    Make {
        /// Number of the job.
        job: u64,
        /// Number of the run.
        run: u64,
        /// Which operator.
        stage: usize,
        /// What has come of the operator's inputs: which input, which region, its numbers. With what the engine holds it
        /// covers the inputs of the worker's [`cleave_graph::Work`].
        received: Vec<(usize, Region, Vec<f32>)>,
        /// What to give of what was made, no region twice: partial results for others.
        cut: Vec<Region>,
    },
    /// Merge partial results, run what follows the operation, and keep the result if a later stage reads it. Answer with
    /// [`EngineEvent::Computed`].
    Finish {
        /// Number of the job.
        job: u64,
        /// Number of the run.
        run: u64,
        /// Which operator.
        stage: usize,
        /// Partial results of the region that the worker completes, to be merged with what it has made, if it has made any,
        /// in this order.
        received: Vec<Vec<f32>>,
        /// What to give of the operator's output, no region twice: parts of later inputs, or of the answer.
        cut: Vec<Region>,
    },
    /// What is kept of this run is not needed any more, nor are its waiting jobs, which need no answer.
    Forget {
        /// Number of the run.
        run: u64,
    },
    /// The weights are not needed any more.
    Unload,
}

/// What an engine answers.
#[derive(Clone, Debug)]
pub enum EngineEvent {
    /// The slices are there.
    Loaded {
        /// For which group.
        group: u64,
        /// Bytes of weights that it holds.
        weight_bytes: u64,
    },
    /// They are not what the network needs, or there is no room.
    LoadFailed {
        /// For which group.
        group: u64,
        /// Why, for people.
        why: String,
    },
    /// The file is not here.
    WeightsMissing {
        /// For which group.
        group: u64,
    },
    /// A job is done.
    Computed {
        /// Its number.
        job: u64,
        /// Values for every region of its cut, or what the engine said.
        result: Result<Vec<Vec<f32>>, EngineError>,
        /// When the engine began with it, on the clock of `now`.
        started: Micros,
        /// When it ended.
        finished: Micros,
        /// Most memory that the engine has held so far at one time, bytes; 0: not measured.
        peak_bytes: u64,
    },
}
