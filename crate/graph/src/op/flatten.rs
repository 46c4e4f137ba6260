//! A map becomes one row of features, channel by channel.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Sharing, one, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Its extents are kept, so that a channel stays a block of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flatten;

impl Operation for Flatten {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        match input.layout {
            Layout::Map => Ok(ValueType { layout: Layout::Flat, ..*input }),
            _ => Err(wrong("a map", *input)),
        }
    }

    fn is_per_channel(&self) -> bool {
        true
    }
}

impl Sharing for Flatten {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        made.clone()
    }
}

impl Parse for Flatten {
    const NAMES: &'static [&'static str] = &["flatten"];
    const EXAMPLE: &'static str = "flatten";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Flatten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flatten")
    }
}
