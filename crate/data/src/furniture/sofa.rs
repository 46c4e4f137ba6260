//! Sofas: a base with seat cushions between arms and a back; some on feet, some with a long end.

use super::parts::{Legs, cushion};
use super::solid::{Section, Solid};
use cleave_arch::SplitMix64;

struct Sofa {
    /// Half of the width along y, arms included.
    half: f64,
    /// Front edge (−x) and back edge.
    x: [f64; 2],
    /// Underside of the base, top of the base, top of the seat.
    z: [f64; 3],
    arm: f64,
    arm_top: f64,
    back: f64,
    top: f64,
}

/// One sofa, its back at +x, its width along y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let sofa = draw(rng);
    let mut solid = Solid::default();
    sofa.base(&mut solid, rng);
    sofa.back(&mut solid, rng);
    if rng.chance(0.88) {
        sofa.arms(&mut solid, rng);
    }
    if rng.chance(0.75) {
        sofa.cushions(&mut solid, rng);
    }
    if rng.chance(0.13) {
        sofa.long_end(&mut solid, rng);
    }
    solid
}

fn draw(rng: &mut SplitMix64) -> Sofa {
    let depth = rng.between(66.0, 98.0);
    let under = if rng.chance(0.55) { rng.between(4.0, 16.0) } else { 0.0 };
    let base = under + rng.between(10.0, 24.0);
    let seat = base + rng.between(9.0, 22.0);
    Sofa {
        half: rng.between(75.0, 125.0),
        x: [-depth / 2.0, depth / 2.0],
        z: [under, base, seat],
        arm: rng.between(6.0, 26.0),
        arm_top: seat + rng.between(10.0, 28.0),
        back: rng.between(10.0, 28.0),
        top: seat + rng.between(24.0, 48.0),
    }
}

impl Sofa {
    fn base(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        solid.block([self.x[0], -self.half, self.z[0]], [self.x[1], self.half, self.z[1]]);
        if self.z[0] > 0.0 {
            let size = [self.x[1] - self.x[0], 2.0 * self.half];
            let radius = rng.between(1.5, 4.0);
            Legs { size, height: self.z[0], splay: 0.0, radius, taper: 0.8, section: Section::Square }.build(solid);
        }
        let n = 1 + rng.scaled_below(3);
        let inner = self.half - self.arm;
        for i in 0..n {
            let [from, to] = [i, i + 1].map(|i| -inner + 2.0 * inner * i as f64 / n as f64);
            cushion(solid, [self.x[0], from, self.z[1]], [self.x[1] - self.back * 0.6, to, self.z[2]]);
        }
    }

    fn back(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let mark = solid.mark();
        let (low, high) = ([self.x[1] - self.back, -self.half, self.z[0]], [self.x[1], self.half, self.top]);
        if rng.chance(0.5) {
            cushion(solid, low, high)
        } else {
            solid.block(low, high)
        }
        if rng.chance(0.6) {
            solid.lean_from(mark, self.z[1], [rng.between(0.0, 0.22), 0.0]);
        }
    }

    fn arms(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let low = if rng.chance(0.7) { self.z[0] } else { self.z[1] };
        let rolled = rng.chance(0.35);
        let soft = rng.chance(0.4);
        for side in [-1.0, 1.0] {
            let (outer, inner) = (side * self.half, side * (self.half - self.arm));
            let (from, to) = ([self.x[0], outer.min(inner), low], [self.x[1], outer.max(inner), self.arm_top]);
            if soft {
                cushion(solid, from, to)
            } else {
                solid.block(from, to)
            }
            if rolled {
                let y = (outer + inner) / 2.0;
                let radius = self.arm * 0.6;
                solid.rod([[self.x[0], y, self.arm_top], [self.x[1], y, self.arm_top]], [radius; 2], Section::Round);
            }
        }
    }

    fn cushions(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let n = 2 + rng.scaled_below(2);
        let inner = self.half - self.arm;
        let thick = rng.between(8.0, 20.0);
        let top = self.top - rng.between(-5.0, 10.0);
        let mark = solid.mark();
        for i in 0..n {
            let [from, to] = [i, i + 1].map(|i| -inner + 2.0 * inner * i as f64 / n as f64);
            let x = self.x[1] - self.back;
            cushion(solid, [x - thick, from + 1.0, self.z[2]], [x, to - 1.0, top]);
        }
        solid.lean_from(mark, self.z[2], [rng.between(0.0, 0.2), 0.0]);
    }

    fn long_end(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let (wide, long) = (rng.between(55.0, 80.0), rng.between(45.0, 90.0));
        let side = if rng.chance(0.5) { 1.0 } else { -1.0 };
        let (outer, inner) = (side * self.half, side * (self.half - wide));
        let [from, to] = [outer.min(inner), outer.max(inner)];
        solid.block([self.x[0] - long, from, self.z[0]], [self.x[0], to, self.z[1]]);
        cushion(solid, [self.x[0] - long, from, self.z[1]], [self.x[0], to, self.z[2]]);
    }
}
