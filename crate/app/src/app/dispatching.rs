//! The dispatcher's place in the application: the zoo is loaded, evidence goes to it, and what it decides is run.

use super::App;
use super::networks::{LoadError, read_network};
use crate::dispatch::{Dispatching, Wanted};
use crate::effect::{Effect, FetchError, File, Ticket};
use crate::network::{Network, TRAINED};
use crate::pricing::Conditions;
use cleave_arch::{LinkCodec, Mapping, Task};
use cleave_contract::{self as contract, Event, Failure, LongWork, NetworkInput, Target};
use cleave_session::{DeviceEvent, EngineError, LinkStatus, Work};
use serde::Deserialize;
use std::sync::Arc;

/// The list of shipped networks.
const INDEX: &str = "model/index.json";

/// A shipped network in the list.
#[derive(Deserialize)]
struct Entry {
    name: String,
}

/// Every shipped network, once a dispatcher has wanted them.
#[derive(Default)]
pub(super) struct Zoo {
    /// By place in the list; absent until it is ready on the engine.
    networks: Vec<Option<Arc<Network>>>,
    /// It is being loaded.
    is_loading: bool,
    /// What a dispatcher is to reach, also while the zoo is on its way.
    target: Option<Target>,
}

impl Zoo {
    fn is_whole(&self) -> bool {
        !self.networks.is_empty() && self.networks.iter().all(Option::is_some)
    }
}

fn read_index(file: Result<Vec<u8>, FetchError>) -> Result<Vec<Entry>, LoadError> {
    let entries: Vec<Entry> =
        serde_json::from_slice(&file?).map_err(|error| LoadError::Index { path: INDEX, error })?;
    if entries.is_empty() { Err(LoadError::Empty { path: INDEX }) } else { Ok(entries) }
}

impl App {
    /// Begins to dispatch for a target, or ends it; what runs goes on running.
    pub(super) fn dispatch(&mut self, target: Option<Target>) {
        self.zoo.target = target;
        match target {
            None => self.end_dispatch(),
            Some(target) if self.zoo.is_whole() => self.begin_dispatch(target),
            Some(_) if self.zoo.is_loading => {}
            Some(_) => {
                self.zoo.is_loading = true;
                self.progress(LongWork::LoadZoo, 0, 0);
                self.effects.push(Effect::Fetch(File::Index, INDEX.into()));
            }
        }
    }

    pub(super) fn index_fetched(&mut self, file: Result<Vec<u8>, FetchError>) {
        match read_index(file) {
            Ok(entries) => {
                let listed = entries.into_iter().map(|Entry { name }| format!("model/{name}.safetensors"));
                let files: Vec<String> = listed.chain(TRAINED.map(|(_, file)| file.into())).collect();
                self.zoo.networks = vec![None; files.len()];
                for (place, path) in files.into_iter().enumerate() {
                    self.effects.push(Effect::Fetch(File::Network(Ticket::Zoo(place)), path));
                }
            }
            Err(why) => self.zoo_failed(why),
        }
    }

    pub(super) fn zoo_fetched(&mut self, place: usize, file: Result<Vec<u8>, FetchError>) {
        match read_network(file) {
            Ok(network) => self.effects.push(Effect::Prepare(Ticket::Zoo(place), Arc::new(network))),
            Err(why) => self.zoo_failed(why),
        }
    }

    pub(super) fn zoo_prepared(&mut self, place: usize, network: Arc<Network>, result: Result<(), EngineError>) {
        let Some(free) = self.zoo.networks.get_mut(place) else { return };
        match result {
            Ok(()) => *free = Some(network),
            Err(why) => return self.zoo_failed(why.into()),
        }
        if self.zoo.is_whole() {
            self.zoo.is_loading = false;
            self.progress(LongWork::LoadZoo, 1, 1);
            // Meanwhile it may no longer be wanted.
            if let Some(target) = self.zoo.target {
                self.begin_dispatch(target);
            }
        }
    }

    /// Once: what still comes of this attempt finds no place.
    fn zoo_failed(&mut self, why: LoadError) {
        if std::mem::take(&mut self.zoo.is_loading) {
            self.zoo.networks.clear();
            self.progress(LongWork::LoadZoo, 1, 1);
            self.fail(Failure::Zoo, why);
        }
    }

    fn begin_dispatch(&mut self, target: Target) {
        let codec = self.networks.mapping.as_ref().map_or_else(LinkCodec::default, Mapping::codec);
        // The dispatcher measures the link itself.
        let unshaped = Conditions { link: contract::Link::UNSHAPED, ..self.conditions() };
        let prices = self.pricing.under(unshaped);
        let zoo: Vec<Arc<Network>> = self.zoo.networks.iter().flatten().cloned().collect();
        match Dispatching::new(&zoo, &self.network_input(), &prices, codec, target) {
            Ok(dispatching) => {
                self.prepare_on_edge(dispatching.works());
                let (network, mapping) = dispatching.running();
                self.dispatching = Some(dispatching);
                self.tell_dispatch(true);
                self.switch_to(&network, mapping);
            }
            Err(why) => self.fail(Failure::Dispatch, why),
        }
    }

    /// What the network that is held reads; without one a cloud as most of them do.
    fn network_input(&self) -> NetworkInput {
        let Task { n_points, in_channels, k, .. } = Task::modelnet10();
        let current = self.networks.current.as_ref();
        current.map_or(NetworkInput::Cloud { n_points, in_channels, k }, |network| network.input())
    }

    /// With the prices of now, if one is at work.
    pub(super) fn dispatch_again(&mut self) {
        if let Some(target) = self.zoo.target.filter(|_| self.dispatching.is_some()) {
            self.begin_dispatch(target);
        }
    }

    pub(super) fn end_dispatch(&mut self) {
        if self.dispatching.is_some() {
            self.tell_dispatch(false);
            self.dispatching = None;
            self.prepare_on_edge(Vec::new());
        }
    }

    fn prepare_on_edge(&mut self, works: Vec<Arc<Work>>) {
        self.offload_event(DeviceEvent::Prepare(works));
    }

    /// Does what the dispatcher wants now; after every input, because any may be evidence.
    pub(super) fn dispatch_on(&mut self) {
        let Some(dispatching) = &mut self.dispatching else { return };
        if let Some(session) = self.offload.session() {
            let dispatcher = dispatching.dispatcher();
            match session.status() {
                LinkStatus::Deploying { .. } | LinkStatus::Ready { .. } | LinkStatus::Refused { .. } => {
                    dispatcher.edge_back();
                }
                _ => dispatcher.edge_lost(),
            }
            dispatcher.observe_under_way(session.under_way());
            dispatching.ready(|work| session.is_ready_for(work));
        }
        for wanted in dispatching.advance(self.now) {
            match wanted {
                Wanted::Echo { id, bytes, answer_bytes } => {
                    self.offload_event(DeviceEvent::Echo { id, bytes, answer_bytes });
                }
                Wanted::Run(network, mapping) => {
                    self.tell_dispatch(true);
                    self.switch_to(&network, mapping);
                }
            }
        }
        self.tell_dispatch(true);
    }

    fn tell_dispatch(&mut self, running: bool) {
        let now = self.now;
        if let Some(view) = self.dispatching.as_mut().and_then(|dispatching| dispatching.view(running, now)) {
            self.tell(Event::Dispatch(view));
        }
    }
}
