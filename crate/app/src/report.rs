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
        plan: report.work.plan().to_string(),
        codec: report.work.plan().codec().to_string(),
    }
}

fn allowed(report: &FrameReport, edge: Engines) -> Option<f32> {
    let engines = if report.outcome == Outcome::AsPlanned { edge } else { Engines::One };
    match bound(report.work.plan(), report.work.trace(), engines) {
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
