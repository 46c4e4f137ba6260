//! The k nearest neighbours of every node: fused, blocked and exact.
//!
//! The distance matrix is symmetric, so only its upper triangle is computed, one tile at a time, and
//! each tile serves the rows on both its sides; nothing of size n × n exists. A row keeps its k best
//! in ascending order, and a candidate is looked at only if it beats the row's worst: after the first
//! tiles nearly none does, and the comparison is all that is left.

use super::matmul::{Start, Threads, View, matmul};
use super::{Extent, for_each_cloud};
use std::ops::Range;

/// Nodes along a tile's side: a tile of distances (64 kB) and the two strips it reads stay in cache.
const TILE: usize = 128;
/// Candidates compared together; the compiler turns the comparison into SIMD.
const LANES: usize = 8;

/// Writes `out[batch, n, k]`: for each node the indexes of its `k` nearest nodes by Euclidean
/// distance, itself first, then by ascending distance, equal distances by ascending index.
/// `x` is `[batch, n, c]`.
///
/// # Panics
/// When `k` is 0 or larger than the number of nodes, or a slice has another length.
pub fn knn(x: &[f32], extent: Extent, out: &mut [i32]) {
    let Extent { batch, nodes, channels, neighbours } = extent;
    assert!(neighbours >= 1 && neighbours <= nodes, "knn: {neighbours} neighbours of {nodes} nodes");
    assert_eq!(x.len(), batch * nodes * channels, "knn: features");
    assert_eq!(out.len(), batch * nodes * neighbours, "knn: indexes");
    knn_rows(x, extent, 0..nodes, out);
}

/// As [`knn`] for some of the nodes, bit for bit: `out` is `[batch, wanted.len(), k]`. The same tiles are computed as for all
/// nodes, but for those that have no wanted node on either side.
///
/// # Panics
/// When a slice has another length.
pub fn knn_rows(x: &[f32], extent: Extent, wanted: Range<usize>, out: &mut [i32]) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    for_each_cloud(out, wanted.len() * neighbours, |cloud, out| {
        let x = &x[cloud * nodes * channels..][..nodes * channels];
        knn_cloud(x, [nodes, channels, neighbours], wanted.clone(), out);
    });
}

fn knn_cloud(x: &[f32], [n, c, k]: [usize; 3], wanted: Range<usize>, out: &mut [i32]) {
    let squares: Vec<f32> = x.chunks_exact(c).map(|row| row.iter().map(|v| v * v).sum()).collect();
    let has = |block: &Range<usize>| block.start < wanted.end && wanted.start < block.end;
    let mut best = Best::new(wanted.clone(), k, out);
    let mut tile = vec![0.0; TILE * TILE];
    for rows in blocks(n, 0) {
        for cols in blocks(n, rows.start).filter(|cols| has(&rows) || has(cols)) {
            let tile = &mut tile[..rows.len() * cols.len()];
            let strip = |r: &std::ops::Range<usize>| View::rows(&x[r.start * c..r.end * c], r.len(), c);
            matmul(tile, strip(&rows), strip(&cols).t(), Start::Zero, Threads::One);
            for (i, products) in rows.clone().zip(tile.chunks_exact_mut(cols.len())) {
                to_distances(products, squares[i], &squares[cols.clone()]);
                if rows == cols {
                    products[i - cols.start] = -1.0; // itself first, whatever rounding says
                    best.offer_row(i, cols.start, products);
                } else {
                    best.offer_row(i, cols.start, products);
                    best.offer_column(i, cols.start, products);
                }
            }
        }
    }
}

fn blocks(n: usize, from: usize) -> impl Iterator<Item = Range<usize>> {
    (from..n).step_by(TILE).map(move |start| start..(start + TILE).min(n))
}

/// |a − b|² = |a|² + |b|² − 2 a·b, in place of the products.
fn to_distances(products: &mut [f32], square: f32, squares: &[f32]) {
    for (d, s) in products.iter_mut().zip(squares) {
        *d = (square + s) - 2.0 * *d;
    }
}

/// The k best of every wanted node so far, in ascending order.
struct Best<'a> {
    wanted: Range<usize>,
    k: usize,
    distances: Vec<f32>,
    worst: Vec<f32>,
    indexes: &'a mut [i32],
}

impl<'a> Best<'a> {
    fn new(wanted: Range<usize>, k: usize, indexes: &'a mut [i32]) -> Self {
        let n = wanted.len();
        Self { wanted, k, distances: vec![f32::INFINITY; n * k], worst: vec![f32::INFINITY; n], indexes }
    }

    /// Offers nodes `first..` with these distances to node `i`, if it is wanted.
    fn offer_row(&mut self, i: usize, first: usize, distances: &[f32]) {
        if !self.wanted.contains(&i) {
            return;
        }
        let i = i - self.wanted.start;
        for (chunk, candidates) in distances.chunks(LANES).enumerate() {
            if !any_below(candidates, self.worst[i]) {
                continue;
            }
            for (lane, d) in candidates.iter().enumerate() {
                if *d < self.worst[i] {
                    self.insert(i, first + chunk * LANES + lane, *d);
                }
            }
        }
    }

    /// Offers node `i` to the wanted ones of the nodes `first..` at these distances.
    fn offer_column(&mut self, i: usize, first: usize, distances: &[f32]) {
        let from = self.wanted.start.clamp(first, first + distances.len());
        let to = self.wanted.end.clamp(from, first + distances.len());
        let (distances, first) = (&distances[from - first..to - first], from - self.wanted.start);
        for (chunk, candidates) in distances.chunks(LANES).enumerate() {
            let at = first + chunk * LANES;
            if !any_below_each(candidates, &self.worst[at..at + candidates.len()]) {
                continue;
            }
            for (lane, d) in candidates.iter().enumerate() {
                if *d < self.worst[at + lane] {
                    self.insert(at + lane, i, *d);
                }
            }
        }
    }

    /// Insertion from the far end; equal distances keep the earlier index in front.
    fn insert(&mut self, node: usize, candidate: usize, distance: f32) {
        let row = node * self.k..(node + 1) * self.k;
        let (distances, indexes) = (&mut self.distances[row.clone()], &mut self.indexes[row]);
        let mut at = distances.len() - 1;
        while at > 0 && distances[at - 1] > distance {
            distances[at] = distances[at - 1];
            indexes[at] = indexes[at - 1];
            at -= 1;
        }
        distances[at] = distance;
        indexes[at] = candidate as i32;
        self.worst[node] = distances[distances.len() - 1];
    }
}

fn any_below(candidates: &[f32], bound: f32) -> bool {
    match <&[f32; LANES]>::try_from(candidates) {
        Ok(lanes) => lanes.iter().fold(false, |any, d| any | (*d < bound)),
        Err(_) => candidates.iter().any(|d| *d < bound),
    }
}

fn any_below_each(candidates: &[f32], bounds: &[f32]) -> bool {
    match (<&[f32; LANES]>::try_from(candidates), <&[f32; LANES]>::try_from(bounds)) {
        (Ok(lanes), Ok(bounds)) => lanes.iter().zip(bounds).fold(false, |any, (d, b)| any | (d < b)),
        _ => candidates.iter().zip(bounds).any(|(d, b)| d < b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    /// The definition: all distances, a stable sort, itself first.
    fn plain(x: &[f32], n: usize, c: usize, k: usize) -> Vec<Vec<(usize, f64)>> {
        (0..n)
            .map(|i| {
                let mut all: Vec<(usize, f64)> = (0..n)
                    .map(|j| {
                        let d = (0..c).map(|l| (x[i * c + l] as f64 - x[j * c + l] as f64).powi(2)).sum();
                        (j, if i == j { -1.0 } else { d })
                    })
                    .collect();
                all.sort_by(|a, b| a.1.total_cmp(&b.1));
                all.truncate(k);
                all
            })
            .collect()
    }

    fn run(x: &[f32], extent: Extent) -> Vec<i32> {
        let mut out = vec![-1; extent.batch * extent.nodes * extent.neighbours];
        knn(x, extent, &mut out);
        out
    }

    #[test]
    fn agrees_with_the_definition_at_sizes_around_the_tile() {
        let mut rng = SplitMix64::new(7);
        for (nodes, channels, neighbours) in [(1, 3, 1), (5, 3, 5), (127, 3, 20), (128, 16, 20), (300, 5, 7)] {
            let x: Vec<f32> = (0..2 * nodes * channels).map(|_| rng.unit_f32() - 0.5).collect();
            let got = run(&x, Extent { batch: 2, nodes, channels, neighbours });
            for cloud in 0..2 {
                let x = &x[cloud * nodes * channels..][..nodes * channels];
                for (i, expected) in plain(x, nodes, channels, neighbours).iter().enumerate() {
                    let row = &got[(cloud * nodes + i) * neighbours..][..neighbours];
                    assert_eq!(row[0] as usize, i, "itself first");
                    for (j, want) in row.iter().zip(expected) {
                        let d: f64 = (0..channels)
                            .map(|l| (x[i * channels + l] as f64 - x[*j as usize * channels + l] as f64).powi(2))
                            .sum();
                        // Rounding may swap neighbours that are equally far to within 1e-5.
                        assert!((d - want.1.max(0.0)).abs() < 1e-5, "node {i}: {d} for {}", want.1);
                    }
                }
            }
        }
    }

    #[test]
    fn some_rows_are_those_of_all() {
        let (mut rng, extent) = (SplitMix64::new(3), Extent { batch: 2, nodes: 300, channels: 5, neighbours: 7 });
        let x: Vec<f32> = (0..2 * 300 * 5).map(|_| rng.unit_f32()).collect();
        let all = run(&x, extent);
        for wanted in [0..300, 0..1, 100..260, 130..131, 128..256, 299..300] {
            let mut some = vec![-1; 2 * wanted.len() * 7];
            knn_rows(&x, extent, wanted.clone(), &mut some);
            let rows = (0..2).flat_map(|cloud| &all[(cloud * 300 + wanted.start) * 7..(cloud * 300 + wanted.end) * 7]);
            assert_eq!(some, rows.copied().collect::<Vec<_>>(), "{wanted:?}");
        }
    }

    #[test]
    fn equal_distances_go_by_index() {
        let got = run(&[0.0, 1.0, -1.0, 1.0, -1.0], Extent { batch: 1, nodes: 5, channels: 1, neighbours: 5 });
        assert_eq!(&got[..5], &[0, 1, 2, 3, 4]);
        assert_eq!(&got[5..8], &[1, 3, 0]);
    }
}
