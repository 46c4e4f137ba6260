//! How long to wait before trying a connection again: doubling, bounded, and with jitter, so that many tabs do not
//! come back to a restarted edge in the same millisecond.

use cleave_arch::SplitMix64;

use crate::time::Micros;

/// Waits of `first`, 2·`first`, … up to `most`, each shortened by up to a half at random.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Micros,
    most: Micros,
    attempts: u32,
    rng: SplitMix64,
}

impl Backoff {
    pub(crate) fn new(first: Micros, most: Micros, seed: u64) -> Self {
        Self { first, most, attempts: 0, rng: SplitMix64::new(seed) }
    }

    /// How many waits there were since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait.
    pub(crate) fn next(&mut self) -> Micros {
        let doubled = self.first.0.saturating_mul(1 << self.attempts.min(20));
        self.attempts = self.attempts.saturating_add(1);
        let full = doubled.min(self.most.0);
        Micros(full - self.rng.below_u64(full / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most() {
        let mut backoff = Backoff::new(Micros(100), Micros(5_000), 3);
        for full in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let wait = backoff.next().0;
            assert!((full / 2..=full).contains(&wait), "{wait} of {full}");
        }
        backoff.reset();
        assert!(backoff.next() <= Micros(100));
    }
}
