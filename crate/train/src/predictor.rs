//! Trains the latency predictor: graphs of plans and measured latencies to weights of a [`Gin`].
//!
//! The loss is the mean |ln(predicted / measured)|, which for small errors is the authors' MAPE and weighs too slow like
//! too fast. A tenth of the pairs is kept aside, and the weights that do best on it are the result.

use crate::TrainError;
use crate::optimizer::{AdamW, Rate};
use crate::trainer::read;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use cleave_model::{Gin, GinWeights};

/// One measured plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanSample {
    /// Standardised features, flat `[nodes, features]`.
    pub features: Vec<f32>,
    /// Nodes of its graph.
    pub nodes: usize,
    /// ln(measured latency / table's sum).
    pub log_ratio: f32,
}

/// Settings of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictorConfig {
    /// Width of every layer.
    pub width: usize,
    /// Passes over the pairs.
    pub epochs: usize,
    /// Pairs of a step.
    pub batch: usize,
    /// Highest learning rate; it falls to zero along a cosine.
    pub rate: f32,
    /// Decoupled weight decay.
    pub decay: f32,
    /// Seed of the weights, the split and the order.
    pub seed: u64,
}

impl Default for PredictorConfig {
    fn default() -> Self {
        Self { width: 64, epochs: 200, batch: 64, rate: 2e-3, decay: 1e-2, seed: 1 }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictorEpoch {
    /// Epochs done.
    pub epoch: usize,
    /// Mean loss of its steps.
    pub training: f32,
    /// Loss on the pairs kept aside.
    pub validation: f32,
}

/// Trains; `observe` hears of every epoch and may stop the run by returning false. The metadata is left to the caller.
///
/// # Errors
/// Fewer than 20 pairs, pairs whose graphs differ in size, a loss that is no number.
pub fn fit_predictor(
    samples: &[PlanSample],
    config: &PredictorConfig,
    mut observe: impl FnMut(PredictorEpoch) -> bool,
) -> Result<GinWeights, TrainError> {
    let nodes = samples.first().map_or(0, |sample| sample.nodes);
    if samples.len() < 20 || samples.iter().any(|sample| sample.nodes != nodes) {
        return Err(TrainError::Pairs { n: samples.len() });
    }
    let mut rng = SplitMix64::new(config.seed);
    let mut order: Vec<usize> = (0..samples.len()).collect();
    shuffle(&mut order, &mut rng);
    let (aside, mut rest) = (order[..samples.len() / 10].to_vec(), order[samples.len() / 10..].to_vec());
    let n_features = samples[0].features.len() / nodes;
    let mut weights = GinWeights::random(n_features, config.width, config.seed);
    let (mut best, mut best_loss) = (weights.clone(), f32::INFINITY);
    let (mut adam, device) = (AdamW::default(), Device::flex().autodiff());
    for epoch in 0..config.epochs {
        shuffle(&mut rest, &mut rng);
        let part = epoch as f32 / config.epochs as f32;
        let rate = config.rate * 0.5 * (1.0 + (std::f32::consts::PI * part).cos());
        let mut sum = 0.0;
        for step in rest.chunks(config.batch) {
            let loss = self::step(&mut weights, &mut adam, samples, step, rate, config.decay, &device)?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { loss, epoch, step: 0 });
            }
            sum += loss * step.len() as f32;
        }
        let found = predict(&weights, samples, &aside, nodes)?;
        let off = found.iter().zip(&aside).map(|(found, at)| (found - samples[*at].log_ratio).abs());
        let validation = off.sum::<f32>() / aside.len() as f32;
        if validation < best_loss {
            (best, best_loss) = (weights.clone(), validation);
        }
        if !observe(PredictorEpoch { epoch, training: sum / rest.len() as f32, validation }) {
            break;
        }
    }
    Ok(best)
}

fn shuffle(order: &mut [usize], rng: &mut SplitMix64) {
    for i in (1..order.len()).rev() {
        order.swap(i, rng.below(i + 1));
    }
}

fn gather(samples: &[PlanSample], of: &[usize]) -> Vec<f32> {
    of.iter().flat_map(|at| samples[*at].features.iter().copied()).collect()
}

fn predict(weights: &GinWeights, samples: &[PlanSample], of: &[usize], nodes: usize) -> Result<Vec<f32>, TrainError> {
    let network = Gin::new(weights, &Device::flex());
    read(network.forward(gather(samples, of), of.len(), nodes))
}

fn step(
    weights: &mut GinWeights,
    adam: &mut AdamW,
    samples: &[PlanSample],
    of: &[usize],
    rate: f32,
    decay: f32,
    device: &Device,
) -> Result<f32, TrainError> {
    let network = Gin::new(weights, device).with_gradients();
    let wanted: Vec<f32> = of.iter().map(|at| samples[*at].log_ratio).collect();
    let wanted = Tensor::<1>::from_data(TensorData::new(wanted, [of.len()]), device);
    let found = network.forward(gather(samples, of), of.len(), samples[of[0]].nodes);
    let loss = (found - wanted).abs().mean();
    let value = read(loss.clone().inner())?[0];
    let gradients = loss.backward();
    for (name, leaf) in network.leaves() {
        if let (Some(gradient), Some((_, values))) = (leaf.grad(&gradients), weights.values.get_mut(name)) {
            let decay = if name.ends_with("weight") { decay } else { 0.0 };
            adam.update(name, values, &read(gradient)?, Rate { rate, decay });
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plans whose latency is their table's sum, but for a factor that one feature of one node decides.
    fn samples(n: usize) -> Vec<PlanSample> {
        let mut rng = SplitMix64::new(4);
        let sample = |_| {
            let mut features: Vec<f32> = (0..18 * 12).map(|_| rng.unit_f32()).collect();
            features[5 * 12] = if rng.below(2) == 0 { 6.0 } else { -6.0 };
            let log_ratio = if features[5 * 12] > 0.0 { 0.4 } else { -0.2 };
            PlanSample { features, nodes: 18, log_ratio }
        };
        (0..n).map(sample).collect()
    }

    #[test]
    fn what_the_table_misses_is_learned_and_a_seed_is_a_run() {
        let config = PredictorConfig { width: 16, epochs: 30, ..PredictorConfig::default() };
        let mut seen = Vec::new();
        let run = |seen: &mut Vec<PredictorEpoch>| {
            fit_predictor(&samples(300), &config, |epoch| {
                seen.push(epoch);
                true
            })
        };
        let weights = run(&mut seen).unwrap();
        let (first, last) = (seen[0].training, seen[29].training);
        assert!(last < 0.8 * first, "{first} to {last}");
        assert_eq!(weights, run(&mut Vec::new()).unwrap());
    }

    #[test]
    fn a_run_can_be_stopped_and_too_few_pairs_are_refused() {
        let mut epochs = 0;
        let stop = |_| {
            epochs += 1;
            epochs < 3
        };
        fit_predictor(&samples(40), &PredictorConfig::default(), stop).unwrap();
        assert_eq!(epochs, 3);
        let why = fit_predictor(&samples(5), &PredictorConfig::default(), |_| true).unwrap_err().to_string();
        assert!(why.contains('5'), "{why}");
    }
}
