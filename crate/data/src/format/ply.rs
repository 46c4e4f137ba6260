//! PLY, the polygon format of Stanford's scans: a text header, then records in ASCII or either binary order.
//!
//! Read are `x`, `y`, `z` of the element `vertex`, of any numeric type, and the list `vertex_indices` (or
//! `vertex_index`) of the element `face`; all else is stepped over. Format: Turk, "The PLY Polygon File Format", 1994.

use super::Format;
use super::ply_header::{Element, Encoding, Header, Kind, Property};
use super::scalar::{Endian, Scalar};
use crate::error::quote;
use crate::geometry::{Polygons, mesh_or_points};
use crate::{DataError, Geometry, Place};

/// Reads a mesh, or a cloud where there is no face.
pub(crate) fn read(bytes: &[u8]) -> Result<Geometry, DataError> {
    let (header, data) = Header::split(bytes)?;
    let mut values = Values::new(header.encoding, data, bytes.len() - data.len());
    if !header.elements.iter().any(|element| element.name == "vertex") {
        return Err(no_vertices("no element `vertex`".into()));
    }
    let (mut vertices, mut polygons) = (Vec::new(), Vec::new());
    for element in &header.elements {
        check_fits(element, header.encoding, values.n_left())?;
        match element.name.as_str() {
            "vertex" => vertices = read_vertices(&mut values, element)?,
            "face" => polygons = read_polygons(&mut values, element)?,
            _ => skip(&mut values, element)?,
        }
    }
    let mut faces = Polygons::new(Format::Ply, vertices.len());
    polygons.iter().try_for_each(|polygon| faces.push(polygon))?;
    Ok(mesh_or_points(vertices, faces.into_triangles()))
}

/// Where x, y and z stand among the vertex's properties.
fn vertex_columns(vertex: &Element) -> Result<[usize; 3], DataError> {
    let find = |name: &str| {
        let is_it = |p: &Property| p.name == name && matches!(p.kind, Kind::One(_));
        vertex.properties.iter().position(is_it).ok_or_else(|| no_vertices(format!("no number `{name}` in `vertex`")))
    };
    Ok([find("x")?, find("y")?, find("z")?])
}

fn no_vertices(found: String) -> DataError {
    let expected = "an element `vertex` with the properties x, y and z".into();
    DataError::Malformed { format: Format::Ply, place: Place::Header, found, expected }
}

/// A record takes some bytes at the least, so a count that lies is found before anything is allocated.
fn check_fits(element: &Element, encoding: Encoding, has: usize) -> Result<(), DataError> {
    // The last number of an ASCII file may lack its separator.
    let has = has as u64 + u64::from(encoding == Encoding::Ascii);
    let needs = element.count.saturating_mul(element.shortest(encoding));
    if needs <= has {
        return Ok(());
    }
    let what = format!("records of `{}`", element.name);
    Err(DataError::Short { format: Format::Ply, what, count: element.count, needs, has })
}

fn read_vertices(values: &mut Values, element: &Element) -> Result<Vec<[f32; 3]>, DataError> {
    let columns = vertex_columns(element)?;
    let mut vertices = Vec::with_capacity(element.count as usize);
    let mut record = vec![0.0; element.properties.len()];
    for _ in 0..element.count {
        for (property, value) in element.properties.iter().zip(&mut record) {
            *value = values.property(property.kind, &mut Vec::new())?;
        }
        vertices.push(columns.map(|column| record[column] as f32));
    }
    Ok(vertices)
}

fn read_polygons(values: &mut Values, element: &Element) -> Result<Vec<Vec<i64>>, DataError> {
    let mut polygons = Vec::new();
    if element.properties.is_empty() {
        return Ok(polygons);
    }
    for _ in 0..element.count {
        for property in &element.properties {
            let mut items = Vec::new();
            values.property(property.kind, &mut items)?;
            if matches!(property.name.as_str(), "vertex_indices" | "vertex_index") {
                polygons.push(items.into_iter().map(|item| item as i64).collect());
            }
        }
    }
    Ok(polygons)
}

fn skip(values: &mut Values, element: &Element) -> Result<(), DataError> {
    if element.properties.is_empty() {
        return Ok(());
    }
    for _ in 0..element.count {
        for property in &element.properties {
            values.property(property.kind, &mut Vec::new())?;
        }
    }
    Ok(())
}

/// The data after the header, one number after the other.
enum Values<'a> {
    Ascii { words: std::str::SplitAsciiWhitespace<'a>, n_bytes: usize },
    Binary { rest: &'a [u8], endian: Endian, n_bytes: usize },
}

impl<'a> Values<'a> {
    fn new(encoding: Encoding, data: &'a [u8], start: usize) -> Self {
        match encoding {
            Encoding::Ascii => {
                // Numbers are ASCII: what is not stops the reading with a message, so the tail is not lost silently.
                let valid = data.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                Values::Ascii { words: valid.split_ascii_whitespace(), n_bytes: data.len() }
            }
            Encoding::Binary(endian) => Values::Binary { rest: data, endian, n_bytes: start + data.len() },
        }
    }

    /// Bytes that are left; for ASCII those of the whole data, which bounds a count as well.
    fn n_left(&self) -> usize {
        match self {
            Values::Ascii { n_bytes, .. } => *n_bytes,
            Values::Binary { rest, .. } => rest.len(),
        }
    }

    /// Reads one property: a number, or a list into `items`.
    fn property(&mut self, kind: Kind, items: &mut Vec<f64>) -> Result<f64, DataError> {
        let (count, item) = match kind {
            Kind::One(scalar) => return self.number(scalar),
            Kind::List { count, item } => (self.number(count)?, item),
        };
        let most = self.n_left() as f64;
        if !(0.0..=most).contains(&count) {
            return Err(self.bad(format!("a list of {count}"), "a list that fits into the rest of the file"));
        }
        for _ in 0..count as usize {
            items.push(self.number(item)?);
        }
        Ok(count)
    }

    fn number(&mut self, scalar: Scalar) -> Result<f64, DataError> {
        match self {
            Values::Ascii { words, .. } => {
                let word = words.next();
                let number = word.and_then(|word| word.parse().ok());
                number.ok_or_else(|| self.bad(word.map_or("the end of the numbers".into(), quote), "a number"))
            }
            Values::Binary { rest, endian, .. } => match scalar.read(rest, *endian) {
                Some(number) => {
                    *rest = &rest[scalar.size()..];
                    Ok(number)
                }
                None => Err(self.bad("the end of the file".into(), "the rest of a record")),
            },
        }
    }

    fn bad(&self, found: String, expected: &str) -> DataError {
        let place = match self {
            Values::Ascii { .. } => Place::Data,
            Values::Binary { rest, n_bytes, .. } => Place::Byte(n_bytes - rest.len()),
        };
        DataError::Malformed { format: Format::Ply, place, found, expected: expected.into() }
    }
}
