//! A linear layer with its activation, in one product and one pass.

use super::matmul::{Start, Threads, View, matmul};

/// Writes `out[rows, outputs] = leaky(x[rows, inputs] · weight[inputs, outputs] + bias)`, where
/// `leaky(v) = max(v, slope · v)`; slope 1 is no activation.
pub fn linear(x: &[f32], weight: &[f32], bias: &[f32], slope: f32, out: &mut [f32]) {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let rows = out.len() / outputs;
    for row in out.chunks_exact_mut(outputs) {
        row.copy_from_slice(bias);
    }
    matmul(out, View::rows(x, rows, inputs), View::rows(weight, inputs, outputs), Start::Accumulate, Threads::All);
    leaky_in_place(out, slope);
}

/// LeakyReLU in place for a slope in 0..=1.
pub fn leaky_in_place(values: &mut [f32], slope: f32) {
    if slope < 1.0 {
        values.iter_mut().for_each(|v| *v = if *v > 0.0 { *v } else { slope * *v });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let mut out = [0.0; 4];
        linear(&[1.0, 2.0, -1.0, 0.5], &[1.0, -1.0, 0.5, 2.0], &[0.25, -4.0], 0.2, &mut out);
        // rows: [1·1 + 2·0.5 + 0.25, 1·−1 + 2·2 − 4], [−1 + 0.25 + 0.25, 1 + 1 − 4]
        for (got, want) in out.iter().zip([2.25, -0.2, -0.1, -0.4]) {
            assert!((got - want).abs() < 1e-6, "{out:?}");
        }
    }
}
