//! One worker's view of a group: its schedule, counted in phases. Before stage i its input is gathered, phase 2i; before
//! its tail partial sums come, phase 2i + 1; the answer is the phase after all.

use std::sync::Arc;

use cleave_arch::cnn::{Network, Partition, Schedule, Stage, Transfer};
use cleave_wire::cooperate::{Part, Phase, WeightSource};
use cleave_wire::{Limits, RefusalCode};

use super::EngineCall;
use super::error::PlanError;
use crate::refusal::Wrong;

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) id: u64,
    pub(super) worker: usize,
    pub(super) network: Arc<Network>,
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

    /// What is sent before a phase.
    pub(super) fn transfers(&self, phase: usize) -> &[Transfer] {
        match self.stage(phase) {
            Some(stage) if phase.is_multiple_of(2) => &stage.gather,
            Some(stage) => &stage.sums,
            None if phase == self.last_phase() => &self.schedule.answer,
            None => &[],
        }
    }

    pub(super) fn sends(&self, phase: usize) -> impl Iterator<Item = &Transfer> {
        self.transfers(phase).iter().filter(|transfer| transfer.from == self.worker)
    }

    pub(super) fn awaits(&self, phase: usize) -> impl Iterator<Item = &Transfer> {
        self.transfers(phase).iter().filter(|transfer| transfer.to == self.worker)
    }

    /// Whether anything is ever sent to a worker; who gets nothing has nothing to do.
    pub(super) fn takes_part(&self, worker: usize) -> bool {
        self.schedule.transfers().any(|transfer| transfer.to == worker)
    }

    /// Whose parts a worker needs first, one bit for each.
    pub(super) fn first_awaited(&self, worker: usize) -> u16 {
        let of = |phase| self.transfers(phase).iter().filter(|transfer| transfer.to == worker);
        let first = (0..=self.last_phase()).find(|phase| of(*phase).next().is_some());
        first.map_or(0, |phase| of(phase).fold(0, |bits, transfer| bits | 1 << transfer.from))
    }

    pub(super) fn load(&self) -> EngineCall {
        EngineCall::Load {
            group: self.id,
            network: self.network.clone(),
            partition: self.partition.clone(),
            schedule: self.schedule.clone(),
            worker: self.worker,
            weights: self.weights,
        }
    }

    /// Values of this worker as a message.
    pub(super) fn part(&self, run: u64, phase: usize, to: usize, values: Vec<f32>) -> Part {
        let name = match phase {
            _ if phase == self.last_phase() => Phase::Answer,
            _ if phase.is_multiple_of(2) => Phase::Gather,
            _ => Phase::Sum,
        };
        let (stage, from, to) = ((phase / 2) as u16, self.worker as u16, to as u16);
        Part { group: self.id, run, stage, phase: name, from, to, values }
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
        let (from, to) = (usize::from(part.from), usize::from(part.to));
        let transfer = self.transfers(phase).iter().find(|transfer| (transfer.from, transfer.to) == (from, to));
        let Some(transfer) = transfer.filter(|_| is_answer == (part.phase == Phase::Answer)) else {
            let wrong = format!("a part of stage {stage} ({:?}) came from worker {from} for worker {to}", part.phase);
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
pub(super) fn schedule(network: &Network, partition: &Partition, limits: &Limits) -> Result<Schedule, PlanError> {
    let schedule = Schedule::new(network, partition)?;
    let bytes = schedule.transfers().map(Transfer::bytes).max().unwrap_or(0);
    let most = limits.max_tensor_bytes.min(u64::from(limits.max_frame_bytes).saturating_sub(Part::OVERHEAD_BYTES));
    if bytes > most {
        return Err(PlanError::Part { bytes, most });
    }
    Ok(schedule)
}
