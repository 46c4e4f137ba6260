//! Tables: a thin top, straight or round, on legs, panels, trestles or a column.

use super::parts::{Legs, slab};
use super::solid::{Section, Solid, ellipse, ring, rounded};
use cleave_arch::SplitMix64;

struct Table {
    size: [f64; 2],
    height: f64,
    thickness: f64,
}

/// One table, its length along y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let width = rng.between(48.0, 96.0);
    let table = Table {
        size: [width, width * rng.between(1.4, 2.7)],
        height: if rng.chance(0.12) { rng.between(38.0, 55.0) } else { rng.between(68.0, 88.0) },
        thickness: rng.between(1.5, 6.0),
    };
    let mut solid = Solid::default();
    table.top(&mut solid, rng);
    match rng.scaled_below(20) {
        0..13 => table.legs(&mut solid, rng),
        13..15 => table.panels(&mut solid, rng),
        15..18 => table.trestles(&mut solid, rng),
        _ => table.columns(&mut solid, rng),
    }
    solid
}

impl Table {
    fn under(&self) -> f64 {
        self.height - self.thickness
    }

    fn top(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let z = [self.under(), self.height];
        let half = self.size.map(|side| side / 2.0);
        match rng.scaled_below(10) {
            0..7 => slab(solid, self.size, z),
            7..9 => {
                let outline = rounded(half, rng.between(5.0, 40.0));
                solid.loft(&z.map(|z| ring(&outline, [0.0; 2], z)));
            }
            _ => solid.loft(&z.map(|z| ring(&ellipse(half, 28), [0.0; 2], z))),
        }
    }

    fn legs(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(1.6, 5.0);
        let inset = rng.between(0.0, 0.15);
        let size = self.size.map(|side| side * (1.0 - inset));
        let legs = Legs::draw(rng, size, self.under(), radius);
        legs.build(solid);
        if rng.chance(0.35) {
            self.apron(solid, rng, size, radius);
        }
        if rng.chance(0.1) {
            legs.stretchers(solid, rng.between(0.1, 0.3));
        }
    }

    /// Boards between the legs, under the top.
    fn apron(&self, solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], radius: f64) {
        let [x, y] = size.map(|side| side / 2.0 - radius);
        let low = self.under() - rng.between(4.0, 11.0);
        for side in [-1.0, 1.0] {
            solid.block([side * x - 1.0, -y, low], [side * x + 1.0, y, self.under()]);
            solid.block([-x, side * y - 1.0, low], [x, side * y + 1.0, self.under()]);
        }
    }

    fn panels(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let inset = rng.between(0.0, 0.2) * self.size[1];
        let x = self.size[0] / 2.0 * rng.between(0.7, 1.0);
        let y = self.size[1] / 2.0 - inset;
        for side in [-1.0, 1.0] {
            solid.block([-x, side * y - 1.5, 0.0], [x, side * y + 1.5, self.under()]);
        }
    }

    /// Crossed or upright frames at both ends and a beam between them.
    fn trestles(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(1.5, 4.0);
        let x = self.size[0] / 2.0 * rng.between(0.6, 0.9);
        let y = self.size[1] / 2.0 * rng.between(0.6, 0.95);
        let crossed = rng.chance(0.5);
        for end in [-y, y] {
            for side in [-x, x] {
                let above = if crossed { -side } else { 0.3 * side };
                solid.rod([[side, end, 0.0], [above, end, self.under()]], [radius; 2], Section::Square);
            }
        }
        let z = self.under() * if crossed { 0.5 } else { rng.between(0.2, 0.9) };
        solid.rod([[0.0, -y, z], [0.0, y, z]], [radius; 2], Section::Square);
    }

    fn columns(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(2.5, 7.0);
        let spread = self.size[0] * rng.between(0.25, 0.42);
        let ends = if rng.chance(0.5) { vec![0.0] } else { vec![-self.size[1] / 4.0, self.size[1] / 4.0] };
        for y in ends {
            solid.rod([[0.0, y, 0.0], [0.0, y, self.under()]], [radius, radius * 0.8], Section::Round);
            if rng.chance(0.5) {
                solid.loft(&[0.0, 3.0].map(|z| ring(&ellipse([spread; 2], 20), [0.0, y], z)));
            } else {
                for [dx, dy] in [[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] {
                    let foot = [0.8 * spread * dx, y + 0.8 * spread * dy, 1.5];
                    solid.rod([[0.0, y, 12.0], foot], [2.5, 1.5], Section::Square);
                }
            }
        }
    }
}
