//! How close two answers have to be, for every comparison in tests, on the page and in the commands, with its reason.
//!
//! The distance of two answers is the largest |Δlogit| divided by max(1, largest |logit| of the unsplit answer):
//! absolute for networks whose logits are of the usual size, relative for those whose sums make them large.
//!
//! The lossy bounds are about twice the largest distance seen over every cut of the shipped networks, whose trained layers
//! amplify more than the random ones of 200 random architectures do (f16 1.05e-3 against 5.0e-4, i8 3.1e-2 against 8.9e-3),
//! so that they still fail when a codec loses a bit more than it has to.
//!
//! *One engine* is one instruction set and one set of kernels: native CPU, wasm SIMD, or WebGPU. *Two engines* is any
//! mixture, such as a browser tab and a native edge.
//!
//! | comparison | bound | reason |
//! |---|---|---|
//! | split against whole, one engine, f32 | [`SPLIT_F32`] | the same kernels on the same bits; the margin is for reductions that threads order differently |
//! | one kernel on two engines | [`KERNEL`] | one sum of products, in different orders |
//! | split against whole, two engines, f32, no kNN behind the cut; a whole network on two engines | [`ENGINES_F32`] | a dozen layers, each of which sums in another order; 1.2e-6 seen between tab and edge |
//! | engine against the double-precision definition | [`DEFINITION`] | single precision over a dozen layers, and differences of near values (x_j − x_i) |
//! | split against whole, f16, no kNN behind the cut | [`SPLIT_F16`] | 11 bits of mantissa: 4.9e-4 of each value; layers behind the cut amplify it by their gain, and differences of near values (x_j − x_i) by cancellation |
//! | split against whole, i8, no kNN behind the cut | [`SPLIT_I8`] | half a step of 1/127 of the largest value that shares its scale, amplified in the same way |
//! | split against whole, f16 or i8, or two engines, and a kNN behind the cut | [`AGREEMENT_F32`], [`AGREEMENT_F16`], [`AGREEMENT_I8`] | a rounded feature can change who is a neighbour, which is a jump: no bound on a logit holds, so the share of equal top-1 classes over a whole set is bounded instead |

use crate::{Codec, CutGraph};

/// Split against whole, f32 codec, one engine.
pub const SPLIT_F32: f32 = 1e-4;
/// One kernel on two engines, relative to 1 + |value|.
pub const KERNEL: f32 = 1e-4;
/// A network, split or whole, on two engines, f32 codec, no kNN behind the cut.
pub const ENGINES_F32: f32 = 1e-3;
/// An engine against the definition in double precision.
pub const DEFINITION: f32 = 2e-3;
/// Split against whole, f16 codec, no kNN behind the cut.
pub const SPLIT_F16: f32 = 2e-3;
/// Split against whole, i8 codec, no kNN behind the cut.
pub const SPLIT_I8: f32 = 6e-2;
/// Least share of equal classes, f32 codec, two engines, a kNN behind the cut.
pub const AGREEMENT_F32: f64 = 0.98;
/// Least share of equal classes, f16 codec, a kNN behind the cut.
pub const AGREEMENT_F16: f64 = 0.95;
/// Least share of equal classes, i8 codec, a kNN behind the cut.
pub const AGREEMENT_I8: f64 = 0.90;

/// Distance of an answer from the unsplit one; NaN anywhere is infinitely far.
pub fn distance(answer: &[f32], unsplit: &[f32]) -> f32 {
    if answer.len() != unsplit.len() || answer.iter().chain(unsplit).any(|logit| !logit.is_finite()) {
        return f32::INFINITY;
    }
    let scale = unsplit.iter().fold(1.0f32, |most, logit| most.max(logit.abs()));
    answer.iter().zip(unsplit).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / scale
}

/// Largest difference of two answers relative to the largest value of the unsplit one; NaN anywhere is infinitely far.
/// For graphs whose untrained answers may be of any size.
pub fn relative_distance(answer: &[f32], unsplit: &[f32]) -> f32 {
    let most = unsplit.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    distance(answer, unsplit) * most.max(1.0) / most
}

/// What is asked of a split run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Largest distance of every single answer.
    Distance(f32),
    /// Least share of equal classes over many answers.
    Agreement(f64),
}

/// Whether both tiers compute with the same kernels on the same instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// The edge half runs on the device's engine, or device and edge are both native.
    One,
    /// They differ, as a browser tab and a native edge do.
    Two,
}

/// The row of the table that a cut belongs to.
pub fn bound(cut: &CutGraph, codec: Codec, engines: Engines) -> Bound {
    match (codec, engines, cut.seeks_neighbours_behind()) {
        (Codec::F32, Engines::One, _) => Bound::Distance(SPLIT_F32),
        (Codec::F32, Engines::Two, false) => Bound::Distance(ENGINES_F32),
        (Codec::F32, Engines::Two, true) => Bound::Agreement(AGREEMENT_F32),
        (Codec::F16, _, false) => Bound::Distance(SPLIT_F16),
        (Codec::I8, _, false) => Bound::Distance(SPLIT_I8),
        (Codec::F16, _, true) => Bound::Agreement(AGREEMENT_F16),
        (Codec::I8, _, true) => Bound::Agreement(AGREEMENT_I8),
    }
}

/// The class with the largest logit.
pub fn top_1(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mapping, Task};

    #[test]
    fn distance_is_absolute_below_one_and_relative_above() {
        assert_eq!(distance(&[0.5, 0.25], &[0.5, 0.5]), 0.25);
        assert_eq!(distance(&[100.0, 50.0], &[100.0, 60.0]), 0.1);
        assert_eq!(distance(&[f32::NAN], &[0.0]), f32::INFINITY);
        assert_eq!(distance(&[0.0], &[0.0, 0.0]), f32::INFINITY);
    }

    #[test]
    fn only_a_live_knn_behind_the_first_cut_counts() {
        let bound_of = |text: &str| {
            let cut = Mapping::parse(text, &Task::modelnet10()).and_then(|mapping| mapping.cut_graph()).unwrap();
            bound(&cut, Codec::F16, Engines::One)
        };
        assert_eq!(bound_of("3 2 5 4,0 6 0 0"), Bound::Distance(SPLIT_F16));
        assert_eq!(bound_of("3 5 2 4,0 0 6 0"), Bound::Distance(SPLIT_F16));
        assert_eq!(bound_of("5 3 2 4,0 0 6 0"), Bound::Agreement(AGREEMENT_F16));
        assert_eq!(bound_of("3 5 2 3 4,0 0 6 0 0"), Bound::Distance(SPLIT_F16), "nobody reads the second graph");
        assert_eq!(bound_of("5 3 2 4,0 1 6 0"), Bound::Distance(SPLIT_F16), "a random sample reads no features");
    }
}
