//! Accuracies of architectures by the supernet: reads the validation set that was asked for, and runs its batches on the
//! processor.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_app::evaluation::{self, CALIBRATION, CLOUDS, Evaluation, EvaluationSet, POINTS, Samples};
use cleave_arch::{Architecture, GraphSource, Halves, Task};
use cleave_data::validation::JUDGES;
use cleave_edge::read_validation;
use cleave_model::SupernetWeights;
use cleave_train::Material;
use futures_util::FutureExt;

use crate::file;
use crate::material::{self, Part};

/// What accuracies are measured on.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Evaluation")]
pub(crate) struct EvaluateArgs {
    /// Shared weights by `cleave train supernet`
    #[arg(long, value_name = "FILE.safetensors", default_value = "www/model/supernet/points.safetensors")]
    supernet: PathBuf,
    /// Folder with the training data, of which a part is kept aside for this: the clouds that an edge with the same folder
    /// offers; without it generated furniture
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Trained vectors of words, for texts
    #[arg(long, value_name = "FILE.safetensors")]
    words: Option<PathBuf>,
    /// Samples, spread evenly over what is kept aside [default: the set that the page uses]
    #[arg(long, value_name = "N")]
    clouds: Option<usize>,
    /// Points of a cloud; neighbourhoods keep their size in space [default: 256]
    #[arg(long, value_name = "N")]
    judge_points: Option<usize>,
}

/// The supernet with a validation set.
pub(crate) struct Evaluator {
    task: Task,
    /// For samples of the set's size.
    supernet: SupernetWeights,
    set: Rc<EvaluationSet>,
}

impl EvaluateArgs {
    /// Reads everything.
    pub(crate) fn open(&self) -> Result<Evaluator> {
        let supernet = read(&self.supernet)?;
        let whole = supernet.task;
        let usual = if whole.graph == GraphSource::Given { whole.n_points } else { POINTS.min(whole.n_points) };
        let points = self.judge_points.unwrap_or(usual);
        if !(1..=whole.n_points).contains(&points) || self.clouds == Some(0) {
            bail!(
                "{} samples of {points} nodes were asked for; at least 1 of 1 to {} nodes are expected",
                self.clouds.unwrap_or(CLOUDS),
                whole.n_points
            );
        }
        let supernet = evaluation::sized(&supernet, points);
        let set = self.set(&whole, &supernet)?;
        Ok(Evaluator { task: whole, ..Evaluator::new(supernet, set)? })
    }

    fn set(&self, whole: &Task, supernet: &SupernetWeights) -> Result<EvaluationSet> {
        let points = supernet.task.n_points;
        match (&self.data, self.clouds) {
            (None, _) if whole.graph == GraphSource::Given => {
                bail!("texts are not generated; name the folder with --data")
            }
            (None, clouds) => Ok(EvaluationSet::furniture(clouds.unwrap_or(CLOUDS), points)?),
            (Some(folder), None) if whole.graph == GraphSource::Sampled => {
                let own = read_validation(folder)?;
                let of_points = if points == POINTS { String::new() } else { format!(", {points} points") };
                Ok(EvaluationSet::of_edge(format!("{}{of_points}", own.set), &own.body, points)?)
            }
            (Some(folder), clouds) => {
                let part = |part| material::read(whole, folder, self.words.as_deref(), part);
                let (rest, aside) = (part(Part::Rest)?, part(Part::Aside)?);
                let aside = aside.spread(clouds.unwrap_or(JUDGES), points);
                let name = format!("{} samples kept aside, {points} nodes", aside.labels().len());
                let parts = [samples(&*rest.spread(CALIBRATION, points)), samples(&*aside)];
                Ok(EvaluationSet::of_samples(name, &supernet.task, aside.classes().to_vec(), parts))
            }
        }
    }
}

impl Evaluator {
    /// A supernet for samples of the set's size, and the set.
    pub(crate) fn new(supernet: SupernetWeights, set: EvaluationSet) -> Result<Self> {
        set.check(&supernet).with_context(|| format!("the set {}", set.name()))?;
        Ok(Self { task: supernet.task, supernet, set: Rc::new(set) })
    }

    /// What is classified.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// The set's name.
    pub(crate) fn name(&self) -> &str {
        self.set.name()
    }

    /// The functions that the weights were trained for alone.
    pub(crate) fn functions(&self) -> Option<Halves> {
        self.supernet.functions
    }

    /// Accuracy of an architecture of the space, 0..=1.
    pub(crate) fn accuracy(&self, architecture: &Architecture) -> Result<f64> {
        let device = Device::flex();
        let mut evaluation = Evaluation::new(Rc::clone(&self.set), architecture.clone());
        let input = evaluation.calibration().state(&device);
        let network = self.supernet.network(architecture, input, &device).now_or_never();
        let Some(network) = network else { bail!("the processor's backend did not answer at once") };
        let (gnn, _) = network?;
        while let Some(batch) = evaluation.batch() {
            let logits = gnn.answer(batch.state(&device))?.into_data().try_into_vec::<f32>();
            evaluation.take(&logits.map_err(|why| anyhow::anyhow!("the logits cannot be read: {why:?}"))?)?;
        }
        evaluation.accuracy().context("the set has no samples")
    }
}

/// Reads shared weights.
pub(crate) fn read(path: &Path) -> Result<SupernetWeights> {
    file::parse("the supernet", path, SupernetWeights::from_safetensors)
}

/// All of them.
pub(crate) fn samples(material: &dyn Material) -> Samples {
    let mut samples = Samples { labels: material.labels().to_vec(), ..Samples::default() };
    for index in 0..samples.labels.len() {
        let sample = material.sample(index);
        samples.features.extend(sample.features);
        samples.neighbours.extend(sample.neighbours);
    }
    samples
}
