//! Normalisation by learned statistics, channel by channel, ε = 1e-5.

use std::fmt;

use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// BatchNorm as inference has it. Weights `weight`, `bias`, `running_mean` and `running_var`, each `[channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Norm;

impl Operation for Norm {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        match input.layout {
            Layout::Map => Ok(*input),
            Layout::Flat if input.shape.height == 1 && input.shape.width == 1 => Ok(*input),
            _ => Err(wrong("a map, or the features of a linear layer", *input)),
        }
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        let channels = inputs.first().map_or(0, |input| input.shape.channels);
        ["weight", "bias", "running_mean", "running_var"].map(|part| (part, vec![channels])).to_vec()
    }

    fn is_per_channel(&self) -> bool {
        true
    }
}

impl Sharing for Norm {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        made.clone()
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[2, part.made.channels.len(), part.made.rows.len(), part.output.shape.width])
    }

    fn held_bytes(&self, part: Part) -> u64 {
        // Scale and shift.
        8 * part.made.channels.len() as u64
    }
}

impl Parse for Norm {
    const NAMES: &'static [&'static str] = &["norm"];
    const EXAMPLE: &'static str = "norm";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("norm")
    }
}
