//! Convolution with bias (a cross-correlation, as everywhere in this field), zeros around the map.

use std::fmt;
use std::ops::Range;

use super::{Axis, Misfit, Operation, Parameter, Parse, Part, Reduced, Sharing, one, product, wrong};
use crate::kernel::{FILTER_TAPS, columns_at_once, is_filtered, tile_rows_at_once};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// Square windows; what does not fill a window or a stride is left out, as in PyTorch by default. Weights `[out, in, k, k]`
/// and `[out]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Output channels.
    pub channels: usize,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Zeros on each side; less than the kernel.
    pub padding: usize,
}

/// Which rows of the input some rows of the output need, and how many rows of zeros lie around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowInput {
    /// Rows of the input.
    pub rows: Range<usize>,
    /// Rows of zeros above them.
    pub above: usize,
    /// Rows of zeros below them.
    pub below: usize,
}

/// Depth of the columns that the matrix product packs at a time: by measurement, of the `gemm` crate.
const PACKED_DEPTH: usize = 256;

impl Conv {
    /// Rows of an input of `height` rows that rows of the output need.
    pub fn input_rows(&self, height: usize, made: &Range<usize>) -> RowInput {
        if made.is_empty() {
            return RowInput { rows: 0..0, above: 0, below: 0 };
        }
        let Self { kernel, stride, padding, .. } = *self;
        let (first, end) = (made.start * stride, (made.end - 1) * stride + kernel);
        // Counted from the first row of zeros.
        let map = padding..padding + height;
        let (from, to) = (first.max(map.start), end.min(map.end).max(map.start));
        RowInput { rows: from.min(to) - padding..to - padding, above: from.min(to) - first, below: end - to }
    }

    fn weights(&self, inputs: usize, outputs: usize) -> u64 {
        product(&[inputs, outputs, self.kernel, self.kernel])
    }
}

/// The extent of what windows over `extent` make; none if none fits.
pub(super) fn windows(extent: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    (extent + 2 * padding).checked_sub(kernel).map(|rest| rest / stride + 1)
}

/// Largest number in a text.
const MAX_NUMBER: usize = 1 << 16;

pub(super) fn within(numbers: &[usize]) -> bool {
    numbers.iter().all(|number| (1..=MAX_NUMBER).contains(number))
}

impl Operation for Conv {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        let Self { channels, kernel, stride, padding } = *self;
        if !within(&[channels, kernel, stride]) {
            return Err("has impossible numbers: channels, kernel and stride must be from 1 to 65536".into());
        }
        if padding >= kernel {
            return Err("has impossible numbers: the padding must be less than the kernel".into());
        }
        if input.layout != Layout::Map {
            return Err(wrong("a map", *input));
        }
        let along = |extent| windows(extent, kernel, stride, padding);
        match (along(input.shape.height), along(input.shape.width)) {
            (Some(height), Some(width)) => Ok(ValueType::map(channels, height, width)),
            _ => Err(Misfit(format!("has a window that does not fit into {input}"))),
        }
    }

    fn parameters(&self, inputs: &[ValueType]) -> Vec<Parameter> {
        let channels = inputs.first().map_or(0, |input| input.shape.channels);
        let weight = vec![self.channels, channels, self.kernel, self.kernel];
        vec![("weight", weight), ("bias", vec![self.channels])]
    }
}

impl Sharing for Conv {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Inputs, Axis::Rows]
    }

    fn reduced(&self) -> Option<Reduced> {
        Some(Reduced::Channels)
    }

    fn needs(&self, _: usize, inputs: &[ValueType], made: &Region) -> Region {
        let shape = inputs[0].shape;
        Region::of_rows(self.input_rows(shape.height, &made.rows).rows, shape)
    }

    fn flops(&self, part: Part) -> u64 {
        let weights = self.weights(part.inputs[0].channels.len(), part.made.channels.len());
        product(&[2, part.made.rows.len(), part.output.shape.width]).saturating_mul(weights)
    }

    fn held_bytes(&self, part: Part) -> u64 {
        let (inputs, outputs) = (part.inputs[0].channels.len(), part.made.channels.len());
        let values = match is_filtered(self.kernel, self.stride, inputs, outputs) {
            true => product(&[FILTER_TAPS, inputs, outputs]),
            false => self.weights(inputs, outputs),
        };
        4 * (values + outputs as u64)
    }

    fn scratch_bytes(&self, part: Part) -> u64 {
        let (inputs, outputs) = (part.inputs[0].channels.len(), part.made.channels.len());
        let output @ [_, cols] = [part.made.rows.len(), part.output.shape.width];
        let values = if is_filtered(self.kernel, self.stride, inputs, outputs) {
            let (rows, across) = (tile_rows_at_once(inputs, outputs, output), cols.div_ceil(2));
            FILTER_TAPS * (inputs + outputs) * rows * across + 8 * (2 * across + 2)
        } else {
            let [channels, rows] = columns_at_once(self.kernel, inputs, output);
            let (depth, width) = (channels * self.kernel * self.kernel, rows * cols);
            // The matrix product packs these columns once more, in equal pieces of at most so much depth.
            depth * width + depth.div_ceil(depth.div_ceil(PACKED_DEPTH).max(1)) * width
        };
        4 * values as u64
    }
}

impl Parse for Conv {
    const NAMES: &'static [&'static str] = &["conv"];
    const EXAMPLE: &'static str = "conv 64 k3 s1 p1";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self {
            channels: words.number()?,
            kernel: words.key('k').ok_or("a convolution needs its kernel, like k3")?,
            stride: words.key('s').unwrap_or(1),
            padding: words.key('p').unwrap_or(0),
        })
    }
}

impl fmt::Display for Conv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channels, kernel, stride, padding } = self;
        write!(f, "conv {channels} k{kernel}")?;
        if *stride != 1 {
            write!(f, " s{stride}")?;
        }
        if *padding != 0 { write!(f, " p{padding}") } else { Ok(()) }
    }
}
