//! The measurements: times of a forward pass, bytes of a plan's part on the device, candidates a second of a search.

use burn::tensor::{Device, Tensor, TensorData};
use cleave_app::network::{Named, Network};
use cleave_arch::{Array, GraphSource, Live, Plan, Slot, SplitMix64, Task, Tier, space};
use cleave_contract::Backend;
use cleave_cost::graph::{FEATURES, PlanGraph};
use cleave_cost::{Machines, Profile};
use cleave_device::browser::{fetch, now_ms};
use cleave_device::engine::{self, measure_forward, timed};
use cleave_device::engines::load;
use cleave_device::gpu;
use cleave_graph::{Graph, zoo};
use cleave_model::exec::{self, Executor, Params};
use cleave_model::{Gin, GinWeights, Gnn};
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

/// Times of a network's forward pass.
pub async fn forward(name: &str, engine: &Engine, [runs, warm]: [usize; 2], plain: bool) -> Result<Value, JsError> {
    let Engine { backend, device, adapter } = engine;
    if let Ok(network) = zoo::network(name) {
        return image(name, &network, [runs, warm], engine).await;
    }
    let network = open(name).await?;
    let gnn = load(&network, device)?;
    let pass = |gnn: &Gnn, points| if plain { gnn.forward_plain(points) } else { gnn.forward(points) };
    let times = measure_forward(&gnn, warm, runs.max(1), pass).await?;
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

async fn open(name: &str) -> Result<Network, JsError> {
    Ok(match Named::parse(name)? {
        Named::Made(network) => *network,
        Named::File(path) => Network::parse(fetch(&path).await?)?,
    })
}

/// An image network with seeded weights on a seeded image.
async fn image(
    name: &str,
    network: &Graph,
    [runs, warm]: [usize; 2],
    Engine { device, adapter, .. }: &Engine,
) -> Result<Value, JsError> {
    let executor = Executor::whole(network, &Params::Seeded(1), device)?;
    let (shape, mut rng) = (network.input(), SplitMix64::new(7));
    let values: Vec<f32> = (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    let image = TensorData::new(values, [1, shape.channels, shape.height, shape.width]);
    let image = Tensor::<4>::from_data(image, device);
    executor.answer(exec::Value::Map(image.clone()))?;
    // It has just answered, and does so again.
    let answer = || match executor.answer(exec::Value::Map(image.clone())) {
        Ok(exec::Value::Map(logits)) => logits,
        _ => image.clone(),
    };
    let times = timed(warm, runs.max(1), || answer().into_data_async()).await?;
    Ok(json!({
        "network": name, "adapter": adapter, "macs": network.macs(), "batch": 1, "runs": times.len(),
        "median_ms": times[times.len() / 2], "min_ms": times[0], "max_ms": times[times.len() - 1],
    }))
}

/// Most bytes that the engine holds while it runs the device's segments of a plan, weights included and the values that
/// it is given left out: as `peak_bytes` of `cleave-cost` predicts.
pub async fn memory(name: &str, plan: &str, plain: bool) -> Result<Value, JsError> {
    let network = open(name).await?;
    let plan: Plan = plan.parse()?;
    let counter = PeakAlloc;
    let before = counter.current_usage();
    let gnn = load(&network, &Device::flex())?;
    let held = counter.current_usage() - before;
    let mut most = held;
    for segment in plan.segments().into_iter().filter(|segment| segment.tier == Tier::Device) {
        let zeros = |live: &Live| match live.slot {
            Slot::Graph => Array::u16([live.rows, live.cols], vec![0; live.rows * live.cols]),
            _ => Array::f32([live.rows, live.cols], vec![0.5; live.rows * live.cols]),
        };
        let inputs = gnn.trace().live_before(segment.ops.start).iter().map(zeros);
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let given = counter.current_usage();
        counter.reset_peak_usage();
        let state = gnn.upload(&inputs, segment.ops.start)?;
        if plain {
            let logits = gnn.forward_plain(state.features())?;
            logits.into_data_async().await?;
        } else {
            let state = gnn.run(&segment, state)?;
            state.download().await?;
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
    let graphs: Vec<PlanGraph> = plans[..PREDICTED].iter().map(|plan| graph(plan, &task, &machines)).collect();
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

fn graph(plan: &Plan, task: &Task, machines: &Machines) -> PlanGraph {
    PlanGraph::new(plan, &plan.architecture().trace(task), task, machines)
}
