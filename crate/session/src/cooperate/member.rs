//! A member's machine: one coordinator's connection, one group at a time, and the connections from and to the other
//! members of that group.
//!
//! Everything that comes in is distrusted. What does not fit the schedule is refused, and the coordinator is told.

mod joined;
mod weights;

use cleave_wire::cooperate::{Join, Part, Role, ToCoordinator, ToMember};
use cleave_wire::{Header, Limits, ModelHash, PROTOCOL_VERSION, RefusalCode, Subject, WireError};

use super::error::{PlanError, about, bad_plan, refusal};
use super::group::{Group, schedule};
use super::walk::{Act, Computed};
use super::{EngineCall, EngineEvent};
use crate::edge::{TokenCheck, Wrong};
use crate::time::Micros;
use joined::Joined;
use weights::Receiving;

/// A member's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Line {
    /// The one that the coordinator opened.
    Coordinator,
    /// One that this member opened, for what it sends.
    To {
        /// The group.
        group: u64,
        /// To which worker.
        worker: u16,
    },
    /// One that another member opened, for what that one sends.
    From {
        /// The group.
        group: u64,
        /// From which worker.
        worker: u16,
    },
}

/// Settings of a [`Member`]. Start from [`MemberConfig::new`] and change what differs.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Says whose greeting is welcome.
    pub token: TokenCheck,
    /// What this member calls itself; no two workers of a group may have one name.
    pub name: String,
    /// Program version, for people.
    pub version: String,
    /// Threads that compute.
    pub threads: u16,
    /// What is accepted. AlexNet's and VGG11's files of weights are larger than the default allows: 244 and 531 MB.
    pub limits: Limits,
    /// Most memory that its part may take, by [`cleave_arch::cnn::Schedule::memory`].
    pub max_peak_bytes: u64,
    /// For the greeting to come.
    pub handshake_timeout: Micros,
    /// For a connection to another member to be opened and answered.
    pub link_timeout: Micros,
    /// Without any message from the coordinator for so long the session is over.
    pub idle_timeout: Micros,
    /// Draws the shaped uplink's jitter.
    pub seed: u64,
}

impl MemberConfig {
    /// 2 GiB for its part, 5 s to be greeted, 3 s to reach a neighbour, 30 s of silence.
    pub fn new(token: TokenCheck, name: impl Into<String>) -> Self {
        Self {
            token,
            name: name.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            threads: 1,
            limits: Limits::DEFAULT,
            max_peak_bytes: 2 << 30,
            handshake_timeout: Micros::from_millis(5_000),
            link_timeout: Micros::from_millis(3_000),
            idle_timeout: Micros::from_millis(30_000),
            seed: 0,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum MemberEvent {
    /// A message came.
    Received {
        /// Where.
        line: Line,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// A connection of [`MemberEffect::Connect`] is open; or another member has greeted as this line's worker, whose
    /// greeting [`greeting`] has read.
    Opened {
        /// Which.
        line: Line,
    },
    /// A connection is closed, or could not be opened.
    Closed {
        /// Which.
        line: Line,
        /// Why, for people.
        why: String,
    },
    /// The engine answers.
    Engine(EngineEvent),
    /// The file of [`MemberEffect::StoreWeights`] has that hash and is in the cache.
    WeightsStored {
        /// Its hash.
        model: ModelHash,
    },
    /// It has not, or there is no room.
    WeightsRejected {
        /// The hash that was claimed.
        model: ModelHash,
        /// Why, for people.
        why: String,
    },
    /// The member is going away.
    Shutdown,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum MemberEffect {
    /// Open a connection to another member; answer with `Opened` or `Closed`.
    Connect {
        /// What to call it.
        line: Line,
        /// Where.
        address: String,
    },
    /// Write one message, now.
    Send {
        /// Where.
        line: Line,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Close a connection when everything is written. After the coordinator's, which takes all others of this member
    /// with it, nothing follows.
    Close {
        /// Which.
        line: Line,
        /// Why, for the log.
        why: String,
    },
    /// The engine has something to do.
    Engine(EngineCall),
    /// Check the hash and keep the file; answer with `WeightsStored` or `WeightsRejected`.
    StoreWeights {
        /// The hash that the coordinator claims.
        model: ModelHash,
        /// The whole file.
        bytes: Vec<u8>,
    },
}

pub(super) type Effects = Vec<MemberEffect>;

/// Reads the first message of a connection that was accepted, to know whose it is. Of a coordinator it goes to a new
/// [`Member`] as its first `Received`; of a peer, the member whose [`Member::group`] it names is told `Opened` with
/// [`Line::From`], or the connection is answered with [`no_such_group`] and closed.
///
/// # Errors
/// What to answer before closing.
pub fn greeting(bytes: &[u8], limits: &Limits) -> Result<Role, Vec<u8>> {
    match ToMember::decode(bytes, limits) {
        Ok(ToMember::Hello { role, .. }) => Ok(role),
        Ok(_) => {
            let wrong = Wrong::new(RefusalCode::NotGreeted, "something came before Hello", "greet first");
            Err(ToCoordinator::Refused(refusal(wrong, Subject::Session)).encode())
        }
        Err(error) => Err(unreadable(bytes, &error)),
    }
}

/// Answers a peer whose group is not here.
pub fn no_such_group() -> Vec<u8> {
    let right = "connect after the coordinator has said Link";
    let wrong = Wrong::new(RefusalCode::UnknownDeployment, "there is no such group here", right);
    ToCoordinator::Refused(refusal(wrong, Subject::Session)).encode()
}

fn unreadable(bytes: &[u8], error: &WireError) -> Vec<u8> {
    let (version, code, right) = match error {
        WireError::Version { theirs, .. } => {
            (*theirs, RefusalCode::WrongVersion, "update the older of the two programs")
        }
        _ => (
            PROTOCOL_VERSION,
            RefusalCode::Malformed,
            "send messages as this version of Cleave writes them, within the limits of the welcome",
        ),
    };
    let version = Header::read(bytes).map_or(version, |header| header.version);
    ToCoordinator::Refused(refusal(Wrong::new(code, error.to_string(), right), Subject::Session)).encode_as(version)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting { until: Micros },
    Open,
    Closed,
}

/// The machine of one coordinator's connection.
#[derive(Debug)]
pub struct Member {
    config: MemberConfig,
    phase: Phase,
    last_heard: Micros,
    joined: Option<Box<Joined>>,
    receiving: Option<Receiving>,
    /// Jobs that the engine was given.
    jobs: u64,
}

impl Member {
    /// A machine for a connection that was accepted at `now`.
    pub fn new(config: MemberConfig, now: Micros) -> Self {
        let phase = Phase::Greeting { until: now + config.handshake_timeout };
        Self { config, phase, last_heard: now, joined: None, receiving: None, jobs: 0 }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: MemberEvent, now: Micros) -> Vec<MemberEffect> {
        let mut fx = Vec::new();
        if self.phase != Phase::Closed {
            self.apply(event, now, &mut fx);
            self.check_time(now, &mut fx);
        }
        if let Some(joined) = &mut self.joined {
            joined.send_due(now, &mut fx);
        }
        fx
    }

    /// When [`MemberEvent::Tick`] must come at the latest if nothing else happens; `None`: never.
    pub fn next_wake(&self) -> Option<Micros> {
        let end = match self.phase {
            Phase::Greeting { until } => until,
            Phase::Open => self.last_heard + self.config.idle_timeout,
            Phase::Closed => return None,
        };
        self.joined.as_ref().and_then(|joined| joined.next_wake()).into_iter().chain([end]).min()
    }

    /// True until the session has ended.
    pub fn is_open(&self) -> bool {
        self.phase != Phase::Closed
    }

    /// The group that it has joined, or is joining.
    pub fn group(&self) -> Option<u64> {
        self.joined.as_ref().map(|joined| joined.group().id)
    }

    fn apply(&mut self, event: MemberEvent, now: Micros, fx: &mut Effects) {
        match event {
            MemberEvent::Received { line: Line::Coordinator, bytes } => self.received(&bytes, now, fx),
            MemberEvent::Received { line, bytes } => self.peer_received(line, &bytes, now, fx),
            MemberEvent::Opened { line } => self.opened(line, fx),
            MemberEvent::Closed { line: Line::Coordinator, .. } => self.end("the coordinator is gone", fx),
            MemberEvent::Closed { line, why } => {
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.has(line)) {
                    joined.missed(line, why, fx);
                }
            }
            MemberEvent::Engine(event) => self.engine(event, now, fx),
            MemberEvent::WeightsStored { model } => self.weights_stored(model, fx),
            MemberEvent::WeightsRejected { model, why } => {
                if self.awaits_weights(model) {
                    self.refuse_group(model_invalid(why), fx);
                }
            }
            MemberEvent::Shutdown => {
                let wrong = Wrong::new(RefusalCode::ShuttingDown, "the worker is going away", "go on without it");
                self.refuse_session(wrong, fx);
            }
            MemberEvent::Tick => {}
        }
    }

    fn check_time(&mut self, now: Micros, fx: &mut Effects) {
        if let Some(joined) = &mut self.joined {
            joined.check_time(now, fx);
        }
        let why = match self.phase {
            Phase::Greeting { until } if now >= until => {
                format!("no greeting came for {}", self.config.handshake_timeout)
            }
            Phase::Open if now >= self.last_heard + self.config.idle_timeout => {
                format!("nothing was heard for {}", self.config.idle_timeout)
            }
            _ => return,
        };
        self.refuse_session(Wrong::new(RefusalCode::TimedOut, why, "connect again"), fx);
    }

    // ---- the coordinator

    fn received(&mut self, bytes: &[u8], now: Micros, fx: &mut Effects) {
        self.last_heard = now;
        match ToMember::decode(bytes, &self.config.limits) {
            Ok(message) => self.message(message, now, fx),
            Err(error) => {
                fx.push(MemberEffect::Send { line: Line::Coordinator, bytes: unreadable(bytes, &error) });
                self.end(&error.to_string(), fx);
            }
        }
    }

    fn message(&mut self, message: ToMember, now: Micros, fx: &mut Effects) {
        match (message, self.phase) {
            (ToMember::Leave, _) => self.end("the coordinator said goodbye", fx),
            (ToMember::Hello { token, role, .. }, Phase::Greeting { .. }) => self.greet(&token, role, fx),
            (_, Phase::Greeting { .. }) => {
                let wrong = Wrong::new(RefusalCode::NotGreeted, "something came before Hello", "greet first");
                self.refuse_session(wrong, fx);
            }
            (ToMember::Hello { .. }, _) => {
                self.refuse_session(Wrong::new(RefusalCode::Malformed, "Hello came twice", "greet once"), fx);
            }
            (ToMember::Join(join), _) => self.join(*join, fx),
            (ToMember::Weights { model, offset, total, chunk }, _) => self.weights(model, offset, total, &chunk, fx),
            (ToMember::Link { group, neighbours }, _) => {
                let until = now + self.config.link_timeout;
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.group().id == group) {
                    joined.link(neighbours, until, fx);
                }
            }
            (ToMember::Part(part), _) => self.part(part, now, fx),
            (ToMember::Cancel { group, run }, _) => {
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.group().id == group) {
                    joined.cancel(run, fx);
                }
            }
            (ToMember::Ping { id, sent_micros }, _) => {
                let (run, awaits) = self.joined.as_ref().map_or((0, 0), |joined| joined.state());
                let (received_micros, answered_micros) = (now.0, now.0);
                write(&ToCoordinator::Pong { id, sent_micros, received_micros, answered_micros, run, awaits }, fx);
            }
        }
    }

    fn greet(&mut self, token: &str, role: Role, fx: &mut Effects) {
        let right = "use the token of the URL that the worker printed when it started";
        if role != Role::Coordinator || !self.config.token.accepts(token) {
            let wrong = Wrong::new(RefusalCode::BadToken, "the token is not this worker's", right);
            return self.refuse_session(wrong, fx);
        }
        self.phase = Phase::Open;
        write(&self.welcome(), fx);
    }

    fn welcome(&self) -> ToCoordinator {
        let MemberConfig { version, name, threads, limits, .. } = &self.config;
        ToCoordinator::Welcome { version: version.clone(), name: name.clone(), threads: *threads, limits: *limits }
    }

    fn join(&mut self, join: Join, fx: &mut Effects) {
        self.leave(fx);
        let (id, name) = (join.group, join.names.get(usize::from(join.worker)));
        if name != Some(&self.config.name) {
            let wrong = format!("this worker is called \"{}\", not \"{}\"", self.config.name, name.map_or("", |n| n));
            let wrong = Wrong::new(RefusalCode::BadPlan, wrong, "call every worker by its name");
            return write(&ToCoordinator::Refused(refusal(wrong, about(id))), fx);
        }
        match self.check(&join) {
            Ok(group) => {
                fx.push(MemberEffect::Engine(group.load()));
                let name = self.config.name.clone();
                self.joined = Some(Box::new(Joined::new(group, name, join.uplink, self.config.seed, self.jobs)));
            }
            Err(error) => write(&ToCoordinator::Refused(refusal(bad_plan(&error), about(id))), fx),
        }
    }

    fn check(&self, join: &Join) -> Result<Group, PlanError> {
        let network: cleave_arch::cnn::Network = join.network.parse()?;
        let schedule = schedule(&network, &join.partition, &self.config.limits)?;
        let worker = usize::from(join.worker);
        let (bytes, most) = (schedule.memory(&network)[worker].peak(), self.config.max_peak_bytes);
        if bytes > most {
            return Err(PlanError::Memory { bytes, most });
        }
        let (network, partition) = (network.into(), join.partition.clone().into());
        Ok(Group { id: join.group, worker, network, partition, schedule: schedule.into(), weights: join.weights })
    }

    // ---- other members

    fn opened(&mut self, line: Line, fx: &mut Effects) {
        let has = self.joined.as_ref().is_some_and(|joined| joined.has(line));
        match line {
            Line::Coordinator => {}
            Line::To { .. } => {
                if let Some(joined) = self.joined.as_mut().filter(|_| has) {
                    joined.greet(line, fx);
                }
            }
            Line::From { .. } if has => {
                fx.push(MemberEffect::Send { line, bytes: self.welcome().encode() });
            }
            Line::From { .. } => {
                fx.push(MemberEffect::Send { line, bytes: no_such_group() });
                fx.push(MemberEffect::Close { line, why: "it asks for another group".to_owned() });
            }
        }
    }

    fn peer_received(&mut self, line: Line, bytes: &[u8], now: Micros, fx: &mut Effects) {
        let Some(joined) = self.joined.as_mut().filter(|joined| joined.has(line)) else { return };
        if let Line::From { worker, .. } = line {
            match ToMember::decode(bytes, &self.config.limits) {
                Ok(ToMember::Part(part)) if part.from == worker => self.part(part, now, fx),
                Ok(_) => close(line, "it sent something else than its parts", fx),
                Err(error) => close(line, &error.to_string(), fx),
            }
            return;
        }
        match ToCoordinator::decode(bytes, &self.config.limits) {
            Ok(ToCoordinator::Welcome { .. }) => joined.linked(line, fx),
            Ok(ToCoordinator::Refused(refusal)) => joined.missed(line, refusal.to_string(), fx),
            Ok(_) => {}
            Err(error) => joined.missed(line, error.to_string(), fx),
        }
    }

    // ---- runs

    fn part(&mut self, part: Part, now: Micros, fx: &mut Effects) {
        let Some(joined) = self.joined.as_mut().filter(|joined| joined.takes(&part)) else { return };
        let run = part.run;
        match joined.walk.part(part, now) {
            Ok(acts) => self.act(acts, now, fx),
            Err(wrong) => self.refuse_run(run, wrong, fx),
        }
    }

    fn engine(&mut self, event: EngineEvent, now: Micros, fx: &mut Effects) {
        let group = self.group();
        match event {
            EngineEvent::Loaded { group: id, weight_bytes } if group == Some(id) => {
                if let Some(joined) = &mut self.joined {
                    joined.ready = true;
                    write(&ToCoordinator::Joined { group: id, weight_bytes }, fx);
                }
            }
            EngineEvent::LoadFailed { group: id, why } if group == Some(id) => {
                self.refuse_group(model_invalid(why), fx);
            }
            EngineEvent::WeightsMissing { group: id } if group == Some(id) => self.weights_missing(fx),
            EngineEvent::Computed { job, result, started, finished, peak_bytes } => {
                let Some(joined) = &mut self.joined else { return };
                let run = joined.walk.run().unwrap_or_default();
                match joined.walk.computed(Computed { job, result, times: [started, finished], peak_bytes }, now) {
                    Ok(acts) => self.act(acts, now, fx),
                    Err(why) => {
                        let wrong = Wrong::new(RefusalCode::ComputeFailed, why, "give this part to another worker");
                        self.refuse_run(run, wrong, fx);
                    }
                }
            }
            _ => {}
        }
    }

    fn act(&mut self, acts: Vec<Act>, now: Micros, fx: &mut Effects) {
        if let Some(joined) = &mut self.joined {
            acts.into_iter().for_each(|act| joined.act(act, now, fx));
            self.jobs = joined.walk.jobs();
        }
    }

    // ---- ending

    fn refuse_run(&mut self, run: u64, wrong: Wrong, fx: &mut Effects) {
        if let Some(joined) = self.joined.as_mut().filter(|joined| joined.walk.run() == Some(run)) {
            joined.cancel(run, fx);
        }
        write(&ToCoordinator::Refused(refusal(wrong, Subject::Frame(run))), fx);
    }

    fn refuse_group(&mut self, wrong: Wrong, fx: &mut Effects) {
        if let Some(id) = self.group() {
            write(&ToCoordinator::Refused(refusal(wrong, about(id))), fx);
            self.leave(fx);
        }
    }

    fn refuse_session(&mut self, wrong: Wrong, fx: &mut Effects) {
        let why = wrong.wrong.clone();
        write(&ToCoordinator::Refused(refusal(wrong, Subject::Session)), fx);
        self.end(&why, fx);
    }

    /// The group, if there is one, is over.
    fn leave(&mut self, fx: &mut Effects) {
        self.receiving = None;
        if let Some(mut joined) = self.joined.take() {
            joined.close(fx);
            self.jobs = joined.walk.jobs();
            fx.push(MemberEffect::Engine(EngineCall::Unload));
        }
    }

    fn end(&mut self, why: &str, fx: &mut Effects) {
        self.leave(fx);
        self.phase = Phase::Closed;
        close(Line::Coordinator, why, fx);
    }
}

fn model_invalid(why: String) -> Wrong {
    Wrong::new(RefusalCode::ModelInvalid, why, "send weights that fit the network, or give this worker a smaller share")
}

fn write(message: &ToCoordinator, fx: &mut Effects) {
    fx.push(MemberEffect::Send { line: Line::Coordinator, bytes: message.encode() });
}

fn close(line: Line, why: &str, fx: &mut Effects) {
    fx.push(MemberEffect::Close { line, why: why.to_owned() });
}
