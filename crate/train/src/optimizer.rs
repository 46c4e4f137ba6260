//! AdamW (Loshchilov and Hutter 2019) on plain slices, so that its state is as easy to save as the parameters.

use std::collections::BTreeMap;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Running means of a parameter's gradient and of its square, and how often it was changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
    pub(crate) steps: u64,
}

/// The optimiser: moments by parameter name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AdamW {
    pub(crate) moments: BTreeMap<String, Moments>,
}

/// Size of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Learning rate.
    pub(crate) rate: f32,
    /// Decoupled weight decay.
    pub(crate) decay: f32,
}

impl AdamW {
    /// Changes a parameter by its gradient.
    pub(crate) fn update(&mut self, name: &str, values: &mut [f32], gradient: &[f32], rate: Rate) {
        let n = values.len();
        self.update_rows(name, values, n, 0..1, gradient, rate);
    }

    /// Changes the beginnings of some rows of a matrix with so many columns; one row of the gradient for each of them.
    /// The rest, and what is remembered of it, stays.
    pub(crate) fn update_rows(
        &mut self,
        name: &str,
        values: &mut [f32],
        cols: usize,
        rows: impl ExactSizeIterator<Item = usize>,
        gradient: &[f32],
        Rate { rate, decay }: Rate,
    ) {
        let n = values.len();
        let fresh = || Moments { first: vec![0.0; n], second: vec![0.0; n], steps: 0 };
        let moments = self.moments.entry(name.to_owned()).or_insert_with(fresh);
        moments.steps += 1;
        let exponent = moments.steps.min(1 << 20) as i32;
        let (correct_1, correct_2) = (1.0 - BETA_1.powi(exponent), 1.0 - BETA_2.powi(exponent));
        let part = gradient.len() / rows.len().max(1);
        for (row, gradient) in rows.zip(gradient.chunks_exact(part.max(1))) {
            let at = row * cols..row * cols + part;
            let state = moments.first[at.clone()].iter_mut().zip(&mut moments.second[at.clone()]);
            for ((value, g), (m, s)) in values[at].iter_mut().zip(gradient).zip(state) {
                *m += (1.0 - BETA_1) * (g - *m);
                *s += (1.0 - BETA_2) * (g * g - *s);
                *value -= rate * (*m / correct_1 / ((*s / correct_2).sqrt() + EPSILON) + decay * *value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_step_by_hand_and_a_bowl_is_descended() {
        let (mut adam, mut values) = (AdamW::default(), vec![1.0]);
        // The first corrected step is rate · sign(gradient), plus the decay.
        adam.update("a", &mut values, &[0.3], Rate { rate: 0.1, decay: 0.5 });
        assert!((values[0] - (1.0 - 0.1 - 0.05)).abs() < 1e-5, "{values:?}");
        for _ in 0..500 {
            let gradient = [2.0 * (values[0] - 3.0)];
            adam.update("a", &mut values, &gradient, Rate { rate: 0.05, decay: 0.0 });
        }
        assert!((values[0] - 3.0).abs() < 0.05, "{values:?}");
    }

    #[test]
    fn a_part_changes_alone() {
        let (mut adam, mut values) = (AdamW::default(), vec![1.0; 12]);
        adam.update_rows("a", &mut values, 4, [0, 2].into_iter(), &[0.5; 6], Rate { rate: 0.1, decay: 0.0 });
        let changed: Vec<bool> = values.iter().map(|value| *value != 1.0).collect();
        let row = [true, true, true, false];
        assert_eq!(changed, [row, [false; 4], row].concat());
    }
}
