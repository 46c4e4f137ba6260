//! A link that downloads a text, and the clipboard.

use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// A file as an address; small files only, since all of it is in the link.
pub fn data_url(mime: &str, text: &str) -> String {
    format!("data:{mime};charset=utf-8,{}", js_sys::encode_uri_component(text))
}

/// A link that looks like a button and downloads the text of `file`; absent while that is.
pub fn download(
    label: &'static str,
    name: &'static str,
    mime: &'static str,
    file: impl Fn() -> Option<String> + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let is_there = Memo::new(move |_| file().is_some());
    let address = move || file().map(|text| data_url(mime, &text));
    view! { <Show when=move || is_there.get()><a class="button" download=name href=address>{label}</a></Show> }
}

/// Puts a text into the clipboard; false where the browser does not let us, or has none (a page that is not secure).
pub async fn copy(text: &str) -> bool {
    let navigator = window().navigator();
    let has_clipboard = Reflect::get(&navigator, &"clipboard".into()).is_ok_and(|clipboard| clipboard.is_object());
    has_clipboard && JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
}
