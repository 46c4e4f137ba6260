//! What the page knows, and the two functions that change it: [`State::act`] for what a person does and [`State::hear`] for
//! what the worker says. Both return the intents to post; neither touches the browser.

mod act;
mod cooperation;
mod death;
mod dispatch;
mod hear;
mod partition;
mod revive;
mod search;
#[cfg(test)]
pub(crate) mod tests;

use crate::compare::Recorded;
use crate::partition::form::Form;
use crate::pipeline::Held;
use cleave_arch::LinkCodec;
use cleave_contract::{
    Backend, Cloud, Dispatch, EdgeAddress, EdgeStatus, EdgeWait, EngineTime, Frame, Inspection, Intent, Link, LongWork,
    PartitionWish, Partitions, Preference, Prices, Profile, Search, SearchWish, Stream, Target,
};
use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;

pub use act::Act;
pub use cooperation::Cooperation;
pub use death::unloaded;
pub use dispatch::Dispatching;
pub use revive::Replay;
pub use search::Sharing;

/// The gallery's classes: ModelNet10's, in its order.
pub use cleave_arch::MODELNET10 as CLASSES;

/// Frames that the timeline remembers.
pub const REMEMBERED: usize = 12;

/// Frames whose prediction is held against their measurement.
pub const JUDGED: usize = 300;

/// The network that needs no file: its weights are random.
pub const DGCNN: &str = "dgcnn";

/// Everything that a person sets, and exactly what the URL holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `dgcnn`, a shipped network's name or a text form; empty for the first that is shipped.
    pub network: String,
    /// Where the network is cut.
    pub cuts: Cuts,
    /// How a cut's tensors are written on the link.
    pub codec: LinkCodec,
    /// The shape of the gallery, an index into [`CLASSES`].
    pub class: usize,
    /// The shape's seed, below [`crate::url::SEEDS`].
    pub seed: u64,
    /// What is imposed on the link.
    pub link: Link,
    /// How many times slower the device is emulated, 1 to [`cleave_contract::MAX_SLOWDOWN`].
    pub slowdown: f64,
    /// Which engine computes the device half.
    pub preference: Preference,
    /// Frames of a stream that are under way at once.
    pub in_flight: usize,
    /// Which image network is shared by which workers over what: the form's last wish without a mistake.
    pub partition: PartitionWish,
    /// The two strategies that are drawn, places in [`crate::partition::STRATEGIES`].
    pub pair: [usize; 2],
    /// Addresses of the workers but the first that are native edges, empty for others; none is empty at the end.
    pub places: Vec<String>,
    /// How often a partition is run, 1 to [`cleave_contract::MAX_COOPERATION_RUNS`].
    pub runs: usize,
    /// Whether it is compared with the unsplit network.
    pub check: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            network: String::new(),
            cuts: Cuts::Default,
            codec: LinkCodec::default(),
            class: 2,
            seed: 1,
            link: Link::UNSHAPED,
            slowdown: 1.0,
            preference: Preference::Auto,
            in_flight: 3,
            partition: crate::partition::form::first_wish(),
            pair: crate::partition::FIRST_PAIR,
            places: Vec::new(),
            runs: 5,
            check: true,
        }
    }
}

/// Where the network is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// As the network itself maps its operations, else in the middle.
    Default,
    /// Before these operations; none at all keeps everything on the device.
    At(Vec<usize>),
}

/// How far the worker's module is.
#[derive(Clone, Debug, PartialEq)]
pub enum Loading {
    /// Its bytes are arriving; `total` is 0 while unknown.
    Fetching {
        /// Bytes that are here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The bytes are here and are being compiled and started.
    Starting,
    /// It listens.
    Ready {
        /// The worker's version.
        version: String,
    },
    /// It will not come.
    Failed,
}

/// Long work of the worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Which.
    pub what: LongWork,
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0 while unknown.
    pub total: u64,
}

/// The engine in use.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Which.
    pub backend: Backend,
    /// Why this one.
    pub reason: String,
    /// What every candidate took.
    pub measured: Vec<EngineTime>,
}

/// Something that went wrong: what, why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What did not work.
    pub what: String,
    /// The cause.
    pub why: String,
    /// What the person can do.
    pub remedy: String,
}

/// What is being computed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Nothing.
    Idle,
    /// One frame.
    Once,
    /// One frame, and another as soon as it ends because something has changed since.
    OnceMore,
    /// Frames until stopped.
    Stream,
    /// The machines are being measured, or predictions corrected: frames would disturb that.
    Measuring,
    /// Candidates are being looked at.
    Searching,
    /// Ways to share an image network are being planned.
    Planning,
    /// Several workers share one.
    Cooperating,
}

/// A network that `model/index.json` ships.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// The name that [`Intent::Network`] takes.
    pub name: String,
    /// Its test accuracy in 0..=1, where the index states one.
    pub accuracy: Option<f64>,
}

/// A large value of the state, compared by identity: views redraw when it is replaced and never copy it.
#[derive(Debug)]
pub struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Shared(Arc::new(value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

/// All that the page knows.
#[derive(Clone, Debug)]
pub struct State {
    /// What the person has set.
    pub settings: Settings,
    /// How far the worker is.
    pub loading: Loading,
    /// Long work under way in it.
    pub progress: Option<Progress>,
    /// The engine it has chosen.
    pub engine: Option<Shared<Engine>>,
    /// Where the edge half runs.
    pub edge: EdgeStatus,
    /// The real edge to use, if one is known.
    pub address: Option<EdgeAddress>,
    /// What a single frame waits for before it is run.
    pub waiting: Option<EdgeWait>,
    /// The input it holds.
    pub cloud: Option<Shared<Cloud>>,
    /// One preview per class.
    pub gallery: Shared<Vec<Cloud>>,
    /// The shipped networks, once the index has been read.
    pub listed: Option<Vec<Listed>>,
    /// The network it holds, with everything derived from it.
    pub held: Option<Shared<Held>>,
    /// What the held network was asked for by; its own name may be another.
    pub in_use: String,
    /// The network asked for and not yet held.
    pub wanted: Option<String>,
    /// What is being computed.
    pub run: Run,
    /// The last frames, oldest first.
    pub frames: VecDeque<Shared<Frame>>,
    /// The last frame with an answer, and whether the input has changed since.
    pub answer: Option<Answer>,
    /// The running figures of a stream.
    pub stream: Option<Stream>,
    /// What is known of the machines.
    pub profile: Option<Shared<Profile>>,
    /// What the held network costs at every cut.
    pub prices: Option<Shared<Prices>>,
    /// Latest latency of the held network under the conditions of now, by its cuts, milliseconds.
    pub measured: Vec<(Vec<usize>, f64)>,
    /// Predicted and measured latency of the last frames that went as planned, milliseconds, oldest first.
    pub judged: VecDeque<[f64; 2]>,
    /// The profile of an earlier visit, until the worker has it.
    pub kept_profile: Option<String>,
    /// The search under way or finished last.
    pub search: Option<Shared<Search>>,
    /// What the search form holds.
    pub wish: SearchWish,
    /// What the search that was asked for last is to find, where that is known; the one on show may be older.
    pub sought: Option<SearchWish>,
    /// What the search on show was asked for, where that is known.
    pub searched: Option<SearchWish>,
    /// A search that can be gone on with.
    pub kept_search: Option<String>,
    /// What that one was asked for, where that is known.
    pub kept_wish: Option<SearchWish>,
    /// A search of the address, until the worker has it.
    pub opened_search: Option<String>,
    /// An earlier search that the present one is compared with.
    pub kept_run: Option<Shared<Recorded>>,
    /// The link to the search of the form.
    pub sharing: Sharing,
    /// The design on show: its plan.
    pub selected: Option<String>,
    /// What that design costs, once the worker has told.
    pub inspected: Option<Shared<Inspection>>,
    /// What the dispatcher is to reach.
    pub target: Target,
    /// Whether the dispatcher chooses what runs.
    pub dispatching: Dispatching,
    /// What the dispatcher said last.
    pub dispatch: Option<Shared<Dispatch>>,
    /// What the form for sharing an image network holds, mistakes and all.
    pub partition_form: Form,
    /// What every way to share an image network comes to, as planned last.
    pub partitions: Option<Shared<Partitions>>,
    /// What is known of running one of them.
    pub cooperation: Cooperation,
    /// What another worker has to be told if this one dies.
    pub replay: Replay,
    /// What went wrong last, until dismissed.
    pub notice: Option<Notice>,
    /// The page's base URL, from which the worker fetches models.
    pub base_url: String,
}

/// The answer on show.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where it comes from.
    pub frame: Shared<Frame>,
    /// Whether it is of what is on show now.
    pub freshness: Freshness,
}

/// Whether an answer belongs to the input, network and cut on show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It does.
    Current,
    /// Something has changed since; the next answer is on its way.
    Stale,
}

impl State {
    /// A page that has just been opened with these settings.
    pub fn new(settings: Settings, address: Option<EdgeAddress>, base_url: String) -> Self {
        let mut partition_form = Form::of(&settings.partition).with_places(&settings.places);
        partition_form.members.iter_mut().for_each(|member| member.let_in(address.as_ref()));
        State {
            settings,
            loading: Loading::Fetching { done: 0, total: 0 },
            progress: None,
            waiting: None,
            engine: None,
            edge: EdgeStatus::Simulated,
            address,
            cloud: None,
            gallery: Shared::new(Vec::new()),
            listed: None,
            held: None,
            in_use: String::new(),
            wanted: None,
            run: Run::Idle,
            frames: VecDeque::new(),
            answer: None,
            stream: None,
            profile: None,
            prices: None,
            measured: Vec::new(),
            judged: VecDeque::new(),
            kept_profile: None,
            search: None,
            wish: search::first_wish(),
            sought: None,
            searched: None,
            kept_search: None,
            kept_wish: None,
            opened_search: None,
            kept_run: None,
            sharing: Sharing::Not,
            selected: None,
            inspected: None,
            target: Target { goal: Default::default(), accuracy: None, latency_millis: None },
            dispatching: Dispatching::Off,
            dispatch: None,
            partition_form,
            partitions: None,
            cooperation: Cooperation::default(),
            replay: Replay::default(),
            notice: None,
            base_url,
        }
    }

    /// The name under which the network of the settings is asked for.
    pub fn network_name(&self) -> String {
        let first = || self.listed.iter().flatten().next().map(|listed| listed.name.clone());
        match self.settings.network.as_str() {
            "" => first().unwrap_or_else(|| DGCNN.into()),
            name => name.into(),
        }
    }

    /// One frame of what is held now; none while something is missing or a stream does it anyway.
    fn run_soon(&mut self) -> Vec<Intent> {
        if let Some(answer) = &mut self.answer {
            answer.freshness = Freshness::Stale;
        }
        if !self.is_ready() || self.cloud.is_none() || self.held.is_none() || self.wanted.is_some() {
            return Vec::new();
        }
        match self.run {
            Run::Idle => {
                self.run = Run::Once;
                vec![Intent::RunOnce]
            }
            Run::Once | Run::OnceMore => {
                self.run = Run::OnceMore;
                Vec::new()
            }
            Run::Stream | Run::Measuring | Run::Searching | Run::Planning | Run::Cooperating => Vec::new(),
        }
    }

    /// The plan on show, as the worker has to know it.
    fn plan_intent(&self) -> Vec<Intent> {
        let plan = self.held.iter().map(|held| &held.plan);
        plan.map(|plan| Intent::Plan { plan: plan.to_string(), codec: plan.codec().to_string() }).collect()
    }
}
