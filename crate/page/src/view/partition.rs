//! Partition: how several workers share an image network. The form, all strategies in a table, two of them drawn in detail,
//! and all of them over set-up times.

mod form;
mod grid;
mod lanes;
mod sweep;

use super::Page;
use crate::format::sentence;
use crate::partition::{Figure, Row, STRATEGIES, conditions, plan_of, rows, summary, words};
use crate::state::{Act, Shared, State};
use cleave_wire::ui::{PartitionPlan, Partitions};
use leptos::prelude::*;

/// What was planned last.
type Told = Memo<Option<Shared<Partitions>>>;

/// The panel.
#[component]
pub fn Partition() -> impl IntoView {
    let page = Page::of_here();
    let told: Told = page.part(|state| state.partitions.clone());
    let is_there = Memo::new(move |_| told.with(Option::is_some));
    view! {
        <section class="panel partition" aria-labelledby="partition-title">
            <div class="panel-head">
                <h2 id="partition-title">"Partition"</h2>
                <p class="muted">"an image network shared by several workers: who computes what, and what is sent"</p>
            </div>
            <div class="partition-grid">
                <form::Wish />
                <Show when=move || is_there.get() fallback=|| view! {
                    <p class="empty muted">"Nothing is planned yet. Choose a network and its workers, then press Plan: this tab \
                        measures the network's operators and predicts what every strategy takes."</p>
                }>
                    <div class="planned"><Strategies told /><sweep::Swept told /></div>
                </Show>
            </div>
            <Show when=move || is_there.get()><Pair told /></Show>
        </section>
    }
}

/// What the figures rest on, and whether the form has changed since.
fn basis(state: &State) -> String {
    let Some(told) = &state.partitions else { return String::new() };
    let changed = state.partition_form.wish().as_ref() != Ok(&told.wish);
    let changed = if changed { " The form has changed since: plan again." } else { "" };
    format!("Predicted for {}. {}{changed}", conditions(&told.wish), capital(&sentence(&told.source)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The table.
#[component]
fn Strategies(told: Told) -> impl IntoView {
    let basis = Page::of_here().part(basis);
    let body = move || told.with(|told| told.iter().flat_map(|told| rows(told)).map(row).collect_view());
    let words = move || told.with(|told| told.as_ref().map(|told| summary(told)));
    view! {
        <div class="strategies">
            <p aria-live="polite"><strong>{words}</strong></p>
            // Positioned and scrolled by keyboard too, where it is too wide.
            <div class="found wide" tabindex="0" role="region" aria-label="Strategies, predicted">
                <table>
                    <thead><tr>
                        <th scope="col">"strategy, predicted"</th><th scope="col">"time"</th><th scope="col">"messages"</th>
                        <th scope="col">"sent"</th><th scope="col">"peak memory, worst worker"</th><th scope="col">"energy"</th>
                    </tr></thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
            <p class="muted">"Percentages are against CoEdge. " {basis}</p>
        </div>
    }
}

fn row(row: Row) -> impl IntoView {
    let figure = |figure: Figure| {
        view! { <td>{figure.value} <span class="against">{figure.against}</span></td> }
    };
    let figures = match row.figures {
        Ok(figures) => figures.map(figure).to_vec().into_any(),
        Err(why) => view! { <td class="failed" colspan="5">"no plan: " {why}</td> }.into_any(),
    };
    let mark = row.is_fastest.then(|| view! { " " <span class="fastest">"fastest"</span> });
    view! {
        <tr class:selected=row.is_fastest><th scope="row">{words(&row.strategy).to_owned()} {mark}</th>{figures}</tr>
    }
}

/// The plans of the two strategies that are drawn.
#[derive(Clone, PartialEq)]
struct Drawn {
    told: Shared<Partitions>,
    names: [&'static str; 2],
}

impl Drawn {
    fn plans(&self) -> [Option<&PartitionPlan>; 2] {
        self.names.map(|name| plan_of(&self.told, name))
    }

    /// Those that have not failed.
    fn works(&self) -> impl Iterator<Item = &PartitionPlan> {
        self.plans().into_iter().flatten().filter(|plan| plan.failed.is_none())
    }
}

/// Two strategies: shares, timelines, memory.
#[component]
fn Pair(told: Told) -> impl IntoView {
    let page = Page::of_here();
    let pair = page.part(|state| state.settings.pair);
    let drawn = Memo::new(move |_| {
        let names = pair.get().map(|i| STRATEGIES[i].0);
        told.get().map(|told| Drawn { told, names })
    });
    view! {
        <div class="pair">
            <fieldset class="wish pair-choice">
                <legend>"Two strategies in detail, predicted"</legend>
                {choice(page, pair, 0, "first")}
                {choice(page, pair, 1, "second")}
            </fieldset>
            <div class="shares">{move || drawn.with(|drawn| drawn.as_ref().map(grid::grids))}</div>
            <div class="partition-lanes">{move || drawn.with(|drawn| drawn.as_ref().map(lanes::timelines))}</div>
            <div class="memories">{move || drawn.with(|drawn| drawn.as_ref().map(lanes::memories))}</div>
        </div>
    }
}

fn choice(page: Page, pair: Memo<[usize; 2]>, which: usize, label: &'static str) -> impl IntoView {
    let chosen = move |event| {
        let value = event_target_value(&event);
        if let Some(i) = STRATEGIES.iter().position(|(name, _)| *name == value) {
            let mut pair = pair.get_untracked();
            pair[which] = i;
            page.act(Act::Pair(pair));
        }
    };
    let option = move |(i, (name, words)): (usize, (&'static str, &'static str))| {
        view! { <option value=name prop:selected=move || pair.get()[which] == i>{words}</option> }
    };
    let options = STRATEGIES.into_iter().enumerate().map(option).collect_view();
    view! { <label>{label}<select on:change=chosen>{options}</select></label> }
}

/// Why a plan is not drawn; none if it is.
fn missing(plan: Option<&PartitionPlan>) -> Option<String> {
    match plan {
        None => Some("The worker knows no such strategy.".into()),
        Some(plan) => plan.failed.as_ref().map(|why| sentence(&format!("No plan: {why}"))),
    }
}
