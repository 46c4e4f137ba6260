//! Output channels for every operator, and interleaved operator partitioning (IOP, arXiv 2409.07693).
//!
//! The closed forms are those of the paper as reconstructed: an operator alone takes max_j F + G, a pair max_j (F_i +
//! F_{i+1}) + R, where G is an all-gather of slices and R an exchange of partial sums. What workers hold and send is
//! taken from [`Schedule`], so that the last operator's exchange is the one that happens: to the coordinator alone.
//! Local response normalisation, which the paper has not, is computed by all after a gather (reconstruction).

use cleave_graph::op::Reduced;
use cleave_graph::{Axis, Graph, Op, Operator, Partition, Schedule, Shares, Split, Stage, Step};

use crate::chain::{Chain, Segments};
use crate::error::PartitionError;
use crate::plan::{Plan, fit};
use crate::problem::Problem;

/// Every operator by output channel.
///
/// # Errors
/// [`PartitionError::Memory`]: no parts fit.
pub fn output_channel(problem: &Problem) -> Result<Plan, PartitionError> {
    fit(problem, "output channels", |shares| Ok(partition(problem, shares, &[])))
}

/// IOP as reconstructed: from the first operator on, a pair wherever it is legal, fits and is cheaper by the closed
/// forms. The abstract says that pairs are chosen greedily by the benefit; that the walk is from left to right is ours.
///
/// # Errors
/// [`PartitionError::Memory`]: no parts fit.
pub fn iop_greedy(problem: &Problem) -> Result<Plan, PartitionError> {
    fit(problem, "IOP", |shares| Ok(partition(problem, shares, &chain_by(problem, shares)?.greedy())))
}

/// IOP with the cheapest segments of the same costs.
///
/// # Errors
/// [`PartitionError::Memory`]: no parts fit.
pub fn iop_exact(problem: &Problem) -> Result<Plan, PartitionError> {
    fit(problem, "IOP, exactly", |shares| Ok(partition(problem, shares, &chain_by(problem, shares)?.exact())))
}

/// The closed forms of every operator and pair, milliseconds, for the problem's shares.
///
/// # Errors
/// [`PartitionError::Network`], which no valid problem leads to.
pub fn chain(problem: &Problem) -> Result<Chain, PartitionError> {
    chain_by(problem, problem.shares())
}

fn chain_by(problem: &Problem, shares: &[f64]) -> Result<Chain, PartitionError> {
    let Problem { network, cluster, .. } = *problem;
    let operators = network.operators();
    let schedule = |segments: &[usize]| Schedule::new(network, &partition(problem, shares, segments));
    let single = schedule(&[])?;
    let alone = |at: usize| {
        let after = single.stages.get(at + 1).map_or(&single.answer, |stage| &stage.gather);
        let most = each_ms(problem, &single.stages[at]).fold(0.0, f64::max);
        most + cluster.exchange_ms(after)
    };
    let excess = |schedule: &Schedule| cluster.excess(&schedule.memory(network)).map_or(0, |excess| excess.bytes());
    let without = excess(&single);
    let pair = |at: usize| -> Result<Option<f64>, PartitionError> {
        if !is_pair(network, at) {
            return Ok(None);
        }
        let segments: Segments = std::iter::repeat_n(1, at).chain([2]).collect();
        let with = schedule(&segments)?;
        let both = each_ms(problem, &with.stages[at]).zip(each_ms(problem, &with.stages[at + 1]));
        let most = both.map(|(first, second)| first + second).fold(0.0, f64::max);
        Ok((excess(&with) <= without).then_some(most + cluster.exchange_ms(&with.stages[at + 1].sums)))
    };
    Ok(Chain {
        alone: (0..operators.len()).map(alone).collect(),
        pair: (0..operators.len() - 1).map(pair).collect::<Result<_, _>>()?,
    })
}

/// Whether operators `at` and `at + 1` may be a pair: the first has output channels, which the second alone reads and sums
/// over.
fn is_pair(network: &Graph, at: usize) -> bool {
    let [first, second] = [0, 1].map(|next| &network.operators()[at + next]);
    has_outputs(first) && second.inputs == [first.result] && second.sharing().reduced() == Some(Reduced::Channels)
}

/// Whether an operator is shared by output channels: not if it normalises across them.
fn has_outputs(operator: &Operator) -> bool {
    operator.has(Axis::Outputs) && !matches!(operator.op, Op::Lrn(_))
}

/// What each worker computes in a stage, additions included: F.
fn each_ms<'a>(problem: &'a Problem, stage: &'a Stage) -> impl Iterator<Item = f64> + 'a {
    let operator = &problem.network.operators()[stage.operator];
    (0..problem.cluster.len()).map(move |worker| {
        let layer = stage.work[worker]
            .as_ref()
            .map_or(0.0, |w| problem.times.layer_ms(worker, stage.operator, operator.input_units(&w.inputs), &w.made));
        let complete = &stage.complete[worker];
        if complete.is_empty() {
            return layer;
        }
        let received = stage.sums.iter().filter(|sum| sum.to == worker).count() as f64;
        let add_ms = problem.times.add_ms(worker, complete.shape(operator.made.shape.width).values());
        layer + received * add_ms + problem.times.tail_ms(worker, stage.operator, complete)
    })
}

/// A partition of segments; what they leave out is alone.
fn partition(problem: &Problem, shares: &[f64], segments: &[usize]) -> Partition {
    let operators = problem.network.operators();
    let mut steps: Vec<Step> = Vec::with_capacity(operators.len());
    let alone = |at: usize| match has_outputs(&operators[at]) {
        false => Step::new(Split::Replicated),
        true => Step::new(Split::Outputs(Shares::by_weight(operators[at].units(Axis::Outputs), shares))),
    };
    for length in segments {
        let at = steps.len();
        steps.push(alone(at));
        if *length == 2 {
            steps.push(Step::new(Split::Inputs(Shares::by_weight(operators[at + 1].units(Axis::Inputs), shares))));
        }
    }
    steps.extend((steps.len()..operators.len()).map(alone));
    Partition { workers: shares.len(), steps }
}
