//! How several workers share a network: every strategy plans, and plans again over other set-up times. One step a
//! call, because a plan takes milliseconds to seconds and a tab has to hear its page in between.

pub mod strategy;
pub mod view;
mod workers;

pub use workers::{Reach, Workers, WorkersError};

use cleave_contract::PartitionRequest;
use cleave_graph::{Graph, Partition};
use cleave_partition::{Effort, PartitionError, Plan, Problem, Strategy, mixed};

use crate::operators::OperatorTimes;

/// Set-up times of the sweep, milliseconds; the request's own is among them.
const SWEEP: [f64; 7] = [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// What a strategy found.
pub type Found = (Strategy, Result<Plan, PartitionError>);

/// Plans that are being made.
#[derive(Clone, Debug)]
pub struct Planning {
    network: Graph,
    workers: Workers,
    times: OperatorTimes,
    strategies: Vec<Strategy>,
    setups_ms: Vec<f64>,
    done: usize,
    plans: Vec<Found>,
    sweep: Vec<SetupTimes>,
}

/// What all strategies take at one set-up time.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupTimes {
    /// Set-up of a message, milliseconds.
    pub setup_ms: f64,
    /// In the order of the strategies; none where there is no plan.
    pub ms: Vec<Option<f64>>,
}

/// Plans that were made.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What is shared.
    pub network: Graph,
    /// What its operators take.
    pub times: OperatorTimes,
    /// One for each strategy.
    pub plans: Vec<Found>,
    /// By set-up time, ascending.
    pub sweep: Vec<SetupTimes>,
}

impl Planning {
    /// Will plan by these strategies.
    pub fn new(network: Graph, workers: Workers, times: OperatorTimes, strategies: Vec<Strategy>) -> Self {
        let (setups_ms, plans, sweep) = (Vec::new(), Vec::new(), Vec::new());
        Self { network, workers, times, strategies, setups_ms, done: 0, plans, sweep }
    }

    /// Will also sweep over set-up times, this one among them, with less effort for the strategy that takes longest.
    pub fn with_sweep(self, setup_ms: f64) -> Self {
        let mut setups_ms = SWEEP.to_vec();
        if !setups_ms.contains(&setup_ms) {
            setups_ms.push(setup_ms);
            setups_ms.sort_by(f64::total_cmp);
        }
        Self { setups_ms, ..self }
    }

    /// Plans done, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, self.strategies.len() * (1 + self.setups_ms.len()))
    }

    /// Makes the next plan; false: none is left.
    ///
    /// # Errors
    /// [`PartitionError`]: workers or times that make no problem.
    pub fn step(&mut self) -> Result<bool, PartitionError> {
        let (done, total) = self.progress();
        if done == total {
            return Ok(false);
        }
        let (round, strategy) = (done / self.strategies.len(), self.strategies[done % self.strategies.len()]);
        let measured = self.times.measured(&self.network, &self.workers.all_slowdowns());
        match round.checked_sub(1).map(|sweep| self.setups_ms[sweep]) {
            None => {
                let problem = Problem::new(&self.network, &self.workers.cluster, &measured)?;
                self.plans.push((strategy, strategy.plan(&problem)));
            }
            Some(setup_ms) => {
                let workers = self.workers.with_setup(setup_ms)?;
                let problem = Problem::new(&self.network, &workers.cluster, &measured)?;
                let ms = quick(strategy, &problem).ok().map(|plan| plan.total_ms());
                match self.sweep.get_mut(round - 1) {
                    Some(point) => point.ms.push(ms),
                    None => self.sweep.push(SetupTimes { setup_ms, ms: vec![ms] }),
                }
            }
        }
        self.done += 1;
        Ok(true)
    }

    /// Makes all that are left.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run(mut self) -> Result<Planned, PartitionError> {
        while self.step()? {}
        Ok(self.finish())
    }

    /// What was made.
    pub fn finish(self) -> Planned {
        Planned { network: self.network, times: self.times, plans: self.plans, sweep: self.sweep }
    }
}

fn quick(strategy: Strategy, problem: &Problem) -> Result<Plan, PartitionError> {
    if strategy == Strategy::Mixed { mixed(problem, Effort::QUICK) } else { strategy.plan(problem) }
}

/// The plan on show, as a run is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Shown {
    /// Nobody looks at plans.
    #[default]
    Nothing,
    /// None of this request: another one's, or none at all.
    Other,
    /// This one.
    Plan(Partition),
}

/// The plans that were made last, by the request that they answer: what a page shows.
#[derive(Clone, Debug, Default)]
pub struct OnShow(Option<(PartitionRequest, Planned)>);

impl OnShow {
    /// These are shown from now on.
    pub fn put(&mut self, request: PartitionRequest, planned: Planned) {
        self.0 = Some((request, planned));
    }

    /// What is on show for a request and a strategy.
    pub fn of(&self, request: &PartitionRequest, strategy: Strategy) -> Shown {
        let same = self.0.as_ref().filter(|(shown, _)| shown == request).map(|(_, planned)| planned);
        let plans = same.iter().flat_map(|planned| &planned.plans);
        let mut found = plans.filter_map(|(of, plan)| (*of == strategy).then_some(plan.as_ref().ok()?));
        found.next().map_or(Shown::Other, |plan| Shown::Plan(plan.partition.clone()))
    }
}
