//! `cleave infer`: classifies a point cloud, on this machine or together with an edge, and holds the answer against
//! the unsplit run.

mod frame;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cleave_session::Work;
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use crate::input::{Input, InputArgs};
use crate::local::{DeviceChoice, Engine};
use crate::network::{Network, NetworkArgs};
use crate::output::{Align, Format, table};
use crate::remote::{Address, Remote, Settings};
use cleave_arch::array::softmax;
use cleave_arch::tolerance::distance;
use frame::Frame;

/// Until an edge must have answered and taken the network: a 64 MiB model over 10 Mbps takes 54 s.
const READY: Duration = Duration::from_secs(60);
/// Frames shown to a person.
const SHOWN: usize = 10;

/// Arguments of `cleave infer`.
#[derive(clap::Args, Debug)]
pub struct InferArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    input: InputArgs,
    /// What computes the device's part
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    edge: EdgeArgs,
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

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Edge")]
struct EdgeArgs {
    /// The URL that cleave-edge printed; without it the edge's part runs in this process
    #[arg(long, value_name = "URL")]
    edge: Option<String>,
    /// The edge's token, if the URL does not have it
    #[arg(long, value_name = "T", requires = "edge")]
    token: Option<String>,
    /// Shape the link, both directions: megabits per second
    #[arg(long, value_name = "X", requires = "edge")]
    mbps: Option<f64>,
    /// Shape the link, both directions: one-way delay in milliseconds
    #[arg(long, value_name = "Y", requires = "edge")]
    delay_ms: Option<f64>,
    /// Milliseconds until a frame must have its answer
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    deadline_ms: u32,
}

/// Runs the subcommand.
///
/// # Errors
/// A network or an input that cannot be used, an edge that cannot be used, a frame without an answer.
pub fn run(args: &InferArgs) -> Result<()> {
    let network = args.network.load()?;
    let input = args.input.load(&network.task, args.network.seed)?;
    let engine = Arc::new(Engine::new(network.gnn(&args.device.open()?)?));
    let unsplit = engine.whole(&input.cloud)?;
    let started = Instant::now();
    let (edge, frames, seconds) = match &args.edge.edge {
        None => (here(&network), in_process(args, &network, &engine, &input)?, started.elapsed().as_secs_f64()),
        Some(url) => {
            let settings = args.edge.settings(url)?;
            let (frames, seconds) = with_edge(args, settings.clone(), &network, engine, &input)?;
            (settings.address.to_string(), frames, seconds)
        }
    };
    let result = Inference { network, input, edge, unsplit, frames, seconds };
    Format::from_flag(args.json).print(|| result.to_text(), || result.to_json())?;
    result.check()
}

fn here(network: &Network) -> String {
    let has_edge = network.plan.segments().iter().any(|segment| segment.tier == cleave_arch::Tier::Edge);
    if has_edge { "in this process" } else { "none" }.into()
}

fn in_process(args: &InferArgs, network: &Network, engine: &Engine, input: &Input) -> Result<Vec<Frame>> {
    let run = |id| Ok(Frame::in_process(id, engine.split(&network.plan, &input.cloud)?));
    (0..u64::from(args.repeat)).map(run).collect()
}

/// Keeps `in_flight` frames under way; the frames in the order of their end, and the seconds they took together.
fn with_edge(
    args: &InferArgs,
    settings: Settings,
    network: &Network,
    engine: Arc<Engine>,
    input: &Input,
) -> Result<(Vec<Frame>, f64)> {
    let patience = settings.deadline + Duration::from_secs(5);
    let mut remote = Remote::start(settings)?;
    remote.deploy(Arc::new(Work::new(network.plan.clone(), network.task, network.model())), engine)?;
    remote.wait_ready(READY)?;
    let (n, started) = (u64::from(args.repeat), Instant::now());
    let mut frames = Vec::new();
    let mut submitted = 0;
    while (frames.len() as u64) < n {
        while submitted < n && submitted - (frames.len() as u64) < u64::from(args.in_flight) {
            remote.submit(submitted, input.cloud.clone())?;
            submitted += 1;
        }
        frames.push(Frame::reported(remote.next_report(patience)?));
    }
    Ok((frames, started.elapsed().as_secs_f64()))
}

impl EdgeArgs {
    fn settings(&self, url: &str) -> Result<Settings> {
        let address = Address::parse(url, self.token.as_deref())?;
        let deadline = Duration::from_millis(self.deadline_ms.into());
        Ok(Settings { address, shape: self.shape()?, deadline })
    }

    fn shape(&self) -> Result<LinkShape> {
        let mbps = self.mbps.unwrap_or(0.0);
        let delay = self.delay_ms.unwrap_or(0.0);
        if !(0.0..=1e6).contains(&mbps) || (self.mbps.is_some() && mbps < 1e-3) {
            bail!("--mbps is {mbps}; it should be 0.001 to 1000000");
        }
        let most = f64::from(LinkShape::MAX_DELAY_MICROS) / 1e3;
        if !(0.0..=most).contains(&delay) {
            bail!("--delay-ms is {delay}; it should be 0 to {most}");
        }
        Ok(LinkShape { bits_per_second: (mbps * 1e6) as u64, delay_micros: (delay * 1e3) as u32, jitter_micros: 0 })
    }
}

/// All that is known at the end.
struct Inference {
    network: Network,
    input: Input,
    edge: String,
    unsplit: Vec<f32>,
    frames: Vec<Frame>,
    seconds: f64,
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
        let names = self.network.classes.iter().map(String::as_str);
        let mut ranking: Vec<_> = names.zip(shares).zip(logits).map(|((name, p), logit)| (name, p, *logit)).collect();
        ranking.sort_by(|a, b| b.2.total_cmp(&a.2));
        ranking
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
            "frames_per_second": self.frames_per_second(),
        })
    }

    fn to_text(&self) -> String {
        let ranking = self.ranking().into_iter().take(5);
        let rows: Vec<Vec<String>> = ranking
            .map(|(name, p, logit)| vec![name.into(), format!("{:.1} %", p * 100.0), format!("{logit:.4}")])
            .collect();
        let classes = table(&[("class", Align::Left), ("probability", Align::Right), ("logit", Align::Right)], &rows);
        format!(
            "network: {}\ninput:   {}\nedge:    {}\n\n{classes}\n{}\nlargest |Δlogit| / max(1, |logit|) against the unsplit run: {:.2e}; {} frames, {:.1} per second",
            self.network.to_text(),
            self.input.name,
            self.edge,
            frame::timeline(&self.frames[self.frames.len().saturating_sub(SHOWN)..]),
            self.largest_distance(),
            self.frames.len(),
            self.frames_per_second()
        )
    }
}

/// The deadline of frames that nobody set one for.
impl Default for EdgeArgs {
    fn default() -> Self {
        Self { edge: None, token: None, mbps: None, delay_ms: None, deadline_ms: 10_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_without_meaning_is_refused() {
        let shape = |mbps, delay_ms| EdgeArgs { mbps, delay_ms, ..EdgeArgs::default() }.shape();
        let right = shape(Some(40.0), Some(2.5)).unwrap();
        assert_eq!((right.bits_per_second, right.delay_micros), (40_000_000, 2_500));
        assert_eq!(shape(None, None).unwrap(), LinkShape::UNSHAPED);
        for (mbps, delay) in [(Some(-1.0), None), (Some(f64::NAN), None), (Some(0.0), None), (None, Some(1e9))] {
            assert!(shape(mbps, delay).is_err(), "{mbps:?} {delay:?}");
        }
    }
}
