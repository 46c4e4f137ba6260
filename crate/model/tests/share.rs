//! Split equals whole for every family: whatever the operators, the splits, the reductions, the number of workers and their
//! shares, workers that hold only their slices and exchange what the schedule says give the unsplit answer; and so do the
//! two halves at every cut.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::{Architecture, GraphSource, Task, space};
use cleave_graph::op::{Conv, Linear, Lrn, Pool, PoolKind};
use cleave_graph::testing::random_partition;
use cleave_graph::{
    Axis, COORDINATOR, Graph, Op, Operator, Partition, Reduce, Region, Schedule, Shares, Split, SplitMix64, Step,
    ValueType, zoo,
};
use cleave_model::exec::{Executor, Member, Params, Value, Values};
use cleave_model::{Gnn, ModelError, Weight, Weights};
use futures_util::FutureExt;

/// Numbers for a graph's inputs; neighbours are spread.
fn inputs(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = SplitMix64::new(seed);
    let of = |input: &ValueType| {
        let (n, nodes) = (input.shape.values(), input.shape.height);
        let is_index = input.layout == cleave_graph::Layout::Neighbours;
        (0..n).map(|_| if is_index { rng.below(nodes) as f32 } else { 2.0 * rng.unit_f32() - 1.0 }).collect()
    };
    graph.inputs().iter().map(of).collect()
}

fn on_device(graph: &Graph, inputs: &[Vec<f32>]) -> Values {
    let value = |(at, values): (usize, &Vec<f32>)| {
        let of = graph.value(at);
        (at, Value::of(values.clone(), &Region::all(of.shape), of, &Device::flex()).unwrap())
    };
    inputs.iter().enumerate().map(value).collect()
}

fn numbers(value: Value) -> Vec<f32> {
    match value {
        Value::Map(map) => values(map),
        Value::Nodes(nodes) => nodes.into_data().try_to_vec::<f32>().unwrap(),
        Value::Neighbours(_) => panic!("no network answers neighbours"),
    }
}

fn whole(graph: &Graph, params: &Params, given: &[Vec<f32>]) -> Vec<f32> {
    let executor = Executor::whole(graph, params, &Device::flex()).unwrap();
    numbers(executor.run(on_device(graph, given)).unwrap().remove(&graph.answer()).unwrap())
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

/// A part that was sent: by whom, which region, its numbers.
type Sent = (usize, Region, Vec<f32>);

/// All workers in one process, operator by operator, with nothing but numbers between them.
fn together(graph: &Graph, partition: &Partition, params: &Params, given: &[Vec<f32>]) -> Vec<f32> {
    let (m, device) = (partition.workers, Device::flex());
    let schedule = Arc::new(Schedule::new(graph, partition).unwrap());
    let graph = Arc::new(graph.clone());
    let member = |j| Member::new(graph.clone(), schedule.clone(), j, params, &device).unwrap();
    let mut workers: Vec<Member> = (0..m).map(member).collect();
    // What was sent: by the stage that it is for, the receiver and the input.
    let mut sent: BTreeMap<(usize, usize, usize), Vec<Sent>> = BTreeMap::new();
    for (value, numbers) in given.iter().enumerate() {
        for (at, transfer) in schedule.transfers_of(&graph, value) {
            let part = graph.value(value).cut(numbers, &transfer.region);
            sent.entry((at, transfer.to, transfer.input)).or_default().push((
                transfer.from,
                transfer.region.clone(),
                part,
            ));
        }
        if let Some((at, input, region)) = schedule.first_read(&graph, value, COORDINATOR) {
            let part = graph.value(value).cut(numbers, &region);
            sent.entry((at, COORDINATOR, input)).or_default().push((COORDINATOR, region, part));
        }
    }
    let mut answer = vec![f32::NAN; graph.output().values() as usize];
    for (at, stage) in schedule.stages.iter().enumerate() {
        let operator = &graph.operators()[at];
        let made: Vec<Vec<Vec<f32>>> = (0..m)
            .map(|j| match stage.work[j] {
                Some(_) => {
                    let of = |input| {
                        sent.remove(&(at, j, input)).unwrap_or_default().into_iter().map(move |part| (input, part))
                    };
                    let received =
                        (0..operator.inputs.len()).flat_map(of).map(|(input, (_, region, part))| (input, region, part));
                    let wanted: Vec<Region> =
                        stage.sums.iter().filter(|t| t.from == j).map(|t| t.region.clone()).collect();
                    now(workers[j].make(at, received.collect(), &wanted))
                }
                None => Vec::new(),
            })
            .collect();
        for j in (0..m).filter(|j| !stage.complete[*j].is_empty()) {
            let sums = stage.sums.iter().filter(|sum| sum.to == j).map(|sum| {
                let nth =
                    stage.sums.iter().filter(|other| other.from == sum.from).position(|other| other == sum).unwrap();
                made[sum.from][nth].clone()
            });
            let of_result: Vec<_> =
                schedule.transfers_of(&graph, operator.result).filter(|(_, t)| t.from == j).collect();
            let is_answer = operator.result == graph.answer() && j == COORDINATOR;
            let own = Some(stage.output[j].clone()).filter(|own| is_answer && !own.is_empty());
            let wanted: Vec<Region> = of_result.iter().map(|(_, t)| t.region.clone()).chain(own.clone()).collect();
            let mut parts = now(workers[j].finish(at, sums.collect(), &wanted));
            if let Some(own) = own {
                graph.value(graph.answer()).paste(&mut answer, &own, &parts.pop().unwrap());
            }
            for ((at, t), part) in of_result.into_iter().zip(parts) {
                match at == schedule.stages.len() {
                    true => graph.value(graph.answer()).paste(&mut answer, &t.region, &part),
                    false => sent.entry((at, t.to, t.input)).or_default().push((t.from, t.region.clone(), part)),
                }
            }
        }
    }
    assert!(sent.is_empty(), "what was sent was read");
    answer
}

fn now<T>(work: impl Future<Output = Result<T, ModelError>>) -> T {
    work.now_or_never().expect("the CPU answers at once").unwrap()
}

fn stored(graph: &Graph, seed: u64) -> Weights {
    let mut rng = SplitMix64::new(seed);
    Weights::new(graph.parameters().into_iter().map(|spec| {
        let fan_in: usize = spec.shape[1..].iter().product();
        let least = if spec.name.ends_with("running_var") { 0.5 } else { -1.0 };
        let scale = if spec.shape.len() > 1 { (3.0 / fan_in as f32).sqrt() } else { 1.0 };
        let values = (0..spec.len()).map(|_| scale * (least + (1.0 - least) * rng.unit_f32())).collect();
        (spec.name, Weight { shape: spec.shape, values })
    }))
}

/// By burn's own layers and the whole weights.
fn plain(graph: &Graph, weights: &Weights, image: Tensor<4>) -> Vec<f32> {
    let device = image.device();
    let vector = |name: &str, n: usize| {
        let values = weights.get(name, &[n]).unwrap().values.clone();
        Tensor::<1>::from_data(TensorData::new(values, [n]), &device)
    };
    let mut made: Vec<Tensor<4>> = vec![image];
    for (at, node) in graph.nodes().iter().enumerate() {
        let name = graph.weights_of(at);
        let x = made[node.inputs[0]].clone();
        let [_, channels, ..] = x.dims();
        let result = match node.op {
            Op::Conv(Conv { channels: outputs, kernel, stride, padding }) => {
                let shape = [outputs, channels, kernel, kernel];
                let weight = weights.get(&format!("{name}.weight"), &shape).unwrap().values.clone();
                let weight = Tensor::<4>::from_data(TensorData::new(weight, shape), &device);
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                conv2d(x, weight, Some(vector(&format!("{name}.bias"), outputs)), options)
            }
            Op::Linear(Linear { features }) => {
                let inputs = x.shape().num_elements();
                let weight = weights.get(&format!("{name}.weight"), &[features, inputs]).unwrap().values.clone();
                let weight = Tensor::<2>::from_data(TensorData::new(weight, [features, inputs]), &device);
                let out = weight.matmul(x.reshape([inputs, 1])).squeeze_dim::<1>(1);
                (out + vector(&format!("{name}.bias"), features)).reshape([1, features, 1, 1])
            }
            Op::Pool(Pool { kind: PoolKind::Max, kernel, stride }) => {
                max_pool2d(x, MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Op::Pool(Pool { kind: PoolKind::Mean, kernel, stride }) => {
                avg_pool2d(x, AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]))
            }
            Op::Relu(_) => relu(x),
            Op::Norm(_) => {
                let part = |part: &str| vector(&format!("{name}.{part}"), channels).reshape([1, channels, 1, 1]);
                let scale = part("weight") / part("running_var").add_scalar(1e-5).sqrt();
                (x - part("running_mean")) * scale + part("bias")
            }
            Op::Lrn(Lrn { size }) => {
                let squares = x.clone() * x.clone();
                let sums = (0..channels).map(|c| {
                    let from = c.saturating_sub(size / 2);
                    let to = (c + size / 2 + 1).min(channels);
                    squares.clone().narrow(1, from, to - from).sum_dim(1)
                });
                let sum = Tensor::cat(sums.collect(), 1);
                x / sum.mul_scalar(1e-4).add_scalar(2.0).powf_scalar(0.75)
            }
            Op::Flatten(_) | Op::Dropout(_) => x,
            Op::GlobalPool(_) => x.mean_dim(3).mean_dim(2),
            Op::Add(_) => node.inputs[1..].iter().fold(x, |sum, value| sum + made[*value].clone()),
            Op::Concat(_) => Tensor::cat(node.inputs.iter().map(|value| made[*value].clone()).collect(), 1),
            other => panic!("{other} is no operation of image networks"),
        };
        made.push(result);
    }
    values(made.pop().unwrap())
}

const CHAINS: [&str; 6] = [
    "3x17x13: conv 8 k5 s2 p2, relu, lrn 3, maxpool 3 s2, conv 7 k3 p1, norm, relu, maxpool 2, flatten, linear 9, relu, \
     linear 4",
    "2x11x11: conv 5 k3, relu, maxpool 3 s3, conv 6 k2 s2 p1, avgpool 2 s1, flatten, dropout, linear 3",
    "1x28x28: conv 6 k5 p2, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, linear 12, relu, linear 10",
    "3x16x16: a = conv 8 k3 p1, conv 8 k3 p1, norm, relu, b = add with a, conv 12 k3 s2 p1, norm, d = relu, \
     conv 12 k1 s2 of b, add with d, relu, globalpool, flatten, linear 5",
    "2x9x9: a = conv 4 k3 p1, b = conv 6 k3 p1, c = conv 4 k5 p2 of a, concat with b a, lrn 3, d = conv 5 k3 p1, \
     conv 5 k3 p1, add with d, maxpool 3, flatten, linear 4",
    "2x7x7: a = conv 4 k3 p1, add with a, conv 4 k3 p1, add with a, flatten, linear 3",
];

#[test]
fn unsplit_it_is_what_burn_computes() {
    for text in CHAINS.into_iter().chain(["3x9x9: conv 4 k3 p1, lrn 5, relu, avgpool 3 s2, conv 3 k4"]) {
        let graph: Graph = text.parse().unwrap();
        let (weights, given) = (stored(&graph, 7), inputs(&graph, 3));
        let Some(Value::Map(image)) = on_device(&graph, &given).remove(&0) else { panic!("an image") };
        let expected = plain(&graph, &weights, image);
        let got = whole(&graph, &Params::stored(&graph, weights).unwrap(), &given);
        assert!(distance(&expected, &got) < 1e-5, "{text}: {expected:?} {got:?}");
    }
}

/// Graph networks: DGCNN and drawn ones, small, on points and on given graphs.
fn lowered() -> Vec<(String, Graph, Params)> {
    let mut rng = SplitMix64::new(17);
    let points = Task { n_points: 150, k: 5, n_classes: 7, ..Task::modelnet10() };
    let texts = Task { n_points: 40, in_channels: 6, ..Task::mr() };
    let draw = |task: &Task, rng: &mut SplitMix64| {
        space::Sampler::new(space::Functions::All, task.graph).draw(rng).architecture().clone()
    };
    let mut all = vec![(Architecture::dgcnn(), points)];
    all.extend((0..12).map(|_| (draw(&points, &mut rng), points)));
    all.extend((0..8).map(|_| (draw(&texts, &mut rng), texts)));
    let attending = "40x3: knn 6, a = combine 8 'op.1', attend, skip with a, readout max mean, project 4 'op.4'";
    let attending: Graph = attending.parse().unwrap();
    let lower = |(at, (architecture, task)): (usize, (Architecture, Task))| {
        let weights = Weights::random(&architecture, &task, at as u64);
        let graph = architecture.lower(&task).unwrap().graph;
        let params = Params::stored(&graph, weights).unwrap();
        (architecture.to_string(), graph, params)
    };
    let lowered = all.into_iter().enumerate().map(lower);
    lowered.chain([("attention".to_owned(), attending, Params::Seeded(2))]).collect()
}

/// Σ_j softmax_j(x_i · x_j / √c) x_j, written out.
#[test]
fn attention_is_its_definition() {
    let graph: Graph = "7x3 7n2: attend".parse().unwrap();
    let given = inputs(&graph, 6);
    let row = |node: usize| &given[0][3 * node..3 * node + 3];
    let expected = (0..7).flat_map(|i| {
        let near: Vec<usize> = given[1][2 * i..2 * i + 2].iter().map(|index| *index as usize).collect();
        let dot = |j: &usize| (row(i).iter().zip(row(*j)).map(|(a, b)| a * b).sum::<f32>() / 3f32.sqrt()).exp();
        let weights: Vec<f32> = near.iter().map(dot).collect();
        let sum: f32 = weights.iter().sum();
        let of = |c: usize| near.iter().zip(&weights).map(|(j, w)| w / sum * row(*j)[c]).sum::<f32>();
        [of(0), of(1), of(2)]
    });
    let expected: Vec<f32> = expected.collect();
    assert!(distance(&expected, &whole(&graph, &Params::Seeded(1), &given)) < 1e-6);
}

/// Segments and states of an architecture are nodes and values of its graph.
#[test]
fn an_architecture_answers_as_its_graph() {
    let mut rng = SplitMix64::new(23);
    let task = Task { n_points: 150, k: 5, ..Task::modelnet10() };
    let sampler = space::Sampler::new(space::Functions::All, GraphSource::Sampled);
    let drawn: Vec<Architecture> = (0..20).map(|_| sampler.draw(&mut rng).architecture().clone()).collect();
    for architecture in drawn.into_iter().chain([Architecture::dgcnn()]) {
        let weights = Weights::random(&architecture, &task, 3);
        let graph = architecture.lower(&task).unwrap().graph;
        let given = inputs(&graph, 4);
        let gnn = Gnn::new(&architecture, &task, &weights, &Device::flex()).unwrap();
        let Some(Value::Nodes(points)) = on_device(&graph, &given).remove(&0) else { panic!("points") };
        let expected = gnn.forward(points).unwrap().into_data().try_to_vec::<f32>().unwrap();
        let got = whole(&graph, &Params::stored(&graph, weights).unwrap(), &given);
        assert_eq!(expected, got, "{architecture}");
    }
}

/// Every cut: what is alive crosses, and the second half goes on from it.
#[test]
fn halves_are_the_whole_at_every_cut() {
    let chains = CHAINS.map(|text| {
        let graph: Graph = text.parse().unwrap();
        (text.to_owned(), graph, Params::Seeded(5))
    });
    for (name, graph, params) in chains.into_iter().chain(lowered()) {
        let (given, n) = (inputs(&graph, 9), graph.nodes().len());
        let expected = whole(&graph, &params, &given);
        let graph = Arc::new(graph);
        for cut in 0..=n {
            let half = |nodes| Executor::new(graph.clone(), nodes, &params, &Device::flex()).unwrap();
            let live = half(0..cut).run(on_device(&graph, &given)).unwrap();
            let crossing: Vec<usize> =
                live.keys().copied().filter(|value| graph.live_before(cut).contains(value)).collect();
            assert_eq!(crossing, graph.live_before(cut), "{name} before node {cut}");
            let answer = half(cut..n).run(live).unwrap().remove(&graph.answer()).unwrap();
            assert_eq!(numbers(answer), expected, "{name} before node {cut}");
        }
    }
}

#[test]
fn random_partitions_of_small_networks() {
    let mut rng = SplitMix64::new(11);
    let chains = CHAINS.map(|text| {
        let graph: Graph = text.parse().unwrap();
        let params = Params::stored(&graph, stored(&graph, 5)).unwrap();
        (text.to_owned(), graph, params, 150)
    });
    let graphs = lowered().into_iter().map(|(name, graph, params)| (name, graph, params, 30));
    for (name, graph, params, cases) in chains.into_iter().chain(graphs) {
        let given = inputs(&graph, 9);
        let expected = whole(&graph, &params, &given);
        for _ in 0..cases {
            let partition = random_partition(&mut rng, &graph, 4);
            let got = together(&graph, &partition, &params, &given);
            let far = distance(&expected, &got);
            assert!(far < 1e-5, "{name}: {far} {partition:?}");
        }
    }
}

/// Every operator the same way where it can be: by whole workers for the rest.
fn steps(graph: &Graph, split: impl Fn(usize, &Operator) -> Split) -> Vec<Step> {
    graph.operators().iter().enumerate().map(|(at, operator)| Step::new(split(at, operator))).collect()
}

fn strategies(graph: &Graph, workers: usize, even: bool) -> Vec<(&'static str, Vec<Step>)> {
    let share = |units| {
        let weights: Vec<f64> = (0..workers).map(|j| if even { 1.0 } else { 1.0 + 1.5 * j as f64 }).collect();
        Shares::by_weight(units, &weights)
    };
    let outputs = |operator: &Operator| match operator.has(Axis::Outputs) && !matches!(operator.op, Op::Lrn(_)) {
        true => Split::Outputs(share(operator.units(Axis::Outputs))),
        false => Split::Replicated,
    };
    let rows = |_, operator: &Operator| match (operator.has(Axis::Rows), operator.op) {
        (true, _) => Split::Rows(share(operator.units(Axis::Rows))),
        (false, Op::Readout(_)) => Split::Inputs(share(operator.units(Axis::Inputs))),
        (false, _) => Split::Alone(0),
    };
    let interleaved = |at: usize, operator: &Operator| match at % 2 == 1 && operator.has(Axis::Inputs) {
        true => Split::Inputs(share(operator.units(Axis::Inputs))),
        false => outputs(operator),
    };
    let mut scattered = steps(graph, interleaved);
    scattered.iter_mut().zip(graph.operators()).for_each(|(step, operator)| {
        step.reduce = Reduce::Scatter(share(operator.units(Axis::Outputs)));
    });
    vec![
        ("output channels", steps(graph, |_, operator| outputs(operator))),
        ("rows", steps(graph, rows)),
        ("interleaved", steps(graph, interleaved)),
        ("reduce-scatter", scattered),
    ]
}

fn whole_networks(name: &str, workers: &[usize], evens: &[bool]) {
    let graph = match name {
        "dgcnn" => Architecture::dgcnn().lower(&Task::modelnet10()).unwrap().graph,
        name => zoo::network(name).unwrap(),
    };
    let params = Params::Seeded(1);
    let given = inputs(&graph, 2);
    let expected = whole(&graph, &params, &given);
    assert!(expected.iter().all(|value| value.is_finite()) && expected.iter().any(|value| value.abs() > 1e-3));
    for (m, even) in workers.iter().flat_map(|m| evens.iter().map(move |even| (*m, *even))) {
        for (strategy, steps) in strategies(&graph, m, even) {
            let got = together(&graph, &Partition { workers: m, steps }, &params, &given);
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
fn dgcnn_split_equals_whole() {
    whole_networks("dgcnn", &[2, 3], &[true, false]);
}

#[test]
fn seeded_slices_are_slices_of_the_seeded_whole() {
    let graph: Graph = CHAINS[0].parse().unwrap();
    let given = inputs(&graph, 1);
    let run = |seed| whole(&graph, &Params::Seeded(seed), &given);
    assert_eq!(run(4), run(4));
    assert_ne!(run(4), run(5));
}

#[test]
fn wrong_weights_are_named() {
    let [graph, other]: [Graph; 2] = [CHAINS[1], CHAINS[2]].map(|text| text.parse().unwrap());
    let why = Params::stored(&graph, stored(&other, 1)).unwrap_err().to_string();
    assert_eq!(why, "weight `features.0.weight` has shape [6, 1, 5, 5]; this architecture needs [5, 2, 3, 3]");
}
