//! The engine's queue: one piece of work at a time, whoever asked for it. Device, simulated edge and
//! the comparison with the unsplit run share one thread, and taking turns keeps their times honest.
//!
//! A slower device can be emulated: what the device computes is then handed on so many times later, and the thread is
//! free meanwhile.

use crate::browser::{now_micros, wait_until};
use crate::gpu;
use crate::library::Loaded;
use crate::mailbox::Mailbox;
use crate::simulated::EdgeJob;
use crate::worker::Input;
use cleave_arch::Segment;
use cleave_arch::array::Array;
use cleave_session::FrameReport;
use cleave_wire::ModelHash;
use std::collections::VecDeque;
use std::rc::Rc;

/// Values after a segment, or why there are none.
pub type Computed = Result<Vec<Array>, String>;

/// Work that is done.
pub enum Finished {
    /// For the device's session.
    Device {
        /// Number of the job.
        job: u64,
        /// Its result.
        result: Computed,
    },
    /// For the simulated edge.
    Edge {
        /// Connection of the edge that asked.
        connection: u32,
        /// Number of the job.
        job: u64,
        /// Its result.
        result: Computed,
        /// Start and end in microseconds.
        span: (u64, u64),
    },
    /// The unsplit answer for a frame that has ended.
    Unsplit {
        /// The frame.
        report: Box<FrameReport>,
        /// The answer.
        result: Computed,
    },
}

enum Owner {
    Device { job: u64 },
    Edge { connection: u32, job: u64 },
    Unsplit { report: Box<FrameReport> },
}

struct Job {
    owner: Owner,
    model: ModelHash,
    segment: Option<Segment>,
    input: Vec<Array>,
}

/// The queue.
pub struct Jobs {
    queue: VecDeque<Job>,
    /// How many times as long the device's work takes; 1: as long as it does.
    slowdown: f64,
    is_running: Rc<std::cell::Cell<bool>>,
    mailbox: Mailbox<Input>,
}

impl Jobs {
    /// An empty queue that reports to `mailbox`.
    pub fn new(mailbox: Mailbox<Input>) -> Self {
        Self { queue: VecDeque::new(), slowdown: 1.0, is_running: Rc::default(), mailbox }
    }

    /// The device's work that begins from now on takes so many times as long.
    pub fn slow_down(&mut self, times: f64) {
        self.slowdown = times;
    }

    /// Work of the device's session.
    pub fn add_device(&mut self, job: u64, model: ModelHash, segment: Segment, input: Vec<Array>) {
        self.queue.push_back(Job { owner: Owner::Device { job }, model, segment: Some(segment), input });
    }

    /// Work of the simulated edge.
    pub fn add_edge(&mut self, jobs: Vec<EdgeJob>) {
        for EdgeJob { connection, model, job, segment, input } in jobs {
            self.queue.push_back(Job { owner: Owner::Edge { connection, job }, model, segment: Some(segment), input });
        }
    }

    /// The whole network on a frame's input.
    pub fn add_unsplit(&mut self, report: FrameReport, input: Vec<Array>) {
        let model = report.work.model().hash;
        self.queue.push_back(Job { owner: Owner::Unsplit { report: Box::new(report) }, model, segment: None, input });
    }

    /// Whether work waits and none is running.
    pub fn can_start(&self) -> bool {
        !self.is_running.get() && !self.queue.is_empty()
    }

    /// Starts the oldest piece of work that waits.
    pub fn start_next(&mut self, networks: &[Rc<Loaded>]) {
        let Some(job) = self.queue.pop_front() else { return };
        self.is_running.set(true);
        let network = networks.iter().find(|network| network.hash == job.model).cloned();
        let (mailbox, is_running) = (self.mailbox.clone(), Rc::clone(&self.is_running));
        let slowdown = if matches!(job.owner, Owner::Device { .. }) { self.slowdown } else { 1.0 };
        wasm_bindgen_futures::spawn_local(async move {
            let started = now_micros();
            let result = match network {
                Some(network) => compute(&network, job.segment, &job.input).await,
                None => Err("the network was replaced".into()),
            };
            let ended = now_micros();
            is_running.set(false);
            if slowdown > 1.0 {
                // Others' work may begin meanwhile.
                mailbox.put(Input::Tick);
                wait_until(ended + ((slowdown - 1.0) * (ended - started) as f64) as u64).await;
            }
            mailbox.put(Input::Finished(job.owner.finished(result, (started, ended))));
        });
    }
}

impl Owner {
    fn finished(self, result: Computed, span: (u64, u64)) -> Finished {
        match self {
            Owner::Device { job } => Finished::Device { job, result },
            Owner::Edge { connection, job } => Finished::Edge { connection, job, result, span },
            Owner::Unsplit { report } => Finished::Unsplit { report, result },
        }
    }
}

async fn compute(network: &Loaded, segment: Option<Segment>, input: &[Array]) -> Computed {
    let gnn = &network.gnn;
    let segment = segment.unwrap_or_else(|| gnn.whole());
    let state = gnn.upload(input, segment.ops.start).map_err(|why| why.to_string())?;
    gpu::read_back(gnn.run(&segment, state).download()).await.map_err(|why| why.to_string())
}
