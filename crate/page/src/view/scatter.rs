//! Predictions held against what came of them: a square with the diagonal and the ± 10 % band.

use super::Page;
use crate::scatter::{Scatter, scatter};
use crate::view::list::List;
use leptos::prelude::*;

/// Sides of the plotting area, and room for the axes' numbers, CSS pixels.
const SIDE: f64 = 150.0;
const LEFT: f64 = 40.0;
const BELOW: f64 = 34.0;

/// The chart.
#[component]
pub fn Judged() -> impl IntoView {
    let page = Page::of_here();
    let judged = page.part(|state| state.frames.judged.clone());
    let drawing = Memo::new(move |_| judged.with(|judged| scatter(judged)));
    let words = move || drawing.with(|drawing| drawing.summary.clone());
    view! {
        <div class="judged-frames">
            <p class="muted">"Frames run one by one: predicted across, measured up"</p>
            <svg class="chart" width=LEFT + SIDE + 10.0 height=SIDE + BELOW role="img" aria-labelledby="scatter-words">
                {move || drawing.with(draw)}
            </svg>
            <p class="summary" id="scatter-words">{words}</p>
        </div>
    }
}

fn draw(drawing: &Scatter) -> impl IntoView + use<> {
    let across = |at: f64| LEFT + SIDE * at;
    let up = |at: f64| SIDE * (1.0 - at);
    let b = drawing.band;
    let corners = [[0.0, b], [1.0 - b, 1.0], [1.0, 1.0], [1.0, 1.0 - b], [b, 0.0], [0.0, 0.0]];
    let band: Vec<String> = corners.map(|[x, y]| format!("{:.1},{:.1}", across(x), up(y))).to_vec();
    let tick = |(millis, at): &(f64, f64)| {
        let decimals = if *millis < 1.0 { 1 } else { 0 };
        let label = format!("{millis:.decimals$}");
        view! {
            <text x=across(*at) y=SIDE + 16.0 text-anchor="middle">{label.clone()}</text>
            <text x=LEFT - 6.0 y=up(*at) + 4.0 text-anchor="end">{label}</text>
        }
    };
    let dot = |[x, y]: &[f64; 2]| view! { <circle class="dot" cx=across(*x) cy=up(*y) r="3"></circle> };
    view! {
        <polygon class="band" points=band.join(" ")></polygon>
        <line class="diagonal" x1=across(0.0) y1=up(0.0) x2=across(1.0) y2=up(1.0)></line>
        <rect class="frame" x=LEFT y="0" width=SIDE height=SIDE></rect>
        {drawing.ticks.iter().map(tick).list()}
        <text x=across(0.5) y=SIDE + BELOW - 2.0 text-anchor="middle">"ms"</text>
        {drawing.points.iter().map(dot).list()}
    }
}
