//! Times from a few measurements: which parts of the operators to run on a worker, and times of all parts from these.
//!
//! Every operator is measured whole and as a half and a quarter by output channel, by input channel and by rows. Between
//! two measured parts a time lies on the line through them; below the smallest on the line through it and the next, never
//! below 0. A part that is small in two ways takes the product of both shares of the whole (a reconstruction).

use cleave_graph::{Axis, Graph, Operator, Region, Shares, Split};

use crate::times::ComputeTimes;

/// Shares of an operator that are measured, the whole first.
const SHARES: [f64; 3] = [1.0, 0.5, 0.25];
/// Along what parts are measured, in this order.
const AXES: [Axis; 3] = [Axis::Outputs, Axis::Inputs, Axis::Rows];

/// A part of an operator to be run and timed.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Which operator.
    pub operator: usize,
    /// Along what it is small.
    pub axis: Axis,
    /// How much of it this is, of 1.
    pub share: f64,
    /// As one worker's split of the operator: the second of two workers has the rest.
    pub split: Split,
}

/// What is to be measured of a network: the whole of each operator once, then its parts.
pub fn probes(network: &Graph) -> Vec<Probe> {
    network.operators().iter().enumerate().flat_map(|(at, operator)| of_operator(at, operator)).collect()
}

fn of_operator(operator: usize, of: &Operator) -> Vec<Probe> {
    let part = |axis: Axis, share: f64| {
        let units = of.units(axis);
        let own = ((units as f64 * share).round() as usize).clamp(1, units);
        let shares = Shares::new(vec![own, units - own]);
        let split = match axis {
            Axis::Outputs => Split::Outputs(shares),
            Axis::Inputs => Split::Inputs(shares),
            Axis::Rows => Split::Rows(shares),
        };
        Probe { operator, axis, share: own as f64 / units as f64, split }
    };
    let axes = AXES.into_iter().filter(|axis| of.has(*axis));
    let parts = axes.flat_map(|axis| SHARES[1..].iter().map(move |share| part(axis, *share)));
    // What has few units has no quarter, and what has one no half.
    let parts = parts.filter(|probe| probe.share < 1.0);
    let mut probes = vec![Probe { operator, axis: Axis::Outputs, share: SHARES[0], split: Split::Alone(0) }];
    probes.extend(parts);
    probes.dedup_by(|b, a| a.axis == b.axis && a.share == b.share);
    probes
}

/// A probe's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which operator.
    pub operator: usize,
    /// Along what it is small.
    pub axis: Axis,
    /// How much of it was run, of 1.
    pub share: f64,
    /// Its layer, milliseconds.
    pub layer_ms: f64,
    /// What follows the layer, milliseconds.
    pub tail_ms: f64,
}

/// Times of one network on workers that were measured, or that are so many times slower than one that was.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    network: &'a Graph,
    workers: Vec<Worker>,
}

#[derive(Clone, Debug)]
struct Worker {
    operators: Vec<Curves>,
    add_ms_per_value: f64,
}

/// Share and milliseconds, ascending, by axis; the tail's milliseconds for each value of the layer's output.
#[derive(Clone, Debug, Default)]
struct Curves {
    axes: [Vec<(f64, f64)>; 3],
    tail_ms_per_value: f64,
}

impl<'a> Measured<'a> {
    /// Without any worker.
    pub fn new(network: &'a Graph) -> Self {
        Self { network, workers: Vec::new() }
    }

    /// Adds a worker with its samples and its milliseconds for adding one value, all times a factor.
    pub fn add_worker(&mut self, samples: &[Sample], add_ms_per_value: f64, slower: f64) {
        let operators = self.network.operators().iter().enumerate().map(|(at, operator)| {
            let own = || samples.iter().filter(move |sample| sample.operator == at);
            let mut curves = Curves::default();
            let whole: Vec<(f64, f64)> = own().filter(|s| s.share >= 1.0).map(|s| (1.0, s.layer_ms * slower)).collect();
            for (axis, curve) in AXES.into_iter().zip(&mut curves.axes) {
                curve.extend(own().filter(|s| s.axis == axis && s.share < 1.0).map(|s| (s.share, s.layer_ms * slower)));
                curve.extend(whole.first());
                curve.sort_by(|a, b| a.0.total_cmp(&b.0));
            }
            let tails: Vec<f64> = own().filter(|s| s.share >= 1.0).map(|s| s.tail_ms).collect();
            let mean = tails.iter().sum::<f64>() / tails.len().max(1) as f64;
            curves.tail_ms_per_value = slower * mean / operator.made.shape.values() as f64;
            curves
        });
        let operators = operators.collect();
        self.workers.push(Worker { operators, add_ms_per_value: add_ms_per_value * slower });
    }
}

impl ComputeTimes for Measured<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64 {
        let of = &self.network.operators()[operator];
        let curves = &self.workers[worker].operators[operator];
        let share = |part: usize, all: usize| part as f64 / all.max(1) as f64;
        let rows = of.made_for(&Region::all(of.output.shape)).rows.len();
        let inputs = if of.has(Axis::Inputs) { share(inputs, of.units(Axis::Inputs)) } else { 1.0 };
        let shares = [share(made.channels.len(), of.made.shape.channels), inputs, share(made.rows.len(), rows)];
        let whole = at(&curves.axes[0], 1.0);
        let of_axis = |(curve, share): (&Vec<(f64, f64)>, f64)| {
            if share >= 1.0 || whole <= 0.0 { 1.0 } else { at(curve, share) / whole }
        };
        whole * curves.axes.iter().zip(shares).map(of_axis).product::<f64>()
    }

    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64 {
        let values = complete.shape(self.network.operators()[operator].made.shape.width).values();
        self.workers[worker].operators[operator].tail_ms_per_value * values as f64
    }

    fn add_ms(&self, worker: usize, values: u64) -> f64 {
        self.workers[worker].add_ms_per_value * values as f64
    }
}

/// A curve at a share.
fn at(curve: &[(f64, f64)], share: f64) -> f64 {
    let line = |a: (f64, f64), b: (f64, f64)| a.1 + (b.1 - a.1) * (share - a.0) / (b.0 - a.0);
    match curve {
        [] => 0.0,
        [(of, ms)] => ms * share / of,
        _ => {
            let after = curve.partition_point(|point| point.0 < share).clamp(1, curve.len() - 1);
            line(curve[after - 1], curve[after]).max(0.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_graph::zoo;

    #[test]
    fn times_go_through_what_was_measured() {
        let network = zoo::network("alexnet-lrn").unwrap();
        let sample = |probe: &Probe| Sample {
            operator: probe.operator,
            axis: probe.axis,
            share: probe.share,
            layer_ms: 1.0
                + 8.0 * probe.share * (1 + probe.axis as usize) as f64
                    / if probe.share < 1.0 { 1.0 } else { 1.0 + probe.axis as u8 as f64 },
            tail_ms: 0.5,
        };
        let samples: Vec<Sample> = probes(&network).iter().map(sample).collect();
        let mut times = Measured::new(&network);
        times.add_worker(&samples, 1e-6, 1.0);
        times.add_worker(&samples, 1e-6, 3.0);
        let first = &network.operators()[2];
        let whole = Region::all(first.made.shape);
        assert!((times.layer_ms(0, 2, first.input().channels, &whole) - 9.0).abs() < 1e-9);
        let half = Region { channels: 0..first.made.shape.channels / 2, rows: whole.rows.clone() };
        assert!((times.layer_ms(0, 2, first.input().channels, &half) - 5.0).abs() < 1e-9);
        assert!((times.layer_ms(1, 2, first.input().channels, &half) - 15.0).abs() < 1e-9);
        assert!((times.layer_ms(0, 2, first.input().channels / 2, &whole) - 9.0).abs() < 1e-9, "1 + 16 / 2");
        assert!((times.tail_ms(1, 2, &whole) - 1.5).abs() < 1e-9);
        assert_eq!(times.add_ms(0, 1_000_000), 1.0);
    }

    #[test]
    fn every_operator_is_probed_as_it_can_be_split() {
        for (name, _) in zoo::NETWORKS {
            let network = zoo::network(name).unwrap();
            for (at, operator) in network.operators().iter().enumerate() {
                let own: Vec<Probe> = probes(&network).into_iter().filter(|probe| probe.operator == at).collect();
                assert_eq!(own.iter().filter(|probe| probe.share == 1.0).count(), 1, "{name} {at}");
                assert_eq!(
                    own.iter().any(|probe| probe.axis == Axis::Rows),
                    operator.has(Axis::Rows) && operator.output.shape.height > 1
                );
            }
        }
    }
}
