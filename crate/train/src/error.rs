//! What can be wrong with a training run, each with what would be right.

use thiserror::Error;

/// Errors of this crate.
#[derive(Debug, Error, Clone, PartialEq)]
pub enum TrainError {
    /// A setting is out of range.
    #[error("{what} is {value}; {wanted} is expected")]
    Setting {
        /// Name of the setting.
        what: &'static str,
        /// The value given.
        value: String,
        /// What would be right.
        wanted: String,
    },
    /// The data does not fit the task.
    #[error("the data has {found}; the network's task needs {expected}")]
    Data {
        /// What the data is.
        found: String,
        /// What the task needs.
        expected: String,
    },
    /// Too few measured pairs, or graphs of different sizes.
    #[error("{n} measured pairs were given; at least 20 of the same number of positions are expected")]
    Pairs {
        /// Pairs given.
        n: usize,
    },
    /// The loss is no number any more.
    #[error("the loss became {loss} in epoch {epoch}, step {step}; a lower learning rate may help")]
    Diverged {
        /// The loss.
        loss: f32,
        /// Epoch, from 0.
        epoch: usize,
        /// Step within the epoch, from 0.
        step: usize,
    },
    /// A checkpoint cannot be used.
    #[error("the checkpoint cannot be used: {why}")]
    Checkpoint {
        /// What is wrong and what would be right.
        why: String,
    },
    /// A tensor could not be read back.
    #[error("a result could not be read back: {why}")]
    ReadBack {
        /// The backend's words.
        why: String,
    },
    /// From the model.
    #[error(transparent)]
    Model(#[from] cleave_model::ModelError),
    /// From the data.
    #[error(transparent)]
    Samples(#[from] cleave_data::DataError),
}
