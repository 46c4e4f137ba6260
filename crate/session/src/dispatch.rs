//! The runtime dispatcher: under a live stream it watches bandwidth, round trip and edge load, and picks the network
//! and the cut that serve the target best. After GCoDE's runtime dispatcher (Zhou et al., 2024), reconstructed.
//!
//! It is told what frames and echoes showed, and answers [`Dispatcher::advance`] with echoes to send and switches to
//! make. Prices and accuracies come from a [`Menu`], so it knows no cost model; moments come in, so it knows no clock.
//! `choose` says what is best under given conditions, `estimate` knows the conditions, `probe` says which echo is
//! due, `why` puts a decision into words, and `dispatcher` joins them and resists change for change's sake.

mod choose;
mod dispatcher;
mod estimate;
mod hull;
mod link;
mod probe;
mod why;
mod window;

use crate::time::Micros;
pub use dispatcher::Dispatcher;
pub use hull::hull;

/// What is known of link and edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Device → edge, Mbit/s.
    pub up_mbps: f64,
    /// Edge → device, Mbit/s.
    pub down_mbps: f64,
    /// Round trip of a message without content, ms.
    pub rtt_ms: f64,
    /// Measured time on the edge / predicted time; 1 = as predicted.
    pub edge_load: f64,
}

/// What one frame costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Priced {
    /// From submission to answer, ms.
    pub latency_ms: f64,
    /// The device's energy, mJ.
    pub energy_mj: f64,
}

/// Networks with placements, numbered from 0.
pub trait Menu {
    /// How many.
    fn len(&self) -> usize;
    /// True if there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Share of right answers, 0 to 1.
    fn accuracy(&self, choice: usize) -> f64;
    /// What a frame costs under these conditions.
    fn price(&self, choice: usize, at: &Conditions) -> Priced;
    /// True if some of it runs on the edge.
    fn is_offloaded(&self, choice: usize) -> bool;
    /// Predicted time of the edge's part at load 1, ms.
    fn edge_ms(&self, choice: usize) -> f64;
    /// True if a switch to it would make no frame wait ([`crate::DeviceSession::is_ready_for`]).
    fn is_ready(&self, choice: usize) -> bool;
}

/// What is to be best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Least latency.
    Fastest,
    /// Highest accuracy; among equals the least latency.
    MostAccurate,
    /// Least energy of the device.
    LeastEnergy,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What is to be best.
    pub goal: Goal,
    /// Least share of right answers, 0 to 1.
    pub accuracy: Option<f64>,
    /// Most latency, ms.
    pub latency_ms: Option<f64>,
}

/// Settings of a [`Dispatcher`]. Start from the default and change what differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DispatchConfig {
    /// Between two evaluations.
    pub every: Micros,
    /// Least gain of a switch, as a share of the present price.
    pub gain: f64,
    /// Least gain of a switch, in ms or mJ.
    pub least_gain: f64,
    /// Evaluations in succession that must agree.
    pub evaluations: u32,
    /// Least time between two switches.
    pub dwell: Micros,
    /// A rate that has changed by this factor needs no second evaluation and no dwell.
    pub urgent_change: f64,
    /// Between two echoes that tell a rate.
    pub probe_every: Micros,
    /// Most that the device's work waits for an echo ([`Dispatcher::quiet_until`]).
    pub quiet: Micros,
    /// An unmeasured edge's load comes half as near to 1 in so much time: what was left because of its load is tried
    /// again.
    pub load_half_life: Micros,
    /// Decisions that are remembered.
    pub remembered: usize,
}

impl Default for DispatchConfig {
    fn default() -> Self {
        Self {
            every: Micros::from_millis(100),
            gain: 0.1,
            least_gain: 0.3,
            evaluations: 2,
            dwell: Micros::from_millis(300),
            urgent_change: 2.0,
            probe_every: Micros::from_millis(150),
            quiet: Micros::from_millis(20),
            load_half_life: Micros::from_millis(10_000),
            remembered: 64,
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send an echo ([`crate::DeviceEvent::Echo`]) and tell [`Dispatcher::observe_echo`] of it.
    Probe {
        /// Bytes to send.
        bytes: u32,
        /// Bytes to get.
        answer_bytes: u32,
    },
    /// Run another choice from the next frame on ([`crate::DeviceEvent::Replan`]).
    Switch(Decision),
}

/// A switch and its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// When.
    pub at: Micros,
    /// What ran.
    pub from: usize,
    /// What runs.
    pub to: usize,
    /// What was known.
    pub conditions: Conditions,
    /// Predicted latency of what ran, ms; infinite if it needs an edge that is lost.
    pub from_ms: f64,
    /// Predicted latency of what runs, ms.
    pub to_ms: f64,
    /// What changed and what it gains, for people.
    pub why: String,
}
