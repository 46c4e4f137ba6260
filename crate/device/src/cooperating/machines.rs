//! The machines that cooperate, and what lies between them: `app`'s, which has the coordinator, and those of this browser's
//! workers live on this thread, each with an engine elsewhere; native edges are reached by sockets. Here messages are only
//! carried.
//!
//! Workers of this browser reach each other within it, and native edges by a socket of their own; an edge reaches none of
//! them, so that what it sends them goes through the coordinator.

use super::Order;
use super::engine::{Engine, Said, Site, Tell};
use crate::browser::{now_micros, scope};
use crate::error::DeviceError;
use crate::socket::{Socket, SocketEvent};
use burn::tensor::Device;
use cleave_app::cooperation::{Candidate, Config, Cooperation, Crew, Effect, EngineKind, Event};
use cleave_contract::{Backend, EdgeAddress, MemberRequest};
use cleave_session::cooperate::{
    EngineCall, Line, Member, MemberConfig, MemberEffect, MemberEvent, MemberSpec, greeting, no_such_group,
};
use cleave_session::{Host, Micros, Model, TokenCheck};
use cleave_wire::Limits;
use cleave_wire::WeightSource;
use cleave_wire::cooperate::Role;
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

/// Starting a worker fetches nothing, but WebGPU is opened and checked, which takes a software adapter ten seconds.
const STARTING: Micros = Micros::from_millis(60_000);

/// Before the place of a worker of this browser.
const TAB: &str = "tab:";

/// What happens to the machines.
pub enum Happening {
    Coordinator(Event),
    Member(usize, MemberEvent),
    /// The engine of this place says something.
    Engine(usize, Said),
    /// Something may be due.
    Tick,
}

/// The far end of a member's line.
enum Far {
    /// Its greeting, which says whose it is, goes to the worker at this place.
    Greeting(usize),
    Tab(usize, Line),
    Socket(Socket),
}

/// A worker of this browser.
struct Tab {
    engine: Engine,
    /// Once its engine is ready; never the coordinator's.
    member: Option<Box<Member>>,
    lines: HashMap<Line, Far>,
}

/// All of them. The place of the coordinator is 0.
pub struct Machines {
    coordinator: Cooperation,
    requests: Vec<MemberRequest>,
    tabs: HashMap<usize, Tab>,
    sockets: HashMap<usize, Socket>,
    site: Site,
    backend: Backend,
    device: Device,
    seed: u64,
    file: Option<Model>,
    lost: Option<String>,
    put: Rc<dyn Fn(Happening)>,
}

/// What a worker of this browser calls itself.
fn browser_name(place: usize) -> String {
    if place == 0 { "this tab".into() } else { format!("browser {}", place + 1) }
}

/// A worker as it is connected to, and as people are told of it.
fn candidate((at, request): (usize, &MemberRequest)) -> Result<Candidate, DeviceError> {
    let place = at + 1;
    Ok(match request {
        MemberRequest::Browser => {
            let (name, address) = (browser_name(place), format!("{TAB}{place}"));
            let spec = MemberSpec { name: name.clone(), token: String::new(), address };
            Candidate { spec, name, place: "a worker of this browser".into(), is_alike: true }
        }
        MemberRequest::Edge(EdgeAddress { url, token }) => {
            let wrong = || DeviceError::Address { worker: place + 1, url: url.clone() };
            let address = address(url).ok_or_else(wrong)?.to_owned();
            let spec = MemberSpec { name: String::new(), token: token.clone(), address };
            Candidate { spec, name: format!("edge {}", place + 1), place: url.clone(), is_alike: false }
        }
    })
}

impl Machines {
    /// The workers of an order; what happens to them later is `put`, for [`Self::take`].
    pub fn new(order: &Order, seed: u64, put: impl Fn(Happening) + 'static) -> Result<Self, DeviceError> {
        let requests = order.request.members.clone();
        let members = requests.iter().enumerate().map(candidate).collect::<Result<Vec<_>, _>>()?;
        let config = Config {
            name: browser_name(0),
            place: "this tab".into(),
            engine: match order.backend {
                Backend::Wasm => EngineKind::Cpu,
                Backend::WebGpu => EngineKind::Gpu,
            },
            handshake_timeout: STARTING,
            seed,
        };
        Ok(Self {
            coordinator: Cooperation::new(config, &members),
            requests,
            tabs: HashMap::new(),
            sockets: HashMap::new(),
            site: order.site,
            backend: order.backend,
            device: order.device.clone(),
            seed,
            file: None,
            lost: None,
            put: Rc::new(put),
        })
    }

    /// Starts the own engine; when it is ready, everybody is connected to.
    pub fn start(&mut self) -> Result<(), DeviceError> {
        self.start_engine(0)
    }

    /// Whether these are the workers of an order, all of them.
    pub fn are(&self, order: &Order) -> bool {
        self.requests == order.request.members && self.backend == order.backend && self.coordinator.is_whole()
    }

    /// Who takes part.
    pub fn crew(&self) -> &Crew {
        self.coordinator.crew()
    }

    /// The file that engines read from now on.
    pub fn use_file(&mut self, file: Option<Model>) {
        self.file = file;
    }

    /// Emulates slower workers of this browser, by place; edges are as fast as they are.
    pub fn slow_down(&self, slower: &[f64]) {
        for (place, tab) in &self.tabs {
            tab.engine.slow_down(slower.get(*place).copied().unwrap_or(1.0));
        }
    }

    /// Ends a member as an accident would.
    pub fn lose(&mut self, place: usize) -> Vec<Effect> {
        let why = "it was ended here, on purpose".to_owned();
        self.sockets.remove(&place);
        match self.tabs.contains_key(&place) {
            true => self.take(Happening::Engine(place, Said::Lost(why))),
            false => self.take(says(place, SocketEvent::Closed(why))),
        }
    }

    /// When [`Happening::Tick`] must come at the latest.
    pub fn next_wake(&self) -> Option<Micros> {
        let members = self.tabs.values().filter_map(|tab| tab.member.as_ref()?.next_wake());
        members.chain(self.coordinator.next_wake()).min()
    }

    /// Does what follows from a happening, and returns what is for the owner: everything but `Connect`, `Send`,
    /// `Disconnect` and `Engine`.
    pub fn take(&mut self, happening: Happening) -> Vec<Effect> {
        let (mut queue, mut told) = (VecDeque::from([happening]), Vec::new());
        while let Some(happening) = queue.pop_front() {
            match happening {
                Happening::Coordinator(event) => {
                    for effect in self.coordinator.handle(event, now()) {
                        told.extend(self.coordinate(effect, &mut queue));
                    }
                }
                Happening::Member(place, event) => self.member(place, event, &mut queue),
                Happening::Engine(place, said) => self.said(place, said, &mut queue),
                Happening::Tick => {
                    queue.push_back(Happening::Coordinator(Event::Tick));
                    let due = |tab: &Tab| {
                        tab.member.as_ref().is_some_and(|member| member.next_wake().is_some_and(|wake| wake <= now()))
                    };
                    let places = self.tabs.iter().filter(|(_, tab)| due(tab)).map(|(place, _)| *place);
                    queue.extend(places.map(|place| Happening::Member(place, MemberEvent::Tick)));
                }
            }
        }
        told
    }

    // ---- engines

    fn start_engine(&mut self, place: usize) -> Result<(), DeviceError> {
        let put = Rc::clone(&self.put);
        let tell: Tell = Rc::new(move |said| put(Happening::Engine(place, said)));
        let engine = Engine::start(self.site, self.backend, &self.device, tell)?;
        self.tabs.insert(place, Tab { engine, member: None, lines: HashMap::new() });
        Ok(())
    }

    fn said(&mut self, place: usize, said: Said, queue: &mut VecDeque<Happening>) {
        match (place, said) {
            (0, Said::Ready) => queue.push_back(Happening::Coordinator(Event::Start)),
            (0, Said::Event(event)) => queue.push_back(Happening::Coordinator(Event::Engine(event))),
            (0, Said::Lost(why)) => self.lost = Some(why),
            (_, Said::Ready) => {
                let Some(tab) = self.tabs.get_mut(&place) else { return };
                let token = TokenCheck::new(|token| token.is_empty());
                let limits = Limits { max_model_bytes: u64::MAX, ..Limits::DEFAULT };
                let host = Host { limits, ..Host::new(token, browser_name(place)) };
                let seed = self.seed.wrapping_add(place as u64);
                let config = MemberConfig { seed, ..MemberConfig::new(host) };
                tab.member = Some(Box::new(Member::new(config, now())));
                queue.push_back(says(place, SocketEvent::Opened));
            }
            (_, Said::Event(event)) => queue.push_back(Happening::Member(place, MemberEvent::Engine(event))),
            (_, Said::Lost(why)) => self.end(place, why, queue),
        }
    }

    /// Why the coordinator cannot compute any more.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    fn call(&self, place: usize, call: EngineCall) -> Result<(), DeviceError> {
        let file = match &call {
            EngineCall::Load { weights: WeightSource::File(hash), .. } => {
                self.file.as_ref().filter(|file| file.hash == *hash).map(|file| Arc::clone(&file.bytes))
            }
            _ => None,
        };
        self.tabs.get(&place).ok_or(DeviceError::Ended)?.engine.call(call, file)
    }

    // ---- the coordinator

    fn coordinate(&mut self, effect: Effect, queue: &mut VecDeque<Happening>) -> Option<Effect> {
        match effect {
            Effect::Connect { place } => {
                if let Err(why) = self.connect(place) {
                    queue.push_back(says(place, SocketEvent::Closed(why.to_string())));
                }
            }
            Effect::Send { place, bytes } if self.tabs.contains_key(&place) => {
                let line = Line::Coordinator;
                queue.push_back(Happening::Member(place, MemberEvent::Received { line, bytes }));
            }
            Effect::Send { place, bytes } => {
                self.sockets.get(&place).into_iter().for_each(|socket| socket.send(&bytes));
            }
            Effect::Disconnect { place } => {
                self.sockets.remove(&place);
                self.forget(place, queue);
            }
            Effect::Engine(call) => {
                if let Err(why) = self.call(0, call) {
                    self.said(0, Said::Lost(why.to_string()), queue);
                }
            }
            told => return Some(told),
        }
        None
    }

    fn connect(&mut self, place: usize) -> Result<(), DeviceError> {
        match self.requests.get(place - 1) {
            Some(MemberRequest::Edge(EdgeAddress { url, .. })) => {
                let (put, is_open) = (Rc::clone(&self.put), Rc::new(Cell::new(false)));
                let tell = move |event| {
                    is_open.set(is_open.get() || matches!(event, SocketEvent::Opened));
                    let event = match event {
                        // A browser does not tell a refusal from silence.
                        SocketEvent::Closed(_) if !is_open.get() => {
                            let origin = scope().location().origin();
                            SocketEvent::Closed(format!(
                                "nobody answers, or no page from {origin} is let in: an edge that has not served the page \
                                 is started with --allow-origin {origin}"
                            ))
                        }
                        event => event,
                    };
                    put(says(place, event));
                };
                self.sockets.insert(place, Socket::open(&route(url), tell)?);
                Ok(())
            }
            _ => self.start_engine(place),
        }
    }

    // ---- members of this browser

    fn member(&mut self, place: usize, event: MemberEvent, queue: &mut VecDeque<Happening>) {
        let Some(member) = self.tabs.get_mut(&place).and_then(|tab| tab.member.as_mut()) else { return };
        for effect in member.handle(event, now()) {
            self.perform(place, effect, queue);
        }
    }

    fn perform(&mut self, place: usize, effect: MemberEffect, queue: &mut VecDeque<Happening>) {
        match effect {
            MemberEffect::Connect { line, address } => {
                let event = match self.open(place, line, &address) {
                    Ok(true) => MemberEvent::Opened { line },
                    // The socket tells.
                    Ok(false) => return,
                    Err(why) => MemberEvent::Closed { line, why: why.to_string() },
                };
                queue.push_back(Happening::Member(place, event));
            }
            MemberEffect::Send { line: Line::Coordinator, bytes } => {
                queue.push_back(says(place, SocketEvent::Received(bytes)));
            }
            MemberEffect::Send { line, bytes } => self.send(place, line, bytes, queue),
            MemberEffect::Close { line: Line::Coordinator, why } => self.end(place, why, queue),
            MemberEffect::Close { line, .. } => {
                let far = self.tabs.get_mut(&place).and_then(|tab| tab.lines.remove(&line));
                self.close(far, queue);
            }
            MemberEffect::Engine(call) => {
                if let Err(why) = self.call(place, call) {
                    self.end(place, why.to_string(), queue);
                }
            }
            MemberEffect::StoreWeights { model, .. } => {
                // Its engine was given the file by this thread, which has it.
                let why = "a worker of this browser has its files".to_owned();
                queue.push_back(Happening::Member(place, MemberEvent::WeightsRejected { model, why }));
            }
        }
    }

    /// Whether it is open at once.
    fn open(&mut self, place: usize, line: Line, address: &str) -> Result<bool, DeviceError> {
        let there = address.strip_prefix(TAB).and_then(|place| place.parse().ok());
        let far = match there {
            Some(there) => Far::Greeting(there),
            None => {
                let put = Rc::clone(&self.put);
                let tell = move |event| {
                    put(Happening::Member(
                        place,
                        match event {
                            SocketEvent::Opened => MemberEvent::Opened { line },
                            SocketEvent::Received(bytes) => MemberEvent::Received { line, bytes },
                            SocketEvent::Closed(why) => MemberEvent::Closed { line, why },
                        },
                    ));
                };
                Far::Socket(Socket::open(&route(address), tell)?)
            }
        };
        if let Some(tab) = self.tabs.get_mut(&place) {
            tab.lines.insert(line, far);
        }
        Ok(there.is_some())
    }

    fn send(&mut self, place: usize, line: Line, bytes: Vec<u8>, queue: &mut VecDeque<Happening>) {
        let Some(tab) = self.tabs.get_mut(&place) else { return };
        match tab.lines.get(&line) {
            Some(Far::Socket(socket)) => socket.send(&bytes),
            Some(Far::Tab(there, line)) => {
                queue.push_back(Happening::Member(*there, MemberEvent::Received { line: *line, bytes }));
            }
            Some(Far::Greeting(there)) => {
                let there = *there;
                self.greet(place, line, there, &bytes, queue);
            }
            None => {}
        }
    }

    /// A member of this browser has connected to another.
    fn greet(&mut self, place: usize, line: Line, there: usize, bytes: &[u8], queue: &mut VecDeque<Happening>) {
        let greeted = match greeting(bytes, &Limits::DEFAULT) {
            Ok(Role::Peer { group, worker }) => {
                let member = |tab: &&mut Tab| tab.member.as_ref().is_some_and(|member| member.group() == Some(group));
                let tab = self.tabs.get_mut(&there).filter(member).ok_or_else(no_such_group);
                tab.map(|tab| (tab, Line::From { group, worker }))
            }
            Ok(Role::Coordinator) => Err(no_such_group()),
            Err(answer) => Err(answer),
        };
        match greeted {
            Ok((tab, theirs)) => {
                tab.lines.insert(theirs, Far::Tab(place, line));
                queue.push_back(Happening::Member(there, MemberEvent::Opened { line: theirs }));
                if let Some(tab) = self.tabs.get_mut(&place) {
                    tab.lines.insert(line, Far::Tab(there, theirs));
                }
            }
            Err(bytes) => {
                queue.push_back(Happening::Member(place, MemberEvent::Received { line, bytes }));
                let why = "the other side closed the connection".to_owned();
                queue.push_back(Happening::Member(place, MemberEvent::Closed { line, why }));
            }
        }
    }

    /// Tells whoever was at the far end; a socket closes by itself.
    fn close(&mut self, far: Option<Far>, queue: &mut VecDeque<Happening>) {
        let Some(Far::Tab(there, line)) = far else { return };
        if let Some(tab) = self.tabs.get_mut(&there) {
            tab.lines.remove(&line);
        }
        let why = "the other side closed the connection".to_owned();
        queue.push_back(Happening::Member(there, MemberEvent::Closed { line, why }));
    }

    /// A member of this browser is there no more.
    fn end(&mut self, place: usize, why: String, queue: &mut VecDeque<Happening>) {
        self.forget(place, queue);
        queue.push_back(says(place, SocketEvent::Closed(why)));
    }

    fn forget(&mut self, place: usize, queue: &mut VecDeque<Happening>) {
        if let Some(tab) = self.tabs.remove(&place) {
            tab.lines.into_values().for_each(|far| self.close(Some(far), queue));
        }
    }
}

fn now() -> Micros {
    Micros(now_micros())
}

/// A member's connection to the coordinator says this.
fn says(place: usize, event: SocketEvent) -> Happening {
    Happening::Coordinator(Event::Socket { place, event })
}

/// `ws://HOST:PORT`, as members are told of each other.
fn address(url: &str) -> Option<&str> {
    let url = url.trim().trim_end_matches('/');
    let host = ["ws://", "wss://"].iter().find_map(|scheme| url.strip_prefix(scheme))?;
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#', '@']);
    is_host.then_some(url)
}

/// Where a worker at this address takes coordinators and other members.
fn route(url: &str) -> String {
    format!("{}/cooperate", url.trim().trim_end_matches('/'))
}
