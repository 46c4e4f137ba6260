//! One frame's times, bytes and end, from either way of running it.

use cleave_app::pricing::measured_stages;
use cleave_app::report::logits;
use cleave_cost::Stages;
use cleave_session::{FrameReport, Outcome};
use serde_json::{Value, json};

use crate::local::Run;
use crate::output::{grouped, table};

/// How one frame went.
pub(crate) struct Frame {
    id: u64,
    /// Absent if it failed.
    pub(crate) logits: Option<Vec<f32>>,
    /// "as planned", "local: …" or "failed: …".
    pub(crate) outcome: String,
    pub(crate) as_planned: bool,
    /// Milliseconds; together the frame's latency.
    pub(crate) stages: Stages,
    /// To the edge, and back.
    bytes: [usize; 2],
}

impl Frame {
    /// A run without a link.
    pub(crate) fn in_process(id: u64, Run { logits, stages, bytes }: Run) -> Self {
        Self { id, logits: Some(logits), outcome: "as planned".into(), as_planned: true, stages, bytes }
    }

    /// A frame of a session.
    pub(crate) fn reported(report: &FrameReport) -> Self {
        Self {
            id: report.id,
            logits: logits(report).map(<[f32]>::to_vec),
            outcome: outcome_text(&report.outcome),
            as_planned: report.outcome == Outcome::AsPlanned,
            stages: measured_stages(report),
            bytes: [report.bytes_up, report.bytes_down],
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let Stages { device, up, edge, down, .. } = self.stages;
        json!({
            "id": self.id, "outcome": self.outcome, "device_ms": device, "uplink_ms": up, "edge_ms": edge,
            "downlink_ms": down, "total_ms": self.stages.total(), "bytes_up": self.bytes[0],
            "bytes_down": self.bytes[1], "logits": self.logits,
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
    let heading = [">frame", ">device", ">uplink", ">edge", ">downlink", ">total ms", ">bytes up", ">down", "outcome"];
    let row = |frame: &Frame| {
        let Stages { device, up, edge, down, .. } = frame.stages;
        let times = [device, up, edge, down, frame.stages.total()].map(|millis| format!("{millis:.2}"));
        let bytes = frame.bytes.map(|bytes| grouped(bytes as u64));
        [vec![frame.id.to_string()], times.to_vec(), bytes.to_vec(), vec![frame.outcome.clone()]].concat()
    };
    table(&heading, frames.iter().map(row))
}
