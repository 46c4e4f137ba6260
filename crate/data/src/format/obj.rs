//! Wavefront OBJ: `v x y z` and `f a/b/c …`, indices from 1 or, negative, backwards from the latest vertex.
//! Everything else (normals, materials, groups, curves) is skipped.

use super::Format;
use super::lines::{Line, Lines};
use crate::geometry::{Polygons, mesh_or_points};
use crate::{DataError, Geometry};

/// Reads a mesh, or the vertices alone where there is no face.
pub(crate) fn read(text: &str) -> Result<Geometry, DataError> {
    let unfolded = unfold(text);
    let vertices = Lines::new(Format::Obj, &unfolded)
        .filter_map(|line| content(line, "v"))
        .map(|line| line.point(&mut line.words()))
        .collect::<Result<Vec<_>, _>>()?;
    if vertices.is_empty() {
        return Err(no_vertices(&unfolded));
    }
    let faces = read_faces(&unfolded, vertices.len())?;
    Ok(mesh_or_points(vertices, faces))
}

/// A backslash at the end of a line continues it. Rare, so the usual file is not copied.
fn unfold(text: &str) -> std::borrow::Cow<'_, str> {
    match text.contains("\\\n") || text.contains("\\\r\n") {
        true => text.replace("\\\r\n", " ").replace("\\\n", " ").into(),
        false => text.into(),
    }
}

/// What follows the keyword, on the lines that have it.
fn content<'a>(line: Line<'a>, keyword: &str) -> Option<Line<'a>> {
    let rest = line.text.strip_prefix(keyword)?;
    rest.starts_with([' ', '\t']).then(|| line.with(rest.trim()))
}

fn no_vertices(text: &str) -> DataError {
    let first = Lines::new(Format::Obj, text).next();
    first.map_or(DataError::NoPoints, |line| line.bad(line.text, "at least one line `v x y z` in the file"))
}

/// A second pass, so that a face may come before its vertices, as some writers have it.
fn read_faces(text: &str, n_vertices: usize) -> Result<Vec<[u32; 3]>, DataError> {
    let mut polygons = Polygons::new(Format::Obj, n_vertices);
    let mut n_so_far = 0;
    for line in Lines::new(Format::Obj, text) {
        if content(line, "v").is_some() {
            n_so_far += 1;
        } else if let Some(face) = content(line, "f") {
            let corners = face.words().map(|word| corner(face, word, n_so_far, &polygons));
            polygons.push(&corners.collect::<Result<Vec<_>, _>>()?)?;
        }
    }
    Ok(polygons.into_triangles())
}

/// The index from 0 of `7`, `7/1`, `7//3` or `-1`.
fn corner(face: Line, word: &str, n_so_far: i64, polygons: &Polygons) -> Result<i64, DataError> {
    let vertex = word.split('/').next();
    let written: i64 = face.number(vertex, "the index of a vertex, as in `f 1 2 3` or `f 1/1/1 2/2/1 3/3/1`")?;
    let index = match written {
        1.. => written - 1,
        _ => n_so_far.saturating_add(written),
    };
    let outside = written == 0 || index < 0 || index >= polygons.n_vertices() as i64;
    if outside { Err(polygons.outside(written)) } else { Ok(index) }
}
