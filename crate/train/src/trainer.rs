//! The state of a run between two epochs, and the single training step.

use crate::batch::place;
use crate::optimizer::AdamW;
use crate::pass::Pass;
use crate::{Batch, Config, Mode, Network, TrainError};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Mean cross-entropy with label smoothing.
    pub loss: f32,
    /// Clouds whose class was the largest logit.
    pub correct: usize,
    /// Clouds of the step.
    pub n: usize,
}

/// A run: its settings, the network so far and the optimiser's state.
#[derive(Clone, Debug)]
pub struct Trainer {
    pub(crate) config: Config,
    pub(crate) network: Network,
    pub(crate) adam: AdamW,
    pub(crate) epoch: usize,
    pub(crate) device: Device,
}

impl Trainer {
    /// The beginning of a run.
    ///
    /// # Errors
    /// A setting that is out of range.
    pub fn new(config: Config) -> Result<Self, TrainError> {
        let config = config.checked()?;
        let network = Network::new(config.plan.architecture(), &config.task, config.seed);
        Ok(Self { config, network, adam: AdamW::default(), epoch: 0, device: Device::flex().autodiff() })
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The network so far.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Epochs that are done.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// One optimisation step; `progress` is epochs from the start and decides the learning rate, `step` is the step
    /// within the epoch and decides what is dropped.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if the loss is no finite number; the parameters are as before then.
    pub fn step(&mut self, batch: &Batch, step: usize, progress: f32) -> Result<StepReport, TrainError> {
        let seed = place(self.config.seed, [self.epoch, step, usize::MAX]);
        let mode = Mode::Training { dropout: self.config.dropout, seed };
        let b = batch.labels.len();
        let points = TensorData::new(batch.points.clone(), [b, batch.n_points, 3]);
        let k = self.config.neighbours_for(batch.n_points);
        let mut pass = Pass::new(&self.network, mode, k, &self.device);
        let logits = pass.run(Tensor::from_data(points, &self.device));
        let correct = n_correct(&read(logits.clone().inner())?, &batch.labels);
        let targets = self.targets(&batch.labels);
        let loss = (log_softmax(logits, 1) * targets).sum().neg() / b as f32;
        let value = read(loss.clone().inner())?[0];
        if !value.is_finite() {
            return Err(TrainError::Diverged { loss: value, epoch: self.epoch, step });
        }
        let gradients = loss.backward();
        let of_leaf = |(name, leaf): (&&str, &Tensor<2>)| {
            leaf.grad(&gradients).map(|gradient| Ok(((*name).to_owned(), read(gradient)?)))
        };
        let found = pass.leaves.iter().filter_map(of_leaf).collect::<Result<Vec<_>, TrainError>>()?;
        let observed = pass.observed.into_iter().map(|(layer, stats)| Ok((layer, read(stats)?)));
        let observed = observed.collect::<Result<Vec<_>, TrainError>>()?;
        self.apply(found, observed, self.config.rate_at(progress));
        Ok(StepReport { loss: value, correct, n: b })
    }

    fn apply(&mut self, gradients: Vec<(String, Vec<f32>)>, observed: Vec<(String, Vec<f32>)>, rate: f32) {
        self.adam.begin_step();
        for (name, gradient) in gradients {
            if let Some(parameter) = self.network.parameters.get_mut(&name) {
                let decay = if name.ends_with(".weight") { self.config.weight_decay } else { 0.0 };
                self.adam.update(&name, &mut parameter.values, &gradient, rate, decay);
            }
        }
        observed.iter().for_each(|(layer, stats)| self.network.observe(layer, stats));
    }

    /// Smoothed one-hot rows `[b, classes]`.
    fn targets(&self, labels: &[usize]) -> Tensor<2> {
        let (classes, spread) = (self.config.task.n_classes, self.config.smoothing);
        let mut rows = vec![spread / classes as f32; labels.len() * classes];
        labels.iter().enumerate().for_each(|(i, label)| rows[i * classes + label] += 1.0 - spread);
        Tensor::from_data(TensorData::new(rows, [labels.len(), classes]), &self.device)
    }

    /// Logits `[b, classes]` of `points [b, n, 3]` (flat) in evaluation mode: the running statistics, nothing dropped.
    ///
    /// # Errors
    /// If the result cannot be read back.
    pub fn logits(&self, points: &[f32], n_points: usize) -> Result<Vec<f32>, TrainError> {
        let shape = [points.len() / n_points / 3, n_points, 3];
        let device = Device::flex();
        let mut pass = Pass::new(&self.network, Mode::Evaluation, self.config.neighbours_for(n_points), &device);
        read(pass.run(Tensor::from_data(TensorData::new(points.to_vec(), shape), &device)))
    }
}

fn n_correct(logits: &[f32], labels: &[usize]) -> usize {
    let classes = logits.len() / labels.len().max(1);
    logits.chunks_exact(classes).zip(labels).filter(|(row, label)| largest(row) == **label).count()
}

/// Position of the largest value, the first of equals.
pub(crate) fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainError> {
    tensor.into_data().try_into_vec::<f32>().map_err(|why| TrainError::ReadBack { why: format!("{why:?}") })
}
