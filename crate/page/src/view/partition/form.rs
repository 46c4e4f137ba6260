//! The form: which network, which workers, which links. What is wrong with a field stands beside it, and nothing is sent.

use crate::partition::form::{Field, Form, MIN_WORKERS};
use crate::state::{Act, Run};
use crate::view::Page;
use crate::view::control::choices;
use cleave_arch::cnn::zoo::NETWORKS;
use cleave_wire::ui::MAX_PARTITION_WORKERS;
use leptos::prelude::*;

/// Value of the choice that lets a chain be typed.
const OWN: &str = "own";

/// The form with its buttons.
#[component]
pub fn Wish() -> impl IntoView {
    let page = Page::of_here();
    let form = page.part(|state| state.partition_form.clone());
    let planning = page.part(|state| state.run == Run::Planning);
    let waiting = page.part(|state| !state.is_ready() || state.run == Run::Measuring);
    let progress = page.part(|state| {
        let progress = state.progress.as_ref().filter(|_| state.run == Run::Planning);
        progress.map(|p| {
            if p.total > 0 { format!("{}: {} of {}.", p.what, p.done, p.total) } else { format!("{} …", p.what) }
        })
    });
    let is_wrong = Memo::new(move |_| form.with(|form| form.wish().is_err()));
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
            <fieldset class="wish" disabled=planning>
                <legend class="unseen">"What is shared by whom"</legend>
                <Network form />
                <Workers form />
                {field(page, form, Field::Setup, "message set-up, ms", |f| Some(&f.setup), |f, text| f.setup = text)}
                {field(page, form, Field::Mbps, "every link, Mbps", |f| Some(&f.mbps), |f, text| f.mbps = text)}
                {field(page, form, Field::Delay, "one-way delay, ms", |f| Some(&f.delay), |f, text| f.delay = text)}
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

fn field(
    page: Page,
    form: Memo<Form>,
    field: Field,
    label: impl IntoView + 'static,
    get: impl Fn(&Form) -> Option<&String> + Copy + Send + Sync + 'static,
    set: impl Fn(&mut Form, String) + Copy + 'static,
) -> impl IntoView {
    let (wrong, message) = problem(form, field);
    let shown = move || form.with(|form| get(form).cloned().unwrap_or_default());
    let typed = move |event| change(page, form, |form| set(form, event_target_value(&event)));
    view! {
        <div class="field">
            <label>{label}
                <input type="number" min="0" step="any" aria-describedby=id(field)
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
                    {NETWORKS.into_iter().map(|(name, _)| option(name, name)).collect_view()}
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
    let worker = move |i: usize| {
        let label = format!("worker {}", i + 1);
        let set = move |form: &mut Form, text| {
            if let Some(slower) = form.slower.get_mut(i) {
                *slower = text;
            }
        };
        field(page, form, Field::Slower(i), label, move |form| form.slower.get(i), set)
    };
    view! {
        <div class="field broad">
            <label>"workers"
                <select on:change=chosen>{(MIN_WORKERS..=MAX_PARTITION_WORKERS).map(option).collect_view()}</select>
            </label>
        </div>
        <fieldset class="wish broad workers">
            <legend>"times slower than this tab; worker 1 has the image"</legend>
            <For each=move || 0..n.get() key=|i| *i children=worker />
        </fieldset>
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
