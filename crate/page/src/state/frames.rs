//! Frames as they come in: the last ones, the answer on show, and what they measured.

use super::Shared;
use crate::pipeline::Held;
use cleave_contract::{Frame, Outcome, Stream};
use std::collections::VecDeque;

/// Frames that the timeline remembers.
pub const REMEMBERED: usize = 12;

/// Frames whose prediction is held against their measurement.
pub const JUDGED: usize = 300;

/// The answer on show.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where it comes from.
    pub frame: Shared<Frame>,
    /// Whether it is of what is on show now.
    pub freshness: Freshness,
}

/// Whether an answer belongs to the input, network and cut on show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It does.
    Current,
    /// Something has changed since; the next answer is on its way.
    Stale,
}

/// What is remembered of them.
#[derive(Clone, Debug, Default)]
pub struct RecentFrames {
    /// The last frames, oldest first; [`REMEMBERED`] at most.
    pub recent: VecDeque<Shared<Frame>>,
    /// The last frame with an answer, and whether the input has changed since.
    pub answer: Option<Answer>,
    /// The running figures of a stream.
    pub stream: Option<Stream>,
    /// Latest latency of the held network under the conditions of now, by its cuts, milliseconds.
    pub measured: Vec<(Vec<usize>, f64)>,
    /// Predicted and measured latency of the last frames that went as planned, milliseconds, oldest first; [`JUDGED`] at
    /// most.
    pub judged: VecDeque<[f64; 2]>,
}

impl RecentFrames {
    pub(super) fn remember(&mut self, frame: Shared<Frame>) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(frame);
    }

    /// Puts a frame's answer on show, if it is one over this number of classes; else it is of another network.
    pub(super) fn show(&mut self, frame: &Shared<Frame>, n_classes: usize) {
        if frame.probabilities.len() == n_classes {
            self.answer = Some(Answer { frame: frame.clone(), freshness: Freshness::Current });
        }
    }

    /// Something has changed since the answer on show.
    pub(super) fn make_stale(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.freshness = Freshness::Stale;
        }
    }

    /// Whether the answer on show is of what is on show.
    pub(super) fn is_current(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.freshness == Freshness::Current)
    }

    /// Remembers what a frame of the held network took that went as planned, for the comparison of all cuts.
    pub(super) fn note_latency(&mut self, frame: &Frame, held: &Held) {
        if frame.outcome != Outcome::AsPlanned || frame.codec != held.mapping.codec().to_string() {
            return;
        }
        if let Some(mapping) = held.same(&frame.plan) {
            self.measured.retain(|(cuts, _)| cuts != mapping.cuts());
            self.measured.push((mapping.cuts().to_vec(), frame.total_ms));
        }
    }

    /// Remembers a prediction beside what came of it.
    pub(super) fn note_prediction(&mut self, frame: &Frame) {
        let Some(price) = frame.predicted.filter(|_| frame.outcome == Outcome::AsPlanned) else { return };
        if self.judged.len() == JUDGED {
            self.judged.pop_front();
        }
        self.judged.push_back([price.total_ms(), frame.total_ms]);
    }

    /// A stream has been asked for and has no figures yet.
    pub(super) fn begin_stream(&mut self) {
        self.stream =
            Some(Stream { running: true, frames: 0, frames_per_second: 0.0, mean_ms: 0.0, local: 0, failed: 0 });
    }

    /// The figures of a stream stay on show when it has ended.
    pub(super) fn end_stream(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::network;
    use crate::price::tests::price;
    use crate::timeline::tests::frame;
    use cleave_arch::LinkCodec;

    const PLAN: &str = "3 2 5 1 4,0 6 0 3 0";

    fn planned(total_ms: f64) -> Frame {
        Frame { plan: PLAN.into(), codec: "f32".into(), total_ms, outcome: Outcome::AsPlanned, ..frame(1, 0.0) }
    }

    #[test]
    fn the_latest_latency_of_every_cut_is_kept_and_that_of_another_codec_or_outcome_is_not() {
        let held = Held::new(network(PLAN), LinkCodec::default()).unwrap();
        let mut frames = RecentFrames::default();
        frames.note_latency(&planned(40.0), &held);
        frames.note_latency(&planned(30.0), &held);
        frames.note_latency(&Frame { codec: "f16".into(), ..planned(20.0) }, &held);
        frames.note_latency(&Frame { outcome: Outcome::Local { why: "lost".into() }, ..planned(10.0) }, &held);
        assert_eq!(frames.measured, [(vec![2], 30.0)]);
    }

    #[test]
    fn as_many_predictions_are_kept_as_are_judged_and_the_oldest_leaves_first() {
        let mut frames = RecentFrames::default();
        frames.note_prediction(&planned(1.0));
        assert!(frames.judged.is_empty(), "nothing was predicted");
        for took in 0..=JUDGED {
            frames.note_prediction(&Frame { predicted: Some(price(1.0)), ..planned(took as f64) });
        }
        assert_eq!((frames.judged.len(), frames.judged[0][1]), (JUDGED, 1.0));
    }

    #[test]
    fn an_answer_of_another_network_is_not_shown() {
        let mut frames = RecentFrames::default();
        let answered = Shared::new(planned(1.0));
        let n_classes = answered.probabilities.len();
        frames.show(&answered, n_classes + 1);
        assert!(frames.answer.is_none());
        frames.show(&answered, n_classes);
        assert!(frames.is_current());
        frames.make_stale();
        assert!(frames.answer.is_some() && !frames.is_current());
    }
}
