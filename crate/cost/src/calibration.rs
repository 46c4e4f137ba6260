//! What a handful of real frames corrects: each tier's and each direction's time by a factor, the rest by a constant.
//!
//! The look-up table measures operations alone, again and again; a frame runs them once, in a row, with cold caches and
//! a busy machine. That difference is a factor that belongs to the machine and not to the network, so that ten frames
//! are enough to know it.

use crate::stats::median;
use serde::{Deserialize, Serialize};

/// Milliseconds of a frame, by where they went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stages {
    /// The device computed.
    pub device: f64,
    /// To the edge.
    pub up: f64,
    /// The edge computed.
    pub edge: f64,
    /// Back to the device.
    pub down: f64,
    /// Everything else: codecs, queues, events.
    pub rest: f64,
}

impl Stages {
    /// Their sum: the frame's latency.
    pub fn total(&self) -> f64 {
        self.device + self.up + self.edge + self.down + self.rest
    }
}

/// Corrections of a prediction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Of the device's time.
    pub device: f64,
    /// Of the uplink's.
    pub up: f64,
    /// Of the edge's.
    pub edge: f64,
    /// Of the downlink's.
    pub down: f64,
    /// Milliseconds that the rest takes more than predicted.
    pub rest: f64,
    /// Frames that it was made from; 0: nothing is corrected.
    pub frames: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { device: 1.0, up: 1.0, edge: 1.0, down: 1.0, rest: 0.0, frames: 0 }
    }
}

/// No correction goes beyond this factor: what is further off is no matter of a factor.
const MOST: f64 = 4.0;
/// Stages shorter than this tell nothing of a factor, milliseconds.
const LEAST_MS: f64 = 0.2;

impl Calibration {
    /// From pairs of uncorrected prediction and measurement: the median of each stage's ratio, weighted by nothing, so
    /// that one disturbed frame moves little.
    pub fn fit(pairs: &[(Stages, Stages)]) -> Self {
        let ratio = |stage: fn(&Stages) -> f64| {
            let long = pairs.iter().filter(|(predicted, _)| stage(predicted) >= LEAST_MS);
            let ratios: Vec<f64> = long.map(|(predicted, measured)| stage(measured) / stage(predicted)).collect();
            median(&ratios).unwrap_or(1.0).clamp(1.0 / MOST, MOST)
        };
        let beyond: Vec<f64> = pairs.iter().map(|(predicted, measured)| measured.rest - predicted.rest).collect();
        Self {
            device: ratio(|stages| stages.device),
            up: ratio(|stages| stages.up),
            edge: ratio(|stages| stages.edge),
            down: ratio(|stages| stages.down),
            rest: median(&beyond).unwrap_or(0.0),
            frames: pairs.len(),
        }
    }

    /// The corrected prediction.
    pub fn apply(&self, predicted: Stages) -> Stages {
        Stages {
            device: self.device * predicted.device,
            up: self.up * predicted.up,
            edge: self.edge * predicted.edge,
            down: self.down * predicted.down,
            rest: (predicted.rest + self.rest).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_slower_by_a_factor_is_found() {
        let predicted = |i: usize| Stages { device: 5.0 + i as f64, up: 3.0, edge: 0.01, down: 0.0, rest: 0.5 };
        let measured = |stages: Stages| Stages { device: 1.2 * stages.device, rest: stages.rest + 0.3, ..stages };
        let mut pairs: Vec<_> = (0..9).map(|i| (predicted(i), measured(predicted(i)))).collect();
        pairs.push((predicted(1), Stages { device: 500.0, ..predicted(1) }));
        let found = Calibration::fit(&pairs);
        assert!((found.device - 1.2).abs() < 1e-9 && (found.rest - 0.3).abs() < 1e-9, "{found:?}");
        assert_eq!((found.up, found.edge, found.frames), (1.0, 1.0, 10));
        assert!((found.apply(predicted(0)).total() - (6.0 + 3.0 + 0.01 + 0.8)).abs() < 1e-9);
        assert_eq!(Calibration::fit(&[]), Calibration::default());
    }
}
