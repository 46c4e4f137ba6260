//! What a session is asked to run: a plan for a task with a model.

use std::fmt;
use std::sync::Arc;

use cleave_arch::{Live, Plan, Segment, Task, Tier, Trace};
use cleave_wire::ModelHash;

use crate::tensors::Expected;

/// A model file as it is sent to an edge that does not hold it.
#[derive(Clone)]
pub struct Model {
    /// SHA-256 of `bytes`; computed by the caller.
    pub hash: ModelHash,
    /// The whole file.
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({}, {} bytes)", self.hash, self.bytes.len())
    }
}

/// A plan with everything that walking it needs, derived once.
#[derive(Clone, Debug)]
pub struct Work {
    plan: Plan,
    task: Task,
    model: Model,
    segments: Vec<Segment>,
    trace: Trace,
}

impl Work {
    /// Derives segments and shapes.
    pub fn new(plan: Plan, task: Task, model: Model) -> Self {
        let (segments, trace) = (plan.segments(), plan.architecture().trace(&task));
        Self { plan, task, model, segments, trace }
    }

    /// Who runs what.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Input and output sizes.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The weights.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The plan's segments in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Shapes and liveness.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// True if some segment runs on the edge.
    pub fn needs_edge(&self) -> bool {
        self.segments.iter().any(|segment| segment.tier == Tier::Edge)
    }

    /// True if a deployment of `other` serves this work too: equal plan, task and weights.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.plan, self.task, self.model.hash) == (&other.plan, other.task, other.model.hash)
    }

    /// Values at the start of segment `index`.
    pub(crate) fn input(&self, index: usize) -> &[Live] {
        let start = self.segments.get(index).map_or(0, |segment| segment.ops.start);
        self.trace.live_before(start)
    }

    /// Values behind segment `index`.
    pub(crate) fn output(&self, index: usize) -> Expected<'_> {
        match self.segments.get(index) {
            Some(segment) if !segment.classifier => Expected::Live(self.trace.live_before(segment.ops.end)),
            _ => Expected::Logits(self.task.n_classes),
        }
    }

    /// Everything from segment `index` to the answer as one segment of the device.
    pub(crate) fn rest(&self, index: usize) -> Segment {
        let start = self.segments.get(index).map_or(0, |segment| segment.ops.start);
        Segment { tier: Tier::Device, ops: start..self.plan.architecture().ops().len(), classifier: true }
    }
}
