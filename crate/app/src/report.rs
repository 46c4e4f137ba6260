//! From the session's ledger to what the page shows.

use cleave_arch::array::softmax;
use cleave_arch::tolerance::{Bound, Engines, bound};
use cleave_contract as contract;
use cleave_session::{FrameReport, Micros, Outcome};

/// A finished frame for the page; `delta` is the distance from the unsplit answer, where it was computed.
/// `edge` tells which engine the edge half ran on.
pub fn frame(report: &FrameReport, delta: Option<f32>, edge: Engines) -> contract::Frame {
    let since = |at: Micros| (at - report.submitted).as_millis();
    let spans = report.spans.iter().map(|span| contract::Span {
        lane: lane(span.lane),
        start_ms: since(span.start),
        end_ms: since(span.end),
    });
    contract::Frame {
        id: report.id,
        outcome: outcome(&report.outcome),
        spans: spans.collect(),
        submitted_ms: report.submitted.as_millis(),
        total_ms: since(report.ended),
        bytes_up: report.bytes_up,
        bytes_down: report.bytes_down,
        probabilities: logits(report).map(softmax).unwrap_or_default(),
        delta,
        bound: allowed(report, edge),
        predicted: None,
        plan: report.work.mapping().to_string(),
        codec: report.work.mapping().codec().to_string(),
    }
}

fn allowed(report: &FrameReport, edge: Engines) -> Option<f32> {
    let engines = if report.outcome == Outcome::AsPlanned { edge } else { Engines::One };
    match bound(report.work.cut(), report.work.mapping().codec().codec, engines) {
        Bound::Distance(most) => Some(most),
        Bound::Agreement(_) => None,
    }
}

/// The frame's logits, if it has an answer.
pub fn logits(report: &FrameReport) -> Option<&[f32]> {
    report.output.as_ref().and_then(|output| output.as_f32().ok())
}

fn lane(lane: cleave_session::Lane) -> contract::Lane {
    match lane {
        cleave_session::Lane::Device => contract::Lane::Device,
        cleave_session::Lane::Uplink => contract::Lane::Uplink,
        cleave_session::Lane::Edge => contract::Lane::Edge,
        cleave_session::Lane::Downlink => contract::Lane::Downlink,
    }
}

fn outcome(outcome: &Outcome) -> contract::Outcome {
    match outcome {
        Outcome::AsPlanned => contract::Outcome::AsPlanned,
        Outcome::Local { why } => contract::Outcome::Local { why: why.to_string() },
        Outcome::Failed(why) => contract::Outcome::Failed { why: why.to_string() },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cleave_arch::array::Array;
    use cleave_arch::{Mapping, Task};
    use cleave_session::{FrameError, Lane, LocalReason, Span, Weights, Work};
    use std::sync::Arc;

    /// A frame that took so long and ended like this.
    pub(crate) fn report(outcome: Outcome, total_ms: u64) -> FrameReport {
        let mapping = Mapping::parse("3 2 5 1 4,0 6 0 3 0", &Task::modelnet10()).unwrap();
        let has_answer = !matches!(outcome, Outcome::Failed(_));
        FrameReport {
            id: 1,
            work: Arc::new(Work::new(mapping, Weights::Seeded(1)).unwrap()),
            submitted: Micros::from_millis(100),
            ended: Micros::from_millis(100 + total_ms),
            outcome,
            output: has_answer.then(|| Array::f32([4], vec![0.0, 1.0, 2.0, 1.0]).unwrap()),
            spans: vec![Span { lane: Lane::Edge, start: Micros(101_500), end: Micros(103_000) }],
            bytes_up: 12,
            bytes_down: 3,
            encode: Micros(0),
            decode: Micros(0),
        }
    }

    #[test]
    fn times_are_since_the_submission_and_answers_are_probabilities() {
        let told = frame(&report(Outcome::AsPlanned, 5), Some(1e-6), Engines::Two);
        assert_eq!((told.submitted_ms, told.total_ms, told.bytes_up, told.bytes_down), (100.0, 5.0, 12, 3));
        let span = told.spans[0];
        assert_eq!((span.lane, span.start_ms, span.end_ms), (contract::Lane::Edge, 1.5, 3.0));
        assert!((told.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6 && told.probabilities[2] > 0.4);
        assert_eq!((told.plan.as_str(), told.codec.as_str()), ("3 2 5 1 4,0 6 0 3 0", "f32"));
        assert!(told.is_split() && told.bound.is_some() && told.delta == Some(1e-6));
    }

    #[test]
    fn what_ran_here_alone_is_judged_as_one_engine_and_what_failed_has_no_answer() {
        let local = frame(&report(Outcome::Local { why: LocalReason::DeadlineNear }, 5), None, Engines::Two);
        let [one, two] = [Engines::One, Engines::Two].map(|of| frame(&report(Outcome::AsPlanned, 5), None, of).bound);
        assert!(local.bound == one && one != two, "{one:?} {two:?}");
        assert!(!local.is_split());
        assert!(matches!(local.outcome, contract::Outcome::Local { why } if why.contains("deadline")));
        let failed = frame(&report(Outcome::Failed(FrameError::DuplicateId), 5), None, Engines::One);
        assert!(failed.probabilities.is_empty() && matches!(failed.outcome, contract::Outcome::Failed { .. }));
    }
}
