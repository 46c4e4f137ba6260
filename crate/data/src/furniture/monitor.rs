//! Monitors: a flat panel on a foot, or a tube in a tapering housing; wide or square, with a bezel.

use super::parts::slab;
use super::solid::{Section, Solid, ellipse, ring, rounded};
use cleave_arch::SplitMix64;

/// A panel standing upright.
struct Screen {
    width: f64,
    /// Lower and upper edge.
    z: [f64; 2],
    thickness: f64,
}

/// One monitor, its width along y, its screen towards −x.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let width = rng.between(38.0, 62.0);
    let height = width * rng.between(0.54, 0.78);
    let is_tube = rng.chance(0.22);
    let lift = if is_tube { rng.between(2.0, 9.0) } else { rng.between(4.0, 15.0) };
    let thickness = if is_tube { rng.between(5.0, 14.0) } else { rng.between(2.0, 8.0) };
    let screen = Screen { width, z: [lift, lift + height], thickness };
    let mut solid = Solid::default();
    screen.panel(&mut solid, rng);
    if is_tube {
        screen.tube(&mut solid, rng);
    } else if rng.chance(0.5) {
        screen.hump(&mut solid, rng);
    }
    if !is_tube && rng.chance(0.3) {
        let lean = rng.between(0.03, 0.16);
        solid.lean_from(0, lift, [lean, 0.0]);
    }
    screen.stand(&mut solid, rng, is_tube);
    solid
}

impl Screen {
    fn middle(&self) -> f64 {
        (self.z[0] + self.z[1]) / 2.0
    }

    fn panel(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let half = self.width / 2.0;
        let (t, bezel) = (self.thickness, rng.between(1.0, 4.0));
        solid.block([0.0, -half, self.z[0]], [t, half, self.z[1]]);
        // The picture, a little inside of the frame.
        let inner = [half - bezel, self.z[0] + bezel, self.z[1] - bezel];
        solid.block([-0.4, -inner[0], inner[1]], [0.6, inner[0], inner[2]]);
    }

    /// The housing of a tube: from the panel's outline to a small back.
    fn tube(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let deep = self.width * rng.between(0.35, 0.75);
        let (half, tall) = (self.width / 2.0, (self.z[1] - self.z[0]) / 2.0);
        let waist = rng.between(0.2, 0.6);
        let level = |share: f64, scale: f64| {
            let outline = rounded([half * scale, tall * scale], 4.0);
            let upright =
                |p: &[f64; 2]| [self.thickness + deep * share, p[0], self.middle() + p[1] - tall * 0.15 * share];
            outline.iter().map(upright).collect::<Vec<_>>()
        };
        let back = rng.between(0.4, 0.75);
        solid.loft(&[level(0.0, 0.97), level(waist, 0.5 * (0.97 + back) + 0.08), level(1.0, back)]);
    }

    /// The electronics behind a flat panel.
    fn hump(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let half = self.width / 2.0 * rng.between(0.4, 0.85);
        let tall = (self.z[1] - self.z[0]) / 2.0 * rng.between(0.4, 0.85);
        let deep = rng.between(1.0, 6.0);
        solid.block([self.thickness, -half, self.middle() - tall], [self.thickness + deep, half, self.middle() + tall]);
    }

    fn stand(&self, solid: &mut Solid, rng: &mut SplitMix64, is_tube: bool) {
        let x = self.thickness / 2.0 + if is_tube { self.width * 0.3 } else { rng.between(0.0, 5.0) };
        let size = [rng.between(5.0, 12.5), rng.between(0.16, 0.34) * self.width];
        let thick = rng.between(0.8, 2.5);
        let neck = if is_tube { self.z[0] + 3.0 } else { self.middle() };
        match rng.scaled_below(3) {
            0 => {
                let mark = solid.mark();
                slab(solid, [2.0 * size[0], 2.0 * size[1]], [0.0, thick]);
                solid.map_from(mark, |[px, y, z]| [px + x, y, z]);
            }
            1 => solid.loft(&[0.0, thick].map(|z| ring(&ellipse(size, 20), [x, 0.0], z))),
            _ => {
                let round = ellipse(size.map(|s| s * 0.35), 20);
                solid.loft(&[ring(&ellipse(size, 20), [x, 0.0], 0.0), ring(&round, [x, 0.0], self.z[0].min(9.0))]);
            }
        }
        let radius = rng.between(1.5, 5.0);
        solid.rod(
            [[x, 0.0, thick], [x, 0.0, neck]],
            [radius; 2],
            if rng.chance(0.5) { Section::Round } else { Section::Square },
        );
    }
}
