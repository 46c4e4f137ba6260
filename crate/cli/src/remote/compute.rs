//! The device's engine in a thread of its own: one segment at a time, as the session asks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context, Result};
use cleave_arch::{Array, Segment};
use cleave_session::EngineError;
use tokio::sync::mpsc;

use super::driver::Happening;
use crate::local::Engine;

/// A segment to run.
pub(super) struct Job {
    pub(super) job: u64,
    pub(super) engine: Arc<Engine>,
    pub(super) segment: Segment,
    pub(super) input: Vec<Array>,
}

/// Starts the thread; it ends when the sender is dropped.
pub(super) fn start(happened: mpsc::Sender<Happening>) -> Result<SyncSender<Job>> {
    // The session has one job at a time; one more place keeps its loop from ever waiting.
    let (jobs, queue) = sync_channel(2);
    let thread = std::thread::Builder::new().name("device".into());
    thread.spawn(move || work(&queue, &happened)).context("the engine's thread cannot be started")?;
    Ok(jobs)
}

fn work(queue: &Receiver<Job>, happened: &mpsc::Sender<Happening>) {
    for Job { job, engine, segment, input } in queue {
        let run = || engine.segment(&segment, &input).map_err(|why| EngineError::new(format!("{why:#}")));
        let result =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(EngineError::new("computing panicked")));
        if happened.blocking_send(Happening::Computed { job, result }).is_err() {
            return;
        }
    }
}
