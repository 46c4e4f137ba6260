//! The link: what both services have of a connection. Hello, token and version, silence, pings and the other clock,
//! weights in pieces, refusals, the end.
//!
//! Two halves, one for each side: [`Calling`] opened the connection, [`Serving`] accepted it. Offload and cooperation are
//! services over it: they are handed their own messages, and see the link's only as what follows from them.

mod calling;
mod serving;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt::Debug;

use cleave_wire::cooperate::{Role, Standing, ToCoordinator, ToMember};
use cleave_wire::link::Message;
use cleave_wire::{Answer, Call, Offer, ToDevice, ToEdge};

pub(crate) use calling::{Calling, Heard, Up};
pub use serving::{Host, TokenCheck};
pub(crate) use serving::{Served, Serving, first_message};
pub(crate) use upload::{Pace, Upload};

/// What a connection says.
#[derive(Clone, Debug)]
pub enum SocketEvent {
    /// It is open.
    Opened,
    /// A binary message, whole.
    Received(Vec<u8>),
    /// It is closed, or could not be opened; and why, for people.
    Closed(String),
}

/// A service: its messages, what it adds to the link's, and what its sides are called.
pub(crate) trait Service: Debug {
    type Role: PartialEq;
    type Offer: Clone + Debug;
    type State: Debug;
    type Call: Message<Link = Call<Self::Role>> + Debug;
    type Answer: Message<Link = Answer<Self::Offer, Self::State>> + Debug;
    /// The role in which a [`Calling`] greets, and which a [`Serving`] welcomes.
    const ROLE: Self::Role;
    const CALLER: &'static str;
    const HOST: &'static str;
}

/// A device has an edge run segments of its frames.
#[derive(Debug)]
pub(crate) enum Offload {}

impl Service for Offload {
    type Role = ();
    type Offer = Offer;
    type State = ();
    type Call = ToEdge;
    type Answer = ToDevice;
    const ROLE: () = ();
    const CALLER: &'static str = "device";
    const HOST: &'static str = "edge";
}

/// A coordinator shares a network with members.
#[derive(Debug)]
pub(crate) enum Cooperation {}

impl Service for Cooperation {
    type Role = Role;
    type Offer = ();
    type State = Standing;
    type Call = ToMember;
    type Answer = ToCoordinator;
    const ROLE: Role = Role::Coordinator;
    const CALLER: &'static str = "coordinator";
    const HOST: &'static str = "worker";
}
