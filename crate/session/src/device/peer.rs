//! What is known of the edge while a connection is up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cleave_wire::{Limits, ModelHash, Refusal, RefusalCode, Subject};

use super::link::LinkStatus;
use super::upload::Upload;
use crate::clock::ClockEstimate;
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
    pub(super) deployments: BTreeMap<u32, (Arc<Work>, Deployed)>,
    pub(super) upload: Option<Upload>,
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
            upload: None,
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
        for (id, (work, state)) in &mut self.deployments {
            if work.model().hash == model && matches!(state, Deployed::Asked) {
                let subject = Subject::Deployment(*id);
                *state = Deployed::Refused(Refusal { subject, ..refusal.clone() });
            }
        }
    }

    /// The newest deployment tells.
    pub(super) fn status(&self) -> LinkStatus {
        let name = self.name.clone();
        match self.deployments.last_key_value() {
            Some((_, (_, Deployed::Asked))) => {
                let (sent, total) = self.upload.as_ref().map_or((0, 0), Upload::progress);
                LinkStatus::Deploying { name, sent, total }
            }
            Some((_, (_, Deployed::Refused(refusal)))) => LinkStatus::Refused { name, refusal: refusal.clone() },
            Some((_, (_, Deployed::Ready))) | None => {
                LinkStatus::Ready { name, version: self.version.clone(), threads: self.threads }
            }
        }
    }
}
