//! The worker's loop: one input at a time changes the state and tells the page.

mod choosing;
mod cooperating;
mod dispatching;
mod judging;
mod measuring;
mod partitioning;
mod searching;

use crate::bench::{self, BenchRequest};
use crate::browser::{now_micros, turn};
use crate::calibrating::Calibrating;
use crate::compute::{Finished, Jobs};
use crate::cooperating::{Cooperating, Site};
use crate::death;
use crate::dispatching::Dispatching;
use crate::engine::{self, Choice, Gpu};
use crate::judges::Judges;
use crate::library::Loaded;
use crate::link::Link;
use crate::mailbox::Mailbox;
use crate::outbox::look_at;
use crate::partitioning::{Cancelled, Times};
use crate::port::{self, Page};
use crate::pricing::Pricing;
use crate::profiling::Profiling;
use crate::report;
use crate::samples::{self, Source};
use crate::searching::Searching;
use crate::socket::SocketEvent;
use crate::stream::Stream;
use cleave_app::single::{Next, SingleFrame};
use cleave_arch::array::Array;
use cleave_arch::tolerance::distance;
use cleave_arch::{Architecture, LinkCodec, Plan, Task};
use cleave_contract::{self as contract, Backend, Cloud, EdgeWait, Event, Intent, Preference};
use cleave_model::SupernetWeights;
use cleave_session::{DeviceEffect, DeviceEvent, FrameReport, Measured, Micros, Outcome};
use judging::Wait;
use searching::Awaiting;
use std::rc::Rc;

/// A frame's time to live on wasm: a large cut over a slow link takes seconds.
const DEADLINE: Micros = Micros::from_millis(20_000);
/// On WebGPU, whose adapter may be a software one.
const GPU_DEADLINE: Micros = Micros::from_millis(180_000);
/// Seed of the gallery's shapes.
const GALLERY_SEED: u64 = 1;

/// What can happen to the worker.
pub enum Input {
    /// The page wants something.
    Intent(Intent),
    /// The benchmark page wants a measurement.
    Bench(BenchRequest),
    /// A socket's callback.
    Socket(u32, SocketEvent),
    /// Work of the engine is done.
    Finished(Finished),
    /// An engine has been chosen for this preference.
    Chosen(Preference, Box<(Option<Gpu>, Choice)>),
    /// WebGPU is lost.
    LostGpu(String),
    /// A network has been loaded, or not.
    Loaded(u32, Box<Result<Loaded, String>>),
    /// The learned predictor's file has come, or will not.
    Predictor(Result<Vec<u8>, String>),
    /// A probe of a profile has been run on this engine.
    Probed(u32, Result<Measured, String>),
    /// The shared weights have come, or will not; what waits for them.
    Supernet(Result<Vec<u8>, String>, Awaiting),
    /// The shipped networks have come, or will not.
    Zoo(Result<Vec<Loaded>, String>),
    /// The search's next slice.
    SearchOn,
    /// An architecture of this search has been judged.
    Judged(u32, Architecture, Result<f64, String>),
    /// What an image network's operators take on this engine.
    OperatorTimes(Backend, Times),
    /// Something may be due.
    Tick,
}

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
    base_url: String,
    preference: Preference,
    gpu: Option<Gpu>,
    engine: Choice,
    network: Option<Rc<Loaded>>,
    /// Who runs what of it.
    plan: Option<Plan>,
    /// The network, and earlier ones while frames of theirs are under way.
    networks: Vec<Rc<Loaded>>,
    /// Number of the latest load: an earlier one that ends later is stale.
    loading: u32,
    input: Option<(Source, Cloud)>,
    link: Link,
    jobs: Jobs,
    stream: Option<Stream>,
    next_frame: u64,
    /// The frame whose answer is to be compared with the unsplit one, and its input.
    compare: Option<(u64, Vec<Array>)>,
    single: SingleFrame,
    /// Until when a single frame waits for what, as the page was told.
    told_wait: Option<(Micros, EdgeWait)>,
    shape: contract::Link,
    pricing: Pricing,
    profiling: Option<Profiling>,
    calibrating: Option<Calibrating>,
    /// A number for measurements above those used before.
    asked: u32,
    supernet: Option<Rc<SupernetWeights>>,
    /// What an edge has sent for judging, kept while the page lives.
    judges: Option<Rc<Judges>>,
    /// A search that waits for what judges it.
    waiting: Option<(Wait, Awaiting)>,
    searching: Option<Searching>,
    /// Number of the latest search.
    searched: u32,
    /// The learned predictor is here, or will not come; a shared search that waits for that.
    predictor_came: bool,
    shared: Option<String>,
    /// Every shipped network, once a dispatcher has wanted them.
    zoo: Vec<Rc<Loaded>>,
    /// What a dispatcher is to reach, also while the zoo is on its way.
    dispatch_wish: Option<contract::Target>,
    dispatching: Option<Dispatching>,
    /// A partition that is being planned.
    partitioning: Option<Cancelled>,
    /// What operators of image networks take, by engine.
    operator_times: Vec<(Backend, Times)>,
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
            link: Link::new(mailbox.clone(), page.clone()),
            jobs: Jobs::new(mailbox.clone()),
            mailbox,
            page,
            base_url: String::new(),
            preference: Preference::Auto,
            gpu: None,
            engine: engine::first_choice(),
            network: None,
            plan: None,
            networks: Vec::new(),
            loading: 0,
            input: None,
            stream: None,
            next_frame: 1,
            compare: None,
            single: SingleFrame::default(),
            told_wait: None,
            shape: contract::Link::UNSHAPED,
            pricing: Pricing::new(),
            profiling: None,
            calibrating: None,
            asked: 0,
            supernet: None,
            judges: None,
            waiting: None,
            searching: None,
            searched: 0,
            predictor_came: false,
            shared: None,
            zoo: Vec::new(),
            dispatch_wish: None,
            dispatching: None,
            partitioning: None,
            operator_times: Vec::new(),
        }
    }

    async fn handle(&mut self, input: Input) {
        match input {
            Input::Intent(intent) => self.intend(intent),
            Input::Bench(request) => self.bench(request).await,
            Input::Socket(connection, event) => {
                let effects = self.link.socket(connection, event);
                self.perform(effects);
            }
            Input::Finished(finished) => self.finished(finished),
            Input::Chosen(preference, chosen) => self.chosen(preference, *chosen),
            Input::LostGpu(why) => self.lose_gpu(why),
            Input::Loaded(number, loaded) if number == self.loading => self.loaded(*loaded),
            Input::Loaded(..) => {}
            Input::Probed(id, result) => self.probed(id, result),
            Input::Predictor(file) => self.learn(file),
            Input::Supernet(file, then) => self.supernet_came(file, then),
            Input::Zoo(zoo) => self.zoo_came(zoo),
            Input::SearchOn => self.search_on().await,
            Input::Judged(number, architecture, accuracy) => self.judged(number, &architecture, accuracy),
            Input::OperatorTimes(engine, times) => self.keep_times(engine, times),
            Input::Tick => {}
        }
        self.pump();
        self.single_on();
        self.dispatch_on();
        let is_quiet = self.dispatching.as_ref().is_some_and(Dispatching::is_quiet);
        if self.jobs.can_start() && !is_quiet {
            // Before a piece of work the browser delivers what came in during the one before: a result, a stop.
            turn().await;
            self.jobs.start_next(&self.networks);
        }
    }

    fn intend(&mut self, intent: Intent) {
        match intent {
            Intent::Start { base_url, preference, edge, link } => {
                self.base_url = base_url;
                self.shape = link;
                self.link.reshape(link);
                self.link.use_edge(edge);
                self.tell_engine();
                self.prefer(preference);
                self.tell_gallery();
                self.tell_profile();
                self.fetch_predictor();
            }
            Intent::Prefer(preference) => self.prefer(preference),
            Intent::Connect(edge) => self.use_edge(Some(edge)),
            Intent::Simulate => self.use_edge(None),
            Intent::Shape(shape) => {
                self.shape = shape;
                // A profile measures the link itself; the conditions come back when it ends.
                if self.profiling.is_none() {
                    let effects = self.link.reshape(shape);
                    self.perform(effects);
                }
                self.tell_prices();
            }
            Intent::SlowDown { times } => self.slow_down(times),
            Intent::Break => {
                let effects = self.link.sever();
                self.perform(effects);
            }
            Intent::Generate { class, seed } => self.take(Source::Furniture { class, seed }),
            Intent::Open { name, bytes } if name.ends_with(".safetensors") => {
                self.loading += 1;
                self.loaded(Loaded::from_bytes(bytes, &self.engine.device).map_err(|why| format!("{name}: {why}")));
            }
            Intent::Open { name, bytes } => self.take(Source::File { name, bytes: bytes.into(), index: 0 }),
            Intent::Pick { index } => self.pick(index),
            Intent::Network(name) => self.load(name),
            Intent::Plan { plan, codec } => self.plan(&plan, &codec),
            Intent::RunOnce | Intent::RunStream { .. } | Intent::Power(_) if self.is_measuring() => {
                let remedy = "Wait for its end, or stop it: what is measured is kept.";
                self.page.fail("Not now", "the machines are being measured", remedy);
            }
            Intent::RunOnce => self.single.ask(Micros(now_micros())),
            Intent::RunStream { in_flight } => self.run_stream(in_flight),
            Intent::Profile { quick } => self.profile(quick),
            Intent::UseProfile { json } => self.use_profile(&json),
            Intent::Calibrate => self.calibrate(),
            Intent::Power(powers) => self.draw(powers),
            Intent::Search(wish) => self.with_supernet(Awaiting::Search(wish)),
            Intent::ResumeSearch { json } => self.resume(&json),
            Intent::Deploy { plan } => self.with_supernet(Awaiting::Deploy(plan)),
            Intent::Inspect { plan } => self.inspect(&plan),
            Intent::Share(wish) => self.share(wish),
            Intent::OpenShared { text } => self.open_shared(text),
            Intent::Dispatch(target) => self.dispatch(target),
            Intent::Partition(wish) => self.partition(wish),
            Intent::Cooperate(wish) => self.cooperate(wish),
            Intent::LoseWorker(worker) => self.cooperating.lose(worker),
            Intent::Dismiss => self.cooperating.dismiss(),
            Intent::Stop => self.stop(),
            Intent::Crash(crash) => death::obey(crash),
        }
    }

    /// Makes this the network; earlier ones stay while frames of theirs may be under way.
    fn hold(&mut self, network: Option<Rc<Loaded>>) {
        let Some(network) = network else { return };
        let busy = self.link.frames_under_way() > 0;
        self.networks.retain(|other| busy && other.hash != network.hash);
        self.networks.push(Rc::clone(&network));
        self.network = Some(network);
    }

    fn load(&mut self, name: String) {
        self.loading += 1;
        let (number, mailbox) = (self.loading, self.mailbox.clone());
        let (base_url, device) = (self.base_url.clone(), self.engine.device.clone());
        self.page.post(Event::Progress { what: "Loading the network".into(), done: 0, total: 0 });
        wasm_bindgen_futures::spawn_local(async move {
            let loaded = Loaded::open(&name, &base_url, &device).await;
            mailbox.put(Input::Loaded(number, Box::new(loaded)));
        });
    }

    fn loaded(&mut self, loaded: Result<Loaded, String>) {
        self.page.post(Event::Progress { what: "Loading the network".into(), done: 1, total: 1 });
        // The engine may have changed while the file was on its way.
        let here = |loaded: Loaded| {
            if *loaded.gnn.device() == self.engine.device { Ok(loaded) } else { loaded.on(&self.engine.device) }
        };
        let loaded = match loaded.and_then(here) {
            Ok(loaded) => Rc::new(loaded),
            Err(why) => {
                return self.page.fail(
                    "The network could not be loaded",
                    &why,
                    "Choose another network; the one before is still here.",
                );
            }
        };
        self.stop();
        self.end_dispatch();
        self.plan = None;
        self.page.post(Event::Network(loaded.view()));
        let effects = self.link.work(loaded.work(loaded.card.plan.clone()));
        let resized = self.n_points() != loaded.card.task.n_points;
        self.plan = Some(loaded.card.plan.clone());
        self.hold(Some(loaded));
        self.perform(effects);
        self.tell_prices();
        if let Some((source, _)) = self.input.take_if(|_| resized) {
            self.take(source);
        }
    }

    fn plan(&mut self, plan: &str, codec: &str) {
        let Some(network) = self.network.clone() else { return };
        let remedy = "Move the cut to an operation boundary of this network.";
        let parsed = plan.parse::<Plan>().map_err(|why| why.to_string()).and_then(|plan| {
            let codec = codec.parse::<LinkCodec>().map_err(|why| why.to_string())?;
            if plan.architecture() == network.card.plan.architecture() {
                Ok(plan.with_codec(codec))
            } else {
                Err(format!("the plan is of another network; this one is `{}`", network.card.plan.architecture()))
            }
        });
        match parsed {
            Ok(plan) => {
                self.end_dispatch();
                self.use_plan(&network, plan);
                self.tell_prices();
            }
            Err(why) => self.page.fail("The plan cannot be used", &why, remedy),
        }
    }

    fn use_plan(&mut self, network: &Loaded, plan: Plan) {
        let effects = self.link.work(network.work(plan.clone()));
        self.plan = Some(plan);
        self.perform(effects);
    }

    /// Does what is due about a single frame; after every input, because any may have made the edge ready.
    fn single_on(&mut self) {
        let wait = match self.single.next(&self.link.readiness(), Micros(now_micros())) {
            Next::Idle => None,
            Next::Submit => {
                self.single.submitted(self.next_frame);
                let is_split = self.link.is_split();
                self.compare = self.arrays().ok().filter(|_| is_split).map(|input| (self.next_frame, input));
                self.submit();
                None
            }
            Next::Wait { until, on } => Some((until, on)),
        };
        let before = std::mem::replace(&mut self.told_wait, wait);
        if before.map(|(_, on)| on) != wait.map(|(_, on)| on) {
            self.page.post(Event::Waiting(wait.map(|(_, on)| on)));
        }
        if let Some((until, _)) = wait.filter(|_| before != wait) {
            look_at(until, &self.mailbox);
        }
    }

    fn run_stream(&mut self, in_flight: usize) {
        self.single.cancel();
        let in_flight = in_flight.clamp(1, contract::MAX_IN_FLIGHT);
        self.stream = Some(Stream::new(in_flight));
        let missing = in_flight.saturating_sub(self.link.frames_under_way());
        for _ in 0..missing.max(1) {
            if self.stream.is_some() {
                self.submit();
            }
        }
    }

    fn submit(&mut self) {
        let input = match self.arrays() {
            Ok(input) => input,
            Err(why) => {
                self.stop();
                return self.page.fail("The run did not start", &why, "Choose a network and a shape, then run again.");
            }
        };
        let budget = if self.engine.backend == Backend::Wasm { DEADLINE } else { GPU_DEADLINE };
        let deadline = Micros(now_micros() + (budget.0 as f64 * self.pricing.slowdown()) as u64);
        let effects = self.link.device(DeviceEvent::Submit { frame: self.next_frame, input, deadline });
        self.next_frame += 1;
        self.perform(effects);
    }

    fn stop(&mut self) {
        self.single.cancel();
        if let Some(stream) = self.stream.take() {
            self.page.post(Event::Stream(stream.view(false)));
        }
        self.end_profile();
        self.end_calibration();
        self.end_search();
        self.end_partition();
        self.cooperating.stop();
    }

    /// Delivers what is due on the link now.
    fn pump(&mut self) {
        let (effects, jobs) = self.link.pump();
        self.jobs.add_edge(jobs);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<DeviceEffect>) {
        for effect in effects {
            match effect {
                DeviceEffect::Compute { job, work, segment, input, .. } => {
                    self.jobs.add_device(job, work.model().hash, segment, input);
                }
                DeviceEffect::Report(report) => self.report(*report),
                DeviceEffect::Status(status) => {
                    self.link.tell(&status);
                    self.edge_changed();
                }
                DeviceEffect::Validation(fetched) => self.fetched(fetched),
                DeviceEffect::Measured { id, result } => self.measured(id, result),
                DeviceEffect::Echoed { id, result } => self.echoed(id, result),
                // The link has done these itself.
                DeviceEffect::Connect { .. } | DeviceEffect::Disconnect { .. } | DeviceEffect::Send { .. } => {}
            }
        }
    }

    fn finished(&mut self, finished: Finished) {
        match finished {
            Finished::Device { job, result } => {
                let effects = self.link.device(DeviceEvent::Computed { job, result });
                self.perform(effects);
            }
            Finished::Edge { connection, job, result, span } => {
                let jobs = self.link.edge_computed(connection, job, result, span);
                self.jobs.add_edge(jobs);
            }
            Finished::Unsplit { report, result } => {
                let whole = result.ok().and_then(|arrays| arrays.into_iter().next());
                let whole = whole.as_ref().and_then(|array| array.as_f32().ok());
                let delta = whole.zip(report::logits(&report)).map(|(whole, answer)| distance(answer, whole));
                self.tell_frame(&report, delta);
            }
        }
    }

    fn report(&mut self, report: FrameReport) {
        self.single.ended(&report);
        // A frame that the device computed alone would be compared with itself.
        if let Some((_, input)) = self.compare.take_if(|(id, _)| *id == report.id)
            && report.outcome == Outcome::AsPlanned
        {
            return self.jobs.add_unsplit(report, input);
        }
        if self.calibrating.is_some() {
            return self.calibrated(&report);
        }
        if let Some(dispatching) = &mut self.dispatching {
            dispatching.frame(&report);
        }
        self.tell_frame(&report, None);
        let Some(stream) = &mut self.stream else { return };
        if stream.count(&report) {
            self.page.post(Event::Stream(stream.view(true)));
        }
        if let Outcome::Failed(why) = &report.outcome {
            // Whatever it is, the next frame would end the same way.
            self.page.fail("The stream stopped", &why.to_string(), "Mend what is named and start the stream again.");
            self.stop();
        } else if self.link.frames_under_way() < stream.in_flight {
            self.submit();
        }
    }

    fn n_points(&self) -> usize {
        self.network.as_ref().map_or(1024, |network| network.card.task.n_points)
    }

    fn take(&mut self, source: Source) {
        match source.cloud(self.n_points()) {
            Ok(cloud) => {
                self.page.post(Event::Cloud(cloud.clone()));
                self.input = Some((source, cloud));
            }
            Err(why) => {
                let (what, remedy) = source.complaint();
                self.page.fail(&what, &why, remedy);
            }
        }
    }

    fn pick(&mut self, index: usize) {
        if let Some((Source::File { name, bytes, .. }, _)) = &self.input {
            self.take(Source::File { name: name.clone(), bytes: Rc::clone(bytes), index });
        }
    }

    /// The input as the session takes it.
    fn arrays(&self) -> Result<Vec<Array>, String> {
        let network = self.network.as_ref().ok_or("no network is loaded")?;
        let (_, cloud) = self.input.as_ref().ok_or("no input is loaded")?;
        let Task { n_points, in_channels, .. } = network.card.task;
        let points = Array::f32([n_points, in_channels], cloud.points.clone());
        Ok(vec![points.map_err(|why| format!("the input does not fit this network: {why}"))?])
    }

    fn use_edge(&mut self, edge: Option<contract::EdgeAddress>) {
        let effects = self.link.use_edge(edge);
        self.perform(effects);
        self.tell_prices();
    }

    fn tell_frame(&mut self, report: &FrameReport, delta: Option<f32>) {
        let machines = self.machines();
        let network = self.networks.iter().find(|network| network.hash == report.work.model().hash);
        let predicted = network.map(|network| self.pricing.of_frame(&machines, report.work.plan(), network));
        let frame = report::frame(report, delta, self.link.engines());
        self.page.post(Event::Frame(contract::Frame { predicted, ..frame }));
    }

    fn tell_engine(&self) {
        let Choice { backend, reason, measured, .. } = self.engine.clone();
        self.page.post(Event::Engine { backend, reason, measured });
    }

    fn tell_gallery(&self) {
        match samples::gallery(GALLERY_SEED) {
            Ok(gallery) => self.page.post(Event::Gallery(gallery)),
            Err(why) => self.page.fail("The gallery could not be made", &why, "Open a file instead."),
        }
    }

    async fn bench(&mut self, request: BenchRequest) {
        if self.gpu.is_none() && request.needs_gpu() {
            self.gpu = Some(engine::open().await);
        }
        let gpu = self.gpu.clone().unwrap_or_else(|| Err("WebGPU was not looked for".into()));
        match bench::run(&request, &gpu, &self.base_url).await {
            Ok(answer) => port::post_value(&answer),
            Err(why) => self.page.fail("The measurement failed", &why, "Choose the other engine or another network."),
        }
    }
}
