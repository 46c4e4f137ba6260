//! What computes for one worker: a thread of its own that takes calls in order, with one rayon thread, so that workers
//! that share a machine take no more of it than is theirs. More of them than the machine has cores share these.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use allocation_counter::measure;
use burn::tensor::Device;
use cleave_graph::{Graph, Schedule};
use cleave_model::Weights;
use cleave_model::exec::{Member, Params};
use cleave_model::kernel::matmul;
use cleave_session::EngineError;
use cleave_session::cooperate::{EngineCall, EngineEvent};
use cleave_wire::ModelHash;
use cleave_wire::WeightSource;
use rayon::ThreadPoolBuilder;
use thiserror::Error;
use tokio::runtime::Handle;

use crate::clock;
use crate::executor::caught;

/// Calls that may wait: a run has a few under way.
const CALLS: usize = 256;

/// Where files of weights are found.
pub type Files = Box<dyn Fn(ModelHash) -> Option<Arc<[u8]>> + Send>;

/// The near end of an engine, whose thread ends when this is dropped.
#[derive(Debug)]
pub struct Engine(SyncSender<EngineCall>);

/// A call that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine's queue is full, or its thread has ended")]
pub struct Busy;

impl Engine {
    /// Starts the thread. `tell` hears the answers, on that thread; `runtime` only drives read-backs.
    ///
    /// # Errors
    /// If there is no thread.
    pub fn start(
        files: Files,
        runtime: Handle,
        tell: impl Fn(EngineEvent) + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let (calls, called) = sync_channel(CALLS);
        std::thread::Builder::new().name("engine".into()).spawn(move || work(&called, &files, &runtime, tell))?;
        Ok(Self(calls))
    }

    /// Queues a call.
    ///
    /// # Errors
    /// [`Busy`]: there is no room.
    pub fn call(&self, call: EngineCall) -> Result<(), Busy> {
        self.0.try_send(call).map_err(|_| Busy)
    }
}

fn work(calls: &Receiver<EngineCall>, files: &Files, runtime: &Handle, tell: impl Fn(EngineEvent)) {
    // This thread is the pool's only one. Without a pool the engine is right all the same, though not alone.
    let _pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
    matmul::reserve();
    let (mut member, mut memory) = (None, Memory::default());
    for call in calls {
        match call {
            EngineCall::Load { group, graph, schedule, worker, weights, .. } => {
                member = None;
                memory = Memory::default();
                let load = || load(&graph, &schedule, worker, weights, files);
                tell(match memory.loaded(load) {
                    Ok(Some((loaded, weight_bytes))) => {
                        member = Some(loaded);
                        EngineEvent::Loaded { group, weight_bytes }
                    }
                    Ok(None) => EngineEvent::WeightsMissing { group },
                    Err(error) => EngineEvent::LoadFailed { group, why: error.to_string() },
                });
            }
            EngineCall::Make { job, stage, received, cut, .. } => {
                let bytes = bytes(received.iter().map(|(_, _, values)| values));
                tell(compute(job, &mut member, &mut memory, bytes, |member| {
                    runtime.block_on(member.make(stage, received, &cut)).map_err(EngineError::new)
                }));
            }
            EngineCall::Finish { job, stage, received, cut, .. } => {
                let bytes = bytes(received.iter());
                tell(compute(job, &mut member, &mut memory, bytes, |member| {
                    runtime.block_on(member.finish(stage, received, &cut)).map_err(EngineError::new)
                }));
            }
            EngineCall::Forget { .. } => {
                drop(memory.count(|| {
                    member.iter_mut().for_each(Member::forget);
                    Ok(())
                }));
            }
            EngineCall::Unload => member = None,
        }
    }
}

fn bytes<'a>(parts: impl Iterator<Item = &'a Vec<f32>>) -> i64 {
    parts.map(|values| size_of_val(values.as_slice()) as i64).sum()
}

/// What an engine's thread holds for its worker, and the most that it has held since the weights are there.
#[derive(Default)]
struct Memory {
    held: i64,
    peak: i64,
}

impl Memory {
    fn count<T>(&mut self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        let mut result = Err(EngineError::new("nothing was done"));
        // A panic is an error of this call alone.
        let info = measure(|| result = caught(work).unwrap_or_else(|panicked| Err(EngineError::new(panicked))));
        self.peak = self.peak.max(self.held + info.bytes_max as i64);
        self.held += info.bytes_current;
        result
    }

    /// What reading weights takes beside them is over when they are there.
    fn loaded<T>(&mut self, work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
        let result = self.count(work);
        self.peak = self.held;
        result
    }

    /// Counts values of another thread that this one frees, and those that it hands out.
    fn computed(
        &mut self,
        received: i64,
        work: impl FnOnce() -> Result<Vec<Vec<f32>>, EngineError>,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        self.held += received;
        let result = self.count(work);
        self.held -= bytes(result.iter().flatten());
        result
    }
}

/// The worker with its bytes of weights; none if the file is missing.
fn load(
    graph: &Arc<Graph>,
    schedule: &Arc<Schedule>,
    worker: usize,
    weights: WeightSource,
    files: &Files,
) -> Result<Option<(Member, u64)>, EngineError> {
    let weights = match weights {
        WeightSource::Seeded(seed) => Params::Seeded(seed),
        WeightSource::File(model) => {
            let Some(bytes) = files(model) else { return Ok(None) };
            let weights = Weights::from_safetensors(&bytes).map_err(EngineError::new)?;
            Params::stored(graph, weights).map_err(EngineError::new)?
        }
    };
    let member =
        Member::new(graph.clone(), schedule.clone(), worker, &weights, &Device::flex()).map_err(EngineError::new)?;
    Ok(Some((member, schedule.memory(graph)[worker].weights)))
}

fn compute(
    job: u64,
    member: &mut Option<Member>,
    memory: &mut Memory,
    received: i64,
    work: impl FnOnce(&mut Member) -> Result<Vec<Vec<f32>>, EngineError>,
) -> EngineEvent {
    let started = clock::now();
    let member = member.as_mut().ok_or_else(|| EngineError::new("no weights are loaded"));
    let result = member.and_then(|member| memory.computed(received, || work(member)));
    let peak_bytes = u64::try_from(memory.peak).unwrap_or_default();
    EngineEvent::Computed { job, result, started, finished: clock::now(), peak_bytes }
}
