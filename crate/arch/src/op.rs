//! The operations a network is made of, and the names a person reads for them.
//!
//! Sources: GCoDE's released space, HGNAS's additional functions, DGCNN's edge convolution. What the papers leave
//! open (which message components an index stands for, the skip connection) is a reconstruction.

use std::fmt;

pub use cleave_graph::op::{Message, Reducer};

/// Narrowest output of a combine or an edge convolution, channels.
pub const MIN_CHANNELS: usize = 8;
/// Widest output of a combine or an edge convolution, channels (512 within the search space).
pub const MAX_CHANNELS: usize = 1024;
/// Longest architecture, operations (communicates not counted).
pub const MAX_OPS: usize = 64;

/// One operation on node features `[n, c]`. Moving to the other tier is no operation: see [`crate::Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Passes the features on, or adds the skip source to them.
    Connect(Connect),
    /// Linear `[c] → [channels]`, BatchNorm (ε = 1e-5), LeakyReLU 0.2, on every row.
    Combine {
        /// Output width: 8·2^f with f = 0..=7.
        channels: usize,
    },
    /// Reduces one message per neighbour: `[n, c] → [n, message.width(c)]`.
    Aggregate {
        /// What a neighbour sends.
        message: Message,
        /// How the messages of a node's neighbours become one row.
        reducer: Reducer,
    },
    /// Replaces the graph `[n, k]`; the features stay as they are.
    Sample(Sampler),
    /// All nodes become one row: `[n, c] → [1, c]`, or `[1, 2c]` for two reducers.
    Pool(Pool),
    /// DGCNN's edge convolution: linear on `[x_j − x_i ‖ x_i]`, BatchNorm, LeakyReLU 0.2, max over the neighbours.
    EdgeConv {
        /// Output width: 8·2^f with f = 0..=7.
        channels: usize,
    },
    /// Concatenates the outputs of all earlier edge convolutions, then the current features if they are not one.
    Join,
}

/// Functions of [`Op::Connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Connect {
    /// Does nothing.
    Identity,
    /// Adds the input of the latest aggregate, combine or edge convolution since the pool, zero-padded or cut to
    /// the current width (ResNet's option A; a reconstruction). Without such an operation it does nothing.
    Skip,
}

/// How all nodes become one row; two reducers stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pool {
    /// Largest value.
    Max,
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Add,
    /// max ‖ mean
    MaxMean,
    /// max ‖ sum
    MaxAdd,
    /// mean ‖ sum
    MeanAdd,
}

impl Pool {
    /// The reducers whose results stand side by side, in order.
    pub fn reducers(self) -> &'static [Reducer] {
        match self {
            Self::Max => &[Reducer::Max],
            Self::Mean => &[Reducer::Mean],
            Self::Add => &[Reducer::Add],
            Self::MaxMean => &[Reducer::Max, Reducer::Mean],
            Self::MaxAdd => &[Reducer::Max, Reducer::Add],
            Self::MeanAdd => &[Reducer::Mean, Reducer::Add],
        }
    }

    /// Channels of the pooled row for features of `c` channels.
    pub fn width(self, c: usize) -> usize {
        c.saturating_mul(self.reducers().len())
    }
}

/// How a node's k neighbours are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sampler {
    /// The k nearest by the current features, the node itself included.
    Knn,
    /// [`crate::random_neighbour`]: the same on both tiers.
    Random,
}

impl Op {
    /// Whether the features after this operation differ from those before it (a skip counts even where it has no
    /// source).
    pub fn replaces_features(self) -> bool {
        !matches!(self, Self::Connect(Connect::Identity) | Self::Sample(_))
    }

    /// Whether this operation reads the graph.
    pub fn reads_graph(self) -> bool {
        matches!(self, Self::Aggregate { .. } | Self::EdgeConv { .. })
    }

    /// Whether a later skip adds the input of this operation.
    pub fn makes_skip_source(self) -> bool {
        matches!(self, Self::Aggregate { .. } | Self::Combine { .. } | Self::EdgeConv { .. })
    }

    /// The operation without its function: "combine".
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Combine { .. } => "combine",
            Self::Aggregate { .. } => "aggregate",
            Self::Sample(_) => "sample",
            Self::Pool(_) => "pool",
            Self::EdgeConv { .. } => "edge convolution",
            Self::Join => "join",
        }
    }
}

/// For people: `combine 64`, `aggregate max [x_i ‖ x_j − x_i]`, `sample kNN`, `pool max ‖ mean`.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Connect(function) => write!(f, "{name} {function}"),
            Self::Combine { channels } | Self::EdgeConv { channels } => {
                write!(f, "{name} {channels}")
            }
            Self::Aggregate { message, reducer } => write!(f, "{name} {reducer} {message}"),
            Self::Sample(sampler) => write!(f, "{name} {sampler}"),
            Self::Pool(pool) => write!(f, "{name} {pool}"),
            Self::Join => f.write_str(name),
        }
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Skip => "skip",
        })
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, reducer) in self.reducers().iter().enumerate() {
            write!(f, "{}{reducer}", if i == 0 { "" } else { " ‖ " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Knn => "kNN",
            Self::Random => "random",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_follow_the_parts_of_a_message() {
        use Message::*;
        for message in [Full, Source, TargetRelative, Relative, Target, SourceRelative, Distance] {
            let c = 5;
            let parts = [message.has_target(), message.has_source(), message.has_relative()];
            let wide = parts.iter().filter(|has| **has).count() * c;
            assert_eq!(message.width(c), wide + usize::from(message.has_distance()), "{message}");
        }
        assert_eq!(Message::Full.width(usize::MAX), usize::MAX);
    }

    #[test]
    fn people_read_names_with_functions() {
        let aggregate = Op::Aggregate { message: Message::TargetRelative, reducer: Reducer::Max };
        assert_eq!(aggregate.to_string(), "aggregate max [x_i ‖ x_j − x_i]");
        assert_eq!(Op::Combine { channels: 64 }.to_string(), "combine 64");
        assert_eq!(Op::EdgeConv { channels: 128 }.to_string(), "edge convolution 128");
        assert_eq!(Op::Pool(Pool::MaxMean).to_string(), "pool max ‖ mean");
        assert_eq!(Op::Sample(Sampler::Knn).to_string(), "sample kNN");
        assert_eq!(Op::Connect(Connect::Skip).to_string(), "connect skip");
        assert_eq!(Op::Join.to_string(), "join");
    }
}
