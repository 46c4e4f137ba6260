//! The trainable network against the inference network, gradients against differences, and a run against itself.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::supernet::Paths;
use cleave_arch::{Architecture, Halves, Plan, SplitMix64, Task};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_data::text::{Document, Part, Vectors};
use cleave_model::{Gnn, State, SupernetWeights};
use cleave_train::{
    Command, Config, EpochReport, Material, Observer, Progress, Samples, Subject, Taught, Texts, TrainError, Trainer,
    Vocabulary, evaluate, evaluate_plan, fit,
};
use futures_util::FutureExt;
use std::sync::Arc;

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
        let exported =
            gnn.forward(Tensor::from_data(points, gnn.device())).unwrap().into_data().try_into_vec::<f32>().unwrap();
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
    let input = State::input(Tensor::from_data(points, &device));
    let network = weights.network(plan.architecture(), input, &device);
    let (gnn, _) = network.now_or_never().unwrap().unwrap();
    assert_eq!(evaluate(&gnn, &dataset).unwrap().n, 60);
}

/// HGNAS's second supernet: its steps train architectures with the chosen functions, its file says so, and others are
/// refused.
#[test]
fn a_restricted_supernet_trains_and_knows_its_functions_alone() {
    let (dataset, functions) = (dataset(6), "0 3 6 0 3 / 1 4 3 1 0".parse::<Halves>().unwrap());
    let subject = Subject::Restricted(functions);
    let config = Config { epochs: 2, batch: 12, rate: 3e-3, dropout: 0.0, ..Config::new(subject.clone(), task(), 4) };
    let mut trainer = Trainer::new(config).unwrap();
    run(&mut trainer, &dataset, Some(1));
    let mut trainer = Trainer::resume(&trainer.checkpoint().unwrap()).unwrap();
    assert_eq!(
        (&trainer.config().subject, subject.to_string().as_str()),
        (&subject, "supernet of 0 3 6 0 3 / 1 4 3 1 0")
    );
    run(&mut trainer, &dataset, None);
    let weights = trainer.supernet().unwrap().weights(&dataset.classes, "furniture".into());
    let weights = SupernetWeights::from_safetensors(&weights.to_safetensors().unwrap()).unwrap();
    assert_eq!(weights.functions, Some(functions));
    let device = Device::flex();
    let network = |architecture: &Architecture| {
        let points = TensorData::new(dataset.points.clone(), [60, 32, 3]);
        let input = State::input(Tensor::from_data(points, &device));
        weights.network(architecture, input, &device).now_or_never().unwrap()
    };
    let drawn = Paths::with(&task(), functions).draw(&mut SplitMix64::new(5));
    let (gnn, _) = network(&drawn).unwrap();
    assert_eq!(evaluate(&gnn, &dataset).unwrap().n, 60);
    let other: Plan = "3 2 1 1 4 0,0 6 3 4 3 0".parse().unwrap();
    let why = network(other.architecture()).err().unwrap().to_string();
    assert!(why.contains("other functions than `0 3 6 0 3 / 1 4 3 1 0`"), "{why}");
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

/// Sentences whose mood is in one made-up word, or in its absence.
fn corpus(n: usize) -> Vec<Document> {
    let document = |i: usize| {
        let mood = if i.is_multiple_of(2) { "glorp" } else { "drazz" };
        let filler = ["the", "film", "was", "long", "and", "new"];
        let tokens = (0..5 + i % 4).map(|at| if at == i % 3 { mood } else { filler[(i * 7 + at * 3) % 6] });
        Document { tokens: tokens.map(str::to_owned).collect(), label: (i % 2) as u8, part: Part::Train }
    };
    (0..n).map(document).collect()
}

fn texts(n: usize) -> Texts {
    let documents = corpus(n);
    let vocabulary = Arc::new(Vocabulary::new(&documents, &Vectors::default()));
    Texts::new(&documents.iter().collect::<Vec<_>>(), vocabulary).unwrap()
}

fn text_config(plan: &Plan) -> Config {
    let config = Config::new(plan.clone(), Task::mr(), 3);
    Config { epochs: 4, batch: 8, furniture: 0.0, rate: 5e-3, ..config }
}

#[test]
fn texts_are_learned_with_their_words_and_a_resumed_run_goes_on() {
    let texts = texts(64);
    let plan: Plan = "given: 2 1 2 4,6 1 4 3".parse().unwrap();
    let wrong = Trainer::new(Config::new(plan.clone(), task(), 3)).err().unwrap().to_string();
    assert!(wrong.contains("one for sampled graphs"), "{wrong}");
    let begin = || {
        let mut trainer = Trainer::new(text_config(&plan)).unwrap();
        trainer.train_words(texts.vocabulary().vectors.clone());
        trainer
    };
    let mut whole = begin();
    fit(&mut whole, &texts, &mut Until(None)).unwrap();
    let mut first = begin();
    fit(&mut first, &texts, &mut Until(Some(2))).unwrap();
    let mut second = Trainer::resume(&first.checkpoint().unwrap()).unwrap();
    fit(&mut second, &texts, &mut Until(None)).unwrap();
    assert_eq!((second.network(), second.words()), (whole.network(), whole.words()));
    let learned = texts.with_vectors(whole.words().unwrap().to_vec());
    assert_ne!(learned.vocabulary().vectors, texts.vocabulary().vectors);
    let gnn = Gnn::new(plan.architecture(), &Task::mr(), &whole.network().unwrap().weights(), &Device::flex()).unwrap();
    let evaluation = evaluate(&gnn, &learned).unwrap();
    assert!(evaluation.accuracy() > 0.9, "{evaluation:?}");
    for cut in 0..=plan.architecture().ops().len() {
        let cut_there = plan.with_cuts(vec![cut]).unwrap();
        assert_eq!(evaluate_plan(&gnn, &cut_there, &learned).unwrap(), evaluation, "cut before {cut}");
    }
    assert!(evaluate(&gnn, &dataset(1)).unwrap_err().to_string().contains("48 nodes with 50 channels, a graph"));
}

#[test]
fn a_teachers_word_counts() {
    let dataset = dataset(3);
    let config = Config { furniture: 0.0, ..config(NETWORKS[0]) };
    let plan: Plan = NETWORKS[0].parse().unwrap();
    let teacher = Trainer::new(Config { seed: 5, ..config.clone() }).unwrap();
    let teacher =
        Gnn::new(plan.architecture(), &task(), &teacher.network().unwrap().weights(), &Device::flex()).unwrap();
    let taught = Taught::new(&dataset, &teacher, 2.0).unwrap();
    let said = Material::taught(&taught, 4).unwrap();
    assert!(said.len() == 10 && (said.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    let loss = |material: &dyn Material, teach: f32| {
        let config = Config { teach, ..config.clone() };
        let batch = Samples::new(&config, material, 0).unwrap().batch(0).unwrap();
        Trainer::new(config).unwrap().step(&batch, 0, 0.0).unwrap().loss
    };
    assert_eq!(loss(&taught, 0.0), loss(&dataset, 0.5), "a share of 0 is no teacher");
    assert_ne!(loss(&taught, 0.5), loss(&dataset, 0.5));
}
