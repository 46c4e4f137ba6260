//! Two strategies' predicted timelines one above the other on one axis, and what memory their workers need.

use super::{Drawn, missing};
use crate::format;
use crate::partition::lanes::{Mark, length, marks, summary};
use crate::partition::{Memory, memory, words, worst_memory};
use crate::timeline::tick;
use crate::view::lane;
use crate::view::timeline::{across, part, ticks};
use cleave_wire::ui::{Lane, PartitionPlan, WorkerActivity};
use leptos::prelude::*;

/// Heights in CSS pixels: the total above, a lane, its bar, the lane of what is sent and the axis below.
const TOTAL: f64 = 22.0;
const LANE: f64 = 36.0;
const BAR: f64 = 18.0;
const SENT: f64 = 7.0;
const AXIS: f64 = 24.0;

/// Totals from here on, per cent of the axis, are written to the left of their line.
const LATE: f64 = 85.0;

/// Both timelines with their legend.
pub fn timelines(drawn: &Drawn) -> impl IntoView + use<> {
    let length = length(drawn.works());
    let one = |(i, (name, plan)): (usize, (&'static str, Option<&PartitionPlan>))| {
        let body = match (missing(plan), plan) {
            (None, Some(plan)) => timeline(drawn, plan, i, length).into_any(),
            (why, _) => view! { <p class="failed">{why}</p> }.into_any(),
        };
        view! { <h3>{words(name).to_owned()}": timeline, predicted"</h3>{body} }
    };
    let charts = drawn.names.into_iter().zip(drawn.plans()).enumerate().map(one).collect_view();
    view! {
        {charts}
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

fn timeline(drawn: &Drawn, plan: &PartitionPlan, which: usize, length: f64) -> impl IntoView + use<> {
    let (lanes, id) = (marks(&drawn.told, plan, length), format!("partition-words-{which}"));
    let bottom = TOTAL + LANE * lanes.len() as f64;
    let names = (1..=lanes.len()).map(|i| view! { <li style:height=format!("{LANE}px")>{format!("worker {i}")}</li> });
    let own = |(i, marks): (usize, &Vec<Mark>)| {
        let top = TOTAL + LANE * i as f64;
        marks.iter().map(|own| mark(own, top, length)).collect_view()
    };
    let end = across(plan.millis, length);
    let (anchor, dx) = if part(plan.millis, length) > LATE { ("end", "-6") } else { ("start", "6") };
    view! {
        <div class="timeline-grid">
            <ul class="worker-names" style:padding-top=format!("{TOTAL}px") aria-hidden="true">{names.collect_view()}</ul>
            <svg class="chart" width="100%" height=bottom + AXIS role="img" aria-labelledby=id.clone()>
                <g class="grid">{ticks(length, tick(length.max(1e-6)), [TOTAL, bottom])}</g>
                {lanes.iter().enumerate().map(own).collect_view()}
                <line class="end" x1=end.clone() x2=end.clone() y1="2" y2=bottom></line>
                <text class="end" x=end dx=dx y="14" text-anchor=anchor>{format::millis(plan.millis)}</text>
            </svg>
        </div>
        <p class="summary" id=id>{summary(plan)}</p>
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

/// Peak memory of both strategies' workers, on one scale.
pub fn memories(drawn: &Drawn) -> impl IntoView + use<> {
    let most = drawn.works().map(worst_memory).max().unwrap_or(0);
    let one = |plan: &PartitionPlan| {
        let bars = memory(plan, most).into_iter().enumerate().map(bar).collect_view();
        view! { <div class="memory"><h3>{words(&plan.strategy).to_owned()}": peak memory, predicted"</h3><ul>{bars}</ul></div> }
    };
    let both = drawn.works().map(one).collect_view();
    view! {
        {both}
        <ul class="legend inline">
            <li>{key("computing")} "weights"</li>
            <li>{key("rest")} "everything else, at its peak"</li>
        </ul>
    }
}

fn bar((i, memory): (usize, Memory)) -> impl IntoView {
    let [weights, rest] = memory.parts.map(|part| 100.0 * part);
    let percent = |part: f64| format!("{part:.2}%");
    view! {
        <li>
            <span>{format!("worker {}", i + 1)}</span>
            <svg width="100%" height="14" aria-hidden="true">
                <rect class="track" width="100%" height="14" rx="2"></rect>
                <rect class="computing" width=percent(weights) height="14"></rect>
                <rect class="rest" fill=fill("rest") x=percent(weights) width=percent(rest) height="14"></rect>
            </svg>
            <span class="muted">{memory.words}</span>
        </li>
    }
}
