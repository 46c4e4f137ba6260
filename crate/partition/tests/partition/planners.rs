//! The planners against each other, against limits, and against what the papers count.

use crate::cases::{link, plan, problem, random_cluster, random_speeds, speeds};
use cleave_graph::SplitMix64;
use cleave_graph::{Graph, Op, Partition, Shares, Split, Step, zoo};
use cleave_partition::{
    Cluster, Effort, Goal, Link, Links, Medium, Only, PartitionError, Plan, Problem, Strategy, Worker, chain, coedge,
    iop_greedy, mixed, output_channel,
};

/// Ours takes the others' plans as candidates: this holds by construction as long as all are priced alike.
#[test]
fn mixed_is_never_slower_than_the_best_of_the_others() {
    let mut rng = SplitMix64::new(11);
    let (mut better, mut ratios) = (0, 0.0);
    let cases = 32;
    for case in 0..cases {
        let network = zoo::network(zoo::NETWORKS[case % 4].0).unwrap();
        let workers = 2 + rng.below(3);
        let cluster = random_cluster(&mut rng, workers);
        let times = random_speeds(&mut rng, &network, workers);
        let problem = problem(&network, &cluster, &times);
        let others = Strategy::ALL.into_iter().filter(|strategy| *strategy != Strategy::Mixed);
        let best = others.map(|strategy| strategy.plan(&problem).unwrap().total_ms()).fold(f64::INFINITY, f64::min);
        let ours = mixed(&problem, Effort::QUICK).unwrap();
        assert!(ours.total_ms() <= best + 1e-9, "{} > {best}", ours.total_ms());
        // Only the coordinator needs the answer.
        assert_ne!(ours.partition.steps.last().unwrap().split, Split::Replicated);
        better += usize::from(ours.total_ms() < best * 0.99);
        ratios += (ours.total_ms() / best).ln();
    }
    println!(
        "mixed: {better} of {cases} better by 1 %, mean {:.3} of the best other's time",
        (ratios / cases as f64).exp()
    );
    assert!(better >= cases / 2, "{better}");
}

#[test]
fn one_worker_does_everything_itself() {
    let network = zoo::network("lenet5").unwrap();
    let cluster = Cluster::uniform(1, Link::FREE, Medium::Switched).unwrap();
    let times = speeds(&network, &[1.0]);
    let problem = problem(&network, &cluster, &times);
    let alone = Plan::new(&problem, Partition::whole(1, 5, 0)).unwrap().total_ms();
    for strategy in Strategy::ALL {
        let plan = strategy.plan(&problem).unwrap();
        // A pair's sum of one worker's partial sums is the whole.
        assert_eq!((plan.timeline.messages, plan.timeline.bytes), (0, 0), "{strategy}");
        assert!((plan.total_ms() - alone).abs() < 1e-9, "{strategy}");
    }
}

/// Wherever sending costs more than everything else: 2m(m−1) messages by output channels, m(m−1) interleaved.
#[test]
fn a_pair_sends_12_messages_by_output_channels_and_6_interleaved() {
    let network: Graph = "3x9x9: conv 8 k3 p1, relu, conv 8 k3 p1, relu, conv 8 k3 p1".parse().unwrap();
    let cluster = Cluster::uniform(3, link(20.0, 1000.0), Medium::Shared).unwrap();
    let times = speeds(&network, &[1.0, 1.0, 1.0]);
    let problem = problem(&network, &cluster, &times);
    let messages = |plan: &Plan| {
        let stages = &plan.schedule.stages[1..];
        stages.iter().map(|stage| stage.gather.len() + stage.sums.len()).sum::<usize>()
    };
    let iop = iop_greedy(&problem).unwrap();
    assert!(matches!(iop.partition.steps[1].split, Split::Inputs(_)));
    assert_eq!((messages(&output_channel(&problem).unwrap()), messages(&iop)), (12, 6));
}

/// Every pair interleaved moves full-size partial sums: without set-up times that costs more than it saves.
#[test]
fn interleaving_gains_by_set_up_time_and_can_lose_without() {
    let network = zoo::network("alexnet").unwrap();
    let times = speeds(&network, &[2.0, 2.0, 2.0]);
    let even = |units| Shares::even(units, 3);
    let interleaved = |at: usize| match at % 2 {
        0 => Split::Outputs(even(network.operators()[at].made.shape.channels)),
        _ => Split::Inputs(even(network.operators()[at].input().channels)),
    };
    for medium in [Medium::Switched, Medium::Shared] {
        let gain = |setup_ms| {
            let cluster = Cluster::uniform(3, link(setup_ms, 100.0), medium).unwrap();
            let problem = problem(&network, &cluster, &times);
            let steps = (0..8).map(|at| Step::new(interleaved(at))).collect();
            let pairs = Plan::new(&problem, Partition { workers: 3, steps }).unwrap();
            let chain = chain(&problem).unwrap();
            let closed = 1.0 - chain.cost(&[2; 4]) / chain.cost(&[1; 8]);
            (1.0 - pairs.total_ms() / output_channel(&problem).unwrap().total_ms(), closed)
        };
        let (without, with) = (gain(0.0), gain(20.0));
        println!(
            "{medium:?}: interleaving every pair of AlexNet gains {without:.3?} without set-up, {with:.3?} at 20 ms"
        );
        assert!(without.0 < -0.05 && without.1 < -0.05, "{without:?}");
        assert!(with.0 > 0.05 && with.1 > 0.05, "{with:?}");
    }
}

#[test]
fn coedge_gives_the_faster_more_rows_and_drops_who_has_less_than_a_padding() {
    let network = zoo::network("vgg11").unwrap();
    let cluster = Cluster::uniform(3, link(0.5, 1000.0), Medium::Switched).unwrap();
    let rows = |giga: &[f64]| -> Vec<Vec<usize>> {
        let times = speeds(&network, giga);
        let plan = coedge(&problem(&network, &cluster, &times), Goal::Time).unwrap();
        let rows = plan.partition.steps.iter().filter_map(|step| match &step.split {
            Split::Rows(shares) => Some(shares.units().to_vec()),
            _ => None,
        });
        rows.collect()
    };
    let first = &rows(&[4.0, 2.0, 1.0])[0];
    assert!(first[0] > first[1] && first[1] > first[2] && first[2] > 0, "{first:?}");
    // A hundredth of the rows is none of the last map's seven, so that worker 2 has none in any layer.
    assert!(rows(&[4.0, 4.0, 0.04]).iter().all(|rows| rows[2] == 0 && rows[1] > 0));
    assert_eq!(rows(&[4.0, 2.0, 1.0]).len(), 8);
}

/// Set-up times, which decide who takes part, only choose among plans: so no plan for another set-up time is ever better,
/// and where uplinks are the senders' own (over a shared medium one schedule may get faster, see `simulate`) the time never
/// falls. Nor is any worker alone faster.
#[test]
fn coedge_is_never_slower_than_by_its_plans_for_other_set_up_times() {
    let profiles: [&[f64]; 5] =
        [&[1.0, 3.0], &[1.0, 1.0, 1.0], &[2.0, 4.0, 1.0], &[1.0; 4], &[1.0, 2.0, 4.0, 3.0, 2.0]];
    let (mut fewer, mut cases) = (0, 0);
    for (name, giga) in [("lenet5", 0.01), ("alexnet", 2.0), ("vgg11", 8.0)] {
        let network = zoo::network(name).unwrap();
        for (profile, medium) in profiles.iter().flat_map(|p| [(p, Medium::Switched), (p, Medium::Shared)]) {
            let workers = profile.len();
            let times = speeds(&network, &profile.iter().map(|speed| speed * giga).collect::<Vec<_>>());
            for mbps in [30.0, 1000.0] {
                let clusters = [0.0, 1.0, 5.0, 10.0, 20.0]
                    .map(|setup_ms| Cluster::uniform(workers, link(setup_ms, mbps), medium).unwrap());
                let plans = clusters.each_ref().map(|c| coedge(&problem(&network, c, &times), Goal::Time).unwrap());
                let alone = (0..workers).map(|worker| Partition::whole(workers, network.operators().len(), worker));
                let others: Vec<Partition> = alone.chain(plans.iter().map(|plan| plan.partition.clone())).collect();
                for (cluster, plan) in clusters.iter().zip(&plans) {
                    let problem = problem(&network, cluster, &times);
                    for other in &others {
                        let other_ms = Plan::new(&problem, other.clone()).unwrap().total_ms();
                        let what = format!("{name}, {profile:?}, {medium:?}, {mbps} Mbps: {other_ms}");
                        assert!(plan.total_ms() <= other_ms + 1e-6, "{what} < {}", plan.total_ms());
                    }
                }
                let falls = |two: &[Plan]| two[1].total_ms() < two[0].total_ms() - 1e-6;
                assert!(medium == Medium::Shared || !plans.windows(2).any(falls), "{name}, {profile:?}, {mbps} Mbps");
                let messages = plans.each_ref().map(|plan| plan.timeline.messages);
                fewer += usize::from(messages[4] < messages[0]);
                cases += 1;
            }
        }
    }
    println!("{fewer} of {cases} send fewer messages at 20 ms than without set-up");
    assert!(fewer > cases / 3, "{fewer} of {cases}");
}

#[test]
fn coedge_saves_energy_within_a_limit_of_time() {
    let network = zoo::network("alexnet").unwrap();
    let worker = |name: &str, compute_watts| Worker { compute_watts, ..Worker::named(name) };
    let workers = vec![worker("board", 4.0), worker("laptop", 30.0), worker("desktop", 90.0)];
    let cluster = Cluster::new(workers, Links::Uniform(link(0.5, 500.0)), Medium::Switched).unwrap();
    let times = speeds(&network, &[1.0, 3.0, 6.0]);
    let problem = problem(&network, &cluster, &times);
    let fastest = coedge(&problem, Goal::Time).unwrap();
    let mut joules = fastest.timeline.energy_joules;
    for slower in [1.0, 1.3, 2.0, 4.0, 100.0] {
        let limit_ms = fastest.total_ms() * slower;
        let plan = coedge(&problem, Goal::Energy { limit_ms }).unwrap();
        println!("{slower} times the least time: {:.2} J in {:.0} ms", plan.timeline.energy_joules, plan.total_ms());
        assert!(plan.total_ms() <= limit_ms && plan.timeline.energy_joules <= joules + 1e-9);
        joules = plan.timeline.energy_joules;
    }
    // Everything on the thriftiest worker, which has the image.
    let alone = Plan::new(&problem, Partition::whole(3, 8, 0)).unwrap();
    assert!((joules - alone.timeline.energy_joules).abs() < 1e-6, "{joules}");
    let limit_ms = fastest.total_ms() / 2.0;
    let why = coedge(&problem, Goal::Energy { limit_ms }).unwrap_err();
    assert_eq!(why, PartitionError::Latency { limit_ms, least_ms: fastest.total_ms() });
    assert!(why.to_string().starts_with("no plan takes at most"), "{why}");
}

/// What is left when a worker has gone is a problem like any other.
#[test]
fn a_worker_less() {
    let network = zoo::network("alexnet").unwrap();
    let cluster = Cluster::uniform(4, link(0.5, 1000.0), Medium::Switched).unwrap().with_relayed(&[(1, 3), (2, 3)]);
    let (cluster, times) = (cluster.unwrap(), speeds(&network, &[1.0, 4.0, 2.0, 3.0]));
    let left = vec![0, 2, 3];
    let (fewer, theirs) = (cluster.only(&left).unwrap(), Only { times: &times, workers: left });
    let without = Problem::new(&network, &fewer, &theirs).unwrap();
    assert!((without.shares()[2] / without.shares()[0] - 3.0).abs() < 0.05, "{:?}", without.shares());
    let all = problem(&network, &cluster, &times);
    for strategy in Strategy::ALL {
        let total_ms = |problem| plan(problem, strategy).unwrap().total_ms();
        assert!(total_ms(&without) > total_ms(&all), "{strategy}");
    }
}

/// Local response normalisation has no weights and no place in a pair; everyone computes all of it after a gather.
#[test]
fn local_response_normalisation_is_computed_by_all() {
    let network = zoo::network("alexnet-lrn").unwrap();
    let cluster = Cluster::uniform(3, link(20.0, 1000.0), Medium::Shared).unwrap();
    let times = speeds(&network, &[1.0, 1.0, 1.0]);
    let problem = problem(&network, &cluster, &times);
    for plan in [output_channel(&problem).unwrap(), iop_greedy(&problem).unwrap()] {
        for (operator, step) in network.operators().iter().zip(&plan.partition.steps) {
            assert_eq!(matches!(operator.op, Op::Lrn(_)), step.split == Split::Replicated);
        }
    }
}
