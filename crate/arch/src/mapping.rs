//! A network of either family with its mapping: who runs which of its steps, and how values cross the link. Sessions,
//! prices, dispatcher and page speak of this; what is special to searched architectures is in the [`Plan`] that it may hold.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use cleave_graph::{CutGraph, Graph, Layout, MAX_CUTS, Tier, zoo};

use crate::architecture::Architecture;
use crate::codec::{Codec, LinkCodec};
use crate::error::{ArchError, shortened};
use crate::plan::Plan;
use crate::task::Task;
use crate::trace::{Slot, Trace};

/// Stands between a graph and its cuts, and between these.
const CUT: char = '@';

/// Who runs what of a network. Its *steps* are what it is cut between: of an architecture the operations and then the
/// classifier, of a graph the operators. Execution starts on the device and changes tier before step `cut`, for every cut.
///
/// Text form: an architecture's with its communicates; of a graph its name or its text, then its cuts, `alexnet@4@7`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping(Network);

#[derive(Clone, Debug, PartialEq)]
enum Network {
    Architecture {
        plan: Plan,
        task: Task,
        trace: Arc<Trace>,
    },
    /// With its name, or its text: finding a name compares whole networks, and every frame tells it.
    Graph {
        graph: Arc<Graph>,
        name: Arc<str>,
        cuts: Vec<usize>,
        codec: LinkCodec,
    },
}

/// A value that crosses the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// What it is to an architecture.
    pub slot: Option<Slot>,
    /// Its extents.
    pub extents: Vec<usize>,
    /// Indexes of neighbours.
    pub is_graph: bool,
}

impl Crossing {
    /// How many numbers.
    pub fn values(&self) -> usize {
        self.extents.iter().fold(1, |product, extent| product.saturating_mul(*extent))
    }

    /// Raw payload on the link, before compression.
    pub fn bytes(&self, codec: Codec) -> usize {
        if self.is_graph { self.values().saturating_mul(2) } else { codec.bytes(&self.extents) }
    }
}

/// The graph of this name or text, if it is meant as one: a name of the zoo, or a text with a colon behind its inputs.
fn graph(text: &str) -> Option<Result<Graph, ArchError>> {
    let is_name = zoo::NETWORKS.iter().any(|(name, _)| *name == text);
    let is_text = text.split_once(':').is_some_and(|(inputs, _)| inputs.contains(['x', '×']));
    (is_name || is_text).then(|| Ok(zoo::network(text)?))
}

impl Mapping {
    /// An architecture with its plan.
    pub fn of_plan(plan: Plan, task: Task) -> Self {
        let trace = Arc::new(plan.architecture().trace(&task));
        Self(Network::Architecture { plan, task, trace })
    }

    /// A graph, everything on the device.
    pub fn of_graph(graph: Graph) -> Self {
        let name = zoo::name_of(&graph).map_or_else(|| graph.to_string(), str::to_owned).into();
        Self(Network::Graph { graph: Arc::new(graph), name, cuts: Vec::new(), codec: LinkCodec::default() })
    }

    /// Reads the text form; an architecture is for this task.
    ///
    /// # Errors
    /// [`ArchError`] of either form, or of cuts.
    pub fn parse(text: &str, task: &Task) -> Result<Self, ArchError> {
        let mut parts = text.split(CUT).map(str::trim);
        let Some(graph) = parts.next().and_then(graph) else {
            return Ok(Self::of_plan(Plan::parse_beside(text, task.graph)?, *task));
        };
        let cut = |part: &str| part.parse().map_err(|_| ArchError::NoCut { text: shortened(part) });
        Self::of_graph(graph?).with_cuts(parts.map(cut).collect::<Result<_, _>>()?)
    }

    /// Whether a text is meant as a graph's, and not as an architecture's.
    pub fn is_graph_text(text: &str) -> bool {
        text.split(CUT).next().is_some_and(|part| graph(part.trim()).is_some())
    }

    /// The plan of an architecture, with its shapes and its task.
    pub fn plan(&self) -> Option<(&Plan, &Trace, &Task)> {
        match &self.0 {
            Network::Architecture { plan, task, trace } => Some((plan, trace, task)),
            Network::Graph { .. } => None,
        }
    }

    /// The graph of a network that is no architecture.
    pub fn graph(&self) -> Option<&Arc<Graph>> {
        match &self.0 {
            Network::Architecture { .. } => None,
            Network::Graph { graph, .. } => Some(graph),
        }
    }

    /// How many steps it has.
    pub fn n_steps(&self) -> usize {
        match &self.0 {
            Network::Architecture { trace, .. } => trace.steps.len() + 1,
            Network::Graph { graph, .. } => graph.operators().len(),
        }
    }

    /// Steps before which the tier changes, non-decreasing, at most [`MAX_CUTS`].
    pub fn cuts(&self) -> &[usize] {
        match &self.0 {
            Network::Architecture { plan, .. } => plan.cuts(),
            Network::Graph { cuts, .. } => cuts,
        }
    }

    /// How values cross the link.
    pub fn codec(&self) -> LinkCodec {
        match &self.0 {
            Network::Architecture { plan, .. } => plan.codec(),
            Network::Graph { codec, .. } => *codec,
        }
    }

    /// The same network and codec with other cuts.
    ///
    /// # Errors
    /// [`ArchError::TooManyCuts`], [`ArchError::CutOutOfRange`] or [`ArchError::CutsOutOfOrder`].
    pub fn with_cuts(&self, cuts: Vec<usize>) -> Result<Self, ArchError> {
        let last = self.n_steps() - 1;
        Ok(Self(match &self.0 {
            Network::Architecture { plan, task, trace } => {
                Network::Architecture { plan: plan.with_cuts(cuts)?, task: *task, trace: trace.clone() }
            }
            Network::Graph { graph, name, codec, .. } => {
                if cuts.len() > MAX_CUTS {
                    return Err(ArchError::TooManyCuts { n_cuts: cuts.len() });
                }
                if let Some(&cut) = cuts.iter().find(|cut| **cut > last) {
                    return Err(ArchError::NoStep { cut, last });
                }
                if let Some(pair) = cuts.windows(2).find(|pair| pair[0] > pair[1]) {
                    return Err(ArchError::CutsOutOfOrder { first: pair[0], second: pair[1] });
                }
                Network::Graph { graph: graph.clone(), name: name.clone(), cuts, codec: *codec }
            }
        }))
    }

    /// The same network and cuts with another codec.
    #[must_use]
    pub fn with_codec(mut self, written: LinkCodec) -> Self {
        match &mut self.0 {
            Network::Architecture { plan, .. } => *plan = plan.with_codec(written),
            Network::Graph { codec, .. } => *codec = written,
        }
        self
    }

    /// Everything on the device.
    #[must_use]
    pub fn uncut(&self) -> Self {
        // No cut keeps every rule.
        self.with_cuts(Vec::new()).unwrap_or_else(|_| self.clone())
    }

    /// Whether another is of the same network, wherever both are cut.
    pub fn is_of_same_network(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Network::Architecture { plan, task, .. }, Network::Architecture { plan: theirs, task: other, .. }) => {
                plan.architecture() == theirs.architecture() && task == other
            }
            (Network::Graph { graph, .. }, Network::Graph { graph: theirs, .. }) => graph == theirs,
            _ => false,
        }
    }

    /// Who runs a step.
    pub fn tier_of(&self, step: usize) -> Tier {
        let flips = self.cuts().iter().filter(|cut| **cut <= step).count();
        if flips % 2 == 0 { Tier::Device } else { Tier::Edge }
    }

    /// Steps before which values really cross the link, in order: two equal cuts send nothing.
    pub fn crossings(&self) -> Vec<usize> {
        match self.cuts() {
            [first, second] if first == second => Vec::new(),
            cuts => cuts.to_vec(),
        }
    }

    /// What a cut before a step sends, in no particular order.
    pub fn live_before(&self, step: usize) -> Vec<Crossing> {
        match &self.0 {
            Network::Architecture { trace, .. } => {
                let crossing = |live: &crate::Live| Crossing {
                    slot: Some(live.slot),
                    extents: vec![live.rows, live.cols],
                    is_graph: live.slot == Slot::Graph,
                };
                trace.live_before(step).iter().map(crossing).collect()
            }
            Network::Graph { graph, .. } => {
                let node = graph.operators().get(step).map_or(graph.nodes().len(), |operator| operator.node);
                let crossing = |value: usize| Crossing {
                    slot: None,
                    extents: graph.extents(value),
                    is_graph: graph.value(value).layout == Layout::Neighbours,
                };
                graph.live_before(node).into_iter().map(crossing).collect()
            }
        }
    }

    /// The segments as steps, tiers alternating; the first is the edge's if the first cut is before all steps.
    pub fn segments(&self) -> Vec<(Tier, Range<usize>)> {
        let (mut start, mut tier, mut segments) = (0, Tier::Device, Vec::with_capacity(MAX_CUTS + 1));
        for end in self.crossings().into_iter().chain([self.n_steps()]) {
            if end > 0 {
                segments.push((tier, start..end));
            }
            (start, tier) = (end, tier.other());
        }
        segments
    }

    /// How many numbers a cut before a step sends; behind the last step those of the answer.
    pub fn cut_values(&self, step: usize) -> usize {
        if step >= self.n_steps() {
            return self.n_classes();
        }
        match &self.0 {
            Network::Architecture { trace, .. } => {
                trace.live_before(step).iter().map(|live| live.rows * live.cols).sum()
            }
            Network::Graph { .. } => self.live_before(step).iter().map(Crossing::values).sum(),
        }
    }

    /// Raw payload of a cut before a step, bytes, before compression and framing.
    pub fn cut_bytes(&self, step: usize, codec: Codec) -> usize {
        if let Network::Architecture { trace, .. } = &self.0 {
            return trace.cut_bytes(step, codec);
        }
        self.live_before(step).iter().fold(0, |sum, crossing| sum.saturating_add(crossing.bytes(codec)))
    }

    /// How many numbers the answer has.
    pub fn n_classes(&self) -> usize {
        match &self.0 {
            Network::Architecture { task, .. } => task.n_classes,
            Network::Graph { graph, .. } => graph.output().values() as usize,
        }
    }

    /// The graph, cut where values really cross.
    ///
    /// # Errors
    /// [`ArchError::Graph`] if the task makes it too large.
    pub fn cut_graph(&self) -> Result<CutGraph, ArchError> {
        let crossings = self.crossings();
        match &self.0 {
            Network::Architecture { plan, task, .. } => {
                let lowered = plan.architecture().lower(task)?;
                let cuts = crossings.iter().map(|cut| lowered.starts[*cut]).collect();
                Ok(CutGraph::new(Arc::new(lowered.graph), cuts)?)
            }
            Network::Graph { graph, .. } => {
                let cuts = crossings.iter().map(|cut| graph.operators()[*cut].node).collect();
                Ok(CutGraph::new(graph.clone(), cuts)?)
            }
        }
    }

    /// What a step is, for people who know the vocabulary.
    pub fn step_name(&self, step: usize) -> String {
        match &self.0 {
            Network::Architecture { plan, .. } => {
                plan.architecture().ops().get(step).map_or_else(|| "classifier".into(), ToString::to_string)
            }
            Network::Graph { graph, .. } => {
                graph.operators().get(step).map_or_else(String::new, |operator| operator.op.to_string())
            }
        }
    }

    /// Its network as people write it, without cuts: an architecture's text, a graph's name or text.
    pub fn network(&self) -> String {
        match &self.0 {
            Network::Architecture { plan, .. } => plan.architecture().to_string(),
            Network::Graph { name, .. } => name.to_string(),
        }
    }

    /// The architecture, if it is one.
    pub fn architecture(&self) -> Option<&Architecture> {
        self.plan().map(|(plan, ..)| plan.architecture())
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Network::Architecture { plan, .. } => write!(f, "{plan}"),
            Network::Graph { name, cuts, .. } => {
                f.write_str(name)?;
                cuts.iter().try_for_each(|cut| write!(f, "{CUT}{cut}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "1x8x8: conv 4 k3 p1, relu, maxpool 2, conv 4 k3 p1 of in, flatten, linear 3";

    fn parse(text: &str) -> Result<Mapping, ArchError> {
        Mapping::parse(text, &Task::modelnet10())
    }

    #[test]
    fn either_family_reads_what_it_prints() {
        for text in ["3 2 5 1 4,0 6 0 3 0", "lenet5", "alexnet@4", "resnet@2@7", "1x8x8: conv 4 k3, relu, conv 2 k3@1"]
        {
            let mapping = parse(text).unwrap();
            assert_eq!(mapping.to_string(), text);
            assert_eq!(Mapping::is_graph_text(text), mapping.graph().is_some(), "{text}");
            assert!(mapping.is_of_same_network(&mapping.uncut()) && mapping.uncut().cuts().is_empty());
        }
        assert!(!parse("lenet5").unwrap().is_of_same_network(&parse("resnet").unwrap()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| parse(text).unwrap_err().to_string();
        assert!(error("lenet5@5").contains("steps 0 to 4"), "{}", error("lenet5@5"));
        assert!(error("lenet5@1@2@3").contains("3 communicates"));
        assert!(error("lenet5@3@2").contains("cut 2 comes after cut 3"));
        assert!(error("lenet5@x").contains("`x`"), "{}", error("lenet5@x"));
        assert!(error("1x8x8: conv 4 k9").contains("k9"), "{}", error("1x8x8: conv 4 k9"));
        assert!(parse(SMALL).is_err(), "nothing reads the pooling");
    }

    #[test]
    fn tiers_crossings_and_bytes_are_those_of_the_cuts() {
        let mapping = parse("lenet5@1@3").unwrap();
        assert_eq!((0..5).map(|step| mapping.tier_of(step)).collect::<Vec<_>>(), {
            use Tier::{Device, Edge};
            [Device, Edge, Edge, Device, Device]
        });
        assert_eq!((mapping.crossings(), parse("lenet5@2@2").unwrap().crossings()), (vec![1, 3], vec![]));
        // Six maps of 14 × 14 after the first operator; a scale for each map as int8.
        assert_eq!([Codec::F32, Codec::F16, Codec::I8].map(|codec| mapping.cut_bytes(1, codec)), [4704, 2352, 1200]);
        let cut = mapping.cut_graph().unwrap();
        assert_eq!((cut.cuts(), mapping.n_classes()), (&[3, 9][..], 10));
        let plan = parse("3 2 5 1 4,0 6 0 3 0").unwrap();
        assert_eq!((plan.cut_graph().unwrap().cuts(), plan.n_steps()), (&[2][..], 5));
        assert_eq!(plan.cut_bytes(2, Codec::F32), 1024 * 6 * 4);
    }
}
