//! Imposes a link's rate, delay and jitter on one direction. It only says *when* a message arrives; its owner holds the
//! message until then. Used by both machines for what they send.

use cleave_arch::SplitMix64;
use cleave_wire::LinkShape;

use crate::time::Micros;

const MICROS_PER_SECOND: u128 = 1_000_000;

/// A wire of `bits_per_second` that transmits one message after the other, then a delay. Order is kept.
#[derive(Clone, Debug)]
pub struct Shaper {
    shape: LinkShape,
    rng: SplitMix64,
    /// When the wire has sent everything handed to it.
    free_at: Micros,
    /// What is left of a microsecond, in bits × 10⁶ modulo the rate: without it rounding would lose up to 4 % at
    /// 200 Mbps with small messages.
    remainder: u128,
    last_arrival: Micros,
}

impl Shaper {
    /// An idle link; `seed` draws the jitter.
    pub fn new(shape: LinkShape, seed: u64) -> Self {
        let start = Micros(0);
        Self { shape, rng: SplitMix64::new(seed), free_at: start, remainder: 0, last_arrival: start }
    }

    /// Conditions from now on. What was handed over before keeps its time.
    pub fn reshape(&mut self, shape: LinkShape) {
        self.shape = shape;
        self.remainder = 0;
    }

    /// Forgets what is under way: the link was opened anew.
    pub fn restart(&mut self) {
        *self = Self { rng: self.rng.clone(), ..Self::new(self.shape, 0) };
    }

    /// The conditions.
    pub fn shape(&self) -> LinkShape {
        self.shape
    }

    /// Hands over a message of `bytes` and says when its last bit arrives: never before `now`, never before the
    /// message ahead of it.
    pub fn send(&mut self, bytes: usize, now: Micros) -> Micros {
        self.transmit(bytes, now);
        let extra = u64::from(self.shape.delay_micros) + self.jitter();
        self.last_arrival = self.last_arrival.max(self.free_at + Micros(extra));
        self.last_arrival
    }

    /// Occupies the wire for so long before the next message: its set-up.
    pub(crate) fn occupy(&mut self, span: Micros, now: Micros) {
        if now > self.free_at {
            (self.free_at, self.remainder) = (now, 0);
        }
        self.free_at = self.free_at + span;
    }

    /// When the wire has sent everything handed to it.
    pub(crate) fn free_at(&self) -> Micros {
        self.free_at
    }

    fn transmit(&mut self, bytes: usize, now: Micros) {
        if now > self.free_at {
            (self.free_at, self.remainder) = (now, 0);
        }
        let rate = u128::from(self.shape.bits_per_second);
        if rate == 0 {
            return;
        }
        let work = bytes as u128 * 8 * MICROS_PER_SECOND + self.remainder;
        self.free_at = self.free_at + Micros(u64::try_from(work / rate).unwrap_or(u64::MAX));
        self.remainder = work % rate;
    }

    fn jitter(&mut self) -> u64 {
        self.rng.below_u64(u64::from(self.shape.jitter_micros) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(bits_per_second: u64, delay_micros: u32, jitter_micros: u32) -> LinkShape {
        LinkShape { bits_per_second, delay_micros, jitter_micros }
    }

    #[test]
    fn rate_is_exact_over_long_runs() {
        for mbps in [5, 10, 33, 40, 97, 200] {
            for bytes in [61, 1500, 243_001] {
                let mut shaper = Shaper::new(shape(mbps * 1_000_000, 0, 0), 0);
                let mut end = Micros(0);
                for _ in 0..10_000 {
                    end = shaper.send(bytes, Micros(0));
                }
                let measured = 10_000.0 * bytes as f64 * 8.0 / end.0 as f64;
                assert!((measured / mbps as f64 - 1.0).abs() < 0.0001, "{mbps} Mbps became {measured}");
            }
        }
    }

    #[test]
    fn an_idle_link_costs_transmission_and_delay() {
        let mut shaper = Shaper::new(shape(8_000_000, 500, 0), 0);
        assert_eq!(shaper.send(1000, Micros(10_000)), Micros(11_500));
        assert_eq!(shaper.send(1000, Micros(10_000)), Micros(12_500), "the second waits for the first");
        assert_eq!(shaper.send(1000, Micros(50_000)), Micros(51_500));
    }

    #[test]
    fn unshaped_is_immediate() {
        let mut shaper = Shaper::new(LinkShape::UNSHAPED, 0);
        assert_eq!(shaper.send(1 << 30, Micros(7)), Micros(7));
    }

    #[test]
    fn jitter_is_bounded_seeded_and_keeps_the_order() {
        let run = |seed| -> Vec<Micros> {
            let mut shaper = Shaper::new(shape(0, 1000, 400), seed);
            (0..1000).map(|i| shaper.send(10, Micros(i * 100))).collect()
        };
        let arrivals = run(1);
        assert!(arrivals.windows(2).all(|pair| pair[0] <= pair[1]));
        let late = |(i, at): (usize, &Micros)| at.0 - i as u64 * 100;
        assert!(arrivals.iter().enumerate().map(late).all(|late| (1000..=1400).contains(&late)));
        assert!(arrivals.iter().enumerate().map(late).any(|late| late > 1300));
        assert_eq!(arrivals, run(1));
        assert_ne!(arrivals, run(2));
    }

    #[test]
    fn reshaping_keeps_what_is_under_way() {
        let mut shaper = Shaper::new(shape(8_000, 0, 0), 0);
        let slow = shaper.send(1000, Micros(0));
        shaper.reshape(shape(8_000_000, 0, 0));
        assert_eq!(shaper.send(1000, Micros(0)), slow + Micros(1000));
        shaper.restart();
        assert_eq!(shaper.send(1000, Micros(0)), Micros(1000));
    }
}
