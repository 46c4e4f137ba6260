//! `cleave infer`: classifies a point cloud, on this machine or together with an edge, and holds the answer against
//! the unsplit run.

mod frame;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cleave_arch::array::softmax;
use cleave_arch::tolerance::distance;
use cleave_cost::stats::median;
use serde_json::{Value, json};

use crate::edge::EdgeArgs;
use crate::input::{Input, InputArgs};
use crate::local::{DeviceChoice, Engine};
use crate::network::{Network, NetworkArgs};
use crate::output::{Format, table};
use crate::predict::{PredictArgs, Prediction};
use crate::remote::{Remote, Settings};
use frame::Frame;

/// Until an edge must have answered and taken the network: a 64 MiB model over 10 Mbps takes 54 s.
const READY: Duration = Duration::from_secs(60);
/// Frames shown to a person.
const SHOWN: usize = 10;

/// Arguments of `cleave infer`.
#[derive(clap::Args, Debug)]
pub(crate) struct InferArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    input: InputArgs,
    /// What computes the device's part
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    edge: EdgeArgs,
    /// Milliseconds until a frame must have its answer
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    deadline_ms: u32,
    #[command(flatten)]
    predict: PredictArgs,
    /// Cut where the latency is predicted to be least, with so many cuts at most, instead of --cut
    #[arg(long, value_name = "CUTS", value_parser = clap::value_parser!(u8).range(0..=2))]
    fastest: Option<u8>,
    /// Frames to run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    repeat: u32,
    /// Frames under way at once
    #[arg(long, value_name = "D", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    in_flight: u32,
    /// One line of JSON
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &InferArgs) -> Result<()> {
    let network = args.network.load()?;
    let pricer = args.predict.pricer(&args.edge.shape()?)?;
    let network = match args.fastest {
        None => network,
        Some(cuts) => network.with(pricer.prices.machines().fastest(&network.mapping, usize::from(cuts))),
    };
    let input = args.input.load(&network.input(), args.network.seed)?;
    let engine = Arc::new(Engine::new(network.load(&args.device.open()?)?));
    let unsplit = engine.whole(&input.values)?;
    let started = Instant::now();
    let prediction = pricer.price(&network.mapping);
    let deadline = Duration::from_millis(args.deadline_ms.into());
    let (edge, frames, seconds) = match args.edge.settings(deadline)? {
        None => (here(&network), in_process(args, &network, &engine, &input)?, started.elapsed().as_secs_f64()),
        Some(settings) => {
            let (frames, seconds) = with_edge(args, settings.clone(), &network, engine, &input)?;
            (settings.address.to_string(), frames, seconds)
        }
    };
    let result = Inference { network, input, edge, unsplit, frames, seconds, prediction };
    Format::from_flag(args.json).print(|| result.to_text(), || result.to_json())?;
    result.check()
}

fn here(network: &Network) -> String {
    if network.mapping.crossings().is_empty() { "none" } else { "in this process" }.into()
}

fn in_process(args: &InferArgs, network: &Network, engine: &Engine, input: &Input) -> Result<Vec<Frame>> {
    let run = |id| Ok(Frame::in_process(id, engine.split(&network.mapping, &input.values)?));
    (0..u64::from(args.repeat)).map(run).collect()
}

/// The frames in the order of their end, and the seconds they took together.
fn with_edge(
    args: &InferArgs,
    settings: Settings,
    network: &Network,
    engine: Arc<Engine>,
    input: &Input,
) -> Result<(Vec<Frame>, f64)> {
    let remote = Remote::ready(settings, network.work(network.mapping.clone())?, engine, READY)?;
    let started = Instant::now();
    let reports = remote.frames(args.repeat as usize, args.in_flight as usize, &input.values)?;
    Ok((reports.iter().map(Frame::reported).collect(), started.elapsed().as_secs_f64()))
}

/// All that is known at the end.
struct Inference {
    network: Network,
    input: Input,
    edge: String,
    unsplit: Vec<f32>,
    frames: Vec<Frame>,
    seconds: f64,
    prediction: Prediction,
}

impl Inference {
    /// The first answer; every frame has the same input.
    fn logits(&self) -> Option<&[f32]> {
        self.frames.iter().find_map(|frame| frame.logits.as_deref())
    }

    /// [`distance`] of the worst frame.
    fn largest_distance(&self) -> f32 {
        let answers = self.frames.iter().filter_map(|frame| frame.logits.as_deref());
        answers.map(|logits| distance(logits, &self.unsplit)).fold(0.0, f32::max)
    }

    /// Classes by falling probability: name, probability, logit.
    fn ranking(&self) -> Vec<(&str, f32, f32)> {
        let logits = self.logits().unwrap_or_default();
        let shares = softmax(logits);
        let names = self.network.classes().iter().map(String::as_str);
        let mut ranking: Vec<_> = names.zip(shares).zip(logits).map(|((name, p), logit)| (name, p, *logit)).collect();
        ranking.sort_by(|a, b| b.2.total_cmp(&a.2));
        ranking
    }

    /// Median latency of the frames that went as planned, milliseconds.
    fn measured_ms(&self) -> Option<f64> {
        let planned = self.frames.iter().filter(|frame| frame.as_planned);
        median(&planned.map(|frame| frame.stages.total()).collect::<Vec<_>>())
    }

    fn check(&self) -> Result<()> {
        let failed: Vec<&Frame> = self.frames.iter().filter(|frame| frame.logits.is_none()).collect();
        match failed.first() {
            Some(first) => {
                bail!("{} of {} frames have no answer; the first: {}", failed.len(), self.frames.len(), first.outcome)
            }
            None => Ok(()),
        }
    }

    fn frames_per_second(&self) -> f64 {
        self.frames.len() as f64 / self.seconds.max(1e-9)
    }

    /// Predicted over measured latency, minus one.
    fn error(&self) -> Option<f64> {
        self.measured_ms().map(|measured| self.prediction.price.latency_ms() / measured - 1.0)
    }

    fn to_json(&self) -> Value {
        let classes: Vec<Value> = self
            .ranking()
            .into_iter()
            .map(|(name, probability, logit)| json!({ "class": name, "probability": probability, "logit": logit }))
            .collect();
        json!({
            "network": self.network.to_json(), "input": self.input.name, "label": self.input.class, "edge": self.edge,
            "version": cleave_data::VERSION, "classes": classes, "logits": self.logits(),
            "max_logit_difference": self.largest_distance(),
            "frames": self.frames.iter().map(Frame::to_json).collect::<Vec<_>>(),
            "frames_per_second": self.frames_per_second(), "prediction": self.prediction.to_json(),
            "measured_ms": self.measured_ms(), "prediction_error": self.error(),
        })
    }

    fn to_text(&self) -> String {
        let ranking = self.ranking().into_iter().take(5);
        let rows =
            ranking.map(|(name, p, logit)| vec![name.into(), format!("{:.1} %", p * 100.0), format!("{logit:.4}")]);
        let classes = table(&["class", ">probability", ">logit"], rows);
        format!(
            "network: {}\ninput:   {}\nedge:    {}\n\n{classes}\n{}\n{}{}\nlargest |Δlogit| / max(1, |logit|) against the unsplit run: {:.2e}; {} frames, {:.1} per second",
            self.network.to_text(),
            self.input.name,
            self.edge,
            frame::timeline(&self.frames[self.frames.len().saturating_sub(SHOWN)..]),
            self.prediction.to_text(),
            self.error().map_or_else(String::new, |error| format!(", off by {:+.1} %", 100.0 * error)),
            self.largest_distance(),
            self.frames.len(),
            self.frames_per_second()
        )
    }
}
