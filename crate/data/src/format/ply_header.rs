//! The header of a PLY file: which elements with which properties follow, and in which encoding.

use super::Format;
use super::lines::text;
use super::scalar::{Endian, Scalar};
use crate::error::quote;
use crate::{DataError, Place};

/// Encoding of everything after the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Ascii,
    Binary(Endian),
}

/// One property of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub name: String,
    pub kind: Kind,
}

/// What a property takes in the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    One(Scalar),
    List { count: Scalar, item: Scalar },
}

/// A run of `count` records with the same properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub name: String,
    pub count: u64,
    pub properties: Vec<Property>,
}

/// Everything before the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub encoding: Encoding,
    pub elements: Vec<Element>,
}

impl Element {
    /// Bytes that one record takes at the least: an ASCII number has a digit and a separator.
    pub fn shortest(&self, encoding: Encoding) -> u64 {
        let each = |property: &Property| match (encoding, property.kind) {
            (Encoding::Ascii, _) => 2,
            (Encoding::Binary(_), Kind::One(scalar)) => scalar.size() as u64,
            (Encoding::Binary(_), Kind::List { count, .. }) => count.size() as u64,
        };
        self.properties.iter().map(each).sum()
    }
}

impl Header {
    /// Reads the header and returns it with the bytes that follow.
    pub fn split(bytes: &[u8]) -> Result<(Header, &[u8]), DataError> {
        let mut parser = Parser { rest: bytes, number: 0 };
        parser.magic()?;
        let encoding = parser.encoding()?;
        let mut elements = Vec::new();
        while parser.entry(&mut elements)? {}
        Ok((Header { encoding, elements }, parser.rest))
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Parser<'a> {
    /// The next line that is not a comment, without its end.
    fn line(&mut self, expected: &str) -> Result<String, DataError> {
        loop {
            self.number += 1;
            let Some(end) = self.rest.iter().position(|&b| b == b'\n') else {
                return Err(self.bad("the end of the file".into(), expected));
            };
            let line = text(&self.rest[..end]).trim().to_owned();
            self.rest = &self.rest[end + 1..];
            if !line.starts_with("comment") && !line.starts_with("obj_info") {
                return Ok(line);
            }
        }
    }

    fn bad(&self, found: String, expected: &str) -> DataError {
        DataError::Malformed { format: Format::Ply, place: Place::Line(self.number), found, expected: expected.into() }
    }

    fn magic(&mut self) -> Result<(), DataError> {
        let expected = "the first line `ply`";
        match self.line(expected)?.as_str() {
            "ply" => Ok(()),
            other => Err(self.bad(quote(other), expected)),
        }
    }

    fn encoding(&mut self) -> Result<Encoding, DataError> {
        let expected = "`format ascii 1.0`, `format binary_little_endian 1.0` or `format binary_big_endian 1.0`";
        match self.line(expected)?.split_whitespace().collect::<Vec<_>>()[..] {
            ["format", "ascii", _] => Ok(Encoding::Ascii),
            ["format", "binary_little_endian", _] => Ok(Encoding::Binary(Endian::Little)),
            ["format", "binary_big_endian", _] => Ok(Encoding::Binary(Endian::Big)),
            ref other => Err(self.bad(quote(&other.join(" ")), expected)),
        }
    }

    /// Takes one line in; whether there is more.
    fn entry(&mut self, elements: &mut Vec<Element>) -> Result<bool, DataError> {
        let expected = "`element`, `property` or `end_header`";
        let line = self.line(expected)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], elements.last_mut()) {
            (["end_header"], _) => return Ok(false),
            (["element", name, count], _) => {
                let count = count.parse().map_err(|_| self.bad(quote(count), "a count of records"))?;
                elements.push(Element { name: (*name).into(), count, properties: Vec::new() });
            }
            (["property", kind @ .., name], Some(element)) => {
                element.properties.push(Property { name: (*name).into(), kind: self.kind(kind)? });
            }
            _ => return Err(self.bad(quote(&line), expected)),
        }
        Ok(true)
    }

    fn kind(&self, words: &[&str]) -> Result<Kind, DataError> {
        match words {
            [one] => Ok(Kind::One(self.scalar(one)?)),
            ["list", count, item] => Ok(Kind::List { count: self.scalar(count)?, item: self.scalar(item)? }),
            other => Err(self.bad(quote(&other.join(" ")), "a type, or `list` and two types")),
        }
    }

    fn scalar(&self, name: &str) -> Result<Scalar, DataError> {
        Ok(match name {
            "char" | "int8" => Scalar::I8,
            "uchar" | "uint8" => Scalar::U8,
            "short" | "int16" => Scalar::I16,
            "ushort" | "uint16" => Scalar::U16,
            "int" | "int32" => Scalar::I32,
            "uint" | "uint32" => Scalar::U32,
            "float" | "float32" => Scalar::F32,
            "double" | "float64" => Scalar::F64,
            other => return Err(self.bad(quote(other), "one of char, uchar, short, ushort, int, uint, float, double")),
        })
    }
}
