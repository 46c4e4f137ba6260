//! Profiles, calibrations and a slower device, in virtual time.

use crate::world::World;
use cleave_contract::{Event, Failure, Intent, Prices, Profile};

const SMALL: &str = "3 2 1 4,0 6 3 0";

fn profile(world: &mut World) -> Profile {
    world.until(|event| if let Event::Profile(profile) = event { Some(profile.clone()) } else { None })
}

fn prices(world: &mut World) -> Prices {
    world.until(|event| if let Event::Prices(prices) = event { Some(prices.clone()) } else { None })
}

#[test]
fn a_profile_is_measured_on_both_sides_and_every_cut_gets_its_price() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.until(|event| matches!(event, Event::Edge(cleave_contract::EdgeStatus::Connected { .. })).then_some(()));
    world.say(Intent::Profile { quick: true });
    world.say(Intent::RunOnce);
    assert_eq!(world.failure().0, Failure::BusyMeasuring);
    let measured = profile(&mut world);
    assert!(measured.complete && measured.edge.is_some() && measured.link.is_some(), "{measured:?}");
    let priced = prices(&mut world);
    assert_eq!(priced.cuts.len(), 5);
    assert!(priced.cuts.iter().all(|price| price.total_ms() > 0.0));
}

#[test]
fn an_interrupted_profile_keeps_what_it_has_and_the_next_goes_on_from_there() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.say(Intent::Profile { quick: true });
    world.until(|event| matches!(event, Event::Progress { done, .. } if *done > 20).then_some(()));
    world.say(Intent::Stop);
    let interrupted = profile(&mut world);
    assert!(!interrupted.complete && interrupted.rows >= 20, "{} rows", interrupted.rows);
    world.say(Intent::Profile { quick: true });
    let whole = profile(&mut world);
    assert!(whole.complete && whole.rows > interrupted.rows && whole.edge.is_none());
}

#[test]
fn an_edge_that_is_lost_while_it_is_measured_ends_the_profile_with_words() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.until(|event| matches!(event, Event::Edge(cleave_contract::EdgeStatus::Connected { .. })).then_some(()));
    world.say(Intent::Profile { quick: true });
    world.until(|event| matches!(event, Event::Progress { done, .. } if *done > 5).then_some(()));
    world.kill_edge();
    assert_eq!(world.failure(), (Failure::Measuring, "the edge was lost".into()));
    assert!(!profile(&mut world).complete);
}

#[test]
fn a_calibration_runs_ten_frames_and_goes_back_to_the_plan() {
    for edge in [None, World::native()] {
        let mut world = World::started(edge);
        world.hold(SMALL);
        world.plan("3 2 5 1 4,0 6 0 3 0");
        world.say(Intent::Calibrate);
        assert_eq!(profile(&mut world).calibrated, 10);
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert!(frame.is_split() && frame.plan == "3 2 5 1 4,0 6 0 3 0", "{}", frame.plan);
    }
}

#[test]
fn a_slower_device_is_priced_so_and_answers_the_same() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.events.clear();
    world.plan("3 2 5 1 4,0 6 0 3 0");
    let before = prices(&mut world).plan;
    world.say(Intent::SlowDown { times: 0.5 });
    assert!(matches!(world.failure(), (Failure::SlowDown, why) if why.contains("1 to 100")));
    world.say(Intent::SlowDown { times: 4.0 });
    let after = prices(&mut world).plan;
    assert!((after.device_ms / before.device_ms - 4.0).abs() < 1e-9, "{before:?} {after:?}");
    assert_eq!((after.edge_ms, after.other_ms), (before.edge_ms, before.other_ms));
    world.say(Intent::RunOnce);
    assert!(world.frame().is_split());
}
