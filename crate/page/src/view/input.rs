//! The input: the cloud on show, a gallery of generated shapes, and a place for files; or what an image network looks at.

use super::Page;
use super::cloud::{CloudView, Preview};
use super::icon::{Icon, icon};
use super::partition::Look;
use crate::format;
use crate::state::{Act, CLASSES, Looker, Notice};
use crate::view::list::List;
use cleave_contract::Place;
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{DragEvent, File, HtmlInputElement};

/// Larger files are refused before they are read: the page has to stay alive.
const MAX_FILE_BYTES: f64 = 128e6;
/// What the file chooser offers; a test holds this and the sentence below to the formats that are read.
const FORMATS: &str = ".off,.obj,.ply,.pcd,.xyz,.txt,.csv,.pts,.asc,.tsv,.npy,.npz,.safetensors";

/// The panel.
#[component]
pub fn Input() -> impl IntoView {
    let page = Page::of_here();
    let over = RwSignal::new(false);
    // An image has a place of its own.
    let is_image = page.part(|state| state.looks_at(Looker::Held).is_some());
    let drop = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        dropped(&event).filter(|_| !is_image.get_untracked()).into_iter().for_each(|file| open(page, file));
    };
    let drag_over = move |event: DragEvent| {
        event.prevent_default();
        over.set(!is_image.get_untracked());
    };
    view! {
        <section class="panel input" class:over=over aria-labelledby="input-title"
            on:drop=drop on:dragover=drag_over on:dragleave=move |_| over.set(false)>
            <h2 id="input-title">"Input"</h2>
            {move || if is_image.get() {
                view! { <Look looker=Looker::Held /> }.into_any()
            } else {
                view! { <CloudView /> <Gallery /> <FileButton /> <Picker /> }.into_any()
            }}
        </section>
    }
}

#[component]
fn Gallery() -> impl IntoView {
    let page = Page::of_here();
    let chosen = page.part(|state| {
        let from_file = state.input.place().is_some();
        if from_file { None } else { Some(state.settings.class) }
    });
    let seed = page.part(|state| state.settings.seed);
    let shape = move |(class, name): (usize, &'static str)| {
        view! {
            <li>
                <button type="button" class="sample" aria-pressed=move || (chosen.get() == Some(class)).to_string()
                    on:click=move |_| page.act(Act::Shape(class))>
                    <Preview class=class />
                    <span>{format::class(name)}</span>
                </button>
            </li>
        }
    };
    view! {
        <ul class="gallery" aria-label="Generated shapes">{CLASSES.into_iter().enumerate().map(shape).list()}</ul>
        <div class="seed">
            <button type="button" on:click=move |_| page.act(Act::AnotherSeed)>{icon(Icon::Dice)} "Another one"</button>
            <span class="muted">"seed " {seed}</span>
        </div>
    }
}

#[component]
fn FileButton() -> impl IntoView {
    let page = Page::of_here();
    let choose = move |event| chosen(&event).into_iter().for_each(|file| open(page, file));
    view! {
        <div class="drop">
            <label class="button">
                <input type="file" class="unseen" accept=FORMATS on:change=choose />
                {icon(Icon::Open)} "Open a file"
            </label>
            <span class="muted">"or drop it here: OFF, OBJ, PLY, PCD, XYZ, NPY, NPZ, or weights (SAFETENSORS)"</span>
        </div>
    }
}

/// The file that was dropped.
pub(super) fn dropped(event: &DragEvent) -> Option<File> {
    event.data_transfer()?.files()?.get(0)
}

/// The file that was chosen; the same one can be chosen again.
pub(super) fn chosen(event: &web_sys::Event) -> Option<File> {
    let input: HtmlInputElement = event_target(event);
    let file = input.files()?.get(0);
    input.set_value("");
    file
}

/// Which cloud of an opened file; nothing for files with a single one.
#[component]
fn Picker() -> impl IntoView {
    let page = Page::of_here();
    let place = page.part(|state| state.input.place().filter(|place| place.of > 1));
    let pick = move |index: usize| page.act(Act::Pick(index));
    let shown = move |place: Place| {
        let last = place.of - 1;
        let typed = move |event| {
            if let Ok(number) = event_target_value(&event).parse::<usize>() {
                pick(number.clamp(1, last + 1) - 1);
            }
        };
        view! {
            <div class="picker" role="group" aria-label="Cloud of the file">
                <button type="button" disabled=place.index == 0 on:click=move |_| pick(place.index - 1)>"Previous"</button>
                <label>"cloud " <input type="number" min="1" max=place.of prop:value=place.index + 1 on:change=typed /></label>
                <span class="muted">"of " {format::count(place.of)}</span>
                <button type="button" disabled=place.index == last on:click=move |_| pick(place.index + 1)>"Next"</button>
            </div>
        }
    };
    move || place.get().map(shown)
}

fn open(page: Page, file: File) {
    let refuse = move |name: String, why: String| {
        page.act(Act::Complain(Notice {
            what: format!("{name} could not be opened."),
            why,
            remedy: "Choose a point cloud or mesh of up to 128 MB; the shape on show is kept.".into(),
        }));
    };
    leptos::task::spawn_local(async move {
        let name = file.name();
        if file.size() > MAX_FILE_BYTES {
            return refuse(name, format!("It has {}.", format::bytes(file.size() as usize)));
        }
        match JsFuture::from(file.array_buffer()).await {
            Ok(buffer) => page.act(Act::Open { name, bytes: js_sys::Uint8Array::new(&buffer).to_vec() }),
            Err(_) => refuse(name, "The browser cannot read it.".into()),
        }
    });
}
