//! The graph operations on CubeCL (WebGPU in the browser, Vulkan or Metal natively): shapes are read
//! from the tensors, kernels are launched, nothing is waited for. Kernels use neither subgroups nor
//! atomics, which browsers lack.

mod gather;
mod knn;
mod linear;

use crate::ops::GraphOps;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::{cast, into_contiguous};
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, zeros_client};
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, ops};
use cleave_arch::Reducer;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Channels staged at once by the neighbour search; a cloud of plain points needs no more than the first.
const CHUNK_NARROW: usize = 4;
const CHUNK_WIDE: usize = 16;
/// Values that one thread moves where rows allow it.
const VECTOR: usize = 4;

impl GraphOps for CubeBackend {
    fn knn(x: FloatTensor<Self>, k: usize) -> IntTensor<Self> {
        let x = floats(x);
        let [batch, nodes, channels] = dims(&x);
        assert!(k >= 1 && k <= nodes, "knn: {k} neighbours of {nodes} nodes");
        let out = like(&x, [batch, nodes, k], DType::I32);
        let chunk = if channels <= CHUNK_NARROW { CHUNK_NARROW } else { CHUNK_WIDE };
        knn::knn_kernel::launch(
            &x.client.clone(),
            CubeCount::Static(nodes.div_ceil(knn::ROWS) as u32, batch as u32, 1),
            CubeDim::new_1d(knn::UNITS as u32),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            nodes,
            channels,
            k,
            chunk,
        );
        out
    }

    fn gather_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        let (x, indexes) = (floats(x), ints(indexes));
        let ([batch, nodes, channels], [_, rows, neighbours]) = (dims(&x), dims(&indexes));
        let vector = vector(channels);
        let total = batch * rows * channels / vector;
        let out = like(&x, [batch, rows, channels], DType::F32);
        let (count, dim) = elementwise(&x, total);
        gather::gather_reduce_kernel::launch(
            &x.client.clone(),
            count,
            dim,
            vector,
            x.into_buffer_arg(),
            indexes.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            total,
            nodes,
            rows,
            channels / vector,
            neighbours,
            reducer,
        );
        out
    }

    fn gather_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        let (x, indexes, gradient) = (floats(x), ints(indexes), floats(gradient));
        let [batch, nodes, channels] = dims(&x);
        let out = zeros_client(x.client.clone(), x.device.clone(), x.meta.shape().clone(), DType::F32);
        let (count, dim) = elementwise(&x, batch * channels);
        let neighbours = dims(&indexes)[2];
        gather::gather_reduce_backward_kernel::launch(
            &x.client.clone(),
            count,
            dim,
            x.into_buffer_arg(),
            indexes.into_buffer_arg(),
            gradient.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            batch * channels,
            nodes,
            channels,
            neighbours,
            reducer,
        );
        out
    }

    fn distance_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        let (x, indexes) = (floats(x), ints(indexes));
        let [batch, nodes, channels] = dims(&x);
        let out = like(&x, [batch, nodes, 1], DType::F32);
        let units = gather::UNITS as u32;
        let k = dims(&indexes)[2];
        gather::distance_reduce_kernel::launch(
            &x.client.clone(),
            // As many workgroups as nodes, spread over the axes where one axis is too short.
            calculate_cube_count_elemwise(&x.client, batch * nodes * gather::UNITS, CubeDim::new_1d(units)),
            CubeDim::new_1d(units),
            x.into_buffer_arg(),
            indexes.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            batch * nodes,
            nodes,
            channels,
            k,
            reducer,
        );
        out
    }

    fn distance_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        let (x, indexes, gradient) = (floats(x), ints(indexes), floats(gradient));
        let [batch, nodes, channels] = dims(&x);
        let k = dims(&indexes)[2];
        let factors = like(&x, [batch, nodes, k], DType::F32);
        let (count, dim) = elementwise(&x, batch * nodes);
        gather::distance_factor_kernel::launch(
            &x.client,
            count,
            dim,
            x.clone().into_buffer_arg(),
            indexes.clone().into_buffer_arg(),
            gradient.into_buffer_arg(),
            factors.clone().into_buffer_arg(),
            batch * nodes,
            nodes,
            channels,
            k,
            reducer,
        );
        let out = zeros_client(x.client.clone(), x.device.clone(), x.meta.shape().clone(), DType::F32);
        let (count, dim) = elementwise(&x, batch * channels);
        gather::distance_pull_kernel::launch(
            &x.client.clone(),
            count,
            dim,
            x.into_buffer_arg(),
            indexes.into_buffer_arg(),
            factors.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            batch * channels,
            nodes,
            channels,
            k,
        );
        out
    }

    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (x, bias) = (floats(x), floats(bias));
        let [batch, nodes, inputs] = dims(&x);
        let [_, _, outputs] = dims(&bias);
        // One product over all clouds: they share the weight.
        let rows = ops::reshape(x, Shape::new([1, batch * nodes, inputs]));
        let product = into_contiguous(Self::float_matmul(rows, weight));
        add_leaky(ops::reshape(product, Shape::new([batch, nodes, outputs])), bias, slope)
    }

    fn edge_max(
        neighbour: FloatTensor<Self>,
        centre: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (x, centre, indexes) = (floats(neighbour), floats(centre), ints(indexes));
        let ([batch, nodes, channels], [_, rows, neighbours]) = (dims(&x), dims(&indexes));
        let vector = vector(channels);
        let total = batch * rows * channels / vector;
        let out = like(&x, [batch, rows, channels], DType::F32);
        let (count, dim) = elementwise(&x, total);
        gather::edge_max_kernel::launch(
            &x.client.clone(),
            count,
            dim,
            vector,
            x.into_buffer_arg(),
            centre.into_buffer_arg(),
            indexes.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            total,
            nodes,
            rows,
            channels / vector,
            neighbours,
            slope,
        );
        out
    }
}

/// `leaky(out + add)` into `out`'s memory, `add` repeated along the leading axes. `out` must be
/// contiguous and nobody else's.
fn add_leaky(out: CubeTensor, add: CubeTensor, slope: f32) -> CubeTensor {
    let (length, period) = (out.meta.num_elements(), add.meta.num_elements());
    let vector = vector(period);
    let (count, dim) = elementwise(&out, length / vector);
    linear::add_leaky_kernel::launch(
        &out.client.clone(),
        count,
        dim,
        vector,
        out.clone().into_buffer_arg(),
        add.into_buffer_arg(),
        length / vector,
        period / vector,
        slope,
    );
    out
}

fn elementwise(tensor: &CubeTensor, total: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&tensor.client, total);
    (calculate_cube_count_elemwise(&tensor.client, total, dim), dim)
}

fn vector(row: usize) -> usize {
    if row.is_multiple_of(VECTOR) { VECTOR } else { 1 }
}

fn dims(tensor: &CubeTensor) -> [usize; 3] {
    tensor.meta.shape().dims::<3>()
}

fn like(tensor: &CubeTensor, shape: [usize; 3], dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(tensor.client.clone(), tensor.device.clone(), Shape::new(shape), dtype)
}

fn floats(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(if tensor.dtype == DType::F32 { tensor } else { cast(tensor, DType::F32) })
}

fn ints(tensor: CubeTensor) -> CubeTensor {
    into_contiguous(if tensor.dtype == DType::I32 { tensor } else { cast(tensor, DType::I32) })
}
