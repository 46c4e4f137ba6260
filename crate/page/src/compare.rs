//! Two searches side by side: what each was asked for, how far it came and how much of the plane its designs dominate.

use crate::format;
use crate::state::shared::Shared;
use cleave_contract::{Design, Search, SearchRequest, Strategy};

/// A search with what it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Unknown for a search that somebody else began and did not describe.
    pub request: Option<SearchRequest>,
    /// How far it came and what it found.
    pub search: Shared<Search>,
}

/// One line of the table: its name and both runs' values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is compared.
    pub name: &'static str,
    /// The kept run, then the present one.
    pub values: [String; 2],
}

/// Room beyond the slowest design, so that it dominates something too.
const MARGIN: f64 = 1.1;

/// The point that both runs' designs are measured from: milliseconds a little beyond the slowest, and no accuracy at all.
pub fn reference_point(runs: [&Recorded; 2]) -> [f64; 2] {
    let designs = runs.into_iter().flat_map(|run| &run.search.designs);
    let slowest = designs.map(|design| design.latency_ms).filter(|millis| millis.is_finite()).fold(0.0, f64::max);
    [MARGIN * slowest, 0.0]
}

/// The area between a point of high latency and low accuracy and the designs that are better in both: each
/// `[milliseconds, accuracy]`; what is not better in both adds nothing (Zitzler and Thiele 1999).
pub fn hypervolume(designs: &[[f64; 2]], [most_ms, least_accuracy]: [f64; 2]) -> f64 {
    let mut better: Vec<[f64; 2]> = designs.to_vec();
    better.retain(|[millis, accuracy]| *millis < most_ms && *accuracy > least_accuracy);
    better.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let (mut area, mut height) = (0.0, least_accuracy);
    for [millis, accuracy] in better {
        if accuracy > height {
            area += (most_ms - millis) * (accuracy - height);
            height = accuracy;
        }
    }
    area
}

/// The part of the rectangle from the reference point to no time and full accuracy that a run's designs dominate, 0..=1.
fn dominated(run: &Recorded, reference: [f64; 2]) -> f64 {
    let points: Vec<[f64; 2]> = run.search.designs.iter().map(|d| [d.latency_ms, d.accuracy]).collect();
    let all = reference[0] * (1.0 - reference[1]);
    if all > 0.0 { hypervolume(&points, reference) / all } else { 0.0 }
}

/// The table of two runs.
pub fn lines(runs: [&Recorded; 2]) -> Vec<Line> {
    let reference = reference_point(runs);
    let line = |name, read: &dyn Fn(&Recorded) -> String| Line { name, values: runs.map(read) };
    let asked =
        |read: fn(&SearchRequest) -> String| move |run: &Recorded| run.request.as_ref().map_or_else(unknown, read);
    let counted = |read: fn(&Search) -> u64| move |run: &Recorded| format::count(read(&run.search) as usize);
    vec![
        line("strategy", &asked(|request| strategy(request.strategy).into())),
        line("seed", &asked(|request| request.seed.to_string())),
        line("limits", &asked(limits)),
        line("candidates", &counted(|search| search.drawn)),
        line("judged", &counted(|search| search.evaluated)),
        line("judged on", &|run| run.search.judged_on.clone()),
        line("candidates/s", &counted(|search| search.per_second.round() as u64)),
        line("designs", &counted(|search| search.designs.len() as u64)),
        line("best accuracy", &|run| best(run, |d| d.accuracy, f64::max, format::percent)),
        line("least latency", &|run| best(run, |d| d.latency_ms, f64::min, format::millis)),
        line("hypervolume", &|run| format!("{:.3}", dominated(run, reference))),
    ]
}

/// What the hypervolume is measured from, in words.
pub fn footnote(runs: [&Recorded; 2]) -> String {
    let [millis, _] = reference_point(runs);
    format!(
        "Hypervolume: the part of the plane from 0 to {} and from 0 to 100 % that a run's designs dominate.",
        format::millis(millis)
    )
}

fn unknown() -> String {
    "–".into()
}

fn best(run: &Recorded, read: fn(&Design) -> f64, better: fn(f64, f64) -> f64, show: fn(f64) -> String) -> String {
    run.search.designs.iter().map(read).reduce(better).map_or_else(unknown, show)
}

/// A strategy as people call it.
pub fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Random => "random (after GCoDE)",
        Strategy::Stages => "stages (after HGNAS)",
        Strategy::Nsga => "NSGA-II",
    }
}

/// The limits of a request: `≤ 30 ms, ≤ 5 MB`, or `none`.
pub fn limits(request: &SearchRequest) -> String {
    let limit = |value: Option<f64>, unit: &str| value.map(|value| format!("≤ {value} {unit}"));
    let all = [
        limit(request.latency_ms, "ms"),
        limit(request.energy_millijoules, "mJ"),
        limit(request.device_megabytes, "MB"),
    ];
    let set: Vec<String> = all.into_iter().flatten().collect();
    if set.is_empty() { "none".into() } else { set.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::tests::design;
    use crate::state::tests::{request, search};

    fn recorded(designs: Vec<Design>) -> Recorded {
        Recorded { request: Some(request()), search: Shared::new(Search { designs, ..search(false) }) }
    }

    #[test]
    fn the_dominated_area_is_a_staircase() {
        // From [10 ms, 0]: 8 × 0.5, then 5 × 0.3 on top of it.
        let area = hypervolume(&[[5.0, 0.8], [2.0, 0.5]], [10.0, 0.0]);
        assert!((area - (8.0 * 0.5 + 5.0 * 0.3)).abs() < 1e-12, "{area}");
    }

    #[test]
    fn what_is_dominated_or_beyond_the_reference_adds_nothing() {
        let front = [[2.0, 0.5], [5.0, 0.8]];
        let more = [[2.0, 0.5], [5.0, 0.8], [6.0, 0.7], [2.0, 0.5], [11.0, 0.9], [1.0, 0.0], [f64::NAN, 0.9]];
        assert_eq!(hypervolume(&more, [10.0, 0.0]), hypervolume(&front, [10.0, 0.0]));
        assert_eq!(hypervolume(&[], [10.0, 0.0]), 0.0);
        assert_eq!(hypervolume(&[[2.0, 0.5]], [10.0, 0.4]), 8.0 * (0.5 - 0.4));
    }

    #[test]
    fn both_runs_are_measured_from_the_same_point() {
        let (few, more) = (recorded(vec![design(0.5, 20.0)]), recorded(vec![design(0.5, 20.0), design(0.9, 100.0)]));
        assert_eq!(reference_point([&few, &more]), reference_point([&more, &few]));
        assert!((reference_point([&few, &more])[0] - 110.0).abs() < 1e-9);
        let [worse, better] = lines([&few, &more])[10].values.clone();
        // 90 of 110 ms at 0.5, and 10 of 110 ms at 0.4 more.
        assert_eq!([worse.as_str(), better.as_str()], ["0.409", "0.445"]);
        assert!(footnote([&few, &more]).contains("110.0 ms"));
        let nothing = recorded(vec![]);
        assert_eq!(lines([&nothing, &nothing])[10].values, ["0.000", "0.000"]);
    }

    #[test]
    fn the_table_says_what_each_run_was_and_found() {
        let mut other = recorded(vec![]);
        other.request = None;
        let lines = lines([&recorded(vec![design(0.5, 20.0), design(0.9, 100.0)]), &other]);
        let of = |name: &str| lines.iter().find(|line| line.name == name).unwrap().values.clone();
        assert_eq!(of("strategy"), ["NSGA-II", "–"]);
        assert_eq!(of("limits"), ["≤ 10 ms", "–"]);
        assert_eq!(of("judged on"), ["generated furniture", "generated furniture"]);
        assert_eq!(of("designs"), ["2", "0"]);
        assert_eq!(of("best accuracy"), ["90.0 %", "–"]);
        assert_eq!(of("least latency"), ["20.0 ms", "–"]);
        assert_eq!(limits(&SearchRequest { latency_ms: None, ..request() }), "none");
    }
}
