//! What page and application say of what things cost, and of what is known of the machines.

use crate::PriceBasis;
use serde::{Deserialize, Serialize};

/// What is known of the machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The whole of it, as a file.
    pub json: String,
    /// False if it was interrupted.
    pub complete: bool,
    /// Device and engine.
    pub device: String,
    /// Edge and engine, if one was measured.
    pub edge: Option<String>,
    /// Rows of both tables.
    pub rows: usize,
    /// Median part by which a row may be off.
    pub noise: f64,
    /// Round trip in milliseconds, megabits per second up and down, without imposed conditions.
    pub link: Option<[f64; 3]>,
    /// Frames that corrected it.
    pub calibrated: usize,
    /// What energy is estimated by.
    pub powers: Powers,
}

/// What a device draws: the estimate of energy rests on these three constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Powers {
    /// While it computes.
    pub active_milliwatts: f64,
    /// While it communicates.
    pub communicating_milliwatts: f64,
    /// While it waits for the edge.
    pub static_milliwatts: f64,
}

/// What one frame of a plan is predicted to take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    pub device_ms: f64,
    pub up_ms: f64,
    pub edge_ms: f64,
    pub down_ms: f64,
    /// Codecs and events.
    pub other_ms: f64,
    /// Two standard deviations of the sum.
    pub uncertainty_ms: f64,
    /// With enough frames in flight.
    pub frames_per_second: f64,
    /// Most memory of the engine, weights included.
    pub device_peak_bytes: u64,
    pub edge_peak_bytes: u64,
    /// On the device, by constants: an estimate.
    pub energy_millijoules: f64,
}

impl Price {
    /// Latency of one frame.
    pub fn total_ms(&self) -> f64 {
        self.device_ms + self.up_ms + self.edge_ms + self.down_ms + self.other_ms
    }
}

/// Prices of a network's placements under the conditions of now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// The network that they are of, without cuts.
    pub network: String,
    /// What they rest on.
    pub basis: PriceBasis,
    /// How many times slower the device is emulated; 1: it is as it is.
    pub slowdown: f64,
    /// The plan in use.
    pub plan: Price,
    /// Everything on the device.
    pub whole: Price,
    /// Cut before step i, for each of its steps.
    pub cuts: Vec<Price>,
    /// Every step on the tier that runs it.
    pub op_ms: Vec<f64>,
    /// Peak memory of the whole network on one tier by HGNAS's formula, whose engine builds every message; of a graph
    /// network.
    pub hgnas_peak_bytes: Option<u64>,
}
