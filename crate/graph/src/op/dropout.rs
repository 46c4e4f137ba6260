//! Does nothing outside training.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Sharing, one, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Kept so that positions of layers are those of the published network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dropout;

impl Operation for Dropout {
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

impl Sharing for Dropout {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        made.clone()
    }
}

impl Parse for Dropout {
    const NAMES: &'static [&'static str] = &["dropout"];
    const EXAMPLE: &'static str = "dropout";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Dropout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dropout")
    }
}
