//! The dispatcher: it begins, is followed silently, and gives way to a person.

use super::*;
use crate::dispatch::tests::dispatch;
use cleave_contract::{Goal, Target};

const TARGET: Target = Target { goal: Goal::Fastest, accuracy: Some(0.8), latency_ms: None };

/// The second choice of [`dispatch`].
const CHOICE: &str = "3 2 1 5 4,0 6 3 0 0";

fn dispatching() -> State {
    let mut state = running();
    assert_eq!(names(&state.act(Act::Dispatch(Some(TARGET)))), ["dispatch"]);
    assert!(state.hear(Event::Dispatch(dispatch(true, 0, 0))).is_empty());
    state
}

fn named(name: &str, plan: &str) -> Event {
    Event::Network(contract::Network { name: name.into(), ..network(plan) })
}

#[test]
fn it_begins_with_its_target_and_ends_when_told_to() {
    let mut state = dispatching();
    assert_eq!((state.dispatcher.dispatching, state.dispatcher.target), (Dispatching::On, TARGET));
    let intents = state.act(Act::Dispatch(None));
    assert!(matches!(intents[..], [Intent::Dispatch(None)]));
    state.hear(Event::Dispatch(dispatch(true, 0, 0)));
    assert!(!state.dispatcher.is_dispatching(), "what was on its way does not begin it again");
    state.hear(Event::Dispatch(dispatch(false, 0, 0)));
    assert_eq!(state.dispatcher.dispatching, Dispatching::Off);
    assert!(state.act(Act::Dispatch(None)).is_empty(), "it has ended");
}

#[test]
fn it_does_not_begin_beside_long_work_or_without_a_network() {
    assert!(opened().act(Act::Dispatch(Some(TARGET))).is_empty());
    let mut state = running();
    state.act(Act::Search(request()));
    assert!(state.act(Act::Dispatch(Some(TARGET))).is_empty());
    assert_eq!((state.dispatcher.dispatching, state.dispatcher.target), (Dispatching::Off, TARGET));
}

#[test]
fn one_that_cannot_begin_is_not_awaited() {
    let mut state = running();
    state.act(Act::Dispatch(Some(TARGET)));
    state.hear(failed());
    assert!(!state.dispatcher.is_dispatching());
    let mut state = dispatching();
    state.hear(failed());
    assert!(state.dispatcher.is_dispatching(), "something else has failed");
}

#[test]
fn a_switch_is_shown_and_answered_by_nothing_and_the_stream_goes_on() {
    let mut state = dispatching();
    state.act(Act::RunStream);
    assert!(state.hear(Event::Dispatch(dispatch(true, 1, 1))).is_empty());
    assert!(state.hear(named("small", CHOICE)).is_empty());
    assert_eq!((state.run, state.dispatcher.dispatching), (Run::Stream, Dispatching::On));
    assert_eq!(state.settings.cuts, Cuts::At(vec![3]), "the address says what runs");
    assert_eq!((state.network_name().as_str(), state.network.in_use.as_str()), ("small", "small"));
    assert!(state.network.held.as_ref().is_some_and(|held| held.mapping.cuts() == [3]));
    assert_eq!(state.frames.answer.as_ref().map(|answer| answer.freshness), Some(Freshness::Stale));
    let prices = crate::price::tests::prices("3 2 1 4,0 6 3 0");
    assert!(state.hear(Event::Prices(prices)).is_empty());
}

#[test]
fn a_switch_to_no_cut_at_all_is_not_cut_in_the_middle() {
    let mut state = dispatching();
    assert!(state.hear(named("small", "3 2 1 4,0 6 3 0")).is_empty());
    assert_eq!(state.settings.cuts, Cuts::At(vec![]));
    assert!(state.frames.answer.is_none(), "no frame is on its way that would replace the old answer");
}

#[test]
fn the_choice_says_the_cut_where_the_network_carries_another() {
    let mut state = dispatching();
    state.hear(Event::Dispatch(dispatch(true, 1, 1)));
    assert!(state.hear(named("small", "3 5 2 1 4,0 0 6 3 0")).is_empty());
    assert_eq!(state.settings.cuts, Cuts::At(vec![3]));
    assert!(state.hear(named("other", "3 2 4,0 6 0")).is_empty(), "nor does a network that is no choice");
    assert_eq!(state.settings.cuts, Cuts::At(vec![]));
}

#[test]
fn latencies_measured_at_other_cuts_are_kept_within_a_network() {
    let mut state = dispatching();
    state.hear(named("small", CHOICE));
    state.frames.measured = vec![(vec![], 5.0)];
    state.hear(named("small", "3 2 1 4,0 6 3 0"));
    assert_eq!(state.frames.measured.len(), 1);
    state.hear(named("other", CHOICE));
    assert!(state.frames.measured.is_empty());
}

#[test]
fn whatever_a_person_chooses_ends_it_first() {
    let acts: [(Act, &[&str]); 7] = [
        (Act::Choose("dgcnn".into()), &["dispatch", "network dgcnn"]),
        (Act::MoveCut { cut: 0, to: 3 }, &["dispatch", "plan 3 2 1 5 4,0 6 3 0 0 f32", "runonce"]),
        (Act::Write("f16".parse().unwrap()), &["dispatch", "plan 3 2 5 1 4,0 6 0 3 0 f16", "runonce"]),
        (Act::Deploy("3 2 1 4,0 6 3 0".into()), &["dispatch", "deploy"]),
        (Act::Open { name: "a.safetensors".into(), bytes: vec![] }, &["dispatch", "open"]),
        (Act::Calibrate, &["dispatch", "calibrate"]),
        (Act::Search(request()), &["dispatch", "search"]),
    ];
    for (act, wanted) in acts {
        let mut state = dispatching();
        let told = format!("{act:?}");
        assert_eq!(names(&state.act(act)), wanted, "{told}");
        assert!(!state.dispatcher.is_dispatching(), "{told}");
    }
}

#[test]
fn one_that_has_just_been_asked_for_gives_way_too() {
    let mut state = running();
    state.act(Act::Dispatch(Some(TARGET)));
    assert_eq!(names(&state.act(Act::MoveCut { cut: 0, to: 3 }))[0], "dispatch");
}

#[test]
fn what_chooses_nothing_lets_it_go_on() {
    let mut state = dispatching();
    let link = Link { mbps: 10.0, ..state.settings.link };
    state.act(Act::Shaping(link));
    state.act(Act::MoveCut { cut: 0, to: 2 });
    state.act(Act::Shape(1));
    state.act(Act::RunStream);
    state.act(Act::Stop);
    assert_eq!(state.dispatcher.dispatching, Dispatching::On);
}

#[test]
fn a_switch_that_was_on_its_way_when_a_person_chose_is_still_only_shown() {
    let mut state = dispatching();
    state.hear(Event::Dispatch(dispatch(true, 1, 1)));
    state.act(Act::MoveCut { cut: 0, to: 1 });
    assert!(state.hear(named("small", CHOICE)).is_empty());
    assert_eq!(state.settings.cuts, Cuts::At(vec![3]), "it is what the worker runs");
}

#[test]
fn a_network_that_a_person_has_asked_for_is_no_switch() {
    let mut state = dispatching();
    state.act(Act::Choose("dgcnn".into()));
    assert_eq!(names(&state.hear(named("dgcnn", CHOICE)))[0], format!("plan {CHOICE} f32"));
    assert_eq!(state.network.in_use, "dgcnn");
    let mut state = dispatching();
    state.act(Act::Deploy(CHOICE.into()));
    state.hear(Event::Dispatch(dispatch(false, 0, 0)));
    assert_eq!(names(&state.hear(named("searched", CHOICE)))[0], format!("plan {CHOICE} f32"));
}
