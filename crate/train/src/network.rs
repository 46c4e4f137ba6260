//! A network in its trainable form: named parameters and running statistics, and their export as weights.
//!
//! The parameters are plain numbers with the names of the weight file; burn's tensors are made of them for each step
//! ([`crate::pass`]). So a checkpoint is exact and nothing has to be matched to module paths.

use cleave_arch::{Architecture, SplitMix64, Task};
use cleave_model::{Weight, Weights};
use std::collections::BTreeMap;

/// A matrix that training changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Row-major.
    pub values: Vec<f32>,
}

/// Parameters and running statistics of an architecture.
///
/// | name | shape | what |
/// |---|---|---|
/// | `{layer}.weight` | `[in, out]` | linear layer; one with a norm needs no bias, the norm has it |
/// | `{layer}.affine` | `[2, out]` | γ and β of the norm |
/// | `classifier.2.bias` | `[1, out]` | bias of the layer without a norm |
///
/// Running statistics: `{layer}` → `[2, out]`, mean and variance.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    architecture: Architecture,
    task: Task,
    /// By name, what training changes by gradient.
    pub parameters: BTreeMap<String, Parameter>,
    /// By layer, what training observes.
    pub running: BTreeMap<String, Vec<f32>>,
}

/// Share of a step's statistics in the running ones.
const MOMENTUM: f32 = 0.1;

impl Network {
    /// Seeded initial values: uniform He initialisation for LeakyReLU, norms without effect.
    pub fn new(architecture: &Architecture, task: &Task, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        Self::with(architecture, task, |n, inputs| uniform(n, inputs, &mut rng))
    }

    /// Norms without effect, matrices of so many values for so many inputs from elsewhere, in the order of execution.
    pub(crate) fn with(
        architecture: &Architecture,
        task: &Task,
        mut matrix: impl FnMut(usize, usize) -> Vec<f32>,
    ) -> Self {
        let mut network = Self {
            architecture: architecture.clone(),
            task: *task,
            parameters: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        for (layer, [inputs, outputs], has_norm) in network.layers() {
            let values = matrix(inputs * outputs, inputs);
            network.insert(format!("{layer}.weight"), [inputs, outputs], values);
            if has_norm {
                network.insert(format!("{layer}.affine"), [2, outputs], pair(outputs, 1.0, 0.0));
                network.running.insert(layer, pair(outputs, 0.0, 1.0));
            } else {
                network.insert(format!("{layer}.bias"), [1, outputs], vec![0.0; outputs]);
            }
        }
        network
    }

    fn insert(&mut self, name: String, shape: [usize; 2], values: Vec<f32>) {
        self.parameters.insert(name, Parameter { shape, values });
    }

    /// Every linear layer with its shape and whether a norm follows, from the documented names.
    fn layers(&self) -> Vec<(String, [usize; 2], bool)> {
        let specs = self.architecture.parameters(&self.task);
        let has_norm = |layer: &str| specs.iter().any(|spec| spec.name == format!("{layer}.norm.weight"));
        let matrix = |spec: &cleave_arch::ParamSpec| match (spec.name.strip_suffix(".weight"), &spec.shape[..]) {
            (Some(layer), [inputs, outputs]) => Some((layer.to_owned(), [*inputs, *outputs], has_norm(layer))),
            _ => None,
        };
        specs.iter().filter_map(matrix).collect()
    }

    /// The network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Its task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Takes the statistics of a step, `[2, out]` of a layer, into the running ones.
    pub fn observe(&mut self, layer: &str, stats: &[f32]) {
        if let Some(running) = self.running.get_mut(layer) {
            running.iter_mut().zip(stats).for_each(|(r, s)| *r += MOMENTUM * (s - *r));
        }
    }

    /// The weights under their documented names.
    pub fn weights(&self) -> Weights {
        let mut tensors = Vec::new();
        for (layer, [inputs, outputs], has_norm) in self.layers() {
            let mut add = |part: &str, shape: &[usize], values: &[f32]| {
                tensors.push((format!("{layer}.{part}"), Weight { shape: shape.to_vec(), values: values.to_vec() }));
            };
            let values = |part: &str| self.parameters.get(&format!("{layer}.{part}")).map(|p| p.values.as_slice());
            add("weight", &[inputs, outputs], values("weight").unwrap_or_default());
            match (has_norm, values("affine"), self.running.get(&layer)) {
                (true, Some(affine), Some(running)) => {
                    add("bias", &[outputs], &vec![0.0; outputs]);
                    let halves = [(affine, ["norm.weight", "norm.bias"]), (running, ["norm.mean", "norm.var"])];
                    for (values, [first, second]) in halves {
                        add(first, &[outputs], &values[..outputs]);
                        add(second, &[outputs], &values[outputs..]);
                    }
                }
                _ => add("bias", &[outputs], values("bias").unwrap_or_default()),
            }
        }
        Weights::new(tensors)
    }
}

/// He et al.'s uniform initialisation of `n` weights for LeakyReLU, for sums over so many inputs.
pub(crate) fn uniform(n: usize, inputs: usize, rng: &mut SplitMix64) -> Vec<f32> {
    let bound = (6.0 / inputs as f32 / 1.04).sqrt();
    (0..n).map(|_| bound * (2.0 * rng.unit_f32() - 1.0)).collect()
}

fn pair(n: usize, first: f32, second: f32) -> Vec<f32> {
    [vec![first; n], vec![second; n]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_weights_are_those_of_the_architecture() {
        let task = Task::modelnet10();
        for text in ["3 1 2 1 4 1,0 2 6 3 3 0", "3 6 3 6 7 1 4,0 3 0 3 0 4 0"] {
            let plan: cleave_arch::Plan = text.parse().unwrap();
            let network = Network::new(plan.architecture(), &task, 1);
            network.weights().check(plan.architecture(), &task).unwrap();
        }
    }
}
