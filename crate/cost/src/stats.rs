//! From repeated measurements to one figure: the 1.5 × IQR filter of GCoDE, the mean, and how sure it is.

/// A measured time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean of the runs that passed the filter, milliseconds.
    pub ms: f64,
    /// Half the width of its 95 % confidence interval, milliseconds.
    pub half_width: f64,
    /// Runs that passed the filter.
    pub kept: usize,
}

/// Runs below which no interval is believed.
const FEWEST: usize = 3;

/// Filters the runs (GCoDE: keep what lies within 1.5 interquartile ranges of the quartiles) and takes their mean;
/// `None` without runs.
pub fn estimate(runs: &[f64]) -> Option<Estimate> {
    let mut sorted: Vec<f64> = runs.iter().copied().filter(|ms| ms.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (quantile(&sorted, 0.25)?, quantile(&sorted, 0.75)?);
    let reach = 1.5 * (high - low);
    sorted.retain(|ms| (low - reach..=high + reach).contains(ms));
    let kept = sorted.len();
    let ms = sorted.iter().sum::<f64>() / kept as f64;
    let variance = sorted.iter().map(|run| (run - ms).powi(2)).sum::<f64>() / (kept.max(2) - 1) as f64;
    let half_width = if kept < FEWEST { f64::INFINITY } else { student(kept - 1) * (variance / kept as f64).sqrt() };
    Some(Estimate { ms, half_width, kept })
}

impl Estimate {
    /// Half the interval's width as a part of the mean; 0 for a mean of 0.
    pub fn relative(&self) -> f64 {
        if self.ms > 0.0 { self.half_width / self.ms } else { 0.0 }
    }
}

/// The value below which a part `q` of the sorted values lies, linear between neighbours; `None` without values.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let place = q * sorted.len().checked_sub(1)? as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = sorted.get(below + 1).unwrap_or(&sorted[below]);
    Some(sorted[below] + part * (above - sorted[below]))
}

/// The middle of values in any order; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Student's t for a two-sided 95 % interval: exact to 1.5 % for two degrees of freedom and more (a fit to the table).
fn student(degrees: usize) -> f64 {
    let d = degrees as f64;
    1.96 + 2.37 / d + 2.82 / (d * d) + 2.56 / d.powi(3) + 3.0 / d.powi(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_does_not_count() {
        let found = estimate(&[1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 40.0]).unwrap();
        assert_eq!(found.kept, 6);
        assert!((found.ms - 1.0).abs() < 1e-9, "{found:?}");
        assert!(found.relative() < 0.1);
    }

    #[test]
    fn little_is_not_believed_and_nothing_is_nothing() {
        assert_eq!(estimate(&[]), None);
        assert_eq!(estimate(&[f64::NAN]), None);
        assert_eq!(estimate(&[2.0, 2.0]).unwrap().half_width, f64::INFINITY);
        assert_eq!(estimate(&[2.0; 5]).unwrap().half_width, 0.0);
    }

    #[test]
    fn the_interval_is_students() {
        for (degrees, t) in [(2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042)] {
            assert!((student(degrees) / t - 1.0).abs() < 0.015, "{degrees}: {}", student(degrees));
        }
    }

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), Some(2.5));
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
    }
}
