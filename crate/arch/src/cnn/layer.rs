//! The layers of image networks, and the shape of what is between them.

use std::fmt;

/// A map `[channels, height, width]`; a row of features has height and width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Numbers in it.
    pub fn values(self) -> u64 {
        [self.height, self.width].iter().fold(self.channels as u64, |n, extent| n.saturating_mul(*extent as u64))
    }
}

/// `3×224×224`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// How a window becomes one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Largest value.
    Max,
    /// Arithmetic mean.
    Mean,
}

/// One layer. Windows are square; what does not fill a window or a stride is left out, as in PyTorch by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Convolution with bias (a cross-correlation, as everywhere in this field), zeros around the map.
    Conv {
        /// Output channels.
        channels: usize,
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
        /// Zeros on each side; less than the kernel.
        padding: usize,
    },
    /// Fully connected layer with bias, on a flattened map.
    Linear {
        /// Output features.
        features: usize,
    },
    /// Pooling without padding.
    Pool {
        /// Of what.
        kind: PoolKind,
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
    },
    /// max(x, 0)
    Relu,
    /// Normalisation by learned statistics, per channel, ε = 1e-5.
    BatchNorm,
    /// AlexNet's local response normalisation over `size` neighbouring channels: see [`super::LRN_ALPHA`].
    Lrn {
        /// Channels that count, the own one in the middle: an odd number.
        size: usize,
    },
    /// A map becomes a row of features, channel by channel.
    Flatten,
    /// Does nothing outside training.
    Dropout,
}

/// As the text form has it: `conv 64 k11 s4 p2`, `maxpool 3 s2`, `relu`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Conv { channels, kernel, stride, padding } => {
                write!(f, "conv {channels} k{kernel}")?;
                if stride != 1 {
                    write!(f, " s{stride}")?;
                }
                if padding != 0 { write!(f, " p{padding}") } else { Ok(()) }
            }
            Self::Linear { features } => write!(f, "linear {features}"),
            Self::Pool { kind, kernel, stride } => {
                let name = if kind == PoolKind::Max { "maxpool" } else { "avgpool" };
                write!(f, "{name} {kernel}")?;
                if stride != kernel { write!(f, " s{stride}") } else { Ok(()) }
            }
            Self::Relu => f.write_str("relu"),
            Self::BatchNorm => f.write_str("norm"),
            Self::Lrn { size } => write!(f, "lrn {size}"),
            Self::Flatten => f.write_str("flatten"),
            Self::Dropout => f.write_str("dropout"),
        }
    }
}
