//! What computes for one worker of a network: takes calls one after another, each to its end.

use crate::browser::now_micros;
use crate::mailbox::Mailbox;
use burn::tensor::Device;
use cleave_contract::Backend;
use cleave_graph::{Graph, Schedule};
use cleave_model::exec::{Member, Params};
use cleave_model::{ModelError, Weights};
use cleave_session::cooperate::{EngineCall, EngineEvent};
use cleave_session::{EngineError, Micros};
use cleave_wire::WeightSource;
use peak_alloc::PeakAlloc;
use std::sync::Arc;

/// A call, with the file of weights that it reads.
pub struct Job {
    pub call: EngineCall,
    pub file: Option<Arc<[u8]>>,
}

/// Takes jobs from the mailbox until there is none, and tells what comes of them.
pub async fn work(jobs: Mailbox<Option<Job>>, device: Device, backend: Backend, tell: impl Fn(EngineEvent)) {
    let mut computing = Computing { device, backend, member: None, empty_bytes: 0 };
    while let Some(job) = jobs.take().await {
        if let Some(event) = computing.answer(job).await {
            tell(event);
        }
    }
}

struct Computing {
    device: Device,
    backend: Backend,
    member: Option<Member>,
    /// What this module's memory held before the member was there.
    empty_bytes: usize,
}

impl Computing {
    async fn answer(&mut self, Job { call, file }: Job) -> Option<EngineEvent> {
        Some(match call {
            EngineCall::Load { group, graph, schedule, worker, weights, .. } => {
                self.member = None;
                // The file goes again.
                let file_bytes = file.as_ref().map_or(0, |file| file.len());
                self.empty_bytes = PeakAlloc.current_usage().saturating_sub(file_bytes);
                let loaded = match (weights, file) {
                    (WeightSource::Seeded(seed), _) => self.load(&graph, &schedule, worker, &Params::Seeded(seed)),
                    (WeightSource::File(_), Some(file)) => {
                        stored(&graph, &file).and_then(|weights| self.load(&graph, &schedule, worker, &weights))
                    }
                    (WeightSource::File(_), None) => return Some(EngineEvent::WeightsMissing { group }),
                };
                PeakAlloc.reset_peak_usage();
                match loaded {
                    Ok(weight_bytes) => EngineEvent::Loaded { group, weight_bytes },
                    Err(why) => EngineEvent::LoadFailed { group, why: why.to_string() },
                }
            }
            EngineCall::Make { job, stage, received, cut, .. } => {
                let started = Micros(now_micros());
                let result = match &mut self.member {
                    Some(member) => member.make(stage, received, &cut).await.map_err(EngineError::new),
                    None => Err(EngineError::new(NOTHING)),
                };
                self.computed(job, result, started)
            }
            EngineCall::Finish { job, stage, received, cut, .. } => {
                let started = Micros(now_micros());
                let result = match &mut self.member {
                    Some(member) => member.finish(stage, received, &cut).await.map_err(EngineError::new),
                    None => Err(EngineError::new(NOTHING)),
                };
                self.computed(job, result, started)
            }
            EngineCall::Forget { .. } => {
                self.member.iter_mut().for_each(Member::forget);
                return None;
            }
            EngineCall::Unload => {
                self.member = None;
                return None;
            }
        })
    }

    /// Bytes of the weights that it holds then.
    fn load(
        &mut self,
        graph: &Arc<Graph>,
        schedule: &Arc<Schedule>,
        worker: usize,
        weights: &Params,
    ) -> Result<u64, ModelError> {
        self.member = Some(Member::new(graph.clone(), schedule.clone(), worker, weights, &self.device)?);
        Ok(schedule.memory(graph)[worker].weights)
    }

    fn computed(&self, job: u64, result: Result<Vec<Vec<f32>>, EngineError>, started: Micros) -> EngineEvent {
        let peak_bytes = match self.backend {
            Backend::Wasm => PeakAlloc.peak_usage().saturating_sub(self.empty_bytes) as u64,
            // What a GPU holds is not counted.
            Backend::WebGpu => 0,
        };
        EngineEvent::Computed { job, result, started, finished: Micros(now_micros()), peak_bytes }
    }
}

const NOTHING: &str = "no weights are loaded";

fn stored(graph: &Graph, file: &[u8]) -> Result<Params, ModelError> {
    Params::stored(graph, Weights::from_safetensors(file)?)
}
