//! Kernels of graph networks. Features are `[batch, nodes, channels]`, neighbours `[batch, nodes, k]`.

use std::ops::Range;

use burn::tensor::activation::{leaky_relu, softmax};
use burn::tensor::{Int, Tensor};
use cleave_graph::op::{Aggregate, Knn, Message, Random, Readout, Reducer};

use super::load::{Kernel, Node, Wanted};
use super::maps::present;
use super::value::Value;
use crate::functional;
use crate::ops::{edge_max, knn_rows, linear, node_reduce};
use crate::{EPSILON, ModelError, SLOPE};

type Loaded = Result<Box<dyn Kernel>, ModelError>;

/// A kernel of features alone.
struct OfNodes<F>(F);

impl<F: Fn(Tensor<3>) -> Tensor<3> + Send + Sync> Kernel for OfNodes<F> {
    fn run(&self, inputs: Vec<Option<Value>>) -> Value {
        let [nodes] = present(inputs);
        Value::Nodes((self.0)(nodes.nodes()))
    }
}

/// A kernel of features and neighbours.
struct OfGraph<F>(F);

impl<F: Fn(Tensor<3>, Tensor<3, Int>) -> Tensor<3> + Send + Sync> Kernel for OfGraph<F> {
    fn run(&self, inputs: Vec<Option<Value>>) -> Value {
        let [nodes, neighbours] = present(inputs);
        Value::Nodes((self.0)(nodes.nodes(), neighbours.neighbours()))
    }
}

/// Some rows of features of which all are there.
fn rows(x: Tensor<3>, rows: &Range<usize>) -> Tensor<3> {
    if rows.len() == x.dims()[1] { x } else { x.narrow(1, rows.start, rows.len()) }
}

fn rows_of(x: Tensor<3, Int>, rows: &Range<usize>) -> Tensor<3, Int> {
    if rows.len() == x.dims()[1] { x } else { x.narrow(1, rows.start, rows.len()) }
}

pub(super) fn knn(op: Knn, _: &Node, wanted: &Wanted) -> Box<dyn Kernel> {
    struct Nearest(usize, Range<usize>);
    impl Kernel for Nearest {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let [nodes] = present(inputs);
            Value::Neighbours(knn_rows(nodes.nodes(), self.0, self.1.clone()))
        }

        /// All distances, sorted. As a baseline of time it is too slow: published code takes the k least.
        fn plain(&self, inputs: Vec<Option<Value>>) -> Value {
            let [nodes] = present(inputs);
            let x = nodes.nodes();
            let square = (x.clone() * x.clone()).sum_dim(2);
            let product = x.clone().matmul(x.swap_dims(1, 2));
            let distance = square.clone() - product * 2.0 + square.swap_dims(1, 2);
            Value::Neighbours(rows_of(distance.argsort(2).narrow(2, 0, self.0), &self.1))
        }
    }
    Box::new(Nearest(op.k, wanted.made.rows.clone()))
}

/// The graph is held between runs.
pub(super) fn random(op: Random, node: &Node, wanted: &Wanted) -> Box<dyn Kernel> {
    struct Drawn(Tensor<3, Int>);
    impl Kernel for Drawn {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let batch = match inputs.into_iter().flatten().next() {
                Some(value) => value.nodes().dims()[0],
                None => 1,
            };
            Value::Neighbours(self.0.clone().repeat_dim(0, batch))
        }
    }
    let nodes = node.types[0].shape.height;
    let indexes = functional::random_rows(op.seed, nodes, op.k, wanted.made.rows.clone());
    Box::new(Drawn(Tensor::from_data(indexes, node.device())))
}

pub(super) fn aggregate(op: Aggregate, _: &Node, wanted: &Wanted) -> Box<dyn Kernel> {
    let Aggregate { message, reducer } = op;
    let own = wanted.made.rows.clone();
    // Of x_i alone only the own rows are read.
    let own = if message == Message::Target { 0..own.len() } else { own };
    Box::new(OfGraph(move |x, graph| functional::aggregate_rows(x, graph, message, reducer, own.clone())))
}

/// Σ_j softmax_j(x_i · x_j / √c) x_j, cloud by cloud.
pub(super) fn attend(wanted: &Wanted) -> Box<dyn Kernel> {
    let own = wanted.made.rows.clone();
    Box::new(OfGraph(move |x: Tensor<3>, graph: Tensor<3, Int>| {
        let ([batch, nodes, c], [_, n, k]) = (x.dims(), graph.dims());
        let cloud = |at: usize| {
            let x = x.clone().narrow(0, at, 1).reshape([nodes, c]);
            let near = x.clone().select(0, graph.clone().narrow(0, at, 1).reshape([n * k])).reshape([n, k, c]);
            let own = x.narrow(0, own.start, n).reshape([n, 1, c]);
            let scores = (near.clone() * own).sum_dim(2).div_scalar((c as f32).sqrt());
            (near * softmax(scores, 1)).sum_dim(1).reshape([1, n, c])
        };
        Tensor::cat((0..batch).map(cloud).collect(), 0)
    }))
}

/// A linear layer `[1, in, out]`, `[1, 1, out]` with the norm after it folded in: W·s and (b − μ)·s + β with s = γ/√(σ² + ε).
struct Folded {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

fn folded(node: &Node, inputs: usize, outputs: &Range<usize>) -> Result<Folded, ModelError> {
    let weight = node.block("weight", 0..inputs, outputs.clone())?;
    let [gamma, beta, mean, var] =
        ["norm.weight", "norm.bias", "norm.mean", "norm.var"].map(|part| node.vector(part, outputs));
    let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
    let scale: Vec<f32> = gamma.iter().zip(&var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
    let bias = node.vector("bias", outputs)?;
    let bias = (0..outputs.len()).map(|o| (bias[o] - mean[o]) * scale[o] + beta[o]).collect();
    let weight =
        weight.chunks_exact(outputs.len()).flat_map(|row| row.iter().zip(&scale).map(|(w, s)| w * s)).collect();
    Ok(Folded { weight, bias })
}

/// Both tensors of a linear layer. They are held: what was collected has room to spare.
fn layer(node: &Node, mut weight: Vec<f32>, mut bias: Vec<f32>) -> (Tensor<3>, Tensor<3>) {
    weight.shrink_to_fit();
    bias.shrink_to_fit();
    let outputs = bias.len();
    let inputs = weight.len() / outputs.max(1);
    (node.tensor(weight, [1, inputs, outputs]), node.tensor(bias, [1, 1, outputs]))
}

pub(super) fn combine(node: &Node, wanted: &Wanted) -> Loaded {
    let Folded { weight, bias } = folded(node, node.types[0].shape.channels, &wanted.made.channels)?;
    let (weight, bias) = layer(node, weight, bias);
    Ok(Box::new(OfNodes(move |x| linear(x, weight.clone(), bias.clone(), SLOPE))))
}

pub(super) fn project(node: &Node, wanted: &Wanted) -> Loaded {
    let weight = node.block("weight", 0..node.types[0].shape.channels, wanted.made.channels.clone())?;
    let (weight, bias) = layer(node, weight, node.bias(wanted)?);
    Ok(Box::new(OfNodes(move |x| linear(x, weight.clone(), bias.clone(), 1.0))))
}

/// z_ij = W₁(x_j − x_i) + W₂ x_i + b = W₁ x_j + ((W₂ − W₁) x_i + b): two products per node instead of one per edge. The
/// norm's scale is part of W₁, so max over j of act(z_ij) is act(max_j W₁ x_j + …) for any sign of that scale.
pub(super) fn edge_conv(node: &Node, wanted: &Wanted) -> Loaded {
    let (inputs, outputs) = (node.types[0].shape.channels, &wanted.made.channels);
    let Folded { mut weight, bias } = folded(node, 2 * inputs, outputs)?;
    let mut centre = weight.split_off(inputs * outputs.len());
    centre.iter_mut().zip(&weight).for_each(|(second, first)| *second -= first);
    let (near, none) = layer(node, weight, vec![0.0; outputs.len()]);
    let (centre, bias) = layer(node, centre, bias);
    Ok(Box::new(EdgeConv { near, none, centre, bias, own: wanted.made.rows.clone() }))
}

struct EdgeConv {
    /// W₁ and no bias.
    near: Tensor<3>,
    none: Tensor<3>,
    /// W₂ − W₁ and the bias.
    centre: Tensor<3>,
    bias: Tensor<3>,
    /// The rows that it makes.
    own: Range<usize>,
}

impl Kernel for EdgeConv {
    fn run(&self, inputs: Vec<Option<Value>>) -> Value {
        let [x, graph] = present(inputs);
        let x = x.nodes();
        let near = linear(x.clone(), self.near.clone(), self.none.clone(), 1.0);
        let centre = linear(rows(x, &self.own), self.centre.clone(), self.bias.clone(), 1.0);
        Value::Nodes(edge_max(near, centre, graph.neighbours(), SLOPE))
    }

    /// max over j of LeakyReLU([x_j − x_i ‖ x_i] W + b) with a feature tensor per edge, for one cloud.
    fn plain(&self, inputs: Vec<Option<Value>>) -> Value {
        let [x, graph] = present(inputs);
        let (x, graph) = (x.nodes(), graph.neighbours());
        let ([_, n, k], [_, all, c]) = (graph.dims(), x.dims());
        let near = x.clone().reshape([all, c]).select(0, graph.reshape([n * k])).reshape([n, k, c]);
        let own = rows(x, &self.own).reshape([n, 1, c]).repeat_dim(1, k);
        let messages = Tensor::cat(vec![near - own.clone(), own], 2).reshape([1, n * k, 2 * c]);
        let weight = Tensor::cat(vec![self.near.clone(), self.centre.clone() + self.near.clone()], 1);
        let out = weight.dims()[2];
        let z = messages.matmul(weight) + self.bias.clone();
        Value::Nodes(leaky_relu(z, f64::from(SLOPE)).reshape([n, k, out]).max_dim(1).reshape([1, n, out]))
    }
}

pub(super) fn skip() -> Box<dyn Kernel> {
    struct Skip;
    impl Kernel for Skip {
        fn run(&self, inputs: Vec<Option<Value>>) -> Value {
            let mut inputs = inputs.into_iter();
            let [x] = present(inputs.next().into_iter().collect());
            match inputs.next().flatten() {
                Some(source) => Value::Nodes(functional::skip(x.nodes(), source.nodes())),
                None => x,
            }
        }
    }
    Box::new(Skip)
}

/// Of some rows alone it gives what is merged: the largest, or a part of the sum or of the mean of all nodes.
pub(super) fn readout(op: Readout, node: &Node, wanted: &Wanted) -> Box<dyn Kernel> {
    let shape = node.types[0].shape;
    let (read, made) = (wanted.inputs[0].clone(), wanted.made.channels.clone());
    let part = read.rows.len() as f32 / shape.height as f32;
    // For each reducer the channels of what is read that it makes something of.
    let parts: Vec<(Reducer, Range<usize>)> = op
        .reducers(shape.channels)
        .map(|(reducer, of)| (reducer, made.start.max(of.start)..made.end.min(of.end), of.start))
        .filter(|(_, range, _)| !range.is_empty())
        .map(|(reducer, range, of)| {
            (reducer, range.start - of - read.channels.start..range.end - of - read.channels.start)
        })
        .collect();
    Box::new(OfNodes(move |x: Tensor<3>| {
        let reduce = |(reducer, channels): &(Reducer, Range<usize>)| {
            let all = x.dims()[2];
            let x = if channels.len() == all { x.clone() } else { x.clone().narrow(2, channels.start, channels.len()) };
            let row = node_reduce(x, *reducer);
            if *reducer == Reducer::Mean && part < 1.0 { row.mul_scalar(part) } else { row }
        };
        let mut rows: Vec<Tensor<3>> = parts.iter().map(reduce).collect();
        if rows.len() == 1 { rows.remove(0) } else { Tensor::cat(rows, 2) }
    }))
}
