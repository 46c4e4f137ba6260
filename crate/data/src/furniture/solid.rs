//! The modelling kit: a growing mesh with boxes, rods and lofts. Everything is a loft, a skin over a row of rings.

use std::f64::consts::PI;

use crate::Mesh;

/// A point in centimetres.
pub(crate) type Point = [f64; 3];

/// Cross-section of a rod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Square,
    Round,
}

/// A mesh in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Solid {
    vertices: Vec<Point>,
    faces: Vec<[u32; 3]>,
}

impl Solid {
    /// Number of vertices so far: a mark for [`Solid::map_from`].
    pub fn mark(&self) -> usize {
        self.vertices.len()
    }

    /// Moves every vertex since the mark.
    pub fn map_from(&mut self, mark: usize, change: impl Fn(Point) -> Point) {
        self.vertices[mark..].iter_mut().for_each(|vertex| *vertex = change(*vertex));
    }

    /// Leans everything since the mark: `per_height` centimetres of x and y per centimetre above `z`.
    pub fn lean_from(&mut self, mark: usize, z: f64, per_height: [f64; 2]) {
        self.map_from(mark, |p| [p[0] + per_height[0] * (p[2] - z), p[1] + per_height[1] * (p[2] - z), p[2]]);
    }

    /// A box between two opposite corners.
    pub fn block(&mut self, low: Point, high: Point) {
        let ring = |z| vec![[low[0], low[1], z], [high[0], low[1], z], [high[0], high[1], z], [low[0], high[1], z]];
        self.loft(&[ring(low[2]), ring(high[2])]);
    }

    /// A rod between two points, of these half thicknesses at its ends.
    pub fn rod(&mut self, ends: [Point; 2], radii: [f64; 2], section: Section) {
        let along: Point = std::array::from_fn(|i| ends[1][i] - ends[0][i]);
        // For a vertical rod u and v are x and y, so that a square leg is parallel to the room.
        let upright = along[2].abs() > along[0].abs().max(along[1].abs());
        let v = unit(cross(along, if upright { [1.0, 0.0, 0.0] } else { [0.0, 0.0, 1.0] }));
        let u = unit(cross(v, along));
        let outline = match section {
            Section::Square => vec![[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]],
            Section::Round => ellipse([1.0, 1.0], 10),
        };
        let ring = |end: usize| {
            let at = |q: &[f64; 2]| std::array::from_fn(|i| ends[end][i] + radii[end] * (q[0] * u[i] + q[1] * v[i]));
            outline.iter().map(at).collect::<Vec<Point>>()
        };
        self.loft(&[ring(0), ring(1)]);
    }

    /// A skin over rings of equal length, closed by fans at both ends.
    pub fn loft(&mut self, rings: &[Vec<Point>]) {
        let (Some(first), Some(last)) = (rings.first(), rings.last()) else { return };
        let (first, last) = (first.clone(), last.clone());
        self.tube(rings);
        self.cap(&first);
        self.cap(&last);
    }

    /// The same without ends.
    pub fn tube(&mut self, rings: &[Vec<Point>]) {
        for pair in rings.windows(2) {
            let n = pair[0].len();
            for i in 0..n {
                let j = (i + 1) % n;
                self.quad([pair[0][i], pair[0][j], pair[1][j], pair[1][i]]);
            }
        }
    }

    /// A flat or nearly flat polygon.
    pub fn cap(&mut self, ring: &[Point]) {
        let start = self.vertices.len() as u32;
        self.vertices.extend_from_slice(ring);
        (1..ring.len().saturating_sub(1) as u32).for_each(|i| self.faces.push([start, start + i, start + i + 1]));
    }

    fn quad(&mut self, corners: [Point; 4]) {
        self.cap(&corners);
    }

    /// Adds the other side of every face.
    pub fn double(&mut self) {
        let other_sides: Vec<_> = self.faces.iter().map(|&[a, b, c]| [a, c, b]).collect();
        self.faces.extend(other_sides);
    }

    /// Ends the making.
    pub fn into_mesh(self) -> Mesh {
        let vertices = self.vertices.into_iter().map(|p| p.map(|c| c as f32)).collect();
        Mesh { vertices, faces: self.faces }
    }
}

/// An outline in the plane, at a height.
pub(crate) fn ring(outline: &[[f64; 2]], centre: [f64; 2], z: f64) -> Vec<Point> {
    outline.iter().map(|q| [centre[0] + q[0], centre[1] + q[1], z]).collect()
}

/// An ellipse of these half axes.
pub(crate) fn ellipse(half: [f64; 2], n_corners: usize) -> Vec<[f64; 2]> {
    let corner = |i| {
        let (cos, sin) = cos_sin(2.0 * PI * i as f64 / n_corners as f64);
        [half[0] * cos, half[1] * sin]
    };
    (0..n_corners).map(corner).collect()
}

/// A rectangle of these half sides, its corners rounded. Always the same number of corners, for lofts.
pub(crate) fn rounded(half: [f64; 2], radius: f64) -> Vec<[f64; 2]> {
    const PER_CORNER: usize = 5;
    let radius = radius.min(half[0]).min(half[1]);
    let corner = |i: usize| {
        let quarter = i / PER_CORNER;
        let (cos, sin) = cos_sin(PI / 2.0 * (quarter as f64 + (i % PER_CORNER) as f64 / (PER_CORNER - 1) as f64));
        let (east, north) = (matches!(quarter, 0 | 3), quarter < 2);
        let side = |positive: bool, half: f64| if positive { half - radius } else { radius - half };
        [side(east, half[0]) + radius * cos, side(north, half[1]) + radius * sin]
    };
    (0..4 * PER_CORNER).map(corner).collect()
}

/// Cosine and sine of −7 to 7 by Taylor's series from additions and products alone: the platform's own functions
/// differ in their last bits, and a seed has to give the same cloud everywhere.
pub(crate) fn cos_sin(angle: f64) -> (f64, f64) {
    const N_TERMS: i32 = 20;
    let (mut cos, mut sin, mut term) = (0.0, 0.0, 1.0);
    for n in 0..N_TERMS {
        let [even, odd] = [f64::from(2 * n + 1), f64::from(2 * n + 2)];
        cos += term;
        sin += term * angle / even;
        term *= -angle * angle / (even * odd);
    }
    (cos, sin)
}

fn cross(a: Point, b: Point) -> Point {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(v: Point) -> Point {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
    v.map(|c| c / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(solid: Solid) -> f64 {
        let mesh = solid.into_mesh();
        let side = |a: usize, b: usize, f: &[u32; 3]| {
            std::array::from_fn(|i| f64::from(mesh.vertices[f[b] as usize][i] - mesh.vertices[f[a] as usize][i]))
        };
        let twice = |f: &[u32; 3]| cross(side(0, 1, f), side(0, 2, f)).iter().map(|c| c * c).sum::<f64>().sqrt();
        mesh.faces.iter().map(twice).sum::<f64>() / 2.0
    }

    #[test]
    fn a_block_has_the_area_of_its_six_sides() {
        let mut solid = Solid::default();
        solid.block([0.0; 3], [1.0, 2.0, 3.0]);
        assert!((area(solid) - 22.0).abs() < 1e-5);
    }

    #[test]
    fn an_upright_square_rod_is_parallel_to_the_axes() {
        let mut solid = Solid::default();
        solid.rod([[5.0, 5.0, 0.0], [5.0, 5.0, 10.0]], [1.0, 1.0], Section::Square);
        let mesh = solid.into_mesh();
        assert!(mesh.vertices.iter().all(|v| (v[0] - 5.0).abs() > 0.999 && (v[1] - 5.0).abs() > 0.999));
    }

    #[test]
    fn cos_sin_is_that_of_the_platform() {
        for angle in [-6.5, -1.0, 0.0, 0.5, 3.0, 6.9] {
            let (cos, sin) = cos_sin(angle);
            assert!((cos - f64::cos(angle)).abs() < 1e-11 && (sin - f64::sin(angle)).abs() < 1e-11, "{angle}");
        }
    }

    #[test]
    fn rounded_stays_within_its_rectangle_and_reaches_its_sides() {
        let outline = rounded([3.0, 5.0], 1.0);
        let reach = |axis: usize| outline.iter().map(|p| p[axis].abs()).fold(0.0, f64::max);
        assert!((reach(0) - 3.0).abs() < 1e-9 && (reach(1) - 5.0).abs() < 1e-9);
    }
}
