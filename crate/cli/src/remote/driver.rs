//! The loop around the session: what happens goes in, what is to be done is done.

use std::collections::HashMap;
use std::sync::mpsc::{Sender as ReportSender, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use cleave_arch::{Array, Probe};
use cleave_session::{
    DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, Echo, EngineError, FrameReport, MeasureError, Measured,
    Micros, Work,
};
use cleave_wire::LinkShape;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::compute::{self, Job};
use super::socket::{self, Outgoing};
use super::{Board, MAX_IN_FLIGHT, Settings};
use crate::local::Engine;

/// What the handle asks for.
pub(super) enum Command {
    Deploy { work: Arc<Work>, engine: Arc<Engine>, deployment: u64 },
    Submit { id: u64, cloud: Array },
    Shape(LinkShape),
    Measure { probe: Probe, runs: u16, answer: SyncSender<Result<Measured, MeasureError>> },
    Echo { bytes: u32, answer_bytes: u32, answer: SyncSender<Result<Echo, MeasureError>> },
    End,
}

/// What sockets and the engine tell.
pub(super) enum Happening {
    Opened { connection: u32 },
    Closed { connection: u32, why: String, denied: bool },
    Received { connection: u32, bytes: Vec<u8> },
    Computed { job: u64, result: Result<Vec<Array>, EngineError> },
}

/// Messages waiting to leave: the frames under way, and weights, of which the session has few pieces out at once.
const MAX_OUTGOING: usize = 1024;
/// The last messages of a session that ends.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Driver {
    settings: Settings,
    commands: Receiver<Command>,
    reports: ReportSender<FrameReport>,
    board: Arc<Board>,
    runtime: Runtime,
}

impl Driver {
    pub(super) fn new(
        settings: Settings,
        commands: Receiver<Command>,
        reports: ReportSender<FrameReport>,
        board: Arc<Board>,
    ) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime can be started")?;
        Ok(Self { settings, commands, reports, board, runtime })
    }

    /// Until [`Command::End`], or until the handle is gone.
    pub(super) fn run(mut self) {
        let (happened, mut happenings) = channel(2 * MAX_OUTGOING);
        let Ok(jobs) = compute::start(happened.clone()) else { return };
        self.runtime.block_on(async {
            // Nothing can be asked of a session before it has its first work.
            let (work, engine, deployment) = loop {
                match self.commands.recv().await {
                    Some(Command::Deploy { work, engine, deployment }) => break (work, engine, deployment),
                    // Answers that are dropped tell their callers that the session has not begun.
                    Some(
                        Command::Submit { .. } | Command::Shape(_) | Command::Measure { .. } | Command::Echo { .. },
                    ) => {}
                    Some(Command::End) | None => return,
                }
            };
            let mut running = Running {
                session: DeviceSession::new(config(&self.settings), work.clone()),
                settings: self.settings.clone(),
                engines: vec![(work, engine)],
                sockets: HashMap::new(),
                happened,
                jobs,
                reports: self.reports.clone(),
                board: self.board.clone(),
                deployment,
                asked: 0,
                measuring: HashMap::new(),
                echoing: HashMap::new(),
            };
            let (up, down) = (running.settings.shape, running.settings.shape);
            running.handle(DeviceEvent::Shape { up, down });
            running.handle(DeviceEvent::Connect);
            running.until_end(&mut self.commands, &mut happenings).await;
        });
    }
}

fn config(settings: &Settings) -> DeviceConfig {
    DeviceConfig {
        token: settings.address.token.clone(),
        name: "cleave".into(),
        max_frames: MAX_IN_FLIGHT,
        stopwatch: now,
        ..DeviceConfig::default()
    }
}

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

fn now() -> Micros {
    Micros(u64::try_from(epoch().elapsed().as_micros()).unwrap_or(u64::MAX))
}

fn instant(moment: Micros) -> Instant {
    epoch() + Duration::from_micros(moment.0)
}

fn failed(job: u64, why: &str) -> DeviceEvent {
    DeviceEvent::Computed { job, result: Err(EngineError::new(why)) }
}

/// A session with everything that carries out its effects.
struct Running {
    session: DeviceSession,
    settings: Settings,
    /// The engine of every work that a frame may still need.
    engines: Vec<(Arc<Work>, Arc<Engine>)>,
    sockets: HashMap<u32, (Sender<Outgoing>, JoinHandle<()>)>,
    happened: Sender<Happening>,
    jobs: SyncSender<Job>,
    reports: ReportSender<FrameReport>,
    board: Arc<Board>,
    deployment: u64,
    /// Number of the latest measurement or echo, and who waits for which.
    asked: u32,
    measuring: HashMap<u32, SyncSender<Result<Measured, MeasureError>>>,
    echoing: HashMap<u32, SyncSender<Result<Echo, MeasureError>>>,
}

impl Running {
    async fn until_end(&mut self, commands: &mut Receiver<Command>, happenings: &mut Receiver<Happening>) {
        loop {
            let wake = self.session.next_wake().map_or_else(|| Instant::now() + Duration::from_secs(3600), instant);
            let event = tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::End) | None => return self.farewell().await,
                    Some(command) => self.event_of_command(command),
                },
                Some(happening) = happenings.recv() => self.event_of(happening),
                () = sleep_until(wake) => DeviceEvent::Tick,
            };
            self.handle(event);
        }
    }

    fn event_of_command(&mut self, command: Command) -> DeviceEvent {
        match command {
            Command::Deploy { work, engine, deployment } => {
                // A work that only this list holds has no frame under way and no place in the session.
                self.engines.retain(|(work, _)| Arc::strong_count(work) > 1);
                self.engines.push((work.clone(), engine));
                self.deployment = deployment;
                DeviceEvent::Replan(work)
            }
            Command::Submit { id, cloud } => {
                let deadline = now() + Micros(u64::try_from(self.settings.deadline.as_micros()).unwrap_or(u64::MAX));
                DeviceEvent::Submit { frame: id, input: vec![cloud], deadline }
            }
            Command::Shape(shape) => DeviceEvent::Shape { up: shape, down: shape },
            Command::Measure { probe, runs, answer } => {
                self.asked = self.asked.wrapping_add(1);
                self.measuring.insert(self.asked, answer);
                DeviceEvent::Measure { id: self.asked, probe, runs }
            }
            Command::Echo { bytes, answer_bytes, answer } => {
                self.asked = self.asked.wrapping_add(1);
                self.echoing.insert(self.asked, answer);
                DeviceEvent::Echo { id: self.asked, bytes, answer_bytes }
            }
            Command::End => DeviceEvent::Disconnect,
        }
    }

    fn event_of(&mut self, happening: Happening) -> DeviceEvent {
        match happening {
            Happening::Opened { connection } => {
                self.board.show(|shown| shown.denied = None);
                DeviceEvent::Opened { connection }
            }
            Happening::Closed { connection, why, denied } => {
                self.sockets.remove(&connection);
                self.board.show(|shown| shown.denied = denied.then(|| why.clone()));
                DeviceEvent::Closed { connection, why }
            }
            Happening::Received { connection, bytes } => DeviceEvent::Received { connection, bytes },
            Happening::Computed { job, result } => DeviceEvent::Computed { job, result },
        }
    }

    fn handle(&mut self, event: DeviceEvent) {
        let mut effects = self.session.handle(event, now());
        loop {
            let later: Vec<DeviceEvent> = effects.into_iter().filter_map(|effect| self.carry_out(effect)).collect();
            if later.is_empty() {
                break;
            }
            effects = later.into_iter().flat_map(|event| self.session.handle(event, now())).collect();
        }
        let (status, deployment) = (self.session.status().clone(), self.deployment);
        self.board.show(|shown| {
            if shown.deployment == deployment {
                shown.status = Some(status);
            }
        });
    }

    /// Does one thing; an event if it failed at once.
    fn carry_out(&mut self, effect: DeviceEffect) -> Option<DeviceEvent> {
        match effect {
            DeviceEffect::Connect { connection } => self.connect(connection),
            DeviceEffect::Disconnect { connection } => {
                // Without its sender the socket's task sends what is left, closes and ends.
                self.sockets.remove(&connection);
            }
            DeviceEffect::Send { connection, bytes, at } => {
                return self.send(connection, Outgoing { bytes, at: instant(at) });
            }
            DeviceEffect::Compute { job, work, segment, input, .. } => {
                let engine = self.engines.iter().find(|(known, _)| Arc::ptr_eq(known, &work)).map(|(_, engine)| engine);
                let Some(engine) = engine.cloned() else {
                    return Some(failed(job, "its engine is gone"));
                };
                if self.jobs.try_send(Job { job, engine, segment, input }).is_err() {
                    return Some(failed(job, "the engine's thread has ended"));
                }
            }
            // The handle may be gone already; then nobody wants it.
            DeviceEffect::Report(report) => drop(self.reports.send(*report)),
            // Whoever asked may be gone already.
            DeviceEffect::Measured { id, result } => {
                self.measuring.remove(&id).map(|answer| answer.try_send(result));
            }
            DeviceEffect::Echoed { id, result } => {
                self.echoing.remove(&id).map(|answer| answer.try_send(result));
            }
            // Here nobody asks for the edge's clouds: whoever has the data reads it.
            DeviceEffect::Status(_) | DeviceEffect::Validation(_) => {}
        }
        None
    }

    fn connect(&mut self, connection: u32) {
        let (sender, outgoing) = channel(MAX_OUTGOING);
        let task = socket::serve(connection, self.settings.address.clone(), outgoing, self.happened.clone());
        self.sockets.insert(connection, (sender, tokio::spawn(task)));
    }

    fn send(&mut self, connection: u32, message: Outgoing) -> Option<DeviceEvent> {
        let (sender, _) = self.sockets.get(&connection)?;
        let why = sender.try_send(message).err()?.to_string();
        self.sockets.remove(&connection);
        Some(DeviceEvent::Closed { connection, why: format!("a message cannot be sent: {why}") })
    }

    /// Tells the edge and gives the last messages a moment to leave.
    async fn farewell(&mut self) {
        let mut sockets = std::mem::take(&mut self.sockets);
        for effect in self.session.handle(DeviceEvent::Disconnect, now()) {
            if let DeviceEffect::Send { connection, bytes, at } = effect
                && let Some((sender, _)) = sockets.get(&connection)
            {
                let _ = sender.try_send(Outgoing { bytes, at: instant(at) });
            }
        }
        for (_, (sender, task)) in sockets.drain() {
            drop(sender);
            let _ = timeout(FAREWELL, task).await;
        }
    }
}
