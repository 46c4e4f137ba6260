//! A running stream's figures.

use crate::report::logits;
use cleave_contract as contract;
use cleave_session::{FrameReport, Micros, Outcome};
use std::collections::VecDeque;

/// Frames over which the rate is taken.
const WINDOW: usize = 20;
/// Between two reports to the page.
const REPORT_MILLIS: f64 = 500.0;

/// Counts a stream's frames.
pub struct Stream {
    /// Frames to keep in flight.
    pub in_flight: usize,
    ends: VecDeque<f64>,
    totals: VecDeque<f64>,
    frames: u64,
    local: u64,
    failed: u64,
    reported: f64,
}

impl Stream {
    /// A stream with nothing counted.
    pub fn new(in_flight: usize, now: Micros) -> Self {
        let (ends, totals) = (VecDeque::from([now.as_millis()]), VecDeque::new());
        Self { in_flight, ends, totals, frames: 0, local: 0, failed: 0, reported: 0.0 }
    }

    /// Counts a frame; true if the page should be told now.
    pub fn count(&mut self, report: &FrameReport, now: Micros) -> bool {
        self.frames += 1;
        match report.outcome {
            Outcome::AsPlanned => {}
            Outcome::Local { .. } => self.local += 1,
            Outcome::Failed(_) => self.failed += 1,
        }
        let now = now.as_millis();
        self.ends.push_back(now);
        if logits(report).is_some() {
            self.totals.push_back((report.ended - report.submitted).as_millis());
        }
        while self.ends.len() > WINDOW + 1 {
            self.ends.pop_front();
        }
        while self.totals.len() > WINDOW {
            self.totals.pop_front();
        }
        let due = now - self.reported >= REPORT_MILLIS;
        if due {
            self.reported = now;
        }
        due
    }

    /// For the page.
    pub fn view(&self, running: bool) -> contract::Stream {
        let elapsed = self.ends.back().unwrap_or(&0.0) - self.ends.front().unwrap_or(&0.0);
        let counted = self.ends.len() as f64 - 1.0;
        contract::Stream {
            running,
            frames: self.frames,
            frames_per_second: if elapsed > 0.0 { counted * 1000.0 / elapsed } else { 0.0 },
            mean_ms: self.totals.iter().sum::<f64>() / (self.totals.len().max(1)) as f64,
            local: self.local,
            failed: self.failed,
        }
    }
}
