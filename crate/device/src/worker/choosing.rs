//! Choosing the engine, and losing it.

use super::{Worker, engine_of};
use crate::engine::{self, Choice, Gpu};
use crate::error::DeviceError;
use crate::gpu;
use crate::input::Input;
use cleave_app::effect;
use cleave_contract::{Backend, Death, Event, Preference};

impl Worker {
    pub(super) fn choose_engine(&mut self, preference: Preference) {
        self.preference = preference;
        if let Some(Err(why)) = &self.gpu
            && gpu::is_opened()
            && preference != Preference::Only(Backend::Wasm)
        {
            return self.page.post(Event::Died(Death::LostGpu { why: why.to_string(), in_use: false }));
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
        self.gpu = Some(Err(DeviceError::Gpu(why.clone())));
        if self.backend == Backend::WebGpu {
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
        if preference == self.preference {
            let switched = self.engines.switch(choice.device.clone());
            if switched.is_ok() {
                self.backend = choice.backend;
            }
            self.tell_app(effect::Input::Engine(preference, switched.map(|()| engine_of(&choice))));
        }
    }
}
