//! What page and worker say of image networks that real workers share: who they are, what they did, and what they answered.

use crate::{Backend, EdgeAddress, PartitionPlan, PartitionRequest, PartitionStrategy};
use serde::{Deserialize, Serialize};

/// A partition that is to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CooperationRequest {
    /// Network, workers and links. A browser worker is really made so many times slower, so it cannot be below 1; how fast
    /// an edge is is measured, whatever stands there.
    pub partition: PartitionRequest,
    pub strategy: PartitionStrategy,
    /// All workers but the first, which is this tab.
    pub members: Vec<MemberRequest>,
    /// How often, one after another; 1 to [`MAX_COOPERATION_RUNS`]. The median counts.
    pub runs: usize,
    /// Also run it whole in this tab, to compare the answers and the time.
    pub check: bool,
    pub image: ImageRequest,
}

/// Most runs of a request.
pub const MAX_COOPERATION_RUNS: usize = 100;

/// A worker beside the tab's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberRequest {
    /// Another worker of this browser.
    Browser,
    /// A native one, `ws://HOST:PORT`.
    Edge(EdgeAddress),
}

/// What the network is to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageRequest {
    /// Noise of this seed.
    Noise(u64),
    /// Red, green, blue and opacity of every pixel, row by row, of exactly the network's height and width. A network of one
    /// channel reads their brightness.
    Pixels {
        name: String,
        #[serde(with = "serde_bytes")]
        rgba: Vec<u8>,
    },
}

/// One of the workers of a cooperation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerState {
    /// What it calls itself.
    pub name: String,
    /// `this tab`, `a worker of this browser`, or its address.
    pub place: String,
    /// How it is, or why it is not there any more: `starting`, `ready`, …
    pub status: String,
    pub is_gone: bool,
}

/// A partition that was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cooperated {
    /// As it was asked for, without the pixels.
    pub request: CooperationRequest,
    pub engine: Backend,
    /// Names of the workers that shared the last run, in the order of the plan.
    pub workers: Vec<String>,
    /// How many times slower than the operators were measured in this tab each of them is, measured.
    pub slower: Vec<f64>,
    /// The plan that was run, priced by these.
    pub predicted: PartitionPlan,
    /// Why it is not the one that was on show; absent if it is.
    pub replanned: Option<Replanned>,
    /// The same as it was measured: the run that took the median time. Its energy is that of the measured times.
    pub measured: PartitionPlan,
    /// What every run took, in order.
    pub each_ms: Vec<f64>,
    /// Pairs of workers of the plan whose messages went through the coordinator, as they do not reach each other.
    pub relayed: Vec<[usize; 2]>,
    /// How often a run was begun anew because a worker was lost.
    pub restarts: u32,
    /// Who was lost, and why.
    pub gone: Vec<String>,
    /// The same network whole in this tab, if that was asked for.
    pub whole: Option<Whole>,
    /// What the weights are, for people.
    pub weights: String,
    /// Whether the answer means anything: the weights are trained ones.
    pub is_trained: bool,
    /// What the image was called.
    pub image: String,
    /// The likeliest classes of the last run, at most ten, likeliest first.
    pub scores: Vec<Score>,
}

/// Why another plan was run than the one on show.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Replanned {
    /// By the measured speeds it is the faster one.
    Speeds {
        /// What the plan on show would take, predicted by these.
        shown_ms: f64,
        /// What the other one would take.
        millis: f64,
    },
    /// No plan of this strategy for these workers and links was on show.
    Request,
    /// Workers were lost.
    Lost,
}

/// The unsplit network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whole {
    /// Until its answer.
    pub millis: f64,
    /// The largest difference of any run's answer from its, relative to its largest value.
    pub distance: f64,
    /// What that may be at most.
    pub bound: f64,
}

/// A class with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub class: String,
    pub probability: f64,
}
