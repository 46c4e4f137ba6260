//! The engine's queue: one piece of work at a time, whoever asked for it. Device, simulated edge and
//! the comparison with the unsplit run share one thread, and taking turns keeps their times honest.
//!
//! A slower device can be emulated: what the device computes is then handed on so many times later, and the thread is
//! free meanwhile.

use crate::browser::{now_micros, wait_until};
use crate::engines::Engines;
use crate::gpu;
use crate::input::Input;
use crate::mailbox::Mailbox;
use cleave_app::effect::{self, Job, Owner};
use cleave_arch::Segment;
use cleave_arch::array::Array;
use cleave_model::exec::Executor;
use cleave_session::{EngineError, Micros};
use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The queue.
pub struct Jobs {
    queue: VecDeque<Job>,
    /// How many times as long the device's work takes; 1: as long as it does.
    slowdown: f64,
    is_running: Rc<Cell<bool>>,
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

    /// Adds work to the end.
    pub fn add(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    /// Whether work waits and none is running.
    pub fn can_start(&self) -> bool {
        !self.is_running.get() && !self.queue.is_empty()
    }

    /// Starts the oldest piece of work that waits.
    pub fn start_next(&mut self, engines: &Engines) {
        let Some(Job { owner, network, segment, input }) = self.queue.pop_front() else { return };
        self.is_running.set(true);
        let loaded = engines.get(&network);
        let (mailbox, is_running) = (self.mailbox.clone(), Rc::clone(&self.is_running));
        let slowdown = if matches!(owner, Owner::Device { .. }) { self.slowdown } else { 1.0 };
        wasm_bindgen_futures::spawn_local(async move {
            let started = now_micros();
            let result = match loaded {
                Some(loaded) => compute(&loaded, segment, &input).await,
                None => Err(EngineError::new("the network was replaced")),
            };
            let ended = now_micros();
            is_running.set(false);
            if slowdown > 1.0 {
                // Others' work may begin meanwhile.
                mailbox.put(Input::App(effect::Input::Tick));
                wait_until(ended + ((slowdown - 1.0) * (ended - started) as f64) as u64).await;
            }
            let done = owner.done(result, (Micros(started), Micros(ended)));
            mailbox.put(Input::App(effect::Input::Computed(done)));
        });
    }
}

async fn compute(network: &Executor, segment: Option<Segment>, input: &[Array]) -> Result<Vec<Array>, EngineError> {
    let nodes = segment.map_or(0..network.graph().nodes().len(), |segment| segment.nodes);
    gpu::read_back(network.compute(nodes, input)).await.map_err(EngineError::new)
}
