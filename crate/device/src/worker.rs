//! The browser's shell around the application: one input at a time goes to [`App::handle`], and what it asks for is done
//! with the browser's means, whose callbacks only put the next input into the mailbox.

mod choosing;
mod cooperating;
mod partitioning;

use crate::browser::{fetch, now_micros, now_ms, turn};
use crate::compute::Jobs;
use crate::cooperating::{Cooperating, Site};
use crate::death;
use crate::engine::{self, Choice, Gpu};
use crate::engines::Engines;
use crate::gpu;
use crate::input::Input;
use crate::mailbox::Mailbox;
use crate::outbox::{Outbox, look_at, look_exactly_at};
use crate::port::{self, Page};
use crate::probing::Cancelled;
use crate::socket::Socket;
use burn::tensor::Device;
use cleave_app::App;
use cleave_app::effect::{self, Effect, Engine, FetchError, Purpose, SocketEffect, SocketEvent};
use cleave_app::evaluation::Batch;
use cleave_app::operators::OperatorTimes;
use cleave_app::partition::OnShow;
use cleave_arch::Probe;
use cleave_contract::{Backend, Event, Intent, Preference};
use cleave_model::Gnn;
use cleave_session::{EngineError, Measured, Micros, measure_codec};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// The worker behind a page: runs until the page closes it.
pub async fn run() {
    let mailbox = Mailbox::default();
    port::listen(mailbox.clone());
    serve(mailbox, Page::new(port::post), Site::Workers).await;
}

/// The loop, with any source of inputs and any sink of events, and where the engines of workers that cooperate run.
pub async fn serve(mailbox: Mailbox<Input>, page: Page, site: Site) {
    page.post(Event::Ready { version: env!("CARGO_PKG_VERSION").into() });
    let mut worker = Worker::new(mailbox.clone(), page, site);
    loop {
        let input = mailbox.take().await;
        worker.handle(input).await;
    }
}

struct Worker {
    mailbox: Mailbox<Input>,
    page: Page,
    app: App,
    base_url: String,
    /// The engine that is wanted; a choice that was made for another one is stale.
    preference: Preference,
    gpu: Option<Gpu>,
    engines: Engines,
    jobs: Jobs,
    /// The network that is being evaluated.
    evaluated: Rc<RefCell<Option<Rc<Gnn>>>>,
    sockets: HashMap<u32, (Socket, Outbox<Vec<u8>>)>,
    /// The engine in use.
    backend: Backend,
    /// A partition that is being planned.
    partitioning: Option<Cancelled>,
    /// What operators of image networks take, by engine.
    operator_times: Vec<(Backend, OperatorTimes)>,
    /// The plans that the page shows.
    on_show: OnShow,
    cooperating: Cooperating,
    /// Where engines of workers that cooperate run.
    site: Site,
}

impl Worker {
    fn new(mailbox: Mailbox<Input>, page: Page, site: Site) -> Self {
        let keep = mailbox.clone();
        let keep = move |engine, times| keep.put(Input::OperatorTimes(engine, times));
        Self {
            cooperating: Cooperating::start(page.clone(), keep),
            site,
            operator_times: Vec::new(),
            on_show: OnShow::default(),
            partitioning: None,
            backend: Backend::Wasm,
            app: App::new(now),
            base_url: String::new(),
            preference: Preference::Auto,
            gpu: None,
            engines: Engines::on(engine::first_choice().device),
            jobs: Jobs::new(mailbox.clone()),
            evaluated: Rc::default(),
            sockets: HashMap::new(),
            mailbox,
            page,
        }
    }

    async fn handle(&mut self, input: Input) {
        match input {
            Input::Intent(intent) => self.intend(intent),
            Input::Chosen(preference, chosen) => self.chosen(preference, *chosen),
            Input::LostGpu(why) => self.lose_gpu(why),
            Input::App(input) => self.tell_app(input),
            Input::OperatorTimes(engine, times) => self.keep_times(engine, times),
            Input::Planned(request, planned) => self.on_show.put(request, *planned),
        }
        self.send_due();
        if self.jobs.can_start() && self.app.quiet_until(now()).is_none() {
            // Before a piece of work the browser delivers what came in during the one before: a result, a stop.
            turn().await;
            self.jobs.start_next(&self.engines);
        }
    }

    fn intend(&mut self, intent: Intent) {
        match intent {
            Intent::Partition(request) => self.partition(request),
            Intent::Cooperate(request) => self.cooperate(request),
            Intent::LoseWorker(worker) => self.cooperating.lose(worker),
            Intent::Dismiss => self.cooperating.dismiss(),
            Intent::Stop => self.stop_all(),
            Intent::Crash(crash) => death::obey(crash),
            Intent::Start { ref base_url, .. } => {
                self.base_url = base_url.clone();
                let first = engine_of(&engine::first_choice());
                self.tell_app(effect::Input::Engine(Preference::Auto, Ok(first)));
                self.tell_app(effect::Input::Intent(intent));
            }
            other => self.tell_app(effect::Input::Intent(other)),
        }
    }

    /// Ends whatever long work is under way.
    fn stop_all(&mut self) {
        self.tell_app(effect::Input::Intent(Intent::Stop));
        self.end_partition();
        self.cooperating.stop();
    }

    /// What the application makes of an input is done, and what follows from that at once, too.
    fn tell_app(&mut self, input: effect::Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.app.handle(input, now()) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    /// Does one thing; an input if it is done at once.
    fn perform(&mut self, effect: Effect) -> Option<effect::Input> {
        match effect {
            Effect::Tell(event) => self.page.post(event),
            Effect::Socket(SocketEffect::Connect { connection, url }) => return self.connect(connection, &url),
            Effect::Socket(SocketEffect::Disconnect { connection }) => drop(self.sockets.remove(&connection)),
            Effect::Socket(SocketEffect::Send { connection, at, bytes }) => self.send(connection, at, bytes),
            Effect::Compute(job) => self.jobs.add(job),
            Effect::Prepare(ticket, network) => {
                let result = self.engines.prepare(&network);
                return Some(effect::Input::Prepared(ticket, network, result));
            }
            Effect::ChooseEngine(preference) => self.choose_engine(preference),
            Effect::SlowDown(times) => self.jobs.slow_down(times),
            Effect::Fetch(file, path) => {
                let url = format!("{}{path}", self.base_url);
                self.later(async move { effect::Input::Fetched(file, fetch(&url).await.map_err(FetchError::new)) });
            }
            Effect::Probe { id, probe, runs } => {
                let device = self.engines.device().clone();
                self.later(async move {
                    // Between two probes the browser delivers what came in meanwhile: a stop.
                    turn().await;
                    effect::Input::Probed(id, measure(probe, runs, &device).await)
                });
            }
            Effect::Derive { purpose, supernet, architecture, calibration } => {
                let (device, evaluated) = (self.engines.device().clone(), Rc::clone(&self.evaluated));
                self.later(async move {
                    let state = calibration.state(&device);
                    let derived = supernet.network(&architecture, state, &device).await;
                    let result = derived.map_err(EngineError::new).map(|(gnn, weights)| {
                        if matches!(purpose, Purpose::Evaluation(_)) {
                            *evaluated.borrow_mut() = Some(Rc::new(gnn));
                        }
                        weights
                    });
                    effect::Input::Derived(purpose, result)
                });
            }
            Effect::Classify(number, batch) => {
                let (device, evaluated) = (self.engines.device().clone(), self.evaluated.borrow().clone());
                self.later(async move {
                    // Between two batches the browser delivers what came in meanwhile: a stop.
                    turn().await;
                    effect::Input::Classified(number, classify(evaluated, batch, &device).await)
                });
            }
            Effect::Continue => self.later(async {
                turn().await;
                effect::Input::Continue
            }),
            Effect::Wake { at, exactly: true } => look_exactly_at(at, &self.mailbox),
            Effect::Wake { at, exactly: false } => look_at(at, &self.mailbox),
        }
        None
    }

    /// Puts what comes of this into the mailbox.
    fn later(&self, work: impl Future<Output = effect::Input> + 'static) {
        let mailbox = self.mailbox.clone();
        wasm_bindgen_futures::spawn_local(async move { mailbox.put(Input::App(work.await)) });
    }

    // ---- sockets

    fn connect(&mut self, connection: u32, url: &str) -> Option<effect::Input> {
        let mailbox = self.mailbox.clone();
        let tell = move |event| mailbox.put(Input::App(effect::Input::Socket { connection, event }));
        match Socket::open(url, tell) {
            Ok(socket) => {
                self.sockets.insert(connection, (socket, Outbox::default()));
                None
            }
            Err(why) => Some(effect::Input::Socket { connection, event: SocketEvent::Closed(why.to_string()) }),
        }
    }

    fn send(&mut self, connection: u32, at: Micros, bytes: Vec<u8>) {
        let Some((socket, outbox)) = self.sockets.get_mut(&connection) else { return };
        if at <= now() && outbox.is_empty() {
            socket.send(&bytes);
        } else {
            outbox.put(at, bytes, &self.mailbox);
        }
    }

    fn send_due(&mut self) {
        for (socket, outbox) in self.sockets.values_mut() {
            while let Some(bytes) = outbox.due() {
                socket.send(&bytes);
            }
        }
    }
}

fn now() -> Micros {
    Micros(now_micros())
}

fn engine_of(choice: &Choice) -> Engine {
    let Choice { backend, reason, measured, .. } = choice.clone();
    Engine { backend, reason, measured }
}

/// Logits, flat `[n, classes]`.
async fn classify(gnn: Option<Rc<Gnn>>, batch: Batch, device: &Device) -> Result<Vec<f32>, EngineError> {
    let gnn = gnn.ok_or_else(|| EngineError::new("nothing is being evaluated"))?;
    let logits = gnn.forward(batch.state(device).features()).map_err(EngineError::new)?;
    let logits = gpu::read_back(logits.into_data_async()).await;
    logits.map_err(unreadable)?.try_into_vec::<f32>().map_err(unreadable)
}

fn unreadable(why: impl std::fmt::Debug) -> EngineError {
    EngineError::new(format!("{why:?}"))
}

/// Times a probe on an engine of this tab; `None`: nobody runs it here.
pub async fn measure(probe: Probe, runs: usize, device: &Device) -> Option<Measured> {
    if let Some(measured) = measure_codec(&probe, runs, now_ms).await {
        return measured.ok();
    }
    let ms = cleave_model::measure(&probe, device, runs, now_ms).await?.ok()?;
    Some(Measured { ms, bytes: 0 })
}
