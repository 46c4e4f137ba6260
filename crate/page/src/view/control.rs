//! Controls that several panels use: a row of choices, a number with its unit.

use crate::view::list::List;
use leptos::prelude::*;

/// A choice among few: radio buttons drawn as one row, so arrow keys work as everywhere.
pub fn choices<T>(
    legend: &'static str,
    name: &'static str,
    options: Vec<(&'static str, T)>,
    chosen: Signal<Option<T>>,
    choose: impl Fn(T) + Copy + 'static,
) -> impl IntoView
where
    T: PartialEq + Clone + Send + Sync + 'static,
{
    let option = move |(label, value): (&'static str, T)| {
        let own = value.clone();
        let checked = Memo::new(move |_| chosen.get().as_ref() == Some(&own));
        view! {
            <label class="choice">
                <input type="radio" name=name prop:checked=checked on:change=move |_| choose(value.clone()) />
                <span>{label}</span>
            </label>
        }
    };
    view! {
        <fieldset class="choices">
            <legend>{legend}</legend>
            <div class="choice-row">{options.into_iter().map(option).list()}</div>
        </fieldset>
    }
}

/// The range of an amount.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Least.
    pub min: f64,
    /// Most.
    pub max: f64,
    /// Step of the arrow keys.
    pub step: f64,
}

/// A number with its label and unit. What is not a number of the range leaves the value as it is.
pub fn amount(
    label: &'static str,
    unit: &'static str,
    range: Range,
    value: Signal<f64>,
    set: impl Fn(f64) + 'static,
) -> impl IntoView {
    let change = move |event| {
        let typed = event_target_value(&event).parse::<f64>().ok().filter(|v| v.is_finite());
        if let Some(typed) = typed {
            set(typed.clamp(range.min, range.max));
        }
    };
    view! {
        <label class="amount">
            <span class="amount-label">{label}</span>
            <input type="number" inputmode="decimal" min=range.min max=range.max step=range.step
                prop:value=move || value.get().to_string() on:change=change />
            {(!unit.is_empty()).then(|| view! { <span class="unit">{unit}</span> })}
        </label>
    }
}
