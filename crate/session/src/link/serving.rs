//! The side that accepted the connection. Everything that comes in is distrusted: what cannot be read, comes too early or
//! out of order is refused in words and ends the session; so does silence.

use std::fmt;
use std::sync::Arc;

use cleave_wire::link::Message;
use cleave_wire::{Answer, Call, Header, Limits, ModelHash, PROTOCOL_VERSION, RefusalCode, Subject, WireError};

use super::Service;
use crate::refusal::Wrong;
use crate::time::Micros;

/// Compares a token in constant time; the secret stays with the leaf.
#[derive(Clone)]
pub struct TokenCheck(Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl TokenCheck {
    /// `accepts` says whether a token is this side's.
    pub fn new(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(accepts))
    }

    /// Every token is right: for two sides in the same process.
    pub fn open() -> Self {
        Self::new(|_| true)
    }
}

impl fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCheck")
    }
}

/// What the side that accepts a connection says of itself, whom it welcomes, and how long it waits. Start from
/// [`Host::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct Host {
    /// Says whose greeting is welcome.
    pub token: TokenCheck,
    /// What this side calls itself; no two workers of a group may have one name.
    pub name: String,
    /// Program version, for people.
    pub version: String,
    /// Threads that compute.
    pub threads: u16,
    /// What is accepted. AlexNet's and VGG11's files of weights are larger than the default allows: 244 and 531 MB.
    pub limits: Limits,
    /// For the greeting to come.
    pub handshake_timeout: Micros,
    /// Without any message for so long the session is over. The other side pings every second.
    pub idle_timeout: Micros,
}

impl Host {
    /// One thread, 5 s to be greeted, 30 s of silence.
    pub fn new(token: TokenCheck, name: impl Into<String>) -> Self {
        Self {
            token,
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            threads: 1,
            limits: Limits::DEFAULT,
            handshake_timeout: Micros::from_millis(5_000),
            idle_timeout: Micros::from_millis(30_000),
        }
    }
}

/// What follows, in order.
#[derive(Debug)]
pub(crate) enum Served<M> {
    /// Send this message.
    Send(Vec<u8>),
    /// The whole of a file that was needed is here; it may not have that hash.
    Store { model: ModelHash, bytes: Vec<u8> },
    /// A message of the service, never of the link.
    Message(M),
    /// The session is over; nothing follows.
    Ended { why: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting { until: Micros },
    Open,
    Closed,
}

/// A file of which the first bytes have come.
#[derive(Debug)]
struct Receiving {
    model: ModelHash,
    bytes: Vec<u8>,
}

/// The link of one accepted connection.
#[derive(Debug)]
pub(crate) struct Serving<S: Service> {
    host: Host,
    offer: S::Offer,
    phase: Phase,
    last_heard: Micros,
    receiving: Option<Receiving>,
}

impl<S: Service> Serving<S> {
    /// A link for a connection that was accepted at `now`.
    pub(crate) fn new(host: Host, offer: S::Offer, now: Micros) -> Self {
        let phase = Phase::Greeting { until: now + host.handshake_timeout };
        Self { host, offer, phase, last_heard: now, receiving: None }
    }

    /// True until the session has ended.
    pub(crate) fn is_open(&self) -> bool {
        self.phase != Phase::Closed
    }

    /// When silence ends the session.
    pub(crate) fn next_wake(&self) -> Option<Micros> {
        match self.phase {
            Phase::Greeting { until } => Some(until),
            Phase::Open => Some(self.last_heard + self.host.idle_timeout),
            Phase::Closed => None,
        }
    }

    pub(crate) fn tick(&mut self, now: Micros) -> Vec<Served<S::Call>> {
        if self.next_wake().is_none_or(|wake| now < wake) {
            return Vec::new();
        }
        let why = match self.phase {
            Phase::Greeting { .. } => format!("no greeting came for {}", self.host.handshake_timeout),
            _ => format!("nothing was heard for {}", self.host.idle_timeout),
        };
        self.refuse(Wrong::new(RefusalCode::TimedOut, why, "connect again"))
    }

    /// `state`: what this side is at, for a ping.
    pub(crate) fn received(&mut self, bytes: &[u8], state: S::State, now: Micros) -> Vec<Served<S::Call>> {
        self.last_heard = now;
        let message = match S::Call::decode(bytes, &self.host.limits) {
            Ok(message) => message.split(),
            Err(error) => return vec![Served::Send(unreadable(bytes, &error)), self.end(error.to_string())],
        };
        let is_greeted = self.phase == Phase::Open;
        match message {
            Ok(Call::Close) => vec![self.end(format!("the {} said goodbye", S::CALLER))],
            Ok(Call::Hello { token, role, .. }) if !is_greeted => self.greet(&token, &role),
            _ if !is_greeted => self.refuse(not_greeted()),
            Ok(Call::Hello { .. }) => self.refuse(Wrong::new(RefusalCode::Malformed, "Hello came twice", "greet once")),
            Ok(Call::Weights { model, offset, total, chunk }) => self.weights(model, offset, total, &chunk),
            Ok(Call::Ping { id, sent_micros }) => {
                let (received_micros, answered_micros) = (now.0, now.0);
                vec![send::<S>(Answer::Pong { id, sent_micros, received_micros, answered_micros, state })]
            }
            Err(message) => vec![Served::Message(message)],
        }
    }

    fn greet(&mut self, token: &str, role: &S::Role) -> Vec<Served<S::Call>> {
        if *role != S::ROLE || !(self.host.token.0)(token) {
            let wrong = format!("the token is not this {}'s", S::HOST);
            let right = format!("use the token of the URL that the {} printed when it started", S::HOST);
            return self.refuse(Wrong::new(RefusalCode::BadToken, wrong, right));
        }
        self.phase = Phase::Open;
        vec![Served::Send(self.welcome().encode())]
    }

    /// Answers a greeting that was found right.
    pub(crate) fn welcome(&self) -> S::Answer {
        let Host { version, name, threads, limits, .. } = self.host.clone();
        S::Answer::link(Answer::Welcome { version, name, threads, limits, offer: self.offer.clone() })
    }

    // ---- weights

    /// The message that asks for a file. Another one that is coming is given up.
    pub(crate) fn need_weights(&mut self, model: ModelHash) -> S::Answer {
        self.receiving = Some(Receiving { model, bytes: Vec::new() });
        S::Answer::link(Answer::NeedWeights { model })
    }

    /// The file of which pieces are awaited.
    pub(crate) fn receiving(&self) -> Option<ModelHash> {
        self.receiving.as_ref().map(|receiving| receiving.model)
    }

    pub(crate) fn drop_weights(&mut self) {
        self.receiving = None;
    }

    /// Pieces that nobody awaits any more are passed over: the other side may have gone on to another file while they
    /// were under way.
    fn weights(&mut self, model: ModelHash, offset: u64, total: u64, chunk: &[u8]) -> Vec<Served<S::Call>> {
        let Some(receiving) = self.receiving.as_mut().filter(|receiving| receiving.model == model) else {
            return Vec::new();
        };
        let have = receiving.bytes.len() as u64;
        if offset != have || chunk.is_empty() {
            let wrong = format!("{} bytes of weights came for offset {offset}", chunk.len());
            let right = format!("go on at offset {have} with at least one byte");
            return self.refuse(Wrong::new(RefusalCode::BadWeights, wrong, right));
        }
        receiving.bytes.extend_from_slice(chunk);
        let received = receiving.bytes.len() as u64;
        let whole = self.receiving.take_if(|_| received >= total);
        let store = whole.map(|whole| Served::Store { model, bytes: whole.bytes });
        store.into_iter().chain([send::<S>(Answer::WeightsProgress { model, received, total })]).collect()
    }

    // ---- ending

    /// The connection is gone.
    pub(crate) fn closed(&mut self) -> Vec<Served<S::Call>> {
        vec![self.end(format!("the {} is gone", S::CALLER))]
    }

    /// This side is going away.
    pub(crate) fn shut_down(&mut self) -> Vec<Served<S::Call>> {
        let wrong = format!("the {} is going away", S::HOST);
        self.refuse(Wrong::new(RefusalCode::ShuttingDown, wrong, "try again later, or go on without it"))
    }

    /// Refuses the whole session.
    pub(crate) fn refuse(&mut self, wrong: Wrong) -> Vec<Served<S::Call>> {
        let ended = self.end(wrong.wrong.clone());
        vec![Served::Send(wrong.about(Subject::Session).encode_as(PROTOCOL_VERSION)), ended]
    }

    pub(crate) fn end(&mut self, why: String) -> Served<S::Call> {
        self.phase = Phase::Closed;
        self.receiving = None;
        Served::Ended { why }
    }
}

fn send<S: Service>(answer: Answer<S::Offer, S::State>) -> Served<S::Call> {
    Served::Send(S::Answer::link(answer).encode())
}

/// The role in which a connection greets, before any [`Serving`] has it.
///
/// # Errors
/// What to answer before closing.
pub(crate) fn first_message<S: Service>(bytes: &[u8], limits: &Limits) -> Result<S::Role, Vec<u8>> {
    match S::Call::decode(bytes, limits).map(Message::split) {
        Ok(Ok(Call::Hello { role, .. })) => Ok(role),
        Ok(_) => Err(not_greeted().about(Subject::Session).encode_as(PROTOCOL_VERSION)),
        Err(error) => Err(unreadable(bytes, &error)),
    }
}

fn not_greeted() -> Wrong {
    Wrong::new(RefusalCode::NotGreeted, "something came before Hello", "greet first")
}

/// The answer to what cannot be read: in the other side's version, so that an old program can read why.
fn unreadable(bytes: &[u8], error: &WireError) -> Vec<u8> {
    let (code, right) = match error {
        WireError::Version { .. } => {
            (RefusalCode::WrongVersion, "reload the page, or update the older of the two programs")
        }
        _ => (
            RefusalCode::Malformed,
            "send messages as this version of Cleave writes them, within the limits of the welcome",
        ),
    };
    let version = Header::read(bytes).map_or(PROTOCOL_VERSION, |header| header.version);
    Wrong::new(code, error.to_string(), right).about(Subject::Session).encode_as(version)
}
