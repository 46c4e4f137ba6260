//! A search under way, whoever drives it: slices between messages in a tab, a loop in the command. The shell brings the
//! clock and evaluates one architecture after another; what is searched for, in which order, what is told of it and when it
//! is saved is decided here, so that both find the same designs.

mod references;
mod request;
mod shared;

pub use references::{Reference, references};
pub use request::Request;
pub use shared::{SharedError, SharedSearch};

use crate::pricing::SearchPrices;
use cleave_arch::{Architecture, Halves, Task};
use cleave_contract as contract;
use cleave_search::{Binding, Limit, Metrics, Search, SearchError, Settings, Step, Strategy};
use thiserror::Error;

/// Milliseconds between two reports, and between two saved states.
const REPORT_MS: f64 = 250.0;
const SAVE_MS: f64 = 1000.0;
/// An accuracy that nobody knows.
const UNKNOWN: f64 = -1.0;

/// Why a search does not begin or go on.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RunError {
    /// Settings out of range, or a state that is none.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// Accuracies of two sets would be compared.
    #[error("it was evaluated on {before}, not on {now}")]
    OtherSet {
        /// The search's.
        before: String,
        /// What is there.
        now: String,
    },
    /// A supernet of HGNAS's second stage alone.
    #[error("the supernet knows architectures with the functions {functions} alone; search in stages")]
    Functions {
        /// Which.
        functions: String,
    },
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Look at other things, then take the next slice.
    Working,
    /// Evaluate this one and tell [`SearchRun::evaluated`].
    Evaluate(Architecture),
    /// Nothing, until the accuracy that was asked for is here.
    Waiting,
    /// It has ended.
    Done,
}

/// A search with its prices, and what was told of it.
pub struct SearchRun {
    search: Search,
    prices: SearchPrices,
    references: Vec<Reference>,
    /// An accuracy was asked for and is not here yet.
    waits: bool,
    priced: u64,
    pricing_ms: f64,
    reported_ms: Option<f64>,
    saved_ms: Option<f64>,
}

impl SearchRun {
    /// A search from its beginning; `functions` are those that the supernet knows alone.
    ///
    /// # Errors
    /// Settings out of range, or another strategy than the supernet was trained for.
    pub fn new(
        settings: Settings,
        task: &Task,
        functions: Option<Halves>,
        prices: SearchPrices,
    ) -> Result<Self, RunError> {
        let strategy = settings.strategy;
        let mut search = Search::new(settings, task)?;
        match functions {
            Some(functions) if strategy != Strategy::Stages => {
                return Err(RunError::Functions { functions: functions.to_string() });
            }
            Some(functions) => search.fix(functions),
            None => {}
        }
        Ok(Self::with(search, prices))
    }

    /// A saved search goes on, on the set that it was evaluated on.
    ///
    /// # Errors
    /// A text that is no saved search, or another set.
    pub fn resume(json: &str, set: &str, prices: SearchPrices) -> Result<Self, RunError> {
        Self::go_on(Search::from_json(json)?, set, prices)
    }

    /// The same for a state that has been read.
    ///
    /// # Errors
    /// Another set than its own.
    pub fn go_on(search: Search, set: &str, prices: SearchPrices) -> Result<Self, RunError> {
        let before = &search.settings().judge;
        if before != set {
            return Err(RunError::OtherSet { before: before.clone(), now: set.into() });
        }
        Ok(Self::with(search, prices))
    }

    fn with(search: Search, prices: SearchPrices) -> Self {
        let references = references(&prices, &search.settings().codec);
        let (waits, priced, pricing_ms, reported_ms, saved_ms) = (false, 0, 0.0, None, None);
        Self { search, prices, references, waits, priced, pricing_ms, reported_ms, saved_ms }
    }

    /// Works through portions until `now` has gone on by `budget_ms`, or an accuracy is needed; at least one portion.
    pub fn slice(&mut self, budget_ms: f64, mut now: impl FnMut() -> f64) -> Turn {
        if self.waits {
            return Turn::Waiting;
        }
        let (began, before) = (now(), self.search.funnel().drawn);
        let mut passed;
        let turn = loop {
            let step = self.search.advance(&self.prices);
            passed = now() - began;
            match step {
                Step::Done => break Turn::Done,
                Step::Evaluate(asked) => match asked.into_iter().next() {
                    Some(architecture) => break Turn::Evaluate(architecture),
                    None => break Turn::Done,
                },
                Step::Working if passed >= budget_ms => break Turn::Working,
                Step::Working => {}
            }
        };
        self.waits = matches!(turn, Turn::Evaluate(_));
        self.pricing_ms += passed;
        self.priced += self.search.funnel().drawn - before;
        turn
    }

    /// Takes the accuracy, 0..=1, of the architecture that was asked for.
    pub fn evaluated(&mut self, architecture: &Architecture, accuracy: f64) {
        self.waits = false;
        self.search.evaluated(architecture, accuracy);
    }

    /// The search itself.
    pub fn search(&self) -> &Search {
        &self.search
    }

    /// DGCNN under the same conditions.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Candidates a second, evaluations left out.
    pub fn per_second(&self) -> f64 {
        if self.pricing_ms > 0.0 { self.priced as f64 / self.pricing_ms * 1e3 } else { 0.0 }
    }

    /// The state when it is to be saved: about once a second, and at the end.
    pub fn state(&mut self, now_ms: f64, running: bool) -> Option<String> {
        let due = !running || self.saved_ms.is_none_or(|saved| now_ms - saved >= SAVE_MS);
        due.then(|| {
            self.saved_ms = Some(now_ms);
            self.search.to_json()
        })
    }

    /// What the page is told, a few times a second and at the end; `None` in between.
    pub fn report(&mut self, now_ms: f64, running: bool) -> Option<contract::Search> {
        if running && self.reported_ms.is_some_and(|reported| now_ms - reported < REPORT_MS) {
            return None;
        }
        self.reported_ms = Some(now_ms);
        let state = self.state(now_ms, running);
        let (search, funnel) = (&self.search, self.search.funnel());
        Some(contract::Search {
            running,
            stage: search.stage(),
            drawn: funnel.drawn,
            wanted: search.settings().budget.candidates,
            valid: funnel.valid,
            by_table: funnel.by_table,
            by_predictor: funnel.by_predictor,
            evaluated: funnel.evaluated,
            judged_on: search.settings().judge.clone(),
            per_second: self.per_second(),
            designs: search.zoo().iter().map(|found| design(&found.plan, found.accuracy, found.metrics)).collect(),
            slowdown: self.prices.prices().slowdown(),
            references: self.references.iter().map(Reference::view).collect(),
            binding: search.binding().map(binding),
            state,
        })
    }
}

fn design(plan: &str, accuracy: f64, metrics: Metrics) -> contract::Design {
    let Metrics { latency_ms, energy_mj, device_bytes, edge_bytes, link_bytes } = metrics;
    contract::Design {
        plan: plan.into(),
        accuracy,
        latency_ms,
        energy_millijoules: energy_mj,
        device_peak_bytes: device_bytes,
        edge_peak_bytes: edge_bytes,
        link_bytes,
    }
}

fn binding(Binding { limit, bound, best }: Binding) -> contract::Binding {
    let limit = match limit {
        Limit::LatencyMs => contract::Limit::Latency,
        Limit::EnergyMj => contract::Limit::Energy,
        Limit::DeviceBytes => contract::Limit::DeviceMemory,
        Limit::EdgeBytes => contract::Limit::EdgeMemory,
        Limit::LinkBytes => contract::Limit::LinkBytes,
    };
    contract::Binding { limit, bound, best }
}

#[cfg(test)]
pub(crate) mod tests;
