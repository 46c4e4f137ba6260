//! What judges architectures while a search runs: generated furniture, or the clouds that an edge keeps aside. Both give
//! clouds to measure statistics on and clouds to measure accuracies on, so that judging asks for no more than that.

use burn::tensor::{Device, Tensor, TensorData};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_data::validation::Validation;
use cleave_search::FURNITURE;
use std::ops::Range;

/// Generated clouds that judge, and that statistics are measured on.
const JUDGES: usize = 100;
const CALIBRATION: usize = 20;
/// First seeds of generated clouds.
const SEEDS: [u64; 2] = [1 << 40, 2 << 40];

/// A validation set.
pub struct Judges {
    name: String,
    source: Source,
}

enum Source {
    Furniture,
    Edge(Validation),
}

impl Judges {
    /// Generated furniture, the classes in turn.
    pub fn furniture() -> Self {
        Self { name: FURNITURE.into(), source: Source::Furniture }
    }

    /// An edge's clouds, under the name that says which set they are.
    pub fn from_edge(name: String, body: &[u8]) -> Result<Self, String> {
        let validation = Validation::decode(body).map_err(|why| why.to_string())?;
        Ok(Self { name, source: Source::Edge(validation) })
    }

    /// Which set: accuracies on sets of different names are not compared.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Refuses clouds of other classes than the weights know, or of too few points.
    pub fn check(&self, classes: &[String], points: usize) -> Result<(), String> {
        let Source::Edge(Validation { judges, .. }) = &self.source else { return Ok(()) };
        if judges.classes == classes && judges.n_points >= points {
            return Ok(());
        }
        let (n_points, named) = (judges.n_points, judges.classes.join(", "));
        Err(format!(
            "its clouds have {n_points} points and the classes {named}; {points} and {} are needed",
            classes.join(", ")
        ))
    }

    /// Number of clouds that judge.
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Furniture => JUDGES,
            Source::Edge(validation) => validation.judges.len(),
        }
    }

    /// Class of a cloud that judges.
    pub fn class(&self, index: usize) -> usize {
        match &self.source {
            Source::Furniture => index % furniture::CLASSES.len(),
            Source::Edge(validation) => validation.judges.labels[index].into(),
        }
    }

    /// Some of the clouds that judge, `[n, points, 3]`.
    pub fn clouds(&self, which: Range<usize>, points: usize, device: &Device) -> Result<Tensor<3>, String> {
        match &self.source {
            Source::Furniture => generated(which, points, SEEDS[1], device),
            Source::Edge(validation) => Ok(first_points(&validation.judges, which, points, device)),
        }
    }

    /// The clouds that statistics are measured on, `[n, points, 3]`.
    pub fn calibration(&self, points: usize, device: &Device) -> Result<Tensor<3>, String> {
        match &self.source {
            Source::Furniture => generated(0..CALIBRATION, points, SEEDS[0], device),
            Source::Edge(Validation { calibration, .. }) => {
                Ok(first_points(calibration, 0..calibration.len(), points, device))
            }
        }
    }
}

fn generated(which: Range<usize>, points: usize, seed: u64, device: &Device) -> Result<Tensor<3>, String> {
    let n = which.len();
    let made = which.map(|i| furniture::generate(i % furniture::CLASSES.len(), points, seed + i as u64));
    let made = made.collect::<Result<Vec<_>, _>>().map_err(|why| why.to_string())?;
    Ok(Tensor::from_data(TensorData::new(made.concat(), [n, points, 3]), device))
}

/// The points of a cloud are in no order: its first ones are a sample.
fn first_points(set: &Dataset, which: Range<usize>, points: usize, device: &Device) -> Tensor<3> {
    let n = which.len();
    let values: Vec<f32> =
        which.filter_map(|at| set.cloud(at)).flat_map(|cloud| &cloud[..3 * points]).copied().collect();
    Tensor::from_data(TensorData::new(values, [n, points, 3]), device)
}
