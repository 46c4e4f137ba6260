//! The pipeline: operations in two lanes, the bytes that a cut at each boundary sends, and the cuts on top of both.
//!
//! Rows have one fixed pitch, so that a boundary's place is arithmetic, nothing jumps, and an operation that changes its tier
//! slides from lane to lane.

use super::Page;
use super::cut::Cuts;
use super::lane;
use crate::format;
use crate::pipeline::{Boundary, Row, Use, rows};
use crate::state::Act;
use crate::view::list::List;
use cleave_arch::Tier;
use cleave_contract::Lane;
use leptos::prelude::*;

/// Height of one boundary and the operation under it, in CSS pixels; the style sheet gets it as `--pitch`.
pub const PITCH: f64 = 48.0;

/// Everything that the drawing shows.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    rows: Vec<Row>,
    boundaries: Vec<Boundary>,
}

/// The two lanes with the strip of bytes.
#[component]
pub fn Pipeline() -> impl IntoView {
    let page = Page::of_here();
    let drawn = page.part(|state| {
        state
            .network
            .held
            .as_ref()
            .map(|held| Drawn { rows: rows(&held.mapping), boundaries: held.boundaries() })
            .unwrap_or(Drawn { rows: Vec::new(), boundaries: Vec::new() })
    });
    let n_rows = Memo::new(move |_| drawn.with(|drawn| drawn.rows.len()));
    let codec = page.part(|state| state.settings.codec.codec.to_string());
    let body = move || (0..n_rows.get()).map(|i| operation(page, drawn, i)).list();
    view! {
        <div class="pipeline" style:--pitch=format!("{PITCH}px")>
            <div class="lane-heads">
                <span class="lane-head device">{lane::label(Lane::Device)}</span>
                <span class="lane-head edge">{lane::label(Lane::Edge)}</span>
                <span class="strip-head">"a cut here sends, " {codec}</span>
            </div>
            <div class="lanes">
                <ol class="operations" aria-label="Operations in order">{body}</ol>
                <Cuts n_rows=n_rows />
            </div>
        </div>
    }
}

/// A boundary and the operation after it. Only texts and classes change while the cut moves; no node is replaced.
fn operation(page: Page, drawn: Memo<Drawn>, i: usize) -> impl IntoView {
    let row = Memo::new(move |_| drawn.with(|drawn| drawn.rows.get(i).cloned()));
    let boundary = Memo::new(move |_| drawn.with(|drawn| drawn.boundaries.get(i).cloned()));
    let most = Memo::new(move |_| drawn.with(|drawn| drawn.boundaries.iter().map(|b| b.bytes).max().unwrap_or(1)));
    let chosen =
        page.part(move |state| state.network.held.as_ref().is_some_and(|held| held.mapping.cuts().contains(&i)));
    let read = move |get: fn(&Row) -> String| move || row.with(|row| row.as_ref().map(get).unwrap_or_default());
    let on_edge = move || row.with(|row| row.as_ref().is_some_and(|row| row.tier == Tier::Edge));
    let skipped = move || row.with(|row| row.as_ref().is_some_and(|row| row.use_ == Use::Skipped));
    let bytes = move || boundary.with(|b| b.as_ref().map_or(0, |b| b.bytes));
    let width = move || format!("{:.2}%", 100.0 * bytes() as f64 / most.get() as f64);
    let tip = move || boundary.with(|b| b.as_ref().map(tip).unwrap_or_default());
    let about = move || {
        if skipped() { "Nobody reads this graph: it is not computed".into() } else { read(|row| row.detail.clone())() }
    };
    let tier = move || if on_edge() { "on the edge" } else { "on the device" };
    view! {
        <li class="step">
            <div class="boundary" class:chosen=chosen title=tip on:click=move |_| cut_here(page, i)>
                <span class="unseen">"A cut here sends "</span>
                <svg class="strip" width="64" height="8" aria-hidden="true"><rect height="8" rx="1" width=width></rect></svg>
                <span class="bytes">{move || format::bytes(bytes())}</span>
            </div>
            <div class="operation" class:edge=on_edge class:skipped=skipped title=about>
                <span class="number">{i + 1}</span>
                <span class="words"><span class="op">{read(|row| row.label.clone())}</span> " "
                    <span class="detail">{read(|row| row.detail.clone())}</span></span>
                <span class="shape">{read(|row| row.shape.clone())}</span>
                <span class="unseen">{tier}</span>
            </div>
        </li>
    }
}

/// What a cut sends, in every codec.
fn tip(boundary: &Boundary) -> String {
    let [f32, f16, i8] = boundary.by_codec.map(format::bytes);
    format!("{}\nf32 {f32} · f16 {f16} · int8 {i8}, before compression", boundary.content)
}

/// Moves the nearest cut to a boundary: the pointer's short way. The keyboard moves the cut itself.
fn cut_here(page: Page, to: usize) {
    let cuts = page
        .state
        .with_untracked(|state| state.network.held.as_ref().map(|held| held.mapping.cuts().to_vec()))
        .unwrap_or_default();
    let nearest = (0..cuts.len()).min_by_key(|i| cuts[*i].abs_diff(to)).unwrap_or(0);
    page.act(Act::MoveCut { cut: nearest, to });
}
