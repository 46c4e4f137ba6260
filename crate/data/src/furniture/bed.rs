//! Beds: mattress on a frame, box spring or legs, with head- and footboards, pillows, bunks of posts.

use super::parts::{CORNERS, Legs, cushion, slab};
use super::solid::{Section, Solid};
use cleave_arch::SplitMix64;

/// What a bed is built from.
struct Bed {
    width: f64,
    length: f64,
    /// Underside and top of the frame, top of the mattress.
    frame: [f64; 2],
    top: f64,
}

/// One bed, its head at +y.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let underside = if rng.chance(0.55) { rng.between(8.0, 28.0) } else { 0.0 };
    let frame_top = underside + rng.between(10.0, 28.0);
    let bed = Bed {
        width: rng.between(85.0, 195.0),
        length: rng.between(195.0, 225.0),
        frame: [underside, frame_top],
        top: frame_top + rng.between(12.0, 32.0),
    };
    let mut solid = Solid::default();
    bed.base(&mut solid, rng);
    bed.mattress(&mut solid, rng);
    bed.ends(&mut solid, rng);
    if rng.chance(0.06) {
        bed.canopy(&mut solid, rng);
    }
    if rng.chance(0.12) {
        bed.night_stands(&mut solid, rng);
    }
    solid
}

impl Bed {
    fn base(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let margin = rng.between(-3.0, 7.0);
        let size = [self.width + margin, self.length + margin];
        slab(solid, size, self.frame);
        if self.frame[0] > 0.0 {
            let radius = rng.between(2.0, 5.0);
            Legs { size, height: self.frame[0], splay: 0.0, radius, taper: 0.9, section: Section::Square }.build(solid);
        }
    }

    fn mattress(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let half = [self.width / 2.0, self.length / 2.0];
        cushion(solid, [-half[0], -half[1], self.frame[1]], [half[0], half[1], self.top]);
        if rng.chance(0.35) {
            // A bedspread that hangs down on three sides.
            let hang = self.top - rng.between(0.3, 0.95) * self.top;
            solid.block([-half[0] - 1.5, -half[1] - 1.5, hang], [half[0] + 1.5, half[1] * 0.5, self.top + 1.5]);
        }
        if rng.chance(0.7) {
            let n = if self.width > 130.0 { 2 } else { 1 };
            let each = self.width / f64::from(n);
            let depth = rng.between(32.0, 50.0);
            for i in 0..n {
                let x = -half[0] + f64::from(i) * each;
                let low = [x + 0.1 * each, half[1] - depth - 4.0, self.top];
                cushion(solid, low, [x + 0.9 * each, half[1] - 4.0, self.top + rng.between(8.0, 16.0)]);
            }
        }
    }

    fn ends(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let mut head_height = 0.0;
        if rng.chance(0.85) {
            head_height = self.top + rng.between(8.0, 68.0);
            let from = self.length / 2.0 + rng.between(0.0, 3.0);
            let to = from + rng.between(3.0, 12.0);
            self.board(solid, rng, [from, to], head_height);
        }
        if rng.chance(0.35) {
            let height = self.frame[1] + rng.between(5.0, 35.0);
            let from = -self.length / 2.0 - rng.between(4.0, 8.0);
            let to = from + rng.between(3.0, 6.0);
            self.board(solid, rng, [from, to], height.min(head_height.max(height * 0.7)));
        }
    }

    /// An upright end between two y, full or of bars.
    fn board(&self, solid: &mut Solid, rng: &mut SplitMix64, y: [f64; 2], height: f64) {
        let half = self.width / 2.0 + rng.between(0.0, 8.0);
        let mark = solid.mark();
        if rng.chance(0.75) {
            let low = if rng.chance(0.6) { 0.0 } else { self.frame[0] };
            solid.block([-half, y[0], low], [half, y[1], height]);
        } else {
            let middle = (y[0] + y[1]) / 2.0;
            for x in [-half, half] {
                solid.rod([[x, middle, 0.0], [x, middle, height + 5.0]], [3.0, 3.0], Section::Round);
            }
            solid.rod([[-half, middle, height], [half, middle, height]], [2.5; 2], Section::Round);
            let n = 4 + rng.scaled_below(9);
            for i in 1..n {
                let x = -half + 2.0 * half * i as f64 / n as f64;
                solid.rod([[x, middle, self.frame[1]], [x, middle, height]], [1.2; 2], Section::Round);
            }
        }
        if y[0] > 0.0 && rng.chance(0.25) {
            solid.lean_from(mark, self.frame[1], [0.0, rng.between(0.05, 0.3)]);
        }
    }

    fn canopy(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let height = rng.between(170.0, 210.0);
        let corners = CORNERS.map(|side| [side[0] * self.width / 2.0, side[1] * self.length / 2.0]);
        for (i, [x, y]) in corners.into_iter().enumerate() {
            let [to_x, to_y] = corners[(i + 1) % 4];
            solid.rod([[x, y, 0.0], [x, y, height]], [3.5, 3.0], Section::Square);
            solid.rod([[x, y, height], [to_x, to_y, height]], [2.5; 2], Section::Square);
        }
    }

    fn night_stands(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let size = rng.between(38.0, 55.0);
        let height = self.top * rng.between(0.8, 1.1);
        let back = self.length / 2.0;
        for x in [-self.width / 2.0 - size - 5.0, self.width / 2.0 + 5.0] {
            solid.block([x, back - size, 0.0], [x + size, back, height]);
        }
    }
}
