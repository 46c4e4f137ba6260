//! What page and worker say of image networks that several workers share: the request, and what each strategy would do.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How a network is planned over several workers; its serialised names are those of links and texts, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionStrategy {
    /// Every operator by output channel.
    OutputChannel,
    /// Rows, for the least time.
    #[serde(rename = "coedge")]
    CoEdge,
    /// IOP as reconstructed: pairs of operators without messages between, greedily from left to right.
    Iop,
    /// IOP with the cheapest segments.
    IopExact,
    /// Ours.
    Mixed,
    /// Shared with the fewest bytes on the links.
    FewestBytes,
}

impl PartitionStrategy {
    /// All of them, in the order of tables and legends.
    pub const ALL: [Self; 6] =
        [Self::OutputChannel, Self::CoEdge, Self::Iop, Self::IopExact, Self::Mixed, Self::FewestBytes];

    /// As links have it.
    pub fn name(self) -> String {
        self.to_string()
    }

    /// The strategy of a name, if there is one.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}

impl fmt::Display for PartitionStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A formatter takes a serialised variant as its name.
        self.serialize(f)
    }
}

/// Which network is to be shared by whom, over what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionRequest {
    /// Name of an image network, or its chain.
    pub network: String,
    /// How many times slower than this tab each worker is; the first has the image. 2 to [`MAX_PARTITION_WORKERS`].
    pub slower: Vec<f64>,
    /// Set-up of a message, milliseconds.
    pub setup_ms: f64,
    /// Rate of every link, megabits per second.
    pub mbps: f64,
    /// One-way delay, milliseconds.
    pub delay_ms: f64,
    /// One message at a time over all workers, as on one radio channel.
    pub shared: bool,
}

/// Least workers of a request.
pub const MIN_PARTITION_WORKERS: usize = 2;

/// Most workers of a request.
pub const MAX_PARTITION_WORKERS: usize = 8;

/// What all strategies make of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partitions {
    pub request: PartitionRequest,
    /// Its chain.
    pub network: String,
    pub operators: Vec<OperatorRow>,
    /// One for each strategy.
    pub plans: Vec<PartitionPlan>,
    /// The same request over other set-up times, ascending.
    pub sweep: Vec<SetupPoint>,
    /// Where the operators' times come from, for people.
    pub source: String,
    /// The times themselves, as `cleave partition --times` reads them.
    pub times: String,
}

/// One operator of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorRow {
    /// Its layer's text form: `conv 64 k3 p1`.
    pub layer: String,
    /// Its output: `64×224×224`.
    pub output: String,
    /// Multiplications with addition.
    pub macs: u64,
    /// What it takes whole in this tab.
    pub millis: f64,
}

/// What one strategy does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionPlan {
    /// Which.
    pub strategy: PartitionStrategy,
    /// Why it has no plan; then the rest is empty.
    pub failed: Option<String>,
    /// Until the answer is there, predicted.
    pub millis: f64,
    pub messages: usize,
    pub bytes: u64,
    pub energy_joules: f64,
    /// One for each operator.
    pub steps: Vec<PartitionStep>,
    /// What each worker does.
    pub spans: Vec<Vec<WorkerSpan>>,
    /// Peak memory of each worker: weights, everything else.
    pub memory_bytes: Vec<[u64; 2]>,
}

/// How an operator is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartitionStep {
    pub how: SplitWay,
    /// Units (channels or rows) of each worker; of one that computes all, 1 there and 0 elsewhere.
    pub units: Vec<u32>,
    /// Messages before it, of its input, and after its layer, of partial sums.
    pub messages: [u32; 2],
    /// Bytes of both together.
    pub bytes: u64,
}

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SplitWay {
    /// All compute all of it.
    Copies,
    /// One computes all of it.
    Alone,
    Outputs,
    Inputs,
    Rows,
}

/// What a worker does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerSpan {
    pub activity: WorkerActivity,
    /// For which operator; of the answer, the number of operators.
    pub operator: usize,
    pub from_millis: f64,
    pub to_millis: f64,
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerActivity {
    Wait,
    Compute,
    Send,
}

/// All strategies at one set-up time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetupPoint {
    pub setup_ms: f64,
    /// In the order of [`Partitions::plans`]; absent where there is no plan.
    pub millis: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_known_by_its_name() {
        assert_eq!(PartitionStrategy::CoEdge.name(), "coedge");
        for strategy in PartitionStrategy::ALL {
            assert_eq!(PartitionStrategy::of_name(&strategy.name()), Some(strategy));
        }
        assert_eq!(PartitionStrategy::of_name("best"), None);
    }
}
