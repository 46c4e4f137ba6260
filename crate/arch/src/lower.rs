//! An architecture as a graph: skips and joins become edges, what does nothing becomes nothing, the classifier becomes three
//! more operations.

use cleave_graph::op::{Aggregate, Combine, Concat, EdgeConv, Knn, Project, Random, Readout, Skip};
use cleave_graph::{Builder, Graph, GraphError, Op as Node, ValueId, ValueType, zoo};

use crate::architecture::Architecture;
use crate::op::{Connect, Op, Pool, Sampler};
use crate::params::CLASSIFIER_HIDDEN;
use crate::plan::Plan;
use crate::task::{GraphSource, Task};

/// A graph that came from an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The graph; its weights have the names of [`Architecture::parameters`].
    pub graph: Graph,
    /// For each operation the node before which it begins, and at the end where the classifier begins: a cut before
    /// operation i is one before node `starts[i]`.
    pub starts: Vec<usize>,
    /// For each of these places the values of [`crate::Trace::live_before`], in its order.
    pub live: Vec<Vec<ValueId>>,
}

impl Architecture {
    /// The graph for a task.
    ///
    /// # Errors
    /// [`GraphError`] if the task makes it too large.
    pub fn lower(&self, task: &Task) -> Result<Lowered, GraphError> {
        let mut inputs = vec![ValueType::nodes(task.n_points, task.in_channels)];
        if self.graph_source() == GraphSource::Given {
            inputs.push(ValueType::neighbours(task.n_points, task.k));
        }
        let neighbours = (inputs.len() > 1).then_some(1);
        let mut lowering =
            Lowering { of: self, k: task.k, builder: Builder::new(inputs)?, features: vec![0], neighbours, nodes: 0 };
        let (mut starts, mut live) = (Vec::new(), Vec::new());
        for at in 0..=self.ops().len() {
            starts.push(lowering.nodes);
            live.push(lowering.live(at));
            if at < self.ops().len() {
                lowering.op(at)?;
            }
        }
        let [first, second] = CLASSIFIER_HIDDEN;
        let layers: [Node; 3] = [
            Combine { channels: first }.into(),
            Combine { channels: second }.into(),
            Project { channels: task.n_classes }.into(),
        ];
        for (j, layer) in layers.into_iter().enumerate() {
            lowering.named(layer, vec![lowering.latest()], format!("classifier.{j}"))?;
        }
        Ok(Lowered { graph: lowering.builder.finish()?, starts, live })
    }
}

/// A graph by name: an image network's, a graph's text, `dgcnn`, or an architecture's text, which is lowered for
/// ModelNet10's points.
///
/// # Errors
/// [`GraphError`]: no such name, or what is wrong with the text.
pub fn graph_named(name: &str) -> Result<Graph, GraphError> {
    let points = |architecture: &Architecture| Ok(architecture.lower(&Task::modelnet10())?.graph);
    match (name.trim(), name.parse::<Plan>()) {
        ("dgcnn", _) => points(&Architecture::dgcnn()),
        (_, Ok(plan)) => points(plan.architecture()),
        _ => zoo::network(name),
    }
}

struct Lowering<'a> {
    of: &'a Architecture,
    k: usize,
    builder: Builder,
    /// The features before each operation so far, and now.
    features: Vec<ValueId>,
    neighbours: Option<ValueId>,
    nodes: usize,
}

impl Lowering<'_> {
    fn latest(&self) -> ValueId {
        self.features.last().copied().unwrap_or(0)
    }

    fn live(&self, at: usize) -> Vec<ValueId> {
        let mut live = vec![self.latest()];
        live.extend(self.neighbours.filter(|_| self.of.graph_is_live(at)));
        live.extend(
            self.of.skip_source(at).filter(|_| self.of.skip_source_is_live(at)).map(|source| self.features[source]),
        );
        if self.of.joins_later(at) {
            live.extend(self.of.replaced_edge_convs(at).into_iter().map(|edge_conv| self.features[edge_conv + 1]));
        }
        live
    }

    fn add(&mut self, op: impl Into<Node>, inputs: Vec<ValueId>) -> Result<ValueId, GraphError> {
        self.nodes += 1;
        self.builder.add(op, inputs, None)
    }

    fn named(&mut self, op: impl Into<Node>, inputs: Vec<ValueId>, name: String) -> Result<(), GraphError> {
        self.nodes += 1;
        let made = self.builder.add(op, inputs, Some(name))?;
        self.features.push(made);
        Ok(())
    }

    fn op(&mut self, at: usize) -> Result<(), GraphError> {
        let (x, k, name) = (self.latest(), self.k, format!("op.{at}"));
        let read: Vec<ValueId> = std::iter::once(x).chain(self.neighbours).collect();
        let made = match self.of.ops()[at] {
            Op::Combine { channels } => return self.named(Combine { channels }, vec![x], name),
            Op::EdgeConv { channels } => return self.named(EdgeConv { channels }, read, name),
            Op::Aggregate { message, reducer } => self.add(Aggregate { message, reducer }, read)?,
            Op::Pool(pool) => self.add(readout(pool), vec![x])?,
            Op::Connect(Connect::Skip) => match self.of.skip_source(at) {
                Some(source) => self.add(Skip, vec![x, self.features[source]])?,
                None => x,
            },
            Op::Join => {
                let mut parts: Vec<ValueId> =
                    self.of.replaced_edge_convs(at).into_iter().map(|edge_conv| self.features[edge_conv + 1]).collect();
                parts.push(x);
                if parts.len() > 1 { self.add(Concat, parts)? } else { x }
            }
            Op::Sample(sampler) => {
                if !self.of.is_dead(at) {
                    self.neighbours = Some(match sampler {
                        Sampler::Knn => self.add(Knn { k }, vec![x])?,
                        Sampler::Random => self.add(Random { k, seed: at }, vec![x])?,
                    });
                }
                x
            }
            Op::Connect(Connect::Identity) => x,
        };
        self.features.push(made);
        Ok(())
    }
}

fn readout(pool: Pool) -> Readout {
    let reducers = pool.reducers();
    Readout { first: reducers[0], second: reducers.get(1).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::space::{Functions, Sampler};
    use crate::trace::{Live, Slot};
    use cleave_graph::{Layout, SplitMix64};

    /// Shapes as a cut sends them.
    fn crossing(live: &[Live]) -> Vec<(bool, usize, usize)> {
        let mut all: Vec<_> = live.iter().map(|live| (live.slot == Slot::Graph, live.rows, live.cols)).collect();
        all.sort_unstable();
        all
    }

    fn values(lowered: &Lowered, node: usize) -> Vec<(bool, usize, usize)> {
        let graph = &lowered.graph;
        let of = |value: ValueId| {
            let of = graph.value(value);
            (of.layout == Layout::Neighbours, of.shape.height, of.shape.channels)
        };
        let mut all: Vec<_> = graph.live_before(node).into_iter().map(of).collect();
        all.sort_unstable();
        all
    }

    /// What an architecture says of itself and what its graph says are the same, at every cut.
    #[test]
    fn a_graph_counts_as_its_architecture_does() {
        let mut rng = SplitMix64::new(11);
        let (points, texts) = (Task::modelnet10(), Task::mr());
        let draw = |task: &Task, rng: &mut SplitMix64| {
            Sampler::new(Functions::All, task.graph).draw(rng).architecture().clone()
        };
        let mut all: Vec<(Architecture, Task)> = vec![(Architecture::dgcnn(), Task::dgcnn40())];
        all.extend((0..150).map(|_| (draw(&points, &mut rng), points)));
        all.extend((0..150).map(|_| (draw(&texts, &mut rng), texts)));
        for (architecture, task) in all {
            let (trace, lowered) = (architecture.trace(&task), architecture.lower(&task).unwrap());
            assert_eq!(lowered.graph.parameters(), architecture.parameters(&task), "{architecture}");
            assert_eq!(lowered.graph.flops(), trace.flops(), "{architecture}");
            for (op, node) in lowered.starts.iter().enumerate() {
                let wanted = crossing(trace.live_before(op));
                assert_eq!(values(&lowered, *node), wanted, "{architecture} before {op}");
                let named = lowered.live[op].iter().map(|value| lowered.graph.value(*value).shape);
                let named: Vec<_> = named.map(|shape| (shape.height, shape.channels)).collect();
                let traced: Vec<_> = trace.live_before(op).iter().map(|live| (live.rows, live.cols)).collect();
                assert_eq!(named, traced, "{architecture} before {op}");
            }
            let text = lowered.graph.to_string();
            assert_eq!(text.parse::<Graph>().as_ref(), Ok(&lowered.graph), "{text}");
        }
        assert_eq!(graph_named("dgcnn"), graph_named("3 6 3 6 3 6 3 6 7 1 4,0 3 0 3 0 4 0 5 0 7 3"));
        assert_eq!(graph_named("lenet5").unwrap().operators().len(), 5);
        assert!(graph_named("lenet").unwrap_err().to_string().contains("there are lenet5"));
        assert_eq!(Architecture::dgcnn().trace(&Task::dgcnn40()).cut_bytes(0, Codec::F32), 1024 * 3 * 4);
    }
}
