//! What plans are predicted to cost: the profile that is held, what is imposed on it, and one rule when a learned predictor
//! corrects it. [`Pricing`] is what is known; [`Prices`] are what follows under the conditions of one moment, for whoever
//! shows, compares, dispatches or searches.

mod predictor;
mod view;

pub use cleave_contract::PriceBasis;
pub use predictor::{Predictor, PredictorError};
pub use view::price_view;

use cleave_arch::{Mapping, Plan, Task};
use cleave_contract as contract;
use cleave_cost::graph::PlanGraph;
use cleave_cost::{Calibration, EnergyProfile, LinkFigures, Machines, Price, Profile, Stages};
use cleave_search::{Metrics, Pricer};
use cleave_session::{FrameReport, Lane};
use cleave_wire::LinkShape;
use std::rc::Rc;
use thiserror::Error;

/// A link inside this tab: only what is imposed on it takes time.
const NO_LINK: LinkFigures =
    LinkFigures { rtt_ms: 0.0, up_mbps: 1e6, down_mbps: 1e6, up_ms_per_mb: 0.0, down_ms_per_mb: 0.0 };

/// Most that a device is believed to draw; a server with accelerators takes less.
pub const MAX_MILLIWATTS: f64 = 1e7;

/// Where the edge half runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeSite {
    /// On the device's own engine and thread.
    InThisTab,
    /// On a machine of its own.
    Native,
}

/// Under which plans would run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// What is imposed on the link.
    pub link: contract::Link,
    /// Where the edge half runs.
    pub edge: EdgeSite,
}

impl Conditions {
    /// A native edge behind a link of at most so many megabits a second.
    pub fn native_at(mbps: Option<f64>) -> Self {
        let link = contract::Link { mbps: mbps.unwrap_or(0.0), ..contract::Link::UNSHAPED };
        Self { link, edge: EdgeSite::Native }
    }

    /// A native edge behind a link of this shape.
    pub fn native(shape: &LinkShape) -> Self {
        let [delay_ms, jitter_ms] = [shape.delay_micros, shape.jitter_micros].map(|us| f64::from(us) / 1e3);
        let link = contract::Link { mbps: shape.bits_per_second as f64 / 1e6, delay_ms, jitter_ms };
        Self { link, edge: EdgeSite::Native }
    }
}

/// A figure that no device has.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum PricingError {
    /// A power out of range.
    #[error("{milliwatts} mW is no device's power; 0 to {MAX_MILLIWATTS} mW is")]
    Power {
        /// What was asked for.
        milliwatts: f64,
    },
    /// A slow-down out of range.
    #[error("a device can be emulated 1 to {} × slower, not {times}", contract::MAX_SLOWDOWN)]
    Slowdown {
        /// What was asked for.
        times: f64,
    },
}

/// Why a learned predictor that is there does not count. It was trained on whole profiles with a native edge, and a
/// calibration on the very pair of machines is worth more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unused {
    /// Nothing was measured, or not all of it.
    Unfinished,
    /// No edge was measured.
    NoEdge,
    /// Frames of this pair have corrected the profile.
    Calibrated,
    /// Device and edge share one thread.
    OneThread,
}

/// The profile and what is known beside it.
#[derive(Default)]
pub struct Pricing {
    profile: Profile,
    predictor: Option<Rc<Predictor>>,
    slowdown: Slowdown,
    /// The prices that were asked for last: every frame of a stream asks for the same.
    now: Option<(Conditions, Rc<Prices>)>,
    /// The price that was asked for last under them.
    last: Option<(Mapping, Price)>,
}

/// How many times slower the device is made to be; the profile is of the device as it is.
#[derive(Clone, Copy)]
struct Slowdown(f64);

impl Default for Slowdown {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Pricing {
    /// By a profile, without a predictor.
    pub fn of(profile: Profile) -> Self {
        Self { profile, ..Self::default() }
    }

    /// Predicts from this profile from now on.
    pub fn set_profile(&mut self, profile: Profile) {
        self.profile = profile;
        self.forget();
    }

    /// The profile that is held.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Predicts by this network from now on, where it has anything to go by.
    pub fn set_predictor(&mut self, predictor: Predictor) {
        self.predictor = Some(Rc::new(predictor));
        self.forget();
    }

    /// Estimates energy by these powers of the device from now on.
    ///
    /// # Errors
    /// [`PricingError::Power`]; the powers before are kept.
    pub fn set_powers(&mut self, powers: contract::Powers) -> Result<(), PricingError> {
        let contract::Powers { active_milliwatts, communicating_milliwatts, static_milliwatts } = powers;
        let all = [active_milliwatts, communicating_milliwatts, static_milliwatts];
        if let Some(milliwatts) = all.into_iter().find(|power| !(0.0..=MAX_MILLIWATTS).contains(power)) {
            return Err(PricingError::Power { milliwatts });
        }
        self.profile.energy = EnergyProfile {
            active_mw: active_milliwatts,
            communicating_mw: communicating_milliwatts,
            static_mw: static_milliwatts,
        };
        self.forget();
        Ok(())
    }

    /// The device is made so many times slower from now on.
    ///
    /// # Errors
    /// [`PricingError::Slowdown`]; the slow-down before is kept.
    pub fn set_slowdown(&mut self, times: f64) -> Result<(), PricingError> {
        if !(1.0..=contract::MAX_SLOWDOWN).contains(&times) {
            return Err(PricingError::Slowdown { times });
        }
        self.slowdown = Slowdown(times);
        self.forget();
        Ok(())
    }

    /// How many times slower the device is made to be.
    pub fn slowdown(&self) -> f64 {
        self.slowdown.0
    }

    /// Corrects predictions from pairs of uncorrected prediction and measurement.
    pub fn calibrate(&mut self, pairs: &[(Stages, Stages)]) {
        self.profile.calibration = Calibration::fit(pairs);
        self.forget();
    }

    /// The same predictor by another profile and slow-down.
    ///
    /// # Errors
    /// [`PricingError::Slowdown`].
    pub fn with(&self, profile: Profile, slowdown: f64) -> Result<Self, PricingError> {
        let mut other = Self { predictor: self.predictor.clone(), ..Self::of(profile) };
        other.set_slowdown(slowdown)?;
        Ok(other)
    }

    /// What was worked out rests on something that has changed.
    fn forget(&mut self) {
        (self.now, self.last) = (None, None);
    }

    /// Prices under these conditions; they stay as they are when the profile changes.
    pub fn under(&mut self, conditions: Conditions) -> Rc<Prices> {
        match &self.now {
            Some((of, prices)) if *of == conditions => Rc::clone(prices),
            _ => {
                self.forget();
                let prices = Rc::new(self.prices(conditions));
                self.now = Some((conditions, Rc::clone(&prices)));
                prices
            }
        }
    }

    /// The price of a frame: streams ask for one mapping again and again.
    pub fn of_frame(&mut self, conditions: Conditions, mapping: &Mapping) -> Price {
        let prices = self.under(conditions);
        match &self.last {
            Some((last, price)) if last == mapping => *price,
            _ => {
                let price = prices.price(mapping);
                self.last = Some((mapping.clone(), price));
                price
            }
        }
    }

    fn prices(&self, Conditions { link, edge }: Conditions) -> Prices {
        let mut machines = Machines::new(&self.profile);
        if edge == EdgeSite::InThisTab {
            machines.edge = machines.device.clone();
            machines.link = NO_LINK;
            machines.one_thread = true;
        }
        machines.device = machines.device.slowed(self.slowdown.0);
        let mbps = (link.mbps > 0.0).then_some(link.mbps);
        // Jitter is drawn uniformly from nothing to its bound: half of it on average.
        machines.link = machines.link.shaped(mbps, link.delay_ms + link.jitter_ms / 2.0);
        let why_not = self.why_not(&machines);
        let predictor = self.predictor.as_ref().filter(|_| why_not.is_none()).cloned();
        let basis = match (self.profile.n_rows() > 0, self.profile.complete, &predictor) {
            (false, ..) => PriceBasis::Roofline,
            (true, false, _) => PriceBasis::Unfinished,
            (true, true, None) => PriceBasis::Table,
            (true, true, Some(_)) => PriceBasis::Learned,
        };
        let unused = why_not.filter(|_| self.predictor.is_some());
        Prices { machines, predictor, unused, basis, slowdown: self.slowdown.0 }
    }

    fn why_not(&self, machines: &Machines) -> Option<Unused> {
        let Profile { complete, edge, calibration, .. } = &self.profile;
        let reasons = [
            (!*complete, Unused::Unfinished),
            (machines.one_thread, Unused::OneThread),
            (edge.is_none(), Unused::NoEdge),
            (calibration.frames > 0, Unused::Calibrated),
        ];
        reasons.into_iter().find(|(holds, _)| *holds).map(|(_, why)| why)
    }
}

/// A device's profile with the edge of another: its edge, or its device where it has none. A factor that frames gave
/// belongs to its machine and goes with it.
pub fn pair(mut device: Profile, other: Profile) -> Profile {
    let corrections = other.calibration;
    let is_edge = other.edge.is_some();
    device.edge = other.edge.or(other.device);
    device.complete &= other.complete;
    device.calibration.edge = if is_edge { corrections.edge } else { corrections.device };
    device.calibration.frames = device.calibration.frames.max(corrections.frames);
    device
}

/// What plans cost under the conditions of one moment.
pub struct Prices {
    machines: Machines,
    predictor: Option<Rc<Predictor>>,
    unused: Option<Unused>,
    basis: PriceBasis,
    slowdown: f64,
}

impl Prices {
    /// The machines with what is imposed on them.
    pub fn machines(&self) -> &Machines {
        &self.machines
    }

    /// What the prices rest on.
    pub fn basis(&self) -> PriceBasis {
        self.basis
    }

    /// Why the predictor that is there does not count; `None` where it does, or there is none.
    pub fn unused(&self) -> Option<Unused> {
        self.unused
    }

    /// How many times slower the device is emulated.
    pub fn slowdown(&self) -> f64 {
        self.slowdown
    }

    /// What one frame costs.
    pub fn price(&self, mapping: &Mapping) -> Price {
        let price = self.machines.price(mapping);
        let learned = self.predictor.as_ref().and_then(|predictor| {
            let latencies = predictor.latencies(&[PlanGraph::new(mapping, &self.machines)?]).ok()?;
            latencies.first().copied()
        });
        learned.map_or(price, |latency| self.machines.with_latency(price, latency))
    }

    /// What the prices of a network rest on: a graph's on its own rows, which a profile of other networks has not.
    pub fn basis_of(&self, mapping: &Mapping) -> PriceBasis {
        match (mapping.graph(), self.basis) {
            (None, basis) => basis,
            (Some(graph), _) if !self.machines.device.has_measured(graph) => PriceBasis::Roofline,
            (Some(_), PriceBasis::Learned) => PriceBasis::Table,
            (Some(_), basis) => basis,
        }
    }

    /// Prices of every single cut, before each step.
    pub fn cuts(&self, mapping: &Mapping) -> Vec<Price> {
        let cut = |at| mapping.with_cuts(vec![at]).ok();
        (0..mapping.n_steps()).filter_map(cut).map(|mapping| self.price(&mapping)).collect()
    }

    /// The same prices as a search for this task asks for them.
    pub fn for_search(self: &Rc<Self>, task: Task) -> SearchPrices {
        SearchPrices { prices: Rc::clone(self), task }
    }
}

/// Prices of plans for one task.
#[derive(Clone)]
pub struct SearchPrices {
    prices: Rc<Prices>,
    task: Task,
}

impl SearchPrices {
    /// Where they come from.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// For which task.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// What a known network costs with a mapping, by the best that there is.
    pub fn design(&self, plan: &Plan) -> Metrics {
        metrics(&self.prices.price(&Mapping::of_plan(plan.clone(), self.task)))
    }
}

impl Pricer for SearchPrices {
    fn quick_ms(&self, plan: &Plan) -> f64 {
        self.prices.machines.latency_ms(plan, &self.task)
    }

    fn metrics(&self, plan: &Plan) -> Metrics {
        metrics(&self.prices.machines.price(&Mapping::of_plan(plan.clone(), self.task)))
    }

    fn refined(&self, plans: &[Plan]) -> Option<Vec<Metrics>> {
        let Prices { machines, predictor, .. } = &*self.prices;
        let predictor = predictor.as_ref()?;
        let traced = |plan: &Plan| {
            let mapping = Mapping::of_plan(plan.clone(), self.task);
            Some((PlanGraph::new(&mapping, machines)?, machines.price(&mapping)))
        };
        let (graphs, prices): (Vec<_>, Vec<_>) = plans.iter().filter_map(traced).unzip();
        // A predictor that cannot be read leaves the table.
        let latencies = predictor.latencies(&graphs).ok()?;
        let refined = prices.into_iter().zip(latencies).map(|(price, ms)| metrics(&machines.with_latency(price, ms)));
        Some(refined.collect())
    }
}

/// A price as a search counts it.
pub fn metrics(price: &Price) -> Metrics {
    Metrics {
        latency_ms: price.latency_ms(),
        energy_mj: price.energy_mj,
        device_bytes: price.device_peak_bytes,
        edge_bytes: price.edge_peak_bytes,
        link_bytes: (price.bytes_up + price.bytes_down) as u64,
    }
}

/// Where a frame's time went.
pub fn measured_stages(report: &FrameReport) -> Stages {
    let lane = |lane| report.lane_ms(lane);
    let (device, up, edge, down) = (lane(Lane::Device), lane(Lane::Uplink), lane(Lane::Edge), lane(Lane::Downlink));
    Stages { device, up, edge, down, rest: report.total_ms() - device - up - edge - down }
}

#[cfg(test)]
pub(crate) mod tests;
