//! One worker's view of a group: its schedule, counted in phases. Before stage i its inputs are gathered, phase 2i; before
//! its tail partial results come, phase 2i + 1; the answer is the phase after all. What is sent of a value is sent when it
//! is made, to whatever phases it is for.

use std::sync::Arc;

use cleave_graph::{Graph, Partition, Schedule, Stage, Transfer, ValueId};
use cleave_wire::WeightSource;
use cleave_wire::cooperate::{Part, Phase};
use cleave_wire::{Limits, RefusalCode};

use super::EngineCall;
use super::error::PlanError;
use crate::refusal::Wrong;

/// Values on their way to a worker: for which phase, and which input of its operator.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) phase: usize,
    pub(super) input: usize,
    pub(super) to: usize,
    pub(super) values: Vec<f32>,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) worker: usize,
    pub(super) graph: Arc<Graph>,
    pub(super) partition: Arc<Partition>,
    pub(super) schedule: Arc<Schedule>,
    pub(super) weights: WeightSource,
}

impl Group {
    pub(super) fn workers(&self) -> usize {
        self.schedule.workers
    }

    pub(super) fn last_phase(&self) -> usize {
        2 * self.schedule.stages.len()
    }

    pub(super) fn stage(&self, phase: usize) -> Option<&Stage> {
        self.schedule.stages.get(phase / 2)
    }

    /// What a phase needs.
    fn transfers(&self, phase: usize) -> &[Transfer] {
        match self.stage(phase) {
            Some(stage) if phase.is_multiple_of(2) => &stage.gather,
            Some(stage) => &stage.sums,
            None if phase == self.last_phase() => &self.schedule.answer,
            None => &[],
        }
    }

    /// What this worker sends when it has done a phase, with the phase that it is for.
    pub(super) fn sends(&self, phase: usize) -> Vec<(usize, &Transfer)> {
        match self.stage(phase) {
            Some(stage) if phase.is_multiple_of(2) => {
                stage.sums.iter().filter(|sum| sum.from == self.worker).map(|sum| (phase + 1, sum)).collect()
            }
            Some(stage) => self.sends_of(self.graph.operators()[stage.operator].result).collect(),
            None => Vec::new(),
        }
    }

    /// What this worker sends of a value that it has made, or was given, with the phase that it is for.
    pub(super) fn sends_of(&self, value: ValueId) -> impl Iterator<Item = (usize, &Transfer)> {
        let own = self.schedule.transfers_of(&self.graph, value).filter(|(_, transfer)| transfer.from == self.worker);
        own.map(|(stage, transfer)| (2 * stage, transfer))
    }

    pub(super) fn awaits(&self, phase: usize) -> impl Iterator<Item = &Transfer> {
        self.transfers(phase).iter().filter(|transfer| transfer.to == self.worker)
    }

    /// Whether a worker has anything to do in a phase.
    pub(super) fn works(&self, phase: usize, worker: usize) -> bool {
        self.stage(phase).is_some_and(|stage| match phase.is_multiple_of(2) {
            true => stage.work[worker].is_some(),
            false => !stage.complete[worker].is_empty(),
        })
    }

    fn first_work(&self, worker: usize) -> Option<usize> {
        (0..self.last_phase()).find(|phase| self.works(*phase, worker))
    }

    /// Whether a worker has anything to do in any phase.
    pub(super) fn takes_part(&self, worker: usize) -> bool {
        self.first_work(worker).is_some()
    }

    /// Whose parts a worker needs first, one bit for each. Who needs none, but takes part, has to be told that a run begins.
    pub(super) fn first_awaited(&self, worker: usize) -> u16 {
        let first = self.first_work(worker).map_or(&[][..], |phase| self.transfers(phase));
        first.iter().filter(|transfer| transfer.to == worker).fold(0, |bits, transfer| bits | 1 << transfer.from)
    }

    pub(super) fn load(&self) -> EngineCall {
        EngineCall::Load {
            group: self.id,
            graph: self.graph.clone(),
            partition: self.partition.clone(),
            schedule: self.schedule.clone(),
            worker: self.worker,
            weights: self.weights,
        }
    }

    /// Values of this worker as a message.
    pub(super) fn part(&self, run: u64, sent: Sent) -> Part {
        let Sent { phase, input, to, values } = sent;
        let name = match phase {
            _ if phase == self.last_phase() => Phase::Answer,
            _ if phase.is_multiple_of(2) => Phase::Gather,
            _ => Phase::Sum,
        };
        let [stage, input, from, to] = [phase / 2, input, self.worker, to].map(|number| number as u16);
        Part { group: self.id, run, stage, phase: name, input, from, to, values }
    }

    /// The phase that a part is for, if the schedule has it.
    pub(super) fn expects(&self, part: &Part) -> Result<usize, Wrong> {
        let stage = usize::from(part.stage);
        let phase = match part.phase {
            Phase::Gather => 2 * stage,
            Phase::Sum => 2 * stage + 1,
            Phase::Answer => 2 * stage,
        };
        let is_answer = phase == self.last_phase();
        let [input, from, to] = [part.input, part.from, part.to].map(usize::from);
        let is_it = |transfer: &&Transfer| [transfer.input, transfer.from, transfer.to] == [input, from, to];
        let transfer = self.transfers(phase).iter().find(is_it);
        let Some(transfer) = transfer.filter(|_| is_answer == (part.phase == Phase::Answer)) else {
            let wrong = format!(
                "a part of stage {stage} ({:?}, input {input}) came from worker {from} for worker {to}",
                part.phase
            );
            return Err(Wrong::new(RefusalCode::BadTensors, wrong, "send what the schedule of the partition has"));
        };
        let (found, wanted) = (part.values.len() as u64, transfer.values());
        if found != wanted {
            let wrong = format!("a part of stage {stage} ({:?}) from worker {from} has {found} values", part.phase);
            return Err(Wrong::new(RefusalCode::BadTensors, wrong, format!("send {wanted} values")));
        }
        Ok(phase)
    }
}

/// What follows from a partition, if every part of it fits into a message.
pub(super) fn schedule(graph: &Graph, partition: &Partition, limits: &Limits) -> Result<Schedule, PlanError> {
    let schedule = Schedule::new(graph, partition)?;
    let bytes = schedule.transfers().map(Transfer::bytes).max().unwrap_or(0);
    let most = limits.max_tensor_bytes.min(u64::from(limits.max_frame_bytes).saturating_sub(Part::OVERHEAD_BYTES));
    if bytes > most {
        return Err(PlanError::Part { bytes, most });
    }
    Ok(schedule)
}
