//! Image networks from labelled images: a graph's operations by burn's own with their gradients, AdamW, random shifts.
//! Inference has its own kernels ([`cleave_model::exec`]); [`evaluate_images`] runs the trained weights through these.

use std::collections::BTreeMap;

use crate::batch::place;
use crate::config::rate_at;
use crate::optimizer::{AdamW, Rate};
use crate::trainer::{largest, n_correct, read};
use crate::{Command, Evaluation, Progress, TrainError};
use burn::tensor::activation::{log_softmax, relu};
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use cleave_data::images::ImageSet;
use cleave_graph::op::{Conv, Linear, Lrn, Pool, PoolKind};
use cleave_graph::{Graph, Layout, Op};
use cleave_model::exec::{Executor, Params, Value, local_norm};
use cleave_model::{EPSILON, Weight, Weights};

/// Settings of a run; together with the data they determine the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageConfig {
    /// What is trained.
    pub network: Graph,
    /// Passes over the data.
    pub epochs: usize,
    /// Images of a step.
    pub batch: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Highest learning rate (AdamW), lowered along a cosine to 1 % of it.
    pub rate: f32,
    /// Decoupled weight decay, on weights of layers only.
    pub weight_decay: f32,
    /// Share of the values that a dropout layer drops.
    pub dropout: f32,
    /// Most pixels by which an image is shifted, either way.
    pub shift: usize,
    /// Whether every second image is mirrored.
    pub mirror: bool,
}

impl ImageConfig {
    /// A recipe that suits small networks on Fashion-MNIST.
    pub fn new(network: Graph, seed: u64) -> Self {
        let (epochs, batch, rate, weight_decay) = (12, 64, 2e-3, 1e-2);
        Self { network, epochs, batch, seed, rate, weight_decay, dropout: 0.5, shift: 1, mirror: true }
    }

    fn check(&self, set: &ImageSet) -> Result<(), TrainError> {
        let refuse =
            |what, value: String, wanted: &str| Err(TrainError::Setting { what, value, wanted: wanted.into() });
        let (input, [height, width]) = (self.network.input(), set.size());
        match self {
            c if c.epochs == 0 => refuse("epochs", "0".into(), "at least 1"),
            c if c.batch < 2 || c.batch > set.n() => {
                refuse("batch", c.batch.to_string(), &format!("2 to {} images", set.n()))
            }
            c if !(c.rate > 0.0 && c.rate < 1.0) => refuse("rate", c.rate.to_string(), "a number in 0..1"),
            c if !(0.0..1.0).contains(&c.dropout) => refuse("dropout", c.dropout.to_string(), "a share in 0..1"),
            c if !(c.weight_decay >= 0.0 && c.weight_decay.is_finite()) => {
                refuse("weight decay", c.weight_decay.to_string(), "a number of at least 0")
            }
            c if !c.network.inputs().iter().all(|input| input.layout == Layout::Map) => {
                refuse("network", c.network.to_string(), "a network of images")
            }
            _ if (input.channels, input.height, input.width) != (1, height, width) => Err(TrainError::Data {
                found: format!("grey images of {height} × {width} pixels"),
                expected: format!("images of {input}"),
            }),
            _ => Ok(()),
        }
    }
}

/// Trains a network; None if the observer stopped it.
///
/// # Errors
/// A setting out of range, images of another size, a loss that is no number.
pub fn fit_images(
    config: &ImageConfig,
    set: &ImageSet,
    observer: &mut dyn FnMut(&Progress) -> Command,
) -> Result<Option<Weights>, TrainError> {
    config.check(set)?;
    let mut run = Run::new(config);
    let steps = set.n() / config.batch;
    for epoch in 0..config.epochs {
        let mut order: Vec<usize> = (0..set.n()).collect();
        let mut rng = SplitMix64::new(place(config.seed, [epoch, 0, 0]));
        (1..order.len()).rev().for_each(|i| order.swap(i, rng.below(i + 1)));
        let (mut loss, mut correct) = (0.0f64, 0usize);
        for (step, batch) in order.chunks_exact(config.batch).enumerate() {
            let rate = rate_at(config.rate, 0.0, config.epochs, epoch as f32 + step as f32 / steps as f32);
            let of_step = run.step(set, batch, [epoch, step], rate)?;
            loss += f64::from(of_step.0);
            correct += of_step.1;
            let progress = Progress {
                epoch,
                epochs: config.epochs,
                step: step + 1,
                steps,
                loss: (loss / (step + 1) as f64) as f32,
                accuracy: correct as f32 / ((step + 1) * config.batch) as f32,
                rate,
                batch: config.batch,
            };
            if observer(&progress) == Command::Stop {
                return Ok(None);
            }
        }
    }
    Ok(Some(run.weights()))
}

/// A run between two steps.
struct Run<'a> {
    config: &'a ImageConfig,
    parameters: BTreeMap<String, Weight>,
    /// Running statistics of norms: momentum 0.1.
    observed: BTreeMap<String, Weight>,
    adam: AdamW,
    device: Device,
}

impl<'a> Run<'a> {
    /// He et al.'s uniform initialisation; norms without effect.
    fn new(config: &'a ImageConfig) -> Self {
        let mut rng = SplitMix64::new(config.seed);
        let initial = config.network.parameters().into_iter().map(|spec| {
            let fan_in: usize = spec.shape[1..].iter().product();
            let bound = (6.0 / fan_in as f32).sqrt();
            let n = spec.shape.iter().product();
            let values = match spec.name.rsplit('.').next() {
                _ if spec.shape.len() > 1 => (0..n).map(|_| bound * (2.0 * rng.unit_f32() - 1.0)).collect(),
                Some("weight" | "running_var") => vec![1.0; n],
                _ => vec![0.0; n],
            };
            (spec.name, Weight { shape: spec.shape, values })
        });
        let (observed, parameters) = initial.partition(|(name, _)| name.contains(".running_"));
        Self { config, parameters, observed, adam: AdamW::default(), device: Device::flex().autodiff() }
    }

    fn weights(self) -> Weights {
        Weights::new(self.parameters.into_iter().chain(self.observed))
    }

    /// Loss and images that were classified right.
    fn step(&mut self, set: &ImageSet, batch: &[usize], at: [usize; 2], rate: f32) -> Result<(f32, usize), TrainError> {
        let mut rng = SplitMix64::new(place(self.config.seed, [at[0], at[1], 1]));
        let labels: Vec<usize> = batch.iter().map(|image| set.label(*image)).collect();
        let pixels: Vec<f32> = batch.iter().flat_map(|image| self.augmented(set, *image, &mut rng)).collect();
        let [height, width] = set.size();
        let input = Tensor::from_data(TensorData::new(pixels, [batch.len(), 1, height, width]), &self.device);
        let mut pass = Pass::new(self, rng);
        let logits = pass.run(input);
        let classes = logits.dims()[1];
        let correct = n_correct(&read(logits.clone().inner())?, &labels);
        let mut targets = vec![0.0; batch.len() * classes];
        labels.iter().enumerate().for_each(|(row, label)| targets[row * classes + label] = 1.0);
        let targets = Tensor::from_data(TensorData::new(targets, [batch.len(), classes]), &self.device);
        let loss = (log_softmax(logits, 1) * targets).sum().neg() / batch.len() as f32;
        let value = read(loss.clone().inner())?[0];
        if !value.is_finite() {
            return Err(TrainError::Diverged { loss: value, epoch: at[0], step: at[1] });
        }
        let gradients = loss.backward();
        let of_leaf = |(name, leaf): (String, Tensor<1>)| leaf.grad(&gradients).map(|g| Ok((name, read(g)?)));
        let found = pass.leaves.into_iter().filter_map(of_leaf).collect::<Result<Vec<_>, TrainError>>()?;
        let observed = pass.observed.into_iter().map(|(name, stats)| Ok((name, read(stats)?)));
        let observed = observed.collect::<Result<Vec<_>, TrainError>>()?;
        for (name, gradient) in found {
            let Some(weight) = self.parameters.get_mut(&name) else { continue };
            let decay = if weight.shape.len() > 1 { self.config.weight_decay } else { 0.0 };
            self.adam.update(&name, &mut weight.values, &gradient, Rate { rate, decay });
        }
        for (name, stats) in observed {
            let running = self.observed.get_mut(&name).into_iter().flat_map(|weight| &mut weight.values);
            running.zip(stats).for_each(|(running, now)| *running += 0.1 * (now - *running));
        }
        Ok((value, correct))
    }

    /// An image, shifted with zeros coming in, perhaps mirrored.
    fn augmented(&self, set: &ImageSet, image: usize, rng: &mut SplitMix64) -> Vec<f32> {
        let ([height, width], reach) = (set.size(), self.config.shift);
        let pixels: Vec<f32> = set.pixels(image).collect();
        let (down, right) = (rng.below(2 * reach + 1), rng.below(2 * reach + 1));
        let mirrored = self.config.mirror && rng.below(2) == 1;
        let at = |i: usize| {
            let (row, col) = ((i / width + down).checked_sub(reach), (i % width + right).checked_sub(reach));
            let col = col.map(|col| if mirrored { width.wrapping_sub(col + 1) } else { col });
            match (row.filter(|row| *row < height), col.filter(|col| *col < width)) {
                (Some(row), Some(col)) => pixels[row * width + col],
                _ => 0.0,
            }
        };
        (0..height * width).map(at).collect()
    }
}

/// One forward pass with gradients.
struct Pass<'a> {
    run: &'a Run<'a>,
    rng: SplitMix64,
    /// Flat, by name.
    leaves: Vec<(String, Tensor<1>)>,
    observed: Vec<(String, Tensor<1>)>,
}

impl<'a> Pass<'a> {
    fn new(run: &'a Run, rng: SplitMix64) -> Self {
        Self { run, rng, leaves: Vec::new(), observed: Vec::new() }
    }

    fn leaf(&mut self, name: String) -> Tensor<1> {
        // The names are those that the run made of its own network.
        let values = self.run.parameters.get(&name).map(|weight| weight.values.clone()).unwrap_or_default();
        let n = values.len();
        let leaf = Tensor::<1>::from_data(TensorData::new(values, [n]), &self.run.device).require_grad();
        self.leaves.push((name, leaf.clone()));
        leaf
    }

    /// `[b, 1, h, w]` → `[b, classes]`.
    fn run(&mut self, input: Tensor<4>) -> Tensor<2> {
        let network = &self.run.config.network;
        let mut made = vec![input];
        for (at, node) in network.nodes().iter().enumerate() {
            let inputs = node.inputs.iter().map(|value| made[*value].clone()).collect();
            made.push(self.node(network, at, inputs));
        }
        made.swap_remove(network.answer()).flatten(1, 3)
    }

    fn node(&mut self, network: &Graph, at: usize, inputs: Vec<Tensor<4>>) -> Tensor<4> {
        let x = inputs[0].clone();
        let [b, channels, height, width] = x.dims();
        let mut part = |part: &str| self.leaf(format!("{}.{part}", network.weights_of(at)));
        match network.nodes()[at].op {
            Op::Conv(Conv { channels: outputs, kernel, stride, padding }) => {
                let weight = part("weight").reshape([outputs, channels, kernel, kernel]);
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                conv2d(x, weight, Some(part("bias")), options)
            }
            Op::Linear(Linear { features }) => {
                let weight = part("weight").reshape([features, channels * height * width]);
                let out = x.flatten::<2>(1, 3).matmul(weight.transpose()) + part("bias").unsqueeze();
                out.reshape([b, features, 1, 1])
            }
            Op::Pool(Pool { kind: PoolKind::Max, kernel, stride }) => {
                max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Op::Pool(Pool { kind: PoolKind::Mean, kernel, stride }) => {
                avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Op::Relu(_) => relu(x),
            Op::Norm(_) => self.batch_norm(&network.weights_of(at), x),
            Op::Lrn(Lrn { size }) => local_norm(x, size, 0..channels),
            Op::Dropout(_) => self.drop_some(x),
            Op::Flatten(_) => x,
            Op::GlobalPool(_) => x.mean_dim(2).mean_dim(3),
            Op::Add(_) => inputs.into_iter().skip(1).fold(x, |sum, input| sum + input),
            Op::Concat(_) => Tensor::cat(inputs, 1),
            // Refused before training begins.
            _ => x,
        }
    }

    fn batch_norm(&mut self, name: &str, x: Tensor<4>) -> Tensor<4> {
        let channels = x.dims()[1];
        let over_all = |t: Tensor<4>| t.mean_dim(0).mean_dim(2).mean_dim(3);
        let mean = over_all(x.clone());
        let centred = x - mean.clone();
        let variance = over_all(centred.clone() * centred.clone());
        for (part, stats) in [("running_mean", &mean), ("running_var", &variance)] {
            self.observed.push((format!("{name}.{part}"), stats.clone().inner().reshape([channels])));
        }
        let mut row = |part: &str| self.leaf(format!("{name}.{part}")).reshape([1, channels, 1, 1]);
        centred / (variance + EPSILON).sqrt() * row("weight") + row("bias")
    }

    fn drop_some(&mut self, x: Tensor<4>) -> Tensor<4> {
        let (share, dims) = (self.run.config.dropout, x.dims());
        let mut keep = || if self.rng.unit_f32() < share { 0.0 } else { 1.0 / (1.0 - share) };
        let mask: Vec<f32> = (0..dims.iter().product()).map(|_| keep()).collect();
        x * Tensor::from_data(TensorData::new(mask, dims), &self.run.device)
    }
}

/// Runs the network for inference on every image.
///
/// # Errors
/// Weights that do not fit, images of another size.
pub fn evaluate_images(network: &Graph, weights: &Params, set: &ImageSet) -> Result<Evaluation, TrainError> {
    let (input, [height, width], device) = (network.input(), set.size(), Device::flex());
    if (input.channels, input.height, input.width) != (1, height, width) {
        let found = format!("grey images of {height} × {width} pixels");
        return Err(TrainError::Data { found, expected: format!("images of {input}") });
    }
    let wrong = |why: cleave_model::ModelError| TrainError::Data {
        found: why.to_string(),
        expected: "the network's weights".into(),
    };
    let executor = Executor::whole(network, weights, &device).map_err(wrong)?;
    let answer = |at: usize| {
        let pixels: Vec<f32> = set.pixels(at).collect();
        let image = Tensor::from_data(TensorData::new(pixels, [1, 1, height, width]), &device);
        let Value::Map(logits) = executor.answer(Value::Map(image)).map_err(wrong)? else { return Ok(0) };
        Ok(largest(&read(logits)?))
    };
    let answers = (0..set.n()).map(answer).collect::<Result<Vec<_>, TrainError>>()?;
    let labels: Vec<u8> = (0..set.n()).map(|at| set.label(at) as u8).collect();
    Ok(Evaluation::new(answers, &labels, network.output().channels))
}
