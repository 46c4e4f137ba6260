//! The two engines of the device tier and the choice between them: by measurement, except that a
//! software WebGPU adapter, an order of magnitude slower than wasm SIMD, is measured only when asked for.

use crate::browser::now_ms;
use crate::error::DeviceError;
use crate::gpu;
use burn::tensor::Device;
use cleave_arch::{GraphSource, Mapping, Plan, Task};
use cleave_contract::{Backend, EngineTime, Preference};
use cleave_model::exec::{self, Executor, Params};
use js_sys::{Function, Promise, Reflect};
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// A WebGPU device and its adapter's name, or why there is none.
pub type Gpu = Result<(Device, String), DeviceError>;

/// What was chosen and why.
#[derive(Clone)]
pub struct Choice {
    /// The engine in use.
    pub backend: Backend,
    /// Its device.
    pub device: Device,
    /// One sentence.
    pub reason: String,
    /// Those that were measured.
    pub measured: Vec<EngineTime>,
}

/// Chooses an engine, and returns WebGPU's device if it has been opened (`known`: from before).
///
/// Opening WebGPU compiles every kernel and checks it, which a software adapter does for ten seconds on
/// the worker's only thread; so one is opened when it is asked for, and not to learn that it is slow.
pub async fn choose(known: Option<Gpu>, preference: Preference) -> (Option<Gpu>, Choice) {
    if preference == Preference::Only(Backend::Wasm) {
        return (known, on_wasm("as asked".into()));
    }
    let gpu = match known.filter(Result::is_ok) {
        Some(gpu) => gpu,
        None => match request_adapter().await {
            Ok(adapter) if preference == Preference::Auto && is_software(&adapter_name(&adapter)) => {
                let name = adapter_name(&adapter);
                let reason = format!("WebGPU has only a software adapter here ({name}); choose WebGPU to measure it");
                return (None, on_wasm(reason));
            }
            Ok(adapter) => open_gpu(&adapter).await,
            Err(why) => Err(why),
        },
    };
    match gpu::or_lost(measure(&gpu, preference)).await {
        Ok(choice) => (Some(gpu), choice),
        Err(why) => {
            let gpu = gpu.and(Err(why));
            let choice = measure(&gpu, preference).await;
            (Some(gpu), choice)
        }
    }
}

/// The choice before WebGPU has been looked for.
pub fn first_choice() -> Choice {
    on_wasm("ready at once; WebGPU is being looked for".into())
}

fn on_wasm(reason: String) -> Choice {
    Choice { backend: Backend::Wasm, device: Device::flex(), reason, measured: Vec::new() }
}

/// Measures both engines on one small network and takes the faster, or the one that is asked for.
async fn measure(gpu: &Gpu, preference: Preference) -> Choice {
    let wasm = Device::flex();
    let measured = vec![measure_wasm(&wasm).await, measure_gpu(gpu).await];
    let runs_on_gpu = measured[1].millis.is_some();
    let gpu_is_faster = matches!((measured[0].millis, measured[1].millis), (Some(wasm), Some(gpu)) if gpu < wasm);
    let asked_for_gpu = preference == Preference::Only(Backend::WebGpu);
    let (backend, device) = match gpu {
        Ok((device, _)) if runs_on_gpu && (asked_for_gpu || gpu_is_faster) => (Backend::WebGpu, device.clone()),
        _ => (Backend::Wasm, wasm),
    };
    let adapter = gpu.as_ref().map_or("", |(_, adapter)| adapter.as_str());
    Choice { backend, device, reason: reason(preference, backend, &measured, adapter), measured }
}

async fn measure_wasm(device: &Device) -> EngineTime {
    to_time(Backend::Wasm, probe(device).await, "128-bit SIMD, one thread")
}

async fn measure_gpu(gpu: &Gpu) -> EngineTime {
    match gpu {
        Ok((device, adapter)) => to_time(Backend::WebGpu, probe(device).await, adapter),
        Err(why) => to_time(Backend::WebGpu, Err(why.clone()), ""),
    }
}

fn to_time(backend: Backend, millis: Result<f64, DeviceError>, note: &str) -> EngineTime {
    match millis {
        Ok(millis) => EngineTime { backend, millis: Some(millis), note: note.into() },
        Err(why) => EngineTime { backend, millis: None, note: why.to_string() },
    }
}

fn reason(preference: Preference, chosen: Backend, measured: &[EngineTime], adapter: &str) -> String {
    let name = |backend| if backend == Backend::Wasm { "wasm SIMD" } else { "WebGPU" };
    let other = &measured[if chosen == Backend::Wasm { 1 } else { 0 }];
    let own = &measured[if chosen == Backend::Wasm { 0 } else { 1 }];
    let asked = match preference {
        Preference::Only(asked) if asked != chosen => format!("{} was asked for but does not run here; ", name(asked)),
        Preference::Only(_) => "as asked; ".into(),
        Preference::Auto => String::new(),
    };
    match (own.millis, other.millis) {
        (Some(own), Some(theirs)) if own <= theirs => {
            let software = if chosen == Backend::Wasm && is_software(adapter) { ", a software adapter," } else { "" };
            format!("{asked}{:.1}× faster than {}{software} on a probe", theirs / own, name(other.backend))
        }
        (Some(own), Some(theirs)) => {
            format!("{asked}{:.1}× slower than {} on a probe", own / theirs, name(other.backend))
        }
        _ => format!("{asked}{}: {}", name(other.backend), other.note),
    }
}

fn is_software(adapter: &str) -> bool {
    let adapter = adapter.to_lowercase();
    ["swiftshader", "llvmpipe", "software", "fallback"].iter().any(|word| adapter.contains(word))
}

/// Median milliseconds of a small edge-convolution network, after one run to warm up.
async fn probe(device: &Device) -> Result<f64, DeviceError> {
    let plan: Plan = "3 6 3 6 7 1 4,0 3 0 3 0 4 3".parse()?;
    let task = Task { n_points: 256, in_channels: 3, k: 10, n_classes: 10, graph: GraphSource::Sampled };
    let cut = Mapping::of_plan(plan, task).cut_graph()?;
    let graph = cut.graph();
    let (loaded, input) = (Executor::whole(graph, &Params::Seeded(1), device)?, exec::noise(graph, 0, 7));
    let times = timed(1, 3, || loaded.compute(0..graph.nodes().len(), &input)).await?;
    Ok(times[times.len() / 2])
}

/// Milliseconds of `runs` answers, ascending, after `warm` unmeasured ones.
pub async fn timed<T, E, F: Future<Output = Result<T, E>>>(
    warm: usize,
    runs: usize,
    mut answer: impl FnMut() -> F,
) -> Result<Vec<f64>, E> {
    let mut times = Vec::new();
    for run in 0..warm + runs {
        let start = now_ms();
        gpu::read_back(answer()).await?;
        if run >= warm {
            times.push(now_ms() - start);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Opens WebGPU, whatever its adapter is.
pub async fn open() -> Gpu {
    open_gpu(&request_adapter().await?).await
}

/// Opens the device, listens to it and checks that it computes rightly: a refused shader is no error of the call that it is in.
async fn open_gpu(adapter: &JsValue) -> Gpu {
    let features = Reflect::get(adapter, &"features".into())?;
    let has = Reflect::get(&features, &"has".into())?;
    let has: Function = has.dyn_into()?;
    let timestamps = has.call1(&features, &"timestamp-query".into())?;
    if !timestamps.is_truthy() {
        return Err(DeviceError::Gpu("the adapter has no timestamp-query feature, which CubeCL needs".into()));
    }
    let opened = Device::wgpu_options().init_with_setup_async().await;
    let (device, setup) = opened.map_err(|why| DeviceError::Gpu(why.to_string()))?;
    setup.device.set_device_lost_callback(|reason, message| gpu::lose(format!("{reason:?} {message}")));
    // In place of the runtime's own listener, which panics.
    setup.device.on_uncaptured_error(Arc::new(|error| gpu::lose(format!("{error}"))));
    let name = adapter_name(adapter);
    gpu::open(is_software(&name), move || setup.device.destroy());
    let checked = gpu::or_lost(gpu::read_back(cleave_model::self_check(&device))).await?;
    checked.map_err(|why| DeviceError::Gpu(format!("WebGPU answers wrongly: {why}")))?;
    Ok((device, name))
}

async fn request_adapter() -> Result<JsValue, DeviceError> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let gpu = Reflect::get(&navigator, &"gpu".into())?;
    if gpu.is_undefined() {
        return Err(DeviceError::Gpu("this browser has no WebGPU".into()));
    }
    let request = Reflect::get(&gpu, &"requestAdapter".into())?;
    let request: Function = request.dyn_into()?;
    let promise: Promise = request.call0(&gpu)?.unchecked_into();
    let adapter = JsFuture::from(promise).await?;
    if adapter.is_null() { Err(DeviceError::Gpu("WebGPU finds no adapter".into())) } else { Ok(adapter) }
}

fn adapter_name(adapter: &JsValue) -> String {
    let info = Reflect::get(adapter, &"info".into()).unwrap_or(JsValue::UNDEFINED);
    let field = |key: &str| {
        let value = Reflect::get(&info, &key.into()).ok().and_then(|value| value.as_string());
        value.filter(|text| !text.is_empty())
    };
    let parts: Vec<String> =
        ["vendor", "architecture", "device", "description"].iter().filter_map(|key| field(key)).collect();
    if parts.is_empty() { "WebGPU adapter".into() } else { parts.join(" ") }
}
