//! Plans as the page is told of them.

use cleave_contract as contract;
use cleave_graph::{Graph, Shares, Split};
use cleave_partition::{Activity, PartitionError, Plan, Strategy};

use super::Planned;
use super::strategy::told;

/// All that was planned for a request.
pub fn partitions(request: contract::PartitionRequest, planned: &Planned) -> contract::Partitions {
    let Planned { network, times, plans, sweep } = planned;
    let operators = network.operators().iter().enumerate().map(|(at, operator)| contract::OperatorRow {
        layer: operator.op.to_string(),
        output: operator.output.shape.to_string(),
        macs: operator.macs(),
        millis: times.of(at),
    });
    let point = |at: &super::SetupTimes| contract::SetupPoint { setup_ms: at.setup_ms, millis: at.ms.clone() };
    contract::Partitions {
        request,
        network: network.to_string(),
        operators: operators.collect(),
        plans: plans.iter().map(|(strategy, found)| plan(*strategy, network, found.as_ref())).collect(),
        sweep: sweep.iter().map(point).collect(),
        source: "operators measured in this tab; links as wished".into(),
        times: times.to_json().to_string(),
    }
}

/// A plan, or why there is none.
pub fn plan(strategy: Strategy, network: &Graph, found: Result<&Plan, &PartitionError>) -> contract::PartitionPlan {
    let mut view = contract::PartitionPlan {
        strategy: told(strategy),
        failed: None,
        millis: 0.0,
        messages: 0,
        bytes: 0,
        energy_joules: 0.0,
        steps: Vec::new(),
        spans: Vec::new(),
        memory_bytes: Vec::new(),
    };
    match found {
        Err(why) => view.failed = Some(why.to_string()),
        Ok(plan) => {
            view.millis = plan.total_ms();
            view.messages = plan.timeline.messages;
            view.bytes = plan.timeline.bytes;
            view.energy_joules = plan.timeline.energy_joules;
            view.steps = (0..network.operators().len()).map(|at| step(plan, at)).collect();
            view.spans = plan.timeline.spans.iter().map(|of| of.iter().map(span).collect()).collect();
            view.memory_bytes = plan.memory.iter().map(|memory| [memory.weights, memory.activations]).collect();
        }
    }
    view
}

fn step(plan: &Plan, at: usize) -> contract::PartitionStep {
    let (stage, workers) = (&plan.schedule.stages[at], plan.schedule.workers);
    let units = |shares: &Shares| shares.units().iter().map(|units| *units as u32).collect();
    let (how, units) = match &plan.partition.steps[at].split {
        Split::Replicated => (contract::SplitWay::Copies, vec![1; workers]),
        Split::Alone(worker) => (contract::SplitWay::Alone, (0..workers).map(|j| u32::from(j == *worker)).collect()),
        Split::Outputs(shares) => (contract::SplitWay::Outputs, units(shares)),
        Split::Inputs(shares) => (contract::SplitWay::Inputs, units(shares)),
        Split::Rows(shares) => (contract::SplitWay::Rows, units(shares)),
    };
    let bytes = stage.gather.iter().chain(&stage.sums).map(|transfer| transfer.bytes()).sum();
    contract::PartitionStep { how, units, messages: [stage.gather.len() as u32, stage.sums.len() as u32], bytes }
}

fn span(span: &cleave_partition::Span) -> contract::WorkerSpan {
    let activity = match span.activity {
        Activity::Wait => contract::WorkerActivity::Wait,
        Activity::Layer | Activity::Add | Activity::Tail => contract::WorkerActivity::Compute,
        Activity::Send { .. } => contract::WorkerActivity::Send,
    };
    contract::WorkerSpan { activity, operator: span.operator, from_millis: span.from_ms, to_millis: span.to_ms }
}
