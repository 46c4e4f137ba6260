//! A worker in a run: what it holds between the messages of a schedule. Values come and go as plain numbers; in between
//! they stay on the device.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;
use cleave_graph::op::Merge;
use cleave_graph::{Graph, Operator, Region, Schedule, ValueId, ValueType};

use super::load::{Kernel, Loader, Wanted};
use super::params::Slices;
use super::value::{Piece, Value, assemble};
use crate::ModelError;

/// The engine of one worker, with its slices of the weights. Each call takes what has come for it, in the schedule's order,
/// and gives what is to be sent.
pub struct Member {
    graph: Arc<Graph>,
    schedule: Arc<Schedule>,
    worker: usize,
    device: Device,
    stages: Vec<Loaded>,
    /// Its parts of values that it will read.
    holds: BTreeMap<ValueId, Piece>,
    /// What it has made of an operator, before partial results become one.
    made: Option<(usize, Piece)>,
}

/// Its part of one operator.
pub(super) struct Loaded {
    /// None if it has no part of the operation.
    pub(super) kernel: Option<Box<dyn Kernel>>,
    /// Empty if it has nothing of its result.
    pub(super) tail: Vec<Box<dyn Kernel>>,
}

impl Loaded {
    /// Reads a worker's slices of an operator's weights onto the device.
    pub(super) fn new(loader: &Loader, schedule: &Schedule, stage: usize, worker: usize) -> Result<Self, ModelError> {
        let (operator, stage) = (&loader.graph.operators()[stage], &schedule.stages[stage]);
        let work = stage.work[worker].as_ref();
        let kernel = work.map(|work| {
            loader.kernel(operator.node, &Wanted { inputs: &work.inputs, made: &work.made, bias: work.bias })
        });
        let complete = &stage.complete[worker];
        if complete.is_empty() {
            return Ok(Self { kernel: kernel.transpose()?, tail: Vec::new() });
        }
        // Of what follows only the channels matter: it works on all rows that are there.
        let tail = operator.tail.iter().map(|tail| {
            let made = Region::of_channels(complete.channels.clone(), tail.input.shape);
            loader.kernel(tail.node, &Wanted { inputs: std::slice::from_ref(&made), made: &made, bias: true })
        });
        Ok(Self { kernel: kernel.transpose()?, tail: tail.collect::<Result<_, _>>()? })
    }

    /// What follows within the operator.
    pub(super) fn finish(&self, complete: Value) -> Value {
        self.tail.iter().fold(complete, |value, kernel| kernel.run(vec![Some(value)]))
    }
}

impl Member {
    /// Reads the worker's slices of the weights onto the device.
    ///
    /// # Errors
    /// [`ModelError`]: a weight that is missing, of another shape, or not finite.
    pub fn new(
        graph: Arc<Graph>,
        schedule: Arc<Schedule>,
        worker: usize,
        params: &dyn Slices,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let loader = Loader { graph: &graph, params, device };
        let stages = (0..schedule.stages.len()).map(|stage| Loaded::new(&loader, &schedule, stage, worker));
        let stages = stages.collect::<Result<_, _>>()?;
        Ok(Self { stages, device: device.clone(), graph, schedule, worker, holds: BTreeMap::new(), made: None })
    }

    /// Makes the worker's part of an operator from what it holds and what came of the operator's inputs (which input, which
    /// region, its numbers); `wanted` is sent of what it makes, a partial result.
    ///
    /// # Errors
    /// [`ModelError::Parts`] if something is missing, or is not what the schedule says.
    pub async fn make(
        &mut self,
        stage: usize,
        received: Vec<(usize, Region, Vec<f32>)>,
        wanted: &[Region],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let missing = || wrong(format!("operator {stage} has not all of its input"));
        let operator = self.graph.operators().get(stage).ok_or_else(missing)?.clone();
        let work = self.schedule.stages[stage].work[self.worker].clone().ok_or_else(missing)?;
        let mut pieces: Vec<Vec<Piece>> = vec![Vec::new(); operator.inputs.len()];
        for (input, region, values) in received {
            let of = *operator.types.get(input).ok_or_else(missing)?;
            pieces[input].push(self.piece(region, of, values)?);
        }
        let mut inputs = Vec::with_capacity(pieces.len());
        for (input, pieces) in pieces.into_iter().enumerate() {
            let (value, need) = (operator.inputs[input], &work.inputs[input]);
            let is_read_again = operator.inputs[input + 1..].contains(&value);
            inputs.push(self.input(stage, value, need, pieces, is_read_again).ok_or_else(missing)?);
        }
        let kernel = self.stages[stage].kernel.as_ref().ok_or_else(missing)?;
        let made = Piece { value: kernel.run(inputs), region: work.made };
        let (_, made) = self.made.insert((stage, made));
        made.read(wanted).await
    }

    /// What a stage reads of a value, put together; kept if it is read again. None if a part is missing, and nothing where
    /// nothing is needed.
    fn input(
        &mut self,
        stage: usize,
        value: ValueId,
        need: &Region,
        mut pieces: Vec<Piece>,
        is_read_again: bool,
    ) -> Option<Option<Value>> {
        let held = self.holds.remove(&value);
        let own = held.as_ref().map_or_else(Region::default, |piece| piece.region.clone());
        pieces.extend(held);
        if need.is_empty() {
            self.keep(stage, value, pieces.pop(), is_read_again);
            return Some(None);
        }
        let assembled = assemble(need, &pieces)?;
        // The coordinator is given at once all that it will read of an input.
        let larger = pieces.iter().position(|piece| own.is_empty() && piece.region.contains(need));
        let kept = match larger {
            Some(at) => Some(pieces.swap_remove(at)),
            None if need.contains(&own) => Some(Piece { region: need.clone(), value: assembled.clone() }),
            None => pieces.pop(),
        };
        drop(pieces);
        self.keep(stage, value, kept, is_read_again);
        Some(Some(assembled))
    }

    /// Keeps a value that this worker reads after a stage, or again in it.
    fn keep(&mut self, stage: usize, value: ValueId, piece: Option<Piece>, is_read_again: bool) {
        let later = self.graph.operators().iter().zip(&self.schedule.stages).skip(stage + 1);
        let reads = |operator: &Operator| operator.inputs.contains(&value);
        let is_read = is_read_again
            || later.into_iter().any(|(operator, stage)| reads(operator) && stage.work[self.worker].is_some());
        if let Some(piece) = piece.filter(|_| is_read) {
            self.holds.insert(value, piece);
        }
    }

    /// Merges the partial results that have come, one complete region each, and does what follows within the operator;
    /// `wanted` is sent of the operator's output.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn finish(
        &mut self,
        stage: usize,
        received: Vec<Vec<f32>>,
        wanted: &[Region],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let missing = || wrong(format!("nothing was made of operator {stage}"));
        let operator = self.graph.operators().get(stage).ok_or_else(missing)?.clone();
        let of_worker = &self.schedule.stages[stage];
        let (complete, output) = (of_worker.complete[self.worker].clone(), of_worker.output[self.worker].clone());
        let made = self.made.take().filter(|(of, _)| *of == stage);
        let mut whole = made.map(|(_, made)| made.cut(&complete));
        for values in received {
            let other = self.piece(complete.clone(), operator.made, values)?.value;
            whole = Some(match whole {
                Some(whole) => merge(whole, other, &operator.merge(), &complete),
                None => other,
            });
        }
        let value = self.stages[stage].finish(whole.ok_or_else(missing)?);
        let output = Piece { region: output, value };
        let read = output.read(wanted).await;
        self.keep(stage, operator.result, Some(output), false);
        read
    }

    /// Forgets what it holds of a run.
    pub fn forget(&mut self) {
        self.holds.clear();
        self.made = None;
    }

    fn piece(&self, region: Region, of: ValueType, values: Vec<f32>) -> Result<Piece, ModelError> {
        Ok(Piece { value: Value::of(values, &region, of, &self.device)?, region })
    }
}

/// Two partial results of a region as one.
fn merge(a: Value, b: Value, merge: &Merge, region: &Region) -> Value {
    let (a, b) = match (a, b) {
        (Value::Map(a), Value::Map(b)) => return Value::Map(a + b),
        (a, b) => (a.nodes(), b.nodes()),
    };
    let Merge::MaxWithin(of) = merge else { return Value::Nodes(a + b) };
    let channels = &region.channels;
    let (start, end) = (of.start.clamp(channels.start, channels.end), of.end.clamp(channels.start, channels.end));
    let part = |from: usize, to: usize| {
        let narrow = |x: &burn::tensor::Tensor<3>| x.clone().narrow(2, from - channels.start, to - from);
        (from < to).then(|| (narrow(&a), narrow(&b)))
    };
    let sums = |(a, b)| a + b;
    let before = part(channels.start, start).map(sums);
    let largest = part(start, end).map(|(a, b)| a.max_pair(b));
    let after = part(end, channels.end).map(sums);
    Value::Nodes(burn::tensor::Tensor::cat([before, largest, after].into_iter().flatten().collect(), 2))
}

fn wrong(found: String) -> ModelError {
    ModelError::Parts { found }
}
