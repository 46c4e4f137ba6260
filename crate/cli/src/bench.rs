//! `cleave bench`: measurements for people to read and compare; nothing here passes or fails.

mod images;
mod loopback;
mod native;
mod offload;
mod partition;
mod predict;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use cleave_arch::{Array, Mapping, Segment, Tier};
use cleave_model::exec;

use crate::local::{Engine, median, millis_since};
use crate::network::Network;
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
    offload: offload::OffloadArgs,
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
    /// An image network on the device, on the edge and cut between them, predicted and measured
    Offload,
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
        What::Offload => offload::run(format, &args.offload),
        What::Partition => partition::run(format),
        What::Predict => predict::run(format, &args.predict),
    }
}

/// Numbers anywhere: the time does not depend on where points are.
fn random_input(network: &Network) -> Result<Array> {
    let cut = network.mapping.cut_graph()?;
    exec::noise(cut.graph(), 0, 7).pop().context("a network reads something")
}

/// Every step alone. Reading its result back is part of its time, as it would be at a cut.
fn stages(engine: &Engine, mapping: &Mapping, input: &Array, runs: usize) -> Result<Vec<(String, f64)>> {
    let start = |step: usize| Ok(mapping.with_cuts(vec![step])?.cut_graph()?.cuts().first().copied().unwrap_or(0));
    let mut starts = (0..mapping.n_steps()).map(start).collect::<Result<Vec<usize>>>()?;
    starts.push(mapping.cut_graph()?.graph().nodes().len());
    let mut values = vec![input.clone()];
    let mut stages = Vec::new();
    for (at, nodes) in starts.windows(2).enumerate() {
        let segment = Segment { tier: Tier::Device, nodes: nodes[0]..nodes[1] };
        let mut times = Vec::new();
        let mut after = Vec::new();
        for _ in 0..runs {
            let start = Instant::now();
            after = engine.segment(&segment, &values)?;
            times.push(millis_since(start));
        }
        values = after;
        stages.push((mapping.step_name(at), median(times)));
    }
    Ok(stages)
}
