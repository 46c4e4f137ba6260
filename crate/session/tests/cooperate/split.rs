//! Split equals whole, through the machines, and what is sent is what the schedule has.

use cleave_arch::SplitMix64;
use cleave_graph::{Axis, Graph, Partition, Reduce, Schedule, Shares, Split, zoo};
use cleave_session::Micros;
use cleave_wire::Limits;
use cleave_wire::cooperate::Part;

use crate::sim::{LENET, RESIDUAL, Settings, World};
use crate::toy;

const NORMED: &str =
    "3x9x7: conv 6 k3 s2 p1, relu, lrn 3, avgpool 2 s1, conv 5 k2 p1, relu, flatten, dropout, linear 6";
/// Values side by side, and one that is read again far behind.
const CONCAT: &str = "2x9x9: a = conv 4 k3 p1, b = conv 6 k3 p1, c = conv 4 k5 p2 of a, concat with b a, lrn 3, d = conv 5 k3 p1, \
     conv 5 k3 p1, add with d, maxpool 3, flatten, linear 4";
/// On points: the neighbours that are drawn need nothing of others. At the end one value is two inputs.
const POINTS: &str = "12x3: random 4 s1, combine 6, b = aggregate max source, random 3, combine 5, aggregate add source, \
     concat with b, c = combine 2, add with c";
/// On points whose neighbours are given.
const GIVEN: &str = "10x3 10n4: a = aggregate max source, combine 5, aggregate add source, concat with a";
const GRAPHS: [&str; 6] = [LENET, NORMED, RESIDUAL, CONCAT, POINTS, GIVEN];

fn check(mut world: World, workers: usize) {
    let name = format!("{workers} workers");
    world.connect();
    (1..=2).for_each(|run| world.submit(run));
    world.run_for(Micros::from_millis(4_000));
    world.check(1..=2);
    let partition = (world.partition)(&world.graph, workers);
    let schedule = Schedule::new(&world.graph, &partition).unwrap();
    let mut sent = 0;
    for from in 0..workers {
        for to in 0..workers {
            let expected: Vec<u64> = schedule
                .transfers()
                .filter(|transfer| (transfer.from, transfer.to) == (from, to))
                .map(|transfer| transfer.bytes())
                .collect();
            let told = world.reports[0].traffic[from][to];
            let on_the_wire = world.parts.get(&(from as u16, to as u16)).copied().unwrap_or_default();
            assert_eq!(told.messages as usize, expected.len(), "{name}: {from} to {to}");
            assert_eq!(
                told.bytes,
                expected.iter().map(|bytes| bytes + Part::OVERHEAD_BYTES).sum::<u64>(),
                "{name}: {from} to {to}"
            );
            assert_eq!(on_the_wire as usize, 2 * expected.len(), "{name}: {from} to {to}, two runs");
            sent += expected.len();
        }
    }
    assert_eq!(sent, schedule.transfers().count());
    assert!(world.reports.iter().all(|report| report.restarts == 0 && report.missing.is_empty()));
    assert_eq!(world.needed, [(0..workers).collect::<Vec<_>>()]);
    let weights = schedule.memory(&world.graph).into_iter().map(|memory| memory.weights).collect::<Vec<_>>();
    assert_eq!(world.ready[0].0, weights);
}

#[test]
fn every_strategy_gives_the_unsplit_answer() {
    for (seed, strategy) in toy::STRATEGIES.into_iter().enumerate() {
        for workers in 1..=4 {
            for (graph, even) in GRAPHS.into_iter().map(|graph| (graph, false)).chain([(LENET, true)]) {
                for direct in [true, false] {
                    let settings = Settings {
                        seed: seed as u64,
                        members: workers - 1,
                        direct,
                        graph,
                        strategy,
                        ..Settings::default()
                    };
                    let mut world = World::new(settings);
                    world.partition = Box::new(move |graph, workers| toy::partition(graph, strategy, workers, even));
                    check(world, workers);
                }
            }
        }
    }
}

#[test]
fn any_partition_gives_the_unsplit_answer() {
    for seed in 0..300 {
        let mut rng = SplitMix64::new(seed);
        let workers = 1 + rng.below(4);
        let graph = GRAPHS[rng.below(GRAPHS.len())];
        let settings = Settings {
            seed,
            members: workers - 1,
            direct: rng.below(2) == 0,
            delay: Micros(rng.below_u64(3_000)),
            compute: Micros(rng.below_u64(3_000)),
            graph,
            ..Settings::default()
        };
        let mut world = World::new(settings);
        world.partition =
            Box::new(move |graph, workers| toy::random_partition(graph, workers, &mut SplitMix64::new(seed)));
        check(world, workers);
    }
}

/// Nothing is ever sent to the member that draws the neighbours: it is told that a run begins, and it reports.
#[test]
fn who_needs_nothing_of_others_takes_part() {
    let mut world = World::new(Settings { members: 1, graph: POINTS, ..Settings::default() });
    world.partition = Box::new(|graph, workers| {
        let mut partition = Partition::whole(workers, graph.operators().len(), 0);
        partition.steps[0].split = Split::Alone(workers - 1);
        partition
    });
    world.run_once();
    world.check([1]);
    let report = &world.reports[0];
    assert_eq!((report.traffic[0][1].messages, report.traffic[1][0].messages), (0, 1));
    assert!(report.missing.is_empty() && report.workers[1].spans.iter().any(|span| span.activity.is_computing()));
}

/// Of a pair of operators: an all-gather after each by output channel; by input channel after output channels one
/// exchange of partial sums. The paper counts 12 and 6 for three workers.
#[test]
fn a_pair_of_operators_costs_the_messages_of_the_paper() {
    for m in 2..=4 {
        let messages = |strategy: &str| {
            let graph: Graph = "1x8x8: conv 6 k3 p1, relu, conv 4 k3 p1, relu, conv 5 k3 p1".parse().unwrap();
            let (even, strategy) = (m != 3, strategy.to_owned());
            let mut world = World::new(Settings { members: m - 1, ..Settings::default() });
            world.graph = graph.into();
            world.partition = Box::new(move |graph, workers| toy::partition(graph, &strategy, workers, even));
            world.run_once();
            world.check([1]);
            let to = |stage: u16| {
                let sends = world.reports[0].workers.iter().flat_map(|worker| &worker.spans);
                let is_send = |activity| matches!(activity, cleave_session::cooperate::Activity::Send { .. });
                sends.filter(|span| span.stage == stage && is_send(span.activity)).count()
            };
            // After the first operator and after the second; the image is not of the pair.
            (to(1), to(2))
        };
        assert_eq!(messages("outputs"), (m * (m - 1), m * (m - 1)), "2m(m−1)");
        let world_direct = messages("direct");
        assert_eq!(world_direct.0 + world_direct.1, m * (m - 1), "m(m−1)");
    }
}

/// The largest is a partial sum of VGG11's first operator, 12.8 MB.
#[test]
fn every_part_of_the_networks_with_names_fits_into_a_message() {
    let most = u64::from(Limits::MAX_FRAME_BYTES) - Part::OVERHEAD_BYTES;
    let mut largest = 0;
    for (name, _) in zoo::NETWORKS {
        let graph = zoo::network(name).unwrap();
        for workers in 2..=4 {
            let mut partitions: Vec<_> =
                toy::STRATEGIES.map(|strategy| toy::partition(&graph, strategy, workers, true)).into();
            let mut sums = partitions[0].clone();
            let operators = graph.operators().iter().zip(&mut sums.steps);
            for (operator, step) in operators.filter(|(operator, _)| operator.has(Axis::Inputs)) {
                step.split = Split::Inputs(Shares::even(operator.units(Axis::Inputs), workers));
                step.reduce = Reduce::Root(0);
            }
            partitions.push(sums);
            for partition in partitions {
                let schedule = Schedule::new(&graph, &partition).unwrap();
                largest = schedule.transfers().map(|transfer| transfer.bytes()).max().unwrap().max(largest);
            }
        }
    }
    assert_eq!(largest, 4 * 64 * 224 * 224);
    assert!(largest <= most);
}

#[test]
fn what_cannot_be_sent_directly_is_relayed() {
    let mut world = World::new(Settings { members: 3, direct: false, ..Settings::default() });
    world.run_once();
    world.check([1]);
    let pairs = [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)];
    assert_eq!(world.ready[0].1, pairs);
    let relayed: u32 = pairs.iter().map(|(from, to)| world.reports[0].traffic[*from][*to].messages).sum();
    assert!(relayed > 0 && world.relays == relayed);

    let mut world = World::new(Settings { members: 3, ..Settings::default() });
    world.run_once();
    assert_eq!((world.ready[0].1.len(), world.relays), (0, 0));
}

#[test]
fn runs_follow_each_other() {
    let mut world = World::new(Settings::default());
    world.connect();
    (1..=20).for_each(|run| world.submit(run));
    world.run_for(Micros::from_millis(8_000));
    world.check(1..=20);
    assert!(world.reports.windows(2).all(|pair| pair[1].started >= pair[0].answered));
}
