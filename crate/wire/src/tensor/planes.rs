//! LZ4 in two orders of the bytes, whichever is smaller.
//!
//! LZ4 finds repeats of whole bytes. Values with many zeros (a ReLU's output) repeat as they lie: 66 % of the size for
//! Gaussian values, half of them zero. In dense floats and in neighbour indexes only the high bytes repeat, so there
//! the bytes are sorted into planes first, all lowest bytes, then all second ones: 93 % instead of 100 % for dense
//! Gaussian values, 57 % instead of 96 % for a graph of near nodes.

use lz4_flex::block;

use crate::error::WireError;

/// LZ4 cannot say more than 255 bytes with one.
const LARGEST_RATIO: usize = 255;

/// What was done to a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Raw,
    Lz4,
    Lz4Planes,
}

impl Packing {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Lz4 => 1,
            Self::Lz4Planes => 2,
        }
    }

    pub(super) fn from_tag(tag: u8) -> Result<Self, WireError> {
        match tag {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Lz4),
            2 => Ok(Self::Lz4Planes),
            found => {
                let right = "0 (none), 1 (LZ4) or 2 (LZ4 over byte planes)";
                Err(WireError::Value { field: "packing", found: found.into(), right })
            }
        }
    }
}

/// The smallest form; values of one byte have one plane only.
pub(super) fn compress(raw: Vec<u8>, plane_bytes: usize) -> (Packing, Vec<u8>) {
    let plain = (Packing::Lz4, block::compress(&raw));
    let planes = match plane_bytes {
        1 => None,
        _ => Some((Packing::Lz4Planes, block::compress(&split(&raw, plane_bytes)))),
    };
    let all = [(Packing::Raw, raw), plain].into_iter().chain(planes);
    all.min_by_key(|(_, bytes)| bytes.len()).unwrap_or((Packing::Raw, Vec::new()))
}

/// Exactly `needed` bytes, or an error. Reserves them only if so few compressed bytes can hold them at all.
pub(super) fn decompress(packed: &[u8], needed: usize, tensor: usize) -> Result<Vec<u8>, WireError> {
    let error = |why: String| WireError::Compressed { tensor, needed, why };
    if needed > packed.len().saturating_mul(LARGEST_RATIO) {
        return Err(error(format!("{} compressed bytes cannot hold so many", packed.len())));
    }
    let mut raw = vec![0; needed];
    match block::decompress_into(packed, &mut raw) {
        Ok(written) if written == needed => Ok(raw),
        Ok(written) => Err(error(format!("they unpack to {written}"))),
        Err(why) => Err(error(why.to_string())),
    }
}

fn split(raw: &[u8], plane_bytes: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(raw.len());
    for plane in 0..plane_bytes {
        planes.extend(raw.iter().skip(plane).step_by(plane_bytes));
    }
    planes
}

/// Undoes the sorting; `planes` holds whole values.
pub(super) fn join(planes: &[u8], plane_bytes: usize) -> Vec<u8> {
    let values = planes.len() / plane_bytes;
    let mut raw = vec![0; planes.len()];
    for (plane, bytes) in planes.chunks_exact(values.max(1)).enumerate() {
        raw.iter_mut().skip(plane).step_by(plane_bytes).zip(bytes).for_each(|(to, from)| *to = *from);
    }
    raw
}
