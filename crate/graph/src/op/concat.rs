//! Values side by side along their channels.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Sharing, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, Shape, ValueType};

/// Of two values or more that agree in all but their channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Concat;

impl Concat {
    /// The channels of the result that an input becomes.
    pub fn place(input: usize, inputs: &[ValueType]) -> std::ops::Range<usize> {
        let start = inputs[..input].iter().map(|input| input.shape.channels).sum();
        start..start + inputs[input].shape.channels
    }
}

impl Operation for Concat {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let [first, rest @ ..] = inputs else { return Err("needs inputs; write `concat of a b`".into()) };
        if matches!(first.layout, Layout::Neighbours | Layout::Flat) {
            return Err(wrong("maps or nodes", *first));
        }
        match rest.iter().find(|other| other.with_channels(first.shape.channels) != *first) {
            Some(other) => Err(Misfit(format!("needs values that differ in channels alone; it has {first} and {other}"))),
            None => Ok(first.with_channels(inputs.iter().fold(0, |sum, input| sum + input.shape.channels))),
        }
    }
}

impl Sharing for Concat {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region {
        let (place, Shape { height, .. }) = (Self::place(input, inputs), inputs[input].shape);
        let part = made.intersection(&Region { channels: place.clone(), rows: 0..height });
        match part.is_empty() {
            true => Region::default(),
            false => Region { channels: part.channels.start - place.start..part.channels.end - place.start, ..part },
        }
    }
}

impl Parse for Concat {
    const NAMES: &'static [&'static str] = &["concat"];
    const EXAMPLE: &'static str = "concat of a b";

    fn parse(_: &str, _: &mut Words) -> Result<Self, Misfit> {
        Ok(Self)
    }
}

impl fmt::Display for Concat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("concat")
    }
}
