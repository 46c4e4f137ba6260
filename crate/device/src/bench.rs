//! Measurements for `cargo xtask bench browser`, taken by the shipped worker itself.

use crate::browser::{fetch, now_millis};
use crate::engine::{Gpu, measure_forward, timed};
use crate::engines::load;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_app::network::{Named, Network};
use cleave_arch::cnn::{self, zoo};
use cleave_arch::{Array, GraphSource, Live, Plan, Slot, SplitMix64, Task, Tier, space};
use cleave_contract::Backend;
use cleave_cost::graph::{FEATURES, PlanGraph};
use cleave_cost::{Machines, Profile};
use cleave_model::cnn::{Cnn, CnnWeights};
use cleave_model::{Gin, GinWeights};
use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the benchmark page sends.
#[derive(Clone, Debug, Deserialize)]
pub enum BenchRequest {
    /// Measure a network's forward pass.
    Bench {
        /// As for `Intent::Network`, or an image network's.
        name: String,
        /// On which engine.
        backend: Backend,
        /// Measured runs.
        runs: usize,
        /// Unmeasured runs before them.
        warm: usize,
        /// The textbook's way, without fused kernels.
        #[serde(default)]
        plain: bool,
    },
    /// Count what the engine allocates for the device's part of a plan, on wasm.
    Memory {
        /// As for `Intent::Network`.
        name: String,
        /// A plan of it.
        plan: String,
        /// The textbook's way; only for everything on the device.
        #[serde(default)]
        plain: bool,
    },
    /// Measure how many candidates a second a search can price on wasm.
    Throughput {
        /// Candidates.
        candidates: usize,
    },
}

impl BenchRequest {
    /// Whether it is about WebGPU.
    pub fn needs_gpu(&self) -> bool {
        matches!(self, BenchRequest::Bench { backend: Backend::WebGpu, .. })
    }
}

/// What it gets.
#[derive(Clone, Debug, Serialize)]
pub enum BenchAnswer {
    /// One JSON object.
    Bench {
        /// The object as text.
        json: String,
    },
}

/// Runs a request.
pub async fn run(request: &BenchRequest, gpu: &Gpu, base_url: &str) -> Result<BenchAnswer, String> {
    let json = match request {
        BenchRequest::Bench { name, backend, runs, warm, plain } => {
            forward(name, *backend, [*runs, *warm], *plain, gpu, base_url).await?
        }
        BenchRequest::Memory { name, plan, plain } => memory(name, plan, *plain, base_url).await?,
        BenchRequest::Throughput { candidates } => throughput((*candidates).max(PREDICTED)).await?,
    };
    Ok(BenchAnswer::Bench { json: json.to_string() })
}

async fn forward(
    name: &str,
    backend: Backend,
    [runs, warm]: [usize; 2],
    plain: bool,
    gpu: &Gpu,
    base_url: &str,
) -> Result<Value, String> {
    let (device, adapter) = match backend {
        Backend::Wasm => (Device::flex(), "wasm simd128, one thread"),
        Backend::WebGpu => {
            gpu.as_ref().map(|(device, adapter)| (device.clone(), adapter.as_str())).map_err(Clone::clone)?
        }
    };
    if let Ok(network) = zoo::network(name) {
        return image(name, &network, [runs, warm], &device, adapter).await;
    }
    let network = open(name, base_url).await?;
    let times =
        measure_forward(&load(&network, &device).map_err(|why| why.to_string())?, warm, runs.max(1), plain).await?;
    Ok(json!({
        "network": name,
        "plain": plain,
        "backend": backend,
        "adapter": adapter,
        "n_points": network.card.task.n_points,
        "k": network.card.task.k,
        "classes": network.card.task.n_classes,
        "batch": 1,
        "runs": times.len(),
        "median_ms": times[times.len() / 2],
        "min_ms": times[0],
        "max_ms": times[times.len() - 1],
    }))
}

async fn open(name: &str, base_url: &str) -> Result<Network, String> {
    match Named::parse(name).map_err(|why| why.to_string())? {
        Named::Made(network) => Ok(*network),
        Named::File(path) => Network::parse(fetch(&format!("{base_url}{path}")).await?).map_err(|why| why.to_string()),
    }
}

/// An image network with seeded weights on a seeded image.
async fn image(
    name: &str,
    network: &cnn::Network,
    [runs, warm]: [usize; 2],
    device: &Device,
    adapter: &str,
) -> Result<Value, String> {
    let cnn = Cnn::whole(network, &CnnWeights::Seeded(1), device).map_err(|why| why.to_string())?;
    let (shape, mut rng) = (network.input(), SplitMix64::new(7));
    let values: Vec<f32> = (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    let image = TensorData::new(values, [1, shape.channels, shape.height, shape.width]);
    let image = Tensor::<4>::from_data(image, device);
    let times = timed(warm, runs.max(1), || cnn.forward(image.clone()).into_data_async()).await?;
    Ok(json!({
        "network": name, "adapter": adapter, "macs": network.macs(), "batch": 1, "runs": times.len(),
        "median_ms": times[times.len() / 2], "min_ms": times[0], "max_ms": times[times.len() - 1],
    }))
}

/// Most bytes that the engine holds while it runs the device's segments of a plan, weights included and the values that
/// it is given left out: as `peak_bytes` of `cleave-cost` predicts.
async fn memory(name: &str, plan: &str, plain: bool, base_url: &str) -> Result<Value, String> {
    let text = |why: &dyn std::fmt::Display| why.to_string();
    let network = open(name, base_url).await?;
    let plan: Plan = plan.parse().map_err(|why| text(&why))?;
    let counter = PeakAlloc;
    let before = counter.current_usage();
    let gnn = load(&network, &Device::flex()).map_err(|why| why.to_string())?;
    let held = counter.current_usage() - before;
    let mut most = held;
    for segment in plan.segments().into_iter().filter(|segment| segment.tier == Tier::Device) {
        let zeros = |live: &Live| match live.slot {
            Slot::Graph => Array::u16([live.rows, live.cols], vec![0; live.rows * live.cols]),
            _ => Array::f32([live.rows, live.cols], vec![0.5; live.rows * live.cols]),
        };
        let inputs = gnn.trace().live_before(segment.ops.start).iter().map(zeros);
        let inputs = inputs.collect::<Result<Vec<_>, _>>().map_err(|why| text(&why))?;
        let given = counter.current_usage();
        counter.reset_peak_usage();
        let state = gnn.upload(&inputs, segment.ops.start).map_err(|why| text(&why))?;
        if plain {
            let logits = gnn.forward_plain(state.features).map_err(|why| text(&why))?;
            logits.into_data_async().await.map_err(|why| format!("{why:?}"))?;
        } else {
            let state = gnn.run(&segment, state).map_err(|why| text(&why))?;
            state.download().await.map_err(|why| text(&why))?;
        }
        most = most.max(held + counter.peak_usage() - given);
    }
    Ok(
        json!({ "bench": "memory", "network": name, "plan": plan.to_string(), "plain": plain, "device_peak_bytes": most }),
    )
}

/// Candidates of the learned predictor, in batches.
const PREDICTED: usize = 4096;
const BATCH: usize = 256;
/// Width of the shipped predictor; the time does not depend on the weights.
const WIDTH: usize = 64;

async fn throughput(n: usize) -> Result<Value, String> {
    let (machines, task) = (Machines::new(&Profile::default()), Task::modelnet10());
    let (sampler, mut rng) = (space::Sampler::new(space::Functions::All, GraphSource::Sampled), SplitMix64::new(1));
    let start = now_millis();
    let plans: Vec<Plan> = (0..n).map(|_| sampler.draw(&mut rng)).collect();
    let drawn = now_millis() - start;
    let start = now_millis();
    let sum: f64 = plans.iter().map(|plan| machines.latency_ms(plan, &task)).sum();
    let filtered = now_millis() - start;
    let start = now_millis();
    let graphs: Vec<PlanGraph> = plans[..PREDICTED].iter().map(|plan| graph(plan, &task, &machines)).collect();
    let built = now_millis() - start;
    let gin = Gin::new(&GinWeights::random(FEATURES, WIDTH, 1), &Device::flex());
    let start = now_millis();
    for batch in graphs.chunks(BATCH) {
        let features = batch.iter().flat_map(|graph| graph.features.iter().copied()).collect();
        let out = gin.forward(features, batch.len(), batch[0].nodes).into_data_async().await;
        out.map_err(|why| format!("{why:?}"))?;
    }
    let predicted = now_millis() - start;
    let per_second = |n: usize, millis: f64| (n as f64 / millis * 1e3).round();
    Ok(json!({
        "bench": "throughput", "candidates": n, "mean_table_ms": sum / n as f64,
        "draw_per_second": per_second(n, drawn), "filter_per_second": per_second(n, filtered),
        "draw_and_filter_per_second": per_second(n, drawn + filtered),
        "predictor_per_second": per_second(PREDICTED, built + predicted),
    }))
}

fn graph(plan: &Plan, task: &Task, machines: &Machines) -> PlanGraph {
    PlanGraph::new(plan, &plan.architecture().trace(task), task, machines)
}
