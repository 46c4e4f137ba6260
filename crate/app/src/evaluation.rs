//! How right an architecture of the supernet is, without training it: a validation set, the batches of it that a shell's
//! engine runs, and the accuracy that follows from their logits. The shell prepares the network and runs tensors; what is
//! evaluated on, in which portions, and what counts as right is decided here.

use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::{Architecture, Task};
use cleave_data::modelnet::Dataset;
use cleave_data::validation::{CALIBRATION as CLOUDS_OF_EDGE, Validation, ValidationError};
use cleave_data::{DataError, furniture};
use cleave_model::{State, SupernetWeights};
use cleave_search::FURNITURE;
use std::ops::Range;
use std::rc::Rc;
use thiserror::Error;

/// Points of a cloud in an evaluation: 79 of the shipped supernet's 80 epochs saw so many, and in a tab twice as many
/// take three times as long.
pub const POINTS: usize = 256;
/// Generated clouds of an evaluation, ten of each class: a standard deviation of 3.5 points where 86 % are right.
pub const CLOUDS: usize = 100;
/// Samples that BatchNorm's statistics are measured on, as an edge offers them.
pub const CALIBRATION: usize = CLOUDS_OF_EDGE;
/// Samples that run together: an engine in a tab answers messages between batches.
pub const BATCH: usize = 4;
/// First seeds of generated clouds: those that statistics are measured on, and those that are classified.
const SEEDS: [u64; 2] = [1 << 40, 2 << 40];

/// Why nothing can be evaluated.
#[derive(Debug, Error)]
pub enum EvaluationError {
    /// Not a set.
    #[error(transparent)]
    Body(#[from] ValidationError),
    /// Clouds that cannot be generated.
    #[error(transparent)]
    Generated(#[from] DataError),
    /// A set of other classes than the weights know, or of other samples.
    #[error("its samples have {n_points} nodes of {channels} channels and the classes {classes}; {wanted} are needed")]
    Foreign {
        /// Nodes of a sample.
        n_points: usize,
        /// Channels of a node.
        channels: usize,
        /// The set's classes.
        classes: String,
        /// What the weights need.
        wanted: String,
    },
    /// Another number of logits than the batch asks for.
    #[error("the engine gave {found} logits for {expected}")]
    Logits {
        /// What came.
        found: usize,
        /// Samples times classes.
        expected: usize,
    },
}

/// Labelled samples, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Flat `[n, nodes, channels]`.
    pub features: Vec<f32>,
    /// Flat `[n, nodes, k]` where samples bring their graph, else empty.
    pub neighbours: Vec<i32>,
    /// Class of every sample, `[n]`.
    pub labels: Vec<u8>,
}

/// What accuracies are measured on. Every set has a name that no other has: accuracies of two sets are never compared.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluationSet {
    name: String,
    classes: Vec<String>,
    n_points: usize,
    channels: usize,
    calibration: Samples,
    samples: Samples,
}

impl EvaluationSet {
    /// Generated furniture, the classes in turn; [`CLOUDS`] of [`POINTS`] unless a shell is asked for others.
    ///
    /// # Errors
    /// [`EvaluationError::Generated`] for clouds of less than two points.
    pub fn furniture(clouds: usize, points: usize) -> Result<Self, EvaluationError> {
        let name = match (clouds, points) {
            (CLOUDS, POINTS) => FURNITURE.to_owned(),
            _ => format!("{FURNITURE}, {clouds} clouds of {points} points"),
        };
        let [calibration, samples] = [(CALIBRATION, SEEDS[0]), (clouds, SEEDS[1])].map(|(n, seed)| {
            let labels: Vec<u8> = (0..n).map(|i| (i % furniture::CLASSES.len()) as u8).collect();
            let cloud = |(i, class): (usize, &u8)| furniture::generate((*class).into(), points, seed + i as u64);
            let features = labels.iter().enumerate().map(cloud).collect::<Result<Vec<_>, _>>()?.concat();
            Ok::<_, DataError>(Samples { features, neighbours: Vec::new(), labels })
        });
        let classes = furniture::CLASSES.map(str::to_owned).to_vec();
        Ok(Self { name, classes, n_points: points, channels: 3, calibration: calibration?, samples: samples? })
    }

    /// An edge's clouds, under the name that says which set they are; their first `points` points.
    ///
    /// # Errors
    /// [`EvaluationError::Body`] for bytes that no edge sends.
    pub fn of_edge(name: String, body: &[u8], points: usize) -> Result<Self, EvaluationError> {
        let Validation { calibration, judges } = Validation::decode(body)?;
        Ok(Self::of_clouds(name, [&calibration, &judges], points))
    }

    /// Clouds that statistics are measured on and clouds that are classified; the points of a cloud are in no order, so
    /// that its first ones are a sample.
    pub fn of_clouds(name: String, parts: [&Dataset; 2], points: usize) -> Self {
        let [calibration, samples] = parts.map(|part| {
            let thinned = part.thinned(points);
            Samples { features: thinned.points, neighbours: Vec::new(), labels: thinned.labels }
        });
        let (classes, n_points) = (parts[1].classes.clone(), parts[1].n_points.min(points));
        Self { name, classes, n_points, channels: 3, calibration, samples }
    }

    /// Samples of any task: those that statistics are measured on, and those that are classified.
    pub fn of_samples(name: String, task: &Task, classes: Vec<String>, [calibration, samples]: [Samples; 2]) -> Self {
        Self { name, classes, n_points: task.n_points, channels: task.in_channels, calibration, samples }
    }

    /// Which set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Samples that are classified.
    pub fn count(&self) -> usize {
        self.samples.labels.len()
    }

    /// Refuses a set that these weights cannot read, at the size of [`sized`].
    ///
    /// # Errors
    /// [`EvaluationError::Foreign`] with what is there and what is needed.
    pub fn check(&self, supernet: &SupernetWeights) -> Result<(), EvaluationError> {
        let Task { n_points, in_channels, .. } = supernet.task;
        let found = (self.n_points, self.channels, &self.classes);
        if found == (n_points, in_channels, &supernet.classes) && self.count() > 0 {
            return Ok(());
        }
        Err(EvaluationError::Foreign {
            n_points: self.n_points,
            channels: self.channels,
            classes: self.classes.join(", "),
            wanted: format!("{n_points}, {in_channels} and {}", supernet.classes.join(", ")),
        })
    }

    /// The samples that statistics are measured on.
    pub fn calibration(&self) -> Batch {
        self.batch(&self.calibration, 0..self.calibration.labels.len())
    }

    fn batch(&self, samples: &Samples, which: Range<usize>) -> Batch {
        let n = samples.labels.len().max(1);
        let rows = |values: usize| which.start * values / n..which.end * values / n;
        let features = samples.features[rows(samples.features.len())].to_vec();
        let neighbours = samples.neighbours[rows(samples.neighbours.len())].to_vec();
        Batch { features, neighbours, shape: [which.len(), self.n_points, self.channels] }
    }
}

/// Clouds that a searched design's statistics are measured on before it is run, with all of its points.
///
/// # Errors
/// [`EvaluationError::Generated`] for clouds of less than two points.
pub fn deployment_calibration(points: usize) -> Result<Batch, EvaluationError> {
    Ok(EvaluationSet::furniture(0, points)?.calibration())
}

/// The supernet for samples of `points` nodes: neighbourhoods keep their size in space.
pub fn sized(supernet: &SupernetWeights, points: usize) -> SupernetWeights {
    let whole = supernet.task;
    let k = (whole.k * points).div_ceil(whole.n_points);
    SupernetWeights { task: Task { n_points: points, k, ..whole }, ..supernet.clone() }
}

/// Samples that run together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Flat `[n, nodes, channels]`.
    pub features: Vec<f32>,
    /// Flat `[n, nodes, k]`, or empty.
    pub neighbours: Vec<i32>,
    /// Samples, nodes, channels.
    pub shape: [usize; 3],
}

impl Batch {
    /// Before the first operation, on an engine.
    pub fn state(self, device: &Device) -> State {
        let [n, nodes, _] = self.shape;
        let features = Tensor::from_data(TensorData::new(self.features, self.shape), device);
        match self.neighbours.len() {
            0 => State::input(features),
            all => {
                let shape = [n, nodes, all / (n * nodes).max(1)];
                let graph = Tensor::<3, Int>::from_data(TensorData::new(self.neighbours, shape), device);
                State::with_graph(features, graph)
            }
        }
    }
}

/// One architecture being evaluated: batches go out, logits come in.
pub struct Evaluation {
    set: Rc<EvaluationSet>,
    architecture: Architecture,
    n_classes: usize,
    /// Samples whose logits are here, and those of them that are right.
    done: usize,
    correct: usize,
}

impl Evaluation {
    /// Begins.
    pub fn new(set: Rc<EvaluationSet>, architecture: Architecture) -> Self {
        let n_classes = set.classes.len();
        Self { set, architecture, n_classes, done: 0, correct: 0 }
    }

    /// What is evaluated.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The samples that statistics are measured on.
    pub fn calibration(&self) -> Batch {
        self.set.calibration()
    }

    /// The next batch, the same again until its logits are taken; `None` after the last.
    pub fn batch(&self) -> Option<Batch> {
        let which = self.which();
        (!which.is_empty()).then(|| self.set.batch(&self.set.samples, which))
    }

    fn which(&self) -> Range<usize> {
        self.done..self.set.count().min(self.done + BATCH)
    }

    /// Takes the logits of the batch, flat `[n, classes]`; of equal ones the first answers.
    ///
    /// # Errors
    /// [`EvaluationError::Logits`]; the batch is still to come then.
    pub fn take(&mut self, logits: &[f32]) -> Result<(), EvaluationError> {
        let which = self.which();
        let expected = which.len() * self.n_classes;
        if logits.len() != expected {
            return Err(EvaluationError::Logits { found: logits.len(), expected });
        }
        let labels = &self.set.samples.labels[which.clone()];
        let answers = logits.chunks_exact(self.n_classes.max(1)).map(largest);
        self.correct += answers.zip(labels).filter(|(answer, label)| *answer == usize::from(**label)).count();
        self.done = which.end;
        Ok(())
    }

    /// The part that is right, 0..=1, once all logits are here.
    pub fn accuracy(&self) -> Option<f64> {
        let n = self.set.count();
        (n > 0 && self.done == n).then(|| self.correct as f64 / n as f64)
    }
}

fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_arch::Plan;

    fn architecture() -> Architecture {
        "3 2 1 4,0 6 3 0".parse::<Plan>().unwrap().architecture().clone()
    }

    /// Logits that say so.
    fn says(classes: impl IntoIterator<Item = usize>) -> Vec<f32> {
        classes.into_iter().flat_map(|class| (0..10).map(move |at| if at == class { 1.0 } else { 0.0 })).collect()
    }

    #[test]
    fn what_is_right_is_counted_batch_by_batch() {
        let set = Rc::new(EvaluationSet::furniture(10, 16).unwrap());
        let mut evaluation = Evaluation::new(Rc::clone(&set), architecture());
        let mut sizes = Vec::new();
        let mut first = 0;
        while let Some(batch) = evaluation.batch() {
            assert_eq!(evaluation.accuracy(), None);
            assert_eq!(evaluation.batch(), Some(batch.clone()), "the same until its logits are taken");
            let n = batch.shape[0];
            // Sample i is of class i: every third answer is wrong.
            evaluation.take(&says((first..first + n).map(|i| if i % 3 == 0 { (i + 1) % 10 } else { i }))).unwrap();
            first += n;
            sizes.push(n);
        }
        assert_eq!(sizes, [4, 4, 2]);
        assert_eq!(evaluation.accuracy(), Some(0.6));
    }

    #[test]
    fn of_equal_logits_the_first_answers_and_missing_ones_are_refused() {
        let set = Rc::new(EvaluationSet::furniture(4, 16).unwrap());
        let mut evaluation = Evaluation::new(set, architecture());
        let refused = evaluation.take(&[0.0; 39]).unwrap_err().to_string();
        assert_eq!(refused, "the engine gave 39 logits for 40");
        assert!(evaluation.batch().is_some());
        evaluation.take(&[0.0; 40]).unwrap();
        assert_eq!(evaluation.accuracy(), Some(0.25), "only sample 0 is of class 0");
    }

    #[test]
    fn furniture_is_a_function_of_its_size_and_its_name_says_which() {
        let set = EvaluationSet::furniture(CLOUDS, POINTS).unwrap();
        assert_eq!((set.name(), set.count()), (FURNITURE, 100));
        assert_eq!(set, EvaluationSet::furniture(CLOUDS, POINTS).unwrap());
        assert_eq!(set.samples.labels[..12], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        assert_eq!(set.calibration().shape, [CALIBRATION, POINTS, 3]);
        assert_ne!(set.samples.features[..9], set.calibration.features[..9], "statistics are of other clouds");
        let other = EvaluationSet::furniture(20, 512).unwrap();
        assert_eq!(other.name(), "generated furniture, 20 clouds of 512 points");
    }

    /// Ten clouds of each part tell by their first coordinate which they are.
    fn of_edge(points: usize) -> EvaluationSet {
        let part = |first: usize, n: usize| Dataset {
            points: (0..n * 12).map(|i| (first + i / 12) as f32 / 100.0).collect(),
            labels: (0..n).map(|i| (i % 10) as u8).collect(),
            n_points: 4,
            classes: furniture::CLASSES.map(str::to_owned).to_vec(),
        };
        let body = Validation { calibration: part(0, 10), judges: part(50, 10) }.encode();
        EvaluationSet::of_edge("ModelNet10, 10 clouds (12345678)".into(), &body, points).unwrap()
    }

    #[test]
    fn an_edges_clouds_are_thinned_and_keep_their_order() {
        let set = of_edge(2);
        assert_eq!((set.name(), set.count()), ("ModelNet10, 10 clouds (12345678)", 10));
        let batch = set.batch(&set.samples, 4..7);
        assert_eq!(batch.shape, [3, 2, 3]);
        assert!(batch.features[..6].iter().all(|x| (x - 0.54).abs() < 1e-4), "{:?}", batch.features);
        assert!((set.calibration().features[0]).abs() < 1e-4);
        assert!(EvaluationSet::of_edge(String::new(), b"CLVJ", 2).is_err());
    }

    fn supernet(task: Task) -> SupernetWeights {
        SupernetWeights {
            task,
            classes: furniture::CLASSES.map(str::to_owned).to_vec(),
            trained_on: String::new(),
            functions: None,
            tensors: cleave_model::Weights::new(Vec::new()),
        }
    }

    #[test]
    fn a_set_of_other_classes_or_of_too_few_points_is_refused() {
        let weights = supernet(Task::modelnet10());
        let small = sized(&weights, 256);
        assert_eq!((small.task.n_points, small.task.k), (256, 5), "neighbourhoods keep their size in space");
        assert!(EvaluationSet::furniture(10, 256).unwrap().check(&small).is_ok());
        let why = of_edge(256).check(&small).unwrap_err().to_string();
        assert!(why.contains("4 nodes of 3 channels") && why.contains("256, 3 and bathtub"), "{why}");
        let other = SupernetWeights { classes: vec!["positive".into()], ..small };
        assert!(EvaluationSet::furniture(10, 256).unwrap().check(&other).is_err());
    }

    #[test]
    fn samples_with_their_graph_keep_it() {
        let task = Task { n_points: 2, in_channels: 1, k: 3, ..Task::mr() };
        let samples = |n: usize| Samples {
            features: (0..2 * n).map(|i| i as f32).collect(),
            neighbours: (0..6 * n as i32).collect(),
            labels: vec![0; n],
        };
        let classes = vec!["negative".into(), "positive".into()];
        let set = EvaluationSet::of_samples("texts".into(), &task, classes, [samples(1), samples(6)]);
        let batch = set.batch(&set.samples, 4..6);
        assert_eq!((batch.features.as_slice(), batch.neighbours.len()), (&[8.0, 9.0, 10.0, 11.0][..], 12));
        assert_eq!(batch.neighbours[0], 24);
        let state = batch.state(&Device::flex());
        let graph = state.graph().map(|graph| graph.dims());
        assert_eq!((state.features().dims(), graph), ([2, 2, 1], Some([2, 2, 3])));
    }
}
