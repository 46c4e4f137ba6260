//! The dispatcher: the worker chooses network and cut by what it measures, until it is told to stop or a person chooses.

use super::{Cuts, Looker, Run, Shared, State};
use crate::pipeline::Held;
use cleave_contract::{Dispatch, Intent, Target};

/// Whether the dispatcher chooses what runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatching {
    /// It does not.
    Off,
    /// It has been asked to, and has not said yet that it does.
    Asked,
    /// It does.
    On,
    /// It has been told to stop: what it did before may still arrive.
    Ending,
}

/// The dispatcher, as the page controls it.
#[derive(Clone, Debug)]
pub struct DispatchControl {
    /// What it is to reach.
    pub target: Target,
    /// Whether it chooses what runs.
    pub dispatching: Dispatching,
    /// What it said last.
    pub told: Option<Shared<Dispatch>>,
}

impl Default for DispatchControl {
    /// Off, with a target that any network reaches.
    fn default() -> Self {
        let target = Target { goal: Default::default(), accuracy: None, latency_ms: None };
        DispatchControl { target, dispatching: Dispatching::Off, told: None }
    }
}

impl DispatchControl {
    /// It chooses, or is about to.
    pub fn is_dispatching(&self) -> bool {
        matches!(self.dispatching, Dispatching::Asked | Dispatching::On)
    }

    /// Before everything by which a person chooses network or cut.
    pub(super) fn end(&mut self) -> Vec<Intent> {
        if !self.is_dispatching() {
            return Vec::new();
        }
        self.dispatching = Dispatching::Ending;
        vec![Intent::Dispatch(None)]
    }

    pub(super) fn take(&mut self, dispatch: Dispatch) {
        self.dispatching = match (self.dispatching, dispatch.running) {
            (Dispatching::Ending, true) => Dispatching::Ending,
            (_, true) => Dispatching::On,
            (_, false) => Dispatching::Off,
        };
        self.told = Some(Shared::new(dispatch));
    }

    /// What was asked for and has failed is not awaited any longer.
    pub(super) fn forget_asked(&mut self) {
        if self.dispatching == Dispatching::Asked {
            self.dispatching = Dispatching::Off;
        }
    }

    /// With the next worker it begins again, if there is one.
    pub(super) fn forget_worker(&mut self, is_replaced: bool) {
        self.dispatching = if self.is_dispatching() && is_replaced { Dispatching::Asked } else { Dispatching::Off };
    }

    /// The cuts that it has switched to, if this network, which nobody has asked for, is its work.
    fn switched_to(&self, held: &Held) -> Option<Cuts> {
        let choice = self.told.as_ref().and_then(|dispatch| dispatch.choices.get(dispatch.current));
        let chosen = choice.and_then(|choice| held.same(&choice.plan));
        let mapping = match self.dispatching {
            Dispatching::Off => None,
            Dispatching::Asked | Dispatching::On => Some(chosen.unwrap_or_else(|| held.mapping.clone())),
            Dispatching::Ending => chosen,
        };
        mapping.map(|mapping| Cuts::At(mapping.cuts().to_vec()))
    }
}

impl State {
    /// Whether it could begin now: nothing else chooses a network, and nothing rests on the present one.
    pub fn can_dispatch(&self) -> bool {
        let busy = matches!(self.run, Run::Measuring | Run::Searching | Run::Planning | Run::Cooperating);
        self.worker.is_ready() && self.network.is_settled() && !busy
    }

    pub(super) fn start_dispatch(&mut self, target: Target) -> Vec<Intent> {
        self.dispatcher.target = target;
        if !self.can_dispatch() {
            return Vec::new();
        }
        self.dispatcher.dispatching = Dispatching::Asked;
        vec![Intent::Dispatch(Some(target))]
    }

    /// The cuts that the dispatcher has switched to, if this network is its work and not a person's.
    pub(super) fn switched_to(&self, held: &Held) -> Option<Cuts> {
        if self.network.wanted.is_some() { None } else { self.dispatcher.switched_to(held) }
    }

    /// Shows what the worker runs already: it is told nothing, and a stream goes on.
    pub(super) fn follow(&mut self, held: Held, cuts: Cuts) -> Vec<Intent> {
        let (name, n_classes) = (held.about.name.clone(), held.about.classes.len());
        let held = match held.cut(&cuts) {
            Ok(held) => held,
            Err(why) => return self.fail(super::hear::unshowable(&name, &why)),
        };
        if self.network.is_another(&held) {
            self.frames.measured.clear();
        }
        self.network.held = Some(Shared::new(held));
        self.drop_unfit_image(Looker::Held);
        (self.settings.network, self.settings.cuts) = (name.clone(), cuts);
        self.network.in_use = name;
        self.worker.replay.name();
        self.worker.replay.take_network();
        // While frames come, the last answer stays on show until the next one's; else it would stay for good.
        let awaits = self.run == Run::Stream;
        self.frames.answer =
            self.frames.answer.take().filter(|answer| awaits && answer.frame.probabilities.len() == n_classes);
        self.frames.make_stale();
        Vec::new()
    }
}
