//! Workers that are lost: at the beginning that is an error that names them, later it costs no answer.

use cleave_app::cooperation::{CooperationError, Event, Request};
use cleave_app::partition::Shown;
use cleave_arch::tolerance::SPLIT_F32;
use cleave_contract::Replanned;
use cleave_partition::Strategy;

use crate::world::{World, request};

#[test]
fn a_worker_that_is_lost_after_any_event_costs_no_answer() {
    let asked = || Request { runs: 2, shown: Shown::Other, ..request(Strategy::OutputChannel) };
    let mut undisturbed = World::new();
    undisturbed.answer(asked()).unwrap();
    let (mut early, mut replanned) = (0, 0);
    for events in 2..undisturbed.events {
        let mut world = World::new();
        world.tell(Event::Start);
        world.tell(Event::Run(Box::new(asked())));
        world.run_until(|world| world.events >= events);
        let place = 1 + events % 2;
        world.kill(place);
        world.run_until(|world| !world.ended.is_empty());
        assert_eq!(world.ended.len(), 1, "after {events} events");
        let report = match world.ended.remove(0) {
            Ok(report) => report,
            Err(CooperationError::Missing(gone)) => {
                assert!(gone.iter().all(|gone| gone.name == format!("edge {place}")), "{gone:?}");
                early += 1;
                continue;
            }
            Err(why) => panic!("lost after {events} events: {why}"),
        };
        assert!(report.distance().unwrap() <= SPLIT_F32, "after {events} events: {:?}", report.distance());
        assert_eq!((report.answers.len(), report.gone.len()), (2, 1), "after {events} events");
        assert!(!report.formed.places.contains(&place) || report.restarts == 0, "after {events} events");
        if report.formed.places.len() < 3 {
            assert_eq!(report.replanned, Some(Replanned::Lost), "after {events} events");
            replanned += 1;
        }
        assert!(!world.cooperation.is_whole());
    }
    assert!((1..=10).contains(&early) && replanned > 100, "{early} at the beginning, {replanned} replanned");
}

#[test]
fn both_can_be_lost_and_the_tab_answers_alone() {
    let mut world = World::new();
    world.tell(Event::Start);
    world.tell(Event::Run(Box::new(request(Strategy::Iop))));
    world.run_until(|world| world.plans > 0);
    world.kill(1);
    world.kill(2);
    world.run_until(|world| !world.ended.is_empty());
    let report = world.ended.remove(0).unwrap();
    assert_eq!((&report.formed.places[..], report.gone.len(), report.replanned), (&[0][..], 2, Some(Replanned::Lost)));
    assert!(report.distance().unwrap() <= SPLIT_F32);
    // Whoever wants these workers all the same is told who is missing.
    let why = world.ask(request(Strategy::Iop)).unwrap_err();
    assert!(matches!(&why, CooperationError::Missing(gone) if gone.len() == 2), "{why}");
}

#[test]
fn who_does_not_answer_at_the_beginning_is_named() {
    let mut world = World::new();
    world.is_silent = vec![false, true, true];
    let why = world.answer(request(Strategy::Mixed)).unwrap_err().to_string();
    assert!(why.contains("worker \"edge 1\": it did not open the connection within"), "{why}");
    assert!(why.contains("worker \"edge 2\""), "{why}");
    assert_eq!((world.plans, world.now.0 < 6_000_000), (0, true), "{:?}", world.now);
}

#[test]
fn an_engine_that_stops_computing_is_done_without() {
    let mut world = World::new();
    world.tell(Event::Start);
    world.tell(Event::Run(Box::new(request(Strategy::OutputChannel))));
    world.run_until(|world| world.news.contains(&cleave_app::cooperation::News::Answered));
    world.is_stuck[2] = true;
    world.run_until(|world| !world.ended.is_empty());
    let report = world.ended.remove(0).unwrap();
    assert_eq!((&report.formed.places[..], report.restarts), (&[0, 1][..], 1));
    assert!(report.gone[0].to_string().contains("nothing came from it for 5"), "{}", report.gone[0]);
    assert!(report.distance().unwrap() <= SPLIT_F32);
}
