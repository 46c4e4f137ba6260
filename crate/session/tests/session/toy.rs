//! An engine without tensors: one number goes through all nodes, and every live array carries it in every value, so
//! that a lost, swapped or stale array shows.

use std::sync::Arc;

use cleave_arch::array::{Array, Data};
use cleave_arch::{Architecture, GraphSource, LinkCodec, Mapping, Plan, Segment, Task};
use cleave_graph::{Graph, Layout, ValueId};
use cleave_session::{Model, Weights, Work};
use cleave_wire::ModelHash;

/// Whole numbers below this are exact in f32 and f16, with a mark too.
const MODULUS: u64 = 1009;

pub const TASK: Task = Task { n_points: 4, in_channels: 3, k: 2, n_classes: 5, graph: GraphSource::Sampled };

/// Nodes of a classifier, which is one step of a mapping.
const N_CLASSIFIER: usize = 3;

pub fn work(cuts: &[usize], codec: &str) -> Arc<Work> {
    work_with(cuts, codec, 300_000)
}

/// DGCNN cut at `cuts`, with a model file of so many bytes.
pub fn work_with(cuts: &[usize], codec: &str, model_bytes: usize) -> Arc<Work> {
    work_for(TASK, cuts, codec, model_bytes)
}

pub fn work_for(task: Task, cuts: &[usize], codec: &str, model_bytes: usize) -> Arc<Work> {
    work_of(dgcnn(task, cuts), codec, file(model_bytes))
}

pub fn work_of(mapping: Mapping, codec: &str, weights: Weights) -> Arc<Work> {
    Arc::new(Work::new(mapping.with_codec(codec.parse().unwrap()), weights).unwrap())
}

pub fn dgcnn(task: Task, cuts: &[usize]) -> Mapping {
    let plan = Plan::new(Architecture::dgcnn(), cuts.to_vec(), LinkCodec::default()).unwrap();
    Mapping::of_plan(plan, task)
}

pub fn file(model_bytes: usize) -> Weights {
    let bytes: Vec<u8> = (0..model_bytes).map(|i| (i / 7) as u8).collect();
    Weights::File(Model { hash: hash(&bytes), bytes: bytes.into() })
}

/// Stands in for SHA-256.
pub fn hash(bytes: &[u8]) -> ModelHash {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    bytes.iter().for_each(|byte| sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&sum.to_le_bytes());
    ModelHash(hash)
}

pub fn input(graph: &Graph, frame: u64) -> Vec<Array> {
    live(graph, 0, frame % MODULUS)
}

/// The answer that a frame must get, whoever computes it.
pub fn answer(graph: &Graph, frame: u64) -> Array {
    write(graph, graph.answer(), (0..graph.nodes().len()).fold(frame % MODULUS, step))
}

fn step(value: u64, node: usize) -> u64 {
    (value * 3 + node as u64 + 1) % MODULUS
}

/// Runs a segment; panics on values that are not those of one frame at the segment's start.
pub fn run(graph: &Graph, segment: &Segment, input: &[Array]) -> Vec<Array> {
    let before = graph.live_before(segment.nodes.start);
    assert_eq!(input.len(), before.len());
    let numbers: Vec<u64> = before.iter().zip(input).filter_map(|(id, array)| read(graph, *id, array)).collect();
    let number = numbers[0];
    assert!(numbers.iter().all(|other| *other == number), "{before:?} carry {numbers:?}: not one frame and moment");
    live(graph, segment.nodes.end, segment.nodes.clone().fold(number, step))
}

/// How many operations a segment has; the classifier, if it has it, counts as one.
pub fn n_ops(graph: &Graph, segment: &Segment) -> u64 {
    let more = if segment.nodes.end == graph.nodes().len() { N_CLASSIFIER - 1 } else { 0 };
    segment.nodes.len().saturating_sub(more) as u64
}

/// What is alive before a node, carrying a number.
fn live(graph: &Graph, node: usize, number: u64) -> Vec<Array> {
    graph.live_before(node).into_iter().map(|id| write(graph, id, number)).collect()
}

/// Neighbours carry no number, as they must name nodes. Every other value holds the number plus its own mark, and
/// reading takes it off; the answer has a mark for each class.
fn write(graph: &Graph, id: ValueId, number: u64) -> Array {
    let (extents, of) = (graph.extents(id), graph.value(id));
    let n: usize = extents.iter().product();
    if of.layout == Layout::Neighbours {
        let n_nodes = of.shape.height;
        return Array::u16(extents, (0..n).map(|i| (i % n_nodes) as u16).collect()).unwrap();
    }
    let mark = |i: usize| if id == graph.answer() { i } else { id };
    Array::f32(extents, (0..n).map(|i| (number + mark(i) as u64) as f32).collect()).unwrap()
}

fn read(graph: &Graph, id: ValueId, array: &Array) -> Option<u64> {
    assert_eq!(array.shape, graph.extents(id));
    let Data::F32(values) = &array.data else { return None };
    // int8's scale is max / 127, so constant columns and maps come back within a rounding error.
    let value = values[0].round();
    assert!(values.iter().all(|other| (other - value).abs() < 0.01), "values differ within value {id}");
    Some((value as u64).checked_sub(id as u64).expect("its mark was added"))
}
