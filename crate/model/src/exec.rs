//! Graphs that run: an [`Executor`] has the kernels of some nodes and maps values to values; a [`Member`] is one worker's
//! share of a graph and what it holds between messages.
//!
//! Both load the same kernels, a whole operation being the part that is everything. How an operation is computed is a
//! matter of its kernel (`maps.rs`, `nodes.rs`), which is chosen at load: Winograd's filtering where it suits, an edge
//! convolution as two products per node, the norm folded into the layer before it. Each has its plain definition beside
//! it ([`Way::Plain`]), or in the tests.

mod arrays;
mod load;
mod map_ops;
mod maps;
mod member;
mod nodes;
mod params;
mod part;
mod value;

pub use arrays::noise;
pub use maps::local_norm;
pub use member::Member;
pub use params::{Params, Slices};
pub use part::{Others, Part};
pub use value::{Piece, Value};

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use cleave_graph::{Graph, Region, ValueId};

use crate::ModelError;
use load::{Kernel, Loader};

/// Values of a graph on a device.
pub type Values = BTreeMap<ValueId, Value>;

/// Some nodes of a graph, loaded.
#[derive(Clone)]
pub struct Executor {
    graph: Arc<Graph>,
    nodes: Range<usize>,
    kernels: Vec<Arc<dyn Kernel>>,
    /// What is read after each of them.
    live: Vec<Vec<ValueId>>,
    device: Device,
}

/// How kernels compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As fast as they can.
    Fast,
    /// By their plain definitions, which exist to be compared with.
    Plain,
}

impl Executor {
    /// Reads the weights of some nodes onto a device.
    ///
    /// # Errors
    /// [`ModelError`]: a weight that is missing, of another shape, or not finite.
    pub fn new(
        graph: Arc<Graph>,
        nodes: Range<usize>,
        params: &dyn Slices,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let live = nodes.clone().map(|node| graph.live_before(node + 1)).collect();
        let mut executor = Self { graph, nodes: nodes.clone(), kernels: Vec::new(), live, device: device.clone() };
        executor.kernels = nodes.map(|node| executor.kernel(node, params)).collect::<Result<_, _>>()?;
        Ok(executor)
    }

    fn kernel(&self, node: usize, params: &dyn Slices) -> Result<Arc<dyn Kernel>, ModelError> {
        let graph = &self.graph;
        let (op, types, output) = (graph.nodes()[node].op, graph.types(node), graph.value(graph.made_by(node)));
        let made = Region::all(output.shape);
        let inputs: Vec<_> = (0..types.len()).map(|input| op.sharing().needs(input, &types, &made)).collect();
        let loader = Loader { graph, params, device: &self.device };
        Ok(loader.kernel(node, &load::Wanted { inputs: &inputs, made: &made, bias: true })?.into())
    }

    /// Takes the weights of one of its nodes anew.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn reload(&mut self, node: usize, params: &dyn Slices) -> Result<(), ModelError> {
        self.kernels[node - self.nodes.start] = self.kernel(node, params)?;
        Ok(())
    }

    /// All of a graph.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn whole(graph: &Graph, params: &dyn Slices, device: &Device) -> Result<Self, ModelError> {
        Self::new(Arc::new(graph.clone()), 0..graph.nodes().len(), params, device)
    }

    /// Where it runs.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What it is a part of.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Runs its nodes on what is alive before them, and leaves what is alive after them. A value is let go with its last
    /// reader.
    ///
    /// # Errors
    /// [`ModelError::Parts`] if a value that is read is not there.
    pub fn run(&self, values: Values) -> Result<Values, ModelError> {
        self.run_nodes(self.nodes.clone(), values, Way::Fast)
    }

    /// As [`Self::run`], but for some of its nodes.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_nodes(&self, nodes: Range<usize>, mut values: Values, way: Way) -> Result<Values, ModelError> {
        for node in nodes {
            let (kernel, live) = (&self.kernels[node - self.nodes.start], &self.live[node - self.nodes.start]);
            let reads = &self.graph.nodes()[node].inputs;
            let take = |value: &ValueId| match live.contains(value) {
                true => values.get(value).cloned(),
                false => values.remove(value),
            };
            let inputs: Vec<Option<Value>> = reads.iter().map(take).collect();
            if inputs.iter().any(Option::is_none) {
                let found = format!("node {node} reads {reads:?}, of which not all are there");
                return Err(ModelError::Parts { found });
            }
            let made = if way == Way::Fast { kernel.run(inputs) } else { kernel.plain(inputs) };
            values.insert(self.graph.made_by(node), made);
            values.retain(|value, _| live.contains(value));
        }
        Ok(values)
    }

    /// The answer of a whole graph to its one input.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn answer(&self, input: Value) -> Result<Value, ModelError> {
        let mut values = self.run(Values::from([(0, input)]))?;
        values.remove(&self.graph.answer()).ok_or_else(|| ModelError::Parts { found: "no answer was made".into() })
    }
}
