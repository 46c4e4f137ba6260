//! What a member answers: to the coordinator, and to a neighbour that has connected to it.

use cleave_graph::{MAX_NODES, MAX_WORKERS};

use super::part::Part;
use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use crate::link::{Answer, Extra, Kinds, message};
use crate::types::bad_tag;

/// Most spans of one report: of as many operators as there can be a wait, the operation, another wait, a tail, and sends to
/// 16 workers after the operation, and for two readers after the tail.
pub const MAX_SPANS: usize = MAX_NODES * (4 + 3 * MAX_WORKERS);

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
    /// An operator's operation.
    Compute,
    /// Merging partial results, and what follows the operation.
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

/// Where a member is, told with every answer to a ping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The run that it is at; 0: none.
    pub run: u64,
    /// Workers whose parts it waits for, one bit for each; none while it computes or has nothing to do.
    pub awaits: u16,
}

impl Extra for Standing {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        writer.u64(self.run).u16(self.awaits)
    }
    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { run: reader.u64("run")?, awaits: reader.u16("awaits")? })
    }
}

/// Against the direction in which the connection was opened.
#[derive(Clone, Debug, PartialEq)]
pub enum ToCoordinator {
    /// What a link carries for every service.
    Link(Answer<(), Standing>),
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
}

/// Of welcome, need for weights, their progress, and pong.
const KINDS: Kinds = [160, 161, 162, 167];

message!(ToCoordinator, Answer<(), Standing>);

impl ToCoordinator {
    fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        match self {
            Self::Link(answer) => answer.write(KINDS, writer),
            Self::Joined { group, weight_bytes } => writer.kind(163).u64(*group).u64(*weight_bytes),
            Self::Linked { group, missed } => {
                let one = |missed: &Missed, writer: &mut Writer| _ = writer.u16(missed.worker).text(&missed.why);
                writer.kind(164).u64(*group).list(missed, one)
            }
            Self::Part(part) => part.write(writer.kind(165)),
            Self::Report(report) => write_report(report, writer.kind(166)),
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        Ok(match kind {
            163 => Self::Joined { group: reader.u64("group")?, weight_bytes: reader.u64("weight bytes")? },
            164 => {
                let (group, n) = (reader.u64("group")?, reader.u16("missed")?);
                check_limit("missed", n.into(), MAX_WORKERS as u64, "workers")?;
                let one = |_| Ok(Missed { worker: reader.u16("missed worker")?, why: reader.text("why")? });
                Self::Linked { group, missed: (0..n).map(one).collect::<Result<_, WireError>>()? }
            }
            165 => Self::Part(Part::read(reader, limits)?),
            166 => Self::Report(read_report(reader)?),
            other => Self::Link(Answer::read(other, KINDS, "coordinator", reader)?),
        })
    }
}

fn write_report<'a>(report: &Report, writer: &'a mut Writer) -> &'a mut Writer {
    let spans = &report.spans[..report.spans.len().min(MAX_SPANS)];
    writer.u64(report.group).u64(report.run).u64(report.peak_bytes).list(spans, write_span)
}

fn write_span(span: &Span, writer: &mut Writer) {
    let writer = writer.u16(span.stage);
    let writer = match span.activity {
        Activity::Compute => writer.u8(0),
        Activity::Finish => writer.u8(1),
        Activity::Wait => writer.u8(2),
        Activity::Send { to, bytes } => writer.u8(3).u16(to).u32(bytes),
        Activity::Relay { to, bytes } => writer.u8(4).u16(to).u32(bytes),
    };
    writer.u64(span.start_micros).u64(span.end_micros);
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
        found => return Err(bad_tag("activity", found, "0 (compute), 1 (finish), 2 (wait), 3 (send) or 4 (relay)")),
    };
    Ok(Span { stage, activity, start_micros: reader.u64("start")?, end_micros: reader.u64("end")? })
}
