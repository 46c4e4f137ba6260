//! Runs, one after another: begun when all are ready, begun anew with the next team if one is lost, answered, reported.

use std::collections::{BTreeMap, BTreeSet};

use cleave_graph::COORDINATOR;
use cleave_wire::Refusal;
use cleave_wire::cooperate::{Activity, Part, Report, Span, ToMember};

use super::{Coordinator, CoordinatorEffect, Effects, MAX_WAITING, Phase, Relaying};
use crate::cooperate::error::RunError;
use crate::cooperate::group::Sent;
use crate::cooperate::report::{self, RunReport, WorkerReport};
use crate::cooperate::walk::{Act, Computed, Ended};
use crate::cooperate::{EngineCall, EngineEvent};
use crate::time::Micros;

/// A run that was submitted.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) timeout: Micros,
    pub(super) attempt: Option<Attempt>,
    inputs: Vec<Vec<f32>>,
    submitted: Micros,
    restarts: u32,
}

/// A run that is under way.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Its number, as members know it.
    pub(super) serial: u64,
    /// When something last came.
    pub(super) progress: Micros,
    /// Signs of life were asked for, and are awaited: since when, until when.
    pub(super) judging: Option<[Micros; 2]>,
    pub(super) answered: Option<Answered>,
    started: Micros,
    /// What was sent on: phase, input, from, to.
    relayed: BTreeSet<(usize, u16, u16, u16)>,
    /// By worker.
    pub(super) reports: BTreeMap<usize, WorkerReport>,
}

/// What remains is to hear what the others did.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) until: Micros,
    at: Micros,
    own: Ended,
}

impl Coordinator {
    pub(super) fn submit(&mut self, id: u64, inputs: Vec<Vec<f32>>, timeout: Micros, now: Micros, fx: &mut Effects) {
        let error = match &mut self.phase {
            Phase::Left => Some(RunError::Dismissed),
            _ if self.runs.len() >= MAX_WAITING => Some(RunError::Busy { most: MAX_WAITING }),
            Phase::Planless { until, .. } => {
                *until = (*until).max(now + self.config.plan_timeout);
                None
            }
            _ => None,
        };
        if let Some(error) = error {
            return fx.push(CoordinatorEffect::Failed { run: id, error });
        }
        self.runs.push_back(Run { id, inputs, timeout, submitted: now, restarts: 0, attempt: None });
    }

    /// Begins what can be begun.
    pub(super) fn go_on(&mut self, now: Micros, fx: &mut Effects) {
        while let (Phase::Ready, Some(team), Some(run)) = (&self.phase, &mut self.team, self.runs.front_mut()) {
            if run.attempt.is_some() {
                return;
            }
            let group = team.group().clone();
            let found: Vec<u64> = run.inputs.iter().map(|input| input.len() as u64).collect();
            let wanted: Vec<u64> = group.graph.inputs().iter().map(|input| input.shape.values()).collect();
            if found != wanted {
                self.fail(0, RunError::Inputs { found, wanted }, fx);
                continue;
            }
            self.serial += 1;
            run.attempt = Some(Attempt {
                serial: self.serial,
                started: now,
                progress: now,
                judging: None,
                relayed: BTreeSet::new(),
                reports: BTreeMap::new(),
                answered: None,
            });
            let acts = team.walk.begin(self.serial, &run.inputs, now);
            let begin = ToMember::Begin { group: group.id, run: self.serial }.encode();
            let is_told = |worker: &usize| group.takes_part(*worker) && group.first_awaited(*worker) == 0;
            let told = (1..group.workers()).filter(is_told).map(|worker| team.plan.places[worker]);
            fx.extend(told.map(|place| CoordinatorEffect::Send { place, bytes: begin.clone() }));
            self.act(acts, now, fx);
        }
    }

    pub(super) fn is_running(&self, serial: u64) -> bool {
        self.attempt().is_some_and(|attempt| attempt.serial == serial)
    }

    pub(super) fn attempt(&self) -> Option<&Attempt> {
        self.runs.front()?.attempt.as_ref()
    }

    pub(super) fn attempt_mut(&mut self) -> Option<&mut Attempt> {
        self.runs.front_mut()?.attempt.as_mut()
    }

    fn progress(&mut self, now: Micros) {
        if let Some(attempt) = self.attempt_mut() {
            (attempt.progress, attempt.judging) = (now, None);
        }
    }

    // ---- what comes

    pub(super) fn engine(&mut self, event: EngineEvent, now: Micros, fx: &mut Effects) {
        match event {
            EngineEvent::Loaded { group, weight_bytes } => self.own_loaded(group, weight_bytes, now, fx),
            EngineEvent::LoadFailed { group, why } => self.own_failed(group, why, now, fx),
            EngineEvent::WeightsMissing { group } => {
                self.own_failed(group, "the file of weights is not there".to_owned(), now, fx);
            }
            EngineEvent::Computed { job, result, started, finished, peak_bytes } => {
                let Some(team) = &mut self.team else { return };
                match team.walk.computed(Computed { job, result, times: [started, finished], peak_bytes }, now) {
                    Ok(acts) => {
                        self.progress(now);
                        self.act(acts, now, fx);
                    }
                    Err(error) => self.fail(0, RunError::Engine { why: error.to_string() }, fx),
                }
            }
        }
    }

    pub(super) fn part(&mut self, place: usize, part: Part, now: Micros, fx: &mut Effects) {
        let (Some(team), Some(attempt)) = (&mut self.team, self.runs.front_mut().and_then(|run| run.attempt.as_mut()))
        else {
            return;
        };
        if (part.group, part.run) != (team.group().id, attempt.serial) {
            return;
        }
        if team.worker(place) != Some(part.from.into()) {
            return self.malformed(place, "a part in another worker's name".to_owned(), now, fx);
        }
        let result = if usize::from(part.to) == COORDINATOR {
            team.walk.part(part, now).map_err(|wrong| wrong.wrong)
        } else {
            let key = team.group().expects(&part).map(|phase| (phase, part.input, part.from, part.to));
            match key.map(|key| attempt.relayed.insert(key)) {
                Ok(true) => {
                    self.relay(part, now, fx);
                    Ok(Vec::new())
                }
                Ok(false) => Err("a part came twice".to_owned()),
                Err(wrong) => Err(wrong.wrong),
            }
        };
        match result {
            Ok(acts) => {
                self.progress(now);
                self.act(acts, now, fx);
            }
            Err(why) => self.malformed(place, why, now, fx),
        }
    }

    fn relay(&mut self, part: Part, now: Micros, fx: &mut Effects) {
        let Some(team) = &mut self.team else { return };
        let (stage, to, place) = (part.stage, part.to, team.plan.places[usize::from(part.to)]);
        let message = ToMember::Part(part).encode();
        let bytes = message.len() as u32;
        let [start, end] = match self.config.relaying {
            Relaying::Shaped => team.uplink.push(place, message, now),
            Relaying::AtOnce => {
                fx.push(CoordinatorEffect::Send { place, bytes: message });
                [now, now]
            }
        };
        let activity = Activity::Relay { to, bytes };
        team.walk.note(Span { stage, activity, start_micros: start.0, end_micros: end.0 });
    }

    pub(super) fn report(&mut self, place: usize, report: Report, fx: &mut Effects) {
        let Some(team) = self.team.as_ref().filter(|team| team.group().id == report.group) else { return };
        let Some(worker) = team.worker(place).filter(|_| self.is_running(report.run)) else { return };
        // Without an answered ping, its times could not be placed.
        let clock = self.peers[place - 1].up().map(|up| &up.clock).filter(|clock| clock.rtt().is_some());
        let started = self.attempt().map_or(Micros(0), |attempt| attempt.started);
        let told = clock.map(|clock| report::member(&team.names[worker], &report, clock, started));
        if let Some(attempt) = self.attempt_mut() {
            attempt.reports.extend(told.map(|told| (worker, told)));
            self.end_if_reported(fx);
        }
    }

    // ---- what is done

    fn act(&mut self, acts: Vec<Act>, now: Micros, fx: &mut Effects) {
        for act in acts {
            match act {
                Act::Engine(call) => fx.push(CoordinatorEffect::Engine(call)),
                Act::Send(sent) => self.send(sent, now),
                Act::Done => self.answered(now, fx),
            }
        }
    }

    fn send(&mut self, sent: Sent, now: Micros) {
        let Some(team) = &mut self.team else { return };
        let to = sent.to;
        let part = team.group().part(self.serial, sent);
        let (stage, message) = (part.stage, ToMember::Part(part).encode());
        let bytes = message.len() as u32;
        let [start, end] = team.uplink.push(team.plan.places[to], message, now);
        let activity = Activity::Send { to: to as u16, bytes };
        team.walk.note(Span { stage, activity, start_micros: start.0, end_micros: end.0 });
    }

    pub(super) fn send_due(&mut self, now: Micros, fx: &mut Effects) {
        let Some(team) = &mut self.team else { return };
        while let Some((place, bytes)) = team.uplink.due(now) {
            fx.push(CoordinatorEffect::Send { place, bytes });
        }
    }

    fn answered(&mut self, now: Micros, fx: &mut Effects) {
        let until = now + self.config.report_timeout;
        let (Some(team), Some(run)) = (&mut self.team, self.runs.front_mut()) else { return };
        let (Some(attempt), Some(mut own)) = (&mut run.attempt, team.walk.end()) else { return };
        fx.push(CoordinatorEffect::Engine(EngineCall::Forget { run: own.run }));
        fx.push(CoordinatorEffect::Answered { run: run.id, values: std::mem::take(&mut own.answer) });
        attempt.answered = Some(Answered { until, at: now, own });
        self.end_if_reported(fx);
    }

    fn end_if_reported(&mut self, fx: &mut Effects) {
        let (Some(team), Some(attempt)) = (&self.team, self.attempt()) else { return };
        let told = |worker| attempt.reports.contains_key(&worker) || !team.group().takes_part(worker);
        if attempt.answered.is_some() && (1..team.group().workers()).all(told) {
            self.end(fx);
        }
    }

    /// The run was answered; whoever has not told by now does not.
    pub(super) fn end(&mut self, fx: &mut Effects) {
        let (Some(team), Some(run)) = (&self.team, self.runs.pop_front()) else { return };
        let Some(attempt) = run.attempt else { return };
        let Some(Answered { at, own, .. }) = attempt.answered else { return };
        let places = team.plan.places.clone();
        let mut reports = attempt.reports;
        let mut missing = Vec::new();
        let mut workers = vec![report::own(&self.config.name, own)];
        for (worker, name) in team.names.iter().enumerate().skip(1) {
            let told = reports.remove(&worker);
            if told.is_none() && team.group().takes_part(worker) {
                missing.push(worker);
            }
            workers.push(told.unwrap_or_else(|| report::none(name)));
        }
        let is_left_over = !missing.is_empty();
        fx.push(CoordinatorEffect::Ended(Box::new(RunReport {
            run: run.id,
            places,
            restarts: run.restarts,
            submitted: run.submitted,
            started: attempt.started,
            answered: at,
            traffic: report::traffic(&workers),
            workers,
            missing,
        })));
        if is_left_over {
            self.cancel(fx);
        }
    }

    // ---- what fails

    /// A member says that the run cannot be done.
    pub(super) fn run_refused(&mut self, place: usize, refusal: Refusal, fx: &mut Effects) {
        let name = self.name(place).to_owned();
        self.fail(0, RunError::Refused { name, refusal }, fx);
    }

    /// One run has no answer; one that was answered already ends.
    pub(super) fn fail(&mut self, at: usize, error: RunError, fx: &mut Effects) {
        if at == 0 && self.attempt().is_some_and(|attempt| attempt.answered.is_some()) {
            return self.end(fx);
        }
        if self.runs.get(at).is_some_and(|run| run.attempt.is_some()) {
            self.cancel(fx);
        }
        if let Some(run) = self.runs.remove(at) {
            fx.push(CoordinatorEffect::Failed { run: run.id, error });
        }
    }

    pub(super) fn fail_all(&mut self, error: &RunError, fx: &mut Effects) {
        while !self.runs.is_empty() {
            self.fail(0, error.clone(), fx);
        }
    }

    /// The team is about to be dissolved: a run that was answered ends, another waits for the next team.
    pub(super) fn interrupt(&mut self, fx: &mut Effects) {
        if self.attempt().is_some_and(|attempt| attempt.answered.is_some()) {
            self.end(fx);
        } else if self.attempt().is_some() {
            self.cancel(fx);
            if let Some(run) = self.runs.front_mut() {
                run.attempt = None;
                run.restarts += 1;
            }
        }
    }

    /// Nobody goes on with the present run.
    fn cancel(&mut self, fx: &mut Effects) {
        let Some(team) = &mut self.team else { return };
        team.uplink.clear();
        fx.extend(team.walk.cancel(self.serial).map(CoordinatorEffect::Engine));
        let cancel = ToMember::Cancel { group: team.group().id, run: self.serial };
        for place in team.plan.places.iter().copied().skip(1) {
            if self.peers[place - 1].up().is_some() {
                fx.push(CoordinatorEffect::Send { place, bytes: cancel.encode() });
            }
        }
    }

    // ---- time

    pub(super) fn run_deadline(&self) -> Option<Micros> {
        let (run, attempt) = (self.runs.front()?, self.attempt()?);
        if let Some(answered) = &attempt.answered {
            return Some(answered.until);
        }
        if let Some([_, until]) = attempt.judging {
            return Some(until);
        }
        let sent = self.team.as_ref().and_then(|team| team.uplink.last());
        Some(attempt.progress.max(sent.unwrap_or_default()) + run.timeout)
    }

    /// A deadline of the present run has come.
    pub(super) fn check_run(&mut self, now: Micros, fx: &mut Effects) {
        let judging = self.config.judging;
        let Some(attempt) = self.attempt_mut() else { return };
        if attempt.answered.is_some() {
            return self.end(fx);
        }
        if let Some([asked, _]) = attempt.judging {
            return self.judge(asked, now, fx);
        }
        attempt.judging = Some([now, now + judging]);
        let interval = self.config.ping_interval;
        for (at, peer) in self.peers.iter_mut().enumerate() {
            let ping = peer.ping(now, interval);
            fx.extend(ping.map(|ping| CoordinatorEffect::Send { place: at + 1, bytes: ping.encode() }));
        }
    }
}
