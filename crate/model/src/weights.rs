//! Weights: named f32 tensors, from and to safetensors bytes, with the card that says what they are.

use crate::ModelError;
use cleave_arch::{Architecture, GraphSource, ParamSpec, Plan, SplitMix64, Task};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// What a weights file says of itself, in its metadata entry `cleave`, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// Short name.
    pub name: String,
    /// Architecture and default mapping in the text form.
    pub plan: Plan,
    /// Input and classes.
    pub task: Task,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
    /// Test accuracy in 0..=1; absent for weights that were never tested.
    pub accuracy: Option<f64>,
}

/// One tensor, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Extents.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// Named tensors; the names are those of [`Architecture::parameters`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    tensors: BTreeMap<String, Weight>,
}

/// How values are stored in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// 32-bit floats.
    F32,
    /// 16-bit floats: half the size; normalisation statistics stay 32-bit.
    F16,
}

impl Weights {
    /// Collects named tensors.
    pub fn new(tensors: impl IntoIterator<Item = (String, Weight)>) -> Self {
        Self { tensors: tensors.into_iter().collect() }
    }

    /// Seeded random weights that keep the scale of the activations (He initialisation), with
    /// normalisation statistics that are not trivial, some scales negative among them.
    pub fn random(architecture: &Architecture, task: &Task, seed: u64) -> Self {
        let mut rng = SplitMix64::new(seed);
        Self::new(architecture.parameters(task).into_iter().map(|spec| {
            let n = spec.shape.iter().product();
            let bound = (6.0 / spec.shape[0] as f32).sqrt() * 0.7;
            let values = (0..n).map(|_| draw(&spec.name, bound, &mut rng)).collect();
            (spec.name, Weight { shape: spec.shape, values })
        }))
    }

    /// Reads a safetensors file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
        let tensors = file.tensors().into_iter().map(|(name, view)| {
            let values = to_f32(&name, &view)?;
            Ok((name, Weight { shape: view.shape().to_vec(), values }))
        });
        Ok(Self { tensors: tensors.collect::<Result<_, ModelError>>()? })
    }

    /// Writes a safetensors file with its card.
    pub fn to_safetensors(&self, card: &Card, storage: Storage) -> Result<Vec<u8>, ModelError> {
        self.write(card.to_metadata(), storage)
    }

    pub(crate) fn write(&self, metadata: HashMap<String, String>, storage: Storage) -> Result<Vec<u8>, ModelError> {
        let stored: Vec<(&str, Dtype, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, weight)| {
                let half = storage == Storage::F16 && !name.contains(".norm.") && !name.ends_with(".affine");
                let (dtype, bytes) =
                    if half { (Dtype::F16, to_f16_bytes(weight)) } else { (Dtype::F32, to_f32_bytes(weight)) };
                (name.as_str(), dtype, weight.shape.as_slice(), bytes)
            })
            .collect();
        let views = stored
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((*name, TensorView::new(*dtype, shape.to_vec(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(not_safetensors)?;
        safetensors::serialize(views, Some(metadata)).map_err(not_safetensors)
    }

    /// The tensor of this name with the shape that is needed.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&Weight, ModelError> {
        let missing = || ModelError::Missing { name: name.into(), expected: shape.to_vec() };
        let weight = self.tensors.get(name).ok_or_else(missing)?;
        if weight.shape != shape {
            let (found, expected) = (weight.shape.clone(), shape.to_vec());
            return Err(ModelError::WrongShape { name: name.into(), found, expected });
        }
        Ok(weight)
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Weight> {
        self.tensors.get(name)
    }

    /// Replaces the values of a tensor that is there.
    pub(crate) fn set(&mut self, name: &str, values: Vec<f32>) {
        if let Some(weight) = self.tensors.get_mut(name) {
            weight.values = values;
        }
    }

    /// Whether these are exactly the weights of this network: every tensor there, of the right shape,
    /// finite, and none besides.
    pub fn check(&self, architecture: &Architecture, task: &Task) -> Result<(), ModelError> {
        self.check_against(&architecture.parameters(task))
    }

    /// Whether these are exactly the tensors of a list.
    pub fn check_against(&self, specs: &[ParamSpec]) -> Result<(), ModelError> {
        for spec in specs {
            let weight = self.get(&spec.name, &spec.shape)?;
            let least = if spec.name.ends_with("var") { 0.0 } else { f32::MIN };
            if let Some(position) = weight.values.iter().position(|v| !v.is_finite() || *v < least) {
                let value = weight.values[position];
                return Err(ModelError::NotFinite { name: spec.name.clone(), position, value });
            }
        }
        match self.tensors.keys().find(|name| !specs.iter().any(|spec| spec.name == **name)) {
            Some(name) => Err(ModelError::Unknown { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Names and tensors.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Weight)> {
        self.tensors.iter().map(|(name, weight)| (name.as_str(), weight))
    }
}

fn draw(name: &str, bound: f32, rng: &mut SplitMix64) -> f32 {
    let unit = rng.unit_f32();
    match name.rsplit('.').next() {
        Some("var") => 0.5 + unit,
        Some("mean" | "bias") => 0.2 * (unit - 0.5),
        Some("weight") if name.contains(".norm.") => {
            if unit < 0.1 {
                -0.5 - unit
            } else {
                0.5 + unit
            }
        }
        _ => bound * (2.0 * unit - 1.0),
    }
}

pub(crate) fn not_safetensors(error: safetensors::SafeTensorError) -> ModelError {
    ModelError::NotSafetensors { why: error.to_string() }
}

fn to_f32(name: &str, view: &TensorView) -> Result<Vec<f32>, ModelError> {
    let halves = |convert: fn([u8; 2]) -> f32| view.data().as_chunks::<2>().0.iter().map(|b| convert(*b)).collect();
    match view.dtype() {
        Dtype::F32 => Ok(view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(halves(|b| half::f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Ok(halves(|b| half::bf16::from_le_bytes(b).to_f32())),
        other => Err(ModelError::WrongType { name: name.into(), found: format!("{other:?}") }),
    }
}

fn to_f32_bytes(weight: &Weight) -> Vec<u8> {
    weight.values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn to_f16_bytes(weight: &Weight) -> Vec<u8> {
    weight.values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
}

/// The metadata entry that holds the card. One entry, because a safetensors header writes several in
/// no fixed order, and equal weights must be equal files.
pub(crate) const CARD: &str = "cleave";

impl Card {
    /// Reads the card of a safetensors file.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, ModelError> {
        let absent = || wrong("", "is missing; files made by `cleave train` carry it");
        let json = entry(bytes)?.ok_or_else(absent)?;
        let task = parse_task(&json["task"])?;
        let card = Self {
            name: as_text(&json, "name")?,
            plan: Plan::parse_beside(&as_text(&json, "plan")?, task.graph).map_err(|why| wrong("plan", &why))?,
            task,
            classes: classes(&json)?,
            accuracy: json["accuracy"].as_f64(),
        };
        let (named, needed) = (card.classes.len(), card.task.n_classes);
        let short = || wrong("classes", &format!("names {named} classes; the task has {needed}"));
        if named == needed { Ok(card) } else { Err(short()) }
    }

    fn to_metadata(&self) -> HashMap<String, String> {
        let card = serde_json::json!({
            "name": self.name,
            "plan": self.plan.to_string(),
            "task": task_to_json(&self.task),
            "classes": self.classes,
            "accuracy": self.accuracy,
        });
        HashMap::from([(CARD.to_owned(), card.to_string())])
    }
}

/// What a safetensors file says of itself, if it does.
pub(crate) fn entry(bytes: &[u8]) -> Result<Option<Value>, ModelError> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(CARD));
    text.map(|text| serde_json::from_str(text).map_err(|why| wrong("", &why))).transpose()
}

pub(crate) fn wrong(key: &str, why: &(impl std::fmt::Display + ?Sized)) -> ModelError {
    let key = if key.is_empty() { CARD.to_owned() } else { format!("{CARD}: {key}") };
    ModelError::Metadata { key, why: why.to_string() }
}

pub(crate) fn as_text(card: &Value, key: &str) -> Result<String, ModelError> {
    card[key].as_str().map(str::to_owned).ok_or_else(|| wrong(key, "must be a text"))
}

pub(crate) fn classes(card: &Value) -> Result<Vec<String>, ModelError> {
    let classes = card["classes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let classes: Option<Vec<String>> = classes.iter().map(|class| class.as_str().map(str::to_owned)).collect();
    classes.ok_or_else(|| wrong("classes", "must be a list of texts"))
}

pub(crate) fn task_to_json(task: &Task) -> Value {
    let Task { n_points, in_channels, k, n_classes, graph } = *task;
    serde_json::json!({
        "n_points": n_points, "in_channels": in_channels, "k": k, "n_classes": n_classes,
        "given_graph": graph == GraphSource::Given,
    })
}

pub(crate) fn parse_task(json: &Value) -> Result<Task, ModelError> {
    let number = |key: &str| {
        let value = json[key].as_u64().filter(|v| (1..=1 << 20).contains(v));
        value.map(|v| v as usize).ok_or_else(|| wrong(&format!("task.{key}"), "must be a number in 1..=1048576"))
    };
    let graph = if json["given_graph"] == true { GraphSource::Given } else { GraphSource::Sampled };
    let (n_points, in_channels, k) = (number("n_points")?, number("in_channels")?, number("k")?);
    let task = Task { n_points, in_channels, k, n_classes: number("n_classes")?, graph };
    task.checked().map_err(|why| wrong("task", &why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card() -> Card {
        let plan = "3 2 1 4,0 6 2 0".parse().unwrap();
        Card { name: "tiny".into(), plan, task: Task::modelnet10(), classes: vec!["a".into(); 10], accuracy: Some(0.5) }
    }

    #[test]
    fn a_file_says_what_it_holds() {
        let card = card();
        let weights = Weights::random(card.plan.architecture(), &card.task, 1);
        weights.check(card.plan.architecture(), &card.task).unwrap();
        let bytes = weights.to_safetensors(&card, Storage::F32).unwrap();
        assert_eq!(Card::from_safetensors(&bytes).unwrap(), card);
        assert_eq!(Weights::from_safetensors(&bytes).unwrap(), weights);
        let half = weights.to_safetensors(&card, Storage::F16).unwrap();
        assert!(half.len() < bytes.len() * 6 / 10);
        Weights::from_safetensors(&half).unwrap().check(card.plan.architecture(), &card.task).unwrap();
    }

    /// The shipped text network's card is of before a plan's text said that the input brings the graph.
    #[test]
    fn a_card_of_either_form_is_read() {
        let old = include_bytes!("../../../www/model/text/mr.safetensors");
        let card = Card::from_safetensors(old).unwrap();
        assert_eq!(entry(old).unwrap().unwrap()["plan"], "1 2 1 0 4,3 3 3 1 3");
        assert_eq!(card.plan.to_string(), "given: 1 2 1 0 4,3 3 3 1 3");
        let weights = Weights::from_safetensors(old).unwrap();
        let new = weights.to_safetensors(&card, Storage::F16).unwrap();
        assert_eq!(Card::from_safetensors(&new).unwrap(), card);
        assert_eq!(entry(&new).unwrap().unwrap()["plan"], "given: 1 2 1 0 4,3 3 3 1 3");
    }

    #[test]
    fn wrong_weights_are_named() {
        let card = card();
        let weights = Weights::random(card.plan.architecture(), &card.task, 1);
        let other: Plan = "3 2 1 4,0 6 3 0".parse().unwrap();
        let why = weights.check(other.architecture(), &card.task).unwrap_err().to_string();
        assert_eq!(why, "weight `op.2.weight` has shape [6, 32]; this architecture needs [6, 64]");
        let mut broken = weights.clone();
        broken.tensors.get_mut("op.2.bias").unwrap().values[3] = f32::NAN;
        let why = broken.check(card.plan.architecture(), &card.task).unwrap_err().to_string();
        assert!(why.contains("op.2.bias") && why.contains("position 3"), "{why}");
        let why = Weights::from_safetensors(b"nonsense").unwrap_err().to_string();
        assert!(why.contains("not a safetensors file"), "{why}");
    }
}
