//! What the browser's callbacks put into the worker's mailbox.

use crate::engine::{Choice, Gpu};
use cleave_app::effect;
use cleave_app::operators::OperatorTimes;
use cleave_app::partition::Planned;
use cleave_contract::{Backend, Intent, PartitionRequest, Preference};

/// What can happen to the worker.
pub enum Input {
    /// The page wants something.
    Intent(Intent),
    /// An engine has been chosen for this preference.
    Chosen(Preference, Box<(Option<Gpu>, Choice)>),
    /// WebGPU is lost.
    LostGpu(String),
    /// For the application.
    App(effect::Input),
    /// What an image network's operators take on this engine.
    OperatorTimes(Backend, OperatorTimes),
    /// What every strategy makes of a request is on show.
    Planned(PartitionRequest, Box<Planned>),
}
