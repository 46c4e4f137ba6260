//! What a schedule takes of each worker's memory.

use super::layer::Shape;
use super::network::Network;
use super::operator::Operator;
use super::region::Region;
use super::schedule::{Schedule, Stage, Work};

/// Bytes of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Its slices of the weights, held throughout.
    pub weights: u64,
    /// Most of anything else at one time.
    pub activations: u64,
}

impl Memory {
    /// Most at one time.
    pub fn peak(self) -> u64 {
        self.weights.saturating_add(self.activations)
    }
}

impl Schedule {
    /// What each worker takes.
    pub fn memory(&self, network: &Network) -> Vec<Memory> {
        (0..self.workers).map(|worker| self.memory_of(network, worker)).collect()
    }

    fn memory_of(&self, network: &Network, worker: usize) -> Memory {
        let mut memory = Memory::default();
        let mut held = if worker == super::COORDINATOR { 4 * network.input().values() } else { 0 };
        for (operator, stage) in network.operators().iter().zip(&self.stages) {
            let work = stage.work[worker].as_ref();
            memory.weights += work.map_or(0, |work| weight_bytes(operator, work));
            memory.activations = memory.activations.max(stage_bytes(operator, stage, worker, held));
            held = bytes(&stage.output[worker], operator.output);
        }
        let received: u64 = self.answer.iter().filter(|part| part.to == worker).map(super::Transfer::bytes).sum();
        memory.activations = memory.activations.max(held + received);
        memory
    }
}

/// A slice of an operator's weight, with its bias if it has one.
pub(super) fn weight_bytes(operator: &Operator, work: &Work) -> u64 {
    let weight = operator.weight_values(work.input.channels.len(), work.made.channels.len());
    let bias = if work.bias && weight > 0 { work.made.channels.len() as u64 } else { 0 };
    4 * (weight + bias)
}

fn stage_bytes(operator: &Operator, stage: &Stage, worker: usize, held: u64) -> u64 {
    let received = |transfers: &[super::Transfer]| -> u64 {
        transfers.iter().filter(|transfer| transfer.to == worker).map(super::Transfer::bytes).sum()
    };
    let gathered = received(&stage.gather);
    let (input, made) = match &stage.work[worker] {
        Some(work) => (bytes(&work.input, operator.input), bytes(&work.made, operator.made)),
        None => (0, 0),
    };
    // What is held is the input itself unless something has been sent for it.
    let assembling = if gathered > 0 { held + gathered + input } else { held };
    let complete = bytes(&stage.complete[worker], operator.made);
    let adding = made.max(complete) + received(&stage.sums);
    let output = bytes(&stage.output[worker], operator.output);
    assembling.max(input + made).max(adding).max(complete + output)
}

fn bytes(region: &Region, shape: Shape) -> u64 {
    4 * region.shape(shape.width).values()
}
