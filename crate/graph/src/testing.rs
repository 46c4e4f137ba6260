//! Random partitions, for the tests of every crate that counts, simulates or runs them.

use crate::graph::Graph;
use crate::op::Axis;
use crate::operator::Operator;
use crate::partition::{Partition, Reduce, Shares, Split, Step};
use crate::rng::SplitMix64;

/// Shares of which some may be empty.
pub fn random_shares(rng: &mut SplitMix64, units: usize, workers: usize) -> Shares {
    let weights: Vec<f64> = (0..workers).map(|_| f64::from(rng.unit_f32()) * rng.below(3) as f64).collect();
    Shares::by_weight(units, &weights)
}

/// One of the splits that an operator has.
pub fn random_step(rng: &mut SplitMix64, operator: &Operator, workers: usize) -> Step {
    let axes: Vec<Axis> =
        [Axis::Outputs, Axis::Inputs, Axis::Rows].into_iter().filter(|axis| operator.has(*axis)).collect();
    let split = match rng.below(2 + axes.len()) {
        0 => Split::Replicated,
        1 => Split::Alone(rng.below(workers)),
        axis => {
            let axis = axes[axis - 2];
            let shares = random_shares(rng, operator.units(axis), workers);
            match axis {
                Axis::Outputs => Split::Outputs(shares),
                Axis::Inputs => Split::Inputs(shares),
                Axis::Rows => Split::Rows(shares),
            }
        }
    };
    let reduce = match rng.below(3) {
        0 => Reduce::Direct,
        1 => Reduce::Root(rng.below(workers)),
        _ => Reduce::Scatter(random_shares(rng, operator.made.shape.channels, workers)),
    };
    Step { split, reduce }
}

/// A partition over at most so many workers, of which any may have nothing.
pub fn random_partition(rng: &mut SplitMix64, graph: &Graph, most: usize) -> Partition {
    let workers = 1 + rng.below(most);
    let steps = graph.operators().iter().map(|operator| random_step(rng, operator, workers)).collect();
    Partition { workers, steps }
}
