//! What a training run is: network, schedule, regularisation and seed.

use crate::{Augment, TrainError};
use cleave_arch::{ArchError, GraphSource, Halves, Plan, Task};
use std::fmt;

/// What a run trains.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// One network; its cuts are only recorded with the weights.
    Network(Plan),
    /// The shared weights of the whole space [`cleave_arch::supernet`].
    Supernet,
    /// Those of architectures with these functions: what HGNAS's second stage searches with.
    Restricted(Halves),
}

impl From<Plan> for Subject {
    fn from(plan: Plan) -> Self {
        Self::Network(plan)
    }
}

/// How a restricted supernet's text begins; its functions follow.
const RESTRICTED: &str = "supernet of ";

/// The plan's text form, `supernet`, or `supernet of` and the functions.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(plan) => plan.fmt(f),
            Self::Supernet => f.write_str("supernet"),
            Self::Restricted(functions) => write!(f, "{RESTRICTED}{functions}"),
        }
    }
}

impl Subject {
    /// From what [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str, graph: GraphSource) -> Result<Self, ArchError> {
        if text == "supernet" {
            return Ok(Self::Supernet);
        }
        let functions = text.strip_prefix(RESTRICTED).and_then(|text| text.parse().ok());
        functions.map_or_else(
            || Plan::parse_beside(text, graph).map(Self::Network),
            |functions| Ok(Self::Restricted(functions)),
        )
    }
}

/// Settings of a run; together with the data they determine the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What is trained.
    pub subject: Subject,
    /// Input and classes; `n_points` is the size of a cloud at inference.
    pub task: Task,
    /// Passes over the data.
    pub epochs: usize,
    /// Clouds of a step.
    pub batch: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Points of a cloud while training: a fresh random subset per visit if fewer than the task's. The neighbours
    /// shrink in proportion, so that a neighbourhood keeps its size in space.
    pub points: usize,
    /// Last epochs that train with all points of the task, whatever `points` says.
    pub whole_epochs: usize,
    /// Share of generated furniture in a batch, 0..1.
    pub furniture: f32,
    /// Highest learning rate (AdamW), reached after the warm-up and then lowered along a cosine to 1 % of it.
    pub rate: f32,
    /// Epochs over which the learning rate rises linearly from 0.
    pub warm_up: f32,
    /// Decoupled weight decay (Loshchilov and Hutter 2019), on matrices only.
    pub weight_decay: f32,
    /// Label smoothing: share of the target that is spread over all classes.
    pub smoothing: f32,
    /// Share of the target that a teacher says, where there is one.
    pub teach: f32,
    /// Share of the classifier's hidden values that is dropped.
    pub dropout: f32,
    /// What is done to a cloud before the network sees it.
    pub augment: Augment,
}

impl Config {
    /// A recipe that suits compact networks on ModelNet10.
    pub fn new(subject: impl Into<Subject>, task: Task, seed: u64) -> Self {
        Self {
            subject: subject.into(),
            task,
            epochs: 40,
            batch: 32,
            seed,
            points: task.n_points,
            whole_epochs: 0,
            furniture: 0.25,
            rate: 2e-3,
            warm_up: 1.0,
            weight_decay: 1e-2,
            smoothing: 0.1,
            teach: 0.5,
            dropout: 0.4,
            augment: Augment::default(),
        }
    }

    /// The same settings if a run with them makes sense.
    ///
    /// # Errors
    /// [`TrainError::Setting`] with the first one that does not.
    pub fn checked(self) -> Result<Self, TrainError> {
        let refuse = |what, value: &dyn std::fmt::Display, wanted: &str| {
            Err(TrainError::Setting { what, value: value.to_string(), wanted: wanted.into() })
        };
        let share = |v: f32| (0.0..1.0).contains(&v);
        match &self {
            Self { subject: Subject::Network(plan), task, .. } if plan.architecture().graph_source() != task.graph => {
                refuse("the network", plan, &format!("one for {}", task.graph))
            }
            c if c.epochs == 0 => refuse("epochs", &0, "at least 1"),
            c if c.batch < 2 => refuse("batch", &c.batch, "at least 2 clouds, for the statistics of BatchNorm,"),
            c if c.points == 0 || c.points > c.task.n_points => {
                refuse("points", &c.points, &format!("1 to {}", c.task.n_points))
            }
            c if !share(c.furniture) => refuse("furniture", &c.furniture, "a share in 0..1"),
            c if !share(c.augment.blank) => refuse("blank", &c.augment.blank, "a share in 0..1"),
            c if !share(c.smoothing) => refuse("smoothing", &c.smoothing, "a share in 0..1"),
            c if !share(c.teach) => refuse("teach", &c.teach, "a share in 0..1"),
            c if !share(c.dropout) => refuse("dropout", &c.dropout, "a share in 0..1"),
            c if !(c.rate > 0.0 && c.rate < 1.0) => refuse("rate", &c.rate, "a number in 0..1, for example 0.002,"),
            c if !(c.warm_up >= 0.0 && c.weight_decay >= 0.0) => {
                refuse("warm_up or weight_decay", &c.warm_up.min(c.weight_decay), "a number of at least 0")
            }
            _ => Ok(self),
        }
    }

    /// Points of a cloud in this epoch.
    pub fn points_in(&self, epoch: usize) -> usize {
        if epoch + self.whole_epochs >= self.epochs { self.task.n_points } else { self.points }
    }

    /// The task at training: clouds of fewer points with fewer neighbours.
    pub fn task_for(&self, points: usize) -> Task {
        Task { n_points: points, k: self.neighbours_for(points), ..self.task }
    }

    /// Neighbours that cover the same part of a cloud of `points` points as `k` of the task's.
    pub fn neighbours_for(&self, points: usize) -> usize {
        (self.task.k * points).div_ceil(self.task.n_points).clamp(1, points)
    }

    /// Generated clouds in a batch.
    pub fn furniture_per_batch(&self) -> usize {
        ((self.furniture * self.batch as f32).round() as usize).min(self.batch - 1)
    }

    /// Learning rate at `progress` epochs from the start.
    pub fn rate_at(&self, progress: f32) -> f32 {
        rate_at(self.rate, self.warm_up, self.epochs, progress)
    }
}

/// A rate that rises linearly over the warm-up and then falls along a cosine to 1 % of it, at `progress` epochs.
pub(crate) fn rate_at(highest: f32, warm_up: f32, epochs: usize, progress: f32) -> f32 {
    const LAST: f32 = 0.01;
    if progress < warm_up {
        return highest * progress / warm_up;
    }
    let span = (epochs as f32 - warm_up).max(f32::EPSILON);
    let done = ((progress - warm_up) / span).min(1.0);
    let cosine = 0.5 * (1.0 + (std::f32::consts::PI * done).cos());
    highest * (LAST + (1.0 - LAST) * cosine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("3 2 1 4,0 6 2 0".parse::<Plan>().unwrap(), Task::modelnet10(), 1)
    }

    #[test]
    fn the_rate_rises_and_falls() {
        let config = config();
        let rates = [0.0, 0.5, 1.0, 20.5, 40.0].map(|at| config.rate_at(at) / config.rate);
        let wanted = [0.0, 0.5, 1.0, 0.505, 0.01];
        assert!(rates.iter().zip(wanted).all(|(got, want)| (got - want).abs() < 1e-3), "{rates:?}");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        assert!(config().checked().is_ok());
        let refused = |config: Config| config.checked().unwrap_err().to_string();
        assert_eq!(refused(Config { points: 2048, ..config() }), "points is 2048; 1 to 1024 is expected");
        assert!(refused(Config { furniture: 1.5, ..config() }).starts_with("furniture is 1.5"));
        assert!(refused(Config { rate: f32::NAN, ..config() }).starts_with("rate is NaN"));
    }

    #[test]
    fn neighbourhoods_keep_their_size_in_space() {
        let config = Config { points: 512, whole_epochs: 3, ..config() };
        assert_eq!([36, 37].map(|epoch| config.points_in(epoch)), [512, 1024]);
        assert_eq!([512, 1024, 10].map(|points| config.neighbours_for(points)), [10, 20, 1]);
    }
}
