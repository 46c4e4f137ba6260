//! `cleave search`: finds networks with their mapping under limits, priced by profiles, evaluated by the supernet. It drives
//! the search that the page drives, in a loop.

pub(crate) mod evaluate;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use cleave_app::pricing::{Conditions, SearchPrices, pair};
use cleave_app::search::{Request, SearchRun, Turn};
use cleave_search::{Binding, Budget, Design, Funnel, Limit, Metrics, Search, Settings, Strategy};
use serde_json::{Value, json};

use crate::output::{Format, bar, grouped, table};
use crate::{file, predict};
use evaluate::{EvaluateArgs, Evaluator};

/// Milliseconds between two looks at the progress.
const SLICE_MS: f64 = 50.0;

/// Arguments of `cleave search`.
#[derive(clap::Args, Debug)]
pub(crate) struct SearchArgs {
    /// Profile whose device counts as the device
    #[arg(long, value_name = "P.json")]
    device: PathBuf,
    /// Profile whose edge counts as the edge, or whose device if it has none [default: that of --device]
    #[arg(long, value_name = "P.json")]
    edge: Option<PathBuf>,
    /// A learned predictor by `cleave train predictor`, for whole profiles that no frames have calibrated; without it the
    /// table alone predicts
    #[arg(long, value_name = "FILE.safetensors")]
    predictor: Option<PathBuf>,
    #[command(flatten)]
    evaluate: EvaluateArgs,
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
pub(crate) fn run(args: &SearchArgs) -> Result<()> {
    let evaluator = args.evaluate.open()?;
    let mut run = args.begin(&evaluator, args.prices(&evaluator)?)?;
    let seconds = drive(&mut run, &evaluator, args.state.as_deref())?;
    let (search, rate) = (run.search(), run.per_second());
    Format::from_flag(args.json).print(|| to_text(search, seconds, rate), || to_json(search, seconds, rate))
}

impl SearchArgs {
    fn prices(&self, evaluator: &Evaluator) -> Result<SearchPrices> {
        let profile = predict::read(&self.device)?;
        let other = self.edge.as_deref().map(predict::read).transpose()?.unwrap_or_else(|| profile.clone());
        let mut pricing = predict::pricing(pair(profile, other), self.predictor.as_deref())?;
        let prices = pricing.under(Conditions::native_at(self.mbps));
        if let Some(why) = prices.unused() {
            eprintln!("the predictor is not used: {}", predict::unused_words(why));
        }
        Ok(prices.for_search(evaluator.task()))
    }

    fn request(&self) -> Request {
        let LimitArgs { latency_ms, energy_mj, device_mb, edge_mb, link_kb } = self.limits;
        Request {
            strategy: match self.strategy {
                StrategyArg::Random => Strategy::Random,
                StrategyArg::Stages => Strategy::Stages,
                StrategyArg::Nsga => Strategy::Nsga,
                StrategyArg::Exhaustive => Strategy::Exhaustive { positions: self.positions },
            },
            latency_ms,
            energy_mj,
            device_mb,
            edge_mb,
            link_kb,
            budget: Budget { candidates: self.candidates, evaluations: self.evaluations },
            weight: self.weight,
            codec: self.codec.clone(),
            seed: self.seed,
        }
    }

    fn begin(&self, evaluator: &Evaluator, prices: SearchPrices) -> Result<SearchRun> {
        let Some(path) = self.state.as_deref().filter(|path| path.exists()) else {
            let settings = self.request().settings(evaluator.name());
            return Ok(SearchRun::new(settings, &evaluator.task(), evaluator.functions(), prices)?);
        };
        let resume = |text: &str| SearchRun::resume(text, evaluator.name(), prices);
        file::parse_text("the search", path, resume).context("this search cannot be gone on with; name another --state")
    }
}

/// Runs a search to its end; the seconds that it took.
fn drive(run: &mut SearchRun, evaluator: &Evaluator, state: Option<&Path>) -> Result<f64> {
    let candidates = run.search().settings().budget.candidates;
    let bar = bar(candidates as usize, "{bar:30} {pos} of {len} candidates  {msg}");
    let started = Instant::now();
    let now = || started.elapsed().as_secs_f64() * 1e3;
    loop {
        let turn = run.slice(SLICE_MS, now);
        let done = turn == Turn::Done;
        if let Turn::Evaluate(architecture) = turn {
            run.evaluated(&architecture, evaluator.accuracy(&architecture)?);
        }
        let (search, funnel) = (run.search(), run.search().funnel());
        bar.set_position(funnel.drawn);
        bar.set_message(format!("{}, {} judged, {} designs", search.stage(), funnel.evaluated, search.zoo().len()));
        if let Some(path) = state
            && let Some(text) = run.state(now(), !done)
        {
            file::replace("the search", path, text)?;
        }
        if done {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(started.elapsed().as_secs_f64())
}

fn to_json(search: &Search, seconds: f64, rate: f64) -> Value {
    json!({
        "settings": search.settings(), "funnel": search.funnel(), "seconds": seconds, "candidates_per_second": rate,
        "best": search.best(), "zoo": sorted(search), "binding": search.binding(),
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
    if let Some(Binding { limit, bound, best }) = search.binding() {
        return format!(
            "{funnel}{functions}\nno candidate keeps all limits: {} binds at {bound}; the lowest seen beside the others was {best}",
            limit_words(limit)
        );
    }
    let heading = ["design", ">accuracy %", ">latency ms", ">energy mJ", ">device MB", ">edge MB", ">link kB"];
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
    let best = search.best().map(|best| format!("\nbest     {}", best.plan)).unwrap_or_default();
    format!("{}\n{funnel}{functions}{best}", table(&heading, sorted(search).iter().map(row)))
}

fn limit_words(limit: Limit) -> &'static str {
    match limit {
        Limit::LatencyMs => "latency in ms",
        Limit::EnergyMj => "energy on the device in mJ",
        Limit::DeviceBytes => "peak memory on the device in bytes",
        Limit::EdgeBytes => "peak memory on the edge in bytes",
        Limit::LinkBytes => "bytes over the link",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use cleave_contract::{Judge, SearchRequest};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SearchArgs,
    }

    fn settings(line: &str) -> Settings {
        let args = ["search", "--device", "p.json"].into_iter().chain(line.split_whitespace());
        Line::parse_from(args).args.request().settings("a set")
    }

    /// The same limits, budget and seed in the page's form and on the command line.
    #[test]
    fn arguments_are_the_pages_request() {
        let request = SearchRequest {
            strategy: cleave_contract::Strategy::Stages,
            latency_ms: Some(7.5),
            energy_millijoules: Some(80.0),
            device_megabytes: Some(2.1),
            candidates: 50_000,
            evaluations: 24,
            seed: 42,
            codec: "i8+lz4".into(),
            judge: Judge::Furniture,
        };
        let line = "--strategy stages --latency-ms 7.5 --energy-mj 80 --device-mb 2.1 --candidates 50000 --evaluations 24 \
                    --seed 42 --codec i8+lz4";
        assert_eq!(settings(line), Request::from(&request).settings("a set"));
        let all = settings("--strategy exhaustive --positions 4 --edge-mb 3 --link-kb 12 --weight 0.02");
        assert_eq!(all.strategy, Strategy::Exhaustive { positions: 4 });
        assert_eq!((all.limits.edge_bytes, all.limits.link_bytes, all.weight), (Some(3e6), Some(12e3), 0.02));
    }
}
