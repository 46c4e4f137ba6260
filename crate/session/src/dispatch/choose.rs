//! Which choice is best for a target under given conditions, and whether one is enough better than another.

use std::cmp::Ordering;

use super::{Conditions, DispatchConfig, Goal, Menu, Priced, Target};

/// Accuracies closer than this are the same: a twentieth of a percent.
const SAME_ACCURACY: f64 = 0.0005;

/// How far a choice keeps to the target; better ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Keeps,
    /// Accurate enough, but takes longer than asked for.
    Late,
    Inaccurate,
}

/// A choice and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pick {
    pub(super) choice: usize,
    pub(super) priced: Priced,
    pub(super) accuracy: f64,
    pub(super) standing: Standing,
}

impl Pick {
    pub(super) fn new(menu: &impl Menu, choice: usize, target: &Target, at: &Conditions) -> Self {
        let (priced, accuracy) = (menu.price(choice, at), menu.accuracy(choice));
        let late = target.latency_ms.is_some_and(|most| priced.latency_ms > most);
        let standing = match target.accuracy.is_some_and(|least| accuracy < least) {
            true => Standing::Inaccurate,
            false if late => Standing::Late,
            false => Standing::Keeps,
        };
        Self { choice, priced, accuracy, standing }
    }

    /// Less is better: what the goal asks for, then what decides between equals. If nothing keeps to the target, the
    /// fastest of the accurate ones is nearest to it, else the most accurate.
    fn key(&self, goal: Goal) -> (f64, f64) {
        let Priced { latency_ms, energy_mj } = self.priced;
        let error = ((1.0 - self.accuracy) / SAME_ACCURACY).round();
        match (self.standing, goal) {
            (Standing::Inaccurate, _) | (Standing::Keeps, Goal::MostAccurate) => (error, latency_ms),
            (Standing::Late, _) | (Standing::Keeps, Goal::Fastest) => (latency_ms, energy_mj),
            (Standing::Keeps, Goal::LeastEnergy) => (energy_mj, latency_ms),
        }
    }

    fn compare(&self, other: &Self, goal: Goal) -> Ordering {
        let ((a, c), (b, d)) = (self.key(goal), other.key(goal));
        self.standing.cmp(&other.standing).then(a.total_cmp(&b)).then(c.total_cmp(&d))
    }

    /// True if it is enough better than `running` to leave it.
    pub(super) fn wins(&self, running: &Self, goal: Goal, config: &DispatchConfig) -> bool {
        if self.standing != running.standing {
            return self.standing < running.standing;
        }
        let gains = |new: f64, old: f64| old - new >= (config.gain * old).max(config.least_gain);
        let by_accuracy = matches!((self.standing, goal), (Standing::Inaccurate, _))
            || matches!((self.standing, goal), (Standing::Keeps, Goal::MostAccurate));
        let ((new, new_ms), (old, old_ms)) = (self.key(goal), running.key(goal));
        match by_accuracy {
            true => new < old || (new == old && gains(new_ms, old_ms)),
            false => gains(new, old),
        }
    }
}

/// The best of `choices`; none if there are none.
pub(super) fn best(
    menu: &impl Menu,
    choices: impl Iterator<Item = usize>,
    target: &Target,
    at: &Conditions,
) -> Option<Pick> {
    let picks = choices.map(|choice| Pick::new(menu, choice, target, at));
    picks.min_by(|a, b| a.compare(b, target.goal))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Rows of accuracy, ms on the device, ms on the edge, kbit to send; energy is the device's ms × 2 and what is
    /// sent. A choice without kbit runs on the device.
    pub(in crate::dispatch) struct Rows(pub(in crate::dispatch) Vec<[f64; 4]>);

    impl Menu for Rows {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn accuracy(&self, choice: usize) -> f64 {
            self.0[choice][0]
        }
        fn price(&self, choice: usize, at: &Conditions) -> Priced {
            let [_, device, edge, kbit] = self.0[choice];
            let link = if kbit > 0.0 { kbit / at.up_mbps + at.rtt_ms + edge * at.edge_load } else { 0.0 };
            Priced { latency_ms: device + link, energy_mj: 2.0 * device + kbit / at.up_mbps }
        }
        fn is_offloaded(&self, choice: usize) -> bool {
            self.0[choice][3] > 0.0
        }
        fn edge_ms(&self, choice: usize) -> f64 {
            self.0[choice][2]
        }
        fn is_ready(&self, _: usize) -> bool {
            true
        }
    }

    pub(in crate::dispatch) fn at(mbps: f64) -> Conditions {
        Conditions { up_mbps: mbps, down_mbps: mbps, rtt_ms: 2.0, edge_load: 1.0 }
    }

    pub(in crate::dispatch) fn target(goal: Goal, accuracy: Option<f64>, latency_ms: Option<f64>) -> Target {
        Target { goal, accuracy, latency_ms }
    }

    /// Device alone 30 ms; cut early 5 + 4 ms and 400 kbit; cut late 20 + 2 ms and 20 kbit; a small network 6 ms.
    pub(in crate::dispatch) fn menu() -> Rows {
        let rows = [[0.92, 30.0, 0.0, 0.0], [0.92, 5.0, 4.0, 400.0], [0.92, 20.0, 2.0, 20.0], [0.85, 6.0, 0.0, 0.0]];
        Rows(rows.to_vec())
    }

    #[track_caller]
    fn check(target: Target, mbps: f64, choice: usize, standing: Standing) {
        let menu = menu();
        let pick = best(&menu, 0..4, &target, &at(mbps)).unwrap();
        assert_eq!((pick.choice, pick.standing), (choice, standing), "{target:?} at {mbps} Mbps");
    }

    #[test]
    fn the_target_decides() {
        use Goal::{Fastest, LeastEnergy, MostAccurate};
        check(target(Fastest, None, None), 100.0, 3, Standing::Keeps);
        check(target(Fastest, Some(0.9), None), 100.0, 1, Standing::Keeps);
        check(target(Fastest, Some(0.9), None), 10.0, 2, Standing::Keeps);
        check(target(Fastest, Some(0.9), None), 1.0, 0, Standing::Keeps);
        check(target(MostAccurate, None, Some(25.0)), 40.0, 1, Standing::Keeps);
        check(target(MostAccurate, None, Some(25.0)), 5.0, 3, Standing::Keeps);
        check(target(LeastEnergy, Some(0.9), None), 100.0, 1, Standing::Keeps);
    }

    #[test]
    fn the_nearest_is_chosen_if_nothing_keeps_to_the_target() {
        check(target(Goal::LeastEnergy, Some(0.9), Some(10.0)), 10.0, 2, Standing::Late);
        check(target(Goal::Fastest, Some(0.99), Some(50.0)), 100.0, 1, Standing::Inaccurate);
    }

    #[test]
    fn a_small_gain_does_not_win() {
        let config = DispatchConfig::default();
        let pick = |ms: f64, accuracy: f64| Pick {
            choice: 0,
            priced: Priced { latency_ms: ms, energy_mj: 1.0 },
            accuracy,
            standing: Standing::Keeps,
        };
        let wins = |new: Pick, old: Pick, goal| new.wins(&old, goal, &config);
        assert!(
            !wins(pick(9.1, 0.9), pick(10.0, 0.9), Goal::Fastest)
                && wins(pick(8.9, 0.9), pick(10.0, 0.9), Goal::Fastest)
        );
        assert!(
            !wins(pick(0.8, 0.9), pick(1.0, 0.9), Goal::Fastest) && wins(pick(0.6, 0.9), pick(1.0, 0.9), Goal::Fastest)
        );
        assert!(wins(pick(99.0, 0.91), pick(10.0, 0.9), Goal::MostAccurate));
        assert!(!wins(pick(9.5, 0.9), pick(10.0, 0.9), Goal::MostAccurate));
        let late = Pick { standing: Standing::Late, ..pick(9.0, 0.9) };
        assert!(wins(pick(99.0, 0.9), late, Goal::Fastest) && !wins(late, pick(99.0, 0.9), Goal::Fastest));
    }
}
