//! Kernels of image networks. Maps are `[1, channels, rows, columns]`.

use std::ops::Range;

use burn::tensor::Tensor;
use burn::tensor::activation::relu as relu_of;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use cleave_graph::op::{Conv, LRN_ALPHA, LRN_BETA, LRN_K, Lrn, Pool, PoolKind};

use super::load::{Kernel, Node, Wanted};
use super::map_ops::{connect, convolve, prepare};
use super::value::Value;
use crate::kernel::conv::Window;
use crate::{EPSILON, ModelError};

/// A kernel of one map.
struct OfMap<F>(F);

impl<F: Fn(Tensor<4>) -> Tensor<4> + Send + Sync> Kernel for OfMap<F> {
    fn run(&self, inputs: Vec<Option<Value>>) -> Value {
        let [map] = present(inputs);
        Value::Map((self.0)(map.map()))
    }
}

/// Inputs of which a part always needs something.
///
/// # Panics
/// If one is missing: graphs give each operation what it reads.
#[expect(clippy::panic, reason = "a valid graph and its schedule give each operation all that it reads")]
pub(super) fn present<const N: usize>(inputs: Vec<Option<Value>>) -> [Value; N] {
    let values: Vec<Value> = inputs.into_iter().flatten().collect();
    values.try_into().unwrap_or_else(|values: Vec<Value>| panic!("{N} inputs are read, and {} are there", values.len()))
}

type Loaded = Result<Box<dyn Kernel>, ModelError>;

pub(super) fn conv(op: &Conv, node: &Node, wanted: &Wanted) -> Loaded {
    let (inputs, outputs) = (&wanted.inputs[0].channels, &wanted.made.channels);
    let Conv { kernel, stride, padding, .. } = *op;
    let taps = kernel * kernel;
    let weight = node.block("weight", outputs.clone(), inputs.start * taps..inputs.end * taps)?;
    let weight = node.tensor(weight, [outputs.len(), inputs.len(), kernel, kernel]);
    let rows = op.input_rows(node.types[0].shape.height, &wanted.made.rows);
    let window = Window { kernel, stride, above: rows.above, below: rows.below, side: padding };
    let (weight, bias) = (prepare(weight, window), node.tensor(node.bias(wanted)?, [outputs.len()]));
    Ok(Box::new(OfMap(move |map| convolve(map, weight.clone(), bias.clone(), window))))
}

pub(super) fn linear(node: &Node, wanted: &Wanted) -> Loaded {
    let (inputs, outputs) = (&wanted.inputs[0].channels, wanted.made.channels.len());
    let block = node.types[0].shape.height * node.types[0].shape.width;
    let weight = node.block("weight", wanted.made.channels.clone(), inputs.start * block..inputs.end * block)?;
    let weight: Tensor<2> = node.tensor(weight, [outputs, inputs.len() * block]);
    let bias: Tensor<1> = node.tensor(node.bias(wanted)?, [outputs]);
    let run = move |map: Tensor<4>| {
        let inputs = map.shape().num_elements();
        connect(map.reshape([1, inputs]), weight.clone(), bias.clone()).reshape([1, outputs, 1, 1])
    };
    Ok(Box::new(OfMap(run)))
}

pub(super) fn pool(op: Pool) -> Box<dyn Kernel> {
    let (window, step) = ([op.kernel; 2], [op.stride; 2]);
    Box::new(OfMap(move |map| match op.kind {
        PoolKind::Max => max_pool2d(map, MaxPoolOptions::new(window).with_stride(step)),
        PoolKind::Mean => avg_pool2d(map, AvgPoolOptions::new(window).with_stride(step)),
    }))
}

pub(super) fn global_pool() -> Box<dyn Kernel> {
    Box::new(OfMap(|map: Tensor<4>| map.mean_dim(2).mean_dim(3)))
}

pub(super) fn relu() -> Box<dyn Kernel> {
    struct Relu;
    impl Kernel for Relu {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let [value] = present(inputs);
            match value {
                Value::Map(map) => Value::Map(relu_of(map)),
                other => Value::Nodes(relu_of(other.nodes())),
            }
        }
    }
    Box::new(Relu)
}

/// `x · scale + shift`.
pub(super) fn norm(node: &Node, wanted: &Wanted) -> Loaded {
    let channels = &wanted.made.channels;
    let [gamma, beta, mean, var] =
        ["weight", "bias", "running_mean", "running_var"].map(|part| node.vector(part, channels));
    let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
    let scale: Vec<f32> = gamma.iter().zip(&var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
    let shift: Vec<f32> = beta.iter().zip(mean.iter().zip(&scale)).map(|(b, (m, s))| b - m * s).collect();
    let [scale, shift]: [Tensor<4>; 2] = [scale, shift].map(|values| node.tensor(values, [1, channels.len(), 1, 1]));
    Ok(Box::new(OfMap(move |map| map * scale.clone() + shift.clone())))
}

pub(super) fn lrn(op: Lrn, wanted: &Wanted) -> Box<dyn Kernel> {
    let (inputs, made) = (&wanted.inputs[0].channels, &wanted.made.channels);
    let own = made.start - inputs.start..made.end - inputs.start;
    Box::new(OfMap(move |map| local_norm(map, op.size, own.clone())))
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

/// What is a matter of layout or of training alone.
pub(super) fn nothing() -> Box<dyn Kernel> {
    struct Nothing;
    impl Kernel for Nothing {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let [value] = present(inputs);
            value
        }
    }
    Box::new(Nothing)
}

pub(super) fn add() -> Box<dyn Kernel> {
    struct Add;
    impl Kernel for Add {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let mut values = inputs.into_iter().flatten();
            let first = values.next().unwrap_or_else(|| present::<1>(Vec::new())[0].clone());
            values.fold(first, |sum, value| match sum {
                Value::Map(sum) => Value::Map(sum + value.map()),
                sum => Value::Nodes(sum.nodes() + value.nodes()),
            })
        }
    }
    Box::new(Add)
}

pub(super) fn concat() -> Box<dyn Kernel> {
    struct Concat;
    impl Kernel for Concat {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let values: Vec<Value> = inputs.into_iter().flatten().collect();
            match values.first() {
                Some(Value::Map(_)) => Value::Map(Tensor::cat(values.into_iter().map(Value::map).collect(), 1)),
                _ => Value::Nodes(Tensor::cat(values.into_iter().map(Value::nodes).collect(), 2)),
            }
        }
    }
    Box::new(Concat)
}
