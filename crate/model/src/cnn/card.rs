//! What a file of an image network's weights says of itself.

use crate::ModelError;
use crate::weights::{CARD, Storage, Weights, as_text, classes, entry, wrong};
use cleave_arch::cnn::Network;
use std::collections::HashMap;

/// The metadata entry `cleave` of an image network, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageCard {
    /// Short name.
    pub name: String,
    /// The chain.
    pub network: Network,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Test accuracy in 0..=1; absent for weights that were never tested.
    pub accuracy: Option<f64>,
}

impl ImageCard {
    /// Reads the card of a safetensors file; None if it is the file of another kind of network.
    ///
    /// # Errors
    /// No safetensors file, or a card that says something impossible.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Option<Self>, ModelError> {
        let Some(json) = entry(bytes)? else { return Ok(None) };
        if json["network"].is_null() {
            return Ok(None);
        }
        let card = Self {
            name: as_text(&json, "name")?,
            network: as_text(&json, "network")?.parse().map_err(|why| wrong("network", &why))?,
            classes: classes(&json)?,
            accuracy: json["accuracy"].as_f64(),
        };
        let (named, needed) = (card.classes.len(), card.network.output().channels);
        match named == needed {
            true => Ok(Some(card)),
            false => Err(wrong("classes", &format!("names {named} classes; the network has {needed}"))),
        }
    }

    /// A safetensors file of these weights with the card.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`] if it cannot be written.
    pub fn with(&self, weights: &Weights, storage: Storage) -> Result<Vec<u8>, ModelError> {
        let card = serde_json::json!({
            "name": self.name,
            "network": self.network.to_string(),
            "classes": self.classes,
            "accuracy": self.accuracy,
        });
        weights.write(HashMap::from([(CARD.to_owned(), card.to_string())]), storage)
    }
}
