//! Seeded random networks that are small enough to run by the hundred.

use cleave_arch::space::draw_architecture;
use cleave_arch::{Architecture, Codec, Mapping, SplitMix64, Task};

/// Message [full] triples the width each time it is used, so that a few draws in a hundred have tens of millions of
/// weights; they would show nothing that narrower ones do not.
const MOST_PARAMS: u64 = 2_000_000;
/// Under half of what an edge takes in one message.
const MOST_CUT_BYTES: usize = 6 << 20;

/// The sizes that random networks run at.
pub fn task() -> Task {
    Task { n_points: 64, k: 8, ..Task::modelnet10() }
}

/// `n` architectures, uniform over the valid operation strings of the space as far as they stay small.
pub fn architectures(n: usize, seed: u64) -> Vec<Architecture> {
    let mut rng = SplitMix64::new(seed);
    std::iter::repeat_with(|| draw_architecture(&mut rng)).filter(is_small).take(n).collect()
}

fn is_small(architecture: &Architecture) -> bool {
    let trace = architecture.trace(&task());
    let widest = (0..=trace.steps.len()).map(|at| trace.cut_bytes(at, Codec::F32)).max();
    trace.params() <= MOST_PARAMS && widest.unwrap_or(0) <= MOST_CUT_BYTES
}

/// Two placements of one architecture: one cut, and two, each anywhere from before the first operation to before the
/// classifier.
pub fn cuts(architecture: &Architecture, rng: &mut SplitMix64) -> [Vec<usize>; 2] {
    let mut cut = || rng.below(architecture.ops().len() + 1);
    let mut two = vec![cut(), cut()];
    two.sort_unstable();
    [vec![cut()], two]
}

/// Every mapping with one cut.
pub fn every_cut(mapping: &Mapping) -> Vec<Mapping> {
    (0..mapping.n_steps()).filter_map(|cut| mapping.with_cuts(vec![cut]).ok()).collect()
}
