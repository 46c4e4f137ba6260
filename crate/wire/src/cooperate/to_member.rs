//! What a coordinator says to a member, and a member to a neighbour to which it has opened a connection.

use cleave_arch::cnn::MAX_WORKERS;

use super::join::Join;
use super::part::Part;
use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::header::{self, PROTOCOL_VERSION};
use crate::limits::Limits;
use crate::types::ModelHash;

/// Who has opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Worker 0.
    Coordinator,
    /// Another member, to send its parts. That it knows the group stands for the token.
    Peer {
        /// The group.
        group: u64,
        /// Which of its workers it is.
        worker: u16,
    },
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
    /// First message. The version is in the header.
    Hello {
        /// The member's secret; of a peer empty.
        token: String,
        /// Who asks, for the log.
        name: String,
        /// In which role.
        role: Role,
    },
    /// Get ready for your part of this group, and leave any other; `Joined`, `NeedWeights` or `Refused` answers.
    Join(Box<Join>),
    /// A piece of the file of weights that the member asked for. `WeightsProgress` answers each.
    Weights {
        /// Which file.
        model: ModelHash,
        /// First byte of the piece in the file.
        offset: u64,
        /// Bytes of the file.
        total: u64,
        /// The piece.
        chunk: Vec<u8>,
    },
    /// All have joined: connect to these for what goes to them. `Linked` answers.
    Link {
        /// The group.
        group: u64,
        /// To whom; everyone else is reached through the coordinator.
        neighbours: Vec<Neighbour>,
    },
    /// Values.
    Part(Part),
    /// Nobody wants this run any more, nor any before it.
    Cancel {
        /// The group.
        group: u64,
        /// The run.
        run: u64,
    },
    /// For round trip and clock offset.
    Ping {
        /// Number of the ping.
        id: u32,
        /// When it was sent, on the sender's clock.
        sent_micros: u64,
    },
    /// The session ends.
    Leave,
}

impl ToMember {
    /// The message's bytes with header.
    pub fn encode(&self) -> Vec<u8> {
        header::encode(PROTOCOL_VERSION, self.kind(), self.payload_bytes() + 64, |writer| self.write(writer))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`WireError`]; bytes from outside never panic. [`WireError::Version`] comes before all but the magic.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
        header::decode(bytes, limits, |kind, reader| Self::read(kind, reader, limits))
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 32,
            Self::Join(_) => 33,
            Self::Weights { .. } => 34,
            Self::Link { .. } => 35,
            Self::Part(_) => 36,
            Self::Cancel { .. } => 37,
            Self::Ping { .. } => 38,
            Self::Leave => 39,
        }
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Weights { chunk, .. } => chunk.len(),
            Self::Part(part) => part.payload_bytes(),
            _ => 0,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Hello { token, name, role } => {
                writer.text(token);
                writer.text(name);
                match role {
                    Role::Coordinator => writer.u8(0),
                    Role::Peer { group, worker } => {
                        writer.u8(1);
                        writer.u64(*group);
                        writer.u16(*worker);
                    }
                }
            }
            Self::Join(join) => join.write(writer),
            Self::Weights { model, offset, total, chunk } => {
                writer.raw(&model.0);
                writer.u64(*offset);
                writer.u64(*total);
                writer.raw(chunk);
            }
            Self::Link { group, neighbours } => {
                writer.u64(*group);
                writer.u16(neighbours.len() as u16);
                for neighbour in neighbours {
                    writer.u16(neighbour.worker);
                    writer.text(&neighbour.address);
                }
            }
            Self::Part(part) => part.write(writer),
            Self::Cancel { group, run } => {
                writer.u64(*group);
                writer.u64(*run);
            }
            Self::Ping { id, sent_micros } => {
                writer.u32(*id);
                writer.u64(*sent_micros);
            }
            Self::Leave => {}
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            32 => Self::Hello { token: reader.text("token")?, name: reader.text("name")?, role: read_role(reader)? },
            33 => Self::Join(Box::new(Join::read(reader)?)),
            34 => read_weights(reader, limits)?,
            35 => Self::Link { group: reader.u64("group")?, neighbours: read_neighbours(reader)? },
            36 => Self::Part(Part::read(reader, limits)?),
            37 => Self::Cancel { group: reader.u64("group")?, run: reader.u64("run")? },
            38 => Self::Ping { id: reader.u32("ping id")?, sent_micros: reader.u64("sent micros")? },
            39 => Self::Leave,
            found => return Err(WireError::Kind { found, direction: "member" }),
        })
    }
}

fn read_role(reader: &mut Reader<'_>) -> Result<Role, WireError> {
    match reader.u8("role")? {
        0 => Ok(Role::Coordinator),
        1 => Ok(Role::Peer { group: reader.u64("group")?, worker: reader.u16("worker")? }),
        found => {
            let right = "0 (coordinator) or 1 (peer)";
            Err(WireError::Value { field: "role", found: found.into(), right })
        }
    }
}

fn read_neighbours(reader: &mut Reader<'_>) -> Result<Vec<Neighbour>, WireError> {
    let n = reader.u16("neighbours")?;
    check_limit("neighbours", n.into(), MAX_WORKERS as u64, "workers")?;
    let one = |_| Ok(Neighbour { worker: reader.u16("neighbour")?, address: reader.text("address")? });
    (0..n).map(one).collect()
}

fn read_weights(reader: &mut Reader<'_>, limits: &Limits) -> Result<ToMember, WireError> {
    let model = ModelHash(reader.hash("model")?);
    let (offset, total) = (reader.u64("offset")?, reader.u64("total")?);
    let chunk = reader.tail("chunk");
    check_limit("model", total, limits.max_model_bytes, "bytes")?;
    let end = offset.saturating_add(chunk.len() as u64);
    check_limit("end of the chunk", end, total, "bytes")?;
    Ok(ToMember::Weights { model, offset, total, chunk: chunk.to_vec() })
}
