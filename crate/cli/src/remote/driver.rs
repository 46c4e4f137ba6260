//! The loop around the session: what happens goes in, what is to be done is done.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender as Teller;
use std::time::Duration;

use cleave_edge::clock;
use cleave_session::{DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, EngineError, Micros, Work};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep_until, timeout};

use super::socket::{self, Outgoing};
use super::{Board, MAX_IN_FLIGHT, Settings};
use crate::local::Engine;

/// What the handle asks for.
pub(super) enum Command {
    Deploy { work: Arc<Work>, engine: Arc<Engine> },
    Tell(DeviceEvent),
    End,
}

/// Messages waiting to leave: the frames under way, and weights, of which the session has few pieces out at once.
const MAX_OUTGOING: usize = 1024;
/// The last messages of a session that ends.
const FAREWELL: Duration = Duration::from_secs(1);
/// Between two looks at the clock of a session that waits for nothing.
const IDLE: Micros = Micros::from_millis(1_000);

/// A session with everything that carries out its effects.
pub(super) struct Driver {
    settings: Settings,
    /// Absent before the first work.
    session: Option<DeviceSession>,
    /// The engine of every work that a frame may still need.
    engines: Vec<(Arc<Work>, Arc<Engine>)>,
    sockets: HashMap<u32, (Sender<Outgoing>, JoinHandle<()>)>,
    /// Where sockets and the engine tell.
    events: Sender<DeviceEvent>,
    /// Where the handle hears.
    told: Teller<DeviceEffect>,
    board: Arc<Board>,
    deployment: u64,
}

/// Until [`Command::End`], or until the handle is gone.
pub(super) async fn run(
    settings: Settings,
    mut commands: Receiver<Command>,
    told: Teller<DeviceEffect>,
    board: Arc<Board>,
) {
    let (events, mut happened) = channel(2 * MAX_OUTGOING);
    let (engines, sockets) = (Vec::new(), HashMap::new());
    let mut driver = Driver { settings, session: None, engines, sockets, events, told, board, deployment: 0 };
    loop {
        let wake = driver.session.as_ref().and_then(DeviceSession::next_wake).unwrap_or_else(|| clock::now() + IDLE);
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Deploy { work, engine }) => driver.deploy(work, engine),
                Some(Command::Tell(event)) => driver.handle(event),
                Some(Command::End) | None => return driver.farewell().await,
            },
            Some(event) = happened.recv() => driver.handle(event),
            () = sleep_until(clock::instant(wake)) => driver.handle(DeviceEvent::Tick),
        }
    }
}

impl Driver {
    fn deploy(&mut self, work: Arc<Work>, engine: Arc<Engine>) {
        self.deployment += 1;
        // A work that only this list holds has no frame under way and no place in the session.
        self.engines.retain(|(work, _)| Arc::strong_count(work) > 1);
        self.engines.push((work.clone(), engine));
        if self.session.is_some() {
            return self.handle(DeviceEvent::Replan(work));
        }
        let config = DeviceConfig {
            token: self.settings.address.token.clone(),
            name: "cleave".into(),
            max_frames: MAX_IN_FLIGHT,
            stopwatch: clock::now,
            ..DeviceConfig::default()
        };
        self.session = Some(DeviceSession::new(config, work));
        let shape = self.settings.shape;
        self.handle(DeviceEvent::Shape { up: shape, down: shape });
        self.handle(DeviceEvent::Connect);
    }

    fn handle(&mut self, event: DeviceEvent) {
        let mut events = VecDeque::from([event]);
        while let (Some(event), Some(session)) = (events.pop_front(), &mut self.session) {
            if let DeviceEvent::Closed { connection, .. } = &event {
                self.sockets.remove(connection);
            }
            for effect in session.handle(event, clock::now()) {
                events.extend(self.carry_out(effect));
            }
        }
        if let Some(session) = &self.session {
            self.board.show(|shown| {
                if shown.deployment == self.deployment {
                    shown.status = Some(session.status().clone());
                }
            });
        }
    }

    /// Does one thing; an event if it failed at once.
    fn carry_out(&mut self, effect: DeviceEffect) -> Option<DeviceEvent> {
        match effect {
            DeviceEffect::Connect { connection } => {
                let (sender, outgoing) = channel(MAX_OUTGOING);
                let (address, board) = (self.settings.address.clone(), self.board.clone());
                let task = socket::serve(connection, address, outgoing, self.events.clone(), board);
                self.sockets.insert(connection, (sender, tokio::spawn(task)));
            }
            // Without its sender the socket's task sends what is left, closes and ends.
            DeviceEffect::Disconnect { connection } => drop(self.sockets.remove(&connection)),
            DeviceEffect::Send { connection, bytes, at } => {
                let (sender, _) = self.sockets.get(&connection)?;
                let why = format!("a message cannot be sent: {}", sender.try_send(Outgoing { bytes, at }).err()?);
                return Some(DeviceEvent::Closed { connection, why });
            }
            DeviceEffect::Compute { job, work, segment, input, .. } => {
                let Some((_, engine)) = self.engines.iter().find(|(known, _)| Arc::ptr_eq(known, &work)) else {
                    return Some(DeviceEvent::Computed { job, result: Err(EngineError::new("its engine is gone")) });
                };
                let (engine, events) = (engine.clone(), self.events.clone());
                // The session has one such job at a time.
                spawn_blocking(move || {
                    let run = || engine.segment(&segment, &input).map_err(|why| EngineError::new(format!("{why:#}")));
                    let result = catch_unwind(AssertUnwindSafe(run));
                    let result = result.unwrap_or_else(|_| Err(EngineError::new("computing panicked")));
                    // Nobody listens any more if the session has ended.
                    drop(events.blocking_send(DeviceEvent::Computed { job, result }));
                });
            }
            // The handle may be gone already; then nobody wants it.
            DeviceEffect::Report(_) | DeviceEffect::Measured { .. } | DeviceEffect::Echoed { .. } => {
                drop(self.told.send(effect));
            }
            // Here nobody asks for the edge's clouds: whoever has the data reads it.
            DeviceEffect::Status(_) | DeviceEffect::Validation(_) => {}
        }
        None
    }

    /// Tells the edge and gives the last messages a moment to leave.
    async fn farewell(mut self) {
        let last = self.session.as_mut().map(|session| session.handle(DeviceEvent::Disconnect, clock::now()));
        // Sockets are not dropped before their last message is out.
        for effect in last.into_iter().flatten().filter(|effect| !matches!(effect, DeviceEffect::Disconnect { .. })) {
            self.carry_out(effect);
        }
        for (_, (sender, task)) in self.sockets.drain() {
            drop(sender);
            let _ = timeout(FAREWELL, task).await;
        }
    }
}
