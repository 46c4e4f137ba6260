//! What came of a request.

use cleave_arch::tolerance::relative_distance;
use cleave_contract::Replanned;
use cleave_partition::{Plan, Strategy};
use cleave_session::cooperate::RunReport;

use super::crew::Gone;
use super::series::Answer;

/// The group that ran last.
#[derive(Clone, Debug, PartialEq)]
pub struct Formed {
    /// Which places have a part, in the plan's order.
    pub places: Vec<usize>,
    /// The plan, priced by the speeds, the relayed pairs and the latencies that were measured.
    pub plan: Plan,
    /// Bytes of weights that each holds.
    pub weight_bytes: Vec<u64>,
    /// Pairs of the plan's workers whose parts go through the coordinator.
    pub relayed: Vec<(usize, usize)>,
    /// What a message takes between the coordinator and each worker, milliseconds.
    pub latencies_ms: Vec<f64>,
    /// How many times slower than the operators were measured each worker is.
    pub slowdowns: Vec<f64>,
}

/// The unsplit network in the coordinator's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// Of each image.
    pub answers: Vec<Vec<f32>>,
    /// Median.
    pub ms: f64,
}

/// A request's result.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// How it was shared.
    pub strategy: Strategy,
    /// The last group.
    pub formed: Formed,
    /// One for each run, in order.
    pub answers: Vec<Answer>,
    /// If it was asked for.
    pub whole: Option<Whole>,
    /// How often a run was begun anew, warming up included.
    pub restarts: u32,
    /// Who was lost on the way.
    pub gone: Vec<Gone>,
    /// Why another plan was run than the one on show.
    pub replanned: Option<Replanned>,
}

impl Report {
    /// Of runs by the last plan; runs of workers of whom one was lost later are another's.
    pub fn own(&self) -> impl Iterator<Item = &RunReport> {
        let places = &self.formed.places;
        self.answers.iter().map(|answer| &answer.report).filter(move |report| report.places == *places)
    }

    /// The one of them that took the median time.
    pub fn median(&self) -> Option<&RunReport> {
        let mut own: Vec<&RunReport> = self.own().collect();
        own.sort_by_key(|report| report.took());
        own.get(own.len() / 2).copied()
    }

    /// The largest difference of an answer from the unsplit one, relative to that one's largest value.
    pub fn distance(&self) -> Option<f32> {
        let whole = self.whole.as_ref()?.answers.iter().cycle();
        let far = self.answers.iter().zip(whole).map(|(answer, whole)| relative_distance(&answer.values, whole));
        Some(far.fold(0.0, |most, far| if far.is_nan() { far } else { most.max(far) }))
    }
}
