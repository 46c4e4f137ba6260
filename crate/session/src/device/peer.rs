//! What is known of the edge while a connection is up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cleave_wire::{Limits, ModelHash, Refusal, RefusalCode, Subject, ToEdge, ValidationSet};

use super::Deployment;
use super::link::LinkStatus;
use super::upload::{Pace, Upload};
use crate::clock::ClockEstimate;
use crate::edge::MAX_DEPLOYMENTS;
use crate::time::Micros;
use crate::work::Work;

/// Pings whose answers are awaited; the silence limit ends the link long before.
const MAX_PINGS: usize = 32;

/// What is known of a connected edge.
#[derive(Debug)]
pub(super) struct Up {
    name: String,
    version: String,
    threads: u16,
    pub(super) limits: Limits,
    pub(super) credit: u32,
    pub(super) since: Micros,
    pub(super) last_heard: Micros,
    pub(super) next_ping: Micros,
    pub(super) ping_id: u32,
    pub(super) pings: VecDeque<(u32, Micros)>,
    pub(super) clock: ClockEstimate,
    pub(super) deployments: BTreeMap<u32, Held>,
    askings: u64,
    /// The deployment that new frames run.
    pub(super) current: u32,
    pub(super) upload: Option<Upload>,
    /// The clouds for judging that it has.
    pub(super) validation: Option<ValidationSet>,
}

/// A deployment that the edge was asked for on this connection.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) work: Arc<Work>,
    pub(super) state: Deployed,
    /// Grows with every asking; the edge counts in the same way, so both forget the same ones.
    asked: u64,
}

#[derive(Debug)]
pub(super) enum Deployed {
    Asked,
    Ready,
    Refused(Refusal),
}

impl Up {
    pub(super) fn new(version: String, name: String, threads: u16, limits: Limits, credit: u16, now: Micros) -> Self {
        Self {
            name,
            version,
            threads,
            limits,
            credit: credit.into(),
            since: now,
            last_heard: now,
            next_ping: now,
            ping_id: 0,
            pings: VecDeque::new(),
            clock: ClockEstimate::default(),
            deployments: BTreeMap::new(),
            askings: 0,
            current: 0,
            upload: None,
            validation: None,
        }
    }

    pub(super) fn next_ping(&mut self, now: Micros, interval: Micros) -> u32 {
        self.next_ping = now + interval;
        self.ping_id = self.ping_id.wrapping_add(1);
        if self.pings.len() == MAX_PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((self.ping_id, now));
        self.ping_id
    }

    pub(super) fn pong(&mut self, id: u32, edge_received: u64, edge_sent: u64, now: Micros) {
        if let Some(at) = self.pings.iter().position(|(ping, _)| *ping == id)
            && let Some((_, sent)) = self.pings.remove(at)
        {
            self.clock.add(sent, edge_received, edge_sent, now);
        }
    }

    /// What to say so that the edge makes `deployment` ready. If one must make room for it, those to keep are asked for
    /// again first, the most important last.
    pub(super) fn deploy(&mut self, deployment: &Deployment, keep: &[Arc<Deployment>]) -> Vec<ToEdge> {
        let mut messages = Vec::new();
        if self.deployments.len() >= MAX_DEPLOYMENTS {
            messages.extend(keep.iter().filter_map(|kept| self.renew(kept)));
        }
        let held = Held { work: deployment.work.clone(), state: Deployed::Asked, asked: self.next_asking() };
        self.deployments.insert(deployment.id, held);
        while self.deployments.len() > MAX_DEPLOYMENTS {
            let Some(oldest) = self.deployments.iter().min_by_key(|(_, held)| held.asked) else { break };
            let oldest = *oldest.0;
            self.deployments.remove(&oldest);
        }
        messages.push(deployment.ask());
        messages
    }

    fn renew(&mut self, deployment: &Deployment) -> Option<ToEdge> {
        let asked = self.next_asking();
        let held = self.deployments.get_mut(&deployment.id)?;
        if matches!(held.state, Deployed::Refused(_)) {
            return None;
        }
        held.asked = asked;
        Some(deployment.ask())
    }

    fn next_asking(&mut self) -> u64 {
        self.askings += 1;
        self.askings
    }

    /// True while a deployment with another model is being made ready: the edge receives one model at a time.
    pub(super) fn is_busy_with_another(&self, model: ModelHash) -> bool {
        let busy = |held: &Held| matches!(held.state, Deployed::Asked) && held.work.model().hash != model;
        self.deployments.values().any(busy)
    }

    /// The next piece of weights, if it is its time.
    pub(super) fn next_piece(&mut self) -> Option<ToEdge> {
        let upload = self.upload.as_mut()?;
        let current = self.deployments.get(&self.current);
        let waits = |held: &Held| matches!(held.state, Deployed::Asked) && held.work.model().hash == upload.model();
        let pace = if current.is_some_and(waits) { Pace::Fast } else { Pace::Background };
        upload.next(pace)
    }

    /// The refusal that the edge would give after the whole upload.
    pub(super) fn too_large(&self, work: &Work) -> Option<Refusal> {
        let (bytes, most) = (work.model().bytes.len() as u64, self.limits.max_model_bytes);
        (bytes > most).then(|| Refusal {
            subject: Subject::Session,
            code: RefusalCode::ModelTooLarge,
            wrong: format!("the model file has {bytes} bytes"),
            right: format!("this edge takes at most {most} bytes"),
        })
    }

    pub(super) fn refuse_all(&mut self, model: ModelHash, refusal: &Refusal) {
        for (id, held) in &mut self.deployments {
            if held.work.model().hash == model && matches!(held.state, Deployed::Asked) {
                let subject = Subject::Deployment(*id);
                held.state = Deployed::Refused(Refusal { subject, ..refusal.clone() });
            }
        }
    }

    /// The deployment that new frames run tells.
    pub(super) fn status(&self) -> LinkStatus {
        let name = self.name.clone();
        match self.deployments.get(&self.current).map(|held| &held.state) {
            Some(Deployed::Asked) => {
                let (sent, total) = self.upload.as_ref().map_or((0, 0), Upload::progress);
                LinkStatus::Deploying { name, sent, total }
            }
            Some(Deployed::Refused(refusal)) => LinkStatus::Refused { name, refusal: refusal.clone() },
            Some(Deployed::Ready) | None => {
                LinkStatus::Ready { name, version: self.version.clone(), threads: self.threads }
            }
        }
    }
}
