//! What the operators of an image network take on this machine, part by part, on one thread: as a file, and as the
//! planners' times.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::{Device, Tensor};
use cleave_arch::cnn::Network;
use cleave_model::cnn::{Others, Part};
use cleave_partition::{Measured, Probe, Sample, Way, probes};
use indicatif::ProgressBar;
use rayon::ThreadPoolBuilder;
use serde_json::{Value, json};

use crate::bench::median;
use crate::local::millis_since;

/// Runs of a part, after one that warms up.
const RUNS: usize = 5;
/// Before each, so long nothing is computed.
const PAUSE: Duration = Duration::from_millis(5);
/// Values that are added to learn what adding takes.
const ADDED: usize = 1 << 20;

/// Times of one network on one machine.
pub(crate) struct Times {
    network: String,
    samples: Vec<Sample>,
    add_ms_per_value: f64,
}

impl Times {
    /// Measures this machine: some seconds.
    pub(crate) fn measure(network: &Network) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().context("no thread can be started")?;
        pool.install(|| {
            let probes = probes(network);
            let mut others = Others::default();
            let bar = ProgressBar::new(probes.len() as u64);
            let samples = probes.iter().map(|probe| {
                bar.inc(1);
                measure(network, probe, &mut others)
            });
            let samples = samples.collect::<Result<_>>()?;
            bar.finish_and_clear();
            let device = Device::flex();
            let (a, b) = (Tensor::<1>::ones([ADDED], &device), Tensor::<1>::ones([ADDED], &device));
            let add_ms = time(&mut others, || a.clone() + b.clone());
            Ok(Self { network: network.to_string(), samples, add_ms_per_value: add_ms / ADDED as f64 })
        })
    }

    /// From a file that [`Self::to_json`] made for this network.
    pub(crate) fn read(path: &Path, network: &Network) -> Result<Self> {
        let within = || format!("the times {}", path.display());
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", within()))?;
        let json: Value = serde_json::from_str(&text).with_context(within)?;
        let times = Self::parse(&json).with_context(within)?;
        if times.network != network.to_string() {
            bail!("{} are of {}; they must be of {network}", within(), times.network);
        }
        match probes(network).len() == times.samples.len() {
            true => Ok(times),
            false => bail!("{} have {} samples; measure them again", within(), times.samples.len()),
        }
    }

    fn parse(json: &Value) -> Result<Self> {
        let sample = |json: &Value| {
            let number = |key: &str| {
                let number = json[key].as_f64().filter(|number| number.is_finite() && *number >= 0.0);
                number.ok_or_else(|| anyhow!("a sample needs {key}, a number from 0"))
            };
            let way = match json["way"].as_str() {
                Some("outputs") => Way::Outputs,
                Some("inputs") => Way::Inputs,
                Some("rows") => Way::Rows,
                _ => bail!("a sample's way is outputs, inputs or rows"),
            };
            let (operator, share) = (number("operator")? as usize, number("share")?);
            Ok(Sample { operator, way, share, layer_ms: number("layer_ms")?, tail_ms: number("tail_ms")? })
        };
        Ok(Self {
            network: json["network"].as_str().ok_or_else(|| anyhow!("the network is missing"))?.to_owned(),
            samples: json["samples"].as_array().into_iter().flatten().map(sample).collect::<Result<_>>()?,
            add_ms_per_value: json["add_ms_per_value"]
                .as_f64()
                .ok_or_else(|| anyhow!("add_ms_per_value is missing"))?,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let sample = |sample: &Sample| {
            let way = match sample.way {
                Way::Outputs => "outputs",
                Way::Inputs => "inputs",
                Way::Rows => "rows",
            };
            let Sample { operator, share, layer_ms, tail_ms, .. } = sample;
            json!({ "operator": operator, "way": way, "share": share, "layer_ms": layer_ms, "tail_ms": tail_ms })
        };
        let samples: Vec<Value> = self.samples.iter().map(sample).collect();
        json!({ "network": self.network, "samples": samples, "add_ms_per_value": self.add_ms_per_value })
    }

    /// Of workers that are so many times slower than this machine.
    pub(crate) fn of_workers<'a>(&self, network: &'a Network, slower: &[f64]) -> Measured<'a> {
        let mut measured = Measured::new(network);
        slower.iter().for_each(|slower| measured.add_worker(&self.samples, self.add_ms_per_value, *slower));
        measured
    }
}

fn measure(network: &Network, probe: &Probe, others: &mut Others) -> Result<Sample> {
    let part = Part::new(network, probe.operator, probe.split.clone(), &Device::flex())?;
    let tail_ms = if part.tail().is_some() { time(others, || part.tail()) } else { 0.0 };
    let (operator, way, share) = (probe.operator, probe.way, probe.share);
    Ok(Sample { operator, way, share, layer_ms: time(others, || part.layer()), tail_ms })
}

/// Median milliseconds, each after a pause in which others use the caches: as a worker computes that waits for others.
fn time<T>(others: &mut Others, work: impl Fn() -> T) -> f64 {
    black_box(work());
    let millis = |_| {
        others.compute();
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        black_box(work());
        millis_since(start)
    };
    median((0..RUNS).map(millis).collect())
}
