//! What the dynamic program chooses from: for each operator all steps by a few shares, what each needs of the input,
//! and what lies between a step and the next one's need.

use cleave_graph::{
    Axis, COORDINATOR, Graph, Operator, Partition, Reduce, Region, Schedule, Shares, Split, Stage, Step, Transfer,
    gathers,
};

use super::units;
use crate::error::PartitionError;
use crate::problem::Problem;

/// What each worker has, or needs, of a map.
pub(super) type Layout = Vec<Region>;

/// One way of computing an operator.
pub(super) struct Choice {
    pub step: Step,
    /// The layout of its input, by number.
    pub need: usize,
    /// Computing; where partial sums are added at fixed places, that too.
    pub ms: f64,
    /// Number of the row of [`Level::onward`] for what follows.
    pub onward: usize,
    /// Weights that each worker then holds, bytes.
    pub weight_bytes: Vec<u64>,
    /// At least what each worker holds beside weights, bytes.
    pub other_bytes: Vec<u64>,
}

/// One operator.
pub(super) struct Level {
    /// Layouts of its input that some choice needs.
    pub needs: Vec<Layout>,
    pub choices: Vec<Choice>,
    /// Exchanges, `[onward][need of the next operator]`, milliseconds.
    pub onward: Vec<Vec<f64>>,
}

pub(super) struct Space {
    pub workers: usize,
    /// From the image to each need of the first operator, milliseconds.
    pub start: Vec<f64>,
    pub levels: Vec<Level>,
}

/// What a step leaves behind: layouts, or partial sums of some workers.
#[derive(PartialEq)]
enum Left {
    Has(Layout),
    Partial(Vec<bool>),
}

impl Space {
    /// All steps by the problem's shares and those of other plans.
    pub(super) fn new(problem: &Problem, plans: &[Partition]) -> Result<Self, PartitionError> {
        let weights = weights(problem, plans);
        Self::of_weights(problem, &weights)
    }

    /// All steps by shares in proportion to these weights.
    pub(super) fn of_weights(problem: &Problem, weights: &[Vec<f64>]) -> Result<Self, PartitionError> {
        let (operators, workers) = (problem.network.operators(), problem.cluster.len());
        let steps: Vec<Vec<Step>> = operators.iter().map(|operator| steps(operator, weights, workers)).collect();
        let mut stages: Vec<Vec<Stage>> = operators.iter().map(|_| Vec::new()).collect();
        // One schedule works out one step of every operator. Where partial sums go to whoever needs them next, that is
        // another's matter; all else of a stage depends on its own step.
        for number in 0..steps.iter().map(Vec::len).max().unwrap_or(0) {
            let steps = steps.iter().map(|steps| steps[number.min(steps.len() - 1)].clone()).collect();
            let schedule = Schedule::new(problem.network, &Partition { workers, steps })?;
            schedule.stages.into_iter().zip(&mut stages).for_each(|(stage, stages)| stages.push(stage));
        }
        let at_coordinator = |shape| {
            let all = Region::all(shape);
            (0..workers).map(|j| if j == COORDINATOR { all.clone() } else { Region::default() }).collect::<Layout>()
        };
        let mut after = vec![at_coordinator(problem.network.output())];
        let mut levels = Vec::with_capacity(operators.len());
        for (at, steps) in steps.into_iter().enumerate().rev() {
            let level = level(problem, at, steps, &stages[at], &after);
            after.clone_from(&level.needs);
            levels.push(level);
        }
        levels.reverse();
        let image = at_coordinator(problem.network.input());
        let width = problem.network.input().width;
        let start = after.iter().map(|need| problem.cluster.exchange_ms(&gathers(&image, &image, need, 0, width)));
        let start = start.collect();
        Ok(Self { workers, start, levels })
    }

    /// The partition of one choice for each operator.
    pub(super) fn partition(&self, path: &[usize]) -> Partition {
        let steps = self.levels.iter().zip(path).map(|(level, choice)| level.choices[*choice].step.clone());
        Partition { workers: self.workers, steps: steps.collect() }
    }
}

/// Most shares that are looked at.
const MOST_SHARES: usize = 20;

/// Shares worth looking at, as weights of the workers: the problem's; even; the fastest few; by what computing and
/// sending takes together; by speed on maps and on features; by memory; those of other plans.
fn weights(problem: &Problem, plans: &[Partition]) -> Vec<Vec<f64>> {
    let (operators, cluster, shares) = (problem.network.operators(), problem.cluster, problem.shares());
    let workers = cluster.len();
    let mut fastest: Vec<usize> = (0..workers).collect();
    fastest.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let some = |chosen: &[usize]| -> Vec<f64> {
        (0..workers).map(|j| if chosen.contains(&j) { shares[j] } else { 0.0 }).collect()
    };
    let computing_ms = |worker: usize, which: &dyn Fn(&Operator) -> bool| -> f64 {
        (0..operators.len()).filter(|at| which(&operators[*at])).map(|at| problem.whole_ms(worker, at)).sum()
    };
    let sending_ms = |worker: usize| -> f64 {
        let bytes: u64 = operators.iter().map(|operator| 4 * operator.output.shape.values()).sum();
        let others = (0..workers).filter(|other| *other != worker);
        others.map(|to| cluster.message_ms(worker, to, bytes)).sum()
    };
    let inverse = |ms: f64| if ms > 0.0 { 1.0 / ms } else { 0.0 };
    let each = |ms: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..workers).map(|worker| inverse(ms(worker))).collect() };
    let is_linear = |operator: &Operator| !operator.has(Axis::Rows);
    let mut all = vec![shares.to_vec(), vec![1.0; workers]];
    for few in [2, 3, workers / 2, workers - 1].into_iter().filter(|few| (2..workers).contains(few)) {
        all.push(some(&fastest[..few]));
    }
    if let Some(other) = fastest.iter().find(|worker| **worker != COORDINATOR) {
        all.push(some(&[COORDINATOR, *other]));
    }
    all.push(each(&|worker| computing_ms(worker, &|_| true) + sending_ms(worker)));
    all.push(each(&|worker| computing_ms(worker, &|operator| !is_linear(operator))));
    all.push(each(&|worker| computing_ms(worker, &is_linear)));
    if cluster.has_limits() {
        let most = cluster.workers().iter().filter_map(|worker| worker.memory_bytes).max().unwrap_or(1) as f64;
        all.push(cluster.workers().iter().map(|w| w.memory_bytes.map_or(most, |bytes| bytes as f64)).collect());
    }
    for shares in plans.iter().flat_map(|plan| &plan.steps).filter_map(|step| units(&step.split)) {
        let known: Vec<f64> = shares.iter().map(|units| *units as f64 / shares.iter().sum::<usize>() as f64).collect();
        if all.len() < MOST_SHARES && !all.contains(&known) {
            all.push(known);
        }
    }
    all
}

/// All legal steps of an operator by these weights, each once.
fn steps(operator: &Operator, weights: &[Vec<f64>], workers: usize) -> Vec<Step> {
    let mut steps = vec![Step::new(Split::Replicated)];
    steps.extend((0..workers).map(|worker| Step::new(Split::Alone(worker))));
    let by = |units| -> Vec<Shares> {
        let mut all: Vec<Shares> = Vec::new();
        for shares in weights.iter().map(|weights| Shares::by_weight(units, weights)) {
            // One worker with everything is alone.
            let is_shared = shares.units().iter().filter(|units| **units > 0).count() > 1;
            if is_shared && !all.contains(&shares) {
                all.push(shares);
            }
        }
        all
    };
    let along = |axis: Axis| if operator.has(axis) { by(operator.units(axis)) } else { Vec::new() };
    steps.extend(along(Axis::Outputs).into_iter().map(|shares| Step::new(Split::Outputs(shares))));
    steps.extend(along(Axis::Rows).into_iter().map(|shares| Step::new(Split::Rows(shares))));
    for shares in along(Axis::Inputs) {
        let split = Split::Inputs(shares.clone());
        let weights: Vec<f64> = shares.units().iter().map(|units| *units as f64).collect();
        let scatter = Reduce::Scatter(Shares::by_weight(operator.units(Axis::Outputs), &weights));
        let roots = (0..workers).map(Reduce::Root);
        let reduces = [Reduce::Direct, scatter].into_iter().chain(roots);
        steps.extend(reduces.map(|reduce| Step { split: split.clone(), reduce }));
    }
    steps
}

/// Which input of an operator is what the one before it makes (of the first, what the graph reads first). Of others the
/// program knows nothing: what it finds is simulated, where they count.
fn before(graph: &Graph, at: usize) -> Option<usize> {
    let made = at.checked_sub(1).map_or(0, |before| graph.operators()[before].result);
    graph.operators()[at].inputs.iter().position(|input| *input == made)
}

fn level(problem: &Problem, at: usize, steps: Vec<Step>, stages: &[Stage], after: &[Layout]) -> Level {
    let operator = &problem.network.operators()[at];
    let input = before(problem.network, at);
    let (mut needs, mut lefts) = (Vec::new(), Vec::new());
    let choice = |(step, stage): (Step, &Stage)| {
        let need = |work: &Option<cleave_graph::Work>| {
            let read = work.as_ref().zip(input).map(|(work, input)| work.inputs[input].clone());
            read.unwrap_or_default()
        };
        let inputs: Layout = stage.work.iter().map(need).collect();
        let is_direct = stage.partial && step.reduce == Reduce::Direct;
        let left = match is_direct {
            true => Left::Partial(stage.work.iter().map(Option::is_some).collect()),
            false => Left::Has(stage.output.clone()),
        };
        Choice {
            need: number_of(&mut needs, inputs),
            ms: stage_ms(problem, stage, is_direct),
            onward: number_of(&mut lefts, left),
            weight_bytes: (0..stage.work.len()).map(|worker| stage.weight_bytes(operator, worker)).collect(),
            other_bytes: (0..stage.work.len()).map(|worker| other_bytes(operator, stage, worker)).collect(),
            step,
        }
    };
    let choices = steps.into_iter().zip(stages).map(choice).collect();
    let onward = |left: &Left| after.iter().map(|need| onward_ms(problem, at, left, need)).collect();
    Level { onward: lefts.iter().map(onward).collect(), needs, choices }
}

/// The number of something among what there is already, or the next.
fn number_of<T: PartialEq>(all: &mut Vec<T>, new: T) -> usize {
    all.iter().position(|old| *old == new).unwrap_or_else(|| {
        all.push(new);
        all.len() - 1
    })
}

/// A stage without its gather, milliseconds, as if all waited for each other; without what follows the layer if partial
/// sums are added by whoever is next.
fn stage_ms(problem: &Problem, stage: &Stage, is_direct: bool) -> f64 {
    let (workers, operator) = (0..stage.work.len(), &problem.network.operators()[stage.operator]);
    let layer_ms = |worker: usize| {
        let ms = |w: &cleave_graph::Work| {
            problem.times.layer_ms(worker, stage.operator, operator.input_units(&w.inputs), &w.made)
        };
        stage.work[worker].as_ref().map_or(0.0, ms)
    };
    if stage.partial {
        let after = if is_direct { 0.0 } else { sums_ms(problem, stage.operator, &stage.sums, &stage.complete) };
        return workers.map(layer_ms).fold(0.0, f64::max) + after;
    }
    let tail_ms = |worker: usize| match stage.complete[worker].is_empty() {
        true => 0.0,
        false => problem.times.tail_ms(worker, stage.operator, &stage.complete[worker]),
    };
    workers.map(|worker| layer_ms(worker) + tail_ms(worker)).fold(0.0, f64::max)
}

/// From partial sums to the operator's output, milliseconds.
fn sums_ms(problem: &Problem, operator: usize, sums: &[Transfer], complete: &[Region]) -> f64 {
    let width = problem.network.operators()[operator].made.shape.width;
    let worker_ms = |(worker, complete): (usize, &Region)| {
        if complete.is_empty() {
            return 0.0;
        }
        let received = sums.iter().filter(|sum| sum.to == worker).count() as f64;
        let add_ms = problem.times.add_ms(worker, complete.shape(width).values());
        received * add_ms + problem.times.tail_ms(worker, operator, complete)
    };
    problem.cluster.exchange_ms(sums) + complete.iter().enumerate().map(worker_ms).fold(0.0, f64::max)
}

/// From what a step leaves behind to what the next needs, milliseconds.
fn onward_ms(problem: &Problem, at: usize, left: &Left, need: &Layout) -> f64 {
    let operator = &problem.network.operators()[at];
    match left {
        Left::Has(has) => problem.cluster.exchange_ms(&gathers(has, has, need, 0, operator.output.shape.width)),
        Left::Partial(makers) => {
            let made_for = |need: &Region| if need.is_empty() { Region::default() } else { operator.made_for(need) };
            let complete: Layout = need.iter().map(made_for).collect();
            let mut sums = Vec::new();
            for (to, region) in complete.iter().enumerate().filter(|(_, region)| !region.is_empty()) {
                let from = makers.iter().enumerate().filter(|(from, makes)| **makes && *from != to);
                let width = operator.made.shape.width;
                sums.extend(from.map(|(from, _)| Transfer { from, to, input: 0, region: region.clone(), width }));
            }
            sums_ms(problem, at, &sums, &complete)
        }
    }
}

fn other_bytes(operator: &Operator, stage: &Stage, worker: usize) -> u64 {
    let values = |work: &cleave_graph::Work| {
        let inputs = work.inputs.iter().zip(&operator.types).map(|(region, of)| region.shape(of.shape.width).values());
        inputs.sum::<u64>() + work.made.shape(operator.made.shape.width).values()
    };
    4 * stage.work[worker].as_ref().map_or(0, values)
}
