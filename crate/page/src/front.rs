//! What a search has found, laid out: designs by latency (logarithmic) and accuracy, beside those of a kept run and the known
//! networks that they are held against; and the funnel in words.

use crate::format;
use cleave_contract::{Baseline, Binding, Design, Limit, Reference, Search};

/// Designs in a table before all are asked for.
pub const SHOWN: usize = 8;

/// More of a range than this is labelled at powers of ten only.
const WIDE: f64 = 300.0;

/// Places in a square of side 1, from the lower left: latency across, accuracy up; and round milliseconds with theirs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Front {
    /// In the order of the designs.
    pub points: Vec<[f64; 2]>,
    /// In the order of the kept run's designs.
    pub kept: Vec<[f64; 2]>,
    /// In the order of the references.
    pub references: Vec<Mark>,
    /// Milliseconds, and their place across.
    pub ticks: Vec<(f64, f64)>,
    /// Accuracy at the bottom and at the top, 0..=1.
    pub span: [f64; 2],
}

/// Where a reference stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Its latency's place.
    pub across: f64,
    /// Its accuracy's place, if that is known.
    pub up: Option<f64>,
}

/// Lays designs out, with those of a kept run and the references: all of them count for the axes.
pub fn front(designs: &[Design], kept: &[Design], references: &[Reference]) -> Front {
    let latency = |design: &Design| design.latency_ms.max(1e-3);
    let known = |design: &Design| Some(design.accuracy).filter(|accuracy| *accuracy >= 0.0);
    let all = || designs.iter().chain(kept).chain(references.iter().map(|reference| &reference.design));
    let (Some(least), Some(most)) = (all().map(latency).reduce(f64::min), all().map(latency).reduce(f64::max)) else {
        return Front::default();
    };
    let (low, high) = ((least / 1.2).ln(), (most * 1.2).ln());
    let across = |millis: f64| (millis.ln() - low) / (high - low);
    let worst = all().filter_map(known).reduce(f64::min).unwrap_or(0.0);
    let best = all().filter_map(known).reduce(f64::max).unwrap_or(1.0);
    let span = [((worst - 0.02) * 20.0).floor() / 20.0, ((best + 0.02) * 20.0).ceil() / 20.0];
    let up = |accuracy: f64| (accuracy - span[0]) / (span[1] - span[0]);
    let steps: &[f64] = if most / least > WIDE { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let decades = low.exp().log10().floor() as i32..=high.exp().log10().ceil() as i32;
    let round = decades.flat_map(|decade| steps.iter().map(move |step| step * 10f64.powi(decade)));
    let shown = |millis: &f64| (0.0..=1.0).contains(&across(*millis));
    let point = |design: &Design| [across(latency(design)), up(design.accuracy)];
    let mark = |reference: &Reference| Mark {
        across: across(latency(&reference.design)),
        up: known(&reference.design).map(up),
    };
    Front {
        points: designs.iter().map(point).collect(),
        kept: kept.iter().map(point).collect(),
        references: references.iter().map(mark).collect(),
        ticks: round.filter(shown).map(|millis| (millis, across(millis))).collect(),
        span,
    }
}

/// The best designs first.
pub fn best(designs: &[Design]) -> Vec<Design> {
    let mut sorted = designs.to_vec();
    sorted.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy).then(a.latency_ms.total_cmp(&b.latency_ms)));
    sorted
}

/// The first designs of a list, and after them the one on show if it comes later.
pub fn listed(designs: &[Design], most: usize, selected: Option<&str>) -> Vec<Design> {
    let is_shown = |(i, design): &(usize, &Design)| *i < most || selected == Some(design.plan.as_str());
    designs.iter().enumerate().filter(is_shown).map(|(_, design)| design.clone()).collect()
}

/// A reference's name.
pub fn baseline_words(baseline: Baseline) -> &'static str {
    match baseline {
        Baseline::OnDevice => "DGCNN on the device",
        Baseline::OnEdge => "DGCNN on the edge",
        Baseline::BestCut => "DGCNN at its best cut",
    }
}

/// The limit that binds: `latency binds: at most 5 ms is asked for, 7.125 ms was the lowest seen`.
pub fn binding_words(Binding { limit, bound, best }: Binding) -> String {
    let (what, unit) = match limit {
        Limit::Latency => ("latency", "ms"),
        Limit::Energy => ("energy on the device", "mJ"),
        Limit::DeviceMemory => ("peak memory on the device", "bytes"),
        Limit::EdgeMemory => ("peak memory on the edge", "bytes"),
        Limit::LinkBytes => ("what crosses the link", "bytes"),
    };
    format!("{what} binds: at most {bound} {unit} is asked for, {best:.3} {unit} was the lowest seen")
}

/// A reference in words: `DGCNN on the edge: 92.1 %, 103.5 ms`.
pub fn reference_words(reference: &Reference) -> String {
    let accuracy = match reference.design.accuracy {
        accuracy if accuracy >= 0.0 => format::percent(accuracy),
        _ => "accuracy unknown".into(),
    };
    format!("{}: {accuracy}, {}", baseline_words(reference.baseline), format::millis(reference.design.latency_ms))
}

/// How many candidates came how far.
pub fn funnel(search: &Search) -> String {
    let count = |n: u64| format::count(n as usize);
    let of_device =
        if search.slowdown == 1.0 { String::new() } else { format!("; device{}", format::slower(search.slowdown)) };
    if let Some(binding) = search.binding.filter(|_| !search.running) {
        let binding = binding_words(binding);
        return format!("{} candidates, none within the limits: {binding}{of_device}.", count(search.drawn));
    }
    format!(
        "{}: {} of {} candidates drawn, {} valid, {} within the limits by the table, {} by the predictor, {} judged on \
         {}; {} candidates/s{}.",
        if search.running { search.stage.as_str() } else { "Finished" },
        count(search.drawn),
        count(search.wanted),
        count(search.valid),
        count(search.by_table),
        count(search.by_predictor),
        count(search.evaluated),
        search.judged_on,
        count(search.per_second.round() as u64),
        of_device
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn design(accuracy: f64, latency_ms: f64) -> Design {
        Design {
            plan: format!("{accuracy} {latency_ms}"),
            accuracy,
            latency_ms,
            energy_millijoules: 1.0,
            device_peak_bytes: 1,
            edge_peak_bytes: 1,
            link_bytes: 1,
        }
    }

    pub(crate) fn reference(baseline: Baseline, accuracy: f64, latency_ms: f64) -> Reference {
        Reference { baseline, design: design(accuracy, latency_ms) }
    }

    #[test]
    fn a_front_fills_its_square() {
        let drawn = front(&[design(0.5, 1.0), design(0.9, 100.0), design(0.7, 10.0)], &[], &[]);
        assert!(drawn.points.iter().flatten().all(|at| (0.0..=1.0).contains(at)));
        assert!(drawn.points[0][0] < drawn.points[2][0] && drawn.points[2][0] < drawn.points[1][0]);
        assert_eq!(drawn.ticks.iter().map(|tick| tick.0).collect::<Vec<_>>(), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(front(&[], &[], &[]), Front::default());
        assert!(front(&[design(0.5, 0.0)], &[], &[]).points[0].iter().all(|at| at.is_finite()));
    }

    #[test]
    fn references_and_a_kept_run_widen_the_axes() {
        let found = [design(0.5, 10.0)];
        let alone = front(&found, &[], &[]);
        let drawn = front(&found, &[design(0.3, 20.0)], &[reference(Baseline::OnDevice, 0.96, 5_000.0)]);
        assert!(drawn.points[0][0] < alone.points[0][0], "a slow reference pushes the design to the left");
        assert_eq!(drawn.span, [0.25, 1.0]);
        let placed = [drawn.kept[0], [drawn.references[0].across, drawn.references[0].up.unwrap()]];
        assert!(placed.iter().flatten().all(|at| (0.0..=1.0).contains(at)), "{placed:?}");
        assert_eq!(drawn.ticks.iter().map(|tick| tick.0).collect::<Vec<_>>(), [10.0, 100.0, 1000.0]);
    }

    #[test]
    fn an_unknown_accuracy_has_a_latency_alone() {
        let drawn = front(&[design(0.5, 10.0)], &[], &[reference(Baseline::OnEdge, -1.0, 20.0)]);
        assert_eq!(drawn.references[0].up, None);
        assert_eq!(drawn.span, [0.45, 0.55], "it says nothing about accuracies");
        let only = front(&[], &[], &[reference(Baseline::OnEdge, -1.0, 20.0)]);
        assert!(only.references[0].across.is_finite() && only.span.iter().all(|at| at.is_finite()));
        assert_eq!(
            reference_words(&reference(Baseline::OnEdge, -1.0, 20.0)),
            "DGCNN on the edge: accuracy unknown, 20.0 ms"
        );
        assert_eq!(
            reference_words(&reference(Baseline::BestCut, 0.921, 20.0)),
            "DGCNN at its best cut: 92.1 %, 20.0 ms"
        );
    }

    #[test]
    fn the_design_on_show_is_always_in_the_table() {
        let designs: Vec<Design> = (0..5).map(|i| design(0.9 - 0.1 * f64::from(i), f64::from(i))).collect();
        let millis = |most, selected| -> Vec<f64> {
            listed(&designs, most, selected).iter().map(|design| design.latency_ms).collect()
        };
        assert_eq!(millis(2, None), [0.0, 1.0]);
        assert_eq!(millis(2, Some(designs[4].plan.as_str())), [0.0, 1.0, 4.0]);
        assert_eq!(millis(2, Some(designs[1].plan.as_str())), [0.0, 1.0]);
        assert_eq!(millis(usize::MAX, None).len(), 5);
    }

    #[test]
    fn the_most_accurate_come_first_and_equals_by_latency() {
        let sorted = best(&[design(0.5, 1.0), design(0.9, 5.0), design(0.9, 2.0)]);
        assert_eq!(sorted.iter().map(|design| design.latency_ms).collect::<Vec<_>>(), [2.0, 5.0, 1.0]);
    }
}
