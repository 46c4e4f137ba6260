//! An image network on Flex, operator by operator: its own kernels beside burn's, on one thread and on all.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use cleave_graph::op::Conv;
use cleave_graph::{Graph, Op, Operator, Shape, Split, zoo};
use cleave_model::exec::{Executor, Params, Part, Value};
use rayon::ThreadPoolBuilder;
use serde_json::json;

use crate::local::{median, millis_since};
use crate::output::{Format, table};

const RUNS: usize = 7;

/// What `images` runs.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Images")]
pub(super) struct ImagesArgs {
    /// Name of an image network, or its chain
    #[arg(long, default_value = "vgg11")]
    network: String,
}

/// Medians of one operator in milliseconds.
struct Row {
    name: String,
    macs: u64,
    /// On one thread, on all.
    ours: [f64; 2],
    burns: Option<[f64; 2]>,
}

pub(super) fn run(format: Format, args: &ImagesArgs) -> Result<()> {
    let network = zoo::network(&args.network)?;
    let device = Device::flex();
    let executor = Executor::whole(&network, &Params::Seeded(1), &device)?;
    let image = random(network.input(), &device);
    executor.answer(Value::Map(image.clone()))?;
    let whole = on_threads(|| time(|| executor.answer(Value::Map(image.clone())).ok()))?;
    let rows = network.operators().iter().enumerate().map(|(at, operator)| row(&network, at, operator, &device));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    format.print(|| to_text(&network, whole, &rows), || to_json(&network, whole, &rows))
}

fn row(network: &Graph, at: usize, operator: &Operator, device: &Device) -> Result<Row> {
    let input = random(operator.input(), device);
    let part = Part::new(network, at, Split::Alone(0), device)?;
    let ours = on_threads(|| time(|| part.layer()))?;
    let (channels, outputs) = (operator.input().channels, operator.made.shape.channels);
    let burns = match operator.op {
        Op::Conv(Conv { kernel, stride, padding, .. }) => {
            let weight = Shape { channels, height: kernel, width: kernel };
            let weight: Tensor<4> = random(weight, device).repeat_dim(0, outputs);
            let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
            Some(on_threads(|| time(|| conv2d(input.clone(), weight.clone(), None, options.clone())))?)
        }
        Op::Linear(_) => {
            let inputs = operator.input().values() as usize;
            let weight = random(Shape { channels: 1, height: inputs, width: outputs }, device);
            let (row, weight) = (input.clone().reshape([1, inputs]), weight.reshape([inputs, outputs]));
            Some(on_threads(|| time(|| row.clone().matmul(weight.clone())))?)
        }
        _ => None,
    };
    Ok(Row { name: operator.op.to_string(), macs: operator.macs(), ours, burns })
}

fn random(shape: Shape, device: &Device) -> Tensor<4> {
    let mut rng = SplitMix64::new(1);
    let values: Vec<f32> = (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [1, shape.channels, shape.height, shape.width]), device)
}

fn on_threads(work: impl Fn() -> f64 + Sync) -> Result<[f64; 2]> {
    let one = ThreadPoolBuilder::new().num_threads(1).build().context("no thread can be started")?;
    Ok([one.install(&work), work()])
}

fn time<T>(work: impl Fn() -> T) -> f64 {
    black_box(work());
    let millis = |_| {
        let start = Instant::now();
        black_box(work());
        millis_since(start)
    };
    median((0..RUNS).map(millis).collect())
}

fn to_json(network: &Graph, whole: [f64; 2], rows: &[Row]) -> serde_json::Value {
    let row = |row: &Row| json!({ "operator": row.name, "macs": row.macs, "ms": row.ours, "burn_ms": row.burns });
    json!({
        "bench": "images", "network": network.to_string(), "threads": [1, rayon::current_num_threads()], "ms": whole,
        "operators": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn to_text(network: &Graph, whole: [f64; 2], rows: &[Row]) -> String {
    let heading = ["operator", ">MMAC", ">1 thread", ">all", ">burn's, 1", ">all", ">GFLOP/s, 1"];
    let line = |row: &Row| {
        let burns = |at: usize| row.burns.map_or("–".to_owned(), |burns| format!("{:.2}", burns[at]));
        let speed = 2.0 * row.macs as f64 / row.ours[0] / 1e6;
        vec![
            row.name.clone(),
            format!("{:.1}", row.macs as f64 / 1e6),
            format!("{:.2}", row.ours[0]),
            format!("{:.2}", row.ours[1]),
            burns(0),
            burns(1),
            format!("{speed:.1}"),
        ]
    };
    let mut rows: Vec<_> = rows.iter().map(line).collect();
    let macs = network.macs() as f64;
    rows.push(vec![
        "whole network".into(),
        format!("{:.1}", macs / 1e6),
        format!("{:.2}", whole[0]),
        format!("{:.2}", whole[1]),
        String::new(),
        String::new(),
        format!("{:.1}", 2.0 * macs / whole[0] / 1e6),
    ]);
    format!("{network}\nmedian ms of {RUNS} runs\n\n{}", table(&heading, rows))
}
