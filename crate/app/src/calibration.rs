//! A calibration being measured: ten frames of the network at different cuts, each held against its prediction.

use cleave_arch::Mapping;
use cleave_cost::Stages;

/// Frames that a calibration takes.
const FRAMES: usize = 10;
/// Frames of one plan that may go otherwise, while it is being deployed, before the calibration gives up.
const MOST_MISSES: usize = 200;

/// The mappings and what they gave.
pub struct CalibrationRun {
    mappings: Vec<Mapping>,
    /// The one to go back to.
    pub restore: Mapping,
    pairs: Vec<(Stages, Stages)>,
    /// The frame that is under way for it: every other concerns somebody else.
    pub frame: Option<u64>,
    /// A frame of the plan has gone as planned already.
    is_warm: bool,
    missed: usize,
}

impl CalibrationRun {
    /// For a network: everything on the device, and cuts from its beginning to its end.
    pub fn new(mapping: &Mapping) -> Self {
        let last = mapping.n_steps() - 1;
        let cut = |i: usize| if i == 0 { vec![] } else { vec![(i - 1) * last / (FRAMES - 2)] };
        let mappings = (0..FRAMES).filter_map(|i| mapping.with_cuts(cut(i.min(FRAMES - 1))).ok());
        Self {
            mappings: mappings.collect(),
            restore: mapping.clone(),
            pairs: Vec::new(),
            frame: None,
            is_warm: false,
            missed: 0,
        }
    }

    /// The mapping of the next frame; `None`: done.
    pub fn mapping(&self) -> Option<&Mapping> {
        self.mappings.get(self.pairs.len())
    }

    /// Done, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.pairs.len(), self.mappings.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> CalibrationRun {
        CalibrationRun::new(&Mapping::parse("3 2 5 1 4,0 6 0 3 0", &cleave_arch::Task::modelnet10()).unwrap())
    }

    fn stages(device: f64) -> Stages {
        Stages { device, ..Stages::default() }
    }

    #[test]
    fn ten_plans_from_none_over_every_cut_each_after_a_frame_that_warms_up() {
        let (mut run, mut cuts) = (run(), Vec::new());
        while let Some(mapping) = run.mapping().cloned() {
            cuts.push(mapping.cuts().to_vec());
            assert!(!run.measured(stages(99.0), stages(99.0)), "the first of a plan does not count");
            assert!(run.measured(stages(1.0), stages(cuts.len() as f64)), "the next one does, and ends it");
        }
        assert_eq!((cuts.len(), run.progress()), (10, (10, 10)));
        assert!(cuts[0].is_empty() && cuts[1] == [0] && cuts[9] == [4], "{cuts:?}");
        assert!((0..=4).all(|at| cuts.contains(&vec![at])), "{cuts:?}");
        assert!(run.pairs().iter().enumerate().all(|(i, pair)| *pair == (stages(1.0), stages(1.0 + i as f64))));
        assert_eq!(run.restore.to_string(), "3 2 5 1 4,0 6 0 3 0");
    }

    #[test]
    fn two_hundred_misses_of_one_plan_are_too_many_and_a_hit_begins_the_count_anew() {
        let mut run = run();
        assert!((1..MOST_MISSES).all(|_| run.missed()));
        run.measured(stages(1.0), stages(1.0));
        assert!(run.measured(stages(1.0), stages(1.0)));
        assert!((1..MOST_MISSES).all(|_| run.missed()), "the next plan has its own");
        assert!(!run.missed());
        assert_eq!(run.progress(), (1, 10));
    }
}
