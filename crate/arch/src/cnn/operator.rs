//! The unit of work: one layer that mixes channels, and what follows it channel by channel.

use std::ops::Range;

use super::layer::{Layer, PoolKind, Shape};
use super::region::Region;

/// α of local response normalisation: y = x / (k + α Σ x²)^β over the neighbouring channels (Krizhevsky et al. 2012,
/// section 3.3; PyTorch's layer divides α by the size, so there it is α · size).
pub const LRN_ALPHA: f32 = 1e-4;
/// β of local response normalisation.
pub const LRN_BETA: f32 = 0.75;
/// k of local response normalisation.
pub const LRN_K: f32 = 2.0;

/// What mixes channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Convolution.
    Conv {
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
        /// Zeros on each side.
        padding: usize,
    },
    /// Fully connected: reads the map as one row, channel by channel, so that a channel is a block of its inputs.
    Linear,
    /// Local response normalisation; without weights.
    Lrn {
        /// Channels that count.
        size: usize,
    },
}

/// What follows within an operator: nothing that mixes channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tail {
    /// max(x, 0)
    Relu,
    /// Normalisation by learned statistics.
    BatchNorm {
        /// Position of the layer.
        layer: usize,
    },
    /// Pooling.
    Pool {
        /// Of what.
        kind: PoolKind,
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
    },
}

/// A layer that mixes channels with its tail: input → made → tail → output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// Position of its layer.
    pub layer: usize,
    /// What it is.
    pub kind: Kind,
    /// Before it; not flattened.
    pub input: Shape,
    /// After the layer, before the tail: where partial sums are added.
    pub made: Shape,
    /// What follows.
    pub tail: Vec<Tail>,
    /// After the tail.
    pub output: Shape,
}

/// Which rows of the input some rows of the layer's output need, and how many rows of zeros lie around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInput {
    /// Rows of the input.
    pub rows: Range<usize>,
    /// Rows of zeros above them.
    pub above: usize,
    /// Rows of zeros below them.
    pub below: usize,
}

impl Operator {
    /// The layer in the chain.
    pub fn as_layer(&self) -> Layer {
        match self.kind {
            Kind::Conv { kernel, stride, padding } => {
                Layer::Conv { channels: self.made.channels, kernel, stride, padding }
            }
            Kind::Linear => Layer::Linear { features: self.made.channels },
            Kind::Lrn { size } => Layer::Lrn { size },
        }
    }

    /// Numbers in the weight for so many input and output channels, the bias not counted.
    pub fn weight_values(&self, inputs: usize, outputs: usize) -> u64 {
        let per_pair = match self.kind {
            Kind::Conv { kernel, .. } => (kernel * kernel) as u64,
            Kind::Linear => (self.input.height * self.input.width) as u64,
            Kind::Lrn { .. } => 0,
        };
        (inputs as u64).saturating_mul(outputs as u64).saturating_mul(per_pair)
    }

    /// Multiplications with addition for a region of the output, from so many input channels; those of local response
    /// normalisation are its squares.
    pub fn macs(&self, made: &Region, inputs: usize) -> u64 {
        let positions = (made.rows.len() as u64).saturating_mul(self.made.width as u64);
        let per_position = match self.kind {
            Kind::Conv { .. } | Kind::Linear => self.weight_values(inputs, made.channels.len()),
            Kind::Lrn { size } => made.channels.len() as u64 * size as u64,
        };
        positions.saturating_mul(per_position)
    }

    /// All of its multiplications with addition.
    pub fn all_macs(&self) -> u64 {
        self.macs(&Region::all(self.made), self.input.channels)
    }

    /// Rows of the layer's output that rows of the operator's output need: the tail's windows backwards.
    pub fn made_rows(&self, output: &Range<usize>) -> Range<usize> {
        self.tail.iter().rev().fold(output.clone(), |rows, tail| match *tail {
            Tail::Pool { kernel, stride, .. } if !rows.is_empty() => {
                rows.start * stride..(rows.end - 1) * stride + kernel
            }
            _ => rows,
        })
    }

    /// Rows of the input that rows of the layer's output need.
    pub fn input_rows(&self, made: &Range<usize>) -> RowInput {
        match self.kind {
            _ if made.is_empty() => RowInput { rows: 0..0, above: 0, below: 0 },
            Kind::Conv { kernel, stride, padding } => {
                let (first, end) = (made.start * stride, (made.end - 1) * stride + kernel);
                // Counted from the first row of zeros.
                let map = padding..padding + self.input.height;
                let (from, to) = (first.max(map.start), end.min(map.end).max(map.start));
                RowInput { rows: from.min(to) - padding..to - padding, above: from.min(to) - first, below: end - to }
            }
            Kind::Linear => RowInput { rows: 0..self.input.height, above: 0, below: 0 },
            Kind::Lrn { .. } => RowInput { rows: made.clone(), above: 0, below: 0 },
        }
    }

    /// Input channels that output channels need.
    pub fn input_channels(&self, made: &Range<usize>) -> Range<usize> {
        match self.kind {
            _ if made.is_empty() => 0..0,
            Kind::Lrn { size } => made.start.saturating_sub(size / 2)..(made.end + size / 2).min(self.input.channels),
            Kind::Conv { .. } | Kind::Linear => 0..self.input.channels,
        }
    }

    /// The part of the input that a part of the layer's output needs.
    pub fn needs(&self, made: &Region) -> Region {
        Region { channels: self.input_channels(&made.channels), rows: self.input_rows(&made.rows).rows }
    }

    /// The part of the layer's output that a part of the operator's output needs.
    pub fn made_for(&self, output: &Region) -> Region {
        Region { channels: output.channels.clone(), rows: self.made_rows(&output.rows) }
    }
}
