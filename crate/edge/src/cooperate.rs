//! Workers that share one network, on sockets: members behind `/cooperate`, and what a coordinator needs to reach
//! them. What is said is [`cleave_session::cooperate`]'s; here its machines get connections, engines and a clock.
//!
//! A connection is a coordinator's, who shows the token in its greeting, or another member's, who shows the number of a
//! group that a coordinator has formed here: that one is handed to the member of that group.
//!
//! With `--peers`, whoever knows the token can make this program open a WebSocket to an address of its choice, in which
//! it greets as a member and sends its parts; without, members' parts go through the coordinator.

mod engine;
mod line;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::{Message, WebSocket};
use cleave_session::EngineError;
use cleave_session::cooperate::{EngineCall, Line, Member, MemberEffect, MemberEvent, greeting, no_such_group};
use cleave_wire::ModelHash;
use cleave_wire::cooperate::Role;
use futures_util::{SinkExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::clock;
use crate::closing::Closing;
use crate::edge::Edge;

pub use engine::{Busy, Engine, Files};
pub use line::{Connection, connect};

/// Messages that may wait for a machine; beyond that they wait unread.
const HAPPENINGS: usize = 64;

/// The members of this edge that are in a group, by its number.
#[derive(Default)]
pub(crate) struct Groups(Mutex<HashMap<u64, Sender<Happening>>>);

/// What a member's task is told.
pub(crate) enum Happening {
    Event(MemberEvent),
    /// Another member has greeted.
    Visitor {
        line: Line,
        connection: Connection,
    },
}

impl Groups {
    fn find(&self, group: u64) -> Option<Sender<Happening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&group).cloned()
    }

    fn replace(&self, old: Option<u64>, new: Option<(u64, Sender<Happening>)>) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        old.map(|old| groups.remove(&old));
        groups.extend(new);
    }
}

/// Serves one connection to its end.
pub(crate) async fn run(socket: WebSocket, edge: Arc<Edge>, closing: Closing) {
    let (sink, stream) = socket.split();
    let sink = sink.with(async |bytes: Vec<u8>| Ok::<_, axum::Error>(Message::Binary(bytes.into())));
    let mut stream = Box::pin(stream.filter_map(async |message| match message {
        Ok(Message::Binary(bytes)) => Some(Ok(Vec::from(bytes))),
        Ok(Message::Text(text)) => Some(Ok(text.as_bytes().to_vec())),
        Ok(Message::Ping(_) | Message::Pong(_)) => None,
        Ok(Message::Close(_)) => Some(Err(line::LineError::ClosedThere)),
        Err(why) => Some(Err(line::LineError::from(why))),
    }));
    let Ok(Some(Ok(first))) = timeout(edge.bounds.handshake, stream.next()).await else { return };
    let (connection, outgoing) = Connection::pair();
    // What comes of a connection that is refused is for nobody.
    let (nobody, _) = channel(1);
    let (events, line) = match greeting(&first, &edge.bounds.wire) {
        Ok(Role::Coordinator) => {
            let (events, happenings) = channel(HAPPENINGS);
            tokio::spawn(Driver::new(edge, events.clone(), connection).run(first, happenings, closing));
            (events, Line::Coordinator)
        }
        Ok(Role::Peer { group, worker }) => {
            let line = Line::From { group, worker };
            (visit(&edge.groups, group, line, connection).await.unwrap_or(nobody), line)
        }
        Err(answer) => {
            refuse(connection, answer);
            (nobody, Line::Coordinator)
        }
    };
    let received = move |bytes| Happening::Event(MemberEvent::Received { line, bytes });
    let closed = move |why| Happening::Event(MemberEvent::Closed { line, why });
    line::serve(sink, stream, outgoing, &events, received, closed).await;
}

/// Tells the member of the group that another is there; none, and the connection is refused, if there is no such member.
async fn visit(groups: &Groups, group: u64, line: Line, connection: Connection) -> Option<Sender<Happening>> {
    if let Some(events) = groups.find(group) {
        let visitor = Happening::Visitor { line, connection: connection.clone() };
        if events.send(visitor).await.is_ok() {
            return Some(events);
        }
    }
    refuse(connection, no_such_group());
    None
}

/// Says why, and closes.
fn refuse(connection: Connection, answer: Vec<u8>) {
    // A fresh connection has room.
    let _full = connection.send(answer).is_err();
}

/// One coordinator's member: what happens goes in, what is to be done is done.
struct Driver {
    edge: Arc<Edge>,
    member: Member,
    events: Sender<Happening>,
    connections: HashMap<Line, Connection>,
    engine: Option<Engine>,
    group: Option<u64>,
}

impl Driver {
    fn new(edge: Arc<Edge>, events: Sender<Happening>, coordinator: Connection) -> Self {
        let member = edge.member();
        let connections = HashMap::from([(Line::Coordinator, coordinator)]);
        Self { edge, member, events, connections, engine: None, group: None }
    }

    async fn run(mut self, greeting: Vec<u8>, mut happenings: Receiver<Happening>, mut closing: Closing) {
        tracing::info!("a coordinator connects");
        self.handle(MemberEvent::Received { line: Line::Coordinator, bytes: greeting });
        let mut is_closing = false;
        while self.member.is_open() {
            let wake = self.member.next_wake().unwrap_or_else(clock::now);
            tokio::select! {
                Some(happening) = happenings.recv() => self.happened(happening),
                () = clock::wait_until(wake) => self.handle(MemberEvent::Tick),
                () = closing.wait(), if !is_closing => {
                    is_closing = true;
                    self.handle(MemberEvent::Shutdown);
                }
            }
        }
        self.edge.groups.replace(self.group, None);
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) => {
                if let MemberEvent::Closed { line, .. } = &event {
                    self.connections.retain(|other, connection| other != line || !connection.is_closed());
                }
                self.handle(event);
            }
            // One that calls itself like one that is here is dropped, which closes it.
            Happening::Visitor { line, .. } if self.connections.contains_key(&line) => {}
            Happening::Visitor { line, connection } => {
                self.connections.insert(line, connection);
                self.handle(MemberEvent::Opened { line });
            }
        }
    }

    fn handle(&mut self, event: MemberEvent) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.member.handle(event, clock::now()) {
                events.extend(self.apply(effect));
            }
            // Who joins is found by its peers from then on.
            let group = self.member.group();
            if group != self.group {
                self.edge.groups.replace(self.group, group.map(|group| (group, self.events.clone())));
                self.group = group;
            }
        }
    }

    fn apply(&mut self, effect: MemberEffect) -> Option<MemberEvent> {
        match effect {
            MemberEffect::Connect { line, address } => self.connect(line, &address),
            MemberEffect::Send { line, bytes } => {
                let connection = self.connections.get(&line)?;
                let why = connection.send(bytes).err()?.to_string();
                self.connections.remove(&line);
                Some(MemberEvent::Closed { line, why })
            }
            MemberEffect::Close { line, why } => {
                tracing::info!(?line, why, "a connection is closed");
                match line {
                    Line::Coordinator => self.connections.clear(),
                    _ => _ = self.connections.remove(&line),
                }
                None
            }
            MemberEffect::Engine(call) => {
                let why = self.compute(call).err()?.to_string();
                tracing::error!(why, "the engine");
                Some(MemberEvent::Closed { line: Line::Coordinator, why })
            }
            MemberEffect::StoreWeights { model, bytes } => {
                self.store(model, bytes);
                None
            }
        }
    }

    fn connect(&mut self, line: Line, address: &str) -> Option<MemberEvent> {
        if !self.edge.peers {
            let why = "this worker connects to nobody; start it with --peers".to_owned();
            return Some(MemberEvent::Closed { line, why });
        }
        let opened = Happening::Event(MemberEvent::Opened { line });
        let received = move |bytes| Happening::Event(MemberEvent::Received { line, bytes });
        let closed = move |why| Happening::Event(MemberEvent::Closed { line, why });
        self.connections.insert(line, connect(address, self.events.clone(), opened, received, closed));
        None
    }

    /// The engine is started when there is something to do for it.
    fn compute(&mut self, call: EngineCall) -> Result<(), EngineError> {
        if self.engine.is_none() {
            let (models, events) = (self.edge.models.clone(), self.events.clone());
            let files: Files = Box::new(move |model| models.file(model));
            // A member that has ended needs no answer.
            let tell = move |event| drop(events.blocking_send(Happening::Event(MemberEvent::Engine(event))));
            self.engine = Some(Engine::start(files, Handle::current(), tell).map_err(EngineError::new)?);
        }
        self.engine.as_ref().map_or(Ok(()), |engine| engine.call(call).map_err(EngineError::new))
    }

    /// Hashing hundreds of megabytes takes a while: beside all else.
    fn store(&self, model: ModelHash, bytes: Vec<u8>) {
        let (models, events) = (self.edge.models.clone(), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let event = match models.store(model, bytes) {
                Ok(()) => MemberEvent::WeightsStored { model },
                Err(wrong) => MemberEvent::WeightsRejected { model, why: wrong.to_string() },
            };
            drop(events.blocking_send(Happening::Event(event)));
        });
    }
}
