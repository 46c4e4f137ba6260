//! Frames: single ones, streams, what the engine computes for them, and what is told when they end.

use super::App;
use crate::cooperation::image;
use crate::effect::{Done, Effect, Job, Owner};
use crate::network::Network;
use crate::pricing::price_view;
use crate::report;
use crate::simulated::{EdgeJob, EdgeJobDone};
use crate::single::{Next, SingleFrame};
use crate::stream::Stream;
use cleave_arch::array::Array;
use cleave_arch::tolerance::distance;
use cleave_arch::{Segment, Task};
use cleave_contract::{self as contract, Backend, EdgeWait, Event, Failure};
use cleave_session::{DeviceEvent, EngineError, FrameReport, Micros, Outcome, Work};
use cleave_wire::WeightSource;
use std::sync::Arc;
use thiserror::Error;

/// A frame's time to live on wasm: a large cut over a slow link takes seconds.
const DEADLINE: Micros = Micros::from_millis(20_000);
/// On WebGPU, whose adapter may be a software one.
const GPU_DEADLINE: Micros = Micros::from_millis(180_000);

/// What is known of frames in flight.
#[derive(Default)]
pub(super) struct Frames {
    /// A stream that runs.
    pub(super) stream: Option<Stream>,
    /// The frame that somebody waits for.
    pub(super) single: SingleFrame,
    /// Until when it waits for what, as the page was told.
    pub(super) wait: Option<(Micros, EdgeWait)>,
    /// Frames whose answers are to be compared with the unsplit ones, and their inputs.
    compare: Vec<(u64, Vec<Array>)>,
    /// Frames submitted so far.
    submitted: u64,
}

/// Why a frame cannot be submitted.
#[derive(Clone, Debug, PartialEq, Error)]
pub(super) enum NoInput {
    #[error("no network is loaded")]
    Network,
    #[error("no input is loaded")]
    Cloud,
    #[error("the input does not fit this network: {0}")]
    Misfit(String),
}

impl App {
    /// Does what is due about a single frame.
    pub(super) fn run_single(&mut self) {
        let wait = match self.frames.single.next(&self.offload.readiness(), self.now) {
            Next::Idle => None,
            Next::Submit => {
                let number = self.next_number();
                self.frames.single.submitted(number);
                let is_split = self.offload.is_split();
                self.frames.compare.extend(self.arrays().ok().filter(|_| is_split).map(|input| (number, input)));
                self.submit();
                None
            }
            Next::Wait { until, on } => Some((until, on)),
        };
        let before = std::mem::replace(&mut self.frames.wait, wait);
        if before.map(|(_, on)| on) != wait.map(|(_, on)| on) {
            self.tell(Event::Waiting(wait.map(|(_, on)| on)));
        }
    }

    pub(super) fn run_stream(&mut self, in_flight: usize) {
        self.frames.single.cancel();
        let in_flight = in_flight.clamp(1, contract::MAX_IN_FLIGHT);
        self.frames.stream = Some(Stream::new(in_flight, self.now));
        let missing = in_flight.saturating_sub(self.offload.frames_in_flight());
        for _ in 0..missing.max(1) {
            if self.frames.stream.is_some() {
                self.submit();
            }
        }
    }

    /// Ends a stream, and a single frame that waits.
    pub(super) fn stop_frames(&mut self) {
        self.frames.single.cancel();
        if let Some(stream) = self.frames.stream.take() {
            self.tell(Event::Stream(stream.view(false)));
        }
    }

    /// The number of the frame that is submitted next.
    pub(super) fn next_number(&self) -> u64 {
        self.frames.submitted + 1
    }

    pub(super) fn submit(&mut self) {
        let input = match self.arrays() {
            Ok(input) => input,
            Err(why) => {
                self.stop();
                return self.fail(Failure::Run, why);
            }
        };
        let is_gpu = self.engine.as_ref().is_some_and(|engine| engine.backend == Backend::WebGpu);
        let budget = if is_gpu { GPU_DEADLINE } else { DEADLINE };
        let deadline = self.now + Micros((budget.0 as f64 * self.pricing.slowdown()) as u64);
        self.frames.submitted += 1;
        self.offload_event(DeviceEvent::Submit { frame: self.frames.submitted, input, deadline });
    }

    /// The input as the session takes it.
    pub(super) fn arrays(&self) -> Result<Vec<Array>, NoInput> {
        let network = self.networks.current.as_ref().ok_or(NoInput::Network)?;
        let misfit = |why: &dyn ToString| NoInput::Misfit(why.to_string());
        let (extents, values) = match network.mapping.plan() {
            Some((_, _, Task { n_points, in_channels, .. })) => {
                let (_, cloud) = self.input.as_ref().ok_or(NoInput::Cloud)?;
                (vec![*n_points, *in_channels], cloud.points.clone())
            }
            None => {
                let (values, _) = image(&self.look, network.graph.input()).map_err(|why| misfit(&why))?;
                (network.graph.extents(0), values)
            }
        };
        Ok(vec![Array::f32(extents, values).map_err(|why| misfit(&why))?])
    }

    // ---- the engine

    pub(super) fn compute(&mut self, job: u64, work: &Work, segment: Segment, input: Vec<Array>) {
        self.job(Owner::Device { job }, work.weights().source(), Some(segment), input);
    }

    pub(super) fn compute_for_edge(&mut self, EdgeJob { connection, weights, job, segment, input }: EdgeJob) {
        self.job(Owner::Edge { connection, job }, weights, Some(segment), input);
    }

    fn job(&mut self, owner: Owner, weights: WeightSource, segment: Option<Segment>, input: Vec<Array>) {
        match self.network_of(weights) {
            Some(network) => self.effects.push(Effect::Compute(Job { owner, network, segment, input })),
            None => {
                let now = (self.now, self.now);
                self.computed(owner.done(Err(EngineError::new("the network was replaced")), now));
            }
        }
    }

    fn network_of(&self, weights: WeightSource) -> Option<Arc<Network>> {
        self.networks.all().find(|network| network.source() == weights).cloned()
    }

    pub(super) fn computed(&mut self, done: Done) {
        match done {
            Done::Device { job, result } => self.offload_event(DeviceEvent::Computed { job, result }),
            Done::Edge(done) => self.edge_computed(done),
            Done::Unsplit(report, result) => {
                let whole = result.ok().and_then(|arrays| arrays.into_iter().next());
                let whole = whole.as_ref().and_then(|array| array.as_f32().ok());
                let delta = whole.zip(report::logits(&report)).map(|(whole, answer)| distance(answer, whole));
                self.tell_frame(&report, delta);
            }
        }
    }

    fn edge_computed(&mut self, done: EdgeJobDone) {
        let effects = self.offload.edge_computed(done, self.now);
        self.perform(effects);
    }

    // ---- the end of a frame

    pub(super) fn report(&mut self, report: FrameReport) {
        self.frames.single.ended(&report);
        // A frame that the device computed alone would be compared with itself.
        let compared = self.frames.compare.iter().position(|(id, _)| *id == report.id);
        if let Some((_, input)) = compared.map(|at| self.frames.compare.swap_remove(at))
            && report.outcome == Outcome::AsPlanned
        {
            let weights = report.work.weights().source();
            return self.job(Owner::Unsplit(Box::new(report)), weights, None, input);
        }
        if self.measuring.calibrates_by(report.id) {
            return self.calibrated(&report);
        }
        if let Some(dispatching) = &mut self.dispatching {
            dispatching.frame(&report);
        }
        self.tell_frame(&report, None);
        let Some(stream) = &mut self.frames.stream else { return };
        let (is_due, in_flight, view) = (stream.count(&report, self.now), stream.in_flight, stream.view(true));
        if is_due {
            self.tell(Event::Stream(view));
        }
        if let Outcome::Failed(why) = &report.outcome {
            // Whatever it is, the next frame would end the same way.
            self.fail(Failure::Stream, why);
            self.stop();
        } else if self.offload.frames_in_flight() < in_flight {
            self.submit();
        }
    }

    fn tell_frame(&mut self, report: &FrameReport, delta: Option<f32>) {
        let conditions = self.conditions();
        let is_held = self.network_of(report.work.weights().source()).is_some();
        let predicted = is_held.then(|| price_view(self.pricing.of_frame(conditions, report.work.mapping())));
        let frame = report::frame(report, delta, self.offload.engines());
        self.tell(Event::Frame(contract::Frame { predicted, ..frame }));
    }
}
