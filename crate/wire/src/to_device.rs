//! What an edge says to a device.

use crate::bytes::{Reader, Writer};
use crate::error::WireError;
use crate::header::{self, PROTOCOL_VERSION};
use crate::limits::Limits;
use crate::tensor::Packed;
use crate::types::{ModelHash, Refusal, Timing, ValidationSet};

/// Edge → device.
#[derive(Clone, Debug, PartialEq)]
pub enum ToDevice {
    /// Answers `Hello`.
    Welcome {
        /// Program version of the edge, for people.
        version: String,
        /// What the edge calls itself.
        name: String,
        /// Threads that compute.
        threads: u16,
        /// What it accepts.
        limits: Limits,
        /// Frames that may be under way at once.
        credit: u16,
        /// The clouds that it has for judging, if any.
        validation: Option<ValidationSet>,
    },
    /// The edge does not hold this model: send it.
    NeedWeights {
        /// SHA-256 of the model file.
        model: ModelHash,
    },
    /// Answers each piece of weights.
    WeightsProgress {
        /// Which model.
        model: ModelHash,
        /// Bytes that have arrived.
        received: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// Frames of this deployment are welcome.
    Deployed {
        /// The device's number.
        deployment: u32,
    },
    /// One frame's values behind an edge segment.
    Result {
        /// The device's number of the frame.
        id: u64,
        /// When it passed through the edge.
        timing: Timing,
        /// The live values behind the segment, or the logits.
        tensors: Packed,
    },
    /// Answers `Ping` at once.
    Pong {
        /// Number of the ping.
        id: u32,
        /// Its device time, unchanged.
        device_micros: u64,
        /// When it arrived, on the edge's clock.
        received_micros: u64,
        /// When this was sent, on the edge's clock.
        sent_micros: u64,
    },
    /// Answers `Measure`.
    Measured {
        /// Number of the measurement.
        id: u32,
        /// Bytes that an encoding made; 0 for everything else.
        bytes: u64,
        /// Nanoseconds of every run.
        nanos: Vec<u64>,
    },
    /// Answers `Echo` at once.
    Echoed {
        /// Number of the echo.
        id: u32,
        /// When it arrived, on the edge's clock.
        received_micros: u64,
        /// When this was sent, on the edge's clock.
        sent_micros: u64,
        /// Bytes that mean nothing, as many as were asked for.
        payload: Vec<u8>,
    },
    /// Answers `Validation`.
    Validation {
        /// First byte of the piece in the set's body.
        offset: u32,
        /// The piece.
        piece: Vec<u8>,
    },
    /// So many more frames may be sent.
    Credit {
        /// How many.
        n: u16,
    },
    /// Something will not be done.
    Refused(Refusal),
}

impl ToDevice {
    /// The message's bytes with header.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(PROTOCOL_VERSION)
    }

    /// The message stamped with another version: only for `Refused`, whose body is the same in every version, so that
    /// an old client can read why it is refused.
    pub fn encode_as(&self, version: u8) -> Vec<u8> {
        header::encode(version, self.kind(), self.payload_bytes() + 64, |writer| self.write(writer))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`WireError`]; bytes from outside never panic.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
        header::decode(bytes, limits, Self::read)
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Welcome { .. } => 129,
            Self::NeedWeights { .. } => 130,
            Self::WeightsProgress { .. } => 131,
            Self::Deployed { .. } => 132,
            Self::Result { .. } => 133,
            Self::Pong { .. } => 134,
            Self::Credit { .. } => 135,
            Self::Refused(_) => 136,
            Self::Measured { .. } => 137,
            Self::Echoed { .. } => 138,
            Self::Validation { .. } => 139,
        }
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Result { tensors, .. } => tensors.len(),
            Self::Echoed { payload, .. } => payload.len(),
            Self::Validation { piece, .. } => piece.len(),
            _ => 0,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Welcome { version, name, threads, limits, credit, validation } => {
                writer.text(version);
                writer.text(name);
                writer.u16(*threads);
                limits.write(writer);
                writer.u16(*credit);
                ValidationSet::write(validation.as_ref(), writer);
            }
            Self::NeedWeights { model } => writer.raw(&model.0),
            Self::WeightsProgress { model, received, total } => {
                writer.raw(&model.0);
                writer.u64(*received);
                writer.u64(*total);
            }
            Self::Deployed { deployment } => writer.u32(*deployment),
            Self::Result { id, timing, tensors } => {
                writer.u64(*id);
                timing.write(writer);
                writer.raw(tensors.bytes());
            }
            Self::Pong { id, device_micros, received_micros, sent_micros } => {
                writer.u32(*id);
                writer.u64(*device_micros);
                writer.u64(*received_micros);
                writer.u64(*sent_micros);
            }
            Self::Measured { id, bytes, nanos } => {
                writer.u32(*id);
                writer.u64(*bytes);
                writer.u16(nanos.len() as u16);
                nanos.iter().for_each(|nanos| writer.u64(*nanos));
            }
            Self::Echoed { id, received_micros, sent_micros, payload } => {
                writer.u32(*id);
                writer.u64(*received_micros);
                writer.u64(*sent_micros);
                writer.raw(payload);
            }
            Self::Validation { offset, piece } => {
                writer.u32(*offset);
                writer.raw(piece);
            }
            Self::Credit { n } => writer.u16(*n),
            Self::Refused(refusal) => refusal.write(writer),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(match kind {
            129 => Self::Welcome {
                version: reader.text("version")?,
                name: reader.text("name")?,
                threads: reader.u16("threads")?,
                limits: Limits::read(reader)?,
                credit: reader.u16("credit")?,
                validation: ValidationSet::read(reader)?,
            },
            130 => Self::NeedWeights { model: ModelHash(reader.hash("model")?) },
            131 => Self::WeightsProgress {
                model: ModelHash(reader.hash("model")?),
                received: reader.u64("received")?,
                total: reader.u64("total")?,
            },
            132 => Self::Deployed { deployment: reader.u32("deployment")? },
            133 => Self::Result {
                id: reader.u64("frame id")?,
                timing: Timing::read(reader)?,
                tensors: Packed::from_bytes(reader.tail("tensors").to_vec()),
            },
            134 => Self::Pong {
                id: reader.u32("ping id")?,
                device_micros: reader.u64("device micros")?,
                received_micros: reader.u64("received micros")?,
                sent_micros: reader.u64("sent micros")?,
            },
            135 => Self::Credit { n: reader.u16("credit")? },
            136 => Self::Refused(Refusal::read(reader)?),
            137 => {
                let (id, bytes, runs) = (reader.u32("measurement id")?, reader.u64("bytes")?, reader.u16("runs")?);
                let nanos = (0..runs).map(|_| reader.u64("nanoseconds")).collect::<Result<_, _>>()?;
                Self::Measured { id, bytes, nanos }
            }
            138 => Self::Echoed {
                id: reader.u32("echo id")?,
                received_micros: reader.u64("received micros")?,
                sent_micros: reader.u64("sent micros")?,
                payload: reader.tail("payload").to_vec(),
            },
            139 => Self::Validation { offset: reader.u32("offset")?, piece: reader.tail("piece").to_vec() },
            found => return Err(WireError::Kind { found, direction: "device" }),
        })
    }
}
