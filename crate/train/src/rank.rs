//! Whether two measures rank alike.

/// Kendall's τ-b of paired values: 1 for the same order, −1 for the opposite one, ties counted by neither; 0 where one
/// side has a single value only.
pub fn kendall_tau(pairs: &[[f64; 2]]) -> f64 {
    let (mut sum, mut ties) = (0.0, [0.0; 2]);
    let mut n = 0.0;
    for (i, a) in pairs.iter().enumerate() {
        for b in &pairs[..i] {
            let [x, y] = [0, 1].map(|side| a[side].partial_cmp(&b[side]).map_or(0.0, |order| f64::from(order as i8)));
            n += 1.0;
            sum += x * y;
            ties[0] += f64::from(u8::from(x == 0.0));
            ties[1] += f64::from(u8::from(y == 0.0));
        }
    }
    let scale = ((n - ties[0]) * (n - ties[1])).sqrt();
    if scale > 0.0 { sum / scale } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(kendall_tau(&[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]), 1.0);
        assert_eq!(kendall_tau(&[[1.0, 30.0], [2.0, 20.0], [3.0, 10.0]]), -1.0);
        assert!((kendall_tau(&[[1.0, 1.0], [2.0, 3.0], [3.0, 2.0]]) - 1.0 / 3.0).abs() < 1e-12);
        // One tie on the left: two pairs agree, of √(2·3).
        assert!((kendall_tau(&[[1.0, 1.0], [1.0, 2.0], [3.0, 3.0]]) - 2.0 / 6f64.sqrt()).abs() < 1e-12);
        assert_eq!(kendall_tau(&[[1.0, 1.0], [1.0, 2.0]]), 0.0);
    }
}
