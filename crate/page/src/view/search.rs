//! Search: the form, the funnel, the plot and the table of what no other design beats, the design on show, and two runs
//! side by side.

use super::Page;
use super::compare::Compared;
use super::download::download;
use super::front::Plot;
use super::inspect::Inspected;
use super::request::Request;
use crate::export::{to_csv, to_json};
use crate::format;
use crate::front::{SHOWN, best, funnel, listed};
use crate::state::Act;
use cleave_contract::Design;
use leptos::prelude::*;

/// The panel.
#[component]
pub fn Search() -> impl IntoView {
    let page = Page::of_here();
    let words = page.part(|state| match &state.search.shown {
        Some(search) => funnel(search),
        None => {
            "Candidates are priced by the profile and the learned predictor; the best are judged by weights that all \
                 networks share, on generated furniture or on clouds of the edge."
                .into()
        }
    });
    view! {
        <section class="panel search" aria-labelledby="search-title">
            <div class="panel-head">
                <h2 id="search-title">"Search"</h2>
                <p class="muted">"a network and its split together, under the link and profile of now"</p>
            </div>
            <div class="search-grid">
                <div class="wishes"><Request /></div>
                <Plot />
                <div class="results"><Found /><Keep /></div>
            </div>
            <p id="search-words" aria-live="off">{words}</p>
            <Inspected />
            <Compared />
        </section>
    }
}

/// A row's identity: the same plan with other figures is another row.
fn key(design: &Design) -> (String, [u64; 2]) {
    (design.plan.clone(), [design.accuracy, design.latency_ms].map(f64::to_bits))
}

/// The designs, the best first. Rows stay where they are while others come, so that the focus does.
#[component]
fn Found() -> impl IntoView {
    let page = Page::of_here();
    let designs =
        page.part(|state| state.search.shown.as_ref().map(|search| best(&search.designs)).unwrap_or_default());
    let selected = page.part(|state| state.design.plan.clone());
    let all = RwSignal::new(false);
    let rows = move || {
        let most = if all.get() { usize::MAX } else { SHOWN };
        designs.with(|designs| selected.with(|selected| listed(designs, most, selected.as_deref())))
    };
    let n = Memo::new(move |_| designs.with(Vec::len));
    let row = move |design: Design| {
        let (plan, own) = (design.plan.clone(), design.plan.clone());
        let is_shown = Memo::new(move |_| selected.with(|selected| selected.as_ref() == Some(&own)));
        let word = move || if is_shown.get() { "Shown" } else { "Show" };
        view! {
            <tr class:selected=is_shown aria-current=move || is_shown.get().then_some("true") on:click=move |_| page.act(Act::Inspect(plan.clone()))>
                <th scope="row"><code>{design.plan.clone()}</code></th>
                <td>{format!("{:.0} %", 100.0 * design.accuracy)}</td>
                <td>{format::millis(design.latency_ms)}</td>
                <td>{format::bytes(design.device_peak_bytes as usize)}</td>
                // A press of the button is a click on its row.
                <td><button type="button">{word} <span class="unseen">" " {design.plan}</span></button></td>
            </tr>
        }
    };
    view! {
        <div class="found">
            <table>
                <thead><tr>
                    <th scope="col">"design"</th><th scope="col">"accuracy"</th><th scope="col">"latency"</th>
                    <th scope="col">"memory"</th><td></td>
                </tr></thead>
                <tbody><For each=rows key=key children=row /></tbody>
            </table>
        </div>
        <Show when=move || { n.get() > SHOWN }>
            <button type="button" class="quiet" aria-expanded=move || all.get().to_string()
                on:click=move |_| all.update(|all| *all = !*all)>
                {move || if all.get() { format!("Only the best {SHOWN}") } else { format!("All {}", n.get()) }}
            </button>
        </Show>
    }
}

/// What can be done with the whole of it: download it, or hold the next search against it.
#[component]
fn Keep() -> impl IntoView {
    let page = Page::of_here();
    let run = page.part(|state| state.search.recorded().filter(|run| !run.search.designs.is_empty()));
    let has_ended = move || run.with(|run| run.as_ref().is_some_and(|run| !run.search.running));
    let kept = page.part(|state| state.search.kept_run.is_some());
    let json = move || run.with(|run| run.as_ref().map(to_json));
    let csv = move || run.with(|run| run.as_ref().map(to_csv));
    view! {
        <div class="buttons">
            {download("JSON", "cleave-search.json", "application/json", json)}
            {download("CSV", "cleave-search.csv", "text/csv", csv)}
            <Show when=has_ended>
                <button type="button" title="The next search is drawn over this one"
                    on:click=move |_| page.act(Act::KeepRun)>"Keep for comparison"</button>
            </Show>
            <Show when=move || kept.get()>
                <button type="button" on:click=move |_| page.act(Act::DropRun)>"Drop comparison"</button>
            </Show>
        </div>
    }
}
