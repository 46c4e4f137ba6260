//! Pareto fronts: the zoo of designs that none other beats in everything.

use crate::goal::Metrics;
use serde::{Deserialize, Serialize};

/// A network with its mapping, priced and judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Text form, communicates included.
    pub plan: String,
    /// Codec of what crosses.
    pub codec: String,
    /// Predicted cost.
    pub metrics: Metrics,
    /// Accuracy by the shared weights, 0..=1.
    pub accuracy: f64,
}

impl Design {
    /// What is minimised: 1 − accuracy, latency, energy, peak memory on the device.
    pub fn objectives(&self) -> [f64; 4] {
        objectives(&self.metrics, self.accuracy)
    }
}

pub(crate) fn objectives(metrics: &Metrics, accuracy: f64) -> [f64; 4] {
    [1.0 - accuracy, metrics.latency_ms, metrics.energy_mj, metrics.device_bytes as f64]
}

/// Not worse in anything and better in something.
pub(crate) fn dominates(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
}

/// Puts a design into a front and takes out what it beats; of equals the first stays. True if it was put in.
pub(crate) fn admit(front: &mut Vec<Design>, design: Design) -> bool {
    let new = design.objectives();
    let covered = |old: &Design| dominates(&old.objectives(), &new) || old.objectives() == new;
    if front.iter().any(covered) {
        return false;
    }
    front.retain(|old| !dominates(&new, &old.objectives()));
    front.push(design);
    true
}

/// Non-dominated sorting (Deb et al. 2002): the front of each point, from 0. `excess` is by how much a point breaks the
/// limits: one that breaks them less is better whatever else it is.
pub fn fronts(points: &[[f64; 4]], excess: &[f64]) -> Vec<usize> {
    let better = |a: usize, b: usize| {
        if excess[a] > 0.0 || excess[b] > 0.0 { excess[a] < excess[b] } else { dominates(&points[a], &points[b]) }
    };
    let n = points.len();
    let mut beaten_by: Vec<usize> = (0..n).map(|i| (0..n).filter(|j| better(*j, i)).count()).collect();
    let mut front = vec![usize::MAX; n];
    let mut level = 0;
    while front.contains(&usize::MAX) {
        let now: Vec<usize> = (0..n).filter(|i| front[*i] == usize::MAX && beaten_by[*i] == 0).collect();
        if now.is_empty() {
            break; // not reached: a finite order has a least element
        }
        for i in now {
            front[i] = level;
            (0..n).filter(|j| front[*j] == usize::MAX && better(i, *j)).for_each(|j| beaten_by[j] -= 1);
        }
        level += 1;
    }
    front
}

/// Crowding distance of each point among all that are given (Deb et al. 2002): the ends of every objective are infinite.
pub fn crowding(points: &[[f64; 4]]) -> Vec<f64> {
    let mut distance = vec![0.0; points.len()];
    for objective in 0..4 {
        let mut order: Vec<usize> = (0..points.len()).collect();
        order.sort_by(|a, b| points[*a][objective].total_cmp(&points[*b][objective]));
        let (Some(first), Some(last)) = (order.first().copied(), order.last().copied()) else { break };
        let span = points[last][objective] - points[first][objective];
        (distance[first], distance[last]) = (f64::INFINITY, f64::INFINITY);
        for window in order.windows(3) {
            distance[window[1]] += (points[window[2]][objective] - points[window[0]][objective]) / span.max(1e-12);
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_by_hand() {
        let points = [[1.0, 4.0, 0.0, 0.0], [4.0, 1.0, 0.0, 0.0], [2.0, 5.0, 0.0, 0.0], [5.0, 5.0, 0.0, 0.0]];
        assert_eq!(fronts(&points, &[0.0; 4]), [0, 0, 1, 2]);
        assert_eq!(fronts(&points, &[0.3, 0.0, 0.0, 0.1]), [2, 0, 0, 1]);
    }

    #[test]
    fn the_ends_are_never_crowded() {
        let points = [0.0, 1.0, 2.0, 10.0].map(|x| [x, 10.0 - x, 0.0, 0.0]);
        let distance = crowding(&points);
        assert!(distance[0].is_infinite() && distance[3].is_infinite());
        assert!(distance[2] > distance[1]);
    }

    #[test]
    fn an_archive_keeps_what_nothing_beats() {
        let design = |accuracy: f64, latency_ms: f64| Design {
            plan: format!("{accuracy} {latency_ms}"),
            codec: "f32".into(),
            metrics: Metrics { latency_ms, ..Metrics::default() },
            accuracy,
        };
        let mut front = Vec::new();
        assert!(admit(&mut front, design(0.8, 10.0)));
        assert!(!admit(&mut front, design(0.8, 10.0)) && !admit(&mut front, design(0.7, 11.0)));
        assert!(admit(&mut front, design(0.7, 5.0)));
        assert!(admit(&mut front, design(0.9, 4.0)));
        assert_eq!(front.len(), 1);
    }
}
