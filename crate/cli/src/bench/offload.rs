//! Where an image network is best run: on the device, on the edge, or cut between them, predicted and measured.
//!
//! Device and edge are this process over real TCP behind an imposed rate, the device made slower by waiting. What is
//! predicted rests on a profile that is measured first, of the network's operators, the codecs and the link, and is of
//! one frame at a time. An edge that gets everything gets the input as f32, as 8-bit pixels (which is int8 at the first
//! cut), or as a JPEG: of that the bytes and the time to read it are measured, and the edge's computing is that of the
//! other two, for a session sends values and not files.

use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cleave_app::pricing::{Conditions, Prices, Pricing};
use cleave_app::profiling::Profiling;
use cleave_arch::{Array, LinkCodec, Mapping};
use cleave_cost::{Profile, Subject, Table, mappings};
use cleave_session::{DeviceEffect, DeviceEvent, FrameReport, Lane};
use cleave_wire::LinkShape;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use serde_json::{Value, json};

use crate::local::{DeviceChoice, Engine, median, millis_since};
use crate::loopback::LoopbackEdge;
use crate::network::Network;
use crate::output::{Format, table};
use crate::profile;
use crate::remote::{Remote, Settings};

const WARM_UP: usize = 2;
const PATIENCE: Duration = Duration::from_secs(120);
/// Of the JPEG.
const QUALITY: u8 = 90;
/// Of a message beside what it carries.
const MESSAGE_BYTES: usize = 64;

/// What `offload` runs.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Offload")]
pub(super) struct OffloadArgs {
    /// Name of an image network, or its text form
    #[arg(long, value_name = "NAME", default_value = "alexnet")]
    offloaded: String,
    /// Rates of the link in megabits per second
    #[arg(long, value_delimiter = ',', default_value = "10,40")]
    rates: Vec<f64>,
    /// How many times slower than the edge the device is
    #[arg(long, value_delimiter = ',', default_value = "1,2,8")]
    slower: Vec<f64>,
    /// The picture that is sent as a JPEG, scaled to the network's size
    #[arg(long, value_name = "FILE", default_value = "www/picture.png")]
    picture: PathBuf,
    /// Measured frames of each
    #[arg(long, default_value_t = 5)]
    frames: usize,
}

/// One way of running the network, milliseconds.
struct Way {
    name: String,
    predicted: f64,
    measured: f64,
    bytes: usize,
}

/// All ways over one link with one device.
struct Case {
    mbps: f64,
    slower: f64,
    ways: Vec<Way>,
}

impl Case {
    fn best(&self, of: impl Fn(&Way) -> f64) -> usize {
        (0..self.ways.len()).min_by(|a, b| of(&self.ways[*a]).total_cmp(&of(&self.ways[*b]))).unwrap_or(0)
    }
}

struct Bench<'a> {
    args: &'a OffloadArgs,
    network: Network,
    edge: LoopbackEdge,
    profile: Profile,
    input: Array,
    jpeg: Vec<u8>,
    /// To read the JPEG, milliseconds.
    jpeg_ms: f64,
}

pub(super) fn run(format: Format, args: &OffloadArgs) -> Result<()> {
    let network = Network::image(std::path::Path::new("www/model"), &args.offloaded, 1)?;
    let (jpeg, jpeg_ms) = jpeg(args, &network.mapping)?;
    let input = super::random_input(&network)?;
    let edge = LoopbackEdge::worker("edge")?;
    let profile = measure(&network, &edge)?;
    let bench = Bench { args, network, edge, profile, input, jpeg, jpeg_ms };
    let mut cases = Vec::new();
    for slower in &args.slower {
        for mbps in &args.rates {
            cases.push(bench.case(*mbps, *slower)?);
        }
    }
    format.print(|| bench.to_text(&cases), || bench.to_json(&cases))
}

/// The network's operators on both sides, the codecs and the link as it is.
fn measure(network: &Network, edge: &LoopbackEdge) -> Result<Profile> {
    let device = DeviceChoice::Cpu.open()?;
    let engine = Arc::new(Engine::new(network.load(&device)?));
    let settings = Settings { address: edge.address().clone(), shape: LinkShape::UNSHAPED, deadline: PATIENCE };
    let remote = Remote::ready(settings, network.work(network.mapping.clone())?, engine, PATIENCE)?;
    let (own, theirs) = (Table::new("cleave", "CPU"), Table::new("edge", "CPU"));
    let mut profiling = Profiling::new(false, &Subject::of(&network.mapping), None, own, Some(theirs), 0);
    profile::drive(&mut profiling, &device, Some(&remote), |_| Ok(()))?;
    Ok(profiling.profile().clone())
}

/// The picture as a JPEG of the network's size, and the milliseconds to read it.
fn jpeg(args: &OffloadArgs, mapping: &Mapping) -> Result<(Vec<u8>, f64)> {
    let within = || format!("the picture {}", args.picture.display());
    let shape = mapping.graph().context("an image network has a graph")?.input();
    let picture = image::open(&args.picture).with_context(within)?;
    let picture = picture.resize_to_fill(shape.width as u32, shape.height as u32, FilterType::Triangle).to_rgb8();
    let mut bytes = Cursor::new(Vec::new());
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY)).with_context(within)?;
    let bytes = bytes.into_inner();
    let mut times = Vec::new();
    for _ in 0..args.frames.max(1) {
        let started = Instant::now();
        let read = image::load_from_memory(&bytes).with_context(within)?.to_rgb32f();
        times.push(millis_since(started));
        std::hint::black_box(read);
    }
    Ok((bytes, median(times)))
}

impl Bench<'_> {
    fn case(&self, mbps: f64, slower: f64) -> Result<Case> {
        let shape = LinkShape { bits_per_second: (mbps * 1e6) as u64, ..LinkShape::UNSHAPED };
        let mut pricing = Pricing::of(self.profile.clone());
        pricing.set_slowdown(slower)?;
        let prices = pricing.under(Conditions::native(&shape));
        let engine = Arc::new(Engine::new(self.network.load(&DeviceChoice::Cpu.open()?)?).slowed(slower));
        let settings =
            Settings { address: self.edge.address().clone(), shape: LinkShape::UNSHAPED, deadline: PATIENCE };
        let mut remote = Remote::start(settings)?;
        let codec = |name: &str| name.parse::<LinkCodec>();
        let whole = self.network.mapping.uncut();
        let all = whole.with_cuts(vec![0])?;
        let mut ways = vec![self.way("device", &whole, &prices, &mut remote, &engine, shape)?];
        for (name, written) in [("edge, f32", "f32"), ("edge, 8-bit pixels", "i8")] {
            ways.push(self.way(
                name,
                &all.clone().with_codec(codec(written)?),
                &prices,
                &mut remote,
                &engine,
                shape,
            )?);
        }
        ways.push(self.as_jpeg(&all, &prices, &remote)?);
        for written in ["f32", "f16", "i8"] {
            let best = best_cut(&whole.clone().with_codec(codec(written)?), &prices)?;
            let name = format!("cut before {}, {written}", best.cuts().first().copied().unwrap_or(0));
            ways.push(self.way(&name, &best, &prices, &mut remote, &engine, shape)?);
        }
        Ok(Case { mbps, slower, ways })
    }

    fn way(
        &self,
        name: &str,
        mapping: &Mapping,
        prices: &Prices,
        remote: &mut Remote,
        engine: &Arc<Engine>,
        shape: LinkShape,
    ) -> Result<Way> {
        // What makes it ready is no part of a frame.
        remote.shape(LinkShape::UNSHAPED).ok();
        remote.deploy(self.network.work(mapping.clone())?, engine.clone())?;
        remote.wait_ready(PATIENCE)?;
        remote.shape(shape)?;
        let reports = remote.planned_frames(WARM_UP + self.args.frames, 1, &self.input)?.split_off(WARM_UP);
        let middle = |of: &dyn Fn(&FrameReport) -> f64| median(reports.iter().map(of).collect());
        let measured = middle(&FrameReport::total_ms);
        let bytes = middle(&|report| report.bytes_up as f64) as usize;
        Ok(Way { name: name.into(), predicted: prices.price(mapping).latency_ms(), measured, bytes })
    }

    /// The last frames were of the whole network on the edge: what is different is how its input comes there.
    fn as_jpeg(&self, all: &Mapping, prices: &Prices, remote: &Remote) -> Result<Way> {
        let reports = remote.planned_frames(self.args.frames, 1, &self.input)?;
        let edge = median(reports.iter().map(|report| report.lane_ms(Lane::Edge)).collect());
        let bytes = self.jpeg.len() + MESSAGE_BYTES;
        let answer_bytes = (4 * all.n_classes() + MESSAGE_BYTES) as u32;
        let mut echoes = Vec::new();
        for id in 0..self.args.frames as u32 {
            remote.tell(DeviceEvent::Echo { id, bytes: bytes as u32, answer_bytes })?;
            let echo = loop {
                match remote.told(PATIENCE)? {
                    DeviceEffect::Echoed { result, .. } => break result?,
                    DeviceEffect::Report(_) => {}
                    other => bail!("an echo was awaited, and {other:?} came"),
                }
            };
            echoes.push((echo.arrived - echo.sent).as_millis());
        }
        let price = prices.price(all);
        let link = prices.machines().link;
        let predicted = link.up_ms(bytes) + self.jpeg_ms + price.stages.edge + price.stages.down;
        let measured = median(echoes) + self.jpeg_ms + edge;
        Ok(Way { name: format!("edge, JPEG at {QUALITY}"), predicted, measured, bytes })
    }

    fn to_json(&self, cases: &[Case]) -> Value {
        let way = |way: &Way| json!({ "way": way.name, "predicted_ms": way.predicted, "measured_ms": way.measured, "bytes_up": way.bytes });
        let case = |case: &Case| {
            let [predicted, measured] = [case.best(|way| way.predicted), case.best(|way| way.measured)];
            json!({
                "mbps": case.mbps, "device_slower": case.slower, "ways": case.ways.iter().map(way).collect::<Vec<_>>(),
                "best_predicted": case.ways[predicted].name, "best_measured": case.ways[measured].name,
            })
        };
        json!({
            "bench": "offload", "network": self.network.name(), "frames": self.args.frames,
            "jpeg_bytes": self.jpeg.len(), "cases": cases.iter().map(case).collect::<Vec<_>>(),
        })
    }

    fn to_text(&self, cases: &[Case]) -> String {
        let heading = ["device", "link", "way", ">bytes up", ">predicted ms", ">measured ms", ""];
        let rows = cases.iter().flat_map(|case| {
            let best = case.best(|way| way.measured);
            case.ways.iter().enumerate().map(move |(at, way)| {
                let first = |text: String| if at == 0 { text } else { String::new() };
                vec![
                    first(format!("{} x slower", case.slower)),
                    first(format!("{} Mbps", case.mbps)),
                    way.name.clone(),
                    way.bytes.to_string(),
                    format!("{:.1}", way.predicted),
                    format!("{:.1}", way.measured),
                    if at == best { "fastest".into() } else { String::new() },
                ]
            })
        });
        format!(
            "{}: medians of {} frames, device and edge on this machine, the device made slower by waiting\n\n{}",
            self.network.name(),
            self.args.frames,
            table(&heading, rows)
        )
    }
}

/// The cut within the network that is predicted to be the fastest.
fn best_cut(mapping: &Mapping, prices: &Prices) -> Result<Mapping> {
    let within = mappings(mapping, 1).into_iter().filter(|mapping| mapping.cuts() != [0]);
    let priced = within.map(|mapping| (prices.price(&mapping).latency_ms(), mapping));
    let best = priced.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map(|(_, mapping)| mapping).context("a network of one step cannot be cut within")
}
