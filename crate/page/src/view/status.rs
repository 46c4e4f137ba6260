//! The three parties, each with its state, the reason for it and its controls: the device's engine, the link, the edge.

use super::Page;
use super::control::{Range, amount, choices};
use super::lane;
use crate::format;
use crate::state::{Act, Engine, Shared};
use cleave_contract::{Backend, EdgeAddress, EdgeStatus, Lane, Link, MAX_SLOWDOWN, Preference};
use leptos::prelude::*;

/// The row of cards.
#[component]
pub fn Status() -> impl IntoView {
    view! {
        <section class="status" aria-label="Device, link and edge">
            <DeviceCard />
            <LinkCard />
            <EdgeCard />
        </section>
    }
}

/// What each candidate took: `wasm SIMD 12.0 ms · WebGPU does not run: no adapter`.
fn measured(engine: &Engine) -> String {
    let candidate = |time: &cleave_contract::EngineTime| {
        let name = format::engine(time.backend);
        match time.millis {
            Some(millis) => format!("{name} {} {}", format::millis(millis), time.note),
            None => format!("{name} does not run: {}", time.note),
        }
    };
    engine.measured.iter().map(|time| candidate(time).trim().to_owned()).collect::<Vec<_>>().join(" · ")
}

/// The slow-downs that have a button.
const SLOWDOWNS: [(&str, f64); 4] = [("as it is", 1.0), ("2 ×", 2.0), ("4 ×", 4.0), ("8 ×", 8.0)];

#[component]
fn DeviceCard() -> impl IntoView {
    let page = Page::of_here();
    let engine = page.part(|state| state.worker.engine.clone());
    let preference = page.part(|state| Some(state.settings.preference));
    let slowdown = page.part(|state| state.settings.slowdown);
    let name = move || engine.get().map_or("…", |engine| format::engine(engine.backend));
    let slower = move || format::slower(slowdown.get());
    let slow_down = move |times| page.act(Act::SlowDown(times));
    let preset = Signal::derive(move || Some(slowdown.get()));
    let tell = |read: fn(&Engine) -> String, absent: &'static str| {
        move || engine.get().map_or_else(|| absent.to_owned(), |engine: Shared<Engine>| read(&engine))
    };
    let reason = tell(|engine| engine.reason.clone(), "The engines are measured as soon as they are here.");
    let times = tell(measured, "");
    let options = vec![
        ("auto", Preference::Auto),
        ("wasm SIMD", Preference::Only(Backend::Wasm)),
        ("WebGPU", Preference::Only(Backend::WebGpu)),
    ];
    view! {
        <div class="card">
            <h2>{lane::swatch(Lane::Device)} "Device" <span class="value">{name} {slower}</span></h2>
            <p class="reason" title=times>{reason}</p>
            <div class="controls">
                {choices("Engine", "engine", options, preference.into(), move |p| page.act(Act::Prefer(p)))}
                {choices("Emulate a slower device", "slower", SLOWDOWNS.to_vec(), preset, slow_down)}
                {amount("or", "×", Range { min: 1.0, max: MAX_SLOWDOWN, step: 0.5 }, slowdown.into(), slow_down)}
            </div>
        </div>
    }
}

/// The rates that have a button.
const RATES: [(&str, f64); 4] = [("unshaped", 0.0), ("100", 100.0), ("40", 40.0), ("10", 10.0)];

#[component]
fn LinkCard() -> impl IntoView {
    let page = Page::of_here();
    let link = page.part(|state| state.settings.link);
    let change = move |change: fn(&mut Link, f64)| {
        move |value: f64| {
            let mut link = link.get_untracked();
            change(&mut link, value);
            page.act(Act::Shaping(link));
        }
    };
    let rate = Signal::derive(move || link.get().mbps);
    let delay = Signal::derive(move || link.get().delay_ms);
    let jitter = Signal::derive(move || link.get().jitter_ms);
    let measured = page.part(|state| match &state.edge.status {
        EdgeStatus::Connected { rtt_ms, .. } => format!("Round trip {}, measured.", format::millis(*rtt_ms)),
        EdgeStatus::Simulated => "Simulated: both ends are in this tab.".into(),
        EdgeStatus::Connecting { .. } | EdgeStatus::Lost { .. } => "No connection at the moment.".into(),
    });
    let set_rate = change(|link, v| link.mbps = v);
    let millis = Range { min: 0.0, max: 10_000.0, step: 1.0 };
    let preset = Signal::derive(move || Some(rate.get()));
    view! {
        <div class="card">
            <h2>
                {lane::swatch(Lane::Uplink)} {lane::swatch(Lane::Downlink)} "Link"
                <span class="value">{move || format::link(&link.get())}</span>
            </h2>
            <p class="reason">{measured}</p>
            <div class="controls">
                {choices("Mbps", "mbps", RATES.to_vec(), preset, set_rate)}
                {amount("or", "", Range { min: 0.0, max: 100_000.0, step: 1.0 }, rate, set_rate)}
                {amount("delay", "ms", millis, delay, change(|link, v| link.delay_ms = v))}
                {amount("jitter", "ms", millis, jitter, change(|link, v| link.jitter_ms = v))}
                <button type="button" title="Frames end on the device until the connection is back"
                    on:click=move |_| page.act(Act::Break)>"Break it"</button>
            </div>
        </div>
    }
}

/// The edge's state as a value and a sentence.
fn edge_words(status: &EdgeStatus) -> (String, String) {
    match status {
        EdgeStatus::Simulated => {
            ("simulated".into(), "The edge half runs in this tab, behind a simulated link.".into())
        }
        EdgeStatus::Connecting { url } => ("connecting".into(), format!("Trying {url}.")),
        EdgeStatus::Connected { url, name, threads, rtt_ms, .. } => {
            let threads = format!("{threads} thread{}", if *threads == 1 { "" } else { "s" });
            (format!("{name}, {threads}"), format!("Connected to {url}, round trip {}.", format::millis(*rtt_ms)))
        }
        EdgeStatus::Lost { url, why, retry_ms } => {
            let retry = format!("Frames are finished here; next try in {:.0} s.", (retry_ms / 1e3).ceil());
            ("lost".into(), format!("{url}: {} {retry}", format::sentence(why)))
        }
    }
}

#[component]
fn EdgeCard() -> impl IntoView {
    let page = Page::of_here();
    let status = page.part(|state| state.edge.status.clone());
    let words = Memo::new(move |_| status.with(edge_words));
    let simulated = Memo::new(move |_| status.with(|status| *status == EdgeStatus::Simulated));
    let lost = move || status.with(|status| matches!(status, EdgeStatus::Lost { .. }));
    view! {
        <div class="card" class:lost=lost>
            <h2>{lane::swatch(Lane::Edge)} "Edge" <span class="value">{move || words.get().0}</span></h2>
            <p class="reason" aria-live="polite">{move || words.get().1}</p>
            <div class="controls">
                <ConnectForm />
                <Show when=move || !simulated.get()>
                    <button type="button" on:click=move |_| page.act(Act::Simulate)>"Run the edge half here"</button>
                </Show>
            </div>
        </div>
    }
}

/// Address and token of a native edge.
#[component]
fn ConnectForm() -> impl IntoView {
    let page = Page::of_here();
    let known = page.state.with_untracked(|state| state.edge.address.clone());
    let (url, token) = known.map_or(("ws://127.0.0.1:8787/ws".into(), String::new()), |edge| (edge.url, edge.token));
    let (url, token) = (RwSignal::new(url), RwSignal::new(token));
    let open = RwSignal::new(false);
    let connect = move |event: web_sys::SubmitEvent| {
        event.prevent_default();
        open.set(false);
        let address =
            EdgeAddress { url: url.get_untracked().trim().into(), token: token.get_untracked().trim().into() };
        page.act(Act::Connect(address));
    };
    let toggle = move |event| open.set(event_target::<web_sys::HtmlDetailsElement>(&event).open());
    let escape = move |event: web_sys::KeyboardEvent| {
        if event.key() == "Escape" {
            open.set(false);
        }
    };
    view! {
        <details class="connect" prop:open=open on:toggle=toggle on:keydown=escape>
            <summary>"Connect a native edge"</summary>
            <form on:submit=connect>
                <label>"Address"
                    <input type="text" inputmode="url" required autocomplete="off" spellcheck="false"
                        prop:value=url on:input=move |event| url.set(event_target_value(&event)) />
                </label>
                <label>"Token"
                    <input type="password" required autocomplete="off" prop:value=token
                        on:input=move |event| token.set(event_target_value(&event)) />
                </label>
                <p class="hint">"Start " <code>"cleave-edge"</code> "; its start URL holds both."</p>
                <button type="submit" class="primary">"Connect"</button>
            </form>
        </details>
    }
}
