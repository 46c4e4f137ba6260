//! A graph isomorphism network (Xu et al., ICLR 2019) that predicts the latency of a plan from its graph, as in GCoDE:
//! three layers of mean aggregation and a two-layer perceptron each, pooling over the nodes, and a perceptron.
//!
//! What it gives is the logarithm of the latency over the table's sum, so that an untrained one predicts the table, and
//! one trained on some machines carries to others through their tables. Two deviations from the authors' network: no
//! BatchNorm and no dropout (a small network that corrects a good estimate does not need them), and width 64 for 1024.

use crate::ModelError;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use safetensors::tensor::{Dtype, TensorView};
use std::collections::{BTreeMap, HashMap};

/// Layers of message passing.
const LAYERS: usize = 3;
/// The metadata entry of a weights file.
const META: &str = "cleave-predictor";

/// Weights by name: `gin.L.P.weight [in, out]`, `gin.L.P.bias [1, out]` with layer L and perceptron layer P, `head.P.…`.
#[derive(Clone, Debug, PartialEq)]
pub struct GinWeights {
    /// Shape and values of each.
    pub values: BTreeMap<String, ([usize; 2], Vec<f32>)>,
    /// What belongs to the weights, as JSON: how features are standardised, what it was trained on.
    pub meta: String,
}

impl GinWeights {
    /// Random weights (He et al.); the last layer is zero, so that the table is predicted.
    pub fn random(features: usize, width: usize, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        let mut values = BTreeMap::new();
        for (name, inputs, outputs) in shapes(features, width) {
            let scale = if name == "head.1" { 0.0 } else { (6.0 / inputs as f32).sqrt() };
            let weight = (0..inputs * outputs).map(|_| scale * (2.0 * rng.unit_f32() - 1.0)).collect();
            values.insert(format!("{name}.weight"), ([inputs, outputs], weight));
            values.insert(format!("{name}.bias"), ([1, outputs], vec![0.0; outputs]));
        }
        Self { values, meta: String::new() }
    }

    /// As a file.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`] if it cannot be written; no weights made here are such.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, ModelError> {
        let bytes: Vec<(&String, [usize; 2], Vec<u8>)> = self
            .values
            .iter()
            .map(|(name, (shape, values))| {
                (name, *shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let file = |why: safetensors::SafeTensorError| ModelError::NotSafetensors { why: why.to_string() };
        let views = bytes.iter().map(|(name, shape, bytes)| {
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| ((*name).clone(), view)).map_err(file)
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let meta = HashMap::from([(META.to_owned(), self.meta.clone())]);
        safetensors::serialize(views, Some(meta)).map_err(file)
    }

    /// From a file.
    ///
    /// # Errors
    /// [`ModelError::NotSafetensors`] says what it is instead.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let file = |why: String| ModelError::NotSafetensors { why };
        let (_, header) = safetensors::SafeTensors::read_metadata(bytes).map_err(|why| file(why.to_string()))?;
        let meta = header.metadata().as_ref().and_then(|meta| meta.get(META)).cloned();
        let meta =
            meta.ok_or_else(|| file("it holds no predictor: its metadata has no \"cleave-predictor\"".into()))?;
        let tensors = safetensors::SafeTensors::deserialize(bytes).map_err(|why| file(why.to_string()))?;
        let read = |(name, view): (String, TensorView<'_>)| {
            let [rows, cols] = *view.shape() else {
                return Err(file(format!("`{name}` has shape {:?}, a matrix is expected", view.shape())));
            };
            let values = view.data().chunks_exact(4).map(|raw| f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]));
            Ok((name, ([rows, cols], values.collect())))
        };
        let values: BTreeMap<_, _> = tensors.tensors().into_iter().map(read).collect::<Result<_, _>>()?;
        let weights = Self { values, meta };
        let shape = |name: &str| weights.values.get(name).map(|(shape, _)| *shape);
        let [features, width] = shape("gin.0.0.weight").ok_or_else(|| file("it has no `gin.0.0.weight`".into()))?;
        for (name, inputs, outputs) in shapes(features, width) {
            for (part, wanted) in [("weight", [inputs, outputs]), ("bias", [1, outputs])] {
                let found = shape(&format!("{name}.{part}"));
                if found != Some(wanted) {
                    return Err(file(format!("`{name}.{part}` is {found:?}, {wanted:?} is expected")));
                }
            }
        }
        Ok(weights)
    }
}

/// Every linear layer: name, inputs, outputs.
fn shapes(features: usize, width: usize) -> Vec<(String, usize, usize)> {
    let layer = |layer: usize| {
        let inputs = if layer == 0 { features } else { width };
        [(format!("gin.{layer}.0"), inputs, width), (format!("gin.{layer}.1"), width, width)]
    };
    let head = [("head.0".to_owned(), width, width), ("head.1".to_owned(), width, 1)];
    (0..LAYERS).flat_map(layer).chain(head).collect()
}

/// The network on a device, its parameters as tensors: those of [`GinWeights`], or leaves whose gradients are followed.
pub struct Gin {
    leaves: BTreeMap<String, Tensor<2>>,
    device: Device,
}

impl Gin {
    /// Puts the weights on the device.
    pub fn new(weights: &GinWeights, device: &Device) -> Self {
        let leaf = |(name, (shape, values)): (&String, &([usize; 2], Vec<f32>))| {
            (name.clone(), Tensor::from_data(TensorData::new(values.clone(), *shape), device))
        };
        Self { leaves: weights.values.iter().map(leaf).collect(), device: device.clone() }
    }

    /// The same network, its gradients followed.
    pub fn with_gradients(self) -> Self {
        let leaves = self.leaves.into_iter().map(|(name, leaf)| (name, leaf.require_grad())).collect();
        Self { leaves, ..self }
    }

    /// The parameters.
    pub fn leaves(&self) -> &BTreeMap<String, Tensor<2>> {
        &self.leaves
    }

    /// `features [batch, nodes, features]`, flat → the logarithm of latency over the table's sum, `[batch]`. The
    /// parameters' names are this network's own.
    pub fn forward(&self, features: Vec<f32>, batch: usize, nodes: usize) -> Tensor<1> {
        let n_features = features.len() / (batch * nodes).max(1);
        let x = Tensor::<3>::from_data(TensorData::new(features, [batch, nodes, n_features]), &self.device);
        // Nodes first: aggregation is then one product for the whole batch.
        let mut x = x.swap_dims(0, 1).reshape([nodes, batch * n_features]);
        let mean = Tensor::<2>::from_data(aggregation(nodes), &self.device);
        let mut width = n_features;
        for layer in 0..LAYERS {
            let sum = x.clone() + mean.clone().matmul(x);
            let hidden = relu(self.linear(&format!("gin.{layer}.0"), sum.reshape([nodes * batch, width])));
            let hidden = relu(self.linear(&format!("gin.{layer}.1"), hidden));
            width = hidden.dims()[1];
            x = hidden.reshape([nodes, batch * width]);
        }
        let pooled = x.mean_dim(0).reshape([batch, width]);
        let hidden = relu(self.linear("head.0", pooled));
        self.linear("head.1", hidden).reshape([batch])
    }

    fn linear(&self, name: &str, x: Tensor<2>) -> Tensor<2> {
        match (self.leaves.get(&format!("{name}.weight")), self.leaves.get(&format!("{name}.bias"))) {
            (Some(weight), Some(bias)) => x.matmul(weight.clone()) + bias.clone(),
            // Not reached: the names are checked when weights are made or read.
            _ => x,
        }
    }
}

/// Row-normalised `[nodes, nodes]`: every node hears itself and the one before it, the global node hears all; the input
/// hears itself alone.
fn aggregation(nodes: usize) -> TensorData {
    let mut mean = vec![0.0f32; nodes * nodes];
    mean[..nodes].fill(1.0 / nodes as f32);
    if nodes > 1 {
        mean[nodes + 1] = 1.0;
    }
    for node in 2..nodes {
        mean[node * nodes + node] = 0.5;
        mean[node * nodes + node - 1] = 0.5;
    }
    TensorData::new(mean, [nodes, nodes])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(weights: &GinWeights, features: Vec<f32>, batch: usize) -> Vec<f32> {
        let nodes = features.len() / 12 / batch;
        Gin::new(weights, &Device::flex()).forward(features, batch, nodes).into_data().try_into_vec().unwrap()
    }

    fn trained() -> GinWeights {
        let mut weights = GinWeights::random(12, 16, 3);
        let head = weights.values.get_mut("head.1.weight").unwrap();
        head.1.iter_mut().enumerate().for_each(|(i, value)| *value = (i as f32).sin());
        GinWeights { meta: "{}".into(), ..weights }
    }

    fn features(batch: usize) -> Vec<f32> {
        let mut rng = SplitMix64::new(5);
        (0..batch * 18 * 12).map(|_| rng.unit_f32()).collect()
    }

    #[test]
    fn an_untrained_network_predicts_the_table() {
        assert_eq!(outputs(&GinWeights::random(12, 16, 1), features(3), 3), [0.0; 3]);
    }

    #[test]
    fn a_batch_is_its_parts_and_every_node_counts() {
        let (weights, all) = (trained(), features(3));
        let together = outputs(&weights, all.clone(), 3);
        for (i, part) in all.chunks_exact(18 * 12).enumerate() {
            let alone = outputs(&weights, part.to_vec(), 1)[0];
            assert!((alone - together[i]).abs() < 1e-5, "{alone} {}", together[i]);
        }
        for node in 0..18 {
            let mut changed = all[..18 * 12].to_vec();
            changed[node * 12 + 9] += 1.0;
            assert!((outputs(&weights, changed, 1)[0] - together[0]).abs() > 1e-6, "node {node}");
        }
    }

    #[test]
    fn a_file_holds_the_weights_and_another_is_refused() {
        let weights = trained();
        let bytes = weights.to_safetensors().unwrap();
        assert_eq!(GinWeights::from_safetensors(&bytes).unwrap(), weights);
        assert!(GinWeights::from_safetensors(&bytes[..100]).is_err());
        let mut narrow = weights.clone();
        narrow.values.insert("head.0.bias".into(), ([1, 3], vec![0.0; 3]));
        let why = GinWeights::from_safetensors(&narrow.to_safetensors().unwrap()).unwrap_err().to_string();
        assert!(why.contains("head.0.bias") && why.contains("[1, 16]"), "{why}");
    }
}
