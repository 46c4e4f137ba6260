//! Round trip and clock offset from pings, after NTP (RFC 5905, section 8): of the last samples the one with the
//! shortest round trip was delayed least, so its offset is off least, by at most half that round trip.

use std::collections::VecDeque;

use crate::time::Micros;

/// 16 samples: at one ping a second the estimate follows a changed route or a drifting clock within 16 s.
const SAMPLES: usize = 16;

#[derive(Clone, Copy, Debug)]
struct Sample {
    rtt: Micros,
    offset: i64,
}

/// What pings have told of the link and the edge's clock.
#[derive(Clone, Debug, Default)]
pub struct ClockEstimate {
    samples: VecDeque<Sample>,
}

impl ClockEstimate {
    /// One answered ping: sent and back on the device's clock, received and answered on the edge's.
    pub fn add(&mut self, sent: Micros, edge_received: u64, edge_sent: u64, back: Micros) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        let on_edge = Micros(edge_sent.saturating_sub(edge_received));
        let there = i128::from(edge_received) - i128::from(sent.0);
        let here = i128::from(edge_sent) - i128::from(back.0);
        self.samples.push_back(Sample { rtt: (back - sent) - on_edge, offset: saturate((there + here) / 2) });
    }

    /// Shortest recent round trip without the edge's own share.
    pub fn rtt(&self) -> Option<Micros> {
        self.best().map(|sample| sample.rtt)
    }

    /// Microseconds by which the edge's clock is ahead of the device's.
    pub fn offset_micros(&self) -> Option<i64> {
        self.best().map(|sample| sample.offset)
    }

    fn best(&self) -> Option<&Sample> {
        self.samples.iter().min_by_key(|sample| sample.rtt)
    }
}

fn saturate(value: i128) -> i64 {
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symmetric_delay_gives_the_exact_offset() {
        let mut clock = ClockEstimate::default();
        assert_eq!(clock.rtt(), None);
        // 3 ms each way, 1 ms on the edge, edge 1 s ahead.
        clock.add(Micros(10_000), 1_013_000, 1_014_000, Micros(17_000));
        assert_eq!(clock.rtt(), Some(Micros(6_000)));
        assert_eq!(clock.offset_micros(), Some(1_000_000));
    }

    #[test]
    fn the_shortest_of_the_last_sixteen_counts() {
        let mut clock = ClockEstimate::default();
        clock.add(Micros(0), 600, 600, Micros(1_000));
        // Queueing on the way out only: 4 ms of error if it were believed.
        clock.add(Micros(0), 8_500, 8_500, Micros(9_000));
        assert_eq!((clock.rtt(), clock.offset_micros()), (Some(Micros(1_000)), Some(100)));
        for _ in 0..SAMPLES {
            clock.add(Micros(0), 1_000, 1_000, Micros(2_000));
        }
        assert_eq!(clock.rtt(), Some(Micros(2_000)), "the old sample is forgotten");
    }

    #[test]
    fn a_lying_edge_cannot_overflow() {
        let mut clock = ClockEstimate::default();
        clock.add(Micros(u64::MAX), u64::MAX, 0, Micros(0));
        clock.add(Micros(0), u64::MAX, u64::MAX, Micros(u64::MAX));
        assert!(clock.rtt().is_some() && clock.offset_micros().is_some());
    }
}
