//! Two strategies as grids of shares: an operator is a row, a worker a column, and a thin line between rows is what is sent.

use super::Drawn;
use crate::partition::grid::{Pair, Row, Share, answer, rows, summary};
use crate::partition::words;
use crate::view::list::List;
use cleave_contract::{OperatorRow, PartitionPlan};
use leptos::prelude::*;

/// Both grids, or why there is none; of a run, the plan that was run.
pub fn grids(drawn: &Drawn) -> impl IntoView + use<> {
    let one = |which: usize| {
        let name = words(drawn.strategies[which]);
        let own = drawn.shown_of(which).into_iter().next();
        let grid = own.map(|(of, plan)| (format!("{name}: shares, {of}"), grid(&drawn.told.operators, plan)));
        let (head, grid) = grid.map_or_else(|| (name.to_owned(), None), |(head, grid)| (head, Some(grid)));
        view! { <div class="plan-shares"><h3>{head}</h3>{drawn.missing_of(which)}{grid}</div> }
    };
    (one(0), one(1))
}

fn grid(operators: &[OperatorRow], plan: &PartitionPlan) -> impl IntoView + use<> {
    let n_workers = plan.memory_bytes.len().max(plan.steps.first().map_or(0, |step| step.units.len()));
    let columns = n_workers + 2;
    let heads = (1..=n_workers).map(|i| view! { <th scope="col">{format!("worker {i}")}</th> }).list();
    let label = format!("{}, shares of each worker", words(plan.strategy));
    view! {
        <p class="summary">{summary(operators, plan)}</p>
        <div class="found wide" tabindex="0" role="region" aria-label=label>
            <table class="share-table">
                <thead><tr><td></td><th scope="col">"operator and output"</th><th scope="col">"split by"</th>{heads}</tr></thead>
                <tbody>
                    {rows(operators, plan).into_iter().enumerate().map(|(i, row)| operator(i, row, columns)).list()}
                    {sent(answer(plan), columns)}
                </tbody>
            </table>
        </div>
    }
}

fn operator(i: usize, row: Row, columns: usize) -> impl IntoView {
    let bracket = match row.pair {
        Pair::First => Some(
            view! { <td class="bracket" rowspan="2"><span>"pair"</span><span class="unseen">", nothing is sent between"</span></td> }
                .into_any(),
        ),
        Pair::Second => None,
        Pair::Not => Some(view! { <td></td> }.into_any()),
    };
    view! {
        {sent(row.before, columns)}
        <tr>
            {bracket}
            <th scope="row"><span class="number">{i + 1}</span> " " <code>{row.layer}</code> " " <span class="unit">{row.output}</span></th>
            <td class="way">{row.how}</td>
            {row.shares.into_iter().map(share).list()}
        </tr>
        {sent(row.after, columns)}
    }
}

fn share(share: Share) -> impl IntoView {
    let width = format!("{:.1}%", 100.0 * share.part);
    view! {
        <td class="units">{share.units}
            <svg class="share-bar" width="100%" height="6" aria-hidden="true">
                <rect class="track" width="100%" height="6" rx="2"></rect>
                <rect class="computing" width=width height="6" rx="2"></rect>
            </svg>
        </td>
    }
}

/// What is sent between two rows.
fn sent(words: Option<String>, columns: usize) -> impl IntoView {
    words.map(|words| view! { <tr class="sent"><td></td><td colspan=columns><span>{words}</span></td></tr> })
}
