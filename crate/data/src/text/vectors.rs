//! Word vectors: GloVe's for the words that it has (Pennington, Socher and Manning, EMNLP 2014), and a seeded one for
//! every other word.

use std::collections::BTreeMap;

use crate::format::{Npy, Zip, array};
use crate::{DataError, Format, Place};
use cleave_arch::{SplitMix64, fnv_1a};

/// Length of a vector: that of GloVe 6B's smallest.
pub const DIMENSIONS: usize = 50;

/// Standard deviation of a seeded vector's entries: that of GloVe's over the words of MR, 0.641. (TextING draws from
/// ±0.01, so that unknown words are all nearly the same.)
const SPREAD: f64 = 0.64;

/// Vectors by word. The default knows no word, so that all are seeded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    known: BTreeMap<String, [f32; DIMENSIONS]>,
}

impl Vectors {
    /// Decodes an NPZ of two arrays: `words`, text `[n]`, and `vec`, numbers `[n, 50]` (float16 in ours).
    ///
    /// # Errors
    /// A damaged zip, an array that is missing or has another type or shape, a word that is there twice, a number that
    /// is not finite.
    pub fn decode(npz: &[u8]) -> Result<Self, DataError> {
        let zip = Zip::open(npz)?;
        let (words, vectors) = (array(&zip, "words")?, array(&zip, "vec")?);
        let (words, vectors) = (Npy::parse(&words)?.strings()?, Npy::parse(&vectors)?);
        let shape = [words.len(), DIMENSIONS];
        if vectors.shape != shape {
            let expected = format!("{shape:?}: {DIMENSIONS} numbers for each word");
            return Err(bad(Place::Header, format!("vec of shape {:?}", vectors.shape), expected));
        }
        let values: Vec<f32> = vectors.numbers()?.map(|value| value as f32).collect();
        let mut known = BTreeMap::new();
        for (word, vector) in words.into_iter().zip(values.as_chunks().0) {
            if let Some(value) = vector.iter().find(|value| !value.is_finite()) {
                return Err(bad(Place::Data, format!("{value} in the vector of {word:?}"), "finite numbers".into()));
            }
            if known.contains_key(&word) {
                return Err(bad(Place::Data, format!("the word {word:?} twice"), "each word once".into()));
            }
            known.insert(word, *vector);
        }
        Ok(Self { known })
    }

    /// The vector of a word that the file has; words are in lower case.
    pub fn get(&self, word: &str) -> Option<&[f32; DIMENSIONS]> {
        self.known.get(word)
    }

    /// The vector of any word: the file's, else one whose entries are drawn from nearly a normal distribution, mean 0
    /// and deviation 0.64, by the word's hash, so that it is the same everywhere.
    pub fn vector(&self, word: &str) -> [f32; DIMENSIONS] {
        self.get(word).copied().unwrap_or_else(|| seeded(word))
    }
}

fn seeded(word: &str) -> [f32; DIMENSIONS] {
    let mut rng = SplitMix64::new(fnv_1a(word.as_bytes()));
    std::array::from_fn(|_| (SPREAD * rng.normal()) as f32)
}

fn bad(place: Place, found: String, expected: String) -> DataError {
    DataError::Malformed { format: Format::Npz, place, found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_vectors_have_the_spread_of_glove() {
        let values: Vec<f64> = (0..400).flat_map(|i| seeded(&format!("word{i}"))).map(f64::from).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        assert!(mean.abs() < 0.02 && (deviation - SPREAD).abs() < 0.02, "{mean} {deviation}");
    }
}
