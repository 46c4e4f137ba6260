//! Image networks that real workers share, run from this tab: one wish after another goes to one driver, which starts the
//! workers, learns how fast each is, plans, runs, and tells the page.

mod computing;
pub mod engine;
mod machines;
mod running;
mod told;

pub use engine::Site;

use crate::browser::{fetch, now_micros, wait_until};
use crate::mailbox::Mailbox;
use crate::partitioning::{Cancelled, Times};
use crate::port::Page;
use cleave_arch::SplitMix64;
use cleave_arch::cnn::{Network, zoo};
use cleave_contract::{Backend, CooperationWish, Event, ImageWish, MAX_COOPERATION_RUNS, MemberWish, WorkerState};
use cleave_data::images::from_rgba;
use cleave_model::cnn::ImageCard;
use cleave_session::cooperate::{CoordinatorEffect, CoordinatorEvent, MemberStatus, Weights};
use cleave_session::{Micros, Model};
use cleave_wire::ModelHash;
use machines::{Happening, Machines, named};
use running::{Formed, Known};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};

/// What is said while the workers are got ready.
const STARTING: &str = "Starting the workers";

/// What is said when nothing comes of a wish.
const WHAT: &str = "The network could not be run over the workers";

/// Seed of weights that nobody trained.
const RANDOM_SEED: u64 = 1;

/// The one image network with trained weights, and its file below the page's address.
const TRAINED: (&str, &str) = ("lenet5", "model/image/lenet5.safetensors");

/// A wish with what this tab knows for it.
pub struct Order {
    /// What is wished.
    pub wish: CooperationWish,
    /// Its network.
    pub network: Network,
    /// Where the page's files are.
    pub base_url: String,
    /// The engine of this tab's workers.
    pub backend: Backend,
    /// Where they run.
    pub site: Site,
    /// What the operators take on that engine, if it is known.
    pub times: Option<Times>,
    /// That engine on this thread, to measure them.
    pub device: burn::tensor::Device,
}

enum Command {
    Run(Box<Order>, Cancelled),
    Stop,
    Lose(usize),
    Dismiss,
    /// To the workers of the team with this number.
    Happening(u64, Happening),
    /// The workers have said something that is for the driver.
    Told,
}

/// The way to the driver, which lives as long as the worker.
pub struct Cooperating {
    mailbox: Mailbox<Command>,
    cancelled: Cancelled,
}

impl Cooperating {
    /// A driver without workers; `keep` is given what operators were measured to take.
    pub fn start(page: Page, keep: impl Fn(Backend, Times) + 'static) -> Self {
        let mailbox = Mailbox::default();
        let driver = Driver { mailbox: mailbox.clone(), page, keep: Box::new(keep), teams: 0, team: None };
        wasm_bindgen_futures::spawn_local(driver.run());
        Self { mailbox, cancelled: Cancelled::default() }
    }

    /// Runs this, and nothing that was ordered before.
    pub fn order(&mut self, order: Order) {
        self.stop();
        self.cancelled = Cancelled::default();
        self.mailbox.put(Command::Run(Box::new(order), self.cancelled.clone()));
    }

    /// Nobody wants what is under way any more; the workers stay.
    pub fn stop(&self) {
        self.cancelled.set(true);
        self.mailbox.put(Command::Stop);
    }

    /// Ends a worker as an accident would.
    pub fn lose(&self, worker: usize) {
        self.mailbox.put(Command::Lose(worker));
    }

    /// Ends all workers.
    pub fn dismiss(&self) {
        self.stop();
        self.mailbox.put(Command::Dismiss);
    }
}

/// Why a wish comes to nothing.
enum Halt {
    Stopped,
    Failed(String),
}

impl Halt {
    fn because(why: impl ToString) -> Self {
        Self::Failed(why.to_string())
    }
}

/// Workers that are there.
struct Team {
    number: u64,
    machines: Machines,
    /// All have answered.
    is_there: bool,
    /// By place.
    states: Vec<WorkerState>,
    gone: Vec<String>,
    told: VecDeque<CoordinatorEffect>,
    /// When timers will come.
    wakes: BTreeSet<Micros>,
    /// Runs that were submitted, and how often one was begun anew.
    runs: u64,
    restarts: u32,
    known: Known,
    formed: Option<Formed>,
}

struct Driver {
    mailbox: Mailbox<Command>,
    page: Page,
    keep: Box<dyn Fn(Backend, Times)>,
    /// Teams that there have been.
    teams: u64,
    team: Option<Box<Team>>,
}

impl Driver {
    async fn run(mut self) {
        loop {
            match self.command().await {
                Command::Run(order, cancelled) => {
                    let end = self.carry_out(&order, &cancelled).await;
                    running::PHASES.iter().chain(&[STARTING]).for_each(|what| self.progress(what, 1, 1));
                    match end {
                        Ok(cooperated) => self.page.post(Event::Cooperated(Box::new(cooperated))),
                        Err(Halt::Stopped) => {}
                        Err(Halt::Failed(why)) => {
                            let remedy = "Correct what is named, or choose other workers, and run it again.";
                            self.page.fail(WHAT, &why, remedy);
                        }
                    }
                }
                Command::Dismiss => self.dismiss(),
                Command::Told if self.lost().is_some() => self.dismiss(),
                Command::Stop | Command::Lose(_) | Command::Happening(..) | Command::Told => {}
            }
        }
    }

    fn progress(&self, what: &str, done: usize, total: usize) {
        self.page.post(Event::Progress { what: what.into(), done: done as u64, total: total as u64 });
    }

    /// The next command that is for the driver itself; what happens to the workers is done on the way, and told.
    async fn command(&mut self) -> Command {
        loop {
            self.wake();
            match self.mailbox.take().await {
                Command::Happening(team, happening) => self.happened(team, happening),
                Command::Lose(place) => {
                    let told = self.team.as_mut().map(|team| team.machines.lose(place));
                    self.tell(told.unwrap_or_default());
                }
                other => return other,
            }
            if self.lost().is_some() || self.team.as_ref().is_some_and(|team| !team.told.is_empty()) {
                return Command::Told;
            }
        }
    }

    /// The next thing that the coordinator says.
    async fn effect(&mut self) -> Result<CoordinatorEffect, Halt> {
        loop {
            if let Some(why) = self.lost().map(|why| format!("this tab's own engine has ended: {why}")) {
                self.dismiss();
                return Err(Halt::Failed(why));
            }
            let team = self.team.as_mut().ok_or(Halt::Stopped)?;
            if let Some(effect) = team.told.pop_front() {
                // Of several plans that are needed the last one counts.
                let is_need = |effect: &CoordinatorEffect| matches!(effect, CoordinatorEffect::NeedPlan { .. });
                if is_need(&effect) && team.told.iter().any(is_need) {
                    continue;
                }
                return Ok(effect);
            }
            if !matches!(self.command().await, Command::Told) {
                return Err(Halt::Stopped);
            }
        }
    }

    /// Has the machines' clock tick when something is due.
    fn wake(&mut self) {
        let Some(team) = &mut self.team else { return };
        let Some(wake) = team.machines.next_wake() else { return };
        if team.wakes.first().is_none_or(|first| wake < *first) {
            team.wakes.insert(wake);
            let (mailbox, number) = (self.mailbox.clone(), team.number);
            wasm_bindgen_futures::spawn_local(async move {
                wait_until(wake.0).await;
                mailbox.put(Command::Happening(number, Happening::Tick));
            });
        }
    }

    /// Why the own engine has ended.
    fn lost(&self) -> Option<&str> {
        self.team.as_ref()?.machines.lost()
    }

    fn happened(&mut self, team: u64, happening: Happening) {
        let Some(team) = self.team.as_mut().filter(|own| own.number == team) else { return };
        if matches!(happening, Happening::Tick) {
            team.wakes.retain(|wake| wake.0 > now_micros());
        }
        let told = team.machines.take(happening);
        self.tell(told);
    }

    /// What has become of members goes to the page, the rest to whoever awaits it.
    fn tell(&mut self, told: Vec<CoordinatorEffect>) {
        let Some(team) = &mut self.team else { return };
        for effect in told {
            match effect {
                CoordinatorEffect::Status { place, status } => {
                    let state = &mut team.states[place];
                    match status {
                        MemberStatus::Connecting => state.status = "starting".into(),
                        MemberStatus::Welcomed { name, version, threads } => {
                            state.name = name;
                            state.status = format!("there: version {version}, {threads} threads");
                        }
                        MemberStatus::Sending { sent, total } => {
                            state.status = format!("receives the weights: {sent} of {total} bytes");
                        }
                        MemberStatus::Joined { .. } => state.status = "ready".into(),
                        MemberStatus::Gone(why) => {
                            (state.status, state.is_gone) = (why.to_string(), true);
                            team.gone.push(format!("{}: {why}", state.name));
                        }
                    }
                    self.page.post(Event::Workers(team.states.clone()));
                }
                other => team.told.push_back(other),
            }
        }
    }

    fn event(&mut self, event: CoordinatorEvent) {
        if let Some(team) = self.team.as_ref().map(|team| team.number) {
            self.happened(team, Happening::Coordinator(event));
        }
    }

    /// Nothing that was submitted is wanted any more.
    fn cancel(&mut self) {
        if let Some(run) = self.team.as_ref().map(|team| team.runs) {
            self.event(CoordinatorEvent::Cancel { run });
        }
        self.team.iter_mut().for_each(|team| team.told.clear());
    }

    fn dismiss(&mut self) {
        self.event(CoordinatorEvent::Leave);
        if self.team.take().is_some() {
            self.page.post(Event::Workers(Vec::new()));
        }
    }

    // ---- before a run

    /// The workers of the order, who have all answered; those that are there already stay.
    async fn assemble(&mut self, order: &Order) -> Result<(), Halt> {
        let stay =
            |team: &Team| team.is_there && team.machines.are(order) && !team.states.iter().any(|state| state.is_gone);
        if self.team.as_deref().is_some_and(stay) {
            return Ok(());
        }
        self.dismiss();
        self.progress(STARTING, 0, 0);
        self.teams += 1;
        let (mailbox, number) = (self.mailbox.clone(), self.teams);
        let put = move |happening| mailbox.put(Command::Happening(number, happening));
        let seed = random().map_err(Halt::Failed)?;
        let machines = Machines::new(order, seed, put).map_err(Halt::Failed)?;
        let state = |(at, (name, place)): (usize, (String, String))| {
            let status = if at == 0 { "ready" } else { "starting" };
            WorkerState { name, place, status: status.into(), is_gone: false }
        };
        self.team = Some(Box::new(Team {
            number,
            machines,
            is_there: false,
            states: named(&order.wish.members).enumerate().map(state).collect(),
            gone: Vec::new(),
            told: VecDeque::new(),
            wakes: BTreeSet::new(),
            runs: 0,
            restarts: 0,
            known: Known::default(),
            formed: None,
        }));
        self.team.as_mut().map_or(Ok(()), |team| team.machines.start()).map_err(Halt::Failed)?;
        while !matches!(self.effect().await?, CoordinatorEffect::NeedPlan { .. }) {}
        // At the beginning everybody has to be there.
        let gone = self.team.iter().flat_map(|team| team.gone.clone()).collect::<Vec<_>>();
        if !gone.is_empty() {
            self.dismiss();
            return Err(Halt::Failed(gone.join("; ")));
        }
        self.team.iter_mut().for_each(|team| team.is_there = true);
        Ok(())
    }

    /// Places of those who are there.
    fn places(&self) -> Vec<usize> {
        let states = self.team.iter().flat_map(|team| team.states.iter().enumerate());
        states.filter(|(_, state)| !state.is_gone).map(|(place, _)| place).collect()
    }
}

/// What is wrong with a wish, before anything is begun.
fn check(wish: &CooperationWish) -> Result<(), String> {
    let (members, slower) = (wish.members.len(), &wish.partition.slower);
    if wish.partition.shared {
        return Err("a shared medium can be predicted, not imposed on a run; choose an uplink for each worker".into());
    }
    if members + 1 != slower.len() {
        return Err(format!("{members} workers beside this tab for a partition over {}", slower.len()));
    }
    if !(1..=MAX_COOPERATION_RUNS).contains(&wish.runs) {
        return Err(format!("{} runs; choose 1 to {MAX_COOPERATION_RUNS}", wish.runs));
    }
    let is_here = |worker: usize| worker == 0 || wish.members[worker - 1] == MemberWish::Browser;
    match slower.iter().enumerate().find(|(worker, slower)| is_here(*worker) && **slower < 1.0) {
        Some((worker, slower)) => Err(format!(
            "worker {} is to be {slower} times slower than this tab, and a worker of this browser cannot be faster than it; \
             choose 1 or more",
            worker + 1
        )),
        None => Ok(()),
    }
}

/// What the network is to read, and what people call it.
fn image(wish: &ImageWish, network: &Network) -> Result<(Vec<f32>, String), String> {
    let shape = network.input();
    match wish {
        ImageWish::Noise(seed) => {
            let mut rng = SplitMix64::new(*seed);
            let values = (0..shape.values()).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
            Ok((values, format!("noise of seed {seed}")))
        }
        ImageWish::Pixels { name, rgba } => {
            let values = from_rgba(rgba, shape.channels, [shape.height, shape.width]);
            Ok((values.map_err(|why| format!("{name}: {why}"))?, name.clone()))
        }
    }
}

/// The weights of a network, with what is known of them.
struct Trained {
    weights: Weights,
    /// Of trained weights.
    card: Option<ImageCard>,
}

/// The shipped file for the network that has one, a seed for all others.
async fn weights(network: &Network, base_url: &str) -> Result<Trained, String> {
    let (name, file) = TRAINED;
    if zoo::network(name).as_ref() != Ok(network) {
        return Ok(Trained { weights: Weights::Seeded(RANDOM_SEED), card: None });
    }
    let bytes = fetch(&format!("{base_url}{file}")).await?;
    let card = ImageCard::from_safetensors(&bytes).map_err(|why| format!("{file}: {why}"))?;
    let hash = ModelHash(Sha256::digest(&bytes).into());
    Ok(Trained { weights: Weights::File(Model { hash, bytes: bytes.into() }), card })
}

/// Numbers of groups let members in at each other: nobody must guess them.
fn random() -> Result<u64, String> {
    getrandom::u64().map_err(|why| format!("there are no random numbers: {why}"))
}
