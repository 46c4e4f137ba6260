//! Searching and deploying what was found.

use super::{Input, Worker};
use crate::browser::{fetch, turn};
use crate::library::Loaded;
use crate::searching::{Searching, deploy};
use cleave_app::evaluation::EvaluationSet;
use cleave_app::search::{Request, SearchRun, SharedSearch, Turn};
use cleave_arch::{Architecture, LinkCodec, Plan, Task};
use cleave_contract::{self as contract, Event};
use cleave_model::SupernetWeights;
use cleave_search::{FURNITURE, Search};
use std::rc::Rc;

/// The supernet's file, below the page's address.
const SUPERNET: &str = "model/supernet/points.safetensors";
const REMEDY: &str = "Change the limits or the budget and start again; what was found before is kept.";

/// What waits for the supernet, and then for what evaluates by it.
pub enum Awaiting {
    /// A search to begin.
    Search(contract::SearchWish),
    /// A search that came by a link.
    Shared(Box<SharedSearch>),
    /// A search to go on with.
    Resume(Box<Search>),
    /// A design to run.
    Deploy(String),
}

impl Awaiting {
    /// Name of the validation set; `None`: whatever the edge has.
    pub(super) fn set(&self) -> Option<&str> {
        match self {
            Self::Search(wish) => (wish.judge == contract::Judge::Furniture).then_some(FURNITURE),
            Self::Shared(shared) => Some(&shared.set),
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
            then => self.begin_evaluated(&supernet, then),
        }
    }

    /// Begins what is searched for, evaluated on this set by a supernet of its size.
    pub(super) fn begin(&mut self, task: Task, supernet: SupernetWeights, set: Rc<EvaluationSet>, then: Awaiting) {
        let new = |wish: &contract::SearchWish, prices| {
            let settings = Request::from(wish).settings(set.name());
            SearchRun::new(settings, &task, supernet.functions, prices).map_err(|why| why.to_string())
        };
        let begun = match then {
            Awaiting::Search(wish) => new(&wish, self.prices().for_search(task)),
            Awaiting::Shared(shared) => match self.pricing.with(shared.profile, shared.slowdown) {
                Ok(mut pricing) => new(&shared.wish, pricing.under(shared.conditions).for_search(task)),
                Err(why) => Err(why.to_string()),
            },
            Awaiting::Resume(search) => {
                SearchRun::go_on(*search, set.name(), self.prices().for_search(task)).map_err(|why| why.to_string())
            }
            Awaiting::Deploy(_) => return,
        };
        match begun {
            Ok(run) => {
                self.stop();
                self.searched += 1;
                self.searching = Some(Searching::new(run, Rc::new(supernet), set, self.searched));
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
        let set = match self.set_name(wish.judge) {
            Ok(name) => name,
            Err(why) => {
                let remedy = "Connect an edge that was started with --data DIR, or choose generated furniture.";
                return self.page.fail("The search cannot be shared", &why, remedy);
            }
        };
        let shared = SharedSearch {
            wish: wish.clone(),
            conditions: self.conditions(),
            slowdown: self.pricing.slowdown(),
            profile: self.pricing.profile().clone(),
            set,
        };
        self.page.post(Event::Shared { wish, text: shared.to_text() });
    }

    /// Begins the search of a link, by the figures that it holds; once it is known whether there is a learned predictor.
    pub(super) fn open_shared(&mut self, text: String) {
        if !self.predictor_came {
            self.shared = Some(text);
            return;
        }
        match SharedSearch::from_text(&text) {
            Ok(shared) => {
                self.page.post(Event::Shared { wish: shared.wish.clone(), text });
                self.with_supernet(Awaiting::Shared(Box::new(shared)));
            }
            Err(why) => {
                self.page.fail("The shared search cannot be opened", &why.to_string(), "Ask for the link again.")
            }
        }
    }

    /// Tells what a design costs.
    pub(super) fn inspect(&mut self, text: &str) {
        let task = self.supernet.as_ref().map_or_else(Task::modelnet10, |supernet| supernet.task);
        match Plan::parse(text, task.graph) {
            Ok(plan) => self.page.post(Event::Inspected(self.prices().inspection(&plan, &task))),
            Err(why) => self.page.fail("The design cannot be priced", &why.to_string(), REMEDY),
        }
    }

    /// One slice; then the other messages, then the next.
    pub(super) async fn search_on(&mut self) {
        let Some(searching) = &mut self.searching else { return };
        let next = searching.slice(&self.engine.device, &self.mailbox);
        if let Some(report) = searching.report(next != Turn::Done) {
            self.page.post(Event::Search(report));
        }
        match next {
            Turn::Working => {
                turn().await;
                self.mailbox.put(Input::SearchOn);
            }
            Turn::Evaluate(_) | Turn::Waiting => {}
            Turn::Done => self.searching = None,
        }
    }

    pub(super) fn evaluated(&mut self, number: u32, architecture: &Architecture, accuracy: Result<f64, String>) {
        let Some(searching) = self.searching.as_mut().filter(|searching| searching.number == number) else { return };
        match accuracy {
            Ok(accuracy) => {
                searching.evaluated(architecture, accuracy);
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
        if let Some(report) = searching.report(false) {
            self.page.post(Event::Search(report));
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
