//! What the page and the application say to each other. The page holds no tensor and the application no DOM:
//! everything between them is one [`Intent`] or one [`Event`], carried by `postMessage`.
#![allow(missing_docs)] // the names of a message's fields are their documentation

mod cooperation;
mod failure;
mod figures;
mod partition;

pub use cooperation::{
    Cooperated, CooperationWish, ImageWish, MAX_COOPERATION_RUNS, MemberWish, Replanned, Score, Whole, WorkerState,
};
pub use failure::{Failure, LongWork};
pub use figures::{Baseline, Binding, Limit, PriceBasis};
pub use partition::{
    MAX_PARTITION_WORKERS, OperatorRow, PartitionPlan, PartitionStep, PartitionStrategy, PartitionWish, Partitions,
    SetupPoint, SplitWay, WorkerActivity, WorkerSpan,
};
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
    pub delay_millis: f64,
    /// Largest random extra delay, uniformly drawn.
    pub jitter_millis: f64,
}

impl Link {
    /// No conditions.
    pub const UNSHAPED: Self = Self { mbps: 0.0, delay_millis: 0.0, jitter_millis: 0.0 };
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
    /// Load a network: `dgcnn`, a name from `model/index.json`, or a text form (seeded random weights).
    Network(String),
    /// Who runs what, as the text form with communicates, and the codec (`f32`, `f16+lz4`, …).
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
    Search(SearchWish),
    /// Go on with a search from the state that was told.
    ResumeSearch { json: String },
    /// Run a design by the shared weights.
    Deploy { plan: String },
    /// Price a design, operation by operation; [`Event::Inspected`] tells.
    Inspect { plan: String },
    /// Put a search into a link, with the machines' figures that it rests on; [`Event::Shared`] tells.
    Share(SearchWish),
    /// Begin the search that a link holds.
    OpenShared { text: String },
    /// From now on choose design and cut from the zoo by the measured link and edge, or no longer.
    Dispatch(Option<Target>),
    /// Plan how several workers share an image network, by every strategy; [`Event::Partitions`] tells.
    Partition(PartitionWish),
    /// Run a partition over real workers; [`Event::Cooperated`] tells. They stay for the next wish of the same workers.
    Cooperate(CooperationWish),
    /// Lose the worker with this number, counted from 0, now: its work is planned anew over the others.
    LoseWorker(usize),
    /// The workers are not needed any more.
    Dismiss,
    /// Ends a stream, or whatever long work is under way.
    Stop,
    /// Die of this, on purpose: only a worker named [`TEST_WORKER`] obeys.
    Crash(Crash),
}

/// Name of a worker that was started for a test.
pub const TEST_WORKER: &str = "test";

/// What a test makes a worker die of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Crash {
    /// A defect.
    Panic,
    /// More memory than there is.
    Memory,
    /// The GPU device is destroyed, as a driver that is reset does.
    LoseGpu,
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
    /// The network now held. The page derives shapes, cuts and bytes from `plan` and `task` itself.
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
    Shared { wish: SearchWish, text: String },
    /// What the dispatcher knows and has decided: after every decision and about twice a second.
    Dispatch(Dispatch),
    /// What every strategy makes of a wish, as [`Intent::Partition`] asked.
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

/// What ended a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Death {
    /// A defect, where and what.
    Panicked { message: String },
    /// No memory was left. The worker cannot say this itself: the page infers it.
    OutOfMemory,
    /// Anything else that ends a module, in the browser's words; told by the page, too.
    Trapped { message: String },
    /// WebGPU is gone, and this worker's module cannot open it a second time. `in_use`: it was the engine, not only open.
    LostGpu { why: String, in_use: bool },
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
    Connected { url: String, name: String, threads: usize, rtt_millis: f64, validation: Option<Validation> },
    /// It went away; frames are finished locally until it is back.
    Lost { url: String, why: String, retry_millis: f64 },
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

/// The network held by the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    /// Text form, with communicates if the file carries a mapping.
    pub plan: String,
    pub n_points: usize,
    pub in_channels: usize,
    pub k: usize,
    pub classes: Vec<String>,
    /// Test accuracy from the model card in 0..=1; absent for random weights, whose answers mean nothing.
    pub accuracy: Option<f64>,
    pub params: usize,
}

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
    pub submitted_millis: f64,
    pub outcome: Outcome,
    pub spans: Vec<Span>,
    pub total_millis: f64,
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
    pub device_millis: f64,
    pub up_millis: f64,
    pub edge_millis: f64,
    pub down_millis: f64,
    /// Codecs and events.
    pub other_millis: f64,
    /// Two standard deviations of the sum.
    pub uncertainty_millis: f64,
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
    pub fn total_millis(&self) -> f64 {
        self.device_millis + self.up_millis + self.edge_millis + self.down_millis + self.other_millis
    }
}

/// Prices of a network's placements under the conditions of now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prices {
    /// The architecture that they are of.
    pub architecture: String,
    /// What they rest on.
    pub basis: PriceBasis,
    /// How many times slower the device is emulated; 1: it is as it is.
    pub slowdown: f64,
    /// The plan in use.
    pub plan: Price,
    /// Everything on the device.
    pub whole: Price,
    /// Cut before operation i, for 0..=n_ops.
    pub cuts: Vec<Price>,
    /// Every operation on the tier that runs it, then the classifier.
    pub op_millis: Vec<f64>,
    /// Peak memory of the whole network on one tier by HGNAS's formula, whose engine builds every message.
    pub hgnas_peak_bytes: u64,
}

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
pub struct SearchWish {
    pub strategy: Strategy,
    /// Of one frame.
    pub latency_millis: Option<f64>,
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
    /// A wish of before there was a choice means furniture.
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
    pub latency_millis: f64,
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
    pub op_millis: Vec<f64>,
}

/// What the dispatcher is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub goal: Goal,
    /// Least accuracy, 0..=1.
    pub accuracy: Option<f64>,
    /// Most milliseconds of a frame.
    pub latency_millis: Option<f64>,
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
    pub rtt_millis: Option<f64>,
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
    pub at_millis: f64,
    /// Indexes into the choices.
    pub from: usize,
    pub to: usize,
    /// "the link is at 5.1 Mbps, not 98: 23.4 ms would be 8.1".
    pub reason: String,
}

/// A stage of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    pub lane: Lane,
    pub start_millis: f64,
    pub end_millis: f64,
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
    pub mean_millis: f64,
    pub local: u64,
    pub failed: u64,
}
