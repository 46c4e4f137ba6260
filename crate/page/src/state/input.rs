//! The input on show: the cloud or image that frames are computed of, and the shapes to choose another cloud from.

use super::{Looker, Shared};
use crate::partition::image::Image;
use cleave_contract::{Cloud, Place};

/// What the worker holds and offers.
#[derive(Clone, Debug)]
pub struct ShownInput {
    /// The input it holds.
    pub cloud: Option<Shared<Cloud>>,
    /// One preview per class.
    pub gallery: Shared<Vec<Cloud>>,
    /// What image networks look at, by [`Looker`].
    pub(super) images: [Shared<Image>; 2],
}

impl Default for ShownInput {
    fn default() -> Self {
        let images = [Image::Noise, Image::Noise].map(Shared::new);
        ShownInput { cloud: None, gallery: Shared::new(Vec::new()), images }
    }
}

impl ShownInput {
    /// The image that somebody looks at.
    pub fn image(&self, looker: Looker) -> &Shared<Image> {
        &self.images[looker as usize]
    }

    /// Which cloud of an opened file it is; none for a generated shape.
    pub fn place(&self) -> Option<Place> {
        self.cloud.as_ref().and_then(|cloud| cloud.place)
    }
}
