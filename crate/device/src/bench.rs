//! One measurement for `cargo xtask bench browser`, taken by the shipped worker itself.

use crate::engine::{Gpu, measure_forward};
use crate::library::Loaded;
use burn::tensor::Device;
use cleave_wire::ui::Backend;
use serde::{Deserialize, Serialize};

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
}

impl BenchRequest {
    /// Whether it is about WebGPU.
    pub fn needs_gpu(&self) -> bool {
        let BenchRequest::Bench { backend, .. } = self;
        *backend == Backend::WebGpu
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
    let BenchRequest::Bench { name, backend, runs, warm } = request;
    let (device, adapter) = match backend {
        Backend::Wasm => (Device::flex(), "wasm simd128, one thread"),
        Backend::WebGpu => {
            gpu.as_ref().map(|(device, adapter)| (device.clone(), adapter.as_str())).map_err(Clone::clone)?
        }
    };
    let loaded = Loaded::open(name, base_url, &device).await?;
    let times = measure_forward(&loaded.gnn, *warm, (*runs).max(1)).await?;
    let json = serde_json::json!({
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
    });
    Ok(BenchAnswer::Bench { json: json.to_string() })
}
