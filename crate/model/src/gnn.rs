//! A graph network that runs: any architecture, any segment of it, on any burn device.
//!
//! Parameters are folded once at load: BatchNorm into the linear layer before it, and an edge
//! convolution's weight into a part per neighbour and a part per centre, so that
//! z_ij = W₁(x_j − x_i) + W₂ x_i + b = W₁ x_j + ((W₂ − W₁) x_i + b)
//! costs two products per node instead of one per edge. Folding makes the normalisation's scale part
//! of W₁, so max over j of act(z_ij) is act(max_j W₁ x_j + …) for any sign of that scale.

use crate::functional::{aggregate, pool, random_indexes, skip};
use crate::ops::{edge_max, knn, linear};
use crate::state::State;
use crate::{ModelError, Weights};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::{Architecture, Connect, Live, Op, Reducer, Sampler, Segment, Slot, Task, Tier, Trace};

/// Slope of every LeakyReLU (DGCNN's).
pub const SLOPE: f32 = 0.2;
/// BatchNorm's ε (PyTorch's and burn's default).
pub const EPSILON: f32 = 1e-5;

/// A loaded network.
#[derive(Clone)]
pub struct Gnn {
    architecture: Architecture,
    task: Task,
    trace: Trace,
    device: Device,
    layers: Vec<Layer>,
    classifier: Vec<Linear>,
}

#[derive(Clone)]
pub(crate) enum Layer {
    /// Its result is never read, or it is the identity.
    Nothing,
    Skip,
    Combine(Box<Linear>),
    Aggregate(cleave_arch::Message, Reducer),
    Knn,
    Random(Box<Tensor<3, Int>>),
    Pool(cleave_arch::Pool),
    EdgeConv(Box<EdgeConv>),
    Join,
}

/// An edge convolution's linear layer in its two parts, without activation.
#[derive(Clone)]
pub(crate) struct EdgeConv {
    /// W₁ of x_j.
    neighbour: Linear,
    /// (W₂ − W₁) x_i + b.
    centre: Linear,
}

impl EdgeConv {
    /// Weight `[1, 2c, out]` of `[x_j − x_i ‖ x_i]` and bias `[1, 1, out]`.
    pub(crate) fn unfused(&self) -> (Tensor<3>, Tensor<3>) {
        let near = self.neighbour.weight.clone();
        let own = self.centre.weight.clone() + near.clone();
        (Tensor::cat(vec![near, own], 1), self.centre.bias.clone())
    }
}

/// `weight [1, in, out]`, `bias [1, 1, out]`.
#[derive(Clone)]
pub(crate) struct Linear {
    weight: Tensor<3>,
    bias: Tensor<3>,
    slope: f32,
}

impl Linear {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear(x, self.weight.clone(), self.bias.clone(), self.slope)
    }
}

impl Gnn {
    /// Checks the weights and loads them onto the device.
    ///
    /// # Errors
    /// [`ModelError::Source`] for a task of another graph source; what is wrong with the weights.
    pub fn new(
        architecture: &Architecture,
        task: &Task,
        weights: &Weights,
        device: &Device,
    ) -> Result<Self, ModelError> {
        if architecture.graph_source() != task.graph {
            return Err(ModelError::Source { architecture: architecture.graph_source(), task: task.graph });
        }
        weights.check(architecture, task)?;
        let trace = architecture.trace(task);
        let loader = Loader { weights, device };
        let ops = architecture.ops().iter().enumerate();
        let layers = ops.map(|(at, op)| loader.layer(at, op, &trace, task)).collect::<Result<_, _>>()?;
        let classifier = loader.classifier(&trace)?;
        let (architecture, task, device) = (architecture.clone(), *task, device.clone());
        Ok(Self { architecture, task, trace, device, layers, classifier })
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Its shapes and sizes.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs the operations of a segment, and the classifier if the segment has it. Work is queued
    /// where the device works asynchronously; [`State::download`] waits for it.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`] if an operation reads a graph that the state has not; none for a state of
    /// [`Gnn::upload`] or of the segment before.
    pub fn run(&self, segment: &Segment, mut state: State) -> Result<State, ModelError> {
        for at in segment.ops.clone() {
            state = self.advance(at, state)?;
        }
        if segment.classifier {
            state.features = (0..self.classifier.len()).fold(state.features, |x, j| self.classify(j, x));
            state.is_answer = true;
        }
        Ok(state)
    }

    /// Runs one operation.
    pub(crate) fn advance(&self, at: usize, state: State) -> Result<State, ModelError> {
        let mut state = self.step(at, state)?;
        state.keep_only(self.trace.live_before(at + 1));
        Ok(state)
    }

    /// Runs layer j of the classifier.
    pub(crate) fn classify(&self, j: usize, x: Tensor<3>) -> Tensor<3> {
        self.classifier[j].forward(x)
    }

    pub(crate) fn layer(&self, at: usize) -> &Layer {
        &self.layers[at]
    }

    /// The state after an operation whose result is known.
    pub(crate) fn replaced(&self, at: usize, state: State, features: Tensor<3>) -> State {
        let mut state = self.with_features(at, state, features);
        state.keep_only(self.trace.live_before(at + 1));
        state
    }

    pub(crate) fn set_layer(&mut self, at: usize, layer: Layer) {
        self.layers[at] = layer;
    }

    /// Takes the classifier's weights anew.
    pub(crate) fn reload_classifier(&mut self, weights: &Weights) -> Result<(), ModelError> {
        self.classifier = Loader { weights, device: &self.device }.classifier(&self.trace)?;
        Ok(())
    }

    /// All operations and the classifier as one segment.
    pub fn whole(&self) -> Segment {
        Segment { tier: Tier::Device, ops: 0..self.layers.len(), classifier: true }
    }

    /// The whole network: `points [b, n, channels]` → logits `[b, classes]`.
    ///
    /// # Errors
    /// [`ModelError::NoGraph`] for a network that reads a graph of its input.
    pub fn forward(&self, points: Tensor<3>) -> Result<Tensor<2>, ModelError> {
        self.answer(State::input(points))
    }

    /// The whole network from the state before its first operation → logits `[b, classes]`.
    ///
    /// # Errors
    /// As [`Gnn::run`].
    pub fn answer(&self, input: State) -> Result<Tensor<2>, ModelError> {
        let logits = self.run(&self.whole(), input)?.features;
        let [batch, _, classes] = logits.dims();
        Ok(logits.reshape([batch, classes]))
    }

    fn step(&self, at: usize, mut state: State) -> Result<State, ModelError> {
        let x = state.features.clone();
        let graph = || state.graph.clone().ok_or(ModelError::NoGraph { op: at });
        let features = match &self.layers[at] {
            Layer::Nothing => return Ok(state),
            Layer::Knn => {
                state.graph = Some(knn(x, self.task.k));
                return Ok(state);
            }
            Layer::Random(indexes) => {
                state.graph = Some(indexes.as_ref().clone().repeat_dim(0, x.dims()[0]));
                return Ok(state);
            }
            Layer::Skip => match state.skip.clone() {
                Some(source) => skip(x, source),
                None => x,
            },
            Layer::Pool(kind) => pool(x, *kind),
            Layer::Join => Tensor::cat(state.joined.iter().cloned().chain([x]).collect(), 2),
            Layer::Combine(layer) => layer.forward(x),
            Layer::Aggregate(message, reducer) => aggregate(x, graph()?, *message, *reducer),
            Layer::EdgeConv(layer) => {
                edge_max(layer.neighbour.forward(x.clone()), layer.centre.forward(x), graph()?, SLOPE)
            }
        };
        Ok(self.with_features(at, state, features))
    }

    /// The state after an operation that has made these features.
    fn with_features(&self, at: usize, mut state: State, features: Tensor<3>) -> State {
        let x = std::mem::replace(&mut state.features, features);
        let op = self.architecture.ops()[at];
        if op.makes_skip_source() {
            state.skip = Some(x.clone());
        }
        let is_joined = |live: &&Live| matches!(live.slot, Slot::Joined(_));
        if self.trace.live_before(at + 1).iter().filter(is_joined).count() > state.joined.len() {
            state.joined.push(x);
        }
        state
    }
}

pub(crate) struct Loader<'a> {
    pub(crate) weights: &'a Weights,
    pub(crate) device: &'a Device,
}

impl Loader<'_> {
    pub(crate) fn layer(&self, at: usize, op: &Op, trace: &Trace, task: &Task) -> Result<Layer, ModelError> {
        let step = &trace.steps[at];
        let [_, inputs] = step.input;
        Ok(match *op {
            _ if step.dead => Layer::Nothing,
            Op::Connect(Connect::Identity) => Layer::Nothing,
            Op::Connect(Connect::Skip) => Layer::Skip,
            Op::Combine { channels } => {
                let (weight, bias) = self.folded(&format!("op.{at}"), inputs, channels)?;
                Layer::Combine(Box::new(self.linear(weight, bias, SLOPE)))
            }
            Op::Aggregate { message, reducer } => Layer::Aggregate(message, reducer),
            Op::Sample(Sampler::Knn) => Layer::Knn,
            Op::Sample(Sampler::Random) => {
                Layer::Random(Box::new(Tensor::from_data(random_indexes(at, task.n_points, task.k), self.device)))
            }
            Op::Pool(kind) => Layer::Pool(kind),
            Op::EdgeConv { channels } => self.edge_conv(at, inputs, channels)?,
            Op::Join => Layer::Join,
        })
    }

    fn edge_conv(&self, at: usize, inputs: usize, channels: usize) -> Result<Layer, ModelError> {
        let (mut weight, bias) = self.folded(&format!("op.{at}"), 2 * inputs, channels)?;
        let mut centre = weight.split_off(inputs * channels);
        centre.iter_mut().zip(&weight).for_each(|(second, first)| *second -= first);
        let neighbour = self.linear(weight, vec![0.0; channels], 1.0);
        Ok(Layer::EdgeConv(Box::new(EdgeConv { neighbour, centre: self.linear(centre, bias, 1.0) })))
    }

    fn classifier(&self, trace: &Trace) -> Result<Vec<Linear>, ModelError> {
        let layers = &trace.classifier.layers;
        let last = layers.len() - 1;
        let load = |(j, (inputs, outputs)): (usize, &(usize, usize))| {
            let name = format!("classifier.{j}");
            if j < last {
                let (weight, bias) = self.folded(&name, *inputs, *outputs)?;
                return Ok(self.linear(weight, bias, SLOPE));
            }
            let weight = self.weights.get(&format!("{name}.weight"), &[*inputs, *outputs])?.values.clone();
            let bias = self.weights.get(&format!("{name}.bias"), &[*outputs])?.values.clone();
            Ok(self.linear(weight, bias, 1.0))
        };
        layers.iter().enumerate().map(load).collect()
    }

    /// A linear layer with the BatchNorm after it folded in: W·s and (b − μ)·s + β with s = γ/√(σ² + ε).
    fn folded(&self, name: &str, inputs: usize, outputs: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let vector = |part: &str| self.weights.get(&format!("{name}.{part}"), &[outputs]).map(|w| w.values.as_slice());
        let weight = &self.weights.get(&format!("{name}.weight"), &[inputs, outputs])?.values;
        let (mean, var) = (vector("norm.mean")?, vector("norm.var")?);
        let (gamma, beta, bias) = (vector("norm.weight")?, vector("norm.bias")?, vector("bias")?);
        let scale: Vec<f32> = gamma.iter().zip(var).map(|(g, v)| g / (v + EPSILON).sqrt()).collect();
        let bias = (0..outputs).map(|o| (bias[o] - mean[o]) * scale[o] + beta[o]).collect();
        let weight = weight.chunks_exact(outputs).flat_map(|row| row.iter().zip(&scale).map(|(w, s)| w * s)).collect();
        Ok((weight, bias))
    }

    fn linear(&self, weight: Vec<f32>, bias: Vec<f32>, slope: f32) -> Linear {
        let outputs = bias.len();
        let weight = TensorData::new(weight.clone(), [1, weight.len() / outputs, outputs]);
        let bias = TensorData::new(bias, [1, 1, outputs]);
        Linear { weight: Tensor::from_data(weight, self.device), bias: Tensor::from_data(bias, self.device), slope }
    }
}
