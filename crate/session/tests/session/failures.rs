//! Nothing is lost, whatever becomes of the edge.

use cleave_arch::SplitMix64;
use cleave_session::{
    DeviceEvent, EdgeConfig, FrameError, FrameReport, Host, LinkStatus, LocalReason, Micros, Outcome, TokenCheck,
};
use cleave_wire::LinkShape;

use crate::sim::{Fate, Settings, World};
use crate::toy;

const SECOND: Micros = Micros::from_millis(1_000);

fn answered(report: &FrameReport) -> bool {
    !matches!(report.outcome, Outcome::Failed(_))
}

/// Kills and revives at random moments while frames stream through every shape of plan: with a deadline that leaves
/// time for the device, every frame is answered, and rightly.
#[test]
fn a_dying_edge_loses_no_frame() {
    let plans: [&[usize]; 5] = [&[0], &[4], &[11], &[2, 10], &[0, 9]];
    let (mut planned, mut local) = (0, 0);
    for seed in 0..300u64 {
        let mut rng = SplitMix64::new(seed);
        let work = toy::work_with(plans[rng.below(plans.len())], "f32", 25_000);
        let mut settings = Settings::default();
        settings.device.seed = seed;
        let mut world = World::new(work, settings);
        let shape = LinkShape { bits_per_second: 8_000_000, delay_micros: 500, jitter_micros: 400 };
        world.device(DeviceEvent::Connect);
        world.device(DeviceEvent::Shape { up: shape, down: shape });
        world.run_for(Micros(rng.below_u64(150_000)));
        for frame in 0..40 {
            world.submit_after(Micros(frame * 14_000 + rng.below_u64(9_000)), frame, SECOND);
        }
        let mut at = 0;
        for _ in 0..=rng.below(3) {
            at += rng.below_u64(300_000);
            world.fate_after(Micros(at), Fate::Kill);
            at += rng.below_u64(150_000);
            world.fate_after(Micros(at), Fate::Revive);
        }
        world.run_for(Micros::from_millis(4_000));
        world.check(answered);
        let [as_planned, alone, _] = world.outcomes();
        (planned, local) = (planned + as_planned, local + alone);
        assert!(world.is_ready(), "seed {seed}: the edge is used again: {:?}", world.device.status());
        world.submit(1_000, SECOND);
        world.run_for(SECOND);
        assert_eq!(world.reports.last().map(|report| &report.outcome), Some(&Outcome::AsPlanned), "seed {seed}");
    }
    assert!(planned > 3_000 && local > 1_000, "{planned} planned, {local} local: the test exercises both");
}

/// Deadlines too short for what happens, random stalls, black holes and kills: still each frame is reported once, in
/// time, rightly or with the deadline as reason.
#[test]
fn every_frame_ends_by_its_deadline() {
    let mut counts = [0; 3];
    for seed in 0..300u64 {
        let mut rng = SplitMix64::new(seed ^ 0xDEAD);
        let mut settings = Settings { edge_op: Micros(1 + rng.below_u64(3_000)), ..Settings::default() };
        settings.device.seed = seed;
        settings.device.silence_limit = Micros::from_millis(300);
        settings.device.ping_interval = Micros::from_millis(50);
        settings.device.handshake_timeout = Micros::from_millis(200);
        let mut world = World::new(toy::work_with(&[rng.below(12)], "f16+lz4", 10_000), settings);
        world.device(DeviceEvent::Connect);
        world.run_for(Micros::from_millis(100));
        for frame in 0..30 {
            let timeout = Micros(8_000 + rng.below_u64(80_000));
            world.submit_after(Micros(frame * 10_000 + rng.below_u64(9_000)), frame, timeout);
        }
        let fates = [Fate::Kill, Fate::StallEngine, Fate::Blackhole];
        world.fate_after(Micros(rng.below_u64(300_000)), fates[rng.below(3)]);
        world.fate_after(Micros(rng.below_u64(300_000)), fates[rng.below(3)]);
        world.fate_after(Micros(310_000), Fate::Revive);
        world.fate_after(Micros(310_000), Fate::Restore);
        world.run_for(Micros::from_millis(2_000));
        world.check(|report| match &report.outcome {
            Outcome::Failed(error) => {
                matches!(error, FrameError::Deadline { .. } | FrameError::QueueFull { .. })
            }
            _ => true,
        });
        counts.iter_mut().zip(world.outcomes()).for_each(|(sum, n)| *sum += n);
    }
    assert!(counts.iter().all(|n| *n > 500), "{counts:?}: the test exercises all three ends");
}

#[test]
fn a_stalled_engine_costs_no_frame() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    world.stream(60, 3, Micros::from_millis(200));
    world.fate_after(Micros::from_millis(50), Fate::StallEngine);
    world.run_for(Micros::from_millis(10_000));
    world.check(answered);
    let late = |report: &&FrameReport| report.outcome == Outcome::Local { why: LocalReason::DeadlineNear };
    assert!(world.reports.iter().filter(late).count() > 40);
    assert!(world.is_ready(), "pings are answered, so the link is not given up");
}

#[test]
fn a_silent_network_is_noticed_and_recovered_from() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    world.fate_after(Micros(0), Fate::Blackhole);
    world.run_for(Micros::from_millis(16_000));
    assert!(!world.is_ready());
    world.submit(1, SECOND);
    world.fate_after(SECOND, Fate::Restore);
    world.run_for(Micros::from_millis(20_000));
    world.check(answered);
    assert!(world.is_ready());
}

#[test]
fn retries_are_spaced_and_end_with_the_wish() {
    let mut world = World::new(toy::work(&[4], "f32"), Settings::default());
    world.fate_after(Micros(0), Fate::Kill);
    world.run_for(Micros(1));
    world.device(DeviceEvent::Connect);
    world.run_for(Micros::from_millis(60_000));
    let tries = world.connects.len();
    assert!((14..=32).contains(&tries), "{tries} tries in a minute");
    let gaps: Vec<u64> = world.connects.windows(2).map(|pair| (pair[1] - pair[0]).0 / 1000).collect();
    assert!(gaps[0] <= 102 && gaps.iter().all(|gap| *gap <= 5_002), "{gaps:?}");
    world.device(DeviceEvent::Disconnect);
    world.run_for(Micros::from_millis(60_000));
    assert_eq!(world.connects.len(), tries);
    assert_eq!(*world.device.status(), LinkStatus::Off);
    world.fate_after(Micros(0), Fate::Revive);
    world.run_for(Micros(1));
    world.device(DeviceEvent::Connect);
    world.run_for(SECOND);
    assert!(world.is_ready());
}

/// An edge that welcomes and then closes at once must not be stormed.
#[test]
fn an_edge_that_keeps_closing_is_not_stormed() {
    let mut edge = EdgeConfig::new(Host::new(TokenCheck::open(), "edge"));
    edge.max_peak_bytes = 1 << 30;
    edge.host.idle_timeout = Micros(1);
    let mut world = World::new(toy::work(&[4], "f32"), Settings { edge, ..Settings::default() });
    world.device(DeviceEvent::Connect);
    world.run_for(Micros::from_millis(30_000));
    assert!((6..=25).contains(&world.connects.len()), "{} connections", world.connects.len());
}

#[test]
fn dying_in_the_middle_of_an_upload_begins_it_anew() {
    let mut world = World::new(toy::work_with(&[4], "f32", 3_000_000), Settings::default());
    let up = LinkShape { bits_per_second: 40_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: LinkShape::UNSHAPED });
    world.device(DeviceEvent::Connect);
    world.fate_after(Micros::from_millis(300), Fate::Kill);
    world.fate_after(Micros::from_millis(350), Fate::Revive);
    world.run_for(Micros::from_millis(250));
    let LinkStatus::Deploying { sent, total, .. } = world.device.status() else { panic!("not deploying") };
    assert!(*sent > 0 && sent < total);
    world.submit(1, SECOND);
    world.run_for(Micros::from_millis(3_000));
    world.check(|report| report.outcome == Outcome::Local { why: LocalReason::Deploying });
    assert!(world.is_ready());
    assert_eq!(world.stored.len(), 1);
}

/// While megabytes of weights go up, the round trip stays what a few pieces cost, not what the file costs.
#[test]
fn an_upload_does_not_starve_pings() {
    let mut world = World::new(toy::work_with(&[4], "f32", 20_000_000), Settings::default());
    let up = LinkShape { bits_per_second: 40_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: LinkShape::UNSHAPED });
    world.device(DeviceEvent::Connect);
    world.run_for(Micros::from_millis(3_900));
    assert!(matches!(world.device.status(), LinkStatus::Deploying { .. }));
    world.run_for(Micros::from_millis(1_000));
    assert!(world.is_ready());
    assert_eq!(world.connects.len(), 1);
}
