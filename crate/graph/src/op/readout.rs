//! All nodes become one row: GCoDE's global pooling.

use std::fmt;

use super::{Axis, Merge, Misfit, Operation, Parse, Part, Reduced, Reducer, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// One reducer, or two whose results stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Readout {
    /// The first.
    pub first: Reducer,
    /// The second, if any.
    pub second: Option<Reducer>,
}

impl Readout {
    /// Each reducer with the channels that it makes of so many.
    pub fn reducers(&self, channels: usize) -> impl Iterator<Item = (Reducer, std::ops::Range<usize>)> {
        let reducers = std::iter::once(self.first).chain(self.second).enumerate();
        reducers.map(move |(at, reducer)| (reducer, at * channels..(at + 1) * channels))
    }
}

impl Operation for Readout {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        let reducers = 1 + usize::from(self.second.is_some());
        match input.layout {
            Layout::Nodes => Ok(ValueType::nodes(1, input.shape.channels.saturating_mul(reducers))),
            _ => Err(wrong("nodes", *input)),
        }
    }
}

impl Sharing for Readout {
    fn axes(&self) -> &'static [Axis] {
        let is_min = |reducer| reducer == Reducer::Min;
        let is_mergeable = !is_min(self.first) && !self.second.is_some_and(is_min);
        if is_mergeable { &[Axis::Outputs, Axis::Inputs] } else { &[Axis::Outputs] }
    }

    fn reduced(&self) -> Option<Reduced> {
        self.axes().contains(&Axis::Inputs).then_some(Reduced::Rows)
    }

    /// Means are of all nodes, so that what they are made of is added.
    fn merge(&self, inputs: &[ValueType]) -> Merge {
        let channels = inputs.first().map_or(0, |input| input.shape.channels);
        let largest = self.reducers(channels).find(|(reducer, _)| *reducer == Reducer::Max);
        largest.map_or(Merge::Sum, |(_, channels)| Merge::MaxWithin(channels))
    }

    fn needs(&self, _: usize, inputs: &[ValueType], made: &Region) -> Region {
        let shape = inputs[0].shape;
        let part = |of: std::ops::Range<usize>| {
            let (start, end) = (made.channels.start.max(of.start), made.channels.end.min(of.end));
            (start < end).then(|| Region::of_channels(start - of.start..end - of.start, shape))
        };
        let parts = self.reducers(shape.channels).filter_map(|(_, of)| part(of));
        parts.fold(Region::default(), |hull, part| hull.hull(&part))
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[part.inputs[0].rows.len(), part.made.channels.len()])
    }
}

impl Parse for Readout {
    const NAMES: &'static [&'static str] = &["readout"];
    const EXAMPLE: &'static str = "readout max mean";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        let first = Reducer::parse(words.word().unwrap_or_default())?;
        let second = words.word().map(Reducer::parse).transpose()?;
        Ok(Self { first, second })
    }
}

impl fmt::Display for Readout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "readout {}", self.first)?;
        self.second.map_or(Ok(()), |second| write!(f, " {second}"))
    }
}
