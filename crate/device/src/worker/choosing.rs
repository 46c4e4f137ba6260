//! Choosing the engine, and losing it.

use super::{Input, Worker};
use crate::engine::{self, Choice, Gpu};
use crate::gpu;
use cleave_contract::{Backend, Death, Event, Preference};
use std::rc::Rc;

impl Worker {
    pub(super) fn prefer(&mut self, preference: Preference) {
        self.preference = preference;
        if let Some(Err(why)) = &self.gpu
            && gpu::is_opened()
            && preference != Preference::Only(Backend::Wasm)
        {
            return self.page.post(Event::Died(Death::LostGpu { why: why.clone(), in_use: false }));
        }
        let lost = self.mailbox.clone();
        gpu::listen(move |why| lost.put(Input::LostGpu(why)));
        let (mailbox, known) = (self.mailbox.clone(), self.gpu.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let chosen = engine::choose(known, preference).await;
            mailbox.put(Input::Chosen(preference, Box::new(chosen)));
        });
    }

    /// Nothing that a lost GPU holds can be had back, so that this worker ends with it if it computes there.
    pub(super) fn lose_gpu(&mut self, why: String) {
        self.gpu = Some(Err(why.clone()));
        if self.engine.backend == Backend::WebGpu {
            self.page.post(Event::Died(Death::LostGpu { why, in_use: true }));
        }
    }

    pub(super) fn chosen(&mut self, preference: Preference, (gpu, choice): (Option<Gpu>, Choice)) {
        if gpu.is_some() {
            self.gpu = gpu;
        }
        if let Some(why) = gpu::lost().filter(|_| choice.backend == Backend::WebGpu) {
            return self.page.post(Event::Died(Death::LostGpu { why, in_use: true }));
        }
        if preference != self.preference {
            return; // the person has changed their mind since
        }
        let target = self.dispatch_wish.filter(|_| self.dispatching.is_some());
        if choice.device != self.engine.device {
            // The zoo is on the other engine.
            self.end_dispatch();
            self.zoo.clear();
        }
        match self.network.as_ref().map(|network| network.on(&choice.device)).transpose() {
            Ok(network) => {
                self.engine = choice;
                self.hold(network.map(Rc::new));
            }
            Err(why) => {
                self.page.fail(
                    "The network could not be moved to the other engine",
                    &why,
                    "Choose the other engine again.",
                );
            }
        }
        self.tell_engine();
        if self.dispatching.is_none() && target.is_some() {
            self.dispatch(target);
        }
    }
}
