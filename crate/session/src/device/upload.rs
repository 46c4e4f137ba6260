//! A model file on its way to the edge, in pieces that the edge acknowledges.

use std::sync::Arc;

use cleave_wire::{Limits, ModelHash, ToEdge};

use crate::work::Work;

/// Four pieces, 1 MiB, may be unacknowledged: the link stays busy and pings do not wait for the whole file.
const WINDOW: u64 = 4 * Limits::WEIGHTS_CHUNK_BYTES as u64;
/// In the background: frames wait for at most two of these, 52 ms at 5 Mbps.
const SMALL_PIECE: usize = 16 << 10;

/// What waits for the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The frames: nothing else matters.
    Fast,
    /// A later plan: frames of the present one pass.
    Background,
}

#[derive(Debug)]
pub(super) struct Upload {
    work: Arc<Work>,
    sent: u64,
    acknowledged: u64,
}

impl Upload {
    pub(super) fn new(work: Arc<Work>) -> Self {
        Self { work, sent: 0, acknowledged: 0 }
    }

    pub(super) fn model(&self) -> ModelHash {
        self.work.model().hash
    }

    /// Bytes that the edge has, and bytes of the file.
    pub(super) fn progress(&self) -> (u64, u64) {
        (self.acknowledged, self.total())
    }

    /// The edge has so much. More than was sent is not believed.
    pub(super) fn acknowledge(&mut self, received: u64) {
        self.acknowledged = received.clamp(self.acknowledged, self.sent);
    }

    /// The next piece, if the window has room for it.
    pub(super) fn next(&mut self, pace: Pace) -> Option<ToEdge> {
        let (piece, window) = match pace {
            Pace::Fast => (Limits::WEIGHTS_CHUNK_BYTES, WINDOW),
            Pace::Background => (SMALL_PIECE, 2 * SMALL_PIECE as u64),
        };
        if self.sent >= self.total() || self.sent - self.acknowledged >= window {
            return None;
        }
        let (start, model) = (self.sent as usize, self.work.model());
        let end = model.bytes.len().min(start + piece);
        let chunk = model.bytes[start..end].to_vec();
        self.sent = end as u64;
        Some(ToEdge::Weights { model: model.hash, offset: start as u64, total: self.total(), chunk })
    }

    fn total(&self) -> u64 {
        self.work.model().bytes.len() as u64
    }
}
