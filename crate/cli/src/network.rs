//! Where a network comes from: a text form with seeded random weights, a weights file, or a shipped model by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use cleave_app::network::{self as app, NetworkInput, class_names};
use cleave_arch::{LinkCodec, Mapping, Plan, Task};
use cleave_graph::zoo;
use cleave_model::exec::Executor;
use cleave_model::{Card, ImageCard, Weights};
use cleave_session::Work;
use cleave_wire::WeightSource;
use serde_json::{Value, json};

use crate::arch::parse_plan;
use crate::file;
use crate::task::TaskArgs;

/// What is asked for on the command line.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    #[command(flatten)]
    source: Source,
    /// Folder of the shipped models
    #[arg(long, value_name = "DIR", default_value = "www/model")]
    models: PathBuf,
    /// Seed of random weights, of the surface sampling and of a synthetic shape
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Cut before operation I (two at most); without it the cuts are those of the architecture's text
    #[arg(long = "cut", value_name = "I")]
    cuts: Vec<usize>,
    /// How values cross the link: f32, f16 or i8, each with or without +lz4
    #[arg(long, default_value_t)]
    codec: LinkCodec,
    #[command(flatten)]
    task: TaskArgs,
}

#[derive(clap::Args, Clone, Debug)]
#[group(required = true, multiple = true)]
struct Source {
    /// The text form, or `dgcnn`; with seeded random weights unless --weights is given
    #[arg(long, value_name = "OPS,FUNCTIONS")]
    arch: Option<String>,
    /// An image network by name or text form; with the shipped weights if there are any, else with seeded random ones
    #[arg(long, value_name = "NAME", conflicts_with_all = ["arch", "model", "weights"])]
    network: Option<String>,
    /// A shipped model by name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["arch", "weights"])]
    model: Option<String>,
    /// A weights file; it brings its own architecture if `cleave train` wrote it
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
}

/// A network that can run here and be deployed elsewhere.
#[derive(Clone, Debug)]
pub struct Network {
    /// Network, cuts and codec.
    pub mapping: Mapping,
    held: app::Network,
    origin: Origin,
}

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A draw with this seed: the answers mean nothing.
    Random(u64),
    File(PathBuf),
}

impl NetworkArgs {
    /// Reads or makes the network.
    pub(crate) fn load(&self) -> Result<Network> {
        let network = match (&self.source.network, self.source.file(&self.models)?) {
            (Some(name), _) => Network::image(&self.models, name, self.seed)?,
            (None, Some(path)) => Network::from_file(path, self.source.arch.as_deref(), &self.task)?,
            (None, None) => {
                let text = self
                    .source
                    .arch
                    .as_deref()
                    .context("no network is named; give --arch, --network, --model or --weights")?;
                Network::random(parse_plan(text)?, self.task.over(Task::modelnet10())?, self.seed)?
            }
        };
        let mapping = match self.cuts.is_empty() {
            true => network.mapping.clone(),
            false => network.mapping.with_cuts(self.cuts.clone())?,
        };
        Ok(Network { mapping: mapping.with_codec(self.codec), ..network })
    }
}

fn names_of_zoo() -> String {
    zoo::NETWORKS.map(|(name, _)| name).join(", ")
}

impl Source {
    fn file(&self, models: &Path) -> Result<Option<PathBuf>> {
        self.model.as_ref().map_or_else(|| Ok(self.weights.clone()), |name| model_path(models, name).map(Some))
    }
}

fn model_path(models: &Path, name: &str) -> Result<PathBuf> {
    let path = models.join(format!("{name}.safetensors"));
    if Path::new(name).components().count() != 1 || !path.is_file() {
        bail!("there is no model \"{name}\" in {}; it has {}", models.display(), list(&names(models)));
    }
    Ok(path)
}

/// The models of a folder, by name, in order.
pub fn names(models: &Path) -> Vec<String> {
    let entries = fs::read_dir(models).into_iter().flatten().filter_map(|entry| entry.ok());
    let stem = |path: PathBuf| {
        let is_model = path.extension().is_some_and(|extension| extension == "safetensors");
        path.file_stem().filter(|_| is_model).map(|stem| stem.to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = entries.filter_map(|entry| stem(entry.path())).collect();
    names.sort();
    names
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none; name the folder with --models".into() } else { names.join(", ") }
}

impl Network {
    fn new(held: app::Network, origin: Origin) -> Self {
        Self { mapping: held.mapping.clone(), held, origin }
    }

    /// A shipped model by name, as it is.
    ///
    /// # Errors
    /// The models that there are, or what is wrong with the file.
    pub fn from_model(models: &Path, name: &str) -> Result<Self> {
        Self::from_file(model_path(models, name)?, None, &TaskArgs::default())
    }

    /// An image network by name or text form: with the shipped weights if there are any, else with random ones.
    ///
    /// # Errors
    /// The networks that there are, or what is wrong with the text or the file.
    pub fn image(models: &Path, text: &str, seed: u64) -> Result<Self> {
        if !Mapping::is_graph_text(text) {
            bail!("\"{text}\" is no image network; there are {}, or a text form", names_of_zoo());
        }
        let mapping = Mapping::parse(text, &Task::modelnet10())?;
        match app::Named::parse(&mapping.network())? {
            // Below the folder of models as below the page's address.
            app::Named::File(file) => {
                let path = models.join(file.strip_prefix("model/").unwrap_or(&file));
                let network = Self::from_file(path, None, &TaskArgs::default())?;
                Ok(Self { mapping, ..network })
            }
            app::Named::Made(_) => Ok(Self::new(app::Network::seeded(mapping, seed)?, Origin::Random(seed))),
        }
    }

    /// A weights file; `arch` and `sizes` come before what the file says of itself.
    fn from_file(path: PathBuf, arch: Option<&str>, sizes: &TaskArgs) -> Result<Self> {
        let bytes = file::read("the weights", &path)?;
        let within = || format!("the weights {}", path.display());
        let weights = Weights::from_safetensors(&bytes).with_context(within)?;
        if arch.is_none() && ImageCard::from_safetensors(&bytes).is_ok_and(|card| card.is_some()) {
            return Ok(Self::new(app::Network::parse(bytes).with_context(within)?, Origin::File(path)));
        }
        let (plan, card) = match (arch, Card::from_safetensors(&bytes)) {
            (Some(text), card) => (parse_plan(text)?, card.ok()),
            (None, Ok(card)) => (card.plan.clone(), Some(card)),
            (None, Err(why)) => bail!("{}: {why}; or say which network it is with --arch", within()),
        };
        let task = sizes.over(card.as_ref().map_or(Task::modelnet10(), |card| card.task))?;
        let (name, classes) = card.map_or_else(|| (file::stem(&path), Vec::new()), |card| (card.name, card.classes));
        let classes = if classes.len() == task.n_classes { classes } else { class_names(task.n_classes) };
        let card = Card { name, plan, task, classes, accuracy: None };
        let held = app::Network::of_card(card, weights, bytes.into()).with_context(within)?;
        Ok(Self::new(held, Origin::File(path)))
    }

    /// Seeded random weights.
    ///
    /// # Errors
    /// If they cannot be written as a file.
    pub fn random(plan: Plan, task: Task, seed: u64) -> Result<Self> {
        let held = app::Network::random(&format!("random weights, seed {seed}"), plan, task, seed)?;
        Ok(Self::new(held, Origin::Random(seed)))
    }

    /// Name for people.
    pub(crate) fn name(&self) -> &str {
        &self.held.name
    }

    /// Names of the classes in the order of the logits.
    pub(crate) fn classes(&self) -> &[String] {
        &self.held.classes
    }

    /// The network loaded onto a device.
    ///
    /// # Errors
    /// Weights that do not fit.
    pub fn load(&self, device: &Device) -> Result<Executor> {
        Ok(Executor::whole(&self.held.graph, &self.held.params, device)?)
    }

    /// What names its weights.
    pub fn source(&self) -> WeightSource {
        self.held.source()
    }

    /// This network with a mapping, as a session runs it.
    ///
    /// # Errors
    /// None for a mapping of this network.
    pub fn work(&self, mapping: Mapping) -> Result<Arc<Work>> {
        Ok(self.held.work(mapping)?)
    }

    /// The same with another mapping of it.
    pub(crate) fn with(&self, mapping: Mapping) -> Self {
        Self { mapping, ..self.clone() }
    }

    /// What it reads.
    pub(crate) fn input(&self) -> NetworkInput {
        self.held.input()
    }

    /// What it is, for programs.
    pub(crate) fn to_json(&self) -> Value {
        let (origin, seed) = match &self.origin {
            Origin::Random(seed) => ("random".into(), json!(seed)),
            Origin::File(path) => (path.display().to_string(), Value::Null),
        };
        json!({
            "name": self.name(), "weights": origin, "weights_seed": seed, "plan": self.mapping.to_string(),
            "codec": self.mapping.codec().to_string(), "task": self.mapping.plan().map(|(_, _, task)| crate::task::to_json(task)),
            "input": self.input(),
        })
    }

    /// What it is, for people.
    pub(crate) fn to_text(&self) -> String {
        match &self.origin {
            Origin::Random(seed) => {
                format!("{} with random weights (seed {seed}): the classes below mean nothing", self.mapping)
            }
            Origin::File(path) => format!("{} ({}), {}", self.name(), path.display(), self.mapping),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_file() {
        let make = |seed| Network::random("3 2 4,0 6 0".parse().unwrap(), Task::modelnet10(), seed).unwrap();
        assert_eq!(make(1).source(), make(1).source());
        assert_ne!(make(1).source(), make(2).source());
    }
}
