//! Running the two strategies over real workers: the buttons, the workers with their states, and what came of it.

use super::look::Look;
use super::{Drawn, progress, row, table};
use crate::format;
use crate::partition::ran::{notes, rows, summary, verdict};
use crate::partition::{conditions, plan_of, words};
use crate::state::{Act, Looker, Run, Shared};
use crate::view::Page;
use crate::view::answer::{Class, bar};
use crate::view::control::{Range, amount};
use crate::view::icon::{Icon, icon};
use crate::view::list::List;
use cleave_contract::{Cooperated, MAX_COOPERATION_RUNS, Score, WorkerState};
use leptos::prelude::*;

/// All of it.
#[component]
pub fn Runs(drawn: Memo<Option<Drawn>>) -> impl IntoView {
    view! {
        <div class="cooperation">
            <Look looker=Looker::Workers />
            <div class="runs">
                <Buttons drawn />
                <Crew />
                <Answer />
            </div>
        </div>
        <Results drawn />
    }
}

#[component]
fn Buttons(drawn: Memo<Option<Drawn>>) -> impl IntoView {
    let page = Page::of_here();
    let running = page.part(|state| state.run == Run::Cooperating);
    let why_not = page.part(|state| state.why_not_cooperate());
    let waiting = page.part(|state| {
        !state.worker.is_ready()
            || matches!(state.run, Run::Measuring | Run::Planning)
            || state.why_not_cooperate().is_some()
    });
    let refused = page.part(|state| state.partition.form.is_run_wanted && state.partition.form.is_refused());
    let progress = page.part(|state| progress(state, Run::Cooperating));
    let are_there = page.part(|state| !state.partition.cooperation.workers.is_empty());
    let (runs, check) = (page.part(|state| state.settings.runs as f64), page.part(|state| state.settings.check));
    // Of strategies without a plan there is nothing to run.
    let strategies = Memo::new(move |_| {
        drawn.with(|drawn| {
            let has_plan = |told, strategy| plan_of(told, strategy).is_some_and(|plan| plan.failed.is_none());
            drawn.as_ref().map(|drawn| drawn.strategies.map(|strategy| (strategy, has_plan(&drawn.told, strategy))))
        })
    });
    let both = move || strategies.get().map(|both| both.map(|(strategy, _)| strategy).to_vec()).unwrap_or_default();
    let cannot = move |which: usize| waiting.get() || strategies.get().is_none_or(|both| !both[which].1);
    let one = move |which: usize| {
        let strategy = move || both().get(which).copied();
        view! {
            <button type="button" disabled=move || cannot(which) on:click=move |_| page.act(Act::Cooperate(strategy().into_iter().collect()))>
                "Run " {move || strategy().map(words)}
            </button>
        }
    };
    let told = move || match (running.get(), why_not.get(), refused.get()) {
        (true, ..) => progress.get().unwrap_or_else(|| "Running …".into()),
        (_, Some(why), _) => why.into(),
        (_, _, true) => "Correct the marked fields of the form first.".into(),
        _ => String::new(),
    };
    let checked = move |event| page.act(Act::Check(event_target_checked(&event)));
    view! {
        <h3>"Run them over real workers"</h3>
        <div class="buttons">
            <Show when=move || !running.get() fallback=move || view! {
                <button type="button" on:click=move |_| page.act(Act::Stop)>"Stop"</button>
            }>
                {one(0)}
                {one(1)}
                <button type="button" class="primary" disabled=move || cannot(0) || cannot(1)
                    on:click=move |_| page.act(Act::Cooperate(both()))>"Run both"</button>
                <Show when=move || are_there.get()>
                    <button type="button" on:click=move |_| page.act(Act::DismissWorkers)>"Dismiss workers"</button>
                </Show>
            </Show>
        </div>
        <fieldset class="run-options" disabled=running>
            <legend class="unseen">"How they are run"</legend>
            {amount("runs", "", Range { min: 1.0, max: MAX_COOPERATION_RUNS as f64, step: 1.0 }, runs.into(),
                move |n| page.act(Act::Runs(n as usize)))}
            <label class="check"><input type="checkbox" prop:checked=check on:change=checked /> "compare with the unsplit network"</label>
        </fieldset>
        <p class="hint" aria-live=move || if running.get() { "off" } else { "polite" }>{told}</p>
    }
}

/// The workers; all but this tab can be lost on purpose. Rows stay where they are, so that the focus does.
#[component]
fn Crew() -> impl IntoView {
    let page = Page::of_here();
    let workers = page.part(|state| state.partition.cooperation.workers.clone());
    let n = Memo::new(move |_| workers.with(Vec::len));
    let one = move |i: usize| {
        let part = move |read: fn(&WorkerState) -> String| move || workers.with(|workers| workers.get(i).map(read));
        let gone = Memo::new(move |_| workers.with(|workers| workers.get(i).is_none_or(|worker| worker.is_gone)));
        let name = part(|worker| worker.name.clone());
        let lose = (i > 0).then(|| {
            view! {
                <button type="button" class="quiet" disabled=gone title="Its work is planned anew over the others"
                    on:click=move |_| page.act(Act::Lose(i))>"Lose" <span class="unseen">" " {name}</span></button>
            }
        });
        view! {
            <li class:gone=gone>
                <span>{i + 1} " " {name} <span class="muted">" " {part(|worker| worker.place.clone())}</span></span>
                <span>{part(|worker| format!("{}{}", if worker.is_gone { "gone: " } else { "" }, worker.status))}</span>
                {lose}
            </li>
        }
    };
    view! {
        <ul class="crew" aria-label="Workers of the run" aria-live="polite">{move || (0..n.get()).map(one).list()}</ul>
    }
}

/// What the newest run answered.
#[component]
fn Answer() -> impl IntoView {
    let newest = Page::of_here().part(|state| state.partition.cooperation.runs.last().cloned());
    let shown = |run: Shared<Cooperated>| {
        let class = |(i, score): (usize, &Score)| {
            let part = Some(score.probability as f32);
            bar(Signal::stored(Some(Class { name: format::class(&score.class), part, first: i == 0 })))
        };
        let random =
            (!run.is_trained).then(|| badge(false, "The weights are random: this answer means nothing.".into()));
        view! {
            {random}
            <ul class="classes" aria-label="Probability of the likeliest classes">
                {run.scores.iter().enumerate().map(class).list()}
            </ul>
            <p class="muted">{format!("Looked at: {}. Weights: {}.", run.image, run.weights.trim_end_matches('.'))}</p>
        }
    };
    let words = move || newest.with(|run| run.as_ref().and_then(|run| run.scores.first().map(answer)));
    view! {
        <div class="shared-answer">
            <p aria-live="polite"><strong>{words}</strong></p>
            {move || newest.get().map(shown)}
        </div>
    }
}

fn answer(score: &Score) -> String {
    format!("Answer of the shared network: {}, {}", format::class(&score.class), format::percent(score.probability))
}

/// What is good or to be known.
fn badge(is_good: bool, words: String) -> impl IntoView {
    let (class, mark) = if is_good { ("badge equal", Icon::Check) } else { ("badge close", Icon::Warning) };
    view! { <p class=class>{icon(mark)} <span>{words}</span></p> }
}

/// Measurement beside prediction of what has been run of the two strategies.
#[component]
fn Results(drawn: Memo<Option<Drawn>>) -> impl IntoView {
    let runs = Memo::new(move |_| drawn.with(|drawn| drawn.as_ref().map(|drawn| drawn.runs.clone())));
    let all = move || {
        let mut runs: Vec<_> = runs.get().into_iter().flatten().flatten().collect();
        runs.dedup();
        runs
    };
    let is_there = Memo::new(move |_| !all().is_empty());
    let body = move || all().iter().flat_map(|run| rows(run)).map(row).list();
    let about = |run: &Shared<Cooperated>| {
        let verdict = run.whole.map(verdict).map(|(is_equal, words)| badge(is_equal, words));
        view! {
            <div class="ran">
                <h3>{words(run.request.strategy)}": the run"</h3>
                {verdict}
                <ul>
                    <li>{conditions(&run.request.partition)} "."</li>
                    {notes(run).into_iter().map(|note| view! { <li>{note}</li> }).list()}
                </ul>
            </div>
        }
    };
    let told = move || all().iter().map(|run| summary(run)).collect::<Vec<_>>().join(" ");
    view! {
        <p class="run-words" aria-live="polite"><strong>{told}</strong></p>
        <Show when=move || is_there.get()>
            <div class="strategies">
                {table("Runs, predicted and measured", "run", body.into_any())}
                <p class="muted">"Percentages are of the measurement against what was predicted for this run."</p>
            </div>
            <div class="shares">{move || all().iter().map(about).list()}</div>
        </Show>
    }
}
