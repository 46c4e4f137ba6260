//! The supernet in its trainable form: the largest layers, of which each step trains the part that one
//! drawn architecture reads (single-path one-shot; Guo et al., ECCV 2020).

use crate::favour::Favour;
use crate::network::{Network, Parameter, uniform};
use cleave_arch::supernet::Paths;
use cleave_arch::{Architecture, Halves, SplitMix64, Task, supernet};
use cleave_model::{SupernetWeights, Weight, Weights};
use std::collections::BTreeMap;

/// All layers; names of parameters as in [`Network`], layers named as in [`cleave_arch::supernet`].
#[derive(Clone, Debug, PartialEq)]
pub struct Supernet {
    task: Task,
    /// By name, what training changes.
    pub parameters: BTreeMap<String, Parameter>,
    /// Architectures with other functions are not trained.
    functions: Option<Halves>,
    /// Which architectures its steps train.
    pub(crate) favour: Favour,
}

impl Supernet {
    /// Seeded initial values. A layer is initialised for a sixth of its inputs, which is about what an architecture
    /// reads of it.
    pub fn new(task: &Task, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        let mut parameters = BTreeMap::new();
        for layer in supernet::layers(task) {
            let [inputs, outputs] = layer.shape;
            let read = if layer.name == "classifier.1" || !layer.norm { inputs } else { inputs.div_ceil(6) };
            let mut put = |part: &str, shape, values| {
                parameters.insert(format!("{}.{part}", layer.name), Parameter { shape, values });
            };
            put("weight", layer.shape, uniform(inputs * outputs, read, &mut rng));
            if layer.norm {
                put("affine", [2, outputs], [vec![1.0; outputs], vec![0.0; outputs]].concat());
            } else {
                put("bias", [1, outputs], vec![0.0; outputs]);
            }
        }
        Self { task: *task, parameters, functions: None, favour: Favour::default() }
    }

    /// The same, of which only architectures with these functions are to be trained.
    pub fn restricted(self, functions: Halves) -> Self {
        Self { functions: Some(functions), ..self }
    }

    /// The architecture of a step, for a task of perhaps fewer nodes.
    pub(crate) fn draw(&self, task: &Task, rng: &mut SplitMix64) -> Architecture {
        let paths = self.functions.map_or_else(|| Paths::new(task), |functions| Paths::with(task, functions));
        self.favour.draw(&paths, task, rng)
    }

    /// The part that an architecture of the space reads, as a network of its own. The task may have fewer nodes and
    /// neighbours than the supernet's: sums are over those.
    pub fn part(&self, architecture: &Architecture, task: &Task) -> Network {
        // Every value is set below.
        let mut network = Network::with(architecture, task, |_, _| Vec::new());
        for part in supernet::parts(architecture, task) {
            for kind in KINDS {
                let whole = self.parameters.get(&format!("{}.{kind}", part.of));
                let own = network.parameters.get_mut(&format!("{}.{kind}", part.layer));
                let (Some(whole), Some(own)) = (whole, own) else { continue };
                let of_row = |(row, scale): (usize, f32)| {
                    whole.values[row * whole.shape[1]..][..part.outputs].iter().map(move |value| scale * value)
                };
                own.values = rows(&part, kind).into_iter().flat_map(of_row).collect();
            }
        }
        network
    }

    /// As a file: what evaluates architectures by these weights.
    pub fn weights(&self, classes: &[String], trained_on: String) -> SupernetWeights {
        let tensor = |(name, parameter): (&String, &Parameter)| {
            (name.clone(), Weight { shape: parameter.shape.to_vec(), values: parameter.values.clone() })
        };
        SupernetWeights {
            task: self.task,
            classes: classes.to_vec(),
            trained_on,
            functions: self.functions,
            tensors: Weights::new(self.parameters.iter().map(tensor)),
        }
    }
}

/// Parameters of a layer.
pub(crate) const KINDS: [&str; 3] = ["weight", "affine", "bias"];

/// Which rows of the largest parameter a part has, in its order, with their scale.
pub(crate) fn rows(part: &supernet::Part, kind: &str) -> Vec<(usize, f32)> {
    match kind {
        "weight" => part.rows().collect(),
        "affine" => vec![(0, 1.0), (1, 1.0)],
        _ => vec![(0, 1.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_the_corner_of_the_whole() {
        let task = Task::modelnet10();
        let supernet = Supernet::new(&task, 3);
        let plan: cleave_arch::Plan = "1 3 2 4 1,0 0 6 3 1".parse().unwrap();
        let part = supernet.part(plan.architecture(), &task);
        let whole = &supernet.parameters["combine.0.weight"];
        assert_eq!(part.parameters["op.0.weight"].shape, [3, 8]);
        assert_eq!(part.parameters["op.0.weight"].values[8..16], whole.values[128..136]);
        // 8 channels, 16 as messages, 32 as max ‖ mean: the first mean is row 16 here and row 256 there.
        let (mean, pooled) = (&part.parameters["op.4.weight"], &supernet.parameters["pooled.0.weight"]);
        assert_eq!(mean.shape, [32, 16]);
        assert_eq!(mean.values[16 * 16..17 * 16], pooled.values[256 * 128..256 * 128 + 16]);
    }
}
