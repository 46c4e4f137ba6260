//! The run controls: one frame, a stream of frames, how many of them at once.

use super::Page;
use super::control::{Range, amount};
use super::icon::{Icon, icon};
use crate::format;
use crate::state::{Act, Run, State};
use crate::view::list::List;
use cleave_contract::MAX_IN_FLIGHT;
use leptos::prelude::*;

/// The buttons.
#[component]
pub fn RunBar() -> impl IntoView {
    let page = Page::of_here();
    let run = page.part(|state| state.run);
    let waiting = page.part(|state| !state.can_run());
    let in_flight = page.part(|state| state.settings.in_flight as f64);
    let streaming = Memo::new(move |_| !matches!(run.get(), Run::Idle | Run::Once | Run::OnceMore));
    view! {
        <div class="run-bar">
            <button type="button" class="primary" disabled=move || waiting.get() || streaming.get()
                on:click=move |_| page.act(Act::RunOnce)>{icon(Icon::Play)} "Run once"</button>
            <button type="button" disabled=waiting aria-pressed=move || streaming.get().to_string()
                on:click=move |_| page.act(if streaming.get_untracked() { Act::Stop } else { Act::RunStream })>
                {move || if streaming.get() { icon(Icon::Stop) } else { icon(Icon::Stream) }}
                {move || if streaming.get() { "Stop" } else { "Stream" }}
            </button>
            {amount("in flight", "", Range { min: 1.0, max: MAX_IN_FLIGHT as f64, step: 1.0 }, in_flight.into(),
                move |n| page.act(Act::InFlight(n as usize)))}
        </div>
    }
}

/// The figures of a stream: name, value, unit.
fn figures(state: &State) -> [(&'static str, String, &'static str); 4] {
    let dash = || "–".to_owned();
    let Some(stream) = state.frames.stream.as_ref().filter(|stream| stream.frames > 0) else {
        return [
            ("rate", dash(), "frames/s"),
            ("mean latency", dash(), "ms"),
            ("frames", dash(), ""),
            ("finished here", dash(), ""),
        ];
    };
    [
        ("rate", format!("{:.1}", stream.frames_per_second), "frames/s"),
        ("mean latency", format!("{:.1}", stream.mean_ms), "ms"),
        ("frames", format::count(stream.frames as usize), ""),
        ("finished here", format::count(stream.local as usize), ""),
    ]
}

/// Frames per second and mean latency of the stream.
#[component]
pub fn StreamFigures() -> impl IntoView {
    let figures = Page::of_here().part(figures);
    let figure = move |i: usize| {
        view! {
            <div>
                <dt>{figures.with_untracked(|f| f[i].0)}</dt>
                <dd>{move || figures.with(|f| f[i].1.clone())} " " <span class="unit">{figures.with_untracked(|f| f[i].2)}</span></dd>
            </div>
        }
    };
    view! { <dl class="figures">{(0..4).map(figure).list()}</dl> }
}
