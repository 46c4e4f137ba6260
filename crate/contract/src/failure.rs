//! What can go wrong in the application, and what it can be busy with, as data: the words for people are the page's.

use serde::{Deserialize, Serialize};

/// What went wrong. [`crate::Event::Failed`] says why beside it, in the words of whoever refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// A message of the page was not understood.
    Message,
    /// The engine did not start at all.
    Start,
    /// The network cannot be moved to the engine that was chosen.
    EngineSwitch,
    /// The previews of shapes.
    Gallery,
    /// A generated shape.
    Shape,
    /// A file with an input.
    File { name: String },
    /// A network, by name or from a file.
    Network,
    /// The cuts and the codec.
    Plan,
    /// A run was not begun.
    Run,
    /// A stream ended by itself.
    Stream,
    /// Not while the machines are being measured.
    BusyMeasuring,
    /// The edge refused the session; `right` is what it would take.
    EdgeRefused { right: String },
    /// The edge speaks another version.
    EdgeVersion,
    /// The edge refused the plan, which the device runs alone; `right` is what it would take.
    PlanRefused { right: String },
    /// A profile that was to be used.
    Profile,
    /// A power of the device.
    Power,
    /// A slowdown of the device.
    SlowDown,
    /// The learned predictor.
    Predictor,
    /// A profile ended early.
    Measuring,
    /// A calibration was not begun.
    Calibration,
    /// A calibration ended early.
    CalibrationStopped,
    /// The shipped networks, for the dispatcher.
    Zoo,
    /// The dispatcher was not begun.
    Dispatch,
    /// The supernet.
    Supernet,
    /// A search was not begun.
    Search,
    /// A search was not begun for want of what evaluates it.
    Evaluation,
    /// A search ended early.
    SearchStopped,
    /// A search was not put into a link.
    Share,
    /// A search that came by a link.
    OpenShared,
    /// A design was not priced.
    Inspect,
    /// A design was not run.
    Deploy,
    /// A network was not partitioned.
    Partition,
    /// A partition was not run over workers.
    Cooperation,
}

/// Long work, whose progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LongWork {
    LoadNetwork,
    LoadZoo,
    LoadSupernet,
    FetchValidation,
    UploadWeights,
    Profile,
    Calibrate,
    MeasureOperators,
    PlanPartition,
    StartWorkers,
    RunWhole,
    LearnSpeeds,
    RunPartition,
}

impl LongWork {
    /// Whether it belongs to a partition of an image network that is planned or run.
    pub fn is_of_partitions(self) -> bool {
        matches!(
            self,
            Self::MeasureOperators
                | Self::PlanPartition
                | Self::StartWorkers
                | Self::RunWhole
                | Self::LearnSpeeds
                | Self::RunPartition
        )
    }
}
