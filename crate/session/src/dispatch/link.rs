//! What frames and echoes tell of the link: round trip, and the rate of each direction.

use std::collections::VecDeque;

use super::window::Window;
use crate::time::Micros;

/// What can be believed, Mbit/s.
const MBPS: std::ops::RangeInclusive<f64> = 0.05..=10_000.0;
/// Shorter times on the wire are not believed, whatever the noise.
const LEAST_WIRE_MS: f64 = 0.25;
/// A message tells of the rate if it is to be on the wire for so long, half of what an echo is, and for longer than the
/// noise, or if it is as large as the largest echo, which has to tell of the fastest links.
const TELLING_WIRE_MS: f64 = super::probe::WIRE_MS / 2.0;
const TELLING_BYTES: usize = *super::probe::BYTES.end();
/// Round trips that are looked at; with one each 300 ms a longer route shows within 1.5 s.
const ROUND_TRIPS: usize = 8;
/// So many are needed to know the link's own round trip and its noise.
const ENOUGH_ROUND_TRIPS: usize = 4;
const OLDEST_ROUND_TRIP: Micros = Micros::from_millis(3_000);
/// A message that has been away for twice what it should, and this, tells of a slow link before it is back.
const PATIENCE_MS: f64 = 50.0;
/// Messages that may have been ahead of another.
const MESSAGES: usize = 16;

/// The rate of one direction, and what lately was on its wire.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    mbps: Window,
    /// When a message last told something.
    pub(super) told: Micros,
    /// Handed over and arrived, on one clock.
    messages: VecDeque<(Micros, Micros)>,
}

/// A message that has arrived, on one clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) bytes: usize,
    pub(super) handed: Micros,
    pub(super) arrived: Micros,
}

/// What every message is delayed by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delay {
    /// One way, without content.
    pub(super) one_way: Micros,
    /// How much that differs from message to message, ms.
    pub(super) noise_ms: f64,
}

impl Rate {
    pub(super) fn new(mbps: f64) -> Self {
        let mbps = Window::new(mbps.clamp(*MBPS.start(), *MBPS.end()));
        Self { mbps, told: Micros(0), messages: VecDeque::new() }
    }

    pub(super) fn mbps(&self) -> f64 {
        self.mbps.estimate()
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.mbps.is_in_doubt()
    }

    /// What so many bytes are expected to take on the wire.
    pub(super) fn wire(&self, bytes: usize) -> Micros {
        Micros((bytes as f64 * 8.0 / self.mbps()) as u64)
    }

    /// True if a message that takes `alone_ms` beside the wire has been away for much longer than it should.
    pub(super) fn is_late(&self, bytes: usize, away_ms: f64, alone_ms: f64) -> bool {
        away_ms > 2.0 * (alone_ms + self.wire(bytes).as_millis()) + PATIENCE_MS
    }

    /// A message that has been away for so long tells what the rate is at most.
    pub(super) fn awaits(&mut self, bytes: usize, away_ms: f64, alone_ms: f64, now: Micros) {
        if self.is_late(bytes, away_ms, alone_ms) {
            self.tell(bytes, away_ms - alone_ms, 1.0, now);
        }
    }

    /// A message has arrived. It was on the wire from when it was handed over, or from when the one ahead of it had
    /// left; both are seen one way later on the other side.
    pub(super) fn arrived(&mut self, message: Message, delay: Delay, now: Micros) {
        let Message { bytes, handed, arrived } = message;
        let ahead = self.messages.iter().filter(|other| other.0 <= handed).map(|other| other.1).max();
        let start = ahead.map_or(handed + delay.one_way, |ahead| ahead.max(handed + delay.one_way));
        if self.messages.len() == MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back((handed, arrived));
        self.took(bytes, (arrived - start).as_millis(), delay.noise_ms, now);
    }

    /// So many bytes took so long on the wire. Small ones say nothing; there are echoes then, which do.
    fn took(&mut self, bytes: usize, wire_ms: f64, noise_ms: f64, now: Micros) {
        let expected = self.wire(bytes).as_millis();
        if expected >= noise_ms.max(TELLING_WIRE_MS) || bytes >= TELLING_BYTES {
            let wire_ms = wire_ms.max(noise_ms / 2.0).max(LEAST_WIRE_MS);
            self.tell(bytes, wire_ms, 1.0 + noise_ms / expected, now);
        }
    }

    fn tell(&mut self, bytes: usize, wire_ms: f64, doubt: f64, now: Micros) {
        let mbps = bytes as f64 * 8.0 / 1000.0 / wire_ms;
        self.mbps.add(mbps.clamp(*MBPS.start(), *MBPS.end()), doubt, now);
        self.told = now;
    }
}

/// Round trips of messages without content. The middle one of the last few is as long as a message's own, jitter
/// included: the shortest would make every wire look slower than it is.
#[derive(Clone, Debug)]
pub(super) struct RoundTrip {
    samples: VecDeque<(Micros, f64)>,
    ms: f64,
    known: bool,
}

impl RoundTrip {
    pub(super) fn new(ms: f64) -> Self {
        Self { samples: VecDeque::new(), ms, known: false }
    }

    pub(super) fn add(&mut self, ms: f64, now: Micros) {
        self.samples.push_back((now, ms));
        let outdated = |samples: &VecDeque<(Micros, f64)>| {
            samples.len() > ROUND_TRIPS || samples.front().is_some_and(|first| now - first.0 > OLDEST_ROUND_TRIP)
        };
        while outdated(&self.samples) {
            self.samples.pop_front();
        }
        self.known |= self.samples.len() >= ENOUGH_ROUND_TRIPS;
        let sorted = self.sorted();
        self.ms = (sorted[(sorted.len() - 1) / 2] + sorted[sorted.len() / 2]) / 2.0;
    }

    /// Until then nothing can be said of a rate.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn ms(&self) -> f64 {
        self.ms
    }

    pub(super) fn delay(&self) -> Delay {
        Delay { one_way: Micros((self.ms * 500.0) as u64), noise_ms: self.noise_ms() }
    }

    /// What the last few differ by, without the longest.
    fn noise_ms(&self) -> f64 {
        let sorted = self.sorted();
        sorted.len().checked_sub(2).map_or(0.0, |last| sorted[last] - sorted[0])
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted: Vec<f64> = self.samples.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Delay = Delay { one_way: Micros(1_000), noise_ms: 0.0 };

    fn message(bytes: usize, handed: u64, arrived: u64) -> Message {
        Message { bytes, handed: Micros(handed), arrived: Micros(arrived) }
    }

    #[test]
    fn messages_in_a_queue_tell_the_same_as_one_alone() {
        // 10 kB at 8 Mbps: 10 ms on the wire, 1 ms one way.
        let mut alone = Rate::new(8.5);
        (0..3).for_each(|i| alone.arrived(message(10_000, i * 50_000, i * 50_000 + 11_000), DELAY, Micros(i * 50_000)));
        let mut queue = Rate::new(8.5);
        (0..3).for_each(|i| queue.arrived(message(10_000, 0, i * 10_000 + 11_000), DELAY, Micros(i * 10_000)));
        assert!((alone.mbps() - 8.0).abs() < 0.01 && (queue.mbps() - 8.0).abs() < 0.01, "{alone:?} {queue:?}");
    }

    #[test]
    fn small_messages_say_nothing() {
        let mut rate = Rate::new(100.0);
        (0..9).for_each(|i| rate.arrived(message(1_000, i * 50_000, i * 50_000 + 9_000), DELAY, Micros(i * 50_000)));
        assert_eq!((rate.mbps(), rate.told), (100.0, Micros(0)));
    }

    #[test]
    fn what_is_faster_than_the_noise_tells_how_fast_it_is_at_least() {
        let mut rate = Rate::new(5.0);
        (0..3).for_each(|i| rate.arrived(message(2_500, i * 50_000, i * 50_000 + 900), DELAY, Micros(i * 50_000)));
        assert!((rate.mbps() - 80.0).abs() < 0.01, "2500 bytes in at most a quarter of a millisecond: {rate:?}");
    }

    #[test]
    fn a_longer_route_is_believed_after_a_while_and_one_late_echo_is_not() {
        let mut round_trip = RoundTrip::new(5.0);
        (0..12).for_each(|i| round_trip.add(4.0 + f64::from(i % 3), Micros::from_millis(300 * i as u64)));
        assert_eq!((round_trip.ms(), round_trip.delay().noise_ms), (5.0, 2.0));
        round_trip.add(30.0, Micros::from_millis(3_600));
        assert_eq!((round_trip.ms(), round_trip.delay().noise_ms), (5.5, 2.0));
        (13..17).for_each(|i| round_trip.add(30.0, Micros::from_millis(300 * i)));
        assert_eq!(round_trip.ms(), 30.0);
    }
}
