//! Why a cooperation gives no answer, or is not begun.

use cleave_contract::MAX_COOPERATION_RUNS;
use cleave_data::DataError;
use cleave_model::ModelError;
use cleave_partition::PartitionError;
use cleave_session::cooperate::{PlanError, RunError};
use thiserror::Error;

use super::crew::Gone;
use crate::partition::WorkersError;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CooperationError {
    /// Workers that did not answer at the beginning, or that refuse their part.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Missing(Vec<Gone>),
    /// There is no plan over those that are there.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The plan cannot be run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run has no answer.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What is wrong with a request, before anything is begun.
#[derive(Debug, Error)]
pub enum RequestError {
    /// Workers or links.
    #[error(transparent)]
    Workers(#[from] WorkersError),
    /// The weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The network's name or chain.
    #[error(transparent)]
    Network(#[from] cleave_graph::GraphError),
    /// Members are all workers but the tab.
    #[error("{members} workers beside this tab for a partition over {workers}")]
    Members {
        /// How many are named.
        members: usize,
        /// How many the partition is for.
        workers: usize,
    },
    /// Too few or too many.
    #[error("{found} runs; choose 1 to {MAX_COOPERATION_RUNS}")]
    Runs {
        /// How many were asked for.
        found: usize,
    },
    /// Workers of one browser are one machine.
    #[error(
        "worker {worker} is to be {slowdown} times slower than this tab, and a worker of this browser cannot be faster \
         than it; choose 1 or more"
    )]
    TooFast {
        /// Its number, from 1.
        worker: usize,
        /// What was asked for.
        slowdown: f64,
    },
    /// Pixels that the network cannot read.
    #[error("{name}: {why}")]
    Image {
        /// What people call it.
        name: String,
        /// What is wrong.
        why: DataError,
    },
}
