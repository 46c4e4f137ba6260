//! How candidates are made: four strategies, each a small state that is saved with the search.

mod exhaustive;
mod nsga;
mod stages;

use crate::search::{Bench, Candidate, SearchError};
use cleave_arch::{GraphSource, Halves};
use exhaustive::Exhaustive;
use nsga::Nsga;
use serde::{Deserialize, Serialize};
use stages::Stages;
use std::collections::BTreeMap;

/// Longest strings that are tried one and all.
const MOST_POSITIONS: usize = 8;

/// How candidates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// GCoDE: uniform draws of operations and communicates, filtered by the constraints.
    Random,
    /// HGNAS: evolution of functions for the two halves by accuracy alone, then of operations under the constraints.
    Stages,
    /// NSGA-II (Deb et al. 2002) over accuracy, latency, energy and memory: the reference.
    Nsga,
    /// Every string of so many positions, with one function for each operation.
    Exhaustive {
        /// Positions, communicates counted.
        positions: usize,
    },
}

impl Strategy {
    pub(crate) fn check(&self) -> Result<(), SearchError> {
        match self {
            Self::Exhaustive { positions } if !(1..=MOST_POSITIONS).contains(positions) => Err(SearchError::Setting {
                what: "positions",
                value: positions.to_string(),
                wanted: "1 to 8 for a search of every string",
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn begin(&self, graph: GraphSource) -> Progress {
        match self {
            Self::Random => Progress::Random,
            Self::Stages => Progress::Stages(Box::default()),
            Self::Nsga => Progress::Nsga(Nsga::default()),
            Self::Exhaustive { positions } => Progress::Exhaustive(Exhaustive::new(*positions, graph)),
        }
    }
}

/// Where a strategy stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Progress {
    Random,
    Stages(Box<Stages>),
    Nsga(Nsga),
    Exhaustive(Exhaustive),
}

impl Progress {
    /// About `n` more candidates, priced; those outside the limits may be among them.
    pub(crate) fn portion(&mut self, bench: &mut Bench, n: usize) -> Vec<Candidate> {
        match self {
            Self::Random => {
                let plans = (0..n).map(|_| bench.space.draw(&mut bench.rng)).collect();
                bench.price(plans, false)
            }
            Self::Stages(stages) => stages.portion(bench, n),
            Self::Nsga(nsga) => nsga.portion(bench, n),
            Self::Exhaustive(exhaustive) => exhaustive.portion(bench, n),
        }
    }

    /// The functions of HGNAS's second stage, once there are any.
    pub(crate) fn functions(&self) -> Option<Halves> {
        if let Self::Stages(stages) = self { stages.functions() } else { None }
    }

    /// HGNAS's second stage begins with these functions; other strategies fix none.
    pub(crate) fn fix(&mut self, halves: Halves) {
        if let Self::Stages(stages) = self {
            stages.fix(halves);
        }
    }

    /// Architectures whose accuracy the strategy itself needs next.
    pub(crate) fn wanted(&self, known: &BTreeMap<String, f64>) -> Vec<String> {
        if let Self::Stages(stages) = self { stages.wanted(known) } else { Vec::new() }
    }

    /// Every plan that is kept as text.
    pub(crate) fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::Random | Self::Exhaustive(_) => Vec::new(),
            Self::Stages(stages) => stages.texts(),
            Self::Nsga(nsga) => nsga.texts(),
        }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        matches!(self, Self::Exhaustive(exhaustive) if exhaustive.is_done())
    }

    pub(crate) fn words(&self) -> String {
        match self {
            Self::Random => "drawing".into(),
            Self::Stages(stages) => stages.words(),
            Self::Nsga(nsga) => format!("generation {}", nsga.generation()),
            Self::Exhaustive(exhaustive) => exhaustive.words(),
        }
    }
}
