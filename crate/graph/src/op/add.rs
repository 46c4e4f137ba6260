//! The sum of values of one type: what a residual connection ends in.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Of two values or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Add;

impl Operation for Add {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        match inputs {
            [] | [_] => Err("needs two inputs at least; write `add with a`".into()),
            [first, ..] if first.layout == Layout::Neighbours => Err(wrong("features", *first)),
            [first, rest @ ..] => match rest.iter().find(|other| *other != first) {
                Some(other) => Err(Misfit(format!("needs values of one type; it has {first} and {other}"))),
                None => Ok(*first),
            },
        }
    }
}

impl Sharing for Add {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        made.clone()
    }

    fn flops(&self, part: Part) -> u64 {
        let values = product(&[part.made.channels.len(), part.made.rows.len(), part.output.shape.width]);
        values.saturating_mul(part.types.len() as u64 - 1)
    }
}

impl Parse for Add {
    const NAMES: &'static [&'static str] = &["add"];
    const EXAMPLE: &'static str = "add with a";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Add {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("add")
    }
}
