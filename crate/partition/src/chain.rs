//! IOP's segmentation as pure numbers: a chain of operators, each alone or with its successor, greedily from the first
//! operator on (a reconstruction) and exactly, and how far the two are apart.

use cleave_graph::SplitMix64;

/// The cost of each operator alone and of each pair, in any one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Of operator i.
    pub alone: Vec<f64>,
    /// Of operators i and i + 1 as a pair, if they may be one; one fewer than operators.
    pub pair: Vec<Option<f64>>,
}

/// Lengths of segments from the first operator on, each 1 or 2.
pub type Segments = Vec<usize>;

impl Chain {
    fn pair_at(&self, at: usize) -> Option<f64> {
        self.pair.get(at).copied().flatten()
    }

    /// IOP as reconstructed: from the first operator on, a pair wherever it is cheaper than its operators alone. That
    /// operators are paired greedily by the benefit is the paper's; in which order, it does not say.
    pub fn greedy(&self) -> Segments {
        let mut segments = Segments::new();
        let mut at = 0;
        while at < self.alone.len() {
            let is_pair = self.pair_at(at).is_some_and(|pair| pair < self.alone[at] + self.alone[at + 1]);
            segments.push(if is_pair { 2 } else { 1 });
            at += if is_pair { 2 } else { 1 };
        }
        segments
    }

    /// The cheapest segments: best\[i\] = min(best\[i+1\] + alone\[i\], best\[i+2\] + pair\[i\]).
    pub fn exact(&self) -> Segments {
        let n = self.alone.len();
        let mut best = vec![(0.0, 0); n + 1];
        for at in (0..n).rev() {
            let alone = (best[at + 1].0 + self.alone[at], 1);
            let pair = self.pair_at(at).map(|pair| (best[at + 2].0 + pair, 2));
            best[at] = pair.filter(|pair| pair.0 < alone.0).unwrap_or(alone);
        }
        let mut at = 0;
        let step = || {
            let length = best.get(at).map(|(_, length)| *length).filter(|length| *length > 0)?;
            at += length;
            Some(length)
        };
        std::iter::from_fn(step).collect()
    }

    /// What segments cost; infinite if they hold a pair that may not be one.
    pub fn cost(&self, segments: &[usize]) -> f64 {
        let each = segments.iter().scan(0, |at, length| {
            let cost = if *length == 1 { self.alone[*at] } else { self.pair_at(*at).unwrap_or(f64::INFINITY) };
            *at += length;
            Some(cost)
        });
        each.sum()
    }

    /// A chain of made-up costs: operators from 0.1 to 10, nine of ten neighbours a legal pair, which costs from 0.5 to
    /// 1.2 of its operators alone.
    pub fn random(rng: &mut SplitMix64, operators: usize) -> Self {
        let mut between = |from: f64, to: f64| from + (to - from) * f64::from(rng.unit_f32());
        let alone: Vec<f64> = (0..operators).map(|_| 10_f64.powf(between(-1.0, 1.0))).collect();
        let pairs = alone.windows(2);
        let pair = pairs.map(|two| (between(0.0, 1.0) < 0.9).then(|| (two[0] + two[1]) * between(0.5, 1.2))).collect();
        Self { alone, pair }
    }
}

/// How much dearer greedy segments are than the cheapest, over many chains: parts of the cheapest, so 0.1 is 10 %. Over
/// [`Chain::random`] it says how greedy fares with made-up costs, not with those of networks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gap {
    /// Chains looked at.
    pub chains: usize,
    /// Part of the chains on which greedy is not the cheapest.
    pub with_gap: f64,
    /// Mean over all chains.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// Of ten chains, nine have at most this.
    pub p90: f64,
    /// Of a hundred chains, 99 have at most this.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Smallest; below 0 something would be wrong.
    pub min: f64,
}

impl Gap {
    /// Of these chains.
    pub fn of(chains: impl IntoIterator<Item = Chain>) -> Self {
        let gap = |chain: Chain| {
            let exact = chain.cost(&chain.exact());
            if exact > 0.0 { chain.cost(&chain.greedy()) / exact - 1.0 } else { 0.0 }
        };
        let mut gaps: Vec<f64> = chains.into_iter().map(gap).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len();
        let Some(last) = n.checked_sub(1) else { return Self::default() };
        let at = |part: f64| gaps[((part * n as f64).ceil() as usize).clamp(1, n) - 1];
        Self {
            chains: n,
            // Sums in another order differ by roundings.
            with_gap: gaps.iter().filter(|gap| **gap > 1e-9).count() as f64 / n as f64,
            mean: gaps.iter().sum::<f64>() / n as f64,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: gaps[last],
            min: gaps[0],
        }
    }
}
