//! NPY, one NumPy array: a magic, a version, a Python dictionary as text, raw numbers.
//!
//! Format: NumPy Enhancement Proposal 1 and `numpy.lib.format`.

use super::Format;
use super::scalar::{Endian, Scalar};
use crate::error::quote;
use crate::{DataError, Geometry, Place, Sample};

/// First bytes of every file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// An array whose numbers still stand in the file's bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Npy<'a> {
    pub kind: Kind,
    pub endian: Endian,
    pub fortran_order: bool,
    pub shape: Vec<usize>,
    pub data: &'a [u8],
}

/// Type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number(Scalar),
    /// So many characters of 32 bits, padded with zeros.
    Text(usize),
}

impl Kind {
    fn size(self) -> usize {
        match self {
            Kind::Number(scalar) => scalar.size(),
            Kind::Text(n_chars) => n_chars.saturating_mul(4),
        }
    }
}

/// Reads a cloud of shape `[n, c]`, or one of `[clouds, n, c]`, c ≥ 3, whose first three columns are x, y, z.
pub(crate) fn read(bytes: &[u8], index: usize) -> Result<Sample, DataError> {
    Npy::parse(bytes)?.cloud(index)
}

impl<'a> Npy<'a> {
    /// Reads the header and holds it against the length of what follows.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DataError> {
        let (header, data) = split(bytes)?;
        let descr = value_of(header, "descr")?;
        let (kind, endian) = parse_descr(descr)?;
        let shape = parse_shape(value_of(header, "shape")?)?;
        let fortran_order = match value_of(header, "fortran_order")? {
            order if order.starts_with("False") => false,
            order if order.starts_with("True") => true,
            other => return Err(bad(quote(other), "`'fortran_order': False` or `True`")),
        };
        let count = shape.iter().try_fold(1u64, |product, &length| product.checked_mul(length as u64));
        let needs = count.unwrap_or(u64::MAX).saturating_mul(kind.size() as u64);
        if needs > data.len() as u64 {
            let (what, count, has) = ("entries".into(), count.unwrap_or(u64::MAX), data.len() as u64);
            return Err(DataError::Short { format: Format::Npy, what, count, needs, has });
        }
        Ok(Self { kind, endian, fortran_order, shape, data: &data[..needs as usize] })
    }

    /// The rows of `[n, c]`, or of the one at `index` of `[clouds, n, c]`, as points; no point beyond the last.
    fn cloud(&self, index: usize) -> Result<Sample, DataError> {
        let (of, n, n_columns) = match self.shape[..] {
            [n, c] if c >= 3 => (1, n, c),
            [of, n, c] if c >= 3 => (of, n, c),
            _ => {
                let expected = "the shape [n, 3]: n points x y z, or [clouds, n, 3]";
                return Err(bad(format!("an array of shape {:?}", self.shape), expected));
            }
        };
        let Kind::Number(scalar) = self.kind else {
            return Err(bad("an array of text".into(), "an array of numbers"));
        };
        let position = |row: usize, column: usize| match self.fortran_order {
            false => (index * n + row) * n_columns + column,
            true => (column * n + row) * of + index,
        };
        let value = |row, column| scalar.read(&self.data[position(row, column) * scalar.size()..], self.endian);
        let coordinate = |row, column| value(row, column).map_or(f32::NAN, |v| v as f32);
        let rows = if index < of { 0..n } else { 0..0 };
        let points = rows.map(|row| std::array::from_fn(|column| coordinate(row, column))).collect();
        Ok(Sample { geometry: Geometry::Points(points), of, class: None })
    }

    /// All entries as numbers, the last index the fastest.
    pub fn numbers(&self) -> Result<impl Iterator<Item = f64> + '_, DataError> {
        if self.fortran_order && self.shape.len() > 1 {
            let (what, instead) = ("an array in Fortran order".into(), "save it with numpy.ascontiguousarray");
            return Err(DataError::Unsupported { format: Format::Npy, what, instead });
        }
        match self.kind {
            Kind::Number(scalar) => {
                Ok(self.data.chunks_exact(scalar.size()).filter_map(move |b| scalar.read(b, self.endian)))
            }
            Kind::Text(_) => Err(bad("an array of text".into(), "an array of numbers")),
        }
    }

    /// All entries as text.
    pub fn strings(&self) -> Result<Vec<String>, DataError> {
        let Kind::Text(n_chars @ 1..) = self.kind else {
            return Err(bad("an array of numbers".into(), "an array of text"));
        };
        let character = |raw: &[u8]| {
            let code = Scalar::U32.read(raw, self.endian)? as u32;
            char::from_u32(code).filter(|&c| c != '\0')
        };
        let entry = |raw: &[u8]| raw.chunks_exact(4).map_while(character).collect();
        Ok(self.data.chunks_exact(n_chars * 4).map(entry).collect())
    }
}

/// An array as a file of version 1, the last index the fastest. The header ends at a multiple of 64 bytes.
pub(crate) fn npy_bytes(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let length = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
    let mut bytes = [MAGIC, &[1, 0], &(length as u16).to_le_bytes()].concat();
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    bytes.extend(data);
    bytes
}

fn bad(found: String, expected: &str) -> DataError {
    DataError::Malformed { format: Format::Npy, place: Place::Header, found, expected: expected.into() }
}

/// The dictionary's text, and the data.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), DataError> {
    let cut_short = || bad("the end of the file".into(), "the rest of the header");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("another beginning".into(), "\"\\x93NUMPY\""))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(cut_short)?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk().map(|(raw, rest)| (u32::from(u16::from_le_bytes(*raw)), rest)),
        2 | 3 => rest.split_first_chunk().map(|(raw, rest)| (u32::from_le_bytes(*raw), rest)),
        other => return Err(bad(format!("version {other}"), "version 1, 2 or 3")),
    }
    .ok_or_else(cut_short)?;
    let (header, data) = rest.split_at_checked(length as usize).ok_or_else(cut_short)?;
    let header = str::from_utf8(header).map_err(|_| bad("bytes that are not text".into(), "a Python dictionary"))?;
    Ok((header, data))
}

/// What follows `'key':`.
fn value_of<'h>(header: &'h str, key: &str) -> Result<&'h str, DataError> {
    let found = header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    found.ok_or_else(|| bad(quote(header.trim()), &format!("a dictionary with the key '{key}'")))
}

/// `'<f4'` and its like.
fn parse_descr(value: &str) -> Result<(Kind, Endian), DataError> {
    let unsupported = || DataError::Unsupported {
        format: Format::Npy,
        what: format!("an array of type {}", quote(value.split(',').next().unwrap_or_default())),
        instead: "save it with .astype('<f4')",
    };
    let descr = value.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let (order, name) = descr.and_then(|descr| descr.split_at_checked(1)).ok_or_else(unsupported)?;
    let kind = match name {
        "i1" => Kind::Number(Scalar::I8),
        "u1" | "b1" => Kind::Number(Scalar::U8),
        "i2" => Kind::Number(Scalar::I16),
        "u2" => Kind::Number(Scalar::U16),
        "i4" => Kind::Number(Scalar::I32),
        "u4" => Kind::Number(Scalar::U32),
        "i8" => Kind::Number(Scalar::I64),
        "u8" => Kind::Number(Scalar::U64),
        "f2" => Kind::Number(Scalar::F16),
        "f4" => Kind::Number(Scalar::F32),
        "f8" => Kind::Number(Scalar::F64),
        other => {
            let n_chars = other.strip_prefix('U').and_then(|digits| digits.parse().ok());
            Kind::Text(n_chars.ok_or_else(unsupported)?)
        }
    };
    match order {
        "<" | "|" | "=" => Ok((kind, Endian::Little)),
        ">" => Ok((kind, Endian::Big)),
        _ => Err(unsupported()),
    }
}

/// `(1024, 3)`, `(5,)`, `()`.
fn parse_shape(value: &str) -> Result<Vec<usize>, DataError> {
    let wrong = || bad(quote(value), "a shape as in `(1024, 3)`");
    let (inner, _) = value.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(wrong)?;
    let lengths = inner.split(',').map(str::trim).filter(|length| !length.is_empty());
    lengths.map(|length| length.parse().map_err(|_| wrong())).collect()
}
