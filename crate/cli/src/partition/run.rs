//! `cleave partition --run`: the plan really executed, prediction and measurement side by side.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::{Device, Tensor, TensorData};
use cleave_arch::SplitMix64;
use cleave_arch::cnn::Network;
use cleave_arch::tolerance::relative_distance;
use cleave_model::cnn::{Cnn, CnnWeights, ImageCard, likeliest};
use cleave_partition::{Activity as Predicted, Cluster, Link, Measured, Medium, Strategy};
use cleave_session::Model;
use cleave_session::cooperate::{MemberSpec, Traffic, Weights};
use cleave_wire::ModelHash;
use rayon::ThreadPoolBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::cooperate::{Cooperation, Forming, News, Outcome};
use super::look;
use super::workers::Workers;
use crate::bench::median;
use crate::local::millis_since;
use crate::loopback::LoopbackEdge;
use crate::output::{Align, table};

/// Classes that are told.
const LIKELIEST: usize = 5;

/// How it is run.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Running")]
pub(super) struct RunArgs {
    /// Run the first strategy [default: mixed] over the workers of --workers: each but the first, which is this process,
    /// has the "address" (ws://HOST:PORT) and the "token" of a cleave-edge that was started with its --name
    #[arg(long, requires = "workers")]
    run: bool,
    /// Run it over so many workers in this process, which share its cores
    #[arg(long, value_name = "N", conflicts_with_all = ["run", "workers", "count"])]
    pub(super) local: Option<usize>,
    /// So many images
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Draws images and weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// An image to look at, PNG or JPEG, cut and scaled to what the network reads [default: noise]
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Dark where the image is bright: Fashion-MNIST's clothes are bright on black
    #[arg(long, requires = "input")]
    invert: bool,
    /// Weights of a file instead
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
}

impl RunArgs {
    pub(super) fn is_wanted(&self) -> bool {
        self.run || self.local.is_some()
    }
}

/// What was predicted and measured.
pub(super) struct Ran {
    names: Vec<String>,
    strategy: Strategy,
    outcome: Outcome,
    /// Of every run, how far its answer is from the unsplit one, relative to the largest value.
    far: f32,
    /// What an image takes this machine alone, on one thread: milliseconds.
    whole_ms: f64,
    gone: Vec<String>,
    /// Names of the classes, of weights that have them.
    classes: Vec<String>,
}

/// Runs images over the workers.
pub(super) fn run(
    args: &RunArgs,
    network: &Network,
    workers: &Workers,
    times: &Measured,
    strategy: Strategy,
) -> Result<Ran> {
    let names: Vec<String> = workers.cluster.workers().iter().map(|worker| worker.name.clone()).collect();
    let (weights, here, classes) = weights(args, network)?;
    let shape = network.input();
    let mut rng = SplitMix64::new(args.seed ^ 1);
    let mut noise = || (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    let images: Vec<Vec<f32>> = match &args.input {
        Some(path) => vec![look::read(path, args.invert, shape)?; args.runs as usize],
        None => (0..args.runs).map(|_| noise()).collect(),
    };
    let (whole, whole_ms) = unsplit(network, &here, &images)?;
    let edges = match args.local {
        Some(_) => names[1..].iter().map(|name| LoopbackEdge::worker(name)).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let members = match edges.is_empty() {
        true => members(workers)?,
        false => names[1..].iter().zip(&edges).map(|(name, edge)| edge.member(name)).collect(),
    };
    let cooperation = Cooperation { network, cluster: &workers.cluster, times, strategy, weights, members };
    let mut gone = Vec::new();
    let mut heard = |news: News| {
        if let News::Gone(name, why) = news {
            gone.push(format!("worker \"{name}\" is left behind: {why}"));
        }
    };
    let outcome = cooperation.run(&images, &mut heard)?;
    edges.into_iter().for_each(LoopbackEdge::stop);
    let far = outcome.answers.iter().zip(&whole).map(|(answer, whole)| relative_distance(&answer.values, whole));
    Ok(Ran { names, strategy, far: far.fold(0.0, f32::max), whole_ms, gone, classes, outcome })
}

/// A plan that was run, for a benchmark.
pub(crate) struct Spot {
    pub(crate) predicted_ms: f64,
    pub(crate) measured_ms: f64,
    /// Predicted and measured, of each worker that has a part.
    pub(crate) peak_bytes: Vec<[u64; 2]>,
    /// From the unsplit answer, relative to its largest value.
    pub(crate) distance: f32,
}

/// Runs a strategy's plan over workers in this process, which share its cores, with links shaped so.
pub(crate) fn spot(
    network: &Network,
    times: &Measured,
    strategy: Strategy,
    of: (usize, Link),
    runs: u32,
) -> Result<Spot> {
    let (count, link) = of;
    let args = RunArgs { run: false, local: Some(count), runs, seed: 0, input: None, invert: false, weights: None };
    let cluster = Cluster::uniform(count, link, Medium::Switched)?;
    let workers = Workers { cluster, slower: vec![1.0; count], reached: vec![None; count] };
    let ran = run(&args, network, &workers, times, strategy)?;
    let plan = &ran.outcome.formed.plan;
    let peaks = plan.memory.iter().enumerate().map(|(worker, memory)| [memory.peak(), ran.peak_bytes(worker)]);
    Ok(Spot {
        predicted_ms: plan.total_ms(),
        measured_ms: ran.measured_ms(),
        peak_bytes: peaks.filter(|[_, measured]| *measured > 0).collect(),
        distance: ran.far,
    })
}

fn members(workers: &Workers) -> Result<Vec<MemberSpec>> {
    let named = workers.cluster.workers().iter().zip(&workers.reached).skip(1);
    let member = |(worker, reached): (&cleave_partition::Worker, &Option<(String, String)>)| {
        let name = worker.name.clone();
        let Some((address, token)) = reached.clone() else {
            bail!("worker \"{name}\" has no address and token; a run needs both for all workers but the first");
        };
        Ok(MemberSpec { name, token, address })
    };
    named.map(member).collect()
}

/// As they are sent, as they are here, and names of their classes.
fn weights(args: &RunArgs, network: &Network) -> Result<(Weights, CnnWeights, Vec<String>)> {
    let Some(path) = &args.weights else {
        return Ok((Weights::Seeded(args.seed), CnnWeights::Seeded(args.seed), Vec::new()));
    };
    let within = || format!("the weights {}", path.display());
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", within()))?;
    let here = cleave_model::Weights::from_safetensors(&bytes).with_context(within)?;
    let here = CnnWeights::stored(network, here).with_context(within)?;
    let classes = ImageCard::from_safetensors(&bytes).with_context(within)?.map_or_else(Vec::new, |card| card.classes);
    let hash = ModelHash(Sha256::digest(&bytes).into());
    Ok((Weights::File(Model { hash, bytes: Arc::from(bytes) }), here, classes))
}

/// The answers of the network on this machine alone, and the median of what they take, milliseconds.
fn unsplit(network: &Network, weights: &CnnWeights, images: &[Vec<f32>]) -> Result<(Vec<Vec<f32>>, f64)> {
    let device = Device::flex();
    let pool = ThreadPoolBuilder::new().num_threads(1).build().context("no thread can be started")?;
    pool.install(|| {
        let cnn = Cnn::whole(network, weights, &device)?;
        let shape = network.input();
        let answer = |image: &Vec<f32>| {
            let start = Instant::now();
            let data = TensorData::new(image.clone(), [1, shape.channels, shape.height, shape.width]);
            let data = cnn.forward(Tensor::from_data(data, &device)).into_data();
            let values = data.try_into_vec::<f32>().map_err(|why| anyhow!("the answer cannot be read: {why:?}"))?;
            Ok((values, millis_since(start)))
        };
        let (answers, times) = images.iter().map(answer).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok((answers, median(times)))
    })
}

impl Ran {
    /// The name of one of the plan's workers.
    fn name(&self, worker: usize) -> &str {
        &self.names[self.outcome.formed.places[worker]]
    }

    /// The reports of runs by the last plan.
    fn reports(&self) -> impl Iterator<Item = &cleave_session::cooperate::RunReport> {
        let places = &self.outcome.formed.places;
        self.outcome.answers.iter().map(|answer| &answer.report).filter(move |report| report.places == *places)
    }

    fn measured_ms(&self) -> f64 {
        median(self.reports().map(|report| report.took().as_millis()).collect())
    }

    fn busy_ms(&self, worker: usize) -> f64 {
        median(self.reports().map(|report| report.workers[worker].busy().as_millis()).collect())
    }

    /// What each operator takes of a worker, predicted and, in the last run, measured.
    fn operators_ms(&self, worker: usize) -> Vec<[f64; 2]> {
        let mut each = vec![[0.0; 2]; self.outcome.formed.plan.schedule.stages.len()];
        for span in &self.outcome.formed.plan.timeline.spans[worker] {
            if matches!(span.activity, Predicted::Layer | Predicted::Add | Predicted::Tail) {
                each[span.operator][0] += span.to_ms - span.from_ms;
            }
        }
        let last = self.reports().last().map(|report| &report.workers[worker].spans);
        for span in last.into_iter().flatten().filter(|span| span.activity.is_computing()) {
            if let Some(operator) = each.get_mut(usize::from(span.stage)) {
                operator[1] += millis(span.end_micros.saturating_sub(span.start_micros));
            }
        }
        each
    }

    fn peak_bytes(&self, worker: usize) -> u64 {
        self.reports().map(|report| report.workers[worker].peak_bytes).max().unwrap_or(0)
    }

    fn traffic(&self) -> Vec<Vec<Traffic>> {
        self.reports().last().map(|report| report.traffic.clone()).unwrap_or_default()
    }

    /// The likeliest classes of the last image with their softmax.
    fn scores(&self) -> Vec<(String, f64)> {
        let values = self.outcome.answers.last().map_or(&[][..], |answer| &answer.values);
        likeliest(values, &self.classes, LIKELIEST)
    }

    fn restarts(&self) -> u32 {
        self.outcome.answers.iter().map(|answer| answer.report.restarts).sum()
    }

    pub(super) fn to_json(&self) -> Value {
        let Forming { places, plan, weight_bytes, reach } = &self.outcome.formed;
        let worker = |worker: usize| {
            json!({
                "name": self.name(worker), "weight_bytes": weight_bytes[worker], "latency_ms": reach.latencies_ms[worker],
                "predicted_busy_ms": plan.timeline.busy_ms[worker], "measured_busy_ms": self.busy_ms(worker),
                "operators_ms": self.operators_ms(worker),
                "predicted_peak_bytes": plan.memory[worker].peak(), "measured_peak_bytes": self.peak_bytes(worker),
            })
        };
        let (traffic, n) = (self.traffic(), places.len());
        let each = traffic.iter().map(|row| row.iter().map(|to| json!([to.messages, to.bytes])).collect::<Vec<_>>());
        json!({
            "strategy": self.strategy.name(), "runs": self.outcome.answers.len(),
            "predicted_ms": plan.total_ms(), "measured_ms": self.measured_ms(),
            "each_ms": self.reports().map(|report| report.took().as_millis()).collect::<Vec<_>>(),
            "predicted_messages": plan.timeline.messages,
            "messages": traffic.iter().flatten().map(|to| to.messages).sum::<u32>(),
            "traffic": each.collect::<Vec<_>>(), "relayed": reach.relayed,
            "workers": (0..n).map(worker).collect::<Vec<_>>(),
            "scores": self.scores(), "unsplit_ms": self.whole_ms, "distance": self.far, "restarts": self.restarts(), "gone": self.gone,
        })
    }

    pub(super) fn to_text(&self, network: &Network) -> String {
        let Forming { places, plan, reach, .. } = &self.outcome.formed;
        let (predicted, measured) = (plan.total_ms(), self.measured_ms());
        let mut text = format!(
            "{network}\n{}: {predicted:.1} ms predicted, {measured:.1} ms measured ({:+.1} %), median of {}\n\
             {:.1} ms by this machine alone\n\
             the answer is {:.1e} from the unsplit one, relative to its largest value; {} restarts\n",
            self.strategy,
            (measured / predicted - 1.0) * 100.0,
            self.reports().count(),
            self.whole_ms,
            self.far,
            self.restarts(),
        );
        if !self.classes.is_empty() {
            let scores = self.scores().into_iter().map(|(class, part)| format!("{class} {:.1} %", 100.0 * part));
            text.push_str(&format!("the last image: {}\n", scores.collect::<Vec<_>>().join(", ")));
        }
        self.gone.iter().for_each(|gone| text.push_str(&format!("{gone}\n")));
        let heading = [
            ("worker", Align::Left),
            ("ms busy predicted", Align::Right),
            ("measured", Align::Right),
            ("MB at most predicted", Align::Right),
            ("measured", Align::Right),
        ];
        let row = |worker: usize| {
            let peak = match self.peak_bytes(worker) {
                0 => "–".to_owned(),
                bytes => format!("{:.2}", bytes as f64 / 1e6),
            };
            vec![
                self.name(worker).to_owned(),
                format!("{:.1}", plan.timeline.busy_ms[worker]),
                format!("{:.1}", self.busy_ms(worker)),
                format!("{:.2}", plan.memory[worker].peak() as f64 / 1e6),
                peak,
            ]
        };
        text.push_str(&format!("\n{}", table(&heading, &(0..places.len()).map(row).collect::<Vec<_>>())));
        let mut rows = Vec::new();
        for (from, row) in self.traffic().iter().enumerate() {
            for (to, traffic) in row.iter().enumerate().filter(|(_, traffic)| traffic.messages > 0) {
                let how = if reach.relayed.contains(&(from, to)) { "relayed" } else { "" };
                let bytes = format!("{:.3}", traffic.bytes as f64 / 1e6);
                rows.push(vec![
                    self.name(from).to_owned(),
                    self.name(to).to_owned(),
                    traffic.messages.to_string(),
                    bytes,
                    how.to_owned(),
                ]);
            }
        }
        let heading = [
            ("from", Align::Left),
            ("to", Align::Left),
            ("messages", Align::Right),
            ("MB", Align::Right),
            ("", Align::Left),
        ];
        text.push_str(&format!("\n\n{}", table(&heading, &rows)));
        text
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}
