//! Profiles, calibrations and a slower device, in virtual time.

use crate::world::World;
use cleave_contract::{Backend, Event, Failure, Intent, Link, LongWork, Outcome, Powers, Preference, Prices, Profile};
use cleave_cost::stats::Estimate;
use cleave_cost::{LinkFigures, Table};
use cleave_session::Micros;

const SMALL: &str = "3 2 1 4,0 6 3 0";
const SPLIT: &str = "3 2 5 1 4,0 6 0 3 0";

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

/// A calibration that has come so far.
fn calibrating(world: &mut World) {
    world.say(Intent::Calibrate);
    let far = |event: &Event| matches!(event, Event::Progress { what: LongWork::Calibrate, done: 3, .. });
    world.until(|event| far(event).then_some(()));
}

#[test]
fn a_calibration_that_ends_early_corrects_nothing_and_goes_back_to_the_plan() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.plan(SPLIT);
    for end in [Intent::Stop, Intent::SlowDown { times: 2.0 }] {
        calibrating(&mut world);
        world.say(Intent::RunOnce);
        assert_eq!(world.failure().0, Failure::BusyMeasuring);
        world.say(end);
        assert_eq!(profile(&mut world).calibrated, 0);
        // What was under way is answered; then the plan of before runs.
        world.run_for(Micros::from_millis(500));
        world.events.clear();
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert!(frame.is_split() && frame.plan == SPLIT, "{}", frame.plan);
    }
}

#[test]
fn a_calibration_after_a_stream_counts_only_its_own_frames() {
    let calibrated = |after_stream: bool| {
        let mut world = World::started(World::native());
        world.hold(SMALL);
        world.plan(SPLIT);
        world.say(Intent::RunOnce);
        world.frame();
        if after_stream {
            world.say(Intent::RunStream { in_flight: 8 });
            for _ in 0..4 {
                world.frame();
            }
        }
        world.say(Intent::Calibrate);
        let mut rest = 0;
        loop {
            match world.until(|event| Some(event.clone())) {
                Event::Frame(_) => rest += 1,
                Event::Profile(_) => break,
                _ => {}
            }
        }
        assert_eq!(rest > 0, after_stream, "frames of the stream are told as any other");
        world.events.clear();
        world.run_for(Micros::from_millis(1_000));
        assert!(!world.events.iter().any(|event| matches!(event, Event::Frame(_))), "nothing is run any more");
        world.say(Intent::Power(powers(1.0)));
        cleave_cost::Profile::from_json(&profile(&mut world).json).unwrap().calibration
    };
    let undisturbed = calibrated(false);
    assert_eq!((undisturbed.frames, calibrated(true)), (10, undisturbed));
}

#[test]
fn what_a_person_sets_while_a_calibration_runs_is_kept_and_ends_it_with_words() {
    let other = "3 5 2 1 4,0 0 6 3 0";
    let plan = |plan: &str, codec: &str| Intent::Plan { plan: plan.into(), codec: codec.into() };
    let cases = [
        (plan(other, "f32"), [other, "f32"]),
        (plan(SPLIT, "f16"), [SPLIT, "f16"]),
        (Intent::Network("3 2 4,0 6 0".into()), ["3 2 4,0 6 0", "f32"]),
        (Intent::Shape(Link { delay_ms: 30.0, ..Link::UNSHAPED }), [SPLIT, "f32"]),
        (Intent::Simulate, [SPLIT, "f32"]),
        (Intent::Connect(World::native().unwrap()), [SPLIT, "f32"]),
        (Intent::Prefer(Preference::Only(Backend::Wasm)), [SPLIT, "f32"]),
        (Intent::UseProfile { json: of_edge().to_json() }, [SPLIT, "f32"]),
    ];
    for (intent, kept) in cases {
        let mut world = World::started(World::native());
        world.hold(SMALL);
        world.plan(SPLIT);
        calibrating(&mut world);
        world.say(intent.clone());
        assert_eq!(world.failure().0, Failure::CalibrationStopped, "{intent:?}");
        world.run_for(Micros::from_millis(1_000));
        world.events.clear();
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert_eq!([&frame.plan, &frame.codec], kept, "{intent:?}");
        assert!(!matches!(intent, Intent::Shape(_)) || frame.total_ms >= 60.0, "{frame:?}");
        world.say(Intent::Power(powers(1.0)));
        let told = profile(&mut world);
        assert_eq!((told.calibrated, told.rows), (0, usize::from(matches!(intent, Intent::UseProfile { .. }))));
    }
}

#[test]
fn a_plan_that_cannot_be_used_does_not_disturb_a_calibration() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.plan(SPLIT);
    calibrating(&mut world);
    world.plan("3 2 4,0 6 0");
    assert_eq!(world.failure().0, Failure::Plan);
    assert_eq!(profile(&mut world).calibrated, 10);
}

#[test]
fn a_profile_that_is_given_while_another_is_measured_is_kept() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.say(Intent::Profile { quick: true });
    world.until(|event| matches!(event, Event::Progress { done, .. } if *done > 5).then_some(()));
    world.say(Intent::UseProfile { json: of_edge().to_json() });
    world.run_for(Micros::from_millis(5_000));
    world.events.clear();
    world.say(Intent::Power(powers(1.0)));
    assert_eq!(profile(&mut world).rows, 1);
}

#[test]
fn a_calibration_whose_edge_does_not_come_gives_up_with_words() {
    let mut world = World::new();
    world.edge_is_up = false;
    world.start(World::native());
    world.hold("3 2 4,0 6 0");
    let plan = "3 2 5 4,0 6 0 0";
    world.plan(plan);
    world.say(Intent::Calibrate);
    assert_eq!(world.failure().0, Failure::CalibrationStopped);
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert!(frame.plan == plan && matches!(frame.outcome, Outcome::Local { .. }), "{frame:?}");
    world.say(Intent::Power(powers(1_000.0)));
    assert_eq!(profile(&mut world).calibrated, 0);
}

#[test]
fn a_calibration_corrects_by_a_factor_of_three_at_most() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.plan(SPLIT);
    // A thousand times slower than anything that was predicted.
    world.slowdown = 1_000.0;
    world.say(Intent::Calibrate);
    let told = profile(&mut world);
    let corrected = cleave_cost::Profile::from_json(&told.json).unwrap().calibration;
    assert_eq!((told.calibrated, corrected.frames, corrected.device), (10, 10, 3.0));
    assert!((1.0 / 3.0..=3.0).contains(&corrected.edge), "{corrected:?}");
}

fn powers(active_milliwatts: f64) -> Powers {
    Powers { active_milliwatts, communicating_milliwatts: 500.0, static_milliwatts: 100.0 }
}

#[test]
fn powers_change_the_estimate_of_energy_and_nonsense_changes_nothing() {
    let mut world = World::started(None);
    world.hold(SMALL);
    let energy = |world: &mut World, active: f64| {
        world.say(Intent::Power(powers(active)));
        (profile(world).powers, prices(world).whole.energy_millijoules)
    };
    world.events.clear();
    let (told, one) = energy(&mut world, 1_000.0);
    assert_eq!(told, powers(1_000.0));
    let (told, two) = energy(&mut world, 2_000.0);
    assert!(told == powers(2_000.0) && (two / one - 2.0).abs() < 1e-9, "all is computed on the device: {one}, {two}");
    for nonsense in [-1.0, f64::NAN, f64::INFINITY] {
        world.say(Intent::Power(powers(nonsense)));
        assert_eq!(world.failure().0, Failure::Power);
        assert_eq!(profile(&mut world).powers, powers(2_000.0));
    }
}

/// A profile of an edge and of the link to it alone.
fn of_edge() -> cleave_cost::Profile {
    let mut edge = Table::new("edge", "CPU, 4 threads");
    let row = Estimate { ms: 0.25, half_width: 0.01, kept: 9 };
    edge.put("op 3 0 1024 64 20".parse().unwrap(), row, 0);
    let link = LinkFigures { rtt_ms: 0.8, up_mbps: 300.0, down_mbps: 280.0, up_ms_per_mb: 2.0, down_ms_per_mb: 1.5 };
    let mut profile = cleave_cost::Profile::default();
    (profile.edge, profile.link) = (Some(edge), Some(link));
    profile
}

#[test]
fn a_profile_without_the_devices_table_is_used_for_what_it_has_and_completed_by_the_next() {
    let mut world = World::started(None);
    world.hold(SMALL);
    world.events.clear();
    world.say(Intent::UseProfile { json: of_edge().to_json() });
    let told = profile(&mut world);
    assert_eq!((told.device.as_str(), told.edge.as_deref(), told.rows), ("", Some("edge, CPU, 4 threads"), 1));
    assert_eq!(told.link, Some([0.8, 300.0, 280.0]));
    let priced = prices(&mut world);
    assert!(priced.cuts.iter().all(|price| price.total_ms().is_finite() && price.device_ms >= 0.0), "{priced:?}");
    world.say(Intent::Profile { quick: true });
    let whole = profile(&mut world);
    assert!(whole.complete && whole.rows > 20 && whole.device.starts_with("browser"), "{whole:?}");
}

#[test]
fn a_profile_that_cannot_be_is_refused_and_the_one_before_is_kept() {
    let mut world = World::started(None);
    world.hold(SMALL);
    let good = of_edge().to_json();
    world.say(Intent::UseProfile { json: good.clone() });
    let changes = [("\"version\":", "\"version\":9"), ("\"up_mbps\":", "\"up_mbps\":-"), ("\"ms\":", "\"ms\":-")];
    let broken = changes.map(|(field, instead)| good.replacen(field, instead, 1));
    let mut negative = of_edge();
    negative.calibration.device = -2.0;
    let broken = broken.into_iter().chain([negative.to_json()]);
    for json in [String::new(), "{}".into(), good[..good.len() / 2].into()].into_iter().chain(broken) {
        assert_ne!(json, good);
        world.say(Intent::UseProfile { json: json.clone() });
        assert_eq!(world.failure().0, Failure::Profile, "{json}");
    }
    world.say(Intent::Power(powers(1.0)));
    assert_eq!(profile(&mut world).rows, 1);
}

#[test]
fn a_profile_measures_the_link_as_it_is_and_gives_its_conditions_back() {
    let late = |delay_ms| Intent::Shape(Link { delay_ms, ..Link::UNSHAPED });
    let mut world = World::started(World::native());
    world.say(late(30.0));
    world.hold(SMALL);
    world.connected();
    world.say(Intent::Profile { quick: true });
    world.until(|event| matches!(event, Event::Progress { done, .. } if *done > 5).then_some(()));
    world.say(late(40.0));
    let told = profile(&mut world);
    let [rtt_ms, up_mbps, down_mbps] = told.link.unwrap();
    assert!(told.complete && (0.5..1.0).contains(&rtt_ms) && up_mbps > 0.0 && down_mbps > 0.0, "{:?}", told.link);
    world.plan(SPLIT);
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert!(frame.is_split() && frame.total_ms >= 80.0, "what was asked for meanwhile holds: {}", frame.total_ms);
}

#[test]
fn what_a_stopped_profile_had_asked_for_does_not_count_for_the_next() {
    let measured = |stops: usize| {
        let mut world = World::started(World::native());
        world.hold(SMALL);
        world.connected();
        for _ in 0..stops {
            world.say(Intent::Profile { quick: true });
            world.until(|event| matches!(event, Event::Progress { done, .. } if *done > 5).then_some(()));
            world.say(Intent::Stop);
            assert!(!profile(&mut world).complete);
        }
        world.say(Intent::Profile { quick: true });
        let whole = profile(&mut world);
        (whole.complete, whole.rows)
    };
    let undisturbed = measured(0);
    assert!(undisturbed.0);
    assert_eq!(measured(3), undisturbed);
}

#[test]
fn a_device_that_can_run_no_probe_leaves_its_rows_out() {
    let mut world = World::started(World::native());
    world.hold(SMALL);
    world.connected();
    world.engine_fails = true;
    world.say(Intent::Profile { quick: true });
    let told = profile(&mut world);
    let tables = cleave_cost::Profile::from_json(&told.json).unwrap();
    let rows = [tables.device, tables.edge].map(|table| table.unwrap().rows.len());
    assert!(told.complete && rows[0] == 0 && rows[1] == told.rows && told.rows > 20, "{rows:?}");
}

#[test]
fn a_predictor_that_is_damaged_is_told_and_one_that_is_missing_is_not() {
    let mut world = World::new();
    world.files.insert("model/predictor/gin.safetensors".into(), b"none".to_vec());
    world.start(None);
    assert_eq!(world.failure().0, Failure::Predictor);
    let mut world = World::started(None);
    world.hold(SMALL);
    world.run_for(Micros::from_millis(1_000));
    assert!(!world.events.iter().any(|event| matches!(event, Event::Failed { .. })));
}
