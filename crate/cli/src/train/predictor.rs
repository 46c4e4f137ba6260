//! `cleave train predictor`: measured pairs to the weights of a latency predictor.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cleave_arch::{Mapping, Task};
use cleave_cost::graph::{Meta, PlanGraph, Standard};
use cleave_cost::pairs::{Pairs, Row};
use cleave_cost::{Calibration, Machines};
use cleave_train::{PlanSample, PredictorConfig, PredictorEpoch, fit_predictor};
use indicatif::ProgressBar;
use serde_json::json;

use crate::file;
use crate::output::Format;
use crate::predict::read_pairs;

/// Arguments of `cleave train predictor`.
#[derive(clap::Args, Debug)]
pub(crate) struct PredictorArgs {
    /// Measured pairs, by `cargo xtask bench predict` or `cleave train pairs`
    #[arg(long, value_name = "FILE", required = true)]
    pairs: Vec<PathBuf>,
    /// Weights to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Passes over the pairs
    #[arg(long, value_name = "N", default_value_t = PredictorConfig::default().epochs)]
    epochs: usize,
    /// Width of the layers
    #[arg(long, value_name = "W", default_value_t = PredictorConfig::default().width)]
    width: usize,
    /// Seed of weights, split and order
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Trains and writes.
pub(crate) fn run(args: &PredictorArgs) -> Result<()> {
    let files = args.pairs.iter().map(|path| read_pairs(path)).collect::<Result<Vec<_>>>()?;
    let measured = files.iter().map(graphs).collect::<Result<Vec<_>>>()?.concat();
    let standard = Standard::of(measured.iter().map(|(graph, _)| graph));
    let sample = |(graph, latency): &(PlanGraph, f64)| PlanSample {
        features: standard.apply(graph),
        nodes: graph.nodes,
        log_ratio: (latency / graph.table_ms).ln() as f32,
    };
    let samples: Vec<PlanSample> = measured.iter().map(sample).collect();
    let config =
        PredictorConfig { epochs: args.epochs, width: args.width, seed: args.seed, ..PredictorConfig::default() };
    let bar = ProgressBar::new(args.epochs as u64);
    let mut best = f32::INFINITY;
    let mut weights = fit_predictor(&samples, &config, |PredictorEpoch { validation, .. }| {
        bar.inc(1);
        best = best.min(validation);
        true
    })?;
    bar.finish_and_clear();
    let pairs: Vec<String> =
        files.iter().map(|file| format!("{} at {} Mbps, seed {}", file.pair, file.mbps, file.seed)).collect();
    let trained_on = format!("{} plans: {}", samples.len(), pairs.join("; "));
    weights.meta = serde_json::to_string(&Meta { standard, trained_on: trained_on.clone(), validation: best })?;
    file::write("the predictor", &args.out, weights.to_safetensors()?)?;
    let text =
        || format!("trained on {trained_on}\nmean |ln(predicted / measured)| on the tenth kept aside: {best:.4}");
    Format::from_flag(args.json).print(text, || json!({ "trained_on": trained_on, "validation": best }))
}

/// Every row's graph under the file's conditions, and its latency.
pub(crate) fn graphs(pairs: &Pairs) -> Result<Vec<(PlanGraph, f64)>> {
    let machines = machines(pairs);
    let graph = |row: &Row| {
        let (plan, task) = (row.plan()?, Task::modelnet10());
        let graph = PlanGraph::new(&Mapping::of_plan(plan, task), &machines);
        Ok((graph.context("an architecture has a graph")?, row.latency_ms()))
    };
    pairs.rows.iter().map(graph).collect()
}

/// The machines of a file under its conditions, uncorrected.
pub(crate) fn machines(pairs: &Pairs) -> Machines {
    let mut machines = Machines::new(&pairs.profile);
    machines.link = machines.link.shaped((pairs.mbps > 0.0).then_some(pairs.mbps), pairs.delay_ms);
    machines.calibration = Calibration::default();
    machines
}
