//! Networks that the worker can hold: those shipped beside the page, DGCNN, and any text form.

use crate::browser::fetch;
use burn::tensor::Device;
use cleave_arch::{Architecture, Plan, Task, Tier};
use cleave_contract::Network;
use cleave_model::{Card, Gnn, Storage, Weights};
use cleave_session::{Model, Work};
use cleave_wire::ModelHash;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The seed of weights that nobody trained.
const RANDOM_SEED: u64 = 1;

/// A network that runs here and can be sent to an edge.
pub struct Loaded {
    /// What it says of itself.
    pub card: Card,
    /// It, on the engine in use.
    pub gnn: Gnn,
    /// The weights file, as an edge gets it.
    pub bytes: Arc<[u8]>,
    /// Its SHA-256.
    pub hash: ModelHash,
    weights: Weights,
}

impl Loaded {
    /// Loads by name: `dgcnn`, one of `model/index.json`, or a text form.
    pub async fn open(name: &str, base_url: &str, device: &Device) -> Result<Self, String> {
        let name = name.trim();
        if name == "dgcnn" {
            return Self::random("DGCNN", Plan::whole(Architecture::dgcnn(), Tier::Device), Task::dgcnn40(), device);
        }
        if name.contains(',') {
            let plan: Plan = name.parse().map_err(|why| format!("{why}"))?;
            return Self::random(name, plan, Task::modelnet10(), device);
        }
        let bytes = fetch(&format!("{base_url}model/{name}.safetensors")).await?;
        Self::from_bytes(bytes, device)
    }

    fn random(name: &str, plan: Plan, task: Task, device: &Device) -> Result<Self, String> {
        let weights = Weights::random(plan.architecture(), &task, RANDOM_SEED);
        let classes = if task.n_classes == cleave_data::furniture::CLASSES.len() {
            cleave_data::furniture::CLASSES.iter().map(|class| class.to_string()).collect()
        } else {
            (0..task.n_classes).map(|class| format!("class {class}")).collect()
        };
        let card = Card { name: name.into(), plan, task, classes, accuracy: None };
        let bytes = weights.to_safetensors(&card, Storage::F32).map_err(|why| why.to_string())?;
        Self::new(card, weights, bytes.into(), device)
    }

    /// Loads a weights file.
    pub fn from_bytes(bytes: Vec<u8>, device: &Device) -> Result<Self, String> {
        let card = Card::from_safetensors(&bytes).map_err(|why| why.to_string())?;
        let weights = Weights::from_safetensors(&bytes).map_err(|why| why.to_string())?;
        Self::new(card, weights, bytes.into(), device)
    }

    fn new(card: Card, weights: Weights, bytes: Arc<[u8]>, device: &Device) -> Result<Self, String> {
        let gnn = Gnn::new(card.plan.architecture(), &card.task, &weights, device).map_err(|why| why.to_string())?;
        let hash = ModelHash(Sha256::digest(&bytes).into());
        Ok(Self { card, gnn, bytes, hash, weights })
    }

    /// The same network on another engine.
    pub fn on(&self, device: &Device) -> Result<Self, String> {
        Self::new(self.card.clone(), self.weights.clone(), self.bytes.clone(), device)
    }

    /// Another engine of it.
    pub fn engine(&self, device: &Device) -> Result<Gnn, String> {
        Gnn::new(self.card.plan.architecture(), &self.card.task, &self.weights, device).map_err(|why| why.to_string())
    }

    /// This network with a placement, as a session runs it.
    pub fn work(&self, plan: Plan) -> Arc<Work> {
        Arc::new(Work::new(plan, self.card.task, Model { hash: self.hash, bytes: self.bytes.clone() }))
    }

    /// What the page is told.
    pub fn view(&self) -> Network {
        Network {
            name: self.card.name.clone(),
            plan: self.card.plan.to_string(),
            n_points: self.card.task.n_points,
            in_channels: self.card.task.in_channels,
            k: self.card.task.k,
            classes: self.card.classes.clone(),
            accuracy: self.card.accuracy,
            params: self.gnn.trace().params() as usize,
        }
    }
}
