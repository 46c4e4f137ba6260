//! What computes for one worker: a thread of its own that takes calls in order, with one rayon thread, so that workers
//! that share a machine take no more of it than is theirs. More of them than the machine has cores share these.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use burn::tensor::Device;
use cleave_arch::cnn::{Network, Schedule};
use cleave_model::Weights;
use cleave_model::cnn::{CnnWeights, Member};
use cleave_session::cooperate::{EngineCall, EngineEvent, WeightSource};
use cleave_wire::ModelHash;
use rayon::ThreadPoolBuilder;
use thiserror::Error;
use tokio::runtime::Handle;

use crate::clock;
use crate::executor::panic_text;

/// Calls that may wait: a run has one job under way.
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
    let mut member = None;
    for call in calls {
        match call {
            EngineCall::Load { group, network, schedule, worker, weights } => {
                member = None;
                let load = || load(&network, &schedule, worker, weights, files);
                tell(match caught(load) {
                    Ok(Some((loaded, weight_bytes))) => {
                        member = Some(loaded);
                        EngineEvent::Loaded { group, weight_bytes }
                    }
                    Ok(None) => EngineEvent::WeightsMissing { group },
                    Err(why) => EngineEvent::LoadFailed { group, why },
                });
            }
            EngineCall::Make { job, stage, kept, received, cut, .. } => tell(compute(job, &mut member, |member| {
                if kept.is_empty() {
                    member.forget();
                }
                runtime.block_on(member.make(stage, received, &cut)).map_err(|why| why.to_string())
            })),
            EngineCall::Finish { job, stage, received, cut, .. } => tell(compute(job, &mut member, |member| {
                runtime.block_on(member.finish(stage, received, &cut)).map_err(|why| why.to_string())
            })),
            EngineCall::Forget { .. } => member.iter_mut().for_each(Member::forget),
            EngineCall::Unload => member = None,
        }
    }
}

/// The worker with its bytes of weights; none if the file is missing.
fn load(
    network: &Arc<Network>,
    schedule: &Arc<Schedule>,
    worker: usize,
    weights: WeightSource,
    files: &Files,
) -> Result<Option<(Member, u64)>, String> {
    let wrong = |why: cleave_model::ModelError| why.to_string();
    let weights = match weights {
        WeightSource::Seeded(seed) => CnnWeights::Seeded(seed),
        WeightSource::File(model) => {
            let Some(bytes) = files(model) else { return Ok(None) };
            let weights = Weights::from_safetensors(&bytes).map_err(wrong)?;
            CnnWeights::stored(network, weights).map_err(wrong)?
        }
    };
    let member = Member::new(network.clone(), schedule.clone(), worker, &weights, &Device::flex()).map_err(wrong)?;
    Ok(Some((member, schedule.memory(network)[worker].weights)))
}

fn compute(
    job: u64,
    member: &mut Option<Member>,
    work: impl FnOnce(&mut Member) -> Result<Vec<Vec<f32>>, String>,
) -> EngineEvent {
    let started = clock::now();
    let member = member.as_mut().ok_or_else(|| "no weights are loaded".to_owned());
    let result = member.and_then(|member| caught(|| work(member)));
    EngineEvent::Computed { job, result, started, finished: clock::now(), peak_bytes: 0 }
}

/// A panic is an error of this call alone.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| Err(panic_text(&*payload)))
}
