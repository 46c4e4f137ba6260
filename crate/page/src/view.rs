//! The view: small components over parts of the state. A component reads what it shows as a [`Memo`], so that it is redrawn
//! only when that has changed, and answers a person with an [`Act`].

mod answer;
mod banner;
mod cloud;
mod compare;
mod control;
mod cut;
mod dispatch;
mod download;
mod front;
mod header;
mod icon;
mod input;
mod inspect;
mod lane;
mod list;
mod network;
mod partition;
mod pipeline;
mod price;
mod request;
mod run;
mod scatter;
mod search;
mod status;
mod theme;
mod timeline;

use crate::state::{Act, Loading, Notice, State};
use crate::url::{self, Scheme};
use crate::worker::{self, Port};
use cleave_contract::{Death, Event};
use leptos::prelude::*;
use std::time::Duration;
use wasm_bindgen::JsCast;

/// A fast network ends a thousand frames a second: they are shown together, so many milliseconds apart at least.
const APART: f64 = 40.0;

/// Frames that have ended since the page was drawn.
#[derive(Default)]
struct Waiting {
    events: Vec<Event>,
    /// When events were shown, milliseconds.
    shown: f64,
    /// A timer will show what waits.
    is_timed: bool,
}

/// What every component has at hand.
#[derive(Clone, Copy)]
pub struct Page {
    state: RwSignal<State>,
    /// Events that wait to be shown together.
    waiting: StoredValue<Waiting>,
    /// The way to the worker.
    pub(crate) port: Port,
    /// Raised when colours have changed: canvases are painted again.
    repaint: RwSignal<u32>,
}

impl Page {
    /// The page of the surrounding component.
    fn of_here() -> Page {
        expect_context()
    }

    /// A person's action.
    pub fn act(self, act: Act) {
        let intents = self.state.try_update(|state| state.act(act));
        self.port.post(intents.unwrap_or_default());
    }

    /// The worker's event: shown at once, in order, but frames not more often than a person sees.
    pub fn hear(self, event: Event) {
        let is_frame = matches!(event, Event::Frame(_));
        let now = js_sys::Date::now();
        let may_wait = self.waiting.try_update_value(|waiting| {
            waiting.events.push(event);
            let may_wait = is_frame && (0.0..APART).contains(&(now - waiting.shown));
            let begins = may_wait && !waiting.is_timed;
            waiting.is_timed |= begins;
            (may_wait, begins)
        });
        match may_wait {
            Some((true, true)) => set_timeout(move || self.show(), Duration::from_millis(APART as u64)),
            Some((true, false)) => {}
            _ => self.show(),
        }
    }

    /// The worker has died: what it said before is shown, then another is started if the state wants one.
    pub fn die(self, death: Death) {
        self.show();
        self.port.end();
        self.act(Act::Die { death, at_ms: js_sys::Date::now() });
        if self.state.with_untracked(|state| state.worker.loading == Loading::Starting) {
            worker::start_again(self);
        }
    }

    /// Shows what waits.
    fn show(self) {
        let events = self.waiting.try_update_value(|waiting| {
            (waiting.shown, waiting.is_timed) = (js_sys::Date::now(), false);
            std::mem::take(&mut waiting.events)
        });
        let events = events.unwrap_or_default();
        events.iter().for_each(|event| self.keep(event));
        let intents = self
            .state
            .try_update(|state| -> Vec<_> { events.into_iter().flat_map(|event| state.hear(event)).collect() });
        self.port.post(intents.unwrap_or_default());
    }

    /// Keeps for the next visit what an event tells.
    fn keep(self, event: &Event) {
        // The worker's first one is empty: the kept one is on its way to it.
        if let Event::Profile(profile) = event
            && self.state.with_untracked(|state| state.costs.profile.is_some())
        {
            worker::keep_profile(&profile.json);
        }
        if let Event::Search(search) = event
            && let Some(state) = &search.state
        {
            // What is told now belongs to what was asked for last.
            let request = self.state.with_untracked(|state| state.search.sought.clone());
            worker::keep_search(state, request.as_ref());
        }
    }

    /// A part of the state that a component shows.
    fn part<T>(self, read: impl Fn(&State) -> T + Send + Sync + 'static) -> Memo<T>
    where
        T: PartialEq + Send + Sync + 'static,
    {
        Memo::new(move |_| self.state.with(&read))
    }
}

/// Puts the interface in place of the static shell.
pub fn mount() {
    let Some(root) = document().get_element_by_id("app") else { return };
    root.set_inner_html("");
    leptos::mount::mount_to(root.unchecked_into(), App).forget();
}

/// The state that the address describes; what it does not describe well is told.
fn opened() -> State {
    let location = window().location();
    let (query, fragment) = (location.search().unwrap_or_default(), location.hash().unwrap_or_default());
    let scheme = if location.protocol().is_ok_and(|p| p == "https:") { Scheme::Secure } else { Scheme::Plain };
    let (settings, problems) = url::parse(&query);
    let address = url::edge_address(&query, &fragment, &location.host().unwrap_or_default(), scheme);
    let mut state = State::new(settings, address, worker::base_url());
    state.costs.kept_profile = worker::kept_profile();
    (state.search.kept, state.search.kept_request) = (worker::kept_search(), worker::kept_request());
    state.search.opened = url::shared_search(&fragment);
    if !problems.is_empty() {
        state.notice = Some(Notice {
            what: "Part of the address was not understood.".into(),
            why: problems.join(" "),
            remedy: "The defaults are used for it.".into(),
        });
    }
    state
}

/// Keeps the address equal to the settings; the token and a search go from sight with the first writing.
fn keep_address(page: Page) {
    let query = page.part(|state| url::print(&state.settings));
    Effect::new(move || write_address(&query.get()));
    // A link that is pasted into the address of an open page loads nothing.
    let _listener = window_event_listener(leptos::ev::hashchange, move |_| {
        if let Some(text) = url::shared_search(&window().location().hash().unwrap_or_default()) {
            write_address(&query.get_untracked());
            page.act(Act::OpenShared(text));
        }
    });
}

fn write_address(query: &str) {
    let path = window().location().pathname().unwrap_or_default();
    let address = if query.is_empty() { path } else { format!("{path}?{query}") };
    if let Ok(history) = window().history() {
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&address));
    }
}

/// A panel that is built in a task of its own, so that building the page never holds the main thread for long; until then its
/// place is kept.
fn staged<V: IntoView + 'static>(place: &'static str, panel: fn() -> V) -> impl IntoView {
    let due = RwSignal::new(false);
    set_timeout(move || due.set(true), Duration::ZERO);
    move || if due.get() { panel().into_any() } else { view! { <div class=place></div> }.into_any() }
}

#[component]
fn App() -> impl IntoView {
    let (state, waiting) = (RwSignal::new(opened()), StoredValue::new(Waiting::default()));
    let port = Port::new(url::is_test(&window().location().search().unwrap_or_default()));
    let page = Page { state, waiting, port, repaint: RwSignal::new(0) };
    provide_context(page);
    keep_address(page);
    worker::start(page);
    view! {
        <lane::Textures />
        <header::Header />
        <main id="main">
            <banner::Banner />
            {staged("status ghost", || view! { <status::Status /> })}
            <div class="work">
                {staged("panel ghost", || view! { <input::Input /> })}
                {staged("panel ghost", || view! { <network::Network /> })}
                {staged("panel ghost", || view! { <answer::Answer /> })}
            </div>
            {staged("panel ghost", || view! { <price::Prices /> })}
            {staged("panel ghost", || view! { <search::Search /> })}
            {staged("panel ghost", || view! { <dispatch::Dispatcher /> })}
            {staged("panel ghost", || view! { <partition::Partition /> })}
            {staged("panel ghost", || view! { <timeline::Timeline /> })}
        </main>
    }
}
