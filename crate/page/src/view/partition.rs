//! Partition: how several workers share an image network. The form, all strategies in a table, all of them over set-up times,
//! and two of them in detail: run over real workers, and drawn.

mod form;
mod grid;
mod lanes;
mod look;
mod pad;
mod runs;
mod sweep;

pub use look::Look;

use super::Page;
use crate::format::sentence;
use crate::partition::ran::{FORESEEN, MEASURED};
use crate::partition::{Figure, Row, conditions, plan_of, rows, summary, words};
use crate::state::{Act, Run, Shared, State};
use crate::view::list::List;
use cleave_contract::{Cooperated, PartitionPlan, PartitionStrategy, Partitions};
use leptos::prelude::*;
use std::time::Duration;

/// What was planned last.
type Told = Memo<Option<Shared<Partitions>>>;

/// The panel.
#[component]
pub fn Partition() -> impl IntoView {
    let page = Page::of_here();
    let told: Told = page.part(|state| state.partition.planned.clone());
    let is_there = Memo::new(move |_| told.with(Option::is_some));
    view! {
        <section class="panel partition" aria-labelledby="partition-title">
            <div class="panel-head">
                <h2 id="partition-title">"Partition"</h2>
                <p class="muted">"an image network shared by several workers: who computes what, and what is sent"</p>
            </div>
            <div class="partition-grid">
                <form::Request />
                <Show when=move || is_there.get() fallback=|| view! {
                    <p class="empty muted">"Nothing is planned yet. Choose a network and its workers, then press Plan: this tab \
                        measures the network's operators and predicts what every strategy takes."</p>
                }>
                    <div class="planned"><Strategies told /><sweep::Swept told /></div>
                </Show>
            </div>
            <Show when=move || is_there.get()><Pair /></Show>
        </section>
    }
}

/// What the figures rest on, and whether the form has changed since.
fn basis(state: &State) -> String {
    let Some(told) = &state.partition.planned else { return String::new() };
    let changed = state.partition.form.request().as_ref() != Ok(&told.request);
    let changed = if changed { " The form has changed since: plan again." } else { "" };
    format!("Predicted for {}. {}{changed}", conditions(&told.request), capital(&sentence(&told.source)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The table.
#[component]
fn Strategies(told: Told) -> impl IntoView {
    let basis = Page::of_here().part(basis);
    let body = move || told.with(|told| told.iter().flat_map(|told| rows(told)).map(row).list());
    let words = move || told.with(|told| told.as_ref().map(|told| summary(told)));
    view! {
        <div class="strategies">
            <p aria-live="polite"><strong>{words}</strong></p>
            {table("Strategies, predicted", "strategy, predicted", body.into_any())}
            <p class="muted">"Percentages are against CoEdge. CoEdge and IOP are reconstructions from their abstracts. " {basis}</p>
        </div>
    }
}

/// A table of figures, scrolled by keyboard too where it is too wide.
fn table(label: &'static str, head: &'static str, body: AnyView) -> impl IntoView {
    view! {
        <div class="found wide" tabindex="0" role="region" aria-label=label>
            <table>
                <thead><tr>
                    <th scope="col">{head}</th><th scope="col">"time"</th><th scope="col">"messages"</th>
                    <th scope="col">"sent"</th><th scope="col">"peak memory, worst worker"</th><th scope="col">"energy"</th>
                </tr></thead>
                <tbody>{body}</tbody>
            </table>
        </div>
    }
}

fn row(row: Row) -> impl IntoView {
    let figure = |figure: Figure| {
        view! { <td>{figure.value} <span class="against">{figure.against}</span></td> }
    };
    let figures = match row.figures {
        Ok(figures) => figures.map(figure).to_vec().into_any(),
        Err(why) => view! { <td class="failed" colspan="5">"no plan: " {why.to_string()}</td> }.into_any(),
    };
    let mark = row.is_fastest.then(|| view! { " " <span class="fastest">"fastest"</span> });
    let of = if row.of.is_empty() { String::new() } else { format!(", {}", row.of) };
    view! {
        <tr class:selected=row.is_fastest><th scope="row">{words(row.strategy)} {of} {mark}</th>{figures}</tr>
    }
}

/// The two strategies that are drawn, with what was run of them.
#[derive(Clone, PartialEq)]
struct Drawn {
    told: Shared<Partitions>,
    strategies: [PartitionStrategy; 2],
    runs: [Option<Shared<Cooperated>>; 2],
}

impl Drawn {
    fn of(state: &State) -> Option<Self> {
        let told = state.partition.planned.clone()?;
        let strategies = state.settings.pair;
        let runs = strategies.map(|strategy| state.partition.cooperation.run_of(strategy, &told.request).cloned());
        Some(Drawn { told, strategies, runs })
    }

    /// What there is to draw of one of them, with its word: its run, else its plan.
    fn shown_of(&self, which: usize) -> Vec<(&'static str, &PartitionPlan)> {
        match &self.runs[which] {
            Some(run) => vec![(FORESEEN, &run.predicted), (MEASURED, &run.measured)],
            None => plan_of(&self.told, self.strategies[which])
                .filter(|plan| plan.failed.is_none())
                .map(|plan| ("predicted", plan))
                .into_iter()
                .collect(),
        }
    }

    fn shown(&self) -> impl Iterator<Item = (&'static str, &PartitionPlan)> {
        [0, 1].into_iter().flat_map(|which| self.shown_of(which))
    }

    /// Why there is nothing to draw, if so.
    fn missing_of(&self, which: usize) -> Option<impl IntoView + use<>> {
        let why = match plan_of(&self.told, self.strategies[which]) {
            None => "The worker knows no such strategy.".into(),
            Some(plan) => {
                sentence(&format!("{} has no plan: {}", words(self.strategies[which]), plan.failed.as_ref()?))
            }
        };
        self.runs[which].is_none().then(|| view! { <p class="failed">{why}</p> })
    }
}

/// Two strategies: runs, shares, timelines, memory.
#[component]
fn Pair() -> impl IntoView {
    let page = Page::of_here();
    let pair = page.part(|state| state.settings.pair);
    let drawn = page.part(Drawn::of);
    // In a task of its own: grids and timelines together would hold the main thread for too long.
    let later = RwSignal::new(None);
    Effect::new(move || {
        let drawn = drawn.get();
        set_timeout(move || drop(later.try_set(drawn)), Duration::ZERO);
    });
    view! {
        <div class="pair">
            <fieldset class="wish pair-choice">
                <legend>"Two strategies in detail"</legend>
                {choice(page, pair, 0, "first")}
                {choice(page, pair, 1, "second")}
            </fieldset>
            <runs::Runs drawn />
            <div class="shares">{move || drawn.with(|drawn| drawn.as_ref().map(grid::grids))}</div>
            <div class="partition-lanes">{move || later.with(|drawn| drawn.as_ref().map(lanes::timelines))}</div>
            <div class="memories">{move || later.with(|drawn| drawn.as_ref().map(lanes::memories))}</div>
        </div>
    }
}

fn choice(page: Page, pair: Memo<[PartitionStrategy; 2]>, which: usize, label: &'static str) -> impl IntoView {
    let chosen = move |event| {
        let value = event_target_value(&event);
        if let Some(strategy) = PartitionStrategy::of_name(&value) {
            let mut pair = pair.get_untracked();
            pair[which] = strategy;
            page.act(Act::Pair(pair));
        }
    };
    let option = move |own: PartitionStrategy| {
        view! { <option value=own.name() prop:selected=move || pair.get()[which] == own>{words(own)}</option> }
    };
    let options = PartitionStrategy::ALL.into_iter().map(option).list();
    view! { <label>{label}<select on:change=chosen>{options}</select></label> }
}

/// How far the worker is with such a run; nothing while it is doing something else.
fn progress(state: &State, run: Run) -> Option<String> {
    let progress = state.worker.progress.as_ref().filter(|_| state.run == run);
    progress.map(|progress| match (crate::words::work(progress.what), progress.done, progress.total) {
        (what, _, 0) => format!("{what} …"),
        (what, done, total) => format!("{what}: {done} of {total}."),
    })
}
