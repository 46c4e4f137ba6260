//! The timeline: who was busy when, for the last frames, in four lanes.

use super::Page;
use super::lane;
use crate::format;
use crate::state::REMEMBERED;
use crate::timeline::{LANES, Layout, index, layout, summary, totals, word};
use crate::view::list::List;
use cleave_contract::Frame;
use leptos::prelude::*;

/// Heights in CSS pixels: a lane, its bar, the line of frame numbers above and the axis below.
const LANE: f64 = 30.0;
const BAR: f64 = 18.0;
const NUMBERS: f64 = 20.0;
const AXIS: f64 = 24.0;
const HEIGHT: f64 = NUMBERS + 4.0 * LANE + AXIS;

/// Frame numbers nearer to each other than this part of the axis are left out.
const CROWDED: f64 = 0.045;

/// The panel.
#[component]
pub fn Timeline() -> impl IntoView {
    let page = Page::of_here();
    let frames = page.part(|state| state.frames.recent.clone());
    let drawing = Memo::new(move |_| frames.with(|frames| layout(frames.iter().map(|frame| -> &Frame { frame }))));
    let last = Memo::new(move |_| frames.with(|frames| frames.back().cloned()));
    let words = move || last.get().map_or_else(|| "No frame yet.".into(), |frame| summary(&frame));
    let total =
        move |i: usize| move || last.get().map_or_else(|| "–".into(), |frame| format::millis(totals(&frame)[i]));
    view! {
        <section class="panel timeline" aria-labelledby="timeline-title">
            <div class="panel-head">
                <h2 id="timeline-title">"Timeline"</h2>
                <p class="muted">{format!("the last {REMEMBERED} frames on one axis, idle time left out; outlined: predicted")}</p>
            </div>
            <div class="timeline-grid">
                <ul class="timeline-lanes" aria-label="Busy time of the last frame">
                    {LANES.into_iter().map(|lane| view! {
                        <li>{lane::label(lane)} <span class="total">{total(index(lane))}</span></li>
                    }).list()}
                </ul>
                <svg class="chart" width="100%" height=HEIGHT role="img" aria-labelledby="timeline-words">
                    {move || drawing.with(draw)}
                </svg>
            </div>
            <p class="summary" id="timeline-words">{words}</p>
        </section>
    }
}

/// A place on the axis as a part of the chart's width; a little room is left on both sides for labels.
pub(super) fn across(millis: f64, length: f64) -> String {
    format!("{:.3}%", 1.5 + part(millis, length))
}

/// A stretch of the axis in per cent of the chart's width.
pub(super) fn part(millis: f64, length: f64) -> f64 {
    96.0 * millis / length.max(1e-9)
}

fn draw(layout: &Layout) -> impl IntoView + use<> {
    view! {
        <g class="grid">{ticks(layout.length, layout.tick, [NUMBERS, NUMBERS + 4.0 * LANE])}</g>
        <g class="breaks">{breaks(layout)}</g>
        <g class="blocks">{blocks(layout)}</g>
        <g class="numbers">{numbers(layout)}</g>
    }
}

/// Lines over the lanes at every so many milliseconds, with their numbers below.
pub(super) fn ticks(length: f64, step: f64, [top, bottom]: [f64; 2]) -> Vec<AnyView> {
    let n_ticks = if step > 0.0 { (length / step).floor() as usize + 1 } else { 0 };
    let tick = |i: usize| {
        let millis = i as f64 * step;
        let x = across(millis, length);
        let unit = if i + 1 == n_ticks { " ms" } else { "" };
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        view! {
            <line x1=x.clone() x2=x.clone() y1=top y2=bottom + 4.0></line>
            <text x=x y=bottom + 19.0 text-anchor="middle">{format!("{millis:.decimals$}{unit}")}</text>
        }
    };
    (0..n_ticks).map(tick).list()
}

fn breaks(layout: &Layout) -> Vec<AnyView> {
    let mark = |millis: &f64| {
        let x = across(*millis, layout.length);
        view! { <line x1=x.clone() x2=x y1=NUMBERS y2=NUMBERS + 4.0 * LANE></line> }
    };
    layout.breaks.iter().map(mark).list()
}

fn blocks(layout: &Layout) -> Vec<AnyView> {
    let block = |block: &crate::timeline::Block| {
        let y = NUMBERS + index(block.lane) as f64 * LANE + (LANE - BAR) / 2.0;
        let width = format!("{:.3}%", part(block.length, layout.length).max(0.12));
        let foreseen = block.predicted.map(|millis| format!(", predicted {}", format::millis(millis)));
        let tip = format!(
            "frame {}, {}: {}{}",
            block.frame,
            word(block.lane),
            format::millis(block.length),
            foreseen.unwrap_or_default()
        );
        let outline = block.predicted.map(|millis| {
            let width = format!("{:.3}%", part(millis, layout.length));
            view! { <rect class="outline" x=across(block.start, layout.length) y=y - 2.5 width=width height=BAR + 5.0 rx="3"></rect> }
        });
        view! {
            <rect x=across(block.start, layout.length) y=y width=width height=BAR rx="2" fill=lane::fill(block.lane)>
                {leptos::svg::title().child(tip)}
            </rect>
            {outline}
        }
    };
    layout.blocks.iter().map(block).list()
}

fn numbers(layout: &Layout) -> Vec<AnyView> {
    let mut last = f64::NEG_INFINITY;
    let roomy = |(_, millis): &&(u64, f64)| {
        let place = millis / layout.length.max(1e-9);
        let roomy = place - last >= CROWDED;
        if roomy {
            last = place;
        }
        roomy
    };
    let number = |(frame, millis): &(u64, f64)| view! { <text x=across(*millis, layout.length) y="13">{format!("#{frame}")}</text> };
    layout.starts.iter().filter(roomy).map(number).list()
}
