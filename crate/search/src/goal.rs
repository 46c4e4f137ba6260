//! What a candidate costs, what it may cost, and which limit it is that cannot be kept.

use serde::{Deserialize, Serialize};

/// What a plan is predicted to cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Of one frame, milliseconds.
    pub latency_ms: f64,
    /// On the device, millijoules a frame: an estimate.
    pub energy_mj: f64,
    /// Most memory on the device, bytes.
    pub device_bytes: u64,
    /// Most memory on the edge, bytes.
    pub edge_bytes: u64,
    /// Sent both ways for one frame, bytes.
    pub link_bytes: u64,
}

/// One thing that can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Of one frame, milliseconds.
    LatencyMs,
    /// On the device, millijoules a frame.
    EnergyMj,
    /// Peak on the device, bytes.
    DeviceBytes,
    /// Peak on the edge, bytes.
    EdgeBytes,
    /// Sent both ways, bytes.
    LinkBytes,
}

/// All of them.
pub const LIMITS: [Limit; 5] =
    [Limit::LatencyMs, Limit::EnergyMj, Limit::DeviceBytes, Limit::EdgeBytes, Limit::LinkBytes];

impl Metrics {
    /// The figure that a limit is of.
    pub fn of(&self, limit: Limit) -> f64 {
        match limit {
            Limit::LatencyMs => self.latency_ms,
            Limit::EnergyMj => self.energy_mj,
            Limit::DeviceBytes => self.device_bytes as f64,
            Limit::EdgeBytes => self.edge_bytes as f64,
            Limit::LinkBytes => self.link_bytes as f64,
        }
    }
}

/// Upper bounds; `None` does not bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Of one frame, milliseconds.
    pub latency_ms: Option<f64>,
    /// On the device, millijoules a frame.
    pub energy_mj: Option<f64>,
    /// Peak on the device, bytes.
    pub device_bytes: Option<f64>,
    /// Peak on the edge, bytes.
    pub edge_bytes: Option<f64>,
    /// Sent both ways, bytes.
    pub link_bytes: Option<f64>,
}

impl Limits {
    /// The bound, if there is one.
    pub fn bound(&self, limit: Limit) -> Option<f64> {
        match limit {
            Limit::LatencyMs => self.latency_ms,
            Limit::EnergyMj => self.energy_mj,
            Limit::DeviceBytes => self.device_bytes,
            Limit::EdgeBytes => self.edge_bytes,
            Limit::LinkBytes => self.link_bytes,
        }
    }

    /// Whether nothing is exceeded.
    pub fn allow(&self, metrics: &Metrics) -> bool {
        LIMITS.into_iter().all(|limit| self.bound(limit).is_none_or(|bound| metrics.of(limit) <= bound))
    }

    /// By how much the bounds are exceeded, as the sum of the exceeding parts; 0 where they are kept.
    pub fn excess(&self, metrics: &Metrics) -> f64 {
        let over = |limit| self.bound(limit).map(|bound| (metrics.of(limit) / bound.max(1e-12) - 1.0).max(0.0));
        LIMITS.into_iter().filter_map(over).sum()
    }
}

/// What keeps a search from finding anything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// The limit that binds: without it the most candidates would pass.
    pub limit: Limit,
    /// Its bound.
    pub bound: f64,
    /// The lowest figure seen among candidates that keep the other limits, or among all if none does.
    pub best: f64,
}

/// Counts which limits candidates break, for [`Binding`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// By limit: candidates that broke it alone, the lowest figure among those, and the lowest of all.
    alone: [(u64, Option<f64>, Option<f64>); LIMITS.len()],
}

impl Ledger {
    pub(crate) fn note(&mut self, metrics: &Metrics, limits: &Limits) {
        let broken = |limit: Limit| limits.bound(limit).is_some_and(|bound| metrics.of(limit) > bound);
        let n_broken = LIMITS.into_iter().filter(|limit| broken(*limit)).count();
        for (limit, (count, lowest, of_all)) in LIMITS.into_iter().zip(&mut self.alone) {
            let value = metrics.of(limit);
            let lower = |old: Option<f64>| Some(old.map_or(value, |old| old.min(value)));
            *of_all = lower(*of_all);
            if n_broken == 1 && broken(limit) {
                *count += 1;
                *lowest = lower(*lowest);
            }
        }
    }

    /// Nothing if no candidate was seen.
    pub(crate) fn binding(&self, limits: &Limits) -> Option<Binding> {
        let entries = LIMITS.into_iter().zip(self.alone).filter_map(|(limit, (count, lowest, of_all))| {
            let (bound, of_all) = (limits.bound(limit)?, of_all?);
            // A bound below everything that was seen binds on its own, before one that is only rarely kept.
            Some((
                of_all > bound,
                count,
                of_all / bound.max(1e-12),
                Binding { limit, bound, best: lowest.unwrap_or(of_all) },
            ))
        });
        let heavier = |a: &(bool, u64, f64, Binding), b: &(bool, u64, f64, Binding)| {
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        };
        entries.max_by(heavier).map(|(.., binding)| binding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(latency_ms: f64, device_bytes: u64) -> Metrics {
        Metrics { latency_ms, device_bytes, ..Metrics::default() }
    }

    #[test]
    fn bounds_hold_up_to_themselves() {
        let limits = Limits { latency_ms: Some(10.0), device_bytes: Some(100.0), ..Limits::default() };
        assert!(limits.allow(&metrics(10.0, 100)));
        assert!(!limits.allow(&metrics(10.1, 100)));
        assert!((limits.excess(&metrics(15.0, 200)) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_limit_that_binds_is_named() {
        let limits = Limits { latency_ms: Some(10.0), device_bytes: Some(100.0), ..Limits::default() };
        let mut ledger = Ledger::default();
        assert_eq!(ledger.binding(&limits), None);
        for (latency, bytes) in [(5.0, 300), (9.0, 250), (30.0, 400), (12.0, 150)] {
            ledger.note(&metrics(latency, bytes), &limits);
        }
        let binding = ledger.binding(&limits).unwrap();
        assert_eq!((binding.limit, binding.bound, binding.best), (Limit::DeviceBytes, 100.0, 250.0));
    }
}
