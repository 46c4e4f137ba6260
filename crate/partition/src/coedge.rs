//! CoEdge (arXiv 2012.03257): the map in strips of rows, one fraction for each worker in all layers, chosen by a linear
//! program; fully connected layers on one worker, the one for which the whole is best.
//!
//! As published: fractions are relaxed to real numbers, energy is minimised under a limit of time, strips are rounded,
//! and of the workers whose strip is lower than the padding that a neighbour needs the one with the least is dropped and
//! the rest solved again. Reconstruction: times are lines through the whole and half of a map; each layer takes as long
//! as its slowest worker with its halos; a limit is kept by the simulated plan, for which the program's own limit is
//! moved by bisection; limits of memory lower a worker's fraction until it fits or is dropped.

mod model;

use cleave_arch::cnn::{COORDINATOR, Kind, Partition, Shares, Split, Step};

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
        match rooted.plans(goal)? {
            Found::Plans(found) => plans.extend(found),
            Found::Excess(excess) => least = Excess::least(least, excess),
        }
    }
    let fastest = plans.iter().map(Plan::total_ms).fold(f64::INFINITY, f64::min);
    let best = match goal {
        Goal::Time => plans.into_iter().min_by(|a, b| a.total_ms().total_cmp(&b.total_ms())),
        Goal::Energy { limit_ms } => {
            if plans.iter().all(|plan| plan.total_ms() > limit_ms) && !plans.is_empty() {
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

/// Who may have the fully connected layers; without any, the answer is gathered where it is wanted.
fn roots(problem: &Problem) -> std::ops::Range<usize> {
    let has_linear = problem.network.operators().iter().any(|operator| operator.kind == Kind::Linear);
    if has_linear { 0..problem.cluster.len() } else { COORDINATOR..COORDINATOR + 1 }
}

enum Found {
    Plans(Vec<Plan>),
    Excess(Excess),
}

/// A plan with the time that the linear program believed in.
struct Solved {
    plan: Plan,
    model_ms: f64,
}

/// The problem with the fully connected layers on one worker.
struct Rooted<'a> {
    problem: &'a Problem<'a>,
    root: usize,
}

impl Rooted<'_> {
    /// The fastest plan and, for energy, thriftier ones.
    fn plans(&self, goal: Goal) -> Result<Found, PartitionError> {
        let fastest = match self.solve(None)? {
            Ok(fastest) => fastest,
            Err(excess) => return Ok(Found::Excess(excess)),
        };
        let Goal::Energy { limit_ms } = goal else { return Ok(Found::Plans(vec![fastest.plan])) };
        let (mut low, mut high) = (fastest.model_ms, f64::INFINITY);
        let mut plans = vec![fastest.plan];
        for _ in 0..BISECTIONS {
            let limit = if high.is_finite() { (low + high) / 2.0 } else { high };
            let Ok(thrifty) = self.solve(Some(limit))? else { break };
            if thrifty.plan.total_ms() > limit_ms {
                high = if limit.is_finite() { limit } else { thrifty.model_ms };
                continue;
            }
            plans.push(thrifty.plan);
            if limit.is_infinite() {
                break;
            }
            low = limit;
        }
        Ok(Found::Plans(plans))
    }

    /// Least time, or least energy within a limit of the model's time; or by how much nothing fits.
    fn solve(&self, limit_ms: Option<f64>) -> Result<Result<Solved, Excess>, PartitionError> {
        let Problem { network, cluster, .. } = *self.problem;
        let tallest = network.operators().iter().map(|operator| operator.output.height).max().unwrap_or(1);
        let mut caps = vec![1.0; cluster.len()];
        let mut least: Option<Excess> = None;
        loop {
            let model = Model::new(self.problem, self.root, &caps);
            let Some(fractions) = model.solve(&caps, limit_ms)? else {
                return match least {
                    Some(excess) => Ok(Err(excess)),
                    None => Err(PartitionError::Solver("it has no solution".into())),
                };
            };
            let dropped: Vec<usize> = (0..caps.len()).filter(|j| caps[*j] > 0.0 && fractions[*j] <= 0.0).collect();
            if !dropped.is_empty() {
                dropped.iter().for_each(|worker| caps[*worker] = 0.0);
                continue;
            }
            if let Some(worker) = self.violator(&fractions) {
                caps[worker] = 0.0;
                continue;
            }
            let plan = Plan::new(self.problem, self.partition(&fractions))?;
            let Some(excess) = cluster.excess(&plan.memory) else {
                return Ok(Ok(Solved { plan, model_ms: model.estimate_ms(&fractions) }));
            };
            least = Excess::least(least, excess);
            if caps[excess.worker] <= 0.0 {
                return Ok(Err(excess)); // what it must hold as root or coordinator is too much
            }
            let cap = 0.95 * fractions[excess.worker] * excess.has_bytes as f64 / excess.needs_bytes as f64;
            caps[excess.worker] = if cap * tallest as f64 >= 1.0 { cap } else { 0.0 };
        }
    }

    /// Of the workers whose strip is lower than a padding the one with the least.
    fn violator(&self, fractions: &[f64]) -> Option<usize> {
        let operators = self.problem.network.operators();
        let maps = maps(self.problem);
        let rows: Vec<Shares> =
            operators[..maps].iter().map(|o| Shares::by_weight(o.output.height, fractions)).collect();
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
        let step = |at: usize| match at < maps {
            true => Split::Rows(Shares::by_weight(operators[at].output.height, fractions)),
            false => Split::Alone(self.root),
        };
        let steps = (0..operators.len()).map(|at| Step::new(step(at))).collect();
        Partition { workers: self.problem.cluster.len(), steps }
    }
}

/// Operators before the first fully connected one.
fn maps(problem: &Problem) -> usize {
    problem.network.operators().iter().take_while(|operator| operator.kind != Kind::Linear).count()
}

/// Rows that an operator needs beyond a strip.
fn padding(problem: &Problem, at: usize) -> usize {
    match problem.network.operators()[at].kind {
        Kind::Conv { padding, .. } => padding,
        Kind::Linear | Kind::LocalNorm { .. } => 0,
    }
}
