//! Random clusters and partitions for the tests, each a function of a seed.

use cleave_graph::SplitMix64;
use cleave_graph::testing::random_step;
use cleave_graph::{Graph, Operator, Partition, Split};
use cleave_partition::{
    Cluster, Effort, Link, Links, Medium, PartitionError, Plan, Problem, Speed, Speeds, Strategy, Worker, mixed,
};

/// A number from a range.
pub fn between(rng: &mut SplitMix64, from: f64, to: f64) -> f64 {
    from + (to - from) * f64::from(rng.unit_f32())
}

/// 30 to 2000 Mbps, up to 5 ms of set-up and 1 ms of delay.
pub fn random_link(rng: &mut SplitMix64) -> Link {
    let mbps = 10_f64.powf(between(rng, 1.5, 3.3));
    Link { setup_ms: between(rng, 0.0, 5.0), mbps, delay_ms: between(rng, 0.0, 1.0) }
}

/// Workers with links all alike or all different, over either medium.
pub fn random_cluster(rng: &mut SplitMix64, workers: usize) -> Cluster {
    let medium = [Medium::Switched, Medium::Shared][rng.below(2)];
    match rng.below(3) {
        0 => return Cluster::uniform(workers, random_link(rng), medium).unwrap(),
        1 if workers > 2 => {
            return Cluster::uniform(workers, random_link(rng), medium).unwrap().with_relayed(&[(1, 2)]).unwrap();
        }
        _ => {}
    }
    let pairs = (0..workers).map(|_| (0..workers).map(|_| random_link(rng)).collect()).collect();
    let named = (0..workers).map(|worker| Worker::named(format!("box {worker}"))).collect();
    Cluster::new(named, Links::Pairs(pairs), medium).unwrap()
}

/// Speeds of 1 to 10 GMAC/s.
pub fn random_speeds<'a>(rng: &mut SplitMix64, network: &'a Graph, workers: usize) -> Speeds<'a> {
    Speeds::new(network, (0..workers).map(|_| Speed::of_macs(1e9 * between(rng, 1.0, 10.0))).collect()).unwrap()
}

/// A cluster of one worker for each speed, in GMAC/s.
pub fn speeds<'a>(network: &'a Graph, giga_macs_per_s: &[f64]) -> Speeds<'a> {
    Speeds::new(network, giga_macs_per_s.iter().map(|speed| Speed::of_macs(1e9 * speed)).collect()).unwrap()
}

/// The same workers with these limits, in bytes.
pub fn limited(cluster: &Cluster, limits: &[Option<u64>]) -> Cluster {
    let n = cluster.len();
    let with = |(worker, limit): (&Worker, &Option<u64>)| Worker { memory_bytes: *limit, ..worker.clone() };
    let pairs = (0..n).map(|from| (0..n).map(|to| cluster.link(from, to)).collect()).collect();
    let workers = cluster.workers().iter().zip(limits).map(with).collect();
    Cluster::new(workers, Links::Pairs(pairs), cluster.medium()).unwrap()
}

pub fn problem<'a>(network: &'a Graph, cluster: &'a Cluster, speeds: &'a Speeds) -> Problem<'a> {
    Problem::new(network, cluster, speeds).unwrap()
}

/// Any legal partition in which nothing is computed twice.
pub fn random_partition(rng: &mut SplitMix64, network: &Graph, workers: usize) -> Partition {
    let step = |operator: &Operator| loop {
        let step = random_step(rng, operator, workers);
        if step.split != Split::Replicated {
            return step;
        }
    };
    Partition { workers, steps: network.operators().iter().map(step).collect() }
}

/// A link with a tenth of a millisecond of delay.
pub fn link(setup_ms: f64, mbps: f64) -> Link {
    Link { setup_ms, mbps, delay_ms: 0.1 }
}

/// A strategy's plan; ours with little effort.
pub fn plan(problem: &Problem, strategy: Strategy) -> Result<Plan, PartitionError> {
    if strategy == Strategy::Mixed { mixed(problem, Effort::QUICK) } else { strategy.plan(problem) }
}
