//! The dispatcher under a live stream, in virtual time.

use crate::world::{World, file};
use cleave_contract::{Event, Failure, Goal, Intent, Link, Outcome, Target};
use cleave_session::Micros;

const NETWORKS: [&str; 2] = ["3 2 1 4,0 6 3 0", "3 2 1 3 2 1 4,0 6 2 0 6 3 3"];

const FASTEST: Target = Target { goal: Goal::Fastest, accuracy: None, latency_ms: None };

fn with_zoo() -> World {
    let mut world = World::new();
    world.files.insert("model/index.json".into(), br#"[{"name": "a"}, {"name": "b"}]"#.to_vec());
    for (name, text) in ["a", "b"].into_iter().zip(NETWORKS) {
        world.files.insert(format!("model/{name}.safetensors"), file(text));
    }
    world.start(World::native());
    world.hold(NETWORKS[0]);
    world
}

#[test]
fn frames_go_on_while_the_dispatcher_switches_and_it_says_what_it_decided() {
    let mut world = with_zoo();
    world.say(Intent::RunStream { in_flight: 1 });
    world.say(Intent::SlowDown { times: 20.0 });
    world.say(Intent::Dispatch(Some(FASTEST)));
    let begun = world.until(|event| if let Event::Dispatch(dispatch) = event { Some(dispatch.clone()) } else { None });
    assert!(begun.running && begun.choices.len() >= 2, "{} choices", begun.choices.len());
    let mut last = None;
    for mbps in [100.0, 0.2, 100.0] {
        world.say(Intent::Shape(Link { mbps, delay_ms: 0.0, jitter_ms: 0.0 }));
        let end = world.now + Micros::from_millis(3_000);
        while world.now < end {
            let frame = world.frame();
            assert!(!matches!(frame.outcome, Outcome::Failed { .. }), "{:?}", frame.outcome);
            assert!(last.is_none_or(|last| frame.id > last), "frames come in order, each once");
            last = Some(frame.id);
        }
    }
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
