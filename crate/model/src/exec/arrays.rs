//! Values on their way in and out of an engine, as arrays in the order of [`Graph::live_before`].

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData, Transaction};
use cleave_arch::array::{Array, Data};
use cleave_graph::{Graph, Layout, Region, SplitMix64, ValueId, ValueType};

use super::{Executor, Value, Values, Way};
use crate::ModelError;

impl Executor {
    /// Runs some of its nodes on the values that are alive before them; gives those that are alive after them.
    ///
    /// # Errors
    /// [`ModelError::WrongInput`] for other values than these, [`ModelError::ReadBack`] from a device that fails.
    pub async fn compute(&self, nodes: Range<usize>, input: &[Array]) -> Result<Vec<Array>, ModelError> {
        self.compute_by(nodes, input, Way::Fast).await
    }

    /// As [`Self::compute`], by the kernels' plain definitions or not.
    ///
    /// # Errors
    /// As [`Self::compute`].
    pub async fn compute_by(&self, nodes: Range<usize>, input: &[Array], way: Way) -> Result<Vec<Array>, ModelError> {
        let values = self.upload(nodes.start, input)?;
        let end = nodes.end;
        self.download(end, self.run_nodes(nodes, values, way)?).await
    }

    fn upload(&self, node: usize, input: &[Array]) -> Result<Values, ModelError> {
        let live = self.graph.live_before(node);
        let is_graph = |value: ValueId| self.graph.value(value).layout == Layout::Neighbours;
        let fits = |(array, value): (&Array, &ValueId)| {
            let holds =
                array.shape == self.graph.extents(*value) && array.len() == array.shape.iter().product::<usize>();
            holds && matches!(array.data, Data::U16(_)) == is_graph(*value)
        };
        if input.len() != live.len() || !input.iter().zip(&live).all(fits) {
            let kind = |value: ValueId| if is_graph(value) { "neighbours" } else { "features" };
            let wanted = live.iter().map(|value| format!("{} {:?}", kind(*value), self.graph.extents(*value)));
            let found = input.iter().map(|array| format!("{:?}", array.shape)).collect::<Vec<_>>().join(", ");
            return Err(ModelError::WrongInput { node, expected: wanted.collect::<Vec<_>>().join(", "), found });
        }
        live.iter().zip(input).map(|(value, array)| Ok((*value, self.value(node, *value, array)?))).collect()
    }

    fn value(&self, node: usize, value: ValueId, array: &Array) -> Result<Value, ModelError> {
        let of = self.graph.value(value);
        match &array.data {
            Data::F32(values) => Value::of(values.clone(), &Region::all(of.shape), of, &self.device),
            Data::U16(indexes) => {
                // An index beyond the nodes would read foreign memory on a GPU and panic on the CPU.
                let nodes = of.shape.height;
                if let Some(bad) = indexes.iter().find(|index| usize::from(**index) >= nodes) {
                    let expected = format!("neighbour indexes below {nodes}");
                    return Err(ModelError::WrongInput { node, expected, found: format!("index {bad}") });
                }
                let indexes: Vec<i32> = indexes.iter().map(|index| i32::from(*index)).collect();
                let data = TensorData::new(indexes, [1, nodes, of.shape.channels]);
                Ok(Value::Neighbours(Tensor::<3, Int>::from_data(data, &self.device)))
            }
        }
    }

    /// Reads back what is alive before a node: one wait for all of it.
    async fn download(&self, node: usize, mut values: Values) -> Result<Vec<Array>, ModelError> {
        let (mut shapes, mut wanted) = (Vec::new(), Transaction::default());
        for value in self.graph.live_before(node) {
            let made = values.remove(&value);
            shapes.push(self.graph.extents(value));
            wanted = match made.ok_or_else(|| ModelError::Parts { found: format!("value {value} was not made") })? {
                Value::Map(map) => wanted.register(map),
                Value::Nodes(nodes) => wanted.register(nodes),
                Value::Neighbours(neighbours) => wanted.register(neighbours),
            };
        }
        let read = wanted.execute_async().await.map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })?;
        read.into_iter().zip(shapes).map(|(data, shape)| to_array(data, shape)).collect()
    }
}

/// Made-up values of what is alive before a node, for measurements: numbers in -1..1, neighbours anywhere.
pub fn noise(graph: &Graph, node: usize, seed: u64) -> Vec<Array> {
    let mut rng = SplitMix64::new(seed);
    let mut values = |value: ValueId| {
        let ValueType { layout, shape } = graph.value(value);
        let numbers = 0..shape.values();
        let data = match layout {
            Layout::Neighbours => Data::U16(numbers.map(|_| rng.below(shape.height) as u16).collect()),
            _ => Data::F32(numbers.map(|_| 2.0 * rng.unit_f32() - 1.0).collect()),
        };
        Array { shape: graph.extents(value), data }
    };
    graph.live_before(node).into_iter().map(&mut values).collect()
}

fn to_array(data: TensorData, shape: Vec<usize>) -> Result<Array, ModelError> {
    let read_back = |why: String| ModelError::ReadBack { why };
    let array = if data.dtype().is_float() {
        Array::f32(shape, data.try_into_vec::<f32>().map_err(|why| read_back(format!("{why:?}")))?)
    } else {
        let wide = data.convert::<i32>().try_into_vec::<i32>().map_err(|why| read_back(format!("{why:?}")))?;
        Array::u16(shape, wide.into_iter().map(|v| v as u16).collect())
    };
    array.map_err(|why| read_back(why.to_string()))
}
