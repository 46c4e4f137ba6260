//! What image networks look at: the one that is held, and the one that workers share, which may be of another size.

use super::{Shared, State};
use crate::partition::image::Image;
use cleave_contract::Intent;
use cleave_graph::{Shape, zoo};

/// Who looks at an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looker {
    /// The network that is held, if it reads images.
    Held,
    /// The network that the form for workers asks for.
    Workers,
}

impl State {
    /// What somebody's network reads; nothing if it reads no image.
    pub fn looks_at(&self, looker: Looker) -> Option<Shape> {
        match looker {
            Looker::Held => self.network.held.as_ref()?.image(),
            Looker::Workers => zoo::network(&self.settings.partition.network).ok().map(|network| network.input()),
        }
    }

    /// Shows somebody an image. The held network answers at once.
    pub(super) fn look(&mut self, looker: Looker, image: Image) -> Vec<Intent> {
        self.input.images[looker as usize] = Shared::new(image);
        // It may have been read for the network before.
        self.drop_unfit_image(looker);
        if looker == Looker::Workers {
            return Vec::new();
        }
        let mut intents = self.tell_image();
        if !intents.is_empty() {
            intents.extend(self.run_soon());
        }
        intents
    }

    /// The image of the held network, as the worker has to know it.
    pub(super) fn tell_image(&self) -> Vec<Intent> {
        match self.looks_at(Looker::Held) {
            Some(_) => self.worker.when_ready(Intent::Look(self.input.image(Looker::Held).request())),
            None => Vec::new(),
        }
    }

    /// An image of another network's size cannot be looked at by this one.
    pub(super) fn drop_unfit_image(&mut self, looker: Looker) {
        if self.looks_at(looker).is_some_and(|shape| !self.input.image(looker).fits(shape)) {
            self.input.images[looker as usize] = Shared::new(Image::Noise);
        }
    }
}
