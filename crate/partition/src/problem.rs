//! What a planner is given: a network, workers, and how long these take.

use cleave_graph::{Graph, Region};

use crate::cluster::Cluster;
use crate::error::PartitionError;
use crate::times::ComputeTimes;

/// A network to be shared by workers. One that exists has a time for every operator and worker.
#[derive(Clone)]
pub struct Problem<'a> {
    /// What is shared.
    pub network: &'a Graph,
    /// By whom.
    pub cluster: &'a Cluster,
    /// How long they take.
    pub times: &'a dyn ComputeTimes,
    shares: Vec<f64>,
}

impl<'a> Problem<'a> {
    /// Shares follow the speeds: a worker's is in proportion to 1 / its time for the whole network.
    ///
    /// # Errors
    /// [`PartitionError`]: a time that is none, or a worker that takes no time for the whole network.
    pub fn new(network: &'a Graph, cluster: &'a Cluster, times: &'a dyn ComputeTimes) -> Result<Self, PartitionError> {
        let whole = |worker| (0..network.operators().len()).map(|at| whole_ms(network, times, worker, at)).sum();
        let totals = (0..cluster.len()).map(whole).collect::<Result<Vec<f64>, _>>()?;
        if let Some(worker) = totals.iter().position(|ms| *ms <= 0.0) {
            let (what, right) = ("a time in ms for the whole network", "a number above 0");
            return Err(PartitionError::Number { worker, what, value: totals[worker], right });
        }
        let shares = totals.iter().map(|ms| 1.0 / ms).collect();
        Self { network, cluster, times, shares: Vec::new() }.with_shares(shares)
    }

    /// The same with other shares of the workers, in any unit.
    ///
    /// # Errors
    /// [`PartitionError`]: a share that is not above 0, or not one for each worker.
    pub fn with_shares(self, shares: Vec<f64>) -> Result<Self, PartitionError> {
        let workers = self.cluster.len();
        if shares.len() != workers {
            return Err(PartitionError::Count { what: "shares", found: shares.len(), workers });
        }
        if let Some(worker) = shares.iter().position(|share| !(share.is_finite() && *share > 0.0)) {
            let right = "a number above 0; leave out a worker that shall do nothing";
            return Err(PartitionError::Number { worker, what: "a share", value: shares[worker], right });
        }
        Ok(Self { shares, ..self })
    }

    /// What the workers' parts are in proportion to.
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// All of an operator by one worker, milliseconds.
    pub(crate) fn whole_ms(&self, worker: usize, operator: usize) -> f64 {
        let made = Region::all(self.network.operators()[operator].made.shape);
        self.part_ms(worker, operator, &made)
    }

    /// A part of an operator's layer and tail from all inputs, milliseconds.
    pub(crate) fn part_ms(&self, worker: usize, operator: usize, made: &Region) -> f64 {
        let of = &self.network.operators()[operator];
        let inputs = of.input_units(&of.needs(made));
        self.times.layer_ms(worker, operator, inputs, made) + self.times.tail_ms(worker, operator, made)
    }
}

fn whole_ms(network: &Graph, times: &dyn ComputeTimes, worker: usize, at: usize) -> Result<f64, PartitionError> {
    let operator = &network.operators()[at];
    let made = Region::all(operator.made.shape);
    let each = [
        times.layer_ms(worker, at, operator.input_units(&operator.needs(&made)), &made),
        times.tail_ms(worker, at, &made),
        times.add_ms(worker, operator.made.shape.values()),
    ];
    match each.into_iter().find(|ms| !(ms.is_finite() && *ms >= 0.0)) {
        Some(ms) => Err(PartitionError::Time { worker, operator: at, ms }),
        None => Ok(each[0] + each[1]),
    }
}
