//! A partition with what it is predicted to take, and how parts are made to fit into memories.

use cleave_graph::{Memory, Partition, Schedule};

use crate::cluster::Excess;
use crate::error::PartitionError;
use crate::problem::Problem;
use crate::simulate::{Timeline, simulate};

/// How a network is shared, and what that takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How each operator is split.
    pub partition: Partition,
    /// What follows from it.
    pub schedule: Schedule,
    /// Its predicted run, with energy.
    pub timeline: Timeline,
    /// What it takes of each worker's memory.
    pub memory: Vec<Memory>,
}

impl Plan {
    /// Prices a partition, whatever made it; limits of memory do not count here.
    ///
    /// # Errors
    /// [`PartitionError::Network`]: the partition does not fit the network. [`PartitionError::Workers`]: it is for another
    /// number of workers.
    pub fn new(problem: &Problem, partition: Partition) -> Result<Self, PartitionError> {
        if partition.workers != problem.cluster.len() {
            return Err(PartitionError::Workers { workers: partition.workers });
        }
        let schedule = Schedule::new(problem.network, &partition)?;
        let memory = schedule.memory(problem.network);
        Ok(Self { timeline: simulate(problem, &schedule), partition, schedule, memory })
    }

    /// Until the answer is there, milliseconds.
    pub fn total_ms(&self) -> f64 {
        self.timeline.total_ms
    }

    /// Whether every worker's peak is within its limit.
    pub fn fits(&self, problem: &Problem) -> bool {
        problem.cluster.excess(&self.memory).is_none()
    }
}

/// How often parts are made smaller before a strategy gives up.
const FITTINGS: usize = 48;

/// A plan by parts in proportion to the problem's shares, or to lower ones of workers whose memory is too small.
///
/// # Errors
/// What `make` says, or [`PartitionError::Memory`] if no try fits.
pub(crate) fn fit(
    problem: &Problem,
    by: &'static str,
    make: impl Fn(&[f64]) -> Result<Partition, PartitionError>,
) -> Result<Plan, PartitionError> {
    let mut shares = problem.shares().to_vec();
    let mut least = None;
    for _ in 0..FITTINGS {
        let plan = Plan::new(problem, make(&shares)?)?;
        let Some(excess) = problem.cluster.excess(&plan.memory) else { return Ok(plan) };
        least = Excess::least(least, excess);
        for (worker, memory) in plan.memory.iter().enumerate() {
            if let Some(limit) = problem.cluster.workers()[worker].memory_bytes.filter(|limit| *limit < memory.peak()) {
                shares[worker] *= 0.98 * limit as f64 / memory.peak() as f64;
            }
        }
        if shares.iter().sum::<f64>() <= f64::MIN_POSITIVE {
            break;
        }
        // So that shares that all shrink stay numbers.
        let most = shares.iter().copied().fold(0.0, f64::max);
        shares.iter_mut().for_each(|share| *share /= most);
    }
    Err(least.map_or(PartitionError::Workers { workers: 0 }, |excess| excess.error(problem.cluster, by)))
}
