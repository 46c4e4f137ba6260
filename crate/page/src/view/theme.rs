//! Light, dark, or as the system has it. The choice is a habit of this browser, not part of what a link shares.

use super::Page;
use super::icon::{Icon, icon};
use leptos::prelude::*;

/// Where the browser keeps it; `www/start.js` reads the same key before the first paint.
const KEY: &str = "cleave.theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    Auto,
    Light,
    Dark,
}

impl Theme {
    fn word(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn next(self) -> Theme {
        match self {
            Theme::Auto => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::Auto,
        }
    }

    fn stored() -> Theme {
        let kept = window().local_storage().ok().flatten().and_then(|storage| storage.get_item(KEY).ok().flatten());
        [Theme::Light, Theme::Dark]
            .into_iter()
            .find(|theme| kept.as_deref() == Some(theme.word()))
            .unwrap_or(Theme::Auto)
    }

    fn apply(self) {
        if let Some(root) = document().document_element() {
            let _ = root.set_attribute("data-theme", self.word());
        }
        if let Ok(Some(storage)) = window().local_storage() {
            let _ = storage.set_item(KEY, self.word());
        }
    }
}

/// One button that goes round the three.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let page = Page::of_here();
    let theme = RwSignal::new(Theme::stored());
    let turn = move |_| {
        theme.update(|theme| *theme = theme.next());
        theme.get_untracked().apply();
        page.repaint.update(|n| *n += 1);
    };
    view! {
        <button type="button" class="quiet" on:click=turn title="Colours: as the system has them, light, or dark">
            {icon(Icon::Theme)} <span class="theme-word">"theme: " {move || theme.get().word()}</span>
        </button>
    }
}
