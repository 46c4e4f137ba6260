//! DGCNN with the textbook's data flow: a matrix of all distances, a feature tensor per edge, the linear layer on every
//! edge. It answers as [`Gnn::forward`] does and exists to be compared with it. As a baseline of time it is too slow: it
//! sorts all distances, where published code takes the k least.

use crate::gnn::{EdgeConv, Layer};
use crate::state::State;
use crate::{Gnn, ModelError, SLOPE};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Int, Tensor};
use cleave_arch::Segment;

impl Gnn {
    /// The whole network with neighbour searches and edge convolutions unfused:
    /// `points [1, n, channels]` → logits `[1, classes]`.
    ///
    /// # Errors
    /// As [`Gnn::forward`].
    pub fn forward_plain(&self, points: Tensor<3>) -> Result<Tensor<2>, ModelError> {
        let n_ops = self.architecture().ops().len();
        let state = (0..n_ops).try_fold(State::input(points), |state, at| self.advance_plain(at, state))?;
        let logits = self.run(&Segment { ops: n_ops..n_ops, ..self.whole() }, state)?.features;
        let classes = logits.dims()[2];
        Ok(logits.reshape([1, classes]))
    }

    fn advance_plain(&self, at: usize, state: State) -> Result<State, ModelError> {
        let x = state.features.clone();
        match (self.layer(at), state.graph.clone()) {
            (Layer::Knn, _) => Ok(State { graph: Some(nearest(x, self.task().k)), ..state }),
            (Layer::EdgeConv(layer), Some(graph)) => Ok(self.replaced(at, state, edge_conv(layer, x, graph))),
            _ => self.advance(at, state),
        }
    }
}

/// Indexes `[1, n, k]` of the nearest: all distances, sorted.
fn nearest(x: Tensor<3>, k: usize) -> Tensor<3, Int> {
    let square = (x.clone() * x.clone()).sum_dim(2);
    let product = x.clone().matmul(x.swap_dims(1, 2));
    let distance = square.clone() - product * 2.0 + square.swap_dims(1, 2);
    distance.argsort(2).narrow(2, 0, k)
}

/// max over j of LeakyReLU([x_j − x_i ‖ x_i] W + b).
fn edge_conv(layer: &EdgeConv, x: Tensor<3>, graph: Tensor<3, Int>) -> Tensor<3> {
    let ([_, n, k], c) = (graph.dims(), x.dims()[2]);
    let near = x.clone().reshape([n, c]).select(0, graph.reshape([n * k])).reshape([n, k, c]);
    let own = x.reshape([n, 1, c]).repeat_dim(1, k);
    let messages = Tensor::cat(vec![near - own.clone(), own], 2).reshape([1, n * k, 2 * c]);
    let (weight, bias) = layer.unfused();
    let out = weight.dims()[2];
    let z = messages.matmul(weight) + bias;
    leaky_relu(z, f64::from(SLOPE)).reshape([n, k, out]).max_dim(1).reshape([1, n, out])
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
