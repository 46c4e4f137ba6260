//! Point clouds on canvases: the large one that turns, and the small still ones of the gallery.

use super::Page;
use super::icon::{Icon, icon};
use crate::cloud::{Camera, LAYERS, layer, project};
use crate::format;
use crate::state::{Run, Shared};
use cleave_contract::Cloud;
use leptos::html;
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, KeyboardEvent, PointerEvent, ResizeObserver};

/// Radians per animated frame, per dragged pixel and per arrow key.
const SPIN: f64 = 0.006;
const DRAG: f64 = 0.009;
const KEY: f64 = 0.12;

/// Paints points in the canvas's own text colour, the near ones stronger and larger.
fn paint(canvas: &HtmlCanvasElement, size: [f64; 2], points: &[f32], camera: Camera, style: Style) {
    let ratio = window().device_pixel_ratio().min(2.0);
    let size = size.map(|side| (side * ratio).floor());
    if size[0] < 1.0 {
        return;
    }
    if [canvas.width(), canvas.height()].map(f64::from) != size {
        canvas.set_width(size[0] as u32);
        canvas.set_height(size[1] as u32);
    }
    let context = canvas.get_context("2d").ok().flatten().and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok());
    let colour = window().get_computed_style(canvas).ok().flatten().and_then(|s| s.get_property_value("color").ok());
    let Some(context) = context else { return };
    context.clear_rect(0.0, 0.0, size[0], size[1]);
    context.set_fill_style_str(&colour.unwrap_or_default());
    let dots = project(points, camera, size, style.stride);
    for depth in 0..LAYERS {
        let near = (depth + 1) as f64 / LAYERS as f64;
        context.set_global_alpha(0.18 + 0.82 * near * near);
        let side = style.dot * ratio * (0.7 + 0.6 * near);
        for dot in dots.iter().filter(|dot| layer(dot) == depth) {
            context.fill_rect(dot.x - side / 2.0, dot.y - side / 2.0, side, side);
        }
    }
}

/// How points are painted.
#[derive(Clone, Copy)]
struct Style {
    /// Side of a dot in CSS pixels.
    dot: f64,
    /// Every how manyth point is painted.
    stride: usize,
}

/// Painted points per preview: enough to know the shape by.
const PREVIEW_POINTS: usize = 420;

/// Previews are painted one after another, so that ten of them never hold the page up.
const PREVIEW_PACE: Duration = Duration::from_millis(16);

/// A small still picture of a gallery shape.
#[component]
pub fn Preview(class: usize) -> impl IntoView {
    let page = Page::of_here();
    let gallery = page.part(|state| state.input.gallery.clone());
    let canvas = NodeRef::<html::Canvas>::new();
    let draw = move || {
        let (Some(canvas), Some(gallery)) = (canvas.try_get_untracked().flatten(), gallery.try_get_untracked()) else {
            return;
        };
        if let Some(cloud) = gallery.get(class) {
            let stride = (cloud.points.len() / 3).div_ceil(PREVIEW_POINTS);
            paint(&canvas, size(&canvas), &cloud.points, Camera::default(), Style { dot: 1.3, stride });
        }
    };
    Effect::new(move || {
        page.repaint.track();
        gallery.track();
        set_timeout(draw, PREVIEW_PACE * class as u32);
    });
    view! { <canvas class="preview" node_ref=canvas aria-hidden="true"></canvas> }
}

/// A canvas's size in CSS pixels.
fn size(canvas: &HtmlCanvasElement) -> [f64; 2] {
    [canvas.client_width(), canvas.client_height()].map(f64::from)
}

/// Keeps `extent` equal to the canvas's size. Asking for the size in every animated frame would force a layout each time.
fn follow_size(canvas: &HtmlCanvasElement, extent: RwSignal<[f64; 2]>) {
    let followed = canvas.clone();
    let measure = Closure::<dyn Fn()>::new(move || {
        extent.try_set(size(&followed));
    });
    if let Ok(observer) = ResizeObserver::new(measure.into_js_value().unchecked_ref()) {
        observer.observe(canvas);
    }
}

fn likes_stillness() -> bool {
    let query = window().match_media("(prefers-reduced-motion: reduce)").ok().flatten();
    query.is_some_and(|query| query.matches())
}

/// The input, turning. Dragging and arrow keys turn it by hand; blank and the button hold it.
#[component]
pub fn CloudView() -> impl IntoView {
    let page = Page::of_here();
    let cloud = page.part(|state| state.input.cloud.clone());
    let canvas = NodeRef::<html::Canvas>::new();
    let camera = RwSignal::new(Camera::default());
    let spinning = RwSignal::new(!likes_stillness());
    let held = RwSignal::new(None::<(f64, f64)>);
    let extent = RwSignal::new([0.0; 2]);
    Effect::new(move || canvas.get().into_iter().for_each(|canvas| follow_size(&canvas, extent)));
    Effect::new(move || {
        page.repaint.track();
        let (Some(canvas), Some(cloud), camera) = (canvas.get(), cloud.get(), camera.get()) else { return };
        paint(&canvas, extent.get(), &cloud.points, camera, Style { dot: 2.4, stride: 1 });
    });
    // Drawing takes a core's time, which whatever is being measured may need.
    let is_measured = page.part(|state| matches!(state.run, Run::Measuring | Run::Planning | Run::Cooperating));
    let spins =
        Memo::new(move |_| spinning.get() && held.get().is_none() && cloud.with(Option::is_some) && !is_measured.get());
    Effect::new(move || {
        if spins.get() {
            spin(camera, spins);
        }
    });
    let label = move || cloud.with(|cloud| describe(cloud.as_ref()));
    let hold = move |event: PointerEvent| {
        if let Some(canvas) = canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
        held.set(Some((f64::from(event.client_x()), f64::from(event.client_y()))));
    };
    let drag = move |event: PointerEvent| {
        let Some((x, y)) = held.get_untracked() else { return };
        let (now_x, now_y) = (f64::from(event.client_x()), f64::from(event.client_y()));
        camera.update(|camera| *camera = camera.turned((now_x - x) * DRAG, (now_y - y) * DRAG));
        held.set(Some((now_x, now_y)));
    };
    view! {
        <div class="stage">
            <canvas class="cloud" node_ref=canvas tabindex="0" role="img" aria-label=label
                on:pointerdown=hold on:pointermove=drag
                on:pointerup=move |_| held.set(None) on:pointercancel=move |_| held.set(None)
                on:keydown=move |event| turn_by_key(&event, camera, spinning)></canvas>
            <button type="button" class="quiet stage-button" aria-pressed=move || (!spinning.get()).to_string()
                on:click=move |_| spinning.update(|on| *on = !*on)>
                {move || if spinning.get() { icon(Icon::Pause) } else { icon(Icon::Play) }}
                {move || if spinning.get() { "hold" } else { "turn" }}
            </button>
            <p class="stage-name">{move || cloud.with(|cloud| name(cloud.as_ref()))}</p>
        </div>
    }
}

fn name(cloud: Option<&Shared<Cloud>>) -> String {
    cloud.map_or_else(
        || "No shape yet".into(),
        |cloud| {
            let label =
                cloud.place.and(cloud.class.as_ref()).map(|class| format!(" · labelled {}", format::class(class)));
            let points = format::count(cloud.points.len() / 3);
            format!("{}{} · {points} points", format::class(&cloud.name), label.unwrap_or_default())
        },
    )
}

fn describe(cloud: Option<&Shared<Cloud>>) -> String {
    format!("Point cloud: {}. Arrow keys turn it, the space bar holds it.", name(cloud))
}

fn spin(camera: RwSignal<Camera>, spins: Memo<bool>) {
    request_animation_frame(move || {
        if spins.try_get_untracked() == Some(true) {
            camera.update(|camera| *camera = camera.turned(SPIN, 0.0));
            spin(camera, spins);
        }
    });
}

fn turn_by_key(event: &KeyboardEvent, camera: RwSignal<Camera>, spinning: RwSignal<bool>) {
    let (yaw, pitch) = match event.key().as_str() {
        "ArrowLeft" => (-KEY, 0.0),
        "ArrowRight" => (KEY, 0.0),
        "ArrowUp" => (0.0, -KEY),
        "ArrowDown" => (0.0, KEY),
        " " => (0.0, 0.0),
        _ => return,
    };
    event.prevent_default();
    spinning.update(|on| *on = event.key() == " " && !*on);
    camera.update(|camera| *camera = camera.turned(yaw, pitch));
}
