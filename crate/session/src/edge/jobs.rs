//! Frames of one connection under way on the edge.

use std::collections::BTreeMap;

use cleave_arch::array::Array;
use cleave_arch::{LinkCodec, Segment, Tier};
use cleave_wire::{Limits, Packed, RefusalCode, Timing, ToDevice};

use super::deployments::{Deployment, Deployments};
use super::{EdgeEffect, Effects};
use crate::error::EngineError;
use crate::refusal::Wrong;
use crate::tensors::{check, check_finite};
use crate::time::{Micros, Stopwatch, measured};

/// A frame as it came.
pub(super) struct Arrived {
    pub(super) id: u64,
    pub(super) deployment: u32,
    pub(super) segment: u8,
    pub(super) deadline: Micros,
    pub(super) tensors: Packed,
    pub(super) now: Micros,
}

/// A frame that the engine has.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) frame: u64,
    pub(super) cancelled: bool,
    received: Micros,
    deadline: Micros,
    codec: LinkCodec,
}

#[derive(Debug)]
pub(super) struct Jobs {
    jobs: BTreeMap<u64, Job>,
    next: u64,
    stopwatch: Stopwatch,
}

impl Jobs {
    pub(super) fn new(stopwatch: Stopwatch) -> Self {
        Self { jobs: BTreeMap::new(), next: 0, stopwatch }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Checks a frame and hands it to the engine.
    pub(super) fn begin(
        &mut self,
        arrived: Arrived,
        deployments: &Deployments,
        limits: &Limits,
        fx: &mut Effects,
    ) -> Result<(), Wrong> {
        let number = arrived.deployment;
        let deployment = deployments.get_ready(number).ok_or_else(|| {
            let wrong = format!("deployment {number} is not ready here");
            Wrong::new(RefusalCode::UnknownDeployment, wrong, "deploy it and wait for the answer")
        })?;
        let segment = deployment.edge_segment(arrived.segment)?;
        let tensors = arrived.tensors.unpack(limits).map_err(|error| bad_tensors(&error))?;
        check(&tensors, deployment.cut.graph(), segment.nodes.start).map_err(|error| bad_tensors(&error))?;
        check_finite(&tensors).map_err(|error| bad_tensors(&error))?;
        let (job, deadline, codec) = (self.next, arrived.deadline, deployment.codec);
        self.next += 1;
        let entry = Job { frame: arrived.id, cancelled: false, received: arrived.now, deadline, codec };
        self.jobs.insert(job, entry);
        fx.push(EdgeEffect::Compute { job, deployment: number, segment, tensors, deadline });
        Ok(())
    }

    pub(super) fn end(&mut self, job: u64) -> Option<Job> {
        self.jobs.remove(&job)
    }

    /// The message of a job's result, and when it is sent. A result that comes after its deadline is not sent: it
    /// would only stand in the way of others.
    pub(super) fn answer(
        &self,
        job: &Job,
        result: Result<Vec<Array>, EngineError>,
        [started, finished]: [Micros; 2],
        now: Micros,
        limits: &Limits,
    ) -> Result<(Vec<u8>, Micros), Wrong> {
        if now > job.deadline {
            let wrong = format!("the result was ready {} after the deadline", now - job.deadline);
            return Err(Wrong::new(RefusalCode::DeadlinePassed, wrong, "allow more time, or use a faster edge"));
        }
        let failed = |why: String| Wrong::new(RefusalCode::ComputeFailed, why, "run this segment on the device");
        let values = result.map_err(|error| failed(error.to_string()))?;
        let (packed, encode) = measured(self.stopwatch, || Packed::pack(&values, job.codec));
        let tensors = packed.map_err(|error| failed(error.to_string()))?;
        let sent = now + encode;
        let timing = Timing {
            received_micros: job.received.0,
            started_micros: started.0,
            finished_micros: finished.0,
            sent_micros: sent.0,
        };
        let bytes = ToDevice::Result { id: job.frame, timing, tensors }.encode();
        if bytes.len() as u64 > u64::from(limits.max_frame_bytes) {
            return Err(failed(format!("its result has {} bytes, too many for one message", bytes.len())));
        }
        Ok((bytes, sent))
    }

    pub(super) fn cancel(&mut self, frame: u64, fx: &mut Effects) {
        for (&job, entry) in self.jobs.iter_mut().filter(|(_, entry)| entry.frame == frame) {
            entry.cancelled = true;
            fx.push(EdgeEffect::Cancel { job });
        }
    }

    pub(super) fn cancel_all(&mut self, fx: &mut Effects) {
        let jobs = std::mem::take(&mut self.jobs);
        fx.extend(jobs.into_keys().map(|job| EdgeEffect::Cancel { job }));
    }
}

impl Deployment {
    /// The segment with this position, if this edge is to run it.
    fn edge_segment(&self, index: u8) -> Result<Segment, Wrong> {
        let segment = self.segments.get(usize::from(index));
        let Some(segment) = segment.filter(|segment| segment.tier == Tier::Edge) else {
            let wrong = format!("segment {index} is not one that the edge runs");
            return Err(Wrong::new(RefusalCode::BadTensors, wrong, "send the values before an edge segment"));
        };
        Ok(segment.clone())
    }
}

fn bad_tensors(error: &dyn std::error::Error) -> Wrong {
    let right = "send the live values before the segment, in the order in which the graph makes them";
    Wrong::new(RefusalCode::BadTensors, error.to_string(), right)
}
