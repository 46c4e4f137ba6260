//! Image networks, split equals whole: whatever the operators, the splits, the reductions, the number of workers and
//! their shares, workers that hold only their slices and exchange what the schedule says give the unsplit answer.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use cleave_arch::cnn::{
    COORDINATOR, Kind, Layer, Network, Operator, Partition, PoolKind, Reduce, Region, Schedule, Shares, Split, Step,
    Transfer, zoo,
};
use cleave_model::cnn::{Cnn, CnnWeights, Member};
use cleave_model::{ModelError, Weight, Weights};
use futures_util::FutureExt;
use std::sync::Arc;

fn image(network: &Network, seed: u64, device: &Device) -> Tensor<4> {
    let mut rng = SplitMix64::new(seed);
    let shape = network.input();
    let values: Vec<f32> = (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [1, shape.channels, shape.height, shape.width]), device)
}

fn values(map: Tensor<4>) -> Vec<f32> {
    map.into_data().try_to_vec::<f32>().unwrap()
}

/// Largest difference, relative to the largest value.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

/// All workers in one process, operator by operator, with nothing but numbers between them.
fn together(network: &Network, partition: &Partition, weights: &CnnWeights, image: Vec<f32>) -> Vec<f32> {
    let (m, device) = (partition.workers, Device::flex());
    let schedule = Arc::new(Schedule::new(network, partition).unwrap());
    let network = Arc::new(network.clone());
    let member = |j| Member::new(network.clone(), schedule.clone(), j, weights, &device).unwrap();
    let mut workers: Vec<Member> = (0..m).map(member).collect();
    let n = schedule.stages.len();
    // What is sent before each operator and, at the end, of the answer.
    let gather = |at: usize| if at == n { &schedule.answer } else { &schedule.stages[at].gather };
    let from = |parts: &[Transfer], j: usize| -> Vec<Region> {
        parts.iter().filter(|t| t.from == j).map(|t| t.region.clone()).collect()
    };
    let mut sent: Vec<Vec<Vec<f32>>> = vec![Vec::new(); m];
    sent[COORDINATOR] = now(workers[COORDINATOR].start(image, &from(gather(0), COORDINATOR)));
    for (at, stage) in schedule.stages.iter().enumerate() {
        let made: Vec<Vec<Vec<f32>>> = (0..m)
            .map(|j| match stage.work[j] {
                Some(_) => now(workers[j].make(at, arrived(gather(at), &sent, j), &from(&stage.sums, j))),
                None => Vec::new(),
            })
            .collect();
        sent = (0..m)
            .map(|j| {
                let sums = arrived(&stage.sums, &made, j).into_iter().map(|(_, values)| values).collect();
                match stage.complete[j].is_empty() {
                    true => Vec::new(),
                    false => now(workers[j].finish(at, sums, &from(gather(at + 1), j))),
                }
            })
            .collect();
    }
    now(workers[COORDINATOR].answer(arrived(gather(n), &sent, COORDINATOR)))
}

/// What has come for a worker, of what each has sent in the order of the transfers.
fn arrived(parts: &[Transfer], sent: &[Vec<Vec<f32>>], to: usize) -> Vec<(Region, Vec<f32>)> {
    let mut next = vec![0; sent.len()];
    let mut arrived = Vec::new();
    for part in parts {
        let values = &sent[part.from][next[part.from]];
        next[part.from] += 1;
        if part.to == to {
            arrived.push((part.region.clone(), values.clone()));
        }
    }
    arrived
}

fn now<T>(work: impl Future<Output = Result<T, ModelError>>) -> T {
    work.now_or_never().expect("the CPU answers at once").unwrap()
}

fn stored(network: &Network, seed: u64) -> Weights {
    let mut rng = SplitMix64::new(seed);
    Weights::new(network.parameters().into_iter().map(|spec| {
        let fan_in: usize = spec.shape[1..].iter().product();
        let least = if spec.name.ends_with("running_var") { 0.5 } else { -1.0 };
        let scale = if spec.shape.len() > 1 { (3.0 / fan_in as f32).sqrt() } else { 1.0 };
        let values = (0..spec.len()).map(|_| scale * (least + (1.0 - least) * rng.unit_f32())).collect();
        (spec.name, Weight { shape: spec.shape, values })
    }))
}

/// By burn's own layers and the whole weights.
fn plain(network: &Network, weights: &Weights, image: Tensor<4>) -> Vec<f32> {
    let device = image.device();
    let vector = |name: &str, n: usize| {
        let values = weights.get(name, &[n]).unwrap().values.clone();
        Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
    };
    let mut x = image;
    for (at, layer) in network.layers().iter().enumerate() {
        let name = network.weights_of(at);
        let [_, channels, ..] = x.dims();
        x = match *layer {
            Layer::Conv { channels: outputs, kernel, stride, padding } => {
                let shape = [outputs, channels, kernel, kernel];
                let weight = weights.get(&format!("{name}.weight"), &shape).unwrap().values.clone();
                let weight = Tensor::<4>::from_data(TensorData::new(weight, shape), &device);
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                conv2d(x, weight, Some(vector(&format!("{name}.bias"), outputs)), options)
            }
            Layer::Linear { features } => {
                let inputs = x.shape().num_elements();
                let weight = weights.get(&format!("{name}.weight"), &[features, inputs]).unwrap().values.clone();
                let weight = Tensor::<2>::from_data(TensorData::new(weight, [features, inputs]), &device);
                let out = weight.matmul(x.reshape([inputs, 1])).squeeze_dim::<1>(1);
                (out + vector(&format!("{name}.bias"), features)).reshape([1, features, 1, 1])
            }
            Layer::Pool { kind: PoolKind::Max, kernel, stride } => {
                max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Layer::Pool { kind: PoolKind::Mean, kernel, stride } => {
                avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Layer::Relu => relu(x),
            Layer::BatchNorm => {
                let part = |part: &str| vector(&format!("{name}.{part}"), channels).reshape([1, channels, 1, 1]);
                let scale = part("weight") / part("running_var").add_scalar(1e-5).sqrt();
                (x - part("running_mean")) * scale + part("bias")
            }
            Layer::Lrn { size } => {
                let squares = x.clone() * x.clone();
                let sums = (0..channels).map(|c| {
                    let from = c.saturating_sub(size / 2);
                    let to = (c + size / 2 + 1).min(channels);
                    squares.clone().narrow(1, from, to - from).sum_dim(1)
                });
                let sum = Tensor::cat(sums.collect(), 1);
                x / sum.mul_scalar(1e-4).add_scalar(2.0).powf_scalar(0.75)
            }
            Layer::Flatten | Layer::Dropout => x,
        };
    }
    values(x)
}

const CHAINS: [&str; 3] = [
    "3x17x13: conv 8 k5 s2 p2, relu, lrn 3, maxpool 3 s2, conv 7 k3 p1, norm, relu, maxpool 2, flatten, linear 9, relu, \
     linear 4",
    "2x11x11: conv 5 k3, relu, maxpool 3 s3, conv 6 k2 s2 p1, avgpool 2 s1, flatten, dropout, linear 3",
    "1x28x28: conv 6 k5 p2, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, linear 12, relu, linear 10",
];

#[test]
fn unsplit_it_is_what_burn_computes() {
    let device = Device::flex();
    for text in CHAINS.into_iter().chain(["3x9x9: conv 4 k3 p1, lrn 5, relu, avgpool 3 s2, conv 3 k4"]) {
        let network: Network = text.parse().unwrap();
        let weights = stored(&network, 7);
        let image = image(&network, 3, &device);
        let expected = plain(&network, &weights, image.clone());
        let cnn = Cnn::whole(&network, &CnnWeights::stored(&network, weights).unwrap(), &device).unwrap();
        let got = values(cnn.forward(image));
        assert!(distance(&expected, &got) < 1e-5, "{text}: {expected:?} {got:?}");
    }
}

fn random_shares(rng: &mut SplitMix64, units: usize, workers: usize) -> Shares {
    let weights: Vec<f64> = (0..workers).map(|_| f64::from(rng.unit_f32()) * rng.below(3) as f64).collect();
    Shares::by_weight(units, &weights)
}

fn random_step(rng: &mut SplitMix64, operator: &Operator, workers: usize) -> Step {
    let legal: &[usize] = match operator.kind {
        Kind::Conv { .. } => &[0, 1, 2, 3, 4],
        Kind::Linear => &[0, 1, 2, 3],
        Kind::Lrn { .. } => &[0, 1, 2, 4],
    };
    let split = match legal[rng.below(legal.len())] {
        0 => Split::Copies,
        1 => Split::Alone(rng.below(workers)),
        2 => Split::Outputs(random_shares(rng, operator.made.channels, workers)),
        3 => Split::Inputs(random_shares(rng, operator.input.channels, workers)),
        _ => Split::Rows(random_shares(rng, operator.output.height, workers)),
    };
    let reduce = match rng.below(3) {
        0 => Reduce::Direct,
        1 => Reduce::Root(rng.below(workers)),
        _ => Reduce::Scatter(random_shares(rng, operator.made.channels, workers)),
    };
    Step { split, reduce }
}

#[test]
fn random_partitions_of_small_networks() {
    let device = Device::flex();
    let mut rng = SplitMix64::new(11);
    for text in CHAINS {
        let network: Network = text.parse().unwrap();
        let weights = CnnWeights::stored(&network, stored(&network, 5)).unwrap();
        let image = image(&network, 9, &device);
        let expected = values(Cnn::whole(&network, &weights, &device).unwrap().forward(image.clone()));
        for _ in 0..150 {
            let workers = 1 + rng.below(4);
            let steps = network.operators().iter().map(|operator| random_step(&mut rng, operator, workers)).collect();
            let partition = Partition { workers, steps };
            let got = together(&network, &partition, &weights, values(image.clone()));
            assert!(distance(&expected, &got) < 1e-5, "{text}: {partition:?}");
        }
    }
}

/// Every operator the same way where it can be: rows for maps, the last way for the rest.
fn steps(network: &Network, split: impl Fn(usize, &Operator) -> Split) -> Vec<Step> {
    network.operators().iter().enumerate().map(|(at, operator)| Step::new(split(at, operator))).collect()
}

fn strategies(network: &Network, workers: usize, even: bool) -> Vec<(&'static str, Vec<Step>)> {
    let share = |units| {
        let weights: Vec<f64> = (0..workers).map(|j| if even { 1.0 } else { 1.0 + 1.5 * j as f64 }).collect();
        Shares::by_weight(units, &weights)
    };
    let is_norm = |operator: &Operator| matches!(operator.kind, Kind::Lrn { .. });
    let outputs = |operator: &Operator| match is_norm(operator) {
        true => Split::Copies,
        false => Split::Outputs(share(operator.made.channels)),
    };
    let rows = |_, operator: &Operator| match operator.kind {
        Kind::Linear => Split::Alone(0),
        _ => Split::Rows(share(operator.output.height)),
    };
    let interleaved = |at: usize, operator: &Operator| match at % 2 == 1 && !is_norm(operator) {
        true => Split::Inputs(share(operator.input.channels)),
        false => outputs(operator),
    };
    let mut scattered = steps(network, interleaved);
    scattered.iter_mut().zip(network.operators()).for_each(|(step, operator)| {
        step.reduce = Reduce::Scatter(share(operator.made.channels));
    });
    vec![
        ("output channels", steps(network, |_, operator| outputs(operator))),
        ("rows", steps(network, rows)),
        ("interleaved", steps(network, interleaved)),
        ("reduce-scatter", scattered),
    ]
}

fn whole_networks(name: &str, workers: &[usize], evens: &[bool]) {
    let device = Device::flex();
    let network = zoo::network(name).unwrap();
    let weights = CnnWeights::Seeded(1);
    let image = image(&network, 2, &device);
    let expected = values(Cnn::whole(&network, &weights, &device).unwrap().forward(image.clone()));
    assert!(expected.iter().all(|value| value.is_finite()) && expected.iter().any(|value| value.abs() > 1e-3));
    for (m, even) in workers.iter().flat_map(|m| evens.iter().map(move |even| (*m, *even))) {
        for (strategy, steps) in strategies(&network, m, even) {
            let got = together(&network, &Partition { workers: m, steps }, &weights, values(image.clone()));
            let far = distance(&expected, &got);
            println!("{name} by {strategy} over {m}{}: {far:e}", if even { "" } else { ", unequal" });
            assert!(far < 1e-4, "{name} by {strategy} over {m}: {far}");
        }
    }
}

#[test]
fn lenet5_split_equals_whole() {
    whole_networks("lenet5", &[1, 2, 3, 4], &[true, false]);
}

#[test]
fn alexnet_split_equals_whole() {
    whole_networks("alexnet", &[2, 3], &[false]);
    whole_networks("alexnet-lrn", &[4], &[true]);
}

#[test]
fn vgg11_split_equals_whole() {
    whole_networks("vgg11", &[3], &[false]);
}

#[test]
fn seeded_slices_are_slices_of_the_seeded_whole() {
    let network: Network = CHAINS[0].parse().unwrap();
    let device = Device::flex();
    let image = image(&network, 1, &device);
    let run = |weights| values(Cnn::whole(&network, &weights, &device).unwrap().forward(image.clone()));
    assert_eq!(run(CnnWeights::Seeded(4)), run(CnnWeights::Seeded(4)));
    assert_ne!(run(CnnWeights::Seeded(4)), run(CnnWeights::Seeded(5)));
}

#[test]
fn wrong_weights_are_named() {
    let network: Network = CHAINS[1].parse().unwrap();
    let other: Network = CHAINS[2].parse().unwrap();
    let why = CnnWeights::stored(&network, stored(&other, 1)).unwrap_err().to_string();
    assert_eq!(why, "weight `features.0.weight` has shape [6, 1, 5, 5]; this architecture needs [5, 2, 3, 3]");
}
