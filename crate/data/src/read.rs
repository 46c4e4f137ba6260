//! The one entry for files: which format is it, what is in it, is it sound.

use crate::{DataError, Format, Geometry};

/// Reads a point cloud or a mesh. `name` is used for its extension, when the content shows no format, and in
/// messages; nothing is opened.
///
/// # Errors
/// Every [`DataError`] of a file: unknown, malformed, cut short, not finite, without points or without faces.
pub fn read(name: &str, bytes: &[u8]) -> Result<Geometry, DataError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::Empty { name: name.to_owned() });
    }
    let format = Format::detect(name, bytes).ok_or_else(|| unknown(name, bytes))?;
    format.parse(bytes)?.checked()
}

fn unknown(name: &str, bytes: &[u8]) -> DataError {
    let start = &bytes[..bytes.len().min(8)];
    DataError::UnknownFormat { name: name.to_owned(), start: format!("\"{}\"", start.escape_ascii()) }
}
