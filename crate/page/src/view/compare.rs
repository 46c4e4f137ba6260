//! Two searches side by side, in a table.

use super::Page;
use crate::compare::{Line, footnote, lines};
use crate::view::list::List;
use leptos::prelude::*;

/// The table; absent while there is nothing to compare.
#[component]
pub fn Compared() -> impl IntoView {
    let page = Page::of_here();
    let kept = page.part(|state| state.search.kept_run.is_some());
    let table = page.part(|state| {
        let [kept, present] = state.search.compared()?;
        Some((lines([&kept, &present]), footnote([&kept, &present])))
    });
    let row = |line: &Line| {
        let [kept, present] = line.values.clone();
        view! { <tr><th scope="row">{line.name}</th><td>{kept}</td><td>{present}</td></tr> }
    };
    let body = move || table.with(|table| table.iter().flat_map(|(lines, _)| lines.iter().map(row)).list());
    let note = move || table.with(|table| table.as_ref().map(|(_, note)| note.clone()));
    view! {
        <Show when=move || kept.get()>
            <div class="compared">
                <h3>"Two runs"</h3>
                <Show when=move || table.with(Option::is_some) fallback=|| view! {
                    <p class="muted">"Run A is kept: search again to hold another run against it."</p>
                }>
                    <div class="found"><table>
                        <thead><tr>
                            <td></td>
                            <th scope="col"><svg class="chart key" width="18" height="14" viewBox="-9 -8 18 14" aria-hidden="true">
                                <polygon class="kept" points="0,-6 -5.5,4 5.5,4"></polygon></svg> " run A"</th>
                            <th scope="col"><svg class="chart key" width="18" height="14" viewBox="-9 -7 18 14" aria-hidden="true">
                                <circle class="dot" r="4.5"></circle></svg> " this run"</th>
                        </tr></thead>
                        <tbody>{body}</tbody>
                    </table></div>
                    <p class="muted">{note}</p>
                </Show>
            </div>
        </Show>
    }
}
