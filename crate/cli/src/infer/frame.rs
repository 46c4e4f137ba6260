//! One frame's times, bytes and end, from either way of running it.

use cleave_arch::Tier;
use cleave_session::{FrameReport, Lane, Outcome};
use serde_json::{Value, json};

use crate::local::Run;
use crate::output::{Align, grouped, table};

/// How one frame went.
pub(crate) struct Frame {
    pub(crate) id: u64,
    /// Absent if it failed.
    pub(crate) logits: Option<Vec<f32>>,
    /// "as planned", "local: …" or "failed: …".
    pub(crate) outcome: String,
    pub(crate) as_planned: bool,
    pub(crate) device_ms: f64,
    pub(crate) uplink_ms: f64,
    pub(crate) edge_ms: f64,
    pub(crate) downlink_ms: f64,
    pub(crate) total_ms: f64,
    pub(crate) bytes_up: usize,
    pub(crate) bytes_down: usize,
}

impl Frame {
    /// A run without a link.
    pub(crate) fn in_process(id: u64, run: Run) -> Self {
        let millis = |tier| run.stages.iter().filter(|stage| stage.tier == tier).map(|stage| stage.millis).sum::<f64>();
        let bytes = |tier| run.stages.iter().filter(|stage| stage.tier == tier).map(|stage| stage.bytes_in).sum();
        let (device_ms, edge_ms) = (millis(Tier::Device), millis(Tier::Edge));
        Self {
            id,
            outcome: "as planned".into(),
            as_planned: true,
            device_ms,
            uplink_ms: 0.0,
            edge_ms,
            downlink_ms: 0.0,
            total_ms: device_ms + edge_ms,
            bytes_up: bytes(Tier::Edge),
            bytes_down: bytes(Tier::Device),
            logits: Some(run.logits),
        }
    }

    /// A frame of a session.
    pub(crate) fn reported(report: FrameReport) -> Self {
        let millis = |lane| report.lane_ms(lane);
        Self {
            id: report.id,
            outcome: outcome_text(&report.outcome),
            as_planned: report.outcome == Outcome::AsPlanned,
            device_ms: millis(Lane::Device),
            uplink_ms: millis(Lane::Uplink),
            edge_ms: millis(Lane::Edge),
            downlink_ms: millis(Lane::Downlink),
            total_ms: report.total_ms(),
            bytes_up: report.bytes_up,
            bytes_down: report.bytes_down,
            logits: report.output.as_ref().and_then(|output| output.as_f32().ok()).map(<[f32]>::to_vec),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "outcome": self.outcome, "device_ms": self.device_ms, "uplink_ms": self.uplink_ms,
            "edge_ms": self.edge_ms, "downlink_ms": self.downlink_ms, "total_ms": self.total_ms,
            "bytes_up": self.bytes_up, "bytes_down": self.bytes_down, "logits": self.logits,
        })
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::AsPlanned => "as planned".into(),
        Outcome::Local { why } => format!("local: {why}"),
        Outcome::Failed(why) => format!("failed: {why}"),
    }
}

/// A table of frames for people, times in milliseconds.
pub(crate) fn timeline(frames: &[Frame]) -> String {
    use Align::{Left, Right};
    let heading = [
        ("frame", Right),
        ("device", Right),
        ("uplink", Right),
        ("edge", Right),
        ("downlink", Right),
        ("total ms", Right),
        ("bytes up", Right),
        ("down", Right),
        ("outcome", Left),
    ];
    let row = |frame: &Frame| {
        let times = [frame.device_ms, frame.uplink_ms, frame.edge_ms, frame.downlink_ms, frame.total_ms];
        let bytes = [frame.bytes_up, frame.bytes_down].map(|bytes| grouped(bytes as u64));
        let times = times.map(|millis| format!("{millis:.2}"));
        [vec![frame.id.to_string()], times.to_vec(), bytes.to_vec(), vec![frame.outcome.clone()]].concat()
    };
    table(&heading, &frames.iter().map(row).collect::<Vec<_>>())
}
