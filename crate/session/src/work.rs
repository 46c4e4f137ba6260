//! What a session is asked to run: a network with its mapping and its weights.

use std::fmt;
use std::sync::Arc;

use cleave_arch::{ArchError, CutGraph, Mapping, Segment, Tier};
use cleave_wire::{ModelHash, WeightSource};

/// A model file as it is sent to an edge or a worker that does not hold it.
#[derive(Clone)]
pub struct Model {
    /// SHA-256 of `bytes`; computed by the caller.
    pub hash: ModelHash,
    /// The whole file.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({}, {} bytes)", self.hash, self.bytes.len())
    }
}

/// The weights of a network, as whoever offers it has them.
#[derive(Clone, Debug)]
pub enum Weights {
    /// Everybody draws them from this seed.
    Seeded(u64),
    /// A file, sent to those that have it not.
    File(Model),
}

impl Weights {
    /// What names them on the wire.
    pub fn source(&self) -> WeightSource {
        match self {
            Self::Seeded(seed) => WeightSource::Seeded(*seed),
            Self::File(file) => WeightSource::File(file.hash),
        }
    }

    /// The file, if they are one.
    pub(crate) fn file(&self) -> Option<&Model> {
        match self {
            Self::Seeded(_) => None,
            Self::File(file) => Some(file),
        }
    }
}

/// A mapping with everything that walking it needs, derived once.
#[derive(Clone, Debug)]
pub struct Work {
    mapping: Mapping,
    cut: CutGraph,
    segments: Vec<Segment>,
    weights: Weights,
}

impl Work {
    /// Derives the graph and its segments.
    ///
    /// # Errors
    /// [`ArchError::Graph`] if the task makes it too large.
    pub fn new(mapping: Mapping, weights: Weights) -> Result<Self, ArchError> {
        let cut = mapping.cut_graph()?;
        Ok(Self { mapping, segments: cut.segments(), cut, weights })
    }

    /// Who runs what, as people write it.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The graph with its cuts.
    pub fn cut(&self) -> &CutGraph {
        &self.cut
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// True if some segment runs on the edge.
    pub fn needs_edge(&self) -> bool {
        self.segments.iter().any(|segment| segment.tier == Tier::Edge)
    }

    /// True if a deployment of `other` serves this work too: equal graph, cuts, codec and weights.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |of: &Self| (of.mapping.codec(), of.weights.source());
        key(self) == key(other) && self.cut == other.cut
    }

    /// Whether its weights are the file with this hash.
    pub(crate) fn is_of(&self, file: ModelHash) -> bool {
        self.weights.source() == WeightSource::File(file)
    }

    /// The node at which segment `index` begins; behind the last segment the end.
    pub(crate) fn start(&self, index: usize) -> usize {
        self.segments.get(index).map_or(self.cut.graph().nodes().len(), |segment| segment.nodes.start)
    }

    /// Everything from segment `index` to the answer as one segment of the device.
    pub(crate) fn rest(&self, index: usize) -> Segment {
        self.cut.rest(self.start(index))
    }
}
