//! On-device energy, by GCoDE's model: the device draws one power while it computes, another while it communicates and
//! a third while it waits for the edge. An estimate: nothing here is measured, and wherever it is shown it says so.

use serde::{Deserialize, Serialize};

/// Powers of a device, milliwatts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergyProfile {
    /// While it computes.
    pub active_mw: f64,
    /// While it communicates.
    pub communicating_mw: f64,
    /// While it waits.
    pub static_mw: f64,
}

impl Default for EnergyProfile {
    /// GCoDE's Jetson TX2: 1450 mW static and 3004 mW communicating are the authors' constants; 7500 mW computing is
    /// the module's typical power mode (Max-Q), a reconstruction.
    fn default() -> Self {
        Self { active_mw: 7500.0, communicating_mw: 3004.0, static_mw: 1450.0 }
    }
}

impl EnergyProfile {
    /// Millijoules of a frame that computes, communicates and waits for so many milliseconds.
    pub fn frame_mj(&self, computing_ms: f64, communicating_ms: f64, waiting_ms: f64) -> f64 {
        (self.active_mw * computing_ms + self.communicating_mw * communicating_ms + self.static_mw * waiting_ms) / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_milliwatt_for_a_second_is_a_millijoule() {
        let profile = EnergyProfile { active_mw: 1.0, communicating_mw: 2.0, static_mw: 3.0 };
        assert_eq!(profile.frame_mj(1000.0, 500.0, 100.0), 1.0 + 1.0 + 0.3);
    }
}
