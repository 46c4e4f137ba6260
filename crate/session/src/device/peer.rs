//! What is known of the edge while a connection is up.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_wire::{ModelHash, Offer, Refusal, Subject, ToEdge, ValidationSet, WeightSource};

use super::Deployment;
use super::link::LinkStatus;
use crate::edge::MAX_DEPLOYMENTS;
use crate::link::{self, Pace, Upload};
use crate::work::Work;

/// A connected edge.
pub(super) type Up = link::Up<Known>;

/// What the device keeps of it beside what the link does.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) credit: u32,
    pub(super) deployments: BTreeMap<u32, Held>,
    askings: u64,
    /// The deployment that new frames run.
    pub(super) current: u32,
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

impl Known {
    pub(super) fn new(offer: Offer) -> Self {
        let (credit, validation) = (offer.credit.into(), offer.validation);
        Self { credit, deployments: BTreeMap::new(), askings: 0, current: 0, validation }
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

    /// True while a deployment with another file of weights is being made ready: the edge receives one at a time, and none
    /// for weights that it draws.
    pub(super) fn is_busy_with_another(&self, weights: WeightSource) -> bool {
        let is_asked = |held: &Held| matches!(held.state, Deployed::Asked);
        let is_file = |weights: WeightSource| matches!(weights, WeightSource::File(_));
        let is_another = |other: WeightSource| is_file(other) && other != weights;
        let busy = |held: &Held| is_asked(held) && is_another(held.work.weights().source());
        is_file(weights) && self.deployments.values().any(busy)
    }

    pub(super) fn refuse_all(&mut self, model: ModelHash, refusal: &Refusal) {
        for (id, held) in &mut self.deployments {
            if held.work.is_of(model) && matches!(held.state, Deployed::Asked) {
                let subject = Subject::Deployment(*id);
                held.state = Deployed::Refused(Refusal { subject, ..refusal.clone() });
            }
        }
    }
}

impl Up {
    /// The next piece of weights, if it is its time.
    pub(super) fn next_piece(&mut self) -> Option<ToEdge> {
        let model = self.upload.as_ref()?.model();
        let current = self.known.deployments.get(&self.known.current);
        let waits = |held: &Held| matches!(held.state, Deployed::Asked) && held.work.is_of(model);
        let pace = if current.is_some_and(waits) { Pace::Fast } else { Pace::Background };
        self.piece(pace).map(ToEdge::Link)
    }

    /// The deployment that new frames run tells.
    pub(super) fn status(&self) -> LinkStatus {
        let name = self.name.clone();
        match self.known.deployments.get(&self.known.current).map(|held| &held.state) {
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
