//! Frames under way: where each is, which the device computes next, and when waiting for the edge costs too much.

use std::collections::BTreeMap;
use std::sync::Arc;

use cleave_arch::array::Array;
use cleave_arch::{Segment, Tier};
use cleave_wire::{Limits, Packed, Timing, ToEdge};

use super::link::{Outgoing, SendError, Sent};
use super::{Deployment, DeviceEffect, Effects, UnderWay};
use crate::error::EngineError;
use crate::ledger::{FrameError, FrameReport, Lane, LocalReason, Outcome, Span, edge_visit};
use crate::tensors::check;
use crate::time::{Micros, Stopwatch, measured};

/// Where a frame is, with the values it continues from.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waits for the device's engine.
    Device { input: Vec<Array> },
    /// The engine has it.
    Computing,
    /// Waits for credit.
    Uplink { input: Vec<Array> },
    /// The edge has it; the input is kept, so that the device can go on from here.
    Edge { input: Vec<Array>, handed: Micros },
}

#[derive(Debug)]
pub(super) struct Frame {
    id: u64,
    pub(super) deployment: Arc<Deployment>,
    submitted: Micros,
    deadline: Micros,
    segment: usize,
    pub(super) stage: Stage,
    local: Option<LocalReason>,
    spans: Vec<Span>,
    bytes_up: usize,
    bytes_down: usize,
    encode: Micros,
    decode: Micros,
}

/// What the engine runs. The frame may have ended meanwhile.
#[derive(Debug)]
struct Running {
    job: u64,
    order: u64,
    started: Micros,
    cost: CostKey,
}

/// Deployment, first node, node behind the last.
type CostKey = (u32, usize, usize);

/// A result that came from the edge.
pub(super) struct Arrival {
    pub(super) timing: Timing,
    pub(super) tensors: Packed,
    /// Bytes of its message.
    pub(super) bytes: usize,
    pub(super) offset: Option<i64>,
    pub(super) now: Micros,
}

/// Frames by the order of their submission, which is also their number on the wire: the caller may use a number again
/// once its frame is reported, and a late result must not be taken for the new frame's.
#[derive(Debug)]
pub(super) struct Frames {
    frames: BTreeMap<u64, Frame>,
    next_order: u64,
    next_job: u64,
    running: Option<Running>,
    /// What segments took on this device, smoothed.
    costs: BTreeMap<CostKey, Micros>,
    max_frames: usize,
    stopwatch: Stopwatch,
}

impl Frames {
    pub(super) fn new(max_frames: usize, stopwatch: Stopwatch) -> Self {
        Self {
            frames: BTreeMap::new(),
            next_order: 0,
            next_job: 0,
            running: None,
            costs: BTreeMap::new(),
            max_frames,
            stopwatch,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// What frames under way run.
    pub(super) fn deployments(&self) -> impl Iterator<Item = &Arc<Deployment>> {
        self.frames.values().map(|frame| &frame.deployment)
    }

    /// The message that has been with the edge for longest.
    pub(super) fn sent_first(&self) -> Option<UnderWay> {
        let sent = self.frames.values().filter_map(|frame| match frame.stage {
            Stage::Edge { handed, .. } => Some(UnderWay { handed, bytes: frame.bytes_up }),
            _ => None,
        });
        sent.min_by_key(|sent| sent.handed)
    }

    pub(super) fn get(&self, order: u64) -> Option<&Frame> {
        self.frames.get(&order)
    }

    pub(super) fn order_of(&self, id: u64) -> Option<u64> {
        self.frames.iter().find(|(_, frame)| frame.id == id).map(|(order, _)| *order)
    }

    // ---- beginning

    pub(super) fn submit(
        &mut self,
        id: u64,
        deployment: &Arc<Deployment>,
        input: Vec<Array>,
        deadline: Micros,
        now: Micros,
        fx: &mut Effects,
    ) {
        let frame = Frame::new(id, deployment.clone(), deadline, now);
        match self.admit(&frame, &input) {
            Err(error) => frame.report(Outcome::Failed(error), None, now, fx),
            Ok(()) => {
                self.frames.insert(self.next_order, frame);
                self.enter(self.next_order, 0, input, now, fx);
                self.next_order += 1;
            }
        }
    }

    fn admit(&self, frame: &Frame, input: &[Array]) -> Result<(), FrameError> {
        if self.frames.len() >= self.max_frames {
            return Err(FrameError::QueueFull { limit: self.max_frames });
        }
        if self.order_of(frame.id).is_some() {
            return Err(FrameError::DuplicateId);
        }
        check(input, frame.deployment.work.cut().graph(), 0)
            .map_err(|error| FrameError::BadInput { why: error.to_string() })
    }

    /// Values are at the start of segment `index`, or are the answer.
    fn enter(&mut self, order: u64, index: usize, values: Vec<Array>, now: Micros, fx: &mut Effects) {
        let Some(frame) = self.frames.get_mut(&order) else { return };
        frame.segment = index;
        match frame.deployment.tier(index) {
            None => self.finish(order, values, now, fx),
            Some(Tier::Device) => frame.stage = Stage::Device { input: values },
            Some(Tier::Edge) => frame.stage = Stage::Uplink { input: values },
        }
    }

    // ---- the device's engine

    /// Starts the oldest frame's job if the engine is free: a frame's later segment comes before a younger frame's
    /// first, so that frames leave in the order in which they came.
    pub(super) fn compute(&mut self, now: Micros, fx: &mut Effects) {
        if self.running.is_some() {
            return;
        }
        let next = self.frames.iter_mut().find(|(_, frame)| matches!(frame.stage, Stage::Device { .. }));
        let Some((&order, frame)) = next else { return };
        let Stage::Device { input } = std::mem::replace(&mut frame.stage, Stage::Computing) else { return };
        let (job, segment) = (self.next_job, frame.device_segment());
        self.next_job += 1;
        self.running = Some(Running { job, order, started: now, cost: frame.cost_key(&segment) });
        let work = frame.deployment.work.clone();
        fx.push(DeviceEffect::Compute { job, frame: frame.id, work, segment, input });
    }

    pub(super) fn computed(
        &mut self,
        job: u64,
        result: Result<Vec<Array>, EngineError>,
        now: Micros,
        fx: &mut Effects,
    ) {
        let Some(running) = self.running.take_if(|running| running.job == job) else { return };
        let took = now - running.started;
        if result.is_ok() {
            let cost = self.costs.entry(running.cost).or_insert(took);
            *cost = Micros((cost.0 / 4 * 3).saturating_add(took.0 / 4));
        }
        let Some(frame) = self.frames.get_mut(&running.order) else { return };
        frame.spans.push(Span { lane: Lane::Device, start: running.started, end: now });
        let (_, first, end) = running.cost;
        match result {
            Err(error) => {
                let error = FrameError::Compute { first, end, why: error.to_string() };
                self.fail(running.order, error, now, fx);
            }
            Ok(values) if frame.local.is_some() => self.finish(running.order, values, now, fx),
            Ok(values) => {
                let next = frame.segment + 1;
                self.enter(running.order, next, values, now, fx);
            }
        }
    }

    // ---- the edge

    pub(super) fn waiting_for_credit(&self) -> Vec<u64> {
        self.orders(|frame| matches!(frame.stage, Stage::Uplink { .. }))
    }

    pub(super) fn with_edge(&self) -> impl Iterator<Item = (u64, &Frame)> {
        let frames = self.frames.iter().map(|(order, frame)| (*order, frame));
        frames.filter(|(_, frame)| matches!(frame.stage, Stage::Uplink { .. } | Stage::Edge { .. }))
    }

    fn orders(&self, wanted: impl Fn(&Frame) -> bool) -> Vec<u64> {
        self.frames.iter().filter(|(_, frame)| wanted(frame)).map(|(order, _)| *order).collect()
    }

    /// The message of a frame that waits for credit.
    pub(super) fn pack(&self, order: u64, now: Micros) -> Result<Outgoing, SendError> {
        let frame = self.get(order).ok_or(SendError::NotWaiting)?;
        let Stage::Uplink { input } = &frame.stage else { return Err(SendError::NotWaiting) };
        let codec = frame.deployment.work.mapping().codec();
        let (packed, encode) = measured(self.stopwatch, || Packed::pack(input, codec));
        let message = ToEdge::Frame {
            id: order,
            deployment: frame.deployment.id,
            segment: frame.segment as u8,
            deadline_ms: u32::try_from((frame.deadline - now).0 / 1000).unwrap_or(u32::MAX),
            tensors: packed?,
        };
        Ok(Outgoing { message, encode })
    }

    pub(super) fn handed_over(&mut self, order: u64, sent: Sent) {
        let Some(frame) = self.frames.get_mut(&order) else { return };
        if let Stage::Uplink { input } = &mut frame.stage {
            frame.stage = Stage::Edge { input: std::mem::take(input), handed: sent.handed };
            frame.bytes_up += sent.bytes;
            frame.encode = frame.encode + sent.encode;
        }
    }

    /// A result counts only for a frame that still waits for it.
    pub(super) fn arrived(&mut self, order: u64, arrival: Arrival, limits: &Limits, fx: &mut Effects) {
        let Some(frame) = self.frames.get_mut(&order) else { return };
        let Stage::Edge { handed, .. } = frame.stage else { return };
        let (unpacked, decode) = measured(self.stopwatch, || arrival.tensors.unpack(limits));
        frame.decode = frame.decode + decode;
        frame.bytes_down += arrival.bytes;
        frame.spans.extend(edge_visit(handed, arrival.now, arrival.timing, arrival.offset));
        let next = frame.segment + 1;
        let work = &frame.deployment.work;
        let values = unpacked.map_err(|error| error.to_string());
        let fits = |values: Vec<Array>| match check(&values, work.cut().graph(), work.start(next)) {
            Ok(()) => Ok(values),
            Err(error) => Err(error.to_string()),
        };
        match values.and_then(fits) {
            Ok(values) => self.enter(order, next, values, arrival.now, fx),
            Err(why) => self.recall(order, LocalReason::BadResult { why }),
        }
    }

    /// The device goes on alone from the last values it holds.
    pub(super) fn recall(&mut self, order: u64, why: LocalReason) {
        let Some(frame) = self.frames.get_mut(&order) else { return };
        if let Stage::Uplink { input } | Stage::Edge { input, .. } = &mut frame.stage {
            frame.stage = Stage::Device { input: std::mem::take(input) };
            frame.local = Some(why);
        }
    }

    /// When waiting for the edge must end: early enough for the device to finish everything before this frame and
    /// then the frame itself, with as much again to spare, but never before half of the frame's time.
    pub(super) fn recall_at(&self, frame: &Frame) -> Micros {
        let half = Micros((frame.deadline - frame.submitted).0 / 2);
        let rest = frame.deployment.work.rest(frame.segment);
        let reserve = match self.costs.get(&frame.cost_key(&rest)) {
            Some(cost) => *cost + *cost + self.backlog(),
            None => half,
        };
        frame.deadline - reserve.min(half)
    }

    /// How long the engine is busy with what it has and what waits for it, as far as known.
    fn backlog(&self) -> Micros {
        let running = self.running.as_ref().map(|running| running.cost);
        let waiting = self.frames.values().filter(|frame| matches!(frame.stage, Stage::Device { .. }));
        let keys = waiting.map(|frame| frame.cost_key(&frame.device_segment())).chain(running);
        keys.filter_map(|key| self.costs.get(&key)).fold(Micros(0), |sum, cost| sum + *cost)
    }

    // ---- ending

    pub(super) fn next_wake(&self) -> Option<Micros> {
        let wake = |frame: &Frame| match frame.stage {
            Stage::Uplink { .. } | Stage::Edge { .. } => self.recall_at(frame).min(frame.deadline),
            Stage::Device { .. } | Stage::Computing => frame.deadline,
        };
        self.frames.values().map(wake).min()
    }

    pub(super) fn expired(&self, now: Micros) -> Vec<u64> {
        self.orders(|frame| now >= frame.deadline)
    }

    pub(super) fn expire(&mut self, order: u64, now: Micros, fx: &mut Effects) {
        let Some(frame) = self.get(order) else { return };
        let during = match frame.stage {
            Stage::Device { .. } => "it waited for the device's engine",
            Stage::Computing => "the device computed",
            Stage::Uplink { .. } => "it waited for the edge's credit",
            Stage::Edge { .. } => "the edge had it",
        };
        self.fail(order, FrameError::Deadline { during }, now, fx);
    }

    pub(super) fn fail(&mut self, order: u64, error: FrameError, now: Micros, fx: &mut Effects) {
        if let Some(frame) = self.frames.remove(&order) {
            frame.report(Outcome::Failed(error), None, now, fx);
        }
    }

    fn finish(&mut self, order: u64, values: Vec<Array>, now: Micros, fx: &mut Effects) {
        let Some(mut frame) = self.frames.remove(&order) else { return };
        let graph = frame.deployment.work.cut().graph();
        let end = graph.nodes().len();
        if let Err(error) = check(&values, graph, end) {
            let error = FrameError::Compute { first: end, end, why: error.to_string() };
            return frame.report(Outcome::Failed(error), None, now, fx);
        }
        let outcome = match frame.local.take() {
            Some(why) => Outcome::Local { why },
            None => Outcome::AsPlanned,
        };
        frame.report(outcome, values.into_iter().next(), now, fx);
    }
}

impl Frame {
    fn new(id: u64, deployment: Arc<Deployment>, deadline: Micros, now: Micros) -> Self {
        Self {
            id,
            deployment,
            submitted: now,
            deadline,
            segment: 0,
            stage: Stage::Computing,
            local: None,
            spans: Vec::new(),
            bytes_up: 0,
            bytes_down: 0,
            encode: Micros(0),
            decode: Micros(0),
        }
    }

    /// What the device runs next: the plan's segment, or everything that is left if it is alone.
    fn device_segment(&self) -> Segment {
        let work = &self.deployment.work;
        match (&self.local, work.segments().get(self.segment)) {
            (None, Some(segment)) => segment.clone(),
            _ => work.rest(self.segment),
        }
    }

    fn cost_key(&self, segment: &Segment) -> CostKey {
        (self.deployment.id, segment.nodes.start, segment.nodes.end)
    }

    fn report(self, outcome: Outcome, output: Option<Array>, now: Micros, fx: &mut Effects) {
        fx.push(DeviceEffect::Report(Box::new(FrameReport {
            id: self.id,
            work: self.deployment.work.clone(),
            submitted: self.submitted,
            ended: now,
            outcome,
            output,
            spans: self.spans,
            bytes_up: self.bytes_up,
            bytes_down: self.bytes_down,
            encode: self.encode,
            decode: self.decode,
        })));
    }
}
