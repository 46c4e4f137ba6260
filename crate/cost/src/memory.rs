//! Peak memory of the engine on one tier, and beside it the formula of HGNAS, whose engine builds every message.

use cleave_arch::{Mapping, Op, Task, Tier, Trace};
use cleave_graph::{Graph, Partition, Schedule, Split, Step};

/// Most bytes that the engine of a tier holds while a frame passes: the weights of the whole network (each tier keeps
/// all of them, so that the device can finish alone and a new cut needs no new weights) and, at the worst step that it
/// runs, everything live, what is made and the working buffers. 0 for an edge without a part.
pub fn peak_bytes(mapping: &Mapping, tier: Tier) -> u64 {
    if tier == Tier::Edge && mapping.crossings().is_empty() {
        return 0;
    }
    match (mapping.plan(), mapping.graph()) {
        (Some((plan, trace, _)), _) => {
            let mine = plan.segments().into_iter().filter(|segment| segment.tier == tier);
            let values = mine.map(|segment| trace.segment_peak_bytes(&segment)).max().unwrap_or(0);
            values.saturating_add(trace.weight_bytes())
        }
        (None, Some(graph)) => shared_bytes(graph, mapping, tier),
        (None, None) => 0,
    }
}

/// Two workers, each of which computes its steps alone.
fn shared_bytes(graph: &Graph, mapping: &Mapping, tier: Tier) -> u64 {
    let worker = |tier| usize::from(tier == Tier::Edge);
    let steps = (0..mapping.n_steps()).map(|step| Step::new(Split::Alone(worker(mapping.tier_of(step))))).collect();
    let memory = |partition: &Partition| Some(Schedule::new(graph, partition).ok()?.memory(graph));
    let values = memory(&Partition { workers: 2, steps });
    let whole = memory(&Partition::whole(1, graph.operators().len(), 0));
    let [values, weights] = [values.map(|of| of[worker(tier)].activations), whole.map(|of| of[0].weights)];
    values.unwrap_or(0).saturating_add(weights.unwrap_or(0))
}

/// HGNAS's estimate of the whole network on one tier, bytes: walk the operations, hold the input, all parameters, the
/// current features and whatever the operation builds, and keep the largest. Messages are built per edge and freed
/// after the aggregation; an index has 8 bytes, a value 4, as there.
pub fn hgnas_bytes(trace: &Trace, task: &Task) -> u64 {
    const INDEX: u64 = 8;
    const VALUE: u64 = 4;
    let product = |factors: &[u64]| factors.iter().fold(1u64, |all, factor| all.saturating_mul(*factor));
    let n_edges = product(&[task.n_points as u64, task.k as u64]);
    let held = product(&[VALUE, (task.n_points * task.in_channels) as u64 + trace.params()]);
    let (mut graph, mut most) = (0, 0);
    for step in &trace.steps {
        let ([rows, c], [out_rows, out]) = (step.input, step.output);
        let features = product(&[rows as u64, c as u64, VALUE]);
        let made = product(&[out_rows as u64, out as u64, VALUE]);
        let built = match step.op {
            Op::Sample(_) => {
                graph = product(&[n_edges, 2, INDEX]);
                0
            }
            Op::Aggregate { message, .. } => product(&[n_edges, 2, message.width(c) as u64, VALUE]) + made,
            Op::EdgeConv { .. } => {
                product(&[n_edges, 2, 2 * c as u64, VALUE]) + product(&[n_edges, out as u64, VALUE]) + made
            }
            _ => made,
        };
        most = most.max(features.saturating_add(built).saturating_add(graph));
    }
    held.saturating_add(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_costs_hgnas() {
        let task = Task::modelnet10();
        let mapping = Mapping::parse("3 2 1 4,0 6 3 0", &task).unwrap();
        let (_, trace, _) = mapping.plan().unwrap();
        // Edges, two ends, six channels, four bytes, and the features and the graph beside them.
        let expected = 20_480 * 2 * 6 * 4 + 1024 * 6 * 4 + 1024 * 3 * 4 + 20_480 * 2 * 8;
        let held = 4 * (1024 * 3 + trace.params());
        assert_eq!(hgnas_bytes(trace, &task), held + expected);
        assert!(peak_bytes(&mapping, Tier::Device) < hgnas_bytes(trace, &task));
        assert_eq!(peak_bytes(&mapping, Tier::Edge), 0);
    }
}
