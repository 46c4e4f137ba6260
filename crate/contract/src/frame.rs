//! What page and application say of frames and streams that have run.

use crate::Price;
use serde::{Deserialize, Serialize};

/// How a frame ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// As planned.
    AsPlanned,
    /// The edge did not answer; the device finished the frame itself.
    Local { why: String },
    /// No answer.
    Failed { why: String },
}

/// One frame's ledger. Spans are in milliseconds since the frame was submitted, on the device's clock
/// (the edge's are translated with the estimated clock offset).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frame {
    pub id: u64,
    /// When the frame was submitted, in milliseconds since the worker started: places frames of a stream beside each other.
    pub submitted_ms: f64,
    pub outcome: Outcome,
    pub spans: Vec<Span>,
    pub total_ms: f64,
    pub bytes_up: usize,
    pub bytes_down: usize,
    /// Softmax of the logits, in the order of the network's classes.
    pub probabilities: Vec<f32>,
    /// Largest |Δlogit| / max(1, largest |logit|) against the unsplit run on the device, where that was computed.
    pub delta: Option<f32>,
    /// The largest `delta` that counts as equal for this plan, codec and pair of engines; absent where no bound holds,
    /// because a rounded feature can choose another neighbour.
    pub bound: Option<f32>,
    /// What it was predicted to cost when it was submitted.
    pub predicted: Option<Price>,
    pub plan: String,
    pub codec: String,
}

impl Frame {
    /// Whether the edge had a part in the answer: only then is there something to hold against the unsplit one.
    pub fn is_split(&self) -> bool {
        self.outcome == Outcome::AsPlanned && self.bytes_up > 0
    }
}

/// A stage of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub lane: Lane,
    pub start_ms: f64,
    pub end_ms: f64,
}

/// Who was busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    Device,
    Uplink,
    Edge,
    Downlink,
}

/// A running stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stream {
    pub running: bool,
    pub frames: u64,
    pub frames_per_second: f64,
    pub mean_ms: f64,
    pub local: u64,
    pub failed: u64,
}
