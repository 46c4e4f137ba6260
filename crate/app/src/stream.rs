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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;
    use cleave_session::{FrameError, LocalReason};

    fn failed() -> Outcome {
        Outcome::Failed(FrameError::QueueFull { limit: 1 })
    }

    #[test]
    fn rate_and_mean_are_of_the_latest_twenty_frames() {
        let mut stream = Stream::new(1, Micros(0));
        // Slow at first, then one every 10 ms.
        let mut now = Micros(0);
        for (count, gap_ms) in [(5, 200), (20, 10)] {
            for _ in 0..count {
                now = now + Micros::from_millis(gap_ms);
                stream.count(&report(Outcome::AsPlanned, gap_ms / 2), now);
            }
        }
        let view = stream.view(true);
        assert_eq!((view.frames, view.local, view.failed, view.running), (25, 0, 0, true));
        assert!((view.frames_per_second - 100.0).abs() < 1e-9 && (view.mean_ms - 5.0).abs() < 1e-9, "{view:?}");
        assert_eq!(Stream::new(1, Micros(0)).view(false).frames_per_second, 0.0, "nothing has come");
    }

    #[test]
    fn what_has_no_answer_is_counted_and_takes_no_part_in_the_mean() {
        let mut stream = Stream::new(2, Micros(0));
        let outcomes = [Outcome::AsPlanned, Outcome::Local { why: LocalReason::NoEdge }, failed()];
        for (at, outcome) in outcomes.into_iter().enumerate() {
            stream.count(&report(outcome, [10, 30, 5_000][at]), Micros::from_millis(100 * (1 + at as u64)));
        }
        let view = stream.view(false);
        assert_eq!((view.frames, view.local, view.failed, view.mean_ms), (3, 1, 1, 20.0));
        assert!((view.frames_per_second - 10.0).abs() < 1e-9, "{view:?}");
    }

    #[test]
    fn the_page_is_told_about_twice_a_second() {
        let mut stream = Stream::new(1, Micros(0));
        let due = (1..=300).filter(|at| stream.count(&report(Outcome::AsPlanned, 1), Micros::from_millis(10 * at)));
        let due: Vec<u64> = due.collect();
        assert_eq!(due, [50, 100, 150, 200, 250, 300]);
    }
}
