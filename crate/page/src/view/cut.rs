//! The cuts: lines across both lanes that are dragged by their handle or moved by the arrow keys.

use super::Page;
use super::icon::{Icon, icon};
use super::pipeline::PITCH;
use crate::format;
use crate::state::{Act, State};
use leptos::html;
use leptos::prelude::*;
use web_sys::{KeyboardEvent, PointerEvent};

/// One handle per cut (one even if nothing is cut: it rests under the last operation), and a button for the second.
#[component]
pub fn Cuts(n_rows: Memo<usize>) -> impl IntoView {
    let page = Page::of_here();
    let n_cuts = page.part(|state| state.network.held.as_ref().map_or(0, |held| held.mapping.cuts().len()));
    let handles = move || if n_rows.get() == 0 { 0 } else { n_cuts.get().max(1) };
    view! {
        <For each=move || 0..handles() key=|cut| *cut children=move |cut| view! { <Handle cut=cut n_rows=n_rows /> } />
        <div class="more-cuts">
            <Show when=move || n_cuts.get() == 1>
                <button type="button" class="quiet" on:click=move |_| page.act(Act::AddCut)>"Add a second cut, back to the device"</button>
            </Show>
            <Show when=move || n_cuts.get() == 2>
                <button type="button" class="quiet" on:click=move |_| page.act(Act::MoveCut { cut: 1, to: usize::MAX })>
                    "Remove the second cut"
                </button>
            </Show>
        </div>
    }
}

/// A cut's place: its boundary, or one past the last for none.
fn place(state: &State, cut: usize) -> usize {
    let past = state.network.held.as_ref().map_or(0, |held| held.last() + 1);
    state.network.held.as_ref().and_then(|held| held.mapping.cuts().get(cut).copied()).unwrap_or(past)
}

/// What the handle says: the bytes of its boundary, or that nothing is cut.
fn caption(state: &State, cut: usize) -> (String, String) {
    let Some(held) = &state.network.held else { return Default::default() };
    let at = place(state, cut);
    match held.boundaries().get(at) {
        Some(boundary) => {
            let bytes = format::bytes(boundary.bytes);
            (bytes.clone(), format!("{}, sends {bytes}: {}", held.place(at), boundary.content))
        }
        None => ("no cut".into(), held.place(at)),
    }
}

#[component]
fn Handle(cut: usize, n_rows: Memo<usize>) -> impl IntoView {
    let page = Page::of_here();
    let at = page.part(move |state| place(state, cut));
    let caption = page.part(move |state| caption(state, cut));
    let node = NodeRef::<html::Div>::new();
    let dragged = RwSignal::new(false);
    let move_to = move |to: usize| page.act(Act::MoveCut { cut, to });
    let hold = move |event: PointerEvent| {
        if let Some(node) = node.get_untracked() {
            let _ = node.set_pointer_capture(event.pointer_id());
            let _ = node.focus();
        }
        dragged.set(true);
        event.prevent_default();
    };
    let drag = move |event: PointerEvent| {
        if dragged.get_untracked()
            && let Some(to) = under_pointer(node, &event)
        {
            move_to(to.min(n_rows.get_untracked()));
        }
    };
    let press = move |event: KeyboardEvent| {
        if let Some(to) = by_key(&event.key(), at.get_untracked(), n_rows.get_untracked()) {
            event.prevent_default();
            move_to(to);
        }
    };
    let uncut = move || at.get() >= n_rows.get();
    let label = move || if cut == 0 { "First cut: device to edge" } else { "Second cut: edge to device" };
    view! {
        <div class="cut" class:none=uncut class:dragged=dragged
            style:transform=move || format!("translateY({}px)", at.get() as f64 * PITCH)>
            <div class="cut-handle" node_ref=node role="slider" tabindex="0" aria-orientation="vertical" aria-label=label
                aria-valuemin="0" aria-valuemax=move || n_rows.get().to_string() aria-valuenow=move || at.get().to_string()
                aria-valuetext=move || caption.get().1 title="Drag, or use the arrow keys"
                on:pointerdown=hold on:pointermove=drag on:keydown=press
                on:pointerup=move |_| dragged.set(false) on:pointercancel=move |_| dragged.set(false)>
                {icon(Icon::Grip)} <span class="cut-words">"cut"</span> <span class="cut-bytes">{move || caption.get().0}</span>
            </div>
        </div>
    }
}

/// The boundary nearest to the pointer.
fn under_pointer(node: NodeRef<html::Div>, event: &PointerEvent) -> Option<usize> {
    let lanes = node.get_untracked()?.closest(".lanes").ok().flatten()?;
    let from_top = f64::from(event.client_y()) - lanes.get_bounding_client_rect().top();
    Some((from_top / PITCH - 0.2).round().max(0.0) as usize)
}

/// Where a key moves a cut at `at`; up is earlier, as on the screen.
fn by_key(key: &str, at: usize, last: usize) -> Option<usize> {
    match key {
        "ArrowUp" | "ArrowLeft" => Some(at.saturating_sub(1)),
        "ArrowDown" | "ArrowRight" => Some((at + 1).min(last)),
        "PageUp" => Some(at.saturating_sub(3)),
        "PageDown" => Some((at + 3).min(last)),
        "Home" => Some(0),
        "End" => Some(last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::by_key;

    #[test]
    fn keys_move_the_cut_within_the_network() {
        let moved = ["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End", "a"].map(|key| by_key(key, 4, 5));
        assert_eq!(moved, [Some(3), Some(5), Some(1), Some(5), Some(0), Some(5), None]);
        assert_eq!(by_key("ArrowUp", 0, 5), Some(0));
    }
}
