//! Each node's k nearest by its features, the node itself included.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, one, product, sum, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, Shape, ValueType};

/// Bytes of the distances that a search holds at a time: 128 × 128.
const TILE_BYTES: u64 = 4 * 128 * 128;

/// Distances are Euclidean; they are computed block by block and never held all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Knn {
    /// Neighbours of each node.
    pub k: usize,
}

/// The neighbours of nodes, or why there cannot be so many.
pub(super) fn neighbours(inputs: &[ValueType], k: usize) -> Result<ValueType, Misfit> {
    let input = one(inputs)?;
    match input.layout {
        Layout::Nodes if !(1..=input.shape.height).contains(&k) => {
            Err(Misfit(format!("has an impossible number: it must be from 1 to the {} nodes there are", input.shape.height)))
        }
        Layout::Nodes => Ok(ValueType::neighbours(input.shape.height, k)),
        _ => Err(wrong("nodes", *input)),
    }
}

impl Operation for Knn {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        neighbours(inputs, self.k)
    }
}

impl Sharing for Knn {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Rows]
    }

    fn needs(&self, _: usize, inputs: &[ValueType], _: &Region) -> Region {
        Region::all(inputs[0].shape)
    }

    /// Choosing the k best is not counted.
    fn flops(&self, part: Part) -> u64 {
        let Shape { channels, height, .. } = part.types[0].shape;
        product(&[2, part.made.rows.len(), height, channels])
    }

    /// Squared norms and worst distances, best distances, a tile.
    fn scratch_bytes(&self, part: Part) -> u64 {
        let (nodes, rows) = (part.types[0].shape.height, part.made.rows.len());
        sum(&[product(&[4, nodes]), product(&[4, rows]), product(&[4, rows, self.k]), TILE_BYTES])
    }
}

impl Parse for Knn {
    const NAMES: &'static [&'static str] = &["knn"];
    const EXAMPLE: &'static str = "knn 20";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { k: words.number()? })
    }
}

impl fmt::Display for Knn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "knn {}", self.k)
    }
}
