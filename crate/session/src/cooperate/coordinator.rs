//! The coordinator's machine: greets the members, forms groups, runs, and goes on without those that are lost.

mod forming;
mod peer;
mod running;
mod stall;

use std::collections::{BTreeSet, VecDeque};

use cleave_arch::SplitMix64;
use cleave_wire::cooperate::ToMember;
use cleave_wire::{Call, Limits};

use super::error::{MemberError, PlanError, RunError};
use super::report::{MemberStatus, RunReport};
use super::{EngineCall, EngineEvent, Plan};
use crate::link::{Calling, SocketEvent};
use crate::time::Micros;
use forming::Team;
use peer::Peer;
use running::Run;

/// So many times its time-out a group may take to get ready, whatever its members say.
const FORMING_TIMES: u64 = 10;
/// Runs that may wait.
const MAX_WAITING: usize = 64;

/// A member that is wanted. Its place is its number in the list of members, counted from 1; the coordinator's is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSpec {
    /// Who is expected; empty: anybody.
    pub name: String,
    /// The member's secret.
    pub token: String,
    /// Where other members reach it; empty: they do not, and it does not reach them.
    pub address: String,
}

/// How the coordinator sends on what members send to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaying {
    /// Over its shaped uplink, after what it sends itself: as `partition`'s prediction has it.
    Shaped,
    /// At once.
    AtOnce,
}

/// Settings of a [`Coordinator`]. Start from the default and change what differs.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// What it calls itself; no two workers may have one name.
    pub name: String,
    /// What is accepted from members.
    pub limits: Limits,
    /// How parts between members are sent on.
    pub relaying: Relaying,
    /// For a connection to be opened, and then for its welcome.
    pub handshake_timeout: Micros,
    /// For a group to get ready, after the last sign that it does.
    pub join_timeout: Micros,
    /// For the owner to answer [`CoordinatorEffect::NeedPlan`] while runs wait.
    pub plan_timeout: Micros,
    /// For the reports of a run after its answer.
    pub report_timeout: Micros,
    /// For a sign of life, when nothing has come for a run's timeout: then it is decided who is left behind.
    pub judging: Micros,
    /// Between two pings.
    pub ping_interval: Micros,
    /// Draws the numbers of groups and the jitter. The numbers let members in at each other: draw it from the system's
    /// random numbers.
    pub seed: u64,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self {
            name: "coordinator".to_owned(),
            limits: Limits::DEFAULT,
            relaying: Relaying::Shaped,
            handshake_timeout: Micros::from_millis(5_000),
            join_timeout: Micros::from_millis(60_000),
            plan_timeout: Micros::from_millis(30_000),
            report_timeout: Micros::from_millis(1_000),
            judging: Micros::from_millis(500),
            ping_interval: Micros::from_millis(1_000),
            seed: 0,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum CoordinatorEvent {
    /// Begin: connect to all members.
    Connect,
    /// A member's connection says something.
    Socket {
        /// Whose.
        place: usize,
        /// What.
        event: SocketEvent,
    },
    /// The own engine answers.
    Engine(EngineEvent),
    /// The answer to [`CoordinatorEffect::NeedPlan`], or another plan at any time after it; a run that is under way
    /// begins anew.
    Plan(Plan),
    /// Run the network, after those submitted before; before all are ready it waits.
    Submit {
        /// The owner's number.
        run: u64,
        /// Numbers of each of the graph's inputs, in the order of its layout.
        inputs: Vec<Vec<f32>>,
        /// How long it may take that anything comes before somebody is left behind. Two seconds and what the whole run
        /// is predicted to take.
        timeout: Micros,
    },
    /// Nobody wants this run any more; it fails as dismissed.
    Cancel {
        /// The owner's number.
        run: u64,
    },
    /// Dismiss everybody.
    Leave,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum CoordinatorEffect {
    /// Open the connection to a member; answer with `Opened` or `Closed`.
    Connect {
        /// To whom.
        place: usize,
    },
    /// Write one message, now.
    Send {
        /// To whom.
        place: usize,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Close a connection when everything is written, also one that is still being opened.
    Disconnect {
        /// Whose.
        place: usize,
    },
    /// The own engine has something to do.
    Engine(EngineCall),
    /// What has become of a member.
    Status {
        /// Which.
        place: usize,
        /// What.
        status: MemberStatus,
    },
    /// Everyone has answered or failed to; or somebody was lost. Say how these share the network: `Plan` answers. The
    /// last of these that came counts.
    NeedPlan {
        /// Who is there; the first is the coordinator.
        places: Vec<usize>,
    },
    /// The plan cannot be taken; another one is awaited.
    PlanRefused(PlanError),
    /// All workers are ready.
    Ready {
        /// Bytes of weights that each worker holds.
        weight_bytes: Vec<u64>,
        /// Pairs of workers `(from, to)` whose parts the coordinator relays, because they cannot reach each other.
        relayed: Vec<(usize, usize)>,
        /// How long a message takes between the coordinator and each worker, without any conditions: half of the shortest
        /// round trip so far.
        latencies: Vec<Micros>,
    },
    /// A run's answer; its report follows.
    Answered {
        /// The owner's number.
        run: u64,
        /// The network's output.
        values: Vec<f32>,
    },
    /// What was done for a run that was answered.
    Ended(Box<RunReport>),
    /// A run has no answer.
    Failed {
        /// The owner's number.
        run: u64,
        /// Why.
        error: RunError,
    },
}

pub(super) type Effects = Vec<CoordinatorEffect>;

#[derive(Debug)]
enum Phase {
    Idle,
    /// Members are being connected to.
    Greeting,
    /// The owner is to say how to go on, by this moment if runs wait.
    Planless {
        until: Micros,
        why: Option<String>,
    },
    /// A group is getting ready: for as long as there are signs that it does, but not for ever.
    Forming {
        until: Micros,
        latest: Micros,
    },
    Ready,
    Left,
}

/// The machine of the worker that has the inputs and gets the answer.
#[derive(Debug)]
pub struct Coordinator {
    config: CoordinatorConfig,
    phase: Phase,
    /// By place, less one.
    peers: Vec<Peer>,
    team: Option<Box<Team>>,
    /// The first is under way if a team is ready.
    runs: VecDeque<Run>,
    /// Number of the last attempt at a run, as members know it.
    serial: u64,
    jobs: u64,
    /// Connections between places that broke: relayed from then on.
    broken: BTreeSet<(usize, usize)>,
    rng: SplitMix64,
}

impl Coordinator {
    /// A machine that will connect to these members.
    pub fn new(config: CoordinatorConfig, members: Vec<MemberSpec>) -> Self {
        let rng = SplitMix64::new(config.seed);
        let peers = members.into_iter().map(Peer::new).collect();
        let (phase, broken) = (Phase::Idle, BTreeSet::new());
        Self { config, phase, peers, team: None, runs: VecDeque::new(), serial: 0, jobs: 0, broken, rng }
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: CoordinatorEvent, now: Micros) -> Vec<CoordinatorEffect> {
        let mut fx = Vec::new();
        self.apply(event, now, &mut fx);
        self.check_time(now, &mut fx);
        self.go_on(now, &mut fx);
        self.send_due(now, &mut fx);
        fx
    }

    /// When [`CoordinatorEvent::Tick`] must come at the latest if nothing else happens; `None`: never.
    pub fn next_wake(&self) -> Option<Micros> {
        let peers = self.peers.iter().filter_map(|peer| peer.line.as_ref()).map(Calling::next_wake);
        let sends = self.team.as_ref().and_then(|team| team.uplink.next());
        peers.chain(sends).chain(self.deadline()).min()
    }

    fn deadline(&self) -> Option<Micros> {
        match &self.phase {
            Phase::Planless { until, .. } => Some(*until).filter(|_| !self.runs.is_empty()),
            Phase::Forming { until, .. } => Some(*until),
            Phase::Ready => self.run_deadline(),
            Phase::Idle | Phase::Greeting | Phase::Left => None,
        }
    }

    fn apply(&mut self, event: CoordinatorEvent, now: Micros, fx: &mut Effects) {
        match event {
            CoordinatorEvent::Connect => self.connect(now, fx),
            CoordinatorEvent::Socket { place, event } => match event {
                SocketEvent::Opened => self.opened(place, now, fx),
                SocketEvent::Received(bytes) => self.received(place, &bytes, now, fx),
                SocketEvent::Closed(why) => self.closed(place, why, now, fx),
            },
            CoordinatorEvent::Engine(event) => self.engine(event, now, fx),
            CoordinatorEvent::Plan(plan) => self.plan(plan, now, fx),
            CoordinatorEvent::Submit { run, inputs, timeout } => self.submit(run, inputs, timeout, now, fx),
            CoordinatorEvent::Cancel { run } => {
                if let Some(at) = self.runs.iter().position(|waiting| waiting.id == run) {
                    self.fail(at, RunError::Dismissed, fx);
                }
            }
            CoordinatorEvent::Leave => self.leave(fx),
            CoordinatorEvent::Tick => {}
        }
    }

    fn check_time(&mut self, now: Micros, fx: &mut Effects) {
        self.check_peers(now, fx);
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &mut self.phase {
            Phase::Planless { why, .. } => {
                let error = RunError::NoPlan { why: why.clone() };
                self.fail_all(&error, fx);
            }
            Phase::Forming { .. } => self.overdue(now, fx),
            Phase::Ready => self.check_run(now, fx),
            Phase::Idle | Phase::Greeting | Phase::Left => {}
        }
    }

    // ---- members

    fn connect(&mut self, now: Micros, fx: &mut Effects) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        self.phase = Phase::Greeting;
        let until = now + self.config.handshake_timeout;
        for (at, peer) in self.peers.iter_mut().enumerate() {
            peer.line = Some(Calling::new(until));
            fx.push(CoordinatorEffect::Connect { place: at + 1 });
            fx.push(CoordinatorEffect::Status { place: at + 1, status: MemberStatus::Connecting });
        }
        self.settle(now, fx);
    }

    fn peer(&mut self, place: usize) -> Option<&mut Peer> {
        self.peers.get_mut(place.checked_sub(1)?)
    }

    fn name(&self, place: usize) -> &str {
        let up = place.checked_sub(1).and_then(|at| self.peers.get(at)).and_then(Peer::up);
        up.map_or(&self.config.name, |up| &up.name)
    }

    fn opened(&mut self, place: usize, now: Micros, fx: &mut Effects) {
        let (until, name) = (now + self.config.handshake_timeout, self.config.name.clone());
        let Some(peer) = self.peer(place) else { return };
        let token = peer.spec.token.clone();
        if let Some(hello) = peer.line.as_mut().and_then(|line| line.opened(&token, &name, until)) {
            self.write(place, &hello, fx);
        }
    }

    fn closed(&mut self, place: usize, why: String, now: Micros, fx: &mut Effects) {
        let Some(line) = self.peer(place).and_then(|peer| peer.line.take()) else { return };
        let error = match line.is_opening() {
            true => MemberError::Unreachable { why },
            false => MemberError::Lost { why },
        };
        fx.push(CoordinatorEffect::Status { place, status: MemberStatus::Gone(error) });
        self.settle(now, fx);
    }

    fn check_peers(&mut self, now: Micros, fx: &mut Effects) {
        let after = self.config.handshake_timeout;
        let late = |(at, peer): (usize, &Peer)| {
            Some((at + 1, MemberError::NoAnswer { what: peer.line.as_ref()?.overdue(now)?, after }))
        };
        let late: Vec<_> = self.peers.iter().enumerate().filter_map(late).collect();
        if !late.is_empty() {
            self.lose(late, now, fx);
        }
        let interval = self.config.ping_interval;
        for (at, peer) in self.peers.iter_mut().enumerate() {
            if peer.up().is_some_and(|up| now >= up.next_ping) {
                let ping = peer.ping(now, interval);
                fx.extend(ping.map(|ping| CoordinatorEffect::Send { place: at + 1, bytes: ping.encode() }));
            }
        }
    }

    /// These are left behind.
    fn lose(&mut self, lost: Vec<(usize, MemberError)>, now: Micros, fx: &mut Effects) {
        for (place, error) in lost {
            let Some(_line) = self.peer(place).and_then(|peer| peer.line.take()) else { continue };
            fx.push(CoordinatorEffect::Disconnect { place });
            fx.push(CoordinatorEffect::Status { place, status: MemberStatus::Gone(error) });
        }
        self.settle(now, fx);
    }

    /// If a team has lost somebody, or nobody's greeting is awaited any more, a plan is needed.
    fn settle(&mut self, now: Micros, fx: &mut Effects) {
        let is_up = |place: &usize| self.place_is_up(*place);
        let is_needed = match &self.phase {
            Phase::Greeting => !self.peers.iter().any(Peer::is_greeting),
            Phase::Planless { .. } => true,
            Phase::Forming { .. } | Phase::Ready => {
                !self.team.as_ref().is_some_and(|team| team.plan.places.iter().all(is_up))
            }
            Phase::Idle | Phase::Left => false,
        };
        if is_needed {
            self.dissolve(fx);
            self.phase = Phase::Planless { until: now + self.config.plan_timeout, why: None };
            let places = (0..=self.peers.len()).filter(is_up_in(&self.peers)).collect();
            fx.push(CoordinatorEffect::NeedPlan { places });
        }
    }

    fn place_is_up(&self, place: usize) -> bool {
        is_up_in(&self.peers)(&place)
    }

    fn leave(&mut self, fx: &mut Effects) {
        self.fail_all(&RunError::Dismissed, fx);
        self.dissolve(fx);
        for (at, peer) in self.peers.iter_mut().enumerate() {
            let place = at + 1;
            if peer.up().is_some() {
                fx.push(CoordinatorEffect::Send { place, bytes: ToMember::Link(Call::Close).encode() });
            }
            if peer.line.take().is_some() {
                fx.push(CoordinatorEffect::Disconnect { place });
            }
        }
        self.phase = Phase::Left;
    }

    fn write(&self, place: usize, message: &ToMember, fx: &mut Effects) {
        fx.push(CoordinatorEffect::Send { place, bytes: message.encode() });
    }
}

fn is_up_in(peers: &[Peer]) -> impl Fn(&usize) -> bool {
    move |place| match place.checked_sub(1) {
        None => true,
        Some(at) => peers.get(at).is_some_and(|peer| peer.up().is_some()),
    }
}
