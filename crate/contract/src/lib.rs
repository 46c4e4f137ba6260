//! What the page and the application say to each other. The page holds no tensor and the application no DOM:
//! everything between them is one [`Intent`] or one [`Event`], carried by `postMessage`.
#![allow(missing_docs)] // the names of a message's fields are their documentation

mod cooperation;
mod death;
mod dispatch;
mod failure;
mod figures;
mod frame;
mod partition;
mod price;
mod search;

pub use cooperation::{
    Cooperated, CooperationRequest, ImageRequest, MAX_COOPERATION_RUNS, MemberRequest, Replanned, Score, Whole,
    WorkerState,
};
pub use death::{Crash, Death, TEST_WORKER};
pub use dispatch::{Choice, Decision, Dispatch, Goal, Target};
pub use failure::{Failure, LongWork};
pub use figures::{Baseline, Binding, Limit, PriceBasis};
pub use frame::{Frame, Lane, Outcome, Span, Stream};
pub use partition::{
    MAX_PARTITION_WORKERS, MIN_PARTITION_WORKERS, OperatorRow, PartitionPlan, PartitionRequest, PartitionStep,
    PartitionStrategy, Partitions, SetupPoint, SplitWay, WorkerActivity, WorkerSpan,
};
pub use price::{Powers, Price, Prices, Profile};
pub use search::{Design, Inspection, Judge, Reference, Search, SearchRequest, Strategy};
use serde::{Deserialize, Serialize};

/// Which engine computes the device tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// burn-flex compiled to WebAssembly with 128-bit SIMD, one thread.
    Wasm,
    /// WebGPU through wgpu and CubeCL.
    WebGpu,
}

/// What the person wants of the back-end choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preference {
    /// The faster one, by measurement.
    #[default]
    Auto,
    /// Always this one.
    Only(Backend),
}

/// The conditions that are imposed on the link in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Megabits per second; `f64::INFINITY` is not representable in every format, so 0 means unshaped.
    pub mbps: f64,
    /// Added one-way delay.
    #[serde(alias = "delay_millis")]
    pub delay_ms: f64,
    /// Largest random extra delay, uniformly drawn.
    #[serde(alias = "jitter_millis")]
    pub jitter_ms: f64,
}

impl Link {
    /// No conditions.
    pub const UNSHAPED: Self = Self { mbps: 0.0, delay_ms: 0.0, jitter_ms: 0.0 };
}

/// Most times that a device is emulated slower than it is.
pub const MAX_SLOWDOWN: f64 = 100.0;

/// Most frames that a stream keeps under way.
pub const MAX_IN_FLIGHT: usize = 16;

/// Page → worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Intent {
    /// First message. `base_url` is where model files are fetched from, with a slash at its end.
    Start { base_url: String, preference: Preference, edge: Option<EdgeAddress>, link: Link },
    /// Measure and choose the engine again.
    Prefer(Preference),
    /// Use a real edge.
    Connect(EdgeAddress),
    /// Run the edge half in this tab, behind a simulated link.
    Simulate,
    /// Shape the link.
    Shape(Link),
    /// Emulate a slower device: what it computes takes so many times as long, 1 to [`MAX_SLOWDOWN`]; 1 at the start.
    SlowDown { times: f64 },
    /// Lose the connection now, as a network failure would: frames end locally until it is back.
    Break,
    /// Make a seeded shape of one class of the gallery.
    Generate { class: usize, seed: u64 },
    /// Read a point cloud or mesh, the first of those in the file; the format is told from name and content. A
    /// `.safetensors` file is a network instead, as `cleave train network` writes it.
    Open {
        name: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
    /// Another cloud of the file that was opened last, counted from 0.
    Pick { index: usize },
    /// What image networks look at from now on.
    Look(ImageRequest),
    /// Load a network: `dgcnn`, a name from `model/index.json`, an image network's name, or a text form (seeded random
    /// weights).
    Network(String),
    /// Who runs what, as a mapping's text form, and the codec (`f32`, `f16+lz4`, …).
    Plan { plan: String, codec: String },
    /// One frame now; the unsplit answer is computed too and compared.
    RunOnce,
    /// Frames one after another with this many in flight, until `Stop`.
    RunStream { in_flight: usize },
    /// Measure this device, the edge and the link; `Stop` ends it and keeps what there is.
    Profile { quick: bool },
    /// Predict from this profile from now on: one that was exported, or kept from an earlier visit.
    UseProfile { json: String },
    /// Estimate the device's energy by these powers.
    Power(Powers),
    /// Correct predictions by ten frames of the network at different cuts.
    Calibrate,
    /// Search for networks with their mapping under the conditions of now.
    Search(SearchRequest),
    /// Go on with a search from the state that was told.
    ResumeSearch { json: String },
    /// Run a design by the shared weights.
    Deploy { plan: String },
    /// Price a design, operation by operation; [`Event::Inspected`] tells.
    Inspect { plan: String },
    /// Put a search into a link, with the machines' figures that it rests on; [`Event::Shared`] tells.
    Share(SearchRequest),
    /// Begin the search that a link holds.
    OpenShared { text: String },
    /// From now on choose design and cut from the zoo by the measured link and edge, or no longer.
    Dispatch(Option<Target>),
    /// Plan how several workers share a network, by every strategy; [`Event::Partitions`] tells.
    Partition(PartitionRequest),
    /// Run a partition over real workers; [`Event::Cooperated`] tells. They stay for the next request of the same workers.
    Cooperate(CooperationRequest),
    /// Lose the worker with this number, counted from 0, now: its work is planned anew over the others.
    LoseWorker(usize),
    /// The workers are not needed any more.
    Dismiss,
    /// Ends a stream, or whatever long work is under way.
    Stop,
    /// Die of this, on purpose: only a worker named [`TEST_WORKER`] obeys.
    Crash(Crash),
}

/// Where an edge listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeAddress {
    pub url: String,
    pub token: String,
}

/// Worker → page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// The worker listens. Sent once, before anything else: an intent sent earlier would be lost.
    Ready { version: String },
    /// Long work: `done` of `total` (total 0: not known). All of it done: it has ended, finished or not.
    Progress { what: LongWork, done: u64, total: u64 },
    /// The engine in use and why.
    Engine { backend: Backend, reason: String, measured: Vec<EngineTime> },
    /// The edge's state.
    Edge(EdgeStatus),
    /// What a single frame waits for before it is run, or that it waits no longer.
    Waiting(Option<EdgeWait>),
    /// The input now held.
    Cloud(Cloud),
    /// Small previews of generated shapes, one per class.
    Gallery(Vec<Cloud>),
    /// The network now held. The page derives shapes, cuts and bytes from `plan` and `input` itself.
    Network(Network),
    /// A frame has ended.
    Frame(Frame),
    /// What is known of the machines has changed.
    Profile(Profile),
    /// What the network costs at every cut: after every change of network, plan, codec, link, edge or profile.
    Prices(Prices),
    /// How far a search is and what it has found, a few times a second, and once more when it has ended.
    Search(Search),
    /// What a design costs, as [`Intent::Inspect`] asked.
    Inspected(Inspection),
    /// A search as text for a link: letters, digits, `-` and `_`.
    Shared { request: SearchRequest, text: String },
    /// What the dispatcher knows and has decided: after every decision and about twice a second.
    Dispatch(Dispatch),
    /// What every strategy makes of a request, as [`Intent::Partition`] asked.
    Partitions(Partitions),
    /// The workers of a cooperation, the tab's first: after every change of one of them; none when all are dismissed.
    Workers(Vec<WorkerState>),
    /// What came of a partition that was run, as [`Intent::Cooperate`] asked.
    Cooperated(Box<Cooperated>),
    /// A stream's running figures, about twice a second, and once more when it has ended.
    Stream(Stream),
    /// Something went wrong; what was held before is still held.
    Failed { what: Failure, why: String },
    /// The last event: this worker is of no use any more and nothing it held is left. Whoever started it replaces it.
    Died(Death),
}

/// One measured candidate engine; `millis` is absent where it does not run, and `note` says why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineTime {
    pub backend: Backend,
    pub millis: Option<f64>,
    pub note: String,
}

/// Where the edge half runs now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EdgeStatus {
    /// In this tab, behind a simulated link.
    Simulated,
    /// Trying.
    Connecting { url: String },
    /// A native edge answers.
    Connected { url: String, name: String, threads: usize, rtt_ms: f64, validation: Option<Validation> },
    /// It went away; frames are finished locally until it is back.
    Lost { url: String, why: String, retry_ms: f64 },
}

/// What a single frame waits for: until then, and 2 s at most, it is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdgeWait {
    /// The edge's welcome.
    Connection,
    /// The edge has the plan, and the weights if it lacks them.
    Deployment,
}

/// Clouds for judging that an edge has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validation {
    /// What people call the set.
    pub name: String,
    pub clouds: usize,
}

/// A point cloud: `points` holds x, y, z of every point, normalised to the unit sphere, z up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cloud {
    pub name: String,
    /// The true class, where it is known.
    pub class: Option<String>,
    pub points: Vec<f32>,
    /// Which cloud of a file this is; absent for generated ones.
    pub place: Option<Place>,
}

/// One of several clouds, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub index: usize,
    pub of: usize,
}

/// What a network reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkInput {
    /// Features of so many points, with so many neighbours each.
    Cloud { n_points: usize, in_channels: usize, k: usize },
    /// An image.
    Image { channels: usize, height: usize, width: usize },
}

/// The network held by the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    /// Text form of network and mapping.
    pub plan: String,
    pub input: NetworkInput,
    pub classes: Vec<String>,
    /// Test accuracy from the model card in 0..=1; absent for random weights, whose answers mean nothing.
    pub accuracy: Option<f64>,
    pub params: usize,
}
