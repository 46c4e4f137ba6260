//! Model files that clients have sent and the networks loaded from them, so that a second tab, or the same one after a
//! reconnect, deploys without sending anything. Bounded by bytes; what was used longest ago goes first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use cleave_graph::Graph;
use cleave_model::Weights;
use cleave_model::exec::{Executor, Params};
use cleave_wire::{ModelHash, WeightSource};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The cache of one edge.
pub(crate) struct Models {
    cache: Mutex<Cache>,
    device: Device,
}

/// What became of asking for a network.
pub(crate) enum Lookup {
    /// It is loaded.
    Ready(Arc<Executor>),
    /// Its file is not held.
    Missing,
    /// Its file is not one of this network.
    Invalid(String),
}

/// Another file than the one that was announced.
#[derive(Debug, Error)]
#[error("the {bytes} bytes sent have the hash {found}, not {claimed}")]
pub(crate) struct WrongHash {
    bytes: usize,
    found: ModelHash,
    claimed: ModelHash,
}

/// f32.
const BYTES_PER_PARAM: u64 = 4;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    File(ModelHash),
    /// The same weights fit several graphs.
    Network(WeightSource, Arc<Graph>),
}

#[derive(Clone)]
enum Held {
    File(Arc<[u8]>),
    Network(Arc<Executor>),
}

struct Cache {
    held: HashMap<Key, (Held, u64, u64)>,
    bytes: u64,
    bound: u64,
    uses: u64,
}

impl Models {
    /// The engine's device.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn new(bound: u64, device: Device) -> Self {
        Self { cache: Mutex::new(Cache { held: HashMap::new(), bytes: 0, bound, uses: 0 }), device }
    }

    /// A file that is held.
    pub(crate) fn file(&self, model: ModelHash) -> Option<Arc<[u8]>> {
        match self.lock().get(&Key::File(model)) {
            Some(Held::File(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Keeps a file that arrived.
    ///
    /// # Errors
    /// [`WrongHash`]: the bytes are not those of the hash.
    pub(crate) fn store(&self, model: ModelHash, bytes: Vec<u8>) -> Result<(), WrongHash> {
        let found = ModelHash(Sha256::digest(&bytes).into());
        if found != model {
            return Err(WrongHash { bytes: bytes.len(), found, claimed: model });
        }
        let size = bytes.len() as u64;
        self.lock().put(Key::File(model), Held::File(bytes.into()), size);
        Ok(())
    }

    /// The network of these weights, loaded once. Takes tens of milliseconds and more the first time.
    pub(crate) fn network(&self, weights: WeightSource, graph: &Arc<Graph>) -> Lookup {
        let key = Key::Network(weights, graph.clone());
        if let Some(Held::Network(network)) = self.lock().get(&key) {
            return Lookup::Ready(network);
        }
        let params = match weights {
            WeightSource::Seeded(seed) => Ok(Params::Seeded(seed)),
            WeightSource::File(model) => {
                let Some(bytes) = self.file(model) else { return Lookup::Missing };
                Weights::from_safetensors(&bytes).and_then(|weights| Params::stored(graph, weights))
            }
        };
        match params.and_then(|params| Executor::whole(graph, &params, &self.device)) {
            Ok(network) => {
                let n_params: u64 = graph.parameters().iter().map(|weight| weight.len()).sum();
                let network = Arc::new(network);
                self.lock().put(key, Held::Network(network.clone()), BYTES_PER_PARAM * n_params);
                Lookup::Ready(network)
            }
            Err(why) => Lookup::Invalid(why.to_string()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn get(&mut self, key: &Key) -> Option<Held> {
        self.uses += 1;
        let (held, _, used) = self.held.get_mut(key)?;
        *used = self.uses;
        Some(held.clone())
    }

    /// The newcomer stays even if it is larger than the bound alone: it is about to be used.
    fn put(&mut self, key: Key, held: Held, size: u64) {
        self.uses += 1;
        self.bytes += size;
        if let Some((_, old, _)) = self.held.insert(key.clone(), (held, size, self.uses)) {
            self.bytes -= old;
        }
        while self.bytes > self.bound {
            let others = self.held.iter().filter(|(other, _)| **other != key);
            let Some(oldest) = others.min_by_key(|(_, (_, _, used))| *used).map(|(oldest, _)| oldest.clone()) else {
                return;
            };
            let size = self.held.remove(&oldest).map_or(0, |(_, size, _)| size);
            self.bytes -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::{Plan, Task};
    use cleave_model::{Card, Storage};

    fn graph(text: &str) -> Arc<Graph> {
        let plan: Plan = text.parse().unwrap();
        Arc::new(plan.architecture().lower(&task()).unwrap().graph)
    }

    fn task() -> Task {
        Task { n_points: 16, in_channels: 3, k: 4, n_classes: 5, ..Task::modelnet10() }
    }

    fn file(seed: u64) -> (ModelHash, Vec<u8>) {
        let plan: Plan = "3 2 1 4,0 6 2 0".parse().unwrap();
        let task = task();
        let weights = Weights::random(plan.architecture(), &task, seed);
        let card = Card { name: "tiny".into(), plan: plan.clone(), task, classes: vec!["a".into(); 5], accuracy: None };
        let bytes = weights.to_safetensors(&card, Storage::F32).unwrap();
        (ModelHash(Sha256::digest(&bytes).into()), bytes)
    }

    #[test]
    fn a_network_is_loaded_once_and_wrong_files_are_named() {
        let models = Models::new(1 << 30, Device::flex());
        let (hash, bytes) = file(1);
        let network = |text: &str| models.network(WeightSource::File(hash), &graph(text));
        let own = "3 2 1 4,0 6 2 0";
        assert!(matches!(network(own), Lookup::Missing));
        assert!(models.store(ModelHash([0; 32]), bytes.clone()).unwrap_err().to_string().contains(&hash.to_string()));
        models.store(hash, bytes).unwrap();
        let (Lookup::Ready(first), Lookup::Ready(second)) = (network(own), network(own)) else { panic!("not loaded") };
        assert!(Arc::ptr_eq(&first, &second));
        assert!(matches!(network("3 2 1 4,0 6 3 0"), Lookup::Invalid(why) if why.contains("op.2.weight")));
        let seeded = |seed| models.network(WeightSource::Seeded(seed), &graph(own));
        assert!(matches!(seeded(7), Lookup::Ready(_)), "nothing is missing for a seed");
    }

    #[test]
    fn the_longest_unused_file_goes_first() {
        let files: Vec<_> = (1..=3).map(file).collect();
        let size = files[0].1.len() as u64;
        let models = Models::new(2 * size, Device::flex());
        for (hash, bytes) in &files[..2] {
            models.store(*hash, bytes.clone()).unwrap();
        }
        assert!(models.file(files[0].0).is_some());
        models.store(files[2].0, files[2].1.clone()).unwrap();
        let held: Vec<bool> = files.iter().map(|(hash, ..)| models.file(*hash).is_some()).collect();
        assert_eq!(held, [true, false, true]);
    }
}
