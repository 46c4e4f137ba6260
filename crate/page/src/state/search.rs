//! Searches: what is asked for, which design is on show, the run that is compared with, and links to a search.

use super::{Cuts, Run, Shared, State};
use crate::compare::Recorded;
use crate::url::SEEDS;
use cleave_arch::Plan;
use cleave_contract::{EdgeStatus, Inspection, Intent, Judge, Search, SearchWish, Strategy, Validation};

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

/// What the form holds on a first visit.
pub(super) fn first_wish() -> SearchWish {
    SearchWish {
        strategy: Strategy::Nsga,
        latency_millis: Some(30.0),
        energy_millijoules: None,
        device_megabytes: None,
        candidates: 60_000,
        evaluations: 120,
        seed: 1,
        codec: "f32".into(),
        judge: Judge::Furniture,
    }
}

impl State {
    /// The search on show with what it was asked for.
    pub fn recorded(&self) -> Option<Recorded> {
        let search = self.search.clone()?;
        Some(Recorded { wish: self.searched.clone(), search })
    }

    /// The kept run and the present one, once both are there.
    pub fn compared(&self) -> Option<[Recorded; 2]> {
        let kept = self.kept_run.as_deref()?;
        let present = self.recorded().filter(|present| present.search != kept.search)?;
        Some([kept.clone(), present])
    }

    /// The clouds for judging that the edge has, or why there are none to choose.
    pub fn edge_judges(&self) -> Result<Validation, &'static str> {
        match &self.edge {
            EdgeStatus::Connected { validation, .. } => validation
                .clone()
                .ok_or("This edge has no clouds that judge: start cleave-edge with --data and a folder of ModelNet10."),
            EdgeStatus::Simulated => {
                Err("For ModelNet10 connect a native edge that was started with --data and its folder.")
            }
            EdgeStatus::Connecting { .. } | EdgeStatus::Lost { .. } => Err("No edge is connected at the moment."),
        }
    }

    pub(super) fn set_wish(&mut self, wish: SearchWish) {
        // Numbers stay exact on their way through JavaScript.
        let whole = |n: u64| n.clamp(1, SEEDS - 1);
        let wish = SearchWish {
            candidates: whole(wish.candidates),
            evaluations: whole(wish.evaluations),
            seed: wish.seed.min(SEEDS - 1),
            ..wish
        };
        if wish != self.wish {
            self.sharing = Sharing::Not;
        }
        self.wish = wish;
    }

    pub(super) fn search_for(&mut self, wish: SearchWish) -> Vec<Intent> {
        self.set_wish(wish);
        let wish = self.wish.clone();
        self.seek(Some(wish.clone()), Intent::Search(wish))
    }

    pub(super) fn resume_search(&mut self) -> Vec<Intent> {
        let Some(json) = self.kept_search.clone() else { return Vec::new() };
        let wish = self.kept_wish.clone();
        if let Some(wish) = &wish {
            self.set_wish(wish.clone());
        }
        self.seek(wish, Intent::ResumeSearch { json })
    }

    /// The worker tells by [`State::take_shared`] what the link's search is to find.
    pub(super) fn open_shared(&mut self, text: String) -> Vec<Intent> {
        if !self.is_ready() || self.held.is_none() || self.wanted.is_some() {
            self.opened_search = Some(text);
            return Vec::new();
        }
        self.seek(None, Intent::OpenShared { text })
    }

    pub(super) fn begin_opened_search(&mut self) -> Option<Vec<Intent>> {
        self.opened_search.take().map(|text| self.open_shared(text))
    }

    fn seek(&mut self, wish: Option<SearchWish>, intent: Intent) -> Vec<Intent> {
        let intents = self.start(Run::Searching, intent.clone());
        if !intents.is_empty() {
            self.replay.seek(intent);
            self.sought = wish;
        }
        intents
    }

    pub(super) fn take_search(&mut self, search: Search) -> Vec<Intent> {
        let ended = self.run == Run::Searching && !search.running;
        self.searched = self.sought.clone();
        if let Some(state) = &search.state {
            self.replay.take_search(search.running);
            self.kept_search = Some(state.clone());
            self.kept_wish = self.searched.clone();
        }
        self.search = Some(Shared::new(search));
        if ended {
            self.run = Run::Idle;
            return self.run_soon();
        }
        Vec::new()
    }

    pub(super) fn share(&mut self) -> Vec<Intent> {
        let intents = self.when_ready(Intent::Share(self.wish.clone()));
        if !intents.is_empty() {
            self.sharing = Sharing::Asked;
        }
        intents
    }

    /// The link that was asked for, or the wish of the search that a link has begun.
    pub(super) fn take_shared(&mut self, wish: SearchWish, text: String) {
        let of_link = self.run == Run::Searching && self.sought.is_none();
        if self.sharing == Sharing::Asked && (!of_link || wish == self.wish) {
            self.sharing = Sharing::Told(text);
        } else if of_link {
            self.set_wish(wish);
            self.sought = Some(self.wish.clone());
        }
    }

    /// A search that has come to its end, so that the next can be held against it.
    pub(super) fn keep_run(&mut self) {
        let ended = |run: &Recorded| !run.search.running && !run.search.designs.is_empty();
        if let Some(run) = self.recorded().filter(ended) {
            self.kept_run = Some(Shared::new(run));
        }
    }

    pub(super) fn inspect(&mut self, plan: String) -> Vec<Intent> {
        if self.selected.as_ref() != Some(&plan) {
            self.inspected = None;
        }
        self.selected = Some(plan);
        self.inspect_again()
    }

    /// The design on show once more, because its conditions have changed.
    pub(super) fn inspect_again(&self) -> Vec<Intent> {
        let selected = self.selected.clone();
        selected.map(|plan| self.when_ready(Intent::Inspect { plan })).unwrap_or_default()
    }

    /// Another design's price may come late.
    pub(super) fn take_inspection(&mut self, inspection: Inspection) {
        if self.selected.as_deref().is_some_and(|selected| is_same(selected, &inspection.plan)) {
            self.inspected = Some(Shared::new(inspection));
        }
    }

    pub(super) fn deploy(&mut self, plan: String) -> Vec<Intent> {
        let mut intents = self.end_dispatch();
        intents.extend(self.stop());
        // Where it was found to be best, which may be nowhere.
        let cuts = plan.parse::<Plan>().map(|plan| plan.cuts().to_vec());
        self.settings.cuts = cuts.map_or(Cuts::Default, Cuts::At);
        self.replay.deploy(&plan);
        intents.extend(self.when_ready(Intent::Deploy { plan }));
        intents
    }
}

/// Whether two texts are of the same plan, however they are written.
fn is_same(one: &str, other: &str) -> bool {
    one == other || matches!((one.parse::<Plan>(), other.parse::<Plan>()), (Ok(one), Ok(other)) if one == other)
}
