//! A member's machine: one coordinator's connection, over the crate's `link`, one group at a time, and the connections
//! from and to the other members of that group.
//!
//! Everything that comes in is distrusted. What does not fit the schedule is refused, and the coordinator is told.

mod joined;

use cleave_graph::Graph;
use cleave_wire::WeightSource;
use cleave_wire::cooperate::{Join, Part, Role, ToCoordinator, ToMember};
use cleave_wire::{Answer, Limits, ModelHash, PROTOCOL_VERSION, RefusalCode, Subject};

use super::error::{PlanError, about, bad_plan};
use super::group::{Group, schedule};
use super::walk::{Act, Computed};
use super::{EngineCall, EngineEvent};
use crate::link::{Cooperation, Host, Served, Serving, first_message};
use crate::refusal::Wrong;
use crate::time::Micros;
use joined::Joined;

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
    /// What it says of itself, whom it welcomes, and how long it waits.
    pub host: Host,
    /// Most memory that its part may take, by [`cleave_graph::Schedule::memory`].
    pub max_peak_bytes: u64,
    /// For a connection to another member to be opened and answered.
    pub link_timeout: Micros,
    /// Draws the shaped uplink's jitter.
    pub seed: u64,
}

impl MemberConfig {
    /// 2 GiB for its part, 3 s to reach a neighbour.
    pub fn new(host: Host) -> Self {
        Self { host, max_peak_bytes: 2 << 30, link_timeout: Micros::from_millis(3_000), seed: 0 }
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
    first_message::<Cooperation>(bytes, limits)
}

/// Answers a peer whose group is not here.
pub fn no_such_group() -> Vec<u8> {
    let right = "connect after the coordinator has said Link";
    let wrong = Wrong::new(RefusalCode::UnknownDeployment, "there is no such group here", right);
    wrong.about(Subject::Session).encode_as(PROTOCOL_VERSION)
}

/// How far the group's file of weights is, where the engine lacked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    /// It was asked for, comes in pieces, or all of it was handed to the leaf.
    Asked(ModelHash),
    /// The engine was asked again: missing now is an error, not a reason to ask a third time.
    Stored,
}

/// The machine of one coordinator's connection.
#[derive(Debug)]
pub struct Member {
    config: MemberConfig,
    link: Serving<Cooperation>,
    joined: Option<Box<Joined>>,
    fetch: Option<Fetch>,
    /// Jobs that the engine was given.
    jobs: u64,
}

impl Member {
    /// A machine for a connection that was accepted at `now`.
    pub fn new(config: MemberConfig, now: Micros) -> Self {
        Self { link: Serving::new(config.host.clone(), (), now), config, joined: None, fetch: None, jobs: 0 }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: MemberEvent, now: Micros) -> Vec<MemberEffect> {
        let mut fx = Vec::new();
        if self.link.is_open() {
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
        let end = self.link.next_wake()?;
        self.joined.as_ref().and_then(|joined| joined.next_wake()).into_iter().chain([end]).min()
    }

    /// True until the session has ended.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// The group that it has joined, or is joining.
    pub fn group(&self) -> Option<u64> {
        self.joined.as_ref().map(|joined| joined.group().id)
    }

    fn apply(&mut self, event: MemberEvent, now: Micros, fx: &mut Effects) {
        match event {
            MemberEvent::Received { line: Line::Coordinator, bytes } => {
                let standing = self.joined.as_ref().map(|joined| joined.standing()).unwrap_or_default();
                self.serve(|link| link.received(&bytes, standing, now), now, fx);
            }
            MemberEvent::Received { line, bytes } => self.peer_received(line, &bytes, now, fx),
            MemberEvent::Opened { line } => self.opened(line, fx),
            MemberEvent::Closed { line: Line::Coordinator, .. } => self.serve(Serving::closed, now, fx),
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
            MemberEvent::Shutdown => self.serve(Serving::shut_down, now, fx),
            MemberEvent::Tick => {}
        }
    }

    fn check_time(&mut self, now: Micros, fx: &mut Effects) {
        if let Some(joined) = &mut self.joined {
            joined.check_time(now, fx);
        }
        self.serve(|link| link.tick(now), now, fx);
    }

    // ---- the coordinator

    /// Does what follows from an event at the link.
    fn serve<F>(&mut self, event: F, now: Micros, fx: &mut Effects)
    where
        F: FnOnce(&mut Serving<Cooperation>) -> Vec<Served<ToMember>>,
    {
        for served in event(&mut self.link) {
            match served {
                Served::Send(bytes) => fx.push(MemberEffect::Send { line: Line::Coordinator, bytes }),
                Served::Store { model, bytes } => fx.push(MemberEffect::StoreWeights { model, bytes }),
                Served::Message(message) => self.message(message, now, fx),
                Served::Ended { why } => {
                    self.leave(fx);
                    close(Line::Coordinator, &why, fx);
                }
            }
        }
    }

    fn message(&mut self, message: ToMember, now: Micros, fx: &mut Effects) {
        match message {
            ToMember::Join(join) => self.join(*join, fx),
            ToMember::Connect { group, neighbours } => {
                let until = now + self.config.link_timeout;
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.group().id == group) {
                    joined.link(neighbours, until, fx);
                }
            }
            ToMember::Begin { group, run } => {
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.ready && joined.group().id == group) {
                    let acts = joined.walk.start(run, now);
                    self.act(acts, now, fx);
                }
            }
            ToMember::Part(part) => self.part(part, now, fx),
            ToMember::Cancel { group, run } => {
                if let Some(joined) = self.joined.as_mut().filter(|joined| joined.group().id == group) {
                    joined.cancel(run, fx);
                }
            }
            // Those the link has taken out.
            ToMember::Link(_) => {}
        }
    }

    fn join(&mut self, join: Join, fx: &mut Effects) {
        self.leave(fx);
        let (id, name) = (join.group, join.names.get(usize::from(join.worker)));
        if name != Some(&self.config.host.name) {
            let wrong =
                format!("this worker is called \"{}\", not \"{}\"", self.config.host.name, name.map_or("", |n| n));
            let wrong = Wrong::new(RefusalCode::BadPlan, wrong, "call every worker by its name");
            return refuse(wrong, about(id), fx);
        }
        match self.check(&join) {
            Ok(group) => {
                fx.push(MemberEffect::Engine(group.load()));
                let name = self.config.host.name.clone();
                self.joined = Some(Box::new(Joined::new(group, name, join.uplink, self.config.seed, self.jobs)));
            }
            Err(error) => refuse(bad_plan(&error), about(id), fx),
        }
    }

    fn check(&self, join: &Join) -> Result<Group, PlanError> {
        let graph: Graph = join.graph.parse()?;
        let schedule = schedule(&graph, &join.partition, &self.config.host.limits)?;
        let worker = usize::from(join.worker);
        let (bytes, most) = (schedule.memory(&graph)[worker].peak(), self.config.max_peak_bytes);
        if bytes > most {
            return Err(PlanError::Memory { bytes, most });
        }
        let (graph, partition) = (graph.into(), join.partition.clone().into());
        Ok(Group { id: join.group, worker, graph, partition, schedule: schedule.into(), weights: join.weights })
    }

    // ---- weights

    fn weights_missing(&mut self, fx: &mut Effects) {
        match (self.joined.as_ref().map(|joined| joined.group().weights), self.fetch) {
            (Some(WeightSource::File(model)), None) => {
                self.fetch = Some(Fetch::Asked(model));
                write(&self.link.need_weights(model), fx);
            }
            _ => self.refuse_group(model_invalid("the weights could not be kept on the worker".to_owned()), fx),
        }
    }

    /// Whether all of this file was handed to the leaf, for the present group.
    fn awaits_weights(&self, model: ModelHash) -> bool {
        self.fetch == Some(Fetch::Asked(model)) && self.link.receiving().is_none()
    }

    fn weights_stored(&mut self, model: ModelHash, fx: &mut Effects) {
        if let Some(joined) = self.joined.as_ref().filter(|_| self.awaits_weights(model)) {
            fx.push(MemberEffect::Engine(joined.group().load()));
            self.fetch = Some(Fetch::Stored);
        }
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
                fx.push(MemberEffect::Send { line, bytes: self.link.welcome().encode() });
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
            match ToMember::decode(bytes, &self.config.host.limits) {
                Ok(ToMember::Part(part)) if part.from == worker => self.part(part, now, fx),
                Ok(_) => close(line, "it sent something else than its parts", fx),
                Err(error) => close(line, &error.to_string(), fx),
            }
            return;
        }
        match ToCoordinator::decode(bytes, &self.config.host.limits) {
            Ok(ToCoordinator::Link(Answer::Welcome { .. })) => joined.linked(line, fx),
            Ok(ToCoordinator::Link(Answer::Refused(refusal))) => joined.missed(line, refusal.to_string(), fx),
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
                    Err(error) => {
                        let right = "give this part to another worker";
                        let wrong = Wrong::new(RefusalCode::ComputeFailed, error.to_string(), right);
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
        refuse(wrong, Subject::Frame(run), fx);
    }

    fn refuse_group(&mut self, wrong: Wrong, fx: &mut Effects) {
        if let Some(id) = self.group() {
            refuse(wrong, about(id), fx);
            self.leave(fx);
        }
    }

    /// The group, if there is one, is over.
    fn leave(&mut self, fx: &mut Effects) {
        self.fetch = None;
        self.link.drop_weights();
        if let Some(mut joined) = self.joined.take() {
            joined.close(fx);
            self.jobs = joined.walk.jobs();
            fx.push(MemberEffect::Engine(EngineCall::Unload));
        }
    }
}

fn model_invalid(why: String) -> Wrong {
    Wrong::new(RefusalCode::ModelInvalid, why, "send weights that fit the network, or give this worker a smaller share")
}

fn refuse(wrong: Wrong, subject: Subject, fx: &mut Effects) {
    write(&ToCoordinator::Link(Answer::Refused(wrong.about(subject))), fx);
}

fn write(message: &ToCoordinator, fx: &mut Effects) {
    fx.push(MemberEffect::Send { line: Line::Coordinator, bytes: message.encode() });
}

fn close(line: Line, why: &str, fx: &mut Effects) {
    fx.push(MemberEffect::Close { line, why: why.to_owned() });
}
