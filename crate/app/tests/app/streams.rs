//! Streams in virtual time: what may change under way, how much is under way, what ends them, and what no wait mends.

use crate::world::World;
use cleave_contract::{EdgeAddress, EdgeWait, Event, Failure, Frame, Intent, Link, MAX_IN_FLIGHT, Outcome, Stream};
use cleave_session::Micros;
use std::collections::BTreeSet;

const SMALL: &str = "3 2 1 4,0 6 3 0";
const OTHER: &str = "3 2 4,0 6 0";

fn cut(network: &str, at: usize) -> String {
    network.parse::<cleave_arch::Plan>().unwrap().with_cuts(vec![at]).unwrap().to_string()
}

fn late(delay_ms: f64) -> Intent {
    Intent::Shape(Link { delay_ms, ..Link::UNSHAPED })
}

/// A network with a cut plan and a shape, and an edge that has it.
fn ready(edge: Option<EdgeAddress>) -> World {
    let mut world = World::started(edge);
    world.hold(SMALL);
    world.plan(&cut(SMALL, 2));
    world.say(Intent::RunOnce);
    assert!(world.frame().is_split());
    world
}

/// All that was told and not yet taken, once nothing is under way any more: streams that ended, and frames.
fn rest(world: &mut World) -> (Vec<Stream>, Vec<Frame>) {
    world.run_for(Micros::from_millis(3_000));
    let (mut ended, mut frames) = (Vec::new(), Vec::new());
    for event in world.events.drain(..) {
        match event {
            Event::Stream(stream) if !stream.running => ended.push(stream),
            Event::Frame(frame) => frames.push(frame),
            Event::Failed { what, why } => panic!("{what:?}: {why}"),
            _ => {}
        }
    }
    (ended, frames)
}

/// Each has an answer, and came once, without a gap from `first` on.
fn assert_none_is_lost(frames: &[Frame], first: u64) {
    let ids: BTreeSet<u64> = frames.iter().map(|frame| frame.id).collect();
    assert_eq!(ids.len(), frames.len(), "a frame came twice");
    assert!(ids.into_iter().eq(first..first + frames.len() as u64), "a frame was lost");
    let failed = frames.iter().find(|frame| matches!(frame.outcome, Outcome::Failed { .. }));
    assert!(failed.is_none(), "{failed:?}");
}

#[test]
fn cut_codec_and_link_change_in_mid_stream_and_no_frame_is_lost() {
    for edge in [None, World::native()] {
        let mut world = ready(edge);
        world.say(Intent::RunStream { in_flight: 2 });
        let mut frames = vec![world.frame()];
        for (at, codec) in [(1, "f16"), (3, "i8"), (0, "f32+lz4"), (4, "f32"), (2, "f16+lz4")] {
            world.say(Intent::Plan { plan: cut(SMALL, at), codec: codec.into() });
            let begun = frames.len();
            loop {
                frames.push(world.frame());
                let frame = &frames[frames.len() - 1];
                if (frame.plan.as_str(), frame.codec.as_str()) == (cut(SMALL, at).as_str(), codec)
                    && frame.outcome == Outcome::AsPlanned
                {
                    break;
                }
                assert!(frames.len() < begun + 20, "{codec} at {at} is not used");
            }
        }
        for (delay_ms, range) in [(25.0, 50.0..1e3), (0.0, 0.0..50.0)] {
            world.say(late(delay_ms));
            (0..3).for_each(|_| frames.push(world.frame()));
            let frame = world.frame();
            assert!(range.contains(&frame.total_ms), "{} ms with a delay of {delay_ms}", frame.total_ms);
            frames.push(frame);
        }
        world.say(Intent::Stop);
        let (ended, more) = rest(&mut world);
        frames.extend(more);
        assert_eq!((ended.len(), ended[0].failed), (1, 0));
        assert_none_is_lost(&frames, 2);
    }
}

#[test]
fn networks_that_come_in_mid_stream_end_it_and_what_was_under_way_is_answered_by_the_old_one() {
    for edge in [None, World::native()] {
        let mut world = ready(edge);
        world.say(late(20.0));
        world.say(Intent::RunStream { in_flight: 4 });
        let mut frames = vec![world.frame()];
        world.say(Intent::Network("3 2 2 1 4,0 6 0 4 0".into()));
        world.say(Intent::Network(OTHER.into()));
        let (ended, more) = rest(&mut world);
        frames.extend(more);
        assert_eq!(ended.len(), 1, "the first network ends the stream");
        assert!(frames.len() >= 4 && frames.iter().all(|frame| frame.plan == cut(SMALL, 2)), "{frames:?}");
        assert_none_is_lost(&frames, 2);
        world.plan(&cut(OTHER, 1));
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert!(frame.is_split() && frame.plan == cut(OTHER, 1), "{frame:?}");
    }
}

#[test]
fn a_stream_keeps_as_many_frames_under_way_as_asked_within_one_and_sixteen() {
    for (in_flight, expected) in [(0, 1), (3, 3), (1_000, MAX_IN_FLIGHT)] {
        let mut world = ready(World::native());
        world.say(late(20.0));
        world.say(Intent::RunStream { in_flight });
        let frames: Vec<Frame> = (0..2 * expected + 2).map(|_| world.planned_frame()).collect();
        let under_way = |moment: f64| {
            // The next is submitted at the moment at which one ends.
            let lasts = |frame: &Frame| 0.0..frame.total_ms - 1e-3;
            let is_under_way = |frame: &&Frame| lasts(frame).contains(&(moment - frame.submitted_ms));
            frames.iter().filter(is_under_way).count()
        };
        let most = frames.iter().map(|frame| under_way(frame.submitted_ms)).max();
        assert_eq!(most, Some(expected), "{in_flight} were asked for");
    }
}

#[test]
fn breaking_the_link_again_and_again_loses_no_frame() {
    for edge in [None, World::native()] {
        let mut world = ready(edge);
        world.say(Intent::SlowDown { times: 10.0 });
        world.say(late(10.0));
        world.say(Intent::RunStream { in_flight: 3 });
        for round in 0..6 {
            world.run_for(Micros::from_millis(30 + 23 * round));
            world.say(Intent::Break);
        }
        world.run_for(Micros::from_millis(500));
        world.say(Intent::Stop);
        let (ended, frames) = rest(&mut world);
        assert_none_is_lost(&frames, 2);
        let local = frames.iter().filter(|frame| matches!(frame.outcome, Outcome::Local { .. })).count();
        assert!(local >= 6 && frames.iter().rev().take(20).any(Frame::is_split), "{local} of {}", frames.len());
        // The frames that ended after it were not counted any more.
        let counted = (ended[0].frames as usize, ended[0].local as usize);
        assert!(counted.0 <= frames.len() && counted.0 + 3 >= frames.len() && counted.1 <= local, "{counted:?}");
    }
}

#[test]
fn a_stream_whose_engine_fails_ends_with_words_and_the_next_frame_is_tried_anew() {
    let mut world = ready(World::native());
    world.say(Intent::RunStream { in_flight: 2 });
    (0..3).for_each(|_| drop(world.planned_frame()));
    world.engine_fails = true;
    let (what, why) = world.failure();
    assert!(what == Failure::Stream && why.contains("the engine is broken"), "{what:?}: {why}");
    let ended = world.until(|event| if let Event::Stream(stream) = event { Some(stream.clone()) } else { None });
    assert_eq!((ended.running, ended.failed), (false, 1));
    world.run_for(Micros::from_millis(2_000));
    let after = world.events.drain(..).filter(|event| matches!(event, Event::Frame(_))).count();
    assert!(after <= 1, "{after} more frames");
    world.say(Intent::RunOnce);
    assert!(matches!(world.any_frame().outcome, Outcome::Failed { why } if why.contains("the engine is broken")));
    world.engine_fails = false;
    world.say(Intent::RunOnce);
    assert!(world.frame().is_split());
}

#[test]
fn what_the_edge_never_answers_is_answered_here_before_the_deadline_of_a_device_this_slow() {
    for (times, deadline_ms) in [(1.0, 20_000.0), (2.0, 40_000.0)] {
        let mut world = ready(World::native());
        world.say(Intent::SlowDown { times });
        world.edge_is_stuck = true;
        world.say(Intent::RunOnce);
        let frame = world.frame();
        assert!(matches!(&frame.outcome, Outcome::Local { why } if why.contains("deadline")), "{:?}", frame.outcome);
        assert!((0.5 * deadline_ms..deadline_ms).contains(&frame.total_ms), "{} ms", frame.total_ms);
    }
}

#[test]
fn a_frame_that_waits_is_one_however_often_it_is_asked_for_and_none_after_a_stop() {
    let mut world = World::started(World::native());
    world.storing = Micros::from_millis(1_000);
    world.hold(SMALL);
    world.plan(&cut(SMALL, 2));
    let waiting = |event: &Event| if let Event::Waiting(wait) = event { Some(*wait) } else { None };
    world.say(Intent::RunOnce);
    while world.until(waiting) != Some(EdgeWait::Deployment) {}
    world.say(Intent::Stop);
    assert_eq!(world.until(waiting), None, "that it is over is told");
    assert!(rest(&mut world).1.is_empty());
    world.storing = Micros::from_millis(100);
    world.load(OTHER);
    world.plan(&cut(OTHER, 1));
    (0..3).for_each(|_| world.say(Intent::RunOnce));
    let (_, frames) = rest(&mut world);
    assert_eq!(frames.len(), 1);
    assert!(frames[0].is_split());
}

#[test]
fn nothing_runs_without_a_network_and_an_input() {
    let mut world = World::started(None);
    let runs = || [Intent::RunOnce, Intent::RunStream { in_flight: 2 }];
    for (load, missing) in [(false, "no network is loaded"), (true, "no input is loaded")] {
        if load {
            world.load(SMALL);
        }
        for intent in runs() {
            world.say(intent);
            assert_eq!(world.failure(), (Failure::Run, missing.into()));
        }
        world.say(Intent::Calibrate);
        assert_eq!(world.failure().0, Failure::Calibration);
        world.until(|event| matches!(event, Event::Profile(_)).then_some(()));
        assert_eq!(rest(&mut world).1.len(), 0);
    }
}
