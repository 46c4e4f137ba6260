//! An engine without tensors: one number goes through all operations, and every live array carries it in every value,
//! so that a lost, swapped or stale array shows.

use std::sync::Arc;

use cleave_arch::array::{Array, Data};
use cleave_arch::{Architecture, GraphSource, LinkCodec, Live, Plan, Segment, Slot, Task, Trace};
use cleave_session::{Model, Work};
use cleave_wire::ModelHash;

/// Whole numbers below this are exact in f32 and f16.
const MODULUS: u64 = 1009;

pub const TASK: Task = Task { n_points: 4, in_channels: 3, k: 2, n_classes: 5, graph: GraphSource::Sampled };

pub fn work(cuts: &[usize], codec: &str) -> Arc<Work> {
    work_with(cuts, codec, 300_000)
}

/// DGCNN cut at `cuts`, with a model file of so many bytes.
pub fn work_with(cuts: &[usize], codec: &str, model_bytes: usize) -> Arc<Work> {
    work_for(TASK, cuts, codec, model_bytes)
}

pub fn work_for(task: Task, cuts: &[usize], codec: &str, model_bytes: usize) -> Arc<Work> {
    let codec: LinkCodec = codec.parse().unwrap();
    let plan = Plan::new(Architecture::dgcnn(), cuts.to_vec(), codec).unwrap();
    let bytes: Vec<u8> = (0..model_bytes).map(|i| (i / 7) as u8).collect();
    let model = Model { hash: hash(&bytes), bytes: bytes.into() };
    Arc::new(Work::new(plan, task, model))
}

/// Stands in for SHA-256.
pub fn hash(bytes: &[u8]) -> ModelHash {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    bytes.iter().for_each(|byte| sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&sum.to_le_bytes());
    ModelHash(hash)
}

pub fn input(task: &Task, frame: u64) -> Vec<Array> {
    let values = vec![(frame % MODULUS) as f32; task.n_points * task.in_channels];
    vec![Array::f32(vec![task.n_points, task.in_channels], values).unwrap()]
}

/// The answer that a frame must get, whoever computes it.
pub fn answer(frame: u64) -> Array {
    let n_ops = Architecture::dgcnn().ops().len();
    logits((0..n_ops).fold(frame % MODULUS, step))
}

fn step(value: u64, op: usize) -> u64 {
    (value * 3 + op as u64 + 1) % MODULUS
}

fn logits(value: u64) -> Array {
    Array::f32(vec![TASK.n_classes], (0..TASK.n_classes).map(|class| (value + class as u64) as f32).collect()).unwrap()
}

/// Runs a segment; panics on values that are not those of one frame at the segment's start.
pub fn run(trace: &Trace, segment: &Segment, input: &[Array]) -> Vec<Array> {
    let live = trace.live_before(segment.ops.start);
    assert_eq!(input.len(), live.len());
    let value = live.iter().zip(input).map(|(live, array)| read(live, array)).next().unwrap();
    for (live, array) in live.iter().zip(input) {
        assert!(live.slot == Slot::Graph || read(live, array) == value, "{live:?} belongs to another frame or moment");
    }
    let value = segment.ops.clone().fold(value, step);
    if segment.classifier {
        return vec![logits(value)];
    }
    trace.live_before(segment.ops.end).iter().map(|live| write(live, value)).collect()
}

/// Slots other than features hold the number plus the slot's own mark, and reading takes it off.
fn mark(slot: Slot) -> u64 {
    match slot {
        Slot::Features | Slot::Graph => 0,
        Slot::SkipSource => 1,
        Slot::Joined(number) => 2 + number as u64,
    }
}

fn write(live: &Live, value: u64) -> Array {
    let n = live.rows * live.cols;
    match live.slot {
        Slot::Graph => Array::u16(vec![live.rows, live.cols], (0..n).map(|i| (i % live.rows) as u16).collect()),
        slot => Array::f32(vec![live.rows, live.cols], vec![(value + mark(slot)) as f32; n]),
    }
    .unwrap()
}

fn read(live: &Live, array: &Array) -> u64 {
    assert_eq!(array.shape, [live.rows, live.cols]);
    match &array.data {
        Data::F32(values) => {
            // int8's scale is max / 127, so a constant column comes back within a rounding error.
            let value = values[0].round();
            assert!(values.iter().all(|other| (other - value).abs() < 0.01), "values differ within {live:?}");
            value as u64 - mark(live.slot)
        }
        Data::U16(_) => 0,
    }
}
