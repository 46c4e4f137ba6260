//! What the page is told of a partition that was run: as it was predicted, and as it was measured, in one form.

use super::running::Answer;
use super::{Order, RANDOM_SEED};
use crate::partitioning::view;
use cleave_arch::tolerance::{ENGINES_F32, SPLIT_F32, relative_distance};
use cleave_contract::{
    Cooperated, CooperationWish, ImageWish, MemberWish, PartitionPlan, Score, Whole, WorkerActivity, WorkerSpan,
};
use cleave_model::cnn::{ImageCard, likeliest};
use cleave_partition::{Plan, Strategy, Worker};
use cleave_session::cooperate::{Activity, RunReport, Span, WorkerReport};

/// Most classes that are told.
const SCORES: usize = 10;

/// All that is known of what was run.
pub(super) struct Ran<'a> {
    pub order: &'a Order,
    pub strategy: Strategy,
    pub plan: Plan,
    pub answers: &'a [Answer],
    pub places: &'a [usize],
    pub slower: Vec<f64>,
    pub weight_bytes: &'a [u64],
    pub relayed: &'a [(usize, usize)],
    pub restarts: u32,
    pub gone: Vec<String>,
    /// The unsplit answer, and its milliseconds.
    pub whole: Option<(Vec<f32>, f64)>,
    pub card: Option<&'a ImageCard>,
    pub image: String,
}

pub(super) fn cooperated(ran: Ran<'_>) -> Cooperated {
    let network = &ran.order.network;
    let predicted = view(ran.strategy, network, Ok(ran.plan));
    // Runs of workers of whom one was lost later are another plan's.
    let mut own: Vec<&RunReport> =
        ran.answers.iter().map(|answer| &answer.report).filter(|report| report.places == ran.places).collect();
    let each_millis = own.iter().map(|report| report.took().as_millis()).collect();
    own.sort_by_key(|report| report.took());
    let median = own.get(own.len() / 2);
    let far = |answer: &Answer, whole: &[f32]| f64::from(relative_distance(&answer.values, whole));
    let is_edge = ran.order.wish.members.iter().any(|member| *member != MemberWish::Browser);
    let whole = ran.whole.map(|(values, millis)| Whole {
        millis,
        distance: ran.answers.iter().map(|answer| far(answer, &values)).fold(0.0, f64::max),
        bound: if is_edge { ENGINES_F32 } else { SPLIT_F32 }.into(),
    });
    let image = match &ran.order.wish.image {
        ImageWish::Pixels { name, .. } => ImageWish::Pixels { name: name.clone(), rgba: Vec::new() },
        noise => noise.clone(),
    };
    let values = ran.answers.last().map_or(&[][..], |answer| &answer.values);
    let scores = likeliest(values, ran.card.map_or(&[], |card| &card.classes), SCORES);
    Cooperated {
        wish: CooperationWish { image, ..ran.order.wish.clone() },
        engine: ran.order.backend,
        workers: median.iter().flat_map(|report| &report.workers).map(|worker| worker.name.clone()).collect(),
        slower: ran.slower,
        measured: median.map_or_else(|| predicted.clone(), |report| measured(&predicted, report, ran.weight_bytes)),
        predicted,
        each_millis,
        relayed: ran.relayed.iter().map(|(from, to)| [*from, *to]).collect(),
        restarts: ran.restarts,
        gone: ran.gone,
        whole,
        weights: match ran.card {
            Some(card) => trained(card),
            None => format!("random, of seed {RANDOM_SEED}"),
        },
        is_trained: ran.card.is_some(),
        image: ran.image,
        scores: scores.into_iter().map(|(class, probability)| Score { class, probability }).collect(),
    }
}

fn trained(card: &ImageCard) -> String {
    let accuracy = card.accuracy.map(|accuracy| format!(", {:.2} % right of its test set", 100.0 * accuracy));
    format!("{}{}", card.name, accuracy.unwrap_or_default())
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
