//! A plan becomes a group: everyone loads its weights, then members connect to each other, then all are ready.

use std::collections::BTreeSet;
use std::sync::Arc;

use cleave_graph::{COORDINATOR, Schedule};
use cleave_wire::cooperate::{Join, Missed, Neighbour, ToMember};
use cleave_wire::{Limits, ModelHash};

use super::peer::Peer;
use super::{Coordinator, CoordinatorEffect, Effects, FORMING_TIMES, Phase};
use crate::cooperate::error::{MemberError, PlanError};
use crate::cooperate::group::{Group, schedule};
use crate::cooperate::report::MemberStatus;
use crate::cooperate::uplink::Uplink;
use crate::cooperate::walk::Walk;
use crate::cooperate::{EngineCall, Plan};
use crate::time::Micros;
use crate::work::Model;
use crate::work::Weights;

/// Workers with a plan.
#[derive(Debug)]
pub(super) struct Team {
    pub(super) plan: Plan,
    pub(super) names: Vec<String>,
    pub(super) walk: Walk,
    /// By place.
    pub(super) uplink: Uplink<usize>,
    /// Bytes of weights of each worker that has loaded them.
    loaded: Vec<Option<u64>>,
    /// Workers that are connecting to others.
    linking: BTreeSet<usize>,
    /// Pairs of workers.
    relayed: BTreeSet<(usize, usize)>,
}

impl Team {
    pub(super) fn group(&self) -> &Arc<Group> {
        &self.walk.group
    }

    /// The worker at a place.
    pub(super) fn worker(&self, place: usize) -> Option<usize> {
        self.plan.places.iter().position(|other| *other == place)
    }

    /// The file that a member asks for.
    pub(super) fn file(&self, model: ModelHash) -> Option<Model> {
        match &self.plan.weights {
            Weights::File(file) if file.hash == model => Some(file.clone()),
            _ => None,
        }
    }
}

impl Coordinator {
    pub(super) fn plan(&mut self, plan: Plan, now: Micros, fx: &mut Effects) {
        match self.check(&plan) {
            Ok(schedule) => self.form(plan, schedule, now, fx),
            Err(error) => {
                if let Phase::Planless { why, .. } = &mut self.phase {
                    *why = Some(error.to_string());
                }
                fx.push(CoordinatorEffect::PlanRefused(error));
            }
        }
    }

    fn check(&self, plan: &Plan) -> Result<Arc<Schedule>, PlanError> {
        if !matches!(self.phase, Phase::Planless { .. } | Phase::Forming { .. } | Phase::Ready) {
            return Err(PlanError::Untimely);
        }
        let (workers, places, uplinks) = (plan.partition.workers, plan.places.len(), plan.uplinks.len());
        if places != workers || uplinks != workers {
            return Err(PlanError::Count { workers, places, uplinks });
        }
        for (worker, place) in plan.places.iter().copied().enumerate() {
            let is_again = plan.places[..worker].contains(&place);
            if is_again || (worker == COORDINATOR) != (place == 0) || !self.place_is_up(place) {
                return Err(PlanError::Place { place, worker });
            }
        }
        let others = plan.places.iter().filter_map(|place| self.peers.get(place.checked_sub(1)?)?.up());
        let least = |limits: Limits, other: &Limits| Limits {
            max_frame_bytes: limits.max_frame_bytes.min(other.max_frame_bytes),
            max_tensor_bytes: limits.max_tensor_bytes.min(other.max_tensor_bytes),
            ..limits
        };
        let limits = others.fold(self.config.limits, |limits, up| least(limits, &up.limits));
        schedule(&plan.graph, &plan.partition, &limits).map(Arc::new)
    }

    fn form(&mut self, plan: Plan, schedule: Arc<Schedule>, now: Micros, fx: &mut Effects) {
        self.dissolve(fx);
        let weights = plan.weights.source();
        let (id, graph) = (self.rng.next_u64(), plan.graph.clone());
        let names: Vec<String> = plan.places.iter().map(|place| self.name(*place).to_owned()).collect();
        let text = graph.to_string();
        for (worker, place) in plan.places.iter().copied().enumerate().skip(1) {
            let join = Join {
                group: id,
                worker: worker as u16,
                names: names.clone(),
                graph: text.clone(),
                partition: plan.partition.clone(),
                weights,
                uplink: plan.uplinks[worker],
            };
            self.write(place, &ToMember::Join(Box::new(join)), fx);
            if let Some(up) = self.peer(place).and_then(Peer::up_mut) {
                up.upload = None;
            }
        }
        let partition = Arc::new(plan.partition.clone());
        let group = Group { id, worker: COORDINATOR, graph, partition, schedule, weights };
        fx.push(CoordinatorEffect::Engine(group.load()));
        self.team = Some(Box::new(Team {
            walk: Walk::new(Arc::new(group), self.jobs),
            uplink: Uplink::new(plan.uplinks[COORDINATOR], self.config.seed),
            loaded: vec![None; plan.places.len()],
            linking: BTreeSet::new(),
            relayed: BTreeSet::new(),
            names,
            plan,
        }));
        let timeout = self.config.join_timeout;
        let latest = now + Micros(timeout.0.saturating_mul(FORMING_TIMES));
        self.phase = Phase::Forming { until: now + timeout, latest };
    }

    /// A sign that the group gets ready.
    pub(super) fn put_off(&mut self, now: Micros) {
        if let Phase::Forming { until, latest } = &mut self.phase {
            *until = (now + self.config.join_timeout).min(*latest);
        }
    }

    pub(super) fn own_loaded(&mut self, group: u64, weight_bytes: u64, now: Micros, fx: &mut Effects) {
        self.loaded(COORDINATOR, group, weight_bytes, now, fx);
    }

    /// The own engine cannot do its part: neither can any group of this plan.
    pub(super) fn own_failed(&mut self, group: u64, why: String, now: Micros, fx: &mut Effects) {
        if self.team.as_ref().is_some_and(|team| team.group().id == group) {
            self.dissolve(fx);
            let error = PlanError::Load { why };
            self.phase = Phase::Planless { until: now + self.config.plan_timeout, why: Some(error.to_string()) };
            fx.push(CoordinatorEffect::PlanRefused(error));
        }
    }

    pub(super) fn joined(&mut self, place: usize, group: u64, weight_bytes: u64, now: Micros, fx: &mut Effects) {
        let Some(worker) = self.team.as_ref().and_then(|team| team.worker(place)) else { return };
        self.loaded(worker, group, weight_bytes, now, fx);
    }

    fn loaded(&mut self, worker: usize, group: u64, weight_bytes: u64, now: Micros, fx: &mut Effects) {
        let Some(team) = self.team.as_mut().filter(|team| team.group().id == group) else { return };
        if team.loaded[worker].replace(weight_bytes).is_some() {
            return;
        }
        let (place, is_last) = (team.plan.places[worker], team.loaded.iter().all(Option::is_some));
        if worker != COORDINATOR {
            fx.push(CoordinatorEffect::Status { place, status: MemberStatus::Joined { weight_bytes } });
        }
        self.put_off(now);
        if is_last {
            self.link(fx);
        }
    }

    /// Tells every member whom it can reach.
    fn link(&mut self, fx: &mut Effects) {
        let Some(team) = &mut self.team else { return };
        let (group, places) = (team.group().id, team.plan.places.clone());
        let address = |place: usize| self.peers.get(place - 1).map_or("", |peer| peer.spec.address.as_str());
        for (worker, place) in places.iter().copied().enumerate().skip(1) {
            let mut neighbours = Vec::new();
            for (other, there) in places.iter().copied().enumerate().skip(1).filter(|(other, _)| *other != worker) {
                let is_reached = !address(place).is_empty() && !address(there).is_empty();
                match is_reached && !self.broken.contains(&(place, there)) {
                    true => neighbours.push(Neighbour { worker: other as u16, address: address(there).to_owned() }),
                    false => _ = team.relayed.insert((worker, other)),
                }
            }
            if !neighbours.is_empty() {
                team.linking.insert(worker);
                let link = ToMember::Connect { group, neighbours };
                fx.push(CoordinatorEffect::Send { place, bytes: link.encode() });
            }
        }
        self.ready_if_linked(fx);
    }

    pub(super) fn linked(&mut self, place: usize, group: u64, missed: &[Missed], now: Micros, fx: &mut Effects) {
        let Some(team) = self.team.as_mut().filter(|team| team.group().id == group) else { return };
        let Some(worker) = team.worker(place) else { return };
        let mut is_news = false;
        let others = missed.iter().map(|missed| usize::from(missed.worker));
        for other in others.filter(|other| *other != COORDINATOR && *other != worker) {
            let Some(there) = team.plan.places.get(other) else { continue };
            team.relayed.insert((worker, other));
            is_news |= self.broken.insert((place, *there));
        }
        team.linking.remove(&worker);
        match self.phase {
            Phase::Forming { .. } => {
                self.put_off(now);
                self.ready_if_linked(fx);
            }
            // What was on its way over a connection that broke is lost: all begin anew, and relay that pair.
            Phase::Ready if is_news => {
                let (plan, schedule) = (team.plan.clone(), team.group().schedule.clone());
                self.form(plan, schedule, now, fx);
            }
            _ => {}
        }
    }

    fn ready_if_linked(&mut self, fx: &mut Effects) {
        let is_ready = |team: &Team| team.linking.is_empty() && team.loaded.iter().all(Option::is_some);
        let Some(team) = self.team.as_deref().filter(|team| is_ready(team)) else { return };
        let weight_bytes = team.loaded.iter().flatten().copied().collect();
        let relayed = team.relayed.iter().copied().collect();
        let rtt = |place: &usize| self.peers.get(place.checked_sub(1)?)?.up()?.clock.rtt();
        let latencies = team.plan.places.iter().map(|place| Micros(rtt(place).unwrap_or_default().0 / 2)).collect();
        fx.push(CoordinatorEffect::Ready { weight_bytes, relayed, latencies });
        self.phase = Phase::Ready;
    }

    /// The group did not get ready in time: whoever is not is left behind.
    pub(super) fn overdue(&mut self, now: Micros, fx: &mut Effects) {
        let after = self.config.join_timeout;
        let Some(team) = &self.team else { return };
        if team.loaded[COORDINATOR].is_none() {
            let (group, why) = (team.group().id, format!("the engine did not load it within {after}"));
            return self.own_failed(group, why, now, fx);
        }
        let is_late = |worker: &usize| team.loaded[*worker].is_none() || team.linking.contains(worker);
        let late = (1..team.loaded.len()).filter(is_late).map(|worker| team.plan.places[worker]);
        let error = MemberError::NoAnswer { what: "get ready", after };
        let late = late.map(|place| (place, error.clone())).collect();
        self.lose(late, now, fx);
    }

    /// The team, if there is one, is over; its run waits for the next.
    pub(super) fn dissolve(&mut self, fx: &mut Effects) {
        self.interrupt(fx);
        if let Some(team) = self.team.take() {
            self.jobs = team.walk.jobs();
            fx.push(CoordinatorEffect::Engine(EngineCall::Unload));
        }
    }
}
