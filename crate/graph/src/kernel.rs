//! How an engine convolves on a CPU, as far as its memory depends on it: the engine asks here, and so does the prediction.

/// Channels · taps of the columns that are laid out at a time.
const DEPTH: usize = 1152;
/// Positions of the output of the columns that are laid out at a time, whole rows at least one. With the depth 1.2 MB.
const POSITIONS: usize = 256;
/// Bytes of transformed tiles and their products at a time, whole rows of tiles at least one.
const TILES: usize = 4 << 20;
/// Values of a transformed tile, and of a transformed filter.
pub const FILTER_TAPS: usize = 16;

/// Whether a convolution is done by Winograd's minimal filtering F(2×2, 3×3): below so many channels the transforms cost
/// more than they save.
pub fn is_filtered(kernel: usize, stride: usize, channels: usize, outputs: usize) -> bool {
    kernel == 3 && stride == 1 && channels >= 16 && outputs >= 16
}

/// How many channels and rows of the output have their columns laid out at a time.
pub fn columns_at_once(kernel: usize, channels: usize, [rows, cols]: [usize; 2]) -> [usize; 2] {
    [(DEPTH / (kernel * kernel)).clamp(1, channels.max(1)), (POSITIONS / cols.max(1)).clamp(1, rows.max(1))]
}

/// How many rows of tiles are transformed at a time, of an output of `rows` × `cols`.
pub fn tile_rows_at_once(channels: usize, outputs: usize, [rows, cols]: [usize; 2]) -> usize {
    let per_row = FILTER_TAPS * (channels + outputs) * cols.div_ceil(2) * size_of::<f32>();
    (TILES / per_row.max(1)).clamp(1, rows.div_ceil(2).max(1))
}
