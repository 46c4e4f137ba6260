//! Requests that nothing disturbs: their answers, their phases, and which plan is run.

use cleave_app::cooperation::{CooperationError, Event, News, Request};
use cleave_app::partition::{Planning, Shown};
use cleave_arch::tolerance::SPLIT_F32;
use cleave_contract::{LongWork, Replanned};
use cleave_graph::Partition;
use cleave_partition::Strategy;
use cleave_session::Model;
use cleave_session::Weights;
use cleave_wire::ModelHash;

use crate::world::{World, network, request};

/// What a strategy plans before anybody's speed is known.
fn planned(request: &Request) -> Partition {
    let (workers, times) = (request.workers.clone(), (*request.times).clone());
    let planned = Planning::new((*request.network).clone(), workers, times, vec![request.strategy]).run().unwrap();
    planned.plans[0].1.as_ref().unwrap().partition.clone()
}

#[test]
fn every_strategy_leads_to_the_answer() {
    for strategy in Strategy::ALL {
        let mut world = World::new();
        let report = world.answer(request(strategy)).unwrap();
        assert!(report.distance().unwrap() <= SPLIT_F32, "{strategy}: {:?}", report.distance());
        let formed = &report.formed;
        assert_eq!((report.answers.len(), report.restarts, report.gone.len()), (3, 0, 0), "{strategy}");
        assert_eq!((&formed.places[..], formed.weight_bytes.len()), (&[0, 1, 2][..], 3), "{strategy}");
        let run = report.median().unwrap();
        let sent: u32 = run.traffic.iter().flatten().map(|traffic| traffic.messages).sum();
        assert_eq!(sent as usize, formed.plan.timeline.messages, "{strategy}");
        // Members have no addresses: what they exchange is relayed, and priced so.
        let (measured, predicted) = (run.took().as_millis(), formed.plan.total_ms());
        assert!((measured / predicted - 1.0).abs() < 0.35, "{strategy}: {measured} ms, {predicted} predicted");
        let phases = [
            LongWork::StartWorkers,
            LongWork::LearnSpeeds,
            LongWork::RunWhole,
            LongWork::PlanPartition,
            LongWork::RunPartition,
        ];
        assert_eq!(world.phases(), phases, "{strategy}");
    }
}

#[test]
fn speeds_that_are_given_are_believed_and_those_that_are_not_are_measured() {
    let mut world = World::new();
    world.slowness = vec![1.0, 1.0, 3.0];
    let given = Request { learn: false, compare: false, ..request(Strategy::Mixed) };
    let report = world.answer(given.clone()).unwrap();
    assert_eq!(report.formed.slowdowns, [1.0; 3]);
    assert_eq!(
        (world.phases(), report.whole),
        (vec![LongWork::StartWorkers, LongWork::PlanPartition, LongWork::RunPartition], None)
    );
    let mut missing = given;
    missing.workers.slowdowns[2] = None;
    let report = world.ask(missing).unwrap();
    let slowdowns = &report.formed.slowdowns;
    assert!(slowdowns[..2] == [1.0; 2] && (slowdowns[2] - 3.0).abs() < 0.3, "{slowdowns:?}");
}

#[test]
fn what_is_on_show_is_run_and_another_plan_says_why() {
    let asked = request(Strategy::CoEdge);
    let shown = Request { shown: Shown::Plan(planned(&asked)), ..asked };
    // As fast as they were taken for: the plan on show is run, though a new one might be a little faster.
    let report = World::new().answer(shown.clone()).unwrap();
    assert_eq!((report.replanned, &report.formed.plan.partition), (None, &planned(&shown)));
    // One of them is twice as slow.
    let mut world = World::new();
    world.slowness[2] = 2.0;
    let report = world.answer(shown.clone()).unwrap();
    let Some(Replanned::Speeds { shown_ms, millis }) = report.replanned else { panic!("{:?}", report.replanned) };
    assert!(millis < 0.95 * shown_ms, "{millis} ms against {shown_ms}");
    assert_ne!(report.formed.plan.partition, planned(&shown));
    let slowdowns = &report.formed.slowdowns;
    assert!((slowdowns[2] / slowdowns[1] - 2.0).abs() < 0.2, "{slowdowns:?}");
    assert!(report.distance().unwrap() <= SPLIT_F32);
    let report = World::new().answer(Request { shown: Shown::Other, ..shown }).unwrap();
    assert_eq!(report.replanned, Some(Replanned::Request));
}

#[test]
fn the_same_again_is_answered_without_planning_or_loading() {
    let mut world = World::new();
    let quick = Request { compare: false, runs: 1, ..request(Strategy::Iop) };
    let first = world.answer(quick.clone()).unwrap();
    let (plans, loads) = (world.plans, world.loads);
    let second = world.ask(quick.clone()).unwrap();
    assert_eq!((world.plans, world.loads), (plans, loads));
    assert_eq!(second.answers[0].values, first.answers[0].values);
    let other = world.ask(Request { strategy: Strategy::OutputChannel, ..quick }).unwrap();
    assert_eq!((world.plans, other.strategy), (plans + 1, Strategy::OutputChannel));
}

#[test]
fn images_are_run_one_after_another_and_compared_each_with_its_own() {
    let images: Vec<_> = cleave_app::cooperation::noise(network().input(), 9).take(2).collect();
    let report = World::new().answer(Request { images, runs: 5, ..request(Strategy::Iop) }).unwrap();
    let values: Vec<_> = report.answers.iter().map(|answer| &answer.values).collect();
    assert_eq!((values[0], values[1], values[0]), (values[2], values[3], values[4]));
    assert!(values[0] != values[1] && report.distance().unwrap() <= SPLIT_F32);
    assert_eq!(report.whole.unwrap().answers.len(), 2);
}

#[test]
fn stopping_at_any_moment_leaves_workers_that_answer_the_next_request() {
    let asked = || Request { runs: 2, ..request(Strategy::Iop) };
    let mut undisturbed = World::new();
    undisturbed.answer(asked()).unwrap();
    for events in (1..undisturbed.events).step_by(7) {
        let mut world = World::new();
        world.tell(Event::Start);
        world.tell(Event::Run(Box::new(asked())));
        world.run_until(|world| world.events >= events);
        world.tell(Event::Stop);
        world.run_until(|world| world.now.0 > 130_000_000 || !world.ended.is_empty());
        assert!(world.ended.is_empty(), "stopped after {events} events: {:?}", world.ended);
        let report = world.ask(Request { strategy: Strategy::CoEdge, ..asked() }).unwrap();
        assert_eq!((report.strategy, report.answers.len()), (Strategy::CoEdge, 2), "after {events} events");
        assert!(report.distance().unwrap() <= SPLIT_F32, "after {events} events");
    }
}

#[test]
fn a_new_request_takes_the_place_of_the_one_before() {
    let mut world = World::new();
    world.tell(Event::Start);
    world.tell(Event::Run(Box::new(request(Strategy::Iop))));
    world.run_until(|world| world.news.contains(&News::Answered));
    let report = world.ask(request(Strategy::Mixed)).unwrap();
    assert_eq!((report.strategy, report.answers.len()), (Strategy::Mixed, 3));
}

#[test]
fn a_worker_that_refuses_its_part_is_a_mistake_that_is_named() {
    let file = Model { hash: ModelHash([9; 32]), bytes: vec![0; 64].into() };
    let asked = Request { weights: Weights::File(file), compare: false, ..request(Strategy::OutputChannel) };
    let why = World::new().answer(asked).unwrap_err();
    assert!(matches!(why, CooperationError::Missing(_)), "{why}");
    assert!(why.to_string().contains("worker \"edge ") && why.to_string().contains("hash of another"), "{why}");
}

#[test]
fn leaving_dismisses_everybody_and_ends_nothing() {
    let mut world = World::new();
    world.answer(request(Strategy::Iop)).unwrap();
    world.tell(Event::Leave);
    world.run_until(|world| world.cooperation.next_wake().is_none());
    assert!(world.ended.is_empty());
}
