//! Frames: the first one, one after every change, streams, and an edge that comes and goes.

use crate::world::{World, file};
use cleave_arch::tolerance::SPLIT_F32;
use cleave_arch::{Plan, Tier};
use cleave_contract::{EdgeAddress, EdgeStatus, EdgeWait, Event, Failure, Frame, Intent, Link, Outcome};
use cleave_session::Micros;
use std::collections::BTreeSet;

const SMALL: &str = "3 2 1 3 2 1 4,0 6 2 0 6 3 3";
const OTHERS: [&str; 6] = [
    "3 2 4,0 6 0",
    "3 2 1 4,0 6 3 0",
    "3 2 2 1 4,0 6 0 4 0",
    "3 2 3 2 4,0 5 0 5 0",
    "3 2 1 3 2 1 4,0 5 2 0 5 3 3",
    "3 2 1 4,0 8 3 0",
];

fn cut(plan: &str, at: usize) -> String {
    plan.parse::<Plan>().unwrap().with_cuts(vec![at]).unwrap().to_string()
}

fn assert_split(frame: &Frame) {
    assert_eq!(frame.outcome, Outcome::AsPlanned, "{}", frame.plan);
    let has_edge = frame.plan.parse::<Plan>().unwrap().segments().iter().any(|segment| segment.tier == Tier::Edge);
    assert_eq!(frame.is_split(), has_edge, "{}", frame.plan);
    if has_edge {
        assert!(frame.delta.is_some_and(|delta| delta <= SPLIT_F32), "{}: {:?}", frame.plan, frame.delta);
    }
}

/// The same flow with the edge half here and with a native edge.
fn both(test: impl Fn(Option<EdgeAddress>)) {
    [None, World::native()].into_iter().for_each(test);
}

#[test]
fn the_first_frame_and_one_after_every_change_is_split_as_planned() {
    both(|edge| {
        let mut world = World::started(edge);
        world.hold(SMALL);
        for at in [3, 0, 1, 2, 4, 5, 6, 7, 6, 5, 4, 2] {
            world.plan(&cut(SMALL, at));
            world.say(Intent::RunOnce);
            assert_split(&world.frame());
        }
        for codec in ["f16", "i8", "f32+lz4"] {
            world.say(Intent::Plan { plan: cut(SMALL, 7), codec: codec.into() });
            world.say(Intent::RunOnce);
            let frame = world.frame();
            assert_eq!((frame.outcome.clone(), frame.codec.as_str()), (Outcome::AsPlanned, codec));
            assert!(frame.is_split() && frame.delta.is_some());
        }
        for text in OTHERS {
            world.load(text);
            world.plan(&cut(text, 1));
            world.say(Intent::RunOnce);
            assert_split(&world.frame());
        }
    });
}

#[test]
fn what_a_frame_waits_for_is_told_until_it_goes() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 3));
    world.say(Intent::RunOnce);
    let waits = |event: &Event| if let Event::Waiting(wait) = event { Some(*wait) } else { None };
    assert_eq!(world.until(waits), Some(EdgeWait::Connection));
    assert_eq!(world.until(waits), Some(EdgeWait::Deployment));
    assert_eq!(world.until(waits), None);
    assert_split(&world.frame());
}

#[test]
fn a_frame_whose_plan_is_late_is_computed_here_and_run_again_when_the_edge_has_it() {
    let mut world = World::started(World::native());
    world.storing = Micros::from_millis(5_000);
    world.hold(SMALL);
    world.plan(&cut(SMALL, 3));
    let asked = world.now;
    world.say(Intent::RunOnce);
    let local = world.frame();
    assert!(matches!(&local.outcome, Outcome::Local { why } if why.contains("not deployed")), "{:?}", local.outcome);
    let waited = (world.now - asked).as_millis();
    assert!((2_000.0..2_100.0).contains(&waited), "it waited {waited} ms");
    assert_eq!(local.delta, None, "the device is not compared with itself");
    assert_split(&world.frame());
}

#[test]
fn an_edge_that_does_not_answer_is_not_waited_for_and_used_when_it_is_there() {
    let mut world = World::new();
    world.edge_is_up = false;
    world.start(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 3));
    world.say(Intent::RunOnce);
    assert!(matches!(world.frame().outcome, Outcome::Local { .. }));
    world.edge_is_up = true;
    assert_split(&world.frame());
}

#[test]
fn a_frame_that_stays_on_the_device_waits_for_nobody_and_has_nothing_to_compare() {
    let mut world = World::new();
    world.edge_is_up = false;
    world.start(World::native());
    world.hold(SMALL);
    world.plan(SMALL);
    let asked = world.now;
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert_eq!((frame.outcome.clone(), frame.delta, frame.bytes_up), (Outcome::AsPlanned, None, 0));
    assert!((world.now - asked).as_millis() < 10.0);
}

#[test]
fn killing_the_edge_in_mid_stream_loses_no_frame_and_it_is_used_again() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 3));
    world.say(Intent::RunStream { in_flight: 3 });
    let (mut ids, mut was_local, mut is_back) = (BTreeSet::new(), false, false);
    while !(is_back && ids.len() > 60) {
        let frame = world.frame();
        assert!(ids.insert(frame.id), "frame {} came twice", frame.id);
        match frame.outcome {
            Outcome::AsPlanned if ids.len() == 20 => world.kill_edge(),
            Outcome::AsPlanned => is_back |= was_local,
            Outcome::Local { .. } => {
                was_local = true;
                world.edge_is_up = true;
            }
            Outcome::Failed { why } => panic!("frame {}: {why}", frame.id),
        }
    }
    world.say(Intent::Stop);
    let stopped = |event: &Event| if let Event::Stream(stream) = event { Some(stream.running) } else { None };
    assert!(!world.until(stopped));
    while ids.len() < *ids.last().unwrap() as usize {
        ids.insert(world.frame().id);
    }
}

#[test]
fn a_shaped_link_takes_its_delays_and_a_broken_one_comes_back() {
    both(|edge| {
        let mut world = World::started(edge);
        world.hold(SMALL);
        world.say(Intent::Shape(Link { mbps: 40.0, delay_ms: 5.0, jitter_ms: 0.0 }));
        world.plan(&cut(SMALL, 7));
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert!(frame.total_ms >= 10.0, "two one-way delays of 5 ms are in every frame: {}", frame.total_ms);
        world.say(Intent::Break);
        world.say(Intent::RunOnce);
        assert!(matches!(world.frame().outcome, Outcome::Local { .. }));
        assert_split(&world.frame());
    });
}

#[test]
fn a_wrong_token_is_refused_with_words_and_the_frame_is_answered_here() {
    let mut world = World::started(Some(EdgeAddress { url: "ws://edge/ws".into(), token: "wrong".into() }));
    world.hold(SMALL);
    world.plan(&cut(SMALL, 3));
    world.say(Intent::RunOnce);
    let (what, why) = world.failure();
    assert!(matches!(what, Failure::EdgeRefused { .. }) && why.contains("token"), "{what:?}: {why}");
    assert!(matches!(world.frame().outcome, Outcome::Local { .. }));
    world.say(Intent::Connect(World::native().unwrap()));
    world.until(|event| matches!(event, Event::Edge(EdgeStatus::Connected { .. })).then_some(()));
    world.say(Intent::RunOnce);
    assert_split(&world.frame());
}

#[test]
fn what_cannot_be_used_is_named_and_changes_nothing() {
    let mut world = World::started(None);
    world.say(Intent::RunOnce);
    assert_eq!(world.failure(), (Failure::Run, "no network is loaded".into()));
    world.hold(SMALL);
    world.say(Intent::Network("9 4,0 0".into()));
    assert!(matches!(world.failure(), (Failure::Network, why) if why.contains('9')));
    world.say(Intent::Network("gone".into()));
    assert!(matches!(world.failure(), (Failure::Network, why) if why.contains("model/gone.safetensors")));
    world.plan("3 2 4,0 6 0");
    assert!(matches!(world.failure(), (Failure::Plan, why) if why.contains("another network")));
    world.say(Intent::Open { name: "cut.safetensors".into(), bytes: file(SMALL)[..900].to_vec() });
    assert!(matches!(world.failure(), (Failure::Network, why) if why.starts_with("cut.safetensors: ")));
    world.say(Intent::Open { name: "a.xyz".into(), bytes: b"0 0 0\n1 nan 0\n".to_vec() });
    assert!(matches!(world.failure(), (Failure::File { name }, why) if name == "a.xyz" && why.contains("NaN")));
    world.plan(&cut(SMALL, 3));
    world.say(Intent::RunOnce);
    assert_split(&world.frame());
}

#[test]
fn a_network_of_another_size_gets_the_input_anew() {
    let mut world = World::started(None);
    world.files.insert("model/shipped.safetensors".into(), file(SMALL));
    world.say(Intent::Generate { class: 1, seed: 2 });
    world.say(Intent::Network("shipped".into()));
    let name = world.until(|event| if let Event::Network(network) = event { Some(network.name.clone()) } else { None });
    assert_eq!(name, SMALL);
    world.plan(&cut(SMALL, 2));
    world.say(Intent::RunOnce);
    assert_split(&world.frame());
}
