//! Which values an operation needs from earlier ones, and which are still needed at a boundary.
//!
//! Executors ask the same questions as the trace, so the answers live here once.

use crate::architecture::Architecture;
use crate::op::{Connect, Op};

impl Architecture {
    /// The operation whose input a skip at `position` adds: the latest aggregate, combine or edge convolution before
    /// it, since the pool. None: the skip does nothing.
    pub fn skip_source(&self, position: usize) -> Option<usize> {
        let before = &self.ops()[..position.min(self.ops().len())];
        let latest = before.iter().rposition(|op| op.makes_skip_source() || matches!(op, Op::Pool(_)))?;
        before[latest].makes_skip_source().then_some(latest)
    }

    /// Whether the skip source that exists at the boundary before `position` is read by a later skip.
    pub fn skip_source_is_live(&self, position: usize) -> bool {
        let after = self.ops().iter().skip(position);
        let next = after
            .copied()
            .find(|op| op.makes_skip_source() || matches!(op, Op::Pool(_)) || *op == Op::Connect(Connect::Skip));
        next == Some(Op::Connect(Connect::Skip)) && self.skip_source(position).is_some()
    }

    /// Whether the graph that exists at the boundary before `position` is read by a later operation. Every aggregate
    /// reads it, even one of x_i alone.
    pub fn graph_is_live(&self, position: usize) -> bool {
        let after = self.ops().iter().skip(position);
        let next = after.copied().find(|op| op.reads_graph() || matches!(op, Op::Sample(_)));
        next.is_some_and(Op::reads_graph)
    }

    /// Whether `position` has a sample whose graph nobody reads: it is replaced first, or never needed.
    pub fn is_dead(&self, position: usize) -> bool {
        matches!(self.ops().get(position), Some(Op::Sample(_))) && !self.graph_is_live(position + 1)
    }

    /// The edge convolutions, by position, whose output was replaced as the current features before `position`, in
    /// order: a join at `position` concatenates these, then the current features.
    pub fn replaced_edge_convs(&self, position: usize) -> Vec<usize> {
        let before = &self.ops()[..position.min(self.ops().len())];
        let latest_change = before.iter().rposition(|op| op.replaces_features()).unwrap_or(0);
        let is_edge_conv = |i: &usize| matches!(before[*i], Op::EdgeConv { .. });
        (0..latest_change).filter(is_edge_conv).collect()
    }

    /// Whether a join stands at or after `position`, so that outputs of edge convolutions have to be kept.
    pub fn joins_later(&self, position: usize) -> bool {
        self.ops().iter().skip(position).any(|op| *op == Op::Join)
    }
}
