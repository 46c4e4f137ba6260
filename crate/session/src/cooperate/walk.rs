//! One worker's way through a run: what has come lets it go on, stage by stage. It asks its engine, says what is to be
//! sent, and keeps what it did. It knows neither connections nor other runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cleave_graph::{COORDINATOR, Region, Transfer};
use cleave_wire::RefusalCode;
use cleave_wire::cooperate::{Activity, Part, Span};
use thiserror::Error;

use super::EngineCall;
use super::group::{Group, Sent};
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
    Send(Sent),
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
    /// Parts by phase, sender and input.
    came: BTreeMap<(usize, usize, usize), Vec<f32>>,
    /// Of the coordinator: its own parts of the graph's inputs, by the phase and the input that read them first.
    given: BTreeMap<(usize, usize), (Region, Vec<f32>)>,
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
    sends: Vec<Receiver>,
}

/// Whom a region of a cut is for. The coordinator's own part of the answer is for itself.
#[derive(Debug)]
struct Receiver {
    phase: usize,
    input: usize,
    to: usize,
    /// Number within the cut.
    at: usize,
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
        let is_missing = |part: &&Transfer| !run.came.contains_key(&(run.phase, part.from, part.input));
        self.group.awaits(run.phase).filter(is_missing).map(|part| part.from)
    }

    /// Adds to what it did.
    pub(super) fn note(&mut self, span: Span) {
        if let Some(run) = &mut self.run {
            run.spans.push(span);
        }
    }

    /// The coordinator begins a run on these inputs of the graph.
    pub(super) fn begin(&mut self, id: u64, inputs: &[Vec<f32>], now: Micros) -> Vec<Act> {
        let group = self.group.clone();
        let mut acts: Vec<_> = self.replace(id).into_iter().collect();
        for (value, (of, numbers)) in group.graph.inputs().iter().zip(inputs).enumerate() {
            acts.extend(group.sends_of(value).map(|(phase, Transfer { to, input, region, .. })| {
                Act::Send(Sent { phase, input: *input, to: *to, values: of.cut(numbers, region) })
            }));
            let own = group.schedule.first_read(&group.graph, value, COORDINATOR);
            if let (Some(run), Some((stage, input, region))) = (&mut self.run, own) {
                let part = of.cut(numbers, &region);
                run.given.insert((2 * stage, input), (region, part));
            }
        }
        self.advance(now, &mut acts);
        acts
    }

    /// A run begins for a worker that needs nothing for the first that it does.
    pub(super) fn start(&mut self, id: u64, now: Micros) -> Vec<Act> {
        if self.is_over(id) || self.run() == Some(id) {
            return Vec::new();
        }
        let mut acts: Vec<_> = self.replace(id).into_iter().collect();
        self.advance(now, &mut acts);
        acts
    }

    fn is_over(&self, id: u64) -> bool {
        id <= self.over || self.run().is_some_and(|run| id < run)
    }

    /// A part for this worker. One of a later run begins that run; one of a run that is over is nobody's.
    pub(super) fn part(&mut self, part: Part, now: Micros) -> Result<Vec<Act>, Wrong> {
        if self.is_over(part.run) {
            return Ok(Vec::new());
        }
        let phase = self.group.expects(&part)?;
        let mut acts = Vec::new();
        if self.run() != Some(part.run) {
            acts.extend(self.replace(part.run));
        }
        let Some(run) = &mut self.run else { return Ok(acts) };
        let key = (phase, usize::from(part.from), usize::from(part.input));
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
        for (number, Receiver { phase, input, to, at }) in sends.iter().enumerate() {
            let (phase, input, to, at) = (*phase, *input, *to, *at);
            let is_last = !sends[number + 1..].iter().any(|other| other.at == at);
            let values = if is_last { std::mem::take(&mut values[at]) } else { values[at].clone() };
            match to == self.group.worker {
                true => run.answer.push((cut[at].clone(), values)),
                false => acts.push(Act::Send(Sent { phase, input, to, values })),
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
        let mut run = self.run.take()?;
        self.over = self.over.max(run.id);
        let mut pieces = std::mem::take(&mut run.answer);
        let last = self.group.last_phase();
        pieces.extend(
            self.group
                .awaits(last)
                .filter_map(|part| Some((part.region.clone(), run.came.remove(&(last, part.from, part.input))?))),
        );
        let of = self.group.graph.value(self.group.graph.answer());
        let is_coordinator = self.group.worker == COORDINATOR;
        let mut answer = vec![0.0; if is_coordinator { of.shape.values() as usize } else { 0 }];
        pieces.iter().for_each(|(region, part)| of.paste(&mut answer, region, part));
        Some(Ended { run: run.id, spans: run.spans, peak_bytes: run.peak_bytes, answer })
    }

    fn replace(&mut self, id: u64) -> Option<Act> {
        let old = self.run().and_then(|old| self.cancel(old)).map(Act::Engine);
        self.run = Some(Run {
            id,
            phase: 0,
            asked: VecDeque::new(),
            came: BTreeMap::new(),
            given: BTreeMap::new(),
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
        let run = self.run.as_mut().filter(|_| group.works(phase, worker))?;
        self.jobs += 1;
        let (job, id, is_make) = (self.jobs, run.id, phase.is_multiple_of(2));
        let is_answer = !is_make && worker == COORDINATOR && phase + 1 == group.last_phase();
        let mut cut = Vec::new();
        let mut send = |phase: usize, input: usize, to: usize, region: &Region| Receiver {
            phase,
            input,
            to,
            at: number_of(region, &mut cut),
        };
        let sent = group.sends(phase).into_iter();
        let mut sends: Vec<_> = sent.map(|(phase, part)| send(phase, part.input, part.to, &part.region)).collect();
        if is_answer && !stage.output[worker].is_empty() {
            sends.push(send(phase + 1, 0, worker, &stage.output[worker]));
        }
        let parts = group.awaits(phase).map(|part| {
            let values = run.came.remove(&(phase, part.from, part.input)).unwrap_or_default();
            (part.input, part.region.clone(), values)
        });
        let mut received: Vec<_> = parts.collect();
        let regions = cut.clone();
        let call = if is_make {
            let given = run.given.extract_if((phase, 0)..=(phase, usize::MAX), |_, _| true);
            received.extend(given.map(|((_, input), (region, values))| (input, region, values)));
            EngineCall::Make { job, run: id, stage: number, received, cut: regions }
        } else {
            let received = received.into_iter().map(|(_, _, values)| values).collect();
            EngineCall::Finish { job, run: id, stage: number, received, cut: regions }
        };
        run.asked.push_back(Asked { job, phase, cut, sends });
        Some(call)
    }
}

/// The number of a region in a cut, which has each once: an all-gather reads a part from its engine once.
fn number_of(region: &Region, cut: &mut Vec<Region>) -> usize {
    cut.iter().position(|other| other == region).unwrap_or_else(|| {
        cut.push(region.clone());
        cut.len() - 1
    })
}

/// An engine that gives something else than it was asked for is named, not believed.
fn check_cut(group: &Group, phase: usize, cut: &[Region], values: &[Vec<f32>]) -> Result<(), StepError> {
    let Some(operator) = group.graph.operators().get(phase / 2) else { return Ok(()) };
    let of = if phase.is_multiple_of(2) { operator.made } else { operator.output };
    let wanted: Vec<u64> = cut.iter().map(|region| region.shape(of.shape.width).values()).collect();
    let found: Vec<u64> = values.iter().map(|values| values.len() as u64).collect();
    match wanted == found {
        true => Ok(()),
        false => Err(StepError::Values { operator: phase / 2, found, wanted }),
    }
}
