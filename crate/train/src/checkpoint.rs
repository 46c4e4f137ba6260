//! A run between two epochs as bytes: parameters, running statistics, the optimiser's moments and the settings, in a
//! safetensors file. A run resumed from them goes on exactly as if it had not been interrupted.

use crate::optimizer::Moments;
use crate::trainer::{Model, WORDS};
use crate::{Augment, Config, Subject, TrainError, Trainer};
use cleave_arch::{GraphSource, Task};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// Format of the checkpoint; another one is refused.
const VERSION: u32 = 3;
/// Key of the metadata entry that holds the [`Record`].
const KEY: &str = "cleave.checkpoint";

/// The part of a checkpoint that is no tensor: the file's own mirror of the settings.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    data_version: u32,
    epoch: usize,
    /// How often each parameter was changed.
    optimizer_steps: BTreeMap<String, u64>,
    subject: String,
    n_points: usize,
    in_channels: usize,
    given_graph: bool,
    k: usize,
    n_classes: usize,
    epochs: usize,
    batch: usize,
    seed: u64,
    points: usize,
    whole_epochs: usize,
    furniture: f32,
    rate: f32,
    warm_up: f32,
    weight_decay: f32,
    smoothing: f32,
    teach: f32,
    dropout: f32,
    scale: f32,
    shift: f32,
    turn: f32,
    jitter: f32,
    blank: f32,
}

impl Trainer {
    /// The run so far as bytes.
    ///
    /// # Errors
    /// If the file cannot be written as safetensors.
    pub fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        let mut named: Vec<(String, &[f32])> = Vec::new();
        for (name, parameter) in self.model.parameters() {
            named.push((format!("parameter/{name}"), &parameter.values));
        }
        match &self.model {
            Model::Network(network) => {
                let running = network.running.iter();
                named.extend(running.map(|(layer, values)| (format!("running/{layer}"), values.as_slice())));
            }
            Model::Supernet(supernet) => named.push(("favour".to_owned(), &supernet.favour.weights)),
        }
        named.extend(self.words.iter().map(|vectors| (WORDS.to_owned(), vectors.as_slice())));
        for (name, moments) in &self.adam.moments {
            named.push((format!("first/{name}"), &moments.first));
            named.push((format!("second/{name}"), &moments.second));
        }
        let bytes: Vec<Vec<u8>> =
            named.iter().map(|(_, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
        let views = named.iter().zip(&bytes).map(|((name, values), bytes)| {
            TensorView::new(Dtype::F32, vec![values.len()], bytes).map(|view| (name.as_str(), view)).map_err(unusable)
        });
        let views = views.collect::<Result<Vec<_>, TrainError>>()?;
        let record = serde_json::to_string(&self.record()).map_err(unusable)?;
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), record)]))).map_err(unusable)
    }

    /// The run that a checkpoint was taken of.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] if the bytes are no checkpoint of this version, or incomplete.
    pub fn resume(bytes: &[u8]) -> Result<Self, TrainError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unusable)?;
        let text = header.metadata().as_ref().and_then(|entries| entries.get(KEY));
        let text = text.ok_or_else(|| unusable(format!("it has no entry `{KEY}`; is it a weights file?")))?;
        let record: Record = serde_json::from_str(text).map_err(unusable)?;
        if (record.version, record.data_version) != (VERSION, cleave_data::VERSION) {
            let found = format!("version {} on data {}", record.version, record.data_version);
            return Err(unusable(format!("it has {found}; {VERSION} on {} is needed", cleave_data::VERSION)));
        }
        let mut trainer = Self::new(record.config()?)?;
        trainer.epoch = record.epoch;
        let steps = record.optimizer_steps;
        trainer.load(&SafeTensors::deserialize(bytes).map_err(unusable)?, &steps)?;
        Ok(trainer)
    }

    fn load(&mut self, file: &SafeTensors, steps: &BTreeMap<String, u64>) -> Result<(), TrainError> {
        let moments = |name: &str, n: usize| match steps.get(name).copied() {
            None => Ok::<_, TrainError>(None),
            Some(steps) => {
                let (first, second) = (format!("first/{name}"), format!("second/{name}"));
                Ok(Some(Moments { first: read(file, &first, n)?, second: read(file, &second, n)?, steps }))
            }
        };
        for (name, parameter) in self.model.parameters_mut() {
            let n = parameter.values.len();
            parameter.values = read(file, &format!("parameter/{name}"), n)?;
            self.adam.moments.extend(moments(name, n)?.map(|moments| (name.clone(), moments)));
        }
        if let Ok(view) = file.tensor(WORDS) {
            let n = view.shape().iter().product();
            self.words = Some(read(file, WORDS, n)?);
            self.adam.moments.extend(moments(WORDS, n)?.map(|moments| (WORDS.to_owned(), moments)));
        }
        match &mut self.model {
            Model::Network(network) => {
                for (layer, values) in &mut network.running {
                    *values = read(file, &format!("running/{layer}"), values.len())?;
                }
            }
            Model::Supernet(supernet) => {
                let weights = read(file, "favour", supernet.favour.weights.len())?;
                supernet.favour.weights.copy_from_slice(&weights);
            }
        }
        Ok(())
    }

    fn record(&self) -> Record {
        let Config { subject, task, augment, .. } = &self.config;
        let c = &self.config;
        Record {
            version: VERSION,
            data_version: cleave_data::VERSION,
            epoch: self.epoch,
            optimizer_steps: self.adam.moments.iter().map(|(name, moments)| (name.clone(), moments.steps)).collect(),
            subject: subject.to_string(),
            n_points: task.n_points,
            in_channels: task.in_channels,
            given_graph: task.graph == GraphSource::Given,
            k: task.k,
            n_classes: task.n_classes,
            epochs: c.epochs,
            batch: c.batch,
            seed: c.seed,
            points: c.points,
            whole_epochs: c.whole_epochs,
            furniture: c.furniture,
            rate: c.rate,
            warm_up: c.warm_up,
            weight_decay: c.weight_decay,
            smoothing: c.smoothing,
            teach: c.teach,
            dropout: c.dropout,
            scale: augment.scale,
            shift: augment.shift,
            turn: augment.turn,
            jitter: augment.jitter,
            blank: augment.blank,
        }
    }
}

impl Record {
    fn config(&self) -> Result<Config, TrainError> {
        let task = Task {
            n_points: self.n_points,
            in_channels: self.in_channels,
            k: self.k,
            n_classes: self.n_classes,
            graph: if self.given_graph { GraphSource::Given } else { GraphSource::Sampled },
        };
        Ok(Config {
            subject: Subject::parse(&self.subject, task.graph).map_err(unusable)?,
            task: task.checked().map_err(unusable)?,
            epochs: self.epochs,
            batch: self.batch,
            seed: self.seed,
            points: self.points,
            whole_epochs: self.whole_epochs,
            furniture: self.furniture,
            rate: self.rate,
            warm_up: self.warm_up,
            weight_decay: self.weight_decay,
            smoothing: self.smoothing,
            teach: self.teach,
            dropout: self.dropout,
            augment: Augment {
                scale: self.scale,
                shift: self.shift,
                turn: self.turn,
                jitter: self.jitter,
                blank: self.blank,
            },
        })
    }
}

fn read(file: &SafeTensors, name: &str, n: usize) -> Result<Vec<f32>, TrainError> {
    let view = file.tensor(name).map_err(unusable)?;
    if view.dtype() != Dtype::F32 || view.shape() != [n] {
        return Err(unusable(format!("`{name}` is {:?} {:?}; F32 [{n}] is needed", view.dtype(), view.shape())));
    }
    Ok(view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn unusable(why: impl std::fmt::Display) -> TrainError {
    TrainError::Checkpoint { why: why.to_string() }
}
