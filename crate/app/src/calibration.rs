//! A calibration being measured: ten frames of the network at different cuts, each held against its prediction.

use cleave_arch::Plan;
use cleave_cost::Stages;

/// Frames that a calibration takes.
const FRAMES: usize = 10;
/// Frames of one plan that may go otherwise, while it is being deployed, before the calibration gives up.
const MOST_MISSES: usize = 200;

/// The plans and what they gave.
pub struct CalibrationRun {
    plans: Vec<Plan>,
    /// The plan to go back to.
    pub restore: Plan,
    pairs: Vec<(Stages, Stages)>,
    /// A frame of the plan has gone as planned already.
    is_warm: bool,
    missed: usize,
}

impl CalibrationRun {
    /// For the network of `plan`: everything on the device, and cuts from its beginning to its end.
    pub fn new(plan: &Plan) -> Self {
        let n_ops = plan.architecture().ops().len();
        let cut = |i: usize| if i == 0 { vec![] } else { vec![(i - 1) * n_ops / (FRAMES - 2)] };
        let plans = (0..FRAMES).filter_map(|i| plan.with_cuts(cut(i.min(FRAMES - 1))).ok());
        Self { plans: plans.collect(), restore: plan.clone(), pairs: Vec::new(), is_warm: false, missed: 0 }
    }

    /// The plan of the next frame; `None`: done.
    pub fn plan(&self) -> Option<&Plan> {
        self.plans.get(self.pairs.len())
    }

    /// Done, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.pairs.len(), self.plans.len())
    }

    /// A frame of the plan went as planned; the first of a plan warms up. True if the plan changes.
    pub fn measured(&mut self, predicted: Stages, measured: Stages) -> bool {
        if !std::mem::replace(&mut self.is_warm, true) {
            return false;
        }
        (self.is_warm, self.missed) = (false, 0);
        self.pairs.push((predicted, measured));
        true
    }

    /// A frame of the plan did not go as planned; false when that has happened too often.
    pub fn missed(&mut self) -> bool {
        self.missed += 1;
        self.missed < MOST_MISSES
    }

    /// Pairs of prediction and measurement.
    pub fn pairs(&self) -> &[(Stages, Stages)] {
        &self.pairs
    }
}
