//! How many candidates came how far.

use serde::{Deserialize, Serialize};

/// Candidates that passed each stage of the cascade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funnel {
    /// Drawn or bred.
    pub drawn: u64,
    /// Valid, a graph network, within the supernet's widths.
    pub valid: u64,
    /// Within the limits by the table.
    pub by_table: u64,
    /// Within the limits by the learned predictor.
    pub by_predictor: u64,
    /// Architectures whose accuracy was asked for.
    pub evaluated: u64,
}
