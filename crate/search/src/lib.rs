//! Searches for a network and its mapping to two tiers together.
//!
//! A [`Search`] is a state that is driven: [`Search::advance`] works through one small, fixed portion of candidates,
//! pricing them with whatever [`Pricer`] it is given, and says when it wants accuracies, which [`Search::evaluated`] takes.
//! It knows no tensors, no clock and no thread, so that it runs in a worker as in a process, stops between any two
//! portions, and goes on from its own JSON. The same settings, prices and accuracies give the same search.
//!
//! Strategies: GCoDE's constraint-based random search over operations and communicates, HGNAS's two stages of evolution
//! (functions of the two halves, then operations), NSGA-II over all objectives as the reference, and every string of a
//! small space. The papers leave much of theirs open; what is filled in is a reconstruction and named so.

mod archive;
mod funnel;
mod genes;
mod goal;
mod search;
mod strategy;
mod surrogate;

pub use archive::{Design, crowding, fronts};
pub use funnel::Funnel;
pub use genes::{Genes, Space};
pub use goal::{Binding, Limit, Limits, Metrics};
pub use search::{Budget, FURNITURE, Pricer, Search, SearchError, Settings, Step};
pub use strategy::Strategy;
pub use surrogate::Surrogate;
