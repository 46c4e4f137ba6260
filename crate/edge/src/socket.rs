//! One WebSocket driving one [`EdgeSession`]: what comes in becomes its events, what it wants done is done here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use cleave_arch::{Array, Probe, Segment};
use cleave_graph::Graph;
use cleave_model::exec;
use cleave_session::{EdgeEffect, EdgeEvent, EdgeSession, EngineError, Measured, Micros};
use cleave_wire::{ModelHash, PROTOCOL_VERSION, Refusal, RefusalCode, Subject, WeightSource};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep_until, timeout};

use crate::clock;
use crate::closing::Closing;
use crate::edge::{Edge, MAX_LOADING, compute};
use crate::executor::{Done, Panicked};
use crate::measure::measure;
use crate::models::{Lookup, WrongHash};
use crate::outbox::Outbox;

/// Runs a session to its end.
pub(crate) async fn run(socket: WebSocket, edge: Arc<Edge>, mut closing: Closing) {
    let (sink, mut stream) = socket.split();
    let (mut driver, mut reports) = Driver::new(edge, Outbox::start(sink));
    let mut is_closing = false;
    while driver.session.is_open() {
        let wake = driver.session.next_wake().map_or_else(tokio::time::Instant::now, clock::instant);
        let may_read = driver.loading < MAX_LOADING && driver.outbox.has_room();
        tokio::select! {
            message = stream.next(), if may_read => driver.received(message),
            () = driver.outbox.room(), if !driver.outbox.has_room() => {}
            Some(report) = reports.recv() => driver.reported(report),
            () = sleep_until(wake) => driver.handle(EdgeEvent::Tick),
            () = closing.wait(), if !is_closing => {
                is_closing = true;
                driver.handle(EdgeEvent::Shutdown);
            }
        }
    }
    driver.finish(stream).await;
}

/// What the executor tells a session.
enum Report {
    Loaded { deployment: u32, lookup: Lookup },
    Stored { model: ModelHash, outcome: Result<Result<(), WrongHash>, Panicked> },
    Computed { job: u64, done: Done<Result<Vec<Array>, EngineError>> },
    Measured { id: u32, result: Result<Measured, EngineError> },
}

struct Driver {
    edge: Arc<Edge>,
    session: EdgeSession,
    number: u64,
    outbox: Outbox,
    reports: Sender<Report>,
    deployments: HashMap<u32, Arc<exec::Executor>>,
    /// Set for jobs whose result nobody wants any more.
    unwanted: HashMap<u64, Arc<AtomicBool>>,
    loading: usize,
    goodbye: CloseFrame,
}

impl Driver {
    fn new(edge: Arc<Edge>, outbox: Outbox) -> (Self, Receiver<Report>) {
        let (session, number) = edge.session();
        // As many as can be under way: an executor thread never waits for a session.
        let (reports, heard) = channel(usize::from(edge.bounds.credit) + MAX_LOADING + 2);
        let goodbye = CloseFrame { code: close_code::NORMAL, reason: "".into() };
        tracing::info!(session = number, "a session begins");
        let (deployments, unwanted) = (HashMap::new(), HashMap::new());
        (Self { edge, session, number, outbox, reports, deployments, unwanted, loading: 0, goodbye }, heard)
    }

    fn received(&mut self, message: Option<Result<Message, axum::Error>>) {
        match message {
            Some(Ok(Message::Binary(bytes))) => self.handle(EdgeEvent::Received(bytes.into())),
            Some(Ok(Message::Text(text))) => self.handle(EdgeEvent::Received(text.as_bytes().to_vec())),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => self.handle(EdgeEvent::Closed),
            Some(Err(why)) => self.unreadable(&why),
        }
    }

    /// Beyond the WebSocket's own limits nothing can be read any more; the client still hears why.
    fn unreadable(&mut self, why: &axum::Error) {
        let most = self.edge.bounds.wire.max_frame_bytes;
        let (subject, code) = (Subject::Session, RefusalCode::Malformed);
        let wrong = format!("the WebSocket cannot be read: {why}");
        let right = format!("send well-formed messages of at most {most} bytes");
        let refused = Refusal { subject, code, wrong, right }.encode_as(PROTOCOL_VERSION);
        // Where there is no room the connection ends all the same.
        let _overrun = self.outbox.send(refused, clock::now()).is_err();
        self.handle(EdgeEvent::Closed);
        self.goodbye = CloseFrame { code: close_code::SIZE, reason: "unreadable".into() };
    }

    fn reported(&mut self, report: Report) {
        let event = match report {
            Report::Computed { job, done } => {
                self.unwanted.remove(&job);
                let Done { outcome, started, finished } = done;
                EdgeEvent::Computed { job, result: answered(outcome), started, finished }
            }
            Report::Measured { id, result } => EdgeEvent::Measured { id, result },
            Report::Stored { model, outcome } => {
                self.loading -= 1;
                match outcome {
                    Ok(Ok(())) => EdgeEvent::ModelStored { model },
                    Ok(Err(wrong)) => EdgeEvent::ModelRejected { model, why: wrong.to_string() },
                    Err(panicked) => EdgeEvent::ModelRejected { model, why: panicked.to_string() },
                }
            }
            Report::Loaded { deployment, lookup } => {
                self.loading -= 1;
                self.loaded(deployment, lookup)
            }
        };
        self.handle(event);
    }

    fn loaded(&mut self, deployment: u32, lookup: Lookup) -> EdgeEvent {
        match lookup {
            Lookup::Ready(network) => {
                self.deployments.insert(deployment, network);
                EdgeEvent::ModelReady { deployment }
            }
            Lookup::Missing => EdgeEvent::ModelMissing { deployment },
            Lookup::Invalid(why) => EdgeEvent::ModelInvalid { deployment, why },
        }
    }

    /// Tells the session, and does what it says; what is answered at once is told in turn.
    fn handle(&mut self, event: EdgeEvent) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.session.handle(event, clock::now()) {
                events.extend(self.apply(effect));
            }
        }
    }

    fn apply(&mut self, effect: EdgeEffect) -> Option<EdgeEvent> {
        match effect {
            EdgeEffect::Send { bytes, at } => {
                let overrun = self.outbox.send(bytes, at).is_err();
                overrun.then_some(EdgeEvent::Closed)
            }
            EdgeEffect::Close { why } => {
                tracing::info!(session = self.number, why, "a session ends");
                self.goodbye.reason = short_reason(&why).into();
                None
            }
            EdgeEffect::NeedModel { deployment, weights, graph } => self.load(deployment, weights, graph),
            EdgeEffect::StoreModel { model, bytes } => self.store(model, bytes),
            EdgeEffect::DropDeployment { deployment } => {
                self.deployments.remove(&deployment);
                None
            }
            EdgeEffect::Compute { job, deployment, segment, tensors, deadline } => {
                self.compute(job, deployment, segment, tensors, deadline)
            }
            EdgeEffect::Measure { id, probe, runs } => self.measure(id, probe, runs),
            EdgeEffect::Cancel { job } => {
                self.unwanted.get(&job).inspect(|unwanted| unwanted.store(true, Ordering::Relaxed));
                None
            }
        }
    }

    fn load(&mut self, deployment: u32, weights: WeightSource, graph: Arc<Graph>) -> Option<EdgeEvent> {
        let (models, reports) = (self.edge.models.clone(), self.reports.clone());
        let job = move || models.network(weights, &graph);
        let done = move |done: Done<Lookup>| {
            let lookup = done.outcome.unwrap_or_else(|panicked| Lookup::Invalid(panicked.to_string()));
            tell(&reports, Report::Loaded { deployment, lookup });
        };
        match self.edge.executor.submit(job, done) {
            Ok(()) => self.loading += 1,
            Err(_) => return Some(EdgeEvent::ModelInvalid { deployment, why: BUSY.into() }),
        }
        None
    }

    fn store(&mut self, model: ModelHash, bytes: Vec<u8>) -> Option<EdgeEvent> {
        let (models, reports) = (self.edge.models.clone(), self.reports.clone());
        let job = move || models.store(model, bytes);
        let done = move |done: Done<_>| tell(&reports, Report::Stored { model, outcome: done.outcome });
        match self.edge.executor.submit(job, done) {
            Ok(()) => self.loading += 1,
            Err(_) => return Some(EdgeEvent::ModelRejected { model, why: BUSY.into() }),
        }
        None
    }

    fn compute(
        &mut self,
        job: u64,
        deployment: u32,
        segment: Segment,
        tensors: Vec<Array>,
        deadline: Micros,
    ) -> Option<EdgeEvent> {
        let refused = |why: &str| {
            let now = clock::now();
            Some(EdgeEvent::Computed { job, result: Err(EngineError::new(why)), started: now, finished: now })
        };
        let Some(network) = self.deployments.get(&deployment).cloned() else {
            return refused("its network is not loaded");
        };
        let unwanted = Arc::new(AtomicBool::new(false));
        let (is_unwanted, reports, runtime) = (unwanted.clone(), self.reports.clone(), Handle::current());
        let run = move || match () {
            () if is_unwanted.load(Ordering::Relaxed) => Err(EngineError::new("nobody wants its result any more")),
            () if clock::now() > deadline => {
                Err(EngineError::new("its deadline passed before an executor thread was free"))
            }
            () => compute(&network, &segment, &tensors, &runtime),
        };
        let done = move |done| tell(&reports, Report::Computed { job, done });
        if self.edge.executor.submit(run, done).is_err() {
            return refused(BUSY);
        }
        self.unwanted.insert(job, unwanted);
        None
    }

    /// On an executor thread, behind the frames that wait: a measurement never delays one that came before it.
    fn measure(&mut self, id: u32, probe: Probe, runs: usize) -> Option<EdgeEvent> {
        let (reports, runtime, edge) = (self.reports.clone(), Handle::current(), self.edge.clone());
        let run = move || runtime.block_on(measure(probe, runs, edge.models.device()));
        let done = move |done: Done<_>| tell(&reports, Report::Measured { id, result: answered(done.outcome) });
        let is_full = self.edge.executor.submit(run, done).is_err();
        is_full.then(|| EdgeEvent::Measured { id, result: Err(EngineError::new(BUSY)) })
    }

    /// Sends what is left. What the client still sends is read and dropped meanwhile: a socket that is closed with
    /// unread bytes in it takes the last message, the reason, with it.
    async fn finish(self, mut stream: SplitStream<WebSocket>) {
        // Half of what the edge allows itself, so that a session ends before its edge does.
        let farewell = self.edge.bounds.farewell / 2;
        self.unwanted.values().for_each(|unwanted| unwanted.store(true, Ordering::Relaxed));
        let drained = async { while let Some(Ok(_)) = stream.next().await {} };
        let _late = tokio::join!(self.outbox.close(self.goodbye, farewell), timeout(farewell, drained));
    }
}

const BUSY: &str = "the executor's queue is full";

/// That a job panicked is the engine's word, too.
fn answered<T>(outcome: Result<Result<T, EngineError>, Panicked>) -> Result<T, EngineError> {
    outcome.unwrap_or_else(|panicked| Err(EngineError::new(panicked)))
}

/// On an executor thread. A session that has ended needs no report.
fn tell(reports: &Sender<Report>, report: Report) {
    let _ended = reports.blocking_send(report).is_err();
}

/// A close frame holds at most 123 bytes of reason.
fn short_reason(why: &str) -> String {
    let end = (0..=why.len().min(120)).rev().find(|at| why.is_char_boundary(*at)).unwrap_or(0);
    why[..end].to_owned()
}
