//! DGCNN (n = 1024, k = 20, 40 classes, batch 1) on Flex: one thread, then all of them, operation by operation.

use std::time::Instant;

use anyhow::Result;
use cleave_arch::{Architecture, Array, Mapping, Plan, Task, Tier};
use serde_json::{Value, json};

use super::{random_input, stages};
use crate::local::{DeviceChoice, Engine, median, millis_since};
use crate::network::Network;
use crate::output::{Format, table};

const WARM_UP: usize = 3;
const RUNS: usize = 10;

struct Measured {
    threads: usize,
    whole: f64,
    stages: Vec<(String, f64)>,
}

pub(super) fn run(format: Format) -> Result<()> {
    let task = Task::dgcnn40();
    let network = Network::random(Plan::whole(Architecture::dgcnn(), Tier::Device), task, 1)?;
    let engine = |n| Engine::new(network.load(&DeviceChoice::Cpu.open()?)?).with_threads(n);
    let cloud = random_input(&network)?;
    let one = measure(&engine(1)?, &network.mapping, &cloud)?;
    let all = measure(&engine(0)?, &network.mapping, &cloud)?;
    format.print(|| to_text(&one, &all), || to_json(&one, &all))
}

fn measure(engine: &Engine, mapping: &Mapping, cloud: &Array) -> Result<Measured> {
    let mut whole = Vec::new();
    for run in 0..WARM_UP + RUNS {
        let start = Instant::now();
        engine.whole(cloud)?;
        if run >= WARM_UP {
            whole.push(millis_since(start));
        }
    }
    Ok(Measured { threads: engine.threads(), whole: median(whole), stages: stages(engine, mapping, cloud, RUNS)? })
}

fn to_json(one: &Measured, all: &Measured) -> Value {
    let part = |measured: &Measured| {
        let stages: Vec<Value> =
            measured.stages.iter().map(|(name, millis)| json!({ "operation": name, "ms": millis })).collect();
        json!({ "threads": measured.threads, "ms": measured.whole, "operations": stages })
    };
    json!({
        "bench": "native", "network": "dgcnn", "points": 1024, "k": 20, "classes": 40, "batch": 1, "runs": RUNS,
        "one_thread": part(one), "all_threads": part(all),
    })
}

fn to_text(one: &Measured, all: &Measured) -> String {
    let heading = ["operation".to_owned(), threads(one.threads), threads(all.threads)];
    let row = |name: &str, a: f64, b: f64| vec![name.to_owned(), format!("{a:.2}"), format!("{b:.2}")];
    let stages = one.stages.iter().zip(&all.stages);
    let mut rows: Vec<Vec<String>> = stages.map(|((name, a), (_, b))| row(name, *a, *b)).collect();
    rows.push(row("whole network", one.whole, all.whole));
    format!("DGCNN, 1024 points, k = 20, 40 classes, batch 1: median ms of {RUNS} runs\n\n{}", table(&heading, rows))
}

fn threads(n: usize) -> String {
    if n == 1 { ">1 thread".into() } else { format!(">{n} threads") }
}
