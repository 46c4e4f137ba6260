//! What a coordinator says to a member, and a member to a neighbour to which it has opened a connection.

use cleave_graph::MAX_WORKERS;

use super::join::Join;
use super::part::Part;
use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use crate::link::{Call, Extra, Kinds, message};
use crate::types::bad_tag;

/// Who has opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Worker 0.
    Coordinator,
    /// Another member, to send its parts. That it knows the group stands for the token, which is empty.
    Peer {
        /// The group.
        group: u64,
        /// Which of its workers it is.
        worker: u16,
    },
}

impl Extra for Role {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        match self {
            Self::Coordinator => writer.u8(0),
            Self::Peer { group, worker } => writer.u8(1).u64(*group).u16(*worker),
        }
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.u8("role")? {
            0 => Ok(Self::Coordinator),
            1 => Ok(Self::Peer { group: reader.u64("group")?, worker: reader.u16("worker")? }),
            found => Err(bad_tag("role", found, "0 (coordinator) or 1 (peer)")),
        }
    }
}

/// Another member, and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Which worker.
    pub worker: u16,
    /// Its address, as the members' leaves understand it: a WebSocket URL.
    pub address: String,
}

/// In the direction in which the connection was opened.
#[derive(Clone, Debug, PartialEq)]
pub enum ToMember {
    /// What a link carries for every service; to a neighbour its hello alone.
    Link(Call<Role>),
    /// Get ready for your part of this group, and leave any other; `Joined`, `NeedWeights` or `Refused` answers.
    Join(Box<Join>),
    /// All have joined: connect to these for what goes to them. `Linked` answers.
    Connect {
        /// The group.
        group: u64,
        /// To whom; everyone else is reached through the coordinator.
        neighbours: Vec<Neighbour>,
    },
    /// A run begins: for whoever has something to do before anything is sent to it.
    Begin {
        /// The group.
        group: u64,
        /// The run.
        run: u64,
    },
    /// Values, which begin their run if it has not begun.
    Part(Part),
    /// Nobody wants this run any more, nor any before it.
    Cancel {
        /// The group.
        group: u64,
        /// The run.
        run: u64,
    },
}

/// Of hello, weights, ping and close.
const KINDS: Kinds = [32, 34, 38, 39];

message!(ToMember, Call<Role>);

impl ToMember {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        match self {
            Self::Link(call) => call.write(KINDS, writer),
            Self::Join(join) => join.write(writer.kind(33)),
            Self::Connect { group, neighbours } => {
                let one = |neighbour: &Neighbour, writer: &mut Writer| {
                    writer.u16(neighbour.worker).text(&neighbour.address);
                };
                writer.kind(35).u64(*group).list(neighbours, one)
            }
            Self::Part(part) => part.write(writer.kind(36)),
            Self::Cancel { group, run } => writer.kind(37).u64(*group).u64(*run),
            Self::Begin { group, run } => writer.kind(40).u64(*group).u64(*run),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            33 => Self::Join(Box::new(Join::read(reader)?)),
            35 => Self::Connect { group: reader.u64("group")?, neighbours: read_neighbours(reader)? },
            36 => Self::Part(Part::read(reader, limits)?),
            37 => Self::Cancel { group: reader.u64("group")?, run: reader.u64("run")? },
            40 => Self::Begin { group: reader.u64("group")?, run: reader.u64("run")? },
            other => Self::Link(Call::read(other, KINDS, "member", reader, limits)?),
        })
    }
}

fn read_neighbours(reader: &mut Reader<'_>) -> Result<Vec<Neighbour>, WireError> {
    let n = reader.u16("neighbours")?;
    check_limit("neighbours", n.into(), MAX_WORKERS as u64, "workers")?;
    let one = |_| Ok(Neighbour { worker: reader.u16("neighbour")?, address: reader.text("address")? });
    (0..n).map(one).collect()
}
