//! The mean of each channel over its whole map.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// What a residual network has before its classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GlobalPool;

impl Operation for GlobalPool {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        match input.layout {
            Layout::Map => Ok(ValueType::map(input.shape.channels, 1, 1)),
            _ => Err(wrong("a map", *input)),
        }
    }

    fn is_per_channel(&self) -> bool {
        true
    }
}

impl Sharing for GlobalPool {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs]
    }

    fn needs(&self, _: usize, inputs: &[ValueType], made: &Region) -> Region {
        Region::of_channels(made.channels.clone(), inputs[0].shape)
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[part.made.channels.len(), part.types[0].shape.height, part.types[0].shape.width])
    }
}

impl Parse for GlobalPool {
    const NAMES: &'static [&'static str] = &["globalpool"];
    const EXAMPLE: &'static str = "globalpool";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for GlobalPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("globalpool")
    }
}
