//! OFF, the text form that ModelNet comes in: `OFF`, then counts of vertices, faces and edges, then one line each.
//!
//! Hundreds of ModelNet's files have the keyword glued to the first count (`OFF490 518 0`); that is read too.
//! Colours, normals and texture coordinates (COFF, NOFF, STOFF) follow the coordinates and are skipped.
//! Format: Geomview's manual, "OFF Files".

use super::Format;
use super::lines::{Line, Lines};
use crate::geometry::Polygons;
use crate::{DataError, Geometry, Mesh};

const SHORTEST_VERTEX: u64 = "0 0 0\n".len() as u64;
const SHORTEST_FACE: u64 = "0\n".len() as u64;

/// Reads a mesh.
pub(crate) fn read(text: &str) -> Result<Geometry, DataError> {
    let mut lines = Lines::new(Format::Off, text);
    let counts = Counts::read(&mut lines)?;
    counts.check(text.len() as u64)?;
    let vertices = read_vertices(&mut lines, counts.vertices)?;
    if counts.faces == 0 && !vertices.is_empty() {
        return Err(DataError::MeshWithoutFaces { format: Format::Off, vertices: vertices.len() });
    }
    let faces = read_faces(&mut lines, counts)?;
    if faces.is_empty() && !vertices.is_empty() {
        return Err(DataError::MeshWithoutFaces { format: Format::Off, vertices: vertices.len() });
    }
    Ok(Geometry::Mesh(Mesh { vertices, faces }))
}

/// What follows the keyword in a word that starts with one; `None` for a word that does not.
pub(crate) fn keyword(word: &str) -> Option<&str> {
    let (letters, rest) = word.split_once("OFF")?;
    let rest_is_count = rest.bytes().all(|b| b.is_ascii_digit());
    (["", "C", "N", "CN", "ST", "STC", "STN", "STCN"].contains(&letters) && rest_is_count).then_some(rest)
}

#[derive(Clone, Copy)]
struct Counts {
    vertices: usize,
    faces: usize,
}

impl Counts {
    fn read(lines: &mut Lines) -> Result<Self, DataError> {
        let first = lines.expect(|| "the keyword OFF".into())?;
        let word = first.words().next().unwrap_or_default();
        if keyword(word).is_none() {
            return Err(first.bad(first.text, "the keyword OFF"));
        }
        let (_, rest) = first.text.split_once("OFF").unwrap_or_default();
        if rest.trim().starts_with("BINARY") {
            return Err(DataError::Unsupported {
                format: Format::Off,
                what: "binary OFF".into(),
                instead: "save it as text OFF or as PLY",
            });
        }
        match rest.trim() {
            "" => Self::from_line(lines.expect(|| "the counts of vertices, faces and edges".into())?),
            counts => Self::from_line(first.with(counts)),
        }
    }

    fn from_line(line: Line) -> Result<Self, DataError> {
        let mut words = line.words();
        let mut count = || line.number(words.next(), "the counts of vertices, faces and edges, as in `8 6 0`");
        Ok(Self { vertices: count()?, faces: count()? })
    }

    fn check(self, has: u64) -> Result<(), DataError> {
        let short = |count: usize, what: &str, each: u64| DataError::Short {
            format: Format::Off,
            what: what.into(),
            count: count as u64,
            needs: (count as u64).saturating_mul(each),
            has,
        };
        match self {
            Self { vertices, .. } if vertices as u64 > has / SHORTEST_VERTEX => {
                Err(short(vertices, "vertices", SHORTEST_VERTEX))
            }
            Self { faces, .. } if faces as u64 > has / SHORTEST_FACE => Err(short(faces, "faces", SHORTEST_FACE)),
            _ => Ok(()),
        }
    }
}

fn read_vertices(lines: &mut Lines, count: usize) -> Result<Vec<[f32; 3]>, DataError> {
    let mut vertices = Vec::with_capacity(count);
    for index in 0..count {
        let line = lines.expect(|| format!("vertex {} of {count}", index + 1))?;
        vertices.push(line.point(&mut line.words())?);
    }
    Ok(vertices)
}

fn read_faces(lines: &mut Lines, counts: Counts) -> Result<Vec<[u32; 3]>, DataError> {
    let mut polygons = Polygons::new(Format::Off, counts.vertices);
    for index in 0..counts.faces {
        let line = lines.expect(|| format!("face {} of {}", index + 1, counts.faces))?;
        polygons.push(&read_polygon(line)?)?;
    }
    Ok(polygons.into_triangles())
}

/// `3 0 1 2`, perhaps with a colour behind.
fn read_polygon(line: Line) -> Result<Vec<i64>, DataError> {
    let mut words = line.words();
    let corners: usize = line.number(words.next(), "a number of corners")?;
    let indices: Vec<&str> = words.take(corners).collect();
    if indices.len() < corners {
        return Err(line.bad(line.text, format!("{corners} indices of vertices after the first number")));
    }
    indices.into_iter().map(|word| line.number(Some(word), "the index of a vertex")).collect()
}
