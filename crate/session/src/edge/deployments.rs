//! Graphs that a device wants run, each with its cuts, and what each still lacks.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_arch::{LinkCodec, Segment};
use cleave_graph::{CutGraph, Graph, GraphError, Layout};
use cleave_wire::{ModelHash, RefusalCode, WeightSource};
use thiserror::Error;

use super::{EdgeEffect, Effects, MAX_DEPLOYMENTS};
use crate::refusal::Wrong;

#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) cut: CutGraph,
    pub(super) codec: LinkCodec,
    pub(super) segments: Vec<Segment>,
    weights: WeightSource,
    state: State,
    /// Grows with every asking: the least makes room.
    asked: u64,
}

/// The weights came, and are missing all the same.
#[derive(Debug, Error)]
#[error("the weights could not be kept on the edge")]
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

    /// The model file of a deployment that waits for it from now on.
    pub(super) fn missing(&mut self, id: u32) -> Result<Option<ModelHash>, NotKept> {
        let Some(deployment) = self.all.get_mut(&id) else { return Ok(None) };
        match deployment.weights {
            WeightSource::File(model) if deployment.state != State::AskedAgain => {
                deployment.state = State::Waiting;
                Ok(Some(model))
            }
            _ => Err(NotKept),
        }
    }

    /// A model whose coming was interrupted by that of `whole`: it is asked for from its start.
    pub(super) fn next_missing(&self, whole: ModelHash) -> Option<ModelHash> {
        let waiting = self.all.values().filter(|deployment| deployment.state == State::Waiting);
        waiting.filter_map(Deployment::file).find(|model| *model != whole)
    }

    /// The weights are in the cache.
    pub(super) fn ask_again(&mut self, model: ModelHash, fx: &mut Effects) {
        for (id, deployment) in &mut self.all {
            if deployment.file() == Some(model) && deployment.state == State::Waiting {
                deployment.state = State::AskedAgain;
                fx.push(deployment.need(*id));
            }
        }
    }

    pub(super) fn waiting_for(&self, model: ModelHash) -> Vec<u32> {
        let waits = |deployment: &Deployment| deployment.file() == Some(model) && deployment.state == State::Waiting;
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
    pub(super) fn new(
        graph: &str,
        cuts: Vec<usize>,
        weights: WeightSource,
        codec: LinkCodec,
        most: u64,
    ) -> Result<Self, Wrong> {
        let bad = |why: String, right: &str| Wrong::new(RefusalCode::BadPlan, why, right);
        let graph: Graph = graph
            .parse()
            .map_err(|error: GraphError| bad(error.to_string(), "send a graph's text form as Cleave prints it"))?;
        let peak = graph.peak_bytes();
        if peak > most {
            let wrong = format!("a run of this network takes {peak} bytes");
            return Err(bad(wrong, &format!("this edge allows {most} bytes: use fewer points or channels")));
        }
        if graph.value(graph.answer()).layout == Layout::Neighbours {
            return Err(bad("the answer of this network is neighbours".into(), "send one whose answer is numbers"));
        }
        let cut = CutGraph::new(Arc::new(graph), cuts)
            .map_err(|error| bad(error.to_string(), "send nodes before which the tier changes"))?;
        Ok(Self { segments: cut.segments(), cut, codec, weights, state: State::Asked, asked: 0 })
    }

    fn file(&self) -> Option<ModelHash> {
        match self.weights {
            WeightSource::File(model) => Some(model),
            WeightSource::Seeded(_) => None,
        }
    }

    fn renew(&mut self, again: &Self, id: u32) -> Result<bool, Wrong> {
        let key = |of: &Self| (of.codec, of.weights);
        if key(self) != key(again) || self.cut != again.cut {
            let wrong = format!("deployment {id} exists and runs something else");
            return Err(Wrong::new(RefusalCode::BadPlan, wrong, "give every deployment a number of its own"));
        }
        self.asked = again.asked;
        Ok(self.state == State::Ready)
    }

    fn need(&self, deployment: u32) -> EdgeEffect {
        EdgeEffect::NeedModel { deployment, weights: self.weights, graph: self.cut.graph().clone() }
    }
}
