//! The worker that computes for the page: how far it has come, which engine it uses, and what another one would have to be
//! told in its place.

use super::{Replay, Shared};
use cleave_contract::{Backend, EngineTime, Intent, LongWork};

/// How far the worker's module is.
#[derive(Clone, Debug, PartialEq)]
pub enum Loading {
    /// Its bytes are arriving; `total` is 0 while unknown.
    Fetching {
        /// Bytes that are here.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The bytes are here and are being compiled and started.
    Starting,
    /// It listens.
    Ready {
        /// The worker's version.
        version: String,
    },
    /// It will not come.
    Failed,
}

/// Long work of the worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Which.
    pub what: LongWork,
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0 while unknown.
    pub total: u64,
}

/// The engine in use.
#[derive(Clone, Debug)]
pub struct Engine {
    /// Which.
    pub backend: Backend,
    /// Why this one.
    pub reason: String,
    /// What every candidate took.
    pub measured: Vec<EngineTime>,
}

/// The worker, as far as it has told of itself.
#[derive(Clone, Debug)]
pub struct ComputeWorker {
    /// How far its module is.
    pub loading: Loading,
    /// Long work under way in it.
    pub progress: Option<Progress>,
    /// The engine it has chosen.
    pub engine: Option<Shared<Engine>>,
    /// What another worker has to be told if this one dies.
    pub replay: Replay,
}

impl Default for ComputeWorker {
    /// Its module has been asked for.
    fn default() -> Self {
        let loading = Loading::Fetching { done: 0, total: 0 };
        ComputeWorker { loading, progress: None, engine: None, replay: Replay::default() }
    }
}

impl ComputeWorker {
    /// Whether it listens.
    pub fn is_ready(&self) -> bool {
        matches!(self.loading, Loading::Ready { .. })
    }

    /// The intent if somebody is there to hear it. Until then the settings alone remember it: what a new worker is told
    /// first rests on them.
    pub(super) fn when_ready(&self, intent: Intent) -> Vec<Intent> {
        if self.is_ready() { vec![intent] } else { Vec::new() }
    }

    /// A worker that has failed stays so, however much of its module still arrives.
    pub(super) fn load(&mut self, loading: Loading) {
        if self.loading != Loading::Failed {
            self.loading = loading;
        }
    }

    /// The last step of long work ends it.
    pub(super) fn take_progress(&mut self, what: LongWork, done: u64, total: u64) {
        let ended = total > 0 && done >= total;
        self.progress = (!ended).then_some(Progress { what, done, total });
    }

    /// Its choice ends the comparison of engines.
    pub(super) fn take_engine(&mut self, engine: Engine) {
        self.progress = None;
        self.engine = Some(Shared::new(engine));
    }

    /// An error ends long work; before the worker listens, it means that it will not come.
    pub(super) fn fail(&mut self) {
        self.progress = None;
        if !self.is_ready() {
            self.loading = Loading::Failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_for_a_worker_that_listens() {
        let mut worker = ComputeWorker::default();
        assert!(worker.when_ready(Intent::Stop).is_empty());
        worker.load(Loading::Ready { version: "1".into() });
        assert!(matches!(worker.when_ready(Intent::Stop)[..], [Intent::Stop]));
        worker.fail();
        assert!(worker.is_ready(), "an error of a worker that listens is not its end");
    }

    #[test]
    fn one_that_fails_before_it_listens_is_given_up() {
        let mut worker = ComputeWorker::default();
        worker.fail();
        worker.load(Loading::Starting);
        assert_eq!(worker.loading, Loading::Failed);
    }

    #[test]
    fn long_work_ends_with_its_last_step_and_not_while_their_number_is_unknown() {
        let mut worker = ComputeWorker::default();
        worker.take_progress(LongWork::PlanPartition, 3, 0);
        assert_eq!(worker.progress, Some(Progress { what: LongWork::PlanPartition, done: 3, total: 0 }));
        worker.take_progress(LongWork::PlanPartition, 3, 3);
        assert_eq!(worker.progress, None);
    }
}
