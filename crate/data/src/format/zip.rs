//! The part of zip that NumPy writes: members that are stored or deflated, found by the directory at the end.
//!
//! A zip library does far more (writing, encryption, other methods, file times); this needs inflate alone, which
//! `miniz_oxide` does in safe Rust and in every target. Format: PKWARE's APPNOTE 6.3.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

use super::Format;
use super::scalar::{Endian, Scalar};
use crate::error::quote;
use crate::{DataError, Place};

/// First bytes of a zip with a member in it.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_SIZE: usize = 22;
const LONGEST_COMMENT: usize = u16::MAX as usize;

/// Largest member: half a gibibyte is 45 million points, and a browser's memory ends soon after.
const LARGEST: usize = 1 << 29;

/// An opened zip.
pub(crate) struct Zip<'a> {
    bytes: &'a [u8],
    members: Vec<Member>,
}

/// One entry of the directory.
pub(crate) struct Member {
    pub name: String,
    method: usize,
    crc: u32,
    packed: usize,
    unpacked: usize,
    /// Where its own header begins.
    offset: usize,
}

impl<'a> Zip<'a> {
    /// Reads the directory.
    pub fn open(bytes: &'a [u8]) -> Result<Self, DataError> {
        let from = bytes.len().saturating_sub(END_SIZE + LONGEST_COMMENT);
        let end = (from..=bytes.len().saturating_sub(END_SIZE)).rev().find(|&at| bytes[at..].starts_with(END));
        let end = end.ok_or_else(|| bad(bytes.len(), "the end of the file", "a zip's directory; it is cut short"))?;
        let count = number(bytes, end + 10, Scalar::U16)?;
        let mut at = number(bytes, end + 16, Scalar::U32)?;
        let mut members = Vec::new();
        for _ in 0..count {
            let (member, next) = Member::parse(bytes, at)?;
            members.push(member);
            at = next;
        }
        Ok(Self { bytes, members })
    }

    /// All members in the directory's order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of this name.
    pub fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// A member's content, held against its length and checksum.
    pub fn unpack(&self, member: &Member) -> Result<Vec<u8>, DataError> {
        let (at, name) = (member.offset, quote(&member.name));
        if member.unpacked > LARGEST {
            let what = format!("the member {name} of {} bytes", member.unpacked);
            return Err(DataError::Unsupported { format: Format::Npz, what, instead: "512 MiB is the most" });
        }
        let content = match member.method {
            0 => self.packed(member)?.to_vec(),
            8 => decompress_to_vec_with_limit(self.packed(member)?, member.unpacked)
                .map_err(|_| bad(at, "damaged compressed data", format!("the member {name}")))?,
            method => {
                let what = format!("the member {name} with compression method {method}");
                let instead = "write it with numpy.savez or numpy.savez_compressed";
                return Err(DataError::Unsupported { format: Format::Npz, what, instead });
            }
        };
        match content.len() == member.unpacked && crc32(&content) == member.crc {
            true => Ok(content),
            false => Err(bad(at, "content that differs from its checksum", format!("an intact member {name}"))),
        }
    }

    fn packed(&self, member: &Member) -> Result<&'a [u8], DataError> {
        let at = member.offset;
        if !self.bytes.get(at..).is_some_and(|rest| rest.starts_with(MAGIC)) {
            return Err(bad(at, "something else", "the header of a member"));
        }
        let name = number(self.bytes, at + 26, Scalar::U16)?;
        let extra = number(self.bytes, at + 28, Scalar::U16)?;
        let content = self.bytes.get(at + 30 + name + extra..).and_then(|rest| rest.get(..member.packed));
        content.ok_or_else(|| bad(at, "the end of the file", format!("{} bytes of a member", member.packed)))
    }
}

impl Member {
    /// Reads the entry at this byte and says where the next one is.
    fn parse(bytes: &[u8], at: usize) -> Result<(Self, usize), DataError> {
        if !bytes.get(at..).is_some_and(|rest| rest.starts_with(DIRECTORY_ENTRY)) {
            return Err(bad(at, "something else", "an entry of the zip's directory"));
        }
        let short = |offset| number(bytes, at + offset, Scalar::U16);
        let long = |offset| number(bytes, at + offset, Scalar::U32);
        let name_end = at + 46 + short(28)?;
        let name = bytes.get(at + 46..name_end).ok_or_else(|| bad(at, "the end of the file", "a member's name"))?;
        let member = Self {
            name: String::from_utf8_lossy(name).into_owned(),
            method: short(10)?,
            crc: long(16)? as u32,
            packed: long(20)?,
            unpacked: long(24)?,
            offset: long(42)?,
        };
        if [member.packed, member.unpacked, member.offset].contains(&(u32::MAX as usize)) {
            let instead = "save fewer points: a member may have 512 MiB";
            return Err(DataError::Unsupported { format: Format::Npz, what: "a zip64 member".into(), instead });
        }
        Ok((member, name_end + short(30)? + short(32)?))
    }
}

/// A zip of these members, stored as they are, without file times.
pub(crate) fn zip_bytes(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let (offset, size) = ((bytes.len() as u32).to_le_bytes(), (content.len() as u32).to_le_bytes());
        // Version 2.0, no flags, stored, the first moment of 1980.
        let mut about = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0];
        about.extend([crc32(content).to_le_bytes(), size, size].concat());
        about.extend((name.len() as u32).to_le_bytes());
        bytes.extend([MAGIC, &about, name.as_bytes(), content].concat());
        directory.extend([DIRECTORY_ENTRY, &[20, 0], &about, &[0; 10], &offset, name.as_bytes()].concat());
    }
    let (count, size) = ((members.len() as u16).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    let start = (bytes.len() as u32).to_le_bytes();
    bytes.extend(directory);
    bytes.extend([END, &[0; 4], &count, &count, &size, &start, &[0; 2]].concat());
    bytes
}

fn number(bytes: &[u8], at: usize, scalar: Scalar) -> Result<usize, DataError> {
    let number = bytes.get(at..).and_then(|rest| scalar.read(rest, Endian::Little));
    number.map(|n| n as usize).ok_or_else(|| bad(at, "the end of the file", "the rest of the zip's directory"))
}

fn bad(at: usize, found: &str, expected: impl Into<String>) -> DataError {
    let (format, place) = (Format::Npz, Place::Byte(at));
    DataError::Malformed { format, place, found: found.into(), expected: expected.into() }
}

/// CRC-32 of ISO 3309, as zip and gzip have it.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    !bytes.iter().fold(!0, |crc, &byte| (crc >> 8) ^ table[((crc ^ u32::from(byte)) & 0xFF) as usize])
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksum_is_the_standard_one() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}
