//! What stands behind the figures of a price list and of a search, as data: the words are the page's.

use serde::{Deserialize, Serialize};

/// What prices rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PriceBasis {
    /// Nothing was measured: arithmetic and bytes alone.
    Roofline,
    /// The rows that an unfinished profile has; the rest by the roofline.
    Unfinished,
    /// A whole profile.
    Table,
    /// A whole profile, its latencies corrected by a predictor that was trained on others.
    Learned,
}

/// One thing that a search can be limited in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// Milliseconds of one frame.
    Latency,
    /// Millijoules on the device, a frame.
    Energy,
    /// Peak bytes on the device.
    DeviceMemory,
    /// Peak bytes on the edge.
    EdgeMemory,
    /// Bytes both ways, a frame.
    LinkBytes,
}

/// The limit that keeps every candidate out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// Which.
    pub limit: Limit,
    /// What is asked for, in the limit's unit.
    pub bound: f64,
    /// The lowest that was seen beside the other limits.
    pub best: f64,
}

/// Where DGCNN runs, against which designs are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Baseline {
    /// All of it on the device.
    OnDevice,
    /// All of it on the edge.
    OnEdge,
    /// Cut where it is fastest.
    BestCut,
}
