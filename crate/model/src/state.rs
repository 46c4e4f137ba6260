//! What is alive between two operations, as tensors on a device, and its way in and out.

use crate::exec::Value;
use crate::{Gnn, ModelError};
use burn::tensor::{Int, Tensor, TensorData, Transaction};
use cleave_arch::array::{Array, Data};
use cleave_arch::{Live, Slot};
use cleave_graph::ValueId;

/// The live values of a batch of clouds; the order of [`cleave_arch::Trace::live_before`] is their order, and that of their
/// arrays.
#[derive(Clone)]
pub struct State {
    /// By their numbers in the graph, the features first.
    pub(crate) values: Vec<(ValueId, Value)>,
    /// The classifier has run: the features are logits.
    pub(crate) is_answer: bool,
}

impl State {
    /// The state before the first operation: features `[b, n, c]`.
    pub fn input(features: Tensor<3>) -> Self {
        Self { values: vec![(0, features.into())], is_answer: false }
    }

    /// The state before the first operation where the input brings a graph `[b, n, k]`.
    pub fn with_graph(features: Tensor<3>, graph: Tensor<3, Int>) -> Self {
        Self { values: vec![(0, features.into()), (1, Value::Neighbours(graph))], is_answer: false }
    }

    /// Current neighbour indexes `[b, n, k]`, where they are alive.
    pub fn graph(&self) -> Option<Tensor<3, Int>> {
        let graph = self.values.iter().find(|(_, value)| matches!(value, Value::Neighbours(_)));
        graph.map(|(_, graph)| graph.clone().neighbours())
    }

    /// The same with other features.
    #[must_use]
    pub fn with_features(mut self, change: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Self {
        if let Some((_, features)) = self.values.first_mut() {
            *features = change(features.clone().nodes()).into();
        }
        self
    }

    /// Current features `[b, n, c]`; after the classifier the logits `[b, 1, classes]`.
    ///
    /// # Panics
    /// Never: a state has features.
    #[expect(clippy::expect_used, reason = "whatever makes a state gives it features first")]
    pub fn features(self) -> Tensor<3> {
        let (_, features) = self.values.into_iter().next().expect("a state has features");
        features.nodes()
    }

    /// Reads the values back, the features first: one wait for all of them. A batch of one has no
    /// batch dimension; logits have none for nodes.
    pub async fn download(self) -> Result<Vec<Array>, ModelError> {
        let shape = |dims: [usize; 3]| if dims[0] == 1 { dims[1..].to_vec() } else { dims.to_vec() };
        let answer = |dims: [usize; 3]| if dims[0] == 1 { vec![dims[2]] } else { vec![dims[0], dims[2]] };
        let (mut shapes, mut wanted) = (Vec::new(), Transaction::default());
        for (_, value) in self.values {
            let dims = |dims: [usize; 3]| if self.is_answer { answer(dims) } else { shape(dims) };
            match value {
                Value::Neighbours(graph) => {
                    shapes.push(dims(graph.dims()));
                    wanted = wanted.register(graph);
                }
                features => {
                    let features = features.nodes();
                    shapes.push(dims(features.dims()));
                    wanted = wanted.register(features);
                }
            }
        }
        let read = wanted.execute_async().await.map_err(|why| ModelError::ReadBack { why: format!("{why:?}") })?;
        read.into_iter().zip(shapes).map(|(data, shape)| to_array(data, shape)).collect()
    }
}

impl Gnn {
    /// Puts the live values before operation `op` onto the device (batch 1), after checking them.
    pub fn upload(&self, arrays: &[Array], op: usize) -> Result<State, ModelError> {
        let live = self.trace().live_before(op);
        let fits = |(array, live): (&Array, &Live)| {
            let right_kind = matches!(
                (&array.data, live.slot),
                (Data::U16(_), Slot::Graph) | (Data::F32(_), Slot::Features | Slot::SkipSource | Slot::Joined(_))
            );
            right_kind && array.shape == [live.rows, live.cols] && array.len() == live.rows * live.cols
        };
        if arrays.len() != live.len() || !arrays.iter().zip(live).all(fits) {
            let expected =
                live.iter().map(|l| format!("{:?} [{}, {}]", l.slot, l.rows, l.cols)).collect::<Vec<_>>().join(", ");
            let found = arrays.iter().map(|a| format!("{:?}", a.shape)).collect::<Vec<_>>().join(", ");
            return Err(ModelError::WrongInput { op, expected, found });
        }
        self.check_graph(op, arrays)?;
        let value = |(array, live): (&Array, &Live)| match live.slot {
            Slot::Graph => Value::Neighbours(self.indexes(array)),
            _ => self.floats(array).into(),
        };
        let values = arrays.iter().zip(live).map(value);
        Ok(State { values: self.lowered().live[op].iter().copied().zip(values).collect(), is_answer: false })
    }

    /// An index beyond the cloud would read foreign memory on a GPU and panic on the CPU.
    fn check_graph(&self, op: usize, arrays: &[Array]) -> Result<(), ModelError> {
        let nodes = self.task().n_points;
        for array in arrays {
            if let Data::U16(indexes) = &array.data
                && let Some(bad) = indexes.iter().find(|index| **index as usize >= nodes)
            {
                let expected = format!("neighbour indexes below {nodes}");
                return Err(ModelError::WrongInput { op, expected, found: format!("index {bad}") });
            }
        }
        Ok(())
    }

    fn floats(&self, array: &Array) -> Tensor<3> {
        let values = if let Data::F32(values) = &array.data { values.clone() } else { Vec::new() };
        Tensor::from_data(TensorData::new(values, [1, array.shape[0], array.shape[1]]), self.device())
    }

    fn indexes(&self, array: &Array) -> Tensor<3, Int> {
        let values =
            if let Data::U16(values) = &array.data { values.iter().map(|v| *v as i32).collect() } else { Vec::new() };
        Tensor::from_data(TensorData::new(values, [1, array.shape[0], array.shape[1]]), self.device())
    }
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
