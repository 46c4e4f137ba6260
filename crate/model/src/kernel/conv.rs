//! Convolution and fully connected layers of image networks on plain slices.
//!
//! A convolution is a product of the weight `[outputs, channels · taps]` with columns of the input, laid out for some
//! rows of the output and some channels at a time, so that the columns stay in the cache and never exist as a whole.

use super::matmul::{Start, Threads, View, matmul_into};
use cleave_graph::kernel::columns_at_once;

/// Extents of a convolution over one map, or over some rows of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Input channels.
    pub channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Output channels.
    pub outputs: usize,
    /// The window.
    pub window: Window,
}

/// A square window and the zeros around the map that it moves over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the window.
    pub kernel: usize,
    /// Step of the window.
    pub stride: usize,
    /// Rows of zeros above.
    pub above: usize,
    /// Rows of zeros below.
    pub below: usize,
    /// Columns of zeros on each side.
    pub side: usize,
}

impl Extent {
    /// Rows and columns of the output.
    ///
    /// # Panics
    /// When the window is larger than the map with its zeros: an error of the caller.
    pub fn output(&self) -> [usize; 2] {
        let Window { kernel, stride, above, below, side } = self.window;
        let along = |extent: usize, zeros: usize| (extent + zeros - kernel) / stride + 1;
        [along(self.height, above + below), along(self.width, 2 * side)]
    }

    fn taps(&self) -> usize {
        self.window.kernel * self.window.kernel
    }

    /// Whether the map is its own columns.
    fn is_pointwise(&self) -> bool {
        self.window == Window { kernel: 1, stride: 1, above: 0, below: 0, side: 0 }
    }
}

/// `x [channels, height, width]`, `weight [outputs, channels, kernel, kernel]`, `bias [outputs]` → `out [outputs, rows,
/// columns]`.
///
/// # Panics
/// When a slice is shorter than its extents say: an error of the caller.
pub fn conv(x: &[f32], weight: &[f32], bias: &[f32], extent: &Extent, out: &mut [f32]) {
    let [rows, cols] = extent.output();
    let (taps, positions) = (extent.taps(), rows * cols);
    for (out, bias) in out.chunks_exact_mut(positions).zip(bias) {
        out.fill(*bias);
    }
    let inputs = extent.channels * taps;
    let product = |from: usize, depth: usize, columns: View, out: &mut [f32]| {
        let weight =
            View { data: &weight[from..], rows: extent.outputs, cols: depth, stride: inputs, transposed: false };
        matmul_into(out, positions, weight, columns, Start::Accumulate, Threads::All);
    };
    if extent.is_pointwise() {
        return product(0, inputs, View::rows(x, inputs, positions), out);
    }
    let [at_once, high] = columns_at_once(extent.window.kernel, extent.channels, [rows, cols]);
    let mut columns = vec![0.0; at_once * taps * high * cols];
    for top in (0..rows).step_by(high) {
        let tile = top..(top + high).min(rows);
        for first in (0..extent.channels).step_by(at_once) {
            let channels = first..(first + at_once).min(extent.channels);
            let (depth, width) = (channels.len() * taps, tile.len() * cols);
            lay_out(x, extent, channels, tile.clone(), &mut columns[..depth * width]);
            product(first * taps, depth, View::rows(&columns, depth, width), &mut out[top * cols..]);
        }
    }
}

/// Columns `[channels · taps, tile rows · columns]` of some channels for some rows of the output.
fn lay_out(
    x: &[f32],
    extent: &Extent,
    channels: std::ops::Range<usize>,
    tile: std::ops::Range<usize>,
    columns: &mut [f32],
) {
    let Window { kernel, stride, above, side, .. } = extent.window;
    let (cols, width) = (extent.output()[1], extent.width);
    let mut lines = columns.chunks_exact_mut(cols);
    for channel in channels {
        let map = &x[channel * extent.height * width..][..extent.height * width];
        for (tap_row, tap_col) in (0..kernel).flat_map(|row| (0..kernel).map(move |col| (row, col))) {
            for row in tile.clone() {
                let Some(line) = lines.next() else { return };
                match (row * stride + tap_row).checked_sub(above).filter(|y| *y < extent.height) {
                    Some(y) => shifted(&map[y * width..][..width], tap_col, side, stride, line),
                    None => line.fill(0.0),
                }
            }
        }
    }
}

/// `line[i] = row[i · stride + tap − side]`, zero outside.
fn shifted(row: &[f32], tap: usize, side: usize, stride: usize, line: &mut [f32]) {
    let first = side.saturating_sub(tap).div_ceil(stride).min(line.len());
    let end = (row.len() + side).saturating_sub(tap).div_ceil(stride).clamp(first, line.len());
    line[..first].fill(0.0);
    line[end..].fill(0.0);
    if first == end {
        return;
    }
    let from = &row[first * stride + tap - side..];
    if stride == 1 {
        line[first..end].copy_from_slice(&from[..end - first]);
    } else {
        line[first..end].iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
    }
}

/// Outputs that a thread makes at a time.
#[cfg(feature = "parallel")]
const AT_ONCE: usize = 256;

/// `x [inputs]`, `weight [outputs, inputs]`, `bias [outputs]` → `out [outputs]`: each weight is read once, in order.
pub fn dense(x: &[f32], weight: &[f32], bias: &[f32], out: &mut [f32]) {
    out.copy_from_slice(bias);
    let product = |(out, weight): (&mut [f32], &[f32])| {
        let (weight, x) = (View::rows(weight, out.len(), x.len()), View::rows(x, x.len(), 1));
        matmul_into(out, 1, weight, x, Start::Accumulate, Threads::One);
    };
    #[cfg(feature = "parallel")]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(AT_ONCE).zip(weight.par_chunks(AT_ONCE * x.len())).for_each(product);
    }
    #[cfg(not(feature = "parallel"))]
    product((out, weight));
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;

    fn plain(x: &[f32], weight: &[f32], bias: &[f32], extent: &Extent) -> Vec<f32> {
        let Window { kernel, stride, above, side, .. } = extent.window;
        let [rows, cols] = extent.output();
        let mut out = Vec::new();
        for (output, row, col) in
            (0..extent.outputs).flat_map(|o| (0..rows).flat_map(move |row| (0..cols).map(move |col| (o, row, col))))
        {
            let mut sum = f64::from(bias[output]);
            for (channel, i, j) in
                (0..extent.channels).flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j))))
            {
                let (y, x_at) = ((row * stride + i).wrapping_sub(above), (col * stride + j).wrapping_sub(side));
                if y < extent.height && x_at < extent.width {
                    let weight = weight[((output * extent.channels + channel) * kernel + i) * kernel + j];
                    sum += f64::from(x[(channel * extent.height + y) * extent.width + x_at]) * f64::from(weight);
                }
            }
            out.push(sum as f32);
        }
        out
    }

    fn random(rng: &mut SplitMix64, n: usize) -> Vec<f32> {
        (0..n).map(|_| 2.0 * rng.unit_f32() - 1.0).collect()
    }

    #[test]
    fn convolutions_are_what_they_are_defined_as() {
        let mut rng = SplitMix64::new(3);
        let windows = [
            (1, 1, 0, 0, 0),
            (3, 1, 1, 1, 1),
            (3, 2, 1, 0, 1),
            (5, 1, 2, 2, 2),
            (11, 4, 2, 0, 2),
            (2, 3, 0, 1, 1),
            (3, 1, 2, 2, 2),
        ];
        for (kernel, stride, above, below, side) in windows {
            for (channels, height, width, outputs) in [(1, 12, 12, 1), (3, 11, 17, 5), (300, 13, 12, 2)] {
                let window = Window { kernel, stride, above, below, side };
                let extent = Extent { channels, height, width, outputs, window };
                let x = random(&mut rng, channels * height * width);
                let weight = random(&mut rng, outputs * channels * kernel * kernel);
                let bias = random(&mut rng, outputs);
                let expected = plain(&x, &weight, &bias, &extent);
                let mut out = vec![f32::NAN; expected.len()];
                conv(&x, &weight, &bias, &extent, &mut out);
                for (got, want) in out.iter().zip(&expected) {
                    assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{extent:?}: {got} {want}");
                }
            }
        }
    }

    #[test]
    fn many_positions_are_done_in_tiles() {
        let mut rng = SplitMix64::new(4);
        let window = Window { kernel: 3, stride: 1, above: 1, below: 1, side: 1 };
        let extent = Extent { channels: 150, height: 37, width: 31, outputs: 3, window };
        let x = random(&mut rng, 150 * 37 * 31);
        let (weight, bias) = (random(&mut rng, 3 * 150 * 9), random(&mut rng, 3));
        let mut out = vec![0.0; 3 * 37 * 31];
        conv(&x, &weight, &bias, &extent, &mut out);
        let expected = plain(&x, &weight, &bias, &extent);
        assert!(out.iter().zip(&expected).all(|(got, want)| (got - want).abs() < 1e-3));
    }

    #[test]
    fn fully_connected_by_hand() {
        let x: Vec<f32> = (0..19).map(|i| i as f32).collect();
        let weight: Vec<f32> = (0..38).map(|i| if i < 19 { 1.0 } else { -0.5 }).collect();
        let mut out = [0.0; 2];
        dense(&x, &weight, &[1.0, 2.0], &mut out);
        assert_eq!(out, [172.0, -83.5]);
    }
}
