//! What a handful of real frames corrects: the time of each tier by a factor, that of each direction by a constant.
//!
//! The look-up table measures operations alone, again and again; a frame runs them once, in a row, with cold caches and
//! a busy machine. That is a factor that belongs to the machine and not to the network. A message costs something
//! beyond its bytes, which is a constant. Ten frames are enough to know both.

use crate::stats::{median, quantile};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

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
#[serde(default)]
pub struct Calibration {
    /// Factor of the device's time, 1/3 to 3.
    pub device: f64,
    /// Factor of the edge's time, 1/3 to 3.
    pub edge: f64,
    /// Milliseconds that a message to the edge takes more, −1e6 to 1e6 as the others.
    pub up_ms: f64,
    /// Milliseconds that a message to the device takes more.
    pub down_ms: f64,
    /// Milliseconds that the rest takes more.
    pub rest_ms: f64,
    /// Frames that it was made from; 0: nothing is corrected.
    pub frames: usize,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { device: 1.0, edge: 1.0, up_ms: 0.0, down_ms: 0.0, rest_ms: 0.0, frames: 0 }
    }
}

/// No correction goes beyond this factor: what is further off is no matter of a factor.
const FACTOR: RangeInclusive<f64> = 1.0 / 3.0..=3.0;
/// Nor does a message take so much more, milliseconds: frames are given up before.
const CONSTANT: RangeInclusive<f64> = -1e6..=1e6;

impl Calibration {
    /// From pairs of uncorrected prediction and measurement. A factor is the ratio of the sums, so that short stages
    /// weigh little, over the frames whose own ratio lies within the quartiles ± 1.5 of their distance, so that one
    /// disturbed frame moves nothing; a constant is a median.
    pub fn fit(pairs: &[(Stages, Stages)]) -> Self {
        let factor = |stage: fn(&Stages) -> f64| {
            let busy: Vec<(f64, f64)> =
                pairs.iter().map(|(p, m)| (stage(p), stage(m))).filter(|(p, _)| *p > 0.0).collect();
            let mut ratios: Vec<f64> = busy.iter().map(|(predicted, measured)| measured / predicted).collect();
            ratios.sort_by(f64::total_cmp);
            let (Some(low), Some(high)) = (quantile(&ratios, 0.25), quantile(&ratios, 0.75)) else { return 1.0 };
            let reach = 1.5 * (high - low);
            let kept = busy.iter().filter(|(p, m)| (low - reach..=high + reach).contains(&(m / p)));
            let (predicted, measured) = kept.fold((0.0, 0.0), |(p, m), (more_p, more_m)| (p + more_p, m + more_m));
            if predicted > 0.0 { (measured / predicted).clamp(*FACTOR.start(), *FACTOR.end()) } else { 1.0 }
        };
        let constant = |stage: fn(&Stages) -> f64, sent: fn(&Stages) -> f64| {
            let used = pairs.iter().filter(|(predicted, _)| sent(predicted) > 0.0);
            median(&used.map(|(predicted, measured)| stage(measured) - stage(predicted)).collect::<Vec<_>>())
                .map_or(0.0, |ms| ms.clamp(*CONSTANT.start(), *CONSTANT.end()))
        };
        Self {
            device: factor(|stages| stages.device),
            edge: factor(|stages| stages.edge),
            up_ms: constant(|stages| stages.up, |stages| stages.up),
            down_ms: constant(|stages| stages.down, |stages| stages.down),
            rest_ms: constant(|stages| stages.rest, |stages| stages.up + stages.down),
            frames: pairs.len(),
        }
    }

    /// The first figure that no frames give: its name, its value, and the range that it is not in.
    pub(crate) fn impossible(&self) -> Option<(&'static str, f64, &'static str)> {
        let factors = [("device", self.device), ("edge", self.edge)];
        let constants = [("up_ms", self.up_ms), ("down_ms", self.down_ms), ("rest_ms", self.rest_ms)];
        let factors = factors.map(|(what, value)| (what, value, FACTOR, "1/3 to 3"));
        let constants = constants.map(|(what, value)| (what, value, CONSTANT, "-1e6 to 1e6 ms"));
        let found = factors.into_iter().chain(constants).find(|(_, value, range, _)| !range.contains(value));
        found.map(|(what, value, _, range)| (what, value, range))
    }

    /// The corrected prediction. Only a frame that crosses the link pays what messages cost.
    pub fn apply(&self, predicted: Stages) -> Stages {
        let more = |stage: f64, constant: f64| if stage > 0.0 { (stage + constant).max(0.0) } else { 0.0 };
        let crosses = predicted.up + predicted.down > 0.0;
        Stages {
            device: self.device * predicted.device,
            up: more(predicted.up, self.up_ms),
            edge: self.edge * predicted.edge,
            down: more(predicted.down, self.down_ms),
            rest: if crosses { (predicted.rest + self.rest_ms).max(0.0) } else { predicted.rest },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slower_machine_and_a_dearer_message_are_found() {
        let predicted = |i: usize| Stages { device: 5.0 + i as f64, up: 3.0, edge: 0.0, down: 1.0, rest: 0.5 };
        let measured =
            |stages: Stages| Stages { device: 1.2 * stages.device, up: 3.4, rest: stages.rest + 0.3, ..stages };
        let mut pairs: Vec<_> = (0..9).map(|i| (predicted(i), measured(predicted(i)))).collect();
        pairs.push((predicted(1), Stages { device: 500.0, ..measured(predicted(1)) }));
        let found = Calibration::fit(&pairs);
        assert!((found.device - 1.2).abs() < 1e-9 && (found.rest_ms - 0.3).abs() < 1e-9, "{found:?}");
        assert!((found.up_ms - 0.4).abs() < 1e-9 && found.down_ms == 0.0 && found.edge == 1.0, "{found:?}");
        assert!((found.apply(predicted(0)).total() - (6.0 + 3.4 + 1.0 + 0.8)).abs() < 1e-9);
        let alone = Stages { device: 5.0, ..Stages::default() };
        assert!((found.apply(alone).total() - 6.0).abs() < 1e-9, "a frame without a link pays no message");
        assert_eq!(Calibration::fit(&[]), Calibration::default());
    }
}
