//! A part of one operator alone, with inputs of ones: what is measured to learn what parts take.

use burn::tensor::{Device, Int, Tensor};
use cleave_graph::{Graph, Layout, Partition, Region, Schedule, Split, ValueType};

use super::load::Loader;
use super::member::Loaded;
use super::{Params, Value};
use crate::ModelError;

/// What the first of two workers has of an operator; all other operators are the second's.
pub struct Part {
    loaded: Loaded,
    inputs: Vec<Option<Value>>,
    /// None if what it makes is a partial result that the other completes.
    complete: Option<Value>,
}

impl Part {
    /// The first worker's part by this split, with seeded weights.
    ///
    /// # Errors
    /// A split that the operator has not, or that leaves the first worker without a part.
    pub fn new(graph: &Graph, operator: usize, split: Split, device: &Device) -> Result<Self, ModelError> {
        let mut partition = Partition::whole(2, graph.operators().len(), 1);
        partition.steps[operator].split = split;
        let schedule = Schedule::new(graph, &partition)?;
        let loader = Loader { graph, params: &Params::Seeded(1), device };
        let loaded = Loaded::new(&loader, &schedule, operator, 0)?;
        let (stage, of) = (&schedule.stages[operator], &graph.operators()[operator]);
        let none = || ModelError::Parts { found: format!("no part of operator {operator}") };
        let work = stage.work[0].as_ref().ok_or_else(none)?;
        let inputs = work.inputs.iter().zip(&of.types);
        let inputs = inputs.map(|(region, of)| (!region.is_empty()).then(|| ones(region, *of, device))).collect();
        let complete = &stage.complete[0];
        let complete = (!complete.is_empty()).then(|| ones(complete, of.made, device));
        Ok(Self { loaded, inputs, complete })
    }

    /// Runs its operation.
    pub fn layer(&self) -> Option<Value> {
        self.loaded.kernel.as_ref().map(|kernel| kernel.run(self.inputs.clone()))
    }

    /// Runs what follows within the operator, if this part has that.
    pub fn tail(&self) -> Option<Value> {
        self.complete.clone().map(|complete| self.loaded.finish(complete))
    }
}

/// Ones; neighbours are spread over all nodes, as they are after a search.
fn ones(region: &Region, of: ValueType, device: &Device) -> Value {
    let shape = region.shape(of.shape.width);
    let rows = [1, shape.height, shape.channels];
    match of.layout {
        Layout::Map | Layout::Flat => Value::Map(Tensor::ones([1, shape.channels, shape.height, shape.width], device)),
        Layout::Nodes => Value::Nodes(Tensor::ones(rows, device)),
        Layout::Neighbours => {
            let (count, nodes) = (shape.height * shape.channels, of.shape.height.max(1));
            let spread = (0..count).map(|at| (at * 7919 % nodes) as i32).collect::<Vec<_>>();
            Value::Neighbours(Tensor::<3, Int>::from_data(burn::tensor::TensorData::new(spread, rows), device))
        }
    }
}

/// What others compute between two runs of a part: so much goes through the caches, a line of them at a time, that what is
/// measured is a worker that waits for others, as in a run.
pub struct Others(Vec<u8>);

impl Default for Others {
    fn default() -> Self {
        Self(vec![0; 16 << 20])
    }
}

impl Others {
    /// They compute.
    pub fn compute(&mut self) {
        const LINE: usize = 64;
        self.0.iter_mut().step_by(LINE).for_each(|byte| *byte = byte.wrapping_add(1));
        std::hint::black_box(&self.0);
    }
}
