//! Searching and deploying what was found.

use super::{Input, Worker};
use crate::browser::{fetch, turn};
use crate::library::Loaded;
use crate::pricing::Prices;
use crate::searching::{Searching, Slice, deploy};
use cleave_arch::{Architecture, LinkCodec, Plan};
use cleave_model::SupernetWeights;
use cleave_wire::ui::{self, Event};
use std::rc::Rc;

/// The shared weights' file, below the page's address.
const SUPERNET: &str = "model/supernet/points.safetensors";
const REMEDY: &str = "Change the limits or the budget and start again; what was found before is kept.";

/// What waits for the shared weights.
#[derive(Clone)]
pub enum Awaiting {
    /// A search to begin.
    Search(ui::SearchWish),
    /// A search to go on with.
    Resume(String),
    /// A design to run.
    Deploy(String),
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
        self.searched += 1;
        let begun = match then {
            Awaiting::Search(wish) => Searching::new(&wish, supernet, self.searched),
            Awaiting::Resume(json) => Searching::resume(&json, supernet, self.searched),
            Awaiting::Deploy(plan) => return self.deploy(supernet, &plan),
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

    /// One slice; then the other messages, then the next.
    pub(super) async fn search_on(&mut self) {
        let machines = self.machines();
        let Some(searching) = &mut self.searching else { return };
        let task = self.supernet.as_ref().map_or_else(cleave_arch::Task::modelnet10, |supernet| supernet.task);
        let prices = Prices { pricing: &self.pricing, machines: &machines, task };
        let slice = searching.slice(&prices, &self.engine.device, &self.mailbox);
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
