//! Ours: every operator may be split in every way, and the cheapest chain of splits is found exactly.
//!
//! A dynamic program over operators and the layout of their input (all have everything, one has, channels or rows by
//! some shares) keeps the best few chains by additive costs: computing, then an exchange that nothing overlaps. These are
//! simulated, so that overlap counts, together with the plans of all other strategies, and the best are improved by
//! moving units between workers and by changing single operators while that lowers the simulated time. The result is
//! therefore never slower than any other strategy's by the same prediction.

mod improve;
mod paths;
mod space;
#[cfg(test)]
mod tests;

use cleave_graph::{COORDINATOR, Partition, Reduce, Schedule, Split, Step};
use std::collections::HashSet;

use crate::cluster::Excess;
use crate::coedge::{Goal, coedge};
use crate::error::PartitionError;
use crate::iop::{iop_exact, iop_greedy, output_channel};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::simulate::simulated_ms;
use space::Space;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Chains that the dynamic program keeps at each layout.
    pub keep: usize,
    /// Partitions that are improved each time, of those simulated.
    pub improved: usize,
    /// How often the dynamic program is run, after the first time with the shares of the best so far.
    pub rounds: usize,
    /// Partitions that are simulated while improving, at most.
    pub tries: usize,
}

impl Effort {
    /// Little, for a plan that is wanted at once, as when a worker has died: less than a tenth of the default's time, and
    /// plans that take five hundredths longer on average.
    pub const QUICK: Self = Self { keep: 4, improved: 2, rounds: 1, tries: 300 };
}

impl Default for Effort {
    /// VGG11 over four workers in about half a second, natively.
    fn default() -> Self {
        Self { keep: 16, improved: 8, rounds: 2, tries: 24_000 }
    }
}

/// How often the dynamic program is asked again with more memory set aside, if what it finds does not fit.
const SETTINGS_ASIDE: usize = 6;

/// Partitions that are improved once more in the end.
const FINALISTS: usize = 2;

/// Parts of each exchange that are taken to be hidden behind computing: the dynamic program cannot know, so it is asked
/// once for each.
const OVERLAPS: [f64; 4] = [0.0, 0.25, 0.5, 0.75];

/// The fastest plan that is found.
///
/// # Errors
/// [`PartitionError::Memory`]: nothing fits that is looked at.
pub fn mixed(problem: &Problem, effort: Effort) -> Result<Plan, PartitionError> {
    let (mut known, refused) = others(problem);
    let mut judge = Judge { problem, tries: usize::MAX, least: None };
    let mut pool: Vec<Candidate> = known.iter().filter_map(|partition| judge.judge(partition.clone())).collect();
    sort(&mut pool);
    for round in 1..=effort.rounds {
        let space = Space::new(problem, &known)?;
        judge.tries = usize::MAX;
        pool.extend(judge.paths(&space, effort.keep));
        sort(&mut pool);
        // Half of the tries for many, the other half, at last, for the best of them.
        let half = effort.tries / 2;
        judge.improve(&space, &mut pool, effort.improved, half / effort.rounds);
        if round == effort.rounds {
            judge.improve(&space, &mut pool, FINALISTS, half);
        }
        known = pool.iter().take(1).map(|candidate| candidate.partition.clone()).collect();
    }
    match pool.into_iter().next() {
        Some(best) => Plan::new(problem, judge.thrifty(best).partition),
        None => Err(least_of(judge.least.map(|excess| excess.error(problem.cluster, NAME)), refused)),
    }
}

/// Fastest first, of partitions alike but for shares the fastest alone.
fn sort(pool: &mut Vec<Candidate>) {
    let mut kinds = HashSet::new();
    pool.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    pool.retain(|candidate| kinds.insert(kinds_of(&candidate.partition)));
}

const NAME: &str = "any strategy";

/// The partitions of all other strategies, and why some have none.
fn others(problem: &Problem) -> (Vec<Partition>, Vec<PartitionError>) {
    let plans = [output_channel(problem), coedge(problem, Goal::Time), iop_greedy(problem), iop_exact(problem)];
    let (mut partitions, mut refused) = (Vec::new(), Vec::new());
    for plan in plans {
        match plan {
            Ok(plan) => partitions.push(plan.partition),
            Err(why) => refused.push(why),
        }
    }
    (partitions, refused)
}

/// Of several refusals the one that lacks least.
fn least_of(own: Option<PartitionError>, refused: Vec<PartitionError>) -> PartitionError {
    let lacking = |why: &PartitionError| match why {
        PartitionError::Memory { has_bytes, needs_bytes, .. } => needs_bytes - has_bytes,
        _ => u64::MAX,
    };
    let why = own.into_iter().chain(refused).min_by_key(lacking);
    match why {
        Some(PartitionError::Memory { worker, name, has_bytes, needs_bytes, .. }) => {
            PartitionError::Memory { worker, name, has_bytes, needs_bytes, by: NAME }
        }
        Some(why) => why,
        None => PartitionError::Solver("no partition was found".into()),
    }
}

/// A partition with its simulated time.
#[derive(Clone)]
struct Candidate {
    partition: Partition,
    ms: f64,
}

/// Simulates partitions, a bounded number of them.
struct Judge<'a> {
    problem: &'a Problem<'a>,
    tries: usize,
    least: Option<Excess>,
}

impl Judge<'_> {
    /// The partition with its time, unless it does not fit or nothing is left to be tried.
    fn judge(&mut self, partition: Partition) -> Option<Candidate> {
        self.tries = self.tries.checked_sub(1)?;
        let schedule = Schedule::new(self.problem.network, &partition).ok()?;
        // What memory takes is worked out only where it has a limit.
        let limited = self.problem.cluster.has_limits().then(|| schedule.memory(self.problem.network));
        if let Some(excess) = limited.and_then(|memory| self.problem.cluster.excess(&memory)) {
            self.least = Excess::least(self.least, excess);
            return None;
        }
        Some(Candidate { ms: simulated_ms(self.problem, &schedule), partition })
    }

    /// Improves the best few of a sorted pool, each by as many tries.
    fn improve(&mut self, space: &Space, pool: &mut Vec<Candidate>, few: usize, tries: usize) {
        for candidate in pool.iter_mut().take(few) {
            self.tries = tries / few;
            improve::improve(self, space, candidate);
        }
        sort(pool);
    }

    /// What all compute only so that the coordinator has it, the coordinator computes alone, if that takes no longer.
    fn thrifty(&mut self, mut best: Candidate) -> Candidate {
        self.tries = usize::MAX;
        for at in (0..best.partition.steps.len()).rev() {
            if best.partition.steps[at].split == Split::Replicated {
                let mut partition = best.partition.clone();
                partition.steps[at] = Step::new(Split::Alone(COORDINATOR));
                best = self.judge(partition).filter(|alone| alone.ms <= best.ms).unwrap_or(best);
            }
        }
        best
    }

    /// The best chains that fit.
    fn paths(&mut self, space: &Space, keep: usize) -> Vec<Candidate> {
        let workers = self.problem.cluster.workers();
        let mut limits: Vec<Option<u64>> = workers.iter().map(|worker| worker.memory_bytes).collect();
        for _ in 0..SETTINGS_ASIDE {
            let before = self.least.take();
            let paths = OVERLAPS.iter().flat_map(|overlap| paths::best(space, keep, &limits, 1.0 - overlap));
            let found: Vec<_> = paths.filter_map(|path| self.judge(space.partition(&path))).collect();
            let excess = self.least;
            self.least = before.into_iter().chain(excess).fold(None, Excess::least);
            let Some(excess) = excess.filter(|_| found.is_empty()) else { return found };
            let limit = &mut limits[excess.worker];
            *limit = limit.map(|limit| limit.saturating_sub(excess.bytes()));
        }
        Vec::new()
    }
}

/// How each operator is split, whatever the shares: partitions alike in this are improved once.
fn kinds_of(partition: &Partition) -> Vec<(u8, usize)> {
    let kind = |step: &Step| match (&step.split, &step.reduce) {
        (Split::Replicated, _) => (0, 0),
        (Split::Alone(worker), _) => (1, *worker),
        (Split::Outputs(_), _) => (2, 0),
        (Split::Rows(_), _) => (3, 0),
        (Split::Inputs(_), Reduce::Direct) => (4, 0),
        (Split::Inputs(_), Reduce::Scatter(_)) => (5, 0),
        (Split::Inputs(_), Reduce::Root(root)) => (6, *root),
    };
    partition.steps.iter().map(kind).collect()
}

/// Units of the shares of a split, if it has any.
fn units(split: &Split) -> Option<&[usize]> {
    match split {
        Split::Outputs(shares) | Split::Inputs(shares) | Split::Rows(shares) => Some(shares.units()),
        Split::Replicated | Split::Alone(_) => None,
    }
}
