//! BatchNorm with LeakyReLU on plain slices: column statistics, the forward pass and its gradients,
//! each in one or two passes over memory. Composed of tensor operations, this layer would take most
//! of a training step.
//!
//! Rows are worked on in blocks of a fixed size and the blocks' sums are added in order, so results
//! do not depend on the number of threads.

use cleave_model::EPSILON;
use rayon::prelude::*;

/// Rows of a block.
const BLOCK: usize = 512;

/// What a normalised column needs: `out = leaky(scale · z + shift)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// Mean of the column.
    pub mean: f32,
    /// 1/√(variance + ε).
    pub inverse: f32,
    /// γ / √(variance + ε).
    pub scale: f32,
    /// β − scale · mean.
    pub shift: f32,
}

/// Columns from `stats [2, c]` (mean, then variance) and `affine [2, c]` (γ, then β).
pub fn columns(stats: &[f32], affine: &[f32]) -> Vec<Column> {
    let c = stats.len() / 2;
    let column = |i: usize| {
        let (mean, inverse) = (stats[i], 1.0 / (stats[c + i] + EPSILON).sqrt());
        let scale = affine[i] * inverse;
        Column { mean, inverse, scale, shift: affine[c + i] - scale * mean }
    };
    (0..c).map(column).collect()
}

/// Mean and (biased) variance of the columns of `z [rows, c]`, as `[2, c]`.
pub fn column_stats(z: &[f32], c: usize) -> Vec<f32> {
    let rows = (z.len() / c) as f64;
    // Differences from the first row keep the digits that E[z²] − E[z]² would lose.
    let origin = &z[..c];
    let sums = block_sums(z.par_chunks(BLOCK * c), c, |block, sums| {
        let (first, second) = sums.split_at_mut(c);
        for row in block.chunks_exact(c) {
            for (((a, b), v), o) in first.iter_mut().zip(second.iter_mut()).zip(row).zip(origin) {
                let d = v - o;
                *a += d;
                *b += d * d;
            }
        }
    });
    let mean = (0..c).map(|i| (sums[i] / rows) as f32 + origin[i]);
    let var = (0..c).map(|i| (sums[c + i] / rows - (sums[i] / rows).powi(2)).max(0.0) as f32);
    mean.chain(var).collect()
}

/// `leaky(scale · z + shift)` for every row of `z [rows, c]`.
pub fn normalise(z: &[f32], columns: &[Column], slope: f32) -> Vec<f32> {
    let c = columns.len();
    let mut out = vec![0.0; z.len()];
    let (scale, shift) = split(columns);
    out.par_chunks_mut(BLOCK * c).zip(z.par_chunks(BLOCK * c)).for_each(|(out, z)| {
        for (out, z) in out.chunks_exact_mut(c).zip(z.chunks_exact(c)) {
            for (((o, v), a), b) in out.iter_mut().zip(z).zip(&scale).zip(&shift) {
                let y = a * v + b;
                *o = if y > 0.0 { y } else { slope * y };
            }
        }
    });
    out
}

/// Gradient of γ and β, `[2, c]`, from the gradient of the output.
pub fn affine_gradient(z: &[f32], columns: &[Column], gradient: &[f32], slope: f32) -> Vec<f32> {
    let c = columns.len();
    let (scale, shift) = split(columns);
    let mean: Vec<f32> = columns.iter().map(|column| column.mean).collect();
    let blocks = z.par_chunks(BLOCK * c).zip(gradient.par_chunks(BLOCK * c));
    let sums = block_sums(blocks, c, |(z, gradient), sums| {
        let (gamma, beta) = sums.split_at_mut(c);
        for (z, gradient) in z.chunks_exact(c).zip(gradient.chunks_exact(c)) {
            for i in 0..c {
                let g = if scale[i] * z[i] + shift[i] > 0.0 { gradient[i] } else { slope * gradient[i] };
                gamma[i] += g * (z[i] - mean[i]);
                beta[i] += g;
            }
        }
    });
    let gamma = (0..c).map(|i| sums[i] as f32 * columns[i].inverse);
    gamma.chain((0..c).map(|i| sums[c + i] as f32)).collect()
}

/// Gradient of `z`, `[rows, c]`, through the normalisation and its statistics, from the gradient of
/// the output and `affine_gradient` (Ioffe and Szegedy 2015, section 3):
/// dz = scale · (g − mean(g) − x̂ · mean(g · x̂)).
pub fn input_gradient(z: &[f32], columns: &[Column], affine: &[f32], gradient: &[f32], slope: f32) -> Vec<f32> {
    let c = columns.len();
    let rows = (z.len() / c) as f32;
    let (scale, shift) = split(columns);
    // scale · (g − mean(g)) − (z − mean) · pull, collected to scale · g − pull · z + rest.
    let pull: Vec<f32> = (0..c).map(|i| scale[i] * columns[i].inverse * affine[i] / rows).collect();
    let rest: Vec<f32> = (0..c).map(|i| pull[i] * columns[i].mean - scale[i] * affine[c + i] / rows).collect();
    let mut out = vec![0.0; z.len()];
    let sources = z.par_chunks(BLOCK * c).zip(gradient.par_chunks(BLOCK * c));
    out.par_chunks_mut(BLOCK * c).zip(sources).for_each(|(out, (z, gradient))| {
        let rows = out.chunks_exact_mut(c).zip(z.chunks_exact(c)).zip(gradient.chunks_exact(c));
        for ((out, z), gradient) in rows {
            for i in 0..c {
                let g = if scale[i] * z[i] + shift[i] > 0.0 { gradient[i] } else { slope * gradient[i] };
                out[i] = scale[i] * g - pull[i] * z[i] + rest[i];
            }
        }
    });
    out
}

fn split(columns: &[Column]) -> (Vec<f32>, Vec<f32>) {
    columns.iter().map(|column| (column.scale, column.shift)).unzip()
}

/// Two sums per column: in f32 within a block, in f64 over the blocks, in their order.
fn block_sums<T: Send>(
    blocks: impl IndexedParallelIterator<Item = T>,
    c: usize,
    add: impl Fn(T, &mut [f32]) + Sync + Send,
) -> Vec<f64> {
    let of_block = |block: T| {
        let mut sums = vec![0.0f32; 2 * c];
        add(block, &mut sums);
        sums
    };
    let mut total = vec![0.0f64; 2 * c];
    for sums in blocks.map(of_block).collect::<Vec<_>>() {
        total.iter_mut().zip(sums).for_each(|(t, s)| *t += f64::from(s));
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    fn draw(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = SplitMix64::new(seed);
        (0..n).map(|_| 2.0 * rng.unit_f32() - 1.0).collect()
    }

    #[test]
    fn statistics_by_hand_and_far_from_zero() {
        assert_eq!(column_stats(&[1.0, 10.0, 3.0, 30.0], 2), [2.0, 20.0, 1.0, 100.0]);
        let far: Vec<f32> = (0..2000).map(|i| 1000.0 + (i % 2) as f32).collect();
        let stats = column_stats(&far, 1);
        assert!((stats[0] - 1000.5).abs() < 1e-3 && (stats[1] - 0.25).abs() < 1e-4, "{stats:?}");
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (rows, c, slope) = (7, 3, 0.2);
        let (z, weights) = (draw(rows * c, 1), draw(rows * c, 2));
        let affine = [1.3, -0.7, 0.4, 0.1, 0.2, -0.3];
        let forward = |z: &[f32], affine: &[f32]| -> f64 {
            let columns = columns(&column_stats(z, c), affine);
            let out = normalise(z, &columns, slope);
            out.iter().zip(&weights).map(|(o, w)| f64::from(o * w)).sum()
        };
        let columns = columns(&column_stats(&z, c), &affine);
        let for_affine = affine_gradient(&z, &columns, &weights, slope);
        let for_input = input_gradient(&z, &columns, &for_affine, &weights, slope);
        let numeric = |values: &[f32], i: usize, f: &dyn Fn(&[f32]) -> f64| {
            let (mut up, mut down) = (values.to_vec(), values.to_vec());
            up[i] += 1e-3;
            down[i] -= 1e-3;
            (f(&up) - f(&down)) / 2e-3
        };
        for (i, analytic) in for_input.iter().enumerate() {
            let numeric = numeric(&z, i, &|z| forward(z, &affine));
            assert!((numeric - f64::from(*analytic)).abs() < 1e-2, "z {i}: {numeric} for {analytic}");
        }
        for (i, analytic) in for_affine.iter().enumerate() {
            let numeric = numeric(&affine, i, &|affine| forward(&z, affine));
            assert!((numeric - f64::from(*analytic)).abs() < 1e-2, "affine {i}: {numeric} for {analytic}");
        }
    }
}
