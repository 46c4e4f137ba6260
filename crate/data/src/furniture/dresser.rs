//! Dressers: high or wide cabinets with rows of drawers, on feet, a plinth or the floor; some with doors or a mirror.

use super::parts::{Cabinet, Legs, slab};
use super::solid::{Section, Solid};
use cleave_arch::SplitMix64;

/// One dresser, its width along y, its front at −x.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let high = rng.chance(0.72);
    let depth = rng.between(38.0, 62.0);
    let width = if high { rng.between(62.0, 105.0) } else { rng.between(105.0, 165.0) };
    let height = if high { width * rng.between(1.0, 1.65) } else { rng.between(75.0, 118.0) };
    let lift = if rng.chance(0.45) { rng.between(4.0, 16.0) } else { 0.0 };
    let mut solid = Solid::default();
    let rows = 3 + rng.scaled_below(4);
    let columns = if high { 1 + rng.scaled_below(2) } else { 2 + rng.scaled_below(2) };
    let [x, y] = [depth / 2.0, width / 2.0];
    let board = rng.between(1.5, 4.0);
    let cabinet = Cabinet { low: [-x, -y, lift], high: [x, y, height], drawers: [rows, columns], board };
    if rng.chance(0.55) {
        cabinet.boards(&mut solid)
    } else {
        cabinet.closed(&mut solid, rng)
    }
    foot(&mut solid, rng, [depth, width], lift);
    if rng.chance(0.5) {
        let over = rng.between(1.0, 5.0);
        slab(&mut solid, [depth + over, width + over], [height, height + rng.between(1.5, 4.0)]);
    }
    if rng.chance(0.1) {
        mirror(&mut solid, rng, [depth, width], height);
    }
    solid
}

fn foot(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], lift: f64) {
    if lift > 0.0 && rng.chance(0.6) {
        let radius = rng.between(1.8, 4.5);
        Legs { size, height: lift, splay: 0.0, radius, taper: 0.7, section: Section::Square }.build(solid);
    } else if lift > 0.0 {
        slab(solid, size.map(|side| side - 3.0), [0.0, lift]);
    }
}

fn mirror(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], base: f64) {
    let half = size[1] / 2.0 * rng.between(0.5, 0.9);
    let x = size[0] / 2.0 - 3.0;
    solid.block([x - 1.5, -half, base], [x + 1.5, half, base + rng.between(45.0, 85.0)]);
}
