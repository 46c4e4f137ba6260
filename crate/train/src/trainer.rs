//! The state of a run between two epochs, and the single training step.

use crate::batch::place;
use crate::material::{BLANK, features, state};
use crate::optimizer::{AdamW, Rate};
use crate::pass::Pass;
use crate::supernet::{KINDS, rows};
use crate::{Batch, Config, Mode, Network, Parameter, Sample, Subject, Supernet, TrainError};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::{Architecture, SplitMix64, Task, supernet};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Name of the vectors of words in the optimiser and the checkpoint.
pub(crate) const WORDS: &str = "words";

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

/// What is being trained.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Model {
    Network(Network),
    Supernet(Supernet),
}

impl Model {
    pub(crate) fn parameters(&self) -> &BTreeMap<String, Parameter> {
        match self {
            Self::Network(network) => &network.parameters,
            Self::Supernet(supernet) => &supernet.parameters,
        }
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut BTreeMap<String, Parameter> {
        match self {
            Self::Network(network) => &mut network.parameters,
            Self::Supernet(supernet) => &mut supernet.parameters,
        }
    }

    /// The network that a step trains: itself, or a part that this seed draws.
    fn part(&self, task: &Task, seed: u64) -> Cow<'_, Network> {
        match self {
            Self::Network(network) => Cow::Borrowed(network),
            Self::Supernet(supernet) => {
                Cow::Owned(supernet.part(&supernet.draw(task, &mut SplitMix64::new(seed)), task))
            }
        }
    }
}

/// A run: its settings, the network so far and the optimiser's state.
#[derive(Clone, Debug)]
pub struct Trainer {
    pub(crate) config: Config,
    pub(crate) model: Model,
    pub(crate) adam: AdamW,
    pub(crate) epoch: usize,
    pub(crate) device: Device,
    /// Vectors of words that are trained too, flat `[words, channels]`.
    pub(crate) words: Option<Vec<f32>>,
}

impl Trainer {
    /// The beginning of a run.
    ///
    /// # Errors
    /// A setting that is out of range.
    pub fn new(config: Config) -> Result<Self, TrainError> {
        let config = config.checked()?;
        let model = match &config.subject {
            Subject::Network(plan) => Model::Network(Network::new(plan.architecture(), &config.task, config.seed)),
            Subject::Supernet => Model::Supernet(Supernet::new(&config.task, config.seed)),
            Subject::Restricted(functions) => {
                Model::Supernet(Supernet::new(&config.task, config.seed).restricted(*functions))
            }
        };
        Ok(Self { config, model, adam: AdamW::default(), epoch: 0, device: Device::flex().autodiff(), words: None })
    }

    /// Trains the vectors of words too, from these on; a resumed run has its own.
    pub fn train_words(&mut self, vectors: Vec<f32>) {
        self.words.get_or_insert(vectors);
    }

    /// The vectors of words so far, if they are trained.
    pub fn words(&self) -> Option<&[f32]> {
        self.words.as_deref()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The network so far, if one is trained.
    pub fn network(&self) -> Option<&Network> {
        if let Model::Network(network) = &self.model { Some(network) } else { None }
    }

    /// The supernet so far, if one is trained.
    pub fn supernet(&self) -> Option<&Supernet> {
        if let Model::Supernet(supernet) = &self.model { Some(supernet) } else { None }
    }

    /// Epochs that are done.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// One optimisation step; `progress` is epochs from the start and decides the learning rate, `step` is the step
    /// within the epoch and decides what is dropped, and which part of a supernet is trained.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] if the loss is no finite number; the parameters are as before then.
    pub fn step(&mut self, batch: &Batch, step: usize, progress: f32) -> Result<StepReport, TrainError> {
        let seed = place(self.config.seed, [self.epoch, step, usize::MAX]);
        let mode = Mode::Training { dropout: self.config.dropout, seed };
        let b = batch.labels.len();
        let task = self.config.task_for(batch.n_points);
        let network = self.model.part(&task, place(seed, [0, 0, 1]));
        let mut pass = Pass::new(&network, mode, task.k, &self.device);
        let mut input = match &self.words {
            None => state(&batch.samples, batch.n_points, &self.device),
            Some(vectors) => {
                let now = |sample: &Sample| Sample { features: features(vectors, &sample.words), ..sample.clone() };
                state(&batch.samples.iter().map(now).collect::<Vec<_>>(), batch.n_points, &self.device)
            }
        };
        if self.words.is_some() {
            input = input.with_features(Tensor::require_grad);
        }
        let inputs = input.clone().features();
        let logits = pass.run(input)?;
        let correct = n_correct(&read(logits.clone().inner())?, &batch.labels);
        let targets = self.targets(batch);
        let loss = (log_softmax(logits, 1) * targets).sum().neg() / b as f32;
        let value = read(loss.clone().inner())?[0];
        if !value.is_finite() {
            return Err(TrainError::Diverged { loss: value, epoch: self.epoch, step });
        }
        let gradients = loss.backward();
        let of_leaf = |(name, leaf): (&&str, &Tensor<2>)| {
            leaf.grad(&gradients).map(|gradient| Ok(((*name).to_owned(), read(gradient)?)))
        };
        let found = pass.leaves.iter().filter_map(of_leaf).collect::<Result<BTreeMap<_, _>, TrainError>>()?;
        let of_words = if self.words.is_some() { inputs.grad(&gradients).map(read).transpose()? } else { None };
        let observed = pass.observed.into_iter().map(|(layer, stats)| Ok((layer, read(stats)?)));
        let observed = observed.collect::<Result<Vec<_>, TrainError>>()?;
        let architecture = network.architecture().clone();
        if let Some(gradient) = of_words {
            self.apply_to_words(&batch.samples, &gradient, self.config.rate_at(progress));
        }
        self.apply(&architecture, &task, found, observed, self.config.rate_at(progress));
        if let Model::Supernet(supernet) = &mut self.model {
            supernet.favour.learn(&architecture, &task, correct as f64 / b as f64);
        }
        Ok(StepReport { loss: value, correct, n: b })
    }

    fn apply(
        &mut self,
        architecture: &Architecture,
        task: &Task,
        gradients: BTreeMap<String, Vec<f32>>,
        observed: Vec<(String, Vec<f32>)>,
        rate: f32,
    ) {
        let decay = self.config.weight_decay;
        let rate_of = |name: &str| Rate { rate, decay: if name.ends_with(".weight") { decay } else { 0.0 } };
        match &mut self.model {
            Model::Network(network) => {
                for (name, gradient) in gradients {
                    if let Some(parameter) = network.parameters.get_mut(&name) {
                        self.adam.update(&name, &mut parameter.values, &gradient, rate_of(&name));
                    }
                }
                observed.iter().for_each(|(layer, stats)| network.observe(layer, stats));
            }
            Model::Supernet(whole) => {
                for part in supernet::parts(architecture, task) {
                    for kind in KINDS {
                        let (name, own) = (format!("{}.{kind}", part.of), format!("{}.{kind}", part.layer));
                        let (Some(parameter), Some(gradient)) = (whole.parameters.get_mut(&name), gradients.get(&own))
                        else {
                            continue;
                        };
                        let (cols, rows) = (parameter.shape[1], rows(&part, kind));
                        let of_row = |(at, (_, scale)): (usize, &(usize, f32))| {
                            let scale = *scale;
                            gradient[at * part.outputs..][..part.outputs].iter().map(move |value| scale * value)
                        };
                        let gradient: Vec<f32> = rows.iter().enumerate().flat_map(of_row).collect();
                        let rows = rows.into_iter().map(|(row, _)| row);
                        self.adam.update_rows(&name, &mut parameter.values, cols, rows, &gradient, rate_of(&name));
                    }
                }
            }
        }
    }

    /// Changes the vectors of the words that a step has seen, each by the sum over its places.
    fn apply_to_words(&mut self, samples: &[Sample], gradient: &[f32], rate: f32) {
        let Some(vectors) = &mut self.words else { return };
        let places = samples.iter().flat_map(|sample| &sample.words);
        let channels = gradient.len() / places.clone().count().max(1);
        let mut sums: BTreeMap<usize, Vec<f32>> = BTreeMap::new();
        for (word, of_place) in places.zip(gradient.chunks_exact(channels)).filter(|(word, _)| **word != BLANK) {
            let sum = sums.entry(*word as usize).or_insert_with(|| vec![0.0; channels]);
            sum.iter_mut().zip(of_place).for_each(|(sum, value)| *sum += value);
        }
        let gradient: Vec<f32> = sums.values().flatten().copied().collect();
        let rows = sums.into_keys().collect::<Vec<_>>().into_iter();
        self.adam.update_rows(WORDS, vectors, channels, rows, &gradient, Rate { rate, decay: 0.0 });
    }

    /// Smoothed one-hot rows, mixed with what a teacher says, `[b, classes]`.
    fn targets(&self, batch: &Batch) -> Tensor<2> {
        let (classes, spread, teach) = (self.config.task.n_classes, self.config.smoothing, self.config.teach);
        let mut rows = vec![spread / classes as f32; batch.labels.len() * classes];
        for ((row, label), taught) in rows.chunks_exact_mut(classes).zip(&batch.labels).zip(&batch.taught) {
            row[*label] += 1.0 - spread;
            for (value, said) in row.iter_mut().zip(taught.iter().flatten()) {
                *value += teach * (said - *value);
            }
        }
        Tensor::from_data(TensorData::new(rows, [batch.labels.len(), classes]), &self.device)
    }
}

/// Rows of logits whose largest is the label's.
pub(crate) fn n_correct(logits: &[f32], labels: &[usize]) -> usize {
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
