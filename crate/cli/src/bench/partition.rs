//! The strategies that share an image network among three workers, over set-up times and rates, with this machine's
//! measured operator times and with workers so many times slower: where IOP saves time and memory against CoEdge, where it
//! loses, and what mixing all splits adds. What is predicted is held against real runs with shaped links; and IOP's greedy
//! segments against the cheapest.

use anyhow::Result;
use cleave_arch::SplitMix64;
use cleave_graph::zoo;
use cleave_partition::{Chain, Cluster, Gap, Link, Medium, Plan, Strategy};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::output::{Format, table};
use crate::partition::{Spot, measure, peak, plans, spot};

const NETWORKS: [&str; 3] = ["lenet5", "alexnet", "vgg11"];
const WORKERS: usize = 3;
const SETUP_MS: [f64; 8] = [0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
const MBPS: [f64; 5] = [10.0, 30.0, 100.0, 300.0, 1000.0];
const DELAY_MS: f64 = 0.2;
/// How many times slower than this machine the workers are.
const SLOWER: [f64; 3] = [1.0, 10.0, 100.0];
/// Set-up and rate of links that are really imposed, how many workers share, and how often each plan is run.
const SPOTS: [(f64, f64); 2] = [(5.0, 100.0), (1.0, 1000.0)];
const SPOT_WORKERS: [usize; 2] = [2, 3];
const SPOT_RUNS: u32 = 7;
const STRATEGIES: [Strategy; 4] = [Strategy::OutputChannel, Strategy::CoEdge, Strategy::Iop, Strategy::Mixed];
/// What IOP's paper reports against CoEdge (arXiv 2409.07693): time saved, and peak memory saved at least.
const PAPER_TIME: [f64; 2] = [0.0639, 0.1683];
const PAPER_MEMORY: f64 = 0.2122;
/// Random chains, and operators of one.
const CHAINS: usize = 10_000;
const OPERATORS: usize = 16;

/// One network under one set of links.
struct Case {
    network: &'static str,
    slower: f64,
    medium: Medium,
    setup_ms: f64,
    mbps: f64,
    /// Milliseconds and peak bytes, by strategy.
    found: Vec<(f64, u64)>,
}

impl Case {
    /// Time and memory that one strategy saves against another.
    fn saved(&self, by: usize, against: usize) -> [f64; 2] {
        let ((ms, bytes), (other_ms, other_bytes)) = (self.found[by], self.found[against]);
        [1.0 - ms / other_ms, 1.0 - bytes as f64 / other_bytes as f64]
    }
}

/// A plan that was run.
struct Run {
    network: &'static str,
    strategy: Strategy,
    workers: usize,
    link: Link,
    spot: Spot,
}

impl Run {
    /// How far the measured time is from the predicted one.
    fn error(&self) -> f64 {
        self.spot.measured_ms / self.spot.predicted_ms - 1.0
    }

    /// Likewise of the peak memory that is predicted worst.
    fn memory_error(&self) -> f64 {
        let errors =
            self.spot.peak_bytes.iter().map(|[predicted, measured]| *measured as f64 / *predicted as f64 - 1.0);
        errors.fold(0.0, |worst: f64, error| if error.abs() > worst.abs() { error } else { worst })
    }
}

const COEDGE: usize = 1;
const IOP: usize = 2;
const MIXED: usize = 3;

pub(super) fn run(format: Format) -> Result<()> {
    let spots = SPOTS.len() * SPOT_WORKERS.len() * (STRATEGIES.len() - 1);
    let links = SETUP_MS.len() * MBPS.len();
    let bar = ProgressBar::new((NETWORKS.len() * (SLOWER.len() * 2 * links + spots)) as u64);
    let (mut cases, mut runs) = (Vec::new(), Vec::new());
    for name in NETWORKS {
        let network = zoo::network(name)?;
        let measured = measure::measure(&network)?;
        for (setup_ms, mbps) in SPOTS {
            let link = Link { setup_ms, mbps, delay_ms: DELAY_MS };
            for (workers, strategy) in SPOT_WORKERS.iter().flat_map(|n| STRATEGIES[1..].iter().map(move |s| (*n, *s))) {
                let spot = spot(&network, &measured, strategy, (workers, link), SPOT_RUNS)?;
                runs.push(Run { network: name, strategy, workers, link, spot });
                bar.inc(1);
            }
        }
        for (slower, medium) in kinds() {
            let times = measured.measured(&network, &[slower; WORKERS]);
            for (setup_ms, mbps) in SETUP_MS.iter().flat_map(|setup| MBPS.iter().map(move |mbps| (*setup, *mbps))) {
                let cluster = Cluster::uniform(WORKERS, Link { setup_ms, mbps, delay_ms: DELAY_MS }, medium)?;
                let found = plans(&network, &cluster, &times, &STRATEGIES)?;
                let found = found.iter().map(|plan: &Plan| (plan.total_ms(), peak(plan))).collect();
                cases.push(Case { network: name, slower, medium, setup_ms, mbps, found });
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let mut rng = SplitMix64::new(1);
    let gap = Gap::of((0..CHAINS).map(|_| Chain::random(&mut rng, OPERATORS)));
    format.print(|| to_text(&cases, &runs, &gap), || to_json(&cases, &runs, &gap))
}

/// How slow the workers are, and how they are joined.
fn kinds() -> impl Iterator<Item = (f64, Medium)> {
    SLOWER.into_iter().flat_map(|slower| [Medium::Switched, Medium::Shared].map(|medium| (slower, medium)))
}

fn medium(medium: Medium) -> &'static str {
    if medium == Medium::Shared { "shared" } else { "switched" }
}

fn to_json(cases: &[Case], runs: &[Run], gap: &Gap) -> Value {
    let case = |case: &Case| {
        let strategies = STRATEGIES.iter().zip(&case.found);
        let strategies = strategies
            .map(|(strategy, (ms, bytes))| json!({ "strategy": strategy.name(), "ms": ms, "peak_bytes": bytes }));
        json!({
            "network": case.network, "slower": case.slower, "medium": medium(case.medium), "setup_ms": case.setup_ms, "mbps": case.mbps,
            "delay_ms": DELAY_MS, "strategies": strategies.collect::<Vec<_>>(),
        })
    };
    let run = |run: &Run| {
        json!({
            "network": run.network, "strategy": run.strategy.name(), "workers": run.workers,
            "setup_ms": run.link.setup_ms, "mbps": run.link.mbps, "delay_ms": run.link.delay_ms,
            "predicted_ms": run.spot.predicted_ms, "measured_ms": run.spot.measured_ms,
            "peak_bytes": run.spot.peak_bytes, "distance": run.spot.distance,
        })
    };
    json!({
        "bench": "partition", "workers": WORKERS, "cases": cases.iter().map(case).collect::<Vec<_>>(),
        "runs": runs.iter().map(run).collect::<Vec<_>>(),
        "greedy_gap": {
            "chains": gap.chains, "with_gap": gap.with_gap, "mean": gap.mean, "p50": gap.p50, "p90": gap.p90,
            "p99": gap.p99, "max": gap.max, "min": gap.min,
        },
    })
}

fn to_text(cases: &[Case], runs: &[Run], gap: &Gap) -> String {
    let mut text = String::new();
    for name in NETWORKS {
        for (slower, of) in kinds() {
            let is_own = |case: &&Case| case.network == name && case.slower == slower && case.medium == of;
            let own: Vec<&Case> = cases.iter().filter(is_own).collect();
            text.push_str(&format!(
                "{name}, {WORKERS} workers {slower} × slower than this machine, {} links",
                medium(of)
            ));
            if slower == SLOWER[0] {
                text.push_str(&format!(": time of IOP | mixed against CoEdge, %\n{}", grid(&own)));
            }
            text.push_str(&format!("\n{}\n\n", summary(&own)));
        }
    }
    for slower in SLOWER {
        let own: Vec<&Case> = cases.iter().filter(|case| case.slower == slower).collect();
        text.push_str(&format!("All of them, {slower} × slower\n{}\n\n", summary(&own)));
    }
    text.push_str(&format!("Run over workers in this process, with links shaped so:\n{}\n\n", spots(runs)));
    text.push_str(&format!(
        "IOP's greedy segments against the cheapest, {} chains of {OPERATORS} operators with made-up costs: dearer in \
         {:.1} %, by {:.2} % in the mean, {:.2} % in the median, {:.1} % at the 90th, {:.1} % at the 99th percentile, {:.1} % at most",
        gap.chains,
        100.0 * gap.with_gap,
        100.0 * gap.mean,
        100.0 * gap.p50,
        100.0 * gap.p90,
        100.0 * gap.p99,
        100.0 * gap.max
    ));
    text
}

/// A row per run.
fn spots(runs: &[Run]) -> String {
    let heading = [
        "network",
        "strategy",
        ">workers",
        ">set-up ms, Mbps",
        ">ms predicted",
        ">measured",
        ">error",
        ">of memory",
        ">distance",
    ];
    let row = |run: &Run| {
        vec![
            run.network.to_owned(),
            run.strategy.to_string(),
            run.workers.to_string(),
            format!("{}, {}", run.link.setup_ms, run.link.mbps),
            format!("{:.1}", run.spot.predicted_ms),
            format!("{:.1}", run.spot.measured_ms),
            format!("{:+.1} %", 100.0 * run.error()),
            format!("{:+.1} %", 100.0 * run.memory_error()),
            format!("{:.0e}", run.spot.distance),
        ]
    };
    table(&heading, runs.iter().map(row))
}

/// A row per rate, a column per set-up time.
fn grid(cases: &[&Case]) -> String {
    let setups = SETUP_MS.map(|setup| format!(">{setup} ms"));
    let heading: Vec<&str> = [">Mbps"].into_iter().chain(setups.iter().map(String::as_str)).collect();
    let row = |mbps: &f64| {
        let own = cases.iter().filter(|case| case.mbps == *mbps);
        let cell = |case: &&Case| {
            let [iop, mixed] = [IOP, MIXED].map(|by| -100.0 * case.saved(by, COEDGE)[0]);
            format!("{iop:+.0} | {mixed:+.0}")
        };
        [format!("{mbps}")].into_iter().chain(own.map(cell)).collect()
    };
    table(&heading, MBPS.iter().map(row))
}

/// In how many cases the paper's figures hold, and what mixing adds.
fn summary(cases: &[&Case]) -> String {
    let n = cases.len();
    let count = |holds: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| holds(case)).count();
    let saved = |case: &Case| case.saved(IOP, COEDGE);
    let faster = count(&|case| saved(case)[0] > 0.0);
    let time = count(&|case| (PAPER_TIME[0]..=PAPER_TIME[1]).contains(&saved(case)[0]));
    let more = count(&|case| saved(case)[0] > PAPER_TIME[1]);
    let memory = count(&|case| saved(case)[1] >= PAPER_MEMORY);
    let both = count(&|case| saved(case)[0] >= PAPER_TIME[0] && saved(case)[1] >= PAPER_MEMORY);
    let best = |by: usize| cases.iter().map(|case| case.saved(by, COEDGE)[0]).fold(f64::NEG_INFINITY, f64::max);
    let quarter = count(&|case| case.saved(MIXED, COEDGE)[0] >= 0.25);
    let there = cases.iter().filter(|case| saved(case)[0] > PAPER_TIME[1]).map(|case| case.saved(MIXED, COEDGE)[0]);
    let least =
        there.min_by(f64::total_cmp).map(|least| format!(" (at least {:.1} % where IOP saves more)", 100.0 * least));
    let slower = count(&|case| (0..MIXED).any(|by| case.found[MIXED].0 > case.found[by].0 * (1.0 + 1e-9)));
    format!(
        "IOP is faster than CoEdge in {faster} of {n} cases, by 6.39 to 16.83 % in {time}, by more in {more}, by {:.1} % at its \
         best; it saves at least 21.22 % of the peak memory in {memory}; both at once in {both}. Mixed saves at least 25 % of \
         CoEdge's time in {quarter}, {:.1} % at its best{}, and is slower than the best of the others in {slower}",
        100.0 * best(IOP),
        100.0 * best(MIXED),
        least.unwrap_or_default(),
    )
}
