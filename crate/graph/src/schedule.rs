//! What follows from a partition: for each operator what is sent, computed, merged and held, worker by worker.
//!
//! One rule makes all exchanges: a worker that needs a region of a value gets what it has not from those who made it. Output
//! channels before input channels so need no exchange; output channels before output channels are an all-gather; rows
//! before rows are a halo; partial sums are sent where their sum is needed, which before output channels is an
//! all-reduce and before input channels a reduce-scatter. What a worker has gathered it keeps while a later operator reads
//! it, so that a residual connection is not sent twice.

use std::ops::Range;

use crate::error::GraphError;
use crate::graph::{Graph, ValueId};
use crate::op::Axis;
use crate::operator::Operator;
use crate::partition::{MAX_WORKERS, Partition, Reduce, Shares, Split, Step};
use crate::region::Region;
use crate::value::Shape;

/// The worker that has the input and gets the answer.
pub const COORDINATOR: usize = 0;

/// One message from a worker to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
    /// Which input of the operator it is for, counted from 0; 0 for partial results and for the answer.
    pub input: usize,
    /// What, of the value that is sent: the operator's input for a gather, what it makes for partial results.
    pub region: Region,
    /// Columns of that value.
    pub width: usize,
}

impl Transfer {
    /// Numbers in it.
    pub fn values(&self) -> u64 {
        self.region.shape(self.width).values()
    }

    /// As f32, bytes.
    pub fn bytes(&self) -> u64 {
        4 * self.values()
    }
}

/// A worker's part of an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// What it reads of each of the operator's inputs.
    pub inputs: Vec<Region>,
    /// What it computes: complete, or a partial result.
    pub made: Region,
    /// Whether it adds the bias. Of partial sums one has it.
    pub bias: bool,
}

impl Work {
    /// What it reads of the first input.
    pub fn input(&self) -> &Region {
        &self.inputs[0]
    }
}

/// What a worker holds before a stage of what it will read: of the stage's inputs, and bytes of all else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Of each input.
    pub inputs: Vec<Region>,
    /// Of values that the stage does not read, but a later one does.
    pub beside_bytes: u64,
    /// Of all values that are read after the stage, its output not among them.
    pub after_bytes: u64,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Which.
    pub operator: usize,
    /// Whether what workers make are partial results.
    pub partial: bool,
    /// What is sent of its inputs before it.
    pub gather: Vec<Transfer>,
    /// What each worker computes.
    pub work: Vec<Option<Work>>,
    /// What is sent of partial results, to be merged by the receiver.
    pub sums: Vec<Transfer>,
    /// What each worker then has complete of what the operation makes, and runs the tail on.
    pub complete: Vec<Region>,
    /// What each worker has of the operator's output.
    pub output: Vec<Region>,
    /// What each worker holds before it.
    pub held: Vec<Held>,
}

/// A partition worked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How many workers.
    pub workers: usize,
    /// One for each operator.
    pub stages: Vec<Stage>,
    /// What is sent of the answer to the coordinator.
    pub answer: Vec<Transfer>,
}

impl Schedule {
    /// What follows from a partition.
    ///
    /// # Errors
    /// [`GraphError`]: shares that do not cover, workers that are not there, a split that the operator has not.
    pub fn new(graph: &Graph, partition: &Partition) -> Result<Self, GraphError> {
        let (operators, steps) = (graph.operators(), &partition.steps);
        if !(1..=MAX_WORKERS).contains(&partition.workers) {
            return Err(GraphError::Workers { workers: partition.workers });
        }
        if steps.len() != operators.len() {
            return Err(GraphError::Steps { steps: steps.len(), operators: operators.len() });
        }
        for (at, (operator, step)) in operators.iter().zip(steps).enumerate() {
            check(at, operator, step, partition.workers)?;
        }
        Ok(Plan::new(graph, partition).schedule())
    }

    /// What is sent of a value, with the stage that it is sent for; one past the last is the answer.
    pub fn transfers_of<'a>(
        &'a self,
        graph: &'a Graph,
        value: ValueId,
    ) -> impl Iterator<Item = (usize, &'a Transfer)> + 'a {
        let stages = graph.operators().iter().zip(&self.stages).enumerate();
        let gathers = stages.flat_map(move |(at, (operator, stage))| {
            let of = stage.gather.iter().filter(move |transfer| operator.inputs[transfer.input] == value);
            of.map(move |transfer| (at, transfer))
        });
        let answer = self.answer.iter().filter(move |_| value == graph.answer());
        gathers.chain(answer.map(|transfer| (self.stages.len(), transfer)))
    }

    /// Where a worker first reads a value: the stage, the number of the input, and all that it will ever read of it.
    pub fn first_read(&self, graph: &Graph, value: ValueId, worker: usize) -> Option<(usize, usize, Region)> {
        let stages = graph.operators().iter().zip(&self.stages).enumerate();
        let mut reads = stages.flat_map(|(at, (operator, stage))| {
            let inputs = operator.inputs.iter().enumerate().filter(|(_, input)| **input == value);
            let work = stage.work[worker].as_ref();
            inputs.filter_map(move |(input, _)| Some((at, input, work?.inputs[input].clone())))
        });
        let (at, input, first) = reads.next()?;
        Some((at, input, reads.fold(first, |hull, (_, _, region)| hull.hull(&region))))
    }

    /// All messages in order.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.stages.iter().flat_map(|stage| stage.gather.iter().chain(&stage.sums)).chain(&self.answer)
    }
}

/// A partition on its way to become a schedule.
struct Plan<'a> {
    graph: &'a Graph,
    partition: &'a Partition,
    /// What each worker computes of each operator.
    works: Vec<Vec<Option<Work>>>,
    /// Operators that read a value, with the number of the input.
    readers: Vec<Vec<(usize, usize)>>,
    /// Who made which part of a value, and who holds which.
    made: Vec<Vec<Region>>,
    holds: Vec<Vec<Region>>,
}

impl<'a> Plan<'a> {
    fn new(graph: &'a Graph, partition: &'a Partition) -> Self {
        let operators = graph.operators();
        let mut readers = vec![Vec::new(); graph.answer() + 1];
        for (at, operator) in operators.iter().enumerate() {
            operator.inputs.iter().enumerate().for_each(|(input, value)| readers[*value].push((at, input)));
        }
        let given = |value: ValueId| one_has(partition.workers, COORDINATOR, Region::all(graph.value(value).shape));
        let nobody = vec![Region::default(); partition.workers];
        let made =
            (0..=graph.answer()).map(|value| if value < graph.inputs().len() { given(value) } else { nobody.clone() });
        let made: Vec<_> = made.collect();
        let works = operators.iter().zip(&partition.steps).map(|(of, step)| works(of, &step.split, partition.workers));
        Self { works: works.collect(), graph, partition, readers, holds: made.clone(), made }
    }

    fn schedule(mut self) -> Schedule {
        let stages = (0..self.graph.operators().len()).map(|at| self.stage(at)).collect();
        let answer = self.graph.answer();
        let shape = self.graph.value(answer).shape;
        let wanted = one_has(self.partition.workers, COORDINATOR, Region::all(shape));
        let answer = gathers(&self.made[answer], &self.made[answer], &wanted, 0, shape.width);
        Schedule { workers: self.partition.workers, stages, answer }
    }

    fn stage(&mut self, at: usize) -> Stage {
        let (operator, step) = (&self.graph.operators()[at], &self.partition.steps[at]);
        let workers = self.partition.workers;
        let held = (0..workers).map(|worker| self.held(at, worker)).collect();
        let mut gather = Vec::new();
        for (input, value) in operator.inputs.iter().enumerate() {
            let needs = self.needs(at, input);
            let width = self.graph.value(*value).shape.width;
            gather.extend(gathers(&self.made[*value], &self.holds[*value], &needs, input, width));
            for (holds, need) in self.holds[*value].iter_mut().zip(needs) {
                if need.contains(holds) {
                    *holds = need;
                }
            }
        }
        let work = self.works[at].clone();
        let made: Vec<Region> =
            work.iter().map(|work| work.as_ref().map_or_else(Region::default, |w| w.made.clone())).collect();
        let all = Region::all(operator.output.shape);
        let (sums, complete, output) = match &step.split {
            Split::Inputs(_) => {
                let output = match &step.reduce {
                    Reduce::Direct => self.wanted(operator.result),
                    Reduce::Root(root) => one_has(workers, *root, all),
                    Reduce::Scatter(shares) => channels(shares, operator.output.shape),
                };
                let complete: Vec<_> = output.iter().map(|region| operator.made_for(region)).collect();
                (sums(&made, &complete, operator.made.shape.width), complete, output)
            }
            split => (Vec::new(), made, outputs(operator, split, workers)),
        };
        self.made[operator.result].clone_from(&output);
        self.holds[operator.result].clone_from(&output);
        let partial = matches!(step.split, Split::Inputs(_));
        Stage { operator: at, partial, gather, work, sums, complete, output, held }
    }

    /// What each worker reads of an operator's input.
    fn needs(&self, at: usize, input: usize) -> Vec<Region> {
        let need = |work: &Option<Work>| work.as_ref().map_or_else(Region::default, |work| work.inputs[input].clone());
        self.works[at].iter().map(need).collect()
    }

    /// What each worker will read of a value, wherever.
    fn wanted(&self, value: ValueId) -> Vec<Region> {
        let last = (value == self.graph.answer())
            .then(|| one_has(self.partition.workers, COORDINATOR, Region::all(self.graph.value(value).shape)));
        let readers = self.readers[value].iter().map(|(at, input)| self.needs(*at, *input));
        let hull = |all: Vec<Region>, next: Vec<Region>| all.iter().zip(&next).map(|(a, b)| a.hull(b)).collect();
        readers.chain(last).reduce(hull).unwrap_or_default()
    }

    fn held(&self, at: usize, worker: usize) -> Held {
        let operator = &self.graph.operators()[at];
        let reads = |at: usize| self.works[at][worker].is_some();
        let is_read = |value: ValueId| self.readers[value].iter().any(|(reader, _)| *reader > at && reads(*reader));
        let bytes = |value: ValueId, region: &Region| 4 * region.shape(self.graph.value(value).shape.width).values();
        let holds = |value: &ValueId| if reads(at) { self.holds[*value][worker].clone() } else { Region::default() };
        let inputs = operator.inputs.iter().map(holds).collect();
        let mut held = Held { inputs, ..Held::default() };
        for value in (0..self.holds.len()).filter(|value| is_read(*value)) {
            let holds = &self.holds[value][worker];
            let Some(input) = operator.inputs.iter().position(|input| *input == value) else {
                held.beside_bytes += bytes(value, holds);
                held.after_bytes += bytes(value, holds);
                continue;
            };
            let need = self.works[at][worker].as_ref().map_or_else(Region::default, |work| work.inputs[input].clone());
            held.after_bytes += bytes(value, if need.contains(holds) { &need } else { holds });
        }
        held
    }
}

/// What each worker makes of an operator's output; partial results do not count.
fn outputs(operator: &Operator, split: &Split, workers: usize) -> Vec<Region> {
    let (shape, all) = (operator.output.shape, Region::all(operator.output.shape));
    match split {
        Split::Rows(shares) => shares.ranges().into_iter().map(|rows| of_rows(rows, shape)).collect(),
        Split::Outputs(shares) => channels(shares, shape),
        Split::Alone(worker) => one_has(workers, *worker, all),
        Split::Replicated => vec![all; workers],
        Split::Inputs(_) => vec![Region::default(); workers],
    }
}

/// What each worker computes.
fn works(operator: &Operator, split: &Split, workers: usize) -> Vec<Option<Work>> {
    if let Split::Inputs(shares) = split {
        let first = shares.units().iter().position(|units| *units > 0);
        let made = operator.made_for(&Region::all(operator.output.shape));
        let work = |(j, units): (usize, Range<usize>)| {
            let inputs = operator.input_share(&made, units.clone());
            (!units.is_empty()).then(|| Work { inputs, made: made.clone(), bias: Some(j) == first })
        };
        return shares.ranges().into_iter().enumerate().map(work).collect();
    }
    let complete = |output: Region| {
        let made = operator.made_for(&output);
        (!made.is_empty()).then(|| Work { inputs: operator.needs(&made), made, bias: true })
    };
    outputs(operator, split, workers).into_iter().map(complete).collect()
}

fn one_has(workers: usize, worker: usize, region: Region) -> Vec<Region> {
    (0..workers).map(|j| if j == worker { region.clone() } else { Region::default() }).collect()
}

fn channels(shares: &Shares, shape: Shape) -> Vec<Region> {
    let region = |channels: Range<usize>| match channels.is_empty() {
        true => Region::default(),
        false => Region::of_channels(channels, shape),
    };
    shares.ranges().into_iter().map(region).collect()
}

fn of_rows(rows: Range<usize>, shape: Shape) -> Region {
    if rows.is_empty() { Region::default() } else { Region::of_rows(rows, shape) }
}

/// Who sends what so that all have what they need, of what was made by whom and is held by whom. Either the parts that
/// were made are disjoint, or whoever made anything made everything.
pub fn gathers(made: &[Region], holds: &[Region], need: &[Region], input: usize, width: usize) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    for (to, need) in need.iter().enumerate() {
        if holds[to].contains(need) {
            continue;
        }
        let whole = made.iter().position(|region| region.contains(need));
        let from = |from: usize| {
            let region = made[from].intersection(need);
            let is_sent = from != to
                && !region.is_empty()
                && !holds[to].contains(&region)
                && whole.is_none_or(|whole| whole == from);
            is_sent.then_some(Transfer { from, to, input, region, width })
        };
        transfers.extend((0..made.len()).filter_map(from));
    }
    transfers
}

/// Who sends which part of its partial result to whom.
fn sums(made: &[Region], complete: &[Region], width: usize) -> Vec<Transfer> {
    let receives = |(to, region): (usize, &Region)| {
        let sends = move |(from, made): (usize, &Region)| {
            let is_sent = from != to && !made.is_empty() && !region.is_empty();
            is_sent.then(|| Transfer { from, to, input: 0, region: region.clone(), width })
        };
        made.iter().enumerate().filter_map(sends).collect::<Vec<_>>()
    };
    complete.iter().enumerate().flat_map(receives).collect()
}

fn check(at: usize, operator: &Operator, step: &Step, workers: usize) -> Result<(), GraphError> {
    let exists = |worker: usize| match worker < workers {
        true => Ok(()),
        false => Err(GraphError::NoWorker { operator: at, worker, last: workers - 1 }),
    };
    let covers = |shares: &Shares, axis: Axis| {
        let (units, what) = (operator.units(axis), name_of_units(axis));
        match shares.units().len() == workers && shares.total() == units {
            true => Ok(()),
            false => Err(GraphError::Shares { operator: at, shares: shares.units().to_vec(), workers, units, what }),
        }
    };
    let legal = |axis: Axis| match operator.has(axis) {
        true => Ok(()),
        false => {
            let split = name_of_units(axis).trim_end_matches('s');
            Err(GraphError::Illegal { operator: at, op: operator.op.to_string(), split })
        }
    };
    match &step.split {
        Split::Replicated => Ok(()),
        Split::Alone(worker) => exists(*worker),
        Split::Outputs(shares) => legal(Axis::Outputs).and_then(|()| covers(shares, Axis::Outputs)),
        Split::Rows(shares) => legal(Axis::Rows).and_then(|()| covers(shares, Axis::Rows)),
        Split::Inputs(shares) => {
            legal(Axis::Inputs)?;
            covers(shares, Axis::Inputs)?;
            match &step.reduce {
                Reduce::Direct => Ok(()),
                Reduce::Root(worker) => exists(*worker),
                Reduce::Scatter(shares) => covers(shares, Axis::Outputs),
            }
        }
    }
}

fn name_of_units(axis: Axis) -> &'static str {
    match axis {
        Axis::Outputs => "output channels",
        Axis::Inputs => "inputs",
        Axis::Rows => "rows",
    }
}
