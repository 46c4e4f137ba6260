//! `cleave search`: finds networks with their mapping under limits, priced by profiles, judged by the shared weights.

pub(crate) mod judge;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cleave_arch::{Plan, Task};
use cleave_cost::graph::PlanGraph;
use cleave_cost::{Machines, Price};
use cleave_search::{Budget, Design, Funnel, Limits, Metrics, Pricer, Search, Settings, Step, Strategy};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::gin::Predictor;
use crate::output::{Align, Format, grouped, table};
use crate::predict;
use judge::{Judge, JudgeArgs};

/// How often the state is written.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `cleave search`.
#[derive(clap::Args, Debug)]
pub struct SearchArgs {
    /// Profile whose device counts as the device
    #[arg(long, value_name = "P.json")]
    device: PathBuf,
    /// Profile whose edge counts as the edge, or whose device if it has none [default: that of --device]
    #[arg(long, value_name = "P.json")]
    edge: Option<PathBuf>,
    /// A learned predictor by `cleave train predictor`; without it the table alone predicts
    #[arg(long, value_name = "FILE.safetensors")]
    predictor: Option<PathBuf>,
    #[command(flatten)]
    judge: JudgeArgs,
    /// Megabits per second of the link, if it is slower than in the profile
    #[arg(long, value_name = "X")]
    mbps: Option<f64>,
    #[command(flatten)]
    limits: LimitArgs,
    /// How candidates are made
    #[arg(long, value_enum, default_value_t)]
    strategy: StrategyArg,
    /// Positions of an exhaustive search
    #[arg(long, value_name = "N", default_value_t = 6)]
    positions: usize,
    /// Candidates to look at
    #[arg(long, value_name = "N", default_value_t = Settings::default().budget.candidates)]
    candidates: u64,
    /// Architectures to judge by the shared weights
    #[arg(long, value_name = "N", default_value_t = Settings::default().budget.evaluations)]
    evaluations: u64,
    /// Weight of latency against accuracy: a design as slow as its limit loses so much accuracy
    #[arg(long, value_name = "W", default_value_t = Settings::default().weight)]
    weight: f64,
    /// How values cross the link
    #[arg(long, value_name = "CODEC", default_value = "f32")]
    codec: String,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// File that keeps the state, about once a second; a search that stands in it is gone on with
    #[arg(long, value_name = "FILE.json")]
    state: Option<PathBuf>,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Bounds of what is predicted.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Latency of a frame, milliseconds
    #[arg(long, value_name = "L")]
    latency_ms: Option<f64>,
    /// Energy on the device for a frame, millijoules (an estimate)
    #[arg(long, value_name = "E")]
    energy_mj: Option<f64>,
    /// Peak memory on the device, megabytes
    #[arg(long, value_name = "M")]
    device_mb: Option<f64>,
    /// Peak memory on the edge, megabytes
    #[arg(long, value_name = "M")]
    edge_mb: Option<f64>,
    /// Sent both ways for a frame, kilobytes
    #[arg(long, value_name = "K")]
    link_kb: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum StrategyArg {
    /// After GCoDE: uniform draws, filtered by the limits
    Random,
    /// After HGNAS: functions of the two halves, then operations
    Stages,
    /// NSGA-II over accuracy, latency, energy and memory
    #[default]
    Nsga,
    /// Every string of a few positions
    Exhaustive,
}

/// Runs the subcommand.
///
/// # Errors
/// Files that cannot be read, settings out of range.
pub fn run(args: &SearchArgs) -> Result<()> {
    let mut judge = args.judge.open()?;
    let task = judge.task();
    let machines = args.machines()?;
    let predictor = args.predictor.as_deref().map(Predictor::read).transpose()?;
    let prices = Prices { machines, predictor, task };
    let mut search = args.search(&judge)?;
    let started = Instant::now();
    let judging = drive(&mut search, &prices, &mut judge, args.state.as_deref())?;
    let seconds = started.elapsed().as_secs_f64();
    let pricing = (seconds - judging).max(1e-9);
    let rate = search.funnel().drawn as f64 / pricing;
    Format::from_flag(args.json).print(|| to_text(&search, seconds, rate), || to_json(&search, seconds, rate))
}

impl SearchArgs {
    fn machines(&self) -> Result<Machines> {
        let mut profile = predict::read(&self.device)?;
        let other = self.edge.as_deref().map(predict::read).transpose()?.unwrap_or_else(|| profile.clone());
        profile.edge = other.edge.or(other.device);
        let mut machines = Machines::new(&profile);
        machines.link = machines.link.shaped(self.mbps, 0.0);
        Ok(machines)
    }

    fn search(&self, judge: &Judge) -> Result<Search> {
        if let Some(path) = self.state.as_deref().filter(|path| path.exists()) {
            let text =
                fs::read_to_string(path).with_context(|| format!("the search {} cannot be read", path.display()))?;
            let search = Search::from_json(&text).with_context(|| format!("the search {}", path.display()))?;
            let (other, name) = (&search.settings().judge, judge.name());
            if other != name {
                bail!("the search {} was judged on {other}, not on {name}; name another --state", path.display());
            }
            return Ok(search);
        }
        let strategy = match self.strategy {
            StrategyArg::Random => Strategy::Random,
            StrategyArg::Stages => Strategy::Stages,
            StrategyArg::Nsga => Strategy::Nsga,
            StrategyArg::Exhaustive => Strategy::Exhaustive { positions: self.positions },
        };
        let limits = &self.limits;
        let limits = Limits {
            latency_ms: limits.latency_ms,
            energy_mj: limits.energy_mj,
            device_bytes: limits.device_mb.map(|mb| 1e6 * mb),
            edge_bytes: limits.edge_mb.map(|mb| 1e6 * mb),
            link_bytes: limits.link_kb.map(|kb| 1e3 * kb),
        };
        let budget = Budget { candidates: self.candidates, evaluations: self.evaluations };
        let (seed, weight, codec, name) = (self.seed, self.weight, self.codec.clone(), judge.name().to_owned());
        let settings = Settings { strategy, limits, budget, seed, weight, codec, judge: name };
        let mut search = Search::new(settings, &judge.task())?;
        // A supernet that knows some functions alone was trained for the second stage.
        match judge.functions() {
            Some(functions) if strategy != Strategy::Stages => {
                bail!(
                    "the supernet knows architectures with the functions {functions} alone; search with --strategy stages"
                )
            }
            Some(functions) => search.fix(functions),
            None => {}
        }
        Ok(search)
    }
}

/// Runs a search to its end; the seconds that judging took.
fn drive(search: &mut Search, prices: &Prices, judge: &mut Judge, state: Option<&Path>) -> Result<f64> {
    let bar = ProgressBar::new(search.settings().budget.candidates);
    let style = ProgressStyle::with_template("{bar:30} {pos} of {len} candidates  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (mut judging, mut saved) = (0.0, Instant::now());
    loop {
        match search.advance(prices) {
            Step::Working => {}
            Step::Done => break,
            Step::Evaluate(architectures) => {
                let started = Instant::now();
                for architecture in architectures {
                    search.evaluated(&architecture, judge.accuracy(&architecture)?);
                }
                judging += started.elapsed().as_secs_f64();
            }
        }
        bar.set_position(search.funnel().drawn);
        bar.set_message(format!(
            "{}, {} judged, {} designs",
            search.stage(),
            search.funnel().evaluated,
            search.zoo().len()
        ));
        if let Some(path) = state.filter(|_| saved.elapsed() > SAVE_EVERY) {
            save(search, path)?;
            saved = Instant::now();
        }
    }
    bar.finish_and_clear();
    state.map(|path| save(search, path)).transpose()?;
    Ok(judging)
}

/// Written beside and renamed: a process that ends in between leaves the old state whole.
fn save(search: &Search, path: &Path) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, search.to_json())
        .and_then(|()| fs::rename(&beside, path))
        .with_context(|| format!("the search {} cannot be written", path.display()))
}

/// Profiles and the learned predictor as a search asks for them.
struct Prices {
    machines: Machines,
    predictor: Option<Predictor>,
    task: Task,
}

impl Pricer for Prices {
    fn quick_ms(&self, plan: &Plan) -> f64 {
        self.machines.latency_ms(plan, &self.task)
    }

    fn metrics(&self, plan: &Plan) -> Metrics {
        let trace = plan.architecture().trace(&self.task);
        let price = self.machines.price(plan, &trace, &self.task);
        let Price { device_peak_bytes, edge_peak_bytes, bytes_up, bytes_down, energy_mj, .. } = price;
        Metrics {
            latency_ms: price.latency_ms(),
            energy_mj,
            device_bytes: device_peak_bytes,
            edge_bytes: edge_peak_bytes,
            link_bytes: (bytes_up + bytes_down) as u64,
        }
    }

    fn refined_ms(&self, plans: &[Plan]) -> Vec<f64> {
        let table = || plans.iter().map(|plan| self.quick_ms(plan)).collect();
        let Some(predictor) = &self.predictor else { return table() };
        let graph =
            |plan: &Plan| PlanGraph::new(plan, &plan.architecture().trace(&self.task), &self.task, &self.machines);
        let graphs: Vec<PlanGraph> = plans.iter().map(graph).collect();
        // A predictor that cannot be read leaves the table.
        predictor.latencies(&graphs).unwrap_or_else(|_| table())
    }
}

fn to_json(search: &Search, seconds: f64, rate: f64) -> Value {
    json!({
        "settings": search.settings(), "funnel": search.funnel(), "seconds": seconds, "candidates_per_second": rate,
        "best": search.best(), "zoo": sorted(search), "binding": search.blame(),
        "functions": search.functions().map(|functions| functions.to_string()),
    })
}

/// Fastest first.
fn sorted(search: &Search) -> Vec<&Design> {
    let mut zoo: Vec<&Design> = search.zoo().iter().collect();
    zoo.sort_by(|a, b| a.metrics.latency_ms.total_cmp(&b.metrics.latency_ms));
    zoo
}

fn to_text(search: &Search, seconds: f64, rate: f64) -> String {
    use Align::{Left, Right};
    let Funnel { drawn, valid, by_table, by_predictor, evaluated } = search.funnel();
    let funnel = format!(
        "{} drawn, {} valid, {} within the limits by the table, {} by the predictor, {} judged; {seconds:.1} s, {:.0} candidates \
         a second without judging",
        grouped(drawn),
        grouped(valid),
        grouped(by_table),
        grouped(by_predictor),
        grouped(evaluated),
        rate
    );
    let functions = search.functions().map(|functions| format!("\nfunctions {functions}")).unwrap_or_default();
    if let Some(blame) = search.blame() {
        return format!(
            "{funnel}{functions}\nno candidate keeps all limits: {} binds at {}; the lowest seen beside the others was {}",
            blame.limit.words(),
            blame.bound,
            blame.best
        );
    }
    let heading = [
        ("design", Left),
        ("accuracy %", Right),
        ("latency ms", Right),
        ("energy mJ", Right),
        ("device MB", Right),
        ("edge MB", Right),
        ("link kB", Right),
    ];
    let row = |design: &&Design| {
        let Metrics { latency_ms, energy_mj, device_bytes, edge_bytes, link_bytes } = design.metrics;
        let figures = [
            format!("{:.1}", 100.0 * design.accuracy),
            format!("{latency_ms:.2}"),
            format!("{energy_mj:.1}"),
            format!("{:.2}", device_bytes as f64 / 1e6),
            format!("{:.2}", edge_bytes as f64 / 1e6),
            format!("{:.1}", link_bytes as f64 / 1e3),
        ];
        [vec![design.plan.clone()], figures.to_vec()].concat()
    };
    let rows: Vec<Vec<String>> = sorted(search).iter().map(row).collect();
    let best = search.best().map(|best| format!("\nbest     {}", best.plan)).unwrap_or_default();
    format!("{}\n{funnel}{functions}{best}", table(&heading, &rows))
}
