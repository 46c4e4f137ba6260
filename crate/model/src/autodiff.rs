//! Gradients of the graph operations. Neighbour search has none: indexes are constants of a step.

use crate::ops::GraphOps;
use burn::backend::Autodiff;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::CheckpointStrategy;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use cleave_arch::Reducer;

/// What a reduction must remember for its gradient.
type Saved<B> = (FloatTensor<B>, IntTensor<B>, Reducer);

#[derive(Debug)]
struct GatherReduce;

impl<B: GraphOps> Backward<B, 1> for GatherReduce {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, indexes, reducer) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| {
            B::gather_reduce_backward(x, indexes, gradient, reducer)
        });
    }
}

#[derive(Debug)]
struct DistanceReduce;

impl<B: GraphOps> Backward<B, 1> for DistanceReduce {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, indexes, reducer) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| {
            B::distance_reduce_backward(x, indexes, gradient, reducer)
        });
    }
}

impl<B: GraphOps, C: CheckpointStrategy> GraphOps for Autodiff<B, C> {
    fn knn(x: FloatTensor<Self>, k: usize) -> IntTensor<Self> {
        B::knn(x.into_primitive(), k)
    }

    fn gather_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        match GatherReduce.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(
                (x.primitive().clone(), indexes.clone(), reducer),
                B::gather_reduce(x.into_primitive(), indexes, reducer),
            ),
            OpsKind::UnTracked(prep) => prep.finish(B::gather_reduce(x.into_primitive(), indexes, reducer)),
        }
    }

    fn gather_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        // Second derivatives are not followed: the result is a constant.
        Self::constant(B::gather_reduce_backward(x.into_primitive(), indexes, gradient.into_primitive(), reducer))
    }

    fn distance_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        match DistanceReduce.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(
                (x.primitive().clone(), indexes.clone(), reducer),
                B::distance_reduce(x.into_primitive(), indexes, reducer),
            ),
            OpsKind::UnTracked(prep) => prep.finish(B::distance_reduce(x.into_primitive(), indexes, reducer)),
        }
    }

    fn distance_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        Self::constant(B::distance_reduce_backward(x.into_primitive(), indexes, gradient.into_primitive(), reducer))
    }
}

/// A tensor that no gradient flows through.
trait Constant<B: GraphOps>: Sized + burn::backend::Backend {
    fn constant(value: FloatTensor<B>) -> FloatTensor<Self>;
}

impl<B: GraphOps, C: CheckpointStrategy> Constant<B> for Autodiff<B, C> {
    fn constant(value: FloatTensor<B>) -> FloatTensor<Self> {
        <Self as burn::backend::AutodiffBackend>::from_inner(value)
    }
}
