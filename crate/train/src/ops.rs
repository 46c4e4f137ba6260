//! The normalised activation as a burn operation with a gradient of its own: a backend extension for
//! Flex (the slice kernels) and for autodiff. Training runs on the CPU, so no other backend has it.

use crate::kernel;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Tensor, TensorData};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind};
use burn_flex::FlexTensor;

/// BatchNorm followed by LeakyReLU. `z` is `[rows, c]`, `stats` `[2, c]` (mean, variance), `affine`
/// `[2, c]` (γ, β).
#[backend_extension(Flex, Autodiff)]
pub trait NormOps: Backend {
    /// Mean and variance of the columns. A constant: the gradient through the statistics is part of
    /// `normalise`'s.
    fn column_stats(z: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `leaky((z − mean)/√(variance + ε) · γ + β)`. Its gradient takes `stats` to be those of `z`.
    fn normalise(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// Gradient of `normalise` with respect to `affine`.
    fn affine_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self>;

    /// Gradient of `normalise` with respect to `z`, given the one with respect to `affine` as `sums`.
    fn input_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self>;
}

/// See [`NormOps::column_stats`].
pub fn column_stats(z: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as NormOps>::column_stats(z.into_dispatch()))
}

/// See [`NormOps::normalise`].
pub fn normalise(z: Tensor<2>, stats: Tensor<2>, affine: Tensor<2>, slope: f32) -> Tensor<2> {
    let (z, stats, affine) = (z.into_dispatch(), stats.into_dispatch(), affine.into_dispatch());
    Tensor::from_dispatch(<Dispatch as NormOps>::normalise(z, stats, affine, slope))
}

impl NormOps for Flex {
    fn column_stats(z: FloatTensor<Self>) -> FloatTensor<Self> {
        let z = z.to_contiguous();
        let [_, c] = z.layout().shape().dims::<2>();
        tensor(kernel::column_stats(floats(&z), c), [2, c])
    }

    fn normalise(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let z = z.to_contiguous();
        tensor(kernel::normalise(floats(&z), &columns(stats, affine), slope), z.layout().shape().dims::<2>())
    }

    fn affine_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (z, gradient) = (z.to_contiguous(), gradient.to_contiguous());
        let [_, c] = z.layout().shape().dims::<2>();
        tensor(kernel::affine_gradient(floats(&z), &columns(stats, affine), floats(&gradient), slope), [2, c])
    }

    fn input_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (z, gradient, sums) = (z.to_contiguous(), gradient.to_contiguous(), sums.to_contiguous());
        let columns = columns(stats, affine);
        let out = kernel::input_gradient(floats(&z), &columns, floats(&sums), floats(&gradient), slope);
        tensor(out, z.layout().shape().dims::<2>())
    }
}

fn columns(stats: FlexTensor, affine: FlexTensor) -> Vec<kernel::Column> {
    kernel::columns(floats(&stats.to_contiguous()), floats(&affine.to_contiguous()))
}

fn floats(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().unwrap_or_default();
    &tensor.storage::<f32>()[start..end]
}

fn tensor(values: Vec<f32>, shape: [usize; 2]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

#[derive(Debug)]
struct Normalise;

impl<B: NormOps> Backward<B, 2> for Normalise {
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (z, stats, affine, slope) = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let sums = B::affine_gradient(z.clone(), stats.clone(), affine.clone(), gradient.clone(), slope);
        let [of_z, of_affine] = ops.parents;
        if let Some(node) = of_z {
            grads.register::<B>(node.id, B::input_gradient(z, stats, affine, sums.clone(), gradient, slope));
        }
        if let Some(node) = of_affine {
            grads.register::<B>(node.id, sums);
        }
    }
}

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn column_stats(z: FloatTensor<Self>) -> FloatTensor<Self> {
        constant::<B, C>(B::column_stats(z.into_primitive()))
    }

    fn normalise(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let out = B::normalise(z.primitive().clone(), stats.primitive().clone(), affine.primitive().clone(), slope);
        match Normalise.prepare::<C>([z.node(), affine.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((z.into_primitive(), stats.into_primitive(), affine.into_primitive(), slope), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn affine_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        // Second derivatives are not followed: gradients are constants.
        let (z, stats, affine) = (z.into_primitive(), stats.into_primitive(), affine.into_primitive());
        constant::<B, C>(B::affine_gradient(z, stats, affine, gradient.into_primitive(), slope))
    }

    fn input_gradient(
        z: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (z, stats, affine) = (z.into_primitive(), stats.into_primitive(), affine.into_primitive());
        constant::<B, C>(B::input_gradient(z, stats, affine, sums.into_primitive(), gradient.into_primitive(), slope))
    }
}

/// A tensor that no gradient flows through.
fn constant<B: NormOps, C: CheckpointStrategy>(value: FloatTensor<B>) -> FloatTensor<Autodiff<B, C>> {
    <Autodiff<B, C> as burn::backend::AutodiffBackend>::from_inner(value)
}
