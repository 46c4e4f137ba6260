//! What is refused, cannot be read or does not come, in virtual time: each is told as what it is, and what was held before
//! is still held.

use crate::world::{World, file};
use cleave_app::effect::{Effect, Engine, Input};
use cleave_arch::{Plan, Task};
use cleave_contract::{
    self as contract, Backend, EdgeStatus, Event, Failure, Intent, Link, LongWork, Outcome, Preference,
};
use cleave_model::{Card, Storage, Weights};
use cleave_session::Micros;

const SMALL: &str = "3 2 1 4,0 6 3 0";
const OTHER: &str = "3 2 4,0 6 0";

fn cut(network: &str, at: usize) -> String {
    network.parse::<Plan>().unwrap().with_cuts(vec![at]).unwrap().to_string()
}

/// The network of before runs as if nothing had happened.
fn assert_still_runs(world: &mut World) {
    world.plan(&cut(SMALL, 2));
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert!(frame.is_split() && frame.plan == cut(SMALL, 2), "{frame:?}");
}

/// The weights of one network under the name of another.
fn swapped() -> Vec<u8> {
    let own = file(SMALL);
    let (card, weights) = (Card::from_safetensors(&own).unwrap(), Weights::from_safetensors(&own).unwrap());
    weights.to_safetensors(&Card { plan: OTHER.parse().unwrap(), ..card }, Storage::F32).unwrap()
}

#[test]
fn a_shipped_file_that_holds_no_network_is_told_and_the_network_before_is_kept() {
    let mut world = World::started(None);
    world.hold(SMALL);
    let whole = file(SMALL);
    for bytes in [b"<html>not found</html>".to_vec(), Vec::new(), whole[..whole.len() - 4].to_vec(), swapped()] {
        world.files.insert("model/bad.safetensors".into(), bytes);
        world.say(Intent::Network("bad".into()));
        let ended = |event: &Event| matches!(event, Event::Progress { what: LongWork::LoadNetwork, done: 1, total: 1 });
        world.until(|event| ended(event).then_some(()));
        assert_eq!(world.failure().0, Failure::Network);
    }
    assert_still_runs(&mut world);
}

#[test]
fn of_two_networks_the_one_that_was_asked_for_last_is_held_whichever_comes_first() {
    let mut world = World::started(None);
    world.files.insert("model/slow.safetensors".into(), file(OTHER));
    for late in ["slow", "gone"] {
        world.late.insert(format!("model/{late}.safetensors"), Micros::from_millis(1_000));
        world.say(Intent::Network(late.into()));
        world.hold(SMALL);
        world.run_for(Micros::from_millis(2_000));
        let told = world.events.drain(..).find(|event| matches!(event, Event::Network(_) | Event::Failed { .. }));
        assert!(told.is_none(), "{told:?}");
    }
    assert_still_runs(&mut world);
}

#[test]
fn an_engine_that_cannot_hold_a_network_or_be_chosen_leaves_what_there_was() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.engine_fails = true;
    world.say(Intent::Network(OTHER.into()));
    assert_eq!(world.failure(), (Failure::Network, "the engine is broken".into()));
    world.say(Intent::Prefer(Preference::Only(Backend::WebGpu)));
    assert_eq!(world.failure(), (Failure::EngineSwitch, "the engine is broken".into()));
    world.engine_fails = false;
    assert_still_runs(&mut world);
    // An engine that comes after somebody has changed their mind is not told of.
    let engine = Engine { backend: Backend::Wasm, reason: "faster".into(), measured: Vec::new() };
    let effects = world.app.handle(Input::Engine(Preference::Auto, Ok(engine)), world.now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Tell(_))));
}

#[test]
fn an_edge_of_another_version_is_told_once_and_not_tried_again_by_itself() {
    let mut world = World::new();
    world.edge_version = Some(9);
    world.start(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 2));
    world.say(Intent::RunOnce);
    let (what, why) = world.failure();
    assert!(what == Failure::EdgeVersion && why.contains('9'), "{what:?}: {why}");
    assert!(matches!(world.frame().outcome, Outcome::Local { .. }));
    world.run_for(Micros::from_millis(60_000));
    assert!(world.connects == 1 && !world.events.iter().any(|event| matches!(event, Event::Failed { .. })));
    world.edge_version = None;
    world.say(Intent::Connect(World::native().unwrap()));
    world.connected();
    assert_still_runs(&mut world);
}

#[test]
fn a_plan_that_the_edge_refuses_runs_here_and_one_that_it_takes_runs_there() {
    let big = "3 2 1 3 2 1 4,0 6 5 0 6 5 3";
    let [small_peak, big_peak] =
        [SMALL, big].map(|text| text.parse::<Plan>().unwrap().architecture().trace(&Task::modelnet10()).peak_bytes());
    assert!(small_peak < big_peak);
    let mut world = World::new();
    world.max_peak_bytes = small_peak;
    world.start(World::native());
    world.hold(big);
    world.plan(&cut(big, 3));
    world.say(Intent::RunOnce);
    let (what, why) = world.failure();
    assert!(why.contains(&format!("takes {big_peak} bytes")), "{why}");
    assert!(matches!(what, Failure::PlanRefused { right } if right.contains(&small_peak.to_string())));
    assert!(matches!(world.frame().outcome, Outcome::Local { why } if why.contains("the edge refused")));
    world.load(SMALL);
    assert_still_runs(&mut world);
}

#[test]
fn weights_that_the_edge_cannot_keep_are_a_refusal_too() {
    let mut world = World::new();
    world.edge_is_full = true;
    world.start(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 2));
    world.say(Intent::RunOnce);
    let (what, why) = world.failure();
    assert!(matches!(what, Failure::PlanRefused { .. }) && why.contains("there is no room"), "{what:?}: {why}");
    assert!(matches!(world.frame().outcome, Outcome::Local { .. }));
}

#[test]
fn an_edge_that_says_nothing_is_waited_for_two_seconds_given_up_after_five_and_used_when_it_speaks() {
    let mut world = World::new();
    world.edge_is_silent = true;
    world.start(World::native());
    world.hold(SMALL);
    world.plan(&cut(SMALL, 2));
    let asked = world.now;
    world.say(Intent::RunOnce);
    assert!(matches!(world.frame().outcome, Outcome::Local { why } if why.contains("is being made")));
    let waited = (world.now - asked).as_millis();
    assert!((2_000.0..2_100.0).contains(&waited), "{waited} ms");
    let lost = |event: &Event| matches!(event, Event::Edge(EdgeStatus::Lost { .. })).then_some(());
    world.until(lost);
    let lasted = (world.now - asked).as_millis();
    assert!((4_900.0..5_200.0).contains(&lasted), "{lasted} ms");
    world.edge_is_silent = false;
    assert!(world.planned_frame().is_split(), "the frame is run again");
}

/// Two clouds of four points, as numpy writes them.
fn two_clouds() -> Vec<u8> {
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4, 3), }");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    let values = (0..24).map(|i| ((i * i) % 7) as f32 + i as f32 / 10.0);
    bytes.extend(values.flat_map(f32::to_le_bytes));
    bytes
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_the_one_before_is_kept() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.say(Intent::Pick { index: 3 });
    world.say(Intent::Generate { class: 99, seed: 1 });
    assert_eq!(world.failure().0, Failure::Shape, "there is no file to pick from, and that is no failure");
    let off = "OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n";
    for (name, bytes) in [("blank.ply", &b" \n"[..]), ("cat.bin", b"\xff\x00\x17"), ("chair.off", off.as_bytes())] {
        world.say(Intent::Open { name: name.into(), bytes: bytes.to_vec() });
        assert_eq!(world.failure().0, Failure::File { name: name.into() });
    }
    assert_still_runs(&mut world);
    let place = |event: &Event| if let Event::Cloud(cloud) = event { cloud.place } else { None };
    world.say(Intent::Open { name: "two.npy".into(), bytes: two_clouds() });
    let told = world.until(place);
    assert_eq!((told.index, told.of), (0, 2));
    world.say(Intent::Pick { index: 1 });
    assert_eq!(world.until(place).index, 1);
    world.say(Intent::Pick { index: 2 });
    let (what, why) = world.failure();
    assert!(what == Failure::File { name: "two.npy".into() } && why.contains('2'), "{what:?}: {why}");
    assert_still_runs(&mut world);
    // A network of another size takes the cloud of the file that was picked.
    world.say(Intent::Network("dgcnn".into()));
    world.network();
    world.say(Intent::Pick { index: 0 });
    assert_eq!(world.until(place).index, 0);
}

#[test]
fn a_plan_or_a_codec_that_is_none_changes_nothing() {
    let mut world = World::started(None);
    world.plan(&cut(SMALL, 2));
    world.hold(SMALL);
    assert!(world.events.is_empty(), "without a network there is nothing to plan");
    world.plan(&cut(SMALL, 2));
    for (plan, codec) in [("3 2 1", "f32"), ("", "f32"), (SMALL, "f8"), (SMALL, "")] {
        world.say(Intent::Plan { plan: plan.into(), codec: codec.into() });
        assert_eq!(world.failure().0, Failure::Plan, "{plan}, {codec}");
    }
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert!(frame.is_split() && (frame.plan.as_str(), frame.codec.as_str()) == (cut(SMALL, 2).as_str(), "f32"));
}

/// What a page tells the worker that takes the place of one that died: all at once, then the plan when the network is there.
#[test]
fn a_worker_in_the_place_of_another_has_the_same_prices_and_goes_on_streaming() {
    let link = Link { mbps: 40.0, delay_ms: 1.0, jitter_ms: 0.0 };
    let plan = || Intent::Plan { plan: cut(SMALL, 2), codec: "f16".into() };
    let prices = |world: &mut World| {
        world.say(plan());
        world.until(|event| if let Event::Prices(prices) = event { Some(prices.clone()) } else { None })
    };
    let mut first = World::started(World::native());
    first.hold(SMALL);
    first.connected();
    first.say(Intent::Profile { quick: true });
    let profile: contract::Profile =
        first.until(|event| if let Event::Profile(profile) = event { Some(profile.clone()) } else { None });
    first.say(Intent::SlowDown { times: 3.0 });
    first.say(Intent::Shape(link));
    first.events.clear();
    let before = prices(&mut first);
    let mut second = World::new();
    let preference = Preference::Only(Backend::Wasm);
    second.say(Intent::Start { base_url: String::new(), preference, edge: World::native(), link });
    second.say(Intent::SlowDown { times: 3.0 });
    second.say(Intent::UseProfile { json: profile.json });
    second.say(Intent::Generate { class: 2, seed: 3 });
    second.say(Intent::Network(SMALL.into()));
    second.network();
    second.events.clear();
    assert_eq!(prices(&mut second), before);
    second.say(Intent::RunStream { in_flight: 2 });
    let frame = second.planned_frame();
    assert!(frame.is_split() && frame.codec == "f16" && frame.total_ms > 2.0 + 3.0, "{frame:?}");
}
