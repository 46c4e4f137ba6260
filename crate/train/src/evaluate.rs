//! How good a network is on labelled clouds: whole, or cut and run segment by segment through plain arrays, as the two
//! tiers do.

use crate::TrainError;
use crate::trainer::largest;
use burn::tensor::{Tensor, TensorData};
use cleave_arch::{Array, ArrayError, Data, Plan};
use cleave_data::modelnet::Dataset;
use cleave_model::Gnn;
use rayon::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Result over a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Clouds.
    pub n: usize,
    /// Clouds whose class got the largest logit.
    pub correct: usize,
    /// `confusion[actual][answered]`, clouds.
    pub confusion: Vec<Vec<usize>>,
}

impl Evaluation {
    fn new(answers: impl IntoIterator<Item = usize>, labels: &[u8], n_classes: usize) -> Self {
        let mut confusion = vec![vec![0; n_classes]; n_classes];
        answers.into_iter().zip(labels).for_each(|(answer, label)| confusion[usize::from(*label)][answer] += 1);
        let correct = (0..n_classes).map(|class| confusion[class][class]).sum();
        Self { n: labels.len(), correct, confusion }
    }

    /// Overall accuracy in 0..=1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.n.max(1) as f64
    }

    /// Accuracy of each class that occurs, in 0..=1; `None` for one that does not.
    pub fn of_class(&self, class: usize) -> Option<f64> {
        let row = self.confusion.get(class)?;
        let n: usize = row.iter().sum();
        (n > 0).then(|| row[class] as f64 / n as f64)
    }

    /// Mean of the classes' accuracies, in 0..=1.
    pub fn mean_class(&self) -> f64 {
        let of_classes: Vec<f64> = (0..self.confusion.len()).filter_map(|class| self.of_class(class)).collect();
        of_classes.iter().sum::<f64>() / of_classes.len().max(1) as f64
    }
}

/// Clouds that run together.
const BATCH: usize = 16;

/// Runs the whole network on every cloud.
///
/// # Errors
/// Data that does not fit the network's task.
pub fn evaluate(gnn: &Gnn, dataset: &Dataset) -> Result<Evaluation, TrainError> {
    check(gnn, dataset)?;
    let n_classes = gnn.task().n_classes;
    let mut answers = Vec::with_capacity(dataset.len());
    for clouds in dataset.points.chunks(BATCH * dataset.n_points * 3) {
        let shape = [clouds.len() / dataset.n_points / 3, dataset.n_points, 3];
        let points = Tensor::from_data(TensorData::new(clouds.to_vec(), shape), gnn.device());
        let logits = gnn.forward(points).into_data().try_into_vec::<f32>();
        let logits = logits.map_err(|why| TrainError::ReadBack { why: format!("{why:?}") })?;
        answers.extend(logits.chunks_exact(n_classes).map(largest));
    }
    Ok(Evaluation::new(answers, &dataset.labels, n_classes))
}

/// Runs every cloud segment by segment as `plan` cuts the network: each segment's result is downloaded to plain arrays
/// and uploaded for the next, which is what crosses the link with the f32 codec.
///
/// # Errors
/// Data that does not fit the network's task, or a plan of another network.
pub fn evaluate_plan(gnn: &Gnn, plan: &Plan, dataset: &Dataset) -> Result<Evaluation, TrainError> {
    check(gnn, dataset)?;
    if plan.architecture() != gnn.architecture() {
        let value = format!("of `{}`", plan.architecture());
        return Err(TrainError::Setting {
            what: "the plan",
            value,
            wanted: format!("one of `{}`", gnn.architecture()),
        });
    }
    let answer = |at: usize| Ok(largest(&logits_of(gnn, plan, dataset.cloud(at).unwrap_or_default())?));
    let answers = (0..dataset.len()).into_par_iter().map(answer).collect::<Result<Vec<_>, TrainError>>()?;
    Ok(Evaluation::new(answers, &dataset.labels, gnn.task().n_classes))
}

fn logits_of(gnn: &Gnn, plan: &Plan, cloud: &[f32]) -> Result<Vec<f32>, TrainError> {
    let unexpected = |why: ArrayError| TrainError::ReadBack { why: why.to_string() };
    let mut arrays = vec![Array::f32(vec![cloud.len() / 3, 3], cloud.to_vec()).map_err(unexpected)?];
    for segment in plan.segments() {
        let state = gnn.upload(&arrays, segment.ops.start)?;
        arrays = wait(gnn.run(&segment, state).download())?;
    }
    match arrays.into_iter().next().map(|array| array.data) {
        Some(Data::F32(logits)) => Ok(logits),
        _ => Err(TrainError::ReadBack { why: "the last segment gave no logits".into() }),
    }
}

fn check(gnn: &Gnn, dataset: &Dataset) -> Result<(), TrainError> {
    let task = gnn.task();
    if (dataset.n_points, dataset.classes.len(), 3) == (task.n_points, task.n_classes, task.in_channels) {
        return Ok(());
    }
    Err(TrainError::Data {
        found: format!("{} points with 3 coordinates and {} classes", dataset.n_points, dataset.classes.len()),
        expected: format!("{} points with {} channels and {} classes", task.n_points, task.in_channels, task.n_classes),
    })
}

/// Drives a future to its end on this thread. Flex works while it is polled, so there is nothing to be woken by.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_by_hand() {
        let evaluation = Evaluation::new([0, 0, 1, 1, 1], &[0, 0, 0, 1, 1], 3);
        assert_eq!(evaluation.confusion, [[2, 1, 0], [0, 2, 0], [0, 0, 0]]);
        assert_eq!((evaluation.n, evaluation.correct), (5, 4));
        assert!((evaluation.accuracy() - 0.8).abs() < 1e-12);
        assert!((evaluation.mean_class() - (2.0 / 3.0 + 1.0) / 2.0).abs() < 1e-12);
        assert_eq!(evaluation.of_class(2), None);
    }
}
