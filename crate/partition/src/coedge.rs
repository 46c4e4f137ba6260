//! CoEdge (arXiv 2012.03257): the map in strips of rows, one fraction for each worker in all layers, chosen by a linear
//! program; fully connected layers on one worker, the one for which the whole is best.
//!
//! From the paper's abstract and texts about it: fractions are relaxed to real numbers, energy is minimised under a limit
//! of time, strips are rounded, and of the workers whose strip is lower than the padding that a neighbour needs the one
//! with the least is dropped and the rest solved again. Reconstruction: times are lines through the whole and half of a
//! map; each layer takes as long as its slowest worker with its halos; a limit is kept by the simulated plan, for which
//! the program's own limit is moved by bisection; limits of memory lower a worker's fraction until it fits or is dropped.
//!
//! Reconstruction, too: who takes part. A message's set-up time does not shrink with a fraction, so that a relaxed
//! program cannot save it. Ours has none: it is solved for several sets of workers; its fractions, and those in
//! proportion to the speeds, are rounded in several ways, a row moved between neighbours being one; and the simulated
//! time, with set-up, chooses. So without limits of memory the candidates of [`Goal::Time`] are the same whatever the
//! set-up times, and no plan for other ones is ever better.

mod model;

use std::collections::BTreeSet;

use cleave_graph::op::Reduced;
use cleave_graph::{Axis, COORDINATOR, Op, Partition, Reduce, Shares, Split, Step};

use crate::cluster::Excess;
use crate::error::PartitionError;
use crate::plan::Plan;
use crate::problem::Problem;
use model::Model;

/// What CoEdge minimises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// The time until the answer is there.
    Time,
    /// Energy, of all that takes at most so long.
    Energy {
        /// Limit of the simulated time, milliseconds.
        limit_ms: f64,
    },
}

/// Of up to so many workers every set is tried; of more those that are left when the one with the least is dropped again
/// and again, and the root alone.
const ENUMERATED: usize = 4;

/// How often the limit of a linear program is halved towards the one that keeps the limit of time.
const BISECTIONS: usize = 10;

/// A plan in strips of rows.
///
/// # Errors
/// [`PartitionError::Memory`]: nothing fits. [`PartitionError::Latency`]: nothing is fast enough; it has the least time.
pub fn coedge(problem: &Problem, goal: Goal) -> Result<Plan, PartitionError> {
    let mut least: Option<Excess> = None;
    let mut plans = Vec::new();
    for root in roots(problem) {
        let rooted = Rooted { problem, root };
        let mut sets = rooted.sets();
        while let Some(caps) = sets.pop() {
            match rooted.plans(goal, caps)? {
                Found::Plans(found, fractions) => {
                    plans.extend(found);
                    sets.extend(without_least(fractions).filter(|_| problem.cluster.len() > ENUMERATED));
                }
                Found::Excess(excess) => least = Excess::least(least, excess),
            }
        }
    }
    let fastest = plans.iter().map(Plan::total_ms).fold(f64::INFINITY, f64::min);
    let best = match goal {
        Goal::Time => plans.into_iter().min_by(|a, b| a.total_ms().total_cmp(&b.total_ms())),
        Goal::Energy { limit_ms } => {
            if fastest.is_finite() && !plans.iter().any(|plan| plan.total_ms() <= limit_ms) {
                return Err(PartitionError::Latency { limit_ms, least_ms: fastest });
            }
            let within = plans.into_iter().filter(|plan| plan.total_ms() <= limit_ms);
            within.min_by(|a, b| a.timeline.energy_joules.total_cmp(&b.timeline.energy_joules))
        }
    };
    match (best, least) {
        (Some(plan), _) => Ok(plan),
        (None, Some(excess)) => Err(excess.error(problem.cluster, "CoEdge")),
        (None, None) => Err(PartitionError::Solver("it has no solution".into())),
    }
}

/// Who may have what has no rows; if all has rows, the answer is gathered where it is wanted.
fn roots(problem: &Problem) -> std::ops::Range<usize> {
    if maps(problem) < problem.network.operators().len() {
        0..problem.cluster.len()
    } else {
        COORDINATOR..COORDINATOR + 1
    }
}

/// Caps for those that have a fraction but the last of those with the least; none if that is the only one.
fn without_least(fractions: Vec<f64>) -> Option<Vec<f64>> {
    let active = (0..fractions.len()).rev().filter(|worker| fractions[*worker] > 0.0);
    let least = active.clone().min_by(|a, b| fractions[*a].total_cmp(&fractions[*b])).filter(|_| active.count() > 1)?;
    Some((0..fractions.len()).map(|worker| f64::from(worker != least && fractions[worker] > 0.0)).collect())
}

/// Plans with the fractions for the least time, or by how much the one that comes nearest does not fit.
enum Found {
    Plans(Vec<Plan>, Vec<f64>),
    Excess(Excess),
}

/// What became of one linear program.
enum Outcome {
    /// A plan.
    Plan(Box<Solution>),
    /// It does not fit.
    Excess(Excess),
    /// The limit of time is too low for the workers that are left.
    TooSlow,
}

/// A plan by a linear program.
struct Solution {
    plan: Plan,
    fractions: Vec<f64>,
    /// The time that the program believed in.
    model_ms: f64,
}

/// The problem with the fully connected layers on one worker.
struct Rooted<'a> {
    problem: &'a Problem<'a>,
    root: usize,
}

impl Rooted<'_> {
    /// Sets of workers to begin with: who has a cap of 1.
    fn sets(&self) -> Vec<Vec<f64>> {
        let workers = self.problem.cluster.len();
        let masks = if workers <= ENUMERATED { (1..1 << workers).collect() } else { vec![1 << self.root, usize::MAX] };
        let caps = |mask: usize| (0..workers).map(|worker| f64::from(mask >> worker & 1 == 1)).collect();
        masks.into_iter().map(caps).collect()
    }

    /// Fast plans of some workers and, for energy, thriftier ones.
    fn plans(&self, goal: Goal, caps: Vec<f64>) -> Result<Found, PartitionError> {
        let (fastest, fractions, mut low) = match self.solve(caps.clone(), None)? {
            Outcome::Plan(solution) => (solution.plan, solution.fractions, solution.model_ms),
            Outcome::Excess(excess) => return Ok(Found::Excess(excess)),
            Outcome::TooSlow => return Err(PartitionError::Solver("it has no solution".into())),
        };
        let mut plans = vec![fastest];
        plans.extend(self.rounded(&fractions)?);
        let Goal::Energy { limit_ms } = goal else { return Ok(Found::Plans(plans, fractions)) };
        // First without a limit; then the highest limit in the model's time whose plan keeps that of the simulated time.
        let Outcome::Plan(thriftiest) = self.solve(caps.clone(), Some(f64::INFINITY))? else {
            return Ok(Found::Plans(plans, fractions));
        };
        let mut high = thriftiest.model_ms;
        let bisections = if thriftiest.plan.total_ms() <= limit_ms { 0 } else { BISECTIONS };
        plans.push(thriftiest.plan);
        for _ in 0..bisections {
            let limit = (low + high) / 2.0;
            let outcome = self.solve(caps.clone(), Some(limit))?;
            let is_fast = match &outcome {
                Outcome::Plan(solution) => solution.plan.total_ms() <= limit_ms,
                Outcome::Excess(_) | Outcome::TooSlow => true,
            };
            *if is_fast { &mut low } else { &mut high } = limit;
            if let Outcome::Plan(solution) = outcome {
                plans.push(solution.plan);
            }
        }
        Ok(Found::Plans(plans, fractions))
    }

    /// Plans that fit by these fractions and by the speeds of who has one. Strips of all maps are rounded by themselves or
    /// as those of one map, of which one row may be moved: how strips of maps lie decides how many halos are sent.
    fn rounded(&self, fractions: &[f64]) -> Result<Vec<Plan>, PartitionError> {
        let shares = self.problem.shares().iter().zip(fractions);
        let by_speed: Vec<f64> = shares.map(|(share, part)| if *part > 0.0 { *share } else { 0.0 }).collect();
        let active: Vec<usize> = (0..fractions.len()).filter(|worker| fractions[*worker] > 0.0).collect();
        let pairs = active.windows(2).flat_map(|two| [(two[0], two[1]), (two[1], two[0])]);
        let operators = &self.problem.network.operators()[..maps(self.problem)];
        let heights: BTreeSet<usize> = operators.iter().map(|operator| operator.output.shape.height).collect();
        let mut all = vec![by_speed.clone()];
        for height in heights {
            let rows = |by: &[f64]| -> Vec<f64> {
                Shares::by_weight(height, by).units().iter().map(|rows| *rows as f64).collect()
            };
            let own = rows(fractions);
            all.extend(pairs.clone().filter(|(from, _)| own[*from] > 1.0).map(|(from, to)| {
                let mut moved = own.clone();
                moved[from] -= 1.0;
                moved[to] += 1.0;
                moved
            }));
            all.extend([own, rows(&by_speed)]);
        }
        let mut plans: Vec<Plan> = Vec::new();
        for fractions in all.iter().filter(|fractions| self.violator(fractions).is_none()) {
            let partition = self.partition(fractions);
            if !plans.iter().any(|plan| plan.partition == partition) {
                plans.push(Plan::new(self.problem, partition)?);
            }
        }
        plans.retain(|plan| plan.fits(self.problem));
        Ok(plans)
    }

    /// Least time, or least energy within a limit of the model's time.
    fn solve(&self, mut caps: Vec<f64>, limit_ms: Option<f64>) -> Result<Outcome, PartitionError> {
        let Problem { network, cluster, .. } = *self.problem;
        let tallest = network.operators().iter().map(|operator| operator.output.shape.height).max().unwrap_or(1);
        let mut least: Option<Excess> = None;
        loop {
            let model = Model::new(self.problem, self.root, &caps);
            let Some(fractions) = model.solve(&caps, limit_ms)? else {
                return Ok(least.map_or(Outcome::TooSlow, Outcome::Excess));
            };
            let idle: Vec<usize> = (0..caps.len()).filter(|j| caps[*j] > 0.0 && fractions[*j] <= 0.0).collect();
            let drop: Vec<usize> = if idle.is_empty() { self.violator(&fractions).into_iter().collect() } else { idle };
            if !drop.is_empty() {
                drop.iter().for_each(|worker| caps[*worker] = 0.0);
                continue;
            }
            let plan = Plan::new(self.problem, self.partition(&fractions))?;
            let Some(excess) = cluster.excess(&plan.memory) else {
                let model_ms = model.estimate_ms(&fractions);
                return Ok(Outcome::Plan(Box::new(Solution { plan, fractions, model_ms })));
            };
            least = Excess::least(least, excess);
            if caps[excess.worker] <= 0.0 {
                return Ok(Outcome::Excess(excess)); // what it must hold as root or coordinator is too much
            }
            // Rows take activations; weights are the same for all who have rows.
            let memory = plan.memory[excess.worker];
            let room = excess.has_bytes.saturating_sub(memory.weights) as f64 / memory.activations.max(1) as f64;
            let cap = 0.95 * fractions[excess.worker] * room;
            caps[excess.worker] = if cap * tallest as f64 >= 1.0 { cap } else { 0.0 };
        }
    }

    /// Of the workers whose strip is lower than a padding the one with the least.
    fn violator(&self, fractions: &[f64]) -> Option<usize> {
        let operators = self.problem.network.operators();
        let maps = maps(self.problem);
        let rows: Vec<Shares> =
            operators[..maps].iter().map(|o| Shares::by_weight(o.output.shape.height, fractions)).collect();
        let active: Vec<usize> = (0..fractions.len()).filter(|j| fractions[*j] > 0.0).collect();
        let violates = |worker: &usize| {
            (0..maps).any(|at| {
                let before = at.checked_sub(1).map_or(usize::MAX, |before| rows[before].units()[*worker]);
                rows[at].units()[*worker] == 0 || before < padding(self.problem, at)
            })
        };
        let violators = active.iter().copied().filter(violates);
        let least = violators.min_by(|a, b| fractions[*a].total_cmp(&fractions[*b]));
        least.filter(|_| active.len() > 1)
    }

    fn partition(&self, fractions: &[f64]) -> Partition {
        let operators = self.problem.network.operators();
        let maps = maps(self.problem);
        let step = |at: usize| {
            let by = |axis: Axis| Shares::by_weight(operators[at].units(axis), fractions);
            match operators[at].sharing().reduced() {
                _ if at < maps => Step::new(Split::Rows(by(Axis::Rows))),
                // Whoever has rows reduces its own.
                Some(Reduced::Rows) if at == maps => {
                    Step { split: Split::Inputs(by(Axis::Inputs)), reduce: Reduce::Root(self.root) }
                }
                _ => Step::new(Split::Alone(self.root)),
            }
        };
        let steps = (0..operators.len()).map(step).collect();
        Partition { workers: self.problem.cluster.len(), steps }
    }
}

/// Operators before the first that has no rows to share: a fully connected one, or a mean of all rows.
fn maps(problem: &Problem) -> usize {
    problem.network.operators().iter().take_while(|operator| operator.has(Axis::Rows)).count()
}

/// Rows that an operator needs beyond a strip.
fn padding(problem: &Problem, at: usize) -> usize {
    match problem.network.operators()[at].op {
        Op::Conv(conv) => conv.padding,
        _ => 0,
    }
}
