//! Attention over the neighbours: each node takes the mean of its neighbours' features, weighted by how much these look
//! like its own (scaled dot products, Vaswani et al. 2017, equation 1, without projections; GAT's idea, arXiv 1710.10903).

use std::fmt;

use super::edge_conv::features;
use super::{Axis, Misfit, Operation, Parse, Part, Sharing, product};
use crate::region::Region;
use crate::text::Words;
use crate::value::ValueType;

/// Reads features and neighbours: `[n, c] → [n, c]`, Σ_j softmax_j(x_i · x_j / √c) x_j. Without weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attend;

impl Operation for Attend {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        features(inputs).copied()
    }

    fn reads_neighbours(&self) -> bool {
        true
    }
}

impl Sharing for Attend {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Rows]
    }

    /// Any node may be a neighbour.
    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region {
        match input {
            0 => Region::all(inputs[0].shape),
            _ => Region::of_rows(made.rows.clone(), inputs[1].shape),
        }
    }

    /// A dot product and a weighted sum for each edge.
    fn flops(&self, part: Part) -> u64 {
        product(&[4, part.made.rows.len(), part.types[1].shape.channels, part.types[0].shape.channels])
    }

    /// Neighbours' features, edge by edge, and their products with a node's own.
    fn scratch_bytes(&self, part: Part) -> u64 {
        product(&[8, part.made.rows.len(), part.types[1].shape.channels, part.types[0].shape.channels])
    }
}

impl Parse for Attend {
    const NAMES: &'static [&'static str] = &["attend"];
    const EXAMPLE: &'static str = "attend";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Attend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attend")
    }
}
