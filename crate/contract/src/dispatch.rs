//! What page and application say of the dispatcher: what it is to reach, what it chooses from, what it has decided.

use serde::{Deserialize, Serialize};

/// What the dispatcher is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub goal: Goal,
    /// Least accuracy, 0..=1.
    pub accuracy: Option<f64>,
    /// Most milliseconds of a frame.
    pub latency_ms: Option<f64>,
}

/// What is best among the choices that keep to a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// The least latency.
    #[default]
    Fastest,
    /// The highest accuracy, then the least latency.
    MostAccurate,
    /// The least energy of the device.
    LeastEnergy,
}

/// The dispatcher.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    pub running: bool,
    pub target: Target,
    /// The zoo's networks with their placements that some condition makes best.
    pub choices: Vec<Choice>,
    /// Which of them runs.
    pub current: usize,
    /// Megabits per second towards the edge, as last measured; absent until then.
    pub up_mbps: Option<f64>,
    pub rtt_ms: Option<f64>,
    /// Time of the edge's part over its prediction; 1: as predicted.
    pub edge_load: f64,
    /// The latest decisions, the newest last.
    pub decisions: Vec<Decision>,
}

/// A network of the zoo with a placement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    pub name: String,
    pub plan: String,
    pub accuracy: f64,
}

/// A change of what runs, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Milliseconds since the worker started.
    pub at_ms: f64,
    /// Indexes into the choices.
    pub from: usize,
    pub to: usize,
    /// "the link is at 5.1 Mbps, not 98: 23.4 ms would be 8.1".
    pub reason: String,
}
