//! What a search has found, laid out: designs by latency (logarithmic) and accuracy, and the funnel in words.

use crate::format;
use cleave_wire::ui::{Design, Search};

/// Designs in a table.
pub const SHOWN: usize = 8;

/// Places in a square of side 1, from the lower left, in the order of the designs; and round milliseconds with theirs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Front {
    /// Latency across, accuracy up.
    pub points: Vec<[f64; 2]>,
    /// Milliseconds, and their place across.
    pub ticks: Vec<(f64, f64)>,
    /// Accuracy at the bottom and at the top, 0..=1.
    pub span: [f64; 2],
}

/// Lays designs out.
pub fn front(designs: &[Design]) -> Front {
    let latency = |design: &Design| design.latency_millis.max(1e-3);
    let (Some(least), Some(most)) =
        (designs.iter().map(latency).reduce(f64::min), designs.iter().map(latency).reduce(f64::max))
    else {
        return Front::default();
    };
    let (low, high) = ((least / 1.2).ln(), (most * 1.2).ln());
    let across = |millis: f64| (millis.ln() - low) / (high - low);
    let worst = designs.iter().map(|design| design.accuracy).fold(1.0, f64::min);
    let best = designs.iter().map(|design| design.accuracy).fold(0.0, f64::max);
    let span = [((worst - 0.02) * 20.0).floor() / 20.0, ((best + 0.02) * 20.0).ceil() / 20.0];
    let up = |accuracy: f64| (accuracy - span[0]) / (span[1] - span[0]);
    let decades = low.exp().log10().floor() as i32..=high.exp().log10().ceil() as i32;
    let round = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)));
    let shown = |millis: &f64| (0.0..=1.0).contains(&across(*millis));
    Front {
        points: designs.iter().map(|design| [across(latency(design)), up(design.accuracy)]).collect(),
        ticks: round.filter(shown).map(|millis| (millis, across(millis))).collect(),
        span,
    }
}

/// The best designs first.
pub fn best(designs: &[Design]) -> Vec<Design> {
    let mut sorted = designs.to_vec();
    sorted.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy).then(a.latency_millis.total_cmp(&b.latency_millis)));
    sorted.truncate(SHOWN);
    sorted
}

/// How many candidates came how far.
pub fn funnel(search: &Search) -> String {
    let count = |n: u64| format::count(n as usize);
    if let Some(binding) = search.binding.as_ref().filter(|_| !search.running) {
        return format!("{} candidates, none within the limits: {binding}.", count(search.drawn));
    }
    format!(
        "{}: {} of {} candidates drawn, {} valid, {} within the limits by the table, {} by the predictor, {} judged; {} \
         candidates/s.",
        if search.running { search.stage.as_str() } else { "Finished" },
        count(search.drawn),
        count(search.wanted),
        count(search.valid),
        count(search.by_table),
        count(search.by_predictor),
        count(search.evaluated),
        count(search.per_second.round() as u64)
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn design(accuracy: f64, latency_millis: f64) -> Design {
        Design {
            plan: format!("{accuracy} {latency_millis}"),
            accuracy,
            latency_millis,
            energy_millijoules: 1.0,
            device_peak_bytes: 1,
            edge_peak_bytes: 1,
            link_bytes: 1,
        }
    }

    #[test]
    fn a_front_fills_its_square() {
        let drawn = front(&[design(0.5, 1.0), design(0.9, 100.0), design(0.7, 10.0)]);
        assert!(drawn.points.iter().flatten().all(|at| (0.0..=1.0).contains(at)));
        assert!(drawn.points[0][0] < drawn.points[2][0] && drawn.points[2][0] < drawn.points[1][0]);
        assert_eq!(drawn.ticks.iter().map(|tick| tick.0).collect::<Vec<_>>(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(front(&[]), Front::default());
        assert!(front(&[design(0.5, 0.0)]).points[0].iter().all(|at| at.is_finite()));
    }

    #[test]
    fn the_most_accurate_come_first_and_equals_by_latency() {
        let sorted = best(&[design(0.5, 1.0), design(0.9, 5.0), design(0.9, 2.0)]);
        assert_eq!(sorted.iter().map(|design| design.latency_millis).collect::<Vec<_>>(), [2.0, 5.0, 1.0]);
    }
}
