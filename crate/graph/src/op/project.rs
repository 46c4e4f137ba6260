//! A linear layer with bias on every node, and nothing after it: the end of a graph network's classifier.

use std::fmt;

use super::combine::nodes;
use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Sharing, linear_bytes, product, same_rows};
use crate::region::Region;
use crate::text::Words;
use crate::value::ValueType;

/// Weights `[in, out]` and `[out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Project {
    /// Output channels.
    pub channels: usize,
}

impl Operation for Project {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        nodes(inputs, self.channels)
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        let channels = inputs.first().map_or(0, |input| input.shape.channels);
        vec![("weight", vec![channels, self.channels]), ("bias", vec![self.channels])]
    }
}

impl Sharing for Project {
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

impl Parse for Project {
    const NAMES: &'static [&'static str] = &["project"];
    const EXAMPLE: &'static str = "project 10";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { channels: words.number()? })
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "project {}", self.channels)
    }
}
