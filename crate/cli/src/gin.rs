//! The learned predictor on the command line: a weights file with what belongs to it, and the latencies of plans.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use cleave_cost::graph::{Meta, PlanGraph, latencies};
use cleave_model::{Gin, GinWeights};

/// A predictor that is ready.
pub struct Predictor {
    gin: Gin,
    meta: Meta,
}

impl Predictor {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read or is no predictor.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("the predictor {} cannot be read", path.display()))?;
        let weights =
            GinWeights::from_safetensors(&bytes).with_context(|| format!("the predictor {}", path.display()))?;
        let meta: Meta =
            serde_json::from_str(&weights.meta).with_context(|| format!("the predictor {}", path.display()))?;
        Ok(Self { gin: Gin::new(&weights, &Device::flex()), meta })
    }

    /// Latencies in milliseconds, in the order of the graphs.
    ///
    /// # Errors
    /// If a result cannot be read back.
    pub fn latencies(&self, graphs: &[PlanGraph]) -> Result<Vec<f64>> {
        latencies(graphs, &self.meta.standard, |features, batch, nodes| {
            let out = self.gin.forward(features, batch, nodes).into_data().try_into_vec::<f32>();
            out.map_err(|why| anyhow::anyhow!("the predictor's result cannot be read: {why:?}"))
        })
    }
}
