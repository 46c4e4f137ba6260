//! Reductions over the neighbours of a node on a GPU, without an edge tensor, and their gradients.
//! Gradients are written by one thread per channel of a cloud: no atomics, the same sum every time.

use cleave_arch::Reducer;
use cubecl::prelude::*;

/// Threads of a workgroup of [`distance_reduce_kernel`]: 8 neighbours × 8 lanes.
pub const UNITS: usize = 64;
const LANES: usize = 8;

/// `out[b, i, c] = reduce over j of x[b, indexes[b, i, j], c]`, one thread per node and `N` channels.
/// `width` is channels / N, `total` the number of threads that have work; of each cloud's nodes `rows` are made.
#[cube(launch)]
pub fn gather_reduce_kernel<N: Size>(
    x: &[Vector<f32, N>],
    indexes: &[i32],
    out: &mut [Vector<f32, N>],
    total: usize,
    nodes: usize,
    rows: usize,
    width: usize,
    neighbours: usize,
    #[comptime] reducer: Reducer,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let node = ABSOLUTE_POS / width;
    let channel = ABSOLUTE_POS % width;
    let cloud = node / rows * nodes;
    let list = node * neighbours;
    let mut sum = x[(cloud + indexes[list] as usize) * width + channel];
    for slot in 1..neighbours {
        let value = x[(cloud + indexes[list + slot] as usize) * width + channel];
        if comptime!(reducer == Reducer::Max) {
            sum = max(sum, value);
        } else if comptime!(reducer == Reducer::Min) {
            sum = min(sum, value);
        } else {
            sum += value;
        }
    }
    if comptime!(reducer == Reducer::Mean) {
        sum /= Vector::new(f32::cast_from(neighbours));
    }
    out[ABSOLUTE_POS] = sum;
}

/// `out[b, i, c] = leaky(max over j of x[b, indexes[b, i, j], c] + centre[b, i, c])`: an edge convolution
/// after its products, threads as above. The slope is in 0..=1.
#[cube(launch)]
pub fn edge_max_kernel<N: Size>(
    x: &[Vector<f32, N>],
    centre: &[Vector<f32, N>],
    indexes: &[i32],
    out: &mut [Vector<f32, N>],
    total: usize,
    nodes: usize,
    rows: usize,
    width: usize,
    neighbours: usize,
    slope: f32,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let node = ABSOLUTE_POS / width;
    let channel = ABSOLUTE_POS % width;
    let cloud = node / rows * nodes;
    let list = node * neighbours;
    let mut largest = x[(cloud + indexes[list] as usize) * width + channel];
    for slot in 1..neighbours {
        largest = max(largest, x[(cloud + indexes[list + slot] as usize) * width + channel]);
    }
    let value = largest + centre[ABSOLUTE_POS];
    out[ABSOLUTE_POS] = max(value, value * Vector::new(slope));
}

/// `out[b, i] = reduce over j of |x_j − x_i|`, one workgroup per node; `k` is the number of neighbours.
#[cube(launch)]
pub fn distance_reduce_kernel(
    x: &[f32],
    indexes: &[i32],
    out: &mut [f32],
    total: usize,
    nodes: usize,
    channels: usize,
    #[comptime] k: usize,
    #[comptime] reducer: Reducer,
) {
    let node = CUBE_POS;
    let unit = UNIT_POS as usize;
    let mut sums = Shared::<[f32]>::new_slice(comptime!(k.next_multiple_of(LANES) * LANES));
    if node < total {
        let cloud = node / nodes * nodes;
        for pass in 0..comptime!(k.div_ceil(LANES)) {
            let slot = pass * LANES + unit / LANES;
            if slot < k {
                let from = (cloud + indexes[node * k + slot] as usize) * channels;
                sums[slot * LANES + unit % LANES] = squares(x, node * channels, from, channels, unit % LANES, LANES);
            }
        }
    }
    sync_cube();
    if unit == 0 && node < total {
        let mut reduced = length(&sums, 0usize);
        for slot in 1..k {
            let d = length(&sums, slot);
            if comptime!(reducer == Reducer::Max) {
                reduced = max(reduced, d);
            } else if comptime!(reducer == Reducer::Min) {
                reduced = min(reduced, d);
            } else {
                reduced += d;
            }
        }
        if comptime!(reducer == Reducer::Mean) {
            reduced /= comptime!(k as f32);
        }
        out[node] = reduced;
    }
}

/// Sum of squared differences of channels `start, start + step, …` of two rows.
#[cube]
fn squares(x: &[f32], a: usize, b: usize, channels: usize, start: usize, #[comptime] step: usize) -> f32 {
    let mut sum = 0.0f32;
    for turn in 0..channels.div_ceil(step) {
        let channel = turn * step + start;
        if channel < channels {
            let difference = x[b + channel] - x[a + channel];
            sum += difference * difference;
        }
    }
    sum
}

#[cube]
fn length(sums: &Shared<[f32]>, slot: usize) -> f32 {
    let mut sum = 0.0f32;
    #[unroll]
    for lane in 0..LANES {
        sum += sums[slot * LANES + lane];
    }
    sum.sqrt()
}

/// Gradient of the reduction of features: `out`, zero at first, from `gradient [b, n, c]`.
/// One thread per channel of a cloud (`total` of them).
#[cube(launch)]
pub fn gather_reduce_backward_kernel(
    x: &[f32],
    indexes: &[i32],
    gradient: &[f32],
    out: &mut [f32],
    total: usize,
    nodes: usize,
    channels: usize,
    neighbours: usize,
    #[comptime] reducer: Reducer,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let cloud = ABSOLUTE_POS / channels * nodes;
    let channel = ABSOLUTE_POS % channels;
    for i in 0..nodes {
        let list = (cloud + i) * neighbours;
        let pass = gradient[(cloud + i) * channels + channel];
        if comptime!(reducer == Reducer::Max || reducer == Reducer::Min) {
            let mut target = (cloud + indexes[list] as usize) * channels + channel;
            let mut extreme = x[target];
            for slot in 1..neighbours {
                let at = (cloud + indexes[list + slot] as usize) * channels + channel;
                let value = x[at];
                let wins = if comptime!(reducer == Reducer::Max) { value > extreme } else { value < extreme };
                target = select(wins, at, target);
                extreme = select(wins, value, extreme);
            }
            out[target] += pass;
        } else {
            let share = if comptime!(reducer == Reducer::Mean) { pass / f32::cast_from(neighbours) } else { pass };
            for slot in 0..neighbours {
                out[(cloud + indexes[list + slot] as usize) * channels + channel] += share;
            }
        }
    }
}

/// First half of the gradient of the reduction of distances: `out[b, i, j]` is what
/// (x_j − x_i) is multiplied with, `gradient[b, i] · ∂reduce/∂d_ij / d_ij`. One thread per node.
#[cube(launch)]
pub fn distance_factor_kernel(
    x: &[f32],
    indexes: &[i32],
    gradient: &[f32],
    out: &mut [f32],
    total: usize,
    nodes: usize,
    channels: usize,
    #[comptime] k: usize,
    #[comptime] reducer: Reducer,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let cloud = ABSOLUTE_POS / nodes * nodes;
    let list = ABSOLUTE_POS * k;
    let pass = gradient[ABSOLUTE_POS];
    let mut winner = 0usize;
    let mut extreme = 0.0f32;
    for slot in 0..k {
        let from = (cloud + indexes[list + slot] as usize) * channels;
        let d = squares(x, ABSOLUTE_POS * channels, from, channels, 0usize, 1usize).sqrt();
        let mut factor = 0.0f32;
        if d > 0.0f32 {
            factor = pass / d;
        }
        if comptime!(reducer == Reducer::Mean) {
            factor /= comptime!(k as f32);
        }
        out[list + slot] = factor;
        // The last of equal maxima and the first of equal minima, as the CPU kernels choose.
        let wins = if comptime!(reducer == Reducer::Max) { d >= extreme } else { d < extreme };
        let wins = wins || slot == 0;
        winner = select(wins, slot, winner);
        extreme = select(wins, d, extreme);
    }
    if comptime!(reducer == Reducer::Max || reducer == Reducer::Min) {
        for slot in 0..k {
            if slot != winner {
                out[list + slot] = 0.0f32;
            }
        }
    }
}

/// Second half: adds `factor · (x_j − x_i)` to node j and takes it from node i. One thread per
/// channel of a cloud (`total` of them); `out` is zero at first.
#[cube(launch)]
pub fn distance_pull_kernel(
    x: &[f32],
    indexes: &[i32],
    factors: &[f32],
    out: &mut [f32],
    total: usize,
    nodes: usize,
    channels: usize,
    neighbours: usize,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let cloud = ABSOLUTE_POS / channels * nodes;
    let channel = ABSOLUTE_POS % channels;
    for i in 0..nodes {
        let here = (cloud + i) * channels + channel;
        for slot in 0..neighbours {
            let edge = (cloud + i) * neighbours + slot;
            let there = (cloud + indexes[edge] as usize) * channels + channel;
            let step = factors[edge] * (x[there] - x[here]);
            out[there] += step;
            out[here] -= step;
        }
    }
}
