//! A file of weights on its way, in pieces that the other side acknowledges.

use cleave_wire::{Call, Limits, ModelHash};

use crate::work::Model;

/// Four pieces, 1 MiB, may be unacknowledged: the link stays busy and pings do not wait for the whole file.
const WINDOW: usize = 4 * Limits::WEIGHTS_CHUNK_BYTES;
/// In the background: frames wait for at most two of these, 52 ms at 5 Mbps.
const SMALL_PIECE: usize = 16 << 10;

/// What waits for the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// All that is to be computed: nothing else matters.
    Fast,
    /// A later plan: frames of the present one pass.
    Background,
}

#[derive(Debug)]
pub(crate) struct Upload {
    file: Model,
    sent: usize,
    acknowledged: u64,
}

impl Upload {
    pub(crate) fn new(file: Model) -> Self {
        Self { file, sent: 0, acknowledged: 0 }
    }

    pub(crate) fn model(&self) -> ModelHash {
        self.file.hash
    }

    /// Bytes that the other side has, and bytes of the file.
    pub(crate) fn progress(&self) -> (u64, u64) {
        (self.acknowledged, self.file.bytes.len() as u64)
    }

    /// The other side has so much. More than was sent is not believed.
    pub(crate) fn acknowledge(&mut self, received: u64) {
        self.acknowledged = received.clamp(self.acknowledged, self.sent as u64);
    }

    /// The next piece, if the window has room for it.
    pub(crate) fn next<R>(&mut self, pace: Pace) -> Option<Call<R>> {
        let (piece, window) = match pace {
            Pace::Fast => (Limits::WEIGHTS_CHUNK_BYTES, WINDOW),
            Pace::Background => (SMALL_PIECE, 2 * SMALL_PIECE),
        };
        let (total, start) = (self.file.bytes.len(), self.sent);
        if start >= total || start as u64 - self.acknowledged >= window as u64 {
            return None;
        }
        self.sent = total.min(start + piece);
        let chunk = self.file.bytes[start..self.sent].to_vec();
        Some(Call::Weights { model: self.file.hash, offset: start as u64, total: total as u64, chunk })
    }
}
