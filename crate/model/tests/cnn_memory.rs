//! What a worker of an image network takes of memory: predicted by the schedule, counted by the allocator.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use burn::tensor::Device;
use cleave_arch::cnn::{
    COORDINATOR, Kind, Network, Partition, Reduce, Region, Schedule, Shares, Split, Step, Transfer, zoo,
};
use cleave_model::cnn::{CnnWeights, Member};
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
fn measured(network: &Arc<Network>, schedule: &Arc<Schedule>, worker: usize) -> [usize; 2] {
    let before = COUNTER.current_usage();
    let weights = CnnWeights::Seeded(1);
    let mut member = Member::new(network.clone(), schedule.clone(), worker, &weights, &Device::flex()).unwrap();
    let held = COUNTER.current_usage() - before;
    let n = schedule.stages.len();
    let gather = |at: usize| if at == n { &schedule.answer } else { &schedule.stages[at].gather };
    let sends = |parts: &[Transfer]| -> Vec<Region> {
        let mut regions: Vec<Region> = Vec::new();
        for part in parts.iter().filter(|part| part.from == worker) {
            if !regions.contains(&part.region) {
                regions.push(part.region.clone());
            }
        }
        regions
    };
    let comes = |parts: &[Transfer]| -> Vec<(Region, Vec<f32>)> {
        let own = parts.iter().filter(|part| part.to == worker);
        own.map(|part| (part.region.clone(), zeros(&part.region, part.width))).collect()
    };
    // A thread that starts beside a run keeps what it takes, which is not the worker's: the least of three runs counts.
    let mut least = usize::MAX;
    for _ in 0..3 {
        member.forget();
        let start = COUNTER.current_usage();
        COUNTER.reset_peak_usage();
        if worker == COORDINATOR {
            let image = zeros(&Region::all(network.input()), network.input().width);
            drop(member.start(image, &sends(gather(0))).now_or_never().unwrap().unwrap());
        }
        for (at, stage) in schedule.stages.iter().enumerate() {
            if stage.work[worker].is_some() {
                drop(member.make(at, comes(gather(at)), &sends(&stage.sums)).now_or_never().unwrap().unwrap());
            }
            if !stage.complete[worker].is_empty() {
                let sums = comes(&stage.sums).into_iter().map(|(_, values)| values).collect();
                drop(member.finish(at, sums, &sends(gather(at + 1))).now_or_never().unwrap().unwrap());
            }
        }
        if worker == COORDINATOR {
            drop(member.answer(comes(&schedule.answer)).now_or_never().unwrap().unwrap());
        }
        least = least.min(COUNTER.peak_usage() - start);
    }
    [held, least]
}

fn strategies(network: &Network, workers: usize) -> Vec<(&'static str, Vec<Step>)> {
    let share = |units| Shares::by_weight(units, &[3.0, 2.0, 1.0, 2.0][..workers]);
    let is_norm = |kind: &Kind| matches!(kind, Kind::Lrn { .. });
    let of = |split: &dyn Fn(usize) -> Split| {
        (0..network.operators().len()).map(|at| Step::new(split(at))).collect::<Vec<_>>()
    };
    let operator = |at: usize| &network.operators()[at];
    let outputs = |at: usize| match is_norm(&operator(at).kind) {
        true => Split::Copies,
        false => Split::Outputs(share(operator(at).made.channels)),
    };
    let rows = |at: usize| match operator(at).kind {
        Kind::Linear => Split::Alone(0),
        _ => Split::Rows(share(operator(at).output.height)),
    };
    let interleaved = |at: usize| match at % 2 == 1 && !is_norm(&operator(at).kind) {
        true => Split::Inputs(share(operator(at).input.channels)),
        false => outputs(at),
    };
    let mut scattered = of(&interleaved);
    for (at, step) in scattered.iter_mut().enumerate() {
        step.reduce = Reduce::Scatter(share(operator(at).made.channels));
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
    for (name, workers) in [("lenet5", 2), ("lenet5", 4), ("alexnet", 3), ("alexnet-lrn", 2), ("vgg11", 3)] {
        let network = Arc::new(zoo::network(name).unwrap());
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
