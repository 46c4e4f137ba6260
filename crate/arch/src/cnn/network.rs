//! A chain of layers that is valid by construction, its operators, and the names of its weights.

use super::error::NetworkError;
use super::layer::{Layer, Shape};
use super::operator::{Kind, Operator, Tail};
use crate::params::ParamSpec;

/// Most layers of a network.
pub const MAX_LAYERS: usize = 128;
/// Largest extent of an input.
const MAX_EXTENT: usize = 4096;
/// Most channels, features, or numbers along a window.
const MAX_NUMBER: usize = 1 << 16;
/// Most numbers of one map, and of one weight.
const MAX_VALUES: u64 = 1 << 28;

/// An image network: an input and a chain of layers. One that exists is valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    input: Shape,
    layers: Vec<Layer>,
    operators: Vec<Operator>,
}

impl Network {
    /// A network whose layers fit together.
    ///
    /// # Errors
    /// [`NetworkError`]: what does not fit, and where.
    pub fn new(input: Shape, layers: Vec<Layer>) -> Result<Self, NetworkError> {
        if layers.is_empty() || layers.len() > MAX_LAYERS {
            return Err(NetworkError::Length { n_layers: layers.len() });
        }
        if [input.channels, input.height, input.width].iter().any(|extent| !(1..=MAX_EXTENT).contains(extent)) {
            return Err(NetworkError::Input { input });
        }
        let mut chain = Chain { shape: input, flattened: None, operators: Vec::new() };
        for (position, layer) in layers.iter().enumerate() {
            chain.add(position, *layer)?;
        }
        if let Some(position) = chain.waiting() {
            return Err(NetworkError::AfterFlatten { position });
        }
        Ok(Self { input, layers, operators: chain.operators })
    }

    /// What it reads: one image.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// Its layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Its operators, at least one, in order.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// What it answers.
    pub fn output(&self) -> Shape {
        self.operators.last().map_or(self.input, |operator| operator.output)
    }

    /// Multiplications with addition of one run.
    pub fn macs(&self) -> u64 {
        self.operators.iter().fold(0, |sum, operator| sum.saturating_add(operator.all_macs()))
    }

    /// Name of a layer's weights without their last part, as torchvision has them: `features.3`, counted from the first
    /// layer, and `classifier.1`, counted from the flatten.
    pub fn weights_of(&self, layer: usize) -> String {
        match self.layers.iter().position(|layer| *layer == Layer::Flatten) {
            Some(flatten) if layer > flatten => format!("classifier.{}", layer - flatten - 1),
            _ => format!("features.{layer}"),
        }
    }

    /// Every weight in the order of execution: `weight` `[out, in, k, k]` or `[out, in]` and `bias` `[out]`; of a
    /// BatchNorm `weight`, `bias`, `running_mean` and `running_var` `[channels]`.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        self.operators.iter().flat_map(|operator| self.parameters_of(operator)).collect()
    }

    fn parameters_of(&self, operator: &Operator) -> Vec<ParamSpec> {
        let spec = |layer, part: &str, shape| ParamSpec { name: format!("{}.{part}", self.weights_of(layer)), shape };
        let outputs = operator.made.channels;
        let weight = match operator.kind {
            Kind::Conv { kernel, .. } => Some(vec![outputs, operator.input.channels, kernel, kernel]),
            Kind::Linear => Some(vec![outputs, operator.input.values() as usize]),
            Kind::Lrn { .. } => None,
        };
        let mut specs: Vec<_> = weight.map(|shape| spec(operator.layer, "weight", shape)).into_iter().collect();
        if !specs.is_empty() {
            specs.push(spec(operator.layer, "bias", vec![outputs]));
        }
        for tail in &operator.tail {
            if let Tail::BatchNorm { layer } = *tail {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                specs.extend(parts.map(|part| spec(layer, part, vec![outputs])));
            }
        }
        specs
    }
}

/// A network under construction.
struct Chain {
    shape: Shape,
    flattened: Option<usize>,
    operators: Vec<Operator>,
}

impl Chain {
    /// The flatten for which no linear layer has come yet.
    fn waiting(&self) -> Option<usize> {
        let has_linear = self.operators.last().is_some_and(|operator| operator.kind == Kind::Linear);
        self.flattened.filter(|_| !has_linear)
    }

    fn add(&mut self, position: usize, layer: Layer) -> Result<(), NetworkError> {
        check_numbers(position, layer)?;
        if let Some(flatten) = self.waiting().filter(|_| !matches!(layer, Layer::Linear { .. } | Layer::Dropout)) {
            return Err(NetworkError::AfterFlatten { position: flatten });
        }
        let is_flat = self.flattened.is_some();
        let wrong = |needs, found| Err(NetworkError::WrongInput { position, layer, needs, found });
        match layer {
            Layer::Linear { .. } if !is_flat => return wrong("flattened features", "a map; put flatten before it"),
            Layer::Conv { .. } | Layer::Pool { .. } | Layer::Lrn { .. } | Layer::Flatten if is_flat => {
                return wrong("a map", "flattened features");
            }
            Layer::Relu | Layer::BatchNorm | Layer::Pool { .. } if self.operators.is_empty() => {
                return Err(NetworkError::Begins { layer });
            }
            _ => {}
        }
        match layer {
            Layer::Conv { channels, kernel, stride, padding } => {
                let made = self.windows(position, layer, [kernel, stride, padding])?;
                self.operator(position, layer, Kind::Conv { kernel, stride, padding }, Shape { channels, ..made })
            }
            Layer::Linear { features } => {
                self.operator(position, layer, Kind::Linear, Shape { channels: features, height: 1, width: 1 })
            }
            Layer::Lrn { size } => self.operator(position, layer, Kind::Lrn { size }, self.shape),
            Layer::Pool { kind, kernel, stride } => {
                let output = self.windows(position, layer, [kernel, stride, 0])?;
                self.tail(Tail::Pool { kind, kernel, stride }, output);
                Ok(())
            }
            Layer::Relu => {
                self.tail(Tail::Relu, self.shape);
                Ok(())
            }
            Layer::BatchNorm => {
                self.tail(Tail::BatchNorm { layer: position }, self.shape);
                Ok(())
            }
            Layer::Flatten => {
                self.flattened = Some(position);
                Ok(())
            }
            Layer::Dropout => Ok(()),
        }
    }

    fn operator(&mut self, layer: usize, as_layer: Layer, kind: Kind, made: Shape) -> Result<(), NetworkError> {
        let operator = Operator { layer, kind, input: self.shape, made, tail: Vec::new(), output: made };
        let weight = operator.weight_values(self.shape.channels, made.channels);
        if made.values().max(weight) > MAX_VALUES {
            let why = "its output and its weight may have 2^28 numbers at most";
            return Err(NetworkError::Number { position: layer, layer: as_layer, why });
        }
        self.operators.push(operator);
        self.shape = made;
        Ok(())
    }

    fn tail(&mut self, tail: Tail, output: Shape) {
        if let Some(operator) = self.operators.last_mut() {
            operator.tail.push(tail);
            operator.output = output;
        }
        self.shape = output;
    }

    /// The map after windows over this one.
    fn windows(&self, position: usize, layer: Layer, window: [usize; 3]) -> Result<Shape, NetworkError> {
        let [kernel, stride, padding] = window;
        let along = |extent: usize| (extent + 2 * padding).checked_sub(kernel).map(|rest| rest / stride + 1);
        let Shape { channels, height, width } = self.shape;
        match (along(height), along(width)) {
            (Some(height), Some(width)) => Ok(Shape { channels, height, width }),
            _ => Err(NetworkError::Window { position, layer, input: self.shape }),
        }
    }
}

fn check_numbers(position: usize, layer: Layer) -> Result<(), NetworkError> {
    let wrong = |why| Err(NetworkError::Number { position, layer, why });
    let within = |numbers: &[usize]| numbers.iter().all(|number| (1..=MAX_NUMBER).contains(number));
    match layer {
        Layer::Conv { channels, kernel, stride, .. } if !within(&[channels, kernel, stride]) => {
            wrong("channels, kernel and stride must be from 1 to 65536")
        }
        Layer::Conv { kernel, padding, .. } if padding >= kernel => wrong("the padding must be less than the kernel"),
        Layer::Pool { kernel, stride, .. } if !within(&[kernel, stride]) => {
            wrong("window and stride must be from 1 to 65536")
        }
        Layer::Linear { features } if !within(&[features]) => wrong("features must be from 1 to 65536"),
        Layer::Lrn { size } if !within(&[size]) || size.is_multiple_of(2) => wrong("the size must be odd"),
        _ => Ok(()),
    }
}
