//! The graph operations that burn does not have, as a backend extension: one trait, implemented for
//! Flex by the slice kernels, for CubeCL by GPU kernels, and for autodiff by their gradients.
//! The functions below the trait are the tensor form that the rest of the crate uses.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, Slice, Tensor};
use cleave_graph::op::Reducer;
use std::ops::Range;

/// Graph operations on batches of clouds. Indexes are i32 and are positions within their cloud.
#[backend_extension(Flex, Cube: cfg(feature = "wgpu"), Autodiff: cfg(feature = "autodiff"))]
pub trait GraphOps: Backend {
    /// `x [b, n, c]` → `[b, n, k]`: the k nearest nodes by Euclidean distance, itself first.
    fn knn(x: FloatTensor<Self>, k: usize) -> IntTensor<Self>;

    /// Some rows of [`Self::knn`].
    fn knn_rows(x: FloatTensor<Self>, k: usize, rows: Range<usize>) -> IntTensor<Self> {
        Self::int_slice(Self::knn(x, k), &[Slice::full(), Slice::from(rows), Slice::full()])
    }

    /// `x [b, n, c]`, `indexes [b, m, k]` → `[b, m, c]`: the reduction of the neighbours' features, for all nodes or some.
    fn gather_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self>;

    /// Gradient of `gather_reduce` with respect to `x`, from `gradient [b, n, c]`.
    fn gather_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self>;

    /// `x [b, n, c]`, `indexes [b, n, k]` → `[b, n, 1]`: the reduction of |x_j − x_i|.
    fn distance_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self>;

    /// Gradient of `distance_reduce` with respect to `x`, from `gradient [b, n, 1]`.
    fn distance_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self>;

    /// `x [b, n, i]`, `weight [1, i, o]`, `bias [1, 1, o]` → `leaky(x · weight + bias) [b, n, o]`.
    /// A slope of 1 is no activation. Inference only: training composes it from burn's own layers.
    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let out = Self::float_add(Self::float_matmul(x, weight), bias);
        if slope < 1.0 { Self::leaky_relu(out, slope.into()) } else { out }
    }

    /// `x [b, n, c]` → `[b, 1, c]`: the reduction over all nodes of a cloud.
    fn node_reduce(x: FloatTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        match reducer {
            Reducer::Max => Self::float_max_dim(x, 1),
            Reducer::Min => Self::float_min_dim(x, 1),
            Reducer::Add => Self::float_sum_dim(x, 1),
            Reducer::Mean => Self::float_mean_dim(x, 1),
        }
    }

    /// `neighbour [b, n, c]`, `centre [b, m, c]`, `indexes [b, m, k]` → `[b, m, c]`: an edge convolution's
    /// `leaky(max over j of neighbour_j + centre_i)`.
    fn edge_max(
        neighbour: FloatTensor<Self>,
        centre: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let near = Self::gather_reduce(neighbour, indexes, Reducer::Max);
        Self::leaky_relu(Self::float_add(near, centre), slope.into())
    }
}

/// See [`GraphOps::knn`].
pub fn knn(x: Tensor<3>, k: usize) -> Tensor<3, Int> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::knn(x.into_dispatch(), k))
}

/// See [`GraphOps::knn_rows`].
pub fn knn_rows(x: Tensor<3>, k: usize, rows: Range<usize>) -> Tensor<3, Int> {
    if rows.len() == x.dims()[1] {
        return knn(x, k);
    }
    Tensor::from_dispatch(<Dispatch as GraphOps>::knn_rows(x.into_dispatch(), k, rows))
}

/// See [`GraphOps::gather_reduce`].
pub fn gather_reduce(x: Tensor<3>, indexes: Tensor<3, Int>, reducer: Reducer) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::gather_reduce(x.into_dispatch(), indexes.into_dispatch(), reducer))
}

/// See [`GraphOps::distance_reduce`].
pub fn distance_reduce(x: Tensor<3>, indexes: Tensor<3, Int>, reducer: Reducer) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::distance_reduce(x.into_dispatch(), indexes.into_dispatch(), reducer))
}

/// See [`GraphOps::linear`].
pub fn linear(x: Tensor<3>, weight: Tensor<3>, bias: Tensor<3>, slope: f32) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::linear(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        slope,
    ))
}

/// See [`GraphOps::node_reduce`].
pub fn node_reduce(x: Tensor<3>, reducer: Reducer) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::node_reduce(x.into_dispatch(), reducer))
}

/// See [`GraphOps::edge_max`].
pub fn edge_max(neighbour: Tensor<3>, centre: Tensor<3>, indexes: Tensor<3, Int>, slope: f32) -> Tensor<3> {
    Tensor::from_dispatch(<Dispatch as GraphOps>::edge_max(
        neighbour.into_dispatch(),
        centre.into_dispatch(),
        indexes.into_dispatch(),
        slope,
    ))
}
