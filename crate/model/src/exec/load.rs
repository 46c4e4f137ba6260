//! From an operation and its weights to a kernel: which one is decided here, once.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use cleave_graph::{Graph, Op, ParamSpec, Region, ValueType};

use super::params::Slices;
use super::value::Value;
use super::{maps, nodes};
use crate::ModelError;

/// A part of an operation, ready to run.
pub(crate) trait Kernel: Send + Sync {
    /// The part of the result from the parts of the inputs; None stands for an input of which the part needs nothing.
    fn run(&self, inputs: Vec<Option<Value>>) -> Value;

    /// The same by the textbook, where that is something else.
    fn plain(&self, inputs: Vec<Option<Value>>) -> Value {
        self.run(inputs)
    }
}

/// Which part of an operation.
pub(super) struct Wanted<'a> {
    /// What is read of each input.
    pub(super) inputs: &'a [Region],
    /// What is made.
    pub(super) made: &'a Region,
    /// Whether the bias is added.
    pub(super) bias: bool,
}

/// Reads slices of weights.
pub(super) struct Loader<'a> {
    pub(super) graph: &'a Graph,
    pub(super) params: &'a dyn Slices,
    pub(super) device: &'a Device,
}

/// Weights and types of one node.
pub(super) struct Node<'a> {
    loader: &'a Loader<'a>,
    specs: Vec<ParamSpec>,
    pub(super) types: Vec<ValueType>,
}

impl Loader<'_> {
    /// The kernel of a part of a node.
    pub(super) fn kernel(&self, at: usize, wanted: &Wanted) -> Result<Box<dyn Kernel>, ModelError> {
        let node = Node { loader: self, specs: self.graph.parameters_of(at), types: self.graph.types(at) };
        match self.graph.nodes()[at].op {
            Op::Conv(op) => maps::conv(&op, &node, wanted),
            Op::Linear(_) => maps::linear(&node, wanted),
            Op::Pool(op) => Ok(maps::pool(op)),
            Op::GlobalPool(_) => Ok(maps::global_pool()),
            Op::Relu(_) => Ok(maps::relu()),
            Op::Norm(_) => maps::norm(&node, wanted),
            Op::Lrn(op) => Ok(maps::lrn(op, wanted)),
            Op::Flatten(_) | Op::Dropout(_) => Ok(maps::nothing()),
            Op::Add(_) => Ok(maps::add()),
            Op::Concat(_) => Ok(maps::concat()),
            Op::Knn(op) => Ok(nodes::knn(op, &node, wanted)),
            Op::Random(op) => Ok(nodes::random(op, &node, wanted)),
            Op::Aggregate(op) => Ok(nodes::aggregate(op, &node, wanted)),
            Op::Attend(_) => Ok(nodes::attend(wanted)),
            Op::EdgeConv(_) => nodes::edge_conv(&node, wanted),
            Op::Combine(_) => nodes::combine(&node, wanted),
            Op::Project(_) => nodes::project(&node, wanted),
            Op::Skip(_) => Ok(nodes::skip()),
            Op::Readout(op) => Ok(nodes::readout(op, &node, wanted)),
        }
    }
}

impl Node<'_> {
    pub(super) fn device(&self) -> &Device {
        self.loader.device
    }

    /// A block of a weight as a matrix, rows of its first extent, columns of all others together.
    pub(super) fn block(&self, part: &str, rows: Range<usize>, cols: Range<usize>) -> Result<Vec<f32>, ModelError> {
        let spec = self.specs.iter().find(|spec| spec.name.strip_suffix(part).is_some_and(|rest| rest.ends_with('.')));
        let missing = || ModelError::Missing { name: part.into(), expected: Vec::new() };
        self.loader.params.block(spec.ok_or_else(missing)?, rows, cols)
    }

    /// Some numbers of a vector.
    pub(super) fn vector(&self, part: &str, range: &Range<usize>) -> Result<Vec<f32>, ModelError> {
        self.block(part, range.clone(), 0..1)
    }

    /// The bias, or zeros for a partial sum to which another worker's adds it.
    pub(super) fn bias(&self, wanted: &Wanted) -> Result<Vec<f32>, ModelError> {
        let channels = &wanted.made.channels;
        if wanted.bias { self.vector("bias", channels) } else { Ok(vec![0.0; channels.len()]) }
    }

    /// A tensor of these numbers.
    pub(super) fn tensor<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values, shape), self.device())
    }
}
