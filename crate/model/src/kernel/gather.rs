//! Reductions over the neighbours of a node without an edge tensor, and their gradients.

use super::{Extent, for_each_cloud};
use cleave_arch::Reducer;

/// Writes `out[b, i, c] = reduce over j of x[b, index[b, i, j], c]`, for some rows or for all.
/// Shapes: `x` `[batch, n, c]`, `out` `[batch, rows, c]`, `indexes` `[batch, rows, k]`.
pub fn gather_reduce(x: &[f32], indexes: &[i32], reducer: Reducer, extent: Extent, out: &mut [f32]) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    let rows = extent.rows_of(indexes);
    for_each_cloud(out, rows * channels, |cloud, out| {
        let x = &x[cloud * nodes * channels..][..nodes * channels];
        let indexes = &indexes[cloud * rows * neighbours..][..rows * neighbours];
        for (row, near) in out.chunks_exact_mut(channels).zip(indexes.chunks_exact(neighbours)) {
            reduce_rows(x, near, reducer, row);
        }
    });
}

/// An edge convolution's last step, `out[b, i, c] = leaky(max over j of neighbour[b, j, c] + centre[b, i, c])`,
/// in one pass: shapes as in [`gather_reduce`], `centre` as `out`.
pub fn edge_max(neighbour: &[f32], centre: &[f32], indexes: &[i32], slope: f32, extent: Extent, out: &mut [f32]) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    let rows = extent.rows_of(indexes);
    for_each_cloud(out, rows * channels, |cloud, out| {
        let x = &neighbour[cloud * nodes * channels..][..nodes * channels];
        let centre = &centre[cloud * rows * channels..][..rows * channels];
        let indexes = &indexes[cloud * rows * neighbours..][..rows * neighbours];
        let rows = out.chunks_exact_mut(channels).zip(centre.chunks_exact(channels));
        for ((row, centre), near) in rows.zip(indexes.chunks_exact(neighbours)) {
            reduce_rows(x, near, Reducer::Max, row);
            row.iter_mut().zip(centre).for_each(|(o, c)| {
                let z = *o + c;
                *o = if z > 0.0 { z } else { slope * z };
            });
        }
    });
}

/// Writes `out[b, c] = reduce over i of x[b, i, c]`: global pooling.
pub fn node_reduce(x: &[f32], reducer: Reducer, extent: Extent, out: &mut [f32]) {
    let Extent { nodes, channels, .. } = extent;
    for_each_cloud(out, channels, |cloud, out| {
        reduce(x[cloud * nodes * channels..][..nodes * channels].chunks_exact(channels), reducer, out);
    });
}

fn reduce_rows(x: &[f32], near: &[i32], reducer: Reducer, out: &mut [f32]) {
    let c = out.len();
    reduce(near.iter().map(|j| &x[*j as usize * c..][..c]), reducer, out);
}

fn reduce<'a>(mut rows: impl ExactSizeIterator<Item = &'a [f32]>, reducer: Reducer, out: &mut [f32]) {
    let n = rows.len();
    if let Some(first) = rows.next() {
        out.copy_from_slice(first);
    }
    for row in rows {
        let values = out.iter_mut().zip(row);
        match reducer {
            Reducer::Max => values.for_each(|(o, v)| *o = if *v > *o { *v } else { *o }),
            Reducer::Min => values.for_each(|(o, v)| *o = if *v < *o { *v } else { *o }),
            Reducer::Add | Reducer::Mean => values.for_each(|(o, v)| *o += v),
        }
    }
    if reducer == Reducer::Mean {
        let scale = 1.0 / n as f32;
        out.iter_mut().for_each(|o| *o *= scale);
    }
}

/// Gradient of [`gather_reduce`] with respect to `x`: writes `out[batch, n, c]` from
/// `gradient[batch, n, c]`. Max and min pass it to the first neighbour that attains the extreme.
pub fn gather_reduce_backward(
    x: &[f32],
    indexes: &[i32],
    gradient: &[f32],
    reducer: Reducer,
    extent: Extent,
    out: &mut [f32],
) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    for_each_cloud(out, nodes * channels, |cloud, out| {
        out.fill(0.0);
        let x = &x[cloud * nodes * channels..][..nodes * channels];
        let gradient = &gradient[cloud * nodes * channels..][..nodes * channels];
        let indexes = &indexes[cloud * nodes * neighbours..][..nodes * neighbours];
        let mut best = vec![0i32; channels];
        let mut extreme = vec![0.0f32; channels];
        for (near, gradient) in indexes.chunks_exact(neighbours).zip(gradient.chunks_exact(channels)) {
            match reducer {
                Reducer::Add => scatter_all(out, near, gradient, 1.0),
                Reducer::Mean => scatter_all(out, near, gradient, 1.0 / neighbours as f32),
                Reducer::Max => attain(x, near, 1.0, &mut best, &mut extreme),
                Reducer::Min => attain(x, near, -1.0, &mut best, &mut extreme),
            }
            if matches!(reducer, Reducer::Max | Reducer::Min) {
                for (c, (j, g)) in best.iter().zip(gradient).enumerate() {
                    out[*j as usize * channels + c] += g;
                }
            }
        }
    });
}

fn scatter_all(out: &mut [f32], near: &[i32], gradient: &[f32], scale: f32) {
    for j in near {
        let row = &mut out[*j as usize * gradient.len()..][..gradient.len()];
        row.iter_mut().zip(gradient).for_each(|(o, g)| *o += scale * g);
    }
}

/// Which neighbour attains the largest `sign · x`, per channel.
fn attain(x: &[f32], near: &[i32], sign: f32, best: &mut [i32], extreme: &mut [f32]) {
    let c = best.len();
    extreme.fill(f32::NEG_INFINITY);
    for j in near {
        let row = &x[*j as usize * c..][..c];
        for ((b, e), v) in best.iter_mut().zip(extreme.iter_mut()).zip(row) {
            let v = sign * v;
            *b = if v > *e { *j } else { *b };
            *e = if v > *e { v } else { *e };
        }
    }
}

/// Writes `out[batch, n] = reduce over j of |x_j − x_i|`: the distance channel of a message.
pub fn distance_reduce(x: &[f32], indexes: &[i32], reducer: Reducer, extent: Extent, out: &mut [f32]) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    for_each_cloud(out, nodes, |cloud, out| {
        let x = &x[cloud * nodes * channels..][..nodes * channels];
        let indexes = &indexes[cloud * nodes * neighbours..][..nodes * neighbours];
        for (i, (o, near)) in out.iter_mut().zip(indexes.chunks_exact(neighbours)).enumerate() {
            *o = reduce_scalars(near.iter().map(|j| distance(x, channels, i, *j as usize)), reducer, near.len());
        }
    });
}

fn reduce_scalars(values: impl Iterator<Item = f32>, reducer: Reducer, n: usize) -> f32 {
    match reducer {
        Reducer::Max => values.fold(f32::NEG_INFINITY, f32::max),
        Reducer::Min => values.fold(f32::INFINITY, f32::min),
        Reducer::Add => values.sum(),
        Reducer::Mean => values.sum::<f32>() / n as f32,
    }
}

fn distance(x: &[f32], c: usize, i: usize, j: usize) -> f32 {
    let (a, b) = (&x[i * c..][..c], &x[j * c..][..c]);
    a.iter().zip(b).map(|(a, b)| (b - a) * (b - a)).sum::<f32>().sqrt()
}

/// Gradient of [`distance_reduce`] with respect to `x`, from `gradient[batch, n]`. The distance of a
/// node to itself has no gradient (it is 0 there by convention).
pub fn distance_reduce_backward(
    x: &[f32],
    indexes: &[i32],
    gradient: &[f32],
    reducer: Reducer,
    extent: Extent,
    out: &mut [f32],
) {
    let Extent { nodes, channels, neighbours, .. } = extent;
    for_each_cloud(out, nodes * channels, |cloud, out| {
        out.fill(0.0);
        let x = &x[cloud * nodes * channels..][..nodes * channels];
        let indexes = &indexes[cloud * nodes * neighbours..][..nodes * neighbours];
        let gradient = &gradient[cloud * nodes..][..nodes];
        for (i, (near, g)) in indexes.chunks_exact(neighbours).zip(gradient).enumerate() {
            let of = |j: &&i32| distance(x, channels, i, **j as usize);
            let extreme = match reducer {
                Reducer::Max => near.iter().max_by(|a, b| of(a).total_cmp(&of(b))),
                Reducer::Min => near.iter().min_by(|a, b| of(a).total_cmp(&of(b))),
                Reducer::Add | Reducer::Mean => None,
            };
            let scale = if reducer == Reducer::Mean { *g / neighbours as f32 } else { *g };
            match extreme {
                Some(j) => pull(x, channels, i, *j as usize, scale, out),
                None => near.iter().for_each(|j| pull(x, channels, i, *j as usize, scale, out)),
            }
        }
    });
}

/// d|x_j − x_i|/dx_j = (x_j − x_i)/|x_j − x_i| = −d/dx_i.
fn pull(x: &[f32], c: usize, i: usize, j: usize, gradient: f32, out: &mut [f32]) {
    let d = distance(x, c, i, j);
    if d <= 0.0 {
        return;
    }
    for l in 0..c {
        let step = gradient * (x[j * c + l] - x[i * c + l]) / d;
        out[j * c + l] += step;
        out[i * c + l] -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    const EXTENT: Extent = Extent { batch: 2, nodes: 6, channels: 3, neighbours: 4 };
    const REDUCERS: [Reducer; 4] = [Reducer::Max, Reducer::Mean, Reducer::Add, Reducer::Min];

    /// Values at least 1/64 apart, so that no step of a difference changes which neighbour is the extreme.
    fn sample() -> (Vec<f32>, Vec<i32>) {
        let mut rng = SplitMix64::new(3);
        let n = EXTENT.batch * EXTENT.nodes * EXTENT.channels;
        let mut x: Vec<f32> = (0..n).map(|i| i as f32 / 64.0 + 0.003 * ((i * i) as f32).sin()).collect();
        for i in (1..n).rev() {
            x.swap(i, rng.below(i + 1));
        }
        let indexes = (0..EXTENT.batch * EXTENT.nodes * EXTENT.neighbours).map(|_| rng.below(6) as i32).collect();
        (x, indexes)
    }

    /// Central differences of Σ weight · f(x) against the analytic gradient.
    fn check(forward: impl Fn(&[f32]) -> Vec<f32>, weights: &[f32], x: &[f32], analytic: &[f32]) {
        let loss = |x: &[f32]| forward(x).iter().zip(weights).map(|(o, w)| (o * w) as f64).sum::<f64>();
        for i in 0..x.len() {
            let (mut up, mut down) = (x.to_vec(), x.to_vec());
            up[i] += 1e-3;
            down[i] -= 1e-3;
            let numeric = (loss(&up) - loss(&down)) / 2e-3;
            assert!((numeric - analytic[i] as f64).abs() < 2e-2, "{i}: {numeric} for {}", analytic[i]);
        }
    }

    #[test]
    fn by_hand() {
        let extent = Extent { batch: 1, nodes: 3, channels: 1, neighbours: 2 };
        let (x, indexes) = ([1.0, 2.0, 5.0], [0, 1, 1, 2, 2, 0]);
        let expected = [[2.0, 5.0, 5.0], [1.5, 3.5, 3.0], [3.0, 7.0, 6.0], [1.0, 2.0, 1.0]];
        let distances = [[1.0, 3.0, 4.0], [0.5, 1.5, 2.0], [1.0, 3.0, 4.0], [0.0, 0.0, 0.0]];
        for (reducer, (features, lengths)) in REDUCERS.into_iter().zip(expected.into_iter().zip(distances)) {
            let mut out = [0.0; 3];
            gather_reduce(&x, &indexes, reducer, extent, &mut out);
            assert_eq!(out, features, "{reducer:?}");
            distance_reduce(&x, &indexes, reducer, extent, &mut out);
            assert_eq!(out, lengths, "{reducer:?}");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (x, indexes) = sample();
        let weights: Vec<f32> = (0..x.len()).map(|i| (i as f32).cos()).collect();
        for reducer in REDUCERS {
            let mut gradient = vec![0.0; x.len()];
            gather_reduce_backward(&x, &indexes, &weights, reducer, EXTENT, &mut gradient);
            let forward = |x: &[f32]| {
                let mut out = vec![0.0; x.len()];
                gather_reduce(x, &indexes, reducer, EXTENT, &mut out);
                out
            };
            check(forward, &weights, &x, &gradient);

            let weights = &weights[..EXTENT.batch * EXTENT.nodes];
            distance_reduce_backward(&x, &indexes, weights, reducer, EXTENT, &mut gradient);
            let forward = |x: &[f32]| {
                let mut out = vec![0.0; weights.len()];
                distance_reduce(x, &indexes, reducer, EXTENT, &mut out);
                out
            };
            check(forward, weights, &x, &gradient);
        }
    }
}
