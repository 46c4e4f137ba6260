//! What is being computed: one thing at a time, begun in place of whatever runs and stopped by whatever a person begins next.

use super::{Loading, State};
use cleave_contract::{Intent, MAX_IN_FLIGHT};

/// What is being computed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Nothing.
    Idle,
    /// One frame.
    Once,
    /// One frame, and another as soon as it ends because something has changed since.
    OnceMore,
    /// Frames until stopped.
    Stream,
    /// The machines are being measured, or predictions corrected: frames would disturb that.
    Measuring,
    /// Candidates are being looked at.
    Searching,
    /// Ways to share an image network are being planned.
    Planning,
    /// Several workers share one.
    Cooperating,
}

impl State {
    /// Whether there is a network with something that it reads.
    pub fn can_run(&self) -> bool {
        self.network.held.as_ref().is_some_and(|held| held.image().is_some() || self.input.cloud.is_some())
    }

    /// One frame of what is held now; none while something is missing or a stream does it anyway.
    pub(super) fn run_soon(&mut self) -> Vec<Intent> {
        self.frames.make_stale();
        if !self.worker.is_ready() || !self.can_run() || !self.network.is_settled() {
            return Vec::new();
        }
        match self.run {
            Run::Idle => {
                self.run = Run::Once;
                vec![Intent::RunOnce]
            }
            Run::Once | Run::OnceMore => {
                self.run = Run::OnceMore;
                Vec::new()
            }
            Run::Stream | Run::Measuring | Run::Searching | Run::Planning | Run::Cooperating => Vec::new(),
        }
    }

    /// Begins long work of the worker, in place of whatever is running.
    pub(super) fn start(&mut self, run: Run, intent: Intent) -> Vec<Intent> {
        if !self.worker.is_ready() || self.network.held.is_none() {
            return Vec::new();
        }
        // Work that takes minutes shall find the network of its beginning.
        let mut intents = self.dispatcher.end();
        intents.extend(self.stop());
        self.run = run;
        intents.push(intent);
        intents
    }

    pub(super) fn run_stream(&mut self) -> Vec<Intent> {
        if !self.can_run() || self.worker.loading == Loading::Failed {
            return Vec::new();
        }
        self.run = Run::Stream;
        if self.worker.replay.is_reviving() {
            return Vec::new();
        }
        let in_flight = self.settings.in_flight;
        self.frames.begin_stream();
        vec![Intent::RunStream { in_flight }]
    }

    pub(super) fn stop(&mut self) -> Vec<Intent> {
        let was = std::mem::replace(&mut self.run, Run::Idle);
        self.worker.progress = None;
        self.partition.cooperation.forget_next();
        self.frames.end_stream();
        if was == Run::Idle { Vec::new() } else { vec![Intent::Stop] }
    }

    pub(super) fn set_in_flight(&mut self, n: usize) -> Vec<Intent> {
        self.settings.in_flight = n.clamp(1, MAX_IN_FLIGHT);
        if self.run == Run::Stream { self.run_stream() } else { Vec::new() }
    }
}
