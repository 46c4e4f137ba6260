//! The dispatcher: the worker chooses network and cut by what it measures, until it is told to stop or a person chooses.

use super::{Cuts, Freshness, Run, Shared, State};
use crate::pipeline::Held;
use cleave_arch::Plan;
use cleave_contract::{Dispatch, Intent, Network, Target};

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

impl State {
    /// The dispatcher chooses, or is about to.
    pub fn is_dispatching(&self) -> bool {
        matches!(self.dispatching, Dispatching::Asked | Dispatching::On)
    }

    /// Whether it could begin now: nothing else chooses a network, and nothing rests on the present one.
    pub fn can_dispatch(&self) -> bool {
        let busy = matches!(self.run, Run::Measuring | Run::Searching | Run::Planning | Run::Cooperating);
        self.is_ready() && self.held.is_some() && self.wanted.is_none() && !busy
    }

    pub(super) fn start_dispatch(&mut self, target: Target) -> Vec<Intent> {
        self.target = target;
        if !self.can_dispatch() {
            return Vec::new();
        }
        self.dispatching = Dispatching::Asked;
        vec![Intent::Dispatch(Some(target))]
    }

    /// Before everything by which a person chooses network or cut.
    pub(super) fn end_dispatch(&mut self) -> Vec<Intent> {
        if !self.is_dispatching() {
            return Vec::new();
        }
        self.dispatching = Dispatching::Ending;
        vec![Intent::Dispatch(None)]
    }

    pub(super) fn take_dispatch(&mut self, dispatch: Dispatch) {
        self.dispatching = match (self.dispatching, dispatch.running) {
            (Dispatching::Ending, true) => Dispatching::Ending,
            (_, true) => Dispatching::On,
            (_, false) => Dispatching::Off,
        };
        self.dispatch = Some(Shared::new(dispatch));
    }

    /// What was asked for and has failed is not awaited any longer.
    pub(super) fn forget_asked(&mut self) {
        if self.dispatching == Dispatching::Asked {
            self.dispatching = Dispatching::Off;
        }
        if self.sharing == super::Sharing::Asked {
            self.sharing = super::Sharing::Not;
        }
    }

    /// The plan that the dispatcher has switched to, if this network is its work and not a person's.
    pub(super) fn switched_to(&self, network: &Network) -> Option<Plan> {
        if self.wanted.is_some() {
            return None;
        }
        let own = network.plan.parse::<Plan>().ok()?;
        let choice = self.dispatch.as_ref().and_then(|dispatch| dispatch.choices.get(dispatch.current));
        let chosen = choice.and_then(|choice| choice.plan.parse::<Plan>().ok());
        let chosen = chosen.filter(|plan| plan.architecture() == own.architecture());
        match self.dispatching {
            Dispatching::Off => None,
            Dispatching::Asked | Dispatching::On => Some(chosen.unwrap_or(own)),
            Dispatching::Ending => chosen,
        }
    }

    /// Shows what the worker runs already: it is told nothing, and a stream goes on.
    pub(super) fn follow(&mut self, network: Network, plan: Plan) -> Vec<Intent> {
        let cuts = Cuts::At(plan.cuts().to_vec());
        let (name, n_classes) = (network.name.clone(), network.classes.len());
        let held = match Held::new(network, self.settings.codec).and_then(|held| held.cut(&cuts)) {
            Ok(held) => held,
            Err(why) => return self.fail(super::hear::unshowable(&name, &why)),
        };
        let is_another = self
            .held
            .as_ref()
            .is_none_or(|before| before.about.name != name || before.plan.architecture() != held.plan.architecture());
        if is_another {
            self.measured.clear();
        }
        self.held = Some(Shared::new(held));
        (self.settings.network, self.settings.cuts) = (name.clone(), cuts);
        self.in_use = name;
        self.replay.name();
        self.replay.take_network();
        // While frames come, the last answer stays on show until the next one's; else it would stay for good.
        let awaits = self.run == Run::Stream;
        self.answer = self.answer.take().filter(|answer| awaits && answer.frame.probabilities.len() == n_classes);
        if let Some(answer) = &mut self.answer {
            answer.freshness = Freshness::Stale;
        }
        Vec::new()
    }
}
