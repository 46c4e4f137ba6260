//! The plot of a search: what it found, the run that it is compared with and the known networks, each with a mark of its own
//! shape; and the legend that says the same in words.

use super::Page;
use crate::format;
use crate::front::{Front, Mark, front, reference_words};
use crate::state::{Act, State};
use crate::view::list::List;
use cleave_contract::{Design, Reference};
use leptos::prelude::*;

/// The plotting area and the room for the axes' numbers, CSS pixels.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 48.0;
const BELOW: f64 = 36.0;
/// Half the height of a reference's diamond, which holds its number.
const DIAMOND: f64 = 11.0;

/// Everything that the plot shows.
#[derive(Clone, Debug, Default, PartialEq)]
struct Drawn {
    designs: Vec<Design>,
    kept: Vec<Design>,
    references: Vec<Reference>,
}

fn drawn(state: &State) -> Drawn {
    let search = state.search.shown.as_deref();
    let kept = state.search.compared().map(|[kept, _]| kept.search.designs.clone());
    Drawn {
        designs: search.map(|search| search.designs.clone()).unwrap_or_default(),
        kept: kept.unwrap_or_default(),
        references: search.map(|search| search.references.clone()).unwrap_or_default(),
    }
}

/// The plot with its legend.
#[component]
pub fn Plot() -> impl IntoView {
    let page = Page::of_here();
    let drawn = page.part(drawn);
    let selected = page.part(|state| state.design.plan.clone());
    view! {
        <div class="plot">
            <svg class="chart front" viewBox=format!("0 0 {} {}", LEFT + WIDTH + 10.0, HEIGHT + BELOW) role="img" aria-labelledby="search-words">
                {move || drawn.with(|drawn| draw(drawn, page, selected))}
            </svg>
            <ul class="legend">{move || drawn.with(legend)}</ul>
        </div>
    }
}

fn across(at: f64) -> f64 {
    LEFT + WIDTH * at
}

fn up(at: f64) -> f64 {
    HEIGHT * (1.0 - at)
}

fn draw(drawn: &Drawn, page: Page, selected: Memo<Option<String>>) -> impl IntoView + use<> {
    let front = front(&drawn.designs, &drawn.kept, &drawn.references);
    let dots = front.points.iter().zip(&drawn.designs).map(|(at, design)| dot(*at, design, page, selected)).list();
    let kept = front.kept.iter().zip(&drawn.kept).map(|(at, design)| kept_mark(*at, design)).list();
    let references =
        front.references.iter().zip(&drawn.references).enumerate().map(|(i, (mark, of))| reference(i, mark, of));
    view! {
        <rect class="frame" x=LEFT y="0" width=WIDTH height=HEIGHT></rect>
        {axes(&front)}
        {references.list()}
        {kept}
        {dots}
    }
}

fn axes(front: &Front) -> impl IntoView + use<> {
    let tick = |(millis, at): &(f64, f64)| {
        let label = if *millis < 1.0 { format!("{millis:.1}") } else { format!("{millis:.0}") };
        view! { <text x=across(*at) y=HEIGHT + 16.0 text-anchor="middle">{label}</text> }
    };
    let level = |share: f64| {
        let accuracy = front.span[0] + share * (front.span[1] - front.span[0]);
        // The outermost ones stay within the drawing.
        let y = up(share) + 4.0 + 6.0 * (share - 0.5);
        view! { <text x=LEFT - 6.0 y=y text-anchor="end">{format!("{:.0} %", 100.0 * accuracy)}</text> }
    };
    let levels = if front.ticks.is_empty() { Vec::new() } else { [0.0, 0.5, 1.0].map(level).to_vec() };
    view! {
        {front.ticks.iter().map(tick).list()}
        {levels.into_iter().list()}
        <text x=across(0.5) y=HEIGHT + BELOW - 3.0 text-anchor="middle">"predicted latency, ms; accuracy by shared weights"</text>
    }
}

/// A design: a disc, with a ring around the one on show.
fn dot([x, y]: [f64; 2], design: &Design, page: Page, selected: Memo<Option<String>>) -> impl IntoView + use<> {
    let (plan, own) = (design.plan.clone(), design.plan.clone());
    let is_selected = Memo::new(move |_| selected.with(|selected| selected.as_ref() == Some(&own)));
    view! {
        <g class="design" class:selected=is_selected on:click=move |_| page.act(Act::Inspect(plan.clone()))>
            <circle class="ring" cx=across(x) cy=up(y) r="9"></circle>
            <circle class="dot" cx=across(x) cy=up(y) r="4.5"></circle>
            {leptos::svg::title().child(describe(design))}
        </g>
    }
}

/// A design of the kept run: an open triangle.
fn kept_mark([x, y]: [f64; 2], design: &Design) -> impl IntoView + use<> {
    let (x, y) = (across(x), up(y));
    let points = format!("{x},{} {},{} {},{}", y - 6.0, x - 5.5, y + 4.0, x + 5.5, y + 4.0);
    view! { <polygon class="kept" points=points>{leptos::svg::title().child(format!("run A: {}", describe(design)))}</polygon> }
}

/// A known network: a diamond with its number; a line at its latency where its accuracy is unknown.
fn reference(i: usize, mark: &Mark, of: &Reference) -> impl IntoView + use<> {
    let x = across(mark.across);
    let y = mark.up.map_or(HEIGHT - DIAMOND - 2.0, up).clamp(DIAMOND, HEIGHT - DIAMOND);
    let line = mark.up.is_none().then(|| view! { <line x1=x x2=x y1="0" y2=HEIGHT></line> });
    view! {
        <g class="reference">
            {line}
            <polygon points=diamond(x, y, DIAMOND)></polygon>
            <text x=x y=y + 4.5 text-anchor="middle">{i + 1}</text>
            {leptos::svg::title().child(reference_words(of))}
        </g>
    }
}

fn diamond(x: f64, y: f64, half: f64) -> String {
    format!("{x},{} {},{y} {x},{} {},{y}", y - half, x + half, y + half, x - half)
}

/// A mark and what it stands for.
fn entry(mark: impl IntoView + 'static, words: String) -> AnyView {
    view! {
        <li><svg class="chart key" width="24" height="24" viewBox="-12 -12 24 24" aria-hidden="true">{mark}</svg> <span>{words}</span></li>
    }
    .into_any()
}

fn legend(drawn: &Drawn) -> Vec<AnyView> {
    let mut entries = Vec::new();
    if !drawn.designs.is_empty() {
        entries
            .push(entry(view! { <circle class="dot" r="4.5"></circle> }, format!("{} designs", drawn.designs.len())));
    }
    if !drawn.kept.is_empty() {
        let mark = view! { <polygon class="kept" points="0,-6 -5.5,4 5.5,4"></polygon> };
        entries.push(entry(mark, format!("run A, {} designs", drawn.kept.len())));
    }
    for (i, reference) in drawn.references.iter().enumerate() {
        let mark = view! {
            <g class="reference"><polygon points=diamond(0.0, 0.0, DIAMOND)></polygon><text y="4.5" text-anchor="middle">{i + 1}</text></g>
        };
        entries.push(entry(mark, reference_words(reference)));
    }
    entries
}

fn describe(design: &Design) -> String {
    format!(
        "{}: {:.0} %, {}, {} on the device",
        design.plan,
        100.0 * design.accuracy,
        format::millis(design.latency_ms),
        format::bytes(design.device_peak_bytes as usize)
    )
}
