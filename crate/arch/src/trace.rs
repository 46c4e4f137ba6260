//! What running an architecture takes: shapes, FLOPs, parameters, memory, and what is live between operations.
//!
//! Everything is counted for the exact execution that Cleave uses, which works per node and never builds a tensor
//! `[n, k, c]`:
//!
//! | operation | FLOPs | working bytes beside inputs and output |
//! |---|---|---|
//! | sample kNN | 2·n²·c (choosing the k best is not counted) | 4·2·n squared norms and worst distances + 4·n·k best distances + a tile of 64 KiB |
//! | sample random, connect identity, join | 0 | 0 |
//! | connect skip | n·min(c, c of the source) | a source as wide as the features: added in place; a narrower one: 4·n·(c − its c) copied |
//! | aggregate | n·k·c where x_j is reduced, n·c where x_i is taken from it, n·k·(3c + 1) for distances | 4·n·c for each part that is made before they are put side by side |
//! | combine | 2·n·c·out | 0 |
//! | edge convolution | 2·2·n·c·out (two products per node), n·k·out to reduce, n·out to add | 2·4·n·out, the two products |
//! | pool | n·c per reducer | 0 |
//! | classifier | 2·Σ in·out | 0 |
//!
//! Bias, norm (folded into the linear layer) and activation are not counted. Everything saturates: an absurdly wide
//! network counts as too large, not as small.

use crate::architecture::Architecture;
use crate::codec::Codec;
use crate::op::{Connect, Message, Op, Reducer, Sampler};
use crate::params::{CLASSIFIER_HIDDEN, Norm, n_params, weight_shape};
use crate::plan::Stretch;
use crate::task::Task;
use cleave_graph::Tier;

/// Bytes of a feature value in memory.
const VALUE_BYTES: usize = 4;
/// Bytes of a neighbour index in memory; on the link it has 2.
const INDEX_BYTES: usize = 4;
/// Bytes of the distances that a neighbour search holds at a time: 128 × 128.
const TILE_BYTES: u64 = 4 * 128 * 128;

/// Which value it is that is live at a boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The current features, always live.
    Features,
    /// The current graph, if a later operation reads it.
    Graph,
    /// The input of an earlier operation, if a later skip adds it.
    SkipSource,
    /// The output of edge convolution number m (counted from 0 among the edge convolutions) that is no longer the
    /// current features, if a later join reads it.
    Joined(usize),
}

/// A value that a boundary must hand over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Live {
    /// Which value.
    pub slot: Slot,
    /// Nodes, or 1 after the pool.
    pub rows: usize,
    /// Channels, or k for a graph.
    pub cols: usize,
}

impl Live {
    /// Raw payload on the link, bytes, before compression; a graph always has 2 per index.
    pub fn bytes(&self, codec: Codec) -> usize {
        match self.slot {
            Slot::Graph => self.rows.saturating_mul(self.cols).saturating_mul(2),
            _ => codec.bytes(&[self.rows, self.cols]),
        }
    }

    fn memory_bytes(&self) -> u64 {
        let bytes = if self.slot == Slot::Graph { INDEX_BYTES } else { VALUE_BYTES };
        product(&[self.rows, self.cols, bytes])
    }
}

/// What one operation does and takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The operation.
    pub op: Op,
    /// Features before it: rows, channels.
    pub input: [usize; 2],
    /// Features after it: rows, channels.
    pub output: [usize; 2],
    /// Floating-point operations, 2 per multiplication with addition; 0 if dead.
    pub flops: u64,
    /// Numbers in its weights, norms included.
    pub params: u64,
    /// A sample whose graph nobody reads: an executor skips it.
    pub dead: bool,
    /// Bytes of everything live before it, of what it makes and of its working buffers; weights not counted.
    pub peak_bytes: u64,
    /// Bytes that an engine holds for it between runs: its weights, or the graph of a random sample.
    pub held_bytes: u64,
}

/// What the classifier takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifierTrace {
    /// Channels of the pooled row it reads.
    pub input: usize,
    /// `(in, out)` of its three linear layers.
    pub layers: Vec<(usize, usize)>,
    /// Floating-point operations.
    pub flops: u64,
    /// Numbers in its weights, norms included.
    pub params: u64,
}

/// What running an architecture for a task takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// One per operation.
    pub steps: Vec<Step>,
    /// What follows them.
    pub classifier: ClassifierTrace,
    boundaries: Vec<Vec<Live>>,
    /// By boundary, the operation whose input is skip source and features at once.
    one_value: Vec<Option<usize>>,
}

impl Trace {
    /// What a cut before operation `op` sends, in the order Features, Graph, SkipSource, Joined. `op` is 0 (the input
    /// itself) to n_ops (before the classifier); beyond it nothing is live.
    pub fn live_before(&self, op: usize) -> &[Live] {
        self.boundaries.get(op).map_or(&[], Vec::as_slice)
    }

    /// Raw payload of a cut before operation `op`, bytes, before compression and framing.
    pub fn cut_bytes(&self, op: usize, codec: Codec) -> usize {
        self.live_before(op).iter().fold(0, |sum, live| sum.saturating_add(live.bytes(codec)))
    }

    /// Numbers in all weights.
    pub fn params(&self) -> u64 {
        self.steps.iter().fold(self.classifier.params, |sum, step| sum.saturating_add(step.params))
    }

    /// Floating-point operations of one run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().fold(self.classifier.flops, |sum, step| sum.saturating_add(step.flops))
    }

    /// Most memory at any moment of a run on one tier, bytes, all weights included.
    pub fn peak_bytes(&self) -> u64 {
        let n_ops = self.steps.len();
        let whole = Stretch { tier: Tier::Device, ops: 0..n_ops, classifier: true };
        self.segment_peak_bytes(&whole).saturating_add(self.weight_bytes())
    }

    /// Most memory while a segment runs, bytes, weights not counted: everything live, what an operation makes and its
    /// working buffers at the worst of its operations, or its results on their way out. A random sample's graph is held
    /// with the weights, and so costs nothing while it is live; a value that is live twice counts once.
    pub fn segment_peak_bytes(&self, segment: &Stretch) -> u64 {
        let graph = |at: usize| self.live_before(at).iter().find(|live| live.slot == Slot::Graph);
        let is_random = |at: usize| {
            let sampler = self.steps[segment.ops.start..at]
                .iter()
                .rev()
                .find(|step| matches!(step.op, Op::Sample(_)) && !step.dead);
            sampler.is_some_and(|step| step.op == Op::Sample(Sampler::Random))
        };
        let shared_graph = |at: usize| graph(at).filter(|_| is_random(at)).map_or(0, Live::memory_bytes);
        // What came over the link is two values even where it was one.
        let source = |at: usize| {
            let is_one = self.one_value.get(at).copied().flatten().is_some_and(|source| source >= segment.ops.start);
            let live = self.live_before(at).iter().find(|live| live.slot == Slot::SkipSource);
            live.filter(|_| is_one).map_or(0, Live::memory_bytes)
        };
        let shared = |at: usize| shared_graph(at) + source(at);
        let running = segment.ops.clone().map(|at| self.steps[at].peak_bytes.saturating_sub(shared(at)));
        let end = segment.ops.end;
        let leaving = match graph(end).filter(|_| !segment.classifier) {
            // Becoming u16, and a shared one copied before.
            Some(indexes) => indexes.memory_bytes() + shared_graph(end),
            None => 0,
        };
        let live = self.live_before(end).iter().fold(0u64, |sum, value| sum.saturating_add(value.memory_bytes()));
        running.chain([live.saturating_sub(shared(end)).saturating_add(leaving)]).max().unwrap_or(0)
    }

    /// What an engine holds between runs, bytes: weights with the norms folded in, both halves of an edge convolution,
    /// the graphs of random samples.
    pub fn weight_bytes(&self) -> u64 {
        let of_layers = self.classifier.layers.iter().map(|(inputs, outputs)| linear_bytes(*inputs, *outputs));
        let of_steps = self.steps.iter().map(|step| step.held_bytes);
        sum(&of_layers.chain(of_steps).collect::<Vec<_>>())
    }
}

impl Architecture {
    /// Shapes, FLOPs, parameters, memory and liveness for a task.
    pub fn trace(&self, task: &Task) -> Trace {
        let shapes = self.shapes(task);
        let boundaries: Vec<_> = (0..shapes.len()).map(|at| self.live(at, &shapes, task)).collect();
        let steps = (0..self.ops().len()).map(|i| self.step(i, &shapes, &boundaries[i], task)).collect();
        let pooled = shapes.last().map_or(task.in_channels, |shape| shape[1]);
        let one_value = (0..boundaries.len()).map(|at| self.source_of_features(at)).collect();
        Trace { steps, classifier: classifier(pooled, task.n_classes), boundaries, one_value }
    }

    /// Features at every boundary, n_ops + 1 of them.
    fn shapes(&self, task: &Task) -> Vec<[usize; 2]> {
        let mut shapes = vec![[task.n_points, task.in_channels]];
        for (i, op) in self.ops().iter().enumerate() {
            let [rows, c] = shapes[i];
            let joined = || self.replaced_edge_convs(i).iter().map(|e| shapes[e + 1][1]).fold(c, usize::saturating_add);
            shapes.push(match *op {
                Op::Connect(_) | Op::Sample(_) => [rows, c],
                Op::Combine { channels } | Op::EdgeConv { channels } => [rows, channels],
                Op::Aggregate { message, .. } => [rows, message.width(c)],
                Op::Pool(pool) => [1, pool.width(c)],
                Op::Join => [rows, joined()],
            });
        }
        shapes
    }

    fn live(&self, at: usize, shapes: &[[usize; 2]], task: &Task) -> Vec<Live> {
        let of = |slot, [rows, cols]: [usize; 2]| Live { slot, rows, cols };
        let mut live = vec![of(Slot::Features, shapes[at])];
        if self.graph_is_live(at) {
            live.push(of(Slot::Graph, [task.n_points, task.k]));
        }
        if let Some(source) = self.skip_source(at).filter(|_| self.skip_source_is_live(at)) {
            live.push(of(Slot::SkipSource, shapes[source]));
        }
        if self.joins_later(at) {
            let replaced = self.replaced_edge_convs(at).into_iter().enumerate();
            live.extend(replaced.map(|(m, edge_conv)| of(Slot::Joined(m), shapes[edge_conv + 1])));
        }
        live
    }

    /// The operation whose input is both the skip source and the current features at a boundary, as one value: an
    /// aggregate of x_i alone passes them on, and nothing has changed them since.
    fn source_of_features(&self, at: usize) -> Option<usize> {
        let passes_on = |op: &Op| match op {
            Op::Aggregate { message: Message::Target, reducer } => *reducer != Reducer::Add,
            _ => false,
        };
        self.skip_source(at).filter(|source| {
            passes_on(&self.ops()[*source]) && !self.ops()[source + 1..at].iter().any(|op| op.replaces_features())
        })
    }

    fn step(&self, i: usize, shapes: &[[usize; 2]], live: &[Live], task: &Task) -> Step {
        let (op, input, output) = (self.ops()[i], shapes[i], shapes[i + 1]);
        let dead = self.is_dead(i);
        let source_width = self.skip_source(i).map_or(0, |source| shapes[source][1]);
        let flops = if dead { 0 } else { flops(op, input, output, source_width, task) };
        let held = live.iter().fold(0u64, |sum, value| sum.saturating_add(value.memory_bytes()));
        let is_nothing = dead || (op == Op::Connect(Connect::Skip) && source_width == 0);
        let mut made = if is_nothing { 0 } else { made_bytes(op, input, output, source_width, task) };
        if op == Op::Connect(Connect::Skip) && source_width < output[1] && !self.skip_source_is_live(i + 1) {
            // The source is let go before the parts are put side by side.
            made = made.saturating_sub(product(&[output[0], source_width, VALUE_BYTES]));
        }
        Step {
            op,
            input,
            output,
            flops,
            params: weight_shape(op, input[1]).map_or(0, |shape| n_params(shape, Norm::Batch)),
            dead,
            peak_bytes: held.saturating_add(made),
            held_bytes: if dead { 0 } else { held_bytes(op, input, task) },
        }
    }
}

/// The table at the head of this file, second column.
fn flops(op: Op, [rows, c]: [usize; 2], output: [usize; 2], source_width: usize, task: &Task) -> u64 {
    let (out, k) = (output[1], task.k);
    match op {
        Op::Sample(Sampler::Knn) => product(&[2, rows, rows, c]),
        Op::Sample(Sampler::Random) | Op::Connect(Connect::Identity) | Op::Join => 0,
        Op::Connect(Connect::Skip) => product(&[rows, c.min(source_width)]),
        Op::Aggregate { message, .. } => aggregate_flops(message, rows, k, c),
        Op::Combine { .. } => product(&[2, rows, c, out]),
        Op::EdgeConv { .. } => sum(&[product(&[4, rows, c, out]), product(&[rows, k, out]), product(&[rows, out])]),
        Op::Pool(pool) => product(&[rows, c, pool.reducers().len()]),
    }
}

fn aggregate_flops(message: Message, rows: usize, k: usize, c: usize) -> u64 {
    let reduce = if reduces_source(message) { product(&[rows, k, c]) } else { 0 };
    let relative = if message.has_relative() { product(&[rows, c]) } else { 0 };
    // Per edge and channel a difference, a square and a sum, then the reduction of one distance per edge.
    let distance = c.saturating_mul(3).saturating_add(1);
    let distance = if message.has_distance() { product(&[rows, k, distance]) } else { 0 };
    sum(&[reduce, relative, distance])
}

/// x_j and x_j − x_i both come from the reduced x_j, which is computed once.
fn reduces_source(message: Message) -> bool {
    message.has_source() || message.has_relative()
}

/// A linear layer with its bias, bytes.
fn linear_bytes(inputs: usize, outputs: usize) -> u64 {
    product(&[inputs.saturating_add(1), outputs, VALUE_BYTES])
}

/// What an engine holds for an operation between runs.
fn held_bytes(op: Op, [rows, c]: [usize; 2], task: &Task) -> u64 {
    match op {
        Op::Combine { channels } => linear_bytes(c, channels),
        Op::EdgeConv { channels } => linear_bytes(c, channels).saturating_mul(2),
        Op::Sample(Sampler::Random) => product(&[rows, task.k, INDEX_BYTES]),
        _ => 0,
    }
}

/// Output and working buffers: the table at the head of this file, third column.
fn made_bytes(op: Op, [rows, c]: [usize; 2], output: [usize; 2], source_width: usize, task: &Task) -> u64 {
    let features = product(&[output[0], output[1], VALUE_BYTES]);
    let reduced = product(&[rows, c, VALUE_BYTES]);
    match op {
        Op::Connect(Connect::Identity) => 0,
        Op::Sample(sampler) => {
            let graph = product(&[rows, task.k, INDEX_BYTES]);
            let norms = product(&[rows, VALUE_BYTES]);
            let best = product(&[rows, task.k, VALUE_BYTES]);
            if sampler == Sampler::Knn { sum(&[graph, norms, norms, best, TILE_BYTES]) } else { 0 }
        }
        Op::Aggregate { message, reducer } => {
            let scaled = if message.has_target() && reducer == Reducer::Add { reduced } else { 0 };
            let distances = product(&[rows, VALUE_BYTES]);
            match message {
                Message::Target if reducer != Reducer::Add => 0,
                Message::Target | Message::Source | Message::Distance => features,
                Message::Relative => sum(&[features, if reducer == Reducer::Add { reduced } else { 0 }]),
                Message::TargetRelative => sum(&[features, reduced, scaled]),
                Message::SourceRelative => sum(&[features, reduced, reduced]),
                Message::Full => sum(&[features, reduced, reduced, distances, scaled]),
            }
        }
        Op::EdgeConv { .. } => sum(&[features, features, features]),
        // The sum over the narrower one's channels and a copy of the rest, put side by side; one as wide is added in place.
        Op::Connect(Connect::Skip) if source_width < output[1] => sum(&[features, features]),
        Op::Connect(Connect::Skip) => 0,
        _ => features,
    }
}

fn classifier(input: usize, n_classes: usize) -> ClassifierTrace {
    let [first, second] = CLASSIFIER_HIDDEN;
    let layers = vec![(input, first), (first, second), (second, n_classes)];
    let flops = layers.iter().fold(0u64, |total, (i, o)| total.saturating_add(product(&[2, *i, *o])));
    let params = sum(&[
        n_params([input, first], Norm::Batch),
        n_params([first, second], Norm::Batch),
        n_params([second, n_classes], Norm::None),
    ]);
    ClassifierTrace { input, layers, flops, params }
}

fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor as u64))
}

fn sum(terms: &[u64]) -> u64 {
    terms.iter().fold(0, |sum, term| sum.saturating_add(*term))
}
