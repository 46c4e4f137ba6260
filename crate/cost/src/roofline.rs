//! What an operation takes on a machine of which only two figures are known (Williams et al., CACM 2009): as long as
//! its arithmetic or its memory traffic, whichever is longer. The fallback for a machine without a profile.

use crate::lut::Size;
use cleave_arch::{Op, Probe};
use cleave_graph::Graph;
use serde::{Deserialize, Serialize};

/// Two ceilings and a cost per call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roofline {
    /// Attained arithmetic, billions of floating-point operations a second.
    pub gflops: f64,
    /// Attained memory traffic, billions of bytes a second.
    pub gbytes: f64,
    /// Milliseconds of every call, however small.
    pub call_ms: f64,
}

impl Default for Roofline {
    /// One thread of wasm SIMD on a server core: what the shipped DGCNN benchmark attains.
    fn default() -> Self {
        Self { gflops: 20.0, gbytes: 4.0, call_ms: 0.005 }
    }
}

impl Roofline {
    /// Time of one operation, milliseconds.
    pub fn op_ms(&self, op: Op, size: Size) -> f64 {
        let Size { rows, channels, k } = size;
        let work = Probe::Op { op, rows, channels, k }.work();
        let out = match op {
            Op::Combine { channels } | Op::EdgeConv { channels } => channels,
            Op::Aggregate { message, .. } => message.width(channels),
            _ => channels,
        };
        let reads = if matches!(op, Op::Aggregate { .. } | Op::EdgeConv { .. }) { k } else { 1 };
        self.longest(work, 4 * (rows * channels * reads + rows * out) as u64)
    }

    /// Time of the classifier on one row, milliseconds; its weights are read once.
    pub fn classifier_ms(&self, channels: usize) -> f64 {
        let work = Probe::Classifier { channels, n_classes: 1 }.work();
        self.longest(work, 2 * work)
    }

    /// Time of a graph, milliseconds: every value is written and read once, every weight read.
    pub fn graph_ms(&self, graph: &Graph) -> f64 {
        let values = (0..=graph.answer()).map(|value| graph.value(value).bytes());
        let weights = graph.parameters().iter().map(|weight| 4 * weight.len()).sum::<u64>();
        self.longest(graph.flops(), values.sum::<u64>() + weights)
    }

    /// Time to copy so many f32 values, milliseconds.
    pub fn move_ms(&self, values: usize) -> f64 {
        self.longest(0, 8 * values as u64)
    }

    fn longest(&self, flops: u64, bytes: u64) -> f64 {
        self.call_ms + (flops as f64 / self.gflops).max(bytes as f64 / self.gbytes) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::Sampler;

    #[test]
    fn the_longer_of_arithmetic_and_traffic_counts() {
        let roofline = Roofline { gflops: 1.0, gbytes: 1.0, call_ms: 0.0 };
        let size = Size { rows: 1000, channels: 100, k: 20 };
        assert_eq!(roofline.op_ms(Op::Sample(Sampler::Knn), size), 200.0);
        assert_eq!(roofline.move_ms(1_000_000), 8.0);
    }
}
