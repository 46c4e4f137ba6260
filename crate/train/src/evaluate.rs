//! How good a network is on labelled samples: whole, or cut and run segment by segment through plain arrays, as the two
//! tiers do.

use crate::material::state;
use crate::trainer::largest;
use crate::{Material, Sample, TrainError};
use cleave_arch::{Array, ArrayError, Data, Plan, Slot, Task};
use cleave_model::Gnn;
use rayon::prelude::*;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Result over a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Samples.
    pub n: usize,
    /// Samples whose class got the largest logit.
    pub correct: usize,
    /// `confusion[actual][answered]`, clouds.
    pub confusion: Vec<Vec<usize>>,
}

impl Evaluation {
    pub(crate) fn new(answers: impl IntoIterator<Item = usize>, labels: &[u8], n_classes: usize) -> Self {
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

/// Samples that run together.
const BATCH: usize = 16;

/// Runs the whole network on every sample.
///
/// # Errors
/// Data that does not fit the network's task.
pub fn evaluate(gnn: &Gnn, material: &dyn Material) -> Result<Evaluation, TrainError> {
    let n_classes = gnn.task().n_classes;
    let answers: Vec<usize> = logits(gnn, material)?.chunks_exact(n_classes).map(largest).collect();
    Ok(Evaluation::new(answers, material.labels(), n_classes))
}

/// Logits of every sample, flat `[n, classes]`.
pub(crate) fn logits(gnn: &Gnn, material: &dyn Material) -> Result<Vec<f32>, TrainError> {
    material.check(gnn.task())?;
    let n = material.labels().len();
    let mut all = Vec::with_capacity(n * gnn.task().n_classes);
    for first in (0..n).step_by(BATCH) {
        let samples: Vec<Sample> = (first..n.min(first + BATCH)).map(|index| material.sample(index)).collect();
        let logits = gnn.answer(state(&samples, gnn.task().n_points, gnn.device()))?.into_data().try_into_vec::<f32>();
        all.extend(logits.map_err(|why| TrainError::ReadBack { why: format!("{why:?}") })?);
    }
    Ok(all)
}

/// Runs every sample segment by segment as `plan` cuts the network: each segment's result is downloaded to plain arrays
/// and uploaded for the next, which is what crosses the link with the f32 codec.
///
/// # Errors
/// Data that does not fit the network's task, or a plan of another network.
pub fn evaluate_plan(gnn: &Gnn, plan: &Plan, material: &dyn Material) -> Result<Evaluation, TrainError> {
    material.check(gnn.task())?;
    if plan.architecture() != gnn.architecture() {
        let value = format!("of `{}`", plan.architecture());
        return Err(TrainError::Setting {
            what: "the plan",
            value,
            wanted: format!("one of `{}`", gnn.architecture()),
        });
    }
    let answer = |at: usize| Ok(largest(&logits_of(gnn, plan, &material.sample(at))?));
    let answers = (0..material.labels().len()).into_par_iter().map(answer).collect::<Result<Vec<_>, TrainError>>()?;
    Ok(Evaluation::new(answers, material.labels(), gnn.task().n_classes))
}

fn logits_of(gnn: &Gnn, plan: &Plan, sample: &Sample) -> Result<Vec<f32>, TrainError> {
    let unexpected = |why: ArrayError| TrainError::ReadBack { why: why.to_string() };
    let Task { n_points, in_channels, k, .. } = *gnn.task();
    let mut arrays = vec![Array::f32(vec![n_points, in_channels], sample.features.clone()).map_err(unexpected)?];
    // Where the first operations sample anew, nobody reads the input's graph.
    if gnn.trace().live_before(0).iter().any(|live| live.slot == Slot::Graph) {
        let indexes = sample.neighbours.iter().map(|other| *other as u16).collect();
        arrays.push(Array::u16(vec![n_points, k], indexes).map_err(unexpected)?);
    }
    for segment in plan.segments() {
        arrays = wait(gnn.executor().compute(gnn.nodes(&segment), &arrays))?;
    }
    match arrays.into_iter().next().map(|array| array.data) {
        Some(Data::F32(logits)) => Ok(logits),
        _ => Err(TrainError::ReadBack { why: "the last segment gave no logits".into() }),
    }
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
