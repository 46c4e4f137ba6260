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
    /// 1 byte per value and one f32 scale per column.
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
