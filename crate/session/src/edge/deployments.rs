//! Plans that a device wants run, and the weights that come in for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_arch::{LinkCodec, Plan, Segment, Task, Trace};
use cleave_wire::{ModelHash, RefusalCode};

use super::{EdgeConfig, EdgeEffect, Effects, MAX_DEPLOYMENTS, Wrong};

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

/// A model file of which the first bytes have come.
#[derive(Debug)]
struct Receiving {
    model: ModelHash,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Deployments {
    all: BTreeMap<u32, Deployment>,
    askings: u64,
    receiving: Option<Receiving>,
}

impl Deployments {
    /// A deployment that frames may refer to.
    pub(super) fn get_ready(&self, id: u32) -> Option<&Deployment> {
        self.all.get(&id).filter(|deployment| deployment.state == State::Ready)
    }

    /// A deployment that is asked for again in the same words is kept longer; true if it is ready.
    #[allow(clippy::too_many_arguments)] // one for each field of the message
    pub(super) fn ask(
        &mut self,
        id: u32,
        plan: &str,
        task: Task,
        model: ModelHash,
        codec: LinkCodec,
        config: &EdgeConfig,
        fx: &mut Effects,
    ) -> Result<bool, Wrong> {
        let mut deployment = Deployment::new(plan, task, model, codec, config)?;
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

    /// The model to ask the device for, if it is not coming already. The error is for people.
    pub(super) fn missing(&mut self, id: u32) -> Result<Option<ModelHash>, String> {
        let Some(deployment) = self.all.get_mut(&id) else { return Ok(None) };
        if deployment.state == State::AskedAgain {
            return Err("the model file could not be kept on the edge".to_owned());
        }
        deployment.state = State::Waiting;
        let model = deployment.model;
        if self.receiving.as_ref().is_some_and(|receiving| receiving.model == model) {
            return Ok(None);
        }
        self.receiving = Some(Receiving { model, bytes: Vec::new() });
        Ok(Some(model))
    }

    /// One piece; the answer is how many bytes have come, or nothing for a model that is not awaited (any more: the
    /// device may have gone on to another one while pieces were under way).
    pub(super) fn weights(
        &mut self,
        model: ModelHash,
        offset: u64,
        total: u64,
        chunk: &[u8],
        fx: &mut Effects,
    ) -> Result<Option<u64>, Wrong> {
        let Some(receiving) = self.receiving.as_mut().filter(|receiving| receiving.model == model) else {
            return Ok(None);
        };
        let have = receiving.bytes.len() as u64;
        if offset != have || chunk.is_empty() {
            let wrong = format!("{} bytes of weights came for offset {offset}", chunk.len());
            let right = format!("go on at offset {have} with at least one byte");
            return Err(Wrong::new(RefusalCode::BadWeights, wrong, right));
        }
        receiving.bytes.extend_from_slice(chunk);
        let received = receiving.bytes.len() as u64;
        if received >= total {
            let whole = self.receiving.take();
            fx.extend(whole.map(|whole| EdgeEffect::StoreModel { model, bytes: whole.bytes }));
        }
        Ok(Some(received))
    }

    /// A model whose coming was interrupted by that of `whole`: it is asked for from its start.
    pub(super) fn next_missing(&mut self, whole: ModelHash) -> Option<ModelHash> {
        if self.receiving.is_some() {
            return None;
        }
        let waits = |deployment: &&Deployment| deployment.state == State::Waiting && deployment.model != whole;
        let model = self.all.values().find(waits)?.model;
        self.receiving = Some(Receiving { model, bytes: Vec::new() });
        Some(model)
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
        self.receiving = None;
        let all = std::mem::take(&mut self.all);
        fx.extend(all.into_keys().map(|deployment| EdgeEffect::DropDeployment { deployment }));
    }
}

impl Deployment {
    fn new(plan: &str, task: Task, model: ModelHash, codec: LinkCodec, config: &EdgeConfig) -> Result<Self, Wrong> {
        let bad = |why: String, right: &str| Wrong::new(RefusalCode::BadPlan, why, right);
        let task = task.checked().map_err(|error| bad(error.to_string(), "send a task that a network can run"))?;
        let plan = Plan::parse_beside(plan, task.graph)
            .map_err(|error| bad(error.to_string(), "send a plan's text form as Cleave prints it"))?;
        let plan = plan.with_codec(codec);
        let trace = plan.architecture().trace(&task);
        let (peak, most) = (trace.peak_bytes(), config.max_peak_bytes);
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
