//! Chairs: four legs, a star foot, a cantilever or a shell; backs of board, slats, bars or a curve; arms or none.

use std::f64::consts::PI;

use super::parts::{Legs, cushion, section, slab};
use super::solid::{Point, Section, Solid, cos_sin, ellipse, ring, rounded};
use cleave_arch::SplitMix64;

/// The seat, which everything else is attached to.
struct Seat {
    width: f64,
    depth: f64,
    /// Underside and top.
    z: [f64; 2],
}

/// One chair, its back at +y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let top = rng.between(37.0, 50.0);
    let seat =
        Seat { width: rng.between(40.0, 66.0), depth: rng.between(40.0, 60.0), z: [top - rng.between(2.5, 11.0), top] };
    let mut solid = Solid::default();
    match rng.scaled_below(20) {
        0..11 => seat.on_four_legs(&mut solid, rng),
        11..15 => seat.on_star(&mut solid, rng),
        15..17 => seat.on_cantilever(&mut solid, rng),
        _ => {
            seat.shell(&mut solid, rng);
            return solid;
        }
    }
    seat.cover(&mut solid, rng);
    seat.back(&mut solid, rng);
    if rng.chance(0.4) {
        seat.arms(&mut solid, rng);
    }
    solid
}

impl Seat {
    fn half(&self) -> [f64; 2] {
        [self.width / 2.0, self.depth / 2.0]
    }

    fn cover(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let [x, y] = self.half();
        match rng.scaled_below(3) {
            0 => slab(solid, [self.width, self.depth], self.z),
            1 => cushion(solid, [-x, -y, self.z[0]], [x, y, self.z[1]]),
            _ => {
                let outline = rounded([x, y], rng.between(4.0, 24.0));
                solid.loft(&self.z.map(|z| ring(&outline, [0.0; 2], z)));
            }
        }
    }

    fn on_four_legs(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(1.2, 3.2);
        let legs = Legs::draw(rng, [self.width, self.depth], self.z[0], radius);
        legs.build(solid);
        if rng.chance(0.35) {
            legs.stretchers(solid, rng.between(0.2, 0.6));
        }
    }

    fn on_star(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(24.0, 34.0);
        let hub = rng.between(6.0, 11.0);
        solid.rod([[0.0, 0.0, hub], [0.0, 0.0, self.z[0]]], [rng.between(2.0, 4.0), 2.5], Section::Round);
        if rng.chance(0.25) {
            solid.loft(&[0.0, 2.5].map(|z| ring(&ellipse([radius * 0.8; 2], 20), [0.0; 2], z)));
            return;
        }
        let n_arms = 4 + rng.scaled_below(2);
        for i in 0..n_arms {
            let (cos, sin) = cos_sin(2.0 * PI * i as f64 / n_arms as f64 + 0.3);
            let foot = [radius * cos, radius * sin, 5.0];
            solid.rod([[0.0, 0.0, hub], foot], [2.2, 1.5], Section::Square);
            solid.rod([[foot[0], foot[1], 0.0], foot], [2.5, 2.5], Section::Round);
        }
    }

    /// Two bent tubes: along the floor, up at the front, back under the seat.
    fn on_cantilever(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let [half, y] = self.half();
        let radius = rng.between(1.0, 2.0);
        for x in [-half + radius, half - radius] {
            let path: [Point; 4] = [[x, y, radius], [x, -y, radius], [x, -y, self.z[0]], [x, y, self.z[0]]];
            path.windows(2).for_each(|ends| solid.rod([ends[0], ends[1]], [radius; 2], Section::Round));
        }
        solid.rod([[-half, y, radius], [half, y, radius]], [radius; 2], Section::Round);
    }

    fn back(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let top = self.z[1] + rng.between(26.0, 54.0);
        let mark = solid.mark();
        match rng.scaled_below(6) {
            0..3 => self.board_back(solid, rng, top),
            3 => self.barred_back(solid, rng, top),
            4 => self.ladder_back(solid, rng, top),
            _ => self.curved_back(solid, rng, top),
        }
        solid.lean_from(mark, self.z[1], [0.0, rng.between(0.0, 0.28)]);
    }

    fn board_back(&self, solid: &mut Solid, rng: &mut SplitMix64, top: f64) {
        let half = self.width / 2.0 * rng.between(0.75, 1.0);
        let thickness = rng.between(2.0, 9.0);
        let y = self.depth / 2.0;
        let from = if rng.chance(0.45) { self.z[1] + rng.between(6.0, 20.0) } else { self.z[0] };
        let (low, high) = ([-half, y - thickness, from], [half, y, top]);
        if rng.chance(0.4) {
            cushion(solid, low, high)
        } else {
            solid.block(low, high)
        }
        if from > self.z[1] {
            let inset = half * rng.between(0.2, 0.9);
            for x in [-inset, inset] {
                solid.rod([[x, y - 1.0, self.z[0]], [x, y - 1.0, from + 3.0]], [1.3; 2], Section::Square);
            }
        }
    }

    fn posts(&self, solid: &mut Solid, rng: &mut SplitMix64, top: f64) -> f64 {
        let (half, y) = (self.width / 2.0 - 1.5, self.depth / 2.0 - 1.5);
        let (radius, section) = (rng.between(1.2, 2.4), section(rng));
        for x in [-half, half] {
            solid.rod([[x, y, self.z[0]], [x, y, top]], [radius; 2], section);
        }
        half
    }

    fn barred_back(&self, solid: &mut Solid, rng: &mut SplitMix64, top: f64) {
        let half = self.posts(solid, rng, top);
        let y = self.depth / 2.0 - 1.5;
        let rail = rng.between(3.0, 9.0);
        solid.block([-half, y - 1.2, top - rail], [half, y + 1.2, top]);
        let n = 3 + rng.scaled_below(6);
        for i in 1..n {
            let x = -half + 2.0 * half * i as f64 / n as f64;
            solid.rod([[x, y, self.z[1]], [x, y, top - rail]], [0.9; 2], Section::Round);
        }
    }

    fn ladder_back(&self, solid: &mut Solid, rng: &mut SplitMix64, top: f64) {
        let half = self.posts(solid, rng, top);
        let y = self.depth / 2.0 - 1.5;
        let n = 2 + rng.scaled_below(4);
        let step = (top - self.z[1]) / n as f64;
        let rail = step * rng.between(0.25, 0.6);
        for i in 1..=n {
            let z = self.z[1] + step * i as f64;
            solid.block([-half, y - 1.0, z - rail], [half, y + 1.0, z]);
        }
    }

    /// Part of a cylinder around the seat.
    fn curved_back(&self, solid: &mut Solid, rng: &mut SplitMix64, top: f64) {
        let from = self.z[1] + if rng.chance(0.5) { rng.between(5.0, 22.0) } else { 0.0 };
        let reach = rng.between(0.28, 0.5) * PI;
        let drop = if rng.chance(0.5) { rng.between(0.2, 0.6) } else { 0.0 };
        let thickness = rng.between(2.0, 6.0);
        let section = |i: usize| {
            let along = i as f64 / 8.0 - 1.0;
            let (sin, cos) = cos_sin(reach * along);
            let at = |inset: f64, z| [(self.width / 2.0 - inset) * cos, (self.depth / 2.0 - inset) * sin, z];
            let high = top - drop * (top - from) * along * along;
            vec![at(0.0, from), at(thickness, from), at(thickness, high), at(0.0, high)]
        };
        solid.loft(&(0..=16).map(section).collect::<Vec<_>>());
        if from > self.z[1] {
            self.posts(solid, rng, from + 2.0);
        }
    }

    fn arms(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let z = self.z[1] + rng.between(17.0, 27.0);
        let [half, y] = self.half();
        let (thick, front) = (rng.between(1.2, 3.5), -y * rng.between(0.4, 0.95));
        let full = rng.chance(0.3);
        for x in [-half - thick, half + thick] {
            if full {
                solid.block([x - thick, front, self.z[0]], [x + thick, y, z]);
            } else {
                solid.block([x - thick, front, z - 2.0], [x + thick, y, z]);
                let post = front + rng.between(1.0, 8.0);
                solid.rod([[x, post, self.z[0]], [x, post, z]], [0.7 * thick; 2], Section::Square);
            }
        }
    }

    /// An egg or bucket: seat and back are one bent surface, on legs or a foot.
    fn shell(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let top = self.z[1] + rng.between(24.0, 56.0);
        let arm_share = rng.between(0.1, 0.6);
        let [x, y] = self.half().map(|h| h * 1.1);
        for thickness in [0.0, rng.between(1.5, 6.0)] {
            let bowl = |i: usize| bowl_ring([x - thickness, y - thickness], self.z, top, arm_share, i as f64 / 8.0);
            let rings: Vec<_> = (0..=8).map(bowl).collect();
            solid.tube(&rings);
            solid.cap(&rings[0]);
        }
        if rng.chance(0.5) {
            self.on_star(solid, rng);
        } else {
            Legs::draw(rng, [self.width * 0.8, self.depth * 0.8], self.z[0], 1.6).build(solid);
        }
    }
}

/// A level of a bucket seat: from the flat bottom outwards, then up, the higher the further back.
fn bowl_ring(half: [f64; 2], z: [f64; 2], top: f64, arm_share: f64, share: f64) -> Vec<Point> {
    let spread = 0.55 + 0.45 * (share * 2.0).min(1.0);
    let corner = |q: &[f64; 2]| {
        let backness = (q[1] + 1.0) / 2.0;
        let rim = z[1]
            + (top - z[1])
                * (arm_share * (1.0 - (1.0 - backness) * (1.0 - backness)) + (1.0 - arm_share) * backness * backness);
        [half[0] * spread * q[0], half[1] * spread * q[1] + 4.0 * share * backness, z[0] + (rim - z[0]) * share * share]
    };
    ellipse([1.0, 1.0], 20).iter().map(corner).collect()
}
