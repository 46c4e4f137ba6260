//! How several workers share an image network: the strategies, their words, and what they come to in figures.

pub mod form;
pub mod grid;
pub mod image;
pub mod lanes;
pub mod member;
pub mod ran;
pub mod sweep;

use crate::format::{self, error};
use cleave_contract::{PartitionPlan, PartitionRequest, PartitionStrategy, Partitions, WorkerActivity};
use thiserror::Error;

/// The one that all others are held against.
pub const BASE: PartitionStrategy = PartitionStrategy::CoEdge;

/// The two that are drawn until others are chosen.
pub const FIRST_PAIR: [PartitionStrategy; 2] = [BASE, PartitionStrategy::Mixed];

/// What a person reads for a strategy.
pub fn words(strategy: PartitionStrategy) -> &'static str {
    match strategy {
        PartitionStrategy::OutputChannel => "by output channel",
        PartitionStrategy::CoEdge => "CoEdge (rows)",
        PartitionStrategy::Iop => "IOP",
        PartitionStrategy::IopExact => "IOP, cheapest segments",
        PartitionStrategy::Mixed => "mixed (ours)",
        PartitionStrategy::FewestBytes => "fewest bytes",
    }
}

/// The plan of a strategy.
pub fn plan_of(partitions: &Partitions, strategy: PartitionStrategy) -> Option<&PartitionPlan> {
    partitions.plans.iter().find(|plan| plan.strategy == strategy)
}

/// What a request is, in a line: `vgg11, 3 workers (1, 1, 2 × slower than this tab), set-up 5 ms, …`.
pub fn conditions(request: &PartitionRequest) -> String {
    let times: Vec<String> = request.slower.iter().map(f64::to_string).collect();
    let network = if request.network.contains(':') { "a chain of your own" } else { &request.network };
    let medium = if request.shared { "one radio channel" } else { "an uplink for each" };
    format!(
        "{}, {} workers ({} × slower than this tab), set-up {} ms, {} Mbps, delay {} ms, {medium}",
        network,
        times.len(),
        times.join(", "),
        request.setup_ms,
        request.mbps,
        request.delay_ms,
    )
}

/// Instead of a worker's memory that nobody knows: every worker needs some.
const NOT_MEASURED: &str = "not measured";

/// A figure with how far it is from CoEdge's.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// With its unit.
    pub value: String,
    /// `-12 %`; empty for CoEdge itself and where that has no plan.
    pub against: String,
}

/// Why a strategy has no plan, in the planner's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoPlan(String);

/// A strategy in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which.
    pub strategy: PartitionStrategy,
    /// What the figures are, where that is to be said.
    pub of: &'static str,
    /// Whether none is faster.
    pub is_fastest: bool,
    /// Time, messages, bytes, peak memory of the worst worker and energy; or why there is no plan.
    pub figures: Result<[Figure; 5], NoPlan>,
}

/// Weights and all else of the worker that needs most.
pub fn worst_memory(plan: &PartitionPlan) -> u64 {
    plan.memory_bytes.iter().map(|[weights, rest]| weights.saturating_add(*rest)).max().unwrap_or(0)
}

fn quantities(plan: &PartitionPlan) -> [f64; 5] {
    [plan.millis, plan.messages as f64, plan.bytes as f64, worst_memory(plan) as f64, plan.energy_joules]
}

/// The table; the first of equally fast strategies counts as the fastest.
pub fn rows(partitions: &Partitions) -> Vec<Row> {
    let base = plan_of(partitions, BASE).filter(|plan| plan.failed.is_none());
    let works = || partitions.plans.iter().filter(|plan| plan.failed.is_none());
    let fastest = works().min_by(|a, b| a.millis.total_cmp(&b.millis)).map(|plan| plan.strategy);
    let row = |plan: &PartitionPlan| Row {
        strategy: plan.strategy,
        of: "",
        is_fastest: fastest == Some(plan.strategy),
        figures: match &plan.failed {
            Some(why) => Err(NoPlan(why.clone())),
            None => Ok(figures(plan, base.filter(|base| base.strategy != plan.strategy))),
        },
    };
    partitions.plans.iter().map(row).collect()
}

fn figures(plan: &PartitionPlan, base: Option<&PartitionPlan>) -> [Figure; 5] {
    let base = base.map(quantities);
    let [millis, messages, bytes, memory, joules] = quantities(plan);
    let values = [
        format!("{millis:.2} ms"),
        format::count(messages as usize),
        format!("{:.3} MB", bytes / 1e6),
        format!("{:.3} MB", memory / 1e6),
        format!("{joules:.3} J"),
    ];
    let mut of_base = base.into_iter().flatten();
    let mut own = quantities(plan).into_iter();
    let mut figures = values.map(|value| {
        let against = own.next().zip(of_base.next()).map(|(own, base)| error(own, base)).unwrap_or_default();
        Figure { value, against }
    });
    if memory == 0.0 {
        figures[3] = Figure { value: NOT_MEASURED.into(), against: String::new() };
    }
    figures
}

/// The table in a sentence.
pub fn summary(partitions: &Partitions) -> String {
    let rows = rows(partitions);
    let Some(fastest) = rows.iter().find(|row| row.is_fastest) else {
        return "No strategy has a plan; the table says why.".into();
    };
    let Ok([time, ..]) = &fastest.figures else { return String::new() };
    let against = match time.against.as_str() {
        "" => String::new(),
        percent => format!(", {percent} against {}", words(BASE)),
    };
    format!("Fastest, as predicted: {} in {}{against}.", words(fastest.strategy), time.value)
}

/// A worker's memory: weights and the rest as parts of the most that any of the drawn plans needs, and in words.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Weights, and the rest on top of them.
    pub parts: [f64; 2],
    /// The same.
    pub words: String,
}

/// The workers' memory under a plan, on a scale of so many bytes.
pub fn memory(plan: &PartitionPlan, most: u64) -> Vec<Memory> {
    let part = |bytes: u64| bytes as f64 / most.max(1) as f64;
    let size = |bytes: u64| format::bytes(bytes as usize);
    let has_part = |worker: usize| {
        let spans = plan.spans.get(worker);
        spans.is_some_and(|spans| spans.iter().any(|span| span.activity == WorkerActivity::Compute))
    };
    let of = |(worker, [weights, rest]): (usize, &[u64; 2])| Memory {
        parts: [part(*weights), part(*rest)],
        words: match weights.saturating_add(*rest) {
            0 if has_part(worker) => NOT_MEASURED.into(),
            0 => "no part of it".into(),
            all => format!("{} = {} weights + {} rest", size(all), size(*weights), size(*rest)),
        },
    };
    plan.memory_bytes.iter().enumerate().map(of).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cleave_contract::PartitionStrategy::{CoEdge, Iop, Mixed, OutputChannel};
    use cleave_contract::{OperatorRow, PartitionStep, SetupPoint, SplitWay, WorkerSpan};

    fn step(how: SplitWay, units: &[u32], messages: [u32; 2], bytes: u64) -> PartitionStep {
        PartitionStep { how, units: units.to_vec(), messages, bytes }
    }

    /// Two workers, two operators: by outputs and then by inputs, as IOP pairs them.
    pub(crate) fn plan(strategy: PartitionStrategy, millis: f64) -> PartitionPlan {
        let span =
            |activity, operator, from_millis, to_millis| WorkerSpan { activity, operator, from_millis, to_millis };
        let worker = || {
            let (half, end) = (millis / 2.0, millis);
            vec![
                span(WorkerActivity::Compute, 0, 0.0, half),
                span(WorkerActivity::Wait, 1, half, 0.75 * end),
                span(WorkerActivity::Send, 1, half, end),
            ]
        };
        PartitionPlan {
            strategy,
            failed: None,
            millis,
            messages: 4,
            bytes: 3_000,
            energy_joules: millis / 1e3,
            steps: vec![
                step(SplitWay::Outputs, &[3, 1], [1, 0], 1_000),
                step(SplitWay::Inputs, &[3, 1], [0, 2], 1_500),
            ],
            spans: vec![worker(), worker()],
            memory_bytes: vec![[1_000, 500], [400, 100]],
        }
    }

    pub(crate) fn partitions(plans: Vec<PartitionPlan>) -> Partitions {
        let operator = |layer: &str| OperatorRow { layer: layer.into(), output: "4".into(), macs: 10, millis: 1.0 };
        let millis =
            |factor: f64| plans.iter().map(|plan| plan.failed.is_none().then_some(factor * plan.millis)).collect();
        let sweep =
            vec![SetupPoint { setup_ms: 0.0, millis: millis(1.0) }, SetupPoint { setup_ms: 10.0, millis: millis(2.0) }];
        Partitions {
            request: form::first_request(),
            network: "1x2x2: conv 4 k1, flatten, linear 4".into(),
            operators: vec![operator("conv 4 k1"), operator("linear 4")],
            plans,
            sweep,
            source: "operators measured in this tab".into(),
            times: "{}".into(),
        }
    }

    fn failed(strategy: PartitionStrategy) -> PartitionPlan {
        PartitionPlan { failed: Some("too little memory".into()), millis: 0.0, ..plan(strategy, 0.0) }
    }

    #[test]
    fn every_figure_is_held_against_coedge_and_the_fastest_is_named() {
        let rows = rows(&partitions(vec![failed(OutputChannel), plan(CoEdge, 20.0), plan(Mixed, 15.0)]));
        assert_eq!(rows.iter().map(|row| row.is_fastest).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(rows[0].figures, Err(NoPlan("too little memory".into())), "0 ms of no plan are not the fastest");
        let [time, messages, _, memory, joules] = rows[2].figures.clone().unwrap();
        assert_eq!((time.value.as_str(), time.against.as_str()), ("15.00 ms", "-25 %"));
        assert_eq!((messages.value.as_str(), messages.against.as_str()), ("4", "+0 %"));
        assert_eq!((memory.value.as_str(), joules.value.as_str()), ("0.002 MB", "0.015 J"));
        assert!(rows[1].figures.clone().unwrap().iter().all(|figure| figure.against.is_empty()));
    }

    #[test]
    fn without_coedge_there_is_nothing_to_hold_against() {
        let told = partitions(vec![failed(CoEdge), plan(Iop, 15.0)]);
        assert_eq!(summary(&told), "Fastest, as predicted: IOP in 15.00 ms.");
        assert!(rows(&told)[1].figures.clone().unwrap().iter().all(|figure| figure.against.is_empty()));
        assert!(summary(&partitions(vec![failed(Iop)])).starts_with("No strategy"));
    }

    #[test]
    fn memory_is_stacked_on_a_common_scale() {
        let bars = memory(&plan(Iop, 1.0), 2_000);
        assert_eq!(bars[0].parts, [0.5, 0.25]);
        assert_eq!(bars[0].words, "1.5 kB = 1.0 kB weights + 500 B rest");
        assert_eq!(worst_memory(&plan(Iop, 1.0)), 1_500);
        assert_eq!(memory(&plan(Iop, 1.0), 0).len(), 2);
        let unknown = PartitionPlan { memory_bytes: vec![[0, 0]], ..plan(Iop, 1.0) };
        assert_eq!(memory(&unknown, 2_000)[0].words, "not measured");
        let idle = PartitionPlan { spans: vec![Vec::new(); 2], ..unknown };
        assert_eq!(memory(&idle, 2_000)[0].words, "no part of it");
    }

    #[test]
    fn conditions_are_told_in_a_line() {
        let request = PartitionRequest { slower: vec![1.0, 2.5], ..form::first_request() };
        let expected = "alexnet, 2 workers (1, 2.5 × slower than this tab), set-up 5 ms, 100 Mbps, delay 0 ms, an uplink for \
                        each";
        assert_eq!(conditions(&request), expected);
        let own = PartitionRequest { network: "1x4x4: conv 2 k3".into(), shared: true, ..request };
        let told = conditions(&own);
        assert!(told.starts_with("a chain of your own, ") && told.ends_with("one radio channel"), "{told}");
    }
}
