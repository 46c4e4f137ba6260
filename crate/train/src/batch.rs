//! Batches: which clouds a step sees and how they are altered, as a function of seed, epoch and step.

use crate::{Config, Material, Sample, TrainError};
use cleave_arch::SplitMix64;
use cleave_data::furniture;
use rayon::prelude::*;

/// Samples of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// One after another.
    pub samples: Vec<Sample>,
    /// Class of each.
    pub labels: Vec<usize>,
    /// What a teacher says of each, where there is one: a probability for every class.
    pub taught: Vec<Option<Vec<f32>>>,
    /// Nodes of a sample, n.
    pub n_points: usize,
}

/// A sample, its class, and what a teacher says of it.
type Drawn = (Sample, usize, Option<Vec<f32>>);

/// The batches of one epoch.
pub struct Samples<'a> {
    config: &'a Config,
    material: &'a dyn Material,
    epoch: usize,
    order: Vec<usize>,
}

impl<'a> Samples<'a> {
    /// The data in this epoch's order.
    ///
    /// # Errors
    /// [`TrainError::Data`] if the data does not fit the task or is smaller than a batch.
    pub fn new(config: &'a Config, material: &'a dyn Material, epoch: usize) -> Result<Self, TrainError> {
        material.check(&config.task)?;
        let refuse = |found: String, expected: String| Err(TrainError::Data { found, expected });
        if config.furniture_per_batch() > 0 && material.classes() != furniture::CLASSES {
            let expected = format!("{} to be mixed with furniture (or a share of 0)", furniture::CLASSES.join(", "));
            return refuse(format!("the classes {}", material.classes().join(", ")), expected);
        }
        let mut order: Vec<usize> = (0..material.labels().len()).collect();
        let mut rng = SplitMix64::new(place(config.seed, [epoch, usize::MAX, 0]));
        (1..order.len()).rev().for_each(|i| order.swap(i, rng.scaled_below(i + 1)));
        let samples = Self { config, material, epoch, order };
        match samples.steps() {
            0 => refuse(
                format!("{} samples", material.labels().len()),
                format!("at least {} for a batch", samples.real()),
            ),
            _ => Ok(samples),
        }
    }

    /// Steps of an epoch. What does not fill a batch waits for another epoch's order.
    pub fn steps(&self) -> usize {
        self.order.len() / self.real()
    }

    fn real(&self) -> usize {
        self.config.batch - self.config.furniture_per_batch()
    }

    /// The batch of a step.
    ///
    /// # Errors
    /// What the furniture generator says.
    pub fn batch(&self, step: usize) -> Result<Batch, TrainError> {
        let n_points = self.config.points_in(self.epoch);
        let drawn = (0..self.config.batch).into_par_iter().map(|slot| self.draw(step, slot, n_points));
        let drawn = drawn.collect::<Result<Vec<_>, TrainError>>()?;
        let mut batch = Batch { samples: Vec::new(), labels: Vec::new(), taught: Vec::new(), n_points };
        for (sample, label, taught) in drawn {
            batch.samples.push(sample);
            batch.labels.push(label);
            batch.taught.push(taught);
        }
        Ok(batch)
    }

    fn draw(&self, step: usize, slot: usize, n_points: usize) -> Result<Drawn, TrainError> {
        let seed = place(self.config.seed, [self.epoch, step, slot]);
        let augment = &self.config.augment;
        if slot < self.real() {
            let index = self.order[step * self.real() + slot];
            let label = usize::from(self.material.labels()[index]);
            let taught = self.material.taught(index).map(<[f32]>::to_vec);
            return Ok((self.material.altered(index, n_points, augment, seed), label, taught));
        }
        let class = SplitMix64::new(seed ^ 1).scaled_below(furniture::CLASSES.len());
        let features = augment.apply(&furniture::generate(class, n_points, seed)?, n_points, seed);
        Ok((Sample { features, neighbours: Vec::new(), words: Vec::new() }, class, None))
    }
}

/// A seed for a place in the run: equal places of equal runs draw the same.
pub(crate) fn place(seed: u64, at: [usize; 3]) -> u64 {
    at.into_iter().fold(seed, |hash, value| SplitMix64::new(hash ^ (value as u64).wrapping_add(1)).next_u64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::Task;
    use cleave_data::modelnet::Dataset;

    fn dataset(n: usize) -> Dataset {
        let n_points = 8;
        let points = (0..n * n_points * 3).map(|i| i as f32 * 1e-3).collect();
        let labels = (0..n).map(|i| (i % 10) as u8).collect();
        Dataset { points, labels, n_points, classes: furniture::CLASSES.map(str::to_owned).to_vec() }
    }

    fn config() -> Config {
        let task = Task { n_points: 8, k: 4, ..Task::modelnet10() };
        Config { batch: 4, ..Config::new("3 2 1 4,0 6 2 0".parse::<cleave_arch::Plan>().unwrap(), task, 5) }
    }

    #[test]
    fn an_epoch_sees_every_cloud_once_and_furniture_besides() {
        let (config, dataset) = (config(), dataset(30));
        let samples = Samples::new(&config, &dataset, 0).unwrap();
        assert_eq!(samples.steps(), 10);
        let mut counts = [0; 10];
        for step in 0..10 {
            let batch = samples.batch(step).unwrap();
            assert_eq!((batch.samples.len(), batch.labels.len()), (4, 4));
            assert!(batch.samples.iter().all(|sample| sample.features.len() == 8 * 3));
            batch.labels[..3].iter().for_each(|label| counts[*label] += 1);
        }
        assert_eq!(counts, [3; 10]);
    }

    #[test]
    fn place_decides_the_draw() {
        let (config, dataset) = (config(), dataset(30));
        let batch = |epoch, step| Samples::new(&config, &dataset, epoch).unwrap().batch(step).unwrap();
        assert_eq!(batch(1, 2), batch(1, 2));
        assert_ne!(batch(1, 2), batch(1, 3));
        assert_ne!(batch(1, 2), batch(2, 2));
    }

    #[test]
    fn data_that_does_not_fit_is_refused() {
        let config = config();
        let refused = |dataset: Dataset| Samples::new(&config, &dataset, 0).err().map(|why| why.to_string());
        assert!(
            refused(Dataset { n_points: 4, ..dataset(30) })
                .is_some_and(|why| why.contains("4 nodes with 3 channels, no graph and 10 classes"))
        );
        assert!(refused(dataset(2)).is_some_and(|why| why.contains("at least 3")));
        assert!(refused(dataset(30)).is_none());
    }
}
