//! Measurements for `cargo xtask bench browser`, taken by the shipped worker itself.

use crate::browser::now_millis;
use crate::engine::{Gpu, measure_forward};
use crate::library::Loaded;
use burn::tensor::Device;
use cleave_arch::{Plan, SplitMix64, Task, space};
use cleave_cost::graph::{FEATURES, PlanGraph};
use cleave_cost::{Machines, Profile};
use cleave_model::{Gin, GinWeights};
use cleave_wire::ui::Backend;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What the benchmark page sends.
#[derive(Clone, Debug, Deserialize)]
pub enum BenchRequest {
    /// Measure a network's forward pass.
    Bench {
        /// As for `Intent::Network`.
        name: String,
        /// On which engine.
        backend: Backend,
        /// Measured runs.
        runs: usize,
        /// Unmeasured runs before them.
        warm: usize,
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
        BenchRequest::Bench { name, backend, runs, warm } => {
            forward(name, *backend, *runs, *warm, gpu, base_url).await?
        }
        BenchRequest::Throughput { candidates } => throughput((*candidates).max(PREDICTED)).await?,
    };
    Ok(BenchAnswer::Bench { json: json.to_string() })
}

async fn forward(
    name: &str,
    backend: Backend,
    runs: usize,
    warm: usize,
    gpu: &Gpu,
    base_url: &str,
) -> Result<Value, String> {
    let (device, adapter) = match backend {
        Backend::Wasm => (Device::flex(), "wasm simd128, one thread"),
        Backend::WebGpu => {
            gpu.as_ref().map(|(device, adapter)| (device.clone(), adapter.as_str())).map_err(Clone::clone)?
        }
    };
    let loaded = Loaded::open(name, base_url, &device).await?;
    let times = measure_forward(&loaded.gnn, warm, runs.max(1)).await?;
    Ok(json!({
        "network": name,
        "backend": backend,
        "adapter": adapter,
        "n_points": loaded.card.task.n_points,
        "k": loaded.card.task.k,
        "classes": loaded.card.task.n_classes,
        "batch": 1,
        "runs": times.len(),
        "median_ms": times[times.len() / 2],
        "min_ms": times[0],
        "max_ms": times[times.len() - 1],
    }))
}

/// Candidates of the learned predictor, in batches.
const PREDICTED: usize = 4096;
const BATCH: usize = 256;
/// Width of the shipped predictor; the time does not depend on the weights.
const WIDTH: usize = 64;

async fn throughput(n: usize) -> Result<Value, String> {
    let (machines, task) = (Machines::new(&Profile::default()), Task::modelnet10());
    let (sampler, mut rng) = (space::Sampler::new(space::Functions::All), SplitMix64::new(1));
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
