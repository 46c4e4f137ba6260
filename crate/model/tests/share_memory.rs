//! What a worker of a shared network takes of memory: predicted by the schedule, counted by the allocator.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use burn::tensor::Device;
use cleave_arch::{Architecture, Task};
use cleave_graph::{
    Axis, COORDINATOR, Graph, Op, Partition, Reduce, Region, Schedule, Shares, Split, Step, Transfer, zoo,
};
use cleave_model::exec::{Member, Params};
use futures_util::FutureExt;
use peak_alloc::PeakAlloc;
use std::sync::Arc;

#[global_allocator]
static COUNTER: PeakAlloc = PeakAlloc;

fn zeros(region: &Region, width: usize) -> Vec<f32> {
    vec![0.5; region.shape(width).values() as usize]
}

/// What one worker holds between runs, and the most beside that while it goes through a run alone; what the others would
/// send is made up.
fn measured(graph: &Arc<Graph>, schedule: &Arc<Schedule>, worker: usize) -> [usize; 2] {
    let before = COUNTER.current_usage();
    let weights = Params::Seeded(1);
    let mut member = Member::new(graph.clone(), schedule.clone(), worker, &weights, &Device::flex()).unwrap();
    let held = COUNTER.current_usage() - before;
    let sends = |parts: &mut dyn Iterator<Item = &Transfer>| -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for part in parts.filter(|part| part.from == worker) {
            if !regions.contains(&part.region) {
                regions.push(part.region.clone());
            }
        }
        regions
    };
    // A thread that starts beside a run keeps what it takes, which is not the worker's: the least of three runs counts.
    let mut least = usize::MAX;
    for _ in 0..3 {
        member.forget();
        let start = COUNTER.current_usage();
        COUNTER.reset_peak_usage();
        for (at, (operator, stage)) in graph.operators().iter().zip(&schedule.stages).enumerate() {
            if stage.work[worker].is_some() {
                let own = stage.gather.iter().filter(|part| part.to == worker);
                let mut received: Vec<(usize, Region, Vec<f32>)> =
                    own.map(|part| (part.input, part.region.clone(), zeros(&part.region, part.width))).collect();
                for value in (0..graph.inputs().len()).filter(|_| worker == COORDINATOR) {
                    let read = schedule.first_read(graph, value, worker).filter(|(first, ..)| *first == at);
                    received.extend(read.map(|(_, input, region)| {
                        let numbers = zeros(&region, graph.value(value).shape.width);
                        (input, region, numbers)
                    }));
                }
                let wanted = sends(&mut stage.sums.iter());
                drop(member.make(at, received, &wanted).now_or_never().unwrap().unwrap());
            }
            if !stage.complete[worker].is_empty() {
                let sums = stage.sums.iter().filter(|part| part.to == worker);
                let sums = sums.map(|part| zeros(&part.region, part.width)).collect();
                let wanted = sends(&mut schedule.transfers_of(graph, operator.result).map(|(_, sent)| sent));
                drop(member.finish(at, sums, &wanted).now_or_never().unwrap().unwrap());
            }
        }
        least = least.min(COUNTER.peak_usage() - start);
    }
    [held, least]
}

fn strategies(graph: &Graph, workers: usize) -> Vec<(&'static str, Vec<Step>)> {
    let share = |units| Shares::by_weight(units, &[3.0, 2.0, 1.0, 2.0][..workers]);
    let of = |split: &dyn Fn(usize) -> Split| {
        (0..graph.operators().len()).map(|at| Step::new(split(at))).collect::<Vec<_>>()
    };
    let operator = |at: usize| &graph.operators()[at];
    let by = |at: usize, axis: Axis| share(operator(at).units(axis));
    let outputs = |at: usize| match operator(at).has(Axis::Outputs) && !matches!(operator(at).op, Op::Lrn(_)) {
        true => Split::Outputs(by(at, Axis::Outputs)),
        false => Split::Replicated,
    };
    let rows = |at: usize| match (operator(at).has(Axis::Rows), operator(at).op) {
        (true, _) => Split::Rows(by(at, Axis::Rows)),
        (false, Op::Readout(_)) => Split::Inputs(by(at, Axis::Inputs)),
        (false, _) => Split::Alone(0),
    };
    let interleaved = |at: usize| match at % 2 == 1 && operator(at).has(Axis::Inputs) {
        true => Split::Inputs(by(at, Axis::Inputs)),
        false => outputs(at),
    };
    let mut scattered = of(&interleaved);
    for (at, step) in scattered.iter_mut().enumerate() {
        step.reduce = Reduce::Scatter(by(at, Axis::Outputs));
    }
    vec![
        ("output channels", of(&outputs)),
        ("rows", of(&rows)),
        ("interleaved", of(&interleaved)),
        ("scattered", scattered),
    ]
}

/// Predicted within this part of what is counted,
const BOUND: f64 = 0.05;
/// or within so many bytes: what the engine holds beside numbers, and what the matrix product does with small ones. Only
/// LeNet is small enough to show it.
const SMALL: f64 = 40e3;

#[test]
fn peaks_are_predicted() {
    for (name, workers) in
        [("lenet5", 2), ("lenet5", 4), ("alexnet", 3), ("alexnet-lrn", 2), ("vgg11", 3), ("dgcnn", 2), ("dgcnn", 3)]
    {
        let network = Arc::new(match name {
            "dgcnn" => Architecture::dgcnn().lower(&Task::modelnet10()).unwrap().graph,
            name => zoo::network(name).unwrap(),
        });
        for (strategy, steps) in strategies(&network, workers) {
            let schedule = Arc::new(Schedule::new(&network, &Partition { workers, steps }).unwrap());
            for (worker, memory) in schedule.memory(&network).into_iter().enumerate() {
                let [held, most] = measured(&network, &schedule, worker);
                let (predicted, counted) = (memory.peak() as f64, (held + most) as f64);
                let off = predicted / counted - 1.0;
                println!("{name} {strategy} {worker}: {predicted} {counted} {:+.1} %", 100.0 * off);
                let is_near = off.abs() < BOUND || (predicted - counted).abs() < SMALL;
                assert!(is_near, "{name} {strategy} {worker}: predicted {predicted}, counted {counted}");
            }
        }
    }
}
