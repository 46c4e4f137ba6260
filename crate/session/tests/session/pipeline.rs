//! Frames overlap: the slowest stage alone decides how many come through, and credit bounds what is under way.

use cleave_session::{DeviceConfig, DeviceEvent, Lane, Micros, Outcome};
use cleave_wire::LinkShape;

use crate::sim::{Settings, World};
use crate::toy;

const PATIENCE: Micros = Micros::from_millis(10_000);

/// Frames per second of the reports' second half, when the pipeline is full.
fn throughput(world: &World) -> f64 {
    let ends: Vec<Micros> = world.reports.iter().map(|report| report.ended).collect();
    let half = ends.len() / 2;
    (ends.len() - 1 - half) as f64 / ((ends[ends.len() - 1] - ends[half]).0 as f64 / 1e6)
}

#[track_caller]
fn check(cuts: &[usize], up_mbps: u64, slowest_ms: f64) {
    let settings = Settings { device_op: Micros(2_000), edge_op: Micros(1_000), ..Settings::default() };
    let mut world = World::connected(toy::work(cuts, "f32"), settings);
    let up = LinkShape { bits_per_second: up_mbps * 1_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: LinkShape::UNSHAPED });
    world.stream(200, 3, PATIENCE);
    world.run_for(Micros::from_millis(20_000));
    world.check(|report| report.outcome == Outcome::AsPlanned);
    let (measured, ideal) = (throughput(&world), 1000.0 / slowest_ms);
    assert!(measured >= 0.9 * ideal && measured <= 1.001 * ideal, "{measured} of {ideal} frames per second");
}

#[test]
fn the_slowest_stage_decides() {
    // Device 4 × 2 ms, uplink ≈ 2.1 kB at 5 Mbps = 3.4 ms, edge 8 × 1 ms.
    check(&[4], 5, 8.0);
    // Device 7 × 2 ms, edge 5 × 1 ms.
    check(&[7], 25, 14.0);
    // Device 2 × 2 ms, then edge 10 × 1 ms.
    check(&[2], 25, 10.0);
    // Device → edge → device: 2 × 2 ms + 2 × 2 ms on the one engine, edge 8 × 1 ms between.
    check(&[2, 10], 25, 8.0);
}

#[test]
fn a_slow_uplink_is_the_bottleneck_and_shows_as_such() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    let up = LinkShape { bits_per_second: 500_000, delay_micros: 5_000, jitter_micros: 0 };
    world.device(DeviceEvent::Shape { up, down: up });
    world.stream(50, 4, PATIENCE);
    world.run_for(Micros::from_millis(20_000));
    world.check(|report| report.outcome == Outcome::AsPlanned);
    let bytes = world.reports[10].bytes_up as f64;
    let ideal = 5e5 / (bytes * 8.0);
    let measured = throughput(&world);
    assert!(measured >= 0.95 * ideal && measured <= 1.001 * ideal, "{measured} of {ideal} frames per second");
    let uplink = world.reports[30].spans.iter().find(|span| span.lane == Lane::Uplink).unwrap();
    assert!((uplink.end - uplink.start).0 as f64 > bytes * 16.0, "the wait for the link belongs to the uplink");
}

/// Twelve frames at once, credit for two: the rest waits on the device and nothing is refused.
#[test]
fn credit_bounds_what_the_edge_holds() {
    let mut settings = Settings::default();
    settings.edge.credit = 2;
    settings.device.max_frames = 12;
    settings.edge_op = Micros(5_000);
    let mut world = World::connected(toy::work(&[0], "f32"), settings);
    (0..12).for_each(|frame| world.submit(frame, PATIENCE));
    world.run_for(PATIENCE);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert_eq!(world.most_edge_jobs, 2);
    let order: Vec<u64> = world.reports.iter().map(|report| report.id).collect();
    assert_eq!(order, (0..12).collect::<Vec<_>>());
}

#[test]
fn more_frames_than_allowed_are_refused_at_once() {
    let device = DeviceConfig { max_frames: 2, token: "right".into(), ..DeviceConfig::default() };
    let mut world = World::connected(toy::work(&[4], "f32"), Settings { device, ..Settings::default() });
    (0..3).for_each(|frame| world.submit(frame, PATIENCE));
    assert_eq!(world.reports.len(), 1);
    assert_eq!((world.reports[0].id, world.outcomes()), (2, [0, 0, 1]));
    world.run_for(PATIENCE);
    assert_eq!(world.outcomes(), [2, 0, 1]);
}

/// Two edge threads take two frames at once; with one the second waits, and the ledger shows the wait as a gap.
#[test]
fn queueing_on_the_edge_is_visible() {
    let gap = |threads| {
        let mut settings = Settings { edge_op: Micros(10_000), ..Settings::default() };
        settings.edge.host.threads = threads;
        let mut world = World::connected(toy::work(&[0], "f32"), settings);
        (0..2).for_each(|frame| world.submit(frame, PATIENCE));
        world.run_for(PATIENCE);
        world.check(|report| report.outcome == Outcome::AsPlanned);
        let spans = &world.reports.iter().find(|report| report.id == 1).unwrap().spans;
        spans[1].start - spans[0].end
    };
    assert_eq!(gap(2), Micros(0));
    assert!(gap(1) > Micros(100_000));
}
