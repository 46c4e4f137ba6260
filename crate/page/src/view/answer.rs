//! The answer: the classes with their probabilities, whether it equals the unsplit run's, and how the frame ended.

use super::Page;
use super::icon::{Icon, icon};
use super::run::{RunBar, StreamFigures};
use crate::format;
use crate::state::{Freshness, State};
use crate::view::list::List;
use cleave_arch::tolerance::SPLIT_F32;
use cleave_contract::Outcome;
use leptos::prelude::*;

/// Classes on show; of a longer list the most probable ones.
const SHOWN: usize = 10;

/// The panel.
#[component]
pub fn Answer() -> impl IntoView {
    let page = Page::of_here();
    let stale =
        page.part(|state| state.frames.answer.as_ref().is_some_and(|answer| answer.freshness == Freshness::Stale));
    view! {
        <section class="panel answer" aria-labelledby="answer-title">
            <div class="panel-head"><h2 id="answer-title">"Answer"</h2></div>
            <RunBar />
            <div class="answer-body" class:stale=stale>
                <Winner />
                <Classes />
            </div>
            <Verdict />
            <StreamFigures />
        </section>
    }
}

/// A class and its probability, if there is an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Class {
    pub name: String,
    pub part: Option<f32>,
    pub first: bool,
}

/// Up to [`SHOWN`] classes: in the network's own order when all fit, so that nothing moves; else the most probable first.
fn classes(state: &State) -> Vec<Class> {
    let names = state.network.held.as_deref().map_or(&[][..], |held| &held.about.classes);
    let parts = state.frames.answer.as_ref().map_or(&[][..], |answer| &answer.frame.probabilities);
    let best = (0..parts.len()).max_by(|a, b| parts[*a].total_cmp(&parts[*b]));
    let mut shown: Vec<usize> = (0..names.len()).collect();
    if shown.len() > SHOWN {
        let part = |i: &usize| parts.get(*i).copied().unwrap_or(0.0);
        shown.sort_by(|a, b| part(b).total_cmp(&part(a)));
        shown.truncate(SHOWN);
    }
    let class =
        |i: usize| Class { name: format::class(&names[i]), part: parts.get(i).copied(), first: best == Some(i) };
    shown.into_iter().map(class).collect()
}

#[component]
fn Winner() -> impl IntoView {
    let winner = Page::of_here().part(|state| classes(state).into_iter().find(|class| class.first));
    let name = move || winner.get().map_or_else(|| "…".into(), |class| class.name);
    let part = move || winner.get().and_then(|class| class.part).map(|part| format::percent(f64::from(part)));
    view! { <p class="winner" aria-live="polite"><strong>{name}</strong> <span>{part}</span></p> }
}

#[component]
fn Classes() -> impl IntoView {
    let classes = Page::of_here().part(classes);
    let n = Memo::new(move |_| classes.with(Vec::len));
    let row = move |i: usize| {
        let class = Memo::new(move |_| classes.with(|classes| classes.get(i).cloned()));
        bar(class.into())
    };
    view! { <ul class="classes" aria-label="Probability of each class">{move || (0..n.get()).map(row).list()}</ul> }
}

/// A class with its bar.
pub(super) fn bar(class: Signal<Option<Class>>) -> impl IntoView {
    let part = move || class.with(|class| class.as_ref().and_then(|class| class.part));
    let first = move || class.with(|class| class.as_ref().is_some_and(|class| class.first));
    let width = move || format!("{:.1}%", 100.0 * part().unwrap_or(0.0));
    view! {
        <li class="class" class:first=first>
            <span class="class-name">{move || class.get().map(|class| class.name)}</span>
            <svg class="class-bar" height="12" aria-hidden="true">
                <rect class="track" width="100%" height="12" rx="2"></rect>
                <rect class="part" height="12" rx="2" width=width></rect>
            </svg>
            <span class="class-part">{move || part().map_or_else(|| "–".into(), |part| format::percent(f64::from(part)))}</span>
        </li>
    }
}

/// How the split run compares with the unsplit one.
#[derive(Clone, Debug, PartialEq)]
enum Equality {
    Unknown(&'static str),
    Equal(String),
    Close(String),
}

fn equality(state: &State) -> Equality {
    let Some(answer) = &state.frames.answer else {
        return Equality::Unknown("“Run once” compares with the unsplit answer.");
    };
    match answer.frame.delta {
        _ if !answer.frame.is_split() => Equality::Unknown("Not split: there is nothing to compare."),
        None => Equality::Unknown("A frame of a stream is not compared; “Run once” compares."),
        Some(delta) => judge(delta, answer.frame.bound, &answer.frame.codec),
    }
}

/// A distance from the unsplit answer in words; `allowed` is the bound of the plan, where one holds.
fn judge(delta: f32, allowed: Option<f32>, codec: &str) -> Equality {
    let far = format::delta(delta);
    match allowed {
        _ if delta <= SPLIT_F32 => Equality::Equal(format!("Equal to the unsplit answer: |Δ| = {far}")),
        Some(most) if delta <= most => {
            Equality::Equal(format!("Equal within what {codec} allows: |Δ| = {far} of {}", format::delta(most)))
        }
        Some(most) => Equality::Close(format!(
            "Not equal: |Δ| = {far}, and {codec} allows {}; please report this",
            format::delta(most)
        )),
        None => Equality::Close(format!(
            "|Δ| = {far}: neighbours are searched again behind the cut, where a rounded feature can choose others"
        )),
    }
}

/// How the frame ended and what crossed the link.
fn ending(state: &State) -> String {
    let Some(answer) = &state.frames.answer else { return String::new() };
    let frame = &answer.frame;
    let how = match &frame.outcome {
        Outcome::AsPlanned => "As planned".to_owned(),
        Outcome::Local { why } => format!("Finished on the device, because {}", why.trim_end_matches('.')),
        Outcome::Failed { why } => format!("No answer: {}", why.trim_end_matches('.')),
    };
    let sent = format!("{} up, {} down", format::bytes(frame.bytes_up), format::bytes(frame.bytes_down));
    format!("{how}: {}, {sent}.", format::millis(frame.total_ms))
}

#[component]
fn Verdict() -> impl IntoView {
    let page = Page::of_here();
    let equality = page.part(equality);
    let ending = page.part(ending);
    let local = page.part(|state| {
        state.frames.answer.as_ref().is_some_and(|answer| matches!(answer.frame.outcome, Outcome::Local { .. }))
    });
    let badge = move || match equality.get() {
        Equality::Unknown(words) => view! { <p class="badge unknown"><span>{words}</span></p> }.into_any(),
        Equality::Equal(words) => {
            view! { <p class="badge equal">{icon(Icon::Check)} <span>{words}</span></p> }.into_any()
        }
        Equality::Close(words) => {
            view! { <p class="badge close">{icon(Icon::Warning)} <span>{words}</span></p> }.into_any()
        }
    };
    view! {
        <div class="verdict">
            {badge}
            <p class="ending" class:local=local>{ending}</p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tests::{image_network, network};
    use crate::state::Settings;
    use crate::timeline::tests::frame;
    use cleave_contract::Event;

    fn answered(delta: Option<f32>) -> State {
        let mut state = State::new(Settings::default(), None, String::new());
        state.hear(Event::Network(network("3 2 1 4,0 6 3 0")));
        let mut frame = frame(1, 0.0);
        (frame.codec, frame.bound) = ("f32".into(), Some(SPLIT_F32));
        (frame.delta, frame.probabilities[3]) = (delta, 0.7);
        state.hear(Event::Frame(frame));
        state
    }

    #[test]
    fn the_most_probable_class_is_first_in_its_own_place() {
        let classes = classes(&answered(None));
        assert_eq!(classes.iter().position(|class| class.first), Some(3));
        assert_eq!(classes[3].name, "class 3");
    }

    #[test]
    fn of_a_thousand_classes_the_likeliest_ten_are_shown() {
        let mut state = answered(None);
        let names = (0..1000).map(|class| format!("class {class}")).collect();
        state.hear(Event::Network(cleave_contract::Network { classes: names, ..image_network("lenet5") }));
        assert_eq!(classes(&state).len(), SHOWN, "before there is an answer, too");
        let mut frame = frame(2, 0.0);
        frame.probabilities =
            (0..1000).map(|class| if class == 17 { 0.9 } else { 1e-4 * f32::from(class as u8) }).collect();
        state.hear(Event::Frame(frame));
        let classes = classes(&state);
        assert_eq!((classes.len(), classes[0].name.as_str(), classes[0].first), (SHOWN, "class 17", true));
        assert!(classes[1..].iter().all(|class| !class.first && class.part < Some(0.1)));
    }

    #[test]
    fn equal_close_and_unknown_are_told_apart() {
        assert!(matches!(equality(&answered(Some(2e-6))), Equality::Equal(words) if words.ends_with("2.0e-6")));
        assert!(
            matches!(equality(&answered(Some(0.02))), Equality::Close(words) if words.contains("0.020, and f32 allows 1.0e-4"))
        );
        assert!(matches!(judge(1e-3, Some(2e-3), "f16"), Equality::Equal(words) if words.contains("what f16 allows")));
        assert!(matches!(judge(1e-3, None, "f16"), Equality::Close(words) if words.contains("neighbours")));
        assert!(matches!(equality(&answered(None)), Equality::Unknown(_)));
    }

    #[test]
    fn what_was_not_split_is_not_called_equal() {
        let local = Outcome::Local { why: "the plan is not deployed on the edge yet".into() };
        for (outcome, bytes_up) in [(local, 0), (Outcome::AsPlanned, 0)] {
            let mut state = answered(None);
            let mut frame = frame(2, 0.0);
            (frame.delta, frame.bound, frame.outcome, frame.bytes_up) = (Some(0.0), Some(SPLIT_F32), outcome, bytes_up);
            state.hear(Event::Frame(frame));
            assert!(matches!(equality(&state), Equality::Unknown(words) if words.starts_with("Not split")));
        }
    }

    #[test]
    fn the_ending_says_how_and_how_much() {
        assert_eq!(ending(&answered(None)), "As planned: 40.0 ms, 1 B up, 1 B down.");
    }
}
