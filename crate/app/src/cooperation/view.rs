//! What the page is told of a partition that was run: as it was predicted, and as it was measured, in one form.

use cleave_arch::tolerance::{ENGINES_F32, SPLIT_F32};
use cleave_contract::{
    Backend, Cooperated, CooperationRequest, ImageRequest, MemberRequest, PartitionPlan, Score, Whole, WorkerActivity,
    WorkerSpan,
};
use cleave_model::likeliest;
use cleave_partition::Worker;
use cleave_session::cooperate::{Activity, RunReport, Span, WorkerReport};

use super::report::Report;
use super::request::Read;
use super::trained::Trained;
use crate::partition::view;

/// Most classes that are told.
const SCORES: usize = 10;

/// A report with what was asked for.
pub fn cooperated(
    request: &CooperationRequest,
    engine: Backend,
    read: &Read,
    trained: &Trained,
    report: &Report,
) -> Cooperated {
    let predicted = view::plan(report.strategy, &read.network, Ok(&report.formed.plan));
    let median = report.median();
    let is_edge = request.members.iter().any(|member| *member != MemberRequest::Browser);
    let whole = report.whole.as_ref().zip(report.distance()).map(|(whole, distance)| Whole {
        millis: whole.ms,
        distance: distance.into(),
        bound: if is_edge { ENGINES_F32 } else { SPLIT_F32 }.into(),
    });
    let image = match &request.image {
        ImageRequest::Pixels { name, .. } => ImageRequest::Pixels { name: name.clone(), rgba: Vec::new() },
        noise => noise.clone(),
    };
    let values = report.answers.last().map_or(&[][..], |answer| &answer.values);
    let scores = likeliest(values, trained.card.as_ref().map_or(&[], |card| &card.classes), SCORES);
    Cooperated {
        request: CooperationRequest { image, ..request.clone() },
        engine,
        workers: median.iter().flat_map(|report| &report.workers).map(|worker| worker.name.clone()).collect(),
        slower: report.formed.slowdowns.clone(),
        measured: median
            .map_or_else(|| predicted.clone(), |run| measured(&predicted, run, &report.formed.weight_bytes)),
        predicted,
        replanned: report.replanned,
        each_ms: report.own().map(|run| run.took().as_millis()).collect(),
        relayed: report.formed.relayed.iter().map(|(from, to)| [*from, *to]).collect(),
        restarts: report.restarts,
        gone: report.gone.iter().map(ToString::to_string).collect(),
        whole,
        weights: trained.words(),
        is_trained: trained.card.is_some(),
        image: read.image_name.clone(),
        scores: scores.into_iter().map(|(class, probability)| Score { class, probability }).collect(),
    }
}

/// The plan with everything that was measured in place of what was predicted.
fn measured(predicted: &PartitionPlan, report: &RunReport, weight_bytes: &[u64]) -> PartitionPlan {
    let traffic = || report.traffic.iter().flatten();
    let power = Worker::named("");
    let watt_ms = |worker: &WorkerReport| {
        power.compute_watts * worker.busy().as_millis()
            + power.radio_watts * worker.spent(Activity::is_sending).as_millis()
    };
    let memory = |(worker, weights): (&WorkerReport, &u64)| match worker.peak_bytes {
        0 => [0, 0],
        peak => [*weights, peak.saturating_sub(*weights)],
    };
    let spans = |worker: &WorkerReport| worker.spans.iter().map(|own| span(own, report.started.0)).collect();
    PartitionPlan {
        millis: report.took().as_millis(),
        messages: traffic().map(|pair| pair.messages as usize).sum(),
        bytes: traffic().map(|pair| pair.bytes).sum(),
        energy_joules: report.workers.iter().map(watt_ms).sum::<f64>() / 1e3,
        spans: report.workers.iter().map(spans).collect(),
        memory_bytes: report.workers.iter().zip(weight_bytes).map(memory).collect(),
        ..predicted.clone()
    }
}

fn span(span: &Span, started: u64) -> WorkerSpan {
    let since = |micros: u64| micros.saturating_sub(started) as f64 / 1e3;
    let activity = match &span.activity {
        Activity::Wait => WorkerActivity::Wait,
        own if own.is_computing() => WorkerActivity::Compute,
        _ => WorkerActivity::Send,
    };
    let (from_millis, to_millis) = (since(span.start_micros), since(span.end_micros));
    WorkerSpan { activity, operator: span.stage.into(), from_millis, to_millis }
}
