//! Which architectures the steps of a supernet train. Uniform draws spend most steps on architectures that nobody will
//! choose, and their gradients pull on the weights of the good ones. So three draws of four are the best of six by a
//! running linear regression of what steps got right (after GreedyNAS, You et al., CVPR 2020, which compares losses on
//! held-out batches instead).

use cleave_arch::supernet::{FEATURES, Paths, features};
use cleave_arch::{Architecture, SplitMix64, Task};

/// Draws that are compared.
const COMPARED: usize = 6;
/// One draw of so many is uniform.
const UNIFORM: usize = 4;
/// Step of the regression (least mean squares).
const RATE: f64 = 0.02;

/// The regression's weights; the accuracy that it expects is their product with [`features`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Favour {
    pub(crate) weights: [f32; FEATURES],
}

impl Favour {
    /// The architecture of a step, among these.
    pub(crate) fn draw(&self, paths: &Paths, task: &Task, rng: &mut SplitMix64) -> Architecture {
        let compared = if rng.below(UNIFORM) == 0 { 1 } else { COMPARED };
        let mut scored = || {
            let drawn = paths.draw(rng);
            (self.expects(&features(&drawn, task)), drawn)
        };
        let first = scored();
        (1..compared).map(|_| scored()).fold(first, |best, other| if other.0 > best.0 { other } else { best }).1
    }

    /// Takes in what share of a step's samples an architecture got right.
    pub(crate) fn learn(&mut self, architecture: &Architecture, task: &Task, right: f64) {
        let x = features(architecture, task);
        let error = right - self.expects(&x);
        self.weights.iter_mut().zip(x).for_each(|(weight, x)| *weight += (RATE * error * x) as f32);
    }

    fn expects(&self, x: &[f64; FEATURES]) -> f64 {
        x.iter().zip(&self.weights).map(|(x, weight)| x * f64::from(*weight)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::{Op, Sampler};

    #[test]
    fn what_learns_well_is_drawn_more_often_and_the_rest_still() {
        let (task, mut rng, mut favour) = (Task::modelnet10(), SplitMix64::new(1), Favour::default());
        let is_good = |architecture: &Architecture| {
            !architecture.ops().contains(&Op::Sample(Sampler::Random))
                && architecture.ops().iter().filter(|op| matches!(op, Op::Combine { .. })).count() > 3
        };
        let paths = Paths::new(&task);
        let mut share = |favour: &Favour| {
            let draws = (0..400).filter(|_| is_good(&favour.draw(&paths, &task, &mut rng)));
            draws.count() as f64 / 400.0
        };
        let before = share(&favour);
        let mut other = SplitMix64::new(2);
        for _ in 0..2_000 {
            let architecture = favour.draw(&paths, &task, &mut other);
            favour.learn(&architecture, &task, if is_good(&architecture) { 0.9 } else { 0.3 });
        }
        let after = share(&favour);
        assert!(after > 1.5 * before && after < 0.95, "{before} became {after}");
    }
}
