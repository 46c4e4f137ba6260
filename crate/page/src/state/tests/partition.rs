//! Sharing an image network: what the form lets through, and what ends the planning.

use super::*;
use crate::partition::form::{Form, first_request};
use crate::partition::tests::{partitions, plan};
use cleave_contract::PartitionStrategy::{CoEdge, Iop, IopExact, Mixed, OutputChannel};
use cleave_contract::{LongWork, PartitionRequest};

fn form(change: impl FnOnce(&mut Form)) -> Form {
    let mut form = Form::of(&first_request());
    change(&mut form);
    form
}

fn told() -> Event {
    Event::Partitions(partitions(vec![plan(CoEdge, 20.0)]))
}

#[test]
fn planning_runs_alone_and_its_end_goes_on_with_the_frames() {
    let mut state = running();
    let asked = state.act(Act::Partition);
    assert_eq!(asked.len(), 1);
    assert!(matches!(&asked[0], Intent::Partition(request) if *request == first_request()));
    assert_eq!((state.run, names(&state.act(Act::RunOnce)).len()), (Run::Planning, 0));
    state.hear(Event::Progress { what: LongWork::PlanPartition, done: 1, total: 9 });
    assert!(state.worker.progress.is_some() && !state.can_dispatch());
    assert_eq!(names(&state.hear(told())), ["runonce"]);
    assert!(state.worker.progress.is_none() && state.partition.planned.is_some());
    state.hear(Event::Progress { what: LongWork::PlanPartition, done: 9, total: 9 });
    assert!(state.worker.progress.is_none(), "what comes late starts nothing");
}

#[test]
fn stopping_and_failing_end_it_and_keep_what_was_found() {
    let mut state = running();
    state.act(Act::Partition);
    state.hear(told());
    state.hear(Event::Frame(frame(2, 0.0)));
    let kept = state.partition.planned.clone();
    state.act(Act::Partition);
    assert_eq!(names(&state.act(Act::Stop)), ["stop"]);
    assert_eq!((state.run, &state.partition.planned), (Run::Idle, &kept));
    state.act(Act::Partition);
    state.hear(failed());
    assert_eq!((state.run, &state.partition.planned), (Run::Idle, &kept));
    assert!(state.notice.is_some());
    assert!(state.hear(told()).is_empty(), "what comes late is shown and starts nothing");
}

#[test]
fn it_needs_no_network_but_a_worker_that_listens() {
    assert_eq!(names(&opened().act(Act::Partition)), ["partition"]);
    let mut state = State::new(Settings::default(), None, String::new());
    assert!(state.act(Act::Partition).is_empty());
    assert_eq!(state.run, Run::Idle);
}

#[test]
fn a_form_with_a_mistake_is_not_sent_and_the_address_keeps_the_last_request() {
    let mut state = running();
    state.act(Act::PartitionForm(form(|form| form.setup = "2.5".into())));
    assert_eq!(state.settings.partition, PartitionRequest { setup_ms: 2.5, ..first_request() });
    assert_eq!(crate::url::print(&state.settings), "share.setup=2.5");
    state.act(Act::PartitionForm(form(|form| form.mbps = "0".into())));
    assert!(state.act(Act::Partition).is_empty());
    assert_eq!((state.run, state.partition.form.mbps.as_str()), (Run::Idle, "0"));
    assert_eq!(state.settings.partition.mbps, first_request().mbps);
}

#[test]
fn an_address_fills_the_form_and_chooses_what_is_drawn() {
    let (settings, problems) = crate::url::parse("share.slower=1,4&share.show=iop,iop-exact");
    let mut state = State::new(settings, None, String::new());
    assert!(problems.is_empty());
    assert_eq!(
        (state.partition.form.slower.as_slice(), state.settings.pair),
        (["1".to_owned(), "4".into()].as_slice(), [Iop, IopExact])
    );
    state.act(Act::Pair([OutputChannel, Mixed]));
    assert_eq!(state.settings.pair, [OutputChannel, Mixed]);
}
