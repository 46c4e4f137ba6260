//! The coordinator of workers that share an image network, on sockets: it connects to them, has them planned for, runs
//! images, and plans again over those that remain when one is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use cleave_arch::cnn::Network;
use cleave_edge::clock;
use cleave_edge::cooperate::{Connection, Engine, connect};
use cleave_partition::{Cluster, ComputeTimes, Only, PartitionError, Plan, Problem, Strategy};
use cleave_session::Micros;
use cleave_session::cooperate::{
    Coordinator, CoordinatorConfig, CoordinatorEffect, CoordinatorEvent, MemberError, MemberSpec, MemberStatus,
    Plan as Group, RunReport, Uplink, Weights,
};
use cleave_wire::LinkShape;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::sleep;

/// Events that may wait.
const EVENTS: usize = 1024;
/// Beside what a run is predicted to take.
const PATIENCE_MS: f64 = 2_000.0;
/// For the last messages.
const FAREWELL: Duration = Duration::from_millis(100);

/// Who shares what, and how.
pub struct Cooperation<'a> {
    /// The network.
    pub network: &'a Network,
    /// All workers; the first is this process.
    pub cluster: &'a Cluster,
    /// How long they take.
    pub times: &'a (dyn ComputeTimes + Sync),
    /// How it is planned.
    pub strategy: Strategy,
    /// Where the weights come from.
    pub weights: Weights,
    /// All workers but the first, in the cluster's order.
    pub members: Vec<MemberSpec>,
}

/// What has happened.
#[derive(Debug)]
pub enum News<'a> {
    /// All workers are ready.
    Ready(&'a Forming),
    /// A run is over.
    Ended(&'a Answer),
    /// A worker is left behind: its name, and why.
    Gone(&'a str, &'a MemberError),
}

/// A plan that was formed.
#[derive(Clone, Debug)]
pub struct Forming {
    /// Which of the cluster's workers have a part.
    pub places: Vec<usize>,
    /// The plan, priced with what is relayed and how far everyone really is.
    pub plan: Plan,
    /// Bytes of weights that each holds.
    pub weight_bytes: Vec<u64>,
    /// How they are reached.
    pub reach: Reach,
}

/// How workers really reach each other, whatever is imposed.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Pairs of workers, by the plan's numbers, whose values go through the coordinator.
    pub relayed: Vec<(usize, usize)>,
    /// What a message takes between the coordinator and each worker, milliseconds.
    pub latencies_ms: Vec<f64>,
}

/// A run's end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The network's output.
    pub values: Vec<f32>,
    /// What was done for it.
    pub report: RunReport,
}

/// What became of all runs.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The last plan.
    pub formed: Forming,
    /// In order.
    pub answers: Vec<Answer>,
}

enum Happening {
    Event(CoordinatorEvent),
    Planned(Vec<usize>, Result<Plan, PartitionError>),
}

impl Cooperation<'_> {
    /// Runs the images one after another, and tells what happens.
    ///
    /// # Errors
    /// A worker that cannot be had at the beginning, with the reason; no plan that could be run; links that cannot be
    /// imposed; a run without an answer.
    pub fn run(&self, images: &[Vec<f32>], heard: &mut dyn FnMut(News)) -> Result<Outcome> {
        (0..self.cluster.len()).try_for_each(|worker| uplink(self.cluster, worker).map(drop))?;
        let all: Vec<usize> = (0..self.cluster.len()).collect();
        let plan = self.plan(&all)?;
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime can be started")?;
        // Planning takes a while, and connections must not wait for it.
        std::thread::scope(|scope| {
            let outcome = runtime.block_on(async {
                let (events, happenings) = channel(EVENTS);
                let mut running = Running::new(self, images, plan, events)?;
                let outcome = running.until_end(happenings, scope, heard).await;
                running.leave().await;
                outcome
            });
            runtime.shutdown_background();
            outcome
        })
    }

    /// A plan over some workers, before it is known how they reach each other.
    fn plan(&self, places: &[usize]) -> Result<Plan, PartitionError> {
        self.with_problem(places, None, |problem| self.strategy.plan(problem))
    }

    fn with_problem<T>(
        &self,
        places: &[usize],
        reach: Option<&Reach>,
        work: impl FnOnce(&Problem) -> Result<T, PartitionError>,
    ) -> Result<T, PartitionError> {
        let mut cluster = self.cluster.only(places)?;
        if let Some(reach) = reach {
            cluster = cluster.with_relayed(&reach.relayed)?.with_latencies(&reach.latencies_ms)?;
        }
        let times = Only { times: self.times, workers: places.to_vec() };
        work(&Problem::new(self.network, &cluster, &times)?)
    }
}

/// What a worker imposes on all that it sends.
fn uplink(cluster: &Cluster, worker: usize) -> Result<Uplink> {
    if cluster.medium() == cleave_partition::Medium::Shared {
        bail!("a shared medium can be predicted, not imposed on a run; leave --shared or \"medium\" out");
    }
    let mut links = (0..cluster.len()).filter(|to| *to != worker).map(|to| cluster.link(worker, to));
    let Some(link) = links.next() else { return Ok(Uplink::UNSHAPED) };
    if links.any(|other| other != link) {
        let name = &cluster.workers()[worker].name;
        bail!("a run imposes one link on all that a worker sends; give worker \"{name}\" the same link to all others");
    }
    let most = LinkShape::MAX_DELAY_MICROS;
    if (link.setup_ms.max(link.delay_ms) * 1e3).round() > most.into() {
        bail!("a set-up or a delay of more than {} ms cannot be imposed", most / 1000);
    }
    Ok(Uplink::of(link.setup_ms, link.mbps, link.delay_ms))
}

struct Running<'a> {
    of: &'a Cooperation<'a>,
    images: &'a [Vec<f32>],
    coordinator: Coordinator,
    engine: Engine,
    events: Sender<Happening>,
    connections: HashMap<usize, Connection>,
    /// The plan over all, made before anybody is connected to.
    first: Option<Plan>,
    /// The plan that was given last, with its places.
    given: Option<(Vec<usize>, Plan)>,
    wanted: Vec<usize>,
    formed: Option<Forming>,
    gone: Vec<String>,
    answer: Vec<f32>,
    answers: Vec<Answer>,
}

impl<'a> Running<'a> {
    fn new(of: &'a Cooperation<'a>, images: &'a [Vec<f32>], first: Plan, events: Sender<Happening>) -> Result<Self> {
        let tell = events.clone();
        // A loop that has ended needs no answer.
        let tell = move |event| drop(tell.blocking_send(Happening::Event(CoordinatorEvent::Engine(event))));
        let weights = of.weights.clone();
        let files = move |hash| match &weights {
            Weights::File(file) if file.hash == hash => Some(file.bytes.clone()),
            _ => None,
        };
        let engine = Engine::start(Box::new(files), Handle::current(), tell).context("no engine can be started")?;
        let config = CoordinatorConfig {
            name: of.cluster.workers()[0].name.clone(),
            seed: random()?,
            ..CoordinatorConfig::default()
        };
        Ok(Self {
            coordinator: Coordinator::new(config, of.members.clone()),
            of,
            images,
            engine,
            events,
            connections: HashMap::new(),
            first: Some(first),
            given: None,
            wanted: Vec::new(),
            formed: None,
            gone: Vec::new(),
            answer: Vec::new(),
            answers: Vec::new(),
        })
    }

    async fn until_end<'scope>(
        &mut self,
        mut happenings: Receiver<Happening>,
        scope: &'scope std::thread::Scope<'scope, '_>,
        heard: &mut dyn FnMut(News),
    ) -> Result<Outcome>
    where
        'a: 'scope,
    {
        let mut event = CoordinatorEvent::Connect;
        loop {
            let mut effects = std::collections::VecDeque::from(self.coordinator.handle(event, clock::now()));
            while let Some(effect) = effects.pop_front() {
                if let Some(event) = self.apply(effect, scope, heard)? {
                    effects.extend(self.coordinator.handle(event, clock::now()));
                }
            }
            if let (true, Some(formed)) = (self.answers.len() == self.images.len(), &self.formed) {
                return Ok(Outcome { formed: formed.clone(), answers: std::mem::take(&mut self.answers) });
            }
            let wake = self.coordinator.next_wake().unwrap_or_else(|| Micros(clock::now().0 + 1_000_000));
            event = tokio::select! {
                Some(happening) = happenings.recv() => match happening {
                    Happening::Event(event) => event,
                    Happening::Planned(places, plan) if places == self.wanted => self.planned(places, plan?)?,
                    Happening::Planned(..) => CoordinatorEvent::Tick,
                },
                () = clock::wait_until(wake) => CoordinatorEvent::Tick,
            };
        }
    }

    /// Does one thing; an event if something follows at once.
    fn apply<'scope>(
        &mut self,
        effect: CoordinatorEffect,
        scope: &'scope std::thread::Scope<'scope, '_>,
        heard: &mut dyn FnMut(News),
    ) -> Result<Option<CoordinatorEvent>>
    where
        'a: 'scope,
    {
        match effect {
            CoordinatorEffect::Connect { place } => self.connect(place),
            CoordinatorEffect::Send { place, bytes } => {
                let Some(connection) = self.connections.get(&place) else { return Ok(None) };
                if let Err(why) = connection.send(bytes) {
                    self.connections.remove(&place);
                    return Ok(Some(CoordinatorEvent::Closed { place, why: why.to_string() }));
                }
            }
            CoordinatorEffect::Disconnect { place } => drop(self.connections.remove(&place)),
            CoordinatorEffect::Engine(call) => self.engine.call(call)?,
            CoordinatorEffect::Status { place, status: MemberStatus::Gone(why) } => {
                let name = &self.of.cluster.workers()[place].name;
                heard(News::Gone(name, &why));
                self.gone.push(format!("worker \"{name}\" ({}): {why}", self.of.members[place - 1].address));
            }
            CoordinatorEffect::Status { .. } => {}
            CoordinatorEffect::NeedPlan { places } => return self.need_plan(places, scope),
            CoordinatorEffect::PlanRefused(why) => return Err(why.into()),
            CoordinatorEffect::Ready { weight_bytes, relayed, latencies } => {
                let latencies_ms = latencies.into_iter().map(Micros::as_millis).collect();
                return self.ready(weight_bytes, Reach { relayed, latencies_ms }, heard);
            }
            CoordinatorEffect::Answered { values, .. } => self.answer = values,
            CoordinatorEffect::Ended(report) => {
                self.answers.push(Answer { values: std::mem::take(&mut self.answer), report: *report });
                self.answers.last().into_iter().for_each(|answer| heard(News::Ended(answer)));
                return Ok(self.next_run());
            }
            CoordinatorEffect::Failed { error, .. } => return Err(error.into()),
        }
        Ok(None)
    }

    fn connect(&mut self, place: usize) {
        let opened = Happening::Event(CoordinatorEvent::Opened { place });
        let received = move |bytes| Happening::Event(CoordinatorEvent::Received { place, bytes });
        let closed = move |why| Happening::Event(CoordinatorEvent::Closed { place, why });
        let address = &self.of.members[place - 1].address;
        self.connections.insert(place, connect(address, self.events.clone(), opened, received, closed));
    }

    /// At the beginning everybody has to be there; later those that remain go on.
    fn need_plan<'scope>(
        &mut self,
        places: Vec<usize>,
        scope: &'scope std::thread::Scope<'scope, '_>,
    ) -> Result<Option<CoordinatorEvent>>
    where
        'a: 'scope,
    {
        self.wanted = places.clone();
        match self.first.take() {
            Some(_) if places.len() < self.of.cluster.len() => bail!("{}", self.gone.join("; ")),
            Some(plan) => self.planned(places, plan).map(Some),
            None if self.formed.is_none() => bail!("{}", self.gone.join("; ")),
            None => {
                let (of, events) = (self.of, self.events.clone());
                scope.spawn(move || {
                    let plan = of.plan(&places);
                    drop(events.blocking_send(Happening::Planned(places, plan)));
                });
                Ok(None)
            }
        }
    }

    fn planned(&mut self, places: Vec<usize>, plan: Plan) -> Result<CoordinatorEvent> {
        let uplinks = places.iter().map(|place| uplink(self.of.cluster, *place)).collect::<Result<_>>()?;
        let group = Group {
            network: Arc::new(self.of.network.clone()),
            partition: plan.partition.clone(),
            places: places.clone(),
            weights: self.of.weights.clone(),
            uplinks,
        };
        self.given = Some((places, plan));
        Ok(CoordinatorEvent::Plan(group))
    }

    fn ready(
        &mut self,
        weight_bytes: Vec<u64>,
        reach: Reach,
        heard: &mut dyn FnMut(News),
    ) -> Result<Option<CoordinatorEvent>> {
        let (places, plan) = self.given.clone().ok_or_else(|| anyhow!("nobody has planned"))?;
        let priced = |problem: &Problem| Plan::new(problem, plan.partition);
        let plan = self.of.with_problem(&places, Some(&reach), priced)?;
        let is_first = self.formed.is_none();
        let formed = self.formed.insert(Forming { places, plan, weight_bytes, reach });
        heard(News::Ready(formed));
        Ok(if is_first { self.next_run() } else { None })
    }

    fn next_run(&self) -> Option<CoordinatorEvent> {
        let run = self.answers.len();
        let (image, formed) = (self.images.get(run)?.clone(), self.formed.as_ref()?);
        let patience = Micros(((PATIENCE_MS + formed.plan.total_ms()) * 1e3) as u64);
        Some(CoordinatorEvent::Submit { run: run as u64, image, patience })
    }

    async fn leave(&mut self) {
        for effect in self.coordinator.handle(CoordinatorEvent::Leave, clock::now()) {
            if let CoordinatorEffect::Send { place, bytes } = effect
                && let Some(connection) = self.connections.get(&place)
            {
                // Whoever is gone needs no goodbye.
                let _gone = connection.send(bytes).is_err();
            }
        }
        self.connections.clear();
        sleep(FAREWELL).await;
    }
}

/// Numbers of groups let members in at each other: nobody must guess them.
fn random() -> Result<u64> {
    let token = cleave_edge::Token::random()?;
    u64::from_str_radix(&token.expose()[..16], 16).context("no random number")
}
