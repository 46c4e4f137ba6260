//! Images that one group of workers runs one after another: what for, how often, and how long nothing may come.

use std::sync::Arc;

use cleave_graph::{Graph, Partition};
use cleave_session::Micros;
use cleave_session::Weights;
use cleave_session::cooperate::{Plan as Group, RunReport, Uplink};

/// Runs of the network's beginning by which a worker's speed is learnt.
pub(super) const LEARNING_RUNS: usize = 3;

/// What computes: for how long an engine may be silent depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Code that is compiled already.
    Cpu,
    /// What it runs is compiled when it is run first.
    Gpu,
}

/// For anything to come before somebody is left behind: browsers and loaded machines pause for seconds, and a GPU compiles
/// its kernels; and so many times what a run is predicted to take, for a prediction may be wrong.
pub(super) fn timeout(engine: EngineKind, predicted_ms: f64) -> Micros {
    const TIMES: f64 = 5.0;
    let base_ms = match engine {
        EngineKind::Cpu => 5_000.0,
        EngineKind::Gpu => 60_000.0,
    };
    Micros(((base_ms + TIMES * predicted_ms) * 1e3) as u64)
}

/// A run with its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The network's output.
    pub values: Vec<f32>,
    /// What was done for it.
    pub report: RunReport,
}

/// What runs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To learn how fast the worker at this place is.
    Learn(usize),
    /// The unsplit network, to compare.
    Whole,
    /// What was asked for.
    Share,
}

/// Runs that are under way.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) purpose: Purpose,
    pub(super) group: Group,
    pub(super) images: Vec<Vec<f32>>,
    pub(super) runs: usize,
    pub(super) timeout: Micros,
    /// The one that was submitted.
    pub(super) run: Option<u64>,
    /// The group has run before; its first run warms it up and does not count.
    pub(super) is_warm: bool,
    pub(super) values: Vec<f32>,
    pub(super) answers: Vec<Answer>,
}

impl Series {
    pub(super) fn new(purpose: Purpose, group: Group, images: Vec<Vec<f32>>, runs: usize, timeout: Micros) -> Self {
        let (values, answers) = (Vec::new(), Vec::new());
        Self { purpose, group, images, runs, timeout, run: None, is_warm: true, values, answers }
    }

    /// The image of the next run.
    pub(super) fn image(&self) -> Vec<f32> {
        let at = self.answers.len().checked_rem(self.images.len()).unwrap_or_default();
        self.images.get(at).cloned().unwrap_or_default()
    }

    /// Takes the report of the run that was submitted.
    pub(super) fn ended(&mut self, report: RunReport) {
        let answer = Answer { values: std::mem::take(&mut self.values), report };
        self.run = None;
        self.answers.extend(std::mem::replace(&mut self.is_warm, true).then_some(answer));
    }
}

/// All of it by one place; another's is sent to it and back, as fast as may be.
pub(super) fn alone(network: &Graph, place: usize, weights: &Weights) -> Group {
    let places = if place == 0 { vec![0] } else { vec![0, place] };
    Group {
        graph: Arc::new(network.clone()),
        partition: Partition::whole(places.len(), network.operators().len(), places.len() - 1),
        uplinks: vec![Uplink::UNSHAPED; places.len()],
        places,
        weights: weights.clone(),
    }
}

/// Whether a group that was formed for one can run the other.
pub(super) fn same(a: &Group, b: &Group) -> bool {
    let file = |weights: &Weights| match weights {
        Weights::Seeded(seed) => (Some(*seed), None),
        Weights::File(file) => (None, Some(file.hash)),
    };
    (&a.graph, &a.partition, &a.places, &a.uplinks) == (&b.graph, &b.partition, &b.places, &b.uplinks)
        && file(&a.weights) == file(&b.weights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_session::Model;
    use cleave_wire::ModelHash;

    fn network() -> Graph {
        "1x4x4: conv 2 k3 p1, relu, flatten, linear 3".parse().unwrap()
    }

    #[test]
    fn a_group_is_formed_anew_for_whatever_it_computes_with() {
        let group = |weights: Weights| alone(&network(), 1, &weights);
        let file = |byte: u8| Weights::File(Model { hash: ModelHash([byte; 32]), bytes: Arc::from(vec![byte]) });
        assert!(same(&group(Weights::Seeded(1)), &group(Weights::Seeded(1))));
        assert!(same(&group(file(1)), &group(file(1))));
        let wrong = [Weights::Seeded(2), file(1)];
        assert!(wrong.into_iter().all(|weights| !same(&group(weights), &group(Weights::Seeded(1)))));
        assert!(!same(&group(file(1)), &group(file(2))));
        let shaped = Group { uplinks: vec![Uplink::of(1.0, 10.0, 0.0); 2], ..group(file(1)) };
        assert!(!same(&shaped, &group(file(1))));
        let [own, other] = [0, 2].map(|place| alone(&network(), place, &Weights::Seeded(1)));
        assert_eq!((&own.places[..], &other.places[..], other.uplinks.len()), (&[0][..], &[0, 2][..], 2));
    }

    #[test]
    fn a_slow_network_and_one_that_is_compiled_are_waited_for_longer() {
        assert_eq!(timeout(EngineKind::Cpu, 0.0), Micros::from_millis(5_000));
        assert_eq!(timeout(EngineKind::Cpu, 1_000.0), Micros::from_millis(10_000));
        assert!(timeout(EngineKind::Gpu, 0.0) > timeout(EngineKind::Cpu, 10_000.0));
    }
}
