//! Limits that are kept or cannot be, inputs that are none, and that nothing else ends without a plan.

use crate::cases::{between, limited, link, plan, problem, random_cluster, random_partition, random_speeds, speeds};
use cleave_graph::SplitMix64;
use cleave_graph::{Graph, Partition, zoo};
use cleave_partition::{
    Cluster, Goal, Link, Links, Medium, PartitionError, Plan, Problem, Speed, Speeds, Strategy, Worker, coedge,
};

#[test]
fn limits_of_memory_are_kept() {
    let mut rng = SplitMix64::new(12);
    let mut fitted = [0; 5];
    for case in 0..40 {
        let network = zoo::network(zoo::NETWORKS[case % 4].0).unwrap();
        let workers = 2 + rng.below(3);
        let cluster = random_cluster(&mut rng, workers);
        let times = random_speeds(&mut rng, &network, workers);
        let all = network.parameters().iter().map(|spec| 4 * spec.len()).sum::<u64>() as f64;
        let limits: Vec<Option<u64>> = (0..workers)
            .map(|_| (rng.below(6) > 0).then(|| (all * between(&mut rng, 0.8, 1.7)) as u64 / workers as u64))
            .collect();
        let cluster = limited(&cluster, &limits);
        let problem = problem(&network, &cluster, &times);
        let mut best = f64::INFINITY;
        for (count, strategy) in fitted.iter_mut().zip(Strategy::ALL) {
            match plan(&problem, strategy) {
                Ok(plan) => {
                    *count += 1;
                    assert!(plan.fits(&problem));
                    for (memory, limit) in plan.memory.iter().zip(&limits) {
                        assert!(limit.is_none_or(|limit| memory.peak() <= limit));
                    }
                    assert!(strategy != Strategy::Mixed || plan.total_ms() <= best + 1e-9);
                    best = best.min(plan.total_ms());
                }
                Err(PartitionError::Memory { worker, has_bytes, needs_bytes, .. }) => {
                    assert_eq!(Some(has_bytes), limits[worker]);
                    assert!(needs_bytes > has_bytes);
                    // Where another strategy has found a plan, ours has one.
                    assert!(strategy != Strategy::Mixed || best.is_infinite());
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    println!("of 40: {fitted:?} fit by {:?}", Strategy::ALL.map(Strategy::name));
    assert!(fitted[4] > 20 && fitted[1] < fitted[4], "{fitted:?}");
}

#[test]
fn too_little_memory_is_named() {
    let network = zoo::network("alexnet").unwrap();
    let cluster = Cluster::uniform(3, link(1.0, 100.0), Medium::Switched).unwrap();
    let times = speeds(&network, &[1.0, 1.0, 2.0]);
    let mega = |bytes: u64| Some(bytes * 1_000_000);
    // 244 MB of weights in all.
    let cluster = limited(&cluster, &[mega(60), mega(70), mega(80)]);
    let scarce = problem(&network, &cluster, &times);
    for strategy in Strategy::ALL {
        let why = plan(&scarce, strategy).unwrap_err();
        let PartitionError::Memory { worker, has_bytes, needs_bytes, .. } = &why else { panic!("{why}") };
        assert_eq!(*has_bytes, [60, 70, 80][*worker] * 1_000_000);
        assert!(needs_bytes > has_bytes);
        let text = why.to_string();
        assert!(text.contains(&format!("(\"worker {worker}\") may use")) && text.contains("add a worker"), "{text}");
    }
    // 36 MB more than the weights are enough for channels in unequal parts, and too little for rows.
    let cluster = limited(&cluster, &[mega(60), mega(100), mega(120)]);
    let enough = problem(&network, &cluster, &times);
    for strategy in [Strategy::OutputChannel, Strategy::Iop, Strategy::IopExact, Strategy::Mixed] {
        assert!(plan(&enough, strategy).unwrap().fits(&enough));
    }
    let why = coedge(&enough, Goal::Time).unwrap_err().to_string();
    assert!(why.contains("the least that was found to be needed of it by CoEdge is"), "{why}");
}

#[test]
fn what_is_wrong_is_named() {
    let network = zoo::network("lenet5").unwrap();
    let good = link(1.0, 100.0);
    let cluster = |n, link| Cluster::uniform(n, link, Medium::Shared);
    let pairs = |link| {
        let mut pairs = vec![vec![good; 3]; 3];
        pairs[2][1] = link;
        Cluster::new(["a", "b", "c"].map(Worker::named).to_vec(), Links::Pairs(pairs), Medium::Switched)
    };
    let speed = |speed| Speeds::new(&network, vec![Speed::of_macs(1e9), speed]).unwrap_err().to_string();
    let two = cluster(2, good).unwrap();
    let times = speeds(&network, &[1.0, 1.0]);
    let shares =
        |shares: &[f64]| problem(&network, &two, &times).with_shares(shares.to_vec()).err().unwrap().to_string();
    let watts = Worker { compute_watts: f64::NAN, ..Worker::named("b") };
    for (why, says) in [
        (cluster(0, good).unwrap_err().to_string(), "0 workers; a network is shared by 1 to 16"),
        (cluster(17, good).unwrap_err().to_string(), "17 workers"),
        (cluster(2, link(1.0, 0.0)).unwrap_err().to_string(), "link from worker 0 to worker 1: a rate in Mbps of 0"),
        (pairs(link(1.0, f64::NAN)).unwrap_err().to_string(), "from worker 2 to worker 1: a rate in Mbps of NaN"),
        (pairs(link(-1.0, 1.0)).unwrap_err().to_string(), "a set-up time in ms of -1; it must be a number from 0"),
        (pairs(Link { delay_ms: f64::INFINITY, ..good }).unwrap_err().to_string(), "a delay in ms of inf"),
        (speed(Speed::of_macs(0.0)), "worker 1: a speed in MAC/s of 0; it must be a number above 0"),
        (speed(Speed { fixed_ms: f64::NAN, ..Speed::of_macs(1e9) }), "worker 1: a fixed time in ms of NaN"),
        (shares(&[1.0, 0.0]), "worker 1: a share of 0; it must be a number above 0; leave out a worker"),
        (shares(&[f64::NAN, 1.0]), "worker 0: a share of NaN"),
        (shares(&[1.0]), "1 shares for 2 workers"),
        (
            Cluster::new(vec![Worker::named("a"), watts], Links::Uniform(good), Medium::Shared)
                .unwrap_err()
                .to_string(),
            "worker 1: a power in watts of NaN",
        ),
        (
            Cluster::new(["a", "b", "a"].map(Worker::named).to_vec(), Links::Uniform(good), Medium::Shared)
                .unwrap_err()
                .to_string(),
            "workers 0 and 2 are both named \"a\"",
        ),
        (
            Cluster::new(vec![Worker::named("a")], Links::Pairs(vec![vec![good; 2]]), Medium::Shared)
                .unwrap_err()
                .to_string(),
            "2 rows or columns of links for 1 workers",
        ),
        (two.clone().with_relayed(&[(0, 1)]).unwrap_err().to_string(), "workers 0 and 1 cannot be relayed by worker 0"),
        (two.only(&[0, 2]).unwrap_err().to_string(), "there is no worker 2; there are 2, numbered from 0"),
        ("best".parse::<Strategy>().unwrap_err().to_string(), "no strategy \"best\"; there are output-channel, coedge"),
    ] {
        assert!(why.contains(says), "{why}");
    }
    let three = cluster(3, good).unwrap();
    let why = Problem::new(&network, &three, &times).err().unwrap().to_string();
    assert!(why.contains("worker 2 is said to take NaN ms for operator 0"), "{why}");
    let other = Plan::new(&problem(&network, &two, &times), Partition::whole(3, 5, 0)).unwrap_err();
    assert_eq!(other, PartitionError::Workers { workers: 3 });
    assert!(Strategy::ALL.iter().all(|strategy| strategy.to_string().parse() == Ok(*strategy)));
}

/// A time that is none names whose it is, before anything is planned.
#[test]
fn injected_times_are_looked_at() {
    struct Broken(f64);
    impl cleave_partition::ComputeTimes for Broken {
        fn layer_ms(&self, worker: usize, operator: usize, _: usize, _: &cleave_graph::Region) -> f64 {
            if (worker, operator) == (1, 3) { self.0 } else { 0.0 }
        }
        fn tail_ms(&self, _: usize, _: usize, _: &cleave_graph::Region) -> f64 {
            0.0
        }
        fn add_ms(&self, _: usize, _: u64) -> f64 {
            0.0
        }
    }
    let network = zoo::network("lenet5").unwrap();
    let cluster = Cluster::uniform(2, Link::FREE, Medium::Shared).unwrap();
    let why = |ms: f64| Problem::new(&network, &cluster, &Broken(ms)).err().unwrap().to_string();
    assert_eq!(why(f64::NAN), "worker 1 is said to take NaN ms for operator 3; a time is a number from 0");
    assert!(why(-1.0).contains("worker 1 is said to take -1 ms"));
    assert!(why(1.0).contains("worker 0: a time in ms for the whole network of 0; it must be a number above 0"));
}

/// Small networks, many workers, links without time, memories without room: there is a plan that fits, or a limit is
/// named.
#[test]
fn odd_cases_end_with_a_plan_or_with_a_limit() {
    let chains = [
        "3x1x1: flatten, linear 2",
        "1x1x9: conv 1 k1",
        "2x5x3: conv 2 k3 p2, lrn 3, maxpool 2, conv 3 k2 s2 p1, norm, flatten, linear 1",
        "4x7x7: lrn 3",
        "1x16x16: conv 3 k7 p6 s3, relu, conv 2 k5 p4, avgpool 3 s1, conv 1 k1",
    ];
    let mut rng = SplitMix64::new(13);
    for case in 0..60 {
        let network: Graph = chains[case % 5].parse().unwrap();
        let workers = [1, 2, 3, 5, 16][rng.below(5)];
        let cluster = match rng.below(3) {
            0 => Cluster::uniform(workers, Link::FREE, Medium::Shared).unwrap(),
            _ => random_cluster(&mut rng, workers),
        };
        let limits: Vec<Option<u64>> =
            (0..workers).map(|_| (rng.below(3) == 0).then(|| rng.below(3000) as u64)).collect();
        let is_limited = rng.below(2) == 0;
        let cluster = if is_limited { limited(&cluster, &limits) } else { cluster };
        let fixed_ms = [0.0, 1.0][rng.below(2)];
        let times = (0..workers).map(|_| Speed { fixed_ms, ..Speed::of_macs(between(&mut rng, 1e2, 1e7)) }).collect();
        let times = Speeds::new(&network, times).unwrap();
        let problem = problem(&network, &cluster, &times);
        for strategy in Strategy::ALL {
            match plan(&problem, strategy) {
                Ok(plan) => assert!(plan.fits(&problem) && plan.total_ms().is_finite(), "{strategy}"),
                Err(PartitionError::Memory { worker, .. }) => assert!(is_limited && limits[worker].is_some()),
                Err(other) => panic!("{network} by {strategy} over {workers}: {other}"),
            }
        }
        for limit_ms in [f64::NAN, 0.0, 1.0, f64::INFINITY] {
            match coedge(&problem, Goal::Energy { limit_ms }) {
                Ok(plan) => assert!(plan.total_ms() <= limit_ms),
                Err(PartitionError::Latency { least_ms, .. }) => assert!(least_ms.is_finite()),
                Err(PartitionError::Memory { .. }) => assert!(is_limited),
                Err(other) => panic!("{network} over {workers}: {other}"),
            }
        }
        let any = random_partition(&mut rng, &network, workers);
        assert!(Plan::new(&problem, any).unwrap().total_ms().is_finite());
    }
}
