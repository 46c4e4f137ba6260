//! Reproducible randomness: one small generator for draws, one hash for random neighbours.
//!
//! Integer arithmetic only, so that every machine, and both tiers, compute the same.

/// SplitMix64 (Steele, Lea and Flood 2014): 64 bits of state, every seed is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitMix64 {
    state: u64,
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl SplitMix64 {
    /// A generator whose whole sequence is a function of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Leaves out the next `n` draws, at once.
    pub fn skip(&mut self, n: u64) {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA.wrapping_mul(n));
    }

    /// The next 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        mix(self.state)
    }

    /// A uniform number in `0..n` without bias; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.below_u64(n as u64) as usize
    }

    /// A uniform number in `0..n` without bias; 0 if `n` is 0.
    pub fn below_u64(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // The lowest 2^64 mod n values are refused, so that the rest is a whole number of rounds of n.
        let refused = n.wrapping_neg() % n;
        loop {
            let bits = self.next_u64();
            if bits >= refused {
                return bits % n;
            }
        }
    }

    /// A uniform number in [0, 1), a multiple of 2^-24.
    pub fn unit_f32(&mut self) -> f32 {
        (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// Neighbour `slot` of node `i` of `n` nodes, for the random sample at operation `op`: a hash, so that any tier, and any
/// part of a network, computes the same graph without a generator to carry along. 0 if `n` is 0.
pub fn random_neighbour(op: usize, i: usize, slot: usize, n: usize) -> usize {
    let absorb = |hash: u64, value: usize| mix((hash ^ value as u64).wrapping_add(GOLDEN_GAMMA));
    let hash = [op, i, slot].into_iter().fold(0, absorb);
    (hash % (n as u64).max(1)) as usize
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo; RFC 9923): a name or some bytes as a number, the same everywhere.
pub fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3))
}

/// SplitMix64's finaliser: a bijection that spreads every input bit over all output bits.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_the_published_one() {
        // First outputs for seed 1234567, as listed for the reference implementation.
        let mut rng = SplitMix64::new(1_234_567);
        assert_eq!(
            [rng.next_u64(), rng.next_u64(), rng.next_u64()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn below_and_unit_stay_in_range_and_reach_everything() {
        let mut rng = SplitMix64::new(7);
        let mut counts = [0usize; 6];
        for _ in 0..6_000 {
            counts[rng.below(6)] += 1;
            assert!((0.0..1.0).contains(&rng.unit_f32()));
        }
        // 1000 expected, standard deviation 29: six deviations.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 175), "{counts:?}");
        assert_eq!((rng.below(1), rng.below(0)), (0, 0));
    }

    #[test]
    fn random_neighbours_are_fixed_spread_and_depend_on_every_argument() {
        // Pinned: another value here breaks every stored result and every mixed pair of tiers.
        assert_eq!([0, 1, 2].map(|slot| random_neighbour(3, 5, slot, 1024)), PINNED);
        let mut counts = [0usize; 16];
        for i in 0..1_000 {
            for slot in 0..16 {
                counts[random_neighbour(0, i, slot, 16)] += 1;
            }
        }
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 190), "{counts:?}");
        let row = |op, i| [0, 1, 2, 3].map(|slot| random_neighbour(op, i, slot, 1024));
        assert_ne!(row(0, 1), row(1, 0));
        assert_ne!(row(0, 1), row(0, 2));
        assert_eq!(random_neighbour(1, 2, 3, 0), 0);
    }

    const PINNED: [usize; 3] = [185, 642, 461];
}
