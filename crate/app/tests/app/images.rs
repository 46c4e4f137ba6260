//! Image networks between device and edge: the same flows as graph networks, in virtual time.

use crate::world::{World, file, image_files};
use cleave_arch::tolerance::SPLIT_F32;
use cleave_contract::{
    Dispatch, Event, Failure, Frame, Goal, ImageRequest, Intent, Link, NetworkInput, Outcome, PriceBasis, Prices,
    Target,
};

/// Seeded weights; a sum and a side by side, so that several values are alive at most cuts.
const BRANCHED: &str = "1x12x12: conv 4 k3 p1, a = relu, conv 4 k3 p1, relu, add with a, b = relu, conv 6 k1, concat with b, \
                        globalpool, flatten, linear 5";

fn world() -> World {
    let mut world = World::new();
    world.files.extend(image_files());
    world.start(World::native());
    world
}

fn cut(network: &str, cuts: &[usize]) -> String {
    cuts.iter().fold(network.to_owned(), |text, cut| format!("{text}@{cut}"))
}

/// A frame that the edge had a part in, whose answer is the whole network's.
fn assert_split(frame: &Frame) {
    assert!(frame.outcome == Outcome::AsPlanned && frame.is_split(), "{}: {:?}", frame.plan, frame.outcome);
    let (Some(delta), Some(bound)) = (frame.delta, frame.bound) else { panic!("{} was not compared", frame.plan) };
    assert!(delta <= bound, "{} with {}: {delta} above {bound}", frame.plan, frame.codec);
}

#[test]
fn every_cut_and_two_cuts_are_answered_as_planned_with_every_codec() {
    for (network, steps) in [("lenet5", 5), ("resnet", 13), (BRANCHED, 6)] {
        let mut world = world();
        world.load(network);
        world.connected();
        let list = prices(&mut world, network);
        assert_eq!((list.cuts.len(), list.op_ms.len(), list.basis), (steps, steps, PriceBasis::Roofline));
        let pairs = (0..steps).map(|at| vec![at]).chain([vec![0, 1], vec![1, steps - 1], vec![2, 3]]);
        for (at, cuts) in pairs.enumerate() {
            let codec = ["f32", "f16", "i8+lz4"][at % 3];
            world.say(Intent::Plan { plan: cut(network, &cuts), codec: codec.into() });
            world.say(Intent::RunOnce);
            let frame = world.frame();
            assert_eq!((frame.plan.as_str(), frame.codec.as_str()), (cut(network, &cuts).as_str(), codec));
            assert_split(&frame);
            assert!(codec != "f32" || frame.delta.is_some_and(|delta| delta <= SPLIT_F32));
        }
    }
}

fn prices(world: &mut World, network: &str) -> Prices {
    world.say(Intent::Plan { plan: cut(network, &[1]), codec: "f32".into() });
    world.until(|event| if let Event::Prices(prices) = event { Some(prices.clone()) } else { None })
}

#[test]
fn what_they_look_at_changes_the_answer_and_pixels_of_another_size_are_refused() {
    let mut world = world();
    world.load("lenet5");
    let mut probabilities = |image: ImageRequest| {
        world.say(Intent::Look(image));
        world.say(Intent::RunOnce);
        world.frame().probabilities
    };
    let white = |n: usize| ImageRequest::Pixels { name: "white".into(), rgba: vec![255; 4 * n] };
    let (noise, again) = (probabilities(ImageRequest::Noise(1)), probabilities(ImageRequest::Noise(1)));
    assert!(noise == again && noise.len() == 10 && noise != probabilities(white(28 * 28)));
    world.say(Intent::Look(white(7)));
    world.say(Intent::RunOnce);
    let (what, why) = world.failure();
    assert!(what == Failure::Run && why.contains("does not fit"), "{why}");
}

#[test]
fn a_stream_outlives_its_edge_and_a_graph_network_may_follow() {
    let mut world = world();
    world.files.insert("model/small.safetensors".into(), file("3 2 1 4,0 6 3 0"));
    world.load("resnet");
    world.connected();
    world.say(Intent::Plan { plan: cut("resnet", &[4]), codec: "f16".into() });
    world.say(Intent::RunOnce);
    assert_split(&world.frame());
    world.say(Intent::RunStream { in_flight: 3 });
    let mut outcomes = Vec::new();
    for at in 0..24 {
        let frame = world.frame();
        if at == 6 {
            world.kill_edge();
        }
        outcomes.push(frame.outcome);
    }
    let local = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Local { .. })).count();
    assert!(local > 0 && !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed { .. })), "{outcomes:?}");
    world.say(Intent::Stop);
    world.hold("small");
    world.say(Intent::RunOnce);
    assert_eq!(world.any_frame().probabilities.len(), 10);
}

#[test]
fn a_plan_of_another_network_is_refused_and_so_is_a_cut_that_is_not_there() {
    let mut world = world();
    world.say(Intent::Network("lenet5".into()));
    assert_eq!(world.network().input, NetworkInput::Image { channels: 1, height: 28, width: 28 });
    for (plan, says) in [("resnet@2", "another network"), ("lenet5@9", "0 to 4"), ("3 2 4,0 6 0", "another network")] {
        world.plan(plan);
        let (what, why) = world.failure();
        assert!(what == Failure::Plan && why.contains(says), "{plan}: {why}");
    }
}

#[test]
fn the_dispatcher_chooses_among_networks_that_read_the_same_images() {
    let mut world = world();
    world.files.insert("model/index.json".into(), br#"[{"name": "small"}]"#.to_vec());
    world.files.insert("model/small.safetensors".into(), file("3 2 1 4,0 6 3 0"));
    world.load("lenet5");
    world.connected();
    world.say(Intent::Shape(Link { mbps: 100.0, delay_ms: 1.0, jitter_ms: 0.0 }));
    world.say(Intent::Dispatch(Some(Target { goal: Goal::MostAccurate, accuracy: None, latency_ms: Some(1e6) })));
    let begun = |event: &Event| match event {
        Event::Dispatch(dispatch) => Some(dispatch.clone()),
        Event::Failed { what, why } => panic!("{what:?}: {why}"),
        _ => None,
    };
    let first: Dispatch = world.until(begun);
    let names: Vec<&str> = first.choices.iter().map(|choice| choice.name.as_str()).collect();
    assert!(!names.is_empty() && !names.contains(&"small"), "{names:?}");
    world.say(Intent::RunStream { in_flight: 1 });
    let frame = world.until(|event| match event {
        Event::Frame(frame) if frame.plan.starts_with("resnet") => Some(frame.clone()),
        _ => None,
    });
    assert!(!matches!(frame.outcome, Outcome::Failed { .. }), "the most accurate runs: {:?}", frame.outcome);
}
