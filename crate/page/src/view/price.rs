//! The cost: what the plan in use is predicted to take beside what it took, all cuts side by side, and what the
//! predictions rest on.

use super::Page;
use super::download::download;
use super::lane;
use super::scatter::Judged;
use crate::format::{self, error};
use crate::price::{Bar, PARTS, Part, bars, source_words, summary, top};
use crate::state::{Act, Notice, Run, State};
use crate::timeline::word;
use crate::view::list::List;
use cleave_contract::{Frame, Outcome, Powers, Price};
use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::HtmlInputElement;

/// Height of the chart and of its plotting area, CSS pixels.
const HEIGHT: f64 = 190.0;
const PLOT: f64 = 150.0;
/// A dot's radius.
const DOT: f64 = 4.0;

/// The panel.
#[component]
pub fn Prices() -> impl IntoView {
    let page = Page::of_here();
    let source = page.part(|state| state.costs.prices.as_ref().map(|prices| source_words(prices)).unwrap_or_default());
    view! {
        <section class="panel cost" aria-labelledby="cost-title">
            <div class="panel-head">
                <h2 id="cost-title">"Cost"</h2>
                <p class="muted">"predicted by " {source}</p>
            </div>
            <div class="cost-grid">
                <Comparison />
                <Chart />
                <Judged />
                <Basis />
            </div>
        </section>
    }
}

/// A part's word.
pub(super) fn label(part: Part) -> &'static str {
    match part {
        Part::Lane(lane) => word(lane),
        Part::Other => "other",
    }
}

/// What fills a part's marks.
pub(super) fn fill(part: Part) -> &'static str {
    match part {
        Part::Lane(own) => lane::fill(own),
        Part::Other => "var(--muted)",
    }
}

/// Predicted and measured of one line, or dashes.
type Line = (String, String, String);

/// The five parts, their sum, and the energy and memory that are predicted alone.
fn lines(state: &State) -> Vec<Line> {
    let price = state.costs.prices.as_ref().map(|prices| prices.plan);
    let frame = state.frames.answer.as_ref().map(|answer| answer.frame.clone());
    let frame = frame.filter(|frame| frame.outcome == Outcome::AsPlanned);
    let line = |predicted: Option<f64>, measured: Option<f64>| {
        let shown = |millis: Option<f64>| millis.map_or_else(|| "–".into(), format::millis);
        let known = predicted.zip(measured).filter(|(_, measured)| *measured >= 0.5);
        (shown(predicted), shown(measured), known.map_or_else(|| "–".into(), |(p, m)| error(p, m)))
    };
    let part =
        |part: Part| line(price.map(|price| part.of(&price)), frame.as_deref().map(|frame| part.measured(frame)));
    let total = line(price.map(|price| price.total_ms()), frame.as_deref().map(|frame: &Frame| frame.total_ms));
    PARTS.into_iter().map(part).chain([total]).collect()
}

/// Uncertainty, throughput, memory and energy of the plan in use.
fn footnote(state: &State) -> String {
    let Some(prices) = &state.costs.prices else { return String::new() };
    let price = prices.plan;
    let Price { uncertainty_ms, frames_per_second, device_peak_bytes, edge_peak_bytes, energy_millijoules, .. } = price;
    let edge = if edge_peak_bytes == 0 {
        String::new()
    } else {
        format!(", {} on the edge", format::bytes(edge_peak_bytes as usize))
    };
    let hgnas = prices.hgnas_peak_bytes.map(|bytes| {
        let bytes = format::bytes(bytes as usize);
        format!(" (HGNAS's formula: {bytes} for an engine that builds every message)")
    });
    format!(
        "± {}; up to {frames_per_second:.1} frames/s; peak memory {} on the device{edge}{}; {energy_millijoules:.0} mJ per \
         frame on the device, an estimate by the powers beside.",
        format::millis(uncertainty_ms),
        format::bytes(device_peak_bytes as usize),
        hgnas.unwrap_or_default()
    )
}

#[component]
fn Comparison() -> impl IntoView {
    let page = Page::of_here();
    let lines = page.part(lines);
    let footnote = page.part(footnote);
    let cell = move |row: usize, column: usize| {
        move || {
            lines.with(|lines| {
                let (predicted, measured, error) = lines[row].clone();
                [predicted, measured, error][column].clone()
            })
        }
    };
    let row = move |(at, part): (usize, Option<Part>)| {
        let name = part.map_or("all", label);
        let swatch = part.map(|part| match part {
            Part::Lane(own) => lane::swatch(own).into_any(),
            Part::Other => view! {
                <svg class="swatch" width="18" height="12" aria-hidden="true"><rect width="18" height="12" rx="2" fill=fill(part)></rect></svg>
            }
            .into_any(),
        });
        view! {
            <tr class:total=part.is_none()>
                <th scope="row">{swatch} " " {name}</th>
                <td>{cell(at, 0)}</td><td>{cell(at, 1)}</td><td>{cell(at, 2)}</td>
            </tr>
        }
    };
    let rows = PARTS.into_iter().map(Some).chain([None]).enumerate().map(row).list();
    view! {
        <div class="comparison">
            <table>
                <thead><tr><td></td><th scope="col">"predicted"</th><th scope="col">"measured"</th><th scope="col">"error"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="muted">{footnote}</p>
        </div>
    }
}

#[component]
fn Chart() -> impl IntoView {
    let page = Page::of_here();
    let bars = page.part(bars);
    let words = Memo::new(move |_| bars.with(|bars| summary(bars)));
    view! {
        <div class="cuts">
            <p class="muted">"All placements: predicted as bars, measured as dots"</p>
            <svg class="chart" width="100%" height=HEIGHT role="img" aria-labelledby="cuts-words">
                {move || bars.with(|bars| draw(page, bars))}
            </svg>
            <p class="summary" id="cuts-words">{words}</p>
        </div>
    }
}

fn draw(page: Page, bars: &[Bar]) -> Vec<AnyView> {
    let (top, n_ops) = (top(bars), bars.len().saturating_sub(2));
    let step = 100.0 / bars.len().max(1) as f64;
    let height = move |millis: f64| PLOT * millis / top;
    let column = |(at, bar): (usize, &Bar)| {
        let x = at as f64 * step;
        let mut below = 0.0;
        let stack = PARTS.map(|part| {
            let millis = part.of(&bar.price);
            below += millis;
            view! {
                <rect x=format!("{:.3}%", x + 0.18 * step) width=format!("{:.3}%", 0.64 * step)
                    y=PLOT - height(below) height=height(millis) fill=fill(part)></rect>
            }
        });
        let dot = bar.measured.map(|millis| {
            view! { <circle class="dot" cx=format!("{:.3}%", x + 0.5 * step) cy=PLOT - height(millis) r=DOT></circle> }
        });
        let measured =
            bar.measured.map_or_else(|| "not measured".into(), |millis| format!("measured {}", format::millis(millis)));
        let tip = format!("{}: predicted {}, {measured}", bar.place, format::millis(bar.price.total_ms()));
        let name = bar
            .cut
            .map_or_else(|| "none".into(), |cut| if cut == n_ops { "end".into() } else { (cut + 1).to_string() });
        let to = bar.cut.unwrap_or(n_ops + 1);
        view! {
            <g class="column" class:in-use=bar.in_use on:click=move |_| page.act(Act::MoveCut { cut: 0, to })>
                <rect class="hit" x=format!("{x:.3}%") width=format!("{step:.3}%") y="0" height=HEIGHT></rect>
                {stack} {dot}
                <text x=format!("{:.3}%", x + 0.5 * step) y=PLOT + 17.0 text-anchor="middle">{name}</text>
                {leptos::svg::title().child(tip)}
            </g>
        }
    };
    bars.iter().enumerate().map(column).list()
}

/// What the predictions rest on, in words.
fn basis(state: &State) -> String {
    let Some(profile) = state.costs.profile.as_ref().filter(|profile| profile.rows > 0) else {
        return "No profile: times are a rule of thumb. Measure this device, the edge and the link once.".into();
    };
    let edge = profile.edge.as_ref().map(|edge| format!(", edge {edge}")).unwrap_or_default();
    let link = profile.link.map(|[rtt, up, down]| {
        format!("; link {} round trip, {up:.0} Mbps up, {down:.0} Mbps down unshaped", format::millis(rtt))
    });
    let unfinished = if profile.complete { "" } else { " It was interrupted: measure again to go on." };
    let calibrated = match profile.calibrated {
        0 => String::new(),
        n => format!(" Corrected by {n} frames."),
    };
    format!(
        "{} rows, half of them known to ± {:.0} % or better: device {}{edge}{}.{unfinished}{calibrated}",
        profile.rows,
        100.0 * profile.noise,
        profile.device,
        link.unwrap_or_default()
    )
}

#[component]
fn Basis() -> impl IntoView {
    let page = Page::of_here();
    let words = page.part(basis);
    let measuring = page.part(|state| state.run == Run::Measuring);
    let waiting = page.part(|state| !state.can_run());
    let exported = page.part(|state| state.costs.profile.clone());
    let file = move || exported.with(|profile| profile.as_ref().map(|profile| profile.json.clone()));
    let import = move |event| {
        let input: HtmlInputElement = event_target(&event);
        if let Some(file) = input.files().and_then(|files| files.get(0)) {
            read(page, file);
        }
        input.set_value("");
    };
    view! {
        <div class="basis">
            <p>{words}</p>
            <div class="buttons">
                <Show when=move || !measuring.get() fallback=move || view! {
                    <button type="button" on:click=move |_| page.act(Act::Stop)>"Stop measuring"</button>
                }>
                    <button type="button" class="primary" disabled=waiting
                        on:click=move |_| page.act(Act::Profile { quick: true })>"Measure, quick"</button>
                    <button type="button" disabled=waiting
                        on:click=move |_| page.act(Act::Profile { quick: false })>"Measure, full"</button>
                    <button type="button" disabled=waiting on:click=move |_| page.act(Act::Calibrate)>"Calibrate"</button>
                </Show>
            </div>
            <div class="buttons">
                {download("Export", "cleave-profile.json", "application/json", file)}
                <label class="button">
                    <input type="file" class="unseen" accept=".json,application/json" on:change=import />"Import"
                </label>
            </div>
            <Power />
        </div>
    }
}

/// The three powers by which energy is estimated.
#[component]
fn Power() -> impl IntoView {
    let page = Page::of_here();
    let powers = page.part(|state| state.costs.profile.as_ref().map(|profile| profile.powers));
    let measuring = page.part(|state| state.run == Run::Measuring);
    let field = move |name: &'static str, get: fn(&Powers) -> f64, set: fn(&mut Powers, f64)| {
        let shown = move || powers.get().map(|powers| get(&powers).to_string()).unwrap_or_default();
        let change = move |event| {
            let value = event_target_value(&event).parse::<f64>().unwrap_or(f64::NAN);
            if let Some(mut changed) = powers.get_untracked() {
                set(&mut changed, value);
                page.act(Act::Power(changed));
            }
        };
        view! {
            <label>{name}<input type="number" min="0" step="1" prop:value=shown on:change=change /></label>
        }
    };
    view! {
        <Show when=move || powers.with(Option::is_some)>
            <fieldset class="powers" disabled=measuring>
                <legend>"Powers for the energy estimate, mW"</legend>
                {field("computing", |powers| powers.active_milliwatts, |powers, value| powers.active_milliwatts = value)}
                {field("sending", |powers| powers.communicating_milliwatts, |powers, value| powers.communicating_milliwatts = value)}
                {field("waiting", |powers| powers.static_milliwatts, |powers, value| powers.static_milliwatts = value)}
            </fieldset>
        </Show>
    }
}

fn read(page: Page, file: web_sys::File) {
    leptos::task::spawn_local(async move {
        let name = file.name();
        match JsFuture::from(file.text()).await.ok().and_then(|text| text.as_string()) {
            Some(json) => page.act(Act::Import(json)),
            None => page.act(Act::Complain(Notice {
                what: format!("{name} could not be opened."),
                why: "The browser cannot read it.".into(),
                remedy: "Choose a profile that was exported; the one before is kept.".into(),
            })),
        }
    });
}
