//! `cleave profile`: measures this machine, an edge and the link between them, and writes what predictions need.
//!
//! The file is written again and again while it grows: ending the process loses the row under way, and the next run of
//! the same command goes on from there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_app::profiling::echo;
use cleave_arch::{Architecture, Plan, Probe, Task, Tier};
use cleave_cost::{Answer, Ask, Effort, Profile, Profiler, Table};
use cleave_session::{LinkStatus, Measured, Work};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::edge::EdgeArgs;
use crate::local::{DeviceChoice, Engine, wait};
use crate::network::Network;
use crate::output::Format;
use crate::predict;
use crate::remote::{Remote, Settings};
use crate::task::TaskArgs;

/// For the edge to answer one request.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the growing profile is written.
const SAVE: Duration = Duration::from_secs(2);

/// Arguments of `cleave profile`.
#[derive(clap::Args, Debug)]
pub struct ProfileArgs {
    /// Where the profile is written; one that was interrupted is continued
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Fewer sizes and wider intervals, in a quarter of the time
    #[arg(long)]
    quick: bool,
    /// What computes the device's part
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    edge: EdgeArgs,
    #[command(flatten)]
    task: TaskArgs,
    /// One line of JSON with the figures of the link and the size of the tables
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// A file that cannot be written or is something else, an edge that cannot be used.
pub fn run(args: &ProfileArgs) -> Result<()> {
    let task = args.task.over(Task::modelnet10())?;
    let before = if args.out.exists() { Some(predict::read(&args.out)?) } else { None };
    let device = args.device.open()?;
    let remote = args.edge.settings(PATIENCE)?.map(|settings| connect(settings, &device)).transpose()?;
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    let edge = remote.as_ref().map(edge_table).transpose()?;
    let mut profiler = Profiler::new(effort, &task, before, device_table(args.device), edge);
    let started = Instant::now();
    measure(&mut profiler, &device, remote.as_ref(), &args.out)?;
    let took = started.elapsed();
    Format::from_flag(args.json).print(|| to_text(profiler.profile(), took), || to_json(profiler.profile(), took))
}

fn measure(profiler: &mut Profiler, device: &Device, remote: Option<&Remote>, out: &Path) -> Result<()> {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len}, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut saved = Instant::now();
    while let Some(ask) = profiler.next() {
        let (done, total) = profiler.progress();
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(describe(ask));
        profiler.answer(answer(ask, device, remote)?);
        if saved.elapsed() >= SAVE {
            save(profiler.profile(), out)?;
            saved = Instant::now();
        }
    }
    bar.finish_and_clear();
    save(profiler.profile(), out)
}

fn describe(ask: Ask) -> String {
    match ask {
        Ask::Probe { tier, probe, .. } => format!("{probe} on the {tier}"),
        Ask::Train { .. } => "the link".into(),
    }
}

/// Runs what the profiler asks for. A lost edge ends the command; a probe that an engine refuses stays out.
fn answer(ask: Ask, device: &Device, remote: Option<&Remote>) -> Result<Answer> {
    let times = |Measured { ms, bytes }: Measured| Answer::Times { ms, bytes };
    let edge = || remote.context("there is no edge");
    Ok(match ask {
        Ask::Probe { tier: Tier::Device, probe, runs } => {
            wait(cleave_edge::measure(probe, runs, device)).map_or(Answer::Failed, times)
        }
        Ask::Probe { tier: Tier::Edge, probe, runs } => on_edge(edge()?, probe, runs)?.map_or(Answer::Failed, times),
        Ask::Train { up, down, count } => {
            let echoes = edge()?.train(up as u32, down as u32, count, PATIENCE)?;
            Answer::Train(echoes.iter().map(echo).collect())
        }
    })
}

fn on_edge(remote: &Remote, probe: Probe, runs: usize) -> Result<Option<Measured>> {
    match remote.measure(probe, u16::try_from(runs).unwrap_or(u16::MAX), PATIENCE) {
        Ok(measured) => Ok(Some(measured)),
        Err(_) if matches!(remote.status(), Some(LinkStatus::Ready { .. })) => Ok(None),
        Err(why) => Err(why).context("the edge was lost; what was measured is in the file, run the command again"),
    }
}

/// A session needs a network to begin with; this one stays on the device.
fn connect(settings: Settings, device: &Device) -> Result<Remote> {
    let plan = Plan::whole(Architecture::dgcnn(), Tier::Device);
    let network = Network::random(plan.clone(), Task { n_points: 32, ..Task::modelnet10() }, 1)?;
    let mut remote = Remote::start(settings)?;
    let work = Work::new(plan, network.task, network.model());
    remote.deploy(Arc::new(work), Arc::new(Engine::new(network.gnn(device)?)))?;
    remote.wait_ready(PATIENCE)?;
    Ok(remote)
}

fn device_table(device: DeviceChoice) -> Table {
    let engine = match device {
        DeviceChoice::Cpu => format!("CPU, {} threads", rayon::current_num_threads()),
        DeviceChoice::Wgpu => "GPU".into(),
    };
    Table::new("cleave", engine)
}

fn edge_table(remote: &Remote) -> Result<Table> {
    match remote.status() {
        Some(LinkStatus::Ready { name, threads, .. }) => Ok(Table::new(name, format!("CPU, {threads} threads"))),
        other => bail!("the edge is not ready: {other:?}"),
    }
}

/// Aside and renamed, so that the file is whole at every moment.
fn save(profile: &Profile, out: &Path) -> Result<()> {
    let aside = out.with_extension("part");
    let write = || fs::write(&aside, profile.to_json()).and_then(|()| fs::rename(&aside, out));
    write().with_context(|| format!("the profile {} cannot be written", out.display()))
}

fn to_json(profile: &Profile, took: Duration) -> Value {
    let table = |table: &Option<Table>| {
        table.as_ref().map(|table| {
            json!({ "name": table.name, "engine": table.engine, "rows": table.rows.len(), "noise": table.noise() })
        })
    };
    json!({
        "complete": profile.complete, "seconds": took.as_secs_f64(), "device": table(&profile.device),
        "edge": table(&profile.edge), "link": profile.link,
    })
}

fn to_text(profile: &Profile, took: Duration) -> String {
    let table = |what: &str, table: &Option<Table>| match table {
        Some(table) => format!(
            "{what} {}, {}: {} rows, half of them known to ± {:.1} % or better\n",
            table.name,
            table.engine,
            table.rows.len(),
            100.0 * table.noise()
        ),
        None => String::new(),
    };
    let link = profile.link.map_or_else(
        || "no link was measured".to_owned(),
        |link| {
            format!(
                "link: {:.2} ms round trip, {:.1} Mbps up, {:.1} Mbps down",
                link.rtt_ms, link.up_mbps, link.down_mbps
            )
        },
    );
    let (device, edge) = (table("device", &profile.device), table("edge", &profile.edge));
    format!("{device}{edge}{link}\nmeasured in {:.1} s", took.as_secs_f64())
}
