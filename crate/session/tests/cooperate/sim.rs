//! The in-memory twin of the leaves: connections, engines and workers that fail, all on a virtual clock.

mod node;

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_arch::SplitMix64;
use cleave_graph::{Graph, Partition};
use cleave_session::cooperate::{
    Coordinator, CoordinatorConfig, CoordinatorEffect, CoordinatorEvent, EngineCall, EngineEvent, Line, Member,
    MemberError, MemberEvent, MemberSpec, MemberStatus, Plan, PlanError, RunError, RunReport, Uplink,
};
use cleave_session::{Micros, SocketEvent, Weights};
use cleave_wire::cooperate::{Part, ToMember};
use cleave_wire::{Limits, WeightSource};

use crate::toy::{self, Engine};
use node::Node;

/// Every member's clock is ahead by this much times its place: a translation that is forgotten cannot hide.
pub const AHEAD: u64 = 7_000_000_000;

pub struct Settings {
    pub seed: u64,
    pub members: usize,
    /// Whether members can reach each other.
    pub direct: bool,
    /// Most that a message takes, one way.
    pub delay: Micros,
    /// Most that an engine takes for a job.
    pub compute: Micros,
    pub uplink: Uplink,
    pub timeout: Micros,
    pub weights: Weights,
    pub coordinator: CoordinatorConfig,
    pub graph: &'static str,
    pub strategy: &'static str,
}

/// Of every kind something, and small: it runs thousands of times.
pub const LENET: &str =
    "2x8x8: conv 5 k3 p1, relu, maxpool 2, conv 6 k2, norm, relu, maxpool 2 s1, flatten, linear 7, relu, linear 4";
/// Residual connections, one with a convolution of its own.
pub const RESIDUAL: &str = "2x6x6: a = conv 4 k3 p1, relu, conv 4 k3 p1, norm, relu, b = add with a, conv 5 k3 s2 p1, d = relu, \
     conv 5 k1 s2 of b, add with d, relu, globalpool, flatten, linear 3";

impl Default for Settings {
    fn default() -> Self {
        let coordinator = CoordinatorConfig { name: "page".into(), ..CoordinatorConfig::default() };
        Self {
            seed: 1,
            members: 2,
            direct: true,
            delay: Micros(400),
            compute: Micros(900),
            uplink: Uplink::UNSHAPED,
            timeout: Micros::from_millis(2_000),
            weights: Weights::Seeded(3),
            coordinator,
            graph: LENET,
            strategy: "outputs",
        }
    }
}

/// A partition over so many workers.
pub type Planner = Box<dyn Fn(&Graph, usize) -> Partition>;
/// Changes a message that a place sends.
pub type Tamper = Box<dyn FnMut(usize, &mut Vec<u8>)>;
/// Weight bytes and relayed pairs.
pub type Ready = (Vec<u64>, Vec<(usize, usize)>);

/// What befalls a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its process dies: all its connections close.
    Kill,
    /// It hears and says nothing any more, but its connections live.
    Mute,
    /// Its engine gives nothing any more; it still answers pings.
    StallEngine,
    /// What it has opened to other members breaks.
    BreakLines,
}

enum Happening {
    Coordinator(CoordinatorEvent),
    /// At a place, over its end of a line.
    Arrives {
        place: usize,
        line: Line,
        bytes: Vec<u8>,
    },
    Member {
        place: usize,
        event: MemberEvent,
    },
    Accepts {
        place: usize,
    },
}

pub struct World {
    pub now: Micros,
    pub coordinator: Coordinator,
    pub nodes: Vec<Node>,
    pub graph: Arc<Graph>,
    pub partition: Planner,
    pub answers: Vec<(u64, Vec<f32>)>,
    pub reports: Vec<RunReport>,
    pub failed: Vec<(u64, RunError)>,
    pub gone: BTreeMap<usize, MemberError>,
    pub statuses: Vec<(usize, MemberStatus)>,
    pub needed: Vec<Vec<usize>>,
    pub refused: Vec<PlanError>,
    pub ready: Vec<Ready>,
    /// Parts that were sent, by sender and receiver, of the last group.
    pub parts: BTreeMap<(u16, u16), u32>,
    pub relays: u32,
    /// The coordinator's engine gives nothing.
    pub own_engine_stalls: bool,
    /// The coordinator's process hangs.
    pub coordinator_is_deaf: bool,
    /// Plans are not answered.
    pub is_planless: bool,
    /// What is sent may be changed on its way, by the place that it comes from.
    pub tamper: Option<Tamper>,
    group: u64,
    settings: Settings,
    engine: Engine,
    free_at: Micros,
    happenings: BTreeMap<(Micros, u64), Happening>,
    number: u64,
    last: BTreeMap<(usize, usize, Line), Micros>,
    rng: SplitMix64,
}

fn member_name(place: usize) -> String {
    format!("edge {place}")
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let spec = |place: usize| MemberSpec {
            name: member_name(place),
            token: "right".into(),
            address: if settings.direct { format!("place {place}") } else { String::new() },
        };
        let specs = (1..=settings.members).map(spec).collect();
        Self::with_specs(settings, specs)
    }

    pub fn with_specs(settings: Settings, specs: Vec<MemberSpec>) -> Self {
        let strategy = settings.strategy;
        Self {
            now: Micros(1_000),
            coordinator: Coordinator::new(
                CoordinatorConfig { seed: settings.seed, ..settings.coordinator.clone() },
                specs,
            ),
            nodes: (1..=settings.members).map(Node::new).collect(),
            graph: Arc::new(settings.graph.parse().unwrap()),
            partition: Box::new(move |graph, workers| toy::partition(graph, strategy, workers, false)),
            answers: Vec::new(),
            reports: Vec::new(),
            failed: Vec::new(),
            gone: BTreeMap::new(),
            statuses: Vec::new(),
            needed: Vec::new(),
            refused: Vec::new(),
            ready: Vec::new(),
            parts: BTreeMap::new(),
            relays: 0,
            own_engine_stalls: false,
            coordinator_is_deaf: false,
            is_planless: false,
            tamper: None,
            group: 0,
            engine: Engine::default(),
            free_at: Micros(0),
            happenings: BTreeMap::new(),
            number: 0,
            last: BTreeMap::new(),
            rng: SplitMix64::new(settings.seed),
            settings,
        }
    }

    // ---- what tests do

    pub fn connect(&mut self) {
        self.tell(CoordinatorEvent::Connect);
    }

    pub fn submit(&mut self, run: u64) {
        let inputs = toy::inputs(&self.graph, run);
        self.tell(CoordinatorEvent::Submit { run, inputs, timeout: self.settings.timeout });
    }

    pub fn tell(&mut self, event: CoordinatorEvent) {
        if self.coordinator_is_deaf {
            return;
        }
        let effects = self.coordinator.handle(event, self.now);
        effects.into_iter().for_each(|effect| self.effect(effect));
    }

    /// After so many more events at this member.
    pub fn befall_after(&mut self, place: usize, events: usize, fate: Fate) {
        (self.nodes[place - 1].fate, self.nodes[place - 1].is_doomed) = (Some((events, fate)), true);
    }

    /// Whether its fate has come.
    pub fn has_befallen(&self, place: usize) -> bool {
        self.nodes[place - 1].fate.is_none() && self.nodes[place - 1].is_doomed
    }

    pub fn run_for(&mut self, span: Micros) {
        let end = self.now + span;
        for step in 0.. {
            assert!(step < 200_000, "the machines keep each other busy without getting on");
            let Some(next) = self.next_moment().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Connects and runs once.
    pub fn run_once(&mut self) {
        self.connect();
        self.submit(1);
        self.run_for(Micros::from_millis(30_000));
    }

    /// Every submitted run was answered once and rightly, and reported.
    pub fn check(&self, runs: impl IntoIterator<Item = u64>) {
        let context = format!("{:?} {:?} {:?}", self.failed, self.gone, self.refused);
        let runs: Vec<u64> = runs.into_iter().collect();
        assert_eq!(self.answers.iter().map(|(run, _)| *run).collect::<Vec<_>>(), runs, "{context}");
        assert_eq!(self.reports.iter().map(|report| report.run).collect::<Vec<_>>(), runs, "{context}");
        for (run, answer) in &self.answers {
            let far = toy::distance(answer, &toy::whole(&self.graph, &toy::inputs(&self.graph, *run)));
            assert!(far < 1e-5, "run {run} is off by {far}: {context}");
        }
        for report in &self.reports {
            let name = |place: &usize| match place.checked_sub(1) {
                None => "page".to_owned(),
                Some(at) => self.nodes[at].config.host.name.clone(),
            };
            let names: Vec<String> = report.places.iter().map(name).collect();
            assert_eq!(report.workers.iter().map(|worker| worker.name.clone()).collect::<Vec<_>>(), names);
            let mut spans = report.workers.iter().flat_map(|worker| &worker.spans);
            let within = |at: u64| (report.started.0..=report.answered.0 + 2_000_000).contains(&(at + 10_000));
            assert!(spans.all(|span| within(span.start_micros)), "a clock was not translated: {report:?}");
        }
    }

    // ---- the clock

    fn at(&mut self, moment: Micros, happening: Happening) {
        self.number += 1;
        self.happenings.insert((moment, self.number), happening);
    }

    /// After a random while, but after everything before it on this line.
    fn later(&mut self, from: usize, to: usize, line: Line, happening: Happening) {
        let wait = Micros(1 + self.rng.below_u64(self.settings.delay.0.max(1)));
        let last = self.last.entry((from, to, line)).or_default();
        *last = (self.now + wait).max(*last);
        let at = *last;
        self.at(at, happening);
    }

    fn next_moment(&self) -> Option<Micros> {
        let first = self.happenings.keys().next().map(|(moment, _)| *moment);
        let wakes = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.muted)
            .filter_map(|(at, node)| Some(node.machine.as_ref()?.next_wake()? - Micros(AHEAD * (at as u64 + 1))));
        let wake = self.coordinator.next_wake().filter(|_| !self.coordinator_is_deaf);
        wakes.chain(first).chain(wake).min()
    }

    fn step(&mut self) {
        while let Some(entry) = self.happenings.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            match entry.remove() {
                Happening::Coordinator(event) => self.tell(event),
                Happening::Accepts { place } => self.nodes[place - 1].accepted = true,
                Happening::Arrives { place, line, bytes } => self.arrives(place, line, bytes),
                Happening::Member { place, event } => self.member(place, event),
            }
        }
        if !self.coordinator_is_deaf && self.coordinator.next_wake().is_some_and(|wake| wake <= self.now) {
            self.tell(CoordinatorEvent::Tick);
            assert!(self.coordinator.next_wake().is_none_or(|wake| wake > self.now), "a tick must move the wake on");
        }
        for place in 1..=self.nodes.len() {
            let here = self.clock(place);
            let wake = self.nodes[place - 1].machine.as_ref().and_then(Member::next_wake);
            if !self.nodes[place - 1].muted && wake.is_some_and(|wake| wake <= here) {
                self.member(place, MemberEvent::Tick);
                let wake = self.nodes[place - 1].machine.as_ref().and_then(Member::next_wake);
                assert!(wake.is_none_or(|wake| wake > here), "a tick must move the wake on");
            }
        }
    }

    fn clock(&self, place: usize) -> Micros {
        self.now + Micros(AHEAD * place as u64)
    }

    // ---- the coordinator's leaf

    fn effect(&mut self, effect: CoordinatorEffect) {
        match effect {
            CoordinatorEffect::Connect { place } => {
                let is_reachable = self.nodes.get(place - 1).is_some_and(|node| node.is_reachable);
                let event = match is_reachable {
                    true => SocketEvent::Opened,
                    false => SocketEvent::Closed("connection refused".into()),
                };
                let event = CoordinatorEvent::Socket { place, event };
                if is_reachable {
                    self.at(self.now, Happening::Accepts { place });
                }
                self.later(place, 0, Line::Coordinator, Happening::Coordinator(event));
            }
            CoordinatorEffect::Send { place, mut bytes } => {
                if let Some(tamper) = &mut self.tamper {
                    tamper(0, &mut bytes);
                }
                if let Ok(ToMember::Part(part)) = ToMember::decode(&bytes, &Limits::DEFAULT) {
                    match part.from {
                        0 => self.count(&part),
                        _ => self.relays += 1,
                    }
                }
                let line = Line::Coordinator;
                self.later(0, place, line, Happening::Arrives { place, line, bytes });
            }
            CoordinatorEffect::Disconnect { place } => {
                let (line, why) = (Line::Coordinator, "closed".to_owned());
                self.later(0, place, line, Happening::Member { place, event: MemberEvent::Closed { line, why } });
            }
            CoordinatorEffect::Engine(call) => {
                if let Some((moment, event)) = self.engine(0, call) {
                    self.at(moment, Happening::Coordinator(CoordinatorEvent::Engine(event)));
                }
            }
            CoordinatorEffect::Status { place, status } => {
                if let MemberStatus::Gone(error) = &status {
                    assert!(self.gone.insert(place, error.clone()).is_none(), "gone twice");
                }
                self.statuses.push((place, status));
            }
            CoordinatorEffect::NeedPlan { places } => {
                self.needed.push(places.clone());
                if !self.is_planless {
                    let plan = self.plan(places);
                    self.at(self.now, Happening::Coordinator(CoordinatorEvent::Plan(plan)));
                }
            }
            CoordinatorEffect::PlanRefused(error) => self.refused.push(error),
            CoordinatorEffect::Ready { weight_bytes, relayed, .. } => self.ready.push((weight_bytes, relayed)),
            CoordinatorEffect::Answered { run, values } => self.answers.push((run, values)),
            CoordinatorEffect::Ended(report) => self.reports.push(*report),
            CoordinatorEffect::Failed { run, error } => self.failed.push((run, error)),
        }
    }

    pub fn plan(&self, places: Vec<usize>) -> Plan {
        let partition = (self.partition)(&self.graph, places.len());
        let uplinks = vec![self.settings.uplink; places.len()];
        Plan { graph: self.graph.clone(), partition, places, weights: self.settings.weights.clone(), uplinks }
    }

    fn count(&mut self, part: &Part) {
        if part.group != self.group {
            self.parts.clear();
            self.group = part.group;
        }
        *self.parts.entry((part.from, part.to)).or_default() += 1;
    }

    /// The moment of its answer on the world's clock, and the answer.
    fn engine(&mut self, place: usize, call: EngineCall) -> Option<(Micros, EngineEvent)> {
        let took = Micros(1 + self.rng.below_u64(self.settings.compute.0.max(1)));
        let ahead = Micros(AHEAD * place as u64);
        let (engine, free_at, is_cached) = match place.checked_sub(1) {
            None if self.own_engine_stalls && !matches!(call, EngineCall::Forget { .. } | EngineCall::Unload) => {
                return None;
            }
            None => (&mut self.engine, &mut self.free_at, true),
            Some(at) => {
                let node = &mut self.nodes[at];
                let is_cached = |call: &EngineCall| match call {
                    EngineCall::Load { weights: WeightSource::File(hash), .. } => node.cache.contains(hash),
                    _ => true,
                };
                let is_cached = is_cached(&call);
                if node.stalled && !matches!(call, EngineCall::Forget { .. } | EngineCall::Unload) {
                    return None;
                }
                (&mut node.engine, &mut node.free_at, is_cached)
            }
        };
        let started = self.now.max(*free_at);
        let finished = started + took;
        let event = match call {
            EngineCall::Load { group, .. } if !is_cached => EngineEvent::WeightsMissing { group },
            EngineCall::Load { group, graph, schedule, worker, .. } => {
                EngineEvent::Loaded { group, weight_bytes: engine.load(graph, schedule, worker) }
            }
            EngineCall::Forget { .. } | EngineCall::Unload => {
                engine.forget();
                return None;
            }
            EngineCall::Make { job, .. } | EngineCall::Finish { job, .. } => {
                *free_at = finished;
                let [started, finished] = [started + ahead, finished + ahead];
                let peak_bytes = 1_000 * (place as u64 + 1);
                EngineEvent::Computed { job, result: Ok(engine.run(call)), started, finished, peak_bytes }
            }
        };
        Some((finished, event))
    }
}
