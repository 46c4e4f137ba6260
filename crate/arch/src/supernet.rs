//! The supernet: one set of weights of which every architecture of a space reads a part (single-path one-shot).
//!
//! A part is cut from a largest layer: its first outputs, and those of its inputs that mean the same. For that the inputs
//! of a layer lie in blocks: on nodes the node's own features, then for each kind of graph and of reducer the neighbours',
//! their difference and the distance; after the pool the largest values, the means and what a combine after the pool makes.
//! So the mean of channel 3 is always the same input, however wide the features are. A sum is read by the weights of the
//! mean, divided by how many were summed: the same function. Combines share weights not by their position among
//! the twelve but by how many came before them: the first combine sees coordinates, or what was aggregated of them,
//! wherever it stands, and every step trains it. All of this is ours; ARCHITECTURE.md has the measurement against weights
//! by position. The mapping to tiers changes no weight.
//!
//! The space: GCoDE's functions with HGNAS's skip and random sampling, combines of 8 to 128 channels, features of at
//! most 256 channels on nodes and 512 after the pool, so that all weights together stay below 4 MB in half precision.
//! The bounds are ours.

use crate::architecture::Architecture;
use crate::halves::Halves;
use crate::op::{Connect, Message, Op, Pool, Reducer, Sampler};
use crate::params::CLASSIFIER_HIDDEN;
use crate::space::{self, Functions, POSITIONS};
use crate::task::Task;
use cleave_graph::SplitMix64;
use std::ops::Range;

/// Widest output of a combine, channels.
pub const COMBINE_WIDTH: usize = 128;
/// Widest features on nodes, and of one pooled reducer, channels.
pub const NODE_WIDTH: usize = 256;
/// Combines on nodes, and after the pool, that have weights of their own; those beyond share the last.
const ON_NODES: usize = 4;
const POOLED: usize = 3;

/// A block of neighbours' features, of differences, and the distance: for kNN and random graphs, largest and mean.
const NEAR: usize = 2 * NODE_WIDTH + 1;
/// Inputs of a combine on nodes.
const ON_NODE_INPUTS: usize = NODE_WIDTH + 4 * NEAR;
/// Numbers that describe an architecture.
pub const FEATURES: usize = 22;
/// Where what a combine makes after the pool starts, behind the largest and the means.
const COMBINED: usize = 2 * NODE_WIDTH;

/// One linear layer of the supernet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuperLayer {
    /// `combine.0`, `pooled.2` or `classifier.1`.
    pub name: String,
    /// Inputs and outputs.
    pub shape: [usize; 2],
    /// A BatchNorm follows.
    pub norm: bool,
}

/// What a layer of one architecture reads of the supernet.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The network's own name of it: `op.3`, `classifier.0`.
    pub layer: String,
    /// The supernet's name.
    pub of: String,
    /// Which inputs, in the network's order.
    pub inputs: Vec<Block>,
    /// How many outputs, from the first on.
    pub outputs: usize,
}

/// Inputs that lie side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Which.
    pub rows: Range<usize>,
    /// The network's weight over the supernet's: 1, or one over how many values are summed.
    pub scale: f32,
}

impl Part {
    /// The inputs one by one, with their scale.
    pub fn rows(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.inputs.iter().flat_map(|block| block.rows.clone().map(|row| (row, block.scale)))
    }
}

/// All layers, for a task's classes.
pub fn layers(task: &Task) -> Vec<SuperLayer> {
    let layer = |name: String, shape, norm| SuperLayer { name, shape, norm };
    let on_nodes = (0..ON_NODES).map(|j| layer(format!("combine.{j}"), [ON_NODE_INPUTS, COMBINE_WIDTH], true));
    let pooled = (0..POOLED).map(|j| layer(format!("pooled.{j}"), [COMBINED + COMBINE_WIDTH, COMBINE_WIDTH], true));
    let [first, second] = CLASSIFIER_HIDDEN;
    let classifier = [
        layer("classifier.0".into(), [COMBINED + COMBINE_WIDTH, first], true),
        layer("classifier.1".into(), [first, second], true),
        layer("classifier.2".into(), [second, task.n_classes], false),
    ];
    on_nodes.chain(pooled).chain(classifier).collect()
}

/// What the architecture reads, one part for each of its linear layers in their order. The architecture is covered.
pub fn parts(architecture: &Architecture, task: &Task) -> Vec<Part> {
    let width = |blocks: &[Block]| blocks.iter().map(|block| block.rows.len()).sum::<usize>();
    let (mut blocks, mut pooled, mut before) = (single(0..task.in_channels, 1.0), false, 0);
    // Of the features, over what they would be if sums were means; and what the latest sample was.
    let (mut scale, mut sampler) = (1.0, Sampler::Knn);
    let mut parts = Vec::new();
    for (at, op) in architecture.ops().iter().enumerate() {
        let c = width(&blocks);
        match *op {
            Op::Combine { channels } => {
                let (name, n) = if pooled { ("pooled", POOLED) } else { ("combine", ON_NODES) };
                let of = format!("{name}.{}", before.min(n - 1));
                parts.push(Part { layer: format!("op.{at}"), of, inputs: blocks, outputs: channels });
                blocks = single(if pooled { COMBINED..COMBINED + channels } else { 0..channels }, 1.0);
                (before, scale) = (before + 1, 1.0);
            }
            Op::Sample(kind) => sampler = kind,
            Op::Aggregate { message, reducer } => {
                if reducer == Reducer::Add {
                    scale /= task.k as f32;
                }
                blocks = message_blocks(message, c, near_block(sampler, reducer), scale);
            }
            Op::Pool(pool) => {
                let block = |reducer: &Reducer| match reducer {
                    Reducer::Max | Reducer::Min => Block { rows: 0..c, scale },
                    Reducer::Mean => Block { rows: NODE_WIDTH..NODE_WIDTH + c, scale },
                    Reducer::Add => Block { rows: NODE_WIDTH..NODE_WIDTH + c, scale: scale / task.n_points as f32 },
                };
                blocks = pool.reducers().iter().map(block).collect();
                (pooled, before) = (true, 0);
            }
            _ => {}
        }
    }
    let [first, second] = CLASSIFIER_HIDDEN;
    let rest = [(blocks, first), (single(0..first, 1.0), second), (single(0..second, 1.0), task.n_classes)];
    parts.extend(rest.into_iter().enumerate().map(|(j, (inputs, outputs))| {
        let layer = format!("classifier.{j}");
        Part { of: layer.clone(), layer, inputs, outputs }
    }));
    parts
}

/// One block.
fn single(rows: Range<usize>, scale: f32) -> Vec<Block> {
    [Block { rows, scale }].to_vec()
}

/// Where the block of what neighbours send starts.
fn near_block(sampler: Sampler, reducer: Reducer) -> usize {
    let kind = match sampler {
        Sampler::Knn => 0,
        Sampler::Random => 2,
    };
    let reduced = usize::from(matches!(reducer, Reducer::Mean | Reducer::Add));
    NODE_WIDTH + (kind + reduced) * NEAR
}

/// In the order in which a message puts its parts side by side; what neighbours send starts at `near`.
fn message_blocks(message: Message, c: usize, near: usize, scale: f32) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut add = |has: bool, at: usize, width: usize| {
        blocks.extend(has.then_some(Block { rows: at..at + width, scale }));
    };
    add(message.has_target(), 0, c);
    add(message.has_source(), near, c);
    add(message.has_relative(), near + NODE_WIDTH, c);
    add(message.has_distance(), near + 2 * NODE_WIDTH, 1);
    blocks
}

/// What keeps an architecture out of the supernet's space; `None`: it is covered.
pub fn uncovered(architecture: &Architecture, task: &Task) -> Option<String> {
    let ops = architecture.ops();
    if ops.len() > POSITIONS {
        return Some(format!("{} operations; the supernet has {POSITIONS} positions", ops.len()));
    }
    let (mut pooled, mut c) = (false, task.in_channels);
    for (position, op) in ops.iter().enumerate() {
        let (id, function) = op.ids();
        if id > 4 || function >= Functions::Supernet.count(id) {
            return Some(format!("`{op}` at position {position} is no operation of the supernet"));
        }
        c = match *op {
            Op::Combine { channels } => channels,
            Op::Aggregate { message, .. } => message.width(c),
            Op::Pool(pool) => pool.width(c),
            _ => c,
        };
        pooled |= matches!(op, Op::Pool(_));
        let widest = if pooled { 2 * NODE_WIDTH } else { NODE_WIDTH };
        if c > widest {
            return Some(format!(
                "{c} channels after `{op}` at position {position}; the supernet has at most {widest} there"
            ));
        }
    }
    None
}

/// Whether the supernet has weights for an architecture.
pub fn covers(architecture: &Architecture, task: &Task) -> bool {
    uncovered(architecture, task).is_none()
}

/// Uniform draws from the part of the space that can learn: graph networks, of which a combine on nodes reads an
/// aggregate, not wider than the supernet.
pub struct Paths {
    sampler: space::Sampler,
    functions: Option<Halves>,
    task: Task,
}

impl Paths {
    /// For a task.
    pub fn new(task: &Task) -> Self {
        Self { sampler: space::Sampler::architectures(Functions::Supernet, task.graph), functions: None, task: *task }
    }

    /// Of architectures with these functions alone, as HGNAS's second stage draws them: strings with communicates, whose
    /// positions count.
    pub fn with(task: &Task, functions: Halves) -> Self {
        let sampler = space::Sampler::new(Functions::Supernet, task.graph);
        Self { sampler, functions: Some(functions), task: *task }
    }

    /// One architecture.
    pub fn draw(&self, rng: &mut SplitMix64) -> Architecture {
        loop {
            if let Some(architecture) = self.candidate(rng) {
                return architecture;
            }
        }
    }

    fn candidate(&self, rng: &mut SplitMix64) -> Option<Architecture> {
        let architecture = match &self.functions {
            None => self.sampler.draw(rng).architecture().clone(),
            Some(halves) => {
                let ids = self.sampler.string(rng.below_u64(self.sampler.n_strings()));
                let ops = ids.into_iter().enumerate().filter_map(|(at, id)| Op::from_ids(id, halves.function(at, id)));
                Architecture::for_graph(ops.collect(), self.task.graph).ok()?
            }
        };
        (learns(&architecture) && covers(&architecture, &self.task)).then_some(architecture)
    }
}

/// Whether a combine on nodes reads an aggregate: networks without that are no graph networks.
pub fn learns(architecture: &Architecture) -> bool {
    let on_nodes = architecture.ops().iter().take_while(|op| !matches!(op, Op::Pool(_)));
    let after = on_nodes.skip_while(|op| !matches!(op, Op::Aggregate { .. }));
    after.into_iter().any(|op| matches!(op, Op::Combine { .. }))
}

/// What an architecture consists of, for a cheap regression of its accuracy: counts and logarithms of widths, each about
/// 0 to 1; the first is 1.
pub fn features(architecture: &Architecture, task: &Task) -> [f64; FEATURES] {
    let mut x = [0.0; FEATURES];
    let log = |width: usize| (width as f64 / 8.0).log2() / 5.0;
    let (mut width, mut pooled, mut fresh_knn, mut combines) = (task.in_channels, false, false, 0);
    let mut since_combine = 0.0;
    x[0] = 1.0;
    for op in architecture.ops() {
        match *op {
            Op::Combine { channels } => {
                x[if pooled { 1 } else { 2 }] += 0.25;
                x[if pooled { 3 } else { 4 }] = log(channels);
                if !pooled {
                    x[5] += log(channels) / 3.0;
                    combines += 1;
                }
                (width, since_combine) = (channels, 0.0);
            }
            Op::Aggregate { message, reducer } => {
                x[6] += 0.25;
                x[7] += if combines > 0 { 0.25 } else { 0.0 };
                x[8] += if fresh_knn { 0.25 } else { 0.0 };
                x[9 + match reducer {
                    Reducer::Max | Reducer::Min => 0,
                    Reducer::Mean => 1,
                    Reducer::Add => 2,
                }] += 0.25;
                x[12 + match message {
                    Message::Full => 0,
                    Message::TargetRelative | Message::SourceRelative => 1,
                    Message::Relative => 2,
                    _ => 3,
                }] += 0.25;
                since_combine += 0.25;
                width = message.width(width);
            }
            Op::Sample(sampler) => {
                fresh_knn = sampler == Sampler::Knn;
                x[16] += if fresh_knn && combines > 0 { 0.25 } else { 0.0 };
            }
            Op::Connect(Connect::Skip) => x[17] += 0.25,
            Op::Connect(Connect::Identity) => {}
            Op::Pool(pool) => {
                pooled = true;
                x[18] = if matches!(pool, Pool::Max | Pool::MaxMean | Pool::MaxAdd) { 1.0 } else { 0.0 };
                x[19] = if pool.reducers().len() == 2 { 1.0 } else { 0.0 };
                x[20] = log(width);
                x[21] = since_combine;
            }
            Op::EdgeConv { .. } | Op::Join => {}
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    fn architecture(text: &str) -> Architecture {
        text.parse::<Plan>().unwrap().architecture().clone()
    }

    #[test]
    fn a_part_lies_within_the_largest_layer_and_has_the_networks_shape() {
        let task = Task::modelnet10();
        let all = layers(&task);
        let (paths, mut rng) = (Paths::new(&task), SplitMix64::new(1));
        for _ in 0..300 {
            let drawn = paths.draw(&mut rng);
            let specs = drawn.parameters(&task);
            let matrices: Vec<_> = specs.iter().filter(|spec| spec.shape.len() == 2).collect();
            let parts = parts(&drawn, &task);
            assert_eq!(parts.len(), matrices.len(), "{drawn}");
            for (part, spec) in parts.iter().zip(matrices) {
                assert_eq!(format!("{}.weight", part.layer), spec.name);
                assert_eq!([part.rows().count(), part.outputs], spec.shape[..], "{drawn} {}", spec.name);
                let largest = all.iter().find(|large| large.name == part.of).unwrap();
                assert!(
                    part.rows().all(|(row, _)| row < largest.shape[0]) && part.outputs <= largest.shape[1],
                    "{drawn}"
                );
            }
        }
    }

    #[test]
    fn all_weights_fit_four_megabytes_in_half_precision() {
        let numbers: usize = layers(&Task::modelnet10()).iter().map(|layer| layer.shape[0] * layer.shape[1]).sum();
        assert!(2 * numbers < 4_000_000, "{numbers}");
    }

    #[test]
    fn inputs_that_mean_the_same_are_the_same() {
        let task = Task::modelnet10();
        let parts = parts(&architecture("1 3 2 1 4 1 1,0 0 6 3 3 0 4"), &task);
        let of = |at: usize| (parts[at].of.as_str(), parts[at].inputs.clone());
        let block = |rows, scale| Block { rows, scale };
        assert_eq!(of(0), ("combine.0", vec![block(0..3, 1.0)]));
        // x_i, then the largest x_j − x_i, of 8 channels each.
        let relative = 2 * NODE_WIDTH;
        assert_eq!(of(1), ("combine.1", vec![block(0..8, 1.0), block(relative..relative + 8, 1.0)]));
        assert_eq!(of(2), ("pooled.0", vec![block(0..64, 1.0), block(NODE_WIDTH..NODE_WIDTH + 64, 1.0)]));
        assert_eq!(of(3), ("pooled.1", vec![block(COMBINED..COMBINED + 8, 1.0)]));
        assert_eq!(of(4), ("classifier.0", vec![block(COMBINED..COMBINED + 128, 1.0)]));
    }

    #[test]
    fn a_sum_reads_the_weights_of_the_mean_and_a_random_graph_has_its_own() {
        let task = Task::modelnet10();
        let inputs = |text: &str, at: usize| parts(&architecture(text), &task)[at].inputs.clone();
        let [mean, sum] = ["3 2 1 4,0 4 3 1", "3 2 1 4,0 5 3 2"];
        let divided = |blocks: Vec<Block>, n: usize| -> Vec<Block> {
            blocks.into_iter().map(|block| Block { scale: 1.0 / n as f32, ..block }).collect()
        };
        assert_eq!(inputs(sum, 0), divided(inputs(mean, 0), task.k));
        assert_eq!(inputs(sum, 1), divided(inputs(mean, 1), task.n_points));
        let [knn, random] = ["3 2 1 4,0 6 3 0", "3 2 1 4,1 6 3 0"].map(|text| inputs(text, 0));
        assert_eq!(knn[0], random[0], "own features");
        assert_ne!(knn[1].rows, random[1].rows);
    }

    #[test]
    fn what_is_not_covered_is_named() {
        let task = Task::modelnet10();
        let why = |text: &str| uncovered(&architecture(text), &task).unwrap();
        assert!(why("3 6 7 4,0 3 0 0").contains("`edge convolution 64` at position 1"));
        assert!(why("1 4,5 0").contains("combine 256"));
        assert!(why("1 3 2 4,4 0 0 0").contains("385 channels"), "{}", why("1 3 2 4,4 0 0 0"));
        assert!(uncovered(&architecture("3 2 1 4,0 6 3 0"), &task).is_none());
    }

    #[test]
    fn draws_are_graph_networks_that_combine_what_they_aggregate() {
        assert!(learns(&architecture("3 2 1 4,0 6 3 0")));
        assert!(!learns(&architecture("3 1 2 4 1,0 3 6 0 3")));
        assert!(!learns(&architecture("1 4,3 0")));
    }

    #[test]
    fn restricted_draws_have_their_functions() {
        let (task, mut rng) = (Task::modelnet10(), SplitMix64::new(1));
        let halves: crate::Halves = "0 3 6 0 3 / 1 4 3 1 0".parse().unwrap();
        let paths = Paths::with(&task, halves);
        let lengths: std::collections::BTreeSet<usize> = (0..200)
            .map(|_| {
                let architecture = paths.draw(&mut rng);
                assert!(halves.holds(&architecture), "{architecture}");
                architecture.ops().len()
            })
            .collect();
        assert!(lengths.is_subset(&[10, 11, 12].into()) && lengths.len() > 1, "{lengths:?}");
    }
}
