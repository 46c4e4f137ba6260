//! One forward pass of the trainable network on burn tensors. Features are `[b, n, c]`; linear layers see them as
//! `[b·n, c]`, one matrix product per layer.

use crate::ops::{column_stats, normalise};
use crate::trainer::read;
use crate::{Network, TrainError};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::{Connect, Op, Reducer, Sampler, SplitMix64};
use cleave_model::functional::{aggregate, pool, random_indexes, skip};
use cleave_model::ops::{gather_reduce, knn};
use cleave_model::{EPSILON, ModelError, SLOPE, State};
use std::collections::BTreeMap;

/// Which statistics normalise, and whether values are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mode {
    /// The batch's own statistics; hidden values of the classifier are dropped with this probability, by this seed.
    Training {
        /// Probability.
        dropout: f32,
        /// Seed of the mask.
        seed: u64,
    },
    /// The running statistics.
    Evaluation,
}

/// A pass in progress.
pub(crate) struct Pass<'a> {
    network: &'a Network,
    mode: Mode,
    device: &'a Device,
    k: usize,
    /// The parameters as tensors whose gradients are followed.
    pub(crate) leaves: BTreeMap<&'a str, Tensor<2>>,
    /// Statistics of the batch, by layer: `[2, c]`.
    pub(crate) observed: Vec<(String, Tensor<2>)>,
}

/// What operations hand on; the join reads all of `edge_convs`, by position.
struct Flow {
    x: Tensor<3>,
    graph: Option<Tensor<3, Int>>,
    source: Option<Tensor<3>>,
    edge_convs: BTreeMap<usize, Tensor<3>>,
}

impl<'a> Pass<'a> {
    /// Puts the parameters on the device. `k` is the number of neighbours of a kNN or random sample.
    pub(crate) fn new(network: &'a Network, mode: Mode, k: usize, device: &'a Device) -> Self {
        let leaf = |(name, parameter): (&'a String, &crate::Parameter)| {
            let tensor = Tensor::from_data(TensorData::new(parameter.values.clone(), parameter.shape), device);
            (name.as_str(), if mode == Mode::Evaluation { tensor } else { tensor.require_grad() })
        };
        let leaves = network.parameters.iter().map(leaf).collect();
        Self { network, mode, device, k, leaves, observed: Vec::new() }
    }

    /// The state before the first operation → logits `[b, classes]`.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`] if an operation reads a graph and the input brings none.
    pub(crate) fn run(&mut self, input: State) -> Result<Tensor<2>, ModelError> {
        let graph = input.graph();
        let mut flow = Flow { x: input.features(), graph, source: None, edge_convs: BTreeMap::new() };
        for (at, op) in self.network.architecture().ops().iter().enumerate() {
            if op.makes_skip_source() {
                flow.source = Some(flow.x.clone());
            }
            self.step(at, *op, &mut flow)?;
        }
        let [b, rows, c] = flow.x.dims();
        let x = (0..2).fold(flow.x.reshape([b * rows, c]), |x, j| {
            let hidden = self.dense(&format!("classifier.{j}"), x);
            self.drop_some(hidden, j)
        });
        Ok(x.matmul(self.leaf("classifier.2.weight")) + self.leaf("classifier.2.bias"))
    }

    fn step(&mut self, at: usize, op: Op, flow: &mut Flow) -> Result<(), ModelError> {
        let x = flow.x.clone();
        let [b, n, c] = x.dims();
        let graph = flow.graph.clone().ok_or(ModelError::NoGraph { op: at });
        match op {
            Op::Connect(Connect::Identity) => {}
            Op::Connect(Connect::Skip) => {
                if let Some(source) = self.network.architecture().skip_source(at).and(flow.source.clone()) {
                    flow.x = skip(x, source);
                }
            }
            Op::Combine { channels } => {
                flow.x = self.dense(&format!("op.{at}"), x.reshape([b * n, c])).reshape([b, n, channels]);
            }
            Op::Sample(_) if self.network.architecture().is_dead(at) => {}
            Op::Sample(Sampler::Knn) => flow.graph = Some(knn(x, self.k)),
            Op::Sample(Sampler::Random) => {
                let indexes = Tensor::<3, Int>::from_data(random_indexes(at, n, self.k), self.device);
                flow.graph = Some(indexes.repeat_dim(0, b));
            }
            Op::Pool(kind) => flow.x = pool(x, kind),
            Op::Join => {
                let earlier = self.network.architecture().replaced_edge_convs(at);
                let mut parts: Vec<_> = earlier.iter().filter_map(|e| flow.edge_convs.get(e).cloned()).collect();
                parts.push(x);
                flow.x = Tensor::cat(parts, 2);
            }
            Op::Aggregate { message, reducer } => flow.x = aggregate(x, graph?, message, reducer),
            Op::EdgeConv { .. } => {
                flow.x = self.edge_conv(&format!("op.{at}"), x, graph?);
                flow.edge_convs.insert(at, flow.x.clone());
            }
        }
        Ok(())
    }

    fn leaf(&self, name: &str) -> Tensor<2> {
        // The names are those that the network made of its own architecture.
        self.leaves.get(name).cloned().unwrap_or_else(|| unreachable!("no parameter {name}"))
    }

    fn running(&self, layer: &str) -> Tensor<2> {
        let values = self.network.running.get(layer).cloned().unwrap_or_default();
        let c = values.len() / 2;
        Tensor::from_data(TensorData::new(values, [2, c]), self.device)
    }

    /// Linear, BatchNorm, LeakyReLU: `x [rows, in]` → `[rows, out]`.
    fn dense(&mut self, layer: &str, x: Tensor<2>) -> Tensor<2> {
        let z = x.matmul(self.leaf(&format!("{layer}.weight")));
        let stats = match self.mode {
            Mode::Evaluation => self.running(layer),
            Mode::Training { .. } => {
                let stats = column_stats(z.clone());
                self.observed.push((layer.to_owned(), stats.clone()));
                stats
            }
        };
        normalise(z, stats, self.leaf(&format!("{layer}.affine")), SLOPE)
    }

    /// DGCNN's edge convolution, exact and without a tensor per edge: z_ij = u_j + v_i with u = W₁ x and
    /// v = (W₂ − W₁) x. The statistics over all edges follow from sums per node, with ū_i the mean of the
    /// neighbours' u: E[z] = E[ū + v] and E[z²] = E[mean_j u_j² + 2 ū v + v²]. The norm's scale is applied to u before
    /// the largest neighbour is taken, so its sign does not matter.
    fn edge_conv(&mut self, layer: &str, x: Tensor<3>, graph: Tensor<3, Int>) -> Tensor<3> {
        let [b, n, c] = x.dims();
        let weight = self.leaf(&format!("{layer}.weight"));
        let out = weight.dims()[1];
        let (near, centre) = (weight.clone().narrow(0, 0, c), weight.narrow(0, c, c));
        let x = x.reshape([b * n, c]);
        let u = x.clone().matmul(near.clone()).reshape([b, n, out]);
        let v = x.matmul(centre - near).reshape([b, n, out]);
        let stats = match self.mode {
            Mode::Evaluation => self.running(layer),
            Mode::Training { .. } => {
                let stats = edge_stats(u.clone(), v.clone(), graph.clone());
                self.observed.push((layer.to_owned(), stats.clone().inner()));
                stats
            }
        };
        let affine = self.leaf(&format!("{layer}.affine"));
        let row = |of: &Tensor<2>, at: usize| of.clone().narrow(0, at, 1).reshape([1, 1, out]);
        let scale = row(&affine, 0) / (row(&stats, 1) + EPSILON).sqrt();
        let shift = row(&affine, 1) - row(&stats, 0) * scale.clone();
        let largest = gather_reduce(u * scale.clone(), graph, Reducer::Max);
        leaky_relu(largest + v * scale + shift, f64::from(SLOPE))
    }

    fn drop_some(&self, x: Tensor<2>, layer: u64) -> Tensor<2> {
        let Mode::Training { dropout, seed } = self.mode else { return x };
        if dropout == 0.0 {
            return x;
        }
        let dims = x.dims();
        let mut rng = SplitMix64::new(seed.wrapping_add(layer));
        let mut keep = || if rng.unit_f32() < dropout { 0.0 } else { 1.0 / (1.0 - dropout) };
        let mask: Vec<f32> = (0..dims[0] * dims[1]).map(|_| keep()).collect();
        x * Tensor::from_data(TensorData::new(mask, dims), self.device)
    }
}

impl Network {
    /// Logits `[b, classes]` of `points [b, n, 3]` (flat) with k neighbours in evaluation mode: the running statistics,
    /// nothing dropped.
    ///
    /// # Errors
    /// If the network reads a graph of its input, or the result cannot be read back.
    pub fn logits(&self, points: &[f32], n_points: usize, k: usize) -> Result<Vec<f32>, TrainError> {
        let (device, shape) = (Device::flex(), [points.len() / n_points / 3, n_points, 3]);
        let points = Tensor::from_data(TensorData::new(points.to_vec(), shape), &device);
        read(Pass::new(self, Mode::Evaluation, k, &device).run(State::input(points))?)
    }
}

/// Mean and variance per channel over all edges, `[2, c]`; see [`Pass::edge_conv`].
fn edge_stats(u: Tensor<3>, v: Tensor<3>, graph: Tensor<3, Int>) -> Tensor<2> {
    let c = u.dims()[2];
    let over_nodes = |t: Tensor<3>| t.mean_dim(1).mean_dim(0).reshape([1, c]);
    let near = gather_reduce(u.clone(), graph.clone(), Reducer::Mean);
    let near_square = gather_reduce(u.clone() * u, graph, Reducer::Mean);
    let mean = over_nodes(near.clone() + v.clone());
    let square = over_nodes(near_square + (near * 2.0 + v.clone()) * v);
    let variance = (square - mean.clone() * mean.clone()).clamp_min(0.0);
    Tensor::cat(vec![mean, variance], 0)
}
