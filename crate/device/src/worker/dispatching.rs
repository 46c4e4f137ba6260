//! The dispatcher's place in the loop: evidence goes to it, and what it decides is run.

use super::{Input, Worker};
use crate::dispatching::{Dispatching, Wanted, zoo};
use crate::library::Loaded;
use cleave_app::pricing::Conditions;
use cleave_arch::{LinkCodec, Plan};
use cleave_contract::{self as contract, Event};
use cleave_session::{DeviceEvent, Work};
use std::rc::Rc;
use std::sync::Arc;

const LOADING: &str = "Loading the zoo";

impl Worker {
    /// Begins to dispatch for a target, or ends it; what runs goes on running.
    pub(super) fn dispatch(&mut self, target: Option<contract::Target>) {
        self.dispatch_wish = target;
        let Some(target) = target else { return self.end_dispatch() };
        if !self.zoo.is_empty() {
            return self.begin_dispatch(target);
        }
        self.page.post(Event::Progress { what: LOADING.into(), done: 0, total: 0 });
        let (mailbox, base_url, device) = (self.mailbox.clone(), self.base_url.clone(), self.engine.device.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let zoo = zoo(&base_url, &device).await;
            mailbox.put(Input::Zoo(zoo));
        });
    }

    pub(super) fn zoo_came(&mut self, zoo: Result<Vec<Loaded>, String>) {
        self.page.post(Event::Progress { what: LOADING.into(), done: 1, total: 1 });
        match zoo {
            Ok(zoo) => {
                self.zoo = zoo.into_iter().map(Rc::new).collect();
                // Meanwhile it may no longer be wanted.
                if let Some(target) = self.dispatch_wish {
                    self.begin_dispatch(target);
                }
            }
            Err(why) => self.page.fail("The zoo could not be loaded", &why, "Start the dispatcher again."),
        }
    }

    pub(super) fn begin_dispatch(&mut self, target: contract::Target) {
        let codec = self.plan.as_ref().map_or_else(LinkCodec::default, Plan::codec);
        // The dispatcher measures the link itself.
        let prices = self.pricing.under(Conditions { link: contract::Link::UNSHAPED, ..self.conditions() });
        match Dispatching::new(&self.zoo, self.n_points(), &prices, codec, target) {
            Ok(dispatching) => {
                self.prepare(dispatching.works());
                let (network, plan) = dispatching.running();
                self.dispatching = Some(dispatching);
                self.tell_dispatch(true);
                self.switch_to(network, plan);
            }
            Err(why) => {
                let remedy = "Load a shape with the points that the shipped networks take.";
                self.page.fail("The dispatcher did not start", &why, remedy);
            }
        }
    }

    pub(super) fn end_dispatch(&mut self) {
        if self.dispatching.is_some() {
            self.tell_dispatch(false);
            self.dispatching = None;
            self.prepare(Vec::new());
        }
    }

    fn prepare(&mut self, works: Vec<Arc<Work>>) {
        let effects = self.link.device(DeviceEvent::Prepare(works));
        self.perform(effects);
    }

    /// Does what the dispatcher wants now; after every input, because any may be evidence.
    pub(super) fn dispatch_on(&mut self) {
        let Some(dispatching) = &mut self.dispatching else { return };
        self.link.observe(dispatching);
        for wanted in dispatching.advance(&self.mailbox) {
            match wanted {
                Wanted::Echo { id, bytes, answer_bytes } => {
                    let effects = self.link.device(DeviceEvent::Echo { id, bytes, answer_bytes });
                    self.perform(effects);
                }
                Wanted::Run(network, plan) => {
                    self.tell_dispatch(true);
                    self.switch_to(network, plan);
                }
            }
        }
        self.tell_dispatch(true);
    }

    fn tell_dispatch(&mut self, running: bool) {
        if let Some(view) = self.dispatching.as_mut().and_then(|dispatching| dispatching.view(running)) {
            self.page.post(Event::Dispatch(view));
        }
    }

    /// Another network or placement for the frames to come; a stream goes on.
    fn switch_to(&mut self, network: Rc<Loaded>, plan: Plan) {
        self.page.post(Event::Network(contract::Network { plan: plan.to_string(), ..network.view() }));
        self.hold(Some(Rc::clone(&network)));
        self.use_plan(&network, plan);
        self.tell_prices();
    }
}
