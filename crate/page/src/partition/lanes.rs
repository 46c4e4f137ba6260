//! What each worker does when under a plan: the marks of its lane, all plans on one axis, and the same in words.

use super::words;
use crate::format;
use cleave_contract::{PartitionPlan, Partitions, WorkerActivity, WorkerSpan};

/// A mark narrower than this part of the axis has no number.
const ROOM: f64 = 0.022;

/// A stretch of a lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// What the worker does.
    pub activity: WorkerActivity,
    /// When it begins, milliseconds.
    pub from: f64,
    /// How long it does, milliseconds.
    pub length: f64,
    /// The operator's number in what is computed, where there is room for it.
    pub number: Option<String>,
    /// All of it in words.
    pub title: String,
}

/// Length of the axis that all these plans share, milliseconds.
pub fn length<'a>(plans: impl IntoIterator<Item = &'a PartitionPlan>) -> f64 {
    let ends = |plan: &'a PartitionPlan| plan.spans.iter().flatten().map(|span| span.to_millis).chain([plan.millis]);
    plans.into_iter().flat_map(ends).filter(|end| end.is_finite()).fold(0.0, f64::max)
}

/// An activity's word.
pub fn verb(activity: WorkerActivity) -> &'static str {
    match activity {
        WorkerActivity::Compute => "computes",
        WorkerActivity::Wait => "waits",
        WorkerActivity::Send => "sends",
    }
}

/// The marks of each worker's lane on an axis of this length.
pub fn marks(partitions: &Partitions, plan: &PartitionPlan, length: f64) -> Vec<Vec<Mark>> {
    let of_worker = |(worker, spans): (usize, &Vec<WorkerSpan>)| {
        let good = |span: &&WorkerSpan| span.from_millis.is_finite() && span.to_millis > span.from_millis;
        spans.iter().filter(good).map(|span| mark(partitions, worker, span, length)).collect()
    };
    plan.spans.iter().enumerate().map(of_worker).collect()
}

fn mark(partitions: &Partitions, worker: usize, span: &WorkerSpan, length: f64) -> Mark {
    let own = span.to_millis - span.from_millis;
    let has_room = span.activity == WorkerActivity::Compute && own >= ROOM * length;
    let of = match partitions.operators.get(span.operator) {
        Some(operator) => format!("operator {}, {}", span.operator + 1, operator.layer),
        None => "the answer".into(),
    };
    Mark {
        activity: span.activity,
        from: span.from_millis,
        length: own,
        number: has_room.then(|| (span.operator + 1).to_string()),
        title: format!(
            "worker {} {} for {of}: {} from {}",
            worker + 1,
            verb(span.activity),
            format::millis(own),
            format::millis(span.from_millis)
        ),
    }
}

/// Milliseconds that a worker computes, waits and sends.
pub fn totals(spans: &[WorkerSpan]) -> [f64; 3] {
    [WorkerActivity::Compute, WorkerActivity::Wait, WorkerActivity::Send].map(|activity| {
        let own = spans.iter().filter(|span| span.activity == activity);
        own.fold(0.0, |sum, span| sum + (span.to_millis - span.from_millis).max(0.0))
    })
}

/// The timeline for those who do not see it; `of` says whether it is predicted or measured.
pub fn summary(plan: &PartitionPlan, of: &str) -> String {
    let worker = |(i, spans): (usize, &Vec<WorkerSpan>)| {
        let [computes, waits, sends] = totals(spans).map(format::millis);
        format!("worker {} computes {computes}, waits {waits}, sends {sends}", i + 1)
    };
    let workers: Vec<String> = plan.spans.iter().enumerate().map(worker).collect();
    format!("{}, {of}: {} in all; {}.", words(plan.strategy), format::millis(plan.millis), workers.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::tests::{partitions, plan};
    use cleave_contract::PartitionStrategy::{CoEdge, Iop, Mixed};

    #[test]
    fn two_plans_share_the_longer_one_s_axis() {
        assert_eq!(length([&plan(CoEdge, 20.0), &plan(Mixed, 10.0)]), 20.0);
        assert_eq!(length([]), 0.0);
    }

    #[test]
    fn a_mark_says_who_does_what_when() {
        let told = partitions(vec![plan(Iop, 20.0)]);
        let lanes = marks(&told, &told.plans[0], 20.0);
        assert_eq!((lanes.len(), lanes[1].len()), (2, 3));
        let computing = &lanes[1][0];
        assert_eq!((computing.from, computing.length, computing.number.as_deref()), (0.0, 10.0, Some("1")));
        assert_eq!(computing.title, "worker 2 computes for operator 1, conv 4 k1: 10.0 ms from 0.0 ms");
        assert_eq!(lanes[0][1].number, None, "nothing is computed");
        assert_eq!(marks(&told, &told.plans[0], 2_000.0)[0][0].number, None, "there is no room");
    }

    #[test]
    fn what_is_not_a_stretch_is_no_mark_and_an_answer_is_named() {
        let mut told = partitions(vec![plan(Iop, 20.0)]);
        told.plans[0].spans[0][0].from_millis = f64::NAN;
        told.plans[0].spans[0][2].operator = 2;
        let lane = marks(&told, &told.plans[0], 20.0).remove(0);
        assert_eq!(lane.len(), 2);
        assert!(lane[1].title.contains("for the answer"), "{}", lane[1].title);
    }

    #[test]
    fn a_worker_without_work_has_no_negative_zero() {
        assert_eq!(totals(&[]).map(format::millis), ["0.0 ms", "0.0 ms", "0.0 ms"]);
    }

    #[test]
    fn the_summary_counts_every_worker() {
        let words = summary(&plan(Iop, 20.0), "predicted");
        assert!(
            words
                .starts_with("IOP, predicted: 20.0 ms in all; worker 1 computes 10.0 ms, waits 5.0 ms, sends 10.0 ms;")
        );
    }
}
