//! What a person does: every control of the page is one [`Act`], and this is all that it changes.

use super::{CLASSES, Cuts, Listed, Loading, Looker, Notice, Run, SelectedDesign, State};
use crate::partition::form::Form;
use crate::partition::image::Image;
use cleave_arch::LinkCodec;
use cleave_contract::{
    Death, EdgeAddress, Intent, Link, MAX_COOPERATION_RUNS, PartitionStrategy, Powers, Preference, SearchRequest,
    Target,
};

/// Ending of files that hold a network, not a shape.
pub(super) const WEIGHTS: &str = ".safetensors";

/// A person's action, or what the page itself learns while loading.
#[derive(Clone, Debug)]
pub enum Act {
    /// The worker's module has come this far.
    Load(Loading),
    /// The worker has died.
    Die {
        /// Of this.
        death: Death,
        /// When, on any clock in milliseconds.
        at_ms: f64,
    },
    /// The index of shipped networks has been read (empty if there is none).
    List(Vec<Listed>),
    /// Show this class of the gallery.
    Shape(usize),
    /// The same class with another seed.
    AnotherSeed,
    /// Open a file.
    Open {
        /// Its name, whose ending tells the format.
        name: String,
        /// Its content.
        bytes: Vec<u8>,
    },
    /// Another cloud of the opened file, counted from 0.
    Pick(usize),
    /// Load a network by name or text form.
    Choose(String),
    /// Move the cut with this index before step `to`; past the last one removes it.
    MoveCut {
        /// 0 or 1.
        cut: usize,
        /// 0 to the last step, or more.
        to: usize,
    },
    /// Add a cut at the end, after which the computation returns to the other tier.
    AddCut,
    /// Write cuts on the link in another way.
    Write(LinkCodec),
    /// Shape the link.
    Shaping(Link),
    /// Emulate a device that is so many times slower.
    SlowDown(f64),
    /// Lose the connection now.
    Break,
    /// Override the choice of engine, or leave it to the measurement.
    Prefer(Preference),
    /// Use a real edge.
    Connect(EdgeAddress),
    /// Run the edge half in this tab.
    Simulate,
    /// One frame.
    RunOnce,
    /// Frames until stopped.
    RunStream,
    /// Measure the machines.
    Profile {
        /// In a quarter of the time.
        quick: bool,
    },
    /// Correct predictions by real frames.
    Calibrate,
    /// Estimate energy by these powers of the device.
    Power(Powers),
    /// Change what the search form holds.
    Request(SearchRequest),
    /// Search for networks with their mapping.
    Search(SearchRequest),
    /// Go on with the search of an earlier visit.
    ResumeSearch,
    /// Begin the search that a link holds.
    OpenShared(String),
    /// Make a link of the search form.
    Share,
    /// Compare the next searches with the one on show.
    KeepRun,
    /// Compare no longer.
    DropRun,
    /// Show a design and what it costs.
    Inspect(String),
    /// Show no design.
    CloseDesign,
    /// Run a design that was found.
    Deploy(String),
    /// Change what the dispatcher is to reach.
    Aim(Target),
    /// Let the dispatcher choose what runs, or no longer.
    Dispatch(Option<Target>),
    /// Change what the form for sharing an image network holds.
    PartitionForm(Form),
    /// Plan how workers share an image network.
    Partition,
    /// Draw these two strategies.
    Pair([PartitionStrategy; 2]),
    /// How often a partition is run.
    Runs(usize),
    /// Whether it is compared with the unsplit network.
    Check(bool),
    /// Run these strategies over real workers, one after the other.
    Cooperate(Vec<PartitionStrategy>),
    /// Lose the worker with this number.
    Lose(usize),
    /// The workers are not needed any more.
    DismissWorkers,
    /// Show an image network another image.
    Look(Looker, Image),
    /// The same by a stroke of the pen, to which workers that are there answer at once.
    Stroke(Looker, Image),
    /// Predict from a profile that was exported.
    Import(String),
    /// No more of whatever is running.
    Stop,
    /// How many frames of a stream are under way at once.
    InFlight(usize),
    /// Say what went wrong in the page itself.
    Complain(Notice),
    /// Close the notice.
    Dismiss,
}

impl State {
    /// Applies an action; returns what to tell the worker.
    pub fn act(&mut self, act: Act) -> Vec<Intent> {
        match act {
            Act::Load(loading) => self.worker.load(loading),
            Act::Die { death, at_ms } => self.die(&death, at_ms),
            Act::List(listed) => {
                self.network.listed = Some(listed);
                return self.begin();
            }
            Act::Shape(class) => {
                self.settings.class = class.min(CLASSES.len() - 1);
                return self.generate();
            }
            Act::AnotherSeed => {
                self.settings.seed = (self.settings.seed + 1) % crate::url::SEEDS;
                return self.generate();
            }
            Act::Open { name, bytes } => return self.open(name, bytes),
            Act::Pick(index) => return self.worker.when_ready(Intent::Pick { index }),
            Act::Choose(network) => return self.choose(network),
            Act::MoveCut { cut, to } => return self.move_cut(cut, to),
            Act::AddCut => return self.add_cut(),
            Act::Write(codec) => return self.write(codec),
            Act::Shaping(link) => return self.shape_link(link),
            Act::SlowDown(times) => return self.slow_down(times),
            Act::Break => return self.worker.when_ready(Intent::Break),
            Act::Prefer(preference) => {
                self.settings.preference = preference;
                self.frames.measured.clear();
                return self.worker.when_ready(Intent::Prefer(preference));
            }
            Act::Connect(address) => return self.connect(address),
            Act::Simulate => {
                self.edge.simulate();
                return self.under_new_conditions(Intent::Simulate);
            }
            Act::RunOnce => return self.run_soon(),
            Act::RunStream => return self.run_stream(),
            Act::Profile { quick } => return self.start(Run::Measuring, Intent::Profile { quick }),
            Act::Calibrate => return self.start(Run::Measuring, Intent::Calibrate),
            Act::Power(powers) => return self.worker.when_ready(Intent::Power(powers)),
            Act::Request(request) => self.search.set_request(request),
            Act::Search(request) => return self.search_for(request),
            Act::ResumeSearch => return self.resume_search(),
            Act::OpenShared(text) => return self.open_shared(text),
            Act::Share => return self.share(),
            Act::KeepRun => self.search.keep_run(),
            Act::DropRun => self.search.kept_run = None,
            Act::Inspect(plan) => {
                self.design.select(plan);
                return self.design.inspect(&self.worker);
            }
            Act::CloseDesign => self.design = SelectedDesign::default(),
            Act::Deploy(plan) => return self.deploy(plan),
            Act::Aim(target) => self.dispatcher.target = target,
            Act::Dispatch(Some(target)) => return self.start_dispatch(target),
            Act::Dispatch(None) => return self.dispatcher.end(),
            Act::PartitionForm(form) => self.set_partition(form),
            Act::Partition => return self.plan_partition(),
            Act::Pair(pair) => self.settings.pair = pair,
            Act::Runs(n) => self.settings.runs = n.clamp(1, MAX_COOPERATION_RUNS),
            Act::Check(on) => self.settings.check = on,
            Act::Cooperate(strategies) => return self.cooperate(&strategies),
            Act::Lose(worker) => return self.worker.when_ready(Intent::LoseWorker(worker)),
            Act::DismissWorkers => return self.worker.when_ready(Intent::Dismiss),
            Act::Stroke(Looker::Workers, image) => return self.take_stroke(image),
            Act::Look(looker, image) | Act::Stroke(looker, image) => return self.look(looker, image),
            Act::Import(json) => return self.worker.when_ready(Intent::UseProfile { json }),
            Act::Stop => return self.stop(),
            Act::InFlight(n) => return self.set_in_flight(n),
            Act::Complain(notice) => self.notice = Some(notice),
            Act::Dismiss => self.notice = None,
        }
        Vec::new()
    }

    fn generate(&self) -> Vec<Intent> {
        self.worker.when_ready(Intent::Generate { class: self.settings.class, seed: self.settings.seed })
    }

    /// The first intents, once both the worker listens and the shipped networks are known.
    pub(super) fn begin(&mut self) -> Vec<Intent> {
        if self.network.listed.is_none() || !self.worker.is_ready() { Vec::new() } else { self.tell_all() }
    }

    fn open(&mut self, name: String, bytes: Vec<u8>) -> Vec<Intent> {
        self.worker.replay.open(&name, &bytes);
        let mut intents = Vec::new();
        if name.ends_with(WEIGHTS) && self.worker.is_ready() {
            self.settings.cuts = Cuts::Default;
            intents = self.dispatcher.end();
            intents.extend(self.stop());
        }
        intents.extend(self.worker.when_ready(Intent::Open { name, bytes }));
        intents
    }

    fn choose(&mut self, network: String) -> Vec<Intent> {
        self.settings.cuts = Cuts::Default;
        self.settings.network = network.clone();
        if !self.worker.is_ready() {
            return Vec::new();
        }
        self.network.wanted = Some(network.clone());
        self.worker.replay.name();
        let mut intents = self.dispatcher.end();
        intents.extend(self.stop());
        intents.push(Intent::Network(network));
        intents
    }

    fn shape_link(&mut self, link: Link) -> Vec<Intent> {
        if self.settings.link == link {
            return Vec::new();
        }
        self.settings.link = link;
        self.under_new_conditions(Intent::Shape(link))
    }

    fn slow_down(&mut self, times: f64) -> Vec<Intent> {
        if self.settings.slowdown == times {
            return Vec::new();
        }
        self.settings.slowdown = times;
        self.under_new_conditions(Intent::SlowDown { times })
    }

    fn under_new_conditions(&mut self, intent: Intent) -> Vec<Intent> {
        self.frames.measured.clear();
        let mut intents = self.worker.when_ready(intent);
        intents.extend(self.design.inspect(&self.worker));
        intents.extend(self.run_soon());
        intents
    }

    fn connect(&mut self, address: EdgeAddress) -> Vec<Intent> {
        self.edge.connect(address.clone());
        self.under_new_conditions(Intent::Connect(address))
    }
}
