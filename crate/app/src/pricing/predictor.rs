//! The learned predictor of latencies: a weights file with what belongs to it, always on the processor, so that every
//! shell predicts the same.

use burn::tensor::Device;
use cleave_cost::graph::{Meta, PlanGraph, latencies};
use cleave_model::{Gin, GinWeights, ModelError};
use thiserror::Error;

/// Why a file is no predictor, or one does not answer.
#[derive(Debug, Error)]
pub enum PredictorError {
    /// No predictor's weights.
    #[error(transparent)]
    Weights(#[from] ModelError),
    /// Weights without what they were trained with.
    #[error("the predictor's metadata cannot be read: {0}; train it anew with `cleave train predictor`")]
    Meta(#[from] serde_json::Error),
    /// The engine gave no numbers.
    #[error("the predictor's result cannot be read: {why}")]
    ReadBack {
        /// What the engine said.
        why: String,
    },
}

/// A predictor that is ready.
pub struct Predictor {
    gin: Gin,
    meta: Meta,
}

impl Predictor {
    /// Reads a file of `cleave train predictor`.
    ///
    /// # Errors
    /// [`PredictorError`] with what it is instead.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, PredictorError> {
        let weights = GinWeights::from_safetensors(bytes)?;
        let meta = serde_json::from_str(&weights.meta)?;
        Ok(Self { gin: Gin::new(&weights, &Device::flex()), meta })
    }

    /// Latencies in milliseconds, in the order of the graphs.
    ///
    /// # Errors
    /// [`PredictorError::ReadBack`].
    pub fn latencies(&self, graphs: &[PlanGraph]) -> Result<Vec<f64>, PredictorError> {
        latencies(graphs, &self.meta.standard, |features, batch, nodes| {
            let out = self.gin.forward(features, batch, nodes).into_data().try_into_vec::<f32>();
            out.map_err(|why| PredictorError::ReadBack { why: format!("{why:?}") })
        })
    }
}
