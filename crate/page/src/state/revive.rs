//! A worker that dies is replaced: what is kept here, together with the rest of the state, is all that another one has to be
//! told, so that the network, the input and the plan are the same and what ran goes on.
//!
//! A file or network that was only asked for is left out: reading it may be what the worker died of.

use super::act::WEIGHTS;
use super::death::{cause, given_up, revived, unloaded};
use super::{Loading, Run, Shared, State};
use cleave_contract::{Backend, Cloud, Death, Intent, Preference};

/// So many deaths in a row, and no other worker is started.
const MOST_DEATHS: usize = 3;
/// A death so soon after the one before, in milliseconds, is in a row with it.
const SOON_MS: f64 = 10_000.0;

/// A file that somebody opened.
#[derive(Debug)]
struct Opened {
    name: String,
    bytes: Vec<u8>,
}

impl Opened {
    fn intent(&self) -> Intent {
        Intent::Open { name: self.name.clone(), bytes: self.bytes.clone() }
    }
}

/// Where a network comes from.
#[derive(Clone, Debug, Default)]
enum Origin {
    /// The name that it was asked for by.
    #[default]
    Name,
    /// Weights that somebody opened.
    File(Shared<Opened>),
    /// A design, by the shared weights.
    Design(String),
}

/// A search under way.
#[derive(Clone, Debug)]
struct Sought {
    by: Intent,
    /// It has told of a state that can be gone on with.
    has_state: bool,
}

/// What another worker has to be told and the rest of the state does not hold.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// The present worker has been told what to hold.
    is_told: bool,
    /// It is not the first, and has no network yet.
    is_reviving: bool,
    /// The file that the cloud on show is of; none for a generated shape.
    file: Option<Shared<Opened>>,
    asked_file: Option<Shared<Opened>>,
    network: Origin,
    asked_network: Origin,
    search: Option<Sought>,
    deaths: usize,
    died_at_ms: f64,
}

impl Replay {
    /// Another worker is being brought to where the one before was.
    pub(super) fn is_reviving(&self) -> bool {
        self.is_reviving
    }

    pub(super) fn open(&mut self, name: &str, bytes: &[u8]) {
        let file = Shared::new(Opened { name: name.to_owned(), bytes: bytes.to_vec() });
        if name.ends_with(WEIGHTS) {
            self.asked_network = Origin::File(file);
        } else {
            self.asked_file = Some(file);
        }
    }

    /// A network is asked for by its name.
    pub(super) fn name(&mut self) {
        self.asked_network = Origin::Name;
    }

    /// The network that is awaited was asked for by its name.
    pub(super) fn is_named(&self) -> bool {
        matches!(self.asked_network, Origin::Name)
    }

    pub(super) fn deploy(&mut self, plan: &str) {
        self.asked_network = Origin::Design(plan.to_owned());
    }

    pub(super) fn take_network(&mut self) {
        self.network = self.asked_network.clone();
    }

    pub(super) fn take_cloud(&mut self, cloud: &Cloud) {
        if cloud.place.is_none() {
            self.file = None;
        } else if let Some(file) = self.asked_file.take_if(|file| file.name == cloud.name) {
            self.file = Some(file);
        }
    }

    pub(super) fn seek(&mut self, by: Intent) {
        self.search = Some(Sought { by, has_state: false });
    }

    /// A state has been told; one that was told at the end may be of the search before.
    pub(super) fn take_search(&mut self, running: bool) {
        self.search.iter_mut().for_each(|search| search.has_state |= running);
    }

    /// Counts a death; whether there have been too many.
    fn die(&mut self, at_ms: f64) -> bool {
        let is_in_row = self.deaths > 0 && (self.is_reviving || at_ms - self.died_at_ms <= SOON_MS);
        self.deaths = if is_in_row { self.deaths + 1 } else { 1 };
        self.died_at_ms = at_ms;
        self.deaths >= MOST_DEATHS
    }

    /// What was being read, if it was a file.
    fn drop_asked(&mut self) -> Option<String> {
        let weights = match std::mem::take(&mut self.asked_network) {
            Origin::File(file) => Some(file),
            Origin::Name | Origin::Design(_) => None,
        };
        let is_held = |file: &Shared<Opened>| matches!(&self.network, Origin::File(held) if held == file);
        let weights = weights.filter(|file| !is_held(file));
        self.asked_file.take().or(weights).map(|file| file.name.clone())
    }
}

impl State {
    /// The worker is gone: either another one is to be started, which [`Loading::Starting`] says, or none.
    pub(super) fn die(&mut self, death: &Death, at_ms: f64) {
        self.worker.progress = None;
        if !self.worker.is_ready() {
            self.worker.loading = Loading::Failed;
            self.notice = Some(unloaded(&cause(death)));
            return;
        }
        let is_last = self.worker.replay.die(at_ms);
        self.worker.replay.is_told = false;
        self.worker.replay.is_reviving = self.network.held.is_some() && !is_last;
        if let Death::LostGpu { in_use: true, .. } = death {
            self.settings.preference = Preference::Only(Backend::Wasm);
            self.frames.measured.clear();
        }
        self.forget_worker();
        // Nothing runs before the next worker has it.
        self.network.wanted = self.worker.replay.is_reviving.then(|| self.network.in_use.clone());
        let left_out = self.worker.replay.drop_asked();
        let ended = self.end_run(is_last);
        if is_last {
            self.worker.loading = Loading::Failed;
            self.notice = Some(given_up(death));
        } else {
            self.worker.loading = Loading::Starting;
            self.notice = Some(revived(death, self.run, ended, left_out));
        }
    }

    /// What only the worker that is gone could have brought or known.
    fn forget_worker(&mut self) {
        let wanted = self.network.wanted.take();
        match (&self.network.held, wanted) {
            (Some(_), Some(_)) => self.settings.network = self.network.in_use.clone(),
            // It may be the network that it died of.
            (None, Some(wanted)) if self.worker.replay.deaths > 1 => drop(self.fall_back(&wanted)),
            (_, _) => {}
        }
        self.edge.forget_worker();
        self.partition.cooperation.forget_worker();
        self.search.forget_asked();
        self.frames.make_stale();
    }

    /// A frame, a stream, a search and the dispatcher go on with the next worker. Returns what does not.
    fn end_run(&mut self, is_last: bool) -> Option<&'static str> {
        self.dispatcher.forget_worker(!is_last);
        let ended = match self.run {
            Run::Measuring => Some("The measurement"),
            Run::Planning => Some("The planning"),
            Run::Cooperating => Some("The run over several workers"),
            Run::Stream | Run::Searching if !is_last => return None,
            Run::Idle | Run::Once | Run::OnceMore | Run::Stream | Run::Searching => None,
        };
        self.run = Run::Idle;
        self.frames.end_stream();
        self.search.end_shown();
        ended
    }

    /// All that a worker is told which has just begun to listen; the rest follows with its network, by [`State::go_on`].
    pub(super) fn tell_all(&mut self) -> Vec<Intent> {
        if std::mem::replace(&mut self.worker.replay.is_told, true) {
            return Vec::new();
        }
        let settings = &self.settings;
        let mut intents = vec![Intent::Start {
            base_url: self.base_url.clone(),
            preference: settings.preference,
            edge: self.edge.address.clone(),
            link: settings.link,
        }];
        intents.extend((settings.slowdown > 1.0).then_some(Intent::SlowDown { times: settings.slowdown }));
        intents.extend(self.costs.profile_to_tell().map(|json| Intent::UseProfile { json }));
        intents.extend(self.tell_input());
        intents.push(self.tell_network());
        intents
    }

    fn tell_input(&mut self) -> Vec<Intent> {
        let place = self.input.place();
        match (&self.worker.replay.asked_file, &self.worker.replay.file, place) {
            (Some(asked), ..) => vec![asked.intent()],
            (None, Some(file), Some(place)) => {
                // The first of a file comes by itself.
                let pick = (place.index > 0).then_some(Intent::Pick { index: place.index });
                [file.intent()].into_iter().chain(pick).collect()
            }
            (None, ..) => vec![Intent::Generate { class: self.settings.class, seed: self.settings.seed }],
        }
    }

    fn tell_network(&mut self) -> Intent {
        let name = self.network_name();
        if self.worker.replay.is_named() && self.network.held.is_some() && name == self.network.in_use {
            self.worker.replay.asked_network = self.worker.replay.network.clone();
        }
        self.network.wanted = Some(name.clone());
        match &self.worker.replay.asked_network {
            Origin::Name => Intent::Network(name),
            Origin::File(file) => file.intent(),
            Origin::Design(plan) => Intent::Deploy { plan: plan.clone() },
        }
    }

    /// What follows as soon as the worker holds a network and its plan.
    pub(super) fn go_on(&mut self) -> Vec<Intent> {
        let was_revived = std::mem::take(&mut self.worker.replay.is_reviving);
        // A link's search comes before the first frame, which it would end.
        if let Some(intents) = self.begin_opened_search() {
            return intents;
        }
        if !was_revived {
            return self.run_soon();
        }
        if self.run != Run::Searching {
            self.search.end_shown();
        }
        let mut intents = self.design.inspect(&self.worker);
        match self.run {
            Run::Stream => intents.extend(self.run_stream()),
            Run::Searching => intents.extend(self.search_again()),
            _ => intents.extend(self.run_soon()),
        }
        if self.dispatcher.is_dispatching() {
            intents.push(Intent::Dispatch(Some(self.dispatcher.target)));
        }
        intents
    }

    /// The search from its latest state. One of a link begins again: it rests on the link's figures, not on this worker's.
    fn search_again(&self) -> Option<Intent> {
        let Sought { by, has_state } = self.worker.replay.search.as_ref()?;
        match (&self.search.kept, has_state) {
            (Some(json), true) if !matches!(by, Intent::OpenShared { .. }) => {
                Some(Intent::ResumeSearch { json: json.clone() })
            }
            _ => Some(by.clone()),
        }
    }
}
