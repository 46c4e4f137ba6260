//! The strategies over set-up times: lines in a square, their labels, and where IOP wins and loses, in words.

use super::{BASE, words};
use crate::format;
use crate::scatter::ticks;
use crate::timeline::tick;
use cleave_contract::{PartitionStrategy, Partitions};

/// More between the fastest and the slowest than this makes the times' axis logarithmic.
const WIDE: f64 = 20.0;

/// Labels are apart by this part of the square's height.
const APART: f64 = 0.075;

/// A difference below this part counts as none.
const EQUAL: f64 = 5e-4;

/// The drawing: places in a square of side 1, from the lower left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep {
    /// In the order of the plans.
    pub lines: Vec<Line>,
    /// Set-up times and their places.
    pub across: Vec<(f64, f64)>,
    /// Milliseconds and their places.
    pub up: Vec<(f64, f64)>,
    /// Where the set-up time of the request is, if that is within.
    pub asked: Option<f64>,
}

/// A strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Which.
    pub strategy: PartitionStrategy,
    /// Its stretches: where there is no plan the line is broken.
    pub stretches: Vec<Vec<[f64; 2]>>,
    /// Height of its label; absent where it has no points.
    pub label: Option<f64>,
}

/// Lays the sweep out.
pub fn sweep(partitions: &Partitions) -> Sweep {
    let points = &partitions.sweep;
    let millis = || points.iter().flat_map(|point| &point.millis).flatten().copied().filter(|ms| *ms > 0.0);
    let (Some(least), Some(most)) = (millis().reduce(f64::min), millis().reduce(f64::max)) else {
        return Sweep::default();
    };
    let (first, last) = (points.first().map_or(0.0, |p| p.setup_ms), points.last().map_or(0.0, |p| p.setup_ms));
    let along = |setup: f64| (setup - first) / (last - first).max(1e-9);
    let (low, high) = if most / least > WIDE { (least / 1.2, most * 1.2) } else { (0.0, most * 1.05) };
    let up = |ms: f64| if low > 0.0 { (ms / low).ln() / (high / low).ln() } else { ms / high };
    let place = |(setup, ms): (f64, Option<f64>)| ms.filter(|ms| *ms > 0.0).map(|ms| [along(setup), up(ms)]);
    let line = |(i, strategy): (usize, PartitionStrategy)| {
        let all = points.iter().map(|point| (point.setup_ms, point.millis.get(i).copied().flatten()));
        let places: Vec<Option<[f64; 2]>> = all.map(place).collect();
        let stretches = places.split(Option::is_none).map(|part| part.iter().flatten().copied().collect());
        let stretches: Vec<Vec<[f64; 2]>> = stretches.filter(|part: &Vec<_>| !part.is_empty()).collect();
        let label = stretches.last().and_then(|part| part.last()).map(|end| end[1]);
        Line { strategy, stretches, label }
    };
    let strategies = partitions.plans.iter().map(|plan| plan.strategy);
    let mut lines: Vec<Line> = strategies.enumerate().map(line).collect();
    spread(&mut lines);
    let round = if low > 0.0 { ticks(low, high) } else { even(tick(high), 0.0, high) };
    let setups = even(tick((last - first).max(1e-9)), first, last);
    let asked = along(partitions.request.setup_ms);
    Sweep {
        lines,
        across: setups.into_iter().map(|setup| (setup, along(setup))).collect(),
        up: round.into_iter().map(|ms| (ms, up(ms))).collect(),
        asked: (0.0..=1.0).contains(&asked).then_some(asked),
    }
}

/// Multiples of a step within a range.
fn even(step: f64, low: f64, high: f64) -> Vec<f64> {
    let (first, last) = ((low / step).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).take(50).map(|i| i as f64 * step).collect()
}

/// Moves labels apart that would lie on each other: upwards from the lowest, and down again from the top.
fn spread(lines: &mut [Line]) {
    let mut labels: Vec<&mut f64> = lines.iter_mut().filter_map(|line| line.label.as_mut()).collect();
    labels.sort_by(|a, b| a.total_cmp(b));
    let mut least = 0.0;
    for label in &mut labels {
        **label = label.max(least);
        least = **label + APART;
    }
    let mut most = 1.0;
    for label in labels.iter_mut().rev() {
        **label = label.min(most);
        most = **label - APART;
    }
}

/// A stretch as a polyline's points, by the drawing's own scales.
pub fn polyline(stretch: &[[f64; 2]], across: impl Fn(f64) -> f64, up: impl Fn(f64) -> f64) -> String {
    let points: Vec<String> = stretch.iter().map(|[x, y]| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
    points.join(" ")
}

/// At which set-up times IOP wins against CoEdge and where it loses.
pub fn summary(partitions: &Partitions) -> String {
    let place = |strategy: PartitionStrategy| partitions.plans.iter().position(|plan| plan.strategy == strategy);
    let (Some(iop), Some(base)) = (place(PartitionStrategy::Iop), place(BASE)) else { return String::new() };
    let differences: Vec<(f64, f64)> = partitions
        .sweep
        .iter()
        .filter_map(|point| {
            let of = |i: usize| point.millis.get(i).copied().flatten().filter(|ms| *ms > 0.0);
            Some((point.setup_ms, of(iop)? / of(base)? - 1.0))
        })
        .collect();
    if differences.is_empty() {
        return format!("IOP and {} cannot be compared: one of them has no plan.", words(BASE));
    }
    let wins = where_it_is(&differences, |difference| difference < -EQUAL);
    let loses = where_it_is(&differences, |difference| difference > EQUAL);
    let told = |words: Option<String>| words.unwrap_or_else(|| "nowhere".into());
    format!("Predicted, by set-up time: IOP wins against {} {}; it loses {}.", words(BASE), told(wins), told(loses))
}

/// `at 2 to 20 ms (by up to 12 %, at 20 ms)`: the neighbouring set-up times for which it holds, and the greatest difference.
fn where_it_is(differences: &[(f64, f64)], holds: impl Fn(f64) -> bool) -> Option<String> {
    let runs = differences.chunk_by(|a, b| holds(a.1) == holds(b.1)).filter(|run| holds(run[0].1));
    let words: Vec<String> = runs
        .map(|run| match (run[0].0, run[run.len() - 1].0) {
            (first, last) if first == last => format!("{first} ms"),
            (first, last) => format!("{first} to {last} ms"),
        })
        .collect();
    let own = differences.iter().filter(|(_, difference)| holds(*difference));
    let (setup, most) = own.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    Some(format!("at {} (by up to {}, at {setup} ms)", words.join(" and "), format::percent(most.abs())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::tests::{partitions, plan};
    use cleave_contract::PartitionStrategy::{CoEdge, Iop};
    use cleave_contract::SetupPoint;

    fn swept(points: &[(f64, [Option<f64>; 2])]) -> Partitions {
        let mut told = partitions(vec![plan(CoEdge, 10.0), plan(Iop, 9.0)]);
        let point =
            |(setup_ms, millis): &(f64, [Option<f64>; 2])| SetupPoint { setup_ms: *setup_ms, millis: millis.to_vec() };
        told.sweep = points.iter().map(point).collect();
        told
    }

    #[test]
    fn lines_fill_the_square_and_break_where_there_is_no_plan() {
        let told =
            swept(&[(0.0, [Some(10.0), Some(11.0)]), (5.0, [None, Some(12.0)]), (10.0, [Some(20.0), Some(13.0)])]);
        let drawn = sweep(&told);
        assert_eq!([drawn.lines[0].stretches.len(), drawn.lines[1].stretches.len()], [2, 1]);
        assert!(
            drawn
                .lines
                .iter()
                .flat_map(|line| line.stretches.iter().flatten().flatten())
                .all(|at| (0.0..=1.0).contains(at))
        );
        assert_eq!((drawn.up[0], drawn.across[0], drawn.asked), ((0.0, 0.0), (0.0, 0.0), Some(0.5)));
        assert_eq!(drawn.across.last(), Some(&(10.0, 1.0)));
    }

    #[test]
    fn a_wide_range_is_logarithmic_and_nothing_is_an_empty_drawing() {
        let drawn = sweep(&swept(&[(0.0, [Some(1.0), Some(2.0)]), (20.0, [Some(1_000.0), Some(100.0)])]));
        assert_eq!(drawn.up.iter().map(|tick| tick.0).collect::<Vec<_>>(), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(sweep(&swept(&[])), Sweep::default());
        assert_eq!(sweep(&swept(&[(0.0, [None, None])])), Sweep::default());
        let alone = sweep(&swept(&[(0.0, [Some(1.0), None])]));
        assert!(alone.across.len() < 60 && alone.lines[1].label.is_none());
    }

    #[test]
    fn labels_do_not_lie_on_each_other() {
        let line = |label| Line { strategy: Iop, stretches: vec![], label: Some(label) };
        let mut lines = [line(0.99), line(0.5), line(0.98), line(0.51)];
        spread(&mut lines);
        let labels = lines.map(|line| line.label.unwrap());
        assert!((labels[1] - 0.5).abs() < 1e-9 && (labels[3] - 0.575).abs() < 1e-9, "{labels:?}");
        assert!(labels[0] <= 1.0 && labels[0] - labels[2] >= APART - 1e-9, "{labels:?}");
    }

    #[test]
    fn the_summary_says_where_iop_wins_and_where_it_loses() {
        let told = swept(&[
            (0.0, [Some(10.0), Some(10.5)]),
            (1.0, [Some(10.0), Some(10.0)]),
            (2.0, [Some(10.0), Some(9.0)]),
            (20.0, [Some(10.0), Some(8.0)]),
        ]);
        let expected = "Predicted, by set-up time: IOP wins against CoEdge (rows) at 2 to 20 ms (by up to 20.0 %, at 20 \
                        ms); it loses at 0 ms (by up to 5.0 %, at 0 ms).";
        assert_eq!(summary(&told), expected);
        assert!(summary(&swept(&[(0.0, [Some(1.0), Some(2.0)])])).contains("wins against CoEdge (rows) nowhere"));
        assert!(summary(&swept(&[(0.0, [Some(1.0), None])])).contains("cannot be compared"));
    }

    #[test]
    fn a_stretch_is_written_in_the_drawing_s_units() {
        assert_eq!(polyline(&[[0.0, 0.0], [1.0, 0.5]], |x| 10.0 * x, |y| 10.0 - y), "0.0,10.0 10.0,9.5");
    }
}
