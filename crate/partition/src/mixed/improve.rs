//! Small changes of a partition while they lower the simulated time: units between workers, single operators, pairs.

use cleave_graph::{Partition, Reduce, Shares, Split, Step};
use std::ops::Range;

use super::space::Space;
use super::{Candidate, Judge, units};

/// Parts of all units that are moved from one worker to another.
const MOVED: [f64; 4] = [0.2, 0.05, 0.0125, 0.003];
/// Less than this part of the time is no gain.
const LEAST_GAIN: f64 = 1e-6;

/// Improves a candidate while something gets better and tries are left.
pub(super) fn improve(judge: &mut Judge, space: &Space, best: &mut Candidate) {
    loop {
        let before_ms = best.ms;
        for segment in segments(&best.partition) {
            move_units(judge, best, segment);
        }
        change_steps(judge, space, best);
        for at in 0..best.partition.steps.len() {
            if matches!(best.partition.steps[at].split, Split::Rows(_)) {
                move_units(judge, best, at..at + 1);
            }
        }
        if judge.tries == 0 || best.ms > before_ms * (1.0 - LEAST_GAIN) {
            return;
        }
    }
}

/// Takes the partition if it is better, and tells.
fn take(judge: &mut Judge, best: &mut Candidate, partition: Partition) -> bool {
    if partition == best.partition {
        return false;
    }
    let better = judge.judge(partition).filter(|candidate| candidate.ms < best.ms * (1.0 - LEAST_GAIN));
    better.map(|candidate| *best = candidate).is_some()
}

/// Operators whose shares change together: rows, and output channels with the input channels that read them.
fn segments(partition: &Partition) -> Vec<Range<usize>> {
    let mut segments: Vec<Range<usize>> = Vec::new();
    for (at, step) in partition.steps.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &partition.steps[before].split);
        let goes_on = matches!(
            (before, &step.split),
            (Some(Split::Rows(_)), Split::Rows(_)) | (Some(Split::Outputs(_)), Split::Inputs(_))
        );
        match segments.last_mut().filter(|_| goes_on) {
            Some(segment) => segment.end = at + 1,
            None => segments.push(at..at + 1),
        }
    }
    segments.retain(|segment| units(&partition.steps[segment.start].split).is_some());
    segments
}

/// Parts of the workers, by the step of a segment that has most units.
fn parts(partition: &Partition, segment: &Range<usize>) -> Vec<f64> {
    let all = partition.steps[segment.clone()].iter().filter_map(|step| units(&step.split));
    let finest = all.max_by_key(|units| units.iter().sum::<usize>()).unwrap_or_default();
    let total = finest.iter().sum::<usize>().max(1) as f64;
    finest.iter().map(|units| *units as f64 / total).collect()
}

fn move_units(judge: &mut Judge, best: &mut Candidate, segment: Range<usize>) {
    let workers = best.partition.workers;
    let pairs: Vec<(usize, usize)> =
        (0..workers).flat_map(|from| (0..workers).map(move |to| (from, to))).filter(|(from, to)| from != to).collect();
    for moved in MOVED {
        for (from, to) in &pairs {
            loop {
                let mut parts = parts(&best.partition, &segment);
                let part = moved.min(parts[*from]);
                parts[*from] -= part;
                parts[*to] += part;
                if part <= 0.0 || !take(judge, best, with_parts(&best.partition, &segment, &parts)) {
                    break;
                }
            }
        }
    }
}

fn with_parts(partition: &Partition, segment: &Range<usize>, parts: &[f64]) -> Partition {
    let mut partition = partition.clone();
    for step in &mut partition.steps[segment.clone()] {
        if let Split::Outputs(shares) | Split::Inputs(shares) | Split::Rows(shares) = &mut step.split {
            *shares = Shares::by_weight(shares.total(), parts);
        }
        if let Reduce::Scatter(shares) = &mut step.reduce {
            *shares = Shares::by_weight(shares.total(), parts);
        }
    }
    partition
}

/// Other steps for one operator, other shares for a pair.
fn change_steps(judge: &mut Judge, space: &Space, best: &mut Candidate) {
    for at in 0..space.levels.len() {
        for choice in &space.levels[at].choices {
            let mut partition = best.partition.clone();
            partition.steps[at] = choice.step.clone();
            take(judge, best, partition);
            let (Split::Outputs(shares), Some(next)) = (&choice.step.split, space.levels.get(at + 1)) else { continue };
            let pair = Step::new(Split::Inputs(shares.clone()));
            if next.choices.iter().any(|choice| choice.step == pair) {
                let mut partition = best.partition.clone();
                partition.steps[at] = choice.step.clone();
                partition.steps[at + 1] = pair;
                take(judge, best, partition);
            }
        }
        if judge.tries == 0 {
            return;
        }
    }
}
