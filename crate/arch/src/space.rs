//! The search space: how many operation strings it has, and uniform draws from them.
//!
//! A string has a fixed number of positions, each connect, combine, aggregate, sample, pool or communicate (GCoDE's six
//! operations; edge convolution and join stand beside the space). Most of the 6^12 strings are not valid, so a draw
//! counts the valid completions of every prefix and picks a string by its rank instead of trying and refusing.

use crate::architecture::Architecture;
use crate::codec::LinkCodec;
use crate::op::Op;
use crate::plan::Plan;
use crate::task::GraphSource;
use cleave_graph::MAX_CUTS;
use cleave_graph::SplitMix64;

/// Positions of the published space.
pub const POSITIONS: usize = 12;

/// Operation ids of the space in rank order; 5 is communicate.
const COMMUNICATE: usize = 5;
const IDS: [usize; 6] = [0, 1, 2, 3, 4, COMMUNICATE];

/// Which functions a draw chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Functions {
    /// GCoDE's: identity, seven widths, twelve aggregates, kNN, six pools.
    Gcode,
    /// Those and HGNAS's: skip, min and three more messages, random sampling.
    All,
    /// GCoDE's with skip and random sampling, combines of at most 128 channels: see [`crate::supernet`].
    Supernet,
}

impl Functions {
    /// How many functions operation `id` (0 to 4) has; a communicate has one.
    pub fn count(self, id: usize) -> usize {
        match (id, self) {
            (0, Self::Gcode) | (3, Self::Gcode) => 1,
            (0 | 3, Self::All | Self::Supernet) => 2,
            (1, Self::Supernet) => 5,
            (1, _) => 7,
            (2, Self::Gcode | Self::Supernet) => 12,
            (2, Self::All) => 28,
            (4, _) => 6,
            _ => 1,
        }
    }
}

/// Number of valid operation strings with `positions` positions (12: 34,303,488); exact up to 24, then saturating.
pub fn count_valid_strings(positions: usize) -> u64 {
    Counts::new(positions, MAX_CUTS, GraphSource::Sampled).all()
}

/// A plan of [`POSITIONS`] positions, communicates counted: uniform over the valid operation strings, then uniform
/// over all functions of each operation; the link codec is the default one.
pub fn draw(rng: &mut SplitMix64) -> Plan {
    draw_from(rng, Functions::All)
}

/// As [`draw`], with the functions of one published space.
pub fn draw_from(rng: &mut SplitMix64, functions: Functions) -> Plan {
    Sampler::new(functions, GraphSource::Sampled).draw(rng)
}

/// An architecture of [`POSITIONS`] operations: uniform over the valid operation strings without communicate, then
/// uniform over all functions.
pub fn draw_architecture(rng: &mut SplitMix64) -> Architecture {
    draw_architecture_from(rng, Functions::All)
}

/// As [`draw_architecture`], with the functions of one published space.
pub fn draw_architecture_from(rng: &mut SplitMix64, functions: Functions) -> Architecture {
    Sampler::architectures(functions, GraphSource::Sampled).draw(rng).architecture().clone()
}

/// Draws plans as [`draw_from`] does, the same from the same generator, but counts the space only once: for searches.
pub struct Sampler {
    counts: Counts,
    functions: Functions,
    graph: GraphSource,
}

impl Sampler {
    /// Of the space with these functions. Where the input brings a graph, the first aggregate reads that one: no sample
    /// comes before it (a rule of ours).
    pub fn new(functions: Functions, graph: GraphSource) -> Self {
        Self::of_length(POSITIONS, functions, graph)
    }

    /// Of the space without communicates.
    pub fn architectures(functions: Functions, graph: GraphSource) -> Self {
        Self { counts: Counts::new(POSITIONS, 0, graph), functions, graph }
    }

    /// Of shorter strings: all of them have a rank.
    pub fn of_length(positions: usize, functions: Functions, graph: GraphSource) -> Self {
        Self { counts: Counts::new(positions, MAX_CUTS, graph), functions, graph }
    }

    /// Strings of operations that it draws from.
    pub fn n_strings(&self) -> u64 {
        self.counts.all()
    }

    /// The ids of the string with this rank below [`Sampler::n_strings`], in lexical order.
    pub fn string(&self, rank: u64) -> Vec<usize> {
        self.counts.string(rank)
    }

    /// One plan.
    pub fn draw(&self, rng: &mut SplitMix64) -> Plan {
        let rank = rng.below_u64(self.n_strings());
        let (mut ops, mut cuts) = (Vec::new(), Vec::new());
        for id in self.string(rank) {
            match Op::from_ids(id, rng.below(self.functions.count(id))) {
                Some(op) => ops.push(op),
                None => cuts.push(ops.len()),
            }
        }
        Plan::from_valid(Architecture::from_valid(ops, self.graph), cuts, LinkCodec::default())
    }
}

/// What the rules need to know of the operations before a position.
#[derive(Clone, Copy)]
struct Prefix {
    phase: Phase,
    n_cuts: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The input's graph waits for an aggregate.
    Given,
    NoGraph,
    Graph,
    Pooled,
}

const PHASES: [Phase; 4] = [Phase::Given, Phase::NoGraph, Phase::Graph, Phase::Pooled];

impl Prefix {
    fn start(graph: GraphSource) -> Self {
        let phase = if graph == GraphSource::Given { Phase::Given } else { Phase::NoGraph };
        Self { phase, n_cuts: 0 }
    }

    /// The prefix with operation `id` behind it, if that is allowed.
    fn with(self, id: usize, max_cuts: usize) -> Option<Self> {
        let pooled = self.phase == Phase::Pooled;
        match id {
            0 | 1 => Some(self),
            2 => matches!(self.phase, Phase::Graph | Phase::Given).then_some(Self { phase: Phase::Graph, ..self }),
            3 => (!pooled && self.phase != Phase::Given).then_some(Self { phase: Phase::Graph, ..self }),
            4 => (!pooled).then_some(Self { phase: Phase::Pooled, ..self }),
            _ => (self.n_cuts < max_cuts).then_some(Self { n_cuts: self.n_cuts + 1, ..self }),
        }
    }
}

/// Valid completions by positions left, phase and communicates used.
struct Counts {
    table: Vec<[[u64; MAX_CUTS + 1]; PHASES.len()]>,
    max_cuts: usize,
    start: Prefix,
}

impl Counts {
    /// `max_cuts` is at most [`MAX_CUTS`].
    fn new(positions: usize, max_cuts: usize, graph: GraphSource) -> Self {
        let mut complete = [[0; MAX_CUTS + 1]; PHASES.len()];
        complete[Phase::Pooled as usize] = [1; MAX_CUTS + 1];
        let mut counts = Self { table: vec![complete], max_cuts, start: Prefix::start(graph) };
        for left in 1..=positions {
            let mut row = [[0; MAX_CUTS + 1]; PHASES.len()];
            for phase in PHASES {
                for (n_cuts, count) in row[phase as usize].iter_mut().enumerate() {
                    let nexts = IDS.iter().filter_map(|id| Prefix { phase, n_cuts }.with(*id, max_cuts));
                    *count = nexts.fold(0u64, |sum, next| sum.saturating_add(counts.of(left - 1, next)));
                }
            }
            counts.table.push(row);
        }
        counts
    }

    /// Valid strings.
    fn all(&self) -> u64 {
        self.of(self.table.len() - 1, self.start)
    }

    /// Valid completions of `prefix` by `left` more positions.
    fn of(&self, left: usize, prefix: Prefix) -> u64 {
        self.table[left][prefix.phase as usize][prefix.n_cuts]
    }

    /// The valid string of the given rank, in lexical order of the ids.
    fn string(&self, mut rank: u64) -> Vec<usize> {
        let (mut ids, mut prefix) = (Vec::new(), self.start);
        for left in (0..self.table.len() - 1).rev() {
            for id in IDS {
                let Some(next) = prefix.with(id, self.max_cuts) else {
                    continue;
                };
                let count = self.of(left, next);
                if rank < count {
                    ids.push(id);
                    prefix = next;
                    break;
                }
                rank -= count;
            }
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// All strings that the text parser accepts, found by trying every one.
    fn tried(positions: usize, graph: GraphSource) -> HashSet<Vec<usize>> {
        let all = 6usize.pow(positions as u32);
        let string = |n: usize| (0..positions as u32).map(|i| n / 6usize.pow(i) % 6).collect::<Vec<_>>();
        let parses = |ids: &Vec<usize>| {
            let words: Vec<_> = ids.iter().map(ToString::to_string).collect();
            let text = format!("{},{}", words.join(" "), "0 ".repeat(positions));
            let first = |id: usize| ids.iter().position(|other| *other == id);
            let in_order =
                graph == GraphSource::Sampled || first(3).is_none_or(|at| first(2).is_some_and(|other| other < at));
            in_order && Plan::parse_beside(&text, graph).is_ok()
        };
        (0..all).map(string).filter(parses).collect()
    }

    #[test]
    fn the_published_space_has_34_303_488_valid_strings() {
        assert_eq!(count_valid_strings(POSITIONS), 34_303_488);
        assert_eq!(count_valid_strings(0), 0);
        assert_eq!(count_valid_strings(1), 1);
        assert_eq!(count_valid_strings(200), u64::MAX);
    }

    #[test]
    fn counting_and_ranking_agree_with_trying_every_string() {
        for (positions, graph) in (1..=5).flat_map(|n| [(n, GraphSource::Sampled), (n, GraphSource::Given)]) {
            let counts = Counts::new(positions, MAX_CUTS, graph);
            let ranked: Vec<_> = (0..counts.all()).map(|rank| counts.string(rank)).collect();
            assert!(ranked.is_sorted());
            let n_ranked = ranked.len();
            let tried = tried(positions, graph);
            assert_eq!(n_ranked, tried.len());
            assert_eq!(ranked.into_iter().collect::<HashSet<_>>(), tried);
        }
    }

    #[test]
    fn every_draw_is_valid_and_reads_what_it_prints() {
        for graph in [GraphSource::Sampled, GraphSource::Given] {
            let (placed, whole) = (Sampler::new(Functions::All, graph), Sampler::architectures(Functions::All, graph));
            let mut rng = SplitMix64::new(1);
            for _ in 0..2_000 {
                let plan = placed.draw(&mut rng);
                let text = plan.to_string();
                assert_eq!(text.starts_with("given: "), graph == GraphSource::Given, "{text}");
                assert_eq!(text.parse().as_ref(), Ok(&plan), "{text}");
                assert_eq!(Plan::parse_beside(text.trim_start_matches("given: "), graph).as_ref(), Ok(&plan), "{text}");
                let (ops, cuts) = (plan.architecture().ops(), plan.cuts());
                assert_eq!(ops.len() + cuts.len(), POSITIONS, "{text}");
                let again = Architecture::for_graph(ops.to_vec(), graph);
                assert_eq!(again.as_ref(), Ok(plan.architecture()), "{text}");
                let architecture = whole.draw(&mut rng).architecture().clone();
                assert_eq!(architecture.ops().len(), POSITIONS);
                assert_eq!(architecture.to_string().parse(), Ok(architecture));
            }
        }
    }

    #[test]
    fn draws_are_uniform_over_strings() {
        // Exact share of strings whose first operation is a pool, against its share among draws.
        let counts = Counts::new(POSITIONS, MAX_CUTS, GraphSource::Sampled);
        let pooled = Prefix { phase: Phase::Pooled, n_cuts: 0 };
        let exact = counts.of(POSITIONS - 1, pooled) as f64 / counts.all() as f64;
        let mut rng = SplitMix64::new(2);
        let n_draws = 8_000;
        let starts_with_pool = |_: &i32| draw(&mut rng).to_string().starts_with('4');
        let drawn = (0..n_draws).filter(starts_with_pool).count() as f64 / f64::from(n_draws);
        let deviation = (exact * (1.0 - exact) / f64::from(n_draws)).sqrt();
        assert!((drawn - exact).abs() < 5.0 * deviation, "{drawn} drawn, {exact} exact");
    }

    #[test]
    fn functions_are_those_of_the_published_space_and_all_are_reached() {
        let mut rng = SplitMix64::new(3);
        let mut reached = |functions| {
            let ops = (0..2_000).flat_map(|_| draw_architecture_from(&mut rng, functions).ops().to_vec());
            ops.collect::<HashSet<_>>()
        };
        assert_eq!(reached(Functions::Gcode).len(), 1 + 7 + 12 + 1 + 6);
        assert_eq!(reached(Functions::All).len(), 2 + 7 + 28 + 2 + 6);
    }

    #[test]
    fn a_draw_is_a_function_of_its_seed() {
        let texts = |seed| {
            let mut rng = SplitMix64::new(seed);
            [0; 5].map(|_| draw(&mut rng).to_string())
        };
        let sampler = Sampler::new(Functions::All, GraphSource::Sampled);
        let mut rng = SplitMix64::new(9);
        assert_eq!([0; 5].map(|_| sampler.draw(&mut rng).to_string()), texts(9));
        assert_eq!(texts(9), texts(9));
        assert_ne!(texts(9), texts(10));
    }
}
