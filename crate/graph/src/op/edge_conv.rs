//! DGCNN's edge convolution (arXiv 1801.07829): a linear layer on `[x_j − x_i ‖ x_i]`, BatchNorm, LeakyReLU 0.2, and the
//! largest over the neighbours.

use std::fmt;

use super::combine::normed;
use super::conv::within;
use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Sharing, linear_bytes, product, sum, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, Shape, ValueType};

/// Reads features and neighbours. Weights as a combine's with a weight `[2·in, out]`, whose first half acts on x_j − x_i.
/// Engines compute a product per node and not per edge: W₁ x_j, and (W₂ − W₁) x_i + b.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EdgeConv {
    /// Output channels.
    pub channels: usize,
}

/// Features and neighbours of the same nodes.
pub(super) fn features(inputs: &[ValueType]) -> Result<&ValueType, Misfit> {
    match inputs {
        [x, graph] if x.layout != Layout::Nodes || graph.layout != Layout::Neighbours => {
            Err(wrong("nodes and their neighbours", if x.layout == Layout::Nodes { *graph } else { *x }))
        }
        [x, graph] if x.shape.height != graph.shape.height => {
            Err(Misfit(format!("needs nodes and their own neighbours; it has {x} and {graph}")))
        }
        [x, _] => Ok(x),
        _ => Err(Misfit(format!("needs nodes and their neighbours and has {} inputs; put knn before it", inputs.len()))),
    }
}

impl Operation for EdgeConv {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let x = features(inputs)?;
        match within(&[self.channels]) {
            true => Ok(x.with_channels(self.channels)),
            false => Err("has impossible numbers: channels must be from 1 to 65536".into()),
        }
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        normed(2 * inputs.first().map_or(0, |input| input.shape.channels), self.channels)
    }

    fn reads_neighbours(&self) -> bool {
        true
    }
}

impl Sharing for EdgeConv {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    /// Any node may be a neighbour.
    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region {
        match input {
            0 => Region::all(inputs[0].shape),
            _ => Region::of_rows(made.rows.clone(), inputs[1].shape),
        }
    }

    /// A product of all nodes, one of its own, the largest of each node's, the sum.
    fn flops(&self, part: Part) -> u64 {
        let Shape { channels, height, .. } = part.types[0].shape;
        let (rows, out, k) = (part.made.rows.len(), part.made.channels.len(), part.types[1].shape.channels);
        sum(&[product(&[2, height + rows, channels, out]), product(&[rows, k, out]), product(&[rows, out])])
    }

    fn held_bytes(&self, part: Part) -> u64 {
        2 * linear_bytes(part.types[0].shape.channels, part.made.channels.len())
    }

    /// The two products.
    fn scratch_bytes(&self, part: Part) -> u64 {
        product(&[4, part.types[0].shape.height + part.made.rows.len(), part.made.channels.len()])
    }
}

impl Parse for EdgeConv {
    const NAMES: &'static [&'static str] = &["edgeconv"];
    const EXAMPLE: &'static str = "edgeconv 64";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { channels: words.number()? })
    }
}

impl fmt::Display for EdgeConv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "edgeconv {}", self.channels)
    }
}
