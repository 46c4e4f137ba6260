//! Running a partition: what is sent, what ends it, what is kept, and what a stroke of the pen does.

use super::*;
use crate::partition::form::{Form, first_request};
use crate::partition::image::{Image, SEED};
use crate::partition::member::Member;
use crate::partition::ran::tests::ran;
use crate::partition::tests::{partitions, plan};
use cleave_contract::PartitionStrategy::{CoEdge, Mixed};
use cleave_contract::{
    Cooperated, CooperationRequest, ImageRequest, LongWork, MemberRequest, PartitionRequest, PartitionStrategy,
    WorkerState,
};

/// A page with a plan for this network and three workers.
fn planned(network: &str) -> State {
    let mut state = running();
    let request = PartitionRequest { network: network.into(), ..first_request() };
    state.act(Act::PartitionForm(Form::of(&request)));
    let mut told = partitions(vec![plan(CoEdge, 20.0), plan(Mixed, 15.0)]);
    told.request = request;
    state.hear(Event::Partitions(told));
    state
}

fn came(strategy: PartitionStrategy, network: &str) -> Event {
    let mut run = ran(strategy);
    run.request.partition.network = network.into();
    Event::Cooperated(Box::new(run))
}

fn there() -> Event {
    let worker = |name: &str| WorkerState {
        name: name.into(),
        place: "this tab".into(),
        status: "ready".into(),
        is_gone: false,
    };
    Event::Workers(vec![worker("one"), worker("two"), worker("three")])
}

/// The only intent, which is a run.
fn asked(intents: Vec<Intent>) -> CooperationRequest {
    match intents.as_slice() {
        [Intent::Cooperate(request)] => request.clone(),
        other => panic!("{other:?}"),
    }
}

fn strategies(state: &State) -> Vec<PartitionStrategy> {
    state.partition.cooperation.runs.iter().map(|run| run.request.strategy).collect()
}

#[test]
fn a_run_is_sent_with_what_the_form_says_and_ends_by_its_result() {
    let mut state = planned("alexnet");
    state.act(Act::Runs(7));
    let request = asked(state.act(Act::Cooperate(vec![CoEdge])));
    assert_eq!((request.partition, request.strategy, request.runs, request.check), (first_request(), CoEdge, 7, true));
    assert_eq!((request.members, request.image), (vec![MemberRequest::Browser; 2], ImageRequest::Noise(SEED)));
    assert_eq!((state.run, names(&state.act(Act::RunOnce)).len()), (Run::Cooperating, 0));
    state.hear(Event::Progress { what: LongWork::StartWorkers, done: 0, total: 0 });
    assert!(state.worker.progress.is_some() && !state.can_dispatch());
    state.hear(there());
    assert_eq!(names(&state.hear(came(CoEdge, "alexnet"))), ["runonce"], "the frame on show was asked for meanwhile");
    assert_eq!((state.run, strategies(&state)), (Run::Once, vec![CoEdge]));
    assert_eq!((state.worker.progress.is_none(), state.partition.cooperation.workers.len()), (true, 3));
}

#[test]
fn both_run_one_after_the_other_and_a_frame_that_is_right_stays() {
    let mut state = planned("alexnet");
    assert_eq!(asked(state.act(Act::Cooperate(vec![CoEdge, Mixed]))).strategy, CoEdge);
    assert_eq!(asked(state.hear(came(CoEdge, "alexnet"))).strategy, Mixed);
    assert_eq!(state.run, Run::Cooperating);
    assert!(state.hear(came(Mixed, "alexnet")).is_empty());
    assert_eq!((state.run, strategies(&state)), (Run::Idle, vec![CoEdge, Mixed]));
    asked(state.act(Act::Cooperate(vec![CoEdge, CoEdge])));
    assert!(state.hear(came(CoEdge, "alexnet")).is_empty(), "the same is run once");
}

#[test]
fn stopping_and_failing_end_it_and_what_follows_and_keep_what_was_found() {
    let mut state = planned("alexnet");
    state.act(Act::Cooperate(vec![CoEdge]));
    state.hear(came(CoEdge, "alexnet"));
    state.act(Act::Cooperate(vec![CoEdge, Mixed]));
    assert_eq!(names(&state.act(Act::Stop)), ["stop"]);
    assert!(state.hear(came(CoEdge, "alexnet")).is_empty(), "what comes late is shown and starts nothing");
    state.act(Act::Cooperate(vec![CoEdge, Mixed]));
    state.hear(failed());
    assert_eq!((state.run, strategies(&state)), (Run::Idle, vec![CoEdge]));
    assert!(state.notice.is_some() && state.hear(came(Mixed, "alexnet")).is_empty());
}

#[test]
fn the_latest_run_of_each_strategy_is_kept_while_network_and_workers_are() {
    let mut state = planned("alexnet");
    let request = state.settings.partition.clone();
    let newer = Cooperated { restarts: 3, ..ran(CoEdge) };
    for run in [came(CoEdge, "alexnet"), came(Mixed, "alexnet"), Event::Cooperated(Box::new(newer))] {
        assert!(state.hear(run).is_empty(), "nobody waits for them");
    }
    assert_eq!(strategies(&state), [Mixed, CoEdge]);
    assert_eq!(state.partition.cooperation.run_of(CoEdge, &request).unwrap().restarts, 3);
    let fewer = PartitionRequest { slower: vec![1.0; 2], ..request.clone() };
    assert!(state.partition.cooperation.run_of(CoEdge, &fewer).is_none());
    let mut told = partitions(vec![plan(CoEdge, 20.0)]);
    told.request = PartitionRequest { setup_ms: 9.0, ..request };
    state.hear(Event::Partitions(told.clone()));
    assert_eq!(state.partition.cooperation.runs.len(), 2, "other links change the run, not what can be compared");
    told.request = fewer;
    state.hear(Event::Partitions(told));
    assert!(state.partition.cooperation.runs.is_empty());
}

#[test]
fn what_cannot_be_run_says_why_and_sends_nothing() {
    let mut state = planned("alexnet");
    assert_eq!(state.why_not_cooperate(), None);
    let form = Form::of(&first_request());
    state.act(Act::PartitionForm(Form { shared: true, ..form.clone() }));
    assert!(state.why_not_cooperate().unwrap().contains("one radio channel"));
    assert!(state.act(Act::Cooperate(vec![CoEdge])).is_empty());
    state.act(Act::PartitionForm(form.clone().with_workers(4)));
    assert!(state.why_not_cooperate().unwrap().contains("plan again"));
    assert!(state.act(Act::Cooperate(vec![CoEdge])).is_empty());
    state.act(Act::PartitionForm(Form { slower: vec!["1".into(), "0.5".into(), "1".into()], ..form.clone() }));
    assert!(!state.partition.form.is_refused(), "planning allows it");
    assert!(state.act(Act::Cooperate(vec![CoEdge])).is_empty() && state.partition.form.is_refused());
    assert_eq!(names(&state.act(Act::Partition)), ["partition"]);
    assert_eq!((state.run, state.partition.form.is_refused()), (Run::Planning, false));
}

#[test]
fn edges_get_into_the_address_and_their_tokens_do_not() {
    let known = EdgeAddress { url: "ws://h:1/ws".into(), token: "secret".into() };
    let (settings, _) = crate::url::parse("share.at=ws%3A%2F%2Fh%3A1");
    let mut state = State::new(settings, Some(known), String::new());
    assert_eq!(state.partition.form.members[0].token, "secret", "it served the page");
    let mut form = state.partition.form.clone();
    form.members[1] = Member { token: "other".into(), ..Member::at("ws://h:2") };
    state.act(Act::PartitionForm(form.clone()));
    assert_eq!(crate::url::print(&state.settings), "share.at=ws%3A%2F%2Fh%3A1,ws%3A%2F%2Fh%3A2");
    form.members[1].at = "h".into();
    state.act(Act::PartitionForm(form));
    assert_eq!(state.settings.places.len(), 2, "the address keeps what was right");
}

#[test]
fn a_stroke_is_answered_at_once_by_workers_that_are_there() {
    let mut state = planned("lenet5");
    let drawn = |value: u8| Image::Drawn(vec![value; 28 * 28]);
    assert!(state.act(Act::Stroke(Looker::Workers, drawn(1))).is_empty(), "nobody is there");
    state.act(Act::Cooperate(vec![Mixed]));
    state.hear(there());
    assert!(state.act(Act::Stroke(Looker::Workers, drawn(2))).is_empty());
    assert!(state.hear(came(Mixed, "lenet5")).is_empty(), "a run that was asked for is followed by nothing");
    let request = asked(state.act(Act::Stroke(Looker::Workers, drawn(3))));
    assert_eq!((request.strategy, request.runs, request.check), (Mixed, 1, false));
    assert!(matches!(request.image, ImageRequest::Pixels { rgba, .. } if rgba[..4] == [3, 3, 3, 255]));
    assert!(state.act(Act::Stroke(Looker::Workers, drawn(4))).is_empty());
    let next = asked(state.hear(came(Mixed, "lenet5")));
    assert!(matches!(next.image, ImageRequest::Pixels { rgba, .. } if rgba[0] == 4), "the last stroke is answered too");
    assert!(state.hear(came(Mixed, "lenet5")).is_empty());
    state.hear(Event::Workers(vec![]));
    assert!(state.act(Act::Stroke(Looker::Workers, drawn(5))).is_empty(), "they were dismissed");
}

#[test]
fn an_image_stays_as_long_as_the_network_can_look_at_it() {
    let mut state = planned("alexnet");
    let shape = state.looks_at(Looker::Workers).unwrap();
    state.act(Act::Look(Looker::Workers, Image::of_file("cat".into(), vec![0; 4 * 224 * 224], shape)));
    let choose = |network: &str| Act::PartitionForm(Form { network: network.into(), ..Form::of(&first_request()) });
    state.act(choose("vgg11"));
    assert_ne!(**state.input.image(Looker::Workers), Image::Noise);
    state.act(choose("lenet"));
    assert_ne!(**state.input.image(Looker::Workers), Image::Noise, "a mistake changes nothing");
    state.act(choose("lenet5"));
    assert_eq!(**state.input.image(Looker::Workers), Image::Noise);
}

#[test]
fn workers_are_lost_and_dismissed_by_the_worker() {
    let mut state = planned("alexnet");
    assert!(matches!(state.act(Act::Lose(2))[..], [Intent::LoseWorker(2)]));
    assert_eq!(names(&state.act(Act::DismissWorkers)), ["dismiss"]);
}
