//! The image on a canvas, pixel by pixel. For networks of one channel it is a drawing pad: a white pen on black, led by
//! pointer or by arrow keys.

use super::look::context;
use crate::partition::image::{Image, stroke};
use crate::state::{Act, Looker, Shared};
use crate::view::Page;
use cleave_graph::Shape;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::Clamped;
use web_sys::{HtmlCanvasElement, ImageData, KeyboardEvent, PointerEvent};

/// A pen: where it is, in pixels, and whether it draws.
#[derive(Clone, Copy, PartialEq)]
struct Pen {
    at: [f64; 2],
    is_down: bool,
    /// Led by keys: its place is shown.
    is_shown: bool,
}

/// The canvas.
#[component]
pub fn Canvas(looker: Looker, shape: Shape, image: Memo<Shared<Image>>) -> impl IntoView {
    let page = Page::of_here();
    let canvas = NodeRef::<html::Canvas>::new();
    let middle = [shape.width, shape.height].map(|side| (side / 2) as f64 + 0.5);
    let pen = RwSignal::new(Pen { at: middle, is_down: false, is_shown: false });
    // What the pen has drawn: the page is told of whole strokes only.
    let values = StoredValue::new(Vec::<u8>::new());
    let show = move || {
        let Some(canvas) = canvas.get_untracked() else { return };
        let pixels = match pen.get_untracked().is_down {
            true => Image::Drawn(values.get_value()).pixels(),
            false => image.get_untracked().pixels(),
        };
        paint(&canvas, shape, pixels, pen.get_untracked());
    };
    Effect::new(move || {
        canvas.track();
        image.track();
        pen.track();
        show();
    });
    let draw = move |to: [f64; 2]| {
        let from = pen.get_untracked().at;
        values.update_value(|values| stroke(values, shape, from, to));
        pen.update(|pen| pen.at = to);
    };
    let begin = move |at: [f64; 2], is_shown: bool| {
        values.set_value(match &*image.get_untracked() {
            Image::Drawn(drawn) => drawn.clone(),
            _ => vec![0; shape.width * shape.height],
        });
        pen.set(Pen { at, is_down: true, is_shown });
        draw(at);
    };
    // A pad that is taken away loses the focus after its signals are gone.
    let end = move || {
        if pen.try_get_untracked().is_some_and(|pen| pen.is_down) {
            page.act(Act::Stroke(looker, Image::Drawn(values.get_value())));
            pen.update(|pen| pen.is_down = false);
        }
    };
    let place = move |event: &PointerEvent| {
        let extent = canvas.get_untracked().map_or([1, 1], |canvas| [canvas.client_width(), canvas.client_height()]);
        let part = |at: i32, extent: i32, side: usize| f64::from(at) / f64::from(extent.max(1)) * side as f64;
        [part(event.offset_x(), extent[0], shape.width), part(event.offset_y(), extent[1], shape.height)]
    };
    let hold = move |event: PointerEvent| {
        if event.button() != 0 {
            return;
        }
        if let Some(canvas) = canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        begin(place(&event), false);
    };
    let drag = move |event: PointerEvent| {
        if pen.get_untracked().is_down {
            draw(place(&event));
        }
    };
    let key = move |event: KeyboardEvent| {
        let now = pen.get_untracked();
        let (across, down) = match event.key().as_str() {
            "ArrowLeft" => (-1.0, 0.0),
            "ArrowRight" => (1.0, 0.0),
            "ArrowUp" => (0.0, -1.0),
            "ArrowDown" => (0.0, 1.0),
            " " => (0.0, 0.0),
            _ => return,
        };
        event.prevent_default();
        let within = |at: f64, side: usize| at.clamp(0.5, side as f64 - 0.5);
        let to = [within(now.at[0] + across, shape.width), within(now.at[1] + down, shape.height)];
        match (event.key() == " ", now.is_down) {
            (true, false) => begin(to, true),
            (true, true) => end(),
            (false, true) => draw(to),
            (false, false) => pen.set(Pen { at: to, is_shown: true, ..now }),
        }
    };
    let blur = move || {
        end();
        pen.try_update(|pen| pen.is_shown = false);
    };
    let told = move || {
        let Pen { is_down, is_shown, .. } = pen.get();
        is_shown.then_some(if is_down { "The pen is down." } else { "The pen is up." })
    };
    let (width, height) = (shape.width, shape.height);
    if shape.channels == 1 {
        let label = format!(
            "Drawing pad, {width} by {height} pixels, white on black. Arrow keys move the pen, the space bar puts it down and \
             lifts it."
        );
        view! {
            <canvas class="seen pad" node_ref=canvas width=width height=height tabindex="0" role="application" aria-label=label
                on:pointerdown=hold on:pointermove=drag on:pointerup=move |_| end() on:pointercancel=move |_| end()
                on:keydown=key on:blur=move |_| blur()></canvas>
            <p class="hint">"Draw here, or by arrow keys and space bar. " <span aria-live="polite">{told}</span></p>
        }
        .into_any()
    } else {
        let is_there = Memo::new(move |_| image.with(|image| **image != Image::Noise));
        view! {
            <canvas class="seen" node_ref=canvas width=width height=height role="img" aria-label="The image as the network sees it"
                hidden=move || !is_there.get()></canvas>
        }
        .into_any()
    }
}

/// Paints the pixels, or black, and the pen's place over them.
fn paint(canvas: &HtmlCanvasElement, shape: Shape, pixels: Option<Vec<u8>>, pen: Pen) {
    let rgba = pixels.unwrap_or_else(|| [0, 0, 0, 255].repeat(shape.width * shape.height));
    let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&rgba), shape.width as u32, shape.height as u32);
    let (Some(context), Ok(data)) = (context(canvas), data) else { return };
    let _ = context.put_image_data(&data, 0.0, 0.0);
    if pen.is_shown {
        context.set_fill_style_str(if pen.is_down { "#ff9466" } else { "#76a2f2" });
        context.fill_rect(pen.at[0] - 0.5, pen.at[1] - 0.5, 1.0, 1.0);
    }
}
