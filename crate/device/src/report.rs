//! From the session's ledger to what the page shows.

use cleave_arch::array::softmax;
use cleave_arch::tolerance::{Bound, Engines, bound};
use cleave_session::{FrameReport, Micros, Outcome};
use cleave_wire::ui;

/// A finished frame for the page; `delta` is the distance from the unsplit answer, where it was computed.
/// `edge` tells which engine the edge half ran on.
pub fn frame(report: &FrameReport, delta: Option<f32>, edge: Engines) -> ui::Frame {
    let since = |at: Micros| (at - report.submitted).as_millis();
    let spans = report.spans.iter().map(|span| ui::Span {
        lane: lane(span.lane),
        start_millis: since(span.start),
        end_millis: since(span.end),
    });
    ui::Frame {
        id: report.id,
        outcome: outcome(&report.outcome),
        spans: spans.collect(),
        submitted_millis: report.submitted.as_millis(),
        total_millis: since(report.ended),
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

fn lane(lane: cleave_session::Lane) -> ui::Lane {
    match lane {
        cleave_session::Lane::Device => ui::Lane::Device,
        cleave_session::Lane::Uplink => ui::Lane::Uplink,
        cleave_session::Lane::Edge => ui::Lane::Edge,
        cleave_session::Lane::Downlink => ui::Lane::Downlink,
    }
}

fn outcome(outcome: &Outcome) -> ui::Outcome {
    match outcome {
        Outcome::AsPlanned => ui::Outcome::AsPlanned,
        Outcome::Local { why } => ui::Outcome::Local { why: why.to_string() },
        Outcome::Failed(why) => ui::Outcome::Failed { why: why.to_string() },
    }
}
