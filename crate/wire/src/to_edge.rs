//! What a device says to an edge.

use cleave_arch::{ArchError, LinkCodec, Probe, Task};

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::header::{self, PROTOCOL_VERSION};
use crate::limits::Limits;
use crate::tensor::Packed;
use crate::types::{LinkShape, ModelHash, read_codec, read_task, write_codec, write_task};

/// Device → edge.
#[derive(Clone, Debug, PartialEq)]
pub enum ToEdge {
    /// First message. The version is in the header.
    Hello {
        /// The edge's secret, from its start URL.
        token: String,
        /// Who asks, for the edge's log.
        name: String,
    },
    /// Make this plan runnable; `Deployed`, `NeedWeights` or `Refused` answers.
    Deploy {
        /// Number that frames refer to, chosen by the device. Asking again in the same words keeps it from being dropped;
        /// it is never reused for anything else in a session.
        deployment: u32,
        /// The plan's text form with its communicates.
        plan: String,
        /// Input and output sizes.
        task: Task,
        /// SHA-256 of the model file.
        model: ModelHash,
        /// Codec of both directions.
        codec: LinkCodec,
    },
    /// A piece of the model file that the edge asked for. `WeightsProgress` answers each.
    Weights {
        /// Which model.
        model: ModelHash,
        /// First byte of the piece in the file.
        offset: u64,
        /// Bytes of the file.
        total: u64,
        /// The piece.
        chunk: Vec<u8>,
    },
    /// One frame's values at the start of an edge segment. Costs one credit.
    Frame {
        /// The device's number of the frame.
        id: u64,
        /// Which deployment.
        deployment: u32,
        /// Position of the segment among the plan's segments.
        segment: u8,
        /// Milliseconds until nobody wants the result any more.
        deadline_millis: u32,
        /// The live values before the segment, in the order of the trace.
        tensors: Packed,
    },
    /// Nobody wants this frame's result any more.
    Cancel {
        /// The frame.
        id: u64,
    },
    /// For round trip and clock offset.
    Ping {
        /// Number of the ping.
        id: u32,
        /// When it was sent, on the device's clock.
        device_micros: u64,
    },
    /// Run a piece of work on the edge's engine and tell how long it took; `Measured` or `Refused` answers.
    Measure {
        /// Number of the measurement, chosen by the device.
        id: u32,
        /// What to run.
        probe: Probe,
        /// How often, after the warm-up.
        runs: u16,
    },
    /// `Echoed` answers at once: for the rates of both directions.
    Echo {
        /// Number of the echo.
        id: u32,
        /// Bytes that the answer is to carry.
        answer_bytes: u32,
        /// Bytes that mean nothing.
        payload: Vec<u8>,
    },
    /// Send a piece of the validation set that the welcome told of; `Validation` answers at once.
    Validation {
        /// First byte of the piece in the set's body.
        offset: u32,
    },
    /// The edge shapes what it sends in this session.
    Shape(LinkShape),
    /// The device ends the session.
    Close,
}

impl ToEdge {
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
            Self::Hello { .. } => 1,
            Self::Deploy { .. } => 2,
            Self::Weights { .. } => 3,
            Self::Frame { .. } => 4,
            Self::Cancel { .. } => 5,
            Self::Ping { .. } => 6,
            Self::Shape(_) => 7,
            Self::Close => 8,
            Self::Measure { .. } => 9,
            Self::Echo { .. } => 10,
            Self::Validation { .. } => 11,
        }
    }

    fn payload_bytes(&self) -> usize {
        match self {
            Self::Weights { chunk, .. } => chunk.len(),
            Self::Frame { tensors, .. } => tensors.len(),
            Self::Echo { payload, .. } => payload.len(),
            _ => 0,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Hello { token, name } => {
                writer.text(token);
                writer.text(name);
            }
            Self::Deploy { deployment, plan, task, model, codec } => {
                writer.u32(*deployment);
                writer.text(plan);
                write_task(task, writer);
                writer.raw(&model.0);
                write_codec(*codec, writer);
            }
            Self::Weights { model, offset, total, chunk } => {
                writer.raw(&model.0);
                writer.u64(*offset);
                writer.u64(*total);
                writer.raw(chunk);
            }
            Self::Frame { id, deployment, segment, deadline_millis, tensors } => {
                writer.u64(*id);
                writer.u32(*deployment);
                writer.u8(*segment);
                writer.u32(*deadline_millis);
                writer.raw(tensors.bytes());
            }
            Self::Cancel { id } => writer.u64(*id),
            Self::Ping { id, device_micros } => {
                writer.u32(*id);
                writer.u64(*device_micros);
            }
            Self::Measure { id, probe, runs } => {
                writer.u32(*id);
                writer.text(&probe.to_string());
                writer.u16(*runs);
            }
            Self::Echo { id, answer_bytes, payload } => {
                writer.u32(*id);
                writer.u32(*answer_bytes);
                writer.raw(payload);
            }
            Self::Validation { offset } => writer.u32(*offset),
            Self::Shape(shape) => shape.write(writer),
            Self::Close => {}
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            1 => Self::Hello { token: reader.text("token")?, name: reader.text("name")? },
            2 => Self::Deploy {
                deployment: reader.u32("deployment")?,
                plan: reader.text("plan")?,
                task: read_task(reader, limits)?,
                model: ModelHash(reader.hash("model")?),
                codec: read_codec(reader)?,
            },
            3 => read_weights(reader, limits)?,
            4 => Self::Frame {
                id: reader.u64("frame id")?,
                deployment: reader.u32("deployment")?,
                segment: reader.u8("segment")?,
                deadline_millis: reader.u32("deadline")?,
                tensors: Packed::from_bytes(reader.tail("tensors").to_vec()),
            },
            5 => Self::Cancel { id: reader.u64("frame id")? },
            6 => Self::Ping { id: reader.u32("ping id")?, device_micros: reader.u64("device micros")? },
            7 => Self::Shape(LinkShape::read(reader)?),
            8 => Self::Close,
            9 => Self::Measure {
                id: reader.u32("measurement id")?,
                probe: read_probe(reader)?,
                runs: reader.u16("runs")?,
            },
            10 => Self::Echo {
                id: reader.u32("echo id")?,
                answer_bytes: reader.u32("answer bytes")?,
                payload: reader.tail("payload").to_vec(),
            },
            11 => Self::Validation { offset: reader.u32("offset")? },
            found => return Err(WireError::Kind { found, direction: "edge" }),
        })
    }
}

fn read_probe(reader: &mut Reader<'_>) -> Result<Probe, WireError> {
    reader.text("probe")?.parse().map_err(|why: ArchError| WireError::Probe { why: why.to_string() })
}

fn read_weights(reader: &mut Reader<'_>, limits: &Limits) -> Result<ToEdge, WireError> {
    let model = ModelHash(reader.hash("model")?);
    let (offset, total) = (reader.u64("offset")?, reader.u64("total")?);
    let chunk = reader.tail("chunk");
    check_limit("model", total, limits.max_model_bytes, "bytes")?;
    let end = offset.saturating_add(chunk.len() as u64);
    check_limit("end of the chunk", end, total, "bytes")?;
    Ok(ToEdge::Weights { model, offset, total, chunk: chunk.to_vec() })
}
