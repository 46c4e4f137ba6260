//! Plans that a device wants run, and what each still lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_arch::{LinkCodec, Plan, Segment, Task, Trace};
use cleave_wire::{ModelHash, RefusalCode};
use thiserror::Error;

use super::{EdgeEffect, Effects, MAX_DEPLOYMENTS};
use crate::refusal::Wrong;

#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) plan: Arc<Plan>,
    pub(super) task: Task,
    pub(super) segments: Vec<Segment>,
    pub(super) trace: Arc<Trace>,
    model: ModelHash,
    state: State,
    /// Grows with every asking: the least makes room.
    asked: u64,
}

/// The weights came, and are missing all the same.
#[derive(Debug, Error)]
#[error("the model file could not be kept on the edge")]
pub(super) struct NotKept;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The leaf was asked for the model.
    Asked,
    /// Weights are awaited from the device.
    Waiting,
    /// The leaf was asked again after the weights had come: missing now is an error, not a reason to ask a third time.
    AskedAgain,
    Ready,
}

#[derive(Debug, Default)]
pub(super) struct Deployments {
    all: BTreeMap<u32, Deployment>,
    askings: u64,
}

impl Deployments {
    /// A deployment that frames may refer to.
    pub(super) fn get_ready(&self, id: u32) -> Option<&Deployment> {
        self.all.get(&id).filter(|deployment| deployment.state == State::Ready)
    }

    /// A deployment that is asked for again in the same words is kept longer; true if it is ready.
    pub(super) fn ask(&mut self, id: u32, mut deployment: Deployment, fx: &mut Effects) -> Result<bool, Wrong> {
        self.askings += 1;
        deployment.asked = self.askings;
        if let Some(known) = self.all.get_mut(&id) {
            return known.renew(&deployment, id);
        }
        fx.push(deployment.need(id));
        self.all.insert(id, deployment);
        while self.all.len() > MAX_DEPLOYMENTS {
            let Some(oldest) = self.all.iter().min_by_key(|(_, deployment)| deployment.asked) else { break };
            let deployment = *oldest.0;
            self.all.remove(&deployment);
            fx.push(EdgeEffect::DropDeployment { deployment });
        }
        Ok(false)
    }

    /// True if it exists.
    pub(super) fn ready(&mut self, id: u32) -> bool {
        let deployment = self.all.get_mut(&id);
        deployment.map(|deployment| deployment.state = State::Ready).is_some()
    }

    /// The model of a deployment that waits for it from now on.
    pub(super) fn missing(&mut self, id: u32) -> Result<Option<ModelHash>, NotKept> {
        let Some(deployment) = self.all.get_mut(&id) else { return Ok(None) };
        if deployment.state == State::AskedAgain {
            return Err(NotKept);
        }
        deployment.state = State::Waiting;
        Ok(Some(deployment.model))
    }

    /// A model whose coming was interrupted by that of `whole`: it is asked for from its start.
    pub(super) fn next_missing(&self, whole: ModelHash) -> Option<ModelHash> {
        let waits = |deployment: &&Deployment| deployment.state == State::Waiting && deployment.model != whole;
        Some(self.all.values().find(waits)?.model)
    }

    /// The weights are in the cache.
    pub(super) fn ask_again(&mut self, model: ModelHash, fx: &mut Effects) {
        for (id, deployment) in &mut self.all {
            if deployment.model == model && deployment.state == State::Waiting {
                deployment.state = State::AskedAgain;
                fx.push(deployment.need(*id));
            }
        }
    }

    pub(super) fn waiting_for(&self, model: ModelHash) -> Vec<u32> {
        let waits = |deployment: &Deployment| deployment.model == model && deployment.state == State::Waiting;
        self.all.iter().filter(|(_, deployment)| waits(deployment)).map(|(id, _)| *id).collect()
    }

    /// True if it existed.
    pub(super) fn remove(&mut self, id: u32) -> bool {
        self.all.remove(&id).is_some()
    }

    pub(super) fn drop_all(&mut self, fx: &mut Effects) {
        let all = std::mem::take(&mut self.all);
        fx.extend(all.into_keys().map(|deployment| EdgeEffect::DropDeployment { deployment }));
    }
}

impl Deployment {
    /// What a device asks for, if this edge can run it: at most `most` bytes at its peak.
    pub(super) fn new(plan: &str, task: Task, model: ModelHash, codec: LinkCodec, most: u64) -> Result<Self, Wrong> {
        let bad = |why: String, right: &str| Wrong::new(RefusalCode::BadPlan, why, right);
        let task = task.checked().map_err(|error| bad(error.to_string(), "send a task that a network can run"))?;
        let plan = Plan::parse_beside(plan, task.graph)
            .map_err(|error| bad(error.to_string(), "send a plan's text form as Cleave prints it"))?;
        let plan = plan.with_codec(codec);
        let trace = plan.architecture().trace(&task);
        let peak = trace.peak_bytes();
        if peak > most {
            let wrong = format!("a run of this plan takes {peak} bytes");
            return Err(bad(wrong, &format!("this edge allows {most} bytes: use fewer points or channels")));
        }
        let segments = plan.segments();
        let state = State::Asked;
        Ok(Self { plan: Arc::new(plan), task, segments, trace: Arc::new(trace), model, state, asked: 0 })
    }

    fn renew(&mut self, again: &Self, id: u32) -> Result<bool, Wrong> {
        if (&self.plan, self.task, self.model) != (&again.plan, again.task, again.model) {
            let wrong = format!("deployment {id} exists and runs something else");
            return Err(Wrong::new(RefusalCode::BadPlan, wrong, "give every deployment a number of its own"));
        }
        self.asked = again.asked;
        Ok(self.state == State::Ready)
    }

    fn need(&self, deployment: u32) -> EdgeEffect {
        let (model, plan, task) = (self.model, self.plan.clone(), self.task);
        EdgeEffect::NeedModel { deployment, model, plan, task }
    }
}
