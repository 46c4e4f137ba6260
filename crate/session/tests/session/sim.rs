//! The in-memory twin of a leaf: sockets, clocks, engines and processes that fail, all on a virtual clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_graph::Graph;
use cleave_session::{
    DeviceConfig, DeviceEffect, DeviceEvent, DeviceSession, Echo, EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession,
    EngineError, Fetched, FrameReport, Host, Lane, LinkStatus, MeasureError, Measured, Micros, Outcome, TokenCheck,
    Work,
};
use cleave_wire::{Answer, Call, Limits, ModelHash, ToDevice, ToEdge, WeightSource};

use crate::toy;

/// The edge's clock is ahead by this much: a translation that is forgotten cannot hide.
pub const EDGE_AHEAD: Micros = Micros(7_000_000_000);
/// From a connect to its outcome.
const SOCKET: Micros = Micros(1_000);

pub struct Settings {
    pub device: DeviceConfig,
    pub edge: EdgeConfig,
    /// What one operation takes; the classifier counts as one.
    pub device_op: Micros,
    pub edge_op: Micros,
    /// One-way delay of the network below the shapers.
    pub delay: Micros,
    /// While the device computes it neither sends nor receives, as a browser's worker, and [`World::begin`] says when it
    /// begins.
    pub one_thread: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let device = DeviceConfig { token: "right".into(), ..DeviceConfig::default() };
        let edge = EdgeConfig::new(Host::new(TokenCheck::new(|token| token == "right"), "edge"));
        Self { device, edge, device_op: Micros(1_000), edge_op: Micros(200), delay: Micros(300), one_thread: false }
    }
}

enum Happening {
    Opened { connection: u32 },
    Closed { connection: u32, why: &'static str },
    Leaves { connection: u32, bytes: Vec<u8> },
    AtEdge { connection: u32, bytes: Vec<u8> },
    AtDevice { connection: u32, bytes: Vec<u8> },
    DeviceComputed { job: u64, output: Vec<Array> },
    EdgeComputed { connection: u32, job: u64, output: Result<Vec<Array>, EngineError>, times: [Micros; 2] },
    ModelStored { connection: u32, model: ModelHash },
    EdgeMeasured { connection: u32, id: u32, runs: usize },
    Submit { frame: u64, deadline: Micros },
    Fate(Fate),
}

/// What befalls the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// Its process dies: the socket closes, the cache is lost, connecting fails.
    Kill,
    /// It starts again.
    Revive,
    /// It computes no more, but its socket lives.
    StallEngine,
    /// The network swallows everything in both directions without a word.
    Blackhole,
    /// The network works again.
    Restore,
}

struct Served {
    connection: u32,
    session: EdgeSession,
    graphs: BTreeMap<u32, Arc<Graph>>,
}

/// Frames one after another with `depth` under way.
struct Stream {
    next: u64,
    end: u64,
    timeout: Micros,
}

pub struct World {
    pub now: Micros,
    pub device: DeviceSession,
    pub reports: Vec<FrameReport>,
    pub statuses: Vec<(Micros, LinkStatus)>,
    pub connects: Vec<Micros>,
    /// Models that the edge was sent, in order.
    pub stored: Vec<ModelHash>,
    /// Messages of either side that ask for weights or carry them.
    pub about_weights: usize,
    pub most_edge_jobs: usize,
    pub measured: Vec<(u32, Result<Measured, MeasureError>)>,
    pub echoed: Vec<(u32, Result<Echo, MeasureError>)>,
    pub fetched: Vec<Fetched>,
    settings: Settings,
    happenings: BTreeMap<(Micros, u64), Happening>,
    next_number: u64,
    served: Option<Served>,
    cache: BTreeMap<ModelHash, usize>,
    alive: bool,
    stalled: bool,
    blackhole: bool,
    edge_slowness: u64,
    edge_free_at: Vec<Micros>,
    device_busy: bool,
    /// When the device's one thread is done with what it computes, and what it is to compute next.
    thread_free_at: Micros,
    waiting: Option<(u64, Micros, Vec<Array>)>,
    deadlines: BTreeMap<u64, Micros>,
    stream: Option<Stream>,
    last_sends: [Micros; 2],
}

impl World {
    pub fn new(work: Arc<Work>, settings: Settings) -> Self {
        let threads = usize::from(settings.edge.host.threads);
        Self {
            now: Micros(50_000),
            device: DeviceSession::new(settings.device.clone(), work),
            reports: Vec::new(),
            statuses: Vec::new(),
            connects: Vec::new(),
            stored: Vec::new(),
            about_weights: 0,
            most_edge_jobs: 0,
            measured: Vec::new(),
            echoed: Vec::new(),
            fetched: Vec::new(),
            settings,
            happenings: BTreeMap::new(),
            next_number: 0,
            served: None,
            cache: BTreeMap::new(),
            alive: true,
            stalled: false,
            blackhole: false,
            edge_slowness: 1,
            edge_free_at: vec![Micros(0); threads],
            device_busy: false,
            thread_free_at: Micros(0),
            waiting: None,
            deadlines: BTreeMap::new(),
            stream: None,
            last_sends: [Micros(0); 2],
        }
    }

    /// A world whose link is ready.
    pub fn connected(work: Arc<Work>, settings: Settings) -> Self {
        let mut world = Self::new(work, settings);
        world.device(DeviceEvent::Connect);
        world.run_for(Micros::from_millis(5_000));
        assert!(world.is_ready(), "{:?}", world.device.status());
        world
    }

    pub fn is_ready(&self) -> bool {
        matches!(self.device.status(), LinkStatus::Ready { .. })
    }

    // ---- what tests do

    pub fn device(&mut self, event: DeviceEvent) {
        let effects = self.device.handle(event, self.now);
        effects.into_iter().for_each(|effect| self.device_effect(effect));
    }

    pub fn submit(&mut self, frame: u64, timeout: Micros) {
        let deadline = self.now + timeout;
        assert!(self.deadlines.insert(frame, deadline).is_none(), "test: frame {frame} twice");
        let input = toy::input(self.device.work().cut().graph(), frame);
        self.device(DeviceEvent::Submit { frame, input, deadline });
    }

    pub fn submit_after(&mut self, wait: Micros, frame: u64, timeout: Micros) {
        let deadline = self.now + wait + timeout;
        self.later(wait, Happening::Submit { frame, deadline });
    }

    pub fn stream(&mut self, frames: u64, depth: u64, timeout: Micros) {
        self.stream = Some(Stream { next: depth, end: frames, timeout });
        (0..depth.min(frames)).for_each(|frame| self.submit(frame, timeout));
    }

    pub fn end_stream(&mut self) {
        self.stream = None;
    }

    /// The edge takes so many times as long for everything from now on.
    pub fn slow_edge(&mut self, times: u64) {
        self.edge_slowness = times;
    }

    /// Whether the device's one thread computes nothing.
    pub fn is_thread_free(&self) -> bool {
        self.now >= self.thread_free_at
    }

    /// The device's one thread begins with what waits for it.
    pub fn begin(&mut self) {
        if let Some((job, took, output)) = self.waiting.take() {
            self.thread_free_at = self.now + took;
            self.later(took, Happening::DeviceComputed { job, output });
        }
    }

    pub fn fate_after(&mut self, wait: Micros, fate: Fate) {
        self.later(wait, Happening::Fate(fate));
    }

    pub fn run_for(&mut self, span: Micros) {
        let end = self.now + span;
        for step in 0.. {
            assert!(step < 2_000_000, "the machines keep each other busy without getting on");
            let Some(next) = self.next_moment().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Every submitted frame was reported once, in time, with the right answer or an error that `allowed` accepts.
    pub fn check(&self, allowed: impl Fn(&FrameReport) -> bool) {
        let reported: BTreeSet<u64> = self.reports.iter().map(|report| report.id).collect();
        assert_eq!(reported.len(), self.reports.len(), "a frame was reported twice");
        assert_eq!(reported, self.deadlines.keys().copied().collect(), "a frame was lost");
        self.reports.iter().for_each(|report| check_report(report, self.deadlines[&report.id], &allowed));
        assert!(self.most_edge_jobs <= usize::from(self.settings.edge.credit));
    }

    pub fn outcomes(&self) -> [usize; 3] {
        self.reports.iter().fold([0; 3], |mut count, report| {
            let kind = match report.outcome {
                Outcome::AsPlanned => 0,
                Outcome::Local { .. } => 1,
                Outcome::Failed(_) => 2,
            };
            count[kind] += 1;
            count
        })
    }

    // ---- the clock

    fn later(&mut self, wait: Micros, happening: Happening) {
        self.at(self.now + wait, happening);
    }

    fn at(&mut self, moment: Micros, happening: Happening) {
        self.next_number += 1;
        self.happenings.insert((moment, self.next_number), happening);
    }

    fn next_moment(&self) -> Option<Micros> {
        let first = self.happenings.keys().next().map(|(moment, _)| *moment);
        let edge = self.served.as_ref().and_then(|served| served.session.next_wake()).map(|at| at - EDGE_AHEAD);
        first.into_iter().chain(self.device.next_wake()).chain(edge).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.happenings.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let happening = entry.remove();
            self.happen(happening);
        }
        if self.device.next_wake().is_some_and(|wake| wake <= self.now) {
            self.device(DeviceEvent::Tick);
            assert!(self.device.next_wake().is_none_or(|wake| wake > self.now), "a tick must move the wake on");
        }
        let edge_now = self.now + EDGE_AHEAD;
        if self.served.as_ref().and_then(|served| served.session.next_wake()).is_some_and(|at| at <= edge_now) {
            self.edge(EdgeEvent::Tick);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Leaves { .. } | Happening::AtDevice { .. } if self.now < self.thread_free_at => {
                self.at(self.thread_free_at, happening);
            }
            Happening::Leaves { connection, bytes } => {
                self.later(self.settings.delay, Happening::AtEdge { connection, bytes });
            }
            Happening::Opened { connection } => self.device(DeviceEvent::Opened { connection }),
            Happening::Closed { connection, why } => {
                self.device(DeviceEvent::Closed { connection, why: why.to_owned() });
            }
            Happening::AtEdge { connection, bytes } if self.carries(connection) => {
                self.edge(EdgeEvent::Received(bytes));
            }
            Happening::AtDevice { connection, bytes } if !self.blackhole => {
                self.device(DeviceEvent::Received { connection, bytes });
            }
            Happening::DeviceComputed { job, output } => {
                self.device_busy = false;
                self.device(DeviceEvent::Computed { job, result: Ok(output) });
            }
            Happening::EdgeComputed { connection, job, output, times } if self.serves(connection) => {
                let [started, finished] = times.map(|at| at + EDGE_AHEAD);
                self.edge(EdgeEvent::Computed { job, result: output, started, finished });
            }
            Happening::ModelStored { connection, model } if self.serves(connection) => {
                self.edge(EdgeEvent::ModelStored { model });
            }
            Happening::EdgeMeasured { connection, id, runs } if self.serves(connection) => {
                self.edge(EdgeEvent::Measured { id, result: Ok(Measured { ms: vec![0.5; runs], bytes: 12 }) });
            }
            Happening::Submit { frame, deadline } => self.submit(frame, deadline - self.now),
            Happening::Fate(fate) => self.befall(fate),
            _ => {}
        }
    }

    fn serves(&self, connection: u32) -> bool {
        self.served.as_ref().is_some_and(|served| served.connection == connection)
    }

    fn carries(&self, connection: u32) -> bool {
        self.serves(connection) && !self.blackhole
    }

    fn befall(&mut self, fate: Fate) {
        match fate {
            Fate::Kill => {
                self.alive = false;
                self.cache.clear();
                if let Some(served) = self.served.take() {
                    let connection = served.connection;
                    self.happenings.retain(|_, happening| {
                        !matches!(happening, Happening::AtDevice { connection: other, .. } if *other == connection)
                    });
                    self.later(SOCKET, Happening::Closed { connection, why: "connection reset" });
                }
            }
            Fate::Revive => {
                self.alive = true;
                self.edge_free_at.iter_mut().for_each(|free| *free = self.now);
            }
            Fate::StallEngine => self.stalled = true,
            Fate::Blackhole => self.blackhole = true,
            Fate::Restore => (self.blackhole, self.stalled) = (false, false),
        }
    }

    // ---- the device's leaf

    fn device_effect(&mut self, effect: DeviceEffect) {
        match effect {
            DeviceEffect::Connect { connection } => self.open(connection),
            DeviceEffect::Disconnect { connection } => {
                if self.serves(connection) {
                    self.edge(EdgeEvent::Closed);
                    self.served = None;
                }
            }
            DeviceEffect::Send { connection, bytes, at } => {
                assert!(at >= self.now && at >= self.last_sends[0], "sends keep their order");
                self.last_sends[0] = at;
                let message = ToEdge::decode(&bytes, &Limits::DEFAULT);
                self.about_weights += usize::from(matches!(message, Ok(ToEdge::Link(Call::Weights { .. }))));
                self.at(at, Happening::Leaves { connection, bytes });
            }
            DeviceEffect::Compute { job, work, segment, input, .. } => {
                assert!(!std::mem::replace(&mut self.device_busy, true), "one job at a time");
                let output = toy::run(work.cut().graph(), &segment, &input);
                let took = Micros(self.settings.device_op.0 * toy::n_ops(work.cut().graph(), &segment));
                match self.settings.one_thread {
                    true => self.waiting = Some((job, took, output)),
                    false => self.later(took, Happening::DeviceComputed { job, output }),
                }
            }
            DeviceEffect::Report(report) => self.reported(*report),
            DeviceEffect::Status(status) => self.statuses.push((self.now, status)),
            DeviceEffect::Measured { id, result } => self.measured.push((id, result)),
            DeviceEffect::Echoed { id, result } => self.echoed.push((id, result)),
            DeviceEffect::Validation(fetched) => self.fetched.push(fetched),
        }
    }

    fn open(&mut self, connection: u32) {
        self.connects.push(self.now);
        self.last_sends = [Micros(0); 2];
        if self.blackhole {
            return;
        }
        if !self.alive {
            return self.later(SOCKET, Happening::Closed { connection, why: "connection refused" });
        }
        let session = EdgeSession::new(self.settings.edge.clone(), self.now + EDGE_AHEAD);
        self.served = Some(Served { connection, session, graphs: BTreeMap::new() });
        self.later(SOCKET, Happening::Opened { connection });
    }

    fn reported(&mut self, report: FrameReport) {
        self.reports.push(report);
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.next < stream.end) {
            let (frame, timeout) = (stream.next, stream.timeout);
            stream.next += 1;
            self.submit_after(Micros(0), frame, timeout);
        }
    }

    // ---- the edge's leaf

    fn edge(&mut self, event: EdgeEvent) {
        let edge_now = self.now + EDGE_AHEAD;
        let Some(served) = &mut self.served else { return };
        let effects = served.session.handle(event, edge_now);
        self.most_edge_jobs = self.most_edge_jobs.max(served.session.jobs_under_way());
        effects.into_iter().for_each(|effect| self.edge_effect(effect));
    }

    fn edge_effect(&mut self, effect: EdgeEffect) {
        let Some(served) = &mut self.served else { return };
        let connection = served.connection;
        match effect {
            EdgeEffect::Send { bytes, at } => {
                let at = at - EDGE_AHEAD;
                assert!(at >= self.now && at >= self.last_sends[1], "sends keep their order");
                self.last_sends[1] = at;
                let message = ToDevice::decode(&bytes, &Limits::DEFAULT);
                self.about_weights += usize::from(matches!(message, Ok(ToDevice::Link(Answer::NeedWeights { .. }))));
                self.at(at + self.settings.delay, Happening::AtDevice { connection, bytes });
            }
            EdgeEffect::Close { .. } => {
                let wait = self.last_sends[1].max(self.now) - self.now + self.settings.delay + Micros(1);
                self.served = None;
                self.later(wait, Happening::Closed { connection, why: "closed by the edge" });
            }
            EdgeEffect::NeedModel { deployment, weights, graph } => {
                served.graphs.insert(deployment, graph);
                let known = match weights {
                    WeightSource::Seeded(_) => true,
                    WeightSource::File(model) => self.cache.contains_key(&model),
                };
                match known {
                    true => self.edge(EdgeEvent::ModelReady { deployment }),
                    false => self.edge(EdgeEvent::ModelMissing { deployment }),
                }
            }
            EdgeEffect::StoreModel { model, bytes } => {
                assert_eq!(toy::hash(&bytes), model, "the file came over whole");
                self.cache.insert(model, bytes.len());
                self.stored.push(model);
                self.later(Micros(500), Happening::ModelStored { connection, model });
            }
            EdgeEffect::DropDeployment { deployment } => {
                served.graphs.remove(&deployment);
            }
            EdgeEffect::Compute { job, deployment, segment, tensors, .. } => {
                let graph = &served.graphs[&deployment];
                let (output, n) = (Ok(toy::run(graph, &segment, &tensors)), toy::n_ops(graph, &segment));
                let free = self.edge_free_at.iter_mut().min().unwrap();
                let started = self.now.max(*free);
                let finished = started + Micros(self.settings.edge_op.0 * n * self.edge_slowness);
                *free = finished;
                if !self.stalled {
                    let times = [started, finished];
                    self.at(finished, Happening::EdgeComputed { connection, job, output, times });
                }
            }
            EdgeEffect::Measure { id, runs, .. } => {
                self.later(Micros(500 * runs as u64), Happening::EdgeMeasured { connection, id, runs });
            }
            EdgeEffect::Cancel { .. } => {}
        }
    }
}

fn check_report(report: &FrameReport, deadline: Micros, allowed: &impl Fn(&FrameReport) -> bool) {
    assert!(report.ended <= deadline, "frame {} ended after its deadline: {:?}", report.id, report.outcome);
    match &report.output {
        Some(output) => {
            let answer = toy::answer(report.work.cut().graph(), report.id);
            assert_eq!(*output, answer, "frame {}: {:?}", report.id, report.outcome);
        }
        None => assert!(matches!(report.outcome, Outcome::Failed(_))),
    }
    assert!(allowed(report), "frame {}: {:?}", report.id, report.outcome);
    let mut at = report.submitted;
    for span in &report.spans {
        assert!(span.start >= at && span.end >= span.start, "spans of frame {}: {:?}", report.id, report.spans);
        at = span.end;
    }
    assert!(at <= report.ended, "frame {}: {:?}", report.id, report.spans);
    let visits = report.spans.iter().filter(|span| span.lane == Lane::Edge).count();
    assert!(visits <= 1 && (visits == 1) == (report.bytes_down > 0));
}
