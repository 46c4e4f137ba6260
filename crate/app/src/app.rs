//! The application behind the page as a machine: [`App::handle`] takes what has happened and says what to do. It is told
//! the time and never waits; whatever takes long is asked of the shell and comes back as an [`Input`].

mod dispatching;
mod frames;
mod measuring;
mod networks;
mod searching;

use crate::dispatch::Dispatching;
use crate::effect::{Effect, Engine, File, Input, SocketEvent, Ticket};
use crate::input::{self, Source};
use crate::offload::{Offload, OffloadEffect};
use crate::pricing::{Conditions, EdgeSite, Pricing};
use cleave_contract::{self as contract, Cloud, Event, Failure, ImageRequest, Intent, LongWork, Preference};
use cleave_session::{DeviceEffect, DeviceEvent, EngineError, LinkStatus, Micros, StopReason, Stopwatch};
use frames::Frames;
use measuring::Measuring;
use networks::Networks;
use searching::{Awaiting, Searching};
use std::sync::Arc;

/// Seed of the gallery's shapes.
const GALLERY_SEED: u64 = 1;
/// Seed of the noise that image networks look at until somebody shows them something.
const LOOK_SEED: u64 = 1;

/// The application. What it asks for is collected while an input is handled.
pub struct App {
    now: Micros,
    stopwatch: Stopwatch,
    effects: Vec<Effect>,
    engine: Option<Engine>,
    preference: Preference,
    networks: Networks,
    input: Option<(Source, Cloud)>,
    /// What image networks look at.
    look: ImageRequest,
    offload: Offload,
    /// What the edge was last told to be doing: weights are on their way.
    is_uploading: bool,
    frames: Frames,
    link: contract::Link,
    pricing: Pricing,
    measuring: Measuring,
    searching: Searching,
    zoo: dispatching::Zoo,
    dispatching: Option<Dispatching>,
    /// The wakes that were asked for last: coarse, exact.
    wakes: [Option<Micros>; 2],
}

impl App {
    /// An application that nobody has told anything. The stopwatch measures packing and unpacking; no decision depends
    /// on it.
    pub fn new(stopwatch: Stopwatch) -> Self {
        Self {
            now: Micros(0),
            stopwatch,
            effects: Vec::new(),
            engine: None,
            preference: Preference::Auto,
            networks: Networks::default(),
            input: None,
            look: ImageRequest::Noise(LOOK_SEED),
            offload: Offload::new(stopwatch),
            is_uploading: false,
            frames: Frames::default(),
            link: contract::Link::UNSHAPED,
            pricing: Pricing::default(),
            measuring: Measuring::default(),
            searching: Searching::default(),
            zoo: dispatching::Zoo::default(),
            dispatching: None,
            wakes: [None; 2],
        }
    }

    /// Takes in what has happened at the moment `now`, which must not run backwards, and says what to do.
    pub fn handle(&mut self, input: Input, now: Micros) -> Vec<Effect> {
        self.now = now;
        match input {
            Input::Intent(intent) => self.intend(intent),
            Input::Socket { connection, event } => self.offload_event(match event {
                SocketEvent::Opened => DeviceEvent::Opened { connection },
                SocketEvent::Received(bytes) => DeviceEvent::Received { connection, bytes },
                SocketEvent::Closed(why) => DeviceEvent::Closed { connection, why },
            }),
            Input::Computed(done) => self.computed(done),
            Input::Engine(preference, engine) => self.engine_chosen(preference, engine),
            Input::Fetched(file, bytes) => self.fetched(file, bytes),
            Input::Prepared(Ticket::Current(number), network, result) => self.prepared(number, network, result),
            Input::Prepared(Ticket::Zoo(place), network, result) => self.zoo_prepared(place, network, result),
            Input::Probed(id, measured) => self.probed(id, measured),
            Input::Derived(purpose, result) => self.derived(purpose, result),
            Input::Classified(number, result) => self.classified(number, result),
            Input::Continue => self.search_on(),
            Input::Tick => {}
        }
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// Until when no work should begin on the engine, because a message is out whose time counts.
    pub fn quiet_until(&self, now: Micros) -> Option<Micros> {
        self.dispatching.as_ref().and_then(|dispatching| dispatching.quiet_until(now))
    }

    /// Brings everything to where it should be now: whatever happened may have made something else due.
    fn settle(&mut self) {
        let effects = self.offload.tick(self.now);
        self.perform(effects);
        if let Some(status) = self.offload.connected() {
            self.tell(Event::Edge(status));
        }
        self.run_single();
        self.dispatch_on();
        let coarse = [
            self.offload.next_wake(),
            self.frames.wait.map(|(until, _)| until),
            self.dispatching.as_ref().map(Dispatching::next_wake),
            self.quiet_until(self.now),
        ];
        self.wake(0, coarse.into_iter().flatten().min());
        self.wake(1, self.offload.next_arrival());
    }

    /// Asks to be woken, unless that has been asked for already.
    fn wake(&mut self, which: usize, at: Option<Micros>) {
        let Some(at) = at else { return };
        let is_covered = self.wakes[which].is_some_and(|set| set > self.now && set <= at);
        if !is_covered {
            self.wakes[which] = Some(at);
            self.effects.push(Effect::Wake { at, exactly: which == 1 });
        }
    }

    fn intend(&mut self, intent: Intent) {
        match intent {
            Intent::Start { base_url: _, preference, edge, link } => {
                self.link = link;
                self.reshape(link);
                let effects = self.offload.use_edge(edge, self.now);
                self.perform(effects);
                self.prefer(preference);
                self.tell_gallery();
                self.tell_profile();
                self.effects.push(Effect::Fetch(File::Predictor, measuring::PREDICTOR.into()));
            }
            Intent::Prefer(preference) => self.prefer(preference),
            Intent::Connect(edge) => self.use_edge(Some(edge)),
            Intent::Simulate => self.use_edge(None),
            Intent::Shape(link) => self.shape(link),
            Intent::SlowDown { times } => self.slow_down(times),
            Intent::Break => {
                let effects = self.offload.sever(self.now);
                self.perform(effects);
            }
            Intent::Generate { class, seed } => self.take(Source::Furniture { class, seed }),
            Intent::Open { name, bytes } if name.ends_with(".safetensors") => self.open_network(&name, bytes),
            Intent::Open { name, bytes } => self.take(Source::File { name, bytes: bytes.into(), index: 0 }),
            Intent::Pick { index } => self.pick(index),
            Intent::Look(image) => self.look = image,
            Intent::Network(name) => self.load(&name),
            Intent::Plan { plan, codec } => self.plan(&plan, &codec),
            Intent::RunOnce | Intent::RunStream { .. } | Intent::Power(_) if self.measuring.is_busy() => {
                self.fail(Failure::BusyMeasuring, "the machines are being measured");
            }
            Intent::RunOnce => self.frames.single.ask(self.now),
            Intent::RunStream { in_flight } => self.run_stream(in_flight),
            Intent::Profile { quick } => self.profile(quick),
            Intent::UseProfile { json } => self.use_profile(&json),
            Intent::Calibrate => self.calibrate(),
            Intent::Power(powers) => self.draw(powers),
            Intent::Search(request) => self.with_supernet(Awaiting::Search(request)),
            Intent::ResumeSearch { json } => self.resume(&json),
            Intent::Deploy { plan } => self.with_supernet(Awaiting::Deploy(plan)),
            Intent::Inspect { plan } => self.inspect(&plan),
            Intent::Share(request) => self.share(request),
            Intent::OpenShared { text } => self.open_shared(text),
            Intent::Dispatch(target) => self.dispatch(target),
            Intent::Stop => self.stop(),
            _ => {}
        }
    }

    // ---- what is told

    fn tell(&mut self, event: Event) {
        self.effects.push(Effect::Tell(event));
    }

    fn fail(&mut self, what: Failure, why: impl ToString) {
        self.tell(Event::Failed { what, why: why.to_string() });
    }

    fn progress(&mut self, what: LongWork, done: u64, total: u64) {
        self.tell(Event::Progress { what, done, total });
    }

    fn tell_gallery(&mut self) {
        match input::gallery(GALLERY_SEED) {
            Ok(gallery) => self.tell(Event::Gallery(gallery)),
            Err(why) => self.fail(Failure::Gallery, why),
        }
    }

    // ---- the engine

    fn prefer(&mut self, preference: Preference) {
        self.preference = preference;
        self.effects.push(Effect::ChooseEngine(preference));
    }

    fn engine_chosen(&mut self, preference: Preference, engine: Result<Engine, EngineError>) {
        if preference != self.preference {
            return; // the person has changed their mind since
        }
        match engine {
            Ok(engine) => {
                self.interrupt_calibration("the engine was chosen anew");
                let Engine { backend, reason, measured } = engine.clone();
                self.engine = Some(engine);
                self.tell(Event::Engine { backend, reason, measured });
                self.dispatch_again();
            }
            Err(why) => self.fail(Failure::EngineSwitch, why),
        }
    }

    // ---- the link and the edge

    fn use_edge(&mut self, edge: Option<contract::EdgeAddress>) {
        self.interrupt_calibration("another edge was chosen");
        let effects = self.offload.use_edge(edge, self.now);
        self.perform(effects);
        self.tell_prices();
    }

    fn shape(&mut self, link: contract::Link) {
        self.interrupt_calibration("the link was given other conditions");
        self.link = link;
        // A profile measures the link itself; the conditions come back when it ends.
        if !self.measuring.is_profiling() {
            self.reshape(link);
        }
        self.tell_prices();
    }

    fn reshape(&mut self, link: contract::Link) {
        let effects = self.offload.reshape(link, self.now);
        self.perform(effects);
    }

    fn offload_event(&mut self, event: DeviceEvent) {
        let effects = self.offload.handle(event, self.now);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<OffloadEffect>) {
        for effect in effects {
            match effect {
                OffloadEffect::Socket(effect) => self.effects.push(Effect::Socket(effect)),
                OffloadEffect::EdgeJob(job) => self.compute_for_edge(job),
                OffloadEffect::Session(effect) => self.session_says(effect),
            }
        }
    }

    fn session_says(&mut self, effect: DeviceEffect) {
        match effect {
            DeviceEffect::Compute { job, work, segment, input, .. } => self.compute(job, &work, segment, input),
            DeviceEffect::Report(report) => self.report(*report),
            DeviceEffect::Status(status) => self.status(&status),
            DeviceEffect::Measured { id, result } => self.measured(id, result),
            DeviceEffect::Echoed { id, result } => self.echoed(id, result),
            DeviceEffect::Validation(fetched) => self.validation_came(fetched),
            // The offload has handed these on.
            DeviceEffect::Connect { .. } | DeviceEffect::Disconnect { .. } | DeviceEffect::Send { .. } => {}
        }
    }

    fn status(&mut self, status: &LinkStatus) {
        let is_uploading = matches!(status, LinkStatus::Deploying { .. }) && self.offload.is_native();
        if std::mem::replace(&mut self.is_uploading, is_uploading) && !is_uploading {
            self.progress(LongWork::UploadWeights, 1, 1);
        }
        match status {
            LinkStatus::Deploying { sent, total, .. } if is_uploading => {
                self.progress(LongWork::UploadWeights, *sent, *total);
            }
            LinkStatus::Stopped(StopReason::Refused(refusal)) if self.offload.is_native() => {
                self.fail(Failure::EdgeRefused { right: refusal.right.clone() }, &refusal.wrong);
            }
            LinkStatus::Stopped(StopReason::Version(why)) if self.offload.is_native() => {
                self.fail(Failure::EdgeVersion, why);
            }
            LinkStatus::Refused { refusal, .. } => {
                self.fail(Failure::PlanRefused { right: refusal.right.clone() }, &refusal.wrong);
            }
            _ => {}
        }
        if let Some(status) = self.offload.edge_status(status, self.now) {
            self.tell(Event::Edge(status));
        }
        self.edge_changed();
    }

    fn conditions(&self) -> Conditions {
        let edge = if self.offload.is_native() { EdgeSite::Native } else { EdgeSite::InThisTab };
        Conditions { link: self.link, edge }
    }

    // ---- the input

    fn n_points(&self) -> usize {
        let plan = self.networks.current.as_ref().and_then(|network| network.mapping.plan());
        plan.map_or(1024, |(_, _, task)| task.n_points)
    }

    fn take(&mut self, source: Source) {
        match source.cloud(self.n_points()) {
            Ok(cloud) => {
                self.tell(Event::Cloud(cloud.clone()));
                self.input = Some((source, cloud));
            }
            Err(why) => self.fail(
                match source {
                    Source::Furniture { .. } => Failure::Shape,
                    Source::File { name, .. } => Failure::File { name },
                },
                why,
            ),
        }
    }

    fn pick(&mut self, index: usize) {
        if let Some((Source::File { name, bytes, .. }, _)) = &self.input {
            self.take(Source::File { name: name.clone(), bytes: Arc::clone(bytes), index });
        }
    }

    // ---- ending

    /// Ends a stream or whatever long work is under way.
    fn stop(&mut self) {
        self.stop_frames();
        self.end_profile();
        self.end_calibration();
        self.end_search();
    }
}
