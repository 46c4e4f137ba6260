//! What a file of an image network's weights says of itself.

use crate::ModelError;
use crate::weights::{CARD, Storage, Weights, as_text, classes, entry, wrong};
use cleave_graph::Graph;
use std::collections::HashMap;

/// The metadata entry `cleave` of an image network, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageCard {
    /// Short name.
    pub name: String,
    /// The chain.
    pub network: Graph,
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

/// The likeliest classes by the softmax of an answer, likeliest first, at most so many; one without a name is called by its
/// number.
pub fn likeliest(values: &[f32], classes: &[String], most: usize) -> Vec<(String, f64)> {
    let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = values.iter().map(|value| f64::from(value - largest).exp());
    let sum: f64 = weights.clone().sum();
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| format!("class {class}"));
    let mut scores: Vec<_> = weights.enumerate().map(|(class, weight)| (name(class), weight / sum)).collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.truncate(most);
    scores
}

#[cfg(test)]
mod tests {
    use super::likeliest;

    #[test]
    fn the_likeliest_class_comes_first() {
        let classes = ["a".to_owned(), "b".to_owned()];
        let scores = likeliest(&[0.0, 2.0, 1.0], &classes, 9);
        assert_eq!(scores.iter().map(|(class, _)| class.as_str()).collect::<Vec<_>>(), ["b", "class 2", "a"]);
        assert!((scores.iter().map(|(_, part)| part).sum::<f64>() - 1.0).abs() < 1e-12);
        assert!(likeliest(&[], &classes, 9).is_empty() && likeliest(&[1.0, 2.0], &classes, 1).len() == 1);
    }
}
