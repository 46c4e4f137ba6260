//! `cleave train supernet` and `cleave train rank`: the shared weights, and whether they rank architectures as training
//! each on its own does.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_arch::supernet::Paths;
use cleave_arch::{Architecture, Plan, SplitMix64, Task, Tier};
use cleave_data::modelnet::Dataset;
use cleave_model::{Gnn, SupernetWeights};
use cleave_train::{
    Command, EpochReport, Observer, Progress, Subject, TrainError, Trainer, evaluate, fit, kendall_tau,
};
use indicatif::ProgressBar;
use serde_json::json;

use super::run::{RunArgs, read};
use crate::output::{Align, Format, table};
use crate::search::judge;

/// One cloud in so many of each class is kept aside: searches see these, never the test set.
const ASIDE: usize = 10;

/// What shared weights are trained on, and what is kept aside for searches.
pub(crate) fn aside(folder: &Path) -> Result<(Dataset, Dataset)> {
    Ok(read(folder, "train")?.split(ASIDE))
}

/// Trains the shared weights.
pub(super) fn train(args: &RunArgs) -> Result<()> {
    let (data, _) = aside(&args.data)?;
    let trainer = args.train(Subject::Supernet, &data)?;
    let Some(supernet) = trainer.supernet() else { bail!("the checkpoint is no supernet's") };
    let config = trainer.config();
    let trained_on = format!(
        "{} clouds of ModelNet10 and generated furniture, {} epochs, {} points, seed {}",
        data.len(),
        config.epochs,
        config.points,
        config.seed
    );
    args.write(&supernet.weights(&data.classes, trained_on).to_safetensors()?)
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
    /// One line of JSON
    #[arg(long)]
    json: bool,
    /// Settings of each training; its weights are not kept, `--out` is where the table goes as JSON
    #[command(flatten)]
    run: RunArgs,
}

/// Trains architectures on their own and compares.
pub(super) fn rank(args: &RankArgs) -> Result<()> {
    let supernet = judge::read(&args.supernet)?;
    let (data, aside) = aside(&args.run.data)?;
    // Both are judged on clouds of the size that is trained with, so that short trainings are fair.
    let config = args.run.config(Subject::Supernet);
    let task = Task { n_points: config.points, k: config.neighbours_for(config.points), ..supernet.task };
    let (supernet, aside) = (SupernetWeights { task, ..supernet }, aside.thinned(config.points));
    let calibration = data.spread(judge::CALIBRATION).thinned(config.points);
    let mut rows: Vec<(String, [f64; 2])> = Vec::new();
    for architecture in draw(args.count, args.run.seed(), &supernet) {
        let (gnn, _) = judge::calibrated(&supernet, &architecture, &calibration)?;
        let shared = evaluate(&gnn, &aside)?.accuracy();
        let alone = alone_accuracy(&args.run, &architecture, &supernet.task, &data, &aside)?;
        eprintln!("{architecture}: {:.1} % shared, {:.1} % alone", 100.0 * shared, 100.0 * alone);
        rows.push((architecture.to_string(), [shared, alone]));
        fs::write(&args.run.out, to_json(&rows).to_string())
            .with_context(|| format!("{} cannot be written", args.run.out.display()))?;
    }
    Format::from_flag(args.json).print(|| to_text(&rows), || to_json(&rows))
}

fn draw(count: usize, seed: u64, supernet: &SupernetWeights) -> Vec<Architecture> {
    let (paths, mut rng) = (Paths::new(&supernet.task), SplitMix64::new(seed));
    (0..count).map(|_| paths.draw(&mut rng)).collect()
}

/// Accuracy of an architecture that is trained on its own.
fn alone_accuracy(
    run: &RunArgs,
    architecture: &Architecture,
    task: &Task,
    data: &Dataset,
    aside: &Dataset,
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
    let heading = [("architecture", Align::Left), ("shared %", Align::Right), ("alone %", Align::Right)];
    let row = |(architecture, pair): &(String, [f64; 2])| {
        let [shared, alone] = pair.map(|accuracy| format!("{:.1}", 100.0 * accuracy));
        vec![architecture.clone(), shared, alone]
    };
    let rows_of_table: Vec<Vec<String>> = rows.iter().map(row).collect();
    format!("{}\nKendall τ {:.3} over {} architectures", table(&heading, &rows_of_table), tau(rows), rows.len())
}
