//! What an edge's leaf may choose.

use std::fmt;
use std::sync::Arc;

use cleave_wire::{Limits, ValidationSet};

use crate::time::{Micros, Stopwatch, unmeasured};

/// Compares a token in constant time; the secret stays with the leaf.
#[derive(Clone)]
pub struct TokenCheck(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl TokenCheck {
    /// `accepts` says whether a token is this edge's.
    pub fn new(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(accepts))
    }

    /// Every token is right: for an edge in the same process.
    pub fn open() -> Self {
        Self::new(|_| true)
    }

    pub(crate) fn accepts(&self, token: &str) -> bool {
        (self.0)(token)
    }
}

impl fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCheck")
    }
}

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
}
