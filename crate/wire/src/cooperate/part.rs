//! Values on their way from a worker to another: one transfer of the schedule. Its region follows from the schedule and
//! does not travel.

use crate::bytes::{Reader, Writer, check_limit};
use crate::error::WireError;
use crate::limits::Limits;
use crate::types::bad_tag;

/// What the values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Of one of an operator's inputs.
    Gather,
    /// Of a partial result, to be merged.
    Sum,
    /// Of the answer; its stage is one past the last.
    Answer,
}

/// One transfer of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Which group: parts of another are not for this schedule.
    pub group: u64,
    /// Which run of it; they are numbered upwards.
    pub run: u64,
    /// Which operator.
    pub stage: u16,
    /// What the values are.
    pub phase: Phase,
    /// Of which input of the operator, counted from 0; 0 for partial results and for the answer.
    pub input: u16,
    /// Worker that made them.
    pub from: u16,
    /// Worker that needs them.
    pub to: u16,
    /// The values in the order of their layout.
    pub values: Vec<f32>,
}

impl Part {
    /// Bytes of a part's message beside its values, with header.
    pub const OVERHEAD_BYTES: u64 = crate::header::HEADER_BYTES as u64 + 8 + 8 + 2 + 1 + 2 + 2 + 2;

    pub(super) fn write<'a>(&self, writer: &'a mut Writer) -> &'a mut Writer {
        let phase = match self.phase {
            Phase::Gather => 0,
            Phase::Sum => 1,
            Phase::Answer => 2,
        };
        let writer = writer.u64(self.group).u64(self.run).u16(self.stage).u8(phase);
        writer.u16(self.input).u16(self.from).u16(self.to).floats(&self.values)
    }

    pub(super) fn read(reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, WireError> {
        let (group, run, stage) = (reader.u64("group")?, reader.u64("run")?, reader.u16("stage")?);
        let phase = match reader.u8("phase")? {
            0 => Phase::Gather,
            1 => Phase::Sum,
            2 => Phase::Answer,
            found => return Err(bad_tag("phase", found, "0 (gather), 1 (sum) or 2 (answer)")),
        };
        let (input, from, to) = (reader.u16("input")?, reader.u16("from")?, reader.u16("to")?);
        let bytes = reader.tail("values");
        check_limit("values", bytes.len() as u64, limits.max_tensor_bytes, "bytes")?;
        let (values, odd) = bytes.as_chunks::<4>();
        if !odd.is_empty() {
            let found = bytes.len() as u64;
            return Err(WireError::Value { field: "bytes of values", found, right: "a multiple of 4" });
        }
        let values = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok(Self { group, run, stage, phase, input, from, to, values })
    }
}
