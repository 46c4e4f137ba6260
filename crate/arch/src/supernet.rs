//! The supernet: one set of weights of which every architecture of a space reads a part (single-path one-shot).
//!
//! A part is cut from a largest layer: its first outputs, and those of its inputs that mean the same. For that the inputs
//! of a layer lie in blocks: on nodes the node's own features, then the neighbours', their difference and the distance;
//! after the pool the largest values, the means, the sums, and what a combine after the pool makes. So the mean of
//! channel 3 is always the same input, however wide the features are. Combines share weights not by their position among
//! the twelve but by how many came before them: the first combine sees coordinates, or what was aggregated of them,
//! wherever it stands, and every step trains it. Both are ours; ARCHITECTURE.md has the measurement against weights by
//! position. The mapping to tiers changes no weight.
//!
//! The space: GCoDE's functions with HGNAS's skip and random sampling, combines of 8 to 128 channels, features of at
//! most 256 channels on nodes and 512 after the pool, so that all weights together stay below 4 MB in half precision.
//! The bounds are ours.

use crate::architecture::Architecture;
use crate::op::{Message, Op, Reducer};
use crate::params::CLASSIFIER_HIDDEN;
use crate::rng::SplitMix64;
use crate::space::{Functions, POSITIONS, Sampler};
use crate::task::Task;
use std::ops::Range;

/// Widest output of a combine, channels.
pub const COMBINE_WIDTH: usize = 128;
/// Widest features on nodes, and of one pooled reducer, channels.
pub const NODE_WIDTH: usize = 256;
/// Combines on nodes, and after the pool, that have weights of their own; those beyond share the last.
const ON_NODES: usize = 6;
const POOLED: usize = 3;

/// Where blocks of inputs start: own, neighbours', difference, distance; largest, mean, sum, combined.
const SOURCE: usize = NODE_WIDTH;
const RELATIVE: usize = 2 * NODE_WIDTH;
const DISTANCE: usize = 3 * NODE_WIDTH;
const COMBINED: usize = 3 * NODE_WIDTH;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The network's own name of it: `op.3`, `classifier.0`.
    pub layer: String,
    /// The supernet's name.
    pub of: String,
    /// Which inputs, in the network's order.
    pub inputs: Vec<Range<usize>>,
    /// How many outputs, from the first on.
    pub outputs: usize,
}

impl Part {
    /// The inputs one by one.
    pub fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        self.inputs.iter().cloned().flatten()
    }
}

/// All layers, for a task's classes.
pub fn layers(task: &Task) -> Vec<SuperLayer> {
    let layer = |name: String, shape, norm| SuperLayer { name, shape, norm };
    let on_nodes = (0..ON_NODES).map(|j| layer(format!("combine.{j}"), [DISTANCE + 1, COMBINE_WIDTH], true));
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
    let own = |c: usize| single(0..c);
    let width = |blocks: &[Range<usize>]| blocks.iter().map(Range::len).sum::<usize>();
    let (mut blocks, mut pooled, mut before) = (own(task.in_channels), false, 0);
    let mut parts = Vec::new();
    for (at, op) in architecture.ops().iter().enumerate() {
        let c = width(&blocks);
        match *op {
            Op::Combine { channels } => {
                let (name, n) = if pooled { ("pooled", POOLED) } else { ("combine", ON_NODES) };
                let of = format!("{name}.{}", before.min(n - 1));
                parts.push(Part { layer: format!("op.{at}"), of, inputs: blocks, outputs: channels });
                blocks = if pooled { single(COMBINED..COMBINED + channels) } else { own(channels) };
                before += 1;
            }
            Op::Aggregate { message, .. } => blocks = message_blocks(message, c),
            Op::Pool(pool) => {
                blocks = pool.reducers().iter().map(|reducer| reducer_start(*reducer)).map(|at| at..at + c).collect();
                (pooled, before) = (true, 0);
            }
            _ => {}
        }
    }
    let [first, second] = CLASSIFIER_HIDDEN;
    let rest = [(blocks, first), (own(first), second), (own(second), task.n_classes)];
    parts.extend(rest.into_iter().enumerate().map(|(j, (inputs, outputs))| {
        let layer = format!("classifier.{j}");
        Part { of: layer.clone(), layer, inputs, outputs }
    }));
    parts
}

/// One block.
fn single(block: Range<usize>) -> Vec<Range<usize>> {
    std::iter::once(block).collect()
}

/// In the order in which a message puts its parts side by side.
fn message_blocks(message: Message, c: usize) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut add = |has: bool, at: usize, width: usize| blocks.extend(has.then_some(at..at + width));
    add(message.has_target(), 0, c);
    add(message.has_source(), SOURCE, c);
    add(message.has_relative(), RELATIVE, c);
    add(message.has_distance(), DISTANCE, 1);
    blocks
}

fn reducer_start(reducer: Reducer) -> usize {
    match reducer {
        Reducer::Max | Reducer::Min => 0,
        Reducer::Mean => NODE_WIDTH,
        Reducer::Add => 2 * NODE_WIDTH,
    }
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
    sampler: Sampler,
    task: Task,
}

impl Paths {
    /// For a task.
    pub fn new(task: &Task) -> Self {
        Self { sampler: Sampler::architectures(Functions::Supernet), task: *task }
    }

    /// One architecture.
    pub fn draw(&self, rng: &mut SplitMix64) -> Architecture {
        loop {
            let architecture = self.sampler.draw(rng).architecture().clone();
            if learns(&architecture) && covers(&architecture, &self.task) {
                return architecture;
            }
        }
    }
}

/// Whether a combine on nodes reads an aggregate: networks without that are no graph networks.
pub fn learns(architecture: &Architecture) -> bool {
    let on_nodes = architecture.ops().iter().take_while(|op| !matches!(op, Op::Pool(_)));
    let after = on_nodes.skip_while(|op| !matches!(op, Op::Aggregate { .. }));
    after.into_iter().any(|op| matches!(op, Op::Combine { .. }))
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
                assert!(part.rows().all(|row| row < largest.shape[0]) && part.outputs <= largest.shape[1], "{drawn}");
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
        assert_eq!(of(0), ("combine.0", single(0..3)));
        // x_i, then x_j − x_i, of 8 channels each.
        assert_eq!(of(1), ("combine.1", vec![0..8, RELATIVE..RELATIVE + 8]));
        assert_eq!(of(2), ("pooled.0", vec![0..64, NODE_WIDTH..NODE_WIDTH + 64]));
        assert_eq!(of(3), ("pooled.1", single(COMBINED..COMBINED + 8)));
        assert_eq!(of(4), ("classifier.0", single(COMBINED..COMBINED + 128)));
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
}
