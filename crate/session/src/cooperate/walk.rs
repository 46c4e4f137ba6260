//! One worker's way through a run: what has come lets it go on, stage by stage. It asks its engine, says what is to be
//! sent, and keeps what it did. It knows neither connections nor other runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cleave_arch::cnn::{COORDINATOR, Region, Shape};
use cleave_wire::RefusalCode;
use cleave_wire::cooperate::{Activity, Part, Span};
use thiserror::Error;

use super::EngineCall;
use super::group::Group;
use crate::error::EngineError;
use crate::refusal::Wrong;
use crate::time::Micros;

/// Calls that an engine may have at once: what needs nothing of others follows without a pause, and what was cancelled does
/// not keep it long.
const UNDER_WAY: usize = 3;

/// What is to be done, in this order.
#[derive(Debug)]
pub(super) enum Act {
    Engine(EngineCall),
    Send {
        phase: usize,
        to: usize,
        values: Vec<f32>,
    },
    /// The run is walked through; [`Walk::end`] says what it gave.
    Done,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) run: u64,
    pub(super) spans: Vec<Span>,
    pub(super) peak_bytes: u64,
    /// At the coordinator, the answer.
    pub(super) answer: Vec<f32>,
}

/// A result of the engine.
pub(super) struct Computed {
    pub(super) job: u64,
    pub(super) result: Result<Vec<Vec<f32>>, EngineError>,
    pub(super) times: [Micros; 2],
    pub(super) peak_bytes: u64,
}

/// Where this worker's own engine failed.
#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error("operator {operator}: {error}")]
    Engine { operator: usize, error: EngineError },
    #[error("operator {operator}: the engine has answered out of turn")]
    OutOfTurn { operator: usize },
    #[error("operator {operator}: the engine gave {found:?} values where {wanted:?} are needed")]
    Values { operator: usize, found: Vec<u64>, wanted: Vec<u64> },
}

#[derive(Debug)]
pub(super) struct Walk {
    pub(super) group: Arc<Group>,
    run: Option<Run>,
    /// This run and all before it are over.
    over: u64,
    jobs: u64,
}

#[derive(Debug)]
struct Run {
    id: u64,
    /// What the engine is to be asked for next.
    phase: usize,
    /// What it was asked for, in order.
    asked: VecDeque<Asked>,
    /// Parts by phase and sender.
    came: BTreeMap<(usize, usize), Vec<f32>>,
    /// Of the coordinator: what the first stage reads of the image.
    image: Option<(Region, Vec<f32>)>,
    /// Of the coordinator: parts of the answer.
    answer: Vec<(Region, Vec<f32>)>,
    idle_since: Option<Micros>,
    spans: Vec<Span>,
    peak_bytes: u64,
}

#[derive(Debug)]
struct Asked {
    job: u64,
    phase: usize,
    cut: Vec<Region>,
    /// Whom it is for: worker, and number within the cut. The coordinator's own part of the answer is for itself.
    sends: Vec<(usize, usize)>,
}

impl Walk {
    /// `jobs` is the last number of a job that was given out.
    pub(super) fn new(group: Arc<Group>, jobs: u64) -> Self {
        Self { group, run: None, over: 0, jobs }
    }

    pub(super) fn jobs(&self) -> u64 {
        self.jobs
    }

    /// The run that is under way.
    pub(super) fn run(&self) -> Option<u64> {
        self.run.as_ref().map(|run| run.id)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.run.as_ref().is_some_and(|run| !run.asked.is_empty())
    }

    /// Workers whose parts are missing, one bit for each; none while it computes.
    pub(super) fn awaits(&self) -> u16 {
        let Some(run) = self.run.as_ref().filter(|run| run.asked.is_empty()) else { return 0 };
        self.missing(run).fold(0, |bits, from| bits | 1 << from)
    }

    fn missing<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = usize> + 'a {
        let awaited = self.group.awaits(run.phase).map(|transfer| transfer.from);
        awaited.filter(|from| !run.came.contains_key(&(run.phase, *from)))
    }

    /// Adds to what it did.
    pub(super) fn note(&mut self, span: Span) {
        if let Some(run) = &mut self.run {
            run.spans.push(span);
        }
    }

    /// The coordinator begins a run.
    pub(super) fn begin(&mut self, id: u64, image: &[f32], now: Micros) -> Vec<Act> {
        let group = self.group.clone();
        let input = group.network.input();
        let mut acts: Vec<_> = self.replace(id).into_iter().collect();
        let send = |transfer: &cleave_arch::cnn::Transfer| Act::Send {
            phase: 0,
            to: transfer.to,
            values: cut(image, input, &transfer.region),
        };
        acts.extend(group.sends(0).map(send));
        let work = group.stage(0).and_then(|stage| stage.work[COORDINATOR].as_ref());
        if let Some(run) = &mut self.run {
            run.image = work.map(|work| (work.input.clone(), cut(image, input, &work.input)));
        }
        self.advance(now, &mut acts);
        acts
    }

    /// A part for this worker. One of a later run begins that run; one of a run that is over is nobody's.
    pub(super) fn part(&mut self, part: Part, now: Micros) -> Result<Vec<Act>, Wrong> {
        if part.run <= self.over || self.run().is_some_and(|run| part.run < run) {
            return Ok(Vec::new());
        }
        let phase = self.group.expects(&part)?;
        let mut acts = Vec::new();
        if self.run() != Some(part.run) {
            acts.extend(self.replace(part.run));
        }
        let Some(run) = &mut self.run else { return Ok(acts) };
        let key = (phase, usize::from(part.from));
        if phase < run.phase || run.came.contains_key(&key) {
            let wrong = format!("a part of stage {} from worker {} came twice", part.stage, part.from);
            return Err(Wrong::new(RefusalCode::BadTensors, wrong, "send every part once"));
        }
        run.came.insert(key, part.values);
        self.advance(now, &mut acts);
        Ok(acts)
    }

    /// The engine has answered.
    pub(super) fn computed(&mut self, computed: Computed, now: Micros) -> Result<Vec<Act>, StepError> {
        let mut acts = Vec::new();
        let Some(run) = &mut self.run else { return Ok(acts) };
        let of = |asked: &Asked| asked.job == computed.job;
        let Some(Asked { phase, cut, sends, .. }) = run.asked.pop_front_if(|asked| of(asked)) else {
            return match run.asked.iter().find(|asked| of(asked)) {
                Some(asked) => Err(StepError::OutOfTurn { operator: asked.phase / 2 }),
                None => Ok(acts),
            };
        };
        let stage = phase / 2;
        let mut values = computed.result.map_err(|error| StepError::Engine { operator: stage, error })?;
        check_cut(&self.group, phase, &cut, &values)?;
        run.peak_bytes = run.peak_bytes.max(computed.peak_bytes);
        let [start_micros, end_micros] = computed.times.map(|at| at.0);
        let activity = if phase.is_multiple_of(2) { Activity::Compute } else { Activity::Finish };
        run.spans.push(Span { stage: stage as u16, activity, start_micros, end_micros });
        for (number, (to, at)) in sends.iter().copied().enumerate() {
            let is_last = !sends[number + 1..].iter().any(|(_, other)| *other == at);
            let values = if is_last { std::mem::take(&mut values[at]) } else { values[at].clone() };
            match to == self.group.worker {
                true => run.answer.push((cut[at].clone(), values)),
                false => acts.push(Act::Send { phase: phase + 1, to, values }),
            }
        }
        self.advance(now, &mut acts);
        Ok(acts)
    }

    /// Nobody wants this run any more, nor any before it.
    pub(super) fn cancel(&mut self, id: u64) -> Option<EngineCall> {
        self.over = self.over.max(id);
        let run = self.run.take_if(|run| run.id <= id)?;
        Some(EngineCall::Forget { run: run.id })
    }

    /// What a run that is done gave.
    pub(super) fn end(&mut self) -> Option<Ended> {
        let run = self.run.take()?;
        self.over = self.over.max(run.id);
        let mut pieces = run.answer;
        let last = self.group.last_phase();
        let came = |((phase, from), values): ((usize, usize), Vec<f32>)| {
            let transfer = self.group.awaits(last).find(|transfer| phase == last && transfer.from == from)?;
            Some((transfer.region.clone(), values))
        };
        pieces.extend(run.came.into_iter().filter_map(came));
        let answer =
            if self.group.worker == COORDINATOR { paste(self.group.network.output(), &pieces) } else { Vec::new() };
        Some(Ended { run: run.id, spans: run.spans, peak_bytes: run.peak_bytes, answer })
    }

    fn replace(&mut self, id: u64) -> Option<Act> {
        let old = self.run().and_then(|old| self.cancel(old)).map(Act::Engine);
        self.run = Some(Run {
            id,
            phase: 0,
            asked: VecDeque::new(),
            came: BTreeMap::new(),
            image: None,
            answer: Vec::new(),
            idle_since: None,
            spans: Vec::new(),
            peak_bytes: 0,
        });
        old
    }

    /// Asks as far as what has come allows.
    fn advance(&mut self, now: Micros, acts: &mut Vec<Act>) {
        while let Some(run) = self.run.as_ref().filter(|run| run.asked.len() < UNDER_WAY) {
            let (phase, is_waiting) = (run.phase, self.missing(run).next().is_some());
            let Some(run) = &mut self.run else { return };
            let is_idle = run.asked.is_empty();
            if is_waiting {
                run.idle_since = run.idle_since.or(is_idle.then_some(now));
                return;
            }
            if let Some(since) = run.idle_since.take().filter(|since| *since < now) {
                let stage = (phase / 2) as u16;
                run.spans.push(Span { stage, activity: Activity::Wait, start_micros: since.0, end_micros: now.0 });
            }
            if phase == self.group.last_phase() {
                return if is_idle {
                    acts.push(Act::Done)
                };
            }
            acts.extend(self.call(phase).map(Act::Engine));
            self.run.iter_mut().for_each(|run| run.phase += 1);
        }
    }

    /// What the engine is to do in a phase, if anything.
    fn call(&mut self, phase: usize) -> Option<EngineCall> {
        let group = self.group.clone();
        let (worker, number) = (group.worker, phase / 2);
        let stage = group.stage(phase)?;
        let is_make = phase.is_multiple_of(2);
        let has_work = if is_make { stage.work[worker].is_some() } else { !stage.complete[worker].is_empty() };
        let run = self.run.as_mut().filter(|_| has_work)?;
        self.jobs += 1;
        let (job, id) = (self.jobs, run.id);
        let is_answer = phase + 1 == group.last_phase() && worker == COORDINATOR;
        let own = Some((worker, &stage.output[worker])).filter(|(_, output)| is_answer && !output.is_empty());
        let (cut, sends) = distinct(group.sends(phase + 1).map(|sent| (sent.to, &sent.region)).chain(own));
        let regions = cut.clone();
        let mut take = |from| run.came.remove(&(phase, from)).unwrap_or_default();
        let awaited = group.awaits(phase);
        let call = if is_make {
            let mut received: Vec<_> = awaited.map(|part| (part.region.clone(), take(part.from))).collect();
            received.extend(run.image.take());
            let kept = number
                .checked_sub(1)
                .map_or_else(Region::default, |before| group.schedule.stages[before].output[worker].clone());
            EngineCall::Make { job, run: id, stage: number, kept, received, cut: regions }
        } else {
            let received = awaited.map(|part| take(part.from)).collect();
            EngineCall::Finish { job, run: id, stage: number, received, cut: regions }
        };
        run.asked.push_back(Asked { job, phase, cut, sends });
        Some(call)
    }
}

/// Each region once, and for every receiver the number of its region: an all-gather reads a part from its engine once.
fn distinct<'a>(wanted: impl Iterator<Item = (usize, &'a Region)>) -> (Vec<Region>, Vec<(usize, usize)>) {
    let mut regions: Vec<Region> = Vec::new();
    let mut number = |region: &Region| {
        let known = regions.iter().position(|other| other == region);
        known.unwrap_or_else(|| {
            regions.push(region.clone());
            regions.len() - 1
        })
    };
    let sends = wanted.map(|(to, region)| (to, number(region))).collect();
    (regions, sends)
}

/// An engine that gives something else than it was asked for is named, not believed.
fn check_cut(group: &Group, phase: usize, cut: &[Region], values: &[Vec<f32>]) -> Result<(), StepError> {
    let Some(operator) = group.network.operators().get(phase / 2) else { return Ok(()) };
    let shape = if phase.is_multiple_of(2) { operator.made } else { operator.output };
    let wanted: Vec<u64> = cut.iter().map(|region| region.shape(shape.width).values()).collect();
    let found: Vec<u64> = values.iter().map(|values| values.len() as u64).collect();
    match wanted == found {
        true => Ok(()),
        false => Err(StepError::Values { operator: phase / 2, found, wanted }),
    }
}

/// Rows of a region within a map: where each begins in the map, and how long all rows of a channel are.
fn blocks(shape: Shape, region: &Region) -> (impl Iterator<Item = usize>, usize) {
    let (height, width, first) = (shape.height, shape.width, region.rows.start);
    let starts = region.channels.clone().map(move |channel| (channel * height + first) * width);
    (starts, region.rows.len() * width)
}

/// A region of a map.
fn cut(map: &[f32], shape: Shape, region: &Region) -> Vec<f32> {
    let (starts, len) = blocks(shape, region);
    starts.flat_map(|start| &map[start..start + len]).copied().collect()
}

/// A map of its regions.
fn paste(shape: Shape, pieces: &[(Region, Vec<f32>)]) -> Vec<f32> {
    let mut map = vec![0.0; shape.values() as usize];
    for (region, values) in pieces {
        let (starts, len) = blocks(shape, region);
        for (start, row) in starts.zip(values.chunks_exact(len.max(1))) {
            map[start..start + len].copy_from_slice(row);
        }
    }
    map
}
