//! Pooling by windows, without padding.

use std::fmt;

use super::conv::{windows, within};
use super::{Axis, Misfit, Operation, Parse, Part, Sharing, one, product, wrong};
use crate::region::Region;
use crate::text::Words;
use crate::value::{Layout, Shape, ValueType};

/// How a window becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Largest value.
    Max,
    /// Arithmetic mean.
    Mean,
}

/// Square windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Of what.
    pub kind: PoolKind,
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
}

impl Operation for Pool {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        let (input, Self { kernel, stride, .. }) = (one(inputs)?, *self);
        if !within(&[kernel, stride]) {
            return Err("has impossible numbers: window and stride must be from 1 to 65536".into());
        }
        if input.layout != Layout::Map {
            return Err(wrong("a map", *input));
        }
        let Shape { channels, height, width } = input.shape;
        match (windows(height, kernel, stride, 0), windows(width, kernel, stride, 0)) {
            (Some(height), Some(width)) => Ok(ValueType::map(channels, height, width)),
            _ => Err(Misfit(format!("has a window that does not fit into {input}"))),
        }
    }

    fn is_per_channel(&self) -> bool {
        true
    }
}

impl Sharing for Pool {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Outputs, Axis::Rows]
    }

    fn needs(&self, _: usize, _: &[ValueType], made: &Region) -> Region {
        let rows = made.rows.start * self.stride..(made.rows.end - 1) * self.stride + self.kernel;
        Region { channels: made.channels.clone(), rows }
    }

    fn flops(&self, part: Part) -> u64 {
        product(&[self.kernel, self.kernel, part.made.channels.len(), part.made.rows.len(), part.output.shape.width])
    }
}

impl Parse for Pool {
    const NAMES: &'static [&'static str] = &["maxpool", "avgpool"];
    const EXAMPLE: &'static str = "maxpool 2 s2";

    fn parse(name: &str, words: &mut Words) -> Result<Self, Misfit> {
        let kernel = words.number()?;
        let kind = if name == "maxpool" { PoolKind::Max } else { PoolKind::Mean };
        Ok(Self { kind, kernel, stride: words.key('s').unwrap_or(kernel) })
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, kernel, stride } = self;
        write!(f, "{} {kernel}", if *kind == PoolKind::Max { "maxpool" } else { "avgpool" })?;
        if stride != kernel { write!(f, " s{stride}") } else { Ok(()) }
    }
}
