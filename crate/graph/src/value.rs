//! What flows between operations: its extents, and how these lie in memory.

use std::fmt;

use crate::region::Region;

/// Extents `[channels, height, width]`. Features of nodes have one node a row and width 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Channels; of neighbours, how many each node has.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Shape {
    /// Numbers in it.
    pub fn values(self) -> u64 {
        [self.height, self.width].iter().fold(self.channels as u64, |n, extent| n.saturating_mul(*extent as u64))
    }
}

/// `3×224×224`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

/// What a value's extents mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// An image's map `[channels, height, width]`, f32.
    Map,
    /// A map that is read as one row of features, channel by channel, f32.
    Flat,
    /// Features of nodes `[height, channels]`, f32.
    Nodes,
    /// Indexes of each node's neighbours `[height, channels]`; 4 bytes in memory, 2 on a link.
    Neighbours,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueType {
    /// What its extents mean.
    pub layout: Layout,
    /// Its extents.
    pub shape: Shape,
}

impl ValueType {
    /// A map.
    pub const fn map(channels: usize, height: usize, width: usize) -> Self {
        Self { layout: Layout::Map, shape: Shape { channels, height, width } }
    }

    /// Features of nodes.
    pub const fn nodes(nodes: usize, channels: usize) -> Self {
        Self { layout: Layout::Nodes, shape: Shape { channels, height: nodes, width: 1 } }
    }

    /// Each node's neighbours.
    pub const fn neighbours(nodes: usize, k: usize) -> Self {
        Self { layout: Layout::Neighbours, shape: Shape { channels: k, height: nodes, width: 1 } }
    }

    /// The same with other channels.
    pub(crate) fn with_channels(self, channels: usize) -> Self {
        Self { shape: Shape { channels, ..self.shape }, ..self }
    }

    /// Where the rows of a region lie in the numbers of a value: first numbers, and how many follow each.
    fn runs(self, region: &Region) -> (Vec<usize>, usize) {
        let Shape { channels, height, width } = self.shape;
        match self.layout {
            Layout::Map | Layout::Flat => {
                let starts = region.channels.clone().map(|channel| (channel * height + region.rows.start) * width);
                (starts.collect(), region.rows.len() * width)
            }
            Layout::Nodes | Layout::Neighbours => {
                let starts = region.rows.clone().map(|row| row * channels + region.channels.start);
                (starts.collect(), region.channels.len())
            }
        }
    }

    /// The numbers of a region of a value.
    ///
    /// # Panics
    /// If the value has not got the region.
    pub fn cut(self, values: &[f32], region: &Region) -> Vec<f32> {
        let (starts, len) = self.runs(region);
        starts.into_iter().flat_map(|start| &values[start..start + len]).copied().collect()
    }

    /// Puts the numbers of a region where they belong.
    ///
    /// # Panics
    /// If the value has not got the region.
    pub fn paste(self, values: &mut [f32], region: &Region, part: &[f32]) {
        let (starts, len) = self.runs(region);
        for (start, run) in starts.into_iter().zip(part.chunks_exact(len.max(1))) {
            values[start..start + len].copy_from_slice(run);
        }
    }

    /// In memory, bytes.
    pub fn bytes(self) -> u64 {
        self.shape.values().saturating_mul(4)
    }
}

/// `a map of 3×224×224`, `1024 nodes of 3 channels`
impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape { channels, height, .. } = self.shape;
        match self.layout {
            Layout::Map => write!(f, "a map of {}", self.shape),
            Layout::Flat => write!(f, "{} flattened features", self.shape.values()),
            Layout::Nodes => write!(f, "{height} nodes of {channels} channels"),
            Layout::Neighbours => write!(f, "{channels} neighbours of each of {height} nodes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_pasted_where_it_was() {
        for of in [ValueType::map(3, 4, 2), ValueType::nodes(6, 4)] {
            let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
            let region = Region { channels: 1..3, rows: 2..4 };
            let part = of.cut(&values, &region);
            assert_eq!(part.len() as u64, region.shape(of.shape.width).values());
            let mut other = vec![-1.0; 24];
            of.paste(&mut other, &region, &part);
            assert_eq!(of.cut(&other, &region), part);
            assert_eq!(other.iter().filter(|value| **value >= 0.0).count(), part.len());
        }
        assert_eq!(
            ValueType::nodes(2, 3).cut(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &Region { channels: 1..3, rows: 1..2 }),
            [4.0, 5.0]
        );
    }
}
