//! Sharing with the fewest bytes on the links: every worker has its share of every operator that multiplies, and each
//! operator is split along the axis by which, beside its neighbours, the least is sent. What a network of slow links wants.

use cleave_graph::{Axis, Graph, Operator, Partition, Schedule, Shares, Split, Step, Transfer};

use crate::error::PartitionError;
use crate::plan::{Plan, fit};
use crate::problem::Problem;

/// The axes along which an operator may be split.
const AXES: [Axis; 3] = [Axis::Outputs, Axis::Inputs, Axis::Rows];

/// Begins with every axis for all operators that have it, and changes one operator after the other until nothing gets
/// less: the least that is found this way, not a proven least.
///
/// # Errors
/// [`PartitionError::Memory`]: no parts fit.
pub fn fewest_bytes(problem: &Problem) -> Result<Plan, PartitionError> {
    fit(problem, "fewest bytes", |shares| {
        let choices: Vec<Vec<Split>> =
            problem.network.operators().iter().map(|operator| splits(operator, shares)).collect();
        let begin = |at: usize| choices.iter().map(|choices| choices[at.min(choices.len() - 1)].clone()).collect();
        let mut best: Option<(u64, Partition)> = None;
        for axis in 0..AXES.len() {
            let found = descend(problem.network, shares.len(), &choices, begin(axis))?;
            if best.as_ref().is_none_or(|(bytes, _)| found.0 < *bytes) {
                best = Some(found);
            }
        }
        best.map(|(_, partition)| partition).ok_or(PartitionError::Workers { workers: shares.len() })
    })
}

/// How an operator may be split: along each axis that it has, or by everybody all of it if it has none.
fn splits(operator: &Operator, shares: &[f64]) -> Vec<Split> {
    let along = |axis: Axis| {
        let shares = Shares::by_weight(operator.units(axis), shares);
        match axis {
            Axis::Outputs => Split::Outputs(shares),
            Axis::Inputs => Split::Inputs(shares),
            Axis::Rows => Split::Rows(shares),
        }
    };
    let splits: Vec<Split> = AXES.into_iter().filter(|axis| operator.has(*axis)).map(along).collect();
    if splits.is_empty() || operator.macs() == 0 { vec![Split::Replicated] } else { splits }
}

fn descend(
    network: &Graph,
    workers: usize,
    choices: &[Vec<Split>],
    begin: Vec<Split>,
) -> Result<(u64, Partition), PartitionError> {
    let mut partition = Partition { workers, steps: begin.into_iter().map(Step::new).collect() };
    let mut least = bytes(network, &partition)?;
    loop {
        let before = least;
        for (at, choices) in choices.iter().enumerate() {
            for split in choices {
                let kept = std::mem::replace(&mut partition.steps[at], Step::new(split.clone()));
                match bytes(network, &partition)? {
                    fewer if fewer < least => least = fewer,
                    _ => partition.steps[at] = kept,
                }
            }
        }
        if least == before {
            return Ok((least, partition));
        }
    }
}

/// All that workers send each other in one run.
fn bytes(network: &Graph, partition: &Partition) -> Result<u64, PartitionError> {
    let schedule = Schedule::new(network, partition)?;
    let of = |transfers: &[Transfer]| transfers.iter().map(Transfer::bytes).sum::<u64>();
    Ok(schedule.stages.iter().map(|stage| of(&stage.gather) + of(&stage.sums)).sum::<u64>() + of(&schedule.answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cluster, Link, Medium, Speed, Speeds, Strategy};
    use cleave_graph::zoo;

    /// On every network it sends less than output channels and IOP do, and all workers compute.
    #[test]
    fn it_sends_less_than_the_planners_that_share_everything() {
        let link = Link { setup_ms: 1.0, mbps: 10.0, delay_ms: 0.0 };
        for (name, workers) in [("lenet5", 2), ("resnet", 2), ("alexnet", 3), ("vgg11", 3)] {
            let network = zoo::network(name).unwrap();
            let cluster = Cluster::uniform(workers, link, Medium::Switched).unwrap();
            let times = Speeds::new(&network, vec![Speed::of_macs(1e9); workers]).unwrap();
            let problem = Problem::new(&network, &cluster, &times).unwrap();
            let sent = |plan: Plan| bytes(&network, &plan.partition).unwrap();
            let plan = fewest_bytes(&problem).unwrap();
            let is_shared = plan.partition.steps.iter().zip(network.operators());
            assert!(is_shared.into_iter().all(|(step, of)| of.macs() == 0 || step.split != Split::Replicated));
            let frugal = sent(plan);
            for other in [Strategy::OutputChannel, Strategy::Iop] {
                let theirs = sent(other.plan(&problem).unwrap());
                assert!(frugal < theirs, "{name}: {frugal} bytes, {other} {theirs}");
            }
        }
    }
}
