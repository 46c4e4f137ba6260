//! A graph network that runs: any architecture, any segment of it, on any burn device.
//!
//! It is an [`Executor`] of the architecture's graph that speaks of operations and cuts: which node an operation begins at,
//! and which values are alive there in which order, the lowering says.

use crate::exec::{Executor, Value, Way};
use crate::state::State;
use crate::{ModelError, Weights};
use burn::tensor::{Device, Tensor};
use cleave_arch::{Architecture, Lowered, Stretch, Task, Tier, Trace};
use std::ops::Range;
use std::sync::Arc;

/// Slope of every LeakyReLU (DGCNN's).
pub const SLOPE: f32 = 0.2;
/// BatchNorm's ε (PyTorch's and burn's default).
pub const EPSILON: f32 = 1e-5;

/// A loaded network.
#[derive(Clone)]
pub struct Gnn {
    architecture: Architecture,
    task: Task,
    trace: Trace,
    lowered: Arc<Lowered>,
    executor: Executor,
}

impl Gnn {
    /// Checks the weights and loads them onto the device.
    ///
    /// # Errors
    /// [`ModelError::Source`] for a task of another graph source; what is wrong with the weights.
    pub fn new(
        architecture: &Architecture,
        task: &Task,
        weights: &Weights,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if architecture.graph_source() != task.graph {
            return Err(ModelError::Source { architecture: architecture.graph_source(), task: task.graph });
        }
        weights.check(architecture, task)?;
        let lowered = architecture.lower(task)?;
        let executor = Executor::whole(&lowered.graph, weights, device)?;
        let (trace, lowered) = (architecture.trace(task), Arc::new(lowered));
        Ok(Self { architecture: architecture.clone(), task: *task, trace, lowered, executor })
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Its shapes and sizes.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Its graph.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// The nodes of its graph that make a segment.
    pub fn nodes(&self, Stretch { ops, classifier, .. }: &Stretch) -> Range<usize> {
        let Lowered { graph, starts, .. } = &*self.lowered;
        starts[ops.start]..if *classifier { graph.nodes().len() } else { starts[ops.end] }
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        self.executor.device()
    }

    /// Runs the operations of a segment, and the classifier if the segment has it. Work is queued
    /// where the device works asynchronously.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`] if an operation reads a graph that the state has not; none for the state of the segment before.
    pub fn run(&self, segment: &Stretch, state: State) -> Result<State, ModelError> {
        self.run_by(segment, state, Way::Fast)
    }

    fn run_by(&self, segment: &Stretch, state: State, way: Way) -> Result<State, ModelError> {
        let Range { start, end } = segment.ops;
        let has = |id: &usize| state.values.iter().any(|(value, _)| value == id);
        let reads_graph = |at: &usize| self.architecture.ops()[*at].reads_graph();
        if let (false, Some(op)) = (self.lowered.live[start].iter().all(has), (start..end).find(reads_graph)) {
            return Err(ModelError::NoGraph { op });
        }
        let values = self.executor.run_nodes(self.nodes(segment), state.values.into_iter().collect(), way)?;
        let answer = [self.lowered.graph.answer()];
        let live = if segment.classifier { &answer[..] } else { &self.lowered.live[end] };
        let value = |id: &usize| {
            let missing = || ModelError::Parts { found: format!("value {id} was not made") };
            Ok((*id, values.get(id).cloned().ok_or_else(missing)?))
        };
        let values = live.iter().map(value).collect::<Result<_, ModelError>>()?;
        Ok(State { values })
    }

    /// What runs it.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn executor_mut(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// All operations and the classifier as one segment.
    pub fn whole(&self) -> Stretch {
        Stretch { tier: Tier::Device, ops: 0..self.architecture.ops().len(), classifier: true }
    }

    /// The whole network: `points [b, n, channels]` → logits `[b, classes]`.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`] for a network that reads a graph of its input.
    pub fn forward(&self, points: Tensor<3>) -> Result<Tensor<2>, ModelError> {
        self.answer(State::input(points))
    }

    /// As [`Self::forward`] for one cloud, by the textbook's data flow: a matrix of all distances, a feature tensor per edge,
    /// the linear layer on every edge. It exists to be compared with.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_plain(&self, points: Tensor<3>) -> Result<Tensor<2>, ModelError> {
        Ok(logits(self.run_by(&self.whole(), State::input(points), Way::Plain)?))
    }

    /// The whole network from the state before its first operation → logits `[b, classes]`.
    ///
    /// # Errors
    /// As [`Gnn::run`].
    pub fn answer(&self, input: State) -> Result<Tensor<2>, ModelError> {
        Ok(logits(self.run(&self.whole(), input)?))
    }
}

fn logits(answer: State) -> Tensor<2> {
    let logits = answer.features();
    let [batch, _, classes] = logits.dims();
    logits.reshape([batch, classes])
}

/// What an executor runs on.
impl From<Tensor<3>> for Value {
    fn from(nodes: Tensor<3>) -> Self {
        Self::Nodes(nodes)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Gnn, Weights};
    use burn::tensor::{Device, Tensor, TensorData};
    use cleave_arch::{Architecture, SplitMix64, Task};

    #[test]
    fn the_textbooks_way_gives_the_same_answer() {
        let task = Task { n_points: 64, k: 5, ..Task::modelnet10() };
        let dgcnn = Architecture::dgcnn();
        let gnn = Gnn::new(&dgcnn, &task, &Weights::random(&dgcnn, &task, 3), &Device::flex()).unwrap();
        let mut rng = SplitMix64::new(1);
        let points: Vec<f32> = (0..64 * 3).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
        let points = || Tensor::from_data(TensorData::new(points.clone(), [1, 64, 3]), gnn.device());
        let read = |logits: Result<Tensor<2>, _>| logits.unwrap().into_data().try_into_vec::<f32>().unwrap();
        let (fused, plain) = (read(gnn.forward(points())), read(gnn.forward_plain(points())));
        let largest = fused.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        for (a, b) in fused.iter().zip(&plain) {
            assert!((a - b).abs() <= 1e-4 * largest, "{fused:?} {plain:?}");
        }
    }
}
