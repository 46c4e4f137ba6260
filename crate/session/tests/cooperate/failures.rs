//! Whatever becomes of members and connections, and whenever: every run is answered, and rightly.

use cleave_arch::SplitMix64;
use cleave_session::cooperate::{CoordinatorEvent, EngineEvent, MemberError, RunError};
use cleave_session::{EngineError, Micros};

use crate::sim::{Fate, RESIDUAL, Settings, World};
use crate::toy;

/// Longer than all deadlines of these tests in a row.
const LONG: Micros = Micros::from_millis(20_000);

fn settings(seed: u64, direct: bool, strategy: &'static str) -> Settings {
    let mut settings = Settings { seed, direct, strategy, graph: TINY, ..Settings::default() };
    settings.coordinator.join_timeout = Micros::from_millis(4_000);
    settings
}

const TINY: &str = "1x6x6: conv 4 k3 p1, relu, conv 3 k3, relu, flatten, linear 4, relu, linear 3";

/// One fate after each number of events that a member ever has while it joins and runs twice.
fn at_every_moment(fate: Fate, check: impl Fn(&World, usize)) {
    let cases = [(true, "outputs", TINY), (false, "direct", TINY), (true, "scatter", TINY), (true, "rows", RESIDUAL)];
    for (direct, strategy, graph) in cases {
        for place in 1..=2 {
            for events in 0.. {
                assert!(events < 500, "the fate is never reached");
                let mut world = World::new(Settings { graph, ..settings(events as u64, direct, strategy) });
                world.befall_after(place, events, fate);
                world.connect();
                (1..=2).for_each(|run| world.submit(run));
                world.run_for(Micros::from_millis(3_000));
                if !world.has_befallen(place) {
                    assert!(events > 20, "{events} events: the test sees all moments");
                    break;
                }
                world.run_for(LONG);
                world.check(1..=2);
                check(&world, place);
                world.submit(3);
                world.run_for(LONG);
                world.check(1..=3);
            }
        }
    }
}

#[test]
fn a_member_that_dies_at_any_moment_costs_no_run() {
    at_every_moment(Fate::Kill, |world, place| {
        assert_eq!(world.gone.keys().copied().collect::<Vec<_>>(), [place], "{:?}", world.gone);
        assert!(matches!(world.gone[&place], MemberError::Lost { .. } | MemberError::Unreachable { .. }));
        assert_eq!(world.needed.last().map(Vec::len), Some(2));
    });
}

/// A member that hears and says nothing: only it is left behind, at the latest when a run needs it.
#[test]
fn a_member_that_falls_silent_at_any_moment_costs_no_run() {
    at_every_moment(Fate::Mute, |world, place| {
        assert!(world.gone.keys().all(|gone| *gone == place), "{:?}", world.gone);
    });
}

/// A member that still answers, but computes no more: those who wait for it are not mistaken for it.
#[test]
fn an_engine_that_stalls_at_any_moment_costs_no_run() {
    at_every_moment(Fate::StallEngine, |world, place| {
        assert!(world.gone.keys().all(|gone| *gone == place), "{:?}", world.gone);
        let stalled = |error: &MemberError| matches!(error, MemberError::Stalled { .. } | MemberError::NoAnswer { .. });
        assert!(world.gone.values().all(stalled), "{:?}", world.gone);
    });
}

/// Between members that live, connections may break: what goes there is relayed from then on.
#[test]
fn connections_between_members_may_break_at_any_moment() {
    at_every_moment(Fate::BreakLines, |world, _| assert!(world.gone.is_empty(), "{:?}", world.gone));
    let mut world = World::new(settings(0, true, "outputs"));
    world.run_once();
    world.befall(1, Fate::BreakLines);
    world.submit(2);
    world.run_for(LONG);
    world.check(1..=2);
    assert_eq!(world.ready.iter().map(|(_, relayed)| relayed.clone()).collect::<Vec<_>>(), [vec![], vec![(1, 2)]]);
    assert!(world.relays > 0);
}

#[test]
fn with_nobody_left_the_coordinator_runs_alone() {
    let mut world = World::new(settings(5, true, "outputs"));
    world.run_once();
    (1..=2).for_each(|place| world.befall(place, Fate::Kill));
    (2..=4).for_each(|run| world.submit(run));
    world.run_for(LONG);
    world.check(1..=4);
    assert_eq!(world.needed.last(), Some(&vec![0]));
    assert_eq!(world.reports[3].places, [0]);
    assert!(world.parts.is_empty() || world.reports[3].traffic == [[Default::default()]]);
}

/// Three members, random networks of links, random fates at random moments, a stream of runs.
#[test]
fn random_fates_cost_no_run() {
    let fates = [Fate::Kill, Fate::Mute, Fate::StallEngine, Fate::BreakLines];
    let mut restarts = 0;
    for seed in 0..100 {
        let mut rng = SplitMix64::new(seed);
        let mut settings = settings(seed, rng.below(3) > 0, "outputs");
        settings.members = 3;
        settings.graph = [TINY, RESIDUAL][rng.below(2)];
        settings.delay = Micros(rng.below_u64(3_000));
        let mut world = World::new(settings);
        world.partition =
            Box::new(move |graph, workers| toy::random_partition(graph, workers, &mut SplitMix64::new(seed)));
        for place in 1..=3 {
            if rng.below(3) > 0 {
                world.befall_after(place, rng.below(80), fates[rng.below(4)]);
            }
        }
        world.connect();
        (1..=8).for_each(|run| world.submit(run));
        world.run_for(LONG);
        world.check(1..=8);
        restarts += world.reports.iter().map(|report| report.restarts).sum::<u32>();
        let alive = (1..=3).filter(|place| !world.has_befallen(*place)).count();
        assert!(world.gone.len() <= 3 - alive, "seed {seed}: {:?}", world.gone);
    }
    assert!(restarts > 30, "{restarts} restarts: the test exercises them");
}

#[test]
fn the_coordinators_own_engine_may_fail_or_stall() {
    let mut world = World::new(settings(0, true, "outputs"));
    world.run_once();
    world.own_engine_stalls = true;
    world.submit(2);
    world.run_for(LONG);
    assert!(matches!(&world.failed[..], [(2, RunError::Engine { .. })]), "{:?}", world.failed);
    world.own_engine_stalls = false;
    world.submit(3);
    world.run_for(LONG);
    assert_eq!(world.answers.len(), 2, "it goes on with the next");

    let mut world = World::new(settings(0, true, "outputs"));
    world.connect();
    world.run_for(Micros::from_millis(100));
    world.own_engine_stalls = true;
    world.submit(1);
    world.run_for(Micros(1));
    let (job, result, [started, finished]) = (1, Err(EngineError::new("out of memory")), [world.now; 2]);
    world.tell(CoordinatorEvent::Engine(EngineEvent::Computed { job, result, started, finished, peak_bytes: 0 }));
    let why = RunError::Engine { why: "operator 0: out of memory".to_owned() };
    assert_eq!(world.failed, [(1, why)]);

    let mut world = World::new(settings(0, true, "outputs"));
    world.own_engine_stalls = true;
    world.run_once();
    world.run_for(LONG);
    let [(1, RunError::NoPlan { why: Some(why) })] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert!(why.contains("the engine did not load it within 4000.0 ms"), "{why}");
}

#[test]
fn a_cancelled_run_is_dismissed_and_the_next_goes_on() {
    for events in 0..40 {
        let mut world = World::new(settings(events, true, "direct"));
        world.connect();
        world.submit(1);
        world.submit(2);
        world.run_for(Micros(5_000 + events * 700));
        world.tell(CoordinatorEvent::Cancel { run: 1 });
        world.run_for(LONG);
        let dismissed = world.failed == [(1, RunError::Dismissed)];
        world.check(if dismissed { 2..=2 } else { 1..=2 });
    }
}

#[test]
fn leaving_ends_everything() {
    let mut world = World::new(settings(0, true, "direct"));
    world.connect();
    (1..=3).for_each(|run| world.submit(run));
    world.run_for(Micros(9_000));
    world.tell(CoordinatorEvent::Leave);
    world.submit(4);
    world.run_for(LONG);
    assert_eq!(world.answers.len() + world.failed.len(), 4);
    assert!(world.failed.iter().all(|(_, error)| *error == RunError::Dismissed));
    assert!(world.nodes.iter().all(|node| node.machine.as_ref().is_none_or(|member| !member.is_open())));
    assert_eq!(world.coordinator.next_wake(), None);
}

#[test]
fn a_coordinator_that_vanishes_leaves_no_member_waiting() {
    let mut world = World::new(settings(0, true, "direct"));
    world.run_once();
    world.coordinator_is_deaf = true;
    world.run_for(Micros::from_millis(31_000));
    assert!(world.nodes.iter().all(|node| node.machine.as_ref().is_some_and(|member| !member.is_open())));
    let wakes = world.nodes.iter().filter_map(|node| node.machine.as_ref()?.next_wake());
    assert_eq!(wakes.count(), 0);
}
