//! `cleave train draw` and `cleave train pairs`: random plans, and what real frames of them take with a real edge.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use cleave_app::pricing::measured_stages;
use cleave_arch::{Array, Plan, Task};
use cleave_cost::Stages;
use cleave_cost::pairs::{PAIRS_FORMAT, Pairs, Row, draw_plans};
use cleave_session::FrameReport;
use cleave_wire::LinkShape;
use indicatif::ProgressBar;
use serde_json::json;

use crate::edge::EdgeArgs;
use crate::local::{DeviceChoice, Engine};
use crate::network::Network;
use crate::output::Format;
use crate::remote::{Remote, Settings};
use crate::{file, predict};

/// For a network to be deployed, and for a frame.
const PATIENCE: Duration = Duration::from_secs(60);
/// Frames that warm up.
const WARM: usize = 2;

/// Arguments of `cleave train draw`.
#[derive(clap::Args, Debug)]
pub(crate) struct DrawArgs {
    /// Plans
    #[arg(long, value_name = "N", default_value_t = 300)]
    count: usize,
    /// Seed of the draw
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

/// Prints the plans as one line of JSON.
pub(crate) fn draw(args: &DrawArgs) -> Result<()> {
    let plans: Vec<String> =
        draw_plans(args.count, args.seed, &Task::modelnet10()).iter().map(ToString::to_string).collect();
    Format::Json.print(String::new, || json!(plans))
}

/// Arguments of `cleave train pairs`.
#[derive(clap::Args, Debug)]
pub(crate) struct PairsArgs {
    #[command(flatten)]
    draw: DrawArgs,
    /// Profile of this machine and the edge, by `cleave profile`
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,
    /// Where the pairs are written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Frames of a plan that count, in every round
    #[arg(long, value_name = "N", default_value_t = 7)]
    runs: usize,
    /// Rounds over all plans, so that a minute in which the machine was busy is no plan's only one
    #[arg(long, value_name = "N", default_value_t = 1)]
    rounds: usize,
    #[command(flatten)]
    edge: EdgeArgs,
}

/// Measures every plan and writes the rows.
pub(crate) fn collect(args: &PairsArgs) -> Result<()> {
    let task = Task::modelnet10();
    let profile = predict::read(&args.profile)?;
    let Some(settings) = args.edge.settings(PATIENCE)? else { bail!("no edge is named; give --edge URL") };
    let shape = settings.shape;
    let plans = draw_plans(args.draw.count, args.draw.seed, &task);
    let cloud = Array::f32([task.n_points, 3], cleave_data::furniture::generate(2, task.n_points, 3)?)?;
    let device = DeviceChoice::Cpu.open()?;
    let mut remote = Remote::start(Settings { shape: LinkShape::UNSHAPED, ..settings })?;
    let bar = ProgressBar::new((args.rounds * plans.len()) as u64);
    let empty = |plan: &Plan| Row { plan: plan.to_string(), codec: plan.codec().to_string(), runs: Vec::new() };
    let mut rows: Vec<Row> = plans.iter().map(empty).collect();
    for (at, plan) in (0..args.rounds).flat_map(|_| plans.iter().enumerate()) {
        let network = Network::random(plan.clone(), task, at as u64)?;
        let engine = Arc::new(Engine::new(network.load(&device)?));
        // Weights go to the edge unshaped: they are no part of a frame.
        remote.shape(LinkShape::UNSHAPED)?;
        remote.deploy(network.work(network.mapping.clone())?, engine)?;
        remote.wait_ready(PATIENCE)?;
        remote.shape(shape)?;
        let reports = remote.planned_frames(WARM + args.runs, 1, &cloud)?;
        rows[at].runs.extend(reports[WARM..].iter().map(stages));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let pairs = Pairs {
        format: PAIRS_FORMAT.into(),
        version: 1,
        pair: "native, native edge".into(),
        mbps: shape.bits_per_second as f64 / 1e6,
        delay_ms: f64::from(shape.delay_micros) / 1e3,
        seed: args.draw.seed,
        profile,
        rows,
    };
    file::write("the pairs", &args.out, serde_json::to_string(&pairs)?)
}

fn stages(report: &FrameReport) -> [f64; 5] {
    let Stages { device, up, edge, down, .. } = measured_stages(report);
    [device, up, edge, down, report.total_ms()]
}
