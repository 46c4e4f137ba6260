//! Image networks learn, the same way every time, through every kind of layer; what cannot be trained is refused.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use cleave_arch::SplitMix64;
use cleave_data::images::ImageSet;
use cleave_graph::Graph;
use cleave_model::exec::Params;
use cleave_train::{Command, ImageConfig, TrainError, evaluate_images, fit_images};

fn idx(lengths: &[u32], content: &[u8]) -> Vec<u8> {
    let header = [0, 0, 8, lengths.len() as u8];
    header.into_iter().chain(lengths.iter().flat_map(|n| n.to_be_bytes())).chain(content.iter().copied()).collect()
}

/// Noisy stripes of 8 × 8 pixels: upright (0) or lying (1).
fn stripes(n: usize, seed: u64) -> ImageSet {
    let mut rng = SplitMix64::new(seed);
    let labels: Vec<u8> = (0..n).map(|_| rng.below(2) as u8).collect();
    let mut pixels = Vec::new();
    for label in &labels {
        let phase = rng.below(2);
        pixels.extend((0..64).map(|at| {
            let line = if *label == 0 { at % 8 } else { at / 8 };
            let light = if (line / 2 + phase).is_multiple_of(2) { 180 } else { 40 };
            (light + rng.below(60)) as u8
        }));
    }
    ImageSet::decode(&idx(&[n as u32, 8, 8], &pixels), &idx(&[n as u32], &labels), 2).unwrap()
}

fn config(chain: &str) -> ImageConfig {
    let network: Graph = chain.parse().unwrap();
    ImageConfig { epochs: 4, batch: 16, shift: 1, rate: 0.01, dropout: 0.2, ..ImageConfig::new(network, 3) }
}

fn train(config: &ImageConfig) -> Params {
    let weights = fit_images(config, &stripes(320, 1), &mut |_| Command::Continue).unwrap().unwrap();
    Params::stored(&config.network, weights).unwrap()
}

#[test]
fn stripes_are_told_apart_through_every_kind_of_layer() {
    for chain in [
        "1x8x8: conv 6 k3 p1, relu, maxpool 2, flatten, dropout, linear 8, relu, linear 2",
        "1x8x8: conv 6 k3, norm, relu, lrn 3, conv 4 k3 p1, relu, avgpool 3, flatten, linear 2",
    ] {
        let config = config(chain);
        let weights = train(&config);
        let evaluation = evaluate_images(&config.network, &weights, &stripes(200, 2)).unwrap();
        assert!(evaluation.accuracy() > 0.95, "{chain}: {}", evaluation.accuracy());
    }
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let config = ImageConfig { epochs: 1, ..config("1x8x8: conv 4 k3, norm, relu, flatten, linear 2") };
    let weights = |seed| match train(&ImageConfig { seed, ..config.clone() }) {
        Params::Stored(weights) => weights,
        Params::Seeded(_) => unreachable!("trained weights are stored"),
    };
    assert_eq!(weights(5), weights(5));
    assert_ne!(weights(5), weights(6));
}

#[test]
fn what_cannot_be_trained_is_refused_and_a_run_can_be_stopped() {
    let set = stripes(40, 1);
    let config = config("1x8x8: conv 4 k3, relu, flatten, linear 2");
    let run = |config: ImageConfig| fit_images(&config, &set, &mut |_| Command::Continue).unwrap_err();
    assert!(run(ImageConfig { batch: 41, ..config.clone() }).to_string().contains("2 to 40 images"));
    assert!(run(ImageConfig { rate: f32::NAN, ..config.clone() }).to_string().starts_with("rate is NaN"));
    let network: Graph = "1x9x8: conv 4 k3, relu, flatten, linear 2".parse().unwrap();
    let why = run(ImageConfig { network, ..config.clone() });
    let TrainError::Data { found, expected } = why else { panic!("{why}") };
    assert_eq!((found.as_str(), expected.as_str()), ("grey images of 8 × 8 pixels", "images of 1×9×8"));
    let mut steps = 0;
    let stopped = fit_images(&config, &set, &mut |_| {
        steps += 1;
        if steps == 2 { Command::Stop } else { Command::Continue }
    });
    assert!(stopped.unwrap().is_none() && steps == 2);
}
