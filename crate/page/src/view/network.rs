//! The network: which one, how its cut is written on the link, and the pipeline itself.

use super::Page;
use super::control::choices;
use super::pipeline::Pipeline;
use crate::format;
use crate::state::{Act, DGCNN, State};
use cleave_arch::{ArchError, Codec, Compression, LinkCodec, Plan};
use leptos::prelude::*;

/// The choice that opens the text entry.
const TEXT: &str = "text";

/// The panel.
#[component]
pub fn Network() -> impl IntoView {
    view! {
        <section class="panel network" aria-labelledby="network-title">
            <div class="panel-head">
                <h2 id="network-title">"Network"</h2>
                <Chooser />
            </div>
            <About />
            <CodecChoice />
            <Pipeline />
        </section>
    }
}

/// Name and label of every choice; a text form in use is one of them.
fn options(state: &State) -> Vec<(String, String)> {
    let listed = state.network.listed.iter().flatten();
    let mut options: Vec<(String, String)> = listed
        .map(|listed| {
            let accuracy = listed.accuracy.map(|part| format!(", {}", format::percent(part)));
            (listed.name.clone(), format!("{}{}", listed.name, accuracy.unwrap_or_default()))
        })
        .collect();
    if options.iter().all(|(name, _)| name != DGCNN) {
        options.push((DGCNN.into(), "DGCNN, random weights".into()));
    }
    let own = state.network_name();
    if options.iter().all(|(name, _)| *name != own) {
        let kind = if own.contains(',') { "text form" } else { "file" };
        options.push((own.clone(), format!("{kind} {own}")));
    }
    options
}

#[component]
fn Chooser() -> impl IntoView {
    let page = Page::of_here();
    let options = page.part(options);
    let chosen = page.part(State::network_name);
    let writing = RwSignal::new(false);
    let choose = move |event| {
        let value = event_target_value(&event);
        writing.set(value == TEXT);
        if value != TEXT {
            page.act(Act::Choose(value));
        }
    };
    let option = move |(name, label): (String, String)| {
        let own = name.clone();
        view! { <option value=name prop:selected=move || !writing.get() && chosen.get() == own>{label}</option> }
    };
    view! {
        <label class="select">
            <span class="unseen">"Network"</span>
            <select on:change=choose>
                {move || options.get().into_iter().map(option).collect_view()}
                <option value=TEXT prop:selected=writing>"write a text form…"</option>
            </select>
        </label>
        <Show when=move || writing.get()><TextForm writing=writing /></Show>
    }
}

/// What is right about a text form, or what is wrong with it.
fn judge(text: &str) -> Result<String, ArchError> {
    let plan: Plan = text.trim().parse()?;
    let (n_ops, n_cuts) = (plan.architecture().ops().len(), plan.cuts().len());
    let cuts = ["no cut", "1 cut", "2 cuts"][n_cuts.min(2)];
    Ok(format!("Valid: {n_ops} operations, {cuts}."))
}

/// Operation ids, a comma, function ids; judged while it is written.
#[component]
fn TextForm(writing: RwSignal<bool>) -> impl IntoView {
    let page = Page::of_here();
    let held = page.state.with_untracked(|state| state.network.held.as_ref().map(|held| held.plan.to_string()));
    let text = RwSignal::new(held.unwrap_or_default());
    let judged = Memo::new(move |_| text.with(|text| judge(text)));
    let submit = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        if judged.with_untracked(Result::is_ok) {
            writing.set(false);
            page.act(Act::Choose(text.get_untracked().trim().to_owned()));
        }
    };
    let words = move || judged.get().unwrap_or_else(|why| why.to_string());
    view! {
        <form class="text-form" on:submit=submit>
            <label>"Operation ids, a comma, function ids"
                <textarea rows="2" spellcheck="false" autocomplete="off" aria-describedby="judged"
                    aria-invalid=move || judged.with(Result::is_err).to_string()
                    prop:value=text on:input=move |event| text.set(event_target_value(&event))></textarea>
            </label>
            <p id="judged" class="judged" class:wrong=move || judged.with(Result::is_err) aria-live="polite">{words}</p>
            <div class="buttons">
                <button type="submit" class="primary" disabled=move || judged.with(Result::is_err)>"Use it"</button>
                <button type="button" on:click=move |_| writing.set(false)>"Cancel"</button>
            </div>
        </form>
    }
}

/// How the names of designs begin that a search has found.
const SEARCHED: &str = "searched ";

/// Size and accuracy, or what weights without one are.
fn about(state: &State) -> String {
    let Some(held) = &state.network.held else { return "No network yet.".into() };
    let about = &held.about;
    let size = format!(
        "{} parameters, {} points, k = {}",
        format::count(about.params),
        format::count(about.n_points),
        about.k
    );
    match about.accuracy {
        Some(part) => format!("{size}. Test accuracy {}.", format::percent(part)),
        None if about.name.starts_with(SEARCHED) => {
            format!("{size}. Shared weights of the search; train it on its own for the accuracy it can have.")
        }
        None => format!("{size}. Random weights: times and differences are real, classes mean nothing."),
    }
}

#[component]
fn About() -> impl IntoView {
    let about = Page::of_here().part(about);
    view! { <p class="about">{about}</p> }
}

#[component]
fn CodecChoice() -> impl IntoView {
    let page = Page::of_here();
    let codec = page.part(|state| state.settings.codec);
    let kind = Signal::derive(move || Some(codec.get().codec));
    let set_kind = move |kind| page.act(Act::Write(LinkCodec { codec: kind, ..codec.get_untracked() }));
    let squeezed = move || codec.get().compression == Compression::Lz4;
    let squeeze = move |event| {
        let compression = if event_target_checked(&event) { Compression::Lz4 } else { Compression::None };
        page.act(Act::Write(LinkCodec { compression, ..codec.get_untracked() }));
    };
    let kinds = vec![("f32", Codec::F32), ("f16", Codec::F16), ("int8", Codec::I8)];
    view! {
        <div class="controls codec">
            {choices("Numbers on the link", "codec", kinds, kind, set_kind)}
            <label class="check"><input type="checkbox" prop:checked=squeezed on:change=squeeze /> "LZ4"</label>
        </div>
    }
}
