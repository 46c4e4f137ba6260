//! A linear layer on every node, BatchNorm (ε = 1e-5) and LeakyReLU 0.2: GCoDE's combine.

use std::fmt;

use super::conv::within;
use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Sharing, linear_bytes, one, product, same_rows, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Weights `weight` `[in, out]`, `bias` and `norm.{weight,bias,mean,var}` `[out]`; the norm is folded in at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Combine {
    /// Output channels.
    pub channels: usize,
}

/// Nodes of other channels.
pub(super) fn nodes(inputs: &[ValueType], channels: usize) -> Result<ValueType, Misfit> {
    let input = one(inputs)?;
    match input.layout {
        _ if !within(&[channels]) => Err("has impossible numbers: channels must be from 1 to 65536".into()),
        Layout::Nodes => Ok(input.with_channels(channels)),
        _ => Err(wrong("nodes", *input)),
    }
}

/// The weights of a linear layer with a norm.
pub(super) fn normed(inputs: usize, outputs: usize) -> Vec<Parameter> {
    let vectors = ["bias", "norm.weight", "norm.bias", "norm.mean", "norm.var"];
    std::iter::once(("weight", vec![inputs, outputs])).chain(vectors.map(|part| (part, vec![outputs]))).collect()
}

impl Operation for Combine {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        nodes(inputs, self.channels)
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        normed(inputs.first().map_or(0, |input| input.shape.channels), self.channels)
    }
}

impl Sharing for Combine {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, inputs: &[ValueType], made: &Region) -> Region {
        same_rows(&inputs[0], made)
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[2, part.made.rows.len(), part.types[0].shape.channels, part.made.channels.len()])
    }

    fn held_bytes(&self, part: Part) -> u64 {
        linear_bytes(part.types[0].shape.channels, part.made.channels.len())
    }
}

impl Parse for Combine {
    const NAMES: &'static [&'static str] = &["combine"];
    const EXAMPLE: &'static str = "combine 64";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { channels: words.number()? })
    }
}

impl fmt::Display for Combine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "combine {}", self.channels)
    }
}
