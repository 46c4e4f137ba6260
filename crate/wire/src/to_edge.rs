//! What a device says to an edge.

use cleave_arch::{ArchError, LinkCodec, MAX_CUTS, Probe};

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use crate::link::{Call, Kinds, message};
use crate::tensor::Packed;
use crate::types::{LinkShape, WeightSource, read_codec, write_codec};

/// Device → edge.
#[derive(Clone, Debug, PartialEq)]
pub enum ToEdge {
    /// What a link carries for every service.
    Link(Call<()>),
    /// Make this graph runnable, cut like this; `Deployed`, `NeedWeights` or `Refused` answers.
    Deploy {
        /// Number that frames refer to, chosen by the device. Asking again in the same words keeps it from being dropped;
        /// it is never reused for anything else in a session.
        deployment: u32,
        /// Text form of the graph.
        graph: String,
        /// Nodes before which the tier changes; not checked against the graph yet.
        cuts: Vec<usize>,
        /// Where its weights come from.
        weights: WeightSource,
        /// Codec of both directions.
        codec: LinkCodec,
    },
    /// One frame's values at the start of an edge segment. Costs one credit.
    Frame {
        /// The device's number of the frame.
        id: u64,
        /// Which deployment.
        deployment: u32,
        /// Position of the segment among the graph's segments.
        segment: u8,
        /// Milliseconds until nobody wants the result any more.
        deadline_ms: u32,
        /// The live values before the segment, in their order.
        tensors: Packed,
    },
    /// Nobody wants this frame's result any more.
    Cancel {
        /// The frame.
        id: u64,
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
}

/// Of hello, weights, ping and close.
const KINDS: Kinds = [1, 3, 6, 8];

message!(ToEdge, Call<()>);

impl ToEdge {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        match self {
            Self::Link(call) => call.write(KINDS, writer),
            Self::Deploy { deployment, graph, cuts, weights, codec } => {
                let writer = writer.kind(2).u32(*deployment).text(graph);
                let writer = writer.list(cuts, |cut, writer| _ = writer.u16(*cut as u16));
                write_codec(*codec, weights.write(writer))
            }
            Self::Frame { id, deployment, segment, deadline_ms, tensors } => {
                let writer = writer.kind(4).u64(*id).u32(*deployment).u8(*segment).u32(*deadline_ms);
                writer.raw(tensors.bytes())
            }
            Self::Cancel { id } => writer.kind(5).u64(*id),
            Self::Shape(shape) => shape.write(writer.kind(7)),
            Self::Measure { id, probe, runs } => writer.kind(9).u32(*id).text(&probe.to_string()).u16(*runs),
            Self::Echo { id, answer_bytes, payload } => writer.kind(10).u32(*id).u32(*answer_bytes).raw(payload),
            Self::Validation { offset } => writer.kind(11).u32(*offset),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            2 => Self::Deploy {
                deployment: reader.u32("deployment")?,
                graph: reader.text("graph")?,
                cuts: read_cuts(reader)?,
                weights: WeightSource::read(reader)?,
                codec: read_codec(reader)?,
            },
            4 => Self::Frame {
                id: reader.u64("frame id")?,
                deployment: reader.u32("deployment")?,
                segment: reader.u8("segment")?,
                deadline_ms: reader.u32("deadline")?,
                tensors: Packed::from_bytes(reader.tail("tensors").to_vec()),
            },
            5 => Self::Cancel { id: reader.u64("frame id")? },
            7 => Self::Shape(LinkShape::read(reader)?),
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
            other => Self::Link(Call::read(other, KINDS, "edge", reader, limits)?),
        })
    }
}

fn read_cuts(reader: &mut Reader<'_>) -> Result<Vec<usize>, WireError> {
    let cuts = reader.u16("cuts")?;
    check_limit("cuts", cuts.into(), MAX_CUTS as u64, "")?;
    (0..cuts).map(|_| Ok(reader.u16("cut")?.into())).collect()
}

fn read_probe(reader: &mut Reader<'_>) -> Result<Probe, WireError> {
    reader.text("probe")?.parse().map_err(|why: ArchError| WireError::Probe { why: why.to_string() })
}
