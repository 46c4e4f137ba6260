//! What went wrong: what, why, and what to do. It lies above the page and destroys nothing.

use super::Page;
use super::icon::{Icon, icon};
use crate::format::sentence;
use crate::state::Act;
use leptos::prelude::*;

/// The notice, while there is one. The region itself always exists, so that screen readers announce what comes into it.
#[component]
pub fn Banner() -> impl IntoView {
    let page = Page::of_here();
    let notice = page.part(|state| state.notice.clone());
    let shown = move || {
        notice.get().map(|notice| {
            view! {
                <div class="notice">
                    {icon(Icon::Warning)}
                    <p>
                        <strong>{sentence(&notice.what)}</strong> " " <span>{sentence(&notice.why)}</span> " "
                        <em>{sentence(&notice.remedy)}</em>
                    </p>
                    <button type="button" class="quiet" on:click=move |_| page.act(Act::Dismiss)>
                        {icon(Icon::Close)} "Dismiss"
                    </button>
                </div>
            }
        })
    };
    view! { <div class="banner" role="alert">{shown}</div> }
}
