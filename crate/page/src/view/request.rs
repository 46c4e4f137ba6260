//! The search form: limits, budget and strategy, and a link that opens the same search elsewhere.

use super::Page;
use super::download::copy;
use crate::compare::strategy;
use crate::format;
use crate::state::{Act, Run, Sharing};
use crate::url::search_link;
use crate::view::list::List;
use cleave_contract::{Judge, SearchRequest, Strategy};
use leptos::prelude::*;
use web_sys::HtmlInputElement;

/// The strategies with the words of the form's values.
const STRATEGIES: [(&str, Strategy); 3] =
    [("nsga", Strategy::Nsga), ("random", Strategy::Random), ("stages", Strategy::Stages)];

/// The form with its buttons.
#[component]
pub fn Request() -> impl IntoView {
    let page = Page::of_here();
    let request = page.part(|state| state.search.request.clone());
    let searching = page.part(|state| state.run == Run::Searching);
    let waiting = page.part(|state| state.network.held.is_none() || state.run == Run::Measuring);
    let kept = page.part(|state| state.search.kept.is_some());
    view! {
        <fieldset class="wish" disabled=searching>
            <legend class="unseen">"What is searched for"</legend>
            {limit(page, request, "latency, ms", |request| request.latency_ms, |request, value| request.latency_ms = value)}
            {limit(page, request, "energy, mJ", |request| request.energy_millijoules, |request, value| request.energy_millijoules = value)}
            {limit(page, request, "device memory, MB", |request| request.device_megabytes, |request, value| request.device_megabytes = value)}
            {whole(page, request, "candidates", |request| request.candidates, |request, value| request.candidates = value)}
            {whole(page, request, "judged", |request| request.evaluations, |request, value| request.evaluations = value)}
            {whole(page, request, "seed", |request| request.seed, |request, value| request.seed = value)}
            {strategies(page, request)}
            {judges(page, request)}
        </fieldset>
        <div class="buttons wish-buttons">
            <Show when=move || !searching.get() fallback=move || view! {
                <button type="button" on:click=move |_| page.act(Act::Stop)>"Stop"</button>
            }>
                <button type="button" class="primary" disabled=waiting
                    on:click=move |_| page.act(Act::Search(request.get_untracked()))>"Search"</button>
                <Show when=move || kept.get()>
                    <button type="button" disabled=waiting on:click=move |_| page.act(Act::ResumeSearch)>"Go on"</button>
                </Show>
            </Show>
            <button type="button" disabled=waiting title="A link that begins this search on another device"
                on:click=move |_| page.act(Act::Share)>"Share"</button>
        </div>
        <Link />
    }
}

/// A change of one value.
fn change(page: Page, request: Memo<SearchRequest>, set: impl FnOnce(&mut SearchRequest)) {
    let mut changed = request.get_untracked();
    set(&mut changed);
    page.act(Act::Request(changed));
}

fn limit(
    page: Page,
    request: Memo<SearchRequest>,
    name: &'static str,
    get: fn(&SearchRequest) -> Option<f64>,
    set: fn(&mut SearchRequest, Option<f64>),
) -> impl IntoView {
    let shown = move || request.with(|request| get(request).map(|value| value.to_string()).unwrap_or_default());
    let typed = move |event| {
        let value = event_target_value(&event).parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
        change(page, request, |request| set(request, value));
    };
    view! { <label>{name}<input type="number" min="0" step="any" placeholder="any" prop:value=shown on:change=typed /></label> }
}

fn whole(
    page: Page,
    request: Memo<SearchRequest>,
    name: &'static str,
    get: fn(&SearchRequest) -> u64,
    set: fn(&mut SearchRequest, u64),
) -> impl IntoView {
    let shown = move || request.with(get).to_string();
    let typed = move |event| {
        if let Ok(value) = event_target_value(&event).parse::<u64>() {
            change(page, request, |request| set(request, value));
        }
    };
    view! { <label>{name}<input type="number" min="0" step="1" prop:value=shown on:change=typed /></label> }
}

fn strategies(page: Page, request: Memo<SearchRequest>) -> impl IntoView {
    let chosen = move |event| {
        let word = event_target_value(&event);
        if let Some((_, strategy)) = STRATEGIES.into_iter().find(|(name, _)| *name == word) {
            change(page, request, |request| request.strategy = strategy);
        }
    };
    let option = move |(name, own): (&'static str, Strategy)| {
        view! { <option value=name prop:selected=move || request.with(|request| request.strategy == own)>{strategy(own)}</option> }
    };
    view! {
        <label>"strategy"<select on:change=chosen>{STRATEGIES.into_iter().map(option).list()}</select></label>
    }
}

/// What accuracies are measured on. Clouds of an edge can be chosen while it is connected and has some.
fn judges(page: Page, request: Memo<SearchRequest>) -> impl IntoView {
    let offered = page.part(|state| state.edge.judges());
    let chosen = move |event| {
        let judge = if event_target_value(&event) == "edge" { Judge::Edge } else { Judge::Furniture };
        change(page, request, |request| request.judge = judge);
    };
    let is = move |judge: Judge| move || request.with(|request| request.judge == judge);
    let name = move || match offered.get() {
        Ok(set) => format!("{} (edge, {} clouds)", set.name, format::count(set.clouds)),
        Err(_) => "clouds of the edge".into(),
    };
    let reason = move || offered.get().err().unwrap_or("The shared weights were not trained on these clouds.");
    view! {
        <label class="judges">"judged on"
            <select aria-describedby="judges-reason" on:change=chosen>
                <option value="furniture" prop:selected=is(Judge::Furniture)>"generated furniture"</option>
                <option value="edge" prop:selected=is(Judge::Edge) disabled=move || offered.with(Result::is_err)>{name}</option>
            </select>
        </label>
        <p class="hint judges" id="judges-reason">{reason}</p>
    }
}

/// The link that was asked for: in the clipboard where the browser lets us, and to be selected.
#[component]
fn Link() -> impl IntoView {
    let page = Page::of_here();
    let sharing = page.part(|state| state.search.sharing.clone());
    let link = Memo::new(move |_| match sharing.get() {
        Sharing::Told(text) => Some(search_link(&window().location().href().unwrap_or_default(), &text)),
        Sharing::Not | Sharing::Asked => None,
    });
    let words = RwSignal::new("");
    let copy_it = move || {
        let Some(link) = link.get_untracked() else { return };
        leptos::task::spawn_local(async move {
            let is_copied = copy(&link).await;
            words.set(if is_copied { "Copied." } else { "Select the link and copy it." });
        });
    };
    Effect::new(move |_| {
        words.set("");
        if link.with(Option::is_some) {
            copy_it();
        }
    });
    let select = move |event: web_sys::FocusEvent| event_target::<HtmlInputElement>(&event).select();
    view! {
        <Show when=move || link.with(Option::is_some)>
            <div class="share">
                <label>"Link to this search"
                    <input type="text" readonly prop:value=move || link.get().unwrap_or_default() on:focus=select />
                </label>
                <button type="button" on:click=move |_| copy_it()>"Copy"</button>
            </div>
        </Show>
        <p class="hint" aria-live="polite">{words}</p>
    }
}
