//! Who computes which part of each operator.

use std::ops::Range;

/// Most workers.
pub const MAX_WORKERS: usize = 16;

/// How many units (channels or rows) each worker has, in the order of the workers; each has a block without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shares(Vec<usize>);

impl Shares {
    /// These numbers of units.
    pub fn new(units: Vec<usize>) -> Self {
        Self(units)
    }

    /// As equal as possible; the first workers have one more.
    pub fn even(units: usize, workers: usize) -> Self {
        Self::by_weight(units, &vec![1.0; workers])
    }

    /// In proportion to weights by the largest remainder; of equal remainders the first worker's counts. Weights that
    /// are not positive numbers count as 0; if all do, the first worker has everything.
    pub fn by_weight(units: usize, weights: &[f64]) -> Self {
        let weight = |w: &f64| if w.is_finite() { w.max(0.0) } else { 0.0 };
        let total: f64 = weights.iter().map(weight).sum();
        if total <= 0.0 {
            let first = std::iter::once(units).chain(std::iter::repeat(0));
            return Self(first.take(weights.len()).collect());
        }
        let exact: Vec<f64> = weights.iter().map(|w| units as f64 * weight(w) / total).collect();
        let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
        let mut by_remainder: Vec<usize> = (0..exact.len()).collect();
        by_remainder.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()).then(a.cmp(b)));
        let left = units.saturating_sub(shares.iter().sum());
        by_remainder.iter().cycle().take(left).for_each(|worker| shares[*worker] += 1);
        Self(shares)
    }

    /// Units of each worker.
    pub fn units(&self) -> &[usize] {
        &self.0
    }

    /// All units.
    pub fn total(&self) -> usize {
        self.0.iter().fold(0, |sum, units| sum.saturating_add(*units))
    }

    /// The block of each worker.
    pub fn ranges(&self) -> Vec<Range<usize>> {
        let block = |end: &mut usize, units: &usize| {
            let start = *end;
            *end += units;
            Some(start..*end)
        };
        self.0.iter().scan(0, block).collect()
    }
}

/// How one operator is computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// By every worker, all of it.
    Replicated,
    /// By one worker.
    Alone(usize),
    /// By output channels: a worker needs the whole input, makes its channels, and has the weights for these.
    Outputs(Shares),
    /// By what is reduced: a worker needs its channels (or rows) of the input, makes a partial result of everything, and
    /// has the weights that read these.
    Inputs(Shares),
    /// By rows of the output: a worker needs its rows of the input with a halo, and has all weights.
    Rows(Shares),
}

/// Where partial results become one; what follows runs there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// At whoever needs them next, each the part that it needs.
    Direct,
    /// At one worker, who hands the result on.
    Root(usize),
    /// Each worker these output channels (reduce-scatter); then they are handed on.
    Scatter(Shares),
}

/// One operator's split.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// How it is computed.
    pub split: Split,
    /// Where partial results become one; without effect on other splits.
    pub reduce: Reduce,
}

impl Step {
    /// A step whose partial results, if any, go where they are needed.
    pub fn new(split: Split) -> Self {
        Self { split, reduce: Reduce::Direct }
    }
}

/// A network shared by workers. Worker 0 has the input and gets the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// How many workers.
    pub workers: usize,
    /// One step for each operator.
    pub steps: Vec<Step>,
}

impl Partition {
    /// Everything by one worker.
    pub fn whole(workers: usize, operators: usize, worker: usize) -> Self {
        Self { workers, steps: vec![Step::new(Split::Alone(worker)); operators] }
    }
}
