//! Every shape of plan gives the whole network's answer, and the ledger shows who did what.

use cleave_arch::{Compression, LinkCodec, Mapping};
use cleave_session::{DeviceEvent, Lane, LinkStatus, LocalReason, Micros, Outcome, Weights};
use cleave_wire::LinkShape;

use crate::sim::{Settings, World};
use crate::toy;

const SECOND: Micros = Micros::from_millis(1_000);

fn lanes(world: &World, frame: u64) -> Vec<Lane> {
    let report = world.reports.iter().find(|report| report.id == frame).unwrap();
    report.spans.iter().map(|span| span.lane).collect()
}

#[track_caller]
fn check(cuts: &[usize], codec: &str, wanted: &[Lane]) {
    let mut world = World::connected(toy::work(cuts, codec), Settings::default());
    (0..3).for_each(|frame| world.submit(frame, SECOND));
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    (0..3).for_each(|frame| assert_eq!(lanes(&world, frame), wanted, "cuts {cuts:?}, {codec}"));
}

#[test]
fn each_plan_runs_where_it_says() {
    use Lane::{Device, Downlink, Edge, Uplink};
    check(&[], "f32", &[Device]);
    check(&[0], "f32", &[Uplink, Edge, Downlink]);
    check(&[4], "f32", &[Device, Uplink, Edge, Downlink]);
    check(&[11], "f32", &[Device, Uplink, Edge, Downlink]);
    check(&[0, 9], "f32", &[Uplink, Edge, Downlink, Device]);
    check(&[2, 10], "f32", &[Device, Uplink, Edge, Downlink, Device]);
    check(&[5, 5], "f32", &[Device]);
}

#[test]
fn every_cut_and_codec_gives_the_same_answer() {
    for codec in ["f32", "f16+lz4", "i8", "i8+lz4"] {
        for first in 0..=11 {
            for second in first..=11 {
                let mut world = World::connected(toy::work_with(&[first, second], codec, 9), Settings::default());
                world.submit(700, SECOND);
                world.run_for(SECOND);
                world.check(|report| report.outcome == Outcome::AsPlanned);
            }
        }
    }
}

/// Within a block of a residual network its input is alive beside what is made of it: both cross, and each must arrive
/// as itself.
#[test]
fn a_residual_network_is_cut_within_a_block() {
    let resnet = |cuts: &str| Mapping::parse(&format!("resnet{cuts}"), &toy::TASK).unwrap();
    let both = ["@2", "@3", "@2@3", "@3@3"].map(resnet);
    assert!(both.iter().all(|mapping| mapping.live_before(mapping.cuts()[0]).len() == 2));
    let behind = (4..both[0].n_steps()).map(|cut| resnet(&format!("@{cut}")));
    let all: Vec<Mapping> = both.iter().cloned().chain(behind).collect();
    for codec in LinkCodec::ALL {
        for mapping in &all {
            let crosses = mapping.crossings().first().map_or(0, |first| mapping.cut_bytes(*first, codec.codec));
            let work = toy::work_of(mapping.clone(), &codec.to_string(), toy::file(1_000));
            let mut world = World::connected(work, Settings::default());
            (700..702).for_each(|frame| world.submit(frame, SECOND));
            world.run_for(SECOND);
            world.check(|report| report.outcome == Outcome::AsPlanned);
            let (sent, most) = (world.reports[0].bytes_up, crosses + 100);
            let least = if codec.compression == Compression::None { crosses } else { 0 };
            assert!((least..most).contains(&sent), "{mapping}, {codec}: {sent} bytes for {crosses}");
        }
    }
}

/// The edge's clock is 7000 s ahead, one way takes 300 µs below an unshaped link: the ledger must show exactly that.
#[test]
fn the_ledger_is_exact_on_a_quiet_link() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    let start = world.now;
    world.submit(1, SECOND);
    world.run_for(SECOND);
    let spans: Vec<_> = world.reports[0].spans.iter().map(|span| (span.start - start, span.end - start)).collect();
    let micros = |from, to| (Micros(from), Micros(to));
    assert_eq!(spans, [micros(0, 4_000), micros(4_000, 4_300), micros(4_300, 5_900), micros(5_900, 6_200)]);
    let clock = world.device.clock().unwrap();
    assert_eq!(clock.rtt(), Some(Micros(600)));
    assert_eq!(clock.offset_micros(), Some(7_000_000_000));
    let (up, down) = (world.reports[0].bytes_up, world.reports[0].bytes_down);
    assert!(up > 2 * 4 * 64 * 4 && down > 20 && down < 120, "{up} up, {down} down");
}

#[test]
fn without_an_edge_the_device_answers() {
    let mut world = World::new(toy::work(&[4], "f32"), Settings::default());
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::Local { why: LocalReason::NoEdge });
    assert_eq!(lanes(&world, 1), [Lane::Device, Lane::Device]);
    assert!(world.connects.is_empty());
}

#[test]
fn weights_are_sent_once_and_a_new_plan_reuses_them() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    assert_eq!(world.stored.len(), 1);
    world.submit(1, SECOND);
    world.device(DeviceEvent::Replan(toy::work(&[8], "f16")));
    world.run_for(Micros::from_millis(100));
    world.submit(2, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert_eq!(world.stored.len(), 1);
    let cuts: Vec<_> = world.reports.iter().map(|report| report.work.mapping().cuts().to_vec()).collect();
    assert_eq!(cuts, [[4], [8]], "frame 1 kept the plan it was submitted under");
}

#[test]
fn seeded_weights_are_never_sent() {
    let seeded = |cut: usize, seed| toy::work_of(toy::dgcnn(toy::TASK, &[cut]), "f32", Weights::Seeded(seed));
    let mut world = World::connected(seeded(4, 9), Settings::default());
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.device(DeviceEvent::Replan(seeded(8, 10)));
    world.run_for(SECOND);
    world.submit(2, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert_eq!((world.about_weights, world.stored.len()), (0, 0));
    let nothing = |status: &LinkStatus| !matches!(status, LinkStatus::Deploying { total: 1.., .. });
    assert!(world.statuses.iter().all(|(_, status)| nothing(status)), "{:?}", world.statuses);
}

/// A file that travels for later goes on, and what needs none does not wait for it.
#[test]
fn seeded_weights_pass_a_file_that_is_under_way() {
    let mut world = World::connected(toy::work_with(&[6], "f32", 1_000), Settings::default());
    let up = LinkShape { bits_per_second: 8_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: up });
    let later = toy::work_with(&[4], "f32", 2_000_000);
    world.device(DeviceEvent::Prepare(vec![later.clone()]));
    world.run_for(SECOND);
    world.device(DeviceEvent::Replan(toy::work_of(toy::dgcnn(toy::TASK, &[0]), "f32", Weights::Seeded(9))));
    world.run_for(Micros::from_millis(100));
    assert!(world.is_ready() && !world.device.is_ready_for(&later));
    world.submit(1, SECOND);
    world.run_for(Micros::from_millis(1_200));
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert!(world.is_ready() && world.device.is_ready_for(&later), "2 MB take 2 s, from the start 3 s");
}

#[test]
fn a_cancelled_frame_ends_at_once_and_its_credit_returns() {
    let mut world = World::connected(toy::work(&[0], "f32"), Settings::default());
    for frame in 0..20 {
        world.submit(frame, SECOND);
        world.device(DeviceEvent::Cancel { frame });
        world.run_for(Micros(100));
    }
    world.run_for(SECOND);
    assert_eq!(world.outcomes(), [0, 0, 20]);
    world.submit(99, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.outcomes(), [1, 0, 20]);
    assert_eq!(world.device.frames_under_way(), 0);
}
