//! What a schedule takes of each worker's memory.

use super::kernel::{FILTER_TAPS, columns_at_once, is_filtered, tile_rows_at_once};
use super::layer::Shape;
use super::network::Network;
use super::operator::{Kind, Operator, Tail};
use super::region::Region;
use super::schedule::{Schedule, Stage, Transfer, Work};

/// Depth of the columns that the matrix product packs at a time: by measurement, of the `gemm` crate.
const PACKED_DEPTH: usize = 256;

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
        for (at, (operator, stage)) in network.operators().iter().zip(&self.stages).enumerate() {
            memory.weights += stage.weight_bytes(operator, worker);
            let next = self.stages.get(at + 1).map_or(&self.answer, |next| &next.gather);
            memory.activations = memory.activations.max(stage_bytes(operator, stage, next, worker, held));
            held = bytes(&stage.output[worker], operator.output);
        }
        let received: u64 = self.answer.iter().filter(|part| part.to == worker).map(Transfer::bytes).sum();
        memory.activations = memory.activations.max(held + received);
        memory
    }
}

impl Stage {
    /// What a worker's engine holds for this stage's operator, bytes: its slice of the weight with its bias, and two
    /// numbers for each channel of a norm.
    pub fn weight_bytes(&self, operator: &Operator, worker: usize) -> u64 {
        let slice = self.work[worker].as_ref().map_or(0, |work| slice_bytes(operator, work));
        slice + norm_bytes(operator, &self.complete[worker])
    }
}

fn slice_bytes(operator: &Operator, work: &Work) -> u64 {
    let (inputs, outputs) = (work.input.channels.len(), work.made.channels.len());
    let values = match operator.kind {
        Kind::Lrn { .. } => return 0,
        Kind::Conv { kernel, stride, .. } if is_filtered(kernel, stride, inputs, outputs) => {
            (FILTER_TAPS * inputs * outputs) as u64
        }
        _ => operator.weight_values(inputs, outputs),
    };
    4 * (values + outputs as u64)
}

fn norm_bytes(operator: &Operator, complete: &Region) -> u64 {
    let norms = operator.tail.iter().filter(|tail| matches!(tail, Tail::BatchNorm { .. })).count();
    if complete.is_empty() { 0 } else { (8 * norms * complete.channels.len()) as u64 }
}

/// What a convolution works in.
fn scratch_bytes(operator: &Operator, work: &Work) -> u64 {
    let (inputs, outputs) = (work.input.channels.len(), work.made.channels.len());
    let output @ [_, cols] = [work.made.rows.len(), operator.made.width];
    let values = match operator.kind {
        Kind::Conv { kernel, stride, .. } if is_filtered(kernel, stride, inputs, outputs) => {
            let (rows, across) = (tile_rows_at_once(inputs, outputs, output), cols.div_ceil(2));
            FILTER_TAPS * (inputs + outputs) * rows * across + 8 * (2 * across + 2)
        }
        Kind::Conv { kernel, .. } => {
            let [channels, rows] = columns_at_once(kernel, inputs, output);
            let (depth, width) = (channels * kernel * kernel, rows * cols);
            // The matrix product packs these columns once more, in equal pieces of at most so much depth.
            depth * width + depth.div_ceil(depth.div_ceil(PACKED_DEPTH).max(1)) * width
        }
        // Squares, and sums of them; at the end the powers of these beside what is normalised.
        Kind::Lrn { .. } => return bytes(&work.input, operator.input) + bytes(&work.made, operator.made),
        Kind::Linear => 0,
    };
    4 * values as u64
}

/// Most at one time while a worker goes through an operator: it assembles its input, makes its part, gives what others
/// add, adds what they give, runs the tail, and gives what is needed next.
fn stage_bytes(operator: &Operator, stage: &Stage, next: &[Transfer], worker: usize, held: u64) -> u64 {
    let received = |transfers: &[Transfer]| -> u64 {
        transfers.iter().filter(|transfer| transfer.to == worker).map(Transfer::bytes).sum()
    };
    let gathered = received(&stage.gather);
    let (input, made, scratch) = match &stage.work[worker] {
        Some(work) => {
            (bytes(&work.input, operator.input), bytes(&work.made, operator.made), scratch_bytes(operator, work))
        }
        None => (0, 0, 0),
    };
    // Parts side by side become one; what was held is the input itself, unless some of its rows are.
    let assembling = held + gathered + if gathered > 0 { input } else { 0 };
    let reading = if gathered > 0 { input } else { held.max(input) };
    let making = reading + made + scratch;
    let complete = bytes(&stage.complete[worker], operator.made);
    let adding = made.max(complete) + received(&stage.sums);
    let output = bytes(&stage.output[worker], operator.output);
    let tail = complete + if operator.tail.iter().any(|tail| matches!(tail, Tail::Pool { .. })) { output } else { 0 };
    let given = [made + given(&stage.sums, worker), output + given(next, worker)];
    [assembling, making, adding, tail].into_iter().chain(given).max().unwrap_or(0)
}

/// Copies of what is sent, one for all who get the same.
fn given(transfers: &[Transfer], worker: usize) -> u64 {
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
