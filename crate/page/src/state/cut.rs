//! Cuts that a person moves, and how they are written on the link: every change replaces the mapping of the held network.

use super::{Cuts, Notice, Shared, State};
use cleave_arch::{ArchError, LinkCodec, Mapping};
use cleave_contract::Intent;

impl State {
    pub(super) fn move_cut(&mut self, cut: usize, to: usize) -> Vec<Intent> {
        let Some(held) = &self.network.held else { return Vec::new() };
        let mut cuts = held.mapping.cuts().to_vec();
        let (last, n_cuts) = (held.last(), cuts.len());
        let least = if cut == 0 { 0 } else { cuts[cut.min(n_cuts) - 1] };
        let most = if cut + 1 < n_cuts { cuts[cut + 1] } else { last + 1 };
        match to.clamp(least, most) {
            to if to > last => cuts.truncate(cut),
            to if cut < n_cuts => cuts[cut] = to,
            to => cuts.push(to),
        }
        self.cut_at(cuts)
    }

    pub(super) fn add_cut(&mut self) -> Vec<Intent> {
        let Some(held) = &self.network.held else { return Vec::new() };
        let mut cuts = held.mapping.cuts().to_vec();
        if cuts.len() < 2 {
            cuts.push(held.last());
        }
        self.cut_at(cuts)
    }

    fn cut_at(&mut self, cuts: Vec<usize>) -> Vec<Intent> {
        self.remap(|state, mapping| {
            let mapping = mapping.with_cuts(cuts.clone())?;
            state.settings.cuts = Cuts::At(cuts);
            Ok(mapping)
        })
    }

    pub(super) fn write(&mut self, codec: LinkCodec) -> Vec<Intent> {
        self.settings.codec = codec;
        self.frames.measured.clear();
        self.remap(|_, mapping| Ok(mapping.clone().with_codec(codec)))
    }

    /// Replaces the mapping and runs it; one that changes nothing is not sent.
    fn remap(&mut self, change: impl FnOnce(&mut State, &Mapping) -> Result<Mapping, ArchError>) -> Vec<Intent> {
        let Some(held) = self.network.held.clone() else { return Vec::new() };
        match change(self, &held.mapping) {
            Ok(mapping) if mapping == held.mapping => Vec::new(),
            Ok(mapping) => {
                self.network.held = Some(Shared::new(held.with_mapping(mapping)));
                let mut intents = self.dispatcher.end();
                intents.extend(self.network.plan_intent());
                intents.extend(self.run_soon());
                intents
            }
            Err(why) => {
                self.notice = Some(Notice {
                    what: "This cut is not possible.".into(),
                    why: why.to_string(),
                    remedy: "The cut before it is kept; choose another place.".into(),
                });
                Vec::new()
            }
        }
    }
}
