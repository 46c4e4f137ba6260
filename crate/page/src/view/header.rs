//! The top line: name, sharing, theme; and under it one line that says what is awaited and how far it is.

use super::Page;
use super::download::copy;
use super::icon::{Icon, icon};
use super::theme::ThemeButton;
use crate::format;
use crate::state::{Loading, Run, State};
use crate::words;
use cleave_contract::EdgeWait;
use leptos::prelude::*;
use std::time::Duration;

/// The header.
#[component]
pub fn Header() -> impl IntoView {
    view! {
        <header>
            <div class="top">
            <div class="brand">
                <svg class="logo" viewBox="0 0 24 24" width="28" height="28" aria-hidden="true">
                    <path class="logo-left" d="M3 12 10.5 3v18z"></path>
                    <path class="logo-right" d="M21 12 13.5 3v18z"></path>
                </svg>
                <h1>"Cleave"</h1>
                <p class="tagline">"One network, cut in two: this tab and the edge"</p>
            </div>
            <div class="top-actions"><ShareButton /><ThemeButton /></div>
            </div>
            <Activity />
        </header>
    }
}

/// Copies the address, which holds all that is set.
#[component]
fn ShareButton() -> impl IntoView {
    let copied = RwSignal::new(None::<&'static str>);
    let share = move |_| {
        leptos::task::spawn_local(async move {
            let address = window().location().href().unwrap_or_default();
            copied.set(Some(if copy(&address).await { "link copied" } else { "copy it from the address bar" }));
            set_timeout(move || copied.set(None), Duration::from_secs(3));
        });
    };
    view! {
        <button type="button" class="quiet" on:click=share title="Copy a link that opens the page as it is now">
            {icon(Icon::Share)} <span aria-live="polite">{move || copied.get().unwrap_or("share")}</span>
        </button>
    }
}

/// What is awaited.
#[derive(Clone, Debug, PartialEq)]
struct Awaited {
    words: String,
    /// Part done in 0..=1; negative while nobody knows.
    part: f64,
    busy: bool,
}

fn awaited(state: &State) -> Awaited {
    let busy = |words: String, part: f64| Awaited { words, part, busy: true };
    match (&state.worker.loading, &state.worker.progress) {
        (Loading::Fetching { done, total: 0 }, _) => {
            busy(format!("Loading the compute engine: {}", megabytes(*done)), -1.0)
        }
        (Loading::Fetching { done, total }, _) => {
            let part = *done as f64 / *total as f64;
            let of = format!("{} of {}", megabytes(*done), megabytes(*total));
            busy(format!("Loading the compute engine: {of}, {:.0} %", 100.0 * part), part)
        }
        (Loading::Starting, _) => busy("Starting the compute engine".into(), -1.0),
        (Loading::Failed, _) => Awaited { words: "The compute engine is not running".into(), part: 0.0, busy: false },
        (_, Some(progress)) if progress.total > 0 => {
            let part = progress.done as f64 / progress.total as f64;
            busy(format!("{}: {:.0} %", words::work(progress.what), 100.0 * part), part)
        }
        (_, Some(progress)) => busy(words::work(progress.what).into(), -1.0),
        (Loading::Ready { version }, None) => idle(state, version),
    }
}

fn idle(state: &State, version: &str) -> Awaited {
    let busy = |words: String| Awaited { words, part: -1.0, busy: true };
    let idle = |words: String| Awaited { words, part: 1.0, busy: false };
    match (&state.network.wanted, state.edge.waiting, state.run) {
        (Some(network), ..) => busy(format!("Loading the network {network}")),
        (None, Some(EdgeWait::Connection), _) => busy("Waiting for the connection to the edge".into()),
        (None, Some(EdgeWait::Deployment), _) => busy("Waiting until the edge has the plan".into()),
        (None, None, Run::Stream) => idle("Streaming frames".into()),
        (None, None, _) => idle(format!("Ready. Engine version {version}")),
    }
}

fn megabytes(n_bytes: u64) -> String {
    if n_bytes < 1_000_000 { format::bytes(n_bytes as usize) } else { format!("{:.1} MB", n_bytes as f64 / 1e6) }
}

#[component]
fn Activity() -> impl IntoView {
    let page = Page::of_here();
    let awaited = page.part(awaited);
    let part = Memo::new(move |_| awaited.with(|a| a.part));
    let bar = move || {
        let part = part.get();
        (part >= 0.0).then(|| format!("{:.1}", 100.0 * part))
    };
    view! {
        <div class="activity" class:busy=move || awaited.with(|a| a.busy)>
            <span class="activity-words" id="activity">{move || awaited.with(|a| a.words.clone())}</span>
            <progress max="100" aria-labelledby="activity" value=bar></progress>
        </div>
    }
}
