//! The weights of a run: drawn from a seed, or a file with what it says of itself.

use std::sync::Arc;

use cleave_graph::Graph;
use cleave_model::ImageCard;
use cleave_model::ModelError;
use cleave_model::exec::Params;
use cleave_session::Model;
use cleave_session::Weights;

use crate::network::hash;

/// Weights with what is known of them.
#[derive(Clone, Debug)]
pub struct Trained {
    /// As workers are given them.
    pub weights: Weights,
    /// Of a file that names its classes.
    pub card: Option<ImageCard>,
}

impl Trained {
    /// Nobody has trained these.
    pub fn seeded(seed: u64) -> Self {
        Self { weights: Weights::Seeded(seed), card: None }
    }

    /// A safetensors file.
    ///
    /// # Errors
    /// [`ModelError`]: it is none, or not this network's.
    pub fn from_file(network: &Graph, bytes: Vec<u8>) -> Result<Self, ModelError> {
        Params::stored(network, cleave_model::Weights::from_safetensors(&bytes)?)?;
        let card = ImageCard::from_safetensors(&bytes)?;
        Ok(Self { weights: Weights::File(Model { hash: hash(&bytes), bytes: Arc::from(bytes) }), card })
    }

    /// What they are, for people.
    pub fn words(&self) -> String {
        match (&self.card, &self.weights) {
            (None, Weights::Seeded(seed)) => format!("random, of seed {seed}"),
            (None, Weights::File(_)) => "a file that does not name its classes".into(),
            (Some(card), _) => {
                let right = card.accuracy.map(|right| format!(", {:.2} % right of its test set", 100.0 * right));
                format!("{}{}", card.name, right.unwrap_or_default())
            }
        }
    }
}
