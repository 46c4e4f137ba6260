//! Desks: a top on pedestals of drawers, panels or legs; straight or with a wing; modesty panel, hutch.

use super::parts::{Cabinet, Legs, slab};
use super::solid::Solid;
use cleave_arch::SplitMix64;

struct Desk {
    depth: f64,
    width: f64,
    height: f64,
    /// Thickness of the top and of panels.
    board: f64,
}

/// What holds one end of a desk.
enum Support {
    Drawers,
    Panel,
    None,
}

/// One desk, its width along y, the user at −x.
pub(crate) fn build(rng: &mut SplitMix64) -> Solid {
    let desk = Desk {
        depth: rng.between(50.0, 95.0),
        width: rng.between(95.0, 180.0),
        height: rng.between(70.0, 80.0),
        board: rng.between(2.0, 6.0),
    };
    let mut solid = Solid::default();
    slab(&mut solid, [desk.depth, desk.width], [desk.height - desk.board, desk.height]);
    if rng.chance(0.22) {
        desk.on_legs(&mut solid, rng);
    } else {
        let [left, right] = [desk.draw_support(rng), desk.draw_support(rng)];
        desk.support(&mut solid, rng, -1.0, left);
        desk.support(&mut solid, rng, 1.0, right);
    }
    if rng.chance(0.6) {
        desk.modesty_panel(&mut solid, rng);
    }
    if rng.chance(0.22) {
        desk.wing(&mut solid, rng);
    }
    if rng.chance(0.25) {
        desk.hutch(&mut solid, rng);
    }
    solid
}

impl Desk {
    fn under(&self) -> f64 {
        self.height - self.board
    }

    fn draw_support(&self, rng: &mut SplitMix64) -> Support {
        match rng.scaled_below(20) {
            0..11 => Support::Drawers,
            11..18 => Support::Panel,
            _ => Support::None,
        }
    }

    fn support(&self, solid: &mut Solid, rng: &mut SplitMix64, side: f64, support: Support) {
        let [x, y] = [self.depth / 2.0 - rng.between(0.0, 4.0), self.width / 2.0 - rng.between(0.0, 5.0)];
        let wide = match support {
            Support::Drawers => rng.between(32.0, 50.0).min(0.4 * self.width),
            Support::Panel => self.board,
            Support::None => {
                for leg in [-x, x] {
                    slab_at(solid, [leg, side * y], 2.5, self.under());
                }
                return;
            }
        };
        let (from, to) = ((side * y).min(side * (y - wide)), (side * y).max(side * (y - wide)));
        if matches!(support, Support::Panel) {
            solid.block([-x, from, 0.0], [x, to, self.under()]);
            return;
        }
        let low = if rng.chance(0.2) { rng.between(5.0, 35.0) } else { 0.0 };
        let drawers = [2 + rng.scaled_below(3), 1];
        let cabinet = Cabinet { low: [-x, from, low], high: [x, to, self.under()], drawers, board: 2.0 };
        if rng.chance(0.5) {
            cabinet.boards(solid)
        } else {
            cabinet.closed(solid, rng)
        }
        if low > 0.0 {
            for [x, y] in [[-x, from], [x, from], [-x, to], [x, to]] {
                slab_at(solid, [x * 0.94, y * 0.98], 2.0, low);
            }
        }
    }

    fn on_legs(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let radius = rng.between(1.5, 4.0);
        let legs = Legs::draw(rng, [self.depth, self.width], self.under(), radius);
        legs.build(solid);
        if rng.chance(0.7) {
            let inset = 4.0;
            let drop = rng.between(8.0, 18.0);
            let [x, y] = [self.depth / 2.0 - inset, self.width / 2.0 - inset];
            Cabinet { low: [-x, -y, self.under() - drop], high: [x, y, self.under()], drawers: [1, 2], board: 2.0 }
                .boards(solid);
        }
    }

    fn modesty_panel(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let x = self.depth / 2.0 - rng.between(1.0, 15.0);
        let from = if rng.chance(0.5) { 0.0 } else { rng.between(15.0, 45.0) };
        let y = self.width / 2.0 - 4.0;
        solid.block([x - 1.0, -y, from], [x + 1.0, y, self.under()]);
    }

    /// A second, narrower desk at a right angle.
    fn wing(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let side = if rng.chance(0.5) { 1.0 } else { -1.0 };
        let (wide, long) = (rng.between(40.0, 60.0), rng.between(50.0, 120.0));
        let (outer, inner) = (side * self.width / 2.0, side * (self.width / 2.0 - wide));
        let y = [outer.min(inner), outer.max(inner)];
        let x = [-self.depth / 2.0 - long, -self.depth / 2.0];
        solid.block([x[0], y[0], self.under()], [x[1], y[1], self.height]);
        if rng.chance(0.6) {
            Cabinet { low: [x[0], y[0], 0.0], high: [x[0] + 45.0, y[1], self.under()], drawers: [3, 1], board: 2.0 }
                .boards(solid);
        } else {
            solid.block([x[0], y[0], 0.0], [x[0] + self.board, y[1], self.under()]);
        }
    }

    /// Shelves on the back edge.
    fn hutch(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        let top = self.height + rng.between(20.0, 75.0);
        let (y, deep) = (self.width / 2.0 - 1.0, rng.between(18.0, 32.0));
        let x = [self.depth / 2.0 - deep, self.depth / 2.0];
        solid.block([x[0], -y, top - 2.0], [x[1], y, top]);
        solid.block([x[1] - 1.0, -y, self.height], [x[1], y, top]);
        let n = 2 + rng.scaled_below(3);
        for i in 0..=n {
            let at = -y + 2.0 * y * i as f64 / n as f64;
            solid.block([x[0], at - 1.0, self.height], [x[1], at + 1.0, top]);
        }
    }
}

/// A square post from the floor.
fn slab_at(solid: &mut Solid, at: [f64; 2], half: f64, height: f64) {
    solid.block([at[0] - half, at[1] - half, 0.0], [at[0] + half, at[1] + half, height]);
}
