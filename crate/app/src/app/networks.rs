//! The network that is held and its plan: asked for by name or as a file, read, got ready on the engine, and run with cuts.

use super::App;
use crate::effect::{Effect, FetchError, File, Ticket};
use crate::network::{Named, Network, NetworkError};
use cleave_arch::{ArchError, LinkCodec, Mapping, Task};
use cleave_contract::{self as contract, Event, Failure, LongWork};
use cleave_model::ModelError;
use cleave_session::EngineError;
use std::sync::Arc;
use thiserror::Error;

/// The network, and those whose frames may still be in flight.
#[derive(Default)]
pub(super) struct Networks {
    pub(super) current: Option<Arc<Network>>,
    /// Who runs what of it.
    pub(super) mapping: Option<Mapping>,
    earlier: Vec<Arc<Network>>,
    /// Number of the latest request: an earlier one that ends later is stale.
    request: u32,
}

/// Why what was to be loaded is not there.
#[derive(Debug, Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{path}: {error}")]
    Index { path: &'static str, error: serde_json::Error },
    #[error("{path} lists no network")]
    Empty { path: &'static str },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Weights(#[from] ModelError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads the network of a file that was fetched.
pub(super) fn read_network(file: Result<Vec<u8>, FetchError>) -> Result<Network, LoadError> {
    Ok(Network::parse(file?)?)
}

/// Why a plan cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
enum PlanError {
    #[error("{0}")]
    Text(#[from] ArchError),
    #[error("the plan is of another network; this one is `{0}`")]
    OtherNetwork(String),
}

impl Networks {
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.current.iter().chain(&self.earlier)
    }

    /// A number for a request, in place of all before.
    pub(super) fn next_request(&mut self) -> u32 {
        self.request += 1;
        self.request
    }

    /// Makes this the network; earlier ones stay while frames of theirs may be in flight.
    fn hold(&mut self, network: Arc<Network>, is_busy: bool) {
        let before = self.current.replace(Arc::clone(&network));
        self.earlier.extend(before);
        self.earlier.retain(|other| is_busy && other.source() != network.source());
    }
}

impl App {
    pub(super) fn load(&mut self, name: &str) {
        let number = self.networks.next_request();
        self.progress(LongWork::LoadNetwork, 0, 0);
        match Named::parse(name) {
            Ok(Named::Made(network)) => self.prepare_network(number, Arc::new(*network)),
            Ok(Named::File(path)) => self.effects.push(Effect::Fetch(File::Network(Ticket::Current(number)), path)),
            Err(why) => self.not_loaded(why),
        }
    }

    /// A network of a file that somebody opened.
    pub(super) fn open_network(&mut self, name: &str, bytes: Vec<u8>) {
        let number = self.networks.next_request();
        match Network::parse(bytes) {
            Ok(network) => self.prepare_network(number, Arc::new(network)),
            Err(why) => self.not_loaded(format!("{name}: {why}")),
        }
    }

    pub(super) fn prepare_network(&mut self, number: u32, network: Arc<Network>) {
        self.effects.push(Effect::Prepare(Ticket::Current(number), network));
    }

    pub(super) fn not_loaded(&mut self, why: impl ToString) {
        self.progress(LongWork::LoadNetwork, 1, 1);
        self.fail(Failure::Network, why);
    }

    pub(super) fn network_fetched(&mut self, number: u32, file: Result<Vec<u8>, FetchError>) {
        if number != self.networks.request {
            return;
        }
        match read_network(file) {
            Ok(network) => self.prepare_network(number, Arc::new(network)),
            Err(why) => self.not_loaded(why),
        }
    }

    pub(super) fn prepared(&mut self, number: u32, network: Arc<Network>, result: Result<(), EngineError>) {
        if number != self.networks.request {
            return;
        }
        if let Err(why) = result {
            return self.not_loaded(why);
        }
        self.progress(LongWork::LoadNetwork, 1, 1);
        self.interrupt_calibration("another network was loaded");
        self.stop();
        self.end_dispatch();
        self.tell(Event::Network(network.view()));
        let before = self.n_points();
        self.use_mapping(&network, network.mapping.clone());
        self.hold(network);
        self.tell_prices();
        let is_resized = self.n_points() != before;
        if let Some((source, _)) = self.input.take_if(|_| is_resized) {
            self.take(source);
        }
    }

    fn hold(&mut self, network: Arc<Network>) {
        let is_busy = self.offload.frames_in_flight() > 0;
        self.networks.hold(network, is_busy);
    }

    pub(super) fn plan(&mut self, plan: &str, codec: &str) {
        let Some(network) = self.networks.current.clone() else { return };
        match read_plan(&network, plan, codec) {
            Ok(mapping) => {
                self.interrupt_calibration("another plan was chosen");
                self.end_dispatch();
                self.use_mapping(&network, mapping);
                self.tell_prices();
            }
            Err(why) => self.fail(Failure::Plan, why),
        }
    }

    pub(super) fn use_mapping(&mut self, network: &Network, mapping: Mapping) {
        match network.work(mapping.clone()) {
            Ok(work) => {
                let effects = self.offload.work(work, self.now);
                self.networks.mapping = Some(mapping);
                self.perform(effects);
            }
            Err(why) => self.fail(Failure::Plan, why),
        }
    }

    /// Another network or placement for the frames to come; a stream goes on.
    pub(super) fn switch_to(&mut self, network: &Arc<Network>, mapping: Mapping) {
        self.interrupt_calibration("the dispatcher chose another plan");
        self.tell(Event::Network(contract::Network { plan: mapping.to_string(), ..network.view() }));
        self.hold(Arc::clone(network));
        self.use_mapping(network, mapping);
        self.tell_prices();
    }

    pub(super) fn tell_prices(&mut self) {
        if self.networks.current.is_none() {
            return;
        }
        let Some(mapping) = &self.networks.mapping else { return };
        let prices = self.pricing.under(self.conditions()).list(mapping);
        self.tell(Event::Prices(prices));
    }
}

fn read_plan(network: &Network, plan: &str, codec: &str) -> Result<Mapping, PlanError> {
    let task = network.mapping.plan().map_or_else(Task::modelnet10, |(_, _, task)| *task);
    let (mapping, codec): (_, LinkCodec) = (Mapping::parse(plan, &task)?, codec.parse()?);
    if mapping.is_of_same_network(&network.mapping) {
        Ok(mapping.with_codec(codec))
    } else {
        Err(PlanError::OtherNetwork(network.mapping.network()))
    }
}
