//! The edge's half: one connection's deployments, frames and credit, over the crate's `link`.
//!
//! Everything that comes in is distrusted: plans, shapes, indexes and the number of frames are checked here, versions,
//! token and limits by the link, so that the engine behind it sees nothing that it could stumble over. What cannot be
//! served is refused with what was wrong and what would be right; what breaks the protocol also ends the session.

mod config;
mod deployments;
mod jobs;
mod outbox;

use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_arch::{Probe, Segment};
use cleave_graph::Graph;
use cleave_wire::{Answer, Limits, LinkShape, ModelHash, RefusalCode, Subject, ToDevice, ToEdge, WeightSource};

use crate::error::EngineError;
use crate::link::{Offload, Served, Serving};
use crate::measure::{MAX_ECHO_BYTES, MAX_RUNS, MAX_WORK, Measured};
use crate::refusal::Wrong;
use crate::time::Micros;
pub use config::{EdgeConfig, OwnValidation};
use deployments::{Deployment, Deployments};
use jobs::{Arrived, Jobs};
use outbox::Outbox;

/// Deployments that an edge keeps per session; the one asked for longest ago makes room. Twelve: those prepared for a
/// dispatcher ([`crate::device::MAX_PREPARED`]), the current one, the one before it whose frames are still under way,
/// and two that a person goes back and forth between.
pub const MAX_DEPLOYMENTS: usize = 12;

/// What happened.
#[derive(Clone, Debug)]
pub enum EdgeEvent {
    /// A message came.
    Received(Vec<u8>),
    /// The engine can run this deployment.
    ModelReady {
        /// Its number.
        deployment: u32,
    },
    /// The model file is not in the cache.
    ModelMissing {
        /// Number of the deployment.
        deployment: u32,
    },
    /// The model file does not fit the deployment.
    ModelInvalid {
        /// Number of the deployment.
        deployment: u32,
        /// Why, for people.
        why: String,
    },
    /// The weights of [`EdgeEffect::StoreModel`] have that hash and are in the cache.
    ModelStored {
        /// Their hash.
        model: ModelHash,
    },
    /// They do not, or there is no room.
    ModelRejected {
        /// The hash that was claimed.
        model: ModelHash,
        /// Why, for people.
        why: String,
    },
    /// A compute effect is done. Each is answered exactly once, dropped ones with an error.
    Computed {
        /// Its number.
        job: u64,
        /// Values behind its segment, or what the engine said.
        result: Result<Vec<Array>, EngineError>,
        /// When the engine began with it, on the clock of `now`.
        started: Micros,
        /// When it ended.
        finished: Micros,
    },
    /// A measure effect is done. Each is answered exactly once.
    Measured {
        /// Its number.
        id: u32,
        /// Times, or what the engine said.
        result: Result<Measured, EngineError>,
    },
    /// The socket is closed.
    Closed,
    /// The edge is going away.
    Shutdown,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum EdgeEffect {
    /// Write one message to the socket.
    Send {
        /// The whole message.
        bytes: Vec<u8>,
        /// Not before this moment; never earlier than that of the message before. Unshaped: now.
        at: Micros,
    },
    /// Close the socket when everything to send is sent. Nothing follows but `Cancel`.
    Close {
        /// Why, for the log.
        why: String,
    },
    /// Load these weights for this graph; answer with `ModelReady`, `ModelMissing` (of a file) or `ModelInvalid`.
    NeedModel {
        /// Number of the deployment.
        deployment: u32,
        /// Which weights.
        weights: WeightSource,
        /// What they are of.
        graph: Arc<Graph>,
    },
    /// Check the hash and keep the file; answer with `ModelStored` or `ModelRejected`.
    StoreModel {
        /// The hash that the device claims.
        model: ModelHash,
        /// The whole file.
        bytes: Vec<u8>,
    },
    /// No frame of this deployment will come any more.
    DropDeployment {
        /// Its number.
        deployment: u32,
    },
    /// Run a segment; answer with `Computed`. Several may be under way, at most the credit.
    Compute {
        /// Number of the job.
        job: u64,
        /// Number of the deployment.
        deployment: u32,
        /// Nodes to run.
        segment: Segment,
        /// Values before them, checked against the graph.
        tensors: Vec<Array>,
        /// Afterwards nobody wants the result; a queued job may then be dropped (answer with an error).
        deadline: Micros,
    },
    /// Run a piece of work so many times on the engine, after a warm-up; answer with `Measured`. One at a time.
    Measure {
        /// Number of the measurement.
        id: u32,
        /// What.
        probe: Probe,
        /// How often.
        runs: usize,
    },
    /// Nobody wants this job's result; drop it if it has not begun, and answer all the same.
    Cancel {
        /// Its number.
        job: u64,
    },
}

/// The machine of one connection.
#[derive(Debug)]
pub struct EdgeSession {
    config: EdgeConfig,
    link: Serving<Offload>,
    outbox: Outbox,
    deployments: Deployments,
    jobs: Jobs,
    /// The engine is measuring.
    measuring: bool,
}

pub(crate) type Effects = Vec<EdgeEffect>;

impl EdgeSession {
    /// A machine for a socket that was accepted at `now`.
    pub fn new(config: EdgeConfig, now: Micros) -> Self {
        Self {
            link: Serving::new(config.host.clone(), config.offer(), now),
            outbox: Outbox::new(config.seed),
            deployments: Deployments::default(),
            jobs: Jobs::new(config.stopwatch),
            measuring: false,
            config,
        }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: EdgeEvent, now: Micros) -> Vec<EdgeEffect> {
        let mut fx = Vec::new();
        if self.link.is_open() {
            self.apply(event, now, &mut fx);
            self.serve(|link| link.tick(now), now, &mut fx);
        }
        fx
    }

    /// When [`EdgeEvent::Tick`] must come at the latest if nothing else happens; `None`: never.
    pub fn next_wake(&self) -> Option<Micros> {
        self.link.next_wake()
    }

    /// True until the session has ended.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Compute effects that are not yet answered.
    pub fn jobs_under_way(&self) -> usize {
        self.jobs.len()
    }

    /// Imposes conditions on what this side sends, as the device's `Shape` does.
    pub fn shape(&mut self, shape: LinkShape) {
        self.outbox.reshape(shape);
    }

    fn apply(&mut self, event: EdgeEvent, now: Micros, fx: &mut Effects) {
        match event {
            EdgeEvent::Received(bytes) => self.serve(|link| link.received(&bytes, (), now), now, fx),
            EdgeEvent::ModelReady { deployment } => self.model_ready(deployment, now, fx),
            EdgeEvent::ModelMissing { deployment } => self.model_missing(deployment, now, fx),
            EdgeEvent::ModelInvalid { deployment, why } => {
                self.refuse_model(deployment, why, now, fx);
            }
            EdgeEvent::ModelStored { model } => {
                self.go_on_with_weights(model, now, fx);
                self.deployments.ask_again(model, fx);
            }
            EdgeEvent::ModelRejected { model, why } => {
                for deployment in self.deployments.waiting_for(model) {
                    self.refuse_model(deployment, why.clone(), now, fx);
                }
                self.go_on_with_weights(model, now, fx);
            }
            EdgeEvent::Computed { job, result, started, finished } => {
                self.computed(job, result, [started, finished], now, fx);
            }
            EdgeEvent::Measured { id, result } => self.measured(id, result, now, fx),
            EdgeEvent::Closed => self.serve(Serving::closed, now, fx),
            EdgeEvent::Shutdown => self.serve(Serving::shut_down, now, fx),
            EdgeEvent::Tick => {}
        }
    }

    // ---- messages

    /// Does what follows from an event at the link.
    fn serve<F>(&mut self, event: F, now: Micros, fx: &mut Effects)
    where
        F: FnOnce(&mut Serving<Offload>) -> Vec<Served<ToEdge>>,
    {
        for served in event(&mut self.link) {
            match served {
                Served::Send(bytes) => self.push(bytes, now, fx),
                Served::Store { model, bytes } => fx.push(EdgeEffect::StoreModel { model, bytes }),
                Served::Message(message) => self.message(message, now, fx),
                Served::Ended { why } => {
                    fx.push(EdgeEffect::Close { why });
                    self.jobs.cancel_all(fx);
                    self.deployments.drop_all(fx);
                }
            }
        }
    }

    fn message(&mut self, message: ToEdge, now: Micros, fx: &mut Effects) {
        match message {
            ToEdge::Deploy { deployment, graph, cuts, weights, codec } => {
                let asked = Deployment::new(&graph, cuts, weights, codec, self.config.max_peak_bytes);
                match asked.and_then(|asked| self.deployments.ask(deployment, asked, fx)) {
                    Ok(true) => self.write(&ToDevice::Deployed { deployment }, now, fx),
                    Ok(false) => {}
                    Err(wrong) => self.refuse(wrong, Subject::Deployment(deployment), now, fx),
                }
            }
            ToEdge::Frame { id, deployment, segment, deadline_ms, tensors } => {
                let deadline = now + Micros::from_millis(deadline_ms.into());
                self.frame(Arrived { id, deployment, segment, deadline, tensors, now }, fx);
            }
            ToEdge::Cancel { id } => self.jobs.cancel(id, fx),
            ToEdge::Shape(shape) => self.outbox.reshape(shape),
            ToEdge::Measure { id, probe, runs } => self.measure(id, probe, runs, now, fx),
            ToEdge::Validation { offset } => self.validation(offset, now, fx),
            ToEdge::Echo { id, answer_bytes, .. } => self.echo(id, answer_bytes, now, fx),
            // Those the link has taken out.
            ToEdge::Link(_) => {}
        }
    }

    // ---- models

    fn model_ready(&mut self, deployment: u32, now: Micros, fx: &mut Effects) {
        if self.deployments.ready(deployment) {
            self.write(&ToDevice::Deployed { deployment }, now, fx);
        }
    }

    fn model_missing(&mut self, deployment: u32, now: Micros, fx: &mut Effects) {
        match self.deployments.missing(deployment) {
            // It may be on its way already, for another deployment.
            Ok(model) => self.need(model.filter(|model| self.link.receiving() != Some(*model)), now, fx),
            Err(error) => self.refuse_model(deployment, error.to_string(), now, fx),
        }
    }

    fn go_on_with_weights(&mut self, whole: ModelHash, now: Micros, fx: &mut Effects) {
        if self.link.receiving().is_none() {
            self.need(self.deployments.next_missing(whole), now, fx);
        }
    }

    fn need(&mut self, model: Option<ModelHash>, now: Micros, fx: &mut Effects) {
        if let Some(need) = model.map(|model| self.link.need_weights(model)) {
            self.write(&need, now, fx);
        }
    }

    fn refuse_model(&mut self, deployment: u32, why: String, now: Micros, fx: &mut Effects) {
        if self.deployments.remove(deployment) {
            let right = "deploy a model file whose hash and weights fit the network";
            let wrong = Wrong::new(RefusalCode::ModelInvalid, why, right);
            self.refuse(wrong, Subject::Deployment(deployment), now, fx);
        }
    }

    // ---- frames

    fn frame(&mut self, arrived: Arrived, fx: &mut Effects) {
        let (id, now, credit) = (arrived.id, arrived.now, self.config.credit);
        if self.jobs.len() >= usize::from(credit) {
            let wrong = format!("frame {id} came while {credit} others were under way");
            let right = "wait for credit before the next frame";
            return self.refuse_session(Wrong::new(RefusalCode::CreditExceeded, wrong, right), now, fx);
        }
        let limits = self.config.host.limits;
        if let Err(wrong) = self.jobs.begin(arrived, &self.deployments, &limits, fx) {
            self.refuse(wrong, Subject::Frame(id), now, fx);
            self.write(&ToDevice::Credit { n: 1 }, now, fx);
        }
    }

    fn computed(
        &mut self,
        job: u64,
        result: Result<Vec<Array>, EngineError>,
        times: [Micros; 2],
        now: Micros,
        fx: &mut Effects,
    ) {
        let Some(job) = self.jobs.end(job) else { return };
        if !job.cancelled {
            match self.jobs.answer(&job, result, times, now, &self.config.host.limits) {
                Ok((bytes, sent)) => self.push(bytes, sent, fx),
                Err(wrong) => self.refuse(wrong, Subject::Frame(job.frame), now, fx),
            }
        }
        self.write(&ToDevice::Credit { n: 1 }, now, fx);
    }

    // ---- measurements

    fn measure(&mut self, id: u32, probe: Probe, runs: u16, now: Micros, fx: &mut Effects) {
        let work = probe.work().saturating_mul(u64::from(runs) + 2);
        let wrong = if self.measuring {
            Some(("another measurement is under way".to_owned(), "wait for its answer".to_owned()))
        } else if runs == 0 || runs > MAX_RUNS {
            Some((format!("{runs} runs were asked for"), format!("ask for 1 to {MAX_RUNS}")))
        } else if work > MAX_WORK {
            let right = format!("ask for at most {MAX_WORK}: a smaller probe, or fewer runs");
            Some((format!("`{probe}` takes {work} operations in {runs} runs and the warm-up"), right))
        } else {
            None
        };
        if let Some((wrong, right)) = wrong {
            let wrong = Wrong::new(RefusalCode::BadMeasurement, wrong, right);
            return self.refuse(wrong, Subject::Measurement(id), now, fx);
        }
        self.measuring = true;
        fx.push(EdgeEffect::Measure { id, probe, runs: runs.into() });
    }

    fn measured(&mut self, id: u32, result: Result<Measured, EngineError>, now: Micros, fx: &mut Effects) {
        self.measuring = false;
        match result {
            Ok(Measured { ms, bytes }) => {
                let nanos = ms.into_iter().map(|ms| (ms * 1e6) as u64).collect();
                self.write(&ToDevice::Measured { id, bytes, nanos }, now, fx);
            }
            Err(why) => {
                let wrong = Wrong::new(RefusalCode::ComputeFailed, why.to_string(), "leave this measurement out");
                self.refuse(wrong, Subject::Measurement(id), now, fx);
            }
        }
    }

    fn echo(&mut self, id: u32, answer_bytes: u32, now: Micros, fx: &mut Effects) {
        if answer_bytes > MAX_ECHO_BYTES {
            let wrong = format!("an echo of {answer_bytes} bytes was asked for");
            let right = format!("ask for at most {MAX_ECHO_BYTES}");
            return self.refuse_session(Wrong::new(RefusalCode::Malformed, wrong, right), now, fx);
        }
        let payload = vec![0; answer_bytes as usize];
        self.write(&ToDevice::Echoed { id, received_micros: now.0, sent_micros: now.0, payload }, now, fx);
    }

    // ---- the validation set

    fn validation(&mut self, offset: u32, now: Micros, fx: &mut Effects) {
        let body = self.config.validation.as_ref().map_or(&[][..], |own| &own.body);
        let rest = body.get(offset as usize..).unwrap_or_default();
        let piece = rest[..rest.len().min(Limits::VALIDATION_PIECE_BYTES)].to_vec();
        if piece.is_empty() {
            let wrong = format!("byte {offset} of a validation set of {} bytes was asked for", body.len());
            let right = "ask for pieces of the set that the welcome tells of";
            return self.refuse_session(Wrong::new(RefusalCode::Malformed, wrong, right), now, fx);
        }
        self.write(&ToDevice::Validation { offset, piece }, now, fx);
    }

    // ---- ending and sending

    fn refuse_session(&mut self, wrong: Wrong, now: Micros, fx: &mut Effects) {
        self.serve(|link| link.refuse(wrong), now, fx);
    }

    fn refuse(&mut self, wrong: Wrong, subject: Subject, now: Micros, fx: &mut Effects) {
        self.write(&ToDevice::Link(Answer::Refused(wrong.about(subject))), now, fx);
    }

    fn write(&mut self, message: &ToDevice, now: Micros, fx: &mut Effects) {
        self.push(message.encode(), now, fx);
    }

    fn push(&mut self, bytes: Vec<u8>, now: Micros, fx: &mut Effects) {
        if let Some(at) = self.outbox.send(bytes.len(), now) {
            fx.push(EdgeEffect::Send { bytes, at });
        } else if self.link.is_open() {
            let why = "the device asks for more than its shaped link can carry".to_owned();
            self.serve(|link| vec![link.end(why)], now, fx);
        }
    }
}
