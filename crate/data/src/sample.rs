//! From geometry to the fixed-size, normalised cloud that the networks take.

use crate::geometry::check_finite;
use crate::{DataError, Geometry, Mesh};
use cleave_arch::SplitMix64;

/// `n` points of the content, centred and of radius one: flat `[n, 3]`, x y z per point. A mesh is sampled by area,
/// a cloud is thinned or filled up; a cloud of exactly `n` points keeps its points and their order.
///
/// # Errors
/// Nothing asked for, no points, a coordinate that is not finite, all points equal, a surface without area.
pub fn to_cloud(geometry: &Geometry, n: usize, seed: u64) -> Result<Vec<f32>, DataError> {
    if n == 0 {
        return Err(DataError::NoneAsked);
    }
    let mut points = match geometry {
        Geometry::Mesh(mesh) => surface(mesh, n, seed)?,
        Geometry::Points(points) => resample(points, n, seed)?,
    };
    normalise(&mut points)?;
    Ok(points.into_flattened())
}

/// `n` points spread evenly over the surface, each triangle getting its share by area.
///
/// Independent draws (Osada et al., "Shape distributions", 2002) leave clumps and holes that clouds of ModelNet do not
/// have. So the shares are taken in equal steps of area (systematic sampling), the points of a triangle follow the
/// R₂ sequence (Roberts, "The unreasonable effectiveness of quasirandom sequences", 2018) from a random start, and
/// only the order at the end is a shuffle.
///
/// # Errors
/// [`DataError::ZeroArea`] when no triangle has an area; [`DataError::FaceIndex`] and [`DataError::NotFinite`].
pub fn surface(mesh: &Mesh, n: usize, seed: u64) -> Result<Vec<[f32; 3]>, DataError> {
    let reach = cumulative_areas(mesh)?;
    let total = reach.last().copied().unwrap_or(0.0);
    if total <= 0.0 {
        return Err(DataError::ZeroArea { faces: mesh.faces.len() });
    }
    let mut rng = SplitMix64::new(seed);
    let step = total / n as f64;
    let first = rng.unit() * step;
    let (mut face, mut place) = (0, [rng.unit(), rng.unit()]);
    let draw = |i| {
        let target = first + i as f64 * step;
        while reach[face] <= target && face + 1 < reach.len() {
            face += 1;
            place = [rng.unit(), rng.unit()];
        }
        place = [(place[0] + R2[0]) % 1.0, (place[1] + R2[1]) % 1.0];
        inside(corners(mesh, mesh.faces[face]), place[0].sqrt(), place[1])
    };
    let mut points: Vec<_> = (0..n).map(draw).collect();
    shuffle(&mut points, n, &mut rng);
    Ok(points)
}

/// Steps of the R₂ sequence: 1 / ρ and 1 / ρ², where ρ³ = ρ + 1.
const R2: [f64; 2] = [0.754_877_666_246_692_7, 0.569_840_290_998_053_3];

/// Draws the first `n` places from all (the first steps of a Fisher–Yates shuffle).
fn shuffle(points: &mut [[f32; 3]], n: usize, rng: &mut SplitMix64) {
    let len = points.len();
    (0..n.min(len)).for_each(|i| points.swap(i, i + rng.scaled_below(len - i)));
}

/// `n` of the points: all of them in order when there are `n`; a random subset without repetition when there are
/// more; all of them and then random repetitions when there are fewer.
///
/// # Errors
/// [`DataError::NoPoints`].
pub fn resample(points: &[[f32; 3]], n: usize, seed: u64) -> Result<Vec<[f32; 3]>, DataError> {
    if points.is_empty() {
        return Err(DataError::NoPoints);
    }
    let mut rng = SplitMix64::new(seed);
    let mut kept = points.to_vec();
    if kept.len() > n {
        shuffle(&mut kept, n, &mut rng);
        kept.truncate(n);
    }
    while kept.len() < n {
        kept.push(points[rng.scaled_below(points.len())]);
    }
    Ok(kept)
}

/// Moves the mean of the points to the origin and divides by the largest distance from it, in place.
///
/// # Errors
/// [`DataError::NoPoints`], [`DataError::NotFinite`], [`DataError::AllPointsEqual`].
pub fn normalise(points: &mut [[f32; 3]]) -> Result<(), DataError> {
    let first = *points.first().ok_or(DataError::NoPoints)?;
    check_finite(points)?;
    if points.iter().all(|point| *point == first) {
        return Err(DataError::AllPointsEqual { count: points.len(), point: first });
    }
    let mean = mean(points);
    let from_mean = |point: &[f32; 3]| std::array::from_fn(|axis| f64::from(point[axis]) - mean[axis]);
    let radius = points.iter().map(|point| length(from_mean(point))).fold(0.0, f64::max);
    for point in points {
        *point = from_mean(point).map(|c| (c / radius) as f32);
    }
    Ok(())
}

/// Sums in f64: neither large coordinates nor many points lose digits or overflow.
fn mean(points: &[[f32; 3]]) -> [f64; 3] {
    let mut sum = [0.0; 3];
    for point in points {
        (0..3).for_each(|axis| sum[axis] += f64::from(point[axis]));
    }
    sum.map(|s| s / points.len() as f64)
}

/// Entry `i`: area of the triangles up to and including `i`.
fn cumulative_areas(mesh: &Mesh) -> Result<Vec<f64>, DataError> {
    mesh.check()?;
    let mut sum = 0.0;
    let step = |&face: &[u32; 3]| {
        sum += area(corners(mesh, face));
        sum
    };
    Ok(mesh.faces.iter().map(step).collect())
}

fn corners(mesh: &Mesh, face: [u32; 3]) -> [[f64; 3]; 3] {
    face.map(|index| mesh.vertices[index as usize].map(f64::from))
}

fn area([a, b, c]: [[f64; 3]; 3]) -> f64 {
    let u: [f64; 3] = std::array::from_fn(|i| b[i] - a[i]);
    let v: [f64; 3] = std::array::from_fn(|i| c[i] - a[i]);
    let cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    length(cross) / 2.0
}

fn length(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

/// (1 − r) A + r (1 − t) B + r t C, where r is the root of a uniform number.
fn inside([a, b, c]: [[f64; 3]; 3], r: f64, t: f64) -> [f32; 3] {
    std::array::from_fn(|i| ((1.0 - r) * a[i] + r * (1.0 - t) * b[i] + r * t * c[i]) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of side 1 at z = 0 and one of side 3 at z = 5.
    fn two_squares() -> Mesh {
        let square = |side: f32, z: f32| [[0., 0., z], [side, 0., z], [side, side, z], [0., side, z]];
        Mesh {
            vertices: [square(1., 0.), square(3., 5.)].concat(),
            faces: vec![[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]],
        }
    }

    #[test]
    fn larger_faces_get_more_points_in_proportion() {
        let points = surface(&two_squares(), 10_000, 1).unwrap();
        let high = points.iter().filter(|p| p[2] == 5.0).count();
        assert!((8_880..9_120).contains(&high), "{high} of 10000, expected about 9000");
        let left = points.iter().filter(|p| p[2] == 5.0 && p[0] < 1.5).count();
        assert!((0.47..0.53).contains(&(left as f64 / high as f64)), "uneven within a face: {left} of {high}");
    }

    #[test]
    fn seed_decides() {
        let mesh = Geometry::Mesh(two_squares());
        assert_eq!(to_cloud(&mesh, 64, 5), to_cloud(&mesh, 64, 5));
        assert_ne!(to_cloud(&mesh, 64, 5), to_cloud(&mesh, 64, 6));
    }

    #[test]
    fn subset_repeats_nothing_and_filling_keeps_all() {
        let points: Vec<[f32; 3]> = (0..100).map(|i| [i as f32, 0., 0.]).collect();
        let distinct = |mut p: Vec<[f32; 3]>| {
            p.sort_by(|a, b| a[0].total_cmp(&b[0]));
            p.dedup();
            p.len()
        };
        assert_eq!(distinct(resample(&points, 60, 9).unwrap()), 60);
        let filled = resample(&points, 250, 9).unwrap();
        assert_eq!((filled.len(), distinct(filled)), (250, 100));
        assert_eq!(resample(&points, 100, 9).unwrap(), points);
    }

    #[test]
    fn cloud_is_centred_with_radius_one_even_far_away() {
        let far = |x: f32| [3.0e38 * x, 1.0e38, 0.0];
        let cloud = to_cloud(&Geometry::Points(vec![far(1.), far(-1.), far(0.5)]), 3, 0).unwrap();
        let (points, _) = cloud.as_chunks::<3>();
        let sum: f32 = points.iter().map(|p| p[0]).sum();
        let radius = points.iter().map(|p| p[0].hypot(p[1]).hypot(p[2])).fold(0.0, f32::max);
        assert!(sum.abs() < 1e-6 && (radius - 1.0).abs() < 1e-6, "{sum} {radius}");
    }

    #[test]
    fn degenerate_input_is_refused_with_its_reason() {
        let same = Geometry::Points(vec![[1., 2., 3.]; 4]);
        assert!(to_cloud(&same, 8, 0).unwrap_err().to_string().starts_with("all 8 points are (1, 2, 3)"));
        assert_eq!(to_cloud(&Geometry::Points(vec![]), 8, 0), Err(DataError::NoPoints));
        assert_eq!(to_cloud(&same, 0, 0), Err(DataError::NoneAsked));
        let line = Mesh { vertices: vec![[0.; 3], [1., 0., 0.], [2., 0., 0.]], faces: vec![[0, 1, 2]] };
        assert_eq!(to_cloud(&Geometry::Mesh(line), 8, 0), Err(DataError::ZeroArea { faces: 1 }));
    }
}
