//! Search: limits and budget, the funnel, what no other design beats, and a way to run it.

use super::Page;
use crate::format;
use crate::front::{Front, best, front, funnel};
use crate::state::{Act, Run};
use cleave_wire::ui::{Design, SearchWish, Strategy};
use leptos::prelude::*;

/// The plotting area and the room for the axes' numbers, CSS pixels.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 48.0;
const BELOW: f64 = 36.0;

/// The panel.
#[component]
pub fn Search() -> impl IntoView {
    let page = Page::of_here();
    let words = page.part(|state| match &state.search {
        Some(search) => funnel(search),
        None => {
            "Candidates are priced by the profile and the learned predictor; the best are judged by weights that all \
                 networks share, on generated furniture."
                .into()
        }
    });
    let designs = page.part(|state| state.search.as_ref().map(|search| search.designs.clone()).unwrap_or_default());
    view! {
        <section class="panel search" aria-labelledby="search-title">
            <div class="panel-head">
                <h2 id="search-title">"Search"</h2>
                <p class="muted">"a network and its split together, under the link and profile of now"</p>
            </div>
            <div class="search-grid">
                <div class="wishes"><Wish /></div>
                <div>
                    <svg class="chart front" viewBox=format!("0 0 {} {}", LEFT + WIDTH + 10.0, HEIGHT + BELOW) role="img" aria-labelledby="search-words">
                        {move || designs.with(|designs| draw(&front(designs), page, designs))}
                    </svg>
                </div>
                <Found designs=designs />
            </div>
            <p id="search-words" aria-live="off">{words}</p>
        </section>
    }
}

fn draw(front: &Front, page: Page, designs: &[Design]) -> impl IntoView + use<> {
    let across = |at: f64| LEFT + WIDTH * at;
    let up = |at: f64| HEIGHT * (1.0 - at);
    let tick = |(millis, at): &(f64, f64)| {
        let label = if *millis < 1.0 { format!("{millis:.1}") } else { format!("{millis:.0}") };
        view! { <text x=across(*at) y=HEIGHT + 16.0 text-anchor="middle">{label}</text> }
    };
    let level = |share: f64| {
        let accuracy = front.span[0] + share * (front.span[1] - front.span[0]);
        view! { <text x=LEFT - 6.0 y=up(share) + 4.0 text-anchor="end">{format!("{:.0} %", 100.0 * accuracy)}</text> }
    };
    let levels = if designs.is_empty() { Vec::new() } else { [0.0, 0.5, 1.0].map(level).to_vec() };
    let dot = |([x, y], design): (&[f64; 2], &Design)| {
        let plan = design.plan.clone();
        view! {
            <circle class="dot design" cx=across(*x) cy=up(*y) r="4.5" on:click=move |_| page.act(Act::Deploy(plan.clone()))>
                {leptos::svg::title().child(describe(design))}
            </circle>
        }
    };
    view! {
        <rect class="frame" x=LEFT y="0" width=WIDTH height=HEIGHT></rect>
        {front.ticks.iter().map(tick).collect_view()}
        {levels.into_iter().collect_view()}
        <text x=across(0.5) y=HEIGHT + BELOW - 3.0 text-anchor="middle">"predicted latency, ms; accuracy by shared weights"</text>
        {front.points.iter().zip(designs).map(dot).collect_view()}
    }
}

fn describe(design: &Design) -> String {
    format!(
        "{}: {:.0} %, {}, {} on the device",
        design.plan,
        100.0 * design.accuracy,
        format::millis(design.latency_millis),
        format::bytes(design.device_peak_bytes as usize)
    )
}

#[component]
fn Found(designs: Memo<Vec<Design>>) -> impl IntoView {
    let page = Page::of_here();
    let row = move |design: Design| {
        let (plan, name) = (design.plan.clone(), design.plan.clone());
        view! {
            <tr>
                <th scope="row"><code>{design.plan.clone()}</code></th>
                <td>{format!("{:.0} %", 100.0 * design.accuracy)}</td>
                <td>{format::millis(design.latency_millis)}</td>
                <td>{format::bytes(design.device_peak_bytes as usize)}</td>
                <td><button type="button" aria-label=format!("Run {name}")
                    on:click=move |_| page.act(Act::Deploy(plan.clone()))>"Run"</button></td>
            </tr>
        }
    };
    view! {
        <div class="found">
            <table>
                <thead><tr>
                    <th scope="col">"design"</th><th scope="col">"accuracy"</th><th scope="col">"latency"</th>
                    <th scope="col">"memory"</th><td></td>
                </tr></thead>
                <tbody>{move || designs.with(|designs| best(designs)).into_iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
}

#[component]
fn Wish() -> impl IntoView {
    let page = Page::of_here();
    let wish = RwSignal::new(SearchWish {
        strategy: Strategy::Nsga,
        latency_millis: Some(30.0),
        energy_millijoules: None,
        device_megabytes: None,
        candidates: 60_000,
        evaluations: 120,
        seed: 1,
        codec: "f32".into(),
    });
    let searching = page.part(|state| state.run == Run::Searching);
    let waiting = page.part(|state| state.held.is_none() || state.run == Run::Measuring);
    let kept = page.part(|state| state.kept_search.is_some());
    let limit = move |name: &'static str,
                      get: fn(&SearchWish) -> Option<f64>,
                      set: fn(&mut SearchWish, Option<f64>)| {
        let shown = move || wish.with(|wish| get(wish).map(|value| value.to_string()).unwrap_or_default());
        let change = move |event| {
            let value = event_target_value(&event).parse::<f64>().ok().filter(|value| *value > 0.0);
            wish.update(|wish| set(wish, value));
        };
        view! { <label>{name}<input type="number" min="0" step="any" placeholder="any" prop:value=shown on:change=change /></label> }
    };
    let whole = move |name: &'static str, get: fn(&SearchWish) -> u64, set: fn(&mut SearchWish, u64)| {
        let shown = move || wish.with(get).to_string();
        let change = move |event| {
            if let Ok(value) = event_target_value(&event).parse::<u64>() {
                wish.update(|wish| set(wish, value.max(1)));
            }
        };
        view! { <label>{name}<input type="number" min="1" step="1" prop:value=shown on:change=change /></label> }
    };
    let choose = move |event| {
        let strategy = match event_target_value(&event).as_str() {
            "random" => Strategy::Random,
            "stages" => Strategy::Stages,
            _ => Strategy::Nsga,
        };
        wish.update(|wish| wish.strategy = strategy);
    };
    view! {
        <fieldset class="wish" disabled=searching>
            <legend class="unseen">"What is searched for"</legend>
            {limit("latency, ms", |wish| wish.latency_millis, |wish, value| wish.latency_millis = value)}
            {limit("energy, mJ", |wish| wish.energy_millijoules, |wish, value| wish.energy_millijoules = value)}
            {limit("device memory, MB", |wish| wish.device_megabytes, |wish, value| wish.device_megabytes = value)}
            {whole("candidates", |wish| wish.candidates, |wish, value| wish.candidates = value)}
            {whole("judged", |wish| wish.evaluations, |wish, value| wish.evaluations = value)}
            {whole("seed", |wish| wish.seed, |wish, value| wish.seed = value)}
            <label>"strategy"
                <select on:change=choose>
                    <option value="nsga" selected>"NSGA-II"</option>
                    <option value="random">"random (GCoDE)"</option>
                    <option value="stages">"stages (HGNAS)"</option>
                </select>
            </label>
        </fieldset>
        <div class="buttons wish-buttons">
            <Show when=move || !searching.get() fallback=move || view! {
                <button type="button" on:click=move |_| page.act(Act::Stop)>"Stop"</button>
            }>
                <button type="button" class="primary" disabled=waiting
                    on:click=move |_| page.act(Act::Search(wish.get_untracked()))>"Search"</button>
                <Show when=move || kept.get()>
                    <button type="button" disabled=waiting on:click=move |_| page.act(Act::ResumeSearch)>"Go on"</button>
                </Show>
            </Show>
        </div>
    }
}
