//! The engine against the definitions, and every cut against the whole, on Flex.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

mod reference;

use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::array::Array;
use cleave_arch::tolerance::{DEFINITION, ENGINES_F32, SPLIT_F32, distance};
use cleave_arch::{Architecture, GraphSource, LinkCodec, Plan, SplitMix64, Task, space};
use cleave_model::{Gnn, ModelError, Weights};
use futures_util::FutureExt;

fn task() -> Task {
    Task { n_points: 48, in_channels: 3, k: 6, n_classes: 10, graph: GraphSource::Sampled }
}

fn cloud(seed: u64) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    (0..task().n_points * 3).map(|_| 2.0 * rng.unit_f32() - 1.0).collect()
}

fn whole(gnn: &Gnn, points: &[f32]) -> Vec<f32> {
    let points = Tensor::from_data(TensorData::new(points.to_vec(), [1, task().n_points, 3]), gnn.device());
    gnn.forward(points).unwrap().into_data().try_into_vec().unwrap()
}

fn load(architecture: &Architecture, seed: u64) -> (Gnn, Weights) {
    let weights = Weights::random(architecture, &task(), seed);
    (Gnn::new(architecture, &task(), &weights, &Device::flex()).unwrap(), weights)
}

/// DGCNN, and joins in places where DGCNN has none: behind a combine, twice, of a single convolution.
fn beside_the_space() -> Vec<Architecture> {
    let joins = ["3 6 1 6 7 7 1 4,0 1 2 1 0 0 2 3", "3 6 0 2 6 1 7 4,0 1 0 0 1 2 0 0"];
    let parse = |text: &str| text.parse::<Plan>().unwrap().architecture().clone();
    joins.into_iter().map(parse).chain([Architecture::dgcnn()]).collect()
}

/// Runs a plan segment by segment, the values between them as plain arrays, as a link would carry them.
fn split(gnn: &Gnn, plan: &Plan, points: &[f32]) -> Vec<f32> {
    run(gnn, plan, vec![Array::f32([task().n_points, 3], points.to_vec()).unwrap()])
}

fn run(gnn: &Gnn, plan: &Plan, mut arrays: Vec<Array>) -> Vec<f32> {
    for segment in plan.segments() {
        arrays = gnn.executor().compute(gnn.nodes(&segment), &arrays).now_or_never().unwrap().unwrap();
    }
    arrays[0].as_f32().unwrap().to_vec()
}

fn refused(gnn: &Gnn, node: usize, arrays: &[Array]) -> String {
    gnn.executor().compute(node..node + 1, arrays).now_or_never().unwrap().unwrap_err().to_string()
}

#[test]
fn the_engine_agrees_with_the_definitions() {
    let mut rng = SplitMix64::new(11);
    let drawn = (0..60).map(|_| space::draw_architecture(&mut rng));
    let mut wrong = Vec::new();
    for (seed, architecture) in drawn.chain(beside_the_space()).enumerate() {
        let (gnn, weights) = load(&architecture, seed as u64);
        let points = cloud(seed as u64);
        let expected = reference::logits(&architecture, &task(), &weights, &points);
        let scale = expected.iter().fold(1.0, |most: f64, v| most.max(v.abs()));
        let got = whole(&gnn, &points);
        let delta = got.iter().zip(&expected).map(|(g, e)| (*g as f64 - e).abs()).fold(0.0, f64::max) / scale;
        if delta.is_nan() || delta > f64::from(DEFINITION) {
            wrong.push(format!("{architecture}: {delta:e}"));
        }
    }
    // Neighbours that are equally far to within rounding may be told apart differently in single
    // precision; with these seeds that happens to at most this many networks.
    assert!(wrong.len() <= 2, "{wrong:#?}");
}

#[test]
fn every_cut_gives_the_answer_of_the_whole() {
    let mut rng = SplitMix64::new(5);
    let drawn: Vec<Architecture> = (0..200).map(|_| space::draw_architecture(&mut rng)).collect();
    for (seed, architecture) in drawn.into_iter().chain(beside_the_space()).enumerate() {
        let (gnn, _) = load(&architecture, seed as u64);
        let points = cloud(seed as u64);
        let expected = whole(&gnn, &points);
        for cut in 0..=architecture.ops().len() {
            let plan = Plan::new(architecture.clone(), vec![cut], LinkCodec::default()).unwrap();
            let got = split(&gnn, &plan, &points);
            assert!(distance(&got, &expected) <= SPLIT_F32, "{plan}: {got:?} for {expected:?}");
        }
    }
}

#[test]
fn the_order_of_the_points_does_not_matter() {
    let architecture = Architecture::dgcnn();
    let (gnn, _) = load(&architecture, 1);
    let points = cloud(9);
    let reversed: Vec<f32> = points.chunks(3).rev().flatten().copied().collect();
    // Sums over the points in another order, as on another engine.
    assert!(distance(&whole(&gnn, &reversed), &whole(&gnn, &points)) <= ENGINES_F32);
}

/// Every cut of networks whose input brings the graph, and the same without one.
#[test]
fn a_given_graph_crosses_every_cut_and_a_missing_one_is_refused() {
    let given = Task { graph: GraphSource::Given, ..task() };
    let sampler = space::Sampler::architectures(space::Functions::All, GraphSource::Given);
    let mut rng = SplitMix64::new(8);
    let graph = Array::u16([48, 6], (0..48 * 6).map(|_| rng.below(48) as u16).collect()).unwrap();
    let mut n_reading = 0;
    for seed in 0..40 {
        let architecture = sampler.draw(&mut rng).architecture().clone();
        let weights = Weights::random(&architecture, &given, seed);
        let gnn = Gnn::new(&architecture, &given, &weights, &Device::flex()).unwrap();
        let features = Array::f32([48, 3], cloud(seed)).unwrap();
        let reads_graph = architecture.ops().iter().any(|op| op.reads_graph());
        let input: Vec<Array> = [features.clone()].into_iter().chain(reads_graph.then(|| graph.clone())).collect();
        let answer = |cut: usize| {
            let plan = Plan::new(architecture.clone(), vec![cut], LinkCodec::default()).unwrap();
            run(&gnn, &plan, input.clone())
        };
        let expected = answer(0);
        for cut in 1..=architecture.ops().len() {
            assert!(distance(&answer(cut), &expected) <= SPLIT_F32, "{architecture}, cut before {cut}");
        }
        let points = Tensor::from_data(TensorData::new(cloud(seed), [1, 48, 3]), gnn.device());
        let answered = gnn.forward(points).map(|logits| logits.into_data().try_into_vec::<f32>().unwrap());
        if !reads_graph {
            assert!(distance(&answered.unwrap(), &expected) <= SPLIT_F32, "{architecture}");
            continue;
        }
        n_reading += 1;
        let first = architecture.ops().iter().position(|op| op.reads_graph()).unwrap();
        assert_eq!(answered, Err(ModelError::NoGraph { op: first }), "{architecture}");
        let why = refused(&gnn, 0, &[features]);
        assert!(why.contains("node 0 reads features [48, 3], neighbours [48, 6], but [48, 3] was given"), "{why}");
    }
    assert!(n_reading >= 20, "{n_reading} of 40 read the graph");
}

#[test]
fn a_task_of_another_graph_source_is_refused() {
    let given = Task { graph: GraphSource::Given, ..task() };
    let whole = Architecture::dgcnn();
    let why = Gnn::new(&whole, &given, &Weights::random(&whole, &given, 1), &Device::flex()).err().unwrap();
    assert_eq!(why, ModelError::Source { architecture: GraphSource::Sampled, task: GraphSource::Given });
    assert!(why.to_string().contains("is for sampled graphs, but its task is for given graphs"), "{why}");
}

#[test]
fn wrong_inputs_are_named() {
    let (gnn, _) = load(&Architecture::dgcnn(), 1);
    let why = refused(&gnn, 0, &[Array::f32([5, 3], vec![0.0; 15]).unwrap()]);
    assert!(why.contains("node 0 reads features [48, 3]") && why.contains("[5, 3]"), "{why}");
    let features = Array::f32([48, 3], vec![0.0; 144]).unwrap();
    let beyond = Array::u16([48, 6], vec![48; 288]).unwrap();
    let why = refused(&gnn, 1, &[features, beyond]);
    assert!(why.contains("below 48") && why.contains("index 48"), "{why}");
}
