//! The measurements: times of a forward pass, bytes of a plan's part on the device, candidates a second of a search.

use burn::tensor::Device;
use cleave_app::network::{Named, Network};
use cleave_arch::{GraphSource, Mapping, Plan, SplitMix64, Task, Tier, space};
use cleave_contract::Backend;
use cleave_cost::graph::{FEATURES, PlanGraph};
use cleave_cost::{Machines, Profile};
use cleave_device::browser::{fetch, now_ms};
use cleave_device::engine::{self, timed};
use cleave_device::engines::load;
use cleave_device::gpu;
use cleave_model::exec::{self, Way};
use cleave_model::{Gin, GinWeights};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use wasm_bindgen::JsError;

/// Where a forward pass is measured.
pub struct Engine {
    backend: Backend,
    device: Device,
    /// What computes: the adapter's name.
    adapter: String,
}

impl Engine {
    /// An engine; a module can open WebGPU once.
    pub async fn open(backend: Backend) -> Result<Self, JsError> {
        let (device, adapter) = match backend {
            Backend::Wasm => (Device::flex(), "wasm simd128, one thread".into()),
            Backend::WebGpu if gpu::is_opened() => return Err(JsError::new("this module has opened WebGPU already")),
            Backend::WebGpu => engine::open().await?,
        };
        Ok(Self { backend, device, adapter })
    }
}

/// Times of a network's forward pass, its input given and its answer read as plain numbers.
pub async fn forward(name: &str, engine: &Engine, [runs, warm]: [usize; 2], plain: bool) -> Result<Value, JsError> {
    let Engine { backend, device, adapter } = engine;
    let network = open(name).await?;
    let (graph, loaded) = (&network.graph, load(&network, device)?);
    let input = exec::noise(graph, 0, 7);
    let answer = || loaded.compute_by(0..graph.nodes().len(), &input, way(plain));
    let times = timed(warm, runs.max(1), answer).await?;
    Ok(json!({
        "network": name,
        "plain": plain,
        "backend": backend,
        "adapter": adapter,
        "input": network.input(),
        "classes": network.classes.len(),
        "macs": graph.macs(),
        "batch": 1,
        "runs": times.len(),
        "median_ms": times[times.len() / 2],
        "min_ms": times[0],
        "max_ms": times[times.len() - 1],
    }))
}

fn way(plain: bool) -> Way {
    if plain { Way::Plain } else { Way::Fast }
}

async fn open(name: &str) -> Result<Network, JsError> {
    Ok(match Named::parse(name)? {
        Named::Made(network) => *network,
        Named::File(path) => Network::parse(fetch(&path).await?)?,
    })
}

/// Most bytes that the engine holds while it runs the device's segments of a plan, weights included and the values that
/// it is given left out: as `peak_bytes` of `cleave-cost` predicts.
pub async fn memory(name: &str, plan: &str, plain: bool) -> Result<Value, JsError> {
    let network = open(name).await?;
    let task = network.mapping.plan().map_or_else(Task::modelnet10, |(_, _, task)| *task);
    let plan = Mapping::parse(plan, &task)?;
    let cut = plan.cut_graph()?;
    let counter = PeakAlloc;
    let before = counter.current_usage();
    let loaded = load(&network, &Device::flex())?;
    let held = counter.current_usage() - before;
    let mut most = held;
    for segment in cut.segments().into_iter().filter(|segment| segment.tier == Tier::Device) {
        let inputs = exec::noise(cut.graph(), segment.nodes.start, 1);
        let given = counter.current_usage();
        counter.reset_peak_usage();
        loaded.compute_by(segment.nodes, &inputs, way(plain)).await?;
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

/// Candidates a second, at least [`PREDICTED`] of them.
pub async fn throughput(candidates: usize) -> Result<Value, JsError> {
    let n = candidates.max(PREDICTED);
    let (machines, task) = (Machines::new(&Profile::default()), Task::modelnet10());
    let (sampler, mut rng) = (space::Sampler::new(space::Functions::All, GraphSource::Sampled), SplitMix64::new(1));
    let start = now_ms();
    let plans: Vec<Plan> = (0..n).map(|_| sampler.draw(&mut rng)).collect();
    let drawn = now_ms() - start;
    let start = now_ms();
    let sum: f64 = plans.iter().map(|plan| machines.latency_ms(plan, &task)).sum();
    let filtered = now_ms() - start;
    let start = now_ms();
    let of = |plan: &Plan| PlanGraph::new(&Mapping::of_plan(plan.clone(), task), &machines);
    let graphs: Vec<PlanGraph> = plans[..PREDICTED].iter().filter_map(of).collect();
    let built = now_ms() - start;
    let gin = Gin::new(&GinWeights::random(FEATURES, WIDTH, 1), &Device::flex());
    // Twice by the same code: a search is long, and the first pass is half of it the browser's compiling.
    let mut passes_ms = [0.0; 2];
    for pass_ms in &mut passes_ms {
        let start = now_ms();
        predict(&gin, &graphs).await?;
        *pass_ms = now_ms() - start;
    }
    let per_second = |n: usize, millis: f64| (n as f64 / millis * 1e3).round();
    Ok(json!({
        "bench": "throughput", "candidates": n, "mean_table_ms": sum / n as f64,
        "draw_per_second": per_second(n, drawn), "filter_per_second": per_second(n, filtered),
        "draw_and_filter_per_second": per_second(n, drawn + filtered),
        "predictor_per_second": per_second(PREDICTED, built + passes_ms[1]),
        "first_predictor_per_second": per_second(PREDICTED, built + passes_ms[0]),
    }))
}

async fn predict(gin: &Gin, graphs: &[PlanGraph]) -> Result<(), JsError> {
    for batch in graphs.chunks(BATCH) {
        let features = batch.iter().flat_map(|graph| graph.features.iter().copied()).collect();
        let out = gin.forward(features, batch.len(), batch[0].nodes).into_data_async().await;
        out?;
    }
    Ok(())
}
