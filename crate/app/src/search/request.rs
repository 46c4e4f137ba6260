//! What is searched for, in the units in which people say it: the page's request and the command's arguments become one
//! of these, and this becomes settings.

use cleave_contract as contract;
use cleave_search::{Budget, Limits, Settings, Strategy};

/// Limits, budget and taste of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// How candidates are made.
    pub strategy: Strategy,
    /// Most milliseconds of a frame.
    pub latency_ms: Option<f64>,
    /// Most millijoules of a frame on the device.
    pub energy_mj: Option<f64>,
    /// Most memory on the device, 10⁶ bytes.
    pub device_mb: Option<f64>,
    /// Most memory on the edge, 10⁶ bytes.
    pub edge_mb: Option<f64>,
    /// Most that crosses the link for a frame, 10³ bytes.
    pub link_kb: Option<f64>,
    /// Candidates to look at, and architectures to evaluate.
    pub budget: Budget,
    /// Weight of latency against accuracy.
    pub weight: f64,
    /// Codec of what crosses.
    pub codec: String,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for Request {
    fn default() -> Self {
        let Settings { strategy, budget, seed, weight, codec, .. } = Settings::default();
        let (latency_ms, energy_mj, device_mb, edge_mb, link_kb) = (None, None, None, None, None);
        Self { strategy, latency_ms, energy_mj, device_mb, edge_mb, link_kb, budget, weight, codec, seed }
    }
}

impl From<&contract::SearchRequest> for Request {
    fn from(request: &contract::SearchRequest) -> Self {
        Self {
            strategy: match request.strategy {
                contract::Strategy::Random => Strategy::Random,
                contract::Strategy::Stages => Strategy::Stages,
                contract::Strategy::Nsga => Strategy::Nsga,
            },
            latency_ms: request.latency_ms,
            energy_mj: request.energy_millijoules,
            device_mb: request.device_megabytes,
            budget: Budget { candidates: request.candidates, evaluations: request.evaluations },
            codec: request.codec.clone(),
            seed: request.seed,
            ..Self::default()
        }
    }
}

impl Request {
    /// The settings of a search that is evaluated on the set of this name.
    pub fn settings(self, set: &str) -> Settings {
        let limits = Limits {
            latency_ms: self.latency_ms,
            energy_mj: self.energy_mj,
            device_bytes: self.device_mb.map(|mb| 1e6 * mb),
            edge_bytes: self.edge_mb.map(|mb| 1e6 * mb),
            link_bytes: self.link_kb.map(|kb| 1e3 * kb),
        };
        let Self { strategy, budget, weight, codec, seed, .. } = self;
        Settings { strategy, limits, budget, seed, weight, codec, judge: set.to_owned() }
    }
}
