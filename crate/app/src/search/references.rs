//! What designs are held against, under the same conditions and by the same prices: DGCNN, for which no weights are needed.

use super::{UNKNOWN, design};
use crate::pricing::SearchPrices;
use cleave_arch::{Architecture, GraphSource, LinkCodec, Plan};
use cleave_contract::{self as contract, Baseline};
use cleave_search::Metrics;

/// DGCNN with a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Where it runs.
    pub baseline: Baseline,
    /// Its plan.
    pub plan: Plan,
    /// What that costs.
    pub metrics: Metrics,
}

impl Reference {
    /// As the page is told of it.
    pub(super) fn view(&self) -> contract::Reference {
        contract::Reference { baseline: self.baseline, design: design(&self.plan.to_string(), UNKNOWN, self.metrics) }
    }
}

/// DGCNN on the device, on the edge, and cut where it is fastest; none for inputs that bring their graph.
pub fn references(prices: &SearchPrices, codec: &str) -> Vec<Reference> {
    if prices.task().graph == GraphSource::Given {
        return Vec::new();
    }
    let codec = codec.parse::<LinkCodec>().unwrap_or_default();
    let dgcnn = Architecture::dgcnn();
    let n = dgcnn.ops().len();
    let placed = |baseline, cuts| {
        let plan = Plan::new(dgcnn.clone(), cuts, codec).ok()?;
        Some(Reference { baseline, metrics: prices.design(&plan), plan })
    };
    let faster = |a: Reference, b: Reference| if b.metrics.latency_ms < a.metrics.latency_ms { b } else { a };
    let best = (1..=n).filter_map(|at| placed(Baseline::BestCut, vec![at])).reduce(faster);
    let ends = [placed(Baseline::OnDevice, vec![]), placed(Baseline::OnEdge, vec![0])];
    ends.into_iter().chain([best]).flatten().collect()
}
