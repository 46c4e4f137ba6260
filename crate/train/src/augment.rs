//! What is done to a cloud before the network sees it: a random subset of its points, a scale per axis, a shift, a
//! small turn about the vertical, and jitter (papers: PointNet++ and DGCNN, whose ranges are the defaults' model).

use cleave_arch::SplitMix64;

/// Ranges of the augmentations; zero (scale: one) is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// Each axis is scaled by a factor in 1/scale..scale.
    pub scale: f32,
    /// Each axis is moved by up to this.
    pub shift: f32,
    /// The cloud is turned about z by up to this, radians.
    pub turn: f32,
    /// Deviation of the noise of each coordinate.
    pub jitter: f32,
    /// Share of a text's words that are blanked.
    pub blank: f32,
}

impl Default for Augment {
    /// ModelNet's shapes are aligned, so the turn is small.
    fn default() -> Self {
        Self { scale: 1.3, shift: 0.1, turn: 0.1, jitter: 0.01, blank: 0.2 }
    }
}

impl Augment {
    /// A new cloud of `n` of the points of `cloud` (flat `[m, 3]`, `n` ≤ m) as a function of `seed`.
    pub fn apply(&self, cloud: &[f32], n: usize, seed: u64) -> Vec<f32> {
        let mut rng = SplitMix64::new(seed);
        let between = |rng: &mut SplitMix64, range: f32| rng.between(f64::from(-range), f64::from(range)) as f32;
        let scale: [f32; 3] = std::array::from_fn(|_| between(&mut rng, self.scale.ln()).exp());
        let shift: [f32; 3] = std::array::from_fn(|_| between(&mut rng, self.shift));
        let (sin, cos) = between(&mut rng, self.turn).sin_cos();
        let (points, _) = cloud.as_chunks::<3>();
        let mut out = Vec::with_capacity(3 * n);
        for [x, y, z] in subset(points, n, &mut rng) {
            let turned = [cos * x - sin * y, sin * x + cos * y, z];
            let noise: [f32; 3] = std::array::from_fn(|_| noise(self.jitter, &mut rng));
            out.extend((0..3).map(|axis| turned[axis] * scale[axis] + shift[axis] + noise[axis]));
        }
        out
    }
}

fn noise(deviation: f32, rng: &mut SplitMix64) -> f32 {
    if deviation == 0.0 { 0.0 } else { deviation * rng.normal() as f32 }
}

/// `n` of the points without repetition, in random order if they are not all.
fn subset(points: &[[f32; 3]], n: usize, rng: &mut SplitMix64) -> Vec<[f32; 3]> {
    let mut kept = points.to_vec();
    if n < kept.len() {
        (0..n).for_each(|i| kept.swap(i, i + rng.scaled_below(points.len() - i)));
        kept.truncate(n);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Augment = Augment { scale: 1.0, shift: 0.0, turn: 0.0, jitter: 0.0, blank: 0.0 };

    fn cloud() -> Vec<f32> {
        (0..30).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn nothing_asked_changes_nothing() {
        assert_eq!(NONE.apply(&cloud(), 10, 3), cloud());
        let few = NONE.apply(&cloud(), 4, 3);
        let (rows, all) = (few.as_chunks::<3>().0.to_vec(), cloud());
        assert!(rows.len() == 4 && rows.iter().all(|row| all.as_chunks::<3>().0.contains(row)));
    }

    #[test]
    fn ranges_hold_and_the_seed_decides() {
        let augment = Augment { scale: 1.5, shift: 0.2, ..NONE };
        let ones = [1.0; 3];
        let mut reached = [f32::INFINITY, f32::NEG_INFINITY];
        for seed in 0..500 {
            for v in augment.apply(&ones, 1, seed) {
                assert!((1.0 / 1.5 - 0.2..=1.5 + 0.2).contains(&v), "{v}");
                reached = [reached[0].min(v), reached[1].max(v)];
            }
        }
        assert!(reached[0] < 0.6 && reached[1] > 1.5, "{reached:?}");
        assert_eq!(augment.apply(&cloud(), 10, 5), augment.apply(&cloud(), 10, 5));
        let turned = Augment { turn: 1.0, ..NONE }.apply(&[1.0, 0.0, 0.5], 1, 2);
        assert!((turned[0].hypot(turned[1]) - 1.0).abs() < 1e-6 && turned[2] == 0.5 && turned[1] != 0.0);
    }
}
