//! The trainable network against the inference network, gradients against differences, and a run against itself.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::{Plan, Task};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_model::Gnn;
use cleave_train::{
    Command, Config, EpochReport, Observer, Progress, Samples, Subject, TrainError, Trainer, evaluate, evaluate_plan,
    fit,
};
use futures_util::FutureExt;

/// Combine, aggregates of every kind, skip, both samples; edge convolutions with a join.
const NETWORKS: [&str; 3] =
    ["3 1 2 1 0 2 4 1,0 1 2 2 1 6 3 2", "3 6 3 6 7 1 4,0 1 0 2 0 2 0", "1 3 2 3 2 2 4,1 1 0 0 25 13 5"];

fn task() -> Task {
    Task { n_points: 32, k: 6, ..Task::modelnet10() }
}

fn config(text: &str) -> Config {
    let plan: Plan = text.parse().unwrap();
    Config { epochs: 2, batch: 8, rate: 3e-3, ..Config::new(plan, task(), 11) }
}

/// Generated furniture as a data set.
fn dataset(per_class: usize) -> Dataset {
    let labels: Vec<u8> = (0..10 * per_class).map(|i| (i % 10) as u8).collect();
    let cloud = |(i, label): (usize, &u8)| furniture::generate(usize::from(*label), 32, i as u64).unwrap();
    let points = labels.iter().enumerate().flat_map(cloud).collect();
    Dataset { points, labels, n_points: 32, classes: furniture::CLASSES.map(str::to_owned).to_vec() }
}

/// Stops after a number of epochs, if any.
struct Until(Option<usize>);

impl Observer for Until {
    fn step(&mut self, _: &Progress) -> Command {
        Command::Continue
    }

    fn epoch(&mut self, _: &EpochReport, trainer: &Trainer) -> Result<Command, TrainError> {
        Ok(if self.0 == Some(trainer.epoch()) { Command::Stop } else { Command::Continue })
    }
}

fn run(trainer: &mut Trainer, dataset: &Dataset, until: Option<usize>) {
    fit(trainer, dataset, &mut Until(until)).unwrap();
}

#[test]
fn exported_weights_answer_as_the_trained_network() {
    let dataset = dataset(2);
    for text in NETWORKS {
        let mut trainer = Trainer::new(Config { epochs: 1, ..config(text) }).unwrap();
        run(&mut trainer, &dataset, None);
        let trained = trainer.network().unwrap().logits(&dataset.points, 32, task().k).unwrap();
        let plan: Plan = text.parse().unwrap();
        let gnn =
            Gnn::new(plan.architecture(), &task(), &trainer.network().unwrap().weights(), &Device::flex()).unwrap();
        let points = TensorData::new(dataset.points.clone(), [20, 32, 3]);
        let exported = gnn.forward(Tensor::from_data(points, gnn.device())).into_data().try_into_vec::<f32>().unwrap();
        for (a, b) in trained.iter().zip(&exported) {
            assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{text}: {a} and {b}");
        }
    }
}

#[test]
fn cutting_changes_no_answer() {
    let dataset = dataset(2);
    for text in NETWORKS {
        let mut trainer = Trainer::new(Config { epochs: 1, ..config(text) }).unwrap();
        run(&mut trainer, &dataset, None);
        let plan: Plan = text.parse().unwrap();
        let gnn =
            Gnn::new(plan.architecture(), &task(), &trainer.network().unwrap().weights(), &Device::flex()).unwrap();
        let whole = evaluate(&gnn, &dataset).unwrap();
        for cut in 0..=plan.architecture().ops().len() {
            let cut_there = plan.with_cuts(vec![cut]).unwrap();
            assert_eq!(evaluate_plan(&gnn, &cut_there, &dataset).unwrap(), whole, "{text} cut before {cut}");
        }
    }
}

#[test]
fn a_resumed_run_is_the_uninterrupted_one() {
    let dataset = dataset(2);
    let config = config(NETWORKS[0]);
    let mut whole = Trainer::new(config.clone()).unwrap();
    run(&mut whole, &dataset, None);
    let mut first = Trainer::new(config).unwrap();
    run(&mut first, &dataset, Some(1));
    let mut second = Trainer::resume(&first.checkpoint().unwrap()).unwrap();
    assert_eq!((second.epoch(), second.config()), (1, first.config()));
    run(&mut second, &dataset, None);
    assert_eq!(second.network(), whole.network());
    assert_eq!(second.checkpoint().unwrap(), whole.checkpoint().unwrap());
}

/// Keeps every epoch's mean loss.
struct Losses(Vec<f32>);

impl Observer for Losses {
    fn step(&mut self, _: &Progress) -> Command {
        Command::Continue
    }

    fn epoch(&mut self, report: &EpochReport, _: &Trainer) -> Result<Command, TrainError> {
        self.0.push(report.last.loss);
        Ok(Command::Continue)
    }
}

#[test]
fn a_supernet_learns_is_resumed_and_its_parts_run() {
    let dataset = dataset(6);
    let config =
        Config { epochs: 24, batch: 12, rate: 3e-3, dropout: 0.0, ..Config::new(Subject::Supernet, task(), 4) };
    let mut whole = Trainer::new(config.clone()).unwrap();
    let mut losses = Losses(Vec::new());
    fit(&mut whole, &dataset, &mut losses).unwrap();
    // Every step trains another network, so that single epochs say little.
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    let (first, last) = (mean(&losses.0[..6]), mean(&losses.0[18..]));
    assert!(last < first - 0.1, "{first} to {last}: {:?}", losses.0);
    let mut first = Trainer::new(config).unwrap();
    run(&mut first, &dataset, Some(12));
    let mut second = Trainer::resume(&first.checkpoint().unwrap()).unwrap();
    run(&mut second, &dataset, None);
    assert_eq!(second.supernet(), whole.supernet());
    let weights = whole.supernet().unwrap().weights(&dataset.classes, "furniture".into());
    let plan: Plan = "3 2 1 1 4 0,0 6 3 4 3 0".parse().unwrap();
    let (device, points) = (Device::flex(), TensorData::new(dataset.points.clone(), [60, 32, 3]));
    let network = weights.network(plan.architecture(), Tensor::from_data(points, &device), &device);
    let (gnn, _) = network.now_or_never().unwrap().unwrap();
    assert_eq!(evaluate(&gnn, &dataset).unwrap().n, 60);
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let refused = |bytes: &[u8]| Trainer::resume(bytes).err().map(|why| why.to_string()).unwrap_or_default();
    assert!(refused(b"nonsense").starts_with("the checkpoint cannot be used"));
    let trainer = Trainer::new(config(NETWORKS[0])).unwrap();
    let good = trainer.checkpoint().unwrap();
    assert!(Trainer::resume(&good).is_ok());
    assert!(refused(&good[..good.len() - 4]).starts_with("the checkpoint cannot be used"));
}

#[test]
fn furniture_is_learned() {
    let dataset = dataset(12);
    for text in &NETWORKS[..2] {
        let mut trainer = Trainer::new(Config { epochs: 8, dropout: 0.0, ..config(text) }).unwrap();
        run(&mut trainer, &dataset, None);
        let plan: Plan = text.parse().unwrap();
        let gnn =
            Gnn::new(plan.architecture(), &task(), &trainer.network().unwrap().weights(), &Device::flex()).unwrap();
        let evaluation = evaluate(&gnn, &dataset).unwrap();
        assert!(evaluation.accuracy() > 0.6, "{text}: {:?}", evaluation);
    }
}

/// The loss after a step in one direction of the gradient falls as the gradient says: the whole chain of operations,
/// the edge convolution's statistics included.
#[test]
fn a_small_step_lowers_the_loss() {
    let dataset = dataset(2);
    for text in NETWORKS {
        let config = Config { dropout: 0.0, warm_up: 0.0, weight_decay: 0.0, rate: 1e-4, ..config(text) };
        let batch = Samples::new(&config, &dataset, 0).unwrap().batch(0).unwrap();
        let mut trainer = Trainer::new(config).unwrap();
        let losses: Vec<f32> = (0..6).map(|_| trainer.step(&batch, 0, 0.0).unwrap().loss).collect();
        assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{text}: {losses:?}");
    }
}
