//! Convolution and fully connected layers as a backend extension: on Flex by the slice kernels, on CubeCL by burn's.

use crate::kernel::conv::{self, Extent, Window};
use crate::kernel::winograd;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

/// What image networks need beside burn's operations. Inference only.
#[backend_extension(Flex, Cube: cfg(feature = "wgpu"))]
pub trait MapOps: Backend {
    /// `weight [o, c, k, k]` as [`Self::conv`] wants it.
    fn prepare(weight: FloatTensor<Self>, _window: Window) -> FloatTensor<Self> {
        weight
    }

    /// `x [1, c, h, w]`, a prepared weight, `bias [o]` → `[1, o, rows, columns]`.
    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self> {
        let Window { kernel: _, stride, above, below, side } = window;
        let options = ConvOptions::new_with_padding([stride; 2], [(above, below), (side, side)], [1, 1], 1);
        Self::conv2d(x, weight, Some(bias), options)
    }

    /// `x [1, c·h·w]`, `weight [o, c·h·w]`, `bias [1, o]` → `[1, o]`.
    fn dense(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_add(Self::float_matmul(x, Self::float_transpose(weight)), bias)
    }
}

impl MapOps for Flex {
    /// `[16, o, c, 1]` where Winograd's filtering suits.
    fn prepare(weight: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        let [outputs, channels, ..] = weight.layout().shape().dims::<4>();
        if !winograd::suits(channels, outputs, &window) {
            return weight;
        }
        let transformed = winograd::transform_weight(floats(&weight.to_contiguous()));
        FlexTensor::from_data(TensorData::new(transformed, [16, outputs, channels, 1]))
    }

    fn conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        window: Window,
    ) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let [_, channels, height, width] = x.layout().shape().dims::<4>();
        let extent = Extent { channels, height, width, outputs: floats(&bias).len(), window };
        let [rows, cols] = extent.output();
        let mut out = vec![0.0; extent.outputs * rows * cols];
        let kernel = if winograd::suits(channels, extent.outputs, &window) { winograd::conv } else { conv::conv };
        kernel(floats(&x), floats(&weight), floats(&bias), &extent, &mut out);
        FlexTensor::from_data(TensorData::new(out, [1, extent.outputs, rows, cols]))
    }

    fn dense(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let mut out = vec![0.0; floats(&bias).len()];
        conv::dense(floats(&x), floats(&weight), floats(&bias), &mut out);
        let outputs = out.len();
        FlexTensor::from_data(TensorData::new(out, [1, outputs]))
    }
}

#[cfg(feature = "wgpu")]
impl MapOps for burn_cubecl::CubeBackend {}

fn floats(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().unwrap_or_default();
    &tensor.storage::<f32>()[start..end]
}

/// See [`MapOps::prepare`].
pub(super) fn prepare(weight: Tensor<4>, window: Window) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as MapOps>::prepare(weight.into_dispatch(), window))
}

/// See [`MapOps::conv`].
pub(super) fn convolve(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, window: Window) -> Tensor<4> {
    Tensor::from_dispatch(<Dispatch as MapOps>::conv(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        window,
    ))
}

/// See [`MapOps::dense`].
pub(super) fn connect(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<1>) -> Tensor<2> {
    let bias = bias.unsqueeze::<2>();
    Tensor::from_dispatch(<Dispatch as MapOps>::dense(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()))
}
