//! The link: round trip, rates and what a large message costs beyond them, and how they are estimated.
//!
//! A *train* is a burst of echoes sent at once. One wire transmits them one after another, so the time between the
//! first and the last arrival is their bytes over the rate: no clock offset and no round trip is in it (packet-train
//! dispersion; Dovrolis et al., INFOCOM 2001). The round trip is the shortest of single empty echoes, as in NTP.

use serde::{Deserialize, Serialize};

/// What is known of a link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkFigures {
    /// Shortest round trip of an empty message, milliseconds.
    pub rtt_ms: f64,
    /// Rate towards the edge, megabits per second.
    pub up_mbps: f64,
    /// Rate towards the device, megabits per second.
    pub down_mbps: f64,
    /// What a message towards the edge takes beyond rate and delay, milliseconds per megabyte: sockets and copies.
    #[serde(default)]
    pub up_ms_per_mb: f64,
    /// The same towards the device.
    #[serde(default)]
    pub down_ms_per_mb: f64,
}

impl Default for LinkFigures {
    /// A link of which nothing is known: the papers' 40 Mbps.
    fn default() -> Self {
        Self { rtt_ms: 1.0, up_mbps: 40.0, down_mbps: 40.0, up_ms_per_mb: 0.0, down_ms_per_mb: 0.0 }
    }
}

impl LinkFigures {
    /// From handing a message of so many bytes over until the edge has all of it, milliseconds.
    pub fn up_ms(&self, bytes: usize) -> f64 {
        self.rtt_ms / 2.0 + wire_ms(bytes, self.up_mbps) + bytes as f64 * self.up_ms_per_mb / 1e6
    }

    /// The same towards the device.
    pub fn down_ms(&self, bytes: usize) -> f64 {
        self.rtt_ms / 2.0 + wire_ms(bytes, self.down_mbps) + bytes as f64 * self.down_ms_per_mb / 1e6
    }

    /// The same link under imposed conditions: a rate that is lower than its own, and added delay.
    pub fn shaped(&self, mbps: Option<f64>, delay_ms: f64) -> Self {
        let lower = |own: f64| mbps.map_or(own, |mbps| own.min(mbps));
        Self {
            rtt_ms: self.rtt_ms + 2.0 * delay_ms,
            up_mbps: lower(self.up_mbps),
            down_mbps: lower(self.down_mbps),
            ..*self
        }
    }
}

/// How long a wire of `mbps` transmits so many bytes, milliseconds.
pub fn wire_ms(bytes: usize, mbps: f64) -> f64 {
    bytes as f64 * 8.0 / (mbps * 1e3)
}

/// One answered echo, microseconds: sent and arrived on the device's clock, the others on the edge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The request was handed to the link.
    pub sent: u64,
    /// The edge had all of it.
    pub edge_received: u64,
    /// The edge handed its answer to the link.
    pub edge_sent: u64,
    /// All of the answer was here.
    pub arrived: u64,
}

impl Echo {
    /// Round trip without the edge's own share, milliseconds.
    pub fn round_trip_ms(&self) -> f64 {
        let here = self.arrived.saturating_sub(self.sent);
        here.saturating_sub(self.edge_sent.saturating_sub(self.edge_received)) as f64 / 1e3
    }
}

/// Which way a train's payload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the edge: its times of receiving count.
    Up,
    /// To the device: the times of arrival count.
    Down,
}

/// Milliseconds between the first and the last arrival of a train, and the rate in megabits per second, if its
/// messages have `bytes` each. `None` below two messages or where no time passed.
pub fn dispersion(train: &[Echo], bytes: usize, direction: Direction) -> Option<(f64, f64)> {
    let moment = |echo: &Echo| if direction == Direction::Up { echo.edge_received } else { echo.arrived };
    let (first, last) = (train.iter().map(moment).min()?, train.iter().map(moment).max()?);
    let ms = (last - first) as f64 / 1e3;
    let sent = bytes * (train.len() - 1);
    (ms > 0.0 && sent > 0).then(|| (ms, sent as f64 * 8.0 / (ms * 1e3)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_train_tells_the_rate_whatever_the_delay_and_the_clocks() {
        // 10 messages of 5,000 bytes at 40 Mbps arrive 1 ms apart; the edge's clock is ahead by an hour.
        let echo = |i: u64| {
            let received = 3_600_000_000 + 7_000 + 1_000 * i;
            Echo { sent: 0, edge_received: received, edge_sent: received + 10, arrived: 12_000 + 1_000 * i }
        };
        let train: Vec<Echo> = (0..10).map(echo).collect();
        let (ms, mbps) = dispersion(&train, 5_000, Direction::Up).unwrap();
        assert!((ms - 9.0).abs() < 1e-9 && (mbps - 40.0).abs() < 1e-9, "{ms} {mbps}");
        assert_eq!(dispersion(&train[..1], 5_000, Direction::Down), None);
        assert_eq!(train[0].round_trip_ms(), 11.99);
    }

    #[test]
    fn a_message_takes_half_the_round_trip_and_its_bytes() {
        let link = LinkFigures { rtt_ms: 2.0, up_mbps: 40.0, down_mbps: 10.0, up_ms_per_mb: 3.0, down_ms_per_mb: 0.0 };
        assert!((link.up_ms(1_000_000) - (1.0 + 200.0 + 3.0)).abs() < 1e-9);
        assert!((link.down_ms(1_000) - (1.0 + 0.8)).abs() < 1e-9);
        let shaped = link.shaped(Some(20.0), 5.0);
        assert_eq!((shaped.rtt_ms, shaped.up_mbps, shaped.down_mbps), (12.0, 20.0, 10.0));
    }
}
