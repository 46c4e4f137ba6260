//! The dynamic program against every chain of its choices, priced from their schedules.

use cleave_graph::SplitMix64;
use cleave_graph::{Graph, Schedule};

use super::{Effort, mixed, paths, simulated_ms, space::Space};
use crate::{Cluster, Link, Links, Medium, Problem, Speed, Speeds, Worker};

/// What the dynamic program minimises, from a schedule: computing, then an exchange, then computing.
fn additive_ms(problem: &Problem, schedule: &Schedule) -> f64 {
    let most = |each: &dyn Fn(usize) -> f64| (0..schedule.workers).map(each).fold(0.0, f64::max);
    let mut total = problem.cluster.exchange_ms(&schedule.answer);
    for stage in &schedule.stages {
        let at = stage.operator;
        let layer_ms = |worker: usize| {
            let work = stage.work[worker].as_ref();
            work.map_or(0.0, |work| {
                problem.times.layer_ms(
                    worker,
                    at,
                    problem.network.operators()[at].input_units(&work.inputs),
                    &work.made,
                )
            })
        };
        let after_ms = |worker: usize| {
            let complete = &stage.complete[worker];
            if complete.is_empty() {
                return 0.0;
            }
            let values = complete.shape(problem.network.operators()[at].made.shape.width).values();
            let received = stage.sums.iter().filter(|sum| sum.to == worker).count() as f64;
            received * problem.times.add_ms(worker, values) + problem.times.tail_ms(worker, at, complete)
        };
        let computing = match stage.partial {
            true => most(&layer_ms) + most(&after_ms),
            false => most(&|worker| layer_ms(worker) + after_ms(worker)),
        };
        total += problem.cluster.exchange_ms(&stage.gather) + computing + problem.cluster.exchange_ms(&stage.sums);
    }
    total
}

/// Every way to take one choice of each operator.
fn all_paths(space: &Space) -> Vec<Vec<usize>> {
    space.levels.iter().fold(vec![Vec::new()], |paths, level| {
        let longer = |path: &Vec<usize>| {
            let path = path.clone();
            (0..level.choices.len()).map(move |choice| [path.clone(), vec![choice]].concat())
        };
        paths.iter().flat_map(longer).collect()
    })
}

/// Calls with the networks and clusters of the tests: a few operators, two or three workers.
fn for_each(mut test: impl FnMut(&Problem, &Space)) {
    let mut rng = SplitMix64::new(31);
    let chains = [
        "2x8x7: conv 5 k3 p1, relu, conv 4 k3 p1, maxpool 2, flatten, linear 3",
        "2x9x7: conv 6 k3 s2 p1, relu, lrn 3, conv 5 k3, relu",
        "1x6x6: conv 7 k3 p2, avgpool 2, flatten, linear 8, relu, linear 4",
    ];
    for case in 0..12 {
        let network: Graph = chains[case % 3].parse().unwrap();
        let workers = if case < 9 { 2 } else { 3 };
        let mut between = |from: f64, to: f64| from + (to - from) * f64::from(rng.unit_f32());
        let mut link =
            || Link { setup_ms: between(0.0, 1.0), mbps: 10_f64.powf(between(-0.5, 2.0)), delay_ms: between(0.0, 0.5) };
        let pairs = (0..workers).map(|_| (0..workers).map(|_| link()).collect()).collect();
        let named = (0..workers).map(|worker| Worker::named(worker.to_string())).collect();
        let medium = [Medium::Switched, Medium::Shared][case / 3 % 2];
        let cluster = Cluster::new(named, Links::Pairs(pairs), medium).unwrap();
        let speeds = (0..workers).map(|_| Speed::of_macs(1e6 * between(0.3, 3.0))).collect();
        let times = Speeds::new(&network, speeds).unwrap();
        let problem = Problem::new(&network, &cluster, &times).unwrap();
        // Three shares of two workers, two of three: a few thousand chains.
        let rising = (1..=workers).map(|weight| weight as f64).collect();
        let shares = [problem.shares().to_vec(), rising, vec![1.0; workers]];
        let space = Space::of_weights(&problem, &shares[..5 - workers]).unwrap();
        test(&problem, &space);
    }
}

#[test]
fn the_best_chains_are_the_best_of_all() {
    for_each(|problem, space| {
        let price =
            |path: &Vec<usize>| additive_ms(problem, &Schedule::new(problem.network, &space.partition(path)).unwrap());
        let mut all: Vec<f64> = all_paths(space).iter().map(price).collect();
        all.sort_by(f64::total_cmp);
        let found: Vec<f64> = paths::best(space, 10, &vec![None; space.workers], 1.0).iter().map(price).collect();
        assert!(all.len() > 400 && found.len() == 10, "{} chains", all.len());
        for (found, least) in found.iter().zip(&all) {
            assert!((found - least).abs() < 1e-9 * least, "{found} instead of {least} among {}", all.len());
        }
    });
}

#[test]
fn limits_of_memory_leave_the_best_chain_that_keeps_them() {
    let (mut feasible, mut dearer) = (0, 0);
    for_each(|problem, space| {
        let parameters: u64 = problem.network.parameters().iter().map(|spec| 4 * spec.len()).sum();
        let maps = problem.network.operators().iter().map(|o| 4 * (o.input().values() + o.made.shape.values()));
        // Room for any operator's maps, but not for all weights.
        let limits = vec![Some(parameters * 6 / 10 + maps.max().unwrap()); space.workers];
        // What the dynamic program knows of memory: weights, and the largest input with what is made of it.
        let fits = |path: &Vec<usize>| {
            let choices = || space.levels.iter().zip(path).map(|(level, choice)| &level.choices[*choice]);
            (0..space.workers).all(|worker| {
                let weights: u64 = choices().map(|choice| choice.weight_bytes[worker]).sum();
                let other = choices().map(|choice| choice.other_bytes[worker]).max().unwrap_or(0);
                Some(weights + other) <= limits[worker]
            })
        };
        let price =
            |path: &Vec<usize>| additive_ms(problem, &Schedule::new(problem.network, &space.partition(path)).unwrap());
        let least = all_paths(space).iter().filter(|path| fits(path)).map(price).fold(f64::INFINITY, f64::min);
        // So many that none is given up.
        let found = paths::best(space, 100_000, &limits, 1.0);
        assert!(found.iter().all(fits));
        feasible += usize::from(least.is_finite());
        let free = paths::best(space, 1, &vec![None; space.workers], 1.0);
        dearer += usize::from(price(&free[0]) < least);
        assert!(found.is_empty() == least.is_infinite());
        assert!(found.first().is_none_or(|found| (price(found) - least).abs() < 1e-9 * least));
    });
    assert!(feasible == 12 && dearer > 1, "{feasible} {dearer}");
}

/// What choices say about weights is what schedules say.
#[test]
fn weights_are_those_of_the_schedule() {
    for_each(|problem, space| {
        for path in all_paths(space).iter().step_by(17) {
            let memory = Schedule::new(problem.network, &space.partition(path)).unwrap().memory(problem.network);
            for (worker, memory) in memory.iter().enumerate() {
                let choices = space.levels.iter().zip(path).map(|(level, choice)| &level.choices[*choice]);
                let (mut weights, mut other) = (0, 0);
                choices.for_each(|choice| {
                    weights += choice.weight_bytes[worker];
                    other = choice.other_bytes[worker].max(other);
                });
                assert_eq!(weights, memory.weights);
                assert!(other <= memory.activations);
            }
        }
    });
}

/// Against the least simulated time of all chains of the same few choices. The additive costs of the dynamic program do
/// not know overlap, the search afterwards does, and it looks at more shares.
#[test]
fn the_result_is_hardly_ever_slower_than_the_best_of_all_chains_simulated() {
    let mut ratios = Vec::new();
    for_each(|problem, space| {
        let simulated =
            |path: &Vec<usize>| simulated_ms(problem, &Schedule::new(problem.network, &space.partition(path)).unwrap());
        let least = all_paths(space).iter().map(simulated).fold(f64::INFINITY, f64::min);
        ratios.push(mixed(problem, Effort::default()).unwrap().total_ms() / least);
    });
    println!("of the best chain's simulated time: {ratios:.4?}");
    assert!(ratios.iter().all(|ratio| *ratio < 1.02));
}
