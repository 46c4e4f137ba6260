//! How values travel over the link.

use std::fmt;
use std::str::FromStr;

use crate::error::{ArchError, shortened};

/// Number format of features on the link; a graph always travels as u16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// 4 bytes per value, exact.
    #[default]
    F32,
    /// 2 bytes per value.
    F16,
    /// 1 byte per value and one f32 scale per column, per map of several, or for 16 values of a single row.
    I8,
}

/// What is done to the payload after the codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Nothing.
    #[default]
    None,
    /// One LZ4 block.
    Lz4,
}

/// Codec and compression of one plan. Text form: `f32`, `f16+lz4`, `i8`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkCodec {
    /// Number format.
    pub codec: Codec,
    /// Compression of the payload.
    pub compression: Compression,
}

impl LinkCodec {
    /// All six, in the order of size.
    pub const ALL: [Self; 6] = {
        use {Codec::*, Compression::*};
        const fn pair(codec: Codec, compression: Compression) -> LinkCodec {
            LinkCodec { codec, compression }
        }
        [pair(F32, None), pair(F32, Lz4), pair(F16, None), pair(F16, Lz4), pair(I8, None), pair(I8, Lz4)]
    };
}

/// Values of a single row that share a scale.
const ROW_BLOCK: usize = 16;

impl Codec {
    /// How the values of an array share scales as i8: how many scales there are, and after how many values the next one
    /// counts, in turn. A column of `[rows, columns]` has one, a map of `[maps, rows, columns]` has one, and of a single row every
    /// 16 values: its parts may be of quite different size, as those of a pooling by maximum and by sum.
    pub fn scales(extents: &[usize]) -> (usize, usize) {
        let product =
            |extents: &[usize]| extents.iter().fold(1usize, |product, extent| product.saturating_mul(*extent));
        match *extents {
            [rows, columns] if rows > 1 => (columns, 1),
            [maps, ref map @ ..] if map.len() > 1 => (maps, product(map)),
            _ => (product(extents).div_ceil(ROW_BLOCK), ROW_BLOCK),
        }
    }

    /// Raw payload of features of these extents, bytes, before compression. An answer, which has one extent, is always f32.
    pub fn bytes(self, extents: &[usize]) -> usize {
        let values = extents.iter().fold(1usize, |product, extent| product.saturating_mul(*extent));
        match self {
            Self::F16 if extents.len() > 1 => values.saturating_mul(2),
            Self::I8 if extents.len() > 1 => values.saturating_add(Self::scales(extents).0.saturating_mul(4)),
            _ => values.saturating_mul(4),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::I8 => "i8",
        })
    }
}

impl fmt::Display for LinkCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.compression {
            Compression::None => write!(f, "{}", self.codec),
            Compression::Lz4 => write!(f, "{}+lz4", self.codec),
        }
    }
}

impl FromStr for LinkCodec {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        let known = Self::ALL.into_iter().find(|codec| codec.to_string() == text);
        known.ok_or_else(|| ArchError::UnknownCodec { text: shortened(text) })
    }
}

impl FromStr for Codec {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        let known = [Self::F32, Self::F16, Self::I8].into_iter().find(|codec| codec.to_string() == text);
        known.ok_or_else(|| ArchError::UnknownCodec { text: shortened(text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_reads_what_it_prints() {
        for codec in LinkCodec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!(LinkCodec::default().to_string(), "f32");
        assert_eq!("f16+lz4".parse(), Ok(LinkCodec { codec: Codec::F16, compression: Compression::Lz4 }));
        assert_eq!("i8".parse(), Ok(Codec::I8));
    }

    #[test]
    fn an_unknown_codec_names_the_known_ones() {
        for text in ["", "f64", "f32+", "F32", "f32+zlib"] {
            let message = text.parse::<LinkCodec>().unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")) && message.contains("+lz4"), "{message}");
        }
    }
}
