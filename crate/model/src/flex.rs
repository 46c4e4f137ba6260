//! The graph operations on burn-flex: the slice kernels between two contiguous tensors.

use crate::kernel::{Extent, gather, knn, linear};
use crate::ops::GraphOps;
use burn::backend::Flex;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::tensor::{DType, TensorData};
use burn_flex::FlexTensor;
use cleave_graph::op::Reducer;
use std::ops::Range;

impl GraphOps for Flex {
    fn knn(x: FloatTensor<Self>, k: usize) -> IntTensor<Self> {
        let x = x.to_contiguous();
        let extent = extent(&x, k);
        let mut out = vec![0i32; extent.batch * extent.nodes * k];
        knn::knn(floats(&x), extent, &mut out);
        FlexTensor::from_data(TensorData::new(out, [extent.batch, extent.nodes, k]))
    }

    fn knn_rows(x: FloatTensor<Self>, k: usize, rows: Range<usize>) -> IntTensor<Self> {
        let x = x.to_contiguous();
        let extent = extent(&x, k);
        let mut out = vec![0i32; extent.batch * rows.len() * k];
        knn::knn_rows(floats(&x), extent, rows.clone(), &mut out);
        FlexTensor::from_data(TensorData::new(out, [extent.batch, rows.len(), k]))
    }

    fn gather_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        let (x, indexes) = (x.to_contiguous(), to_i32(indexes));
        let (extent, rows) = (extent(&x, neighbours(&indexes)), rows(&indexes));
        let mut out = vec![0.0; extent.batch * rows * extent.channels];
        gather::gather_reduce(floats(&x), ints(&indexes), reducer, extent, &mut out);
        tensor(out, [extent.batch, rows, extent.channels])
    }

    fn gather_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        let (x, indexes, gradient) = (x.to_contiguous(), to_i32(indexes), gradient.to_contiguous());
        let extent = extent(&x, neighbours(&indexes));
        let mut out = vec![0.0; extent.batch * extent.nodes * extent.channels];
        gather::gather_reduce_backward(floats(&x), ints(&indexes), floats(&gradient), reducer, extent, &mut out);
        tensor(out, [extent.batch, extent.nodes, extent.channels])
    }

    fn distance_reduce(x: FloatTensor<Self>, indexes: IntTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        let (x, indexes) = (x.to_contiguous(), to_i32(indexes));
        let extent = extent(&x, neighbours(&indexes));
        let mut out = vec![0.0; extent.batch * extent.nodes];
        gather::distance_reduce(floats(&x), ints(&indexes), reducer, extent, &mut out);
        tensor(out, [extent.batch, extent.nodes, 1])
    }

    fn distance_reduce_backward(
        x: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        gradient: FloatTensor<Self>,
        reducer: Reducer,
    ) -> FloatTensor<Self> {
        let (x, indexes, gradient) = (x.to_contiguous(), to_i32(indexes), gradient.to_contiguous());
        let extent = extent(&x, neighbours(&indexes));
        let mut out = vec![0.0; extent.batch * extent.nodes * extent.channels];
        gather::distance_reduce_backward(floats(&x), ints(&indexes), floats(&gradient), reducer, extent, &mut out);
        tensor(out, [extent.batch, extent.nodes, extent.channels])
    }

    fn linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let [batch, nodes, _] = x.layout().shape().dims::<3>();
        let outputs = floats(&bias).len();
        let mut out = vec![0.0; batch * nodes * outputs];
        linear::linear(floats(&x), floats(&weight), floats(&bias), slope, &mut out);
        tensor(out, [batch, nodes, outputs])
    }

    fn node_reduce(x: FloatTensor<Self>, reducer: Reducer) -> FloatTensor<Self> {
        let x = x.to_contiguous();
        let extent = extent(&x, 0);
        let mut out = vec![0.0; extent.batch * extent.channels];
        gather::node_reduce(floats(&x), reducer, extent, &mut out);
        tensor(out, [extent.batch, 1, extent.channels])
    }

    fn edge_max(
        neighbour: FloatTensor<Self>,
        centre: FloatTensor<Self>,
        indexes: IntTensor<Self>,
        slope: f32,
    ) -> FloatTensor<Self> {
        let (neighbour, centre, indexes) = (neighbour.to_contiguous(), centre.to_contiguous(), to_i32(indexes));
        let (extent, rows) = (extent(&neighbour, neighbours(&indexes)), rows(&indexes));
        let mut out = vec![0.0; extent.batch * rows * extent.channels];
        gather::edge_max(floats(&neighbour), floats(&centre), ints(&indexes), slope, extent, &mut out);
        tensor(out, [extent.batch, rows, extent.channels])
    }
}

fn extent(x: &FlexTensor, neighbours: usize) -> Extent {
    let [batch, nodes, channels] = x.layout().shape().dims::<3>();
    Extent { batch, nodes, channels, neighbours }
}

fn rows(indexes: &FlexTensor) -> usize {
    let [_, rows, _] = indexes.layout().shape().dims::<3>();
    rows
}

fn neighbours(indexes: &FlexTensor) -> usize {
    let [_, _, k] = indexes.layout().shape().dims::<3>();
    k
}

fn floats(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().unwrap_or_default();
    &tensor.storage::<f32>()[start..end]
}

fn ints(tensor: &FlexTensor) -> &[i32] {
    let (start, end) = tensor.layout().contiguous_offsets().unwrap_or_default();
    &tensor.storage::<i32>()[start..end]
}

/// Indexes are made as i32 everywhere in this crate; one that a caller made wider is narrowed.
fn to_i32(indexes: FlexTensor) -> FlexTensor {
    let indexes = indexes.to_contiguous();
    if indexes.dtype() == DType::I32 { indexes } else { FlexTensor::from_data(indexes.into_data().convert::<i32>()) }
}

fn tensor(values: Vec<f32>, shape: [usize; 3]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
