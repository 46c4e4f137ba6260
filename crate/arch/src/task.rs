//! What a network is asked to do: the size of its input and of its answer.

use crate::error::ArchError;
use std::fmt;

/// Sizes that an architecture leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task {
    /// Nodes n: points of a cloud or words of a text.
    pub n_points: usize,
    /// Channels of the input features.
    pub in_channels: usize,
    /// Neighbours per node k.
    pub k: usize,
    /// Classes of the answer.
    pub n_classes: usize,
    /// Where the first graph comes from.
    pub graph: GraphSource,
}

/// Where the graph comes from that an aggregate or edge convolution without an earlier sample reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GraphSource {
    /// From samples only: an aggregate needs an earlier one.
    Sampled,
    /// The input brings it, as `[n, k]` neighbour indexes.
    Given,
}

/// For people, in the plural: `sampled graphs`.
impl fmt::Display for GraphSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sampled => "sampled graphs",
            Self::Given => "given graphs",
        })
    }
}

/// Classes of ModelNet10, in the order of its labels: what the point networks answer, what furniture is generated of and
/// what the page's gallery shows.
pub const MODELNET10: [&str; 10] =
    ["bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet"];

impl Task {
    /// Point clouds of ModelNet10: 1024 points, 3 coordinates, 20 neighbours, 10 classes.
    pub fn modelnet10() -> Self {
        Self { n_points: 1024, in_channels: 3, k: 20, n_classes: MODELNET10.len(), graph: GraphSource::Sampled }
    }

    /// The setting of DGCNN's published figures: as ModelNet10, with 40 classes.
    pub fn dgcnn40() -> Self {
        Self { n_classes: 40, ..Self::modelnet10() }
    }

    /// Text graphs of MR, the movie reviews: 48 words with vectors of 50 dimensions, 12 neighbours by co-occurrence, two
    /// classes.
    pub fn mr() -> Self {
        Self { n_points: 48, in_channels: 50, k: 12, n_classes: 2, graph: GraphSource::Given }
    }

    /// The same task if a network can run it.
    ///
    /// # Errors
    /// [`ArchError::Task`] if a size is 0, there are more nodes than a u16 index reaches, or more neighbours than nodes.
    pub fn checked(self) -> Result<Self, ArchError> {
        let refuse = |what, value, wanted| Err(ArchError::Task { what, value, wanted });
        if !(1..=1 << 16).contains(&self.n_points) {
            return refuse("n_points", self.n_points, "1 to 65536, so that a neighbour index fits 16 bits");
        }
        if !(1..=self.n_points).contains(&self.k) {
            return refuse("k", self.k, "at least 1 and at most n_points");
        }
        if self.in_channels == 0 {
            return refuse("in_channels", 0, "at least 1");
        }
        if self.n_classes == 0 {
            return refuse("n_classes", 0, "at least 1");
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_no_network_can_run_is_refused() {
        let good = Task::modelnet10();
        assert_eq!(good.checked(), Ok(good));
        let cases = [
            (Task { n_points: 0, ..good }, "n_points is 0"),
            (Task { n_points: 65_537, ..good }, "1 to 65536"),
            (Task { k: 0, ..good }, "k is 0"),
            (Task { k: 1025, ..good }, "at most n_points"),
            (Task { in_channels: 0, ..good }, "in_channels is 0"),
            (Task { n_classes: 0, ..good }, "n_classes is 0"),
        ];
        for (task, wanted) in cases {
            let message = task.checked().unwrap_err().to_string();
            assert!(message.contains(wanted), "{message}");
        }
    }
}
