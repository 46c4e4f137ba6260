//! Parts that several pieces share: legs, cabinets with drawers, cushions, knobs.

use super::solid::{Point, Section, Solid, ring, rounded};
use cleave_arch::SplitMix64;

/// A random cross-section.
pub(crate) fn section(rng: &mut SplitMix64) -> Section {
    if rng.chance(0.5) { Section::Square } else { Section::Round }
}

/// A box centred over the origin of the plane.
pub(crate) fn slab(solid: &mut Solid, size: [f64; 2], z: [f64; 2]) {
    let half = size.map(|side| side / 2.0);
    solid.block([-half[0], -half[1], z[0]], [half[0], half[1], z[1]]);
}

/// A cushion: a box with rounded corners and edges that draw in at top and bottom.
pub(crate) fn cushion(solid: &mut Solid, low: Point, high: Point) {
    let half = [(high[0] - low[0]) / 2.0, (high[1] - low[1]) / 2.0];
    let centre = [low[0] + half[0], low[1] + half[1]];
    let height = high[2] - low[2];
    let inset = (0.3 * height).min(0.25 * half[0].min(half[1]));
    let outline = |by: f64| rounded([half[0] - by, half[1] - by], 2.0 * inset);
    solid.loft(&[
        ring(&outline(inset), centre, low[2]),
        ring(&outline(0.0), centre, low[2] + 0.3 * height),
        ring(&outline(0.0), centre, low[2] + 0.7 * height),
        ring(&outline(inset), centre, high[2]),
    ]);
}

/// How legs stand under a rectangle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Legs {
    /// Sides of the rectangle through the tops of the legs.
    pub size: [f64; 2],
    /// From the floor to the tops.
    pub height: f64,
    /// How far the feet stand outside of the tops.
    pub splay: f64,
    /// Half thickness at the top; the foot has `taper` of it.
    pub radius: f64,
    pub taper: f64,
    pub section: Section,
}

impl Legs {
    /// Legs of a usual form for this rectangle and height.
    pub fn draw(rng: &mut SplitMix64, size: [f64; 2], height: f64, radius: f64) -> Self {
        let splay = if rng.chance(0.35) { rng.between(0.02, 0.18) * height } else { 0.0 };
        let taper = if rng.chance(0.5) { rng.between(0.4, 1.0) } else { 1.0 };
        Self { size, height, splay, radius, taper, section: section(rng) }
    }

    /// Where a leg is at a share of its height; `side` is ±1 in x and y.
    pub fn at(&self, side: [f64; 2], share: f64) -> Point {
        let out = self.splay * (1.0 - share);
        [
            side[0] * (self.size[0] / 2.0 - self.radius + out),
            side[1] * (self.size[1] / 2.0 - self.radius + out),
            share * self.height,
        ]
    }

    /// Adds the four legs.
    pub fn build(&self, solid: &mut Solid) {
        for side in CORNERS {
            solid.rod([self.at(side, 0.0), self.at(side, 1.0)], [self.radius * self.taper, self.radius], self.section);
        }
    }

    /// Adds bars between neighbouring legs at a share of the height.
    pub fn stretchers(&self, solid: &mut Solid, share: f64) {
        let thin = [0.5 * self.radius; 2];
        for (i, side) in CORNERS.into_iter().enumerate() {
            solid.rod([self.at(side, share), self.at(CORNERS[(i + 1) % 4], share)], thin, self.section);
        }
    }
}

/// The corners of a rectangle, around.
pub(crate) const CORNERS: [[f64; 2]; 4] = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];

/// A cabinet of boards, whose front is towards −x, with drawers or an open compartment.
pub(crate) struct Cabinet {
    pub low: Point,
    pub high: Point,
    /// Rows from bottom to top and columns along y.
    pub drawers: [usize; 2],
    /// Thickness of the boards.
    pub board: f64,
}

impl Cabinet {
    /// The whole as one closed block with fronts that stand out.
    pub fn closed(&self, solid: &mut Solid, rng: &mut SplitMix64) {
        solid.block(self.low, self.high);
        let proud = rng.between(0.5, 2.5);
        let knob = rng.between(1.0, 2.5);
        self.each_front(|low, high| {
            solid.block([self.low[0] - proud, low[0], low[1]], [self.low[0], high[0], high[1]]);
            let [y, z] = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
            solid.block(
                [self.low[0] - proud - knob, y - knob, z - knob / 2.0],
                [self.low[0] - proud, y + knob, z + knob / 2.0],
            );
        });
    }

    /// Boards around drawers that are boxes of their own: the inside has surface too, as in many models.
    pub fn boards(&self, solid: &mut Solid) {
        let (low, high, t) = (self.low, self.high, self.board);
        solid.block(low, [high[0], low[1] + t, high[2]]);
        solid.block([low[0], high[1] - t, low[2]], high);
        solid.block([low[0], low[1], high[2] - t], high);
        solid.block(low, [high[0], high[1], low[2] + t]);
        solid.block([high[0] - t, low[1], low[2]], high);
        self.each_front(|from, to| {
            solid.block([low[0], from[0], from[1]], [low[0] + t, to[0], to[1]]);
            solid.block([low[0] + t, from[0] + t, from[1] + t], [high[0] - 2.0 * t, to[0] - t, to[1] - t]);
        });
    }

    /// Calls with the low and high corner (y, z) of each drawer's front.
    fn each_front(&self, mut each: impl FnMut([f64; 2], [f64; 2])) {
        let [rows, columns] = self.drawers;
        let width = (self.high[1] - self.low[1] - self.board) / columns.max(1) as f64;
        let height = (self.high[2] - self.low[2] - self.board) / rows.max(1) as f64;
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let low =
                [self.low[1] + self.board + column as f64 * width, self.low[2] + self.board + row as f64 * height];
            each(low, [low[0] + width - self.board, low[1] + height - self.board]);
        }
    }
}
