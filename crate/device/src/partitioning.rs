//! How several workers share an image network, planned in the tab: its operators are measured on the engine in use, then
//! every strategy plans for workers that are so many times slower, over the links that are wished.

use crate::browser::{now_millis, sleep, turn};
use burn::tensor::{Device, Tensor};
use cleave_arch::cnn::{Network, Split, zoo};
use cleave_contract as contract;
use cleave_model::cnn::{Others, Part};
use cleave_partition::{
    Activity, Cluster, Effort, Link, Links, Measured, Medium, PartitionError, Plan, Probe, Problem, Sample, Strategy,
    Worker, mixed, probes,
};
use std::cell::Cell;
use std::rc::Rc;

/// What is said meanwhile.
pub const MEASURING: &str = "Measuring the operators";
pub const PLANNING: &str = "Planning";

/// Runs of a part, after one that warms up.
const RUNS: usize = 3;
/// Before each, so long nothing is computed.
const PAUSE_MS: f64 = 3.0;
/// Values that are added to learn what adding takes.
const ADDED: usize = 1 << 18;
/// Set-up times of the sweep, milliseconds; the wish's own is among them.
const SWEEP: [f64; 7] = [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// What a network's operators take on the engine in use.
#[derive(Clone)]
pub struct Times {
    /// The network's chain.
    pub network: String,
    samples: Vec<Sample>,
    add_ms_per_value: f64,
}

impl Times {
    /// Adds a worker that is so many times slower.
    pub fn add_to(&self, measured: &mut Measured, slower: f64) {
        measured.add_worker(&self.samples, self.add_ms_per_value, slower);
    }

    /// What an operator takes whole.
    fn of(&self, operator: usize) -> f64 {
        let whole = self.samples.iter().find(|sample| sample.operator == operator && sample.share >= 1.0);
        whole.map_or(0.0, |sample| sample.layer_ms + sample.tail_ms)
    }

    /// What the first operators take whole, one after another.
    pub fn whole_ms(&self, operators: usize) -> f64 {
        (0..operators).map(|operator| self.of(operator)).sum()
    }
}

/// Set when nobody wants the work any more.
pub type Cancelled = Rc<Cell<bool>>;

/// What work tells on the way: what it does, done, of.
pub type Tell<'a> = &'a dyn Fn(&str, usize, usize);

/// Measures a network's operators part by part; None: cancelled.
pub async fn measure(
    network: &Network,
    device: &Device,
    tell: Tell<'_>,
    cancelled: &Cancelled,
) -> Result<Option<Times>, String> {
    let probes = probes(network);
    let (mut samples, mut others) = (Vec::with_capacity(probes.len()), Others::default());
    for (done, probe) in probes.iter().enumerate() {
        tell(MEASURING, done, probes.len());
        turn().await;
        if cancelled.get() {
            return Ok(None);
        }
        samples.push(run(network, probe, device, &mut others).await?);
    }
    let (a, b) = (Tensor::<1>::ones([ADDED], device), Tensor::<1>::ones([ADDED], device));
    let add_ms = median_ms(&mut others, || Some(a.clone() + b.clone())).await?;
    Ok(Some(Times { network: network.to_string(), samples, add_ms_per_value: add_ms / ADDED as f64 }))
}

async fn run(network: &Network, probe: &Probe, device: &Device, others: &mut Others) -> Result<Sample, String> {
    let part = Part::new(network, probe.operator, probe.split.clone(), device).map_err(|why| why.to_string())?;
    let layer_ms = median_ms(others, || Some(part.layer())).await?;
    let tail_ms = median_ms(others, || part.tail()).await?;
    Ok(Sample { operator: probe.operator, way: probe.way, share: probe.share, layer_ms, tail_ms })
}

/// Until one value can be read: a GPU has computed all by then. Nothing to run takes no time. Each after a pause in which
/// others use the caches: as a worker computes that waits for others.
async fn median_ms<const D: usize>(others: &mut Others, work: impl Fn() -> Option<Tensor<D>>) -> Result<f64, String> {
    let mut times = Vec::with_capacity(RUNS);
    for run in 0..=RUNS {
        if run > 0 {
            others.compute();
            sleep(PAUSE_MS).await;
        }
        let start = now_millis();
        let Some(result) = work() else { return Ok(0.0) };
        let first = result.slice(std::array::from_fn::<_, D, _>(|_| 0..1));
        first.into_data_async().await.map_err(|why| format!("{why:?}"))?;
        if run > 0 {
            times.push(now_millis() - start);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

/// The network of a wish, if the wish makes sense.
pub fn network(wish: &contract::PartitionWish) -> Result<Network, String> {
    cluster(wish, wish.setup_millis)?;
    let is_slower = |slower: &f64| slower.is_finite() && *slower > 0.0;
    match wish.slower.iter().position(|slower| !is_slower(slower)) {
        Some(worker) => Err(format!(
            "worker {} is {} times slower; that must be above 0, or leave the worker out",
            worker + 1,
            wish.slower[worker]
        )),
        None => zoo::network(&wish.network).map_err(|why| why.to_string()),
    }
}

/// The workers of a wish, with their links.
pub fn cluster(wish: &contract::PartitionWish, setup_ms: f64) -> Result<Cluster, String> {
    if !(2..=contract::MAX_PARTITION_WORKERS).contains(&wish.slower.len()) {
        return Err(format!("{} workers; choose 2 to {}", wish.slower.len(), contract::MAX_PARTITION_WORKERS));
    }
    let workers = (0..wish.slower.len()).map(|worker| Worker::named(format!("worker {}", worker + 1))).collect();
    let link = Link { setup_ms, mbps: wish.mbps, delay_ms: wish.delay_millis };
    let medium = if wish.shared { Medium::Shared } else { Medium::Switched };
    Cluster::new(workers, Links::Uniform(link), medium).map_err(|why| why.to_string())
}

/// What every strategy makes of a wish; None: cancelled.
pub async fn plan(
    wish: &contract::PartitionWish,
    network: &Network,
    times: &Times,
    tell: Tell<'_>,
    cancelled: &Cancelled,
) -> Result<Option<contract::Partitions>, String> {
    let mut measured = Measured::new(network);
    wish.slower.iter().for_each(|slower| times.add_to(&mut measured, *slower));
    let mut setups = SWEEP.to_vec();
    if !setups.contains(&wish.setup_millis) {
        setups.push(wish.setup_millis);
        setups.sort_by(f64::total_cmp);
    }
    let (mut plans, mut sweep) = (Vec::new(), Vec::new());
    let total = Strategy::ALL.len() * (1 + setups.len());
    let mut done = 0;
    for (own, setup_ms) in std::iter::once((true, wish.setup_millis)).chain(setups.iter().map(|setup| (false, *setup)))
    {
        let cluster = cluster(wish, setup_ms)?;
        let problem = Problem::new(network, &cluster, &measured).map_err(|why| why.to_string())?;
        let mut millis = Vec::with_capacity(Strategy::ALL.len());
        for strategy in Strategy::ALL {
            tell(PLANNING, done, total);
            done += 1;
            turn().await;
            if cancelled.get() {
                return Ok(None);
            }
            match own {
                true => plans.push(view(strategy, network, strategy.plan(&problem))),
                false => millis.push(quick(strategy, &problem).ok().map(|plan| plan.total_ms())),
            }
        }
        if !own {
            sweep.push(contract::SetupPoint { setup_millis: setup_ms, millis });
        }
    }
    let operators = network.operators().iter().enumerate().map(|(at, operator)| contract::OperatorRow {
        layer: operator.as_layer().to_string(),
        output: operator.output.to_string(),
        macs: operator.all_macs(),
        millis: times.of(at),
    });
    Ok(Some(contract::Partitions {
        wish: wish.clone(),
        network: network.to_string(),
        operators: operators.collect(),
        plans,
        sweep,
        source: "operators measured in this tab; links as wished".into(),
    }))
}

fn quick(strategy: Strategy, problem: &Problem) -> Result<Plan, PartitionError> {
    if strategy == Strategy::Mixed { mixed(problem, Effort::QUICK) } else { strategy.plan(problem) }
}

/// A plan as the page is told, or why there is none.
pub fn view(strategy: Strategy, network: &Network, plan: Result<Plan, PartitionError>) -> contract::PartitionPlan {
    let mut view = contract::PartitionPlan {
        strategy: strategy.name().into(),
        failed: None,
        millis: 0.0,
        messages: 0,
        bytes: 0,
        energy_joules: 0.0,
        steps: Vec::new(),
        spans: Vec::new(),
        memory_bytes: Vec::new(),
    };
    match plan {
        Err(why) => view.failed = Some(why.to_string()),
        Ok(plan) => {
            view.millis = plan.total_ms();
            view.messages = plan.timeline.messages;
            view.bytes = plan.timeline.bytes;
            view.energy_joules = plan.timeline.energy_joules;
            view.steps = (0..network.operators().len()).map(|at| step(&plan, at)).collect();
            view.spans = plan.timeline.spans.iter().map(|of| of.iter().map(span).collect()).collect();
            view.memory_bytes = plan.memory.iter().map(|memory| [memory.weights, memory.activations]).collect();
        }
    }
    view
}

fn step(plan: &Plan, at: usize) -> contract::PartitionStep {
    let (stage, workers) = (&plan.schedule.stages[at], plan.schedule.workers);
    let units = |shares: &cleave_arch::cnn::Shares| shares.units().iter().map(|units| *units as u32).collect();
    let (how, units) = match &plan.partition.steps[at].split {
        Split::Copies => (contract::SplitWay::Copies, vec![1; workers]),
        Split::Alone(worker) => (contract::SplitWay::Alone, (0..workers).map(|j| u32::from(j == *worker)).collect()),
        Split::Outputs(shares) => (contract::SplitWay::Outputs, units(shares)),
        Split::Inputs(shares) => (contract::SplitWay::Inputs, units(shares)),
        Split::Rows(shares) => (contract::SplitWay::Rows, units(shares)),
    };
    let bytes = stage.gather.iter().chain(&stage.sums).map(|transfer| transfer.bytes()).sum();
    contract::PartitionStep { how, units, messages: [stage.gather.len() as u32, stage.sums.len() as u32], bytes }
}

fn span(span: &cleave_partition::Span) -> contract::WorkerSpan {
    let activity = match span.activity {
        Activity::Wait => contract::WorkerActivity::Wait,
        Activity::Layer | Activity::Add | Activity::Tail => contract::WorkerActivity::Compute,
        Activity::Send { .. } => contract::WorkerActivity::Send,
    };
    contract::WorkerSpan { activity, operator: span.operator, from_millis: span.from_ms, to_millis: span.to_ms }
}
