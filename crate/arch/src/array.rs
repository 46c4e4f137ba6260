//! One live value in plain host form: what crosses between crates and over the wire.

use thiserror::Error;

/// Numbers in row-major order with their shape. Features are f32 `[n, c]`, a graph is u16 `[n, k]`, logits are f32
/// `[n_classes]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the extents.
    pub data: Data,
}

/// The numbers of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Features or logits.
    F32(Vec<f32>),
    /// Neighbour indexes.
    U16(Vec<u16>),
}

/// Why an array is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArrayError {
    /// The number of values does not fit the shape.
    #[error("{n_values} values for shape {shape:?}; the shape needs their product, {n_wanted}")]
    Length {
        /// The shape given.
        shape: Vec<usize>,
        /// Values given.
        n_values: usize,
        /// Values the shape needs.
        n_wanted: usize,
    },
    /// The other kind of numbers was asked for.
    #[error("an array of shape {shape:?} holds {found} values where {wanted} is needed")]
    Kind {
        /// Its shape.
        shape: Vec<usize>,
        /// What it holds.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
}

impl Array {
    /// Features `[n, c]` or logits `[n_classes]`.
    ///
    /// # Errors
    /// [`ArrayError::Length`] if `values` does not have as many numbers as `shape` says.
    pub fn f32(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Result<Self, ArrayError> {
        Self::checked(shape.into(), Data::F32(values))
    }

    /// A graph `[n, k]`.
    ///
    /// # Errors
    /// [`ArrayError::Length`] if `values` does not have as many numbers as `shape` says.
    pub fn u16(shape: impl Into<Vec<usize>>, values: Vec<u16>) -> Result<Self, ArrayError> {
        Self::checked(shape.into(), Data::U16(values))
    }

    fn checked(shape: Vec<usize>, data: Data) -> Result<Self, ArrayError> {
        let n_wanted = shape.iter().fold(1usize, |product, extent| product.saturating_mul(*extent));
        let n_values = data.len();
        if n_values == n_wanted {
            Ok(Self { shape, data })
        } else {
            Err(ArrayError::Length { shape, n_values, n_wanted })
        }
    }

    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size in memory, bytes: 4 per f32, 2 per u16.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Data::F32(values) => size_of_val(&values[..]),
            Data::U16(values) => size_of_val(&values[..]),
        }
    }

    /// The numbers as f32.
    ///
    /// # Errors
    /// [`ArrayError::Kind`] if it is a graph.
    pub fn as_f32(&self) -> Result<&[f32], ArrayError> {
        match &self.data {
            Data::F32(values) => Ok(values),
            Data::U16(_) => Err(self.kind_error("f32")),
        }
    }

    /// The numbers as u16.
    ///
    /// # Errors
    /// [`ArrayError::Kind`] if it holds features.
    pub fn as_u16(&self) -> Result<&[u16], ArrayError> {
        match &self.data {
            Data::U16(values) => Ok(values),
            Data::F32(_) => Err(self.kind_error("u16")),
        }
    }

    fn kind_error(&self, wanted: &'static str) -> ArrayError {
        ArrayError::Kind { shape: self.shape.clone(), found: self.data.kind(), wanted }
    }
}

impl Data {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::U16(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// "f32" or "u16".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::F32(_) => "f32",
            Self::U16(_) => "u16",
        }
    }
}

/// Softmax of logits, without overflow.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_even_for_large_logits() {
        assert_eq!(softmax(&[1000.0, 1000.0, -1000.0]), [0.5, 0.5, 0.0]);
    }

    #[test]
    fn the_number_of_values_must_fit_the_shape() {
        let features = Array::f32([2, 3], vec![0.0; 6]).unwrap();
        assert_eq!((features.len(), features.bytes(), features.is_empty()), (6, 24, false));
        assert_eq!(Array::u16([2, 2], vec![0; 4]).unwrap().bytes(), 8);
        let message = Array::f32([2, 3], vec![0.0; 5]).unwrap_err().to_string();
        assert_eq!(message, "5 values for shape [2, 3]; the shape needs their product, 6");
        assert!(Array::u16([usize::MAX, 2], vec![]).is_err());
    }

    #[test]
    fn the_wrong_kind_is_named() {
        let graph = Array::u16([1, 2], vec![3, 4]).unwrap();
        assert_eq!(graph.as_u16(), Ok(&[3, 4][..]));
        let message = graph.as_f32().unwrap_err().to_string();
        assert!(message.contains("holds u16 values where f32 is needed"), "{message}");
        assert!(Array::f32([1], vec![1.0]).unwrap().as_u16().is_err());
    }
}
