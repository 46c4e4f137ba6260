//! Reduces one message per neighbour: GCoDE's aggregates, widened by HGNAS's messages. What the papers leave open (which
//! message components an index stands for) is a reconstruction.

use std::fmt;

use super::edge_conv::features;
use super::{Axis, Misfit, Operation, Parse, Part, Sharing, product, sum};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Shape, ValueType};

/// Reads features and neighbours: `[n, c] → [n, message.width(c)]`, without a tensor per edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregate {
    /// What a neighbour sends.
    pub message: Message,
    /// How the messages of a node's neighbours become one row.
    pub reducer: Reducer,
}

/// What neighbour j sends to node i. "dist" is the Euclidean distance of their features, one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// `[x_i ‖ x_j ‖ x_j − x_i ‖ dist]`
    Full,
    /// `x_j` (GCoDE's "2")
    Source,
    /// `[x_i ‖ x_j − x_i]` (GCoDE's "13"), what DGCNN sends
    TargetRelative,
    /// `x_j − x_i` (GCoDE's "3")
    Relative,
    /// `x_i`
    Target,
    /// `[x_j ‖ x_j − x_i]`
    SourceRelative,
    /// `dist`
    Distance,
}

impl Message {
    /// Channels of the message for features of `c` channels.
    pub fn width(self, c: usize) -> usize {
        match self {
            Self::Full => c.saturating_mul(3).saturating_add(1),
            Self::TargetRelative | Self::SourceRelative => c.saturating_mul(2),
            Self::Source | Self::Relative | Self::Target => c,
            Self::Distance => 1,
        }
    }

    /// Whether x_i itself is a part.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Full | Self::TargetRelative | Self::Target)
    }

    /// Whether x_j itself is a part.
    pub fn has_source(self) -> bool {
        matches!(self, Self::Full | Self::Source | Self::SourceRelative)
    }

    /// Whether x_j − x_i is a part.
    pub fn has_relative(self) -> bool {
        matches!(self, Self::Full | Self::TargetRelative | Self::Relative | Self::SourceRelative)
    }

    /// Whether the distance channel is a part.
    pub fn has_distance(self) -> bool {
        matches!(self, Self::Full | Self::Distance)
    }
}

/// How many rows become one, channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reducer {
    /// Largest value.
    Max,
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Add,
    /// Smallest value.
    Min,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "[x_i ‖ x_j ‖ x_j − x_i ‖ dist]",
            Self::Source => "[x_j]",
            Self::TargetRelative => "[x_i ‖ x_j − x_i]",
            Self::Relative => "[x_j − x_i]",
            Self::Target => "[x_i]",
            Self::SourceRelative => "[x_j ‖ x_j − x_i]",
            Self::Distance => "[dist]",
        })
    }
}

impl fmt::Display for Reducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Max => "max",
            Self::Mean => "mean",
            Self::Add => "add",
            Self::Min => "min",
        })
    }
}

impl Message {
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Full, "full"),
        (Self::Source, "source"),
        (Self::TargetRelative, "target-relative"),
        (Self::Relative, "relative"),
        (Self::Target, "target"),
        (Self::SourceRelative, "source-relative"),
        (Self::Distance, "distance"),
    ];

    /// Whether a channel of the message is made of the same channel of the features.
    fn keeps_channels(self) -> bool {
        matches!(self, Self::Source | Self::Relative | Self::Target)
    }

    /// x_j and x_j − x_i both come from the reduced x_j, which is computed once.
    fn reduces_source(self) -> bool {
        self.has_source() || self.has_relative()
    }
}

impl Reducer {
    const NAMES: [(Self, &'static str); 4] =
        [(Self::Max, "max"), (Self::Mean, "mean"), (Self::Add, "add"), (Self::Min, "min")];

    /// As a text has it.
    pub(super) fn parse(word: &str) -> Result<Self, Misfit> {
        let named = Self::NAMES.iter().find(|(_, name)| *name == word);
        named.map(|(reducer, _)| *reducer).ok_or_else(|| Misfit(format!("`{word}` is none of max, mean, add and min")))
    }
}

impl Operation for Aggregate {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let x = features(inputs)?;
        Ok(x.with_channels(self.message.width(x.shape.channels)))
    }

    fn reads_neighbours(&self) -> bool {
        true
    }
}

impl Sharing for Aggregate {
    fn axes(&self) -> &'static [Axis] {
        if self.message.keeps_channels() { &[Axis::Outputs, Axis::Rows] } else { &[Axis::Rows] }
    }

    /// Any node may be a neighbour.
    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region {
        let all = Region::all(inputs[input].shape);
        match (input, self.message) {
            (0, Message::Target) => made.clone(),
            (0, message) if message.keeps_channels() => Region { channels: made.channels.clone(), ..all },
            (0, _) => all,
            _ => Region { rows: made.rows.clone(), ..all },
        }
    }

    fn flops(&self, part: Part) -> u64 {
        let (rows, c, k) = (part.made.rows.len(), part.inputs[0].channels.len(), part.types[1].shape.channels);
        let reduce = if self.message.reduces_source() { product(&[rows, k, c]) } else { 0 };
        let relative = if self.message.has_relative() { product(&[rows, c]) } else { 0 };
        // Per edge and channel a difference, a square and a sum, then the reduction of one distance per edge.
        let distance = c.saturating_mul(3).saturating_add(1);
        let distance = if self.message.has_distance() { product(&[rows, k, distance]) } else { 0 };
        sum(&[reduce, relative, distance])
    }

    /// Parts that are made before they are put side by side.
    fn scratch_bytes(&self, part: Part) -> u64 {
        let (rows, Shape { channels, .. }) = (part.made.rows.len(), part.types[0].shape);
        let (reduced, distances) = (product(&[rows, channels, 4]), product(&[rows, 4]));
        let is_added = self.reducer == Reducer::Add;
        let scaled = if self.message.has_target() && is_added { reduced } else { 0 };
        match self.message {
            Message::Target | Message::Source | Message::Distance => 0,
            Message::Relative => if is_added { reduced } else { 0 },
            Message::TargetRelative => sum(&[reduced, scaled]),
            Message::SourceRelative => sum(&[reduced, reduced]),
            Message::Full => sum(&[reduced, reduced, distances, scaled]),
        }
    }
}

impl Parse for Aggregate {
    const NAMES: &'static [&'static str] = &["aggregate"];
    const EXAMPLE: &'static str = "aggregate max source";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        let reducer = Reducer::parse(words.word().unwrap_or_default())?;
        let word = words.word().unwrap_or_default();
        let named = Message::NAMES.iter().find(|(_, name)| *name == word);
        let known = || Message::NAMES.map(|(_, name)| name).join(", ");
        let (message, _) = named.ok_or_else(|| Misfit(format!("`{word}` is none of {}", known())))?;
        Ok(Self { message: *message, reducer })
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = Message::NAMES.iter().find(|(message, _)| *message == self.message).map_or("", |(_, name)| name);
        write!(f, "aggregate {} {message}", self.reducer)
    }
}
