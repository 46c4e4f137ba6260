//! The dispatcher under a live stream, in virtual time.

use crate::world::{World, file, image_files};
use cleave_app::network::Network;
use cleave_arch::{Plan, Task, Tier};
use cleave_contract::{Dispatch, Event, Failure, Goal, Intent, Link, NetworkInput, Outcome, Target};
use cleave_session::Micros;

const NETWORKS: [&str; 2] = ["3 2 1 4,0 6 3 0", "3 2 1 3 2 1 4,0 6 2 0 6 3 3"];

const FASTEST: Target = Target { goal: Goal::Fastest, accuracy: None, latency_ms: None };

fn with_zoo() -> World {
    let mut world = World::new();
    world.files.insert("model/index.json".into(), br#"[{"name": "a"}, {"name": "b"}]"#.to_vec());
    for (name, text) in ["a", "b"].into_iter().zip(NETWORKS) {
        world.files.insert(format!("model/{name}.safetensors"), file(text));
    }
    world.files.extend(image_files());
    world.start(World::native());
    world.hold(NETWORKS[0]);
    world
}

/// What a stream under a dispatcher is judged by.
fn told(event: &Event) -> Option<Event> {
    matches!(event, Event::Frame(_) | Event::Dispatch(_) | Event::Failed { .. }).then(|| event.clone())
}

/// Whether the choice that runs needs the edge.
fn is_offloaded(dispatch: &Dispatch) -> bool {
    let plan: Plan = dispatch.choices[dispatch.current].plan.parse().unwrap();
    plan.segments().iter().any(|segment| segment.tier == Tier::Edge)
}

#[test]
fn frames_go_on_while_the_dispatcher_switches_and_it_says_what_it_decided() {
    let mut world = with_zoo();
    world.say(Intent::RunStream { in_flight: 1 });
    world.say(Intent::SlowDown { times: 40.0 });
    world.say(Intent::Dispatch(Some(FASTEST)));
    let begun = world.until(|event| if let Event::Dispatch(dispatch) = event { Some(dispatch.clone()) } else { None });
    assert!(begun.running && begun.choices.len() >= 2, "{} choices", begun.choices.len());
    let (mut last, mut current) = (None, begun);
    let mut sites = Vec::new();
    for (mbps, lasts_ms) in [(100.0, 1_500), (0.2, 2_000), (100.0, 1_500)] {
        world.say(Intent::Shape(Link { mbps, delay_ms: 3.0, jitter_ms: 0.0 }));
        let end = world.now + Micros::from_millis(lasts_ms);
        while world.now < end {
            let frame = match world.until(told) {
                Event::Frame(frame) => frame,
                Event::Dispatch(dispatch) => {
                    current = dispatch;
                    continue;
                }
                other => panic!("{other:?}"),
            };
            assert!(!matches!(frame.outcome, Outcome::Failed { .. }), "{:?}", frame.outcome);
            assert!(last.is_none_or(|last| frame.id == last + 1), "each frame comes once and in order");
            last = Some(frame.id);
        }
        sites.push(is_offloaded(&current));
    }
    assert_eq!(sites, [true, false, true], "over a slow link all is done here, over a fast one the edge is used");
    world.say(Intent::Dispatch(None));
    let ended = |event: &Event| match event {
        Event::Dispatch(dispatch) if !dispatch.running => Some(dispatch.clone()),
        _ => None,
    };
    let ended = world.until(ended);
    assert!(!ended.decisions.is_empty() && ended.up_mbps.is_some());
}

#[test]
fn a_zoo_that_cannot_be_loaded_is_told_once_and_can_be_asked_for_again() {
    let mut world = with_zoo();
    let good = world.files.insert("model/b.safetensors".into(), b"none".to_vec());
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert_eq!(world.failure().0, Failure::Zoo);
    world.run_for(Micros::from_millis(1_000));
    assert!(!world.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    world.files.insert("model/b.safetensors".into(), good.unwrap());
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert!(world.until(|event| if let Event::Dispatch(dispatch) = event { Some(dispatch.running) } else { None }));
}

/// Lets frames come, all of them with an answer, until the dispatcher says that the edge is used, or that it is not.
fn until_offloaded(world: &mut World, wanted: bool) {
    let end = world.now + Micros::from_millis(20_000);
    loop {
        assert!(world.now < end, "the edge is not {}", if wanted { "used" } else { "left" });
        match world.until(told) {
            Event::Frame(frame) => assert!(!matches!(frame.outcome, Outcome::Failed { .. }), "{:?}", frame.outcome),
            Event::Dispatch(dispatch) if dispatch.running && is_offloaded(&dispatch) == wanted => return,
            Event::Dispatch(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_edge_that_is_lost_while_dispatching_is_done_without_and_used_when_it_is_back() {
    let mut world = with_zoo();
    world.say(Intent::SlowDown { times: 50.0 });
    world.say(Intent::RunStream { in_flight: 1 });
    world.say(Intent::Dispatch(Some(FASTEST)));
    until_offloaded(&mut world, true);
    world.kill_edge();
    until_offloaded(&mut world, false);
    world.edge_is_up = true;
    until_offloaded(&mut world, true);
}

#[test]
fn a_plan_or_a_network_of_a_person_ends_the_dispatcher() {
    let running = |event: &Event| if let Event::Dispatch(dispatch) = event { Some(dispatch.running) } else { None };
    let persons = [Intent::Network(NETWORKS[1].into()), Intent::Plan { plan: NETWORKS[0].into(), codec: "f32".into() }];
    for intent in persons {
        let mut world = with_zoo();
        world.say(Intent::Dispatch(Some(FASTEST)));
        assert!(world.until(running));
        world.load(NETWORKS[0]);
        world.say(Intent::Dispatch(Some(FASTEST)));
        while !world.until(running) {}
        world.say(intent);
        while world.until(running) {}
        world.run_for(Micros::from_millis(2_000));
        assert!(!world.events.iter().any(|event| running(event).is_some()), "it decides nothing any more");
    }
}

#[test]
fn a_dispatcher_that_begins_while_a_calibration_runs_ends_it_with_words_and_keeps_its_plan() {
    let mut world = with_zoo();
    world.say(Intent::Calibrate);
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert_eq!(world.failure().0, Failure::CalibrationStopped);
    let plan = world.network().plan;
    world.until(|event| matches!(event, Event::Dispatch(dispatch) if dispatch.running).then_some(()));
    world.run_for(Micros::from_millis(100));
    world.events.clear();
    world.say(Intent::RunOnce);
    assert_eq!(world.frame().plan, plan);
}

#[test]
fn a_target_that_is_taken_back_while_the_networks_load_begins_nothing() {
    let mut world = with_zoo();
    world.late.insert("model/b.safetensors".into(), Micros::from_millis(500));
    world.say(Intent::Dispatch(Some(FASTEST)));
    world.say(Intent::Dispatch(None));
    world.run_for(Micros::from_millis(2_000));
    assert!(!world.events.iter().any(|event| matches!(event, Event::Dispatch(_) | Event::Failed { .. })));
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert!(world.until(|event| if let Event::Dispatch(dispatch) = event { Some(dispatch.running) } else { None }));
}

#[test]
fn a_list_without_networks_is_told_and_the_dispatcher_can_be_asked_again() {
    let mut world = with_zoo();
    let index = world.files.insert("model/index.json".into(), b"[]".to_vec()).unwrap();
    for _ in 0..2 {
        world.say(Intent::Dispatch(Some(FASTEST)));
        assert_eq!(world.failure(), (Failure::Zoo, "model/index.json lists no network".into()));
    }
    world.files.insert("model/index.json".into(), index);
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert!(world.until(|event| if let Event::Dispatch(dispatch) = event { Some(dispatch.running) } else { None }));
}

#[test]
fn a_list_that_cannot_be_read_and_networks_of_another_size_are_named() {
    let mut world = with_zoo();
    let index = world.files.insert("model/index.json".into(), b"[{}]".to_vec());
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert!(matches!(world.failure(), (Failure::Zoo, why) if why.contains("model/index.json")));
    world.files.insert("model/index.json".into(), index.unwrap());
    let task = Task { n_points: 64, ..Task::modelnet10() };
    let tiny = Network::random("tiny", NETWORKS[0].parse().unwrap(), task, 1).unwrap();
    world.say(Intent::Open { name: "tiny.safetensors".into(), bytes: tiny.file().unwrap().to_vec() });
    assert!(matches!(world.network().input, NetworkInput::Cloud { n_points: 64, .. }));
    world.say(Intent::Dispatch(Some(FASTEST)));
    assert_eq!(world.failure(), (Failure::Dispatch, "no shipped network reads clouds of 64 points".into()));
    world.say(Intent::RunOnce);
    assert_eq!(world.frame().plan, NETWORKS[0], "the input was made anew, and the network runs");
}
