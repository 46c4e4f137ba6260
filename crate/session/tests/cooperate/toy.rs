//! A textbook engine for small networks: loops over one worker's parts, weights drawn from name and position. It panics
//! where anything that it needs is missing, so that a stale or lost part shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_graph::op::{
    Aggregate, Combine, Conv, LRN_ALPHA, LRN_BETA, LRN_K, Lrn, Message, Pool, PoolKind, Random, Reducer,
};
use cleave_graph::testing::random_step;
use cleave_graph::{
    Axis, Graph, Layout, Op, Operator, Partition, Reduce, Region, Schedule, Shape, Shares, Split, SplitMix64, Step,
    ValueId, ValueType, random_neighbour,
};
use cleave_session::cooperate::EngineCall;

/// Numbers of a whole value in the order of its layout, [`NOTHING`] where nothing is.
type Numbers = Vec<f32>;
/// The bits of a number that nobody computes, nor sends by mistake.
const NOTHING: u32 = 0x7fc0_dead;

fn nothing(of: ValueType) -> Numbers {
    vec![f32::from_bits(NOTHING); of.shape.values() as usize]
}

fn place(of: ValueType, [channel, row, column]: [usize; 3]) -> usize {
    let Shape { channels, height, width } = of.shape;
    assert!(channel < channels && row < height && column < width);
    match of.layout {
        Layout::Map | Layout::Flat => (channel * height + row) * width + column,
        Layout::Nodes | Layout::Neighbours => row * channels + channel,
    }
}

fn cut(of: ValueType, numbers: &[f32], region: &Region) -> Vec<f32> {
    let part = of.cut(numbers, region);
    assert!(part.iter().all(|number| number.to_bits() != NOTHING), "all of {region:?} is there");
    part
}

fn places(region: &Region, width: usize) -> impl Iterator<Item = [usize; 3]> {
    let rows = region.channels.clone().flat_map(|channel| region.rows.clone().map(move |row| [channel, row]));
    rows.flat_map(move |[channel, row]| (0..width).map(move |column| [channel, row, column]))
}

fn weight(node: usize, part: u64, index: usize) -> f32 {
    SplitMix64::new((node as u64) << 40 ^ part << 32 ^ index as u64).unit_f32() - 0.5
}

/// An operation with what it reads.
struct Work<'a> {
    node: usize,
    op: Op,
    types: &'a [ValueType],
    inputs: &'a [Numbers],
    /// What it sums over, of the first input.
    summed: &'a Region,
    bias: bool,
}

impl Work<'_> {
    fn get(&self, input: usize, at: [usize; 3]) -> f32 {
        let number = self.inputs[input][place(self.types[input], at)];
        assert!(number.to_bits() != NOTHING, "{}: {at:?} of input {input} is there", self.op);
        number
    }

    fn make(&self, of: ValueType, made: &Region) -> Numbers {
        let mut numbers = nothing(of);
        places(made, of.shape.width).for_each(|at| numbers[place(of, at)] = self.number(at));
        numbers
    }

    fn number(&self, at: [usize; 3]) -> f32 {
        let ([out, row, column], node, first) = (at, self.node, self.types[0]);
        let (all, bias) = (first.shape, if self.bias { weight(node, 1, out) } else { 0.0 });
        match self.op {
            Op::Conv(Conv { kernel, stride, padding, .. }) => {
                let term = |[channel, y, x]: [usize; 3]| {
                    let (r, c) =
                        ((row * stride + y).wrapping_sub(padding), (column * stride + x).wrapping_sub(padding));
                    let index = ((out * all.channels + channel) * kernel + y) * kernel + x;
                    (r < all.height && c < all.width).then(|| weight(node, 0, index) * self.get(0, [channel, r, c]))
                };
                let window = Region { channels: self.summed.channels.clone(), rows: 0..kernel };
                bias + places(&window, kernel).filter_map(term).sum::<f32>()
            }
            Op::Linear(_) => {
                let index = |at| out * all.values() as usize + place(first, at);
                bias + places(self.summed, all.width)
                    .map(|at| weight(node, 0, index(at)) * self.get(0, at))
                    .sum::<f32>()
            }
            Op::Combine(Combine { .. }) => {
                let term = |channel| weight(node, 0, out * all.channels + channel) * self.get(0, [channel, row, 0]);
                bias + (0..all.channels).map(term).sum::<f32>()
            }
            Op::Lrn(Lrn { size }) => {
                let near = out.saturating_sub(size / 2)..(out + size / 2 + 1).min(all.channels);
                let squares: f32 = near.map(|channel| self.get(0, [channel, row, column]).powi(2)).sum();
                self.get(0, at) / (LRN_K + LRN_ALPHA * squares).powf(LRN_BETA)
            }
            Op::Pool(Pool { kind, kernel, stride }) => {
                let window = Region { channels: out..out + 1, rows: 0..kernel };
                let read =
                    places(&window, kernel).map(|[_, y, x]| self.get(0, [out, row * stride + y, column * stride + x]));
                match kind {
                    PoolKind::Max => read.fold(f32::MIN, f32::max),
                    PoolKind::Mean => read.sum::<f32>() / (kernel * kernel) as f32,
                }
            }
            Op::GlobalPool(_) => {
                let map = Region::of_channels(out..out + 1, all);
                places(&map, all.width).map(|at| self.get(0, at)).sum::<f32>() / (all.height * all.width) as f32
            }
            Op::Norm(_) => self.get(0, at) * (1.0 + weight(node, 2, out)) + weight(node, 3, out),
            Op::Relu(_) => self.get(0, at).max(0.0),
            Op::Flatten(_) | Op::Dropout(_) => self.get(0, at),
            Op::Add(_) => (0..self.inputs.len()).map(|input| self.get(input, at)).sum(),
            Op::Concat(_) => {
                let mut channel = out;
                for (input, of) in self.types.iter().enumerate() {
                    match channel.checked_sub(of.shape.channels) {
                        Some(rest) => channel = rest,
                        None => return self.get(input, [channel, row, column]),
                    }
                }
                panic!("{out} is none of its channels")
            }
            Op::Random(Random { seed, .. }) => random_neighbour(seed, row, out, all.height) as f32,
            Op::Aggregate(Aggregate { message: Message::Source, reducer }) => {
                let neighbours = (0..self.types[1].shape.channels).map(|slot| self.get(1, [slot, row, 0]) as usize);
                let messages = neighbours.map(|neighbour| self.get(0, [out, neighbour, 0]));
                match reducer {
                    Reducer::Max => messages.fold(f32::MIN, f32::max),
                    Reducer::Add => messages.sum(),
                    other => panic!("no test reduces by {other}"),
                }
            }
            other => panic!("no test has {other}"),
        }
    }
}

/// One worker's engine.
#[derive(Default)]
pub struct Engine {
    loaded: Option<(Arc<Graph>, Arc<Schedule>, usize)>,
    /// Of which run the following is.
    run: Option<u64>,
    holds: BTreeMap<ValueId, Numbers>,
    made: Option<(usize, Numbers)>,
}

impl Engine {
    /// Bytes of its weights, as the schedule has them.
    pub fn load(&mut self, graph: Arc<Graph>, schedule: Arc<Schedule>, worker: usize) -> u64 {
        let bytes = schedule.memory(&graph)[worker].weights;
        *self = Self { loaded: Some((graph, schedule, worker)), ..Self::default() };
        bytes
    }

    pub fn run(&mut self, call: EngineCall) -> Vec<Vec<f32>> {
        let (graph, schedule, worker) = self.loaded.clone().expect("loaded");
        let (EngineCall::Make { run, stage, cut: wanted, .. } | EngineCall::Finish { run, stage, cut: wanted, .. }) =
            &call
        else {
            panic!("{call:?} is no job")
        };
        let (stage, wanted) = (*stage, wanted.clone());
        assert!(wanted.iter().all(|region| wanted.iter().filter(|other| *other == region).count() == 1), "{wanted:?}");
        assert_eq!(*self.run.get_or_insert(*run), *run, "what was left of the run before is forgotten");
        let (operator, parts) = (&graph.operators()[stage], &schedule.stages[stage]);
        let (of, numbers) = match call {
            EngineCall::Make { received, .. } => {
                for (input, region, part) in received {
                    let of = operator.types[input];
                    assert_eq!(part.len() as u64, region.shape(of.shape.width).values());
                    of.paste(self.holds.entry(operator.inputs[input]).or_insert_with(|| nothing(of)), &region, &part);
                }
                let work = parts.work[worker].as_ref().expect("it has work");
                let held = operator.inputs.iter().zip(&operator.types);
                let inputs: Vec<Numbers> =
                    held.map(|(value, of)| self.holds.get(value).cloned().unwrap_or_else(|| nothing(*of))).collect();
                let (node, op, types, summed) = (operator.node, operator.op, &operator.types, &work.inputs[0]);
                let made =
                    Work { node, op, types, inputs: &inputs, summed, bias: work.bias }.make(operator.made, &work.made);
                (operator.made, &self.made.insert((stage, made)).1)
            }
            EngineCall::Finish { received, .. } => {
                let complete = &parts.complete[worker];
                let own = parts.work[worker].as_ref().map(|_| {
                    let (made_at, made) = self.made.take().expect("something was made");
                    assert_eq!(made_at, stage);
                    cut(operator.made, &made, complete)
                });
                let sum = own.into_iter().chain(received).reduce(|mut sum, part| {
                    assert_eq!(sum.len(), part.len());
                    sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                    sum
                });
                let mut whole = nothing(operator.made);
                operator.made.paste(&mut whole, complete, &sum.expect("something was made"));
                let output = tail(operator, whole, &parts.output[worker]);
                self.holds.insert(operator.result, output);
                (operator.output, &self.holds[&operator.result])
            }
            _ => unreachable!(),
        };
        wanted.iter().map(|region| cut(of, numbers, region)).collect()
    }

    pub fn forget(&mut self) {
        (self.run, self.made) = (None, None);
        self.holds.clear();
    }
}

fn tail(operator: &Operator, complete: Numbers, output: &Region) -> Numbers {
    let mut made = vec![output.clone()];
    for tail in operator.tail.iter().rev().take(operator.tail.len().saturating_sub(1)) {
        let needed = tail.op.sharing().needs(0, &[tail.input], made.last().unwrap());
        made.push(needed);
    }
    let mut types = operator.tail.iter().skip(1).map(|tail| tail.input).chain([operator.output]);
    operator.tail.iter().zip(made.iter().rev()).fold(complete, |numbers, (tail, made)| {
        let (inputs, summed) = ([numbers], Region::default());
        let work =
            Work { node: tail.node, op: tail.op, types: &[tail.input], inputs: &inputs, summed: &summed, bias: true };
        work.make(types.next().unwrap(), made)
    })
}

/// The unsplit answer, node by node.
pub fn whole(graph: &Graph, inputs: &[Vec<f32>]) -> Vec<f32> {
    let mut values = inputs.to_vec();
    for (at, node) in graph.nodes().iter().enumerate() {
        let (types, of) = (graph.types(at), graph.value(graph.made_by(at)));
        let read: Vec<Numbers> = node.inputs.iter().map(|value| values[*value].clone()).collect();
        let summed = Region::all(types[0].shape);
        let work = Work { node: at, op: node.op, types: &types, inputs: &read, summed: &summed, bias: true };
        values.push(work.make(of, &Region::all(of.shape)));
    }
    values.pop().unwrap()
}

pub fn inputs(graph: &Graph, seed: u64) -> Vec<Vec<f32>> {
    let mut rng = SplitMix64::new(seed);
    let mut number = |of: &ValueType| match of.layout {
        Layout::Neighbours => rng.below(of.shape.height) as f32,
        _ => rng.unit_f32() - 0.5,
    };
    graph.inputs().iter().map(|of| (0..of.shape.values()).map(|_| number(of)).collect()).collect()
}

/// Largest difference, relative to the largest value.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
}

/// All ways to share a network that have names here.
pub const STRATEGIES: [&str; 6] = ["outputs", "rows", "direct", "root", "scatter", "copies"];

/// The partition of a strategy; shares are even, or grow with the worker. What cannot be shared so is one worker's.
pub fn partition(graph: &Graph, strategy: &str, workers: usize, even: bool) -> Partition {
    let share = |units| {
        let weights: Vec<f64> = (0..workers).map(|j| if even { 1.0 } else { 1.0 + 1.5 * j as f64 }).collect();
        Shares::by_weight(units, &weights)
    };
    let step = |(at, operator): (usize, &Operator)| {
        let units = |axis| operator.has(axis).then(|| share(operator.units(axis)));
        let outputs = || units(Axis::Outputs).map(Split::Outputs);
        let split = match strategy {
            "rows" => units(Axis::Rows).map(Split::Rows),
            "copies" if at % 2 == 0 => Some(Split::Replicated),
            "outputs" | "copies" => outputs(),
            _ => units(Axis::Inputs).filter(|_| at % 2 == 1).map(Split::Inputs).or_else(outputs),
        };
        let reduce = match strategy {
            "root" => Reduce::Root(workers - 1),
            "scatter" => Reduce::Scatter(share(operator.units(Axis::Outputs))),
            _ => Reduce::Direct,
        };
        // From the last on, so that a member also has what needs nothing of others.
        Step { split: split.unwrap_or(Split::Alone((workers - 1 + at) % workers)), reduce }
    };
    Partition { workers, steps: graph.operators().iter().enumerate().map(step).collect() }
}

/// Any partition at all, with shares of zero.
pub fn random_partition(graph: &Graph, workers: usize, rng: &mut SplitMix64) -> Partition {
    let steps = graph.operators().iter().map(|operator| random_step(rng, operator, workers)).collect();
    Partition { workers, steps }
}
