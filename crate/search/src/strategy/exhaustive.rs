//! Every string of a small space, in lexical order. Functions are fixed: a good one for each operation.

use crate::search::{Bench, Candidate};
use cleave_arch::space::{Functions, Sampler};
use cleave_arch::{GraphSource, Halves};
use serde::{Deserialize, Serialize};

/// Skip, combine 64, max of `[x_i ‖ x_j − x_i]`, kNN, max ‖ mean.
const GOOD: [u8; 5] = [1, 3, 6, 0, 3];

/// The next rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exhaustive {
    positions: usize,
    next: u64,
    all: u64,
}

impl Exhaustive {
    pub(crate) fn new(positions: usize, graph: GraphSource) -> Self {
        Self { positions, next: 0, all: Sampler::of_length(positions, Functions::Supernet, graph).n_strings() }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.next >= self.all
    }

    pub(crate) fn words(&self) -> String {
        format!("string {} of {}", self.next, self.all)
    }

    pub(crate) fn portion(&mut self, bench: &mut Bench, n: usize) -> Vec<Candidate> {
        let sampler = Sampler::of_length(self.positions, Functions::Supernet, bench.space.task().graph);
        let halves = Halves { upper: GOOD, lower: GOOD };
        let end = self.all.min(self.next + n as u64);
        let plans = (self.next..end).map(|rank| bench.space.ranked(&sampler, rank, &halves)).collect();
        self.next = end;
        bench.price(plans, false)
    }
}
