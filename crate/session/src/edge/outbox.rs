//! What waits to be sent under a shaped link, bounded: a device that asks for a slow link and then for many answers
//! must not fill the edge's memory.

use std::collections::VecDeque;

use cleave_wire::LinkShape;

use crate::shaper::Shaper;
use crate::time::Micros;

/// 64 MiB: four results of the largest size.
const MAX_BYTES: usize = 64 << 20;
/// 4096 messages: pings of an hour, or a flood.
const MAX_MESSAGES: usize = 4096;

#[derive(Debug)]
pub(super) struct Outbox {
    shaper: Shaper,
    waiting: VecDeque<(Micros, usize)>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(seed: u64) -> Self {
        Self { shaper: Shaper::new(LinkShape::UNSHAPED, seed), waiting: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn reshape(&mut self, shape: LinkShape) {
        self.shaper.reshape(shape);
    }

    /// When the message goes out; nothing if too much is waiting.
    pub(super) fn send(&mut self, bytes: usize, now: Micros) -> Option<Micros> {
        while let Some((_, sent)) = self.waiting.pop_front_if(|(at, _)| *at <= now) {
            self.bytes -= sent;
        }
        if self.waiting.len() >= MAX_MESSAGES || self.bytes.saturating_add(bytes) > MAX_BYTES {
            return None;
        }
        let at = self.shaper.send(bytes, now);
        self.waiting.push_back((at, bytes));
        self.bytes += bytes;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_under_a_slow_link_is_cut_off_and_time_makes_room() {
        let mut outbox = Outbox::new(0);
        outbox.reshape(LinkShape { bits_per_second: 8_000_000, ..LinkShape::UNSHAPED });
        let sent = (0..10_000).take_while(|_| outbox.send(10, Micros(0)).is_some()).count();
        assert_eq!(sent, MAX_MESSAGES);
        assert_eq!(outbox.send(10, Micros(10)), Some(Micros(10 * 4097)), "the first is out after ten microseconds");
        assert_eq!(outbox.send(10, Micros(10)), None);
        assert_eq!(outbox.send(MAX_BYTES + 1, Micros(1_000_000)), None);
        assert!(outbox.send(MAX_BYTES, Micros(1_000_000)).is_some());
    }
}
