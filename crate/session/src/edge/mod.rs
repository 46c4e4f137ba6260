//! The edge's half: one connection's greeting, deployments, weights, frames and credit.
//!
//! Everything that comes in is distrusted: versions, token, limits, plans, shapes, indexes and the number of frames are
//! checked here, so that the engine behind it sees nothing that it could stumble over. What cannot be served is
//! refused with what was wrong and what would be right; what breaks the protocol also ends the session.

mod config;
mod deployments;
mod jobs;
mod outbox;

use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_arch::{Plan, Probe, Segment, Task};
use cleave_wire::{Header, Limits, LinkShape, ModelHash, Refusal, RefusalCode, Subject, ToDevice, ToEdge, WireError};

use crate::measure::{MAX_ECHO_BYTES, MAX_RUNS, MAX_WORK, Measured};
use crate::time::Micros;
pub use config::{EdgeConfig, OwnValidation, TokenCheck};
use deployments::Deployments;
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
        result: Result<Vec<Array>, String>,
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
        result: Result<Measured, String>,
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
    /// Load this model for this plan; answer with `ModelReady`, `ModelMissing` or `ModelInvalid`.
    NeedModel {
        /// Number of the deployment.
        deployment: u32,
        /// Which model file.
        model: ModelHash,
        /// Who runs what.
        plan: Arc<Plan>,
        /// Input and output sizes.
        task: Task,
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
        /// Operations to run.
        segment: Segment,
        /// Values before them, checked against the plan's trace.
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
    phase: Phase,
    outbox: Outbox,
    last_heard: Micros,
    deployments: Deployments,
    jobs: Jobs,
    /// The engine is measuring.
    measuring: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting { until: Micros },
    Open,
    Closed,
}

pub(crate) type Effects = Vec<EdgeEffect>;

/// A refusal for a subject that its caller names.
pub(crate) struct Wrong {
    pub(crate) code: RefusalCode,
    pub(crate) wrong: String,
    pub(crate) right: String,
}

impl Wrong {
    pub(crate) fn new(code: RefusalCode, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { code, wrong: wrong.into(), right: right.into() }
    }

    fn about(self, subject: Subject) -> Refusal {
        Refusal { subject, code: self.code, wrong: self.wrong, right: self.right }
    }
}

impl EdgeSession {
    /// A machine for a socket that was accepted at `now`.
    pub fn new(config: EdgeConfig, now: Micros) -> Self {
        Self {
            phase: Phase::Greeting { until: now + config.handshake_timeout },
            outbox: Outbox::new(config.seed),
            last_heard: now,
            deployments: Deployments::default(),
            jobs: Jobs::new(config.stopwatch),
            measuring: false,
            config,
        }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: EdgeEvent, now: Micros) -> Vec<EdgeEffect> {
        let mut fx = Vec::new();
        if self.phase != Phase::Closed {
            self.apply(event, now, &mut fx);
            self.check_time(now, &mut fx);
        }
        fx
    }

    /// When [`EdgeEvent::Tick`] must come at the latest if nothing else happens; `None`: never.
    pub fn next_wake(&self) -> Option<Micros> {
        match self.phase {
            Phase::Greeting { until } => Some(until),
            Phase::Open => Some(self.last_heard + self.config.idle_timeout),
            Phase::Closed => None,
        }
    }

    /// True until the session has ended.
    pub fn is_open(&self) -> bool {
        self.phase != Phase::Closed
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
            EdgeEvent::Received(bytes) => self.received(&bytes, now, fx),
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
            EdgeEvent::Closed => self.end("the device closed the connection", fx),
            EdgeEvent::Shutdown => {
                let wrong = Wrong::new(RefusalCode::ShuttingDown, "the edge is going away", "try again later");
                self.refuse_session(wrong, now, fx);
            }
            EdgeEvent::Tick => {}
        }
    }

    fn check_time(&mut self, now: Micros, fx: &mut Effects) {
        let (limit, since) = match self.phase {
            Phase::Greeting { until } if now >= until => (self.config.handshake_timeout, "no greeting came"),
            Phase::Open if now >= self.last_heard + self.config.idle_timeout => {
                (self.config.idle_timeout, "nothing was heard")
            }
            _ => return,
        };
        let wrong = format!("{since} for {limit}");
        self.refuse_session(Wrong::new(RefusalCode::TimedOut, wrong, "connect again"), now, fx);
    }

    // ---- messages

    fn received(&mut self, bytes: &[u8], now: Micros, fx: &mut Effects) {
        self.last_heard = now;
        match ToEdge::decode(bytes, &self.config.limits) {
            Ok(message) => self.message(message, now, fx),
            Err(error @ WireError::Version { .. }) => self.refuse_version(bytes, &error, now, fx),
            Err(error) => {
                let right = "send messages as this version of Cleave writes them, within the limits of the welcome";
                self.refuse_session(Wrong::new(RefusalCode::Malformed, error.to_string(), right), now, fx);
            }
        }
    }

    fn message(&mut self, message: ToEdge, now: Micros, fx: &mut Effects) {
        match (message, self.phase) {
            (ToEdge::Close, _) => self.end("the device said goodbye", fx),
            (ToEdge::Hello { token, .. }, Phase::Greeting { .. }) => self.greet(&token, now, fx),
            (_, Phase::Greeting { .. }) => {
                let wrong = Wrong::new(RefusalCode::NotGreeted, "something came before Hello", "greet first");
                self.refuse_session(wrong, now, fx);
            }
            (ToEdge::Hello { .. }, _) => {
                let wrong = Wrong::new(RefusalCode::Malformed, "Hello came twice", "greet once");
                self.refuse_session(wrong, now, fx);
            }
            (ToEdge::Deploy { deployment, plan, task, model, codec }, _) => {
                match self.deployments.ask(deployment, &plan, task, model, codec, &self.config, fx) {
                    Ok(true) => self.write(&ToDevice::Deployed { deployment }, now, fx),
                    Ok(false) => {}
                    Err(wrong) => self.refuse(wrong.about(Subject::Deployment(deployment)), now, fx),
                }
            }
            (ToEdge::Weights { model, offset, total, chunk }, _) => {
                match self.deployments.weights(model, offset, total, &chunk, fx) {
                    Ok(Some(received)) => {
                        self.write(&ToDevice::WeightsProgress { model, received, total }, now, fx);
                    }
                    Ok(None) => {}
                    Err(wrong) => self.refuse_session(wrong, now, fx),
                }
            }
            (ToEdge::Frame { id, deployment, segment, deadline_millis, tensors }, _) => {
                let deadline = now + Micros::from_millis(deadline_millis.into());
                self.frame(Arrived { id, deployment, segment, deadline, tensors, now }, fx);
            }
            (ToEdge::Cancel { id }, _) => self.jobs.cancel(id, fx),
            (ToEdge::Ping { id, device_micros }, _) => {
                let pong = ToDevice::Pong { id, device_micros, received_micros: now.0, sent_micros: now.0 };
                self.write(&pong, now, fx);
            }
            (ToEdge::Shape(shape), _) => self.outbox.reshape(shape),
            (ToEdge::Measure { id, probe, runs }, _) => self.measure(id, probe, runs, now, fx),
            (ToEdge::Validation { offset }, _) => self.validation(offset, now, fx),
            (ToEdge::Echo { id, answer_bytes, .. }, _) => self.echo(id, answer_bytes, now, fx),
        }
    }

    fn greet(&mut self, token: &str, now: Micros, fx: &mut Effects) {
        if !self.config.token.accepts(token) {
            let right = "use the token of the URL that the edge printed when it started";
            let wrong = Wrong::new(RefusalCode::BadToken, "the token is not this edge's", right);
            return self.refuse_session(wrong, now, fx);
        }
        self.phase = Phase::Open;
        let welcome = ToDevice::Welcome {
            version: self.config.version.clone(),
            name: self.config.name.clone(),
            threads: self.config.threads,
            limits: self.config.limits,
            credit: self.config.credit,
            validation: self.config.validation.as_ref().map(|own| own.set.clone()),
        };
        self.write(&welcome, now, fx);
    }

    // ---- models

    fn model_ready(&mut self, deployment: u32, now: Micros, fx: &mut Effects) {
        if self.deployments.ready(deployment) {
            self.write(&ToDevice::Deployed { deployment }, now, fx);
        }
    }

    fn model_missing(&mut self, deployment: u32, now: Micros, fx: &mut Effects) {
        match self.deployments.missing(deployment) {
            Ok(Some(model)) => self.write(&ToDevice::NeedWeights { model }, now, fx),
            Ok(None) => {}
            Err(why) => self.refuse_model(deployment, why, now, fx),
        }
    }

    fn go_on_with_weights(&mut self, whole: ModelHash, now: Micros, fx: &mut Effects) {
        if let Some(model) = self.deployments.next_missing(whole) {
            self.write(&ToDevice::NeedWeights { model }, now, fx);
        }
    }

    fn refuse_model(&mut self, deployment: u32, why: String, now: Micros, fx: &mut Effects) {
        if self.deployments.remove(deployment) {
            let right = "deploy a model file whose hash and weights fit the plan";
            let wrong = Wrong::new(RefusalCode::ModelInvalid, why, right);
            self.refuse(wrong.about(Subject::Deployment(deployment)), now, fx);
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
        let limits = self.config.limits;
        if let Err(wrong) = self.jobs.begin(arrived, &self.deployments, &limits, fx) {
            self.refuse(wrong.about(Subject::Frame(id)), now, fx);
            self.write(&ToDevice::Credit { n: 1 }, now, fx);
        }
    }

    fn computed(
        &mut self,
        job: u64,
        result: Result<Vec<Array>, String>,
        times: [Micros; 2],
        now: Micros,
        fx: &mut Effects,
    ) {
        let Some(job) = self.jobs.end(job) else { return };
        if !job.cancelled {
            match self.jobs.answer(&job, result, times, now, &self.config.limits) {
                Ok((bytes, sent)) => self.push(bytes, sent, fx),
                Err(wrong) => self.refuse(wrong.about(Subject::Frame(job.frame)), now, fx),
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
            return self.refuse(wrong.about(Subject::Measurement(id)), now, fx);
        }
        self.measuring = true;
        fx.push(EdgeEffect::Measure { id, probe, runs: runs.into() });
    }

    fn measured(&mut self, id: u32, result: Result<Measured, String>, now: Micros, fx: &mut Effects) {
        self.measuring = false;
        match result {
            Ok(Measured { ms, bytes }) => {
                let nanos = ms.into_iter().map(|ms| (ms * 1e6) as u64).collect();
                self.write(&ToDevice::Measured { id, bytes, nanos }, now, fx);
            }
            Err(why) => {
                let wrong = Wrong::new(RefusalCode::ComputeFailed, why, "leave this measurement out");
                self.refuse(wrong.about(Subject::Measurement(id)), now, fx);
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

    fn refuse_version(&mut self, bytes: &[u8], error: &WireError, now: Micros, fx: &mut Effects) {
        let theirs = Header::read(bytes).map_or(cleave_wire::PROTOCOL_VERSION, |header| header.version);
        let right = "reload the page, or update the older of the two programs";
        let refusal = Wrong::new(RefusalCode::WrongVersion, error.to_string(), right).about(Subject::Session);
        self.push(ToDevice::Refused(refusal).encode_as(theirs), now, fx);
        self.end(&error.to_string(), fx);
    }

    fn refuse_session(&mut self, wrong: Wrong, now: Micros, fx: &mut Effects) {
        let why = wrong.wrong.clone();
        self.refuse(wrong.about(Subject::Session), now, fx);
        self.end(&why, fx);
    }

    fn refuse(&mut self, refusal: Refusal, now: Micros, fx: &mut Effects) {
        self.write(&ToDevice::Refused(refusal), now, fx);
    }

    fn end(&mut self, why: &str, fx: &mut Effects) {
        self.phase = Phase::Closed;
        fx.push(EdgeEffect::Close { why: why.to_owned() });
        self.jobs.cancel_all(fx);
        self.deployments.drop_all(fx);
    }

    fn write(&mut self, message: &ToDevice, now: Micros, fx: &mut Effects) {
        self.push(message.encode(), now, fx);
    }

    fn push(&mut self, bytes: Vec<u8>, now: Micros, fx: &mut Effects) {
        if let Some(at) = self.outbox.send(bytes.len(), now) {
            fx.push(EdgeEffect::Send { bytes, at });
        } else if self.phase != Phase::Closed {
            self.end("the device asks for more than its shaped link can carry", fx);
        }
    }
}
