//! The input on show: the cloud that frames are computed of, and the shapes to choose another from.

use super::Shared;
use cleave_contract::{Cloud, Place};

/// What the worker holds and offers.
#[derive(Clone, Debug)]
pub struct ShownInput {
    /// The input it holds.
    pub cloud: Option<Shared<Cloud>>,
    /// One preview per class.
    pub gallery: Shared<Vec<Cloud>>,
}

impl Default for ShownInput {
    fn default() -> Self {
        ShownInput { cloud: None, gallery: Shared::new(Vec::new()) }
    }
}

impl ShownInput {
    /// Which cloud of an opened file it is; none for a generated shape.
    pub fn place(&self) -> Option<Place> {
        self.cloud.as_ref().and_then(|cloud| cloud.place)
    }
}
