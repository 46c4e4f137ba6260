//! Measured pairs: a plan, and what real frames of it took on a pair of machines whose profile stands beside. What a
//! predictor is trained on and judged by, as a file.

use crate::profile::{Profile, ProfileError};
use crate::stats::median;
use cleave_arch::{ArchError, Architecture, LinkCodec, Op, Plan, SplitMix64, Task, space};
use serde::{Deserialize, Serialize};

/// First field of every file.
pub const PAIRS_FORMAT: &str = "cleave-pairs";

/// Rows of one pair of machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// [`PAIRS_FORMAT`].
    pub format: String,
    /// Version of the profile and of the rows.
    pub version: u32,
    /// The machines, for people: `Chromium wasm, native edge`.
    pub pair: String,
    /// Imposed rate of both directions, megabits per second; 0: none.
    pub mbps: f64,
    /// Imposed one-way delay, milliseconds.
    pub delay_ms: f64,
    /// Seed of the plans.
    pub seed: u64,
    /// What the machines are.
    pub profile: Profile,
    /// One per plan.
    pub rows: Vec<Row>,
}

/// One plan's frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its text form.
    pub plan: String,
    /// Its codec.
    pub codec: String,
    /// Milliseconds of every frame: on the device, up, on the edge, down, and in all.
    pub runs: Vec<[f64; 5]>,
}

impl Row {
    /// The plan.
    ///
    /// # Errors
    /// What is wrong with its text.
    pub fn plan(&self) -> Result<Plan, ArchError> {
        Ok(self.plan.parse::<Plan>()?.with_codec(self.codec.parse::<LinkCodec>()?))
    }

    /// Median latency, milliseconds.
    pub fn latency_ms(&self) -> f64 {
        median(&self.runs.iter().map(|run| run[4]).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    }
}

impl Pairs {
    /// Reads a file.
    ///
    /// # Errors
    /// What the file is instead; the first row that is no plan or has no frame.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let damaged = |why: String| ProfileError::Damaged { why };
        let pairs: Self = serde_json::from_str(text).map_err(|why| damaged(why.to_string()))?;
        if pairs.format != PAIRS_FORMAT {
            return Err(ProfileError::Foreign { found: format!("\"{}\"", pairs.format) });
        }
        for (at, row) in pairs.rows.iter().enumerate() {
            row.plan().map_err(|why| damaged(format!("row {at}: {why}")))?;
            if !row.latency_ms().is_finite() {
                return Err(damaged(format!("row {at} has no finite latency")));
            }
        }
        Ok(pairs)
    }
}

/// Random plans for measuring: uniform draws from the published space with all functions, of which those are kept that
/// are graph networks (an aggregate reads a graph) and that a device and a 40 Mbps link finish in seconds: at most 2 M
/// weights, 5 GFLOP, 2 MB at any cut.
pub fn draw_plans(count: usize, seed: u64, task: &Task) -> Vec<Plan> {
    let mut rng = SplitMix64::new(seed);
    let is_wanted = |plan: &Plan| {
        let trace = plan.architecture().trace(task);
        let cut = |at: &usize| trace.cut_bytes(*at, plan.codec().codec) <= 2_000_000;
        has_aggregate(plan.architecture())
            && trace.params() <= 2_000_000
            && trace.flops() <= 5_000_000_000
            && plan.crossings().iter().all(cut)
    };
    std::iter::repeat_with(|| space::draw(&mut rng)).filter(is_wanted).take(count).collect()
}

fn has_aggregate(architecture: &Architecture) -> bool {
    architecture.ops().iter().any(|op| matches!(op, Op::Aggregate { .. }))
}

/// How good predictions are, by the measures of GCoDE's own test log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Mean absolute percentage error, percent.
    pub mape: f64,
    /// Percent of the predictions within ± 5 % of the measurement.
    pub within_5: f64,
    /// Percent within ± 10 %.
    pub within_10: f64,
    /// Percent of all pairs that prediction and measurement order alike.
    pub pairwise: f64,
    /// Rank correlation.
    pub spearman: f64,
    /// Predictions.
    pub n: usize,
}

impl Accuracy {
    /// Of predictions and measurements, milliseconds, in the same order.
    pub fn of(predicted: &[f64], measured: &[f64]) -> Self {
        let n = predicted.len().min(measured.len());
        let errors: Vec<f64> = predicted.iter().zip(measured).map(|(p, m)| (p / m - 1.0).abs()).collect();
        let percent = |count: usize, of: usize| 100.0 * count as f64 / of.max(1) as f64;
        let within = |bound: f64| percent(errors.iter().filter(|error| **error <= bound).count(), n);
        let mut alike = 0;
        for i in 0..n {
            alike += (0..i).filter(|j| (predicted[i] - predicted[*j]) * (measured[i] - measured[*j]) > 0.0).count();
        }
        let (ranks_p, ranks_m) = (ranks(predicted), ranks(measured));
        let squares: f64 = ranks_p.iter().zip(&ranks_m).map(|(p, m)| (p - m).powi(2)).sum();
        let size = n as f64;
        Self {
            mape: 100.0 * errors.iter().sum::<f64>() / size.max(1.0),
            within_5: within(0.05),
            within_10: within(0.10),
            pairwise: percent(alike, n * n.saturating_sub(1) / 2),
            spearman: 1.0 - 6.0 * squares / (size * (size * size - 1.0)).max(1.0),
            n,
        }
    }

    /// What the machine's own noise leaves of a perfect prediction of one frame: every plan's first frame as the
    /// prediction of the median of its others.
    pub fn of_a_frame(rows: &[Row]) -> Self {
        Self::repeated(rows, 1)
    }

    /// How far the halves of every plan's frames are apart: the median of the first as the prediction of that of the
    /// others. It overstates the noise in the median of all frames, which predictions are held against: by about two where
    /// frames err independently, by more where the machine drifts. So it excuses no prediction that misses a bar.
    pub fn of_half_the_frames(rows: &[Row]) -> Self {
        Self::repeated(rows, rows.iter().map(|row| row.runs.len()).min().unwrap_or(0) / 2)
    }

    fn repeated(rows: &[Row], first: usize) -> Self {
        let middle = |runs: &[[f64; 5]]| median(&runs.iter().map(|run| run[4]).collect::<Vec<_>>()).unwrap_or(f64::NAN);
        let parts = rows.iter().filter(|row| row.runs.len() >= 3).map(|row| row.runs.split_at(first));
        let (predicted, measured): (Vec<f64>, Vec<f64>) =
            parts.map(|(first, others)| (middle(first), middle(others))).unzip();
        Self::of(&predicted, &measured)
    }
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for (rank, at) in order.into_iter().enumerate() {
        ranks[at] = rank as f64;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_by_hand() {
        let found = Accuracy::of(&[10.9, 20.0, 39.0, 28.0], &[10.0, 20.0, 30.0, 40.0]);
        assert!((found.mape - (9.0 + 0.0 + 30.0 + 30.0) / 4.0).abs() < 1e-9, "{found:?}");
        assert_eq!((found.within_5, found.within_10, found.n), (25.0, 50.0, 4));
        assert!((found.pairwise - 100.0 * 5.0 / 6.0).abs() < 1e-9 && (found.spearman - 0.8).abs() < 1e-9);
    }

    #[test]
    fn draws_are_graph_networks_of_a_seed() {
        let task = Task::modelnet10();
        let plans = draw_plans(40, 3, &task);
        assert_eq!(plans.len(), 40);
        assert_eq!(plans, draw_plans(40, 3, &task));
        assert_ne!(plans, draw_plans(40, 4, &task));
        assert!(plans.iter().all(|plan| has_aggregate(plan.architecture())));
        assert!(plans.iter().any(|plan| plan.crossings().len() == 2));
        assert!(plans.iter().any(|plan| plan.crossings().is_empty()));
    }

    #[test]
    fn a_file_that_is_none_is_told_so() {
        let pairs = Pairs {
            format: PAIRS_FORMAT.into(),
            version: 1,
            pair: "a, b".into(),
            mbps: 40.0,
            delay_ms: 0.0,
            seed: 1,
            profile: Profile::default(),
            rows: vec![Row {
                plan: "3 2 4,0 0 0".into(),
                codec: "f32".into(),
                runs: vec![[1.0, 0.0, 0.0, 0.0, 1.5]; 3],
            }],
        };
        let json = serde_json::to_string(&pairs).unwrap();
        assert_eq!(Pairs::from_json(&json).unwrap(), pairs);
        assert_eq!(pairs.rows[0].latency_ms(), 1.5);
        let error = |text: &str| Pairs::from_json(text).unwrap_err().to_string();
        assert!(error("{}").contains("damaged"));
        assert!(error(&json.replace(PAIRS_FORMAT, "x")).contains("\"x\""));
        assert!(error(&json.replace("3 2 4", "3 9 4")).contains("row 0"));
        assert!(
            error(&json.replace("[[1.0,0.0,0.0,0.0,1.5],[1.0,0.0,0.0,0.0,1.5],[1.0,0.0,0.0,0.0,1.5]]", "[]"))
                .contains("no finite")
        );
    }
}
