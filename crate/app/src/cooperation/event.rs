//! What a cooperation is told, and what it has its shell do.

use cleave_contract::LongWork;
use cleave_partition::PartitionError;
use cleave_session::cooperate::{EngineCall, EngineEvent, MemberStatus};
use cleave_session::{Micros, SocketEvent};

use super::choice::{Chosen, PlanTask};
use super::error::CooperationError;
use super::report::Report;
use super::request::Request;
use super::series::EngineKind;

/// Settings of a [`Cooperation`].
#[derive(Clone, Debug)]
pub struct Config {
    /// What the coordinator calls itself.
    pub name: String,
    /// Where it is, for people.
    pub place: String,
    /// What computes.
    pub engine: EngineKind,
    /// For a connection to be opened, and then for its welcome: longer where workers are started first.
    pub handshake_timeout: Micros,
    /// From the system's random numbers: numbers of groups let members in at each other, and nobody may guess them.
    pub seed: u64,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The own engine takes calls: connect to everybody.
    Start,
    /// Do this, instead of what was asked for before.
    Run(Box<Request>),
    /// Nobody wants that any more; the workers stay.
    Stop,
    /// Nobody is needed any more.
    Leave,
    /// A member's connection says something.
    Socket {
        /// Whose.
        place: usize,
        /// What.
        event: SocketEvent,
    },
    /// The own engine answers.
    Engine(EngineEvent),
    /// A plan was made, or there is none.
    Planned {
        /// Which task's.
        number: u64,
        /// What it gave.
        chosen: Result<Chosen, PartitionError>,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug)]
pub enum Effect {
    /// Open the connection to a member.
    Connect {
        /// To whom.
        place: usize,
    },
    /// Write one message, now.
    Send {
        /// To whom.
        place: usize,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Close a connection when everything is written.
    Disconnect {
        /// Whose.
        place: usize,
    },
    /// The own engine has something to do.
    Engine(EngineCall),
    /// Make a plan; the last one that came counts.
    Plan(Box<PlanTask>),
    /// What people may want to know.
    News(News),
    /// The request is over.
    Ended(Result<Box<Report>, CooperationError>),
}

/// What people may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// What is done, and how far that is: done, of; of 0: not known.
    Phase(LongWork, usize, usize),
    /// What has become of a member.
    Member(usize, MemberStatus),
    /// A run of the shared network was answered.
    Answered,
}
