//! What a schedule takes of each worker's memory.

use crate::graph::Graph;
use crate::op::Part;
use crate::operator::Operator;
use crate::partition::{MAX_WORKERS, Partition};
use crate::region::Region;
use crate::schedule::{Schedule, Stage, Transfer, Work};
use crate::value::{Layout, Shape};

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
    pub fn memory(&self, graph: &Graph) -> Vec<Memory> {
        debug_assert!(self.workers <= MAX_WORKERS);
        (0..self.workers).map(|worker| self.memory_of(graph, worker)).collect()
    }

    fn memory_of(&self, graph: &Graph, worker: usize) -> Memory {
        let mut memory = Memory::default();
        let operators = graph.operators();
        for (operator, stage) in operators.iter().zip(&self.stages) {
            memory.weights += stage.weight_bytes(operator, worker);
            let sent: Vec<&Transfer> = self.transfers_of(graph, operator.result).map(|(_, sent)| sent).collect();
            memory.activations = memory.activations.max(stage_bytes(operator, stage, &sent, worker));
        }
        let held = operators.iter().zip(&self.stages).find(|(operator, _)| operator.result == graph.answer());
        let held = held.map_or(0, |(operator, stage)| bytes(&stage.output[worker], operator.output.shape));
        let received: u64 = self.answer.iter().filter(|part| part.to == worker).map(Transfer::bytes).sum();
        memory.activations = memory.activations.max(held + received);
        memory
    }
}

impl Graph {
    /// Most memory at any moment of a run on one machine, bytes, all weights included.
    pub fn peak_bytes(&self) -> u64 {
        let whole = Schedule::new(self, &Partition::whole(1, self.operators().len(), 0));
        whole.map_or(u64::MAX, |schedule| schedule.memory_of(self, 0).peak())
    }
}

impl Stage {
    /// What a worker's engine holds for this stage's operator, bytes: its slice of the weight with its bias, and two
    /// numbers for each channel of a norm.
    pub fn weight_bytes(&self, operator: &Operator, worker: usize) -> u64 {
        let slice = self.work[worker].as_ref().map_or(0, |work| operator.sharing().held_bytes(part(operator, work)));
        let complete = &self.complete[worker];
        if complete.is_empty() {
            return slice;
        }
        let tail = operator.tail.iter().map(|tail| {
            // Of the tail's weights only channels count.
            let made = Region::of_channels(complete.channels.clone(), tail.input.shape);
            let (types, inputs) = ([tail.input], [made.clone()]);
            tail.op.sharing().held_bytes(Part { types: &types, output: tail.input, inputs: &inputs, made: &made })
        });
        slice + tail.sum::<u64>()
    }
}

fn part<'a>(operator: &'a Operator, work: &'a Work) -> Part<'a> {
    Part { types: &operator.types, output: operator.made, inputs: &work.inputs, made: &work.made }
}

/// Most at one time while a worker goes through an operator: it assembles its inputs, makes its part, gives what others
/// merge, merges what they give, runs the tail, and gives what is needed later.
fn stage_bytes(operator: &Operator, stage: &Stage, sent: &[&Transfer], worker: usize) -> u64 {
    let received = |transfers: &[Transfer]| -> u64 {
        transfers.iter().filter(|transfer| transfer.to == worker).map(Transfer::bytes).sum()
    };
    let of_inputs = |regions: &[Region]| -> u64 {
        regions.iter().zip(&operator.types).map(|(region, of)| bytes(region, of.shape)).sum()
    };
    let (gathered, holds) = (received(&stage.gather), &stage.held[worker]);
    let held = of_inputs(&holds.inputs);
    let (input, made, scratch) = match &stage.work[worker] {
        Some(work) => (
            of_inputs(&work.inputs),
            bytes(&work.made, operator.made.shape),
            operator.sharing().scratch_bytes(part(operator, work)),
        ),
        None => (0, 0, 0),
    };
    // Parts side by side become one; what was held is the input itself, unless some of its rows are.
    let copied = copied_bytes(operator, stage, worker);
    let assembling = held + gathered + if gathered > 0 { input + copied } else { 0 };
    let reading = if gathered > 0 { input } else { held.max(input) + copied };
    let making = reading + made + scratch;
    let complete = bytes(&stage.complete[worker], operator.made.shape);
    let merging = made.max(complete) + received(&stage.sums);
    let output = bytes(&stage.output[worker], operator.output.shape);
    let is_other_shape = operator.tail.iter().any(|tail| {
        let output = tail.op.operation().output(&[tail.input]);
        output.is_ok_and(|output| output.shape != tail.input.shape)
    });
    let tail = complete + if is_other_shape { output } else { 0 };
    let sums: Vec<&Transfer> = stage.sums.iter().collect();
    let given = [made + given(&sums, worker), output + given(sent, worker)];
    let before = [assembling, making].map(|bytes| bytes + holds.beside_bytes);
    let after = [merging, tail, given[0], given[1]].map(|bytes| bytes + holds.after_bytes);
    before.into_iter().chain(after).max().unwrap_or(0)
}

/// Some channels of nodes that are held lie apart, and are copied before they are read.
fn copied_bytes(operator: &Operator, stage: &Stage, worker: usize) -> u64 {
    let Some(work) = &stage.work[worker] else { return 0 };
    let inputs = work.inputs.iter().zip(&stage.held[worker].inputs).zip(&operator.types);
    let used = inputs.map(|((need, held), of)| (held.intersection(need), held, of));
    let copied = used.filter(|(used, held, of)| of.layout == Layout::Nodes && used.channels != held.channels);
    copied.map(|(used, _, of)| bytes(&used, of.shape)).sum()
}

/// Copies of what is sent, one for all who get the same.
fn given(transfers: &[&Transfer], worker: usize) -> u64 {
    let mut given: Vec<&Transfer> = Vec::new();
    for transfer in transfers.iter().filter(|transfer| transfer.from == worker) {
        if !given.iter().any(|other| other.region == transfer.region) {
            given.push(transfer);
        }
    }
    given.into_iter().map(Transfer::bytes).sum()
}

fn bytes(region: &Region, shape: Shape) -> u64 {
    4 * region.shape(shape.width).values()
}
