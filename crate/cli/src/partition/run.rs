//! `cleave partition --run`: the plan really executed, prediction and measurement side by side.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use cleave_app::cooperation::{Formed, News, Report, Request, Trained, noise};
use cleave_app::operators::OperatorTimes;
use cleave_app::partition::{Shown, Workers};
use cleave_graph::Graph;
use cleave_model::likeliest;
use cleave_partition::{Activity as Predicted, Link, Medium, Strategy};
use cleave_session::cooperate::Traffic;
use serde_json::{Value, json};

use super::{cooperate, look};
use crate::file;
use crate::local::median;
use crate::loopback::LoopbackEdge;
use crate::output::table;

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
    report: Report,
    /// Names of the classes, of weights that have them.
    classes: Vec<String>,
}

/// Runs images over the workers, and each image whole on this machine alone, on one thread.
pub(super) fn run(
    args: &RunArgs,
    network: &Graph,
    workers: Workers,
    times: OperatorTimes,
    strategy: Strategy,
) -> Result<Ran> {
    let names = super::names(&workers);
    let Trained { weights, card } = trained(args, network)?;
    let (shape, runs) = (network.input(), args.runs as usize);
    let images = match &args.input {
        Some(path) => vec![look::read(path, args.invert, shape)?],
        None => noise(shape, args.seed ^ 1).take(runs).collect(),
    };
    let edges = match args.local {
        Some(_) => names[1..].iter().map(|name| LoopbackEdge::worker(name)).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let members = match edges.is_empty() {
        true => workers.members()?,
        false => names[1..].iter().zip(&edges).map(|(name, edge)| edge.member(name)).collect(),
    };
    let request = Request {
        network: Arc::new(network.clone()),
        workers,
        learn: false,
        strategy,
        times: Arc::new(times),
        weights,
        images,
        runs,
        compare: true,
        shown: Shown::Nothing,
    };
    let report = cooperate::run(request, members, &mut |_: &News| ())?;
    edges.into_iter().for_each(LoopbackEdge::stop);
    Ok(Ran { names, report, classes: card.map_or_else(Vec::new, |card| card.classes) })
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
    network: &Graph,
    times: &OperatorTimes,
    strategy: Strategy,
    of: (usize, Link),
    runs: u32,
) -> Result<Spot> {
    let (count, link) = of;
    let args = RunArgs { run: false, local: Some(count), runs, seed: 0, input: None, invert: false, weights: None };
    let workers = Workers::alike(count, link, Medium::Switched)?;
    let ran = run(&args, network, workers, times.clone(), strategy)?;
    let plan = &ran.report.formed.plan;
    let peaks = plan.memory.iter().enumerate().map(|(worker, memory)| [memory.peak(), ran.peak_bytes(worker)]);
    Ok(Spot {
        predicted_ms: plan.total_ms(),
        measured_ms: ran.measured_ms(),
        peak_bytes: peaks.filter(|[_, measured]| *measured > 0).collect(),
        distance: ran.far(),
    })
}

fn trained(args: &RunArgs, network: &Graph) -> Result<Trained> {
    let Some(path) = &args.weights else { return Ok(Trained::seeded(args.seed)) };
    let bytes = file::read("the weights", path)?;
    Trained::from_file(network, bytes).with_context(|| format!("the weights {}", path.display()))
}

impl Ran {
    /// The name of one of the plan's workers.
    fn name(&self, worker: usize) -> &str {
        &self.names[self.report.formed.places[worker]]
    }

    fn measured_ms(&self) -> f64 {
        self.report.median().map_or(0.0, |run| run.took().as_millis())
    }

    /// How far any answer is from the unsplit one, relative to that one's largest value.
    fn far(&self) -> f32 {
        self.report.distance().unwrap_or(f32::NAN)
    }

    /// What an image takes this machine alone, on one thread, milliseconds.
    fn whole_ms(&self) -> f64 {
        self.report.whole.as_ref().map_or(f64::NAN, |whole| whole.ms)
    }

    fn busy_ms(&self, worker: usize) -> f64 {
        median(self.report.own().map(|report| report.workers[worker].busy().as_millis()).collect())
    }

    /// What each operator takes of a worker, predicted and, in the last run, measured.
    fn operators_ms(&self, worker: usize) -> Vec<[f64; 2]> {
        let mut each = vec![[0.0; 2]; self.report.formed.plan.schedule.stages.len()];
        for span in &self.report.formed.plan.timeline.spans[worker] {
            if matches!(span.activity, Predicted::Layer | Predicted::Add | Predicted::Tail) {
                each[span.operator][0] += span.to_ms - span.from_ms;
            }
        }
        let last = self.report.own().last().map(|report| &report.workers[worker].spans);
        for span in last.into_iter().flatten().filter(|span| span.activity.is_computing()) {
            if let Some(operator) = each.get_mut(usize::from(span.stage)) {
                operator[1] += span.end_micros.saturating_sub(span.start_micros) as f64 / 1e3;
            }
        }
        each
    }

    fn peak_bytes(&self, worker: usize) -> u64 {
        self.report.own().map(|report| report.workers[worker].peak_bytes).max().unwrap_or(0)
    }

    fn traffic(&self) -> Vec<Vec<Traffic>> {
        self.report.own().last().map(|report| report.traffic.clone()).unwrap_or_default()
    }

    /// The likeliest classes of the last image with their softmax.
    fn scores(&self) -> Vec<(String, f64)> {
        let values = self.report.answers.last().map_or(&[][..], |answer| &answer.values);
        likeliest(values, &self.classes, LIKELIEST)
    }

    fn gone(&self) -> Vec<String> {
        self.report.gone.iter().map(|gone| format!("worker \"{}\" is left behind: {}", gone.name, gone.why)).collect()
    }

    pub(super) fn to_json(&self) -> Value {
        let Formed { places, plan, weight_bytes, relayed, latencies_ms, .. } = &self.report.formed;
        let worker = |worker: usize| {
            json!({
                "name": self.name(worker), "weight_bytes": weight_bytes[worker], "latency_ms": latencies_ms[worker],
                "predicted_busy_ms": plan.timeline.busy_ms[worker], "measured_busy_ms": self.busy_ms(worker),
                "operators_ms": self.operators_ms(worker),
                "predicted_peak_bytes": plan.memory[worker].peak(), "measured_peak_bytes": self.peak_bytes(worker),
            })
        };
        let (traffic, n) = (self.traffic(), places.len());
        let each = traffic.iter().map(|row| row.iter().map(|to| json!([to.messages, to.bytes])).collect::<Vec<_>>());
        json!({
            "strategy": self.report.strategy.name(), "runs": self.report.answers.len(),
            "predicted_ms": plan.total_ms(), "measured_ms": self.measured_ms(),
            "each_ms": self.report.own().map(|report| report.took().as_millis()).collect::<Vec<_>>(),
            "predicted_messages": plan.timeline.messages,
            "messages": traffic.iter().flatten().map(|to| to.messages).sum::<u32>(),
            "traffic": each.collect::<Vec<_>>(), "relayed": relayed,
            "workers": (0..n).map(worker).collect::<Vec<_>>(),
            "scores": self.scores(), "unsplit_ms": self.whole_ms(), "distance": self.far(), "restarts": self.report.restarts,
            "gone": self.gone(),
        })
    }

    pub(super) fn to_text(&self, network: &Graph) -> String {
        let Formed { places, plan, relayed, .. } = &self.report.formed;
        let (predicted, measured) = (plan.total_ms(), self.measured_ms());
        let mut text = format!(
            "{network}\n{}: {predicted:.1} ms predicted, {measured:.1} ms measured ({:+.1} %), median of {}\n\
             {:.1} ms by this machine alone\n\
             the answer is {:.1e} from the unsplit one, relative to its largest value; {} restarts\n",
            self.report.strategy,
            (measured / predicted - 1.0) * 100.0,
            self.report.own().count(),
            self.whole_ms(),
            self.far(),
            self.report.restarts,
        );
        if !self.classes.is_empty() {
            let scores = self.scores().into_iter().map(|(class, part)| format!("{class} {:.1} %", 100.0 * part));
            text.push_str(&format!("the last image: {}\n", scores.collect::<Vec<_>>().join(", ")));
        }
        self.gone().iter().for_each(|gone| text.push_str(&format!("{gone}\n")));
        let heading = ["worker", ">ms busy predicted", ">measured", ">MB at most predicted", ">measured"];
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
        let busy = table(&heading, (0..places.len()).map(row));
        let traffic = self.traffic();
        let links = traffic.iter().enumerate().flat_map(|(from, row)| {
            row.iter().enumerate().filter(|(_, sent)| sent.messages > 0).map(move |(to, sent)| (from, to, sent))
        });
        let link = |(from, to, sent): (usize, usize, &Traffic)| {
            let how = if relayed.contains(&(from, to)) { "relayed" } else { "" };
            let (messages, megabytes) = (sent.messages.to_string(), format!("{:.3}", sent.bytes as f64 / 1e6));
            vec![self.name(from).to_owned(), self.name(to).to_owned(), messages, megabytes, how.to_owned()]
        };
        let links = table(&["from", "to", ">messages", ">MB", ""], links.map(link));
        format!("{text}\n{busy}\n\n{links}")
    }
}
