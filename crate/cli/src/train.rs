//! `cleave train`: weights from labelled samples, and what weights are worth.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_arch::{Architecture, GraphSource, Plan, Tier};
use cleave_model::ImageCard;
use cleave_model::{Card, Gnn, Storage, Weights};
use cleave_train::{Evaluation, Material, Taught, Trainer, evaluate, evaluate_plan};
use serde_json::{Value, json};

use crate::file;
use crate::material::{self, Part};
use crate::output::{Format, table};

mod images;
mod pairs;
pub(crate) mod predictor;
mod progress;
mod run;
mod supernet;

use run::RunArgs;

/// By which a teacher's logits are divided.
const TEMPERATURE: f32 = 2.0;

/// Arguments of `cleave train`.
#[derive(clap::Args, Debug)]
pub(crate) struct TrainArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Train a network on ModelNet10 and generated furniture, or on MR; checkpoints every epoch
    Network(Box<NetworkArgs>),
    /// Train an image network on Fashion-MNIST
    Images(images::ImagesArgs),
    /// Train the shared weights of the whole search space, one drawn architecture a step
    Supernet(Box<supernet::SupernetArgs>),
    /// Hold accuracies by shared weights against those of networks trained on their own
    Rank(Box<supernet::RankArgs>),
    /// Classify every test sample and count what was right, whole or cut
    Evaluate(EvaluateArgs),
    /// Random plans for measuring, as JSON
    Draw(pairs::DrawArgs),
    /// Run random plans with a real edge and write what they took
    Pairs(Box<pairs::PairsArgs>),
    /// Train a latency predictor on measured pairs
    Predictor(predictor::PredictorArgs),
}

/// Arguments of `cleave train network`.
#[derive(clap::Args, Debug)]
struct NetworkArgs {
    /// Architecture in the text form, or `dgcnn`; its communicates become the default cuts
    #[arg(long, value_name = "OPS,FUNCTIONS")]
    arch: String,
    /// Train the vectors of the words too, and write them
    #[arg(long, value_name = "FILE.safetensors")]
    train_words: Option<PathBuf>,
    /// Weights of a trained network that half of every target is taken from (knowledge distillation)
    #[arg(long, value_name = "FILE.safetensors")]
    teacher: Option<PathBuf>,
    /// Name in the weights' card [default: the file's]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    run: RunArgs,
}

/// Arguments of `cleave train evaluate`.
#[derive(clap::Args, Debug)]
struct EvaluateArgs {
    /// Weights that `cleave train network` wrote
    #[arg(long, value_name = "FILE.safetensors")]
    weights: PathBuf,
    /// Folder with modelnet10_1024_test.npz, with the folder mr, or with Fashion-MNIST
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Trained vectors of words, for texts
    #[arg(long, value_name = "FILE.safetensors")]
    words: Option<PathBuf>,
    /// Run it cut before operation I (two at most), every part from the arrays that the one before it sends
    #[arg(long = "cut", value_name = "I")]
    cuts: Vec<usize>,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs `cleave train`.
pub(crate) fn run(args: &TrainArgs) -> Result<()> {
    match &args.what {
        What::Network(args) => network(args),
        What::Images(args) => images::train(args),
        What::Supernet(args) => supernet::train(args),
        What::Rank(args) => supernet::rank(args),
        What::Evaluate(args) => evaluate_weights(args),
        What::Draw(args) => pairs::draw(args),
        What::Pairs(args) => pairs::collect(args),
        What::Predictor(args) => predictor::run(args),
    }
}

fn network(args: &NetworkArgs) -> Result<()> {
    let plan = if args.arch == "dgcnn" {
        Plan::whole(Architecture::dgcnn(), Tier::Device)
    } else {
        Plan::parse_beside(&args.arch, args.run.task().graph)
            .with_context(|| format!("the architecture `{}`", args.arch))?
    };
    let (task, folder, words) = (args.run.task(), &args.run.data, args.run.words.as_deref());
    if let Some(out) = &args.train_words {
        return network_with_words(args, plan, out);
    }
    let train = material::read(&task, folder, words, Part::Train)?;
    let trainer = match &args.teacher {
        None => args.run.train(plan.clone().into(), &*train)?,
        Some(path) => {
            let (_, teacher, _) = gnn(path)?;
            println!("asking the teacher about {} samples", train.labels().len());
            args.run.train(plan.clone().into(), &Taught::new(&*train, &teacher, TEMPERATURE)?)?
        }
    };
    finish(args, plan, &trainer, &*material::read(&task, folder, words, Part::Test)?)
}

/// Vectors of words are trained on what is not kept aside, so that searches may use them.
fn network_with_words(args: &NetworkArgs, plan: Plan, out: &Path) -> Result<()> {
    let (folder, words) = (&args.run.data, args.run.words.as_deref());
    if args.run.task().graph != GraphSource::Given {
        bail!("--train-words is for texts; give --task mr");
    }
    let train = material::texts(folder, words, Part::Rest)?;
    let trainer = args.run.train_with_words(plan.clone().into(), &train)?;
    let vectors = trainer.words().unwrap_or_default().to_vec();
    let learned = train.with_vectors(vectors.clone());
    let bytes = learned.vocabulary().of(&learned).to_safetensors()?;
    file::write("the words", out, bytes)?;
    finish(args, plan, &trainer, &material::texts(folder, Some(out), Part::Test)?)
}

/// Tests what was trained, and writes it.
fn finish(args: &NetworkArgs, plan: Plan, trainer: &Trainer, test: &dyn Material) -> Result<()> {
    let Some(network) = trainer.network() else { bail!("the checkpoint is no network's") };
    let card = Card {
        name: args.name.clone().unwrap_or_else(|| file::stem(&args.run.out)),
        plan,
        task: trainer.config().task,
        classes: test.classes().to_vec(),
        accuracy: None,
    };
    let (evaluation, bytes) = save(&network.weights(), card, test)?;
    println!("{}", summary(&evaluation, test.classes()));
    args.run.write(&bytes)
}

/// The weights as a file, evaluated as stored: what half precision costs is in the figure.
fn save(weights: &Weights, card: Card, test: &dyn Material) -> Result<(Evaluation, Vec<u8>)> {
    let stored = Weights::from_safetensors(&weights.to_safetensors(&card, Storage::F16)?)?;
    let gnn = Gnn::new(card.plan.architecture(), &card.task, &stored, &Device::flex())?;
    let evaluation = evaluate(&gnn, test)?;
    let card = Card { accuracy: Some(evaluation.accuracy()), ..card };
    Ok((evaluation, stored.to_safetensors(&card, Storage::F16)?))
}

/// A trained network with its card and the size of its file.
fn gnn(path: &Path) -> Result<(Card, Gnn, usize)> {
    let within = || format!("the weights {}", path.display());
    let bytes = file::read("the weights", path)?;
    let card = Card::from_safetensors(&bytes).with_context(within)?;
    let weights = Weights::from_safetensors(&bytes).with_context(within)?;
    let gnn = Gnn::new(card.plan.architecture(), &card.task, &weights, &Device::flex()).with_context(within)?;
    Ok((card, gnn, bytes.len()))
}

fn evaluate_weights(args: &EvaluateArgs) -> Result<()> {
    let bytes = file::read("the weights", &args.weights)?;
    if let Some(card) = ImageCard::from_safetensors(&bytes)? {
        let evaluation = images::evaluate(&card, &bytes, &args.data)?;
        let about = json!({ "name": card.name, "network": card.network.to_string() });
        return print_evaluation(args, &evaluation, &card.classes, about);
    }
    let (card, gnn, bytes) = gnn(&args.weights)?;
    let test = material::read(&card.task, &args.data, args.words.as_deref(), Part::Test)?;
    let evaluation = if args.cuts.is_empty() {
        evaluate(&gnn, &*test)?
    } else {
        evaluate_plan(&gnn, &card.plan.with_cuts(args.cuts.clone())?, &*test)?
    };
    let about = json!({ "name": card.name, "plan": card.plan.to_string(), "cuts": args.cuts, "bytes": bytes });
    print_evaluation(args, &evaluation, test.classes(), about)
}

fn print_evaluation(args: &EvaluateArgs, evaluation: &Evaluation, classes: &[String], about: Value) -> Result<()> {
    let json = || {
        let mut json = about;
        json["n"] = evaluation.n.into();
        json["correct"] = evaluation.correct.into();
        json["accuracy"] = evaluation.accuracy().into();
        json["mean_class_accuracy"] = evaluation.mean_class().into();
        json["classes"] = classes.into();
        json["confusion"] = json!(evaluation.confusion);
        json
    };
    Format::from_flag(args.json).print(|| summary(evaluation, classes), json)
}

/// Accuracy, then a row per class: how many of it were answered as what.
fn summary(evaluation: &Evaluation, classes: &[String]) -> String {
    let names = classes.iter().map(|name| format!(">{name}"));
    let heading: Vec<String> = ["class".into(), ">right".into()].into_iter().chain(names).collect();
    let row = |(class, name): (usize, &String)| {
        let share =
            evaluation.of_class(class).map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        let counts = evaluation.confusion[class].iter().map(|n| if *n == 0 { "·".to_owned() } else { n.to_string() });
        [name.clone(), share].into_iter().chain(counts).collect()
    };
    format!(
        "{}\noverall accuracy {:.2} % ({} of {}), mean of classes {:.2} %",
        table(&heading, classes.iter().enumerate().map(row)),
        100.0 * evaluation.accuracy(),
        evaluation.correct,
        evaluation.n,
        100.0 * evaluation.mean_class()
    )
}
