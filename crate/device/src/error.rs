//! What can fail in this tab, in words for people.

use crate::browser::describe;
use cleave_arch::ArchError;
use cleave_model::ModelError;
use cleave_partition::PartitionError;
use thiserror::Error;
use wasm_bindgen::JsValue;

/// Errors of this crate.
#[derive(Clone, Debug, Error)]
pub enum DeviceError {
    /// JavaScript threw.
    #[error("{0}")]
    Thrown(String),
    /// The server does not send a file.
    #[error("the server answered {status} for {url}")]
    NotServed {
        /// HTTP's.
        status: u16,
        /// The file's.
        url: String,
    },
    /// WebGPU is not there, is lost, or computes something else than the CPU.
    #[error("{0}")]
    Gpu(String),
    /// A text that is no architecture.
    #[error(transparent)]
    Text(#[from] ArchError),
    /// A network cannot be run, or not be read back.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A shipped file, by its name, is not what it should be.
    #[error("{0}: {1}")]
    File(&'static str, ModelError),
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PartitionError),
    /// The system gives no random numbers.
    #[error("there are no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// A worker that cannot be reached like this.
    #[error("worker {worker}: \"{url}\" is no address; an address is ws://HOST:PORT")]
    Address {
        /// Its number, from 1.
        worker: usize,
        /// What was given.
        url: String,
    },
    /// An engine that is called is there no more.
    #[error("it has ended")]
    Ended,
}

impl From<JsValue> for DeviceError {
    fn from(thrown: JsValue) -> Self {
        Self::Thrown(describe(&thrown))
    }
}
