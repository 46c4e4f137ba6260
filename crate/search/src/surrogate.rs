//! A cheap predictor of accuracy for the inner loop: ridge regression on what an architecture consists of, refitted
//! whenever an accuracy is known. The best designs are always judged by the shared weights themselves.

use cleave_arch::supernet::{FEATURES as N, features};
use cleave_arch::{Architecture, Task};

/// Weight of the penalty.
const RIDGE: f64 = 1.0;

/// Known accuracies and what follows from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surrogate {
    /// Features and accuracy of every judged architecture.
    known: Vec<(Vec<f64>, f64)>,
    weights: Vec<f64>,
    mean: f64,
}

impl Surrogate {
    /// Takes an accuracy in.
    pub fn learn(&mut self, architecture: &Architecture, task: &Task, accuracy: f64) {
        self.known.push((features(architecture, task).to_vec(), accuracy));
        self.mean = self.known.iter().map(|(_, accuracy)| accuracy).sum::<f64>() / self.known.len() as f64;
        self.weights = self.fit();
    }

    /// The accuracy to expect, 0..=1; before anything is known, 0.5.
    pub fn of(&self, architecture: &Architecture, task: &Task) -> f64 {
        if self.weights.is_empty() {
            return 0.5;
        }
        let sum: f64 = features(architecture, task).iter().zip(&self.weights).map(|(x, w)| x * w).sum();
        (self.mean + sum).clamp(0.0, 1.0)
    }

    /// (XᵀX + λI)⁻¹ Xᵀ(y − ȳ), by Gaussian elimination of a positive definite matrix.
    fn fit(&self) -> Vec<f64> {
        let mut system = vec![[0.0; N + 1]; N];
        for (x, y) in &self.known {
            for i in 0..N {
                (0..N).for_each(|j| system[i][j] += x[i] * x[j]);
                system[i][N] += x[i] * (y - self.mean);
            }
        }
        (0..N).for_each(|i| system[i][i] += RIDGE);
        for i in 0..N {
            let row = system[i];
            for (_, other) in system.iter_mut().enumerate().filter(|(j, _)| *j != i) {
                let factor = other[i] / row[i];
                (i..=N).for_each(|at| other[at] -= factor * row[at]);
            }
        }
        (0..N).map(|i| system[i][N] / system[i][i]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;
    use cleave_arch::supernet::Paths;

    #[test]
    fn what_can_be_seen_is_learned() {
        let task = Task::modelnet10();
        let (paths, mut rng, mut surrogate) = (Paths::new(&task), SplitMix64::new(1), Surrogate::default());
        let truth = |architecture: &Architecture| {
            let x = features(architecture, &task);
            0.5 + 0.2 * x[7] + 0.1 * x[18] - 0.1 * x[11]
        };
        assert_eq!(surrogate.of(&paths.draw(&mut rng), &task), 0.5);
        for _ in 0..150 {
            let architecture = paths.draw(&mut rng);
            surrogate.learn(&architecture, &task, truth(&architecture));
        }
        for _ in 0..50 {
            let architecture = paths.draw(&mut rng);
            let off = (surrogate.of(&architecture, &task) - truth(&architecture)).abs();
            assert!(off < 0.03, "{architecture}: {off}");
        }
    }
}
