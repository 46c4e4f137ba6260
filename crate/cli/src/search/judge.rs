//! Accuracies of architectures by the shared weights, on samples that were kept aside or generated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_arch::{Architecture, GraphSource, Halves, Task};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_model::{Gnn, SupernetWeights, Weights};
use cleave_search::FURNITURE;
use cleave_train::{Material, Sample, evaluate, state};
use futures_util::FutureExt;

use crate::material::{self, Part};

/// Samples that an architecture's statistics are measured on.
pub(crate) const CALIBRATION: usize = 64;

/// What judges.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Judging")]
pub(crate) struct JudgeArgs {
    /// Shared weights by `cleave train supernet`
    #[arg(long, value_name = "FILE.safetensors", default_value = "www/model/supernet/points.safetensors")]
    supernet: PathBuf,
    /// Folder with the training data, of which a part is kept aside for this; without it generated furniture judges
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Trained vectors of words, for texts
    #[arg(long, value_name = "FILE.safetensors")]
    words: Option<PathBuf>,
    /// Samples that judge
    #[arg(long, value_name = "N", default_value_t = 200)]
    clouds: usize,
    /// Points of a cloud while judging; neighbourhoods keep their size in space [default: 512]
    #[arg(long, value_name = "N")]
    judge_points: Option<usize>,
}

/// The weights with their samples.
pub(crate) struct Judge {
    task: Task,
    supernet: SupernetWeights,
    name: String,
    calibration: Box<dyn Material>,
    samples: Box<dyn Material>,
}

impl JudgeArgs {
    /// Reads everything.
    pub(crate) fn open(&self) -> Result<Judge> {
        let supernet = read(&self.supernet)?;
        let whole = supernet.task;
        let points = self.judge_points.unwrap_or(if whole.graph == GraphSource::Given { whole.n_points } else { 512 });
        if !(1..=whole.n_points).contains(&points) || self.clouds == 0 {
            bail!(
                "{} samples of {points} nodes were asked for; at least 1 of 1 to {} nodes are expected",
                self.clouds,
                whole.n_points
            );
        }
        let k = (whole.k * points).div_ceil(whole.n_points);
        let supernet = SupernetWeights { task: Task { n_points: points, k, ..whole }, ..supernet };
        let [calibration, samples] = match &self.data {
            Some(folder) => {
                let part = |part| material::read(&whole, folder, self.words.as_deref(), part);
                [part(Part::Rest)?, part(Part::Aside)?]
            }
            None if whole.graph == GraphSource::Given => bail!("texts are not generated; name the folder with --data"),
            None => [generated(CALIBRATION, points, 1)?, generated(self.clouds, points, 2)?],
        };
        Ok(Judge {
            task: whole,
            supernet,
            name: if self.data.is_some() { "samples kept aside".into() } else { FURNITURE.into() },
            calibration: calibration.spread(CALIBRATION, points),
            samples: samples.spread(self.clouds, points),
        })
    }
}

impl Judge {
    /// What is classified.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// What judges.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The functions that the weights were trained for alone.
    pub(crate) fn functions(&self) -> Option<Halves> {
        self.supernet.functions
    }

    /// Accuracy of an architecture of the space, 0..=1.
    pub(crate) fn accuracy(&mut self, architecture: &Architecture) -> Result<f64> {
        let (gnn, _) = calibrated(&self.supernet, architecture, &*self.calibration)?;
        Ok(evaluate(&gnn, &*self.samples)?.accuracy())
    }
}

/// Reads shared weights.
pub(crate) fn read(path: &Path) -> Result<SupernetWeights> {
    let file = || format!("the supernet {}", path.display());
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", file()))?;
    SupernetWeights::from_safetensors(&bytes).with_context(file)
}

/// The network of an architecture, its statistics those of these samples.
pub(crate) fn calibrated(
    supernet: &SupernetWeights,
    architecture: &Architecture,
    calibration: &dyn Material,
) -> Result<(Gnn, Weights)> {
    let device = Device::flex();
    let samples: Vec<Sample> = (0..calibration.labels().len()).map(|index| calibration.sample(index)).collect();
    let input = state(&samples, supernet.task.n_points, &device);
    let network = supernet.network(architecture, input, &device).now_or_never();
    let Some(network) = network else { bail!("the processor's backend did not answer at once") };
    Ok(network?)
}

/// Furniture of all classes in turn.
fn generated(n: usize, n_points: usize, seed: u64) -> Result<Box<dyn Material>> {
    let n_classes = furniture::CLASSES.len();
    let clouds = (0..n).map(|i| furniture::generate(i % n_classes, n_points, seed.wrapping_mul(1 << 32) + i as u64));
    let clouds = clouds.collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(Dataset {
        points: clouds.concat(),
        labels: (0..n).map(|i| (i % n_classes) as u8).collect(),
        n_points,
        classes: furniture::CLASSES.map(str::to_owned).to_vec(),
    }))
}
