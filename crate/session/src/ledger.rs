//! Where a frame's time and bytes went, on the device's clock.

use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_wire::{Refusal, Timing};
use thiserror::Error;

use crate::time::Micros;
use crate::work::Work;

/// Who was busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The device computed.
    Device,
    /// From being handed to the link until the edge had all of it.
    Uplink,
    /// The edge computed. What lies between the uplink's end and this is waiting for one of its threads.
    Edge,
    /// From the edge's handing it to the link until it was here.
    Downlink,
}

/// A stage of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Who was busy.
    pub lane: Lane,
    /// From when.
    pub start: Micros,
    /// Until when; never before `start`.
    pub end: Micros,
}

/// Why the device finished a frame that the edge should have had a part in.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LocalReason {
    /// Nobody asked for an edge.
    #[error("no edge is connected")]
    NoEdge,
    /// Not yet there.
    #[error("the connection to the edge is being made")]
    Connecting,
    /// Connected, but the plan is not ready there.
    #[error("the plan is not deployed on the edge yet")]
    Deploying,
    /// The link broke.
    #[error("the link to the edge is down: {why}")]
    LinkLost {
        /// What was seen.
        why: String,
    },
    /// The edge said no.
    #[error("the edge refused: {0}")]
    Refused(Refusal),
    /// Waiting any longer would have cost the frame.
    #[error("the edge had not answered when the deadline came near")]
    DeadlineNear,
    /// The codec cannot carry the values, or the message is larger than the edge takes.
    #[error("the frame cannot be sent: {why}")]
    CannotSend {
        /// Why.
        why: String,
    },
    /// The edge's result was not what the segment gives.
    #[error("the edge's result cannot be used: {why}")]
    BadResult {
        /// Why.
        why: String,
    },
}

/// Why a frame has no answer.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FrameError {
    /// Time was up.
    #[error("the frame's deadline passed while {during}")]
    Deadline {
        /// What it was doing.
        during: &'static str,
    },
    /// As many frames as allowed are under way.
    #[error("{limit} frames are under way already; submit again when one of them has been reported")]
    QueueFull {
        /// How many are allowed.
        limit: usize,
    },
    /// A frame with this number is under way.
    #[error("a frame with this number is under way already; every frame needs its own")]
    DuplicateId,
    /// The input is not the task's.
    #[error("the input does not fit the task: {why}")]
    BadInput {
        /// Why.
        why: String,
    },
    /// The device's engine failed.
    #[error("the device could not compute operations {first} to {end}: {why}")]
    Compute {
        /// First operation of the segment.
        first: usize,
        /// Operation behind its last.
        end: usize,
        /// What the engine said.
        why: String,
    },
    /// The caller does not want it any more.
    #[error("the frame was cancelled")]
    Cancelled,
}

/// How a frame ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// As planned.
    AsPlanned,
    /// The device finished it alone; the answer is the same.
    Local {
        /// Why.
        why: LocalReason,
    },
    /// No answer.
    Failed(FrameError),
}

/// One frame from its submission to its end. All moments are on the device's clock.
#[derive(Clone, Debug)]
pub struct FrameReport {
    /// The caller's number.
    pub id: u64,
    /// What was asked for: plan, task and model at its submission.
    pub work: Arc<Work>,
    /// When it was submitted.
    pub submitted: Micros,
    /// When it ended; at or before the first tick at its deadline.
    pub ended: Micros,
    /// How.
    pub outcome: Outcome,
    /// Logits `[n_classes]`; absent if it failed.
    pub output: Option<Array>,
    /// Stages in order of their start; within one frame they do not overlap.
    pub spans: Vec<Span>,
    /// Bytes of its messages to the edge, headers included.
    pub bytes_up: usize,
    /// Bytes of its messages from the edge, headers included.
    pub bytes_down: usize,
    /// Time to pack what was sent.
    pub encode: Micros,
    /// Time to unpack what came back.
    pub decode: Micros,
}

impl FrameReport {
    /// Milliseconds that a lane was busy with it.
    pub fn lane_ms(&self, lane: Lane) -> f64 {
        let spans = self.spans.iter().filter(|span| span.lane == lane);
        spans.map(|span| (span.end - span.start).as_millis()).sum()
    }

    /// Milliseconds from its submission to its end.
    pub fn total_ms(&self) -> f64 {
        (self.ended - self.submitted).as_millis()
    }
}

/// A visit to the edge as three spans within `[handed, arrived]`.
///
/// The edge's times are translated by `offset_micros` (edge clock minus device clock; unknown: the link is taken as
/// symmetric). An estimate may be off by half a round trip, so the visit is moved, its durations kept, to where
/// causality allows it: nothing is received before it was handed over, nothing arrives before it was sent.
pub(crate) fn edge_visit(handed: Micros, arrived: Micros, timing: Timing, offset_micros: Option<i64>) -> [Span; 3] {
    let available = (arrived - handed).0;
    let since = |moment: u64| moment.saturating_sub(timing.received_micros).min(available);
    let started = since(timing.started_micros);
    let finished = since(timing.finished_micros).max(started);
    let sent = since(timing.sent_micros).max(finished);
    let slack = available - sent;
    let up = match offset_micros {
        Some(offset) => uplink(handed, timing.received_micros, offset).clamp(0, slack.into()) as u64,
        None => slack / 2,
    };
    let received = handed + Micros(up);
    let at = |micros: u64| received + Micros(micros);
    [
        Span { lane: Lane::Uplink, start: handed, end: received },
        Span { lane: Lane::Edge, start: at(started), end: at(finished) },
        Span { lane: Lane::Downlink, start: at(sent), end: arrived.max(at(sent)) },
    ]
}

fn uplink(handed: Micros, received: u64, offset: i64) -> i128 {
    i128::from(received) - i128::from(offset) - i128::from(handed.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIMING: Timing =
        Timing { received_micros: 5_100, started_micros: 5_150, finished_micros: 5_350, sent_micros: 5_400 };

    fn bounds(spans: [Span; 3]) -> [(u64, u64); 3] {
        spans.map(|span| (span.start.0, span.end.0))
    }

    #[test]
    fn a_known_offset_places_the_visit() {
        let spans = edge_visit(Micros(1_000), Micros(1_600), TIMING, Some(4_000));
        assert_eq!(bounds(spans), [(1_000, 1_100), (1_150, 1_350), (1_400, 1_600)]);
    }

    #[test]
    fn a_wrong_offset_is_moved_and_keeps_durations() {
        let early = edge_visit(Micros(1_000), Micros(1_600), TIMING, Some(4_500));
        assert_eq!(bounds(early), [(1_000, 1_000), (1_050, 1_250), (1_300, 1_600)]);
        let late = edge_visit(Micros(1_000), Micros(1_600), TIMING, Some(3_000));
        assert_eq!(bounds(late), [(1_000, 1_300), (1_350, 1_550), (1_600, 1_600)]);
    }

    #[test]
    fn without_an_offset_the_link_is_symmetric() {
        let spans = edge_visit(Micros(1_000), Micros(1_600), TIMING, None);
        assert_eq!(bounds(spans), [(1_000, 1_150), (1_200, 1_400), (1_450, 1_600)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever the edge says, spans are in order, not negative, and within the visit.
        #[test]
        fn causality_holds(handed in any::<u64>(), took in any::<u64>(), times in any::<[u64; 4]>(),
                           offset in proptest::option::of(any::<i64>())) {
            let (handed, arrived) = (Micros(handed), Micros(handed) + Micros(took));
            let [received_micros, started_micros, finished_micros, sent_micros] = times;
            let timing = Timing { received_micros, started_micros, finished_micros, sent_micros };
            let moments: Vec<Micros> =
                edge_visit(handed, arrived, timing, offset).iter().flat_map(|s| [s.start, s.end]).collect();
            prop_assert!(moments.windows(2).all(|pair| pair[0] <= pair[1]), "{moments:?}");
            prop_assert_eq!((moments[0], moments[5]), (handed, arrived));
        }
    }
}
