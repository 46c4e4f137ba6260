//! Bathtubs: freestanding shells, shells in a boxed surround, corner tubs; some with a raised end or feet.

use super::parts::{CORNERS, slab};
use super::solid::{Point, Section, Solid, ring, rounded};
use cleave_arch::SplitMix64;

/// One bathtub, its length along y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let size = [rng.between(58.0, 116.0), rng.between(140.0, 185.0)];
    let height = rng.between(34.0, 68.0);
    let mut solid = Solid::default();
    if rng.chance(0.5) {
        freestanding(&mut solid, rng, size, height);
    } else {
        surround(&mut solid, rng, size, height);
    }
    if rng.chance(0.35) {
        tap(&mut solid, rng, size, height);
    }
    solid
}

/// The inside of a tub: from the rim's outline down to a smaller floor. Open above.
struct Basin {
    half: [f64; 2],
    radius: f64,
    top: f64,
    floor: f64,
    narrowing: f64,
}

impl Basin {
    fn rings(&self) -> Vec<Vec<Point>> {
        const STEPS: usize = 5;
        let level = |i: usize| {
            let depth = i as f64 / STEPS as f64;
            // Steep at the rim, flat at the floor.
            let scale = 1.0 - self.narrowing * depth * depth;
            let outline = rounded(self.half.map(|h| h * scale), self.radius * scale);
            ring(&outline, [0.0, 0.0], self.top + (self.floor - self.top) * depth)
        };
        (0..=STEPS).map(level).collect()
    }

    fn build(&self, solid: &mut Solid) {
        let rings = self.rings();
        solid.tube(&rings);
        rings.last().into_iter().for_each(|floor| solid.cap(floor));
    }
}

fn freestanding(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let half = size.map(|side| side / 2.0);
    let radius = half[0] * rng.between(0.45, 1.0);
    let lift = if rng.chance(0.35) { rng.between(5.0, 14.0) } else { 0.0 };
    let wall = rng.between(3.0, 9.0);
    let narrowing = rng.between(0.08, 0.35);
    let inner = half.map(|h| h - wall);
    Basin { half, radius, top: height, floor: lift, narrowing }.build(solid);
    Basin { half: inner, radius, top: height, floor: lift + wall, narrowing }.build(solid);
    solid.tube(&[ring(&rounded(half, radius), [0.0; 2], height), ring(&rounded(inner, radius), [0.0; 2], height)]);
    if lift > 0.0 {
        for [x, y] in CORNERS.map(|side| [side[0] * half[0] * 0.6, side[1] * half[1] * 0.65]) {
            solid.rod([[1.1 * x, 1.1 * y, 0.0], [x, y, lift + 6.0]], [2.0, 4.0], Section::Round);
        }
    }
    if rng.chance(0.4) {
        let rise = rng.between(0.2, 0.6) * height;
        let both = rng.chance(0.4);
        solid.map_from(0, |[x, y, z]| {
            let end = if both { y.abs() } else { y } / half[1];
            [x, y, z + rise * end.max(0.0) * end.max(0.0) * (z / height)]
        });
    }
}

fn surround(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let half = size.map(|side| side / 2.0);
    let rim = rng.between(5.0, 16.0);
    let inner = half.map(|h| h - rim);
    let radius = inner[0] * rng.between(0.2, 1.0);
    let corner = if rng.chance(0.3) { half[0] * rng.between(0.2, 0.9) } else { 0.1 };
    let (outer_ring, inner_ring) = (rounded(half, corner), rounded(inner, radius));
    solid.tube(&[ring(&outer_ring, [0.0; 2], 0.0), ring(&outer_ring, [0.0; 2], height)]);
    solid.tube(&[ring(&outer_ring, [0.0; 2], height), ring(&inner_ring, [0.0; 2], height)]);
    if rng.chance(0.7) {
        solid.cap(&ring(&outer_ring, [0.0; 2], 0.0));
    }
    let floor = height * rng.between(0.1, 0.35);
    Basin { half: inner, radius, top: height, floor, narrowing: rng.between(0.1, 0.35) }.build(solid);
    if rng.chance(0.3) {
        let step = rng.between(10.0, 25.0);
        slab(solid, [size[0] + 2.0 * step, size[1] + 0.6 * step], [0.0, rng.between(4.0, 18.0)]);
    }
}

fn tap(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let y = -size[1] / 2.0 + 4.0;
    let top = height + rng.between(8.0, 18.0);
    solid.rod([[0.0, y, height - 2.0], [0.0, y, top]], [1.5, 1.5], Section::Round);
    solid.rod([[0.0, y, top], [0.0, y + 14.0, top - 2.0]], [1.5, 1.2], Section::Round);
}
