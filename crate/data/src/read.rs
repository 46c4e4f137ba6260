//! The one entry for files: which format is it, what is in it, is it sound.

use crate::{DataError, Format, Geometry};

/// One cloud or mesh of a file, and what the file says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The cloud or mesh itself.
    pub geometry: Geometry,
    /// How many the file holds: more than one only in arrays `[n, points, 3]`.
    pub of: usize,
    /// Its class, where an NPZ has `labels` and `classes` beside its points.
    pub class: Option<String>,
}

impl Sample {
    /// The only one of its file.
    pub(crate) fn only(geometry: Geometry) -> Self {
        Self { geometry, of: 1, class: None }
    }
}

/// Reads a point cloud or a mesh: the one at `index`, from 0, of those that the file holds. `name` is used for its
/// extension, when the content shows no format, and in messages; nothing is opened.
///
/// # Errors
/// Every [`DataError`] of a file: unknown, malformed, cut short, not finite, without points or without faces; an index
/// beyond the last.
pub fn read(name: &str, bytes: &[u8], index: usize) -> Result<Sample, DataError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(DataError::Empty { name: name.to_owned() });
    }
    let format = Format::detect(name, bytes).ok_or_else(|| unknown(name, bytes))?;
    let sample = format.parse(bytes, index)?;
    if index >= sample.of {
        return Err(DataError::NoSuchSample { index, of: sample.of });
    }
    Ok(Sample { geometry: sample.geometry.checked()?, ..sample })
}

fn unknown(name: &str, bytes: &[u8]) -> DataError {
    let start = &bytes[..bytes.len().min(8)];
    DataError::UnknownFormat { name: name.to_owned(), start: format!("\"{}\"", start.escape_ascii()) }
}
