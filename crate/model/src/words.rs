//! Vectors of words that were trained with a network: what a text becomes before its first operation.

use crate::weights::not_safetensors;
use crate::{ModelError, Storage, Weight, Weights};
use safetensors::SafeTensors;
use std::collections::HashMap;

/// Metadata entry of the file: the words, separated by single spaces.
const ENTRY: &str = "cleave-words";
const NAME: &str = "vectors";

/// Words with their vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct WordVectors {
    /// Each once.
    pub words: Vec<String>,
    /// Flat `[words, channels]`.
    pub vectors: Vec<f32>,
}

impl WordVectors {
    /// Channels of a vector.
    pub fn channels(&self) -> usize {
        self.vectors.len() / self.words.len().max(1)
    }

    /// As a file, vectors in half precision.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`] if it cannot be written; no vectors made here are such.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let weight = Weight { shape: vec![self.words.len(), self.channels()], values: self.vectors.clone() };
        let metadata = HashMap::from([(ENTRY.to_owned(), self.words.join(" "))]);
        Weights::new([(NAME.to_owned(), weight)]).write(metadata, Storage::F16)
    }

    /// From a file.
    ///
    /// # Errors
    /// What the file is instead.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let text = header.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
        let wrong = |why: &str| ModelError::Metadata { key: ENTRY.into(), why: why.into() };
        let text =
            text.ok_or_else(|| wrong("is missing; files made by `cleave train network --train-words` carry it"))?;
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let weights = Weights::from_safetensors(bytes)?;
        let weight = weights.find(NAME).filter(|weight| weight.shape.len() == 2 && weight.shape[0] == words.len());
        let weight = weight.ok_or_else(|| wrong("names another number of words than there are vectors"))?;
        Ok(Self { words, vectors: weight.values.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_words_and_vectors() {
        let vectors = WordVectors { words: vec!["good".into(), "'s".into()], vectors: vec![0.5, -1.0, 2.0, 0.25] };
        let bytes = vectors.to_safetensors().unwrap();
        assert_eq!(WordVectors::from_safetensors(&bytes).unwrap(), vectors);
        assert_eq!(vectors.channels(), 2);
        let other = Weights::new([("vectors".to_owned(), Weight { shape: vec![2, 2], values: vec![0.0; 4] })]);
        let foreign = other.write(HashMap::new(), Storage::F16).unwrap();
        assert!(WordVectors::from_safetensors(&foreign).unwrap_err().to_string().contains("--train-words"));
    }
}
