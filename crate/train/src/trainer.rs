//! The state of a run between two epochs, and the single training step.

use crate::batch::place;
use crate::optimizer::{AdamW, Rate};
use crate::pass::Pass;
use crate::supernet::{KINDS, rows};
use crate::{Batch, Config, Mode, Network, Parameter, Subject, Supernet, TrainError};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::supernet::Paths;
use cleave_arch::{Architecture, SplitMix64, supernet};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    fn part(&self, config: &Config, seed: u64) -> Cow<'_, Network> {
        match self {
            Self::Network(network) => Cow::Borrowed(network),
            Self::Supernet(supernet) => {
                Cow::Owned(supernet.part(&Paths::new(&config.task).draw(&mut SplitMix64::new(seed))))
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
        };
        Ok(Self { config, model, adam: AdamW::default(), epoch: 0, device: Device::flex().autodiff() })
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
        let points = TensorData::new(batch.points.clone(), [b, batch.n_points, 3]);
        let k = self.config.neighbours_for(batch.n_points);
        let network = self.model.part(&self.config, place(seed, [0, 0, 1]));
        let mut pass = Pass::new(&network, mode, k, &self.device);
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
        let found = pass.leaves.iter().filter_map(of_leaf).collect::<Result<BTreeMap<_, _>, TrainError>>()?;
        let observed = pass.observed.into_iter().map(|(layer, stats)| Ok((layer, read(stats)?)));
        let observed = observed.collect::<Result<Vec<_>, TrainError>>()?;
        let architecture = network.architecture().clone();
        self.apply(&architecture, found, observed, self.config.rate_at(progress));
        Ok(StepReport { loss: value, correct, n: b })
    }

    fn apply(
        &mut self,
        architecture: &Architecture,
        gradients: BTreeMap<String, Vec<f32>>,
        observed: Vec<(String, Vec<f32>)>,
        rate: f32,
    ) {
        let (task, decay) = (self.config.task, self.config.weight_decay);
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
                for part in supernet::parts(architecture, &task) {
                    for kind in KINDS {
                        let (name, own) = (format!("{}.{kind}", part.of), format!("{}.{kind}", part.layer));
                        let (Some(parameter), Some(gradient)) = (whole.parameters.get_mut(&name), gradients.get(&own))
                        else {
                            continue;
                        };
                        let (cols, rows) = (parameter.shape[1], rows(&part, kind).into_iter());
                        self.adam.update_rows(&name, &mut parameter.values, cols, rows, gradient, rate_of(&name));
                    }
                }
            }
        }
    }

    /// Smoothed one-hot rows `[b, classes]`.
    fn targets(&self, labels: &[usize]) -> Tensor<2> {
        let (classes, spread) = (self.config.task.n_classes, self.config.smoothing);
        let mut rows = vec![spread / classes as f32; labels.len() * classes];
        labels.iter().enumerate().for_each(|(i, label)| rows[i * classes + label] += 1.0 - spread);
        Tensor::from_data(TensorData::new(rows, [labels.len(), classes]), &self.device)
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
