//! A valid list of operations.
//!
//! The rules are those of GCoDE's space (a reconstruction: the published code does not state them, but they reproduce
//! its examples), widened by the edge convolution and the join. A mapping to tiers is not part of it: see
//! [`crate::Plan`].

use crate::error::ArchError;
use crate::op::{MAX_CHANNELS, MAX_OPS, MIN_CHANNELS, Op, Pool, Sampler};
use crate::task::GraphSource;

/// Operations in the order of execution; one that exists is valid.
///
/// Exactly one pool; after it no sample, aggregate, edge convolution or join; an aggregate or edge convolution has an
/// earlier sample, or the input brings the graph; a join has an earlier edge convolution. The same operations on sampled
/// and on given graphs are two architectures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Architecture {
    ops: Vec<Op>,
    graph_source: GraphSource,
}

impl Architecture {
    /// An architecture that samples its own graphs.
    ///
    /// # Errors
    /// The [`ArchError`] of the first operation that breaks a rule.
    pub fn new(ops: Vec<Op>) -> Result<Self, ArchError> {
        Self::for_graph(ops, GraphSource::Sampled)
    }

    /// An architecture whose first graph comes from `graph_source`.
    ///
    /// # Errors
    /// The [`ArchError`] of the first operation that breaks a rule.
    pub fn for_graph(ops: Vec<Op>, graph_source: GraphSource) -> Result<Self, ArchError> {
        match ops.len() {
            0 => return Err(ArchError::Empty),
            1..=MAX_OPS => {}
            n_ops => return Err(ArchError::TooLong { n_ops }),
        }
        let mut seen = Seen { pool: None, graph: graph_source == GraphSource::Given, edge_conv: false };
        for (position, op) in ops.iter().enumerate() {
            seen.admit(position, *op)?;
        }
        seen.pool.ok_or(ArchError::NoPool)?;
        Ok(Self { ops, graph_source })
    }

    /// For lists that keep the rules by construction.
    pub(crate) fn from_valid(ops: Vec<Op>, graph_source: GraphSource) -> Self {
        debug_assert!(Self::for_graph(ops.clone(), graph_source).is_ok());
        Self { ops, graph_source }
    }

    /// DGCNN for classification (arXiv 1801.07829): four edge convolutions, each on a fresh kNN graph, joined to 512
    /// channels, combined to 1024, pooled by max ‖ mean.
    pub fn dgcnn() -> Self {
        let mut ops = Vec::new();
        for channels in [64, 64, 128, 256] {
            ops.extend([Op::Sample(Sampler::Knn), Op::EdgeConv { channels }]);
        }
        ops.extend([Op::Join, Op::Combine { channels: 1024 }, Op::Pool(Pool::MaxMean)]);
        Self::from_valid(ops, GraphSource::Sampled)
    }

    /// The operations, 1 to [`MAX_OPS`].
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Where the graph comes from that is read before any sample.
    pub fn graph_source(&self) -> GraphSource {
        self.graph_source
    }
}

/// What the rules need to know of the operations before one.
struct Seen {
    pool: Option<usize>,
    graph: bool,
    edge_conv: bool,
}

impl Seen {
    fn admit(&mut self, position: usize, op: Op) -> Result<(), ArchError> {
        match (op, self.pool) {
            (Op::Pool(_), Some(first)) => return Err(ArchError::SecondPool { position, first }),
            (Op::Sample(_) | Op::Aggregate { .. } | Op::EdgeConv { .. } | Op::Join, Some(pool)) => {
                return Err(ArchError::AfterPool { position, op, pool });
            }
            _ => {}
        }
        match op {
            _ if op.reads_graph() && !self.graph => {
                return Err(ArchError::NoGraph { position, op });
            }
            Op::Join if !self.edge_conv => return Err(ArchError::NothingToJoin { position }),
            Op::Combine { channels } | Op::EdgeConv { channels } if !has_function(channels) => {
                return Err(ArchError::Channels { position, channels });
            }
            Op::Pool(_) => self.pool = Some(position),
            Op::Sample(_) => self.graph = true,
            Op::EdgeConv { .. } => self.edge_conv = true,
            _ => {}
        }
        Ok(())
    }
}

fn has_function(channels: usize) -> bool {
    channels.is_power_of_two() && (MIN_CHANNELS..=MAX_CHANNELS).contains(&channels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::{Connect, Message, Reducer};

    const POOL: Op = Op::Pool(Pool::Max);
    const KNN: Op = Op::Sample(Sampler::Knn);
    const AGGREGATE: Op = Op::Aggregate { message: Message::Source, reducer: Reducer::Max };
    const EDGE_CONV: Op = Op::EdgeConv { channels: 64 };

    fn check(ops: &[Op], wanted: &[&str]) {
        let message = Architecture::new(ops.to_vec()).unwrap_err().to_string();
        for part in wanted {
            assert!(message.contains(part), "`{message}` should say `{part}`");
        }
    }

    #[test]
    fn each_broken_rule_says_what_where_and_what_would_be_right() {
        check(&[], &["no operation", "1 to 64"]);
        check(&[Op::Connect(Connect::Identity); 65], &["65 operations", "1 to 64"]);
        check(&[KNN, AGGREGATE], &["no pool", "exactly one pool"]);
        check(&[KNN, POOL, POOL], &["second pool at position 2", "position 1"]);
        check(&[POOL, KNN], &["`sample kNN` at position 1", "pool at position 0", "only connect"]);
        check(&[KNN, POOL, AGGREGATE], &["`aggregate max [x_j]` at position 2", "pool at position 1"]);
        check(&[KNN, POOL, EDGE_CONV], &["`edge convolution 64` at position 2"]);
        check(&[KNN, EDGE_CONV, POOL, Op::Join], &["`join` at position 3"]);
        check(&[AGGREGATE, KNN, POOL], &["`aggregate max [x_j]` at position 0", "no graph", "sample"]);
        check(&[EDGE_CONV, POOL], &["`edge convolution 64` at position 0", "no graph"]);
        check(&[KNN, Op::Join, POOL], &["`join` at position 1", "edge convolution (operation 6)"]);
        for channels in [0, 4, 48, 2048] {
            check(&[Op::Combine { channels }, POOL], &[&format!("{channels} channels at position 0"), "8 to 1024"]);
        }
    }

    #[test]
    fn a_given_graph_needs_no_sample() {
        assert!(Architecture::for_graph(vec![AGGREGATE, EDGE_CONV, POOL], GraphSource::Given).is_ok());
        let [sampled, given] = [GraphSource::Sampled, GraphSource::Given]
            .map(|source| Architecture::for_graph(vec![POOL], source).unwrap());
        assert_ne!(sampled, given, "another source is another architecture");
    }

    #[test]
    fn dgcnn_keeps_the_rules() {
        let dgcnn = Architecture::dgcnn();
        assert_eq!(Architecture::new(dgcnn.ops().to_vec()), Ok(dgcnn));
    }
}
