//! Checks that arrays from outside are the ones a segment needs, before any engine sees them.

use cleave_arch::array::{Array, Data};
use cleave_arch::{Live, Slot};
use thiserror::Error;

/// What arrays should be.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// Live values of a trace, in its order.
    Live(&'a [Live]),
    /// One f32 array of so many logits.
    Logits(usize),
}

/// How they are not.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum TensorError {
    /// Too few or too many.
    #[error("{found} tensors came, the segment needs {wanted}")]
    Count {
        /// How many came.
        found: usize,
        /// How many it needs.
        wanted: usize,
    },
    /// Another shape.
    #[error("tensor {tensor} has shape {found:?}, the segment needs {wanted:?}")]
    Shape {
        /// Position.
        tensor: usize,
        /// Its shape.
        found: Vec<usize>,
        /// The right one.
        wanted: Vec<usize>,
    },
    /// f32 where u16 belongs, or the reverse.
    #[error("tensor {tensor} holds {found}, the segment needs {wanted}")]
    Kind {
        /// Position.
        tensor: usize,
        /// What it holds.
        found: &'static str,
        /// What it should hold.
        wanted: &'static str,
    },
    /// A neighbour that does not exist.
    #[error("tensor {tensor} names node {found}, there are {nodes} nodes")]
    Index {
        /// Position.
        tensor: usize,
        /// The index.
        found: u16,
        /// Number of nodes.
        nodes: usize,
    },
    /// NaN or infinity.
    #[error("tensor {tensor} holds {found} at position {position}, only finite values have an answer")]
    NotFinite {
        /// Position of the tensor.
        tensor: usize,
        /// Position of the value, row-major.
        position: usize,
        /// The value.
        found: f32,
    },
}

/// Count, shapes, element kinds, and that every neighbour exists.
///
/// # Errors
/// The first [`TensorError`] in order.
pub fn check(arrays: &[Array], expected: Expected<'_>) -> Result<(), TensorError> {
    match expected {
        Expected::Logits(classes) => {
            check_count(arrays, 1)?;
            check_shape(0, &arrays[0], &[classes])?;
            check_kind(0, &arrays[0], "f32")
        }
        Expected::Live(live) => {
            check_count(arrays, live.len())?;
            live.iter().zip(arrays).enumerate().try_for_each(|(i, (live, array))| check_live(i, array, live))
        }
    }
}

/// That every f32 is finite.
///
/// # Errors
/// [`TensorError::NotFinite`] with the first that is not.
pub fn check_finite(arrays: &[Array]) -> Result<(), TensorError> {
    for (tensor, array) in arrays.iter().enumerate() {
        let Data::F32(values) = &array.data else { continue };
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(TensorError::NotFinite { tensor, position, found: values[position] });
        }
    }
    Ok(())
}

fn check_count(arrays: &[Array], wanted: usize) -> Result<(), TensorError> {
    let found = arrays.len();
    if found != wanted {
        return Err(TensorError::Count { found, wanted });
    }
    Ok(())
}

fn check_live(tensor: usize, array: &Array, live: &Live) -> Result<(), TensorError> {
    check_shape(tensor, array, &[live.rows, live.cols])?;
    check_kind(tensor, array, if live.slot == Slot::Graph { "u16" } else { "f32" })?;
    let Data::U16(indexes) = &array.data else { return Ok(()) };
    match indexes.iter().find(|&&index| usize::from(index) >= live.rows) {
        Some(&found) => Err(TensorError::Index { tensor, found, nodes: live.rows }),
        None => Ok(()),
    }
}

fn check_shape(tensor: usize, array: &Array, wanted: &[usize]) -> Result<(), TensorError> {
    if array.shape != wanted || array.len() != wanted.iter().product::<usize>() {
        return Err(TensorError::Shape { tensor, found: array.shape.clone(), wanted: wanted.to_vec() });
    }
    Ok(())
}

fn check_kind(tensor: usize, array: &Array, wanted: &'static str) -> Result<(), TensorError> {
    let found = array.data.kind();
    if found != wanted {
        return Err(TensorError::Kind { tensor, found, wanted });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> [Live; 2] {
        [Live { slot: Slot::Features, rows: 2, cols: 3 }, Live { slot: Slot::Graph, rows: 2, cols: 1 }]
    }

    fn features(rows: usize) -> Array {
        Array::f32(vec![rows, 3], vec![0.0; rows * 3]).unwrap()
    }

    fn graph(second: u16) -> Array {
        Array::u16(vec![2, 1], vec![0, second]).unwrap()
    }

    #[test]
    fn each_mistake_is_named() {
        let error = |arrays: &[Array]| check(arrays, Expected::Live(&live())).unwrap_err().to_string();
        assert_eq!(check(&[features(2), graph(1)], Expected::Live(&live())), Ok(()));
        assert_eq!(error(&[features(2)]), "1 tensors came, the segment needs 2");
        assert_eq!(error(&[features(4), graph(1)]), "tensor 0 has shape [4, 3], the segment needs [2, 3]");
        assert_eq!(error(&[features(2), graph(2)]), "tensor 1 names node 2, there are 2 nodes");
        let floats = Array::f32(vec![2, 1], vec![0.0; 2]).unwrap();
        assert_eq!(error(&[features(2), floats]), "tensor 1 holds f32, the segment needs u16");
    }

    #[test]
    fn logits_are_one_row() {
        let logits = Array::f32(vec![4], vec![0.0; 4]).unwrap();
        assert_eq!(check(std::slice::from_ref(&logits), Expected::Logits(4)), Ok(()));
        assert!(check(std::slice::from_ref(&logits), Expected::Logits(5)).is_err());
        assert!(check(&[], Expected::Logits(4)).is_err());
    }

    #[test]
    fn not_a_number_is_found() {
        let bad = Array::f32(vec![3], vec![0.0, f32::NAN, 0.0]).unwrap();
        assert!(matches!(
            check_finite(&[features(1), bad]),
            Err(TensorError::NotFinite { tensor: 1, position: 1, .. })
        ));
        assert_eq!(check_finite(&[features(1), graph(1)]), Ok(()));
    }
}
