//! `cleave profile`: measures this machine, an edge and the link between them, and writes what predictions need.
//!
//! The file is written again and again while it grows: ending the process loses the row under way, and the next run of
//! the same command goes on from there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_app::profiling::{Asked, Profiling};
use cleave_arch::{Architecture, Plan, Task, Tier};
use cleave_cost::{Profile, Subject, Table};
use cleave_session::{DeviceEffect, DeviceEvent, LinkStatus, MeasureError};
use serde_json::{Value, json};

use crate::edge::EdgeArgs;
use crate::local::{DeviceChoice, Engine, wait};
use crate::network::Network;
use crate::output::{Format, bar};
use crate::remote::{Remote, Settings};
use crate::task::TaskArgs;
use crate::{file, predict};

/// For the edge to answer one request.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the growing profile is written.
const SAVE: Duration = Duration::from_secs(2);

/// Arguments of `cleave profile`.
#[derive(clap::Args, Debug)]
pub(crate) struct ProfileArgs {
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
    /// For this image network, by name or text form, instead of graph networks; rows of earlier profiles are kept
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// One line of JSON with the figures of the link and the size of the tables
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &ProfileArgs) -> Result<()> {
    let subject = match &args.network {
        Some(text) => Subject::Graph(Arc::new(cleave_arch::graph_named(text)?)),
        None => Subject::Task(args.task.over(Task::modelnet10())?),
    };
    let before = if args.out.exists() { Some(predict::read(&args.out)?) } else { None };
    let device = args.device.open()?;
    let remote = args.edge.settings(PATIENCE)?.map(|settings| connect(settings, &device)).transpose()?;
    let edge = remote.as_ref().map(edge_table).transpose()?;
    let mut profiling = Profiling::new(args.quick, &subject, before, device_table(args.device), edge, 0);
    let started = Instant::now();
    measure(&mut profiling, &device, remote.as_ref(), &args.out)?;
    let took = started.elapsed();
    Format::from_flag(args.json).print(|| to_text(profiling.profile(), took), || to_json(profiling.profile(), took))
}

fn measure(profiling: &mut Profiling, device: &Device, remote: Option<&Remote>, out: &Path) -> Result<()> {
    let mut saved = Instant::now();
    drive(profiling, device, remote, |profile| {
        if saved.elapsed() >= SAVE {
            save(profile, out)?;
            saved = Instant::now();
        }
        Ok(())
    })?;
    save(profiling.profile(), out)
}

/// Runs all that a profile asks for; `keep` sees what there is after each row.
pub(crate) fn drive(
    profiling: &mut Profiling,
    device: &Device,
    remote: Option<&Remote>,
    mut keep: impl FnMut(&Profile) -> Result<()>,
) -> Result<()> {
    let bar = bar(0, "{bar:30} {pos} of {len}, {msg}, {eta} left");
    while let Some(asked) = profiling.ask() {
        let (done, total) = profiling.progress();
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(describe(&asked));
        match asked {
            Asked::Device { probe, runs, .. } => {
                profiling.probed(wait(cleave_edge::measure(probe, runs, device)).ok());
            }
            Asked::Edge(events) => on_edge(profiling, remote.context("there is no edge")?, events)
                .context("the edge was lost; what was measured is in the file, run the command again")?,
        }
        keep(profiling.profile())?;
    }
    bar.finish_and_clear();
    Ok(())
}

fn describe(asked: &Asked) -> String {
    match asked {
        Asked::Device { probe, .. } => format!("{probe} on the {}", Tier::Device),
        Asked::Edge(events) => match events.as_slice() {
            [DeviceEvent::Measure { probe, .. }] => format!("{probe} on the {}", Tier::Edge),
            _ => "the link".into(),
        },
    }
}

/// Has the edge answer all that the profile asks for.
fn on_edge(profiling: &mut Profiling, remote: &Remote, events: Vec<DeviceEvent>) -> Result<()> {
    for event in events {
        remote.tell(event)?;
    }
    let mut is_complete = false;
    while !is_complete {
        is_complete = match remote.told(PATIENCE)? {
            DeviceEffect::Measured { result: Err(MeasureError::NoEdge), .. } => bail!(MeasureError::NoEdge),
            // A probe that the edge refuses stays out.
            DeviceEffect::Measured { result, .. } => {
                profiling.probed(result.ok());
                true
            }
            DeviceEffect::Echoed { result, .. } => profiling.echoed(&result?),
            _ => false,
        };
    }
    Ok(())
}

/// A session needs a network to begin with; this one stays on the device.
fn connect(settings: Settings, device: &Device) -> Result<Remote> {
    let plan = Plan::whole(Architecture::dgcnn(), Tier::Device);
    let network = Network::random(plan, Task { n_points: 32, ..Task::modelnet10() }, 1)?;
    let work = network.work(network.mapping.clone())?;
    Remote::ready(settings, work, Arc::new(Engine::new(network.load(device)?)), PATIENCE)
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

fn save(profile: &Profile, out: &Path) -> Result<()> {
    file::replace("the profile", out, profile.to_json())
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
