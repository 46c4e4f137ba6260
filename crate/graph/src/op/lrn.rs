//! AlexNet's local response normalisation over neighbouring channels.

use std::fmt;

use super::conv::within;
use super::{Axis, Misfit, Operation, Parse, Part, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, ValueType};

/// α of y = x / (k + α Σ x²)^β over the neighbouring channels (Krizhevsky et al. 2012, section 3.3; PyTorch's layer divides
/// α by the size, so there it is α · size).
pub const LRN_ALPHA: f32 = 1e-4;
/// β of local response normalisation.
pub const LRN_BETA: f32 = 0.75;
/// k of local response normalisation.
pub const LRN_K: f32 = 2.0;

/// See [`LRN_ALPHA`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lrn {
    /// Channels that count, the own one in the middle: an odd number.
    pub size: usize,
}

impl Operation for Lrn {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let input = one(inputs)?;
        if !within(&[self.size]) || self.size.is_multiple_of(2) {
            return Err("has an impossible number: the size must be odd".into());
        }
        if input.layout == Layout::Map { Ok(*input) } else { Err(wrong("a map", *input)) }
    }
}

impl Sharing for Lrn {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, inputs: &[ValueType], made: &Region) -> Region {
        let reach = self.size / 2;
        let end = (made.channels.end + reach).min(inputs[0].shape.channels);
        Region { channels: made.channels.start.saturating_sub(reach)..end, rows: made.rows.clone() }
    }

    /// Its squares.
    fn flops(&self, part: Part) -> u64 {
        product(&[2, self.size, part.made.channels.len(), part.made.rows.len(), part.output.shape.width])
    }

    /// Squares, and sums of them; at the end the powers of these beside what is normalised.
    fn scratch_bytes(&self, part: Part) -> u64 {
        let values = |region: &Region| 4 * region.shape(part.output.shape.width).values();
        values(&part.inputs[0]) + values(part.made)
    }
}

impl Parse for Lrn {
    const NAMES: &'static [&'static str] = &["lrn"];
    const EXAMPLE: &'static str = "lrn 5";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { size: words.number()? })
    }
}

impl fmt::Display for Lrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lrn {}", self.size)
    }
}
