//! The header of a PCD file: which fields a point has, where x, y and z are, and how the data is stored.

use super::Format;
use super::lines::text;
use super::scalar::Scalar;
use crate::error::quote;
use crate::{DataError, Place};

/// How the points are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Ascii,
    Binary,
    Compressed,
}

/// One field of a point, `count` numbers of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub scalar: Scalar,
    pub count: usize,
}

/// Everything before the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub fields: Vec<Field>,
    /// Which fields x, y and z are.
    pub xyz: [usize; 3],
    pub n_points: u64,
    pub storage: Storage,
}

impl Field {
    /// Bytes of this field in one point.
    pub fn size(self) -> usize {
        self.scalar.size().saturating_mul(self.count)
    }
}

impl Layout {
    /// Reads the header and returns it with the bytes that follow.
    pub fn split(bytes: &[u8]) -> Result<(Layout, &[u8]), DataError> {
        let (entries, data) = Entries::split(bytes)?;
        let fields = entries.fields()?;
        let stride = fields.iter().try_fold(0usize, |sum, field| sum.checked_add(field.size()));
        if stride.is_none_or(|stride| stride > MAX_STRIDE) {
            return Err(bad("COUNT", entries.get("COUNT"), "fields of a point that fit into a mebibyte"));
        }
        let layout = Layout { fields, xyz: entries.xyz()?, n_points: entries.n_points()?, storage: entries.storage()? };
        Ok((layout, data))
    }

    /// Bytes of one point.
    pub fn stride(&self) -> usize {
        self.fields.iter().map(|field| field.size()).sum()
    }

    /// Values of one point before this field.
    pub fn column(&self, field: usize) -> usize {
        self.fields[..field].iter().map(|field| field.count).sum()
    }

    /// Bytes of one point before this field.
    pub fn offset(&self, field: usize) -> usize {
        self.fields[..field].iter().map(|field| field.size()).sum()
    }
}

/// A point's bytes stay far below this (a full feature histogram is 1.2 KiB); above it a header is damaged.
const MAX_STRIDE: usize = 1 << 20;

/// The keywords and what follows them.
struct Entries(Vec<(String, Vec<String>)>);

impl Entries {
    fn split(bytes: &[u8]) -> Result<(Self, &[u8]), DataError> {
        let mut entries = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let line = text(&rest[..end]);
            rest = &rest[end + 1..];
            let mut words = line.split_whitespace().map(str::to_owned);
            let Some(keyword) = words.next().filter(|word| !word.starts_with('#')) else { continue };
            let is_last = keyword == "DATA";
            entries.push((keyword, words.collect()));
            if is_last {
                return Ok((Self(entries), rest));
            }
        }
        Err(bad("DATA", &[], "a line `DATA ascii`, `DATA binary` or `DATA binary_compressed`"))
    }

    fn get(&self, keyword: &str) -> &[String] {
        let entry = self.0.iter().find(|(word, _)| word == keyword);
        entry.map_or(&[], |(_, words)| words)
    }

    fn fields(&self) -> Result<Vec<Field>, DataError> {
        let n_fields = self.get("FIELDS").len();
        let kinds = self.same_length("TYPE", n_fields)?.iter().zip(self.same_length("SIZE", n_fields)?);
        let scalars = kinds.map(|(kind, size)| scalar(kind, size)).collect::<Result<Vec<_>, _>>()?;
        let counts = match self.get("COUNT") {
            [] => vec![1; n_fields],
            _ => self.same_length("COUNT", n_fields)?.iter().map(|c| number("COUNT", c)).collect::<Result<_, _>>()?,
        };
        Ok(scalars.into_iter().zip(counts).map(|(scalar, count)| Field { scalar, count }).collect())
    }

    fn same_length(&self, keyword: &'static str, n_fields: usize) -> Result<&[String], DataError> {
        let words = self.get(keyword);
        match words.len() == n_fields {
            true => Ok(words),
            false => Err(bad(keyword, words, &format!("{n_fields} entries, one for each of FIELDS"))),
        }
    }

    fn xyz(&self) -> Result<[usize; 3], DataError> {
        let fields = self.get("FIELDS");
        let counts = self.get("COUNT");
        let find = |name: &str| {
            let index = fields.iter().position(|field| field == name);
            let index = index.filter(|&index| counts.get(index).is_none_or(|count| count != "0"));
            index.ok_or_else(|| bad("FIELDS", fields, "the fields x, y and z among them"))
        };
        Ok([find("x")?, find("y")?, find("z")?])
    }

    fn n_points(&self) -> Result<u64, DataError> {
        match (self.get("POINTS"), self.get("WIDTH"), self.get("HEIGHT")) {
            ([points], _, _) => number("POINTS", points),
            (_, [width], [height]) => {
                Ok(number::<u64>("WIDTH", width)?.saturating_mul(number::<u64>("HEIGHT", height)?))
            }
            (other, _, _) => Err(bad("POINTS", other, "the number of points")),
        }
    }

    fn storage(&self) -> Result<Storage, DataError> {
        match self.get("DATA") {
            [word] if word == "ascii" => Ok(Storage::Ascii),
            [word] if word == "binary" => Ok(Storage::Binary),
            [word] if word == "binary_compressed" => Ok(Storage::Compressed),
            other => Err(bad("DATA", other, "`ascii`, `binary` or `binary_compressed`")),
        }
    }
}

fn scalar(kind: &str, size: &str) -> Result<Scalar, DataError> {
    Ok(match (kind, size) {
        ("I", "1") => Scalar::I8,
        ("I", "2") => Scalar::I16,
        ("I", "4") => Scalar::I32,
        ("I", "8") => Scalar::I64,
        ("U", "1") => Scalar::U8,
        ("U", "2") => Scalar::U16,
        ("U", "4") => Scalar::U32,
        ("U", "8") => Scalar::U64,
        ("F", "4") => Scalar::F32,
        ("F", "8") => Scalar::F64,
        _ => return Err(bad("TYPE", &[format!("{kind}{size}")], "I or U with size 1, 2, 4, 8, or F with 4, 8")),
    })
}

fn number<T: std::str::FromStr>(keyword: &str, word: &String) -> Result<T, DataError> {
    word.parse().map_err(|_| bad(keyword, std::slice::from_ref(word), "a whole number"))
}

fn bad(keyword: &str, found: &[String], expected: &str) -> DataError {
    let found = match found {
        [] => format!("no {keyword}"),
        words => format!("{keyword} {}", quote(&words.join(" "))),
    };
    DataError::Malformed { format: Format::Pcd, place: Place::Header, found, expected: expected.into() }
}
