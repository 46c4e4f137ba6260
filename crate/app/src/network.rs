//! A network that the application holds: what it says of itself, its weights as a file that an edge gets, and what is
//! derived from both. Which engine runs it is the shell's.

use cleave_arch::{ArchError, Architecture, Mapping, Plan, Task, Tier};
use cleave_contract as contract;
pub use cleave_contract::NetworkInput;
use cleave_data::furniture;
use cleave_graph::{Graph, Shape};
use cleave_model::exec::Params;
use cleave_model::{Card, ImageCard, ModelError, Storage, Weights};
use cleave_session::{Model, Weights as Source, Work};
use cleave_wire::{ModelHash, WeightSource};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use thiserror::Error;

/// The seed of weights that nobody trained.
pub const RANDOM_SEED: u64 = 1;

/// The image networks with trained weights, and their files below the page's address.
pub const TRAINED: [(&str, &str); 2] =
    [("lenet5", "model/image/lenet5.safetensors"), ("resnet", "model/image/resnet.safetensors")];

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
#[derive(Clone, Debug)]
pub struct Network {
    /// What people call it.
    pub name: String,
    /// Class names in the order of the answer.
    pub classes: Vec<String>,
    /// Test accuracy in 0..=1; none of random weights.
    pub accuracy: Option<f64>,
    /// The network, with the mapping that it came with.
    pub mapping: Mapping,
    /// Its graph, whole.
    pub graph: Arc<Graph>,
    /// Its weights, for an engine.
    pub params: Params,
    /// Its weights, for an edge.
    source: Source,
}

/// The same weights of the same network.
impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.mapping, self.source()) == (&other.name, &other.mapping, other.source())
    }
}

impl Named {
    /// `dgcnn` and text forms are made, and so are image networks that nobody trained; every other name is a shipped file's.
    ///
    /// # Errors
    /// [`NetworkError`] of a text form.
    pub fn parse(name: &str) -> Result<Self, NetworkError> {
        let made = |network: Result<Network, NetworkError>| network.map(|network| Self::Made(Box::new(network)));
        let name = name.trim();
        if let Some((_, file)) = TRAINED.iter().find(|(trained, _)| *trained == name) {
            return Ok(Self::File((*file).into()));
        }
        match name {
            "dgcnn" => {
                let plan = Plan::whole(Architecture::dgcnn(), Tier::Device);
                made(Network::random("DGCNN", plan, Task::dgcnn40(), RANDOM_SEED))
            }
            text if Mapping::is_graph_text(text) => {
                made(Network::seeded(Mapping::parse(text, &Task::modelnet10())?, RANDOM_SEED))
            }
            text if text.contains(',') => made(Network::random(text, text.parse()?, Task::modelnet10(), RANDOM_SEED)),
            name => Ok(Self::File(format!("model/{name}.safetensors"))),
        }
    }
}

impl Network {
    /// Reads a weights file of either family.
    ///
    /// # Errors
    /// [`NetworkError::File`]: no safetensors, no card, or weights that do not fit it.
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Result<Self, NetworkError> {
        let bytes = bytes.into();
        let weights = Weights::from_safetensors(&bytes)?;
        match ImageCard::from_safetensors(&bytes)? {
            Some(card) => {
                let params = Params::stored(&card.network, weights)?;
                let ImageCard { name, network, classes, accuracy } = card;
                Self::new(name, classes, accuracy, Mapping::of_graph(network), params, file(bytes))
            }
            None => Self::of_card(Card::from_safetensors(&bytes)?, weights, bytes),
        }
    }

    /// An architecture with seeded random weights, whose answers mean nothing.
    ///
    /// # Errors
    /// [`NetworkError::File`] if they cannot be written as a file.
    pub fn random(name: &str, plan: Plan, task: Task, seed: u64) -> Result<Self, NetworkError> {
        let weights = Weights::random(plan.architecture(), &task, seed);
        let classes = class_names(task.n_classes);
        let card = Card { name: name.into(), plan, task, classes, accuracy: None };
        let bytes = weights.to_safetensors(&card, Storage::F32)?;
        Self::of_card(card, weights, bytes.into())
    }

    /// A graph with random weights, which every machine draws from the seed.
    ///
    /// # Errors
    /// None: a graph that exists is valid.
    pub fn seeded(mapping: Mapping, seed: u64) -> Result<Self, NetworkError> {
        let name = mapping.network();
        let classes = (0..mapping.n_classes()).map(|class| format!("class {class}")).collect();
        // Networks are told apart by their weights: each has a seed of its own.
        let seed = seed ^ mapping.graph().map_or(0, |graph| graph.hash());
        Self::new(name, classes, None, mapping, Params::Seeded(seed), Source::Seeded(seed))
    }

    /// A file's weights by what is said of them.
    ///
    /// # Errors
    /// [`NetworkError::File`]: weights that do not fit.
    pub fn of_card(card: Card, weights: Weights, bytes: Arc<[u8]>) -> Result<Self, NetworkError> {
        weights.check(card.plan.architecture(), &card.task)?;
        let Card { name, plan, task, classes, accuracy } = card;
        Self::new(name, classes, accuracy, Mapping::of_plan(plan, task), Params::Stored(weights), file(bytes))
    }

    fn new(
        name: String,
        classes: Vec<String>,
        accuracy: Option<f64>,
        mapping: Mapping,
        params: Params,
        source: Source,
    ) -> Result<Self, NetworkError> {
        let graph = mapping.uncut().cut_graph()?.graph().clone();
        Ok(Self { name, classes, accuracy, mapping, graph, params, source })
    }

    /// This network with a mapping, as a session runs it.
    ///
    /// # Errors
    /// None for a mapping of this network.
    pub fn work(&self, mapping: Mapping) -> Result<Arc<Work>, ArchError> {
        Ok(Arc::new(Work::new(mapping, self.source.clone())?))
    }

    /// What names its weights, and so the network among those that are held.
    pub fn source(&self) -> WeightSource {
        self.source.source()
    }

    /// Its weights as a file, if they are one.
    pub fn file(&self) -> Option<&Arc<[u8]>> {
        match &self.source {
            Source::File(model) => Some(&model.bytes),
            Source::Seeded(_) => None,
        }
    }

    /// What it reads.
    pub fn input(&self) -> NetworkInput {
        match self.mapping.plan() {
            Some((_, _, Task { n_points, in_channels, k, .. })) => {
                NetworkInput::Cloud { n_points: *n_points, in_channels: *in_channels, k: *k }
            }
            None => {
                let Shape { channels, height, width } = self.graph.input();
                NetworkInput::Image { channels, height, width }
            }
        }
    }

    /// Whether it reads inputs like this: of as many points with as many features, or images of this size.
    pub fn reads(&self, input: &NetworkInput) -> bool {
        match (self.input(), *input) {
            (
                NetworkInput::Cloud { n_points, in_channels, .. },
                NetworkInput::Cloud { n_points: n, in_channels: c, .. },
            ) => (n_points, in_channels) == (n, c),
            (own, input) => own == input,
        }
    }

    /// What the page is told.
    pub fn view(&self) -> contract::Network {
        contract::Network {
            name: self.name.clone(),
            plan: self.mapping.to_string(),
            input: self.input(),
            classes: self.classes.clone(),
            accuracy: self.accuracy,
            params: self.graph.parameters().iter().map(|weight| weight.len() as usize).sum(),
        }
    }
}

fn file(bytes: Arc<[u8]>) -> Source {
    Source::File(Model { hash: hash(&bytes), bytes })
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
        assert_eq!((dgcnn.mapping.n_classes(), dgcnn.classes[39].as_str()), (40, "class 39"));
        let Ok(Named::Made(small)) = Named::parse("3 2 1 4,0 6 3 0") else { panic!("a text form is made here") };
        assert_eq!(small.classes[2], "chair");
        assert_eq!(Named::parse("gnn10"), Ok(Named::File("model/gnn10.safetensors".into())));
        assert_eq!(Named::parse("resnet"), Ok(Named::File("model/image/resnet.safetensors".into())));
        let Ok(Named::Made(image)) = Named::parse("1x8x8: conv 4 k3, relu, flatten, linear 3") else {
            panic!("a graph")
        };
        assert_eq!((image.input(), image.classes.len()), (NetworkInput::Image { channels: 1, height: 8, width: 8 }, 3));
        assert!(matches!(Named::parse("9 4,0 0"), Err(NetworkError::Text(why)) if why.to_string().contains('9')));
    }

    fn made() -> (Card, Weights) {
        let (plan, task): (Plan, _) = ("3 2 1 4,0 6 3 0".parse().expect("a text form"), Task::modelnet10());
        let weights = Weights::random(plan.architecture(), &task, 1);
        (Card { name: "made".into(), plan, task, classes: class_names(10), accuracy: None }, weights)
    }

    #[test]
    fn a_network_and_its_file_are_the_same() {
        let (card, weights) = made();
        let bytes = weights.to_safetensors(&card, Storage::F32).expect("a file");
        let read = Network::parse(bytes.clone()).expect("a network");
        assert_eq!(Network::of_card(card.clone(), weights, bytes.clone().into()).as_ref(), Ok(&read));
        assert!(matches!(Network::parse(bytes[..bytes.len() - 4].to_vec()), Err(NetworkError::File(_))));
        let other = Network::random("other", card.plan, card.task, 2).map(|other| other.source());
        assert!(other.is_ok_and(|source| source != read.source()));
    }

    #[test]
    fn an_image_networks_file_is_one_too() {
        let network: Graph = "1x4x4: conv 2 k3, relu, flatten, linear 2".parse().expect("a graph");
        let names = |weight: &cleave_graph::ParamSpec| {
            let (shape, n) = (weight.shape.clone(), weight.len() as usize);
            (weight.name.clone(), cleave_model::Weight { shape, values: vec![0.5; n] })
        };
        let weights = Weights::new(network.parameters().iter().map(names));
        let classes = vec!["a".into(), "b".into()];
        let card = ImageCard { name: "small".into(), network, classes, accuracy: Some(0.5) };
        let read = Network::parse(card.with(&weights, Storage::F32).expect("a file")).expect("a network");
        assert_eq!((read.name.as_str(), read.accuracy, read.classes.len()), ("small", Some(0.5), 2));
        assert!(read.reads(&NetworkInput::Image { channels: 1, height: 4, width: 4 }));
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let (card, weights) = made();
        let other: Plan = "3 2 1 4,0 6 4 0".parse().expect("a text form");
        let bytes = weights.to_safetensors(&Card { plan: other, ..card }, Storage::F32);
        let refused = bytes.map_err(NetworkError::from).and_then(Network::parse);
        assert!(matches!(&refused, Err(NetworkError::File(why)) if why.to_string().contains("weight")), "{refused:?}");
    }
}
