//! max(x, 0).

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Of any features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Relu;

impl Operation for Relu {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        match input.layout {
            Layout::Neighbours => Err(wrong("features", *input)),
            _ => Ok(*input),
        }
    }

    fn is_per_channel(&self) -> bool {
        true
    }
}

impl Sharing for Relu {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        made.clone()
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[part.made.channels.len(), part.made.rows.len(), part.output.shape.width])
    }
}

impl Parse for Relu {
    const NAMES: &'static [&'static str] = &["relu"];
    const EXAMPLE: &'static str = "relu";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Relu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("relu")
    }
}
