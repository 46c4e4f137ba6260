//! The form: which network, which workers, which links. What is wrong with a field stands beside it, and nothing is sent.

use super::progress;
use crate::partition::form::{Field, Form};
use crate::partition::member::{FIRST_ADDRESS, place_of};
use crate::state::{Act, Run};
use crate::view::Page;
use crate::view::control::choices;
use crate::view::list::List;
use cleave_contract::{MAX_PARTITION_WORKERS, MIN_PARTITION_WORKERS};
use cleave_graph::zoo::NETWORKS;
use leptos::prelude::*;

/// Value of the choice of a native edge.
const EDGE: &str = "edge";

/// Value of the choice that lets a chain be typed.
const OWN: &str = "own";

/// The form with its buttons.
#[component]
pub fn Request() -> impl IntoView {
    let page = Page::of_here();
    let form = page.part(|state| state.partition.form.clone());
    let planning = page.part(|state| state.run == Run::Planning);
    let busy = page.part(|state| matches!(state.run, Run::Planning | Run::Cooperating));
    let waiting = page.part(|state| !state.worker.is_ready() || matches!(state.run, Run::Measuring | Run::Cooperating));
    let progress = page.part(|state| progress(state, Run::Planning));
    let is_wrong = Memo::new(move |_| form.with(Form::is_refused));
    // The button stays in reach of a form with a mistake: by pressing it, one leaves the field that one has just corrected.
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        page.act(Act::Partition);
    };
    let words = move || match (planning.get(), is_wrong.get()) {
        (true, _) => progress.get().unwrap_or_else(|| "Planning …".into()),
        (_, true) => "Correct the marked fields first.".into(),
        _ => String::new(),
    };
    view! {
        <form class="wishes" novalidate on:submit=submit>
            <fieldset class="wish" disabled=busy>
                <legend class="unseen">"What is shared by whom"</legend>
                <Network form />
                <Workers form />
                {field(page, form, Field::Setup, NUMBER, Signal::stored("message set-up, ms".into()))}
                {field(page, form, Field::Mbps, NUMBER, Signal::stored("every link, Mbps".into()))}
                {field(page, form, Field::Delay, NUMBER, Signal::stored("one-way delay, ms".into()))}
                <Medium form />
            </fieldset>
            <div class="buttons wish-buttons">
                <Show when=move || !planning.get() fallback=move || view! {
                    <button type="button" on:click=move |_| page.act(Act::Stop)>"Stop"</button>
                }>
                    <button type="submit" class="primary" disabled=waiting>"Plan"</button>
                </Show>
            </div>
            <p class="hint" aria-live=move || if planning.get() { "off" } else { "polite" }>{words}</p>
        </form>
    }
}

/// A change of the form.
fn change(page: Page, form: Memo<Form>, set: impl FnOnce(&mut Form)) {
    let mut changed = form.get_untracked();
    set(&mut changed);
    page.act(Act::PartitionForm(changed));
}

/// The name of a field's message.
fn id(field: Field) -> String {
    format!("partition-{field:?}").replace(['(', ')'], "-").to_lowercase()
}

/// What is wrong with a field, beside it.
fn problem(form: Memo<Form>, field: Field) -> (Memo<Option<String>>, impl IntoView) {
    let wrong = Memo::new(move |_| form.with(|form| form.problem(field)));
    let shown = view! { <span class="wrong" id=id(field) aria-live="polite">{move || wrong.get()}</span> };
    (wrong, shown)
}

/// Kind of an input that holds a number.
const NUMBER: &str = "number";

fn field(page: Page, form: Memo<Form>, field: Field, kind: &'static str, label: Signal<String>) -> impl IntoView {
    let (wrong, message) = problem(form, field);
    let shown = move || form.get().text(field).map(std::mem::take).unwrap_or_default();
    let typed = move |event| {
        change(page, form, |form| form.text(field).into_iter().for_each(|text| *text = event_target_value(&event)));
    };
    view! {
        <div class="field">
            <label>{label}
                <input type=kind min="0" step="any" autocomplete="off" spellcheck="false" aria-describedby=id(field)
                    aria-invalid=move || wrong.with(Option::is_some).to_string() prop:value=shown on:change=typed />
            </label>
            {message}
        </div>
    }
}

/// A known network, or a chain that is typed.
#[component]
fn Network(form: Memo<Form>) -> impl IntoView {
    let page = Page::of_here();
    let name = Memo::new(move |_| {
        form.with(|form| {
            NETWORKS.iter().map(|(name, _)| *name).find(|name| *name == form.network.trim()).unwrap_or(OWN)
        })
    });
    let chosen = move |event| {
        let value = event_target_value(&event);
        // Whoever writes a chain begins with the one that was chosen.
        let text =
            |form: &Form| NETWORKS.iter().find(|(name, _)| *name == form.network).map(|(_, text)| (*text).to_owned());
        change(page, form, |form| form.network = if value == OWN { text(form).unwrap_or_default() } else { value });
    };
    let option = move |own: &'static str, words: &'static str| {
        view! { <option value=own prop:selected=move || name.get() == own>{words}</option> }
    };
    let (wrong, message) = problem(form, Field::Network);
    let typed = move |event| change(page, form, |form| form.network = event_target_value(&event));
    view! {
        <div class="field broad">
            <label>"network"
                <select on:change=chosen>
                    {NETWORKS.into_iter().map(|(name, _)| option(name, name)).list()}
                    {option(OWN, "a chain of your own")}
                </select>
            </label>
            <Show when=move || name.get() == OWN>
                <label>"its chain"
                    <textarea rows="4" spellcheck="false" autocomplete="off" aria-describedby=id(Field::Network)
                        aria-invalid=move || wrong.with(Option::is_some).to_string()
                        prop:value=move || form.with(|form| form.network.clone()) on:change=typed></textarea>
                </label>
            </Show>
            {message}
        </div>
    }
}

/// How many workers, and how fast each is.
#[component]
fn Workers(form: Memo<Form>) -> impl IntoView {
    let page = Page::of_here();
    let n = Memo::new(move |_| form.with(|form| form.slower.len()));
    let chosen = move |event| {
        if let Ok(workers) = event_target_value(&event).parse::<usize>() {
            let changed = form.get_untracked().with_workers(workers);
            page.act(Act::PartitionForm(changed));
        }
    };
    let option = move |own: usize| view! { <option value=own prop:selected=move || n.get() == own>{own}</option> };
    view! {
        <div class="field broad">
            <label>"workers"
                <select on:change=chosen>{(MIN_PARTITION_WORKERS..=MAX_PARTITION_WORKERS).map(option).list()}</select>
            </label>
        </div>
        <fieldset class="wish broad workers">
            <legend>"times slower than this tab, and who it is in a run"</legend>
            <For each=move || 0..n.get() key=|i| *i children=move |i| view! { <Worker form i /> } />
        </fieldset>
    }
}

/// How fast a worker is, and who it is in a run.
#[component]
fn Worker(form: Memo<Form>, i: usize) -> impl IntoView {
    let page = Page::of_here();
    let is_edge = Memo::new(move |_| form.get().member(i).is_some_and(|member| member.is_edge));
    let label = Signal::derive(move || {
        let assumed = if is_edge.get() { ", assumed" } else { "" };
        format!("worker {}{assumed}", i + 1)
    });
    let of = move |what: &str| Signal::stored(format!("worker {}, {what}", i + 1));
    let chosen = move |event| {
        let is_edge = event_target_value(&event) == EDGE;
        // The edge that served this page comes first: its token is known.
        let known = page.state.with_untracked(|state| place_of(&state.edge.address.as_ref()?.url));
        change(page, form, |form| {
            let is_free = |at: &String| form.members.iter().all(|member| member.at != *at);
            let first = known.filter(is_free).unwrap_or_else(|| FIRST_ADDRESS.into());
            if let Some(member) = form.member(i) {
                member.is_edge = is_edge;
                member.at = if member.at.is_empty() { first } else { std::mem::take(&mut member.at) };
            }
        });
    };
    let who = match i {
        0 => view! { <p class="who muted">"is this tab and has the image"</p> }.into_any(),
        _ => view! {
            <label>{format!("worker {} is", i + 1)}
                <select on:change=chosen>
                    <option value="browser" prop:selected=move || !is_edge.get()>"a worker of this browser"</option>
                    <option value=EDGE prop:selected=is_edge>"a native edge"</option>
                </select>
            </label>
        }
        .into_any(),
    };
    view! {
        {field(page, form, Field::Slower(i), NUMBER, label)}
        {who}
        <Show when=move || is_edge.get()>
            {field(page, form, Field::Address(i), "text", of("address"))}
            {field(page, form, Field::Token(i), "password", of("token"))}
            <p class="hint broad">"How fast this edge is, is assumed for planning; a run measures it."</p>
        </Show>
    }
}

/// Whose channel a message takes.
#[component]
fn Medium(form: Memo<Form>) -> impl IntoView {
    let page = Page::of_here();
    let shared = Signal::derive(move || Some(form.with(|form| form.shared)));
    let media = vec![("own uplinks", false), ("one radio channel", true)];
    let choose = move |shared| change(page, form, |form| form.shared = shared);
    view! { <div class="field broad">{choices("Medium", "partition-medium", media, shared, choose)}</div> }
}
