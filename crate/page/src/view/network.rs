//! The network: which one, how its cut is written on the link, and the pipeline itself.

use super::Page;
use super::control::choices;
use super::pipeline::Pipeline;
use crate::format;
use crate::state::{Act, DGCNN, State};
use crate::view::list::List;
use cleave_arch::{ArchError, Codec, Compression, LinkCodec, Mapping, Task};
use cleave_contract::NetworkInput;
use cleave_graph::zoo;
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

/// Image networks with trained weights; those of others are random.
const TRAINED: [&str; 2] = ["lenet5", "resnet"];

/// Names and labels of the image networks, or of the others; a text form in use is one of them.
fn options(state: &State, is_image: bool) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    if is_image {
        options.extend(zoo::NETWORKS.map(|(name, _)| {
            let weights = if TRAINED.contains(&name) { "" } else { ", random weights" };
            (name.into(), format!("{name}{weights}"))
        }));
    } else {
        options.extend(state.network.listed.iter().flatten().map(|listed| {
            let accuracy = listed.accuracy.map(|part| format!(", {}", format::percent(part)));
            (listed.name.clone(), format!("{}{}", listed.name, accuracy.unwrap_or_default()))
        }));
        if options.iter().all(|(name, _)| name != DGCNN) {
            options.push((DGCNN.into(), "DGCNN, random weights".into()));
        }
    }
    let own = state.network_name();
    if options.iter().all(|(name, _)| *name != own) && Mapping::is_graph_text(&own) == is_image {
        let kind = if is_image || own.contains(',') { "text form" } else { "file" };
        options.push((own.clone(), format!("{kind} {own}")));
    }
    options
}

#[component]
fn Chooser() -> impl IntoView {
    let page = Page::of_here();
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
    let group = move |label: &'static str, is_image: bool| {
        let options = page.part(move |state| options(state, is_image));
        view! { <optgroup label=label>{move || options.get().into_iter().map(option).list()}</optgroup> }
    };
    view! {
        <label class="select">
            <span class="unseen">"Network"</span>
            <select on:change=choose>
                {group("Graph networks", false)}
                {group("Image networks", true)}
                <option value=TEXT prop:selected=writing>"write a text form…"</option>
            </select>
        </label>
        <Show when=move || writing.get()><TextForm writing=writing /></Show>
    }
}

/// What is right about a text form, or what is wrong with it.
fn judge(text: &str) -> Result<String, ArchError> {
    let mapping = Mapping::parse(text.trim(), &Task::modelnet10())?;
    // The classifier of an architecture is not written.
    let n_ops = mapping.n_steps() - usize::from(mapping.plan().is_some());
    let cuts = ["no cut", "1 cut", "2 cuts"][mapping.cuts().len().min(2)];
    Ok(format!("Valid: {n_ops} operations, {cuts}."))
}

/// An architecture or an image network; judged while it is written.
#[component]
fn TextForm(writing: RwSignal<bool>) -> impl IntoView {
    let page = Page::of_here();
    let held = page.state.with_untracked(|state| state.network.held.as_ref().map(|held| held.mapping.to_string()));
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
            <label>"Operation ids, a comma, function ids; or an image network as in 1x28x28: conv 6 k5, relu, …"
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
    let input = match about.input {
        NetworkInput::Cloud { n_points, k, .. } => format!("{} points, k = {k}", format::count(n_points)),
        NetworkInput::Image { channels, height, width } => {
            format!("{} image", format::shape(&[channels, height, width]))
        }
    };
    let size = format!("{} parameters, {input}", format::count(about.params));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::{image_network, network};
    use crate::state::{Listed, Settings};
    use cleave_contract::Event;

    fn state(network: &str) -> State {
        let mut state = State::new(Settings { network: network.into(), ..Settings::default() }, None, String::new());
        state.network.listed = Some(vec![Listed { name: "compact".into(), accuracy: Some(0.9) }]);
        state
    }

    #[test]
    fn image_networks_stand_behind_the_others_and_a_text_with_its_kind() {
        let labels = |network: &str| {
            [false, true].map(|is_image| {
                options(&state(network), is_image).into_iter().map(|(_, label)| label).collect::<Vec<_>>()
            })
        };
        let images =
            ["lenet5", "resnet", "alexnet, random weights", "alexnet-lrn, random weights", "vgg11, random weights"];
        assert_eq!(labels("alexnet"), [vec!["compact, 90.0 %", "DGCNN, random weights"], images.to_vec()]);
        assert_eq!(labels("3 2 4,0 6 0")[0].last().unwrap(), "text form 3 2 4,0 6 0");
        assert_eq!(labels("own")[0].last().unwrap(), "file own");
        for text in ["alexnet@4", "1x8x8: flatten, linear 3"] {
            assert_eq!(*labels(text)[1].last().unwrap(), format!("text form {text}"));
        }
    }

    #[test]
    fn texts_of_both_kinds_are_judged() {
        let words = |text: &str| judge(text).unwrap_or_else(|why| why.to_string());
        assert_eq!(words(" 3 2 5 1 4,0 6 0 3 0"), "Valid: 4 operations, 1 cut.");
        assert_eq!(words("lenet5@1@3"), "Valid: 5 operations, 2 cuts.");
        assert_eq!(words("1x8x8: conv 4 k3, relu, flatten, linear 3"), "Valid: 2 operations, no cut.");
        assert!(words("1x8x8: conv 4 k9").contains("k9") && words("lenet").contains("commas"), "{}", words("lenet"));
    }

    #[test]
    fn a_network_says_what_it_reads() {
        let mut state = state("");
        state.hear(Event::Network(network("3 2 1 4,0 6 3 0")));
        assert!(about(&state).contains("1\u{202f}024 points, k = 20. Random weights"), "{}", about(&state));
        state.hear(Event::Network(cleave_contract::Network { accuracy: Some(0.9), ..image_network("lenet5") }));
        assert!(about(&state).ends_with("1 × 28 × 28 image. Test accuracy 90.0 %."), "{}", about(&state));
    }
}
