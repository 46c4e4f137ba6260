//! The edge's clouds for judging: told of in the welcome, fetched in pieces that let frames pass, given up with the
//! connection.

use cleave_session::{DeviceEvent, EdgeConfig, Fetched, Host, Micros, OwnValidation, TokenCheck};
use cleave_wire::{Limits, LinkShape, ValidationSet};

use crate::sim::{Fate, Settings, World};
use crate::toy;

/// Two whole pieces and some more.
const BYTES: usize = 2 * Limits::VALIDATION_PIECE_BYTES + 100;

fn body() -> Vec<u8> {
    (0..BYTES).map(|at| (at % 251) as u8).collect()
}

fn set() -> ValidationSet {
    ValidationSet { name: "ModelNet10".into(), clouds: 190, bytes: BYTES as u32, digest: 0x3f2a_9c41 }
}

fn world() -> World {
    let own = OwnValidation { set: set(), body: body().into() };
    let edge = EdgeConfig {
        validation: Some(own),
        ..EdgeConfig::new(Host::new(TokenCheck::new(|token| token == "right"), "edge"))
    };
    World::connected(toy::work(&[4], "f32"), Settings { edge, ..Settings::default() })
}

#[test]
fn it_comes_whole_and_in_pieces() {
    let mut world = world();
    assert_eq!(world.device.validation(), Some(&set()));
    assert_eq!(set().to_string(), "ModelNet10, 190 clouds (3f2a9c41)");
    world.device(DeviceEvent::FetchValidation);
    world.device(DeviceEvent::FetchValidation);
    world.run_for(Micros::from_millis(100));
    let part = |n: usize| Fetched::Part { bytes: (n * Limits::VALIDATION_PIECE_BYTES) as u64, total: BYTES as u64 };
    assert_eq!(world.fetched, [part(1), part(2), Fetched::Whole(set(), body())]);
    world.fetched.clear();
    world.device(DeviceEvent::FetchValidation);
    world.run_for(Micros::from_millis(100));
    assert_eq!(world.fetched.len(), 3, "it may be asked for again");
}

#[test]
fn frames_pass_while_it_comes_over_a_slow_link() {
    let mut world = world();
    let shape = LinkShape { bits_per_second: 5_000_000, delay_micros: 0, jitter_micros: 0 };
    world.device(DeviceEvent::Shape { up: shape, down: shape });
    world.run_for(Micros::from_millis(50));
    world.device(DeviceEvent::FetchValidation);
    world.stream(10, 2, Micros::from_millis(1_000));
    world.run_for(Micros::from_millis(2_000));
    world.check(|report| report.outcome == cleave_session::Outcome::AsPlanned);
    assert!(matches!(world.fetched.last(), Some(Fetched::Whole(..))));
}

#[test]
fn an_edge_without_one_or_one_that_is_lost_is_told_with_words() {
    let mut without = World::connected(toy::work(&[4], "f32"), Settings::default());
    assert_eq!(without.device.validation(), None);
    without.device(DeviceEvent::FetchValidation);
    assert!(matches!(&without.fetched[..], [Fetched::Failed(why)] if why.to_string().contains("no clouds")));
    assert!(without.is_ready(), "the session goes on");
    let mut world = world();
    let shape = LinkShape { bits_per_second: 1_000_000, delay_micros: 0, jitter_micros: 0 };
    world.device(DeviceEvent::Shape { up: shape, down: shape });
    world.device(DeviceEvent::FetchValidation);
    world.fate_after(Micros::from_millis(700), Fate::Kill);
    world.run_for(Micros::from_millis(1_000));
    assert!(
        matches!(&world.fetched[..], [Fetched::Part { .. }, Fetched::Failed(why)] if why.to_string().contains("no edge"))
    );
    assert_eq!(world.device.validation(), None);
    world.device(DeviceEvent::FetchValidation);
    assert_eq!(world.fetched.len(), 3, "every request is answered");
    world.fate_after(Micros(0), Fate::Revive);
    world.run_for(Micros::from_millis(10_000));
    world.device(DeviceEvent::FetchValidation);
    world.run_for(Micros::from_millis(5_000));
    assert_eq!(world.fetched.last(), Some(&Fetched::Whole(set(), body())));
}
