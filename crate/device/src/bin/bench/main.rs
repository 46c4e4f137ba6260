//! What `cargo xtask bench browser` and `bench search` measure in a browser, with the engines of the worker: a module of its
//! own that is never a part of the page. `www/bench-worker.js` starts it and calls [`measure`].

#[path = "../../entry.rs"]
mod entry;
mod measuring;

use cleave_contract::Backend;
use cleave_device::gpu;
use measuring::Engine;
use serde::Deserialize;
use wasm_bindgen::prelude::*;

fn main() {
    entry::construct();
    console_error_panic_hook::set_once();
}

/// What is to be measured.
#[derive(Deserialize)]
enum Request {
    /// A network's forward pass.
    Forward {
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
    /// What the engine allocates for the device's part of a plan, on wasm.
    Memory {
        /// As for `Intent::Network`.
        name: String,
        /// A plan of it.
        plan: String,
        /// The textbook's way; only for everything on the device.
        #[serde(default)]
        plain: bool,
    },
    /// How many candidates a second a search can price on wasm.
    Throughput {
        /// Candidates.
        candidates: usize,
    },
}

/// Measures: one JSON object as text, or why there is none.
#[wasm_bindgen]
pub async fn measure(request: JsValue) -> Result<String, JsError> {
    let request: Request = serde_wasm_bindgen::from_value(request)?;
    let json = match request {
        Request::Forward { name, backend, runs, warm, plain } => {
            let engine = Engine::open(backend).await?;
            gpu::or_lost(measuring::forward(&name, &engine, [runs, warm], plain)).await??
        }
        Request::Memory { name, plan, plain } => measuring::memory(&name, &plan, plain).await?,
        Request::Throughput { candidates } => measuring::throughput(candidates).await?,
    };
    Ok(json.to_string())
}
