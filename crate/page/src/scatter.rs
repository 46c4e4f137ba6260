//! Predicted against measured latency of the last frames, laid out on logarithmic axes with the ± 10 % band.

/// A prediction this near to the measurement counts as right.
pub const BAND: f64 = 0.10;

/// Where things stand in a square of side 1, from the lower left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// Predicted across, measured up.
    pub points: Vec<[f64; 2]>,
    /// Round milliseconds on both axes, and their place.
    pub ticks: Vec<(f64, f64)>,
    /// Half the band's height above and below the diagonal.
    pub band: f64,
    /// The same in words.
    pub summary: String,
}

/// Lays out pairs of predicted and measured milliseconds.
pub fn scatter<'a>(pairs: impl IntoIterator<Item = &'a [f64; 2]>) -> Scatter {
    let good = |pair: &&[f64; 2]| pair.iter().all(|millis| millis.is_finite() && *millis > 0.0);
    let pairs: Vec<[f64; 2]> = pairs.into_iter().filter(good).copied().collect();
    let Some(least) = pairs.iter().flatten().copied().reduce(f64::min) else {
        return Scatter { summary: "No frame yet.".into(), ..Scatter::default() };
    };
    let most = pairs.iter().flatten().copied().fold(least, f64::max);
    // At least from one value to its double, so that a single frame does not lie in a corner.
    let (low, high) = ((least / 1.3).ln(), (most * 1.3).max(2.0 * least).ln());
    let place = |millis: f64| (millis.ln() - low) / (high - low);
    let errors: Vec<f64> = pairs.iter().map(|[predicted, measured]| (predicted / measured - 1.0).abs()).collect();
    let within = errors.iter().filter(|error| **error <= BAND).count();
    Scatter {
        points: pairs.iter().map(|pair| pair.map(place)).collect(),
        ticks: ticks(low.exp(), high.exp()).into_iter().map(|millis| (millis, place(millis))).collect(),
        band: (1.0 + BAND).ln() / (high - low),
        summary: format!(
            "{} of {} frames within ± {:.0} % of their prediction; mean error {:.0} %.",
            within,
            pairs.len(),
            100.0 * BAND,
            100.0 * errors.iter().sum::<f64>() / errors.len() as f64
        ),
    }
}

/// 1, 2 and 5 times powers of ten, or the powers alone where those are many.
pub(crate) fn ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let steps: &[f64] = if high / low > 30.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
    all.filter(|millis| (low..=high).contains(millis)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_on_the_diagonal_and_the_band_is_counted() {
        let drawn = scatter(&[[10.0, 10.0], [10.9, 10.0], [20.0, 10.0], [100.0, 101.0]]);
        assert_eq!(drawn.points[0][0], drawn.points[0][1]);
        assert!(drawn.points.iter().flatten().all(|at| (0.0..=1.0).contains(at)));
        let (above, below) = (drawn.points[1], drawn.points[3]);
        assert!((above[0] - above[1]).abs() <= drawn.band + 1e-12 && below[0] < below[1]);
        assert_eq!(drawn.ticks.iter().map(|tick| tick.0).collect::<Vec<_>>(), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(drawn.summary, "3 of 4 frames within ± 10 % of their prediction; mean error 27 %.");
    }

    #[test]
    fn nothing_and_nonsense_are_no_points() {
        assert!(scatter(&[]).points.is_empty());
        assert!(scatter(&[[f64::NAN, 1.0], [0.0, 1.0]]).points.is_empty());
        let one = scatter(&[[5.0, 5.0]]);
        assert!((0.2..0.8).contains(&one.points[0][0]), "{one:?}");
    }
}
