//! Reproducible randomness: one small generator for draws, one hash for random neighbours.
//!
//! Of our own, because a library's generator may change its stream between versions, and what a seed names has to be the
//! same bits in the browser, on the edge and in ten years: integer arithmetic, and sums and products of doubles.

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

    /// A number in `0..n` by multiplication (Lemire 2019 without his rejection; bias below n / 2^64); 0 if `n` is 0.
    ///
    /// Generated furniture, sampled surfaces, and the order and the subsets of training clouds are drawn so. A seed names
    /// other ones by [`SplitMix64::below`], so the two stay apart.
    pub fn scaled_below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// A uniform number in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A uniform number in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Nearly normal, mean 0 and deviation 1: the sum of twelve uniform numbers less six (Irwin–Hall), which unlike
    /// Box–Muller needs no logarithm and cosine, whose last bits differ between platforms. Never beyond ±6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
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
        let mut counts = [[0usize; 6]; 2];
        for _ in 0..6_000 {
            counts[0][rng.below(6)] += 1;
            counts[1][rng.scaled_below(6)] += 1;
            assert!((0.0..1.0).contains(&rng.unit_f32()));
        }
        // 1000 expected, standard deviation 29: six deviations.
        assert!(counts.as_flattened().iter().all(|count| count.abs_diff(1_000) < 175), "{counts:?}");
        assert_eq!([rng.below(1), rng.below(0), rng.scaled_below(1), rng.scaled_below(0)], [0; 4]);
    }

    /// Seeds of searches mean the first, seeds of furniture the second: neither may become the other.
    #[test]
    fn the_two_ways_below_a_bound_are_pinned() {
        let [mut uniform, mut scaled] = [1, 1].map(SplitMix64::new);
        assert_eq!([0; 8].map(|_| uniform.below(10)), UNIFORM);
        assert_eq!([0; 8].map(|_| scaled.scaled_below(10)), SCALED);
    }

    #[test]
    fn normal_has_unit_deviation() {
        let mut rng = SplitMix64::new(3);
        let draws: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.04, "{mean} {variance}");
    }

    #[test]
    fn the_hash_is_the_standard_one() {
        assert_eq!((fnv_1a(b""), fnv_1a(b"foobar")), (0xCBF2_9CE4_8422_2325, 0x8594_4171_F739_67E8));
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
    const UNIFORM: [usize; 8] = [5, 9, 0, 5, 1, 8, 5, 3];
    const SCALED: [usize; 8] = [5, 7, 9, 4, 4, 7, 8, 5];
}
