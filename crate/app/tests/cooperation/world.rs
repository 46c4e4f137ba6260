//! Workers on a virtual clock: real members' machines, real engines whose time is told instead of taken, and messages that
//! take a while. Members do not reach each other, so that what they exchange is relayed.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use burn::tensor::Device;
use cleave_app::cooperation::{
    Candidate, Config, Cooperation, CooperationError, Effect, EngineKind, Event, News, Report, Request,
};
use cleave_app::operators::{OperatorTimes, Probing, Work};
use cleave_app::partition::{Shown, Workers};
use cleave_graph::{Graph, Schedule};
use cleave_model::exec::{Member as Engine, Params};
use cleave_partition::{Link, Medium, Probe, Strategy, probes};
use cleave_session::Weights;
use cleave_session::cooperate::{
    EngineCall, EngineEvent, Line, Member, MemberConfig, MemberEffect, MemberEvent, MemberSpec, greeting,
};
use cleave_session::{EngineError, Host, Micros, SocketEvent, TokenCheck};
use cleave_wire::WeightSource;

pub const NETWORK: &str =
    "2x12x12: conv 6 k3 p1, relu, maxpool 2, conv 8 k3 p1, relu, maxpool 2, flatten, linear 12, relu, linear 4";
/// Multiplications with addition that an engine makes in a microsecond.
const MACS_PER_MICRO: f64 = 2.0;
/// What a message takes.
const DELAY: Micros = Micros(150);
/// What making a plan takes.
const PLANNING: Micros = Micros::from_millis(40);

pub fn network() -> Graph {
    NETWORK.parse().unwrap()
}

/// The times of engines that make so many multiplications in a microsecond.
pub fn times(network: &Graph) -> OperatorTimes {
    let (mut probing, probes) = (Probing::new(network), probes(network));
    while let Some(step) = probing.next() {
        probing.took(match step.work {
            Work::Layer(probe) => {
                let Probe { operator, share, .. } = probes[probe];
                Some(share * network.operators()[operator].macs() as f64 / MACS_PER_MICRO / 1e3)
            }
            Work::Tail(_) => Some(0.001),
            Work::Add => Some(0.1),
        });
    }
    probing.finish().unwrap()
}

/// Three workers over fast links, whose speeds are measured.
pub fn request(strategy: Strategy) -> Request {
    let network = network();
    let link = Link { setup_ms: 0.1, mbps: 1000.0, delay_ms: 0.1 };
    Request {
        times: Arc::new(times(&network)),
        workers: Workers::alike(3, link, Medium::Switched).unwrap(),
        learn: true,
        strategy,
        weights: Weights::Seeded(3),
        images: cleave_app::cooperation::noise(network.input(), 5).take(1).collect(),
        network: Arc::new(network),
        runs: 3,
        compare: true,
        shown: Shown::Nothing,
    }
}

/// What a worker computes with.
#[derive(Default)]
struct Own {
    engine: Option<(Engine, Arc<Graph>, Arc<Schedule>, usize)>,
    free_at: Micros,
}

#[derive(Default)]
struct Node {
    machine: Option<Member>,
    own: Own,
}

enum Happening {
    Event(Event),
    Member(usize, MemberEvent),
    /// Of the coordinator's, to a member.
    Arrives(usize, Vec<u8>),
    Plan(Box<cleave_app::cooperation::PlanTask>),
}

pub struct World {
    pub now: Micros,
    pub cooperation: Cooperation,
    pub ended: Vec<Result<Box<Report>, CooperationError>>,
    pub news: Vec<News>,
    /// Plans that were asked for.
    pub plans: usize,
    /// Times that weights were loaded anywhere.
    pub loads: usize,
    /// Events that the machine was given.
    pub events: usize,
    /// By place: how many times slower it is.
    pub slowness: Vec<f64>,
    /// Members that do not answer, by place.
    pub is_silent: Vec<bool>,
    /// Members whose engine does not answer, by place.
    pub is_stuck: Vec<bool>,
    /// Whose engine fails at whatever it is asked to compute, by place.
    pub is_broken: Vec<bool>,
    /// How much longer than others each takes to open its connection, by place.
    pub late: Vec<Micros>,
    nodes: Vec<Node>,
    happenings: BTreeMap<(Micros, u64), Happening>,
    number: u64,
}

impl World {
    /// With two members.
    pub fn new() -> Self {
        Self::of(EngineKind::Cpu)
    }

    /// The same with engines of this kind.
    pub fn of(engine: EngineKind) -> Self {
        let candidate = |place: usize| Candidate {
            spec: MemberSpec { name: name(place), token: "right".into(), address: String::new() },
            name: name(place),
            place: "elsewhere".into(),
            is_alike: true,
        };
        let config = Config {
            name: "page".into(),
            place: "here".into(),
            engine,
            handshake_timeout: Micros::from_millis(5_000),
            seed: 7,
        };
        Self {
            now: Micros(1_000),
            cooperation: Cooperation::new(config, &[candidate(1), candidate(2)]),
            ended: Vec::new(),
            news: Vec::new(),
            plans: 0,
            loads: 0,
            events: 0,
            slowness: vec![1.0; 3],
            is_silent: vec![false; 3],
            is_stuck: vec![false; 3],
            is_broken: vec![false; 3],
            late: vec![Micros(0); 3],
            nodes: (0..3).map(|_| Node::default()).collect(),
            happenings: BTreeMap::new(),
            number: 0,
        }
    }

    /// Starts and runs a request to its end.
    pub fn answer(&mut self, request: Request) -> Result<Report, CooperationError> {
        self.tell(Event::Start);
        self.ask(request)
    }

    /// Runs a request to its end.
    pub fn ask(&mut self, request: Request) -> Result<Report, CooperationError> {
        self.tell(Event::Run(Box::new(request)));
        self.run_until(|world| !world.ended.is_empty());
        assert_eq!(self.ended.len(), 1, "a request ends once");
        self.ended.remove(0).map(|report| *report)
    }

    pub fn run_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if is_over(self) || !self.step() {
                return;
            }
        }
        panic!("the machines keep each other busy without getting on");
    }

    /// A member's process dies.
    pub fn kill(&mut self, place: usize) {
        self.nodes[place].machine = None;
        self.is_silent[place] = true;
        self.tell(Event::Socket { place, event: SocketEvent::Closed("connection reset".into()) });
    }

    pub fn phases(&self) -> Vec<cleave_contract::LongWork> {
        let mut phases: Vec<_> = self
            .news
            .iter()
            .filter_map(|news| if let News::Phase(phase, ..) = news { Some(*phase) } else { None })
            .collect();
        phases.dedup();
        phases
    }

    pub fn tell(&mut self, event: Event) {
        self.events += 1;
        for effect in self.cooperation.handle(event, self.now) {
            self.perform(effect);
        }
    }

    // ---- the clock

    fn after(&mut self, wait: Micros, happening: Happening) {
        self.number += 1;
        self.happenings.insert((self.now + wait, self.number), happening);
    }

    /// False: nothing will happen any more.
    fn step(&mut self) -> bool {
        let members = self.nodes.iter().filter_map(|node| node.machine.as_ref()?.next_wake());
        let wakes = members.chain(self.cooperation.next_wake());
        let Some(next) = wakes.chain(self.happenings.keys().next().map(|(moment, _)| *moment)).min() else {
            return false;
        };
        self.now = self.now.max(next);
        if let Some(entry) = self.happenings.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Happening::Event(event) => self.tell(event),
                Happening::Member(place, event) => self.member(place, event),
                Happening::Arrives(place, bytes) => self.arrives(place, bytes),
                Happening::Plan(task) => self.tell(Event::Planned { number: task.number, chosen: task.run() }),
            }
            return true;
        }
        if self.cooperation.next_wake().is_some_and(|wake| wake <= self.now) {
            self.tell(Event::Tick);
        }
        for place in 1..self.nodes.len() {
            let wake = self.nodes[place].machine.as_ref().and_then(Member::next_wake);
            if wake.is_some_and(|wake| wake <= self.now) {
                self.member(place, MemberEvent::Tick);
            }
        }
        true
    }

    // ---- what the machine wants

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { place } if self.is_silent[place] => {}
            Effect::Connect { place } => {
                let opened = Event::Socket { place, event: SocketEvent::Opened };
                self.after(DELAY + self.late[place], Happening::Event(opened));
            }
            Effect::Send { place, bytes } => self.after(DELAY, Happening::Arrives(place, bytes)),
            Effect::Disconnect { place } => self.nodes[place].machine = None,
            Effect::Engine(call) => {
                if let Some((wait, event)) = self.engine(0, call) {
                    self.after(wait, Happening::Event(Event::Engine(event)));
                }
            }
            Effect::Plan(task) => {
                self.plans += 1;
                self.after(PLANNING, Happening::Plan(task));
            }
            Effect::News(news) => self.news.push(news),
            Effect::Ended(result) => self.ended.push(result),
        }
    }

    fn arrives(&mut self, place: usize, bytes: Vec<u8>) {
        if self.is_silent[place] {
            return;
        }
        let config = MemberConfig::new(Host::new(TokenCheck::new(|token| token == "right"), name(place)));
        if self.nodes[place].machine.is_none() && greeting(&bytes, &config.host.limits).is_ok() {
            self.nodes[place].machine = Some(Member::new(config, self.now));
        }
        self.member(place, MemberEvent::Received { line: Line::Coordinator, bytes });
    }

    fn said(&mut self, place: usize, event: SocketEvent) {
        self.after(DELAY, Happening::Event(Event::Socket { place, event }));
    }

    fn member(&mut self, place: usize, event: MemberEvent) {
        let Some(machine) = &mut self.nodes[place].machine else { return };
        for effect in machine.handle(event, self.now) {
            match effect {
                MemberEffect::Send { bytes, .. } => self.said(place, SocketEvent::Received(bytes)),
                MemberEffect::Engine(call) => {
                    if let Some((wait, event)) = self.engine(place, call) {
                        self.after(wait, Happening::Member(place, MemberEvent::Engine(event)));
                    }
                }
                MemberEffect::Close { why, .. } => self.said(place, SocketEvent::Closed(why)),
                MemberEffect::StoreWeights { model, .. } => {
                    let event = MemberEvent::WeightsRejected { model, why: "they have the hash of another".into() };
                    self.after(DELAY, Happening::Member(place, event));
                }
                MemberEffect::Connect { .. } => panic!("members have no addresses"),
            }
        }
    }

    // ---- engines

    fn engine(&mut self, place: usize, call: EngineCall) -> Option<(Micros, EngineEvent)> {
        let (now, slowness) = (self.now, self.slowness[place]);
        let (is_stuck, is_broken) = (self.is_stuck[place], self.is_broken[place]);
        let own = &mut self.nodes[place].own;
        match call {
            EngineCall::Load { group, graph, schedule, worker, weights, .. } => {
                // A file is not here, but at the coordinator's, which takes any.
                if matches!(weights, WeightSource::File(_)) && place > 0 {
                    return Some((DELAY, EngineEvent::WeightsMissing { group }));
                }
                self.loads += 1;
                let weights = Params::Seeded(3);
                let engine = Engine::new(graph.clone(), schedule.clone(), worker, &weights, &Device::flex()).unwrap();
                let weight_bytes = schedule.memory(&graph)[worker].weights;
                own.engine = Some((engine, graph, schedule, worker));
                Some((DELAY, EngineEvent::Loaded { group, weight_bytes }))
            }
            EngineCall::Unload => {
                own.engine = None;
                None
            }
            EngineCall::Forget { .. } => {
                own.engine.iter_mut().for_each(|(engine, ..)| engine.forget());
                None
            }
            EngineCall::Make { .. } | EngineCall::Finish { .. } if is_stuck => None,
            EngineCall::Make { job, .. } | EngineCall::Finish { job, .. } if is_broken => {
                Some(own.computed(now, job, Err(EngineError::new("the engine is broken")), slowness))
            }
            EngineCall::Make { job, stage, received, cut, .. } => {
                let (engine, graph, schedule, worker) = own.engine.as_mut()?;
                let (operator, work) = (&graph.operators()[stage], schedule.stages[stage].work[*worker].clone()?);
                let macs = operator.flops(&work.inputs, &work.made) / 2;
                let result = at_once(engine.make(stage, received, &cut)).map_err(EngineError::new);
                Some(own.computed(now, job, result, slowness * macs as f64 / MACS_PER_MICRO))
            }
            EngineCall::Finish { job, stage, received, cut, .. } => {
                let (engine, ..) = own.engine.as_mut()?;
                let result = at_once(engine.finish(stage, received, &cut)).map_err(EngineError::new);
                Some(own.computed(now, job, result, slowness))
            }
        }
    }
}

impl Own {
    fn computed(
        &mut self,
        now: Micros,
        job: u64,
        result: Result<Vec<Vec<f32>>, EngineError>,
        micros: f64,
    ) -> (Micros, EngineEvent) {
        let started = now.max(self.free_at);
        let finished = started + Micros(micros.ceil() as u64);
        self.free_at = finished;
        (finished - now, EngineEvent::Computed { job, result, started, finished, peak_bytes: 1_000 })
    }
}

fn name(place: usize) -> String {
    format!("edge {place}")
}

/// Flex computes when it is asked, so that nothing is awaited.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}
