//! The dispatcher: what it is to reach, what it measures, what it chooses from and what it decided.

use super::Page;
use super::control::choices;
use crate::dispatch::{GOALS, Told, choice_words, decisions, figures};
use crate::format;
use crate::state::{Act, State};
use crate::view::list::List;
use cleave_contract::Target;
use leptos::prelude::*;

/// The panel.
#[component]
pub fn Dispatcher() -> impl IntoView {
    view! {
        <section class="panel dispatcher" aria-labelledby="dispatch-title">
            <div class="panel-head">
                <h2 id="dispatch-title">"Dispatcher"</h2>
                <p class="muted">"chooses network and cut by the measured link and edge, again and again"</p>
            </div>
            <div class="dispatch-grid">
                <Aim />
                <Measured />
                <Choices />
                <Log />
            </div>
        </section>
    }
}

/// The target, and the button that begins and ends it.
#[component]
fn Aim() -> impl IntoView {
    let page = Page::of_here();
    let target = page.part(|state| state.dispatcher.target);
    let running = page.part(|state| state.dispatcher.is_dispatching());
    let waiting = page.part(|state| !state.can_dispatch());
    let aim = move |change: &dyn Fn(&mut Target)| {
        let mut changed = target.get_untracked();
        change(&mut changed);
        page.act(Act::Aim(changed));
    };
    let goal = Signal::derive(move || Some(target.get().goal));
    let percent = move || target.get().accuracy.map(|part| format!("{:.1}", 100.0 * part)).unwrap_or_default();
    let millis = move || target.get().latency_ms.map(|millis| millis.to_string()).unwrap_or_default();
    let typed =
        |event| event_target_value(&event).parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
    view! {
        <div class="aim">
            <fieldset class="wish" disabled=running>
                <legend class="unseen">"What the dispatcher is to reach"</legend>
                {choices("Goal", "goal", GOALS.to_vec(), goal, move |goal| aim(&move |target| target.goal = goal))}
                <label>"least accuracy, %"<input type="number" min="0" max="100" step="any" placeholder="any" prop:value=percent
                    on:change=move |event| {
                        let value = typed(event).map(|percent| (percent / 100.0).min(1.0));
                        aim(&move |target| target.accuracy = value);
                    } /></label>
                <label>"most latency, ms"<input type="number" min="0" step="any" placeholder="any" prop:value=millis
                    on:change=move |event| {
                        let value = typed(event);
                        aim(&move |target| target.latency_ms = value);
                    } /></label>
            </fieldset>
            <div class="buttons">
                <Show when=move || !running.get() fallback=move || view! {
                    <button type="button" on:click=move |_| page.act(Act::Dispatch(None))>"Stop"</button>
                }>
                    <button type="button" class="primary" disabled=waiting
                        on:click=move |_| page.act(Act::Dispatch(Some(target.get_untracked())))>"Start"</button>
                </Show>
            </div>
            <p class="hint">"It ends when you choose a network or move the cut yourself."</p>
        </div>
    }
}

/// What runs now.
fn current(state: &State) -> String {
    let Some(dispatch) = &state.dispatcher.told else {
        return "Not started: the networks that are shipped run where you cut them.".into();
    };
    let name = dispatch.choices.get(dispatch.current).map_or_else(|| "–".into(), choice_words);
    let when = if state.dispatcher.is_dispatching() { "Runs now" } else { "Stopped; it chose last" };
    format!("{when}: {name}.")
}

#[component]
fn Measured() -> impl IntoView {
    let page = Page::of_here();
    let current = page.part(current);
    let measured = page.part(|state| state.dispatcher.told.as_ref().map(|dispatch| figures(dispatch)));
    let figure = |(name, value, unit): (&'static str, String, &'static str)| {
        view! { <div><dt>{name}</dt><dd>{value} " " <span class="unit">{unit}</span></dd></div> }
    };
    let list = move || measured.get().map(|figures| figures.into_iter().map(figure).list());
    view! {
        <div class="measured">
            <p>{current}</p>
            <dl class="figures">{list}</dl>
        </div>
    }
}

/// A choice in words, and whether it runs.
fn offered(state: &State) -> Vec<(String, bool)> {
    let Some(dispatch) = &state.dispatcher.told else { return Vec::new() };
    let words = dispatch.choices.iter().enumerate().map(|(i, choice)| {
        (format!("{}, {}", choice_words(choice), format::percent(choice.accuracy)), i == dispatch.current)
    });
    words.collect()
}

#[component]
fn Choices() -> impl IntoView {
    let offered = Page::of_here().part(offered);
    let choice = |(words, is_current): (String, bool)| {
        view! {
            <li class:current=is_current aria-current=is_current.then_some("true")>
                <span class="mark" aria-hidden="true">{if is_current { "▶" } else { "" }}</span> <span>{words}</span>
            </li>
        }
    };
    let list = move || offered.get().into_iter().map(choice).list();
    view! {
        <div class="offered">
            <h3>"Choices"</h3>
            <Show when=move || !offered.with(Vec::is_empty) fallback=|| view! { <p class="muted">"None yet."</p> }>
                <ul>{list}</ul>
            </Show>
        </div>
    }
}

/// The decisions: the newest is read aloud, the others lie under it.
#[component]
fn Log() -> impl IntoView {
    let page = Page::of_here();
    let told =
        page.part(|state| state.dispatcher.told.as_ref().map(|dispatch| decisions(dispatch)).unwrap_or_default());
    let newest = move || told.with(|told| told.first().map(words));
    let older = move || told.with(|told| told.iter().skip(1).map(|told| view! { <li>{words(told)}</li> }).list());
    view! {
        <div class="decided">
            <h3>"Decisions"</h3>
            <p aria-live="polite">{move || newest().unwrap_or_else(|| "None yet.".into())}</p>
            <ol>{older}</ol>
        </div>
    }
}

fn words(told: &Told) -> String {
    format!("{} {}: {}", told.at, told.change, told.reason)
}
