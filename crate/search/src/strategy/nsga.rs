//! NSGA-II (Deb, Pratap, Agarwal and Meyarivan 2002): a population that is kept by non-dominated sorting and crowding,
//! limits by constraint domination. Accuracies are known or guessed; the search judges the best of what passes by.

use crate::archive::{crowding, fronts, objectives};
use crate::goal::Metrics;
use crate::search::{Bench, Candidate};
use cleave_arch::{Plan, SplitMix64};
use serde::{Deserialize, Serialize};

/// Designs that live on.
const POPULATION: usize = 96;

/// The population as text, with the generation's number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nsga {
    population: Vec<(String, Metrics)>,
    generation: u64,
}

impl Nsga {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Every plan that is kept as text.
    pub(crate) fn texts(&mut self) -> Vec<&mut String> {
        self.population.iter_mut().map(|(text, _)| text).collect()
    }

    /// One generation.
    pub(crate) fn portion(&mut self, bench: &mut Bench, n: usize) -> Vec<Candidate> {
        let mut all = bench.again(&self.population);
        let parents: Vec<Plan> = all.iter().map(|candidate| candidate.plan.clone()).collect();
        // Before accuracies tell designs apart, only the fastest would live on.
        let knows = bench.known.len() >= bench.settings.budget.sample();
        let children: Vec<Option<Plan>> = if parents.len() < 2 || !knows {
            (0..n).map(|_| bench.space.draw(&mut bench.rng)).collect()
        } else {
            (0..n).map(|_| child(&parents, bench)).collect()
        };
        let children = bench.price(children, true);
        all.extend(children.iter().filter(|child| !parents.contains(&child.plan)).cloned());
        self.population = select(&all, bench).into_iter().map(|at| all[at].kept()).collect();
        self.generation += 1;
        children
    }
}

/// Of two tournaments' winners; parents are in the order of their rank, so that the lower place wins.
fn child(parents: &[Plan], bench: &mut Bench) -> Option<Plan> {
    // One in eight is new, so that no function is lost for good.
    if bench.rng.below(8) == 0 {
        return bench.space.draw(&mut bench.rng);
    }
    let winner = |rng: &mut SplitMix64| rng.below(parents.len()).min(rng.below(parents.len()));
    let (a, b) = (winner(&mut bench.rng), winner(&mut bench.rng));
    let crossed = bench.space.cross(&parents[a], &parents[b], None, &mut bench.rng);
    bench.space.mutate(crossed.as_ref().unwrap_or(&parents[a]), None, &mut bench.rng)
}

/// Places of those that live on, best first.
fn select(all: &[Candidate], bench: &Bench) -> Vec<usize> {
    let points: Vec<[f64; 4]> = all
        .iter()
        .map(|candidate| objectives(&candidate.metrics, bench.accuracy(candidate.plan.architecture())))
        .collect();
    let excess: Vec<f64> = all.iter().map(|candidate| candidate.excess).collect();
    let front = fronts(&points, &excess);
    let mut chosen = Vec::new();
    for level in 0.. {
        let mut here: Vec<usize> = (0..all.len()).filter(|at| front[*at] == level).collect();
        if here.is_empty() || chosen.len() >= POPULATION {
            break;
        }
        let distance = crowding(&here.iter().map(|at| points[*at]).collect::<Vec<_>>());
        let mut order: Vec<usize> = (0..here.len()).collect();
        order.sort_by(|a, b| distance[*b].total_cmp(&distance[*a]));
        here = order.into_iter().map(|at| here[at]).collect();
        here.truncate(POPULATION - chosen.len());
        chosen.extend(here);
    }
    chosen
}
