//! Prices and profiles as the page is told of them.

use super::{Prices, Pricing};
use cleave_arch::{Mapping, Plan, Task};
use cleave_contract as contract;
use cleave_cost::{Machines, Price, Table, hgnas_bytes};

impl Prices {
    /// Prices of a network's mappings.
    pub fn list(&self, mapping: &Mapping) -> contract::Prices {
        contract::Prices {
            network: mapping.network(),
            basis: self.basis_of(mapping),
            slowdown: self.slowdown,
            plan: price_view(self.price(mapping)),
            whole: price_view(self.price(&mapping.uncut())),
            cuts: self.cuts(mapping).into_iter().map(price_view).collect(),
            op_ms: self.machines.step_times(mapping),
            hgnas_peak_bytes: mapping.plan().map(|(_, trace, task)| hgnas_bytes(trace, task)),
        }
    }

    /// What a design costs, operation by operation.
    pub fn inspection(&self, plan: &Plan, task: &Task) -> contract::Inspection {
        let mapping = Mapping::of_plan(plan.clone(), *task);
        contract::Inspection {
            plan: plan.to_string(),
            n_points: task.n_points,
            in_channels: task.in_channels,
            k: task.k,
            n_classes: task.n_classes,
            price: price_view(self.price(&mapping)),
            op_ms: self.machines.step_times(&mapping),
        }
    }
}

impl Pricing {
    /// What the page shows of the profile.
    pub fn profile_view(&self) -> contract::Profile {
        let profile = &self.profile;
        let name = |table: &Table| format!("{}, {}", table.name, table.engine);
        contract::Profile {
            json: profile.to_json(),
            complete: profile.complete,
            device: profile.device.as_ref().map(name).unwrap_or_default(),
            edge: profile.edge.as_ref().map(name),
            rows: profile.n_rows(),
            noise: Machines::new(profile).noise,
            link: profile.link.map(|link| [link.rtt_ms, link.up_mbps, link.down_mbps]),
            calibrated: profile.calibration.frames,
            powers: contract::Powers {
                active_milliwatts: profile.energy.active_mw,
                communicating_milliwatts: profile.energy.communicating_mw,
                static_milliwatts: profile.energy.static_mw,
            },
        }
    }
}

/// A price as the page is told of it.
pub fn price_view(price: Price) -> contract::Price {
    contract::Price {
        device_ms: price.stages.device,
        up_ms: price.stages.up,
        edge_ms: price.stages.edge,
        down_ms: price.stages.down,
        other_ms: price.stages.rest,
        uncertainty_ms: price.uncertainty_ms,
        frames_per_second: price.frames_per_second,
        device_peak_bytes: price.device_peak_bytes,
        edge_peak_bytes: price.edge_peak_bytes,
        energy_millijoules: price.energy_mj,
    }
}
