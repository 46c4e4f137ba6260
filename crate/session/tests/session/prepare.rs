//! Works that are deployed ahead: a switch to one of them costs nothing, whatever else was deployed meanwhile.

use std::sync::Arc;

use cleave_session::device::MAX_PREPARED;
use cleave_session::edge::MAX_DEPLOYMENTS;
use cleave_session::{DeviceEvent, LinkStatus, LocalReason, Micros, Outcome, Work};
use cleave_wire::LinkShape;

use crate::sim::{Fate, Settings, World};
use crate::toy;

const SECOND: Micros = Micros::from_millis(1_000);

/// Four placements with two model files.
fn works() -> Vec<Arc<Work>> {
    let work = |cut, bytes| toy::work_with(&[cut], "f32", bytes);
    vec![work(0, 300_000), work(4, 300_000), work(0, 200_000), work(8, 200_000)]
}

fn prepared() -> World {
    let mut world = World::connected(toy::work(&[6], "f32"), Settings::default());
    world.device(DeviceEvent::Prepare(works()));
    world.run_for(SECOND);
    world
}

#[test]
fn a_switch_to_a_prepared_work_makes_no_frame_wait() {
    let mut world = prepared();
    assert_eq!(world.stored.len(), 2, "each model file once");
    let stored = world.stored.clone();
    for (frame, work) in works().into_iter().enumerate() {
        world.device(DeviceEvent::Replan(work));
        world.submit(frame as u64, SECOND);
        world.run_for(Micros::from_millis(20));
    }
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert_eq!(world.stored, stored);
}

#[test]
fn without_preparing_the_first_frame_does_not_find_its_plan() {
    let mut world = World::connected(toy::work(&[6], "f32"), Settings::default());
    world.device(DeviceEvent::Replan(works()[2].clone()));
    world.submit(0, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::Local { why: LocalReason::Deploying });
}

#[test]
fn ordinary_replans_do_not_push_prepared_works_out() {
    let mut world = prepared();
    let task = |n_points| cleave_arch::Task { n_points, ..toy::TASK };
    for i in 0..3 * MAX_DEPLOYMENTS {
        world.device(DeviceEvent::Replan(toy::work_for(task(8 + i), &[6], "f32", 300_000)));
        world.run_for(Micros::from_millis(20));
        assert!(world.is_ready());
    }
    let before = world.statuses.len();
    for (frame, work) in works().into_iter().enumerate() {
        assert!(world.device.is_ready_for(&work));
        world.device(DeviceEvent::Replan(work));
        world.submit(frame as u64, SECOND);
        world.run_for(Micros::from_millis(20));
    }
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
    assert_eq!(world.statuses.len(), before, "the link was ready throughout");
}

#[test]
fn released_works_make_room() {
    let mut world = prepared();
    world.device(DeviceEvent::Prepare(vec![]));
    let task = |n_points| cleave_arch::Task { n_points, ..toy::TASK };
    for i in 0..MAX_DEPLOYMENTS {
        world.device(DeviceEvent::Replan(toy::work_for(task(8 + i), &[6], "f32", 300_000)));
        world.run_for(Micros::from_millis(20));
    }
    assert!(works().iter().all(|work| !world.device.is_ready_for(work)));
    world.device(DeviceEvent::Replan(works()[0].clone()));
    world.run_for(Micros::from_millis(20));
    assert!(world.is_ready());
}

#[test]
fn prepared_works_come_back_with_the_connection() {
    let mut world = prepared();
    world.fate_after(Micros(0), Fate::Kill);
    world.fate_after(Micros::from_millis(50), Fate::Revive);
    world.run_for(Micros::from_millis(3_000));
    assert!(works().iter().all(|work| world.device.is_ready_for(work)));
    assert_eq!(world.stored.len(), 4, "the edge had lost both files");
    world.device(DeviceEvent::Replan(works()[2].clone()));
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
}

/// A plan that is wanted at once interrupts the weights of one that is only prepared; both arrive.
#[test]
fn what_is_run_comes_before_what_is_prepared() {
    let mut world = World::connected(toy::work_with(&[6], "f32", 1_000), Settings::default());
    let up = LinkShape { bits_per_second: 8_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: up });
    let (later, at_once) = (toy::work_with(&[4], "f32", 2_000_000), toy::work_with(&[4], "f32", 500_000));
    world.device(DeviceEvent::Prepare(vec![later.clone()]));
    world.run_for(Micros::from_millis(300));
    assert!(world.is_ready(), "what runs is ready, whatever is prepared");
    world.device(DeviceEvent::Replan(at_once));
    assert!(matches!(world.device.status(), LinkStatus::Deploying { .. }));
    world.run_for(Micros::from_millis(700));
    assert!(world.is_ready() && !world.device.is_ready_for(&later));
    world.run_for(Micros::from_millis(2_500));
    assert!(world.device.is_ready_for(&later));
}

/// Weights in the background delay a frame by two small pieces at most.
#[test]
fn frames_pass_weights_that_travel_in_the_background() {
    let mut world = World::connected(toy::work_with(&[6], "f32", 1_000), Settings::default());
    let up = LinkShape { bits_per_second: 8_000_000, ..LinkShape::UNSHAPED };
    world.device(DeviceEvent::Shape { up, down: up });
    world.stream(40, 1, SECOND);
    world.run_for(Micros::from_millis(200));
    world.device(DeviceEvent::Prepare(vec![toy::work_with(&[4], "f32", 3_000_000)]));
    world.run_for(Micros::from_millis(3_000));
    world.check(|report| report.outcome == Outcome::AsPlanned);
    let longest = world.reports.iter().map(|report| report.total_ms()).fold(0.0, f64::max);
    assert!((20.0..50.0).contains(&longest), "{longest} ms; 32 kB take 33 ms, a frame alone takes 12");
}

#[test]
fn more_than_fit_are_left_out_and_the_current_one_stays() {
    let mut world = World::connected(toy::work(&[6], "f32"), Settings::default());
    let all: Vec<_> = (0..12).map(|cut| toy::work(&[cut], "f16")).collect();
    world.device(DeviceEvent::Prepare(all.clone()));
    world.run_for(SECOND);
    let ready: Vec<bool> = all.iter().map(|work| world.device.is_ready_for(work)).collect();
    assert_eq!(ready, (0..12).map(|i| i < MAX_PREPARED).collect::<Vec<_>>());
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned);
}
