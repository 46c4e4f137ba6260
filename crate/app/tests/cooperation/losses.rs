//! Workers that are lost: at the beginning that is an error that names them, later it costs no answer.

use cleave_app::cooperation::{CooperationError, EngineKind, Event, News, Report, Request};
use cleave_app::partition::{Shown, Workers};
use cleave_arch::tolerance::SPLIT_F32;
use cleave_contract::Replanned;
use cleave_partition::Strategy;
use cleave_session::Micros;
use cleave_session::cooperate::RunError;
use serde_json::json;

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
    world.run_until(|world| world.news.contains(&News::Answered));
    world.is_stuck[2] = true;
    world.run_until(|world| !world.ended.is_empty());
    let report = world.ended.remove(0).unwrap();
    assert_eq!((&report.formed.places[..], report.restarts), (&[0, 1][..], 1));
    assert!(report.gone[0].to_string().contains("nothing came from it for 5"), "{}", report.gone[0]);
    assert!(report.distance().unwrap() <= SPLIT_F32);
}

/// A request that is under way, up to this moment.
fn begun(world: &mut World, request: Request, until: impl Fn(&World) -> bool) {
    world.tell(Event::Start);
    world.tell(Event::Run(Box::new(request)));
    world.run_until(until);
}

fn end(world: &mut World) -> Result<Report, CooperationError> {
    world.run_until(|world| !world.ended.is_empty());
    assert_eq!(world.ended.len(), 1, "a request ends once");
    world.ended.remove(0).map(|report| *report)
}

#[test]
fn two_that_are_lost_one_soon_after_the_other_cost_no_answer() {
    let asked = || Request { runs: 2, ..request(Strategy::OutputChannel) };
    let mut alone = 0;
    for apart in (1..90).step_by(4) {
        let mut world = World::new();
        begun(&mut world, asked(), |world| world.plans > 0);
        world.kill(1);
        let then = world.events + apart;
        world.run_until(|world| world.events >= then || !world.ended.is_empty());
        if world.ended.is_empty() {
            world.kill(2);
        }
        let report = end(&mut world).unwrap();
        assert!(report.distance().unwrap() <= SPLIT_F32, "{apart} events apart: {:?}", report.distance());
        assert_eq!((report.answers.len(), report.replanned), (2, Some(Replanned::Lost)), "{apart} events apart");
        assert!(!report.formed.places.contains(&1), "{apart} events apart: {:?}", report.formed.places);
        alone += usize::from(report.formed.places == [0]);
    }
    assert!(alone >= 5, "{alone} were answered by the tab alone");
}

#[test]
fn all_that_are_lost_before_they_have_answered_are_named_together() {
    let mut world = World::new();
    begun(&mut world, request(Strategy::Iop), |_| true);
    world.kill(1);
    world.kill(2);
    let why = end(&mut world).unwrap_err();
    let CooperationError::Missing(gone) = &why else { panic!("{why}") };
    let named: Vec<_> = gone.iter().map(|gone| (gone.place, gone.name.as_str())).collect();
    assert_eq!(named, [(1, "edge 1"), (2, "edge 2")]);
    assert!(why.to_string().matches("connection reset").count() == 2, "{why}");
    assert_eq!(world.plans, 0);
}

#[test]
fn one_that_joins_late_takes_part_and_one_that_joins_too_late_is_named() {
    let mut world = World::new();
    world.late[2] = Micros::from_millis(3_000);
    let report = world.answer(request(Strategy::Iop)).unwrap();
    assert_eq!((&report.formed.places[..], report.gone.len()), (&[0, 1, 2][..], 0));
    assert!(world.now > Micros::from_millis(3_000) && report.distance().unwrap() <= SPLIT_F32);
    let mut world = World::new();
    world.late[2] = Micros::from_millis(6_000);
    let why = world.answer(request(Strategy::Iop)).unwrap_err();
    assert!(matches!(&why, CooperationError::Missing(gone) if gone.len() == 1 && gone[0].place == 2), "{why}");
    assert!((5_000.0..5_100.0).contains(&world.now.as_millis()), "{:?}", world.now);
}

#[test]
fn an_engine_that_fails_is_done_without_and_the_own_one_ends_the_request() {
    let mut world = World::new();
    begun(&mut world, request(Strategy::OutputChannel), |world| world.news.contains(&News::Answered));
    world.is_broken[1] = true;
    let report = end(&mut world).unwrap();
    assert_eq!((&report.formed.places[..], report.replanned), (&[0, 2][..], Some(Replanned::Lost)));
    assert!(report.gone[0].to_string().contains("the engine is broken"), "{}", report.gone[0]);
    assert!(report.answers.len() == 3 && report.distance().unwrap() <= SPLIT_F32);
    let mut world = World::new();
    begun(&mut world, request(Strategy::OutputChannel), |world| world.news.contains(&News::Answered));
    world.is_broken[0] = true;
    let why = end(&mut world).unwrap_err();
    assert!(matches!(&why, CooperationError::Run(RunError::Engine { why }) if why.contains("is broken")), "{why}");
    world.is_broken[0] = false;
    assert_eq!(world.ask(request(Strategy::Iop)).unwrap().answers.len(), 3, "the workers are still there");
}

#[test]
fn an_engine_that_may_be_compiling_is_given_a_minute() {
    for (kind, seconds) in [(EngineKind::Cpu, 5..10), (EngineKind::Gpu, 60..70)] {
        let mut world = World::of(kind);
        begun(&mut world, request(Strategy::OutputChannel), |world| world.news.contains(&News::Answered));
        let stuck = world.now;
        world.is_stuck[2] = true;
        let report = end(&mut world).unwrap();
        assert_eq!((&report.formed.places[..], report.gone.len()), (&[0, 1][..], 1), "{kind:?}");
        let waited = (world.now - stuck).as_millis() as u64 / 1_000;
        assert!(seconds.contains(&waited), "{kind:?}: {waited} s");
    }
}

#[test]
fn memory_that_no_plan_keeps_ends_a_request_and_not_the_workers() {
    let worker = |name: &str| json!({ "name": name, "slower": 1, "memory_mb": 0.0001 });
    let link = json!({ "setup_ms": 0.1, "mbps": 1000, "delay_ms": 0.1 });
    let file = json!({ "link": link, "workers": [worker("a"), worker("b"), worker("c")] });
    let workers = Workers::of_file(&file).unwrap();
    let mut world = World::new();
    for strategy in [Strategy::OutputChannel, Strategy::CoEdge] {
        let asked = Request { workers: workers.clone(), learn: false, ..request(strategy) };
        let why = if world.plans == 0 { world.answer(asked) } else { world.ask(asked) }.unwrap_err();
        assert!(matches!(why, CooperationError::Partition(_)), "{strategy}: {why}");
    }
    let report = world.ask(request(Strategy::OutputChannel)).unwrap();
    assert!(report.answers.len() == 3 && report.distance().unwrap() <= SPLIT_F32);
}
