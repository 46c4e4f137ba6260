//! The table's sum fast enough to reject candidates by the hundred thousand a second: one pass over the operations, no
//! trace, nothing allocated. The stages are kept apart, because a calibration corrects each in its own way: the figure is
//! that of [`Machines::price`], which a test holds it to.

use crate::lut::Size;
use crate::price::{Machines, Raw};
use cleave_arch::{Mapping, Op, Plan, Slot, Task, Tier};

/// Most operations that the pass keeps widths of; longer networks take the slow way.
const MOST: usize = 64;

impl Machines {
    /// Latency of a plan by the tables and the link, milliseconds, calibrated.
    pub fn latency_ms(&self, plan: &Plan, task: &Task) -> f64 {
        let ops = plan.architecture().ops();
        if ops.len() >= MOST || ops.contains(&Op::Join) {
            let stages = self.uncalibrated(&Mapping::of_plan(plan.clone(), *task));
            return self.calibration.apply(stages).total();
        }
        let dead = dead(ops);
        let (mut rows, mut widths) = (task.n_points, [0usize; MOST + 1]);
        widths[0] = task.in_channels;
        let (mut raw, mut tier) = (Raw::default(), Tier::Device);
        let (mut cuts, crossings) = (plan.cuts().iter().peekable(), plan.crossings());
        // Values that came into the segment.
        let mut entered = task.n_points * task.in_channels;
        for at in 0..=ops.len() {
            while cuts.next_if(|cut| **cut == at).is_some() {
                if crossings.contains(&at) {
                    let values = self.live_values(plan, at, rows, &widths, task);
                    if at > 0 {
                        *raw.compute(tier) += self.lut(tier).move_ms((entered + values.all) / 2);
                    }
                    entered = values.all;
                    self.cross(tier.other(), plan.codec(), values.all, values.bytes, &mut raw);
                }
                tier = tier.other();
            }
            let Some(op) = ops.get(at) else { break };
            let c = widths[at];
            if dead >> at & 1 == 0 {
                *raw.compute(tier) += self.lut(tier).op_ms(*op, Size { rows, channels: c, k: task.k });
            }
            widths[at + 1] = match *op {
                Op::Combine { channels } | Op::EdgeConv { channels } => channels,
                Op::Aggregate { message, .. } => message.width(c),
                Op::Pool(pool) => pool.width(c),
                Op::Connect(_) | Op::Sample(_) | Op::Join => c,
            };
            if matches!(op, Op::Pool(_)) {
                rows = 1;
            }
        }
        let lut = self.lut(tier);
        *raw.compute(tier) += lut.classifier_ms(widths[ops.len()]) + lut.move_ms((entered + task.n_classes) / 2);
        if tier == Tier::Edge {
            self.cross(Tier::Device, Default::default(), task.n_classes, 4 * task.n_classes, &mut raw);
        }
        self.calibration.apply(raw.stages).total()
    }

    fn live_values(&self, plan: &Plan, at: usize, rows: usize, widths: &[usize], task: &Task) -> Values {
        let architecture = plan.architecture();
        let codec = plan.codec().codec;
        let mut values = Values::default();
        let mut add = |slot, rows, cols| {
            values.all += rows * cols;
            values.bytes += cleave_arch::Live { slot, rows, cols }.bytes(codec);
        };
        add(Slot::Features, rows, widths[at]);
        if architecture.graph_is_live(at) {
            add(Slot::Graph, task.n_points, task.k);
        }
        if let Some(source) = architecture.skip_source(at).filter(|_| architecture.skip_source_is_live(at)) {
            add(Slot::SkipSource, rows, widths[source]);
        }
        values
    }
}

/// What crosses.
#[derive(Default)]
struct Values {
    all: usize,
    bytes: usize,
}

/// One bit per operation: a sample whose graph nobody reads.
fn dead(ops: &[Op]) -> u64 {
    let (mut dead, mut is_read) = (0u64, false);
    for (at, op) in ops.iter().enumerate().rev() {
        if op.reads_graph() {
            is_read = true;
        } else if matches!(op, Op::Sample(_)) {
            dead |= u64::from(!is_read) << at;
            is_read = false;
        }
    }
    dead
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Calibration;
    use crate::profile::Profile;
    use cleave_arch::{Architecture, LinkCodec, SplitMix64, space};

    /// Machines of every kind that the price knows: as they are, calibrated either way, on one thread, slowed.
    fn machines() -> Vec<Machines> {
        let plain = Machines::new(&Profile::default());
        let calibration = Calibration { device: 0.5, edge: 2.0, up_ms: 0.7, down_ms: -0.2, rest_ms: 0.3, frames: 10 };
        let calibrated = Machines { calibration, ..plain.clone() };
        // A message that is corrected by more than it takes takes nothing.
        let free = Calibration { device: 3.0, edge: 0.4, up_ms: -50.0, down_ms: -50.0, rest_ms: -50.0, frames: 10 };
        let slowed = Machines { device: calibrated.device.clone().slowed(3.0), one_thread: true, ..calibrated.clone() };
        vec![calibrated, Machines { calibration: free, ..plain.clone() }, slowed, plain]
    }

    #[test]
    fn the_fast_sum_is_the_full_price() {
        let task = Task::modelnet10();
        let mut rng = SplitMix64::new(6);
        for machines in machines() {
            for i in 0..3_000 {
                let plan = space::draw(&mut rng).with_codec(LinkCodec::ALL[i % 6]);
                let slow = machines.price(&Mapping::of_plan(plan.clone(), task)).latency_ms();
                let fast = machines.latency_ms(&plan, &task);
                assert!((fast - slow).abs() <= 1e-9 * slow, "{plan}: {fast} for {slow}");
            }
            let dgcnn = Plan::whole(Architecture::dgcnn(), Tier::Edge).with_codec("i8".parse().unwrap());
            let slow = machines.price(&Mapping::of_plan(dgcnn.clone(), task)).latency_ms();
            assert!((machines.latency_ms(&dgcnn, &task) - slow).abs() <= 1e-9 * slow);
        }
    }

    #[test]
    fn a_tier_that_is_twice_as_fast_as_its_table_counts_as_such() {
        let plain = Machines::new(&Profile::default());
        let mut calibrated = plain.clone();
        calibrated.calibration.device = 0.5;
        let (plan, task): (Plan, _) = ("3 2 1 4,0 6 3 0".parse().unwrap(), Task::modelnet10());
        assert!((calibrated.latency_ms(&plan, &task) - 0.5 * plain.latency_ms(&plan, &task)).abs() < 1e-9);
    }
}
