//! The planners by name.

use std::fmt;
use std::str::FromStr;

use crate::coedge::{Goal, coedge};
use crate::error::PartitionError;
use crate::frugal::fewest_bytes;
use crate::iop::{iop_exact, iop_greedy, output_channel};
use crate::mixed::{Effort, mixed};
use crate::plan::Plan;
use crate::problem::Problem;

/// How a network is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Every operator by output channel.
    OutputChannel,
    /// Rows, for the least time.
    CoEdge,
    /// IOP as reconstructed: pairs greedily from left to right.
    Iop,
    /// IOP with the cheapest segments.
    IopExact,
    /// Ours.
    Mixed,
    /// Shared with the fewest bytes on the links.
    FewestBytes,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::OutputChannel, Self::CoEdge, Self::Iop, Self::IopExact, Self::Mixed, Self::FewestBytes];

    /// As texts and links have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OutputChannel => "output-channel",
            Self::CoEdge => "coedge",
            Self::Iop => "iop",
            Self::IopExact => "iop-exact",
            Self::Mixed => "mixed",
            Self::FewestBytes => "fewest-bytes",
        }
    }

    /// A plan for the least time.
    ///
    /// # Errors
    /// [`PartitionError::Memory`]: nothing that this strategy finds fits.
    pub fn plan(self, problem: &Problem) -> Result<Plan, PartitionError> {
        match self {
            Self::OutputChannel => output_channel(problem),
            Self::CoEdge => coedge(problem, Goal::Time),
            Self::Iop => iop_greedy(problem),
            Self::IopExact => iop_exact(problem),
            Self::Mixed => mixed(problem, Effort::default()),
            Self::FewestBytes => fewest_bytes(problem),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Strategy {
    type Err = PartitionError;

    fn from_str(name: &str) -> Result<Self, PartitionError> {
        let unknown = || PartitionError::Strategy { name: name.into(), known: Self::ALL.map(Self::name).join(", ") };
        Self::ALL.into_iter().find(|strategy| strategy.name() == name.trim()).ok_or_else(unknown)
    }
}
