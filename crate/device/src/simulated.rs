//! The edge half in this tab: the machine that a native edge runs, behind a link that exists only as
//! two delays. It computes with the same engine as the device, so it shows what a link costs, not
//! what a faster edge gains.

use crate::browser::now_micros;
use crate::mailbox::Mailbox;
use crate::outbox::Outbox;
use crate::worker::Input;
use cleave_arch::Segment;
use cleave_arch::array::Array;
use cleave_session::{EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession, Micros, TokenCheck};
use cleave_wire::ModelHash;
use std::collections::HashMap;

/// Work that the simulated edge asks for.
pub struct EdgeJob {
    /// Connection of the edge that asks.
    pub connection: u32,
    /// Weights to run with.
    pub model: ModelHash,
    /// Number to answer with.
    pub job: u64,
    /// What to run.
    pub segment: Segment,
    /// On what.
    pub input: Vec<Array>,
}

/// The simulated edge and the messages on their way to and from it.
pub struct SimulatedEdge {
    session: EdgeSession,
    to_edge: Outbox<Vec<u8>>,
    to_device: Outbox<Vec<u8>>,
    models: HashMap<u32, ModelHash>,
    closed: Option<String>,
}

impl SimulatedEdge {
    /// A fresh edge.
    pub fn open() -> Self {
        let mut config = EdgeConfig::new(TokenCheck::open());
        config.name = "this tab".into();
        config.threads = 1;
        config.stopwatch = || Micros(now_micros());
        let session = EdgeSession::new(config, Micros(now_micros()));
        Self { session, to_edge: Outbox::default(), to_device: Outbox::default(), models: HashMap::new(), closed: None }
    }

    /// Takes a message that reaches the edge at `at`.
    pub fn send(&mut self, at: Micros, bytes: Vec<u8>, mailbox: &Mailbox<Input>) {
        self.to_edge.put(at, bytes, mailbox);
    }

    /// Delivers what is due at the edge and returns the work that this makes.
    pub fn pump(&mut self, connection: u32, mailbox: &Mailbox<Input>) -> Vec<EdgeJob> {
        let mut jobs = Vec::new();
        while let Some(bytes) = self.to_edge.due() {
            self.handle(EdgeEvent::Received(bytes), connection, mailbox, &mut jobs);
        }
        self.handle(EdgeEvent::Tick, connection, mailbox, &mut jobs);
        jobs
    }

    /// The next message that has reached the device.
    pub fn received(&mut self) -> Option<Vec<u8>> {
        self.to_device.due()
    }

    /// Why the edge has ended the session, once everything it had sent is delivered.
    pub fn closed(&mut self) -> Option<String> {
        if self.to_device.is_empty() { self.closed.take() } else { None }
    }

    /// Tells of finished work; more may follow.
    pub fn computed(
        &mut self,
        connection: u32,
        job: u64,
        result: Result<Vec<Array>, String>,
        span: (u64, u64),
        mailbox: &Mailbox<Input>,
    ) -> Vec<EdgeJob> {
        let mut jobs = Vec::new();
        let (started, finished) = (Micros(span.0), Micros(span.1));
        self.handle(EdgeEvent::Computed { job, result, started, finished }, connection, mailbox, &mut jobs);
        jobs
    }

    fn handle(&mut self, event: EdgeEvent, connection: u32, mailbox: &Mailbox<Input>, jobs: &mut Vec<EdgeJob>) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.session.handle(event, Micros(now_micros())) {
                match effect {
                    EdgeEffect::Send { bytes, at } => self.to_device.put(at, bytes, mailbox),
                    // The network is in this tab already: device and edge share it.
                    EdgeEffect::NeedModel { deployment, model, .. } => {
                        self.models.insert(deployment, model);
                        events.push(EdgeEvent::ModelReady { deployment });
                    }
                    EdgeEffect::StoreModel { model, .. } => events.push(EdgeEvent::ModelStored { model }),
                    EdgeEffect::Compute { job, deployment, segment, tensors, .. } => {
                        let model = self.models.get(&deployment).copied().unwrap_or(ModelHash([0; 32]));
                        jobs.push(EdgeJob { connection, model, job, segment, input: tensors });
                    }
                    EdgeEffect::DropDeployment { deployment } => {
                        self.models.remove(&deployment);
                    }
                    // It has no engine of its own: the device's table is its table.
                    EdgeEffect::Measure { id, .. } => {
                        let why = "the edge half runs in this tab, on the device's engine".into();
                        events.push(EdgeEvent::Measured { id, result: Err(why) });
                    }
                    EdgeEffect::Close { why } => self.closed = Some(why),
                    EdgeEffect::Cancel { .. } => {}
                }
            }
        }
    }
}
