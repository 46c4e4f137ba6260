//! Accuracies of architectures by the shared weights, on clouds that were kept aside or generated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::{Architecture, Task};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_model::{Gnn, SupernetWeights, Weights};
use cleave_train::evaluate;
use futures_util::FutureExt;

use crate::train::aside;

/// Clouds that an architecture's statistics are measured on.
pub(crate) const CALIBRATION: usize = 64;

/// What judges.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Judging")]
pub(crate) struct JudgeArgs {
    /// Shared weights by `cleave train supernet`
    #[arg(long, value_name = "FILE.safetensors", default_value = "www/model/supernet/points.safetensors")]
    supernet: PathBuf,
    /// Folder with modelnet10_1024_train.npz, of which a part is kept aside for this; without it generated furniture judges
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Clouds that judge
    #[arg(long, value_name = "N", default_value_t = 200)]
    clouds: usize,
    /// Points of a cloud while judging; neighbourhoods keep their size in space
    #[arg(long, value_name = "N", default_value_t = 512)]
    judge_points: usize,
}

/// The weights with their clouds.
pub(crate) struct Judge {
    supernet: SupernetWeights,
    calibration: Dataset,
    clouds: Dataset,
}

impl JudgeArgs {
    /// Reads everything.
    pub(crate) fn open(&self) -> Result<Judge> {
        let supernet = read(&self.supernet)?;
        let whole = supernet.task;
        if !(1..=whole.n_points).contains(&self.judge_points) || self.clouds == 0 {
            bail!(
                "{} clouds of {} points were asked for; at least 1 of 1 to {} points are expected",
                self.clouds,
                self.judge_points,
                whole.n_points
            );
        }
        let k = (whole.k * self.judge_points).div_ceil(whole.n_points);
        let supernet = SupernetWeights { task: Task { n_points: self.judge_points, k, ..whole }, ..supernet };
        let (calibration, clouds) = match &self.data {
            Some(folder) => aside(folder)?,
            None => (generated(CALIBRATION, self.judge_points, 1)?, generated(self.clouds, self.judge_points, 2)?),
        };
        Ok(Judge {
            supernet,
            calibration: calibration.spread(CALIBRATION).thinned(self.judge_points),
            clouds: clouds.spread(self.clouds).thinned(self.judge_points),
        })
    }
}

impl Judge {
    /// Accuracy of an architecture of the space, 0..=1.
    pub(crate) fn accuracy(&mut self, architecture: &Architecture) -> Result<f64> {
        let (gnn, _) = calibrated(&self.supernet, architecture, &self.calibration)?;
        Ok(evaluate(&gnn, &self.clouds)?.accuracy())
    }
}

/// Reads shared weights.
pub(crate) fn read(path: &Path) -> Result<SupernetWeights> {
    let file = || format!("the supernet {}", path.display());
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", file()))?;
    SupernetWeights::from_safetensors(&bytes).with_context(file)
}

/// The network of an architecture, its statistics those of these clouds.
pub(crate) fn calibrated(
    supernet: &SupernetWeights,
    architecture: &Architecture,
    clouds: &Dataset,
) -> Result<(Gnn, Weights)> {
    let device = Device::flex();
    let points = TensorData::new(clouds.points.clone(), [clouds.len(), clouds.n_points, 3]);
    let network = supernet.network(architecture, Tensor::from_data(points, &device), &device).now_or_never();
    let Some(network) = network else { bail!("the processor's backend did not answer at once") };
    Ok(network?)
}

/// Furniture of all classes in turn.
fn generated(n: usize, n_points: usize, seed: u64) -> Result<Dataset> {
    let n_classes = furniture::CLASSES.len();
    let clouds = (0..n).map(|i| furniture::generate(i % n_classes, n_points, seed.wrapping_mul(1 << 32) + i as u64));
    let clouds = clouds.collect::<Result<Vec<_>, _>>()?;
    Ok(Dataset {
        points: clouds.concat(),
        labels: (0..n).map(|i| (i % n_classes) as u8).collect(),
        n_points,
        classes: furniture::CLASSES.map(str::to_owned).to_vec(),
    })
}
