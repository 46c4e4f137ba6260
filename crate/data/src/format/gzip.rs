//! Gzip (RFC 1952), one member: how Fashion-MNIST's files are packed.

use miniz_oxide::inflate::decompress_to_vec_with_limit;
use std::borrow::Cow;

use super::Format;
use super::zip::crc32;
use crate::{DataError, Place};

/// Most bytes of an unpacked file.
const LARGEST: usize = 512 << 20;
const MAGIC: &[u8] = &[0x1f, 0x8b, 8];

/// The content of a gzip file; of anything else the bytes themselves.
pub(super) fn unpacked(bytes: &[u8], format: Format) -> Result<Cow<'_, [u8]>, DataError> {
    if !bytes.starts_with(MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let bad = |found: &str, expected: &str| DataError::Malformed {
        format,
        place: Place::Header,
        found: found.into(),
        expected: expected.into(),
    };
    let packed = body(bytes).ok_or_else(|| bad("the end of the file", "the rest of gzip's header"))?;
    let (packed, trailer) =
        packed.split_last_chunk::<8>().ok_or_else(|| bad("the end of the file", "gzip's checksum"))?;
    let content = decompress_to_vec_with_limit(packed, LARGEST)
        .map_err(|_| bad("damaged compressed data", "an intact gzip file of 512 MiB at most"))?;
    let (crc, length) = trailer.split_at(4);
    match crc == crc32(&content).to_le_bytes() && length == (content.len() as u32).to_le_bytes() {
        true => Ok(Cow::Owned(content)),
        false => Err(bad("content that differs from its checksum", "an intact gzip file")),
    }
}

/// What follows the header: flags at byte 3 announce an extra field, a name, a comment and a checksum of the header.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (flags, mut rest) = (*bytes.get(3)?, bytes.get(10..)?);
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf hello | gzip`, with a name.
    fn hello() -> Vec<u8> {
        let deflated = miniz_oxide::deflate::compress_to_vec(b"hello", 6);
        [MAGIC, &[8, 0, 0, 0, 0, 0, 3], b"name\0", &deflated, &[0x86, 0xa6, 0x10, 0x36], &[5, 0, 0, 0]].concat()
    }

    #[test]
    fn content_is_held_against_its_checksum() {
        assert_eq!(*unpacked(&hello(), Format::Idx).unwrap(), *b"hello");
        assert_eq!(*unpacked(b"plain", Format::Idx).unwrap(), *b"plain");
        let mut broken = hello();
        *broken.last_mut().unwrap() = 6;
        let why = unpacked(&broken, Format::Idx).unwrap_err().to_string();
        assert!(why.contains("differs from its checksum"), "{why}");
        for cut in 3..hello().len() {
            assert!(unpacked(&hello()[..cut], Format::Idx).is_err());
        }
    }
}
