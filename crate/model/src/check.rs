//! Whether a device computes what it should: tiny versions of every operation, on the device and on
//! the CPU. In a browser a faulty shader is only logged and leaves zeros behind, so whoever wants to
//! use WebGPU asks here first.

use crate::functional::{pool, skip};
use crate::ops::{distance_reduce, edge_max, gather_reduce, knn, linear};
use crate::{ModelError, SLOPE};
use burn::tensor::{Device, Int, Tensor, TensorData, Transaction};
use cleave_arch::tolerance::ENGINES_F32;
use cleave_arch::{Pool, Reducer, SplitMix64};

/// Two clouds, more nodes than one tile of the neighbour search and no multiple of one.
const BATCH: usize = 2;
const NODES: usize = 70;
const NEIGHBOURS: usize = 9;
/// Nodes of which a part is made.
const ROWS: usize = 24;
/// Inputs and outputs of a classifier's layers, which multiply one row: aligned, with few classes, and with a rest. For a
/// product of one row cubek chooses other kernels than for many, some of which rest on features that a device may lack.
const ONE_ROW: [(usize, usize); 3] = [(512, 256), (256, 10), (37, 5)];

/// Runs every operation on `device` and on the CPU and compares. Waits once, for all results; takes
/// a few milliseconds of computing and, on a GPU, the time its pipelines need to compile.
///
/// # Errors
/// [`ModelError::Deviates`] names the first operation whose result differs,
/// [`ModelError::ReadBack`] says that the device gave no result at all.
pub async fn self_check(device: &Device) -> Result<(), ModelError> {
    let expected = read(probes(&Device::flex())).await?;
    let found = read(probes(device)).await?;
    for ((name, expected), (_, found)) in expected.iter().zip(&found) {
        compare(name, expected, found)?;
    }
    Ok(())
}

fn compare(name: &str, expected: &[f32], found: &[f32]) -> Result<(), ModelError> {
    let close = |(e, f): (&f32, &f32)| (e - f).abs() <= ENGINES_F32 * (1.0 + e.abs());
    if expected.len() == found.len() && expected.iter().zip(found).all(close) {
        return Ok(());
    }
    let at = expected.iter().zip(found).position(|pair| !close(pair));
    let value = |of: &[f32]| at.and_then(|at| of.get(at)).copied().unwrap_or(of.len() as f32);
    Err(ModelError::Deviates { operation: name.to_owned(), expected: value(expected), found: value(found) })
}

/// A result to compare: values as they are, neighbours by their distances, so that rounding may
/// order two that are equally far either way.
enum Probe {
    Values(Tensor<3>),
    Neighbours(Tensor<3, Int>, Vec<f32>),
}

/// Every operation, each variant of a kernel once: most of the time goes into compiling them.
fn probes(device: &Device) -> Vec<(String, Probe)> {
    let graph = Tensor::<3, Int>::from_data(graph(), device);
    let mut probes = Vec::new();
    let mut push = |name: &str, channels: usize, value| probes.push((format!("{name} of {channels} channels"), value));
    // Fewer channels than the search stages at once, and several stages with a rest.
    for (channels, outputs) in [(3, 16), (37, 5)] {
        let (cloud, x) = input(channels, device);
        push("nearest neighbours", channels, Probe::Neighbours(knn(x.clone(), NEIGHBOURS), cloud));
        let weight = tensor(&random(channels * outputs, 5), [1, channels, outputs], device);
        let bias = tensor(&random(outputs, 6), [1, 1, outputs], device);
        push("linear layer", channels, Probe::Values(linear(x, weight, bias, SLOPE)));
    }
    // Single values and vectors of four.
    for (channels, reducers) in [(3, [Reducer::Max, Reducer::Mean]), (8, [Reducer::Add, Reducer::Min])] {
        let (_, x) = input(channels, device);
        for reducer in reducers {
            let near = gather_reduce(x.clone(), graph.clone(), reducer);
            push(&format!("{reducer:?} over neighbours"), channels, Probe::Values(near));
            let far = distance_reduce(x.clone(), graph.clone(), reducer);
            push(&format!("{reducer:?} of distances"), channels, Probe::Values(far));
        }
        let convolved = edge_max(x.clone(), x.clone() + 0.25, graph.clone(), SLOPE);
        push("edge convolution", channels, Probe::Values(convolved));
        // Of some nodes, as a worker of several computes it.
        let (some, own) = (graph.clone().narrow(1, 20, ROWS), x.clone().narrow(1, 20, ROWS));
        push("maximum of some nodes", channels, Probe::Values(gather_reduce(x.clone(), some.clone(), Reducer::Max)));
        push("edge convolution of some nodes", channels, Probe::Values(edge_max(x, own, some, SLOPE)));
    }
    for (inputs, outputs) in ONE_ROW {
        let row = tensor(&random(inputs, 7), [1, 1, inputs], device);
        let weight = random(inputs * outputs, 5);
        let bias = tensor(&random(outputs, 6), [1, 1, outputs], device);
        let layer = linear(row.clone(), tensor(&weight, [1, inputs, outputs], device), bias, SLOPE);
        push("linear layer of one row", inputs, Probe::Values(layer));
        // Image networks keep their weights by output.
        let by_output = tensor(&weight, [1, outputs, inputs], device).swap_dims(1, 2);
        push("transposed product of one row", inputs, Probe::Values(row.matmul(by_output)));
    }
    let (_, x) = input(8, device);
    for kind in [Pool::MaxMean, Pool::MeanAdd] {
        push("pooling", 8, Probe::Values(pool(x.clone(), kind)));
    }
    let wider = Tensor::cat(vec![x.clone(), x.clone() - x.clone().mul_scalar(3.0)], 2);
    push("skip connection", 8, Probe::Values(skip(wider, x)));
    probes
}

fn input(channels: usize, device: &Device) -> (Vec<f32>, Tensor<3>) {
    let cloud = random(BATCH * NODES * channels, channels as u64);
    let x = tensor(&cloud, [BATCH, NODES, channels], device);
    (cloud, x)
}

async fn read(probes: Vec<(String, Probe)>) -> Result<Vec<(String, Vec<f32>)>, ModelError> {
    let mut wanted = Transaction::default();
    let mut clouds = Vec::new();
    for (name, probe) in probes {
        let (registered, cloud) = match probe {
            Probe::Values(values) => (wanted.register(values), None),
            Probe::Neighbours(indexes, cloud) => (wanted.register(indexes), Some(cloud)),
        };
        wanted = registered;
        clouds.push((name, cloud));
    }
    let read = wanted.execute_async().await.map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })?;
    let values = |(data, (name, cloud)): (TensorData, (String, Option<Vec<f32>>))| {
        let values = match cloud {
            None => data.convert::<f32>().try_into_vec::<f32>(),
            Some(cloud) => data.convert::<i32>().try_into_vec::<i32>().map(|near| distances(&cloud, &near)),
        };
        values.map(|values| (name, values)).map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })
    };
    read.into_iter().zip(clouds).map(values).collect()
}

/// Squared distances to the neighbours found; NaN, which equals nothing, for an index outside of the cloud.
fn distances(cloud: &[f32], near: &[i32]) -> Vec<f32> {
    let channels = cloud.len() / (BATCH * NODES);
    let row = |node: usize| &cloud[node * channels..][..channels];
    let distance = |(at, j): (usize, &i32)| {
        let node = at / NEIGHBOURS;
        if !(0..NODES as i32).contains(j) {
            return f32::NAN;
        }
        let other = node / NODES * NODES + *j as usize;
        row(node).iter().zip(row(other)).map(|(a, b)| (a - b) * (a - b)).sum()
    };
    near.iter().enumerate().map(distance).collect()
}

fn tensor(values: &[f32], shape: [usize; 3], device: &Device) -> Tensor<3> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    (0..length).map(|_| rng.unit_f32() - 0.5).collect()
}

fn graph() -> TensorData {
    let mut rng = SplitMix64::new(9);
    let indexes: Vec<i32> = (0..BATCH * NODES * NEIGHBOURS).map(|_| rng.below(NODES) as i32).collect();
    TensorData::new(indexes, [BATCH, NODES, NEIGHBOURS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_named() {
        let wrong = compare("pooling", &[1.0, 2.0], &[1.0, 0.0]);
        assert_eq!(wrong, Err(ModelError::Deviates { operation: "pooling".into(), expected: 2.0, found: 0.0 }));
        assert!(compare("pooling", &[1.0], &[f32::NAN]).is_err());
        assert!(compare("pooling", &[1.0], &[]).is_err());
        assert!(compare("pooling", &[1.0], &[1.0001]).is_ok());
    }

    #[test]
    fn products_of_one_row_are_among_what_is_compared() {
        let named: Vec<String> = probes(&Device::flex()).into_iter().map(|(name, _)| name).collect();
        for (inputs, _) in ONE_ROW {
            let of = |name: &&String| name.ends_with(&format!("of one row of {inputs} channels"));
            assert_eq!(named.iter().filter(of).count(), 2, "{inputs} inputs: {named:?}");
        }
    }

    #[test]
    fn neighbours_outside_of_the_cloud_equal_nothing() {
        let cloud = random(BATCH * NODES * 3, 1);
        let mut near = vec![0; BATCH * NODES * NEIGHBOURS];
        near[0] = NODES as i32;
        let found = distances(&cloud, &near);
        assert!(found[0].is_nan() && found[1..].iter().all(|d| d.is_finite()));
    }
}
