//! GCoDE's predictor graph: a plan as nodes with features, for a learned predictor of latency.
//!
//! Nodes: 0 global, 1 input, one for every position (operations and communicates in order), three of the classifier,
//! one output; with the published 12 positions 18 nodes. Directed edges: every node to itself and to the global one, and
//! each to the next from the input to the output. Of the 12 features the first ten are the published ones: the
//! operation as one of six, global, input, output, and the time of the node by the table of the tier that runs it (a
//! communicate: the transfer; the output: the way of the logits back). Two more are ours: that time's logarithm, and
//! whether the node is on the edge. An edge convolution counts as aggregate and combine, a join as connect.

use crate::price::{FRAME_BYTES, Machines};
use cleave_arch::{CLASSIFIER_HIDDEN, Mapping, Op, Tier};

/// Features of a node.
pub const FEATURES: usize = 12;

/// Where in a node's features things stand.
const COMMUNICATE: usize = 5;
const GLOBAL: usize = 6;
const INPUT: usize = 7;
const OUTPUT: usize = 8;
const COST: usize = 9;
const LOG_COST: usize = 10;
const ON_EDGE: usize = 11;

/// A plan as a predictor sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanGraph {
    /// Row-major `[nodes, FEATURES]`, times in milliseconds, not yet standardised.
    pub features: Vec<f32>,
    /// Nodes.
    pub nodes: usize,
    /// The sum over the tables with the link: what a predictor corrects, milliseconds.
    pub table_ms: f64,
}

impl PlanGraph {
    /// The graph of an architecture's mapping on these machines; none of another network's.
    pub fn new(mapping: &Mapping, machines: &Machines) -> Option<Self> {
        let (plan, trace, task) = mapping.plan()?;
        let mut rows: Vec<[f32; FEATURES]> = vec![node(GLOBAL, 0.0, Tier::Device), node(INPUT, 0.0, Tier::Device)];
        let mut tier = Tier::Device;
        for at in 0..=trace.steps.len() {
            for _ in plan.cuts().iter().filter(|cut| **cut == at) {
                tier = tier.other();
                let is_crossing = plan.crossings().contains(&at);
                let cost = if is_crossing { machines.crossing_ms(mapping, at, tier) } else { 0.0 };
                rows.push(node(COMMUNICATE, cost, tier));
            }
            let Some(step) = trace.steps.get(at) else { break };
            let mut row = node(kind(step.op), machines.op_ms(tier, trace, at, task), tier);
            if matches!(step.op, Op::EdgeConv { .. }) {
                row[1] = 1.0;
            }
            rows.push(row);
        }
        let classifier = machines.lut(tier).classifier_ms(trace.classifier.input);
        let shares = layer_shares(trace.classifier.input, task.n_classes);
        rows.extend(shares.map(|share| node(1, classifier * share, tier)));
        let back = if tier == Tier::Edge { machines.link.down_ms(4 * task.n_classes + FRAME_BYTES) } else { 0.0 };
        rows.push(node(OUTPUT, back, Tier::Device));
        let table_ms = machines.uncalibrated(mapping).total();
        Some(Self { nodes: rows.len(), features: rows.into_flattened(), table_ms })
    }
}

impl PlanGraph {
    /// Latency in milliseconds by a predictor's output: the logarithm of latency over the table's sum.
    pub fn latency_ms(&self, log_ratio: f32) -> f64 {
        self.table_ms * f64::from(log_ratio).exp()
    }
}

/// Latencies in milliseconds of plans, by a predictor that is called once for all graphs of one size: with standardised
/// features `[batch, nodes, FEATURES]`, batch and nodes, for one logarithm of the ratio to the table's sum each.
///
/// # Errors
/// The predictor's own.
pub fn latencies<E>(
    graphs: &[PlanGraph],
    standard: &Standard,
    mut predictor: impl FnMut(Vec<f32>, usize, usize) -> Result<Vec<f32>, E>,
) -> Result<Vec<f64>, E> {
    let mut latencies: Vec<f64> = graphs.iter().map(|graph| graph.table_ms).collect();
    let mut sizes: Vec<usize> = graphs.iter().map(|graph| graph.nodes).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for nodes in sizes {
        let of_size: Vec<usize> = (0..graphs.len()).filter(|at| graphs[*at].nodes == nodes).collect();
        let features = of_size.iter().flat_map(|at| standard.apply(&graphs[*at])).collect();
        for (at, log_ratio) in of_size.iter().zip(predictor(features, of_size.len(), nodes)?) {
            latencies[*at] = graphs[*at].latency_ms(log_ratio);
        }
    }
    Ok(latencies)
}

/// The published one of six that an operation counts as.
fn kind(op: Op) -> usize {
    match op {
        Op::EdgeConv { .. } => 2,
        Op::Join => 0,
        _ => op.ids().0,
    }
}

fn node(kind: usize, cost_ms: f64, tier: Tier) -> [f32; FEATURES] {
    let mut row = [0.0; FEATURES];
    row[kind] = 1.0;
    row[COST] = cost_ms as f32;
    row[LOG_COST] = (cost_ms + 0.01).ln() as f32;
    row[ON_EDGE] = if tier == Tier::Edge { 1.0 } else { 0.0 };
    row
}

/// Parts of the classifier's time, by its layers' arithmetic.
fn layer_shares(input: usize, n_classes: usize) -> [f64; 3] {
    let [first, second] = CLASSIFIER_HIDDEN;
    let work = [input * first, first * second, second * n_classes].map(|macs| macs as f64);
    let all: f64 = work.iter().sum();
    work.map(|macs| macs / all)
}

/// Means and deviations of the two time features over all nodes of the training set.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Standard {
    /// Mean and deviation of the time, milliseconds.
    pub cost: [f32; 2],
    /// Mean and deviation of its logarithm.
    pub log_cost: [f32; 2],
}

impl Standard {
    /// Of a training set.
    pub fn of<'a>(graphs: impl Iterator<Item = &'a PlanGraph> + Clone) -> Self {
        let column = |at: usize| {
            let values =
                || graphs.clone().flat_map(move |graph| graph.features.chunks_exact(FEATURES).map(move |row| row[at]));
            let n = values().count().max(1) as f32;
            let mean = values().sum::<f32>() / n;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f32>() / n;
            [mean, variance.sqrt().max(1e-6)]
        };
        Self { cost: column(COST), log_cost: column(LOG_COST) }
    }

    /// The features with both times standardised.
    pub fn apply(&self, graph: &PlanGraph) -> Vec<f32> {
        let mut features = graph.features.clone();
        for row in features.chunks_exact_mut(FEATURES) {
            row[COST] = (row[COST] - self.cost[0]) / self.cost[1];
            row[LOG_COST] = (row[LOG_COST] - self.log_cost[0]) / self.log_cost[1];
        }
        features
    }
}

/// What stands beside a predictor's weights in their file.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Meta {
    /// How features are standardised.
    pub standard: Standard,
    /// What it was trained on, for people.
    pub trained_on: String,
    /// Mean |ln(predicted / measured)| on the pairs kept aside.
    pub validation: f32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn graph(text: &str) -> PlanGraph {
        let mapping = Mapping::parse(text, &cleave_arch::Task::modelnet10()).unwrap();
        PlanGraph::new(&mapping, &Machines::new(&Profile::default())).unwrap()
    }

    #[test]
    fn twelve_positions_make_eighteen_nodes_whose_times_are_the_tables() {
        let graph = graph("3 0 5 0 1 0 1 2 0 2 2 4,0 0 0 0 2 0 4 6 0 6 6 3");
        assert_eq!((graph.nodes, graph.features.len()), (18, 18 * FEATURES));
        let row = |at: usize| &graph.features[at * FEATURES..][..FEATURES];
        assert_eq!((row(0)[GLOBAL], row(1)[INPUT], row(17)[OUTPUT]), (1.0, 1.0, 1.0));
        assert_eq!((row(4)[COMMUNICATE], row(3)[ON_EDGE], row(5)[ON_EDGE], row(16)[ON_EDGE]), (1.0, 0.0, 1.0, 1.0));
        assert!(row(4)[COST] > 2.0, "12 kB and a graph take {} ms", row(4)[COST]);
        // All nodes together are the sum over the table, but for the moves into and out of the engines.
        let all: f32 = graph.features.chunks_exact(FEATURES).map(|row| row[COST]).sum();
        assert!((f64::from(all) / graph.table_ms - 1.0).abs() < 0.05, "{all} of {}", graph.table_ms);
    }

    #[test]
    fn plans_of_all_sizes_keep_their_order() {
        let graphs = ["3 2 1 4,0 6 3 0", "4,0", "3 2 5 1 4,0 6 0 3 0", "4,3"].map(graph);
        let mut calls = Vec::new();
        let found =
            latencies(&graphs, &Standard { cost: [0.0, 1.0], log_cost: [0.0, 1.0] }, |features, batch, nodes| {
                assert_eq!(features.len(), batch * nodes * FEATURES);
                calls.push((batch, nodes));
                Ok::<_, ()>(vec![nodes as f32 * 0.01; batch])
            });
        assert_eq!(calls, [(2, 7), (1, 10), (1, 11)]);
        for (graph, latency) in graphs.iter().zip(found.unwrap()) {
            assert!((latency / graph.table_ms - (graph.nodes as f64 * 0.01).exp()).abs() < 1e-6);
        }
    }

    #[test]
    fn standardised_times_have_mean_zero() {
        let graphs = [graph("3 2 1 4,0 6 3 0"), graph("3 2 5 1 4,0 6 0 3 0")];
        let standard = Standard::of(graphs.iter());
        let all: Vec<f32> = graphs.iter().flat_map(|graph| standard.apply(graph)).collect();
        let mean: f32 = all.chunks_exact(FEATURES).map(|row| row[COST]).sum();
        assert!(mean.abs() < 1e-3, "{mean}");
    }
}
