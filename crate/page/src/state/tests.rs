//! The page's behaviour without a browser: what is sent when, and what survives an error.

mod cooperation;
mod dispatch;
mod look;
mod partition;
mod revive;
mod search;

use super::*;
use crate::pipeline::tests::network;
use crate::timeline::tests::frame;
use cleave_contract::{
    self as contract, Backend, Cloud, EdgeStatus, EdgeWait, Event, Intent, Link, Outcome, Preference,
};

const SMALL: &str = "3 2 1 4,0 6 3 0";

fn cloud() -> Event {
    Event::Cloud(Cloud { name: "chair".into(), class: Some("chair".into()), points: vec![0.0; 3], place: None })
}

fn ready() -> Event {
    Event::Ready { version: "1".into() }
}

fn failed() -> Event {
    Event::Failed { what: contract::Failure::Network, why: "y".into() }
}

/// A short name per intent, enough to compare sequences.
fn names(intents: &[Intent]) -> Vec<String> {
    let name = |intent: &Intent| match intent {
        Intent::Network(name) => format!("network {name}"),
        Intent::Plan { plan, codec } => format!("plan {plan} {codec}"),
        other => format!("{other:?}").split([' ', '{', '(']).next().unwrap_or_default().to_lowercase(),
    };
    intents.iter().map(name).collect()
}

fn opened() -> State {
    let mut state = State::new(Settings::default(), None, "http://h/".into());
    state.act(Act::List(vec![Listed { name: "compact".into(), accuracy: None }]));
    state.hear(ready());
    state
}

/// Everything has arrived and the first frame has been answered.
fn running() -> State {
    let mut state = opened();
    state.hear(cloud());
    state.hear(Event::Network(network(SMALL)));
    state.hear(Event::Frame(frame(1, 0.0)));
    assert_eq!(state.run, Run::Idle);
    state
}

#[test]
fn a_first_visit_runs_by_itself() {
    let mut state = State::new(Settings::default(), None, "http://h/".into());
    assert!(state.hear(ready()).is_empty(), "the shipped networks are not known yet");
    let first = state.act(Act::List(vec![Listed { name: "compact".into(), accuracy: None }]));
    assert_eq!(names(&first), ["start", "generate", "network compact"]);
    assert!(state.hear(cloud()).is_empty(), "the network is not there yet");
    let then = state.hear(Event::Network(network(SMALL)));
    assert_eq!(names(&then), ["plan 3 2 5 1 4,0 6 0 3 0 f32", "runonce"]);
}

#[test]
fn without_shipped_networks_dgcnn_is_used() {
    let mut state = State::new(Settings::default(), None, String::new());
    state.act(Act::List(vec![]));
    assert_eq!(names(&state.hear(ready()))[2], "network dgcnn");
}

#[test]
fn a_moved_cut_is_sent_and_run_at_most_once_at_a_time() {
    let mut state = running();
    let moved = state.act(Act::MoveCut { cut: 0, to: 3 });
    assert_eq!(names(&moved), ["plan 3 2 1 5 4,0 6 3 0 0 f32", "runonce"]);
    assert_eq!(names(&state.act(Act::MoveCut { cut: 0, to: 4 })), ["plan 3 2 1 4 5,0 6 3 0 0 f32"]);
    assert_eq!(state.frames.answer.as_ref().map(|answer| answer.freshness), Some(Freshness::Stale));
    assert_eq!(names(&state.hear(Event::Frame(frame(2, 0.0)))), ["runonce"], "once more for the last cut");
    assert!(state.hear(Event::Frame(frame(3, 0.0))).is_empty());
    assert_eq!(state.frames.answer.as_ref().map(|answer| answer.freshness), Some(Freshness::Current));
}

#[test]
fn cuts_stay_in_order_and_leave_past_the_end() {
    let mut state = running();
    state.act(Act::AddCut);
    assert_eq!(state.settings.cuts, Cuts::At(vec![2, 4]));
    state.act(Act::MoveCut { cut: 0, to: 9 });
    assert_eq!(state.settings.cuts, Cuts::At(vec![4, 4]), "a cut does not overtake the next");
    state.act(Act::MoveCut { cut: 0, to: 1 });
    state.act(Act::MoveCut { cut: 1, to: usize::MAX });
    assert_eq!(state.settings.cuts, Cuts::At(vec![1]));
    state.act(Act::MoveCut { cut: 0, to: 5 });
    assert_eq!(state.settings.cuts, Cuts::At(vec![]));
    state.act(Act::MoveCut { cut: 0, to: 0 });
    assert_eq!(state.settings.cuts, Cuts::At(vec![0]));
}

#[test]
fn an_error_is_told_and_destroys_nothing() {
    let mut state = running();
    state.act(Act::Choose("nonsense".into()));
    assert!(state.hear(failed()).is_empty());
    assert_eq!(state.network_name(), "compact", "the network held before is still held");
    assert!(state.notice.is_some() && state.input.cloud.is_some() && state.frames.answer.is_some());
    assert_eq!(names(&state.act(Act::RunOnce)), ["runonce"]);
    state.act(Act::Dismiss);
    assert_eq!(state.notice, None);
}

#[test]
fn a_worker_that_cannot_start_is_not_awaited_any_longer() {
    let mut state = State::new(Settings::default(), None, String::new());
    state.act(Act::Load(Loading::Starting));
    assert!(state.hear(failed()).is_empty());
    state.act(Act::Load(Loading::Starting));
    assert_eq!(state.worker.loading, Loading::Failed);
}

#[test]
fn a_first_network_that_fails_is_replaced_until_none_is_left() {
    let mut state = State::new(Settings { network: "gone".into(), ..Settings::default() }, None, String::new());
    state.act(Act::List(vec![Listed { name: "compact".into(), accuracy: None }]));
    assert_eq!(names(&state.hear(ready()))[2], "network gone");
    assert_eq!(names(&state.hear(failed())), ["network compact"]);
    assert_eq!(names(&state.hear(failed())), ["network dgcnn"]);
    assert!(state.hear(failed()).is_empty());
}

#[test]
fn a_cut_of_the_address_that_does_not_fit_gives_way() {
    let mut state = State::new(Settings { cuts: Cuts::At(vec![40]), ..Settings::default() }, None, String::new());
    state.act(Act::List(vec![]));
    state.hear(ready());
    state.hear(cloud());
    assert_eq!(names(&state.hear(Event::Network(network(SMALL)))), ["network dgcnn"]);
    assert_eq!(state.settings.cuts, Cuts::Default);
    assert_eq!(names(&state.hear(Event::Network(network(SMALL)))).len(), 2);
}

#[test]
fn a_stream_ends_by_stop_or_by_itself_and_remembers_twelve_frames() {
    let mut state = running();
    assert_eq!(names(&state.act(Act::RunStream)), ["runstream"]);
    for id in 0..20 {
        assert!(state.hear(Event::Frame(frame(id, id as f64))).is_empty());
    }
    assert_eq!((state.frames.recent.len(), state.frames.recent[0].id), (REMEMBERED, 8));
    assert!(state.act(Act::RunOnce).is_empty(), "a stream computes frames anyway");
    assert_eq!(names(&state.act(Act::InFlight(5))), ["runstream"]);
    assert_eq!(names(&state.act(Act::Stop)), ["stop"]);
    assert_eq!(state.run, Run::Idle);
    assert!(state.act(Act::Stop).is_empty());
}

#[test]
fn a_frame_without_an_answer_keeps_the_last_one() {
    let mut state = running();
    let mut lost = frame(2, 0.0);
    lost.outcome = Outcome::Failed { why: "the edge has no memory left".into() };
    lost.probabilities.clear();
    state.hear(Event::Frame(lost));
    assert_eq!(state.frames.answer.as_ref().map(|answer| answer.frame.id), Some(1));
    assert!(state.notice.is_some_and(|notice| notice.why.contains("memory")));
}

#[test]
fn another_edge_is_tried_with_a_frame_and_what_it_waits_for_is_on_show() {
    let mut state = running();
    let address = EdgeAddress { url: "ws://h/ws".into(), token: "t".into() };
    assert_eq!(names(&state.act(Act::Connect(address))), ["connect", "runonce"]);
    state.hear(Event::Waiting(Some(EdgeWait::Deployment)));
    assert_eq!((state.run, state.edge.waiting), (Run::Once, Some(EdgeWait::Deployment)));
    state.hear(Event::Waiting(None));
    state.hear(Event::Frame(frame(2, 0.0)));
    assert_eq!((state.run, state.edge.waiting), (Run::Idle, None));
    assert_eq!(names(&state.act(Act::Simulate)), ["simulate", "runonce"]);
}

#[test]
fn a_slower_device_is_asked_for_once_and_again_at_the_next_start() {
    let mut state = running();
    assert_eq!(names(&state.act(Act::SlowDown(4.0))), ["slowdown", "runonce"]);
    assert!(state.act(Act::SlowDown(4.0)).is_empty());
    let mut state = State::new(state.settings, None, "http://h/".into());
    state.hear(ready());
    let first = state.act(Act::List(vec![]));
    assert_eq!(names(&first)[..2], ["start", "slowdown"]);
}

/// A search with one design, which is there to be compared, exported and gone on with.
pub(crate) fn search(running: bool) -> contract::Search {
    contract::Search {
        running,
        stage: "drawing".into(),
        drawn: 1,
        wanted: 2,
        valid: 1,
        by_table: 1,
        by_predictor: 1,
        evaluated: 1,
        judged_on: "generated furniture".into(),
        per_second: 1.0,
        designs: vec![crate::front::tests::design(0.9, 1.0)],
        slowdown: 1.0,
        references: vec![],
        binding: None,
        state: Some("{}".into()),
    }
}

/// At most 10 ms, with the smallest budget.
pub(crate) fn request() -> contract::SearchRequest {
    contract::SearchRequest {
        strategy: contract::Strategy::Nsga,
        latency_ms: Some(10.0),
        energy_millijoules: None,
        device_megabytes: None,
        candidates: 1,
        evaluations: 1,
        seed: 1,
        codec: "f32".into(),
        judge: contract::Judge::Furniture,
    }
}

/// One measured row.
pub(crate) fn profile() -> contract::Profile {
    contract::Profile {
        json: String::new(),
        complete: true,
        device: String::new(),
        edge: None,
        rows: 1,
        noise: 0.0,
        link: None,
        calibrated: 0,
        powers: contract::Powers { active_milliwatts: 1.0, communicating_milliwatts: 1.0, static_milliwatts: 1.0 },
    }
}
