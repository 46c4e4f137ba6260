//! Kernels of graph and image networks on plain slices, row-major, one sample or a batch. They know no tensor
//! library: the Flex backend calls them, and the tests hold them against their definitions.

pub mod conv;
pub mod gather;
pub mod knn;
pub mod linear;
pub mod matmul;
pub mod winograd;

/// Extents of a batch of graphs: `batch` clouds of `nodes` nodes with `channels` features and
/// `neighbours` neighbours each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Clouds.
    pub batch: usize,
    /// Nodes of a cloud.
    pub nodes: usize,
    /// Features of a node.
    pub channels: usize,
    /// Neighbours of a node.
    pub neighbours: usize,
}

impl Extent {
    /// Rows that each cloud has in a list of neighbours.
    fn rows_of(&self, indexes: &[i32]) -> usize {
        indexes.len() / (self.batch * self.neighbours).max(1)
    }
}

/// Runs `body(cloud, chunk)` for the equal chunks of `out`, one per cloud: on all cores with the
/// `parallel` feature, one after another without it. Clouds are independent, so the result is the same.
pub(crate) fn for_each_cloud<T: Send>(out: &mut [T], chunk: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    #[cfg(feature = "parallel")]
    if out.len() > chunk {
        use rayon::prelude::*;
        out.par_chunks_mut(chunk).enumerate().for_each(|(cloud, out)| body(cloud, out));
        return;
    }
    for (cloud, out) in out.chunks_mut(chunk).enumerate() {
        body(cloud, out);
    }
}
