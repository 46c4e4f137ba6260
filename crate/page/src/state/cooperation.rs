//! Running a partition over real workers: what is asked for, who takes part, what came of it.

use super::{Looker, Run, Shared, State};
use crate::partition::image::Image;
use cleave_contract::{
    Cooperated, CooperationRequest, ImageRequest, Intent, PartitionRequest, PartitionStrategy, WorkerState,
};

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub struct Cooperation {
    /// The workers that are there, this tab first, and those that were lost.
    pub workers: Vec<WorkerState>,
    /// The latest run of each strategy, all of one network and number of workers; the last one is the newest.
    pub runs: Vec<Shared<Cooperated>>,
    /// What was asked for last, without its image.
    last: Option<CooperationRequest>,
    /// What is asked for as soon as the present run has ended.
    next: Option<CooperationRequest>,
}

/// Whether runs of both can stand beside each other.
pub(super) fn are_alike(one: &PartitionRequest, other: &PartitionRequest) -> bool {
    one.network == other.network && one.slower.len() == other.slower.len()
}

impl Cooperation {
    /// The latest run of a strategy, if it can stand beside this plan.
    pub fn run_of(&self, strategy: PartitionStrategy, plan: &PartitionRequest) -> Option<&Shared<Cooperated>> {
        self.runs.iter().find(|run| run.request.strategy == strategy && are_alike(&run.request.partition, plan))
    }

    pub(super) fn keep_alike(&mut self, request: &PartitionRequest) {
        self.runs.retain(|run| are_alike(&run.request.partition, request));
    }

    /// In place of the run before of the same strategy.
    fn show(&mut self, cooperated: Cooperated) {
        self.keep_alike(&cooperated.request.partition);
        self.runs.retain(|run| run.request.strategy != cooperated.request.strategy);
        self.runs.push(Shared::new(cooperated));
    }

    /// The workers are gone with the one that holds them.
    pub(super) fn forget_worker(&mut self) {
        self.workers.clear();
        self.forget_next();
    }

    pub(super) fn forget_next(&mut self) {
        self.next = None;
    }
}

impl State {
    /// Why no strategy can be run, whatever the fields hold.
    pub fn why_not_cooperate(&self) -> Option<&'static str> {
        self.partition.why_not_run(&self.settings.partition)
    }

    /// A form with a mistake is not sent: from now on its fields say what a run needs.
    pub(super) fn cooperate(&mut self, strategies: &[PartitionStrategy]) -> Vec<Intent> {
        let request = self.partition.form.run_request();
        self.partition.form.is_run_wanted = request.is_err();
        let (Ok((partition, members)), None, true) = (request, self.why_not_cooperate(), self.worker.is_ready()) else {
            return Vec::new();
        };
        let of = |strategy: &PartitionStrategy| CooperationRequest {
            partition: partition.clone(),
            strategy: *strategy,
            members: members.clone(),
            runs: self.settings.runs,
            check: self.settings.check,
            image: NONE,
        };
        let mut requests: Vec<_> = strategies.iter().map(of).collect();
        requests.dedup();
        let mut requests = requests.into_iter();
        let Some(first) = requests.next() else { return Vec::new() };
        let intents = self.begin_cooperation(first);
        self.partition.cooperation.next = requests.next();
        intents
    }

    /// In place of whatever is running.
    fn begin_cooperation(&mut self, request: CooperationRequest) -> Vec<Intent> {
        let mut intents = self.dispatcher.end();
        intents.extend(self.stop());
        self.run = Run::Cooperating;
        intents.push(self.send(request));
        intents
    }

    fn send(&mut self, request: CooperationRequest) -> Intent {
        self.partition.cooperation.last = Some(request.clone());
        Intent::Cooperate(CooperationRequest { image: self.input.image(Looker::Workers).request(), ..request })
    }

    /// Workers that are there answer to a stroke at once. While they still answer to the one before, they do so next; a run
    /// that somebody asked for is not disturbed.
    pub(super) fn take_stroke(&mut self, image: Image) -> Vec<Intent> {
        self.look(Looker::Workers, image);
        let last = self.partition.cooperation.last.as_ref().filter(|_| !self.partition.cooperation.workers.is_empty());
        let last = last.filter(|last| last.partition.network == self.settings.partition.network);
        let Some(quick) = last.map(|last| CooperationRequest { runs: 1, check: false, ..last.clone() }) else {
            return Vec::new();
        };
        match self.run {
            Run::Idle | Run::Once | Run::OnceMore => return self.begin_cooperation(quick),
            Run::Cooperating if self.partition.cooperation.last.as_ref() == Some(&quick) => {
                self.partition.cooperation.next = Some(quick)
            }
            _ => {}
        }
        Vec::new()
    }

    pub(super) fn take_cooperated(&mut self, cooperated: Cooperated) -> Vec<Intent> {
        self.worker.progress = None;
        self.partition.cooperation.show(cooperated);
        if self.run != Run::Cooperating {
            return Vec::new();
        }
        if let Some(next) = self.partition.cooperation.next.take() {
            return vec![self.send(next)];
        }
        self.run = Run::Idle;
        // The frame on show is computed anew only if it was interrupted or has changed meanwhile.
        if self.frames.is_current() { Vec::new() } else { self.run_soon() }
    }
}

/// In place of an image that is not kept.
const NONE: ImageRequest = ImageRequest::Noise(0);
