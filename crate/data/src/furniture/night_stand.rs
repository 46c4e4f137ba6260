//! Night stands: small cabinets with a drawer or two, or small tables with a shelf.

use super::parts::{Cabinet, Legs, slab};
use super::solid::{Section, Solid, ellipse, ring};
use cleave_arch::SplitMix64;

/// One night stand, its front at −x.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let depth = rng.between(34.0, 54.0);
    let size = [depth, depth * rng.between(0.9, 1.4)];
    let height = rng.between(46.0, 78.0);
    let mut solid = Solid::default();
    match rng.scaled_below(10) {
        0..7 => cabinet(&mut solid, rng, size, height),
        7..9 => small_table(&mut solid, rng, size, height),
        _ => round(&mut solid, rng, depth / 2.0, height),
    }
    solid
}

fn cabinet(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let [x, y] = size.map(|side| side / 2.0);
    let lift = if rng.chance(0.5) { rng.between(3.0, 20.0) } else { 0.0 };
    let cabinet =
        Cabinet { low: [-x, -y, lift], high: [x, y, height], drawers: [1 + rng.scaled_below(3), 1], board: 2.0 };
    if rng.chance(0.65) {
        cabinet.boards(solid)
    } else {
        cabinet.closed(solid, rng)
    }
    if lift > 0.0 {
        let radius = rng.between(1.3, 3.0);
        Legs::draw(rng, size, lift, radius).build(solid);
    }
    if rng.chance(0.7) {
        top(solid, rng, size, height);
    }
}

fn top(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let over = rng.between(1.0, 7.0);
    slab(solid, size.map(|side| side + over), [height, height + rng.between(1.5, 3.5)]);
}

/// Legs, a drawer under the top, a shelf below.
fn small_table(solid: &mut Solid, rng: &mut SplitMix64, size: [f64; 2], height: f64) {
    let radius = rng.between(1.2, 3.0);
    let legs = Legs { splay: 0.0, ..Legs::draw(rng, size, height, radius) };
    legs.build(solid);
    top(solid, rng, size, height);
    let [x, y] = size.map(|side| side / 2.0 - 1.0);
    if rng.chance(0.8) {
        let drop = height * rng.between(0.15, 0.4);
        Cabinet { low: [-x, -y, height - drop], high: [x, y, height], drawers: [1, 1], board: 1.5 }.boards(solid);
    }
    if rng.chance(0.75) {
        let z = height * rng.between(0.12, 0.42);
        slab(solid, size.map(|side| side - 1.0), [z, z + rng.between(1.2, 2.5)]);
    } else {
        legs.stretchers(solid, 0.1);
    }
}

fn round(solid: &mut Solid, rng: &mut SplitMix64, radius: f64, height: f64) {
    let outline = |scale: f64| ellipse([radius * scale; 2], 20);
    solid.loft(&[height - 2.5, height].map(|z| ring(&outline(1.1), [0.0; 2], z)));
    let low = height * rng.between(0.1, 0.5);
    solid.loft(&[low, height - 2.5].map(|z| ring(&outline(0.95), [0.0; 2], z)));
    if low > 0.0 {
        let size = [1.4 * radius; 2];
        Legs { size, height: low, splay: 2.0, radius: 1.6, taper: 0.7, section: Section::Round }.build(solid);
    }
}
