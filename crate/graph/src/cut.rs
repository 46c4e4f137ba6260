//! A graph that is cut between two tiers: a device, which has the inputs and gets the answer, and an edge. Where it is
//! cut, every value crosses that is made before and read after.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::GraphError;
use crate::graph::{Graph, ValueId};
use crate::op::Op;
use crate::value::{Layout, ValueType};

/// Most cuts: to the edge and back.
pub const MAX_CUTS: usize = 2;

/// Where a part of the network runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The device that has the input: the browser tab.
    Device,
    /// The server near it.
    Edge,
}

impl Tier {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Device => Self::Edge,
            Self::Edge => Self::Device,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Edge => "edge",
        })
    }
}

/// Nodes that one tier runs without a transfer between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// Who runs it.
    pub tier: Tier,
    /// Which nodes; none between two equal cuts, where the values only go there and come back.
    pub nodes: Range<usize>,
}

/// A graph with its cuts. Execution starts on the device and changes tier before node `cut`, for every cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CutGraph {
    graph: Arc<Graph>,
    cuts: Vec<usize>,
}

impl CutGraph {
    /// Cut before these nodes, in order.
    ///
    /// # Errors
    /// [`GraphError::Cuts`]: too many, out of order, or behind the last node.
    pub fn new(graph: Arc<Graph>, cuts: Vec<usize>) -> Result<Self, GraphError> {
        let n_nodes = graph.nodes().len();
        let is_possible = cuts.len() <= MAX_CUTS && cuts.is_sorted() && cuts.iter().all(|cut| *cut < n_nodes);
        if is_possible { Ok(Self { graph, cuts }) } else { Err(GraphError::Cuts { cuts, n_nodes }) }
    }

    /// What is cut.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Nodes before which the tier changes, non-decreasing.
    pub fn cuts(&self) -> &[usize] {
        &self.cuts
    }

    /// The segments in order, tiers alternating; the first is the edge's if the first cut is before all nodes.
    pub fn segments(&self) -> Vec<Segment> {
        let ends = self.cuts.iter().copied().chain([self.graph.nodes().len()]);
        let (mut start, mut tier) = (0, Tier::Device);
        let mut segments = Vec::with_capacity(self.cuts.len() + 1);
        for end in ends {
            if end > 0 {
                segments.push(Segment { tier, nodes: start..end });
            }
            (start, tier) = (end, tier.other());
        }
        segments
    }

    /// Everything from a node to the answer, on the device.
    pub fn rest(&self, node: usize) -> Segment {
        Segment { tier: Tier::Device, nodes: node..self.graph.nodes().len() }
    }

    /// Whether a search for neighbours follows the first cut: there a rounded feature can choose another neighbour.
    pub fn seeks_neighbours_behind(&self) -> bool {
        let behind = self.cuts.first().map_or(&[][..], |first| &self.graph.nodes()[*first..]);
        behind.iter().any(|node| matches!(node.op, Op::Knn(_)))
    }
}

impl Graph {
    /// The extents by which a value travels: `[channels, rows, columns]` of a map, `[nodes, channels]` of features and
    /// neighbours, `[1, channels]` of a map of one pixel, and the answer as one row of numbers.
    pub fn extents(&self, value: ValueId) -> Vec<usize> {
        let ValueType { layout, shape } = self.value(value);
        match layout {
            _ if value == self.answer() => vec![shape.values() as usize],
            Layout::Map | Layout::Flat if shape.height * shape.width > 1 => {
                vec![shape.channels, shape.height, shape.width]
            }
            _ => vec![shape.height, shape.channels],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo::network;

    fn cut(cuts: &[usize]) -> Result<CutGraph, GraphError> {
        CutGraph::new(Arc::new(network("resnet").unwrap()), cuts.to_vec())
    }

    #[track_caller]
    fn check(cuts: &[usize], wanted: &str) {
        let segments = cut(cuts).unwrap().segments();
        let shown: Vec<String> = segments.iter().map(|s| format!("{} {:?}", s.tier, s.nodes)).collect();
        assert_eq!(shown.join(", "), wanted);
    }

    #[test]
    fn segments_follow_the_cuts() {
        check(&[], "device 0..31");
        check(&[0], "edge 0..31");
        check(&[4], "device 0..4, edge 4..31");
        check(&[0, 9], "edge 0..9, device 9..31");
        check(&[3, 3], "device 0..3, edge 3..3, device 3..31");
        check(&[2, 30], "device 0..2, edge 2..30, device 30..31");
        assert_eq!(cut(&[4]).unwrap().rest(5).nodes, 5..31);
    }

    #[test]
    fn bad_cuts_are_refused() {
        for cuts in [&[1, 2, 3][..], &[31], &[5, 4]] {
            let message = cut(cuts).unwrap_err().to_string();
            assert!(message.contains(&format!("{cuts:?}")) && message.contains("0 to 30"), "{message}");
        }
    }

    #[test]
    fn values_travel_by_their_extents() {
        let graph = network("resnet").unwrap();
        // Between a block's convolutions the block's input is alive too.
        let crossing: Vec<_> = graph.live_before(4).into_iter().map(|value| graph.extents(value)).collect();
        assert_eq!(crossing, [[32, 14, 14], [32, 14, 14]]);
        assert_eq!((graph.extents(30), graph.extents(graph.answer())), (vec![1, 128], vec![10]));
    }
}
