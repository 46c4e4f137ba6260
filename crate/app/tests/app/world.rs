//! A shell without IO: a virtual clock, the real CPU backend as the engine, files in memory, and a native edge's machine
//! behind a link with a delay.

use burn::tensor::Device;
use cleave_app::App;
use cleave_app::effect::{Effect, Engine, FetchError, Input, Job, SocketEffect, SocketEvent};
use cleave_app::network::{Named, Network, TRAINED};
use cleave_arch::Segment;
use cleave_arch::array::Array;
use cleave_contract::{
    self as contract, Backend, EdgeAddress, EdgeStatus, Event, Failure, Frame, Intent, Link, Outcome, Preference,
};
use cleave_data::furniture;
use cleave_data::modelnet::Dataset;
use cleave_data::validation::Validation;
use cleave_model::Gnn;
use cleave_model::exec::{Executor, Params};
use cleave_session::{
    EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession, EngineError, Host, Measured, Micros, OwnValidation, TokenCheck,
    unmeasured,
};
use cleave_wire::{ValidationSet, WeightSource};
use futures_util::FutureExt;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The right token of the native edge.
pub const TOKEN: &str = "right";
/// One way between device and native edge.
const DELAY: Micros = Micros(300);
/// The edge's clock is ahead by this much: a translation that is forgotten cannot hide.
const EDGE_AHEAD: Micros = Micros(7_000_000_000);
/// What the engine takes for any piece of work, on either side.
const WORK: Micros = Micros(1_000);

enum Happening {
    Input(Input),
    AtEdge { connection: u32, bytes: Vec<u8> },
    EdgeComputed { connection: u32, event: EdgeEvent },
}

/// The native edge.
struct Edge {
    session: EdgeSession,
    connection: u32,
    plans: HashMap<u32, WeightSource>,
}

pub struct World {
    pub app: App,
    pub now: Micros,
    /// What the page was told and nobody has taken yet.
    pub events: VecDeque<Event>,
    happenings: BTreeMap<(Micros, u64), Happening>,
    next: u64,
    ready: HashMap<WeightSource, Arc<Executor>>,
    pub files: HashMap<String, Vec<u8>>,
    edge: Option<Edge>,
    /// Connecting to a native edge works.
    pub edge_is_up: bool,
    /// So long the edge takes to check and keep weights.
    pub storing: Micros,
    stored: HashMap<WeightSource, Arc<Executor>>,
    /// The network that is being evaluated.
    evaluated: Option<Gnn>,
    /// How many times as long the device's work takes.
    pub slowdown: f64,
    /// The device's engine fails at whatever it is asked.
    pub engine_fails: bool,
    /// Files that take longer to come than others.
    pub late: HashMap<String, Micros>,
    /// Times that a connection to the native edge was tried.
    pub connects: usize,
    /// What the native edge has for judging.
    pub validation: Option<OwnValidation>,
    /// Most that a run may take on the native edge.
    pub max_peak_bytes: u64,
    /// The version of its messages, if it is another than ours.
    pub edge_version: Option<u8>,
    /// It takes messages and says nothing.
    pub edge_is_silent: bool,
    /// What it is asked to compute never ends.
    pub edge_is_stuck: bool,
    /// It has no room for weights.
    pub edge_is_full: bool,
}

impl World {
    pub fn new() -> Self {
        Self {
            app: App::new(unmeasured),
            now: Micros(50_000),
            events: VecDeque::new(),
            happenings: BTreeMap::new(),
            next: 0,
            ready: HashMap::new(),
            files: HashMap::new(),
            edge: None,
            edge_is_up: true,
            storing: Micros(1_000),
            stored: HashMap::new(),
            evaluated: None,
            slowdown: 1.0,
            engine_fails: false,
            late: HashMap::new(),
            connects: 0,
            validation: None,
            max_peak_bytes: 1 << 30,
            edge_version: None,
            edge_is_silent: false,
            edge_is_stuck: false,
            edge_is_full: false,
        }
    }

    /// Started, with a simulated or a native edge.
    pub fn started(edge: Option<EdgeAddress>) -> Self {
        let mut world = Self::new();
        world.start(edge);
        world
    }

    pub fn start(&mut self, edge: Option<EdgeAddress>) {
        let preference = Preference::Only(Backend::Wasm);
        self.say(Intent::Start { base_url: String::new(), preference, edge, link: Link::UNSHAPED });
    }

    pub fn native() -> Option<EdgeAddress> {
        Some(EdgeAddress { url: "ws://edge/ws".into(), token: TOKEN.into() })
    }

    pub fn say(&mut self, intent: Intent) {
        self.give(Input::Intent(intent));
    }

    /// A network by text form and a shape, both there.
    pub fn hold(&mut self, network: &str) {
        self.load(network);
        self.say(Intent::Generate { class: 2, seed: 3 });
        self.until(|event| matches!(event, Event::Cloud(_)).then_some(()));
    }

    pub fn load(&mut self, network: &str) {
        self.say(Intent::Network(network.into()));
        self.until(|event| match event {
            Event::Failed { what, why } => panic!("{network}: {what:?}: {why}"),
            event => matches!(event, Event::Network(_)).then_some(()),
        });
    }

    pub fn plan(&mut self, plan: &str) {
        self.say(Intent::Plan { plan: plan.into(), codec: "f32".into() });
    }

    /// The first event that is wanted; those before it are gone. Virtual time passes as needed, a minute at most.
    pub fn until<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let end = self.now + Micros::from_millis(60_000);
        loop {
            while let Some(event) = self.events.pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            assert!(self.now < end && self.step(), "nothing of the kind was told");
        }
    }

    pub fn frame(&mut self) -> Frame {
        self.until(|event| match event {
            Event::Frame(frame) => Some(frame.clone()),
            Event::Failed { what, why } => panic!("{what:?}: {why}"),
            _ => None,
        })
    }

    pub fn failure(&mut self) -> (Failure, String) {
        self.until(|event| match event {
            Event::Failed { what, why } => Some((what.clone(), why.clone())),
            _ => None,
        })
    }

    /// The frame with its outcome, whatever has failed meanwhile.
    pub fn any_frame(&mut self) -> Frame {
        self.until(|event| if let Event::Frame(frame) = event { Some(frame.clone()) } else { None })
    }

    pub fn network(&mut self) -> contract::Network {
        self.until(|event| if let Event::Network(network) = event { Some(network.clone()) } else { None })
    }

    /// The native edge answers.
    pub fn connected(&mut self) {
        self.until(|event| matches!(event, Event::Edge(EdgeStatus::Connected { .. })).then_some(()));
    }

    /// The first frame that went as planned; those before it have been answered here.
    pub fn planned_frame(&mut self) -> Frame {
        loop {
            let frame = self.frame();
            match frame.outcome {
                Outcome::AsPlanned => return frame,
                Outcome::Local { .. } => {}
                Outcome::Failed { why } => panic!("frame {}: {why}", frame.id),
            }
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Micros) {
        let end = self.now + time;
        while self.happenings.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.now = end;
    }

    /// The edge's process dies: its socket closes, and its weights are gone.
    pub fn kill_edge(&mut self) {
        self.edge_is_up = false;
        self.stored.clear();
        if let Some(edge) = self.edge.take() {
            let event = SocketEvent::Closed("it went away".into());
            self.give(Input::Socket { connection: edge.connection, event });
        }
    }

    fn took(&self, is_device: bool) -> Micros {
        if is_device { Micros((WORK.0 as f64 * self.slowdown) as u64) } else { WORK }
    }

    fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.happenings.pop_first() else { return false };
        self.now = self.now.max(at);
        match happening {
            Happening::Input(input) => self.give(input),
            Happening::AtEdge { connection, bytes } => self.at_edge(connection, EdgeEvent::Received(bytes)),
            Happening::EdgeComputed { connection, event } => self.at_edge(connection, event),
        }
        true
    }

    fn later(&mut self, at: Micros, happening: Happening) {
        self.next += 1;
        self.happenings.insert((at, self.next), happening);
    }

    fn give(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.app.handle(input, self.now) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Tell(event) => self.events.push_back(event),
            Effect::Socket(SocketEffect::Connect { connection, .. }) => self.connect(connection),
            Effect::Socket(SocketEffect::Disconnect { connection }) => {
                let _gone = self.edge.take_if(|edge| edge.connection == connection);
            }
            Effect::Socket(SocketEffect::Send { connection, at, bytes }) => {
                self.later(at.max(self.now) + DELAY, Happening::AtEdge { connection, bytes });
            }
            Effect::Compute(job) => self.compute(job),
            Effect::Prepare(ticket, network) => {
                let loaded = if self.engine_fails { Err(broken()) } else { load(&network) };
                let result = loaded.map(|loaded| drop(self.ready.insert(network.source(), Arc::new(loaded))));
                return Some(Input::Prepared(ticket, network, result));
            }
            Effect::ChooseEngine(preference) => {
                let engine = Engine { backend: Backend::Wasm, reason: "as asked".into(), measured: Vec::new() };
                return Some(Input::Engine(preference, if self.engine_fails { Err(broken()) } else { Ok(engine) }));
            }
            Effect::SlowDown(times) => self.slowdown = times,
            Effect::Fetch(file, path) => {
                let bytes = self.files.get(&path).cloned().ok_or_else(|| FetchError::new(format!("{path} is missing")));
                let at = self.now + self.late.get(&path).copied().unwrap_or(Micros(100));
                self.later(at, Happening::Input(Input::Fetched(file, bytes)));
            }
            Effect::Probe { id, runs, .. } => {
                let at = self.now + WORK;
                let measured = (!self.engine_fails).then(|| Measured { ms: vec![1.0; runs], bytes: 64 });
                self.later(at, Happening::Input(Input::Probed(id, measured)));
            }
            Effect::Derive { purpose, supernet, architecture, calibration } => {
                let device = Device::flex();
                let derived = supernet.network(&architecture, calibration.state(&device), &device).now_or_never();
                let result = derived.ok_or(EngineError::new("the CPU answers at once")).and_then(|derived| {
                    if self.engine_fails {
                        return Err(broken());
                    }
                    let (gnn, weights) = derived.map_err(EngineError::new)?;
                    self.evaluated = Some(gnn);
                    Ok(weights)
                });
                let at = self.now + WORK;
                self.later(at, Happening::Input(Input::Derived(purpose, result)));
            }
            Effect::Classify(number, batch) => {
                let gnn = self.evaluated.as_ref().expect("something is being evaluated");
                let logits = gnn.forward(batch.state(&Device::flex()).features()).unwrap().into_data();
                let result = logits.try_into_vec::<f32>().map_err(|why| EngineError::new(format!("{why:?}")));
                let at = self.now + WORK;
                self.later(at, Happening::Input(Input::Classified(number, result)));
            }
            Effect::Continue => self.later(self.now + Micros(1), Happening::Input(Input::Continue)),
            Effect::Wake { at, .. } => self.later(at.max(self.now), Happening::Input(Input::Tick)),
        }
        None
    }

    // ---- the engine

    fn compute(&mut self, Job { owner, network, segment, input }: Job) {
        let is_device = matches!(owner, cleave_app::effect::Owner::Device { .. });
        let result = match self.ready.get(&network.source()) {
            _ if self.engine_fails => Err(broken()),
            Some(gnn) => run(gnn, segment, &input),
            None => Err(EngineError::new("it is not ready")),
        };
        let ended = self.now + self.took(is_device);
        let done = owner.done(result, (self.now, ended));
        self.later(ended, Happening::Input(Input::Computed(done)));
    }

    // ---- the native edge

    fn connect(&mut self, connection: u32) {
        self.connects += 1;
        let event = match self.edge_is_up {
            true => {
                let config = EdgeConfig::new(Host::new(TokenCheck::new(|token| token == TOKEN), "edge"));
                let (validation, max_peak_bytes) = (self.validation.clone(), self.max_peak_bytes);
                let config = EdgeConfig { validation, max_peak_bytes, ..config };
                let session = EdgeSession::new(config, self.now + EDGE_AHEAD);
                self.edge = Some(Edge { session, connection, plans: HashMap::new() });
                SocketEvent::Opened
            }
            false => SocketEvent::Closed("nobody answers".into()),
        };
        let at = self.now + DELAY;
        self.later(at, Happening::Input(Input::Socket { connection, event }));
    }

    fn at_edge(&mut self, of: u32, event: EdgeEvent) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let Some(edge) = self.edge.as_mut().filter(|edge| edge.connection == of) else { return };
            for effect in edge.session.handle(event, self.now + EDGE_AHEAD) {
                events.extend(self.edge_effect(of, effect));
            }
        }
    }

    fn edge_effect(&mut self, connection: u32, effect: EdgeEffect) -> Option<EdgeEvent> {
        match effect {
            EdgeEffect::Send { .. } if self.edge_is_silent => {}
            EdgeEffect::Send { mut bytes, at } => {
                // Byte 4 of a message is its version.
                bytes[4] = self.edge_version.unwrap_or(bytes[4]);
                let at = Micros(at.0.saturating_sub(EDGE_AHEAD.0)).max(self.now) + DELAY;
                let event = SocketEvent::Received(bytes);
                self.later(at, Happening::Input(Input::Socket { connection, event }));
            }
            EdgeEffect::NeedModel { deployment, weights, graph } => {
                self.edge.as_mut()?.plans.insert(deployment, weights);
                if let WeightSource::Seeded(seed) = weights {
                    let drawn = Executor::whole(&graph, &Params::Seeded(seed), &Device::flex());
                    self.stored.insert(weights, Arc::new(drawn.expect("it loads")));
                }
                return Some(match self.stored.contains_key(&weights) {
                    true => EdgeEvent::ModelReady { deployment },
                    false => EdgeEvent::ModelMissing { deployment },
                });
            }
            EdgeEffect::StoreModel { model, .. } if self.edge_is_full => {
                return Some(EdgeEvent::ModelRejected { model, why: "there is no room".into() });
            }
            EdgeEffect::StoreModel { model, bytes } => {
                let network = Network::parse(bytes).expect("the weights that were sent are a network");
                let source = WeightSource::File(model);
                assert_eq!(network.source(), source, "weights go by the hash of their file");
                self.stored.insert(source, Arc::new(load(&network).expect("it loads")));
                let at = self.now + self.storing;
                self.later(at, Happening::EdgeComputed { connection, event: EdgeEvent::ModelStored { model } });
            }
            EdgeEffect::Compute { .. } if self.edge_is_stuck => {}
            EdgeEffect::Compute { job, deployment, segment, tensors, .. } => {
                let model = self.edge.as_ref()?.plans.get(&deployment)?;
                let result = run(&self.stored[model], Some(segment), &tensors);
                let (started, finished) = (self.now + EDGE_AHEAD, self.now + EDGE_AHEAD + WORK);
                let event = EdgeEvent::Computed { job, result, started, finished };
                let at = self.now + WORK;
                self.later(at, Happening::EdgeComputed { connection, event });
            }
            EdgeEffect::Measure { id, runs, .. } => {
                let result = Ok(Measured { ms: vec![0.5; runs], bytes: 64 });
                return Some(EdgeEvent::Measured { id, result });
            }
            EdgeEffect::Close { .. } => {
                let event = SocketEvent::Closed("the edge closed it".into());
                let at = self.now + DELAY;
                self.later(at, Happening::Input(Input::Socket { connection, event }));
            }
            EdgeEffect::DropDeployment { .. } | EdgeEffect::Cancel { .. } => {}
        }
        None
    }
}

fn broken() -> EngineError {
    EngineError::new("the engine is broken")
}

fn load(network: &Network) -> Result<Executor, EngineError> {
    Executor::whole(&network.graph, &network.params, &Device::flex()).map_err(EngineError::new)
}

fn run(network: &Executor, segment: Option<Segment>, input: &[Array]) -> Result<Vec<Array>, EngineError> {
    let nodes = segment.map_or(0..network.graph().nodes().len(), |segment| segment.nodes);
    let values = network.compute(nodes, input).now_or_never().ok_or(EngineError::new("the CPU answers at once"))?;
    values.map_err(EngineError::new)
}

/// Ten generated clouds that judge, and as many for statistics, as an edge has them under this name.
pub fn validation(name: &str, seed: u64) -> OwnValidation {
    let part = |seed: u64| Dataset {
        points: (0..10).flat_map(|class| furniture::generate(class, 256, seed).unwrap()).collect(),
        labels: (0..10).collect(),
        n_points: 256,
        classes: furniture::CLASSES.map(str::to_owned).to_vec(),
    };
    let body: Arc<[u8]> = Validation { calibration: part(seed), judges: part(seed + 1) }.encode().into();
    let set = ValidationSet { name: name.into(), clouds: 10, bytes: body.len() as u32, digest: seed as u32 };
    OwnValidation { set, body }
}

/// A network with random weights as a shipped file.
pub fn file(text: &str) -> Vec<u8> {
    match Named::parse(text) {
        Ok(Named::Made(network)) => network.file().unwrap().to_vec(),
        other => panic!("{other:?} is no text form"),
    }
}

/// The shipped image networks, by their paths.
pub fn image_files() -> [(String, Vec<u8>); 2] {
    let [(_, lenet5), (_, resnet)] = TRAINED;
    [
        (lenet5.into(), include_bytes!("../../../../www/model/image/lenet5.safetensors").to_vec()),
        (resnet.into(), include_bytes!("../../../../www/model/image/resnet.safetensors").to_vec()),
    ]
}
