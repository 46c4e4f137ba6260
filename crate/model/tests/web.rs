//! The GPU kernels in a browser against the CPU kernels, and whole networks on both.
//! Runs where there is WebGPU, with `webdriver.json` beside the crate: `cargo test --release --target
//! wasm32-unknown-unknown -p cleave-model -p cleave-device --features cleave-model/wgpu --test web`.
//! The worker is named so that burn is built with the same features as for the worker, and only once.
//! `-- --include-ignored --nocapture times` prints measurements.
#![cfg(all(target_family = "wasm", feature = "wgpu"))]

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::tolerance::{ENGINES_F32, KERNEL};
use cleave_arch::{Architecture, GraphSource, Op, Plan, Reducer, SplitMix64, Task, space};
use cleave_model::ops::{GraphOps, distance_reduce, edge_max, gather_reduce, knn, linear};
use cleave_model::{Gnn, SLOPE, Weights, self_check};
use std::sync::OnceLock;
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const REDUCERS: [Reducer; 4] = [Reducer::Max, Reducer::Mean, Reducer::Add, Reducer::Min];
static GPU: OnceLock<Device> = OnceLock::new();

/// The runtime can be initialised once only; all tests share it.
async fn gpu() -> Device {
    if let Some(device) = GPU.get() {
        return device.clone();
    }
    let device = Device::wgpu_options().init_async().await.expect("a WebGPU adapter");
    GPU.get_or_init(|| device).clone()
}

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    (0..length).map(|_| rng.unit_f32() - 0.5).collect()
}

fn tensor(values: &[f32], shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn graph(shape: [usize; 3], device: &Device) -> Tensor<3, Int> {
    let mut rng = SplitMix64::new(2);
    let indexes: Vec<i32> = (0..shape.iter().product()).map(|_| rng.below(shape[1]) as i32).collect();
    Tensor::from_data(TensorData::new(indexes, shape), device)
}

async fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data_async().await.expect("data").try_into_vec().expect("f32")
}

async fn ints(tensor: Tensor<3, Int>) -> Vec<i32> {
    tensor.into_data_async().await.expect("data").convert::<i32>().try_into_vec().expect("i32")
}

fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: length");
    for (at, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance * (1.0 + e.abs()), "{what}: {f} instead of {e} at {at}");
    }
}

fn distance(x: &[f32], channels: usize, a: usize, b: usize) -> f32 {
    (0..channels).map(|l| (x[a * channels + l] - x[b * channels + l]).powi(2)).sum()
}

#[wasm_bindgen_test]
async fn the_device_passes_its_check() {
    self_check(&gpu().await).await.expect("a device that computes what the CPU computes");
}

#[wasm_bindgen_test]
async fn neighbours_are_as_near_as_the_cpu_finds_them() {
    let device = gpu().await;
    for [batch, nodes, channels, k] in
        [[1, 1, 3, 1], [2, 5, 3, 5], [1, 65, 4, 20], [3, 130, 64, 20], [1, 100, 1031, 7], [1, 200, 1, 32]]
    {
        let what = format!("{batch} × {nodes} nodes, {channels} channels, k = {k}");
        let x = random(batch * nodes * channels, 1);
        let shape = [batch, nodes, channels];
        let found = ints(knn(tensor(&x, shape, &device), k)).await;
        let expected = ints(knn(tensor(&x, shape, &Device::flex()), k)).await;
        assert_eq!(found.len(), expected.len(), "{what}");
        for node in 0..batch * nodes {
            let cloud = node / nodes * nodes;
            let mut row = found[node * k..][..k].to_vec();
            assert_eq!(row[0] as usize, node - cloud, "{what}: itself first");
            for (slot, (f, e)) in row.iter().zip(&expected[node * k..][..k]).enumerate() {
                assert!((0..nodes as i32).contains(f), "{what}: node {node} has neighbour {f}");
                let near = |j: i32| distance(&x, channels, node, cloud + j as usize);
                assert!((near(*f) - near(*e)).abs() <= KERNEL * (1.0 + near(*e)), "{what}: node {node}, slot {slot}");
            }
            row.sort_unstable();
            row.dedup();
            assert_eq!(row.len(), k, "{what}: node {node} has a neighbour twice");
        }
    }
}

#[wasm_bindgen_test]
async fn equal_distances_go_by_index() {
    let x: Vec<f32> = (0..150).map(|i| (i % 3) as f32).collect();
    let found = ints(knn(tensor(&x, [1, 150, 1], &gpu().await), 6)).await;
    assert_eq!(&found[..6], &[0, 3, 6, 9, 12, 15]);
    assert_eq!(&found[149 * 6..], &[149, 2, 5, 8, 11, 14]);
}

#[wasm_bindgen_test]
async fn reductions_equal_those_of_the_cpu() {
    let device = gpu().await;
    for [batch, nodes, channels, k] in [[1, 1, 1, 1], [2, 33, 3, 5], [1, 70, 64, 20], [2, 9, 1031, 4]] {
        let x = random(batch * nodes * channels, 3);
        for reducer in REDUCERS {
            let what = format!("{reducer:?}, {batch} × {nodes} nodes, {channels} channels, k = {k}");
            let on = |device: &Device| {
                let (x, near) = (tensor(&x, [batch, nodes, channels], device), graph([batch, nodes, k], device));
                (gather_reduce(x.clone(), near.clone(), reducer), distance_reduce(x, near, reducer))
            };
            let (found, expected) = (on(&device), on(&Device::flex()));
            assert_close(&what, &floats(found.0).await, &floats(expected.0).await, KERNEL);
            assert_close(&what, &floats(found.1).await, &floats(expected.1).await, KERNEL);
        }
        let convolved = |device: &Device| {
            let (x, near) = (tensor(&x, [batch, nodes, channels], device), graph([batch, nodes, k], device));
            edge_max(x.clone(), x - 0.1, near, SLOPE)
        };
        let what = format!("edge convolution, {channels} channels");
        assert_close(&what, &floats(convolved(&device)).await, &floats(convolved(&Device::flex())).await, KERNEL);
    }
}

#[wasm_bindgen_test]
async fn gradients_equal_those_of_the_cpu() {
    let device = gpu().await;
    let (batch, nodes, channels, k) = (2, 33, 5, 4);
    let shape = [batch, nodes, channels];
    let (x, pass) = (random(batch * nodes * channels, 4), random(batch * nodes * channels, 5));
    for reducer in REDUCERS {
        let on = |device: &Device| {
            let x = || tensor(&x, shape, device).into_dispatch();
            let near = || graph([batch, nodes, k], device).into_dispatch();
            let wide = tensor(&pass, shape, device).into_dispatch();
            let narrow = tensor(&pass[..batch * nodes], [batch, nodes, 1], device).into_dispatch();
            let features = <Dispatch as GraphOps>::gather_reduce_backward(x(), near(), wide, reducer);
            let distances = <Dispatch as GraphOps>::distance_reduce_backward(x(), near(), narrow, reducer);
            (Tensor::<3>::from_dispatch(features), Tensor::<3>::from_dispatch(distances))
        };
        let (found, expected) = (on(&device), on(&Device::flex()));
        assert_close(&format!("{reducer:?}"), &floats(found.0).await, &floats(expected.0).await, KERNEL);
        assert_close(&format!("{reducer:?} of distances"), &floats(found.1).await, &floats(expected.1).await, KERNEL);
    }
}

#[wasm_bindgen_test]
async fn linear_layers_equal_those_of_the_cpu() {
    let device = gpu().await;
    // A classifier's products have one row: those of DGCNN and of the shipped networks.
    let one_row = [[7, 5], [512, 10], [2048, 512], [512, 256], [256, 40], [128, 128]].map(|[i, o]| [1, 1, i, o]);
    for [batch, nodes, inputs, outputs] in [[2, 50, 3, 64], [1, 130, 65, 33]].into_iter().chain(one_row) {
        let what = format!("{batch} × {nodes} nodes, {inputs} → {outputs}");
        let (x, weight, bias) = (random(batch * nodes * inputs, 6), random(inputs * outputs, 7), random(outputs, 8));
        for slope in [SLOPE, 1.0] {
            let on = |device: &Device| {
                let (weight, bias) =
                    (tensor(&weight, [1, inputs, outputs], device), tensor(&bias, [1, 1, outputs], device));
                linear(tensor(&x, [batch, nodes, inputs], device), weight, bias, slope)
            };
            assert_close(&what, &floats(on(&device)).await, &floats(on(&Device::flex())).await, KERNEL);
        }
    }
}

fn task(n_points: usize, k: usize) -> Task {
    Task { n_points, in_channels: 3, k, n_classes: 10, graph: GraphSource::Sampled }
}

/// Logits of a random network for two random clouds.
async fn logits(architecture: &Architecture, task: &Task, device: &Device) -> Vec<f32> {
    let weights = Weights::random(architecture, task, 1);
    let gnn = Gnn::new(architecture, task, &weights, device).expect("a network");
    let points = random(2 * task.n_points * task.in_channels, 9);
    floats(gnn.forward(tensor(&points, [2, task.n_points, task.in_channels], device)).expect("an answer")).await
}

#[wasm_bindgen_test]
async fn networks_answer_as_on_the_cpu() {
    let device = gpu().await;
    let text = "3 6 3 6 7 1 4,0 0 0 1 0 2 3";
    let small: Plan = text.parse().expect("an architecture");
    let mut rng = SplitMix64::new(11);
    let mut architectures = vec![small.architecture().clone()];
    architectures.extend((0..2).map(|_| space::draw_architecture(&mut rng)));
    let task = task(70, 6);
    for architecture in &architectures {
        let found = logits(architecture, &task, &device).await;
        let expected = logits(architecture, &task, &Device::flex()).await;
        assert_close(&architecture.to_string(), &found, &expected, ENGINES_F32);
    }
}

/// Milliseconds until the values are here, the best of three runs after one that compiles.
async fn best_of_three(run: impl AsyncFn()) -> f64 {
    run().await;
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = js_sys::Date::now();
        run().await;
        best = best.min(js_sys::Date::now() - start);
    }
    best
}

/// Not a test of anything: prints what this machine takes. Slow on a software adapter.
#[wasm_bindgen_test]
#[ignore = "a measurement"]
async fn times() {
    let device = gpu().await;
    for turn in ["first, with its pipelines", "again"] {
        let start = js_sys::Date::now();
        self_check(&device).await.expect("a device that computes what the CPU computes");
        console_log!("wgpu: self-check, {turn}: {} ms", js_sys::Date::now() - start);
    }
    for (name, device) in [("flex", Device::flex()), ("wgpu", device)] {
        for channels in [3, 64] {
            let x = tensor(&random(1024 * channels, 1), [1, 1024, channels], &device);
            let run = async || drop(ints(knn(x.clone(), 20)).await);
            console_log!("{name}: knn of 1024 × {channels}, k = 20: {} ms", best_of_three(run).await);
        }
        let plan: Plan = "3 6 3 6 7 1 4,0 0 0 1 0 2 3".parse().expect("an architecture");
        for (what, architecture, task) in [
            ("small network, 128 points", plan.architecture().clone(), task(128, 10)),
            ("DGCNN, 256 points", Architecture::dgcnn(), task(256, 20)),
        ] {
            assert!(architecture.ops().iter().any(|op| matches!(op, Op::EdgeConv { .. })));
            let weights = Weights::random(&architecture, &task, 1);
            let gnn = Gnn::new(&architecture, &task, &weights, &device).expect("a network");
            let points = tensor(&random(task.n_points * 3, 2), [1, task.n_points, 3], &device);
            let run = async || drop(floats(gnn.forward(points.clone()).expect("an answer")).await);
            console_log!("{name}: {what}: {} ms", best_of_three(run).await);
        }
    }
}
