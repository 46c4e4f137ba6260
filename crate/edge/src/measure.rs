//! A piece of work, timed on this machine: engine or codec.

use std::time::Instant;

use burn::tensor::Device;
use cleave_arch::Probe;
use cleave_session::{EngineError, Measured, measure_codec};

/// Runs a probe so many times, after a warm-up.
///
/// # Errors
/// What the engine said.
pub async fn measure(probe: Probe, runs: usize, device: &Device) -> Result<Measured, EngineError> {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64() * 1e3;
    if let Some(measured) = measure_codec(&probe, runs, clock).await {
        return measured.map_err(EngineError::new);
    }
    match cleave_model::measure(&probe, device, runs, clock).await {
        Some(measured) => measured.map(|ms| Measured { ms, bytes: 0 }).map_err(EngineError::new),
        None => Err(EngineError::new(format!("nobody runs `{probe}` here"))),
    }
}
