//! The networks that the application holds, ready on the engine in use: one entry for each as long as it is held.

use burn::tensor::Device;
use cleave_app::network::Network;
use cleave_model::exec::Executor;
use cleave_session::EngineError;
use std::rc::Rc;
use std::sync::{Arc, Weak};

/// An engine with its networks.
pub struct Engines {
    device: Device,
    ready: Vec<(Weak<Network>, Rc<Executor>)>,
}

impl Engines {
    /// None is ready.
    pub fn on(device: Device) -> Self {
        Self { device, ready: Vec::new() }
    }

    /// The engine.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Gets a network ready; those that nobody holds any more are forgotten.
    pub fn prepare(&mut self, network: &Arc<Network>) -> Result<(), EngineError> {
        self.ready.retain(|(held, _)| held.strong_count() > 0);
        let loaded = load(network, &self.device)?;
        self.ready.push((Arc::downgrade(network), Rc::new(loaded)));
        Ok(())
    }

    /// The network, ready to run.
    pub fn get(&self, network: &Arc<Network>) -> Option<Rc<Executor>> {
        let own = |(held, _): &&(Weak<Network>, Rc<Executor>)| std::ptr::eq(held.as_ptr(), Arc::as_ptr(network));
        self.ready.iter().find(own).map(|(_, loaded)| Rc::clone(loaded))
    }

    /// The same networks on another engine; this one stays if any of them does not go there.
    pub fn switch(&mut self, device: Device) -> Result<(), EngineError> {
        let mut other = Self::on(device);
        for network in self.ready.iter().filter_map(|(held, _)| held.upgrade()) {
            other.prepare(&network)?;
        }
        *self = other;
        Ok(())
    }
}

/// A network on an engine.
pub fn load(network: &Network, device: &Device) -> Result<Executor, EngineError> {
    Executor::whole(&network.graph, &network.params, device).map_err(EngineError::new)
}
