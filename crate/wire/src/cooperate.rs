//! What the workers that share one network say to each other.
//!
//! Worker 0 coordinates: it opens a connection to every other, a *member*, tells it what is its part ([`Join`]), and
//! sends and receives values ([`Part`]). Members that can be reached connect to each other, each for what it sends;
//! everything else goes through the coordinator. [`ToMember`] is what travels in the direction in which a connection
//! was opened, [`ToCoordinator`] what comes back.
//!
//! The number of a group is drawn at random, anew for every partition: whoever knows it was told by the coordinator,
//! so that it is also what lets a member in at another.

mod join;
mod part;
mod to_coordinator;
mod to_member;

pub use join::{Join, MAX_NAME_BYTES, MAX_UNITS, Uplink};
pub use part::{Part, Phase};
pub use to_coordinator::{Activity, MAX_SPANS, Missed, Report, Span, Standing, ToCoordinator};
pub use to_member::{Neighbour, Role, ToMember};
