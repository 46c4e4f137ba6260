//! `cleave partition`: how several workers share a network, and what that takes, by each strategy.

pub mod cooperate;
pub(crate) mod look;
pub(crate) mod measure;
mod run;

use std::path::PathBuf;

use anyhow::Result;
use cleave_app::partition::{Found, Planned, Planning, Workers};
use cleave_arch::graph_named;
use cleave_graph::{Graph, Partition, Split, Step};
use cleave_partition::{Link, Measured, Medium, PartitionError, Plan, Problem, Strategy};
use serde_json::{Value, json};

use crate::file;
use crate::output::{Format, table};
use run::RunArgs;
pub(crate) use run::{Spot, spot};

/// Arguments of `cleave partition`.
#[derive(clap::Args, Debug)]
pub(crate) struct PartitionArgs {
    /// Name of a network, "dgcnn", an architecture's text (for ModelNet10's points), or a graph's text
    #[arg(long, default_value = "vgg11")]
    network: String,
    /// Strategies: output-channel, coedge, iop, iop-exact, mixed (coedge and iop are reconstructions) [default: all]
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    strategy: Vec<String>,
    #[command(flatten)]
    workers: WorkersArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Times of the operators that were measured before, instead of measuring now
    #[arg(long, value_name = "FILE.json")]
    times: Option<PathBuf>,
    /// Keep the measured times
    #[arg(long, value_name = "FILE.json")]
    save_times: Option<PathBuf>,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Which workers share.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Workers")]
struct WorkersArgs {
    /// Workers and links: {"medium": "switched", "link": {"setup_ms": 1, "mbps": 100, "delay_ms": 0.2}, "workers":
    /// [{"name": "a", "slower": 1.0, "memory_mb": 512}]}; the first has the image. A run measures how fast a worker is
    /// for which "slower" is not given. Beside that, for --run, "address" and "token"
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["count", "setup_ms", "mbps", "delay_ms", "shared"])]
    workers: Option<PathBuf>,
    /// So many workers like this machine
    #[arg(long, value_name = "N", default_value_t = 3)]
    count: usize,
    /// Set-up of a message, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1.0)]
    setup_ms: f64,
    /// Rate of every link
    #[arg(long, value_name = "MBPS", default_value_t = 100.0)]
    mbps: f64,
    /// One-way delay, milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0.2)]
    delay_ms: f64,
    /// One message at a time over all workers, as on one radio channel
    #[arg(long)]
    shared: bool,
}

impl WorkersArgs {
    /// From the file, or so many: `local` of them if given.
    fn read(&self, local: Option<usize>) -> Result<Workers> {
        let Some(path) = &self.workers else {
            let link = Link { setup_ms: self.setup_ms, mbps: self.mbps, delay_ms: self.delay_ms };
            let medium = if self.shared { Medium::Shared } else { Medium::Switched };
            return Ok(Workers::alike(local.unwrap_or(self.count), link, medium)?);
        };
        file::parse_text("the workers", path, |text| anyhow::Ok(Workers::of_file(&serde_json::from_str(text)?)?))
    }
}

/// Runs `cleave partition`.
pub(crate) fn run(args: &PartitionArgs) -> Result<()> {
    let network = graph_named(&args.network)?;
    let mut strategies = args.strategy.iter().map(|name| name.parse()).collect::<Result<Vec<Strategy>, _>>()?;
    let first = strategies.first().copied().unwrap_or(Strategy::Mixed);
    if strategies.is_empty() {
        strategies.extend(Strategy::ALL);
    }
    let workers = args.workers.read(args.run.local)?;
    let times = match &args.times {
        Some(path) => measure::read(path, &network)?,
        None => measure::measure(&network)?,
    };
    if let Some(path) = &args.save_times {
        file::write("the times", path, times.to_json().to_string())?;
    }
    if args.run.is_wanted() {
        let ran = run::run(&args.run, &network, workers, times, first)?;
        return Format::from_flag(args.json).print(|| ran.to_text(&network), || ran.to_json());
    }
    let Planned { plans, .. } = Planning::new(network.clone(), workers.clone(), times, strategies).run()?;
    if let [(_, Err(why))] = plans.as_slice() {
        return Err(why.clone().into());
    }
    Format::from_flag(args.json).print(|| to_text(&network, &workers, &plans), || to_json(&network, &workers, &plans))
}

/// Plans of one problem, as the benchmark has them.
pub(crate) fn plans(
    network: &Graph,
    cluster: &cleave_partition::Cluster,
    times: &Measured,
    strategies: &[Strategy],
) -> Result<Vec<Plan>, PartitionError> {
    let problem = Problem::new(network, cluster, times)?;
    strategies.iter().map(|strategy| strategy.plan(&problem)).collect()
}

/// The most of any worker.
pub(crate) fn peak(plan: &Plan) -> u64 {
    plan.memory.iter().map(|memory| memory.peak()).max().unwrap_or(0)
}

fn names(workers: &Workers) -> Vec<String> {
    workers.cluster.workers().iter().map(|worker| worker.name.clone()).collect()
}

fn to_json(network: &Graph, workers: &Workers, plans: &[Found]) -> Value {
    let plan = |(strategy, plan): &Found| match plan {
        Err(why) => json!({ "strategy": strategy.name(), "error": why.to_string() }),
        Ok(plan) => json!({
            "strategy": strategy.name(), "ms": plan.total_ms(), "messages": plan.timeline.messages,
            "bytes": plan.timeline.bytes, "energy_joules": plan.timeline.energy_joules,
            "busy_ms": plan.timeline.busy_ms, "sending_ms": plan.timeline.sending_ms,
            "memory_bytes": plan.memory.iter().map(|memory| memory.peak()).collect::<Vec<_>>(),
            "steps": plan.partition.steps.iter().map(step_text).collect::<Vec<_>>(),
        }),
    };
    json!({
        "network": network.to_string(), "workers": names(workers), "plans": plans.iter().map(plan).collect::<Vec<_>>(),
    })
}

/// A step in one word: who has how many units of what.
fn step_text(step: &Step) -> String {
    let shares = |what: &str, shares: &cleave_graph::Shares| {
        format!("{what} {}", shares.units().iter().map(usize::to_string).collect::<Vec<_>>().join("+"))
    };
    match &step.split {
        Split::Replicated => "all".into(),
        Split::Alone(worker) => format!("worker {worker}"),
        Split::Outputs(units) => shares("out", units),
        Split::Inputs(units) => shares("in", units),
        Split::Rows(units) => shares("rows", units),
    }
}

fn to_text(network: &Graph, workers: &Workers, plans: &[Found]) -> String {
    let row = |(strategy, plan): &Found| match plan {
        Err(why) => vec![strategy.to_string(), why.to_string()],
        Ok(plan) => vec![
            strategy.to_string(),
            format!("{:.1}", plan.total_ms()),
            plan.timeline.messages.to_string(),
            format!("{:.2}", plan.timeline.bytes as f64 / 1e6),
            format!("{:.1}", peak(plan) as f64 / 1e6),
            format!("{:.2}", plan.timeline.energy_joules),
        ],
    };
    let sums = table(&["strategy", ">ms", ">messages", ">MB sent", ">MB at most", ">J"], plans.iter().map(row));
    let found: Vec<(&Strategy, &Partition)> =
        plans.iter().filter_map(|(strategy, plan)| Some((strategy, &plan.as_ref().ok()?.partition))).collect();
    let strategies = found.iter().map(|(strategy, _)| strategy.to_string());
    let heading: Vec<String> = ["operator".to_owned()].into_iter().chain(strategies).collect();
    let steps = network.operators().iter().enumerate().map(|(at, operator)| {
        let of = found.iter().map(|(_, partition)| step_text(&partition.steps[at]));
        [operator.op.to_string()].into_iter().chain(of).collect()
    });
    format!("{network}\nshared by {}\n\n{sums}\n\n{}", names(workers).join(", "), table(&heading, steps))
}
