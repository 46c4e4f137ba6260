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
    pub(crate) device_millis: f64,
    pub(crate) uplink_millis: f64,
    pub(crate) edge_millis: f64,
    pub(crate) downlink_millis: f64,
    pub(crate) total_millis: f64,
    pub(crate) bytes_up: usize,
    pub(crate) bytes_down: usize,
}

impl Frame {
    /// A run without a link.
    pub(crate) fn in_process(id: u64, run: Run) -> Self {
        let millis = |tier| run.stages.iter().filter(|stage| stage.tier == tier).map(|stage| stage.millis).sum::<f64>();
        let bytes = |tier| run.stages.iter().filter(|stage| stage.tier == tier).map(|stage| stage.bytes_in).sum();
        let (device_millis, edge_millis) = (millis(Tier::Device), millis(Tier::Edge));
        Self {
            id,
            outcome: "as planned".into(),
            as_planned: true,
            device_millis,
            uplink_millis: 0.0,
            edge_millis,
            downlink_millis: 0.0,
            total_millis: device_millis + edge_millis,
            bytes_up: bytes(Tier::Edge),
            bytes_down: bytes(Tier::Device),
            logits: Some(run.logits),
        }
    }

    /// A frame of a session.
    pub(crate) fn reported(report: FrameReport) -> Self {
        let millis = |lane| report.lane_millis(lane);
        Self {
            id: report.id,
            outcome: outcome_text(&report.outcome),
            as_planned: report.outcome == Outcome::AsPlanned,
            device_millis: millis(Lane::Device),
            uplink_millis: millis(Lane::Uplink),
            edge_millis: millis(Lane::Edge),
            downlink_millis: millis(Lane::Downlink),
            total_millis: report.total_millis(),
            bytes_up: report.bytes_up,
            bytes_down: report.bytes_down,
            logits: report.output.as_ref().and_then(|output| output.as_f32().ok()).map(<[f32]>::to_vec),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "id": self.id, "outcome": self.outcome, "device_ms": self.device_millis, "uplink_ms": self.uplink_millis,
            "edge_ms": self.edge_millis, "downlink_ms": self.downlink_millis, "total_ms": self.total_millis,
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
        let times =
            [frame.device_millis, frame.uplink_millis, frame.edge_millis, frame.downlink_millis, frame.total_millis];
        let bytes = [frame.bytes_up, frame.bytes_down].map(|bytes| grouped(bytes as u64));
        let times = times.map(|millis| format!("{millis:.2}"));
        [vec![frame.id.to_string()], times.to_vec(), bytes.to_vec(), vec![frame.outcome.clone()]].concat()
    };
    table(&heading, &frames.iter().map(row).collect::<Vec<_>>())
}
