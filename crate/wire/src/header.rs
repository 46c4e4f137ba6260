//! The ten bytes in front of every message. **This layout never changes**, whatever the version: each side can tell
//! which version the other speaks, and an edge can stamp its refusal with the version of an old client.
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | `CLVE` |
//! | 4 | version |
//! | 5 | kind: below 128 with the direction in which the connection was opened, from 128 against it |
//! | 6..10 | bytes that follow, u32 |

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;

/// First bytes of every message.
pub const MAGIC: [u8; 4] = *b"CLVE";
/// Version that this build speaks. Bump it with every change of a body other than `Refused`.
pub const PROTOCOL_VERSION: u8 = 5;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 10;
/// Which of them is the kind; the length follows.
pub(crate) const KIND_AT: usize = 5;
/// Bytes that are reserved for a message: all but those with a payload fit.
const ROOM: usize = 128;

/// A header that was read; the body was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the body.
    pub version: u8,
    /// Which message.
    pub kind: u8,
    /// Bytes of the body.
    pub length: u32,
}

impl Header {
    /// Reads the header of a message in any version.
    ///
    /// # Errors
    /// [`WireError::Short`], [`WireError::Magic`].
    pub fn read(bytes: &[u8]) -> Result<Header, WireError> {
        let mut reader = Reader::new(bytes);
        let mut found = [0; 4];
        found.copy_from_slice(reader.raw("magic", MAGIC.len())?);
        if found != MAGIC {
            return Err(WireError::Magic { found });
        }
        Ok(Header { version: reader.u8("version")?, kind: reader.u8("kind")?, length: reader.u32("length")? })
    }
}

/// A whole message, of which `write` says the kind and the body. A body above `u32::MAX` bytes cannot be made: every
/// message is far below by its limits.
pub(crate) fn encode(version: u8, write: impl FnOnce(&mut Writer) -> &mut Writer) -> Vec<u8> {
    let mut writer = Writer::with_capacity(ROOM);
    write(writer.raw(&MAGIC).u8(version).u8(0).u32(0));
    let body = writer.len() - HEADER_BYTES;
    writer.length(u32::try_from(body).unwrap_or(u32::MAX));
    writer.finish()
}

/// Reads a whole message in this build's version by its kind.
pub(crate) fn decode<T>(
    bytes: &[u8],
    limits: &Limits,
    read: impl FnOnce(u8, &mut Reader<'_>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let (kind, mut reader) = open(bytes, limits)?;
    let message = read(kind, &mut reader)?;
    reader.finish()?;
    Ok(message)
}

/// Kind and body of a message in this build's version.
fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(u8, Reader<'a>), WireError> {
    let header = Header::read(bytes)?;
    if header.version != PROTOCOL_VERSION {
        return Err(WireError::Version { theirs: header.version, ours: PROTOCOL_VERSION });
    }
    check_limit("message", bytes.len() as u64, u64::from(limits.max_frame_bytes), "bytes")?;
    let (claimed, body) = (header.length as usize, &bytes[HEADER_BYTES..]);
    if claimed != body.len() {
        return Err(WireError::Length { claimed, present: body.len() });
    }
    Ok((header.kind, Reader::new(body)))
}
