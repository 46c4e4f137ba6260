//! Searches: what is asked for, what is found, the run that is compared with, and links to a search.

use super::{Cuts, Run, Shared, State};
use crate::compare::Recorded;
use crate::url::SEEDS;
use cleave_arch::Plan;
use cleave_contract::{Intent, Judge, Search, SearchRequest, Strategy};

/// A link to the search of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody has asked for one, or the form has changed since.
    Not,
    /// The worker makes it.
    Asked,
    /// The text that the worker made.
    Told(String),
}

/// From the form to what was found.
#[derive(Clone, Debug)]
pub struct Searches {
    /// The search under way or finished last.
    pub shown: Option<Shared<Search>>,
    /// What the form holds.
    pub request: SearchRequest,
    /// What the search that was asked for last is to find, where that is known; the one on show may be older.
    pub sought: Option<SearchRequest>,
    /// What the search on show was asked for, where that is known.
    pub searched: Option<SearchRequest>,
    /// A search that can be gone on with, as JSON.
    pub kept: Option<String>,
    /// What that one was asked for, where that is known.
    pub kept_request: Option<SearchRequest>,
    /// A search of the address, until the worker has it.
    pub opened: Option<String>,
    /// An earlier search that the present one is compared with.
    pub kept_run: Option<Shared<Recorded>>,
    /// The link to the search of the form.
    pub sharing: Sharing,
}

impl Default for Searches {
    /// The form of a first visit, and nothing searched for.
    fn default() -> Self {
        Searches {
            shown: None,
            request: first_request(),
            sought: None,
            searched: None,
            kept: None,
            kept_request: None,
            opened: None,
            kept_run: None,
            sharing: Sharing::Not,
        }
    }
}

/// What the form holds on a first visit.
fn first_request() -> SearchRequest {
    SearchRequest {
        strategy: Strategy::Nsga,
        latency_ms: Some(30.0),
        energy_millijoules: None,
        device_megabytes: None,
        candidates: 60_000,
        evaluations: 120,
        seed: 1,
        codec: "f32".into(),
        judge: Judge::Furniture,
    }
}

impl Searches {
    /// The search on show with what it was asked for.
    pub fn recorded(&self) -> Option<Recorded> {
        let search = self.shown.clone()?;
        Some(Recorded { request: self.searched.clone(), search })
    }

    /// The kept run and the present one, once both are there.
    pub fn compared(&self) -> Option<[Recorded; 2]> {
        let kept = self.kept_run.as_deref()?;
        let present = self.recorded().filter(|present| present.search != kept.search)?;
        Some([kept.clone(), present])
    }

    /// Whether the worker has told of a search that it is still at.
    pub(super) fn is_under_way(&self) -> bool {
        self.shown.as_ref().is_some_and(|search| search.running)
    }

    pub(super) fn set_request(&mut self, request: SearchRequest) {
        // Numbers stay exact on their way through JavaScript.
        let whole = |n: u64| n.clamp(1, SEEDS - 1);
        let request = SearchRequest {
            candidates: whole(request.candidates),
            evaluations: whole(request.evaluations),
            seed: request.seed.min(SEEDS - 1),
            ..request
        };
        if request != self.request {
            self.sharing = Sharing::Not;
        }
        self.request = request;
    }

    /// Shows what a search has found so far, and keeps the state that it can be gone on with.
    pub(super) fn show(&mut self, search: Search) {
        self.searched = self.sought.clone();
        if let Some(state) = &search.state {
            self.kept = Some(state.clone());
            self.kept_request = self.searched.clone();
        }
        self.shown = Some(Shared::new(search));
    }

    /// Nobody tells of the end of a search whose worker is gone.
    pub(super) fn end_shown(&mut self) {
        if let Some(search) = self.shown.take_if(|search| search.running) {
            self.shown = Some(Shared::new(Search { running: false, ..(*search).clone() }));
        }
    }

    /// A search that has come to its end, so that the next can be held against it.
    pub(super) fn keep_run(&mut self) {
        let ended = |run: &Recorded| !run.search.running && !run.search.designs.is_empty();
        if let Some(run) = self.recorded().filter(ended) {
            self.kept_run = Some(Shared::new(run));
        }
    }

    /// A link that was asked for is not awaited any longer.
    pub(super) fn forget_asked(&mut self) {
        if self.sharing == Sharing::Asked {
            self.sharing = Sharing::Not;
        }
    }

    /// The link that was asked for, or the request of the search that a link has begun.
    fn take_shared(&mut self, request: SearchRequest, text: String, is_searching: bool) {
        let of_link = is_searching && self.sought.is_none();
        if self.sharing == Sharing::Asked && (!of_link || request == self.request) {
            self.sharing = Sharing::Told(text);
        } else if of_link {
            self.set_request(request);
            self.sought = Some(self.request.clone());
        }
    }
}

impl State {
    pub(super) fn search_for(&mut self, request: SearchRequest) -> Vec<Intent> {
        self.search.set_request(request);
        let request = self.search.request.clone();
        self.seek(Some(request.clone()), Intent::Search(request))
    }

    pub(super) fn resume_search(&mut self) -> Vec<Intent> {
        let Some(json) = self.search.kept.clone() else { return Vec::new() };
        let request = self.search.kept_request.clone();
        if let Some(request) = &request {
            self.search.set_request(request.clone());
        }
        self.seek(request, Intent::ResumeSearch { json })
    }

    /// The worker tells by [`State::take_shared`] what the link's search is to find.
    pub(super) fn open_shared(&mut self, text: String) -> Vec<Intent> {
        if !self.worker.is_ready() || !self.network.is_settled() {
            self.search.opened = Some(text);
            return Vec::new();
        }
        self.seek(None, Intent::OpenShared { text })
    }

    pub(super) fn begin_opened_search(&mut self) -> Option<Vec<Intent>> {
        self.search.opened.take().map(|text| self.open_shared(text))
    }

    fn seek(&mut self, request: Option<SearchRequest>, intent: Intent) -> Vec<Intent> {
        let intents = self.start(Run::Searching, intent.clone());
        if !intents.is_empty() {
            self.worker.replay.seek(intent);
            self.search.sought = request;
        }
        intents
    }

    pub(super) fn take_search(&mut self, search: Search) -> Vec<Intent> {
        let ended = self.run == Run::Searching && !search.running;
        if search.state.is_some() {
            self.worker.replay.take_search(search.running);
        }
        self.search.show(search);
        if ended {
            self.run = Run::Idle;
            return self.run_soon();
        }
        Vec::new()
    }

    pub(super) fn share(&mut self) -> Vec<Intent> {
        let intents = self.worker.when_ready(Intent::Share(self.search.request.clone()));
        if !intents.is_empty() {
            self.search.sharing = Sharing::Asked;
        }
        intents
    }

    pub(super) fn take_shared(&mut self, request: SearchRequest, text: String) {
        self.search.take_shared(request, text, self.run == Run::Searching);
    }

    pub(super) fn deploy(&mut self, plan: String) -> Vec<Intent> {
        let mut intents = self.dispatcher.end();
        intents.extend(self.stop());
        // Where it was found to be best, which may be nowhere.
        let cuts = plan.parse::<Plan>().map(|plan| plan.cuts().to_vec());
        self.settings.cuts = cuts.map_or(Cuts::Default, Cuts::At);
        self.worker.replay.deploy(&plan);
        intents.extend(self.worker.when_ready(Intent::Deploy { plan }));
        intents
    }
}
