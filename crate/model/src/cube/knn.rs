//! k nearest neighbours on a GPU, in one kernel and without a matrix of all distances.
//!
//! A workgroup owns `ROWS` nodes of one cloud and walks over the candidates in tiles of `COLS`. Per
//! tile it sums squared differences chunk of channels by chunk, both sides staged in workgroup memory
//! (so global reads are coalesced and each value is read once per tile), 4 × 4 pairs per thread in
//! registers. Then `LANES` threads per node look at the tile's distances, each keeping the k best of
//! its share of the candidates in registers; their sorted lists are merged at the end.
//! Differences are summed rather than |a|² + |b|² − 2ab: no cancellation, and equal points tie exactly.

use cubecl::prelude::*;

/// Nodes of a workgroup.
pub const ROWS: usize = 16;
/// Threads of a workgroup.
pub const UNITS: usize = 64;
/// Candidates of a tile.
const COLS: usize = 64;
/// Threads that share a node's candidates.
const LANES: usize = UNITS / ROWS;
/// A thread computes SIDE × SIDE pairs of a tile: rows `4·ty + r`, columns `tx + 16·c`.
const SIDE: usize = 4;
const ACROSS: usize = COLS / SIDE;
/// Row lengths in workgroup memory, padded so that neighbouring threads use different banks.
const COLS_PADDED: usize = COLS + 1;
const TILE_PADDED: usize = COLS + 4;
/// Farther than any candidate; WGSL has no literal for infinity.
const FAR: f32 = 3.4e38;

/// `x [b, n, channels]` → `out [b, n, k]`; workgroup (t, b) computes nodes `ROWS·t..` of cloud b.
/// `chunk` is the number of channels staged at once.
#[cube(launch)]
pub fn knn_kernel(
    x: &[f32],
    out: &mut [i32],
    nodes: usize,
    channels: usize,
    #[comptime] k: usize,
    #[comptime] chunk: usize,
) {
    let unit = UNIT_POS as usize;
    let first_row = CUBE_POS_X as usize * ROWS;
    let cloud = CUBE_POS_Y as usize * nodes;
    let (row, lane) = (unit / LANES, unit % LANES);
    let node = first_row + row;

    let mut left = Shared::<[f32]>::new_slice(comptime!(chunk * ROWS));
    let mut right = Shared::<[f32]>::new_slice(comptime!(chunk * COLS_PADDED));
    let mut tile = Shared::<[f32]>::new_slice(comptime!(ROWS * TILE_PADDED));
    let mut best = Array::<f32>::new(k);
    let mut near = Array::<u32>::new(k);
    #[unroll]
    for slot in 0..k {
        best[slot] = FAR;
        near[slot] = 0u32;
    }

    for step in 0..nodes.div_ceil(COLS) {
        let first_col = step * COLS;
        let mut sums = Array::<f32>::new(comptime!(SIDE * SIDE));
        #[unroll]
        for pair in 0..comptime!(SIDE * SIDE) {
            sums[pair] = 0.0f32;
        }
        for part in 0..channels.div_ceil(chunk) {
            sync_cube();
            stage(x, &mut left, cloud, first_row, nodes, channels, part * chunk, chunk, ROWS, ROWS);
            stage(x, &mut right, cloud, first_col, nodes, channels, part * chunk, chunk, COLS, COLS_PADDED);
            sync_cube();
            accumulate(&left, &right, &mut sums, unit, chunk);
        }
        #[unroll]
        for r in 0..SIDE {
            #[unroll]
            for c in 0..SIDE {
                tile[(unit / ACROSS * SIDE + r) * TILE_PADDED + unit % ACROSS + c * ACROSS] = sums[r * SIDE + c];
            }
        }
        sync_cube();
        for turn in 0..comptime!(COLS / LANES) {
            let col = turn * LANES + lane;
            let candidate = first_col + col;
            let distance = tile[row * TILE_PADDED + col];
            // Itself first, whatever another node's distance is.
            let distance = select(candidate == node, -1.0f32, distance);
            if candidate < nodes && distance < best[comptime!(k - 1)] {
                insert(&mut best, &mut near, distance, candidate as u32, k);
            }
        }
    }
    merge(&mut best, &mut near, out, unit, cloud + node, node < nodes, k);
}

/// Copies `count` nodes × `chunk` channels, channel-major, zero outside of the cloud and beyond the channels.
#[cube]
#[allow(clippy::too_many_arguments, reason = "a kernel's fragment: grouping costs more than it explains")]
fn stage(
    x: &[f32],
    to: &mut Shared<[f32]>,
    cloud: usize,
    first: usize,
    nodes: usize,
    channels: usize,
    base: usize,
    #[comptime] chunk: usize,
    #[comptime] count: usize,
    #[comptime] pitch: usize,
) {
    for turn in 0..comptime!((count * chunk).div_ceil(UNITS)) {
        let at = turn * UNITS + UNIT_POS as usize;
        let (node, channel) = (at / chunk, at % chunk);
        let mut value = 0.0f32;
        if first + node < nodes && base + channel < channels {
            value = x[(cloud + first + node) * channels + base + channel];
        }
        to[channel * pitch + node] = value;
    }
}

#[cube]
fn accumulate(
    left: &Shared<[f32]>,
    right: &Shared<[f32]>,
    sums: &mut Array<f32>,
    unit: usize,
    #[comptime] chunk: usize,
) {
    for channel in 0..chunk {
        #[unroll]
        for r in 0..SIDE {
            let a = left[channel * ROWS + unit / ACROSS * SIDE + r];
            #[unroll]
            for c in 0..SIDE {
                let step = right[channel * COLS_PADDED + unit % ACROSS + c * ACROSS] - a;
                sums[r * SIDE + c] += step * step;
            }
        }
    }
}

/// Into an ascending list; equal distances keep the earlier one in front. Every slot is decided by the
/// old values alone, from the far end, so nothing waits for a loop.
#[cube]
fn insert(best: &mut Array<f32>, near: &mut Array<u32>, distance: f32, candidate: u32, #[comptime] k: usize) {
    #[unroll]
    for turn in 1..k {
        let slot = comptime!(k - turn);
        let before = comptime!(k - turn - 1);
        let moves = best[before] > distance;
        let lands = best[slot] > distance;
        best[slot] = select(moves, best[before], select(lands, distance, best[slot]));
        near[slot] = select(moves, near[before], select(lands, candidate, near[slot]));
    }
    let lands = best[0] > distance;
    best[0] = select(lands, distance, best[0]);
    near[0] = select(lands, candidate, near[0]);
}

/// k rounds: each thread shows the head of its list, the least of a node's heads is written.
#[cube]
fn merge(
    best: &mut Array<f32>,
    near: &mut Array<u32>,
    out: &mut [i32],
    unit: usize,
    node: usize,
    exists: bool,
    #[comptime] k: usize,
) {
    let mut distances = Shared::<[f32]>::new_slice(UNITS);
    let mut indexes = Shared::<[u32]>::new_slice(UNITS);
    let first = unit / LANES * LANES;
    for slot in 0..k {
        distances[unit] = best[0];
        indexes[unit] = near[0];
        sync_cube();
        let mut winner = first;
        let mut distance = distances[first];
        let mut index = indexes[first];
        #[unroll]
        for lane in 1..LANES {
            let (d, i) = (distances[first + lane], indexes[first + lane]);
            let wins = d < distance || (d == distance && i < index);
            winner = select(wins, first + lane, winner);
            distance = select(wins, d, distance);
            index = select(wins, i, index);
        }
        if winner == unit {
            if exists {
                out[node * k + slot] = i32::cast_from(index);
            }
            #[unroll]
            for turn in 1..k {
                best[comptime!(turn - 1)] = best[turn];
                near[comptime!(turn - 1)] = near[turn];
            }
            best[comptime!(k - 1)] = FAR;
        }
        sync_cube();
    }
}
