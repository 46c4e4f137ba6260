//! What a person sets and the URL holds, so that a link or a reload finds it again.

use crate::partition::{FIRST_PAIR, form};
use cleave_arch::LinkCodec;
use cleave_contract::{Link, PartitionRequest, PartitionStrategy, Preference};

/// Everything that a person sets, and exactly what the URL holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `dgcnn`, a shipped network's name or a text form; empty for the first that is shipped.
    pub network: String,
    /// Where the network is cut.
    pub cuts: Cuts,
    /// How a cut's tensors are written on the link.
    pub codec: LinkCodec,
    /// The shape of the gallery, an index into [`super::CLASSES`].
    pub class: usize,
    /// The shape's seed, below [`crate::url::SEEDS`].
    pub seed: u64,
    /// What is imposed on the link.
    pub link: Link,
    /// How many times slower the device is emulated, 1 to [`cleave_contract::MAX_SLOWDOWN`].
    pub slowdown: f64,
    /// Which engine computes the device half.
    pub preference: Preference,
    /// Frames of a stream that are under way at once.
    pub in_flight: usize,
    /// Which image network is shared by which workers over what: the form's last request without a mistake.
    pub partition: PartitionRequest,
    /// The two strategies that are drawn.
    pub pair: [PartitionStrategy; 2],
    /// Addresses of the workers but the first that are native edges, empty for others; none is empty at the end.
    pub places: Vec<String>,
    /// How often a partition is run, 1 to [`cleave_contract::MAX_COOPERATION_RUNS`].
    pub runs: usize,
    /// Whether it is compared with the unsplit network.
    pub check: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            network: String::new(),
            cuts: Cuts::Default,
            codec: LinkCodec::default(),
            class: 2,
            seed: 1,
            link: Link::UNSHAPED,
            slowdown: 1.0,
            preference: Preference::Auto,
            in_flight: 3,
            partition: form::first_request(),
            pair: FIRST_PAIR,
            places: Vec::new(),
            runs: 5,
            check: true,
        }
    }
}

/// Where the network is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// As the network itself maps its operations, else in the middle.
    Default,
    /// Before these operations; none at all keeps everything on the device.
    At(Vec<usize>),
}
