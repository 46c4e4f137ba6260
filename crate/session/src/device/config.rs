//! What a device's leaf may choose.

use cleave_wire::Limits;

use crate::time::{Micros, Stopwatch, unmeasured};

/// Settings of a [`crate::DeviceSession`]. Start from the default and change what differs.
#[derive(Clone, Debug)]
pub struct DeviceConfig {
    /// The edge's secret, from its start URL.
    pub token: String,
    /// What this client calls itself in the edge's log.
    pub name: String,
    /// Frames under way at once; one more is refused.
    pub max_frames: usize,
    /// For the socket to open, and for the edge to welcome.
    pub handshake_timeout: Micros,
    /// Between two pings.
    pub ping_interval: Micros,
    /// Without any message for so long a link counts as broken. Longer than the largest message takes on the slowest
    /// link: 1.3 MB at 5 Mbps are 2.1 s, four of them in flight 8.4 s.
    pub silence_limit: Micros,
    /// First wait before trying again.
    pub first_retry: Micros,
    /// Longest wait before trying again.
    pub longest_retry: Micros,
    /// Draws the jitter of waits and of the shaped link.
    pub seed: u64,
    /// What is accepted from the edge.
    pub limits: Limits,
    /// Measures packing and unpacking.
    pub stopwatch: Stopwatch,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        Self {
            token: String::new(),
            name: "device".to_owned(),
            max_frames: 8,
            handshake_timeout: Micros::from_millis(5_000),
            ping_interval: Micros::from_millis(1_000),
            silence_limit: Micros::from_millis(15_000),
            first_retry: Micros::from_millis(100),
            longest_retry: Micros::from_millis(5_000),
            seed: 0,
            limits: Limits::DEFAULT,
            stopwatch: unmeasured,
        }
    }
}
