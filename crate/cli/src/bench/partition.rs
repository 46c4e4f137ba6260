//! The strategies that share an image network among three workers, over set-up times and rates, with this machine's
//! measured operator times: where IOP saves time and memory against CoEdge, where it loses, and what mixing all splits
//! adds. And what IOP's greedy segments cost against the cheapest.

use anyhow::Result;
use cleave_arch::SplitMix64;
use cleave_arch::cnn::zoo;
use cleave_partition::{Chain, Cluster, Gap, Link, Medium, Plan, Strategy};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::output::{Align, Format, table};
use crate::partition::{Times, peak, plans};

const NETWORKS: [&str; 3] = ["lenet5", "alexnet", "vgg11"];
const WORKERS: usize = 3;
const SETUP_MS: [f64; 8] = [0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];
const MBPS: [f64; 5] = [10.0, 30.0, 100.0, 300.0, 1000.0];
const DELAY_MS: f64 = 0.2;
const STRATEGIES: [Strategy; 4] = [Strategy::OutputChannel, Strategy::CoEdge, Strategy::Iop, Strategy::Mixed];
/// What IOP's paper reports against CoEdge (arXiv 2409.07693): time and peak memory saved.
const PAPER_TIME: [f64; 2] = [0.0639, 0.1683];
const PAPER_MEMORY: [f64; 2] = [0.2122, 0.4998];
/// Random chains, and operators of one.
const CHAINS: usize = 10_000;
const OPERATORS: usize = 16;

/// One network under one set of links.
struct Case {
    network: &'static str,
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

const COEDGE: usize = 1;
const IOP: usize = 2;
const MIXED: usize = 3;

pub(super) fn run(format: Format) -> Result<()> {
    let bar = ProgressBar::new((NETWORKS.len() * 2 * SETUP_MS.len() * MBPS.len()) as u64);
    let mut cases = Vec::new();
    for name in NETWORKS {
        let network = zoo::network(name)?;
        let times = Times::measure(&network)?.of_workers(&network, &[1.0; WORKERS]);
        for medium in [Medium::Switched, Medium::Shared] {
            for (setup_ms, mbps) in SETUP_MS.iter().flat_map(|setup| MBPS.iter().map(move |mbps| (*setup, *mbps))) {
                let cluster = Cluster::uniform(WORKERS, Link { setup_ms, mbps, delay_ms: DELAY_MS }, medium)?;
                let found = plans(&network, &cluster, &times, &STRATEGIES)?;
                let found = found.iter().map(|plan: &Plan| (plan.total_ms(), peak(plan))).collect();
                cases.push(Case { network: name, medium, setup_ms, mbps, found });
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let mut rng = SplitMix64::new(1);
    let gap = Gap::of((0..CHAINS).map(|_| Chain::random(&mut rng, OPERATORS)));
    format.print(|| to_text(&cases, &gap), || to_json(&cases, &gap))
}

fn medium(medium: Medium) -> &'static str {
    if medium == Medium::Shared { "shared" } else { "switched" }
}

fn to_json(cases: &[Case], gap: &Gap) -> Value {
    let case = |case: &Case| {
        let strategies = STRATEGIES.iter().zip(&case.found);
        let strategies = strategies
            .map(|(strategy, (ms, bytes))| json!({ "strategy": strategy.name(), "ms": ms, "peak_bytes": bytes }));
        json!({
            "network": case.network, "medium": medium(case.medium), "setup_ms": case.setup_ms, "mbps": case.mbps,
            "delay_ms": DELAY_MS, "strategies": strategies.collect::<Vec<_>>(),
        })
    };
    json!({
        "bench": "partition", "workers": WORKERS, "cases": cases.iter().map(case).collect::<Vec<_>>(),
        "greedy_gap": {
            "chains": gap.chains, "with_gap": gap.with_gap, "mean": gap.mean, "p50": gap.p50, "p90": gap.p90,
            "p99": gap.p99, "max": gap.max, "min": gap.min,
        },
    })
}

fn to_text(cases: &[Case], gap: &Gap) -> String {
    let mut text = String::new();
    for name in NETWORKS {
        for of in [Medium::Switched, Medium::Shared] {
            let own: Vec<&Case> = cases.iter().filter(|case| case.network == name && case.medium == of).collect();
            text.push_str(&format!(
                "{name}, {WORKERS} workers, {} links: time of IOP | mixed against CoEdge, %\n{}\n\n{}\n\n",
                medium(of),
                grid(&own),
                summary(&own)
            ));
        }
    }
    text.push_str(&format!(
        "IOP's greedy segments against the cheapest, {} random chains of {OPERATORS} operators: dearer in {:.1} %, by \
         {:.2} % in the mean, {:.2} % in the median, {:.1} % at the 90th, {:.1} % at the 99th percentile, {:.1} % at most",
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

/// A row per rate, a column per set-up time.
fn grid(cases: &[&Case]) -> String {
    let setups = SETUP_MS.map(|setup| format!("{setup} ms"));
    let mut heading = vec![("Mbps", Align::Right)];
    heading.extend(setups.iter().map(|setup| (setup.as_str(), Align::Right)));
    let row = |mbps: &f64| {
        let own = cases.iter().filter(|case| case.mbps == *mbps);
        let cell = |case: &&Case| {
            let [iop, mixed] = [IOP, MIXED].map(|by| -100.0 * case.saved(by, COEDGE)[0]);
            format!("{iop:+.0} | {mixed:+.0}")
        };
        [format!("{mbps}")].into_iter().chain(own.map(cell)).collect()
    };
    table(&heading, &MBPS.iter().map(row).collect::<Vec<_>>())
}

/// In how many cases the paper's figures hold, and what mixing adds.
fn summary(cases: &[&Case]) -> String {
    let n = cases.len();
    let count = |holds: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| holds(case)).count();
    let within = |value: f64, [from, to]: [f64; 2]| value >= from && value <= to;
    let saved = |case: &Case| case.saved(IOP, COEDGE);
    let faster = count(&|case| saved(case)[0] > 0.0);
    let time = count(&|case| within(saved(case)[0], PAPER_TIME));
    let memory = count(&|case| within(saved(case)[1], PAPER_MEMORY) || saved(case)[1] > PAPER_MEMORY[1]);
    let both = count(&|case| saved(case)[0] >= PAPER_TIME[0] && saved(case)[1] >= PAPER_MEMORY[0]);
    let quarter = count(&|case| case.saved(MIXED, COEDGE)[0] >= 0.25);
    let slower = count(&|case| (0..MIXED).any(|by| case.found[MIXED].0 > case.found[by].0 * (1.0 + 1e-9)));
    format!(
        "IOP is faster than CoEdge in {faster} of {n} cases, by 6.39 to 16.83 % in {time}; it saves at least 21.22 % of the \
         peak memory in {memory}; both at once in {both}. Mixed saves at least 25 % of CoEdge's time in {quarter}, and is \
         slower than the best of the others in {slower}"
    )
}
