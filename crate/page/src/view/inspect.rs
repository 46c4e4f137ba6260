//! The design on show: its pipeline over two lanes from left to right, what its time is made of, and a button that runs it.

use super::Page;
use super::lane;
use super::price::{fill, label};
use crate::format;
use crate::inspect::{Share, Stage, costs, shares, stages};
use crate::price::Part;
use crate::state::{Act, State};
use crate::view::list::List;
use cleave_arch::{LinkCodec, Tier};
use cleave_contract::{Lane, Price};
use leptos::prelude::*;

/// The design with what is known of it.
#[derive(Clone, Debug, PartialEq)]
struct Shown {
    plan: String,
    /// Once it is priced.
    priced: Option<(Price, Vec<Stage>)>,
}

fn shown(state: &State) -> Option<Shown> {
    let plan = state.design.plan.clone()?;
    // Designs are priced by the codec that they were searched with.
    let codec =
        state.search.searched.as_ref().and_then(|request| request.codec.parse::<LinkCodec>().ok()).unwrap_or_default();
    let inspection = state.design.inspection.as_deref();
    let priced = inspection.and_then(|told| stages(told, codec).ok().map(|stages| (told.price, stages)));
    Some(Shown { plan, priced })
}

/// The design; absent while none is selected.
#[component]
pub fn Inspected() -> impl IntoView {
    let page = Page::of_here();
    let shown = page.part(shown);
    let is_there = Memo::new(move |_| shown.with(Option::is_some));
    let plan =
        Memo::new(move |_| shown.with(|shown| shown.as_ref().map(|shown| shown.plan.clone()).unwrap_or_default()));
    let priced = Memo::new(move |_| shown.with(|shown| shown.as_ref().and_then(|shown| shown.priced.clone())));
    view! {
        <Show when=move || is_there.get()>
            <section class="inspected" aria-labelledby="inspected-title">
                <div class="panel-head">
                    <h3 id="inspected-title">"Design " <code>{plan}</code></h3>
                    <div class="buttons">
                        <button type="button" class="primary"
                            on:click=move |_| page.act(Act::Deploy(plan.get_untracked()))>"Run"</button>
                        <button type="button" on:click=move |_| page.act(Act::CloseDesign)>"Close"</button>
                    </div>
                </div>
                {move || priced.with(|priced| match priced {
                    Some((price, stages)) => drawing(price, stages).into_any(),
                    None => view! { <p class="muted" aria-live="polite">"Its price is not known yet."</p> }.into_any(),
                })}
            </section>
        </Show>
    }
}

fn drawing(price: &Price, stages: &[Stage]) -> impl IntoView + use<> {
    view! {
        // It scrolls where it does not fit, by the keyboard too.
        <div class="mapping" tabindex="0" role="region" aria-label="The design over two lanes">
            <div class="mapping-heads" aria-hidden="true">{lane::label(Lane::Device)} {lane::label(Lane::Edge)}</div>
            <ol>{stages.iter().map(column).list()}</ol>
        </div>
        <Split price=*price />
    }
}

fn column(stage: &Stage) -> AnyView {
    match stage {
        Stage::Operation { number, row, millis } => {
            let on_edge = row.tier == Tier::Edge;
            let time = millis.map_or_else(|| "not computed".into(), format::millis);
            view! {
                <li class="column-op" class:edge=on_edge>
                    <div class="op-card">
                        <span class="op">{*number} " " {row.label.clone()}</span>
                        <span class="detail">{row.detail.clone()}</span>
                        <span class="detail">{row.shape.clone()}</span>
                        <span>{time} <span class="unseen">{if on_edge { ", on the edge" } else { ", on the device" }}</span></span>
                    </div>
                </li>
            }
            .into_any()
        }
        Stage::Crossing { to, bytes, content } => {
            let (arrow, words) = match to {
                Tier::Edge => ("↓", "To the edge: "),
                Tier::Device => ("↑", "Back to the device: "),
            };
            view! {
                <li class="column-crossing" title=content.clone()>
                    <span class="arrow" aria-hidden="true">{arrow}</span>
                    <span><span class="unseen">{words}</span> {format::bytes(*bytes)}</span>
                    <span class="unseen">{content.clone()}</span>
                </li>
            }
            .into_any()
        }
    }
}

/// The price as one bar and as words.
#[component]
fn Split(price: Price) -> impl IntoView {
    let shares = shares(&price);
    let piece = |share: &Share| {
        let (x, width) = (format!("{:.3}%", 100.0 * share.start), format!("{:.3}%", 100.0 * share.length));
        view! { <rect x=x width=width height="16" fill=fill(share.part)></rect> }
    };
    let part = |share: &Share| {
        let swatch = match share.part {
            Part::Lane(own) => lane::swatch(own).into_any(),
            Part::Other => view! {
                <svg class="swatch" width="18" height="12" aria-hidden="true"><rect width="18" height="12" rx="2" fill=fill(share.part)></rect></svg>
            }
            .into_any(),
        };
        view! { <li>{swatch} " " {label(share.part)} " " <strong>{format::millis(share.millis)}</strong></li> }
    };
    view! {
        <svg class="split-bar" width="100%" height="16" aria-hidden="true">{shares.iter().map(piece).list()}</svg>
        <ul class="split">{shares.iter().map(part).list()}</ul>
        <p>{costs(&price)}</p>
    }
}
