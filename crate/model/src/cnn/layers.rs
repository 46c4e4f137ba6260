//! One worker's part of each operator, loaded and run.

use std::ops::Range;

use super::ops::{connect, convolve, prepare};
use super::weights::CnnWeights;
use crate::kernel::conv::Window;
use crate::{EPSILON, ModelError};
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::ParamSpec;
use cleave_arch::cnn::{Kind, LRN_ALPHA, LRN_BETA, LRN_K, Network, Operator, PoolKind, Region, Tail, Work};

/// A part of what mixes channels.
pub(super) enum Layer {
    Conv {
        weight: Tensor<4>,
        bias: Tensor<1>,
        window: Window,
    },
    Linear {
        weight: Tensor<2>,
        bias: Tensor<1>,
    },
    /// Of these channels of its input.
    Lrn {
        size: usize,
        own: Range<usize>,
    },
}

/// What follows.
pub(super) enum TailLayer {
    Relu,
    /// `x · scale + shift`, each `[1, channels, 1, 1]`: scale, shift.
    Affine(Box<[Tensor<4>; 2]>),
    Pool {
        kind: PoolKind,
        kernel: usize,
        stride: usize,
    },
}

/// The worker's part of an operator's layer.
pub(super) fn make(layer: &Layer, input: Tensor<4>) -> Tensor<4> {
    match layer {
        Layer::Conv { weight, bias, window } => convolve(input, weight.clone(), bias.clone(), *window),
        Layer::Linear { weight, bias } => {
            let outputs = bias.dims()[0];
            let inputs = input.shape().num_elements();
            let row = input.reshape([1, inputs]);
            connect(row, weight.clone(), bias.clone()).reshape([1, outputs, 1, 1])
        }
        Layer::Lrn { size, own } => local_norm(input, *size, own.clone()),
    }
}

/// One layer of what follows.
pub(super) fn pass(x: Tensor<4>, layer: &TailLayer) -> Tensor<4> {
    match layer {
        TailLayer::Relu => relu(x),
        TailLayer::Affine(of) => {
            let [scale, shift] = of.as_ref().clone();
            x * scale + shift
        }
        TailLayer::Pool { kind, kernel, stride } => {
            let (window, step) = ([*kernel; 2], [*stride; 2]);
            match kind {
                PoolKind::Max => max_pool2d(x, MaxPoolOptions::new(window).with_stride(step)),
                PoolKind::Mean => avg_pool2d(x, AvgPoolOptions::new(window).with_stride(step)),
            }
        }
    }
}

/// AlexNet's local response normalisation, x / (k + α Σ x²)^β over `size` neighbouring channels of `x [b, c, h, w]`, for
/// some of its channels; beyond them are none.
pub fn local_norm(x: Tensor<4>, size: usize, own: Range<usize>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    let squares = x.clone() * x.clone();
    let reach = size / 2;
    let mut sum = Tensor::zeros([batch, own.len(), height, width], &x.device());
    for offset in 0..size {
        // Channel own + offset − reach, where there is one.
        let from = (own.start + offset).max(reach) - reach;
        let to = (own.end + offset).saturating_sub(reach).min(channels);
        if from >= to {
            continue;
        }
        let at = from + reach - offset - own.start;
        let place = [0..batch, at..at + (to - from), 0..height, 0..width];
        let added = sum.clone().slice(place.clone()) + squares.clone().narrow(1, from, to - from);
        sum = sum.slice_assign(place, added);
    }
    let scale = sum.mul_scalar(LRN_ALPHA).add_scalar(LRN_K).powf_scalar(-LRN_BETA);
    x.narrow(1, own.start, own.len()) * scale
}

/// Reads slices of weights.
pub(super) struct Reader<'a> {
    pub(super) network: &'a Network,
    pub(super) weights: &'a CnnWeights,
    pub(super) device: &'a Device,
}

impl Reader<'_> {
    pub(super) fn layer(&self, operator: &Operator, work: &Work) -> Result<Layer, ModelError> {
        let (inputs, outputs) = (&work.input.channels, &work.made.channels);
        let all = operator.input.channels;
        Ok(match operator.kind {
            Kind::Lrn { size } => Layer::Lrn { size, own: outputs.start - inputs.start..outputs.end - inputs.start },
            Kind::Conv { kernel, stride, padding } => {
                let spec = self.spec(operator.layer, "weight", vec![operator.made.channels, all, kernel, kernel]);
                let taps = kernel * kernel;
                let weight = self.weights.block(&spec, outputs.clone(), inputs.start * taps..inputs.end * taps)?;
                let shape = [outputs.len(), inputs.len(), kernel, kernel];
                let weight = Tensor::from_data(TensorData::new(weight, shape), self.device);
                let rows = operator.input_rows(&work.made.rows);
                let window = Window { kernel, stride, above: rows.above, below: rows.below, side: padding };
                Layer::Conv { weight: prepare(weight, window), bias: self.bias(operator, work)?, window }
            }
            Kind::Linear => {
                let block = operator.input.height * operator.input.width;
                let spec = self.spec(operator.layer, "weight", vec![operator.made.channels, all * block]);
                let weight = self.weights.block(&spec, outputs.clone(), inputs.start * block..inputs.end * block)?;
                let shape = [outputs.len(), inputs.len() * block];
                let weight = Tensor::from_data(TensorData::new(weight, shape), self.device);
                Layer::Linear { weight, bias: self.bias(operator, work)? }
            }
        })
    }

    /// The bias, or zeros for a partial sum to which another worker's adds it.
    fn bias(&self, operator: &Operator, work: &Work) -> Result<Tensor<1>, ModelError> {
        let channels = &work.made.channels;
        let bias = match work.bias {
            true => self.vector(operator.layer, "bias", operator.made.channels, channels)?,
            false => vec![0.0; channels.len()],
        };
        Ok(Tensor::from_data(TensorData::new(bias, [channels.len()]), self.device))
    }

    /// What follows for a complete region; nothing for an empty one.
    pub(super) fn tail(&self, operator: &Operator, complete: &Region) -> Result<Vec<TailLayer>, ModelError> {
        if complete.is_empty() {
            return Ok(Vec::new());
        }
        let load = |tail: &Tail| {
            Ok(match *tail {
                Tail::Relu => TailLayer::Relu,
                Tail::Pool { kind, kernel, stride } => TailLayer::Pool { kind, kernel, stride },
                Tail::BatchNorm { layer } => self.norm(layer, operator.made.channels, &complete.channels)?,
            })
        };
        operator.tail.iter().map(load).collect()
    }

    fn norm(&self, layer: usize, all: usize, channels: &Range<usize>) -> Result<TailLayer, ModelError> {
        let vector = |part| self.vector(layer, part, all, channels);
        let (mean, var, gamma, beta) =
            (vector("running_mean")?, vector("running_var")?, vector("weight")?, vector("bias")?);
        let scale: Vec<f32> = gamma.iter().zip(&var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
        let shift: Vec<f32> = beta.iter().zip(mean.iter().zip(&scale)).map(|(b, (m, s))| b - m * s).collect();
        let tensor = |values| Tensor::from_data(TensorData::new(values, [1, channels.len(), 1, 1]), self.device);
        Ok(TailLayer::Affine(Box::new([tensor(scale), tensor(shift)])))
    }

    fn vector(&self, layer: usize, part: &str, all: usize, channels: &Range<usize>) -> Result<Vec<f32>, ModelError> {
        self.weights.block(&self.spec(layer, part, vec![all]), channels.clone(), 0..1)
    }

    fn spec(&self, layer: usize, part: &str, shape: Vec<usize>) -> ParamSpec {
        ParamSpec { name: format!("{}.{part}", self.network.weights_of(layer)), shape }
    }
}
