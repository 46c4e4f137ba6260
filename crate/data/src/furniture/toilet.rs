//! Toilets: a bowl on a foot with seat and lid, and a tank behind it.

use super::parts::cushion;
use super::solid::{Point, Solid, cos_sin};
use cleave_arch::SplitMix64;

struct Toilet {
    /// Half of the bowl's width.
    half: f64,
    /// How far the bowl reaches forwards (−y) and backwards from its centre.
    reach: [f64; 2],
    /// Height of the rim.
    rim: f64,
    /// Half width, depth and top of the tank.
    tank: [f64; 3],
}

/// One toilet, its tank at +y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let rim = rng.between(36.0, 44.0);
    let toilet = Toilet {
        half: rng.between(16.5, 21.5),
        reach: [rng.between(28.0, 40.0), rng.between(17.0, 23.0)],
        rim,
        tank: [rng.between(17.0, 26.0), rng.between(13.0, 22.0), rim + rng.between(12.0, 35.0)],
    };
    let mut solid = Solid::default();
    toilet.bowl(&mut solid, rng);
    toilet.seat(&mut solid, rng);
    if rng.chance(0.92) {
        toilet.tank(&mut solid, rng);
    }
    if rng.chance(0.45) {
        toilet.lid(&mut solid, rng);
    }
    solid
}

impl Toilet {
    /// The bowl's outline, scaled in width and reach, at a height: an egg, longer at the front.
    fn outline(&self, scale: [f64; 2], z: f64) -> Vec<Point> {
        const N: usize = 20;
        let corner = |i: usize| {
            let (cos, sin) = cos_sin(2.0 * std::f64::consts::PI * i as f64 / N as f64);
            let reach = if sin < 0.0 { self.reach[0] } else { self.reach[1] };
            [self.half * scale[0] * cos, reach * scale[1] * sin, z]
        };
        (0..N).map(corner).collect()
    }

    fn bowl(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let waist = rng.between(0.4, 0.85);
        let foot = waist + rng.between(0.0, 0.25);
        let waist_z = self.rim * rng.between(0.25, 0.5);
        let level = |scale: f64, z: f64| self.outline([scale, scale * 0.92], z);
        let outside = [
            level(foot, 0.0),
            level(foot * 0.98, 3.0),
            level(waist, waist_z),
            level(0.93, self.rim * 0.8),
            level(1.0, self.rim),
        ];
        solid.tube(&outside);
        solid.cap(&outside[0]);
        let inside = [level(0.72, self.rim), level(0.65, self.rim * 0.8), level(0.3, self.rim * 0.5)];
        solid.tube(&inside);
        solid.cap(&inside[2]);
        // The trapway reaches back under the tank.
        let (back, half) = (self.reach[1] + self.tank[1] * 0.8, self.half * rng.between(0.35, 0.7));
        solid.block([-half, 0.0, 0.0], [half, back, self.rim * rng.between(0.6, 0.95)]);
    }

    /// A flat ring, or closed where the lid is down.
    fn seat(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let (low, high) = (self.rim, self.rim + rng.between(1.5, 4.5));
        let outer = [low, high].map(|z| self.outline([1.03, 1.03], z));
        if rng.chance(0.4) {
            solid.loft(&outer);
            return;
        }
        let inner = [high, low].map(|z| self.outline([0.66, 0.7], z));
        let [bottom, top] = outer;
        let [inner_top, inner_bottom] = inner;
        solid.tube(&[bottom, top, inner_top, inner_bottom]);
    }

    fn tank(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let [half, depth, top] = self.tank;
        let y = [self.reach[1] - 2.0, self.reach[1] - 2.0 + depth];
        let low = if rng.chance(0.25) { 0.0 } else { self.rim - rng.between(0.0, 6.0) };
        let mark = solid.mark();
        let (from, to) = ([-half, y[0], low], [half, y[1], top]);
        if rng.chance(0.5) {
            cushion(solid, from, to)
        } else {
            solid.block(from, to)
        }
        let narrowing = rng.between(0.0, 0.2);
        solid.map_from(mark, |p| [p[0] * (1.0 - narrowing * (top - p[2]) / (top - low)), p[1], p[2]]);
        let over = rng.between(0.5, 2.0);
        solid.block([-half - over, y[0] - over, top], [half + over, y[1] + over, top + rng.between(1.5, 4.0)]);
    }

    /// The lid, up against the tank.
    fn lid(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let mark = solid.mark();
        let thickness = rng.between(1.0, 2.5);
        solid.loft(&[0.0, thickness].map(|z| self.outline([0.98, 0.98], z)));
        let (back, rim, lean) = (self.reach[1], self.rim + 3.0, rng.between(0.05, 0.25));
        solid.map_from(mark, |[x, y, z]| [x, back - 3.0 - z + lean * (back - y), rim + back - y]);
    }
}
