//! Checks that arrays from outside are the ones a segment needs, before any engine sees them.

use cleave_arch::array::{Array, Data};
use cleave_graph::{Graph, Layout, ValueId, ValueType};
use thiserror::Error;

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

/// That arrays are what is alive before a node, in its order: count, shapes, element kinds, and that every neighbour exists.
///
/// # Errors
/// The first [`TensorError`] in order.
pub fn check(arrays: &[Array], graph: &Graph, node: usize) -> Result<(), TensorError> {
    let live = graph.live_before(node);
    let (found, wanted) = (arrays.len(), live.len());
    if found != wanted {
        return Err(TensorError::Count { found, wanted });
    }
    let check = |(tensor, (value, array)): (usize, (ValueId, &Array))| check_one(tensor, array, graph, value);
    live.into_iter().zip(arrays).enumerate().try_for_each(check)
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

fn check_one(tensor: usize, array: &Array, graph: &Graph, value: ValueId) -> Result<(), TensorError> {
    let extents = graph.extents(value);
    if array.shape != extents || array.len() != extents.iter().product::<usize>() {
        return Err(TensorError::Shape { tensor, found: array.shape.clone(), wanted: extents });
    }
    let ValueType { layout, shape } = graph.value(value);
    let (found, wanted) = (array.data.kind(), if layout == Layout::Neighbours { "u16" } else { "f32" });
    if found != wanted {
        return Err(TensorError::Kind { tensor, found, wanted });
    }
    let Data::U16(indexes) = &array.data else { return Ok(()) };
    match indexes.iter().find(|&&index| usize::from(index) >= shape.height) {
        Some(&found) => Err(TensorError::Index { tensor, found, nodes: shape.height }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features of two nodes and a neighbour of each.
    fn graph() -> Graph {
        "2x3 2n1: aggregate max source, readout max, project 4".parse().unwrap()
    }

    fn features(rows: usize) -> Array {
        Array::f32(vec![rows, 3], vec![0.0; rows * 3]).unwrap()
    }

    fn neighbours(second: u16) -> Array {
        Array::u16(vec![2, 1], vec![0, second]).unwrap()
    }

    #[test]
    fn each_mistake_is_named() {
        let error = |arrays: &[Array]| check(arrays, &graph(), 0).unwrap_err().to_string();
        assert_eq!(check(&[features(2), neighbours(1)], &graph(), 0), Ok(()));
        assert_eq!(error(&[features(2)]), "1 tensors came, the segment needs 2");
        assert_eq!(error(&[features(4), neighbours(1)]), "tensor 0 has shape [4, 3], the segment needs [2, 3]");
        assert_eq!(error(&[features(2), neighbours(2)]), "tensor 1 names node 2, there are 2 nodes");
        let floats = Array::f32(vec![2, 1], vec![0.0; 2]).unwrap();
        assert_eq!(error(&[features(2), floats]), "tensor 1 holds f32, the segment needs u16");
    }

    #[test]
    fn logits_are_one_row() {
        let logits = |n: usize| [Array::f32(vec![n], vec![0.0; n]).unwrap()];
        assert_eq!(check(&logits(4), &graph(), 3), Ok(()));
        assert!(check(&logits(5), &graph(), 3).is_err() && check(&[], &graph(), 3).is_err());
    }

    #[test]
    fn not_a_number_is_found() {
        let bad = Array::f32(vec![3], vec![0.0, f32::NAN, 0.0]).unwrap();
        assert!(matches!(
            check_finite(&[features(1), bad]),
            Err(TensorError::NotFinite { tensor: 1, position: 1, .. })
        ));
        assert_eq!(check_finite(&[features(1), neighbours(1)]), Ok(()));
    }
}
