//! Convolutions with a 3 × 3 window and stride 1 by Winograd's minimal filtering F(2×2, 3×3) (Lavin and Gray,
//! arXiv 1509.09308): 16 products make 2 × 2 values of the output instead of 36.
//!
//! Every 4 × 4 tile of the input becomes 16 values, as the weight does once, when it is loaded; the product over channels
//! is one matrix product for each of the 16, and every 16 of its values become 2 × 2 of the output.

use super::conv::{Extent, Window};
use super::matmul::{Start, Threads, View, matmul};
use cleave_graph::kernel::{FILTER_TAPS as TAPS, is_filtered, tile_rows_at_once};

/// Whether a convolution is one for this module.
pub fn suits(channels: usize, outputs: usize, window: &Window) -> bool {
    is_filtered(window.kernel, window.stride, channels, outputs)
}

/// `weight [outputs, channels, 3, 3]` → `[16, outputs, channels]`: G g Gᵀ.
pub fn transform_weight(weight: &[f32]) -> Vec<f32> {
    let filters = weight.as_chunks::<9>().0;
    let mut out = vec![0.0; TAPS * filters.len()];
    for (at, g) in filters.iter().enumerate() {
        let column = |j: usize| combine_weight([g[j], g[3 + j], g[6 + j]]);
        let columns = [column(0), column(1), column(2)];
        for row in 0..4 {
            let values = combine_weight([columns[0][row], columns[1][row], columns[2][row]]);
            (0..4).for_each(|col| out[(4 * row + col) * filters.len() + at] = values[col]);
        }
    }
    out
}

fn combine_weight([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// As [`super::conv::conv`], with the weight transformed.
///
/// # Panics
/// When a slice is shorter than its extents say: an error of the caller.
pub fn conv(x: &[f32], weight: &[f32], bias: &[f32], extent: &Extent, out: &mut [f32]) {
    let [rows, cols] = extent.output();
    let (down, across) = (rows.div_ceil(2), cols.div_ceil(2));
    let high = tile_rows_at_once(extent.channels, extent.outputs, [rows, cols]);
    let mut tiles = vec![0.0; TAPS * extent.channels * high * across];
    let mut products = vec![0.0; TAPS * extent.outputs * high * across];
    let mut lines = vec![0.0; 8 * (2 * across + 2)];
    for top in (0..down).step_by(high) {
        let strip = top..(top + high).min(down);
        let n = strip.len() * across;
        let (tiles, products) = (&mut tiles[..TAPS * extent.channels * n], &mut products[..TAPS * extent.outputs * n]);
        for channel in 0..extent.channels {
            for (at, row) in strip.clone().enumerate() {
                read_rows(x, extent, channel, 2 * row, &mut lines);
                transform_row(&mut lines, tiles, channel * n + at * across, extent.channels * n, across);
            }
        }
        multiply(weight, tiles, products, extent, n);
        for output in 0..extent.outputs {
            let map = &mut out[output * rows * cols..][..rows * cols];
            for (at, row) in strip.clone().enumerate() {
                let from = output * n + at * across;
                let step = extent.outputs * n;
                write_rows(products, from, step, across, bias[output], &mut map[2 * row * cols..], cols);
            }
        }
    }
}

/// One product over channels for each of the 16.
fn multiply(weight: &[f32], tiles: &[f32], products: &mut [f32], extent: &Extent, n: usize) {
    let (outputs, channels) = (extent.outputs, extent.channels);
    let one = |(tap, out): (usize, &mut [f32])| {
        let weight = View::rows(&weight[tap * outputs * channels..][..outputs * channels], outputs, channels);
        let tiles = View::rows(&tiles[tap * channels * n..][..channels * n], channels, n);
        matmul(out, weight, tiles, Start::Zero, Threads::One);
    };
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        products.par_chunks_exact_mut(outputs * n).enumerate().for_each(one);
    }
    #[cfg(not(feature = "parallel"))]
    products.chunks_exact_mut(outputs * n).enumerate().for_each(one);
}

/// Four rows of the input from `top` on, counted with the zeros around it, into the first half of `lines`.
fn read_rows(x: &[f32], extent: &Extent, channel: usize, top: usize, lines: &mut [f32]) {
    let (Window { above, side, .. }, width) = (extent.window, extent.width);
    let length = lines.len() / 8;
    for (i, line) in lines.chunks_exact_mut(length).take(4).enumerate() {
        match (top + i).checked_sub(above).filter(|row| *row < extent.height) {
            None => line.fill(0.0),
            Some(row) => {
                let values = &x[(channel * extent.height + row) * width..][..width];
                let n = width.min(length.saturating_sub(side));
                line[..side.min(length)].fill(0.0);
                line[side..side + n].copy_from_slice(&values[..n]);
                line[side + n..].fill(0.0);
            }
        }
    }
}

/// Bᵀ d B for every tile of a row of tiles, each of the 16 values at its own `step`.
fn transform_row(lines: &mut [f32], tiles: &mut [f32], from: usize, step: usize, across: usize) {
    let length = lines.len() / 8;
    let (rows, mixed) = lines.split_at_mut(4 * length);
    let row = |i: usize| &rows[i * length..][..length];
    let (d0, d1, d2, d3) = (row(0), row(1), row(2), row(3));
    for (i, mixed) in mixed.chunks_exact_mut(length).enumerate() {
        let (a, b, sign) = match i {
            0 => (d0, d2, -1.0),
            1 => (d1, d2, 1.0),
            2 => (d2, d1, -1.0),
            _ => (d1, d3, -1.0),
        };
        mixed.iter_mut().zip(a.iter().zip(b)).for_each(|(mixed, (a, b))| *mixed = a + sign * b);
    }
    for (i, mixed) in mixed.chunks_exact(length).enumerate() {
        let mut outs = tiles[4 * i * step..].chunks_mut(step).map(|tile| &mut tile[from..from + across]);
        let (Some(t0), Some(t1), Some(t2), Some(t3)) = (outs.next(), outs.next(), outs.next(), outs.next()) else {
            return;
        };
        let pairs = mixed.as_chunks::<2>().0;
        for (j, pair) in pairs.windows(2).take(across).enumerate() {
            let ([a, b], [c, d]) = (pair[0], pair[1]);
            t0[j] = a - c;
            t1[j] = b + c;
            t2[j] = c - b;
            t3[j] = b - d;
        }
    }
}

/// Aᵀ m A with the bias for every tile of a row of tiles, into two rows of the output, or one at its end.
fn write_rows(products: &[f32], from: usize, step: usize, across: usize, bias: f32, out: &mut [f32], cols: usize) {
    let m: [&[f32]; TAPS] = std::array::from_fn(|tap| &products[tap * step + from..][..across]);
    let (first, rest) = out.split_at_mut(cols);
    let after = rest.len().min(cols);
    let second = &mut rest[..after];
    let columns = |j: usize| {
        let column = |col: usize| {
            let (a, b, c, d) = (m[col][j], m[4 + col][j], m[8 + col][j], m[12 + col][j]);
            [a + b + c, b - c - d]
        };
        [column(0), column(1), column(2), column(3)]
    };
    for (j, columns) in (0..across).map(|j| (j, columns(j))) {
        for (row, line) in [&mut *first, &mut *second].into_iter().enumerate() {
            let [a, b, c, d] = columns.map(|column| column[row]);
            if let Some(value) = line.get_mut(2 * j) {
                *value = a + b + c + bias;
            }
            if let Some(value) = line.get_mut(2 * j + 1) {
                *value = b - c - d + bias;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::conv;
    use cleave_arch::SplitMix64;

    #[test]
    fn it_is_the_convolution() {
        let mut rng = SplitMix64::new(6);
        let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| 2.0 * rng.unit_f32() - 1.0).collect() };
        for (height, width, above, below, side) in
            [(4, 4, 0, 0, 0), (8, 6, 1, 1, 1), (7, 9, 1, 0, 1), (1, 5, 1, 1, 1), (5, 3, 0, 2, 2), (3, 224, 1, 1, 1)]
        {
            let window = Window { kernel: 3, stride: 1, above, below, side };
            let extent = Extent { channels: 17, height, width, outputs: 19, window };
            let (x, weight, bias) = (random(17 * height * width), random(17 * 19 * 9), random(19));
            let [rows, cols] = extent.output();
            let (mut expected, mut got) = (vec![0.0; 19 * rows * cols], vec![f32::NAN; 19 * rows * cols]);
            conv::conv(&x, &weight, &bias, &extent, &mut expected);
            super::conv(&x, &transform_weight(&weight), &bias, &extent, &mut got);
            for (got, want) in got.iter().zip(&expected) {
                assert!((got - want).abs() < 5e-5, "{extent:?}: {got} {want}");
            }
        }
    }
}
