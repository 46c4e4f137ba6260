//! The table's sum fast enough to reject candidates by the hundred thousand a second: one pass over the operations, no
//! trace, nothing allocated. The same figure as [`Machines::uncalibrated`]'s, which a test holds it to.

use crate::lut::Size;
use crate::price::Machines;
use cleave_arch::{Op, Plan, Slot, Task, Tier};

/// Most operations that the pass keeps widths of; longer networks take the slow way.
const MOST: usize = 64;

impl Machines {
    /// Latency of a plan by the tables and the link, milliseconds, uncorrected.
    pub fn latency_ms(&self, plan: &Plan, task: &Task) -> f64 {
        let ops = plan.architecture().ops();
        if ops.len() >= MOST || ops.contains(&Op::Join) {
            return self.uncalibrated(plan, &plan.architecture().trace(task), task).total();
        }
        let dead = dead(ops);
        let (mut rows, mut widths) = (task.n_points, [0usize; MOST + 1]);
        widths[0] = task.in_channels;
        let (mut total, mut tier) = (0.0, Tier::Device);
        let (mut cuts, crossings) = (plan.cuts().iter().peekable(), plan.crossings());
        // Values that came into the segment.
        let mut entered = task.n_points * task.in_channels;
        for at in 0..=ops.len() {
            while cuts.next_if(|cut| **cut == at).is_some() {
                if crossings.contains(&at) {
                    let values = self.live_values(plan, at, rows, &widths, task);
                    if at > 0 {
                        total += self.lut(tier).move_ms((entered + values.all) / 2);
                    }
                    entered = values.all;
                    total += self.transfer_ms(tier.other(), plan.codec(), values.all, values.bytes);
                }
                tier = tier.other();
            }
            let Some(op) = ops.get(at) else { break };
            let c = widths[at];
            if dead >> at & 1 == 0 {
                total += self.lut(tier).op_ms(*op, Size { rows, channels: c, k: task.k });
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
        total += self.lut(tier).classifier_ms(widths[ops.len()]);
        total += self.lut(tier).move_ms((entered + task.n_classes) / 2);
        if tier == Tier::Edge {
            total += self.transfer_ms(Tier::Device, Default::default(), task.n_classes, 4 * task.n_classes);
        }
        total
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
    use crate::profile::Profile;
    use cleave_arch::{Architecture, Codec, LinkCodec, SplitMix64, space};

    #[test]
    fn the_fast_way_and_the_slow_one_agree() {
        let (machines, task) = (Machines::new(&Profile::default()), Task::modelnet10());
        let mut rng = SplitMix64::new(6);
        for i in 0..3_000 {
            let plan = space::draw(&mut rng).with_codec(LinkCodec::ALL[i % 6]);
            let slow = machines.uncalibrated(&plan, &plan.architecture().trace(&task), &task).total();
            let fast = machines.latency_ms(&plan, &task);
            assert!((fast - slow).abs() <= 1e-9 * slow, "{plan}: {fast} for {slow}");
        }
        let dgcnn = Plan::whole(Architecture::dgcnn(), Tier::Edge).with_codec("i8".parse().unwrap());
        assert!(machines.latency_ms(&dgcnn, &task) > 1.0);
        assert_eq!(Codec::default(), Codec::F32);
    }
}
