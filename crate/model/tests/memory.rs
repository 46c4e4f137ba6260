//! Peak memory as predicted against what the engine really allocates, by a counting allocator. Alone in its binary,
//! because the allocator counts for the whole process. The worker's crate runs the same in a browser, where memory is the
//! module's own.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use burn::tensor::Device;
use cleave_arch::{Architecture, Array, SplitMix64, Stretch, Task, Tier, space};
use cleave_model::exec;
use cleave_model::{Gnn, Weights};
use futures_util::FutureExt;
use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTER: PeakAlloc = PeakAlloc;

/// The most that was ever counted.
#[cfg(target_arch = "wasm32")]
pub fn largest_peak() -> usize {
    MOST.load(std::sync::atomic::Ordering::Relaxed)
}

/// See [`largest_peak`].
static MOST: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Predicted within this part of the allocated.
const BOUND: f64 = 0.05;
const N_ARCHITECTURES: usize = 60;

/// Bytes that a run of one segment adds to what was there before its network was loaded.
fn allocated(architecture: &Architecture, task: &Task, segment: &Stretch) -> u64 {
    let weights = Weights::random(architecture, task, 1);
    let before = COUNTER.current_usage();
    let gnn = Gnn::new(architecture, task, &weights, &Device::flex()).unwrap();
    let (nodes, graph) = (gnn.nodes(segment), &gnn.lowered().graph);
    let inputs = exec::noise(graph, nodes.start, 2);
    let given: usize = inputs.iter().map(Array::bytes).sum();
    let mut peak = 0;
    // The first run also starts threads.
    for _ in 0..2 {
        COUNTER.reset_peak_usage();
        let output = gnn.executor().compute(nodes.clone(), &inputs).now_or_never().unwrap().unwrap();
        peak = COUNTER.peak_usage();
        MOST.fetch_max(peak, std::sync::atomic::Ordering::Relaxed);
        drop(output);
    }
    (peak - before - given) as u64
}

/// Of every segment of many networks.
#[cfg_attr(not(target_arch = "wasm32"), test)]
pub fn peak_memory_is_predicted() {
    let task = Task::modelnet10();
    let mut rng = SplitMix64::new(9);
    let drawn = std::iter::repeat_with(|| space::draw_architecture(&mut rng));
    let drawn = drawn.filter(|architecture| {
        let trace = architecture.trace(&Task::modelnet10());
        trace.flops() < 2_000_000_000 && trace.params() < 4_000_000
    });
    let mut errors = Vec::new();
    // Matrix products keep a workspace per thread: large ones first, so that it is part of no network.
    let dgcnn = Architecture::dgcnn();
    let whole = Stretch { tier: Tier::Device, ops: 0..dgcnn.ops().len(), classifier: true };
    allocated(&dgcnn, &task, &whole);
    for architecture in drawn.take(N_ARCHITECTURES).chain([Architecture::dgcnn()]) {
        let trace = architecture.trace(&task);
        let n_ops = trace.steps.len();
        let middle = n_ops / 2;
        let segments = [
            Stretch { tier: Tier::Device, ops: 0..n_ops, classifier: true },
            Stretch { tier: Tier::Device, ops: 0..middle, classifier: false },
            Stretch { tier: Tier::Edge, ops: middle..n_ops, classifier: true },
        ];
        for segment in segments {
            let predicted = trace.segment_peak_bytes(&segment) + trace.weight_bytes();
            let found = allocated(&architecture, &task, &segment);
            errors.push((
                predicted as f64 / found as f64 - 1.0,
                format!("{architecture} {:?}: {predicted} of {found}", segment.ops),
            ));
        }
    }
    errors.sort_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
    let (median, worst) = (errors[errors.len() / 2].0, &errors[errors.len() - 1]);
    println!(
        "{} segments: median error {:+.2} %, worst {:+.2} % ({})",
        errors.len(),
        100.0 * median,
        100.0 * worst.0,
        worst.1
    );
    let wrong: Vec<&String> = errors.iter().filter(|(error, _)| error.abs() > BOUND).map(|(_, what)| what).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} beyond {BOUND}: {:#?}",
        wrong.len(),
        errors.len(),
        &wrong[wrong.len().saturating_sub(12)..]
    );
}
