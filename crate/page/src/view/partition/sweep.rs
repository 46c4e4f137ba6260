//! All strategies' predicted times over set-up times. Each line has its own dashes and its name at its end.

use super::Told;
use crate::partition::sweep::{Line, Sweep, polyline, summary, sweep};
use crate::partition::words;
use crate::view::list::List;
use leptos::prelude::*;

/// The plotting area, and the room for the axes' numbers and the lines' names, CSS pixels.
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 170.0;
const ABOVE: f64 = 8.0;
const BELOW: f64 = 38.0;

/// Dashes of the lines in their order; CoEdge's is drawn through.
const DASHES: [&str; 5] = ["2 3", "none", "9 4", "9 3 2 3", "16 3"];

/// The chart with its summary.
#[component]
pub fn Swept(told: Told) -> impl IntoView {
    let drawing = Memo::new(move |_| told.with(|told| told.as_ref().map(|told| sweep(told)).unwrap_or_default()));
    let words = move || told.with(|told| told.as_ref().map(|told| summary(told)));
    let view_box = format!("0 0 {} {}", LEFT + WIDTH + RIGHT, ABOVE + HEIGHT + BELOW);
    view! {
        <div class="swept">
            <h3>"All strategies over set-up times, predicted"</h3>
            <p id="sweep-words">{words}</p>
            // The drawing keeps its size, so that its texts do, and is scrolled where it is too wide.
            <div class="wide" tabindex="0" role="region" aria-label="Chart of times over set-up times">
                <svg class="chart sweep" width=LEFT + WIDTH + RIGHT height=ABOVE + HEIGHT + BELOW viewBox=view_box role="img"
                    aria-labelledby="sweep-words">{move || drawing.with(draw)}</svg>
            </div>
        </div>
    }
}

fn across(at: f64) -> f64 {
    LEFT + WIDTH * at
}

fn up(at: f64) -> f64 {
    ABOVE + HEIGHT * (1.0 - at)
}

fn draw(drawing: &Sweep) -> impl IntoView + use<> {
    let setup = |(millis, at): &(f64, f64)| {
        view! { <text x=across(*at) y=up(0.0) + 16.0 text-anchor="middle">{number(*millis)}</text> }
    };
    let time = |(millis, at): &(f64, f64)| {
        let y = up(*at);
        view! {
            <line x1=across(0.0) x2=across(1.0) y1=y y2=y></line>
            <text x=LEFT - 6.0 y=y + 4.0 text-anchor="end">{number(*millis)}</text>
        }
    };
    let asked = drawing.asked.map(|at| {
        let x = across(at);
        view! { <line class="wished" x1=x x2=x y1=up(1.0) y2=up(0.0)>{leptos::svg::title().child("the set-up time of the table")}</line> }
    });
    view! {
        <g class="grid">{drawing.up.iter().map(time).list()}</g>
        {drawing.across.iter().map(setup).list()}
        {asked}
        {drawing.lines.iter().enumerate().map(|(i, own)| line(i, own)).list()}
        <text x=across(0.5) y=ABOVE + HEIGHT + BELOW - 4.0 text-anchor="middle">"set-up of a message, ms; upwards: until the answer, ms"</text>
    }
}

/// As many decimals as a small number needs.
fn number(millis: f64) -> String {
    format!("{}", (millis * 1e3).round() / 1e3)
}

fn line(i: usize, line: &Line) -> impl IntoView + use<> {
    let dashes = DASHES[i % DASHES.len()];
    let name = words(line.strategy);
    let stretch = |stretch: &Vec<[f64; 2]>| {
        let dots = stretch.iter().map(|[x, y]| view! { <circle cx=across(*x) cy=up(*y) r="2.5"></circle> }).list();
        view! { <polyline points=polyline(stretch, across, up) stroke-dasharray=dashes></polyline>{dots} }
    };
    let end = line.stretches.last().and_then(|stretch| stretch.last()).copied();
    let label = end.zip(line.label).map(|([x, y], at)| {
        view! {
            <line class="lead" x1=across(x) + 4.0 y1=up(y) x2=across(1.0) + 14.0 y2=up(at)></line>
            <text x=across(1.0) + 18.0 y=up(at) + 4.0>{name}</text>
        }
    });
    view! {
        <g class=format!("strategy {}", line.strategy)>
            {line.stretches.iter().map(stretch).list()}
            {label}
            {leptos::svg::title().child(name)}
        </g>
    }
}
