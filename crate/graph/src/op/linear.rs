//! A fully connected layer with bias: reads a map as one row, channel by channel, so that a channel is a block of inputs.

use std::fmt;

use super::conv::within;
use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Reduced, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, Shape, ValueType};

/// Weights `[out, in]` and `[out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    /// Output features.
    pub features: usize,
}

impl Operation for Linear {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        if !within(&[self.features]) {
            return Err("has impossible numbers: features must be from 1 to 65536".into());
        }
        match input.layout {
            Layout::Flat => {
                Ok(ValueType { layout: Layout::Flat, shape: Shape { channels: self.features, height: 1, width: 1 } })
            }
            _ => Err(Misfit(format!("{}; put flatten before it", wrong("flattened features", *input)))),
        }
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        let values = inputs.first().map_or(0, |input| input.shape.values() as usize);
        vec![("weight", vec![self.features, values]), ("bias", vec![self.features])]
    }
}

impl Sharing for Linear {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Inputs]
    }

    fn reduced(&self) -> Option<Reduced> {
        Some(Reduced::Channels)
    }

    fn needs(&self, _: usize, inputs: &[ValueType], _: &Region) -> Region {
        Region::all(inputs[0].shape)
    }

    fn flops(&self, part: Part) -> u64 {
        2 * weights(&part)
    }

    fn held_bytes(&self, part: Part) -> u64 {
        4 * (weights(&part) + part.made.channels.len() as u64)
    }
}

fn weights(part: &Part) -> u64 {
    let Shape { height, width, .. } = part.types[0].shape;
    product(&[part.inputs[0].channels.len(), height, width, part.made.channels.len()])
}

impl Parse for Linear {
    const NAMES: &'static [&'static str] = &["linear"];
    const EXAMPLE: &'static str = "linear 10";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { features: words.number()? })
    }
}

impl fmt::Display for Linear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linear {}", self.features)
    }
}
