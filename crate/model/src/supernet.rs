//! The supernet's weights, and any architecture of its space run by them.
//!
//! Shared weights have no statistics of their own: what a BatchNorm sees depends on the architecture before it. They are
//! measured anew for every architecture, layer by layer, on a batch of calibration clouds (Guo et al., ECCV 2020), and
//! the result is an ordinary network with ordinary weights: it can be cut, deployed and saved like any other.

use crate::exec::{Values, Way};
use crate::gnn::Gnn;
use crate::ops::linear;
use crate::state::State;
use crate::weights::{as_text, classes, not_safetensors, parse_task, task_to_json};
use crate::{ModelError, Storage, Weight, Weights};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use cleave_arch::{Architecture, Halves, Task, supernet};
use cleave_graph::Op;
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Metadata entry of the file.
const ENTRY: &str = "cleave-supernet";

/// Shared weights of every architecture of [`cleave_arch::supernet`].
///
/// `{layer}.weight` `[in, out]`, `{layer}.affine` `[2, out]` (γ, β) where a BatchNorm follows, `{layer}.bias`
/// `[1, out]` where none does; layers as [`cleave_arch::supernet::layers`] names them.
#[derive(Clone, Debug, PartialEq)]
pub struct SupernetWeights {
    /// Input and classes.
    pub task: Task,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// What they were trained on, for people.
    pub trained_on: String,
    /// Only architectures with these functions were trained; `None`: all of the space.
    pub functions: Option<Halves>,
    /// The tensors.
    pub tensors: Weights,
}

impl SupernetWeights {
    /// As a file, matrices in half precision.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`] if it cannot be written; no weights made here are such.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let mut card =
            json!({ "task": task_to_json(&self.task), "classes": self.classes, "trained_on": self.trained_on });
        if let Some(functions) = self.functions {
            card["functions"] = functions.to_string().into();
        }
        self.tensors.write(HashMap::from([(ENTRY.to_owned(), card.to_string())]), Storage::F16)
    }

    /// From a file.
    ///
    /// # Errors
    /// What the file is instead, or which tensor is missing or of the wrong shape.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let text = header.metadata().as_ref().and_then(|entries| entries.get(ENTRY));
        let wrong = |why: String| ModelError::Metadata { key: ENTRY.into(), why };
        let text = text.ok_or_else(|| wrong("is missing; files made by `cleave train supernet` carry it".into()))?;
        let card: Value = serde_json::from_str(text).map_err(|why| wrong(why.to_string()))?;
        let functions =
            card.get("functions").map(|text| text.as_str().unwrap_or_default().parse::<Halves>()).transpose();
        let weights = Self {
            functions: functions.map_err(|why| wrong(why.to_string()))?,
            task: parse_task(&card["task"])?,
            classes: classes(&card)?,
            trained_on: as_text(&card, "trained_on")?,
            tensors: Weights::from_safetensors(bytes)?,
        };
        for layer in supernet::layers(&weights.task) {
            let (weight, other) = if layer.norm { ("weight", "affine") } else { ("weight", "bias") };
            let rows = if layer.norm { 2 } else { 1 };
            weights.tensors.get(&format!("{}.{weight}", layer.name), &layer.shape)?;
            weights.tensors.get(&format!("{}.{other}", layer.name), &[rows, layer.shape[1]])?;
        }
        Ok(weights)
    }

    /// The network of an architecture of the space, its statistics those of `input`, the state of a batch before the
    /// first operation, and its weights.
    ///
    /// # Errors
    /// [`ModelError::Uncovered`] for an architecture outside the space; a device that cannot be read.
    pub async fn network(
        &self,
        architecture: &Architecture,
        input: State,
        device: &Device,
    ) -> Result<(Gnn, Weights), ModelError> {
        if let Some(why) = supernet::uncovered(architecture, &self.task) {
            return Err(ModelError::Uncovered { why });
        }
        if let Some(functions) = self.functions.filter(|functions| !functions.holds(architecture)) {
            let why =
                format!("`{architecture}` has other functions than `{functions}`, which alone these weights know");
            return Err(ModelError::Uncovered { why });
        }
        let mut weights = self.part(architecture);
        let mut gnn = Gnn::new(architecture, &self.task, &weights, device)?;
        let graph = gnn.lowered().graph.clone();
        let mut values: Values = input.values.into_iter().collect();
        for (at, node) in graph.nodes().iter().enumerate() {
            if let Op::Combine(_) = node.op {
                let x = values.get(&node.inputs[0]).cloned();
                let x = x.ok_or_else(|| ModelError::Parts { found: format!("node {at} has no input") })?;
                observe(&mut weights, &graph.weights_of(at), x.nodes()).await?;
                gnn.executor_mut().reload(at, &weights)?;
            }
            values = gnn.executor().run_nodes(at..at + 1, values, Way::Fast)?;
        }
        Ok((gnn, weights))
    }

    /// The part that an architecture reads, its statistics without effect.
    fn part(&self, architecture: &Architecture) -> Weights {
        let mut tensors = Vec::new();
        for part in supernet::parts(architecture, &self.task) {
            let whole = |name: &str| self.tensors.find(&format!("{}.{name}", part.of));
            let n = part.outputs;
            let row = |weight: &Weight, row: usize| weight.values[row * weight.shape[1]..][..n].to_vec();
            let mut put = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
                tensors.push((format!("{}.{name}", part.layer), Weight { shape, values }));
            };
            if let Some(weight) = whole("weight") {
                let scaled = |(at, scale)| row(weight, at).into_iter().map(move |value| scale * value);
                let values: Vec<f32> = part.rows().flat_map(scaled).collect();
                put("weight", vec![values.len() / n, n], values);
            }
            put("bias", vec![n], whole("bias").map_or_else(|| vec![0.0; n], |bias| row(bias, 0)));
            if let Some(affine) = whole("affine") {
                put("norm.weight", vec![n], row(affine, 0));
                put("norm.bias", vec![n], row(affine, 1));
                put("norm.mean", vec![n], vec![0.0; n]);
                put("norm.var", vec![n], vec![1.0; n]);
            }
        }
        Weights::new(tensors)
    }
}

/// Sets the statistics of a layer to those of its outputs for `x [b, n, in]`.
async fn observe(weights: &mut Weights, layer: &str, x: Tensor<3>) -> Result<(), ModelError> {
    let Some(weight) = weights.find(&format!("{layer}.weight")) else { return Ok(()) };
    let (device, [inputs, outputs]) = (x.device(), [weight.shape[0], weight.shape[1]]);
    let matrix = Tensor::from_data(TensorData::new(weight.values.clone(), [1, inputs, outputs]), &device);
    let z = linear(x, matrix, Tensor::zeros([1, 1, outputs], &device), 1.0);
    let mean = z.clone().mean_dim(1).mean_dim(0);
    let off = z - mean.clone();
    let variance = (off.clone() * off).mean_dim(1).mean_dim(0);
    let read = Transaction::default().register(mean).register(variance).execute_async().await;
    let read = read.map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })?;
    for (part, data) in ["norm.mean", "norm.var"].into_iter().zip(read) {
        let values = data.try_into_vec::<f32>().map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })?;
        weights.set(&format!("{layer}.{part}"), values);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::SplitMix64;
    use cleave_arch::supernet::{Paths, layers};
    use futures_util::FutureExt;

    fn task() -> Task {
        Task { n_points: 48, k: 6, ..Task::modelnet10() }
    }

    fn supernet() -> SupernetWeights {
        let mut rng = SplitMix64::new(1);
        let mut draw = |shape: Vec<usize>, scale: f32| {
            let n = shape.iter().product();
            Weight { shape, values: (0..n).map(|_| scale * (2.0 * rng.unit_f32() - 1.0)).collect() }
        };
        let tensors = layers(&task()).into_iter().flat_map(|layer| {
            let [inputs, outputs] = layer.shape;
            let second = if layer.norm { ("affine", vec![2, outputs]) } else { ("bias", vec![1, outputs]) };
            let scale = (3.0 / inputs as f32).sqrt();
            [
                (format!("{}.weight", layer.name), draw(vec![inputs, outputs], scale)),
                (format!("{}.{}", layer.name, second.0), draw(second.1, 1.0)),
            ]
        });
        let tensors = Weights::new(tensors.collect::<Vec<_>>());
        let classes = vec!["a".into(); 10];
        SupernetWeights { task: task(), classes, trained_on: "nothing".into(), functions: None, tensors }
    }

    fn clouds(b: usize) -> Tensor<3> {
        let mut rng = SplitMix64::new(2);
        let values: Vec<f32> = (0..b * 48 * 3).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
        Tensor::from_data(TensorData::new(values, [b, 48, 3]), &Device::flex())
    }

    #[test]
    fn every_architecture_of_the_space_runs_and_is_a_network_of_its_own() {
        let (supernet, device) = (supernet(), Device::flex());
        let (paths, mut rng) = (Paths::new(&task()), SplitMix64::new(3));
        for _ in 0..12 {
            let architecture = paths.draw(&mut rng);
            let (gnn, weights) =
                supernet.network(&architecture, State::input(clouds(4)), &device).now_or_never().unwrap().unwrap();
            let again = Gnn::new(&architecture, &task(), &weights, &device).unwrap();
            let answers = |gnn: &Gnn| gnn.forward(clouds(2)).unwrap().into_data().try_into_vec::<f32>().unwrap();
            assert_eq!(answers(&gnn), answers(&again), "{architecture}");
            assert!(answers(&gnn).iter().all(|value| value.is_finite()));
        }
    }

    /// What the norm makes of the calibration clouds has mean β and deviation |γ|: the definition of its statistics.
    #[test]
    fn statistics_are_those_of_the_calibration_clouds() {
        let (supernet, device) = (supernet(), Device::flex());
        let plan: cleave_arch::Plan = "3 2 1 4,0 6 1 0".parse().unwrap();
        let (_, weights) =
            supernet.network(plan.architecture(), State::input(clouds(4)), &device).now_or_never().unwrap().unwrap();
        let head: cleave_arch::Plan = "3 2 4,0 6 1".parse().unwrap();
        let gnn = Gnn::new(head.architecture(), &task(), &Weights::random(head.architecture(), &task(), 1), &device);
        let gnn = gnn.unwrap();
        let two = cleave_arch::Stretch { ops: 0..2, classifier: false, ..gnn.whole() };
        let state = gnn.run(&two, State::input(clouds(4))).unwrap();
        let x = state.features().into_data().try_into_vec::<f32>().unwrap();
        let weight = weights.find("op.2.weight").unwrap();
        let z: Vec<f64> = x
            .chunks_exact(6)
            .map(|row| row.iter().zip(weight.values.chunks_exact(16)).map(|(v, w)| f64::from(v * w[0])).sum())
            .collect();
        let mean = z.iter().sum::<f64>() / z.len() as f64;
        let variance = z.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / z.len() as f64;
        let stored = |part: &str| f64::from(weights.find(&format!("op.2.norm.{part}")).unwrap().values[0]);
        assert!((stored("mean") - mean).abs() < 1e-4 && (stored("var") / variance - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_file_holds_them_and_another_is_refused() {
        let supernet = supernet();
        let bytes = supernet.to_safetensors().unwrap();
        assert!(bytes.len() < 4_000_000);
        let read = SupernetWeights::from_safetensors(&bytes).unwrap();
        assert_eq!(
            (read.task, &read.classes, &read.trained_on),
            (supernet.task, &supernet.classes, &supernet.trained_on)
        );
        assert!(SupernetWeights::from_safetensors(&bytes[..1000]).is_err());
        let plan: cleave_arch::Plan = "3 2 1 4,0 6 1 0".parse().unwrap();
        let card = crate::Card {
            name: "n".into(),
            plan: plan.clone(),
            task: task(),
            classes: vec!["a".into(); 10],
            accuracy: None,
        };
        let other = Weights::random(plan.architecture(), &task(), 1).to_safetensors(&card, Storage::F32).unwrap();
        let why = SupernetWeights::from_safetensors(&other).unwrap_err().to_string();
        assert!(why.contains("cleave-supernet") && why.contains("train supernet"), "{why}");
        let wide: cleave_arch::Plan = "3 2 1 4,0 6 6 0".parse().unwrap();
        let refused =
            supernet.network(wide.architecture(), State::input(clouds(1)), &Device::flex()).now_or_never().unwrap();
        assert!(refused.err().unwrap().to_string().contains("combine 512"));
    }
}
