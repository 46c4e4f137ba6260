//! `cleave train supernet` and `cleave train rank`: the shared weights, and whether they rank architectures as training
//! each on its own does.

use std::path::PathBuf;

use anyhow::{Result, bail};
use burn::tensor::Device;
use cleave_app::evaluation::{CALIBRATION, EvaluationSet};
use cleave_arch::supernet::Paths;
use cleave_arch::{Architecture, GraphSource, Halves, Plan, SplitMix64, Task, Tier};
use cleave_model::{Gnn, SupernetWeights};
use cleave_train::{
    Command, EpochReport, Material, Observer, Progress, Subject, TrainError, Trainer, evaluate, fit, kendall_tau,
};
use indicatif::ProgressBar;
use serde_json::json;

use super::run::RunArgs;
use crate::file;
use crate::material::{self, Part};
use crate::output::{Format, table};
use crate::search::evaluate::{self, Evaluator};

/// Arguments of `cleave train supernet`.
#[derive(clap::Args, Debug)]
pub(super) struct SupernetArgs {
    /// Only architectures with these functions of operations 0 to 4 in positions 0 to 5 and 6 to 11, as HGNAS's second
    /// stage searches them: what `cleave search --strategy stages` prints
    #[arg(long, value_name = "FUNCTIONS / FUNCTIONS")]
    functions: Option<Halves>,
    #[command(flatten)]
    run: RunArgs,
}

/// Trains the shared weights.
pub(super) fn train(args: &SupernetArgs) -> Result<()> {
    let SupernetArgs { functions, run: args } = args;
    let data = material::read(&args.task(), &args.data, args.words.as_deref(), Part::Rest)?;
    let trainer = args.train(functions.map_or(Subject::Supernet, Subject::Restricted), &*data)?;
    let Some(supernet) = trainer.supernet() else { bail!("the checkpoint is no supernet's") };
    let config = trainer.config();
    let what = match config.task.graph {
        GraphSource::Sampled => "clouds of ModelNet10 and generated furniture",
        GraphSource::Given => "texts of MR",
    };
    let trained_on = format!(
        "{} {what}, {} epochs, {} nodes, seed {}",
        data.labels().len(),
        config.epochs,
        config.points,
        config.seed
    );
    args.write(&supernet.weights(data.classes(), trained_on).to_safetensors()?)
}

/// Arguments of `cleave train rank`.
#[derive(clap::Args, Debug)]
pub(super) struct RankArgs {
    /// Shared weights by `cleave train supernet`
    #[arg(long, value_name = "FILE.safetensors")]
    supernet: PathBuf,
    /// Architectures to train on their own
    #[arg(long, value_name = "N", default_value_t = 12)]
    count: usize,
    /// These instead of drawn ones
    #[arg(long, value_name = "OPS,FUNCTIONS")]
    arch: Vec<String>,
    /// Only accuracies by shared weights: nothing is trained
    #[arg(long)]
    shared: bool,
    /// One line of JSON
    #[arg(long)]
    json: bool,
    /// Settings of each training; its weights are not kept, `--out` is where the table goes as JSON
    #[command(flatten)]
    run: RunArgs,
}

/// Trains architectures on their own and compares.
pub(super) fn rank(args: &RankArgs) -> Result<()> {
    let supernet = evaluate::read(&args.supernet)?;
    let part = |part| material::read(&supernet.task, &args.run.data, args.run.words.as_deref(), part);
    let (data, aside) = (part(Part::Rest)?, part(Part::Aside)?);
    // Both are judged on clouds of the size that is trained with, so that short trainings are fair.
    let config = args.run.config(Subject::Supernet);
    let supernet = SupernetWeights { task: config.task_for(config.points), ..supernet };
    let aside = aside.spread(usize::MAX, config.points);
    let calibration = data.spread(CALIBRATION, config.points);
    let parts = [evaluate::samples(&*calibration), evaluate::samples(&*aside)];
    let set = EvaluationSet::of_samples("kept aside".into(), &supernet.task, aside.classes().to_vec(), parts);
    let evaluator = Evaluator::new(supernet.clone(), set)?;
    let given = args.arch.iter().map(|text| Ok(Plan::parse_beside(text, supernet.task.graph)?.architecture().clone()));
    let given = given.collect::<Result<Vec<_>>>()?;
    let architectures = if given.is_empty() { draw(args.count, args.run.seed(), &supernet) } else { given };
    let mut rows: Vec<(String, [f64; 2])> = Vec::new();
    for architecture in architectures {
        let shared = evaluator.accuracy(&architecture)?;
        if args.shared {
            println!("{architecture}: {:.1} %", 100.0 * shared);
            continue;
        }
        let alone = alone_accuracy(&args.run, &architecture, &supernet.task, [&*data, &*aside])?;
        eprintln!("{architecture}: {:.1} % shared, {:.1} % alone", 100.0 * shared, 100.0 * alone);
        rows.push((architecture.to_string(), [shared, alone]));
        file::write("the table", &args.run.out, to_json(&rows).to_string())?;
    }
    if args.shared {
        return Ok(());
    }
    Format::from_flag(args.json).print(|| to_text(&rows), || to_json(&rows))
}

fn draw(count: usize, seed: u64, supernet: &SupernetWeights) -> Vec<Architecture> {
    let task = &supernet.task;
    let paths = supernet.functions.map_or_else(|| Paths::new(task), |functions| Paths::with(task, functions));
    let mut rng = SplitMix64::new(seed);
    (0..count).map(|_| paths.draw(&mut rng)).collect()
}

/// Accuracy of an architecture that is trained on its own.
fn alone_accuracy(
    run: &RunArgs,
    architecture: &Architecture,
    task: &Task,
    [data, aside]: [&dyn Material; 2],
) -> Result<f64> {
    let config = run.config(Plan::whole(architecture.clone(), Tier::Device).into());
    let mut trainer = Trainer::new(config)?;
    let mut quiet = Quiet(ProgressBar::new(0));
    fit(&mut trainer, data, &mut quiet)?;
    quiet.0.finish_and_clear();
    let Some(network) = trainer.network() else { bail!("no network was trained") };
    let gnn = Gnn::new(architecture, task, &network.weights(), &Device::flex())?;
    Ok(evaluate(&gnn, aside)?.accuracy())
}

/// A bar of steps, no checkpoints.
struct Quiet(ProgressBar);

impl Observer for Quiet {
    fn step(&mut self, progress: &Progress) -> Command {
        self.0.set_length((progress.epochs * progress.steps) as u64);
        self.0.inc(1);
        Command::Continue
    }

    fn epoch(&mut self, _: &EpochReport, _: &Trainer) -> Result<Command, TrainError> {
        Ok(Command::Continue)
    }
}

fn tau(rows: &[(String, [f64; 2])]) -> f64 {
    kendall_tau(&rows.iter().map(|(_, pair)| *pair).collect::<Vec<_>>())
}

fn to_json(rows: &[(String, [f64; 2])]) -> serde_json::Value {
    let row = |(architecture, [shared, alone]): &(String, [f64; 2])| json!({ "architecture": architecture, "shared": shared, "alone": alone });
    json!({ "kendall_tau": tau(rows), "n": rows.len(), "rows": rows.iter().map(row).collect::<Vec<_>>() })
}

fn to_text(rows: &[(String, [f64; 2])]) -> String {
    let row = |(architecture, pair): &(String, [f64; 2])| {
        let [shared, alone] = pair.map(|accuracy| format!("{:.1}", 100.0 * accuracy));
        vec![architecture.clone(), shared, alone]
    };
    let table = table(&["architecture", ">shared %", ">alone %"], rows.iter().map(row));
    format!("{table}\nKendall τ {:.3} over {} architectures", tau(rows), rows.len())
}
