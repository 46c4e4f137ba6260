//! A file of weights that comes in pieces.

use cleave_wire::cooperate::{ToCoordinator, WeightSource};
use cleave_wire::{ModelHash, RefusalCode};

use super::{Effects, Member, MemberEffect, model_invalid, write};
use crate::edge::Wrong;

/// A file of which the first bytes have come.
#[derive(Debug)]
pub(super) enum Receiving {
    Pieces {
        model: ModelHash,
        bytes: Vec<u8>,
    },
    /// All of it was handed to the leaf.
    Storing {
        model: ModelHash,
    },
    /// The engine was asked again: missing now is an error, not a reason to ask a third time.
    Stored,
}

impl Member {
    pub(super) fn weights_missing(&mut self, fx: &mut Effects) {
        let Some(joined) = &self.joined else { return };
        match (joined.group().weights, &self.receiving) {
            (WeightSource::File(model), None) => {
                self.receiving = Some(Receiving::Pieces { model, bytes: Vec::new() });
                write(&ToCoordinator::NeedWeights { model }, fx);
            }
            _ => self.refuse_group(model_invalid("the weights could not be kept on the worker".to_owned()), fx),
        }
    }

    /// Pieces that nobody awaits any more are passed over: the group may have changed while they were under way.
    pub(super) fn weights(&mut self, model: ModelHash, offset: u64, total: u64, chunk: &[u8], fx: &mut Effects) {
        let Some(Receiving::Pieces { model: awaited, bytes }) = &mut self.receiving else { return };
        if *awaited != model {
            return;
        }
        let have = bytes.len() as u64;
        if offset != have || chunk.is_empty() {
            let wrong = format!("{} bytes of weights came for offset {offset}", chunk.len());
            let right = format!("go on at offset {have} with at least one byte");
            return self.refuse_session(Wrong::new(RefusalCode::BadWeights, wrong, right), fx);
        }
        bytes.extend_from_slice(chunk);
        let received = bytes.len() as u64;
        write(&ToCoordinator::WeightsProgress { model, received, total }, fx);
        if received >= total {
            fx.push(MemberEffect::StoreWeights { model, bytes: std::mem::take(bytes) });
            self.receiving = Some(Receiving::Storing { model });
        }
    }

    pub(super) fn awaits_weights(&self, model: ModelHash) -> bool {
        matches!(&self.receiving, Some(Receiving::Storing { model: awaited }) if *awaited == model)
    }

    pub(super) fn weights_stored(&mut self, model: ModelHash, fx: &mut Effects) {
        if self.awaits_weights(model)
            && let Some(joined) = &self.joined
        {
            self.receiving = Some(Receiving::Stored);
            fx.push(MemberEffect::Engine(joined.group().load()));
        }
    }
}
