//! Searching and deploying what was found.

use super::{Input, Worker};
use crate::browser::{fetch, turn};
use crate::judges::Judges;
use crate::library::Loaded;
use crate::pricing::Edge;
use crate::searching::{Searching, Slice, deploy};
use cleave_app::share;
use cleave_arch::{Architecture, LinkCodec, Plan, Task};
use cleave_contract::{self as contract, Event};
use cleave_cost::Profile;
use cleave_model::SupernetWeights;
use cleave_search::{FURNITURE, Search};
use serde::{Deserialize, Serialize};
use std::rc::Rc;

/// The shared weights' file, below the page's address.
const SUPERNET: &str = "model/supernet/points.safetensors";
const REMEDY: &str = "Change the limits or the budget and start again; what was found before is kept.";

/// First field of a shared search, and what is raised when an older program would misread a newer one.
const FORMAT: &str = "cleave-search-link";
const VERSION: u32 = 2;
/// The oldest that is read: all of its searches were judged on generated furniture.
const OLDEST: u32 = 1;

/// A search with everything that its result rests on, as a link holds it.
#[derive(Clone, Serialize, Deserialize)]
struct SharedSearch {
    format: String,
    version: u32,
    wish: contract::SearchWish,
    link: contract::Link,
    /// The edge half ran on a native edge.
    native: bool,
    /// How many times slower the device was emulated; version 1 knew no such thing.
    #[serde(default = "as_it_is")]
    slowdown: f64,
    /// As a file.
    profile: String,
    /// Name of the set that judges.
    #[serde(default = "furniture")]
    judged_on: String,
}

fn furniture() -> String {
    FURNITURE.to_owned()
}

fn as_it_is() -> f64 {
    1.0
}

/// A shared search whose profile has been read.
#[derive(Clone)]
pub struct Shared {
    search: SharedSearch,
    profile: Profile,
}

impl Shared {
    fn from_text(text: &str) -> Result<Self, String> {
        let bytes = share::from_text(text).map_err(|why| why.to_string())?;
        let search: SharedSearch =
            serde_json::from_slice(&bytes).map_err(|why| format!("the link is damaged: {why}"))?;
        if search.format != FORMAT || !(OLDEST..=VERSION).contains(&search.version) {
            return Err(format!("the link holds {} version {}, not {FORMAT} {VERSION}", search.format, search.version));
        }
        let profile = Profile::from_json(&search.profile).map_err(|why| why.to_string())?;
        Ok(Self { search, profile })
    }
}

/// What waits for the shared weights, and then for what judges.
pub enum Awaiting {
    /// A search to begin.
    Search(contract::SearchWish),
    /// A search that came by a link.
    Shared(Box<Shared>),
    /// A search to go on with.
    Resume(Box<Search>),
    /// A design to run.
    Deploy(String),
}

impl Awaiting {
    /// Name of the set that judges; `None`: whatever the edge has.
    pub(super) fn judged_on(&self) -> Option<&str> {
        match self {
            Self::Search(wish) => (wish.judge == contract::Judge::Furniture).then_some(FURNITURE),
            Self::Shared(shared) => Some(&shared.search.judged_on),
            Self::Resume(search) => Some(&search.settings().judge),
            Self::Deploy(_) => Some(FURNITURE),
        }
    }
}

impl Worker {
    /// Fetches the shared weights once, then does it.
    pub(super) fn with_supernet(&mut self, then: Awaiting) {
        if let Some(supernet) = self.supernet.clone() {
            return self.with(supernet, then);
        }
        self.page.post(Event::Progress { what: "Loading the shared weights".into(), done: 0, total: 0 });
        let (mailbox, url) = (self.mailbox.clone(), format!("{}{SUPERNET}", self.base_url));
        wasm_bindgen_futures::spawn_local(async move {
            mailbox.put(Input::Supernet(fetch(&url).await, then));
        });
    }

    pub(super) fn supernet_came(&mut self, file: Result<Vec<u8>, String>, then: Awaiting) {
        self.page.post(Event::Progress { what: "Loading the shared weights".into(), done: 1, total: 1 });
        let read = |bytes: Vec<u8>| SupernetWeights::from_safetensors(&bytes).map_err(|why| why.to_string());
        match file.and_then(read) {
            Ok(supernet) => {
                let supernet = Rc::new(supernet);
                self.supernet = Some(Rc::clone(&supernet));
                self.with(supernet, then);
            }
            Err(why) => self.page.fail("The shared weights cannot be used", &why, "Reload the page and search again."),
        }
    }

    fn with(&mut self, supernet: Rc<SupernetWeights>, then: Awaiting) {
        match then {
            Awaiting::Deploy(plan) => self.deploy(supernet, &plan),
            then => self.begin_judged(supernet, then),
        }
    }

    /// Begins what is searched for, judged by these.
    pub(super) fn begin(&mut self, supernet: Rc<SupernetWeights>, judges: Rc<Judges>, then: Awaiting) {
        self.searched += 1;
        let (task, number) = (supernet.task, self.searched);
        let here = |worker: &Self| worker.pricing.for_search(worker.shape, worker.edge_kind(), task);
        let begun = match then {
            Awaiting::Search(wish) => Searching::new(&wish, supernet, judges, here(self), number),
            Awaiting::Shared(shared) => {
                let edge = if shared.search.native { Edge::Native } else { Edge::InThisTab };
                let pricing = self.pricing.with(shared.profile, shared.search.slowdown);
                pricing.and_then(|pricing| {
                    let prices = pricing.for_search(shared.search.link, edge, task);
                    Searching::new(&shared.search.wish, supernet, judges, prices, number)
                })
            }
            Awaiting::Resume(search) => Ok(Searching::with(*search, supernet, judges, here(self), number)),
            Awaiting::Deploy(_) => return,
        };
        match begun {
            Ok(searching) => {
                self.stop();
                self.searching = Some(searching);
                self.mailbox.put(Input::SearchOn);
            }
            Err(why) => self.page.fail("The search did not start", &why, REMEDY),
        }
    }

    /// Goes on with a saved search.
    pub(super) fn resume(&mut self, json: &str) {
        match Search::from_json(json) {
            Ok(search) => self.with_supernet(Awaiting::Resume(Box::new(search))),
            Err(why) => self.page.fail("The search did not start", &why.to_string(), REMEDY),
        }
    }

    /// Puts a search under the conditions of now into a link.
    pub(super) fn share(&mut self, wish: contract::SearchWish) {
        let judged_on = match self.judge_name(wish.judge) {
            Ok(name) => name,
            Err(why) => {
                let remedy = "Connect an edge that was started with --data DIR, or choose generated furniture.";
                return self.page.fail("The search cannot be shared", &why, remedy);
            }
        };
        let shared = SharedSearch {
            format: FORMAT.into(),
            version: VERSION,
            wish: wish.clone(),
            link: self.shape,
            native: self.link.is_native(),
            slowdown: self.pricing.slowdown(),
            profile: self.pricing.profile().to_json(),
            judged_on,
        };
        // Every number is finite and every key is text, so that writing cannot fail.
        let text = share::to_text(&serde_json::to_vec(&shared).unwrap_or_default());
        self.page.post(Event::Shared { wish, text });
    }

    /// Begins the search of a link, by the figures that it holds; once it is known whether there is a learned predictor.
    pub(super) fn open_shared(&mut self, text: String) {
        if !self.predictor_came {
            self.shared = Some(text);
            return;
        }
        match Shared::from_text(&text) {
            Ok(shared) => {
                self.page.post(Event::Shared { wish: shared.search.wish.clone(), text });
                self.with_supernet(Awaiting::Shared(Box::new(shared)));
            }
            Err(why) => self.page.fail("The shared search cannot be opened", &why, "Ask for the link again."),
        }
    }

    /// Tells what a design costs.
    pub(super) fn inspect(&mut self, text: &str) {
        let task = self.supernet.as_ref().map_or_else(Task::modelnet10, |supernet| supernet.task);
        let machines = self.machines();
        match text.parse::<Plan>() {
            Ok(plan) => self.page.post(Event::Inspected(self.pricing.inspect(&machines, &plan, &task))),
            Err(why) => self.page.fail("The design cannot be priced", &why.to_string(), REMEDY),
        }
    }

    /// One slice; then the other messages, then the next.
    pub(super) async fn search_on(&mut self) {
        let Some(searching) = &mut self.searching else { return };
        let slice = searching.slice(&self.engine.device, &self.mailbox);
        let view = searching.view(!matches!(slice, Slice::Done));
        if let Some(view) = view {
            self.page.post(Event::Search(view));
        }
        match slice {
            Slice::Working => {
                turn().await;
                self.mailbox.put(Input::SearchOn);
            }
            Slice::Judging => {}
            Slice::Done => self.searching = None,
        }
    }

    pub(super) fn judged(&mut self, number: u32, architecture: &Architecture, accuracy: Result<f64, String>) {
        let Some(searching) = self.searching.as_mut().filter(|searching| searching.number == number) else { return };
        match accuracy {
            Ok(accuracy) => {
                searching.judged(architecture, accuracy);
                self.mailbox.put(Input::SearchOn);
            }
            Err(why) => {
                self.end_search();
                self.page.fail("The search stopped", &why, REMEDY);
            }
        }
    }

    /// Stops; the state that the page is told goes on later.
    pub(super) fn end_search(&mut self) {
        self.waiting = None;
        let Some(mut searching) = self.searching.take() else { return };
        if let Some(view) = searching.view(false) {
            self.page.post(Event::Search(view));
        }
    }

    fn deploy(&mut self, supernet: Rc<SupernetWeights>, text: &str) {
        let codec = self.plan.as_ref().map_or_else(LinkCodec::default, Plan::codec);
        let plan = match text.parse::<Plan>() {
            Ok(plan) => plan,
            Err(why) => return self.page.fail("The design cannot be run", &why.to_string(), REMEDY),
        };
        self.loading += 1;
        let (number, mailbox, device) = (self.loading, self.mailbox.clone(), self.engine.device.clone());
        self.page.post(Event::Progress { what: "Loading the network".into(), done: 0, total: 0 });
        wasm_bindgen_futures::spawn_local(async move {
            let bytes = deploy(supernet, plan, codec, device.clone()).await;
            let loaded = bytes.and_then(|bytes| Loaded::from_bytes(bytes, &device));
            mailbox.put(Input::Loaded(number, Box::new(loaded)));
        });
    }
}
