//! A device's session over a real socket: the leaf around [`DeviceSession`], for the command line, benchmarks and tests.
//!
//! Three threads of work meet in one small loop ([`driver`]): the socket, the device's engine in a thread of its own
//! (so that computing a frame overlaps with sending the one before), and the clock. Everything that decides is in the
//! session; here it is only carried out. [`Remote`] is the handle, for callers that block.

mod address;
mod compute;
mod driver;
mod socket;

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use cleave_arch::{Array, Probe};
use cleave_session::{Echo, FrameReport, LinkStatus, MeasureError, Measured, Work};
use cleave_wire::LinkShape;
use tokio::sync::mpsc;

use crate::local::Engine;
pub use address::Address;
use driver::{Command, Driver};

/// Frames under way at once: as many as any caller here asks for.
pub const MAX_IN_FLIGHT: usize = 64;

/// How an edge is used.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens.
    pub address: Address,
    /// Imposed on both directions.
    pub shape: LinkShape,
    /// From a frame's submission to its end.
    pub deadline: Duration,
}

/// What a caller does when the connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Gives up.
    Fail,
    /// Waits while the session tries again.
    Wait,
}

/// A running session. Dropping it ends the session.
pub struct Remote {
    commands: mpsc::Sender<Command>,
    reports: Receiver<FrameReport>,
    board: Arc<Board>,
    settings: Settings,
    thread: Option<JoinHandle<()>>,
}

/// Where the driver shows the link's state.
#[derive(Default)]
pub(crate) struct Board {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// Absent until the first deployment.
    pub(crate) status: Option<LinkStatus>,
    /// Number of the latest deployment that `status` tells of.
    pub(crate) deployment: u64,
    /// The edge's words if it refused the connection itself.
    pub(crate) denied: Option<String>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn show(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

impl Remote {
    /// Starts the session's threads; the connection is opened in the background with the first deployment.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(settings: Settings) -> Result<Self> {
        let (commands, inbox) = mpsc::channel(2 * MAX_IN_FLIGHT);
        // Holds at most one report for each frame that the caller has submitted.
        let (outbox, reports) = channel();
        let board = Arc::new(Board::default());
        let driver = Driver::new(settings.clone(), inbox, outbox, board.clone())?;
        let thread = std::thread::Builder::new().name("session".into()).spawn(move || driver.run());
        let thread = Some(thread.context("the session's thread cannot be started")?);
        Ok(Self { commands, reports, board, settings, thread })
    }

    /// Frames submitted from now on run `work`, the device's part of it on `engine`.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn deploy(&mut self, work: Arc<Work>, engine: Arc<Engine>) -> Result<()> {
        let deployment = {
            let mut shown = self.board.lock();
            shown.deployment += 1;
            shown.status = None;
            shown.deployment
        };
        self.command(Command::Deploy { work, engine, deployment })
    }

    /// Waits until the edge can take frames of what was deployed last; [`OnLoss`] says whether a broken or impossible
    /// connection is waited out.
    ///
    /// # Errors
    /// What the edge refused, why it cannot be reached, or that `limit` passed.
    pub fn wait_ready_or(&self, on_loss: OnLoss, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        let mut shown = self.board.lock();
        loop {
            if let Some(done) = self.verdict(&shown, on_loss) {
                return done;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the edge {} was not ready within {limit:.0?}: {:?}", self.settings.address, shown.status);
            }
            shown = self.board.changed.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// As [`Remote::wait_ready_or`], giving up when the connection fails.
    ///
    /// # Errors
    /// As there.
    pub fn wait_ready(&self, limit: Duration) -> Result<()> {
        self.wait_ready_or(OnLoss::Fail, limit)
    }

    fn verdict(&self, shown: &Shown, on_loss: OnLoss) -> Option<Result<()>> {
        let address = &self.settings.address;
        if let Some(why) = &shown.denied {
            return Some(Err(anyhow!("the edge {address} refused the connection: {why}")));
        }
        match shown.status.as_ref()? {
            LinkStatus::Ready { .. } => Some(Ok(())),
            LinkStatus::Refused { refusal, .. } => {
                Some(Err(anyhow!("the edge {address} refused the network: {refusal}")))
            }
            LinkStatus::Stopped(why) => Some(Err(anyhow!("{why}"))),
            LinkStatus::Lost { why, .. } if on_loss == OnLoss::Fail => Some(Err(anyhow!(
                "the edge {address} cannot be used: {why}; start it with `cleave-edge`, or leave --edge out"
            ))),
            LinkStatus::Lost { .. }
            | LinkStatus::Off
            | LinkStatus::Connecting { .. }
            | LinkStatus::Deploying { .. } => None,
        }
    }

    /// The link's state; absent while nothing is deployed.
    pub fn status(&self) -> Option<LinkStatus> {
        self.board.lock().status.clone()
    }

    /// A frame is to be answered; its number must differ from those under way. Does not wait for the answer.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn submit(&self, id: u64, cloud: Array) -> Result<()> {
        self.command(Command::Submit { id, cloud })
    }

    /// The next frame that ended, in the order of their ends.
    ///
    /// # Errors
    /// If none ended within `limit`, or the session has ended.
    pub fn next_report(&self, limit: Duration) -> Result<FrameReport> {
        self.reports.recv_timeout(limit).map_err(|why| match why {
            RecvTimeoutError::Timeout => anyhow!("no frame ended within {limit:.0?}"),
            RecvTimeoutError::Disconnected => anyhow!("the session has ended"),
        })
    }

    /// Imposes other conditions on both directions.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn shape(&self, shape: LinkShape) -> Result<()> {
        self.command(Command::Shape(shape))
    }

    /// A piece of work on the edge's engine, so many times; waits for the answer.
    ///
    /// # Errors
    /// What the edge refused, a lost connection, or that `limit` passed.
    pub fn measure(&self, probe: Probe, runs: u16, limit: Duration) -> Result<Measured> {
        let (answer, answered) = sync_channel(1);
        self.command(Command::Measure { probe, runs, answer })?;
        received(&answered, limit)
    }

    /// Echoes sent at once, in the order of their answers; waits for all of them.
    ///
    /// # Errors
    /// A lost connection, or that `limit` passed.
    pub fn train(&self, bytes: u32, answer_bytes: u32, count: usize, limit: Duration) -> Result<Vec<Echo>> {
        let echo = |_| {
            let (answer, answered) = sync_channel(1);
            self.command(Command::Echo { bytes, answer_bytes, answer })?;
            Ok(answered)
        };
        let waiting: Vec<_> = (0..count).map(echo).collect::<Result<_>>()?;
        waiting.iter().map(|answered| received(answered, limit)).collect()
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands.blocking_send(command).map_err(|_| anyhow!("the session has ended"))
    }
}

fn received<T>(answered: &Receiver<Result<T, MeasureError>>, limit: Duration) -> Result<T> {
    match answered.recv_timeout(limit) {
        Ok(answer) => Ok(answer?),
        Err(RecvTimeoutError::Timeout) => bail!("the edge did not answer within {limit:.0?}"),
        Err(RecvTimeoutError::Disconnected) => bail!("the session has ended"),
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // If it does not arrive, the driver has ended already.
        let _ = self.commands.blocking_send(Command::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
