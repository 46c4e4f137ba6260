//! What happens to the application, and what its shell is to do: the two sides of [`crate::App::handle`].

use crate::evaluation::Batch;
use crate::network::Network;
use crate::simulated::EdgeJobDone;
use cleave_arch::array::Array;
use cleave_arch::{Architecture, Probe, Segment};
use cleave_contract::{EngineTime, Event, Intent, Preference};
use cleave_model::{SupernetWeights, Weights};
pub use cleave_session::SocketEvent;
use cleave_session::{EngineError, FrameReport, Measured, Micros};
use std::rc::Rc;
use std::sync::Arc;
use thiserror::Error;

/// What has happened.
pub enum Input {
    /// A person wants something.
    Intent(Intent),
    /// A socket says something.
    Socket {
        /// Its number.
        connection: u32,
        /// What.
        event: SocketEvent,
    },
    /// The answer to [`Effect::Compute`].
    Computed(Done),
    /// The answer to [`Effect::ChooseEngine`]: every network that is held runs on it from now on, or why it cannot.
    Engine(Preference, Result<Engine, EngineError>),
    /// The answer to [`Effect::Fetch`].
    Fetched(File, Result<Vec<u8>, FetchError>),
    /// The answer to [`Effect::Prepare`].
    Prepared(Ticket, Arc<Network>, Result<(), EngineError>),
    /// The answer to [`Effect::Probe`]; `None`: this engine cannot run it.
    Probed(u32, Option<Measured>),
    /// The answer to [`Effect::Derive`]: the weights with their statistics.
    Derived(Purpose, Result<Weights, EngineError>),
    /// The answer to [`Effect::Classify`]: logits, flat `[n, classes]`.
    Classified(u32, Result<Vec<f32>, EngineError>),
    /// The answer to [`Effect::Continue`].
    Continue,
    /// Something may be due.
    Tick,
}

/// The engine in use.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Which.
    pub backend: cleave_contract::Backend,
    /// Why, in one sentence.
    pub reason: String,
    /// Those that were measured.
    pub measured: Vec<EngineTime>,
}

/// A file of the page, or of the folder that stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum File {
    /// A network that was asked for by name.
    Network(Ticket),
    /// The list of shipped networks.
    Index,
    /// The learned predictor.
    Predictor,
    /// The supernet.
    Supernet,
}

/// Why a file does not come. Where files are is the shell's, so it is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FetchError(String);

impl FetchError {
    /// The shell's word.
    pub fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// What a network is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticket {
    /// To be the network, with the number of the request: an earlier one that ends later is stale.
    Current(u32),
    /// To be one of the dispatcher's, by its place in the list.
    Zoo(usize),
}

/// What an architecture's part of the supernet is wanted for, with the number of the search or the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be evaluated: it stays on the engine for [`Effect::Classify`], until the next one is derived for this.
    Evaluation(u32),
    /// To be run.
    Deployment(u32),
}

/// What is to be done with a socket to the edge.
#[derive(Debug)]
pub enum SocketEffect {
    /// Open a socket; what it says comes as [`Input::Socket`].
    Connect {
        /// Its number.
        connection: u32,
        /// Where.
        url: String,
    },
    /// Close it.
    Disconnect {
        /// Its number.
        connection: u32,
    },
    /// Write a message, in order and not before `at`.
    Send {
        /// The socket's number.
        connection: u32,
        /// The earliest moment, to a fraction of a millisecond.
        at: Micros,
        /// The whole message.
        bytes: Vec<u8>,
    },
}

/// What the shell is to do.
pub enum Effect {
    /// Tell the page.
    Tell(Event),
    /// Something with a socket.
    Socket(SocketEffect),
    /// Run this on the engine; [`Input::Computed`] tells, always.
    Compute(Job),
    /// Have the engine ready for this network as long as somebody holds it; [`Input::Prepared`] tells.
    Prepare(Ticket, Arc<Network>),
    /// Choose an engine; [`Input::Engine`] tells.
    ChooseEngine(Preference),
    /// What is computed for the device takes so many times as long from now on.
    SlowDown(f64),
    /// Fetch a file, by its path below the page's address; [`Input::Fetched`] tells.
    Fetch(File, String),
    /// Measure this on the device's engine; [`Input::Probed`] tells.
    Probe {
        /// Its number.
        id: u32,
        /// What.
        probe: Probe,
        /// How often, after the warm-up.
        runs: usize,
    },
    /// Take an architecture's part out of the supernet, with statistics of these samples, by
    /// [`SupernetWeights::network`]; [`Input::Derived`] tells.
    Derive {
        /// What for.
        purpose: Purpose,
        /// Out of these weights.
        supernet: Rc<SupernetWeights>,
        /// Which.
        architecture: Architecture,
        /// Samples that statistics are measured on.
        calibration: Batch,
    },
    /// Run these samples through what was derived for evaluation; [`Input::Classified`] tells.
    Classify(u32, Batch),
    /// [`Input::Continue`] as soon as what has come in meanwhile is handled.
    Continue,
    /// [`Input::Tick`] at this moment at the latest.
    Wake {
        /// When.
        at: Micros,
        /// To a fraction of a millisecond, as a shaped link needs it; otherwise some milliseconds later do no harm.
        exactly: bool,
    },
}

/// A piece of work for the engine.
pub struct Job {
    /// Who wants it.
    pub owner: Owner,
    /// The network.
    pub network: Arc<Network>,
    /// The part of it; `None`: all.
    pub segment: Option<Segment>,
    /// Values before it.
    pub input: Vec<Array>,
}

/// Who wants work done, and the number to answer with.
pub enum Owner {
    /// The device's session.
    Device {
        /// Number of the job.
        job: u64,
    },
    /// The simulated edge.
    Edge {
        /// Connection of the edge that asked.
        connection: u32,
        /// Number of the job.
        job: u64,
    },
    /// The comparison with the unsplit run, for a frame that has ended.
    Unsplit(Box<FrameReport>),
}

/// Work that is done.
pub enum Done {
    /// Of the device's session.
    Device {
        /// Number of the job.
        job: u64,
        /// Values behind the segment, or what the engine said.
        result: Result<Vec<Array>, EngineError>,
    },
    /// Of the simulated edge.
    Edge(EdgeJobDone),
    /// The unsplit answer for a frame.
    Unsplit(Box<FrameReport>, Result<Vec<Array>, EngineError>),
}

impl Owner {
    /// What is told when the work is done; `span`: when the engine began and ended.
    pub fn done(self, result: Result<Vec<Array>, EngineError>, span: (Micros, Micros)) -> Done {
        match self {
            Self::Device { job } => Done::Device { job, result },
            Self::Edge { connection, job } => Done::Edge(EdgeJobDone { connection, job, result, span }),
            Self::Unsplit(report) => Done::Unsplit(report, result),
        }
    }
}
