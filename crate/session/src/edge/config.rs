//! What an edge's leaf may choose.

use std::fmt;
use std::sync::Arc;

use cleave_wire::{Limits, Offer, ValidationSet};

use crate::link::{Host, TokenCheck};
use crate::time::{Micros, Stopwatch, unmeasured};

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
    /// Says whose greeting is welcome.
    pub token: TokenCheck,
    /// What this edge calls itself.
    pub name: String,
    /// Program version, for people.
    pub version: String,
    /// Threads that compute.
    pub threads: u16,
    /// Frames of this connection under way at once.
    pub credit: u16,
    /// What is accepted from the device.
    pub limits: Limits,
    /// Sent to devices that ask for it.
    pub validation: Option<OwnValidation>,
    /// Most memory that one run of a deployed network may take, by [`cleave_arch::Trace::peak_bytes`].
    pub max_peak_bytes: u64,
    /// For the greeting to come.
    pub handshake_timeout: Micros,
    /// Without any message for so long the connection is closed. A device pings every second.
    pub idle_timeout: Micros,
    /// Draws the shaped link's jitter.
    pub seed: u64,
    /// Measures packing.
    pub stopwatch: Stopwatch,
}

impl EdgeConfig {
    /// Four frames under way, 1 GiB per run, 5 s to greet, 30 s of silence.
    pub fn new(token: TokenCheck) -> Self {
        Self {
            token,
            name: "edge".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            threads: 1,
            credit: 4,
            limits: Limits::DEFAULT,
            validation: None,
            max_peak_bytes: 1 << 30,
            handshake_timeout: Micros::from_millis(5_000),
            idle_timeout: Micros::from_millis(30_000),
            seed: 0,
            stopwatch: unmeasured,
        }
    }

    pub(super) fn host(&self) -> Host<Offer> {
        let validation = self.validation.as_ref().map(|own| own.set.clone());
        Host {
            token: self.token.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            threads: self.threads,
            limits: self.limits,
            offer: Offer { credit: self.credit, validation },
            handshake_timeout: self.handshake_timeout,
            idle_timeout: self.idle_timeout,
        }
    }
}
