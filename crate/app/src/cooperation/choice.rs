//! Which plan is run: the one on show, unless another one is clearly faster by the speeds that were measured.

use std::sync::Arc;

use cleave_contract::Replanned;
use cleave_graph::{Graph, Partition, Region};
use cleave_partition::{Cluster, ComputeTimes, Measured, PartitionError, Plan, Problem, Strategy};

use crate::operators::OperatorTimes;
use crate::partition::Shown;

/// A plan on show is left for one that is faster by at least this part; less is within what speeds are measured to.
const GAIN: f64 = 0.05;

/// What a plan is made from: the workers that are there, in the plan's order.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) network: Arc<Graph>,
    pub(super) cluster: Cluster,
    pub(super) times: Arc<OperatorTimes>,
    pub(super) slowdowns: Vec<f64>,
    /// What handing an operator to each worker's engine takes beside computing it.
    pub(super) handing_ms: Vec<f64>,
}

impl Facts {
    /// Prices a partition.
    pub(super) fn price(&self, partition: Partition) -> Result<Plan, PartitionError> {
        self.with(|problem| Plan::new(problem, partition))
    }

    fn with<T>(&self, work: impl FnOnce(&Problem) -> Result<T, PartitionError>) -> Result<T, PartitionError> {
        let measured = self.times.measured(&self.network, &self.slowdowns);
        let times = Handed { measured, handing_ms: &self.handing_ms };
        work(&Problem::new(&self.network, &self.cluster, &times)?)
    }
}

/// A plan that is to be made: takes milliseconds to seconds, on any thread.
#[derive(Clone, Debug)]
pub struct PlanTask {
    /// Its number, for [`super::Event::Planned`].
    pub number: u64,
    pub(super) facts: Facts,
    pub(super) strategy: Strategy,
    pub(super) shown: Shown,
}

/// A plan that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// What is run.
    pub plan: Plan,
    /// Why it is not the one on show, if that is so.
    pub replanned: Option<Replanned>,
}

impl PlanTask {
    /// Makes it.
    ///
    /// # Errors
    /// [`PartitionError`]: workers that make no problem, or a limit of memory that no plan keeps.
    pub fn run(&self) -> Result<Chosen, PartitionError> {
        self.facts.with(|problem| {
            let best = self.strategy.plan(problem);
            let shown = match &self.shown {
                Shown::Nothing => return Ok(Chosen { plan: best?, replanned: None }),
                Shown::Other => return Ok(Chosen { plan: best?, replanned: Some(Replanned::Request) }),
                Shown::Plan(partition) => Plan::new(problem, partition.clone())?,
            };
            Ok(match best {
                Ok(plan) if plan.total_ms() < (1.0 - GAIN) * shown.total_ms() => {
                    let (shown_ms, millis) = (shown.total_ms(), plan.total_ms());
                    Chosen { plan, replanned: Some(Replanned::Speeds { shown_ms, millis }) }
                }
                _ => Chosen { plan: shown, replanned: None },
            })
        })
    }
}

/// Times with what handing an operator to each worker's engine takes.
struct Handed<'a> {
    measured: Measured<'a>,
    handing_ms: &'a [f64],
}

impl ComputeTimes for Handed<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, inputs: usize, made: &Region) -> f64 {
        self.measured.layer_ms(worker, operator, inputs, made) + self.handing_ms[worker]
    }

    fn tail_ms(&self, worker: usize, operator: usize, complete: &Region) -> f64 {
        self.measured.tail_ms(worker, operator, complete)
    }

    fn add_ms(&self, worker: usize, values: u64) -> f64 {
        self.measured.add_ms(worker, values)
    }
}
