//! Two strategies' timelines one above the other on one axis, predicted and, after a run, measured; and what memory their
//! workers need.

use super::Drawn;
use crate::format;
use crate::partition::lanes::{Mark, length, marks, summary};
use crate::partition::ran::MEASURED;
use crate::partition::{Memory, memory, words, worst_memory};
use crate::timeline::tick;
use crate::view::lane;
use crate::view::list::List;
use crate::view::timeline::{across, part, ticks};
use cleave_contract::{Lane, PartitionPlan, WorkerActivity};
use leptos::prelude::*;

/// Heights in CSS pixels: the total above, a lane, its bar, the lane of what is sent and the axis below.
const TOTAL: f64 = 22.0;
const LANE: f64 = 36.0;
const BAR: f64 = 18.0;
const SENT: f64 = 7.0;
const AXIS: f64 = 24.0;

/// Totals from here on, per cent of the axis, are written to the left of their line.
const LATE: f64 = 85.0;

/// Timelines of both strategies with their legend, all on one axis: the planned one, or those of a run.
pub fn timelines(drawn: &Drawn) -> impl IntoView + use<> {
    let length = length(drawn.shown().map(|(_, plan)| plan));
    let one = |which: usize| {
        let own = |(of, plan): (&'static str, &PartitionPlan)| {
            let head = format!("{}: timeline, {of}", words(plan.strategy));
            let id = format!("partition-words-{which}-{}", of.replace(' ', "-"));
            view! { <h3>{head}</h3>{timeline(drawn, plan, of, id, length)} }
        };
        (drawn.missing_of(which), drawn.shown_of(which).into_iter().map(own).list())
    };
    view! {
        {one(0)}{one(1)}
        <ul class="legend inline">
            <li>{key("computing")} "computes; the number is the operator's"</li>
            <li>{key("idling")} "waits"</li>
            <li>{key("sending")} "sends, in the thin lane below"</li>
        </ul>
    }
}

/// What fills a kind of mark; of the others the style sheet says.
fn fill(class: &str) -> Option<&'static str> {
    match class {
        "sending" => Some(lane::fill(Lane::Uplink)),
        "rest" => Some(lane::REST),
        _ => None,
    }
}

fn key(class: &'static str) -> impl IntoView {
    view! { <svg class="swatch" width="18" height="12" aria-hidden="true"><rect class=class fill=fill(class) x="1" y="1" width="16" height="10" rx="2"></rect></svg> }
}

fn timeline(drawn: &Drawn, plan: &PartitionPlan, of: &str, id: String, length: f64) -> impl IntoView + use<> {
    let lanes = marks(&drawn.told, plan, length);
    let bottom = TOTAL + LANE * lanes.len() as f64;
    let names = (1..=lanes.len()).map(|i| view! { <li style:height=format!("{LANE}px")>{format!("worker {i}")}</li> });
    let own = |(i, marks): (usize, &Vec<Mark>)| {
        let top = TOTAL + LANE * i as f64;
        marks.iter().map(|own| mark(own, top, length)).list()
    };
    let end = across(plan.millis, length);
    let (anchor, dx) = if part(plan.millis, length) > LATE { ("end", "-6") } else { ("start", "6") };
    view! {
        <div class="timeline-grid">
            <ul class="worker-names" style:padding-top=format!("{TOTAL}px") aria-hidden="true">{names.list()}</ul>
            <svg class="chart" width="100%" height=bottom + AXIS role="img" aria-labelledby=id.clone()>
                <g class="grid">{ticks(length, tick(length.max(1e-6)), [TOTAL, bottom])}</g>
                {lanes.iter().enumerate().map(own).list()}
                <line class="end" x1=end.clone() x2=end.clone() y1="2" y2=bottom></line>
                <text class="end" x=end dx=dx y="14" text-anchor=anchor>{format::millis(plan.millis)}</text>
            </svg>
        </div>
        <p class="summary" id=id>{summary(plan, of)}</p>
    }
}

fn mark(mark: &Mark, top: f64, length: f64) -> impl IntoView + use<> {
    let x = across(mark.from, length);
    let width = part(mark.length, length).max(0.1);
    let (class, y, height) = match mark.activity {
        WorkerActivity::Compute => ("computing", top + 4.0, BAR),
        WorkerActivity::Wait => ("idling", top + 6.0, BAR - 4.0),
        WorkerActivity::Send => ("sending", top + 4.0 + BAR + 2.0, SENT),
    };
    let number = mark.number.clone().map(|number| {
        let middle = across(mark.from + mark.length / 2.0, length);
        view! { <text class="inside" x=middle y=top + 4.0 + 14.0 text-anchor="middle">{number}</text> }
    });
    view! {
        <rect class=class fill=fill(class) x=x y=y width=format!("{width:.3}%") height=height rx="2">
            {leptos::svg::title().child(mark.title.clone())}
        </rect>
        {number}
    }
}

/// Peak memory of both strategies' workers, on one scale; of a run, what was measured stands below what was predicted.
pub fn memories(drawn: &Drawn) -> impl IntoView + use<> {
    let most = drawn.shown().map(|(_, plan)| worst_memory(plan)).max().unwrap_or(0);
    let one = |which: usize| {
        let shown = drawn.shown_of(which);
        let head = shown.iter().map(|(of, _)| *of).collect::<Vec<_>>().join(" and ");
        let all: Vec<Vec<Memory>> = shown.iter().map(|(_, plan)| memory(plan, most)).collect();
        let label = |i: usize, kind: usize| match kind {
            0 => format!("worker {}", i + 1),
            _ => MEASURED.into(),
        };
        let n_workers = all.iter().map(Vec::len).max().unwrap_or(0);
        let own =
            |i: usize| all.iter().enumerate().filter_map(move |(kind, bars)| Some(bar(label(i, kind), bars.get(i)?)));
        let bars: Vec<_> = (0..n_workers).flat_map(own).collect();
        shown.first().map(|(_, plan)| {
            let head = format!("{}: peak memory, {head}", words(plan.strategy));
            view! { <div class="memory"><h3>{head}</h3><ul>{bars}</ul></div> }
        })
    };
    view! {
        {one(0)}{one(1)}
        <ul class="legend inline">
            <li>{key("computing")} "weights"</li>
            <li>{key("rest")} "everything else, at its peak"</li>
        </ul>
    }
}

fn bar(label: String, memory: &Memory) -> impl IntoView + use<> {
    let [weights, rest] = memory.parts.map(|part| 100.0 * part);
    let percent = |part: f64| format!("{part:.2}%");
    view! {
        <li>
            <span>{label}</span>
            <svg width="100%" height="14" aria-hidden="true">
                <rect class="track" width="100%" height="14" rx="2"></rect>
                <rect class="computing" width=percent(weights) height="14"></rect>
                <rect class="rest" fill=fill("rest") x=percent(weights) width=percent(rest) height="14"></rect>
            </svg>
            <span class="muted">{memory.words.clone()}</span>
        </li>
    }
}
