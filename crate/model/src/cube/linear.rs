//! What follows a matrix product, in one pass: bias and activation, in place.

use cubecl::prelude::*;

/// `out = leaky(out + add[i mod period])` in place, `N` values per thread; `period` is the length of
/// `add` and `total` that of `out`, both in vectors. A slope of 1 is no activation.
#[cube(launch)]
pub fn add_leaky_kernel<N: Size>(
    out: &mut [Vector<f32, N>],
    add: &[Vector<f32, N>],
    total: usize,
    period: usize,
    slope: f32,
) {
    if ABSOLUTE_POS >= total {
        terminate!();
    }
    let value = out[ABSOLUTE_POS] + add[ABSOLUTE_POS % period];
    // For a slope in 0..=1 the larger of the two is LeakyReLU.
    out[ABSOLUTE_POS] = max(value, value * Vector::new(slope));
}
