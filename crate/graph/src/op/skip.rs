//! GCoDE's skip connection: adds an earlier value, zero-padded or cut to the own width (ResNet's option A; a
//! reconstruction).

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Reads features, and those that are added to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Skip;

impl Operation for Skip {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        match inputs {
            [x, source] if x.layout != Layout::Nodes || source.layout != Layout::Nodes => {
                Err(wrong("nodes", if x.layout == Layout::Nodes { *source } else { *x }))
            }
            [x, source] if x.shape.height != source.shape.height => {
                Err(Misfit(format!("needs two values of the same nodes; it has {x} and {source}")))
            }
            [x, _] => Ok(*x),
            _ => Err("needs two inputs; write `skip with a`".into()),
        }
    }
}

impl Sharing for Skip {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region {
        let part = made.intersection(&Region::all(inputs[input].shape));
        if part.is_empty() { Region::default() } else { part }
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[part.inputs[1].channels.len(), part.inputs[1].rows.len()])
    }

    /// The sum over the narrower one's channels and a copy of the rest, put side by side.
    fn scratch_bytes(&self, part: Part) -> u64 {
        let is_narrower = part.inputs[1].channels.len() < part.made.channels.len();
        if is_narrower { product(&[4, part.made.rows.len(), part.made.channels.len()]) } else { 0 }
    }
}

impl Parse for Skip {
    const NAMES: &'static [&'static str] = &["skip"];
    const EXAMPLE: &'static str = "skip with a";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("skip")
    }
}
