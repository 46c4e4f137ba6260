//! What follows from a partition: for each operator what is sent, computed, added up and held, worker by worker.
//!
//! One rule makes all exchanges: a worker that needs a region of a map gets from the others what it has not. Output
//! channels before input channels so need no exchange; output channels before output channels are an all-gather; rows
//! before rows are a halo; partial sums are sent where their sum is needed, which before output channels is an
//! all-reduce and before input channels a reduce-scatter.

use super::error::NetworkError;
use super::layer::Shape;
use super::network::Network;
use super::operator::{Kind, Operator};
use super::partition::{MAX_WORKERS, Partition, Reduce, Shares, Split, Step};
use super::region::Region;

/// The worker that has the image and gets the answer.
pub const COORDINATOR: usize = 0;

/// One message from a worker to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfer {
    /// Who sends.
    pub from: usize,
    /// Who receives.
    pub to: usize,
    /// What, of the map that is sent: the operator's input for a gather, the layer's output for sums.
    pub region: Region,
    /// Columns of that map.
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
    /// What it reads of the operator's input.
    pub input: Region,
    /// What it computes of the layer's output: complete, or a partial sum.
    pub made: Region,
    /// Whether it adds the bias. Of partial sums one has it.
    pub bias: bool,
}

/// One operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Which.
    pub operator: usize,
    /// Whether what workers make are partial sums.
    pub partial: bool,
    /// What is sent of its input before it.
    pub gather: Vec<Transfer>,
    /// What each worker computes.
    pub work: Vec<Option<Work>>,
    /// What is sent of partial sums, to be added by the receiver.
    pub sums: Vec<Transfer>,
    /// What each worker then has complete of the layer's output, and runs the tail on.
    pub complete: Vec<Region>,
    /// What each worker has of the operator's output.
    pub output: Vec<Region>,
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
    /// [`NetworkError`]: shares that do not cover, workers that are not there, a split that the operator has not.
    pub fn new(network: &Network, partition: &Partition) -> Result<Self, NetworkError> {
        let (operators, steps) = (network.operators(), &partition.steps);
        if !(1..=MAX_WORKERS).contains(&partition.workers) {
            return Err(NetworkError::Workers { workers: partition.workers });
        }
        if steps.len() != operators.len() {
            return Err(NetworkError::Steps { steps: steps.len(), operators: operators.len() });
        }
        for (at, (operator, step)) in operators.iter().zip(steps).enumerate() {
            check(at, operator, step, partition.workers)?;
        }
        let alone = |worker, shape| one_has(partition.workers, worker, Region::all(shape));
        let mut has = alone(COORDINATOR, network.input());
        let mut stages = Vec::with_capacity(steps.len());
        for (at, (operator, step)) in operators.iter().zip(steps).enumerate() {
            let next = match (operators.get(at + 1), steps.get(at + 1)) {
                (Some(next), Some(step)) => needs(&works(next, &step.split, partition.workers)),
                _ => alone(COORDINATOR, operator.output),
            };
            let stage = stage(at, operator, step, &has, &next);
            has.clone_from(&stage.output);
            stages.push(stage);
        }
        let answer = alone(COORDINATOR, network.output());
        let answer = gathers(&has, &answer, network.output().width);
        Ok(Self { workers: partition.workers, stages, answer })
    }

    /// All messages in order.
    pub fn transfers(&self) -> impl Iterator<Item = &Transfer> {
        self.stages.iter().flat_map(|stage| stage.gather.iter().chain(&stage.sums)).chain(&self.answer)
    }
}

fn stage(at: usize, operator: &Operator, step: &Step, has: &[Region], next: &[Region]) -> Stage {
    let workers = has.len();
    let work = works(operator, &step.split, workers);
    let gather = gathers(has, &needs(&work), operator.input.width);
    let made: Vec<Region> =
        work.iter().map(|work| work.as_ref().map_or_else(Region::default, |w| w.made.clone())).collect();
    let (sums, complete, output) = match &step.split {
        Split::Inputs(_) => {
            let output = match &step.reduce {
                Reduce::Direct => next.to_vec(),
                Reduce::Root(root) => one_has(workers, *root, Region::all(operator.output)),
                Reduce::Scatter(shares) => channels(shares, operator.output),
            };
            let complete: Vec<_> = output.iter().map(|region| made_for(operator, region)).collect();
            (sums(&made, &complete, operator.made.width), complete, output)
        }
        Split::Rows(shares) => {
            let rows = shares.ranges().into_iter().map(|rows| of_rows(rows, operator.output));
            (Vec::new(), made, rows.collect())
        }
        Split::Outputs(shares) => (Vec::new(), made, channels(shares, operator.output)),
        Split::Alone(worker) => (Vec::new(), made, one_has(workers, *worker, Region::all(operator.output))),
        Split::Copies => (Vec::new(), made, vec![Region::all(operator.output); workers]),
    };
    let partial = matches!(step.split, Split::Inputs(_));
    Stage { operator: at, partial, gather, work, sums, complete, output }
}

/// What each worker computes.
fn works(operator: &Operator, split: &Split, workers: usize) -> Vec<Option<Work>> {
    let complete = |output: Region| {
        let made = made_for(operator, &output);
        (!made.is_empty()).then(|| Work { input: operator.needs(&made), made, bias: true })
    };
    let whole = || Region::all(operator.output);
    match split {
        Split::Copies => (0..workers).map(|_| complete(whole())).collect(),
        Split::Alone(worker) => (0..workers).map(|j| complete(whole()).filter(|_| j == *worker)).collect(),
        Split::Outputs(shares) => channels(shares, operator.output).into_iter().map(complete).collect(),
        Split::Rows(shares) => {
            shares.ranges().into_iter().map(|rows| complete(of_rows(rows, operator.output))).collect()
        }
        Split::Inputs(shares) => {
            let first = shares.units().iter().position(|units| *units > 0);
            let made = made_for(operator, &whole());
            let rows = operator.input_rows(&made.rows).rows;
            let inputs = shares.ranges().into_iter().enumerate();
            let work = |(j, channels): (usize, std::ops::Range<usize>)| {
                let input = Region { channels, rows: rows.clone() };
                (!input.is_empty()).then(|| Work { input, made: made.clone(), bias: Some(j) == first })
            };
            inputs.map(work).collect()
        }
    }
}

fn made_for(operator: &Operator, output: &Region) -> Region {
    if output.is_empty() { Region::default() } else { operator.made_for(output) }
}

fn needs(work: &[Option<Work>]) -> Vec<Region> {
    work.iter().map(|work| work.as_ref().map_or_else(Region::default, |work| work.input.clone())).collect()
}

fn one_has(workers: usize, worker: usize, region: Region) -> Vec<Region> {
    (0..workers).map(|j| if j == worker { region.clone() } else { Region::default() }).collect()
}

fn channels(shares: &Shares, shape: Shape) -> Vec<Region> {
    let region = |channels: std::ops::Range<usize>| match channels.is_empty() {
        true => Region::default(),
        false => Region::of_channels(channels, shape),
    };
    shares.ranges().into_iter().map(region).collect()
}

fn of_rows(rows: std::ops::Range<usize>, shape: Shape) -> Region {
    if rows.is_empty() { Region::default() } else { Region::of_rows(rows, shape) }
}

/// Who sends what so that all have what they need. Either the parts that workers have are disjoint, or whoever has
/// anything has everything.
pub fn gathers(has: &[Region], need: &[Region], width: usize) -> Vec<Transfer> {
    let mut transfers = Vec::new();
    for (to, need) in need.iter().enumerate() {
        if has[to].contains(need) {
            continue;
        }
        let whole = has.iter().position(|region| region.contains(need));
        let from = |from: usize| {
            let region = has[from].intersection(need);
            let is_sent = from != to && !region.is_empty() && whole.is_none_or(|whole| whole == from);
            is_sent.then_some(Transfer { from, to, region, width })
        };
        transfers.extend((0..has.len()).filter_map(from));
    }
    transfers
}

/// Who sends which part of its partial sum to whom.
fn sums(made: &[Region], complete: &[Region], width: usize) -> Vec<Transfer> {
    let receives = |(to, region): (usize, &Region)| {
        let sends = move |(from, made): (usize, &Region)| {
            let is_sent = from != to && !made.is_empty() && !region.is_empty();
            is_sent.then(|| Transfer { from, to, region: region.clone(), width })
        };
        made.iter().enumerate().filter_map(sends).collect::<Vec<_>>()
    };
    complete.iter().enumerate().flat_map(receives).collect()
}

fn check(at: usize, operator: &Operator, step: &Step, workers: usize) -> Result<(), NetworkError> {
    let exists = |worker: usize| match worker < workers {
        true => Ok(()),
        false => Err(NetworkError::NoWorker { operator: at, worker, last: workers - 1 }),
    };
    let covers = |shares: &Shares, units, what| match shares.units().len() == workers && shares.total() == units {
        true => Ok(()),
        false => Err(NetworkError::Shares { operator: at, shares: shares.units().to_vec(), workers, units, what }),
    };
    let illegal = |split, why| Err(NetworkError::Illegal { operator: at, layer: operator.as_layer(), split, why });
    match (&step.split, operator.kind) {
        (Split::Copies, _) => Ok(()),
        (Split::Alone(worker), _) => exists(*worker),
        (Split::Outputs(shares), _) => covers(shares, operator.made.channels, "output channels"),
        (Split::Inputs(_), Kind::Lrn { .. }) => illegal("input channel", "it is no sum over its input channels"),
        (Split::Inputs(shares), _) => {
            covers(shares, operator.input.channels, "input channels")?;
            match &step.reduce {
                Reduce::Direct => Ok(()),
                Reduce::Root(worker) => exists(*worker),
                Reduce::Scatter(shares) => covers(shares, operator.made.channels, "output channels"),
            }
        }
        (Split::Rows(_), Kind::Linear) => illegal("rows", "it reads its input as one row"),
        (Split::Rows(shares), _) => covers(shares, operator.output.height, "rows"),
    }
}
