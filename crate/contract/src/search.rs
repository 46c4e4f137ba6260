//! What page and application say of searches and of the designs that they find.

use crate::{Baseline, Binding, Price};
use serde::{Deserialize, Serialize};

/// How candidates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// GCoDE: uniform draws, filtered by the limits.
    Random,
    /// HGNAS: functions of the two halves, then operations.
    Stages,
    /// NSGA-II over accuracy, latency, energy and memory.
    Nsga,
}

/// What accuracies are measured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Judge {
    /// Furniture that the worker generates.
    #[default]
    Furniture,
    /// The clouds of the edge.
    Edge,
}

/// What is searched for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRequest {
    pub strategy: Strategy,
    /// Of one frame.
    #[serde(alias = "latency_millis")]
    pub latency_ms: Option<f64>,
    /// On the device, a frame.
    pub energy_millijoules: Option<f64>,
    /// Most memory on the device.
    pub device_megabytes: Option<f64>,
    /// Candidates to look at.
    pub candidates: u64,
    /// Architectures to judge.
    pub evaluations: u64,
    pub seed: u64,
    /// Of what crosses.
    pub codec: String,
    /// A request of before there was a choice means furniture.
    #[serde(default)]
    pub judge: Judge,
}

/// A search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    pub running: bool,
    /// What it is doing.
    pub stage: String,
    /// Candidates that came so far: drawn (of those wanted), valid, within the limits by the table and by the predictor.
    pub drawn: u64,
    pub wanted: u64,
    pub valid: u64,
    pub by_table: u64,
    pub by_predictor: u64,
    /// Architectures judged.
    pub evaluated: u64,
    /// On which set of clouds, by a name that no other set has.
    pub judged_on: String,
    /// Candidates a second, judging left out.
    pub per_second: f64,
    /// Those that no other beats.
    pub designs: Vec<Design>,
    /// How many times slower the device was emulated; 1: it was as it is.
    pub slowdown: f64,
    /// What they are held against, under the same conditions: DGCNN on the device, on the edge and at its best cut.
    pub references: Vec<Reference>,
    /// The limit that keeps every candidate out.
    pub binding: Option<Binding>,
    /// All of it, about once a second: what goes on after a reload.
    pub state: Option<String>,
}

/// A network with its mapping, as predicted; accuracy by the shared weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Design {
    pub plan: String,
    /// On the clouds that the search was judged on, 0..=1.
    pub accuracy: f64,
    pub latency_ms: f64,
    pub energy_millijoules: f64,
    pub device_peak_bytes: u64,
    pub edge_peak_bytes: u64,
    pub link_bytes: u64,
}

/// A known network with a mapping beside which designs are shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Where it runs.
    pub baseline: Baseline,
    /// Its accuracy is that of its card, on ModelNet10; negative where none is known.
    pub design: Design,
}

/// A design's price, operation by operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// The design, with its communicates.
    pub plan: String,
    /// The task that it is priced for: nodes, input channels, neighbours, classes.
    pub n_points: usize,
    pub in_channels: usize,
    pub k: usize,
    pub n_classes: usize,
    pub price: Price,
    /// Every operation on the tier that runs it, then the classifier.
    pub op_ms: Vec<f64>,
}
