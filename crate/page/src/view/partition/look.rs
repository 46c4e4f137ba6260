//! What an image network looks at, the held one or the shared one: noise, an image file that is cropped to the network's size, or a drawing.

use super::pad::Canvas;
use crate::partition::image::{Image, crop};
use crate::state::{Act, Looker, Notice};
use crate::view::Page;
use crate::view::icon::{Icon, icon};
use crate::view::input::{chosen, dropped};
use cleave_graph::Shape;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CanvasRenderingContext2d, DragEvent, File, HtmlCanvasElement, ImageBitmap};

/// The image, where it comes from and what is done with it.
#[component]
pub fn Look(looker: Looker) -> impl IntoView {
    let page = Page::of_here();
    let shape = page.part(move |state| state.looks_at(looker));
    let image = page.part(move |state| state.input.image(looker).clone());
    let over = RwSignal::new(false);
    let take = move |file: File| {
        let Some(shape) = shape.get_untracked() else { return };
        leptos::task::spawn_local(async move {
            let name = file.name();
            match read(&file, shape).await {
                Ok(rgba) => page.act(Act::Look(looker, Image::of_file(name, rgba, shape))),
                Err(_) => page.act(Act::Complain(Notice {
                    what: format!("{name} could not be shown to the network."),
                    why: "The browser cannot read it as an image.".into(),
                    remedy: "Choose a PNG, JPEG, WebP or GIF; what was there before is kept.".into(),
                })),
            }
        });
    };
    let drop = move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        dropped(&event).into_iter().for_each(take);
    };
    let drag_over = move |event: DragEvent| {
        event.prevent_default();
        over.set(true);
    };
    let words = move || shape.get().map(|shape| image.with(|image| image.words(shape)));
    let is_noise = Memo::new(move |_| image.with(|image| **image == Image::Noise));
    let inverts = Memo::new(move |_| {
        image.with(|image| match &**image {
            Image::File { invert, .. } => *invert,
            _ => None,
        })
    });
    let invert = move |event| {
        if let Image::File { name, rgba, .. } = &*image.get_untracked() {
            let invert = Some(event_target_checked(&event));
            page.act(Act::Look(looker, Image::File { name: name.clone(), rgba: rgba.clone(), invert }));
        }
    };
    view! {
        <div class="look input" class:over=over on:drop=drop on:dragover=drag_over on:dragleave=move |_| over.set(false)>
            <h3>"What the network looks at"</h3>
            {move || shape.get().map(|shape| view! { <Canvas looker shape image /> })}
            <p class="muted" aria-live="polite">{words}</p>
            <div class="buttons">
                <label class="button">
                    <input type="file" class="unseen" accept="image/*" on:change=move |event| chosen(&event).into_iter().for_each(take) />
                    {icon(Icon::Open)} "Image file"
                </label>
                <button type="button" disabled=is_noise on:click=move |_| page.act(Act::Look(looker, Image::Noise))>"Clear"</button>
            </div>
            <Show when=move || inverts.with(Option::is_some)>
                <label class="check">
                    <input type="checkbox" prop:checked=move || inverts.get() == Some(true) on:change=invert />
                    "invert: training images are bright on black"
                </label>
            </Show>
            <p class="hint">"or drop a file here; without one it is noise"</p>
        </div>
    }
    .into_any()
}

/// The middle of an image file at the network's size.
async fn read(file: &File, shape: Shape) -> Result<Vec<u8>, JsValue> {
    let promise = window().create_image_bitmap_with_blob(file)?;
    let bitmap: ImageBitmap = JsFuture::from(promise).await?.dyn_into()?;
    let [left, top, width, height] = crop([bitmap.width(), bitmap.height()].map(f64::from), shape);
    let canvas: HtmlCanvasElement = document().create_element("canvas")?.dyn_into()?;
    let [own_width, own_height] = [shape.width, shape.height].map(|side| side as f64);
    canvas.set_width(shape.width as u32);
    canvas.set_height(shape.height as u32);
    let context = context(&canvas).ok_or("there is no canvas")?;
    // A photograph is many times larger: with anything less its pixels are picked, not averaged.
    js_sys::Reflect::set(&context, &"imageSmoothingQuality".into(), &"high".into())?;
    // What is transparent is seen on paper.
    context.set_fill_style_str("#fff");
    context.fill_rect(0.0, 0.0, own_width, own_height);
    context.draw_image_with_image_bitmap_and_sw_and_sh_and_dx_and_dy_and_dw_and_dh(
        &bitmap, left, top, width, height, 0.0, 0.0, own_width, own_height,
    )?;
    bitmap.close();
    Ok(context.get_image_data(0.0, 0.0, own_width, own_height)?.data().0)
}

/// Where a canvas is painted.
pub fn context(canvas: &HtmlCanvasElement) -> Option<CanvasRenderingContext2d> {
    canvas.get_context("2d").ok()??.dyn_into().ok()
}
