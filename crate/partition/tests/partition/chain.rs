//! Greedy segmentation against the exact one, and the exact one against all there are.

use crate::cases::{problem, random_cluster, random_speeds};
use cleave_graph::SplitMix64;
use cleave_graph::zoo;
use cleave_partition::{Chain, Gap, chain};

/// All segments of so many operators.
fn all_segments(operators: usize) -> Vec<Vec<usize>> {
    match operators {
        0 => vec![Vec::new()],
        _ => {
            let first = |length: usize| {
                let rest = operators.checked_sub(length).map(all_segments).unwrap_or_default();
                rest.into_iter().map(move |rest| [vec![length], rest].concat())
            };
            first(1).chain(first(2)).collect()
        }
    }
}

#[test]
fn by_hand() {
    // Greedy takes the first pair for a gain of 1 and loses the second, which gains 9.
    let chain = Chain { alone: vec![5.0, 10.0, 5.0], pair: vec![Some(14.0), Some(6.0)] };
    assert_eq!((chain.greedy(), chain.exact()), (vec![2, 1], vec![1, 2]));
    assert_eq!((chain.cost(&[2, 1]), chain.cost(&[1, 2])), (19.0, 11.0));
    let gap = Gap::of([chain]);
    assert_eq!((gap.chains, gap.with_gap, gap.max), (1, 1.0, 19.0 / 11.0 - 1.0));
    let illegal = Chain { alone: vec![1.0, 1.0], pair: vec![None] };
    assert_eq!((illegal.greedy(), illegal.exact()), (vec![1, 1], vec![1, 1]));
    assert_eq!(illegal.cost(&[2]), f64::INFINITY);
    assert_eq!(Gap::of([]), Gap::default());
}

#[test]
fn exact_is_the_cheapest_of_all() {
    let mut rng = SplitMix64::new(21);
    assert_eq!(all_segments(11).len(), 144); // Fibonacci
    for _ in 0..500 {
        let operators = 1 + rng.below(11);
        let chain = Chain::random(&mut rng, operators);
        let least = all_segments(operators).iter().map(|s| chain.cost(s)).fold(f64::INFINITY, f64::min);
        assert!((chain.cost(&chain.exact()) - least).abs() < 1e-9);
    }
}

#[test]
fn greedy_against_exact_over_random_chains() {
    let mut rng = SplitMix64::new(22);
    let gap = Gap::of((0..20_000).map(|_| {
        let operators = 2 + rng.below(19);
        Chain::random(&mut rng, operators)
    }));
    println!("random costs: {gap:?}");
    assert_eq!(gap.chains, 20_000);
    // Never worse, but for sums in another order; a pair saves half at most, so that greedy is never twice as dear.
    assert!(gap.min > -1e-12 && gap.with_gap > 0.3 && gap.max < 1.0, "{gap:?}");
}

#[test]
fn greedy_against_exact_over_networks_and_clusters() {
    let mut rng = SplitMix64::new(23);
    let gap = Gap::of((0..1_200).map(|case| {
        let network = zoo::network(zoo::NETWORKS[case % 4].0).unwrap();
        let workers = 2 + rng.below(4);
        let cluster = random_cluster(&mut rng, workers);
        let times = random_speeds(&mut rng, &network, workers);
        chain(&problem(&network, &cluster, &times)).unwrap()
    }));
    println!("networks on clusters: {gap:?}");
    assert!(gap.min > -1e-12 && gap.with_gap > 0.0, "{gap:?}");
}
