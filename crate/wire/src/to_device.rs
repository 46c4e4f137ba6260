//! What an edge says to a device.

use crate::bytes::{Reader, Writer};
use crate::error::WireError;
use crate::limits::Limits;
use crate::link::{Answer, Extra, Kinds, message};
use crate::tensor::Packed;
use crate::types::{Timing, ValidationSet};

/// What an edge offers in its welcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Frames that may be under way at once.
    pub credit: u16,
    /// The clouds that it has for judging, if any.
    pub validation: Option<ValidationSet>,
}

impl Extra for Offer {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        ValidationSet::write(self.validation.as_ref(), writer.u16(self.credit))
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { credit: reader.u16("credit")?, validation: ValidationSet::read(reader)? })
    }
}

/// Edge → device.
#[derive(Clone, Debug, PartialEq)]
pub enum ToDevice {
    /// What a link carries for every service.
    Link(Answer<Offer, ()>),
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
}

/// Of welcome, need for weights, their progress, and pong.
const KINDS: Kinds = [129, 130, 131, 134];

message!(ToDevice, Answer<Offer, ()>);

impl ToDevice {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        match self {
            Self::Link(answer) => answer.write(KINDS, writer),
            Self::Deployed { deployment } => writer.kind(132).u32(*deployment),
            Self::Result { id, timing, tensors } => timing.write(writer.kind(133).u64(*id)).raw(tensors.bytes()),
            Self::Credit { n } => writer.kind(135).u16(*n),
            Self::Measured { id, bytes, nanos } => {
                writer.kind(137).u32(*id).u64(*bytes).list(nanos, |nanos, writer| _ = writer.u64(*nanos))
            }
            Self::Echoed { id, received_micros, sent_micros, payload } => {
                writer.kind(138).u32(*id).u64(*received_micros).u64(*sent_micros).raw(payload)
            }
            Self::Validation { offset, piece } => writer.kind(139).u32(*offset).raw(piece),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, _: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            132 => Self::Deployed { deployment: reader.u32("deployment")? },
            133 => Self::Result {
                id: reader.u64("frame id")?,
                timing: Timing::read(reader)?,
                tensors: Packed::from_bytes(reader.tail("tensors").to_vec()),
            },
            135 => Self::Credit { n: reader.u16("credit")? },
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
            other => Self::Link(Answer::read(other, KINDS, "device", reader)?),
        })
    }
}
