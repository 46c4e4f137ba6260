//! A median with a memory of two seconds that forgets at once when samples say that things have changed: precise while
//! nothing happens, soon right when something does, and not moved by an outlier.

use std::collections::VecDeque;

use crate::time::Micros;

const SPAN: Micros = Micros::from_millis(2_000);
const MOST: usize = 256;
/// With fewer samples the present estimate takes part as often as samples are missing.
const ENOUGH: usize = 3;
/// Samples that differ from the estimate in the same way for so long, at least two, are a step.
const STEP: Micros = Micros::from_millis(100);
/// A sample differs by at least this factor, or does not count as different.
const DIFFERENT: f64 = 1.4;

/// A positive figure as it is seen again and again.
#[derive(Clone, Debug)]
pub(super) struct Window {
    samples: VecDeque<Sample>,
    estimate: f64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Micros,
    value: f64,
    /// It may be wrong by this factor.
    doubt: f64,
}

impl Window {
    pub(super) fn new(estimate: f64) -> Self {
        Self { samples: VecDeque::new(), estimate }
    }

    pub(super) fn estimate(&self) -> f64 {
        self.estimate
    }

    /// True if the last sample was not what the estimate says: another one soon would tell.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.samples.back().is_some_and(|last| self.side(last) != 0)
    }

    /// Adds a sample that may be wrong by a factor of `doubt`.
    pub(super) fn add(&mut self, value: f64, doubt: f64, now: Micros) {
        while self.samples.len() >= MOST || self.samples.front().is_some_and(|first| now - first.at > SPAN) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, value, doubt });
        self.notice_step(now);
        let mut values: Vec<f64> = self.samples.iter().map(|sample| sample.value).collect();
        values.resize(values.len().max(ENOUGH), self.estimate);
        values.sort_by(f64::total_cmp);
        self.estimate = (values[(values.len() - 1) / 2] * values[values.len() / 2]).sqrt();
    }

    fn notice_step(&mut self, now: Micros) {
        let Some(side) = self.samples.back().map(|last| self.side(last)).filter(|side| *side != 0) else { return };
        let run = self.samples.iter().rev().take_while(|sample| self.side(sample) == side).count();
        let first = self.samples.len() - run;
        if run >= 2 && now - self.samples[first].at >= STEP {
            self.samples.drain(..first);
        }
    }

    /// 1: above the estimate, −1: below, 0: neither for sure.
    fn side(&self, sample: &Sample) -> i8 {
        let doubt = sample.doubt.max(DIFFERENT);
        i8::from(sample.value > self.estimate * doubt) - i8::from(sample.value < self.estimate / doubt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(samples: &[(u64, f64)]) -> Window {
        let mut window = Window::new(100.0);
        samples.iter().for_each(|(at, sample)| window.add(*sample, 1.0, Micros::from_millis(*at)));
        window
    }

    #[test]
    fn one_outlier_moves_nothing_and_raises_doubt() {
        let mut window = window(&[(0, 100.0), (150, 99.0), (300, 101.0), (450, 100.0), (600, 5.0)]);
        assert!((window.estimate() - 100.0).abs() < 1.0 && window.is_in_doubt());
        window.add(100.0, 1.0, Micros::from_millis(640));
        assert!((window.estimate() - 100.0).abs() < 1.0 && !window.is_in_doubt());
        assert_eq!(self::window(&[(0, 5.0)]).estimate(), 100.0, "the first sample is no more than that");
    }

    #[test]
    fn a_tenth_of_a_second_of_the_same_is_a_step() {
        let steady: Vec<_> = (0..150).map(|i| (i * 10, 100.0)).collect();
        let then = |more: &[(u64, f64)]| window(&[&steady, more].concat()).estimate();
        assert_eq!(then(&[(1_500, 5.0), (1_510, 5.0), (1_520, 5.0)]), 100.0, "a hiccup");
        assert_eq!(then(&[(1_500, 5.0), (1_600, 5.2)]), 5.2);
        assert_eq!(then(&[(1_500, 5.0), (1_550, 100.0), (1_600, 5.2)]), 100.0);
        assert_eq!(then(&[(2_500, 5.0), (3_500, 5.0)]), 5.0, "and so are two that are a second apart");
    }

    #[test]
    fn what_is_in_doubt_counts_for_its_middle_only() {
        let mut window = window(&[(0, 100.0), (10, 101.0), (20, 99.0)]);
        (1..20).for_each(|i| window.add(if i % 3 == 0 { 100.0 } else { 170.0 }, 2.0, Micros::from_millis(100 * i)));
        assert_eq!(window.estimate(), 170.0);
        let mut window = Window::new(100.0);
        window.add(170.0, 2.0, Micros(0));
        assert!(!window.is_in_doubt());
    }
}
