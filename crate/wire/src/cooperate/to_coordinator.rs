//! What a member answers: to the coordinator, and to a neighbour that has connected to it.

use cleave_arch::cnn::MAX_WORKERS;

use super::part::Part;
use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::header::{self, PROTOCOL_VERSION};
use crate::limits::Limits;
use crate::types::{ModelHash, Refusal};

/// Most spans of one report: 128 operators, of each a wait, a layer, another wait, a tail, and 16 sends after both.
pub const MAX_SPANS: usize = 128 * (4 + 2 * 16);

/// A neighbour that cannot be reached, so that what goes to it goes through the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Which worker.
    pub worker: u16,
    /// Why, for people.
    pub why: String,
}

/// What a worker does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// An operator's layer.
    Compute,
    /// Adding partial sums, and what follows the layer.
    Finish,
    /// Nothing: something has not arrived.
    Wait,
    /// Sending, beside all else.
    Send {
        /// To whom.
        to: u16,
        /// Bytes of the message.
        bytes: u32,
    },
    /// Sending on what another has sent; the coordinator's.
    Relay {
        /// To whom.
        to: u16,
        /// Bytes of the message.
        bytes: u32,
    },
}

impl Activity {
    /// Whether an engine is at work.
    pub fn is_computing(&self) -> bool {
        matches!(self, Self::Compute | Self::Finish)
    }

    /// Whether the uplink is.
    pub fn is_sending(&self) -> bool {
        matches!(self, Self::Send { .. } | Self::Relay { .. })
    }
}

/// An activity with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// For which operator; of the answer, the number of operators.
    pub stage: u16,
    /// What.
    pub activity: Activity,
    /// From when, microseconds of the clock of whoever tells.
    pub start_micros: u64,
    /// Until when.
    pub end_micros: u64,
}

/// What a member did in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The group.
    pub group: u64,
    /// The run.
    pub run: u64,
    /// What it did, by its own clock.
    pub spans: Vec<Span>,
    /// Most memory that its engine held at one time, bytes; 0: not measured.
    pub peak_bytes: u64,
}

/// Against the direction in which the connection was opened.
#[derive(Clone, Debug, PartialEq)]
pub enum ToCoordinator {
    /// Answers `Hello`.
    Welcome {
        /// Program version, for people.
        version: String,
        /// What the member calls itself.
        name: String,
        /// Threads that compute.
        threads: u16,
        /// What it accepts.
        limits: Limits,
    },
    /// The member does not hold this file of weights: send it.
    NeedWeights {
        /// SHA-256 of the file.
        model: ModelHash,
    },
    /// Answers each piece of weights.
    WeightsProgress {
        /// Which file.
        model: ModelHash,
        /// Bytes that have arrived.
        received: u64,
        /// Bytes of the file.
        total: u64,
    },
    /// Ready for its part.
    Joined {
        /// The group.
        group: u64,
        /// Bytes of weights that it holds.
        weight_bytes: u64,
    },
    /// Every neighbour is connected to, but these; again when a connection breaks.
    Linked {
        /// The group.
        group: u64,
        /// Who cannot be reached.
        missed: Vec<Missed>,
    },
    /// Values, for the coordinator or to be sent on.
    Part(Part),
    /// All of its part of a run is done.
    Report(Report),
    /// Answers `Ping` at once.
    Pong {
        /// Number of the ping.
        id: u32,
        /// Its time, unchanged.
        sent_micros: u64,
        /// When it arrived, on the member's clock.
        received_micros: u64,
        /// When this was sent, on the member's clock.
        answered_micros: u64,
        /// The run that it is at; 0: none.
        run: u64,
        /// Workers whose parts it waits for, one bit for each; none while it computes or has nothing to do.
        awaits: u16,
    },
    /// Something will not be done. The same kind and body as [`crate::ToDevice::Refused`], which never changes: so a
    /// program of another version or of another use can be told, and tell, why.
    Refused(Refusal),
}

impl ToCoordinator {
    /// The message's bytes with header.
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(PROTOCOL_VERSION)
    }

    /// The message stamped with another version: only for `Refused`, so that an old program can read why.
    pub fn encode_as(&self, version: u8) -> Vec<u8> {
        let payload = if let Self::Part(part) = self { part.payload_bytes() } else { 0 };
        header::encode(version, self.kind(), payload + 64, |writer| self.write(writer))
    }

    /// Reads one message.
    ///
    /// # Errors
    /// Any [`WireError`]; bytes from outside never panic.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, WireError> {
        header::decode(bytes, limits, |kind, reader| Self::read(kind, reader, limits))
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Refused(_) => 136,
            Self::Welcome { .. } => 160,
            Self::NeedWeights { .. } => 161,
            Self::WeightsProgress { .. } => 162,
            Self::Joined { .. } => 163,
            Self::Linked { .. } => 164,
            Self::Part(_) => 165,
            Self::Report(_) => 166,
            Self::Pong { .. } => 167,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Welcome { version, name, threads, limits } => {
                writer.text(version);
                writer.text(name);
                writer.u16(*threads);
                limits.write(writer);
            }
            Self::NeedWeights { model } => writer.raw(&model.0),
            Self::WeightsProgress { model, received, total } => {
                writer.raw(&model.0);
                writer.u64(*received);
                writer.u64(*total);
            }
            Self::Joined { group, weight_bytes } => {
                writer.u64(*group);
                writer.u64(*weight_bytes);
            }
            Self::Linked { group, missed } => {
                writer.u64(*group);
                writer.u16(missed.len() as u16);
                for missed in missed {
                    writer.u16(missed.worker);
                    writer.text(&missed.why);
                }
            }
            Self::Part(part) => part.write(writer),
            Self::Report(report) => write_report(report, writer),
            Self::Pong { id, sent_micros, received_micros, answered_micros, run, awaits } => {
                writer.u32(*id);
                [sent_micros, received_micros, answered_micros, run].iter().for_each(|number| writer.u64(**number));
                writer.u16(*awaits);
            }
            Self::Refused(refusal) => refusal.write(writer),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            136 => Self::Refused(Refusal::read(reader)?),
            160 => Self::Welcome {
                version: reader.text("version")?,
                name: reader.text("name")?,
                threads: reader.u16("threads")?,
                limits: Limits::read(reader)?,
            },
            161 => Self::NeedWeights { model: ModelHash(reader.hash("model")?) },
            162 => Self::WeightsProgress {
                model: ModelHash(reader.hash("model")?),
                received: reader.u64("received")?,
                total: reader.u64("total")?,
            },
            163 => Self::Joined { group: reader.u64("group")?, weight_bytes: reader.u64("weight bytes")? },
            164 => {
                let (group, n) = (reader.u64("group")?, reader.u16("missed")?);
                check_limit("missed", n.into(), MAX_WORKERS as u64, "workers")?;
                let one = |_| Ok(Missed { worker: reader.u16("missed worker")?, why: reader.text("why")? });
                Self::Linked { group, missed: (0..n).map(one).collect::<Result<_, WireError>>()? }
            }
            165 => Self::Part(Part::read(reader, limits)?),
            166 => Self::Report(read_report(reader)?),
            167 => Self::Pong {
                id: reader.u32("ping id")?,
                sent_micros: reader.u64("sent micros")?,
                received_micros: reader.u64("received micros")?,
                answered_micros: reader.u64("answered micros")?,
                run: reader.u64("run")?,
                awaits: reader.u16("awaits")?,
            },
            found => return Err(WireError::Kind { found, direction: "coordinator" }),
        })
    }
}

fn write_report(report: &Report, writer: &mut Writer) {
    writer.u64(report.group);
    writer.u64(report.run);
    writer.u64(report.peak_bytes);
    let spans = &report.spans[..report.spans.len().min(MAX_SPANS)];
    writer.u16(spans.len() as u16);
    for span in spans {
        writer.u16(span.stage);
        let (tag, to, bytes) = match span.activity {
            Activity::Compute => (0, 0, 0),
            Activity::Finish => (1, 0, 0),
            Activity::Wait => (2, 0, 0),
            Activity::Send { to, bytes } => (3, to, bytes),
            Activity::Relay { to, bytes } => (4, to, bytes),
        };
        writer.u8(tag);
        if tag > 2 {
            writer.u16(to);
            writer.u32(bytes);
        }
        writer.u64(span.start_micros);
        writer.u64(span.end_micros);
    }
}

fn read_report(reader: &mut Reader<'_>) -> Result<Report, WireError> {
    let (group, run, peak_bytes) = (reader.u64("group")?, reader.u64("run")?, reader.u64("peak bytes")?);
    let n = reader.u16("spans")?;
    check_limit("spans", n.into(), MAX_SPANS as u64, "")?;
    let spans = (0..n).map(|_| read_span(reader)).collect::<Result<_, _>>()?;
    Ok(Report { group, run, spans, peak_bytes })
}

fn read_span(reader: &mut Reader<'_>) -> Result<Span, WireError> {
    let stage = reader.u16("stage")?;
    let activity = match reader.u8("activity")? {
        0 => Activity::Compute,
        1 => Activity::Finish,
        2 => Activity::Wait,
        3 => Activity::Send { to: reader.u16("to")?, bytes: reader.u32("bytes")? },
        4 => Activity::Relay { to: reader.u16("to")?, bytes: reader.u32("bytes")? },
        found => {
            let right = "0 (compute), 1 (finish), 2 (wait), 3 (send) or 4 (relay)";
            return Err(WireError::Value { field: "activity", found: found.into(), right });
        }
    };
    Ok(Span { stage, activity, start_micros: reader.u64("start")?, end_micros: reader.u64("end")? })
}
