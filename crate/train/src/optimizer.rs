//! AdamW (Loshchilov and Hutter 2019) on plain slices, so that its state is as easy to save as the parameters.

use std::collections::BTreeMap;

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Running means of a parameter's gradient and of its square.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

/// The optimiser: moments by parameter name and the number of steps taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct AdamW {
    pub(crate) moments: BTreeMap<String, Moments>,
    pub(crate) steps: u64,
}

impl AdamW {
    /// To be called once before the parameters of a step.
    pub(crate) fn begin_step(&mut self) {
        self.steps += 1;
    }

    /// Changes a parameter by its gradient; `decay` is the decoupled weight decay.
    pub(crate) fn update(&mut self, name: &str, values: &mut [f32], gradient: &[f32], rate: f32, decay: f32) {
        let n = values.len();
        let fresh = || Moments { first: vec![0.0; n], second: vec![0.0; n] };
        let moments = self.moments.entry(name.to_owned()).or_insert_with(fresh);
        let exponent = self.steps.min(1 << 20) as i32;
        let (correct_1, correct_2) = (1.0 - BETA_1.powi(exponent), 1.0 - BETA_2.powi(exponent));
        let state = moments.first.iter_mut().zip(moments.second.iter_mut());
        for ((value, g), (m, s)) in values.iter_mut().zip(gradient).zip(state) {
            *m += (1.0 - BETA_1) * (g - *m);
            *s += (1.0 - BETA_2) * (g * g - *s);
            *value -= rate * (*m / correct_1 / ((*s / correct_2).sqrt() + EPSILON) + decay * *value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_step_by_hand_and_a_bowl_is_descended() {
        let (mut adam, mut values) = (AdamW::default(), vec![1.0]);
        adam.begin_step();
        // The first corrected step is rate · sign(gradient), plus the decay.
        adam.update("a", &mut values, &[0.3], 0.1, 0.5);
        assert!((values[0] - (1.0 - 0.1 - 0.05)).abs() < 1e-5, "{values:?}");
        for _ in 0..500 {
            adam.begin_step();
            let gradient = [2.0 * (values[0] - 3.0)];
            adam.update("a", &mut values, &gradient, 0.05, 0.0);
        }
        assert!((values[0] - 3.0).abs() < 0.05, "{values:?}");
    }
}
