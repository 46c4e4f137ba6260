//! A network as values and operations: a directed acyclic graph that is valid by construction, the names of its weights,
//! and what is alive at any place.

use crate::error::GraphError;
use crate::op::{Flatten, Op, Part};
use crate::operator::{self, Operator};
use crate::region::Region;
use crate::rng::fnv_1a;
use crate::value::{Layout, Shape, ValueType};

/// Most operations of a network.
pub const MAX_NODES: usize = 256;
/// Largest extent of an input but for the number of nodes, which fits a neighbour's 16 bits.
const MAX_EXTENT: usize = 4096;
const MAX_ROWS: usize = 1 << 16;
/// Most numbers of one value, and of one weight.
const MAX_VALUES: u64 = 1 << 28;

/// A value by its number: inputs first, then the result of each node.
pub type ValueId = usize;

/// An operation in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// Name of its weights without their last part, where it is not that of its position.
    pub weights: Option<String>,
}

/// One tensor of a weight file, f32, row-major.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParamSpec {
    /// Documented name, for example `op.3.norm.mean`.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
}

impl ParamSpec {
    /// How many numbers it has.
    pub fn len(&self) -> u64 {
        self.shape.iter().fold(1u64, |product, extent| product.saturating_mul(*extent as u64))
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether training changes it by gradient; the running mean and variance of a norm are observed instead.
    pub fn is_trainable(&self) -> bool {
        !self.name.ends_with(".norm.mean") && !self.name.ends_with(".norm.var")
    }
}

/// A network: inputs, nodes in an order in which they can run, and the result of the last, which is the answer. Every
/// other value is read. One that exists is valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Graph {
    n_inputs: usize,
    nodes: Vec<Node>,
    values: Vec<ValueType>,
    operators: Vec<Operator>,
}

/// A graph under construction.
pub struct Builder {
    n_inputs: usize,
    nodes: Vec<Node>,
    values: Vec<ValueType>,
}

impl Builder {
    /// With these inputs.
    ///
    /// # Errors
    /// [`GraphError::Input`]: none, or one without content or too large.
    pub fn new(inputs: Vec<ValueType>) -> Result<Self, GraphError> {
        let most = |input: &ValueType| if input.layout == Layout::Map { MAX_EXTENT } else { MAX_ROWS };
        let is_possible = |input: &&ValueType| {
            let Shape { channels, height, width } = input.shape;
            [channels, width].iter().all(|extent| (1..=MAX_EXTENT).contains(extent))
                && (1..=most(input)).contains(&height)
                && input.shape.values() <= MAX_VALUES
        };
        match inputs.iter().find(|input| !is_possible(input)) {
            Some(input) => Err(GraphError::Input { input: input.to_string(), most: most(input) }),
            None if inputs.is_empty() => Err(GraphError::Input { input: "nothing".into(), most: MAX_EXTENT }),
            None => Ok(Self { n_inputs: inputs.len(), nodes: Vec::new(), values: inputs }),
        }
    }

    /// The type of a value.
    ///
    /// # Panics
    /// For a value that is not there.
    pub fn value(&self, value: ValueId) -> ValueType {
        self.values[value]
    }

    /// Adds an operation on values that are there; `weights` names its weights without their last part.
    ///
    /// # Errors
    /// [`GraphError`]: why it does not fit.
    pub fn add(
        &mut self,
        op: impl Into<Op>,
        inputs: Vec<ValueId>,
        weights: Option<String>,
    ) -> Result<ValueId, GraphError> {
        let (op, position) = (op.into(), self.nodes.len());
        let wrong = |why: String| GraphError::Node { position, op: op.to_string(), why };
        if position == MAX_NODES {
            return Err(GraphError::Length { n_nodes: MAX_NODES + 1 });
        }
        let types = inputs.iter().map(|value| self.values.get(*value).copied()).collect::<Option<Vec<_>>>();
        let types = types.ok_or_else(|| wrong("reads a value that is not there before it".into()))?;
        let output = op.operation().output(&types).map_err(|why| wrong(why.to_string()))?;
        let parameters = op.operation().parameters(&types);
        let largest = parameters.iter().map(|(_, shape)| Shape::product(shape)).max().unwrap_or(0);
        if largest.max(output.shape.values()) > MAX_VALUES {
            return Err(wrong("is too large: its output and its weight may have 2^28 numbers at most".into()));
        }
        self.nodes.push(Node { op, inputs, weights });
        self.values.push(output);
        Ok(self.values.len() - 1)
    }

    /// The graph whose answer is the result of the last node.
    ///
    /// # Errors
    /// [`GraphError::Length`], or [`GraphError::Unused`] for a node whose result nothing reads.
    pub fn finish(self) -> Result<Graph, GraphError> {
        let Self { n_inputs, mut nodes, values } = self;
        let Some(last) = nodes.len().checked_sub(1) else { return Err(GraphError::Length { n_nodes: 0 }) };
        let is_read = |value: ValueId| nodes.iter().any(|node| node.inputs.contains(&value));
        if let Some(position) = (0..last).find(|position| !is_read(n_inputs + position)) {
            return Err(GraphError::Unused { position, op: nodes[position].op.to_string() });
        }
        let by_position: Vec<String> = (0..nodes.len()).map(|at| named_by_position(&nodes, at)).collect();
        for (node, name) in nodes.iter_mut().zip(by_position) {
            node.weights.take_if(|weights| *weights == name);
        }
        let operators = operator::group(n_inputs, &nodes, &values);
        Ok(Graph { n_inputs, nodes, values, operators })
    }
}

impl Shape {
    fn product(extents: &[usize]) -> u64 {
        extents.iter().fold(1, |product, extent| product.saturating_mul(*extent as u64))
    }
}

/// As torchvision names them: `features.3`, counted from the first operation, and `classifier.1`, counted from the flatten.
fn named_by_position(nodes: &[Node], node: usize) -> String {
    match nodes.iter().position(|node| matches!(node.op, Op::Flatten(_))) {
        Some(flatten) if node > flatten => format!("classifier.{}", node - flatten - 1),
        _ => format!("features.{node}"),
    }
}

impl Graph {
    /// What it reads.
    pub fn inputs(&self) -> &[ValueType] {
        &self.values[..self.n_inputs]
    }

    /// Extents of what it reads first.
    pub fn input(&self) -> Shape {
        self.values[0].shape
    }

    /// Its operations in order, at least one.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The type of a value.
    ///
    /// # Panics
    /// For a value that is not there.
    pub fn value(&self, value: ValueId) -> ValueType {
        self.values[value]
    }

    /// The value that a node makes.
    pub fn made_by(&self, node: usize) -> ValueId {
        self.n_inputs + node
    }

    /// The value that is the answer.
    pub fn answer(&self) -> ValueId {
        self.values.len() - 1
    }

    /// Extents of the answer.
    pub fn output(&self) -> Shape {
        self.values[self.answer()].shape
    }

    /// Types of what a node reads.
    pub fn types(&self, node: usize) -> Vec<ValueType> {
        self.nodes[node].inputs.iter().map(|value| self.values[*value]).collect()
    }

    /// Its operators, at least one, in an order in which they can run.
    pub fn operators(&self) -> &[Operator] {
        &self.operators
    }

    /// What has to be there before a node runs, if all before it have: what was made (or given) and is read at it or
    /// after it. Past the last node it is the answer.
    pub fn live_before(&self, node: usize) -> Vec<ValueId> {
        let end = (self.n_inputs + node).min(self.values.len());
        let later = &self.nodes[node.min(self.nodes.len())..];
        let is_live = |value: &ValueId| {
            later.iter().any(|node| node.inputs.contains(value)) || (later.is_empty() && *value == self.answer())
        };
        (0..end).filter(is_live).collect()
    }

    /// Floating-point operations of one run, 2 for a multiplication with addition.
    pub fn flops(&self) -> u64 {
        (0..self.nodes.len()).fold(0, |sum, node| sum.saturating_add(self.flops_of(node)))
    }

    /// Multiplications with addition of one run; what follows within operators is not counted.
    pub fn macs(&self) -> u64 {
        self.operators.iter().fold(0, |sum, operator| sum.saturating_add(operator.macs()))
    }

    /// The graph of its first nodes.
    ///
    /// # Errors
    /// [`GraphError::Unused`] if more than one value is alive after them, or [`GraphError::Length`].
    pub fn first(&self, nodes: usize) -> Result<Self, GraphError> {
        let mut builder = Builder::new(self.inputs().to_vec())?;
        for (at, node) in self.nodes.iter().take(nodes).enumerate() {
            builder.add(node.op, node.inputs.clone(), Some(self.weights_of(at)))?;
        }
        builder.finish()
    }

    /// An operator with its tail as a graph of its own, which reads what it reads: what a table of times is keyed by.
    ///
    /// # Errors
    /// [`GraphError`] for none of a valid graph's operators.
    pub fn operator_alone(&self, operator: usize) -> Result<Self, GraphError> {
        let operator = &self.operators[operator];
        let as_input =
            |of: &ValueType| if of.layout == Layout::Flat { ValueType { layout: Layout::Map, ..*of } } else { *of };
        let mut builder = Builder::new(operator.types.iter().map(as_input).collect())?;
        let mut inputs = Vec::with_capacity(operator.types.len());
        for (at, of) in operator.types.iter().enumerate() {
            // A row of features is written as the map that it was.
            inputs.push(if of.layout == Layout::Flat { builder.add(Flatten, vec![at], None)? } else { at });
        }
        let mut made = builder.add(operator.op, inputs, None)?;
        for tail in &operator.tail {
            made = builder.add(tail.op, vec![made], None)?;
        }
        builder.finish()
    }

    /// Floating-point operations of one node.
    pub fn flops_of(&self, node: usize) -> u64 {
        let (op, types, output) = (self.nodes[node].op, self.types(node), self.value(self.made_by(node)));
        let made = Region::all(output.shape);
        let inputs: Vec<Region> = (0..types.len()).map(|input| op.sharing().needs(input, &types, &made)).collect();
        op.sharing().flops(Part { types: &types, output, inputs: &inputs, made: &made })
    }

    /// Name of a node's weights without their last part: as given, or by its position as torchvision has it.
    pub fn weights_of(&self, node: usize) -> String {
        self.nodes[node].weights.clone().unwrap_or_else(|| named_by_position(&self.nodes, node))
    }

    /// A node's weights, in full.
    pub fn parameters_of(&self, node: usize) -> Vec<ParamSpec> {
        let prefix = self.weights_of(node);
        let parameters = self.nodes[node].op.operation().parameters(&self.types(node));
        parameters.into_iter().map(|(part, shape)| ParamSpec { name: format!("{prefix}.{part}"), shape }).collect()
    }

    /// Every weight in the order of execution.
    pub fn parameters(&self) -> Vec<ParamSpec> {
        (0..self.nodes.len()).flat_map(|node| self.parameters_of(node)).collect()
    }

    /// What names this graph on the wire: FNV-1a of its text.
    pub fn hash(&self) -> u64 {
        fnv_1a(self.to_string().as_bytes())
    }
}
