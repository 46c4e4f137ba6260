//! Parts of a map that a worker needs, computes or holds: some channels of some rows, all columns.

use std::ops::Range;

use crate::value::Shape;

/// A box `[channels, rows, all columns]` of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// Channels.
    pub channels: Range<usize>,
    /// Rows.
    pub rows: Range<usize>,
}

impl Region {
    /// The whole value.
    pub fn all(shape: Shape) -> Self {
        Self { channels: 0..shape.channels, rows: 0..shape.height }
    }

    /// These channels, all rows.
    pub fn of_channels(channels: Range<usize>, shape: Shape) -> Self {
        Self { channels, rows: 0..shape.height }
    }

    /// These rows, all channels.
    pub fn of_rows(rows: Range<usize>, shape: Shape) -> Self {
        Self { channels: 0..shape.channels, rows }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() || self.rows.is_empty()
    }

    /// What both have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { channels: common(&self.channels, &other.channels), rows: common(&self.rows, &other.rows) }
    }

    /// The smallest box around both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other.clone() } else { self.clone() };
        }
        let around = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
        Self { channels: around(&self.channels, &other.channels), rows: around(&self.rows, &other.rows) }
    }

    /// Whether all of the other is in this one.
    pub fn contains(&self, other: &Self) -> bool {
        other.is_empty() || self.intersection(other) == *other
    }

    /// Its shape within values of this width.
    pub fn shape(&self, width: usize) -> Shape {
        Shape { channels: self.channels.len(), height: self.rows.len(), width }
    }
}

fn common(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}
