//! How long this engine takes for a piece of work: the rows of a latency table.
//!
//! Each probe is run alone on data of its own, as a segment would run it, again and again; the clock is the caller's.
//! Neighbours are sought among points in a ball and among features of a hidden layer, gathers go to random nodes:
//! points of a sampled surface come in no order either.

use crate::exec::{Executor, Params, Value, Values};
use crate::functional::{aggregate, pool, random_indexes, skip};
use crate::ops::{edge_max, knn, linear};
use crate::{ModelError, SLOPE};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::{CLASSIFIER_HIDDEN, Connect, Op, Probe, Sampler, SplitMix64, timed};
use cleave_graph::{Graph, Layout, Region};
use std::sync::Arc;

/// Milliseconds of each of `runs` runs of a probe on `device`; `None` for codecs, which are no engine's work.
///
/// # Errors
/// [`ModelError::ReadBack`] from a device that fails.
pub async fn measure(
    probe: &Probe,
    device: &Device,
    runs: usize,
    clock: impl Fn() -> f64,
) -> Option<Result<Vec<f64>, ModelError>> {
    let piece = match Piece::new(probe, device)? {
        Ok(piece) => piece,
        Err(why) => return Some(Err(why)),
    };
    let run = async |times: usize| {
        let mut last = None;
        for _ in 0..times {
            last = Some(piece.run(device));
        }
        // Where the device works asynchronously, reading one value waits for all before it.
        match last {
            Some(Made::Values(values)) => match values?.into_values().next() {
                Some(value) => wait(value.first()).await,
                None => Ok(()),
            },
            Some(Made::Floats(tensor)) => wait(tensor.flatten::<1>(0, 2).narrow(0, 0, 1)).await,
            Some(Made::Indexes(tensor)) => wait(tensor.flatten::<1>(0, 2).narrow(0, 0, 1).float()).await,
            Some(Made::Nothing) | None => Ok(()),
        }
    };
    Some(timed(clock, runs, run).await)
}

async fn wait(value: Tensor<1>) -> Result<(), ModelError> {
    value.into_data_async().await.map(drop).map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })
}

enum Made {
    Nothing,
    Values(Result<Values, ModelError>),
    Floats(Tensor<3>),
    Indexes(Tensor<3, Int>),
}

/// A probe with its data.
enum Piece {
    Op { op: Op, k: usize, x: Box<Tensor<3>>, graph: Option<Box<Tensor<3, Int>>>, layers: Vec<(Tensor<3>, Tensor<3>)> },
    Classifier { row: Box<Tensor<3>>, layers: Vec<(Tensor<3>, Tensor<3>)> },
    Graph { executor: Box<Executor>, inputs: Values },
    Move { values: Vec<f32> },
}

impl Piece {
    fn new(probe: &Probe, device: &Device) -> Option<Result<Self, ModelError>> {
        Some(Ok(match *probe {
            Probe::Graph(ref graph) => return Some(Self::graph(graph.clone(), device)),
            Probe::Op { op, rows, channels, k } => {
                let reads_graph = op.reads_graph() || op == Op::Sample(Sampler::Random);
                let graph = reads_graph.then(|| Box::new(Tensor::from_data(random_indexes(0, rows, k), device)));
                let layers = match op {
                    Op::Combine { channels: out } => vec![layer(channels, out, device)],
                    Op::EdgeConv { channels: out } => {
                        vec![layer(channels, out, device), layer(channels, out, device)]
                    }
                    _ => Vec::new(),
                };
                Self::Op { op, k, x: Box::new(features(rows, channels, device)), graph, layers }
            }
            Probe::Classifier { channels, n_classes } => {
                let [first, second] = CLASSIFIER_HIDDEN;
                let widths = [(channels, first), (first, second), (second, n_classes)];
                let layers = widths.into_iter().map(|(inputs, outputs)| layer(inputs, outputs, device)).collect();
                Self::Classifier { row: Box::new(features(1, channels, device)), layers }
            }
            Probe::Move { values } => Self::Move { values: random(values, 4) },
            Probe::Encode { .. } | Probe::Decode { .. } => return None,
        }))
    }

    fn graph(graph: Arc<Graph>, device: &Device) -> Result<Self, ModelError> {
        let mut inputs = Values::new();
        for (value, of) in graph.inputs().iter().enumerate() {
            let n = of.shape.values() as usize;
            let numbers = match of.layout {
                Layout::Neighbours => (0..n).map(|at| (at % of.shape.height) as f32).collect(),
                _ => random(n, 4),
            };
            inputs.insert(value, Value::of(numbers, &Region::all(of.shape), *of, device)?);
        }
        let nodes = 0..graph.nodes().len();
        let executor = Box::new(Executor::new(graph, nodes, &Params::Seeded(1), device)?);
        Ok(Self::Graph { executor, inputs })
    }

    fn run(&self, device: &Device) -> Made {
        match self {
            Self::Op { op, k, x, graph, layers } => run_op(*op, *k, x, graph.as_deref(), layers),
            Self::Classifier { row, layers } => {
                let through =
                    |x, (weight, bias): &(Tensor<3>, Tensor<3>)| linear(x, weight.clone(), bias.clone(), SLOPE);
                Made::Floats(layers.iter().fold(row.as_ref().clone(), through))
            }
            Self::Graph { executor, inputs } => Made::Values(executor.run(inputs.clone())),
            Self::Move { values } => {
                let there = TensorData::new(values.clone(), [1, 1, values.len()]);
                Made::Floats(Tensor::from_data(there, device))
            }
        }
    }
}

fn run_op(op: Op, k: usize, x: &Tensor<3>, graph: Option<&Tensor<3, Int>>, layers: &[(Tensor<3>, Tensor<3>)]) -> Made {
    let x = x.clone();
    let through = |at: usize, slope| linear(x.clone(), layers[at].0.clone(), layers[at].1.clone(), slope);
    Made::Floats(match (op, graph) {
        (Op::Sample(Sampler::Knn), _) => return Made::Indexes(knn(x, k)),
        (Op::Sample(Sampler::Random), Some(graph)) => return Made::Indexes(graph.clone().repeat_dim(0, 1)),
        (Op::Connect(Connect::Skip), _) => skip(x.clone(), x),
        (Op::Combine { .. }, _) => through(0, SLOPE),
        (Op::Pool(kind), _) => pool(x, kind),
        (Op::Join, _) => {
            let width = x.dims()[2];
            let (left, right) = (x.clone().narrow(2, 0, width / 2), x.narrow(2, width / 2, width - width / 2));
            Tensor::cat(vec![left, right], 2)
        }
        (Op::Aggregate { message, reducer }, Some(graph)) => aggregate(x, graph.clone(), message, reducer),
        (Op::EdgeConv { .. }, Some(graph)) => edge_max(through(0, 1.0), through(1, 1.0), graph.clone(), SLOPE),
        // The identity; the others have a graph by construction.
        (Op::Connect(Connect::Identity) | Op::Sample(_) | Op::Aggregate { .. } | Op::EdgeConv { .. }, _) => {
            return Made::Nothing;
        }
    })
}

/// Three channels are points; more are what a hidden layer gives, half of it squeezed by the rectifier.
fn features(rows: usize, channels: usize, device: &Device) -> Tensor<3> {
    let mut values = random(rows * channels, 3);
    if channels > 3 {
        values.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value *= SLOPE);
    }
    Tensor::from_data(TensorData::new(values, [1, rows, channels]), device)
}

fn layer(inputs: usize, outputs: usize, device: &Device) -> (Tensor<3>, Tensor<3>) {
    let scale = (inputs as f32).sqrt().recip();
    let weight: Vec<f32> = random(inputs * outputs, 1).into_iter().map(|value| scale * value).collect();
    let tensor = |values: Vec<f32>, rows| {
        let outputs = values.len() / rows;
        Tensor::from_data(TensorData::new(values, [1, rows, outputs]), device)
    };
    (tensor(weight, inputs), tensor(random(outputs, 2), 1))
}

fn random(length: usize, seed: u64) -> Vec<f32> {
    let mut rng = SplitMix64::new(seed);
    (0..length).map(|_| 2.0 * rng.unit_f32() - 1.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn every_kind_of_probe_runs_and_codecs_are_left_to_others() {
        let run = |text: &str| {
            let clock = std::cell::Cell::new(0.0);
            let tick = || clock.replace(clock.get() + 3.0);
            let probe: Probe = text.parse().unwrap();
            measure(&probe, &Device::flex(), 2, tick).now_or_never().unwrap().map(|ms| ms.unwrap())
        };
        let ops = (0..8).flat_map(|id| (0..28).filter_map(move |function| Op::from_ids(id, function)));
        for op in ops {
            let (id, function) = op.ids();
            let ms = run(&format!("op {id} {function} 16 8 4"));
            assert_eq!(ms, Some(vec![3.0, 3.0]), "{op}");
        }
        assert_eq!(run("classifier 8 10").unwrap().len(), 2);
        for graph in
            ["3x8x8: conv 4 k3, relu", "4x3x3: flatten, linear 2", "16x8 16n3: aggregate max source, readout max"]
        {
            assert_eq!(run(&format!("graph {graph}")).unwrap().len(), 2, "{graph}");
        }
        assert_eq!(run("move 100").unwrap().len(), 2);
        assert_eq!(run("encode f32 100"), None);
    }
}
