//! Parts of maps: cut out to be sent, put together from what has come.

use burn::tensor::Tensor;
use cleave_arch::cnn::Region;

/// A part of a map `[1, channels, rows, columns]`.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which part.
    pub region: Region,
    /// Its values.
    pub map: Tensor<4>,
}

/// A part of a piece; the piece itself if that is all.
///
/// # Panics
/// When the piece has not got the part: an error of the caller.
pub fn cut(piece: &Piece, part: &Region) -> Tensor<4> {
    if piece.region == *part {
        return piece.map.clone();
    }
    let [_, _, _, width] = piece.map.dims();
    let within =
        |part: &std::ops::Range<usize>, of: &std::ops::Range<usize>| part.start - of.start..part.end - of.start;
    let (channels, rows) = (within(&part.channels, &piece.region.channels), within(&part.rows, &piece.region.rows));
    piece.map.clone().slice([0..1, channels, rows, 0..width])
}

/// A region from pieces without overlap, which together have it, side by side in channels or in rows. What a piece has
/// beyond the region is left out. None if a part is missing.
pub fn assemble(region: &Region, pieces: &[Piece]) -> Option<Tensor<4>> {
    if let Some(whole) = pieces.iter().find(|piece| piece.region.contains(region)) {
        return Some(cut(whole, region));
    }
    let part = |piece: &Piece| {
        let part = piece.region.intersection(region);
        (!part.is_empty()).then(|| (part.clone(), cut(piece, &part)))
    };
    let mut parts: Vec<(Region, Tensor<4>)> = pieces.iter().filter_map(part).collect();
    parts.sort_by_key(|(part, _)| (part.channels.start, part.rows.start));
    let by_channels = parts.iter().all(|(part, _)| part.rows == region.rows);
    let ranges = || parts.iter().map(|(part, _)| if by_channels { &part.channels } else { &part.rows });
    let whole = if by_channels { &region.channels } else { &region.rows };
    let end = ranges().try_fold(whole.start, |end, range| (range.start == end).then_some(range.end));
    let is_complete =
        end == Some(whole.end) && (by_channels || parts.iter().all(|(part, _)| part.channels == region.channels));
    is_complete.then(|| Tensor::cat(parts.into_iter().map(|(_, map)| map).collect(), if by_channels { 1 } else { 2 }))
}
