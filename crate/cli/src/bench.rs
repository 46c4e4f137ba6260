//! `cleave bench`: measurements for people to read and compare; nothing here passes or fails.

mod images;
mod loopback;
mod native;
mod partition;
mod predict;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use cleave_arch::{Array, Segment, SplitMix64, Task, Tier};

use crate::local::{Engine, median, millis_since};
use crate::output::Format;

/// Arguments of `cleave bench`.
#[derive(clap::Args, Debug)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value_t)]
    what: What,
    #[command(flatten)]
    images: images::ImagesArgs,
    #[command(flatten)]
    loopback: LoopbackArgs,
    #[command(flatten)]
    predict: predict::PredictArgs,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// What `loopback` runs.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Loopback")]
struct LoopbackArgs {
    /// A shipped model by name; without it the first, or DGCNN with random weights if there is none
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Folder of the shipped models
    #[arg(long, value_name = "DIR", default_value = "www/model")]
    models: PathBuf,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum What {
    /// DGCNN on this machine's cores
    #[default]
    Native,
    /// An image network's operators on this machine's cores, by our kernels and by burn's
    Images,
    /// The shipped network split between this process and an edge in it, over TCP
    Loopback,
    /// Predictions against measured pairs
    Predict,
    /// Strategies that share a network, over set-up times and rates
    Partition,
}

/// Runs the subcommand.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    let format = Format::from_flag(args.json);
    match args.what {
        What::Native => native::run(format),
        What::Images => images::run(format, &args.images),
        What::Loopback => loopback::run(format, &args.loopback),
        What::Partition => partition::run(format),
        What::Predict => predict::run(format, &args.predict),
    }
}

/// Points in a cube: the time does not depend on where they are.
fn random_cloud(task: &Task) -> Result<Array> {
    let mut rng = SplitMix64::new(7);
    let values = (0..task.n_points * task.in_channels).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    Ok(Array::f32([task.n_points, task.in_channels], values)?)
}

/// Every operation alone. Reading its result back is part of its time, as it would be at a cut.
fn stages(engine: &Engine, cloud: &Array, runs: usize) -> Result<Vec<(String, f64)>> {
    let ops = engine.gnn().architecture().ops();
    let name = |at: usize| ops.get(at).map_or("classifier".into(), ToString::to_string);
    let mut values = vec![cloud.clone()];
    let mut stages = Vec::new();
    for at in 0..=ops.len() {
        let classifier = at == ops.len();
        let segment = Segment { tier: Tier::Device, ops: at..(at + 1).min(ops.len()), classifier };
        let mut times = Vec::new();
        let mut after = Vec::new();
        for _ in 0..runs {
            let start = Instant::now();
            after = engine.segment(&segment, &values)?;
            times.push(millis_since(start));
        }
        values = after;
        stages.push((name(at), median(times)));
    }
    Ok(stages)
}
