//! HGNAS's two stages. First the functions: a set for each half of the positions is bred by accuracy alone, each set judged
//! by architectures with random operations. Then the operations, under the constraints: a candidate that breaks one is
//! worth nothing, any other α·accuracy − β·(latency/limit + memory/limit). Sizes of populations and α, β are ours.

use crate::genes::{draw_halves, mutated};
use crate::goal::Metrics;
use crate::search::{Bench, Candidate};
use cleave_arch::{Halves, Plan, SplitMix64};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Sets of functions that the first stage judges, those that it begins with, and architectures that judge one.
const SETS: usize = 8;
const FIRST: usize = 4;
const JUDGES: usize = 2;
/// Population of the second stage.
const POPULATION: usize = 64;
/// Latency that counts as 1 without a limit, milliseconds, and memory, bytes.
const LATENCY: f64 = 100.0;
const MEMORY: f64 = 64e6;

/// The saved form of functions.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Halves")]
struct Saved {
    upper: [u8; 5],
    lower: [u8; 5],
}

/// Functions as they are saved.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Chosen(#[serde(with = "Saved")] Halves);

/// A set of functions with the architectures that judge it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Set {
    halves: Chosen,
    judges: Vec<String>,
}

/// Where the stages stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stages {
    sets: Vec<Set>,
    chosen: Option<Chosen>,
    population: Vec<(String, Metrics)>,
    generation: u64,
}

impl Stages {
    pub(crate) fn words(&self) -> String {
        match self.chosen {
            None => format!("stage 1, functions: set {} of {SETS}", self.sets.len()),
            Some(_) => format!("stage 2, operations: generation {}", self.generation),
        }
    }

    /// The functions of the second stage, once there are any.
    pub(crate) fn functions(&self) -> Option<Halves> {
        self.chosen.map(|Chosen(halves)| halves)
    }

    /// Every plan that is kept as text.
    pub(crate) fn texts(&mut self) -> Vec<&mut String> {
        let judges = self.sets.iter_mut().flat_map(|set| &mut set.judges);
        judges.chain(self.population.iter_mut().map(|(text, _)| text)).collect()
    }

    /// The second stage begins with these functions.
    pub(crate) fn fix(&mut self, halves: Halves) {
        self.chosen = Some(Chosen(halves));
    }

    /// The first stage's judges that are not judged yet.
    pub(crate) fn wanted(&self, known: &BTreeMap<String, f64>) -> Vec<String> {
        let judges = self.sets.iter().filter(|_| self.chosen.is_none()).flat_map(|set| &set.judges);
        judges.filter(|text| !known.contains_key(*text)).cloned().collect()
    }

    pub(crate) fn portion(&mut self, bench: &mut Bench, n: usize) -> Vec<Candidate> {
        let Some(Chosen(halves)) = self.chosen else {
            self.next_set(bench);
            return Vec::new();
        };
        let mut all = bench.again(&self.population);
        let parents: Vec<Plan> = all.iter().map(|candidate| candidate.plan.clone()).collect();
        let children: Vec<Option<Plan>> = (0..n).map(|_| child(&parents, &halves, bench)).collect();
        let children = bench.price(children, true);
        all.extend(children.iter().filter(|child| !parents.contains(&child.plan)).cloned());
        let mut valued: Vec<(f64, Candidate)> =
            all.into_iter().map(|candidate| (worth(&candidate.plan, &candidate.metrics, bench), candidate)).collect();
        valued.sort_by(|a, b| b.0.total_cmp(&a.0));
        self.population = valued.iter().take(POPULATION).map(|(_, candidate)| candidate.kept()).collect();
        self.generation += 1;
        children
    }

    /// Another set of functions; after the last one the best is chosen.
    fn next_set(&mut self, bench: &mut Bench) {
        bench.funnel.drawn += 1;
        let accuracy = |set: &Set| set.judges.iter().filter_map(|text| bench.known.get(text)).sum::<f64>();
        let best = self.sets.iter().max_by(|a, b| accuracy(a).total_cmp(&accuracy(b))).map(|set| set.halves);
        if self.sets.len() >= SETS {
            self.chosen = best;
            return;
        }
        let rng = &mut bench.rng;
        let halves = match best {
            Some(Chosen(best)) if self.sets.len() >= FIRST => mutated(best, rng),
            _ => draw_halves(rng),
        };
        let judge = |rng: &mut SplitMix64| {
            let drawn = (0..2_000).find_map(|_| bench.space.draw_with(&halves, rng));
            drawn.map(|plan| plan.architecture().to_string())
        };
        let judges: Vec<String> = (0..JUDGES).filter_map(|_| judge(rng)).collect();
        // Functions that make every string too wide judge themselves.
        if judges.len() == JUDGES {
            self.sets.push(Set { halves: Chosen(halves), judges });
        }
    }
}

fn child(parents: &[Plan], halves: &Halves, bench: &mut Bench) -> Option<Plan> {
    if parents.len() < 2 || bench.rng.below(8) == 0 {
        return bench.space.draw_with(halves, &mut bench.rng);
    }
    // The population is sorted: of two, the one before is better.
    let winner = |rng: &mut SplitMix64| rng.below(parents.len()).min(rng.below(parents.len()));
    let (a, b) = (winner(&mut bench.rng), winner(&mut bench.rng));
    let crossed = bench.space.cross(&parents[a], &parents[b], Some(halves), &mut bench.rng);
    bench.space.mutate(crossed.as_ref().unwrap_or(&parents[a]), Some(halves), &mut bench.rng)
}

/// HGNAS's objective; what breaks a limit has less than nothing, the more it breaks.
fn worth(plan: &Plan, metrics: &Metrics, bench: &Bench) -> f64 {
    let limits = &bench.settings.limits;
    let excess = limits.excess(metrics);
    if excess > 0.0 {
        return -excess;
    }
    let latency = metrics.latency_ms / limits.latency_ms.unwrap_or(LATENCY);
    let memory = metrics.device_bytes as f64 / limits.device_bytes.unwrap_or(MEMORY);
    bench.accuracy(plan.architecture()) - 0.5 * bench.settings.weight * (latency + memory)
}
