//! What is alive between two operations of a graph network, as tensors on a device, for batches of clouds.

use crate::exec::Value;
use burn::tensor::{Int, Tensor};
use cleave_graph::ValueId;

/// The live values of a batch of clouds, in the order of [`cleave_arch::Trace::live_before`].
#[derive(Clone)]
pub struct State {
    /// By their numbers in the graph, the features first.
    pub(crate) values: Vec<(ValueId, Value)>,
}

impl State {
    /// The state before the first operation: features `[b, n, c]`.
    pub fn input(features: Tensor<3>) -> Self {
        Self { values: vec![(0, features.into())] }
    }

    /// The state before the first operation where the input brings a graph `[b, n, k]`.
    pub fn with_graph(features: Tensor<3>, graph: Tensor<3, Int>) -> Self {
        Self { values: vec![(0, features.into()), (1, Value::Neighbours(graph))] }
    }

    /// Current neighbour indexes `[b, n, k]`, where they are alive.
    pub fn graph(&self) -> Option<Tensor<3, Int>> {
        let graph = self.values.iter().find(|(_, value)| matches!(value, Value::Neighbours(_)));
        graph.map(|(_, graph)| graph.clone().neighbours())
    }

    /// The same with other features.
    #[must_use]
    pub fn with_features(mut self, change: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        if let Some((_, features)) = self.values.first_mut() {
            *features = change(features.clone().nodes()).into();
        }
        self
    }

    /// Current features `[b, n, c]`; after the classifier the logits `[b, 1, classes]`.
    ///
    /// # Panics
    /// Never: a state has features.
    #[expect(clippy::expect_used, reason = "whatever makes a state gives it features first")]
    pub fn features(self) -> Tensor<3> {
        let (_, features) = self.values.into_iter().next().expect("a state has features");
        features.nodes()
    }
}
