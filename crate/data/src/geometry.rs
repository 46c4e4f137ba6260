//! What a file holds: a mesh or bare points, and the checks that every reader's result passes.

use crate::{DataError, Format};

const FROM_ZERO: &str = "indices count from 0";

/// Content of a file, in the file's own units and axes.
#[derive(Debug, Clone, PartialEq)]
pub enum Geometry {
    /// A surface of triangles.
    Mesh(Mesh),
    /// Points without a surface.
    Points(Vec<[f32; 3]>),
}

/// Triangles over shared vertices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mesh {
    /// Coordinates, x, y, z.
    pub vertices: Vec<[f32; 3]>,
    /// Three indices into `vertices` each.
    pub faces: Vec<[u32; 3]>,
}

impl Geometry {
    /// The vertices or the points.
    pub fn positions(&self) -> &[[f32; 3]] {
        match self {
            Geometry::Mesh(mesh) => &mesh.vertices,
            Geometry::Points(points) => points,
        }
    }

    /// Passes the geometry on if there is a point in it and every coordinate is finite.
    ///
    /// # Errors
    /// [`DataError::NoPoints`], [`DataError::NotFinite`].
    pub fn checked(self) -> Result<Self, DataError> {
        let positions = self.positions();
        if positions.is_empty() {
            return Err(DataError::NoPoints);
        }
        check_finite(positions)?;
        Ok(self)
    }
}

impl Mesh {
    /// Whether every face has its vertices and every vertex is finite.
    ///
    /// # Errors
    /// [`DataError::FaceIndex`], [`DataError::NotFinite`].
    pub fn check(&self) -> Result<(), DataError> {
        let vertices = self.vertices.len();
        for (face, corners) in self.faces.iter().enumerate() {
            if let Some(&index) = corners.iter().find(|&&index| index as usize >= vertices) {
                return Err(DataError::FaceIndex { face, index: index.into(), vertices, allowed: FROM_ZERO });
            }
        }
        check_finite(&self.vertices)
    }
}

/// The first point that is not finite is the error.
pub(crate) fn check_finite(points: &[[f32; 3]]) -> Result<(), DataError> {
    match points.iter().position(|point| point.iter().any(|c| !c.is_finite())) {
        Some(index) => Err(DataError::NotFinite { index, point: points[index] }),
        None => Ok(()),
    }
}

/// A mesh if there are faces, else the bare vertices: for formats in which both are usual.
pub(crate) fn mesh_or_points(vertices: Vec<[f32; 3]>, faces: Vec<[u32; 3]>) -> Geometry {
    match faces.is_empty() {
        true => Geometry::Points(vertices),
        false => Geometry::Mesh(Mesh { vertices, faces }),
    }
}

/// Takes polygons and makes triangles of them.
pub(crate) struct Polygons {
    n_vertices: usize,
    allowed: &'static str,
    n_seen: usize,
    triangles: Vec<[u32; 3]>,
}

impl Polygons {
    pub(crate) fn new(format: Format, n_vertices: usize) -> Self {
        let allowed = match format {
            Format::Obj => "indices count from 1, or from -1 backwards",
            _ => FROM_ZERO,
        };
        Self { n_vertices, allowed, n_seen: 0, triangles: Vec::new() }
    }

    pub(crate) fn n_vertices(&self) -> usize {
        self.n_vertices
    }

    /// Adds a polygon of indices from 0, as a fan around its first corner. Points and lines have no surface and are
    /// left out, after the same check of their indices.
    pub(crate) fn push(&mut self, polygon: &[i64]) -> Result<(), DataError> {
        for &index in polygon {
            if usize::try_from(index).map_or(true, |i| i >= self.n_vertices) {
                return Err(self.outside(index));
            }
        }
        for pair in polygon.get(1..).unwrap_or_default().windows(2) {
            self.triangles.push([polygon[0] as u32, pair[0] as u32, pair[1] as u32]);
        }
        self.n_seen += 1;
        Ok(())
    }

    pub(crate) fn outside(&self, index: i64) -> DataError {
        DataError::FaceIndex { face: self.n_seen, index, vertices: self.n_vertices, allowed: self.allowed }
    }

    pub(crate) fn into_triangles(self) -> Vec<[u32; 3]> {
        self.triangles
    }
}
