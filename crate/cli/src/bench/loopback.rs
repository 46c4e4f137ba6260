//! The cost of splitting itself: a real edge in this process, over TCP.
//!
//! Each tier computes on one thread of its own, so that the two are stages of a pipeline and do not compete for
//! cores. *Overhead* is what a frame takes beyond computing when it is cut after the pool. *Streaming* holds the
//! throughput of several frames in flight against 1 / slowest stage, where the stages are the device's and the edge's
//! medians in that very stream and the time that the shaped link needs for a frame's bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cleave_arch::{Architecture, Array, Codec, LinkCodec, Op, Plan, Task, Tier};
use cleave_session::{FrameReport, Lane};
use cleave_wire::LinkShape;
use serde_json::{Value, json};

use super::{LoopbackArgs, random_input, stages};
use crate::local::{DeviceChoice, Engine, median};
use crate::loopback::LoopbackEdge;
use crate::network::{self, Network};
use crate::output::{Format, table};
use crate::remote::{Remote, Settings};

const WARM_UP: usize = 5;
const FRAMES: usize = 50;
const IN_FLIGHT: usize = 4;
const MBPS: f64 = 40.0;
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    edge: LoopbackEdge,
    network: Network,
    engine: Arc<Engine>,
    cloud: Array,
}

/// Medians of single frames in milliseconds.
struct Overhead {
    cut: usize,
    total: f64,
    compute: f64,
    beyond: f64,
}

struct Stream {
    mbps: f64,
    cut: usize,
    frames_per_second: f64,
    device: f64,
    edge: f64,
    link: f64,
}

impl Stream {
    fn slowest(&self) -> f64 {
        self.device.max(self.edge).max(self.link)
    }

    /// 1 is a perfect pipeline.
    fn efficiency(&self) -> f64 {
        self.frames_per_second * self.slowest() / 1e3
    }
}

pub(super) fn run(format: Format, args: &LoopbackArgs) -> Result<()> {
    // The edge's threads share the process's pool; a pool that someone has built already is taken as it is.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(1).build_global();
    let network = choose(&args.models, args.model.as_deref())?;
    let engine = Arc::new(Engine::new(network.load(&DeviceChoice::Cpu.open()?)?).with_threads(1)?);
    let cloud = random_input(&network)?;
    let bench = Bench { edge: LoopbackEdge::start(1)?, network, engine, cloud };
    let overhead = bench.overhead()?;
    let costs: Vec<f64> =
        stages(&bench.engine, &bench.network.mapping, &bench.cloud, 5)?.into_iter().map(|(_, millis)| millis).collect();
    let streams = [0.0, MBPS].map(|mbps| bench.stream(mbps, &costs)).into_iter().collect::<Result<Vec<_>>>()?;
    let name = bench.network.name();
    format.print(|| to_text(name, &overhead, &streams), || to_json(name, &overhead, &streams))
}

/// The named model, else the first shipped one, else DGCNN with random weights.
fn choose(models: &Path, name: Option<&str>) -> Result<Network> {
    let first = network::names(models).into_iter().next();
    match name.map(str::to_owned).or(first) {
        Some(name) => Network::from_model(models, &name),
        None => Network::random(Plan::whole(Architecture::dgcnn(), Tier::Device), Task::dgcnn40(), 1),
    }
}

impl Bench {
    fn remote(&self, cut: usize, shape: LinkShape) -> Result<Remote> {
        let plan = self.network.mapping.with_cuts(vec![cut])?.with_codec(LinkCodec::default());
        let settings = Settings { address: self.edge.address().clone(), shape, deadline: PATIENCE };
        Remote::ready(settings, self.network.work(plan)?, self.engine.clone(), PATIENCE)
    }

    fn overhead(&self) -> Result<Overhead> {
        let ops = self.network.mapping.architecture().context("the network has no pool")?.ops();
        let pool = ops.iter().position(|op| matches!(op, Op::Pool(_))).context("the network has no pool")?;
        let cut = pool + 1;
        let remote = self.remote(cut, LinkShape::UNSHAPED)?;
        let reports = self.frames(&remote, 1)?;
        let compute = |report: &FrameReport| report.lane_ms(Lane::Device) + report.lane_ms(Lane::Edge);
        let total = middle(&reports, FrameReport::total_ms);
        let beyond = middle(&reports, |report| report.total_ms() - compute(report));
        Ok(Overhead { cut, total, compute: middle(&reports, compute), beyond })
    }

    /// At the cut whose slowest stage is the shortest, by what each operation took alone.
    fn stream(&self, mbps: f64, costs: &[f64]) -> Result<Stream> {
        let cut = self.best_cut(mbps, costs);
        let bits_per_second = (mbps * 1e6) as u64;
        let remote = self.remote(cut, LinkShape { bits_per_second, ..LinkShape::UNSHAPED })?;
        let reports = self.frames(&remote, IN_FLIGHT)?;
        let [first, .., last] = reports.as_slice() else { bail!("no frames were run") };
        // The pipeline's filling is part of no steady stream: count from the first end to the last.
        let span = (last.ended - first.ended).as_millis();
        let bytes = middle(&reports, |report| report.bytes_up.max(report.bytes_down) as f64);
        Ok(Stream {
            mbps,
            cut,
            frames_per_second: (reports.len() - 1) as f64 * 1e3 / span,
            device: middle(&reports, |report| report.lane_ms(Lane::Device)),
            edge: middle(&reports, |report| report.lane_ms(Lane::Edge)),
            link: link_ms(bytes, mbps),
        })
    }

    fn best_cut(&self, mbps: f64, costs: &[f64]) -> usize {
        let mapping = &self.network.mapping;
        let slowest = |cut: usize| {
            let (device, edge) = (costs[..cut].iter().sum::<f64>(), costs[cut..].iter().sum::<f64>());
            device.max(edge).max(link_ms(mapping.cut_bytes(cut, Codec::F32) as f64, mbps))
        };
        (0..costs.len()).min_by(|a, b| slowest(*a).total_cmp(&slowest(*b))).unwrap_or(0)
    }

    fn frames(&self, remote: &Remote, in_flight: usize) -> Result<Vec<FrameReport>> {
        Ok(remote.planned_frames(WARM_UP + FRAMES, in_flight, &self.cloud)?.split_off(WARM_UP))
    }
}

/// The median of a figure.
fn middle(reports: &[FrameReport], figure: impl Fn(&FrameReport) -> f64) -> f64 {
    median(reports.iter().map(figure).collect())
}

/// An unshaped link takes no time by itself.
fn link_ms(bytes: f64, mbps: f64) -> f64 {
    if mbps > 0.0 { bytes * 8.0 / (mbps * 1e3) } else { 0.0 }
}

fn to_json(network: &str, overhead: &Overhead, streams: &[Stream]) -> Value {
    let stream = |stream: &Stream| {
        json!({
            "mbps": if stream.mbps > 0.0 { json!(stream.mbps) } else { Value::Null }, "cut": stream.cut,
            "in_flight": IN_FLIGHT, "frames": FRAMES, "frames_per_second": stream.frames_per_second,
            "device_ms": stream.device, "edge_ms": stream.edge, "link_ms": stream.link,
            "slowest_ms": stream.slowest(), "of_one_over_slowest": stream.efficiency(),
        })
    };
    json!({
        "bench": "loopback", "network": network, "frames": FRAMES,
        "overhead": {
            "cut": overhead.cut, "total_ms": overhead.total, "compute_ms": overhead.compute, "beyond_compute_ms": overhead.beyond,
        },
        "streams": streams.iter().map(stream).collect::<Vec<_>>(),
    })
}

fn to_text(network: &str, overhead: &Overhead, streams: &[Stream]) -> String {
    let heading = ["link", ">cut", ">device ms", ">link ms", ">edge ms", ">frames/s", ">of 1/slowest"];
    let row = |stream: &Stream| {
        let link = if stream.mbps > 0.0 { format!("{} Mbps", stream.mbps) } else { "unshaped".into() };
        let times = [stream.device, stream.link, stream.edge].map(|millis| format!("{millis:.2}"));
        let rate = [format!("{:.1}", stream.frames_per_second), format!("{:.2}", stream.efficiency())];
        [vec![link, stream.cut.to_string()], times.to_vec(), rate.to_vec()].concat()
    };
    format!(
        "{network}: one thread on each side of a TCP connection in this process, medians of {FRAMES} frames\n\n\
         cut {} (after the pool), one frame at a time: {:.2} ms, of which computing {:.2} ms; beyond computing {:.2} ms\n\n\
         {IN_FLIGHT} frames in flight\n{}",
        overhead.cut,
        overhead.total,
        overhead.compute,
        overhead.beyond,
        table(&heading, streams.iter().map(row))
    )
}
