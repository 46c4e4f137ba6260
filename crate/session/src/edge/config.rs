//! What an edge's leaf may choose.

use std::fmt;
use std::sync::Arc;

use cleave_wire::{Offer, ValidationSet};

use crate::link::Host;
use crate::time::{Stopwatch, unmeasured};

/// The clouds for judging that an edge holds.
#[derive(Clone)]
pub struct OwnValidation {
    /// What the welcome says of it.
    pub set: ValidationSet,
    /// What is sent; as long as the set says.
    pub body: Arc<[u8]>,
}

impl fmt::Debug for OwnValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnValidation({})", self.set)
    }
}

/// Settings of an [`crate::EdgeSession`]. Start from [`EdgeConfig::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// What it says of itself, whom it welcomes, and how long it waits.
    pub host: Host,
    /// Frames of this connection under way at once.
    pub credit: u16,
    /// Sent to devices that ask for it.
    pub validation: Option<OwnValidation>,
    /// Most memory that one run of a deployed network may take, by [`cleave_graph::Graph::peak_bytes`].
    pub max_peak_bytes: u64,
    /// Draws the shaped link's jitter.
    pub seed: u64,
    /// Measures packing.
    pub stopwatch: Stopwatch,
}

impl EdgeConfig {
    /// Four frames under way, 1 GiB per run.
    pub fn new(host: Host) -> Self {
        Self { host, credit: 4, validation: None, max_peak_bytes: 1 << 30, seed: 0, stopwatch: unmeasured }
    }

    pub(super) fn offer(&self) -> Offer {
        Offer { credit: self.credit, validation: self.validation.as_ref().map(|own| own.set.clone()) }
    }
}
