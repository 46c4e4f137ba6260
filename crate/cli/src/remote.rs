//! A device's session over a real socket: the leaf around [`cleave_session::DeviceSession`], for the command line,
//! benchmarks and tests.
//!
//! In one small loop ([`driver`]) meet the socket, the device's engine on another thread (so that computing a frame
//! overlaps with sending the one before), and the clock. Everything that decides is in the session; here it is only
//! carried out. [`Remote`] is the handle, for callers that block.

mod address;
mod driver;
mod socket;

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use cleave_arch::Array;
use cleave_edge::clock;
use cleave_session::{DeviceEffect, DeviceEvent, FrameReport, LinkStatus, Micros, Outcome, Work};
use cleave_wire::LinkShape;
use tokio::runtime::Builder;
use tokio::sync::mpsc;

use crate::local::Engine;
pub use address::Address;
use driver::Command;

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
    told: Receiver<DeviceEffect>,
    board: Arc<Board>,
    settings: Settings,
    thread: Option<JoinHandle<()>>,
}

/// Where the driver shows the link's state.
#[derive(Default)]
struct Board {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Default)]
struct Shown {
    /// Absent until the latest deployment is taken up.
    status: Option<LinkStatus>,
    /// Number of the latest deployment.
    deployment: u64,
    /// The edge's words if it refused the connection itself.
    denied: Option<String>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, change: impl FnOnce(&mut Shown)) {
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
        // Holds at most one effect for each event that the caller has told.
        let (teller, told) = channel();
        let board = Arc::new(Board::default());
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime can be started")?;
        let driver = driver::run(settings.clone(), inbox, teller, board.clone());
        let thread = std::thread::Builder::new().name("session".into()).spawn(move || runtime.block_on(driver));
        let thread = Some(thread.context("the session's thread cannot be started")?);
        Ok(Self { commands, told, board, settings, thread })
    }

    /// A session with an edge that is ready for this work.
    pub(crate) fn ready(settings: Settings, work: Arc<Work>, engine: Arc<Engine>, limit: Duration) -> Result<Self> {
        let mut remote = Self::start(settings)?;
        remote.deploy(work, engine)?;
        remote.wait_ready(limit)?;
        Ok(remote)
    }

    /// Frames submitted from now on run `work`, the device's part of it on `engine`.
    ///
    /// # Errors
    /// If the session has ended.
    pub fn deploy(&mut self, work: Arc<Work>, engine: Arc<Engine>) -> Result<()> {
        self.board.show(|shown| {
            shown.deployment += 1;
            shown.status = None;
        });
        self.command(Command::Deploy { work, engine })
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
        let deadline = clock::now() + Micros(u64::try_from(self.settings.deadline.as_micros()).unwrap_or(u64::MAX));
        self.tell(DeviceEvent::Submit { frame: id, input: vec![cloud], deadline })
    }

    /// The next frame that ended, in the order of their ends.
    ///
    /// # Errors
    /// If none ended within `limit`, or the session has ended.
    pub fn next_report(&self, limit: Duration) -> Result<FrameReport> {
        loop {
            if let DeviceEffect::Report(report) = self.told(limit)? {
                return Ok(*report);
            }
        }
    }

    /// Runs `n` frames of one cloud, `in_flight` of them under way at once; in the order of their ends.
    pub(crate) fn frames(&self, n: usize, in_flight: usize, cloud: &Array) -> Result<Vec<FrameReport>> {
        let limit = self.settings.deadline + Duration::from_secs(5);
        let (mut submitted, mut reports) = (0, Vec::new());
        while reports.len() < n {
            while submitted < n.min(reports.len() + in_flight) {
                self.submit(submitted as u64, cloud.clone())?;
                submitted += 1;
            }
            reports.push(self.next_report(limit)?);
        }
        Ok(reports)
    }

    /// As [`Remote::frames`], all of which have to go as planned.
    pub(crate) fn planned_frames(&self, n: usize, in_flight: usize, cloud: &Array) -> Result<Vec<FrameReport>> {
        let reports = self.frames(n, in_flight, cloud)?;
        match reports.iter().find(|report| report.outcome != Outcome::AsPlanned) {
            Some(FrameReport { id, work, outcome, .. }) => {
                bail!("frame {id} of {} did not go as planned: {outcome:?}", work.mapping())
            }
            None => Ok(reports),
        }
    }

    /// Imposes other conditions on both directions.
    pub(crate) fn shape(&self, shape: LinkShape) -> Result<()> {
        self.tell(DeviceEvent::Shape { up: shape, down: shape })
    }

    /// The session learns of this; what comes of it is told by [`Remote::told`].
    pub(crate) fn tell(&self, event: DeviceEvent) -> Result<()> {
        self.command(Command::Tell(event))
    }

    /// The next report, measurement or echo.
    pub(crate) fn told(&self, limit: Duration) -> Result<DeviceEffect> {
        self.told.recv_timeout(limit).map_err(|why| match why {
            RecvTimeoutError::Timeout => anyhow!("nothing was heard of it within {limit:.0?}"),
            RecvTimeoutError::Disconnected => anyhow!("the session has ended"),
        })
    }

    fn command(&self, command: Command) -> Result<()> {
        self.commands.blocking_send(command).map_err(|_| anyhow!("the session has ended"))
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
