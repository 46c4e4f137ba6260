//! What is alive between two operations, as tensors on a device, and its way in and out.

use crate::{Gnn, ModelError};
use burn::tensor::{Int, Tensor, TensorData, Transaction};
use cleave_arch::array::{Array, Data};
use cleave_arch::{Live, Slot};

/// The live values of a batch of clouds; the order of [`cleave_arch::Trace::live_before`] is the
/// order of their arrays.
#[derive(Clone)]
pub struct State {
    /// Current features `[b, n, c]`; after the classifier the logits `[b, 1, classes]`.
    pub features: Tensor<3>,
    /// Current neighbour indexes `[b, n, k]`.
    pub graph: Option<Tensor<3, Int>>,
    /// Input of the latest aggregate, combine or edge convolution `[b, n, c]`.
    pub skip: Option<Tensor<3>>,
    /// Outputs of earlier edge convolutions that a join will read.
    pub joined: Vec<Tensor<3>>,
    /// The classifier has run: the features are logits.
    pub(crate) is_answer: bool,
}

impl State {
    /// The state before the first operation.
    pub fn input(features: Tensor<3>) -> Self {
        Self { features, graph: None, skip: None, joined: Vec::new(), is_answer: false }
    }

    /// The state before the first operation where the input brings a graph `[b, n, k]`.
    pub fn with_graph(features: Tensor<3>, graph: Tensor<3, Int>) -> Self {
        Self { graph: Some(graph), ..Self::input(features) }
    }

    /// Forgets what no later operation reads, so that its memory can be used again.
    pub(crate) fn keep_only(&mut self, live: &[Live]) {
        let has = |slot: Slot| live.iter().any(|l| l.slot == slot);
        if !has(Slot::Graph) {
            self.graph = None;
        }
        if !has(Slot::SkipSource) {
            self.skip = None;
        }
        if !live.iter().any(|l| matches!(l.slot, Slot::Joined(_))) {
            self.joined.clear();
        }
    }

    /// Reads the values back, the features first: one wait for all of them. A batch of one has no
    /// batch dimension; logits have none for nodes.
    pub async fn download(self) -> Result<Vec<Array>, ModelError> {
        let shape = |dims: [usize; 3]| if dims[0] == 1 { dims[1..].to_vec() } else { dims.to_vec() };
        let answer = |dims: [usize; 3]| if dims[0] == 1 { vec![dims[2]] } else { vec![dims[0], dims[2]] };
        let features = self.features.dims();
        let mut shapes = vec![if self.is_answer { answer(features) } else { shape(features) }];
        let mut wanted = Transaction::default().register(self.features);
        if let Some(graph) = self.graph {
            shapes.push(shape(graph.dims()));
            wanted = wanted.register(graph);
        }
        for tensor in self.skip.into_iter().chain(self.joined) {
            shapes.push(shape(tensor.dims()));
            wanted = wanted.register(tensor);
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
        let mut state = None;
        let (mut graph, mut skip, mut joined) = (None, None, Vec::new());
        for (array, live) in arrays.iter().zip(live) {
            match live.slot {
                Slot::Features => state = Some(self.floats(array)),
                Slot::Graph => graph = Some(self.indexes(array)),
                Slot::SkipSource => skip = Some(self.floats(array)),
                Slot::Joined(_) => joined.push(self.floats(array)),
            }
        }
        let nothing = || ModelError::WrongInput { op, expected: "features".into(), found: "none".into() };
        Ok(State { features: state.ok_or_else(nothing)?, graph, skip, joined, is_answer: false })
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
