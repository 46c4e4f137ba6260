//! What a worker sends of parts: one after another, each for its set-up and its bytes, then the delay. Held back here
//! until its moment, so that everything else passes it and what is cancelled is never sent.
//!
//! It is bounded by what fills it: a run's parts are those of the schedule, each once, and one run is under way.

use std::collections::VecDeque;

use cleave_wire::cooperate::Uplink as Conditions;

use crate::shaper::Shaper;
use crate::time::Micros;

#[derive(Debug)]
pub(super) struct Uplink<To> {
    setup: Micros,
    shaper: Shaper,
    waiting: VecDeque<(Micros, To, Vec<u8>)>,
}

impl<To> Uplink<To> {
    pub(super) fn new(conditions: Conditions, seed: u64) -> Self {
        let setup = Micros(conditions.setup_micros.into());
        Self { setup, shaper: Shaper::new(conditions.shape, seed), waiting: VecDeque::new() }
    }

    /// From when to when the message occupies the uplink.
    pub(super) fn push(&mut self, to: To, bytes: Vec<u8>, now: Micros) -> [Micros; 2] {
        let from = self.shaper.free_at().max(now);
        self.shaper.occupy(self.setup, now);
        let at = self.shaper.send(bytes.len(), now);
        self.waiting.push_back((at, to, bytes));
        [from, self.shaper.free_at()]
    }

    /// The next message whose moment has come.
    pub(super) fn due(&mut self, now: Micros) -> Option<(To, Vec<u8>)> {
        self.waiting.pop_front_if(|(at, ..)| *at <= now).map(|(_, to, bytes)| (to, bytes))
    }

    /// When the next message's moment comes.
    pub(super) fn next(&self) -> Option<Micros> {
        self.waiting.front().map(|(at, ..)| *at)
    }

    /// When the last message's moment comes.
    pub(super) fn last(&self) -> Option<Micros> {
        self.waiting.back().map(|(at, ..)| *at)
    }

    /// What waits is not sent, and the uplink is free.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.shaper.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_wire::LinkShape;

    #[test]
    fn messages_take_set_up_and_bytes_one_after_another_and_then_the_delay() {
        let shape = LinkShape { bits_per_second: 8_000_000, delay_micros: 300, jitter_micros: 0 };
        let mut uplink = Uplink::new(Conditions { setup_micros: 2_000, shape }, 0);
        assert_eq!(uplink.push('a', vec![0; 1_000], Micros(10)), [Micros(10), Micros(3_010)]);
        assert_eq!(uplink.push('b', vec![0; 500], Micros(20)), [Micros(3_010), Micros(5_510)]);
        assert_eq!((uplink.next(), uplink.last()), (Some(Micros(3_310)), Some(Micros(5_810))));
        assert_eq!(uplink.due(Micros(3_309)), None);
        assert_eq!(uplink.due(Micros(9_000)).map(|(to, bytes)| (to, bytes.len())), Some(('a', 1_000)));
        uplink.clear();
        assert_eq!(uplink.due(Micros(9_000)), None);
        assert_eq!(uplink.push('c', Vec::new(), Micros(9_000)), [Micros(9_000), Micros(11_000)]);
    }
}
