//! Image networks that real workers share, run from this tab: one driver fetches what a request needs and carries it to
//! the machine of `app`, with the workers that it starts or reaches; they stay for the next request of the same ones.

mod computing;
pub mod engine;
mod machines;

pub use engine::Site;

use crate::browser::{fetch, now_micros, wait_until};
use crate::error::DeviceError;
use crate::mailbox::Mailbox;
use crate::port::Page;
use crate::probing::{Cancelled, measure};
use cleave_app::cooperation::{CooperationError, Effect, Event, News, Read, Report, Request, Trained, view};
use cleave_app::network::{RANDOM_SEED, TRAINED};
use cleave_app::operators::OperatorTimes;
use cleave_app::partition::OnShow;
use cleave_contract::{Backend, CooperationRequest, Event as Told, Failure, LongWork};
use cleave_graph::zoo;
use cleave_session::{Micros, Weights};
use machines::{Happening, Machines};
use std::collections::BTreeSet;

/// A request with what this tab knows for it.
pub struct Order {
    /// As the page sent it.
    pub request: CooperationRequest,
    /// The same, read.
    pub read: Read,
    /// The plans that the page shows.
    pub on_show: OnShow,
    /// Where the page's files are.
    pub base_url: String,
    /// The engine of this tab's workers.
    pub backend: Backend,
    /// Where they run.
    pub site: Site,
    /// What the operators take on that engine, if it is known.
    pub times: Option<OperatorTimes>,
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
}

/// The way to the driver, which lives as long as the worker.
pub struct Cooperating {
    mailbox: Mailbox<Command>,
    cancelled: Cancelled,
}

impl Cooperating {
    /// A driver without workers; `keep` is given what operators were measured to take.
    pub fn start(page: Page, keep: impl Fn(Backend, OperatorTimes) + 'static) -> Self {
        let mailbox = Mailbox::default();
        let driver =
            Driver { mailbox: mailbox.clone(), page, keep: Box::new(keep), teams: 0, team: None, running: None };
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

/// Workers that are there.
struct Team {
    number: u64,
    machines: Machines,
    /// When timers will come.
    wakes: BTreeSet<Micros>,
}

struct Driver {
    mailbox: Mailbox<Command>,
    page: Page,
    keep: Box<dyn Fn(Backend, OperatorTimes)>,
    /// Teams that there have been.
    teams: u64,
    team: Option<Box<Team>>,
    /// What the team runs.
    running: Option<(Box<Order>, Trained)>,
}

impl Driver {
    async fn run(mut self) {
        loop {
            self.wake();
            match self.mailbox.take().await {
                Command::Run(order, cancelled) => {
                    if let Err(why) = self.begin(order, &cancelled).await {
                        self.page.fail(Failure::Cooperation, why);
                    }
                }
                Command::Stop => {
                    self.running = None;
                    self.event(Event::Stop);
                }
                Command::Lose(place) => {
                    let effects = self.team.as_mut().map(|team| team.machines.lose(place));
                    self.perform(effects.unwrap_or_default());
                }
                Command::Dismiss => self.dismiss(),
                Command::Happening(team, happening) => self.happened(team, happening),
            }
            if let Some(why) = self.team.as_ref().and_then(|team| team.machines.lost()).map(str::to_owned) {
                self.dismiss();
                if self.running.take().is_some() {
                    self.page.fail(Failure::Cooperation, format!("this tab's own engine has ended: {why}"));
                }
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

    fn happened(&mut self, team: u64, happening: Happening) {
        let Some(team) = self.team.as_mut().filter(|own| own.number == team) else { return };
        if matches!(happening, Happening::Tick) {
            team.wakes.retain(|wake| wake.0 > now_micros());
        }
        let effects = team.machines.take(happening);
        self.perform(effects);
    }

    fn event(&mut self, event: Event) {
        if let Some(team) = self.team.as_ref().map(|team| team.number) {
            self.happened(team, Happening::Coordinator(event));
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Plan(task) => {
                    let chosen = task.run();
                    self.event(Event::Planned { number: task.number, chosen });
                }
                Effect::News(News::Phase(what, done, total)) => self.tell(what, done, total),
                Effect::News(News::Member(..)) => self.tell_workers(),
                Effect::News(News::Answered) => {}
                Effect::Ended(Ok(report)) => self.ended(&report),
                Effect::Ended(Err(why)) => {
                    self.running = None;
                    if let CooperationError::Missing(_) = why {
                        self.dismiss();
                    }
                    self.page.fail(Failure::Cooperation, why);
                }
                // The machines have done these.
                Effect::Connect { .. } | Effect::Send { .. } | Effect::Disconnect { .. } | Effect::Engine(_) => {}
            }
        }
    }

    fn tell(&self, what: LongWork, done: usize, total: usize) {
        self.page.post(Told::Progress { what, done: done as u64, total: total as u64 });
    }

    fn tell_workers(&self) {
        let states = self.team.as_ref().map(|team| team.machines.crew().states().to_vec());
        self.page.post(Told::Workers(states.unwrap_or_default()));
    }

    fn ended(&mut self, report: &Report) {
        let Some((order, trained)) = self.running.take() else { return };
        let cooperated = view::cooperated(&order.request, order.backend, &order.read, &trained, report);
        self.page.post(Told::Cooperated(Box::new(cooperated)));
    }

    fn dismiss(&mut self) {
        self.event(Event::Leave);
        if self.team.take().is_some() {
            self.tell_workers();
        }
    }

    // ---- before a run

    /// Fetches what the order needs, and puts it to the workers that it asks for.
    async fn begin(&mut self, order: Box<Order>, cancelled: &Cancelled) -> Result<(), DeviceError> {
        let trained = trained(&order).await?;
        let Some(times) = self.times(&order, cancelled).await? else { return Ok(()) };
        if cancelled.get() {
            return Ok(());
        }
        self.assemble(&order)?;
        let Some(team) = &mut self.team else { return Ok(()) };
        team.machines.slow_down(&order.request.partition.slower);
        team.machines.use_file(match &trained.weights {
            Weights::File(file) => Some(file.clone()),
            Weights::Seeded(_) => None,
        });
        let request: Request = order.read.request(&order.request, times, trained.weights.clone(), &order.on_show);
        self.running = Some((order, trained));
        self.event(Event::Run(Box::new(request)));
        Ok(())
    }

    /// What the operators take in this tab; none: cancelled.
    async fn times(&mut self, order: &Order, cancelled: &Cancelled) -> Result<Option<OperatorTimes>, DeviceError> {
        if let Some(times) = &order.times {
            return Ok(Some(times.clone()));
        }
        let tell = |done, total| self.tell(LongWork::MeasureOperators, done, total);
        let times = measure(&order.read.network, &order.device, tell, cancelled).await?;
        times.iter().for_each(|times| (self.keep)(order.backend, times.clone()));
        Ok(times)
    }

    /// The workers of the order; those that are there already stay.
    fn assemble(&mut self, order: &Order) -> Result<(), DeviceError> {
        if self.team.as_ref().is_some_and(|team| team.machines.are(order)) {
            return Ok(());
        }
        self.dismiss();
        self.teams += 1;
        let (mailbox, number) = (self.mailbox.clone(), self.teams);
        let put = move |happening| mailbox.put(Command::Happening(number, happening));
        // Numbers of groups let members in at each other: nobody must guess them.
        let seed = getrandom::u64()?;
        let mut machines = Machines::new(order, seed, put)?;
        machines.start()?;
        self.team = Some(Box::new(Team { number, machines, wakes: BTreeSet::new() }));
        Ok(())
    }
}

/// The shipped file for a network that has one, a seed for all others.
async fn trained(order: &Order) -> Result<Trained, DeviceError> {
    let is_own = |(name, _): &(&str, &str)| zoo::network(name).as_ref() == Ok(&order.read.network);
    let Some((_, file)) = TRAINED.into_iter().find(is_own) else { return Ok(Trained::seeded(RANDOM_SEED)) };
    let bytes = fetch(&format!("{}{file}", order.base_url)).await?;
    Trained::from_file(&order.read.network, bytes).map_err(|why| DeviceError::File(file, why))
}
