//! A network that the application holds: what it says of itself, its weights as a file that an edge gets, and what is
//! derived from both. Which engine runs it is the shell's.

use cleave_arch::{ArchError, Architecture, Plan, Task, Tier, Trace};
use cleave_contract as contract;
use cleave_data::furniture;
use cleave_model::{Card, ModelError, Storage, Weights};
use cleave_session::{Model, Work};
use cleave_wire::ModelHash;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use thiserror::Error;

/// The seed of weights that nobody trained.
pub const RANDOM_SEED: u64 = 1;

/// Why there is no network.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum NetworkError {
    /// A text form that is none.
    #[error(transparent)]
    Text(#[from] ArchError),
    /// A file that holds no network.
    #[error(transparent)]
    File(#[from] ModelError),
}

/// A network by name, as a person asks for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Named {
    /// It is made here, with random weights.
    Made(Box<Network>),
    /// Its file, below the page's address or in the folder of models.
    File(String),
}

/// A network with its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What it says of itself.
    pub card: Card,
    /// Its weights.
    pub weights: Weights,
    /// Shapes and liveness of its architecture.
    pub trace: Trace,
    /// The weights file, as an edge gets it.
    pub bytes: Arc<[u8]>,
    /// Its SHA-256.
    pub hash: ModelHash,
}

impl Named {
    /// `dgcnn` and text forms are made; every other name is a shipped file's.
    ///
    /// # Errors
    /// [`NetworkError`] of a text form.
    pub fn parse(name: &str) -> Result<Self, NetworkError> {
        let made = |network: Result<Network, NetworkError>| network.map(|network| Self::Made(Box::new(network)));
        match name.trim() {
            "dgcnn" => {
                let plan = Plan::whole(Architecture::dgcnn(), Tier::Device);
                made(Network::random("DGCNN", plan, Task::dgcnn40(), RANDOM_SEED))
            }
            text if text.contains(',') => made(Network::random(text, text.parse()?, Task::modelnet10(), RANDOM_SEED)),
            name => Ok(Self::File(format!("model/{name}.safetensors"))),
        }
    }
}

impl Network {
    /// Reads a weights file.
    ///
    /// # Errors
    /// [`NetworkError::File`]: no safetensors, no card, or weights that do not fit it.
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Result<Self, NetworkError> {
        let bytes = bytes.into();
        Self::new(Card::from_safetensors(&bytes)?, Weights::from_safetensors(&bytes)?, bytes)
    }

    /// Seeded random weights, whose answers mean nothing.
    ///
    /// # Errors
    /// [`NetworkError::File`] if they cannot be written as a file.
    pub fn random(name: &str, plan: Plan, task: Task, seed: u64) -> Result<Self, NetworkError> {
        let weights = Weights::random(plan.architecture(), &task, seed);
        let classes = class_names(task.n_classes);
        let card = Card { name: name.into(), plan, task, classes, accuracy: None };
        let bytes = weights.to_safetensors(&card, Storage::F32)?;
        Self::new(card, weights, bytes.into())
    }

    /// A file's weights by what is said of them.
    ///
    /// # Errors
    /// [`NetworkError::File`]: weights that do not fit.
    pub fn new(card: Card, weights: Weights, bytes: Arc<[u8]>) -> Result<Self, NetworkError> {
        weights.check(card.plan.architecture(), &card.task)?;
        let trace = card.plan.architecture().trace(&card.task);
        let hash = hash(&bytes);
        Ok(Self { card, weights, trace, bytes, hash })
    }

    /// This network with a placement, as a session runs it.
    pub fn work(&self, plan: Plan) -> Arc<Work> {
        Arc::new(Work::new(plan, self.card.task, Model { hash: self.hash, bytes: self.bytes.clone() }))
    }

    /// What the page is told.
    pub fn view(&self) -> contract::Network {
        contract::Network {
            name: self.card.name.clone(),
            plan: self.card.plan.to_string(),
            n_points: self.card.task.n_points,
            in_channels: self.card.task.in_channels,
            k: self.card.task.k,
            classes: self.card.classes.clone(),
            accuracy: self.card.accuracy,
            params: self.trace.params() as usize,
        }
    }
}

/// The name of a file of weights on every machine: the SHA-256 of its bytes.
pub fn hash(bytes: &[u8]) -> ModelHash {
    ModelHash(Sha256::digest(bytes).into())
}

/// Names for classes that nobody has named: those of the furniture where there are as many, else numbers.
pub fn class_names(n_classes: usize) -> Vec<String> {
    match furniture::CLASSES {
        names if names.len() == n_classes => names.map(str::to_owned).to_vec(),
        _ => (0..n_classes).map(|class| format!("class {class}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_text_form_or_a_file() {
        let Ok(Named::Made(dgcnn)) = Named::parse(" dgcnn ") else { panic!("DGCNN is made here") };
        assert_eq!((dgcnn.card.task.n_classes, dgcnn.card.classes[39].as_str()), (40, "class 39"));
        let Ok(Named::Made(small)) = Named::parse("3 2 1 4,0 6 3 0") else { panic!("a text form is made here") };
        assert_eq!(small.card.classes[2], "chair");
        assert_eq!(Named::parse("gnn10"), Ok(Named::File("model/gnn10.safetensors".into())));
        assert!(matches!(Named::parse("9 4,0 0"), Err(NetworkError::Text(why)) if why.to_string().contains('9')));
    }

    #[test]
    fn a_network_and_its_file_are_the_same() {
        let Ok(Named::Made(made)) = Named::parse("3 2 1 4,0 6 3 0") else { panic!("a text form is made here") };
        assert_eq!(Network::parse(made.bytes.clone()).as_ref(), Ok(&*made));
        let cut_off = made.bytes[..made.bytes.len() - 4].to_vec();
        assert!(matches!(Network::parse(cut_off), Err(NetworkError::File(_))));
        let other = Network::random("other", made.card.plan.clone(), made.card.task, 2).map(|other| other.hash);
        assert!(other.is_ok_and(|hash| hash != made.hash));
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let Ok(Named::Made(made)) = Named::parse("3 2 1 4,0 6 3 0") else { panic!("a text form is made here") };
        let other: Plan = "3 2 1 4,0 6 4 0".parse().expect("a text form");
        let bytes = made.weights.to_safetensors(&Card { plan: other, ..made.card.clone() }, Storage::F32);
        let refused = bytes.map_err(NetworkError::from).and_then(Network::parse);
        assert!(matches!(&refused, Err(NetworkError::File(why)) if why.to_string().contains("weight")), "{refused:?}");
    }
}
