//! The machine: one request at a time goes through its phases, whatever happens to the workers meanwhile.

use std::collections::VecDeque;

use cleave_contract::{LongWork, Replanned};
use cleave_partition::PartitionError;
use cleave_session::Micros;
use cleave_session::Weights;
use cleave_session::cooperate::{
    Coordinator, CoordinatorConfig, CoordinatorEffect, CoordinatorEvent, Plan as Group, RunError, RunReport, Uplink,
};

use super::choice::{Chosen, PlanTask};
use super::crew::{Candidate, Crew, Gone};
use super::error::CooperationError;
use super::event::{Config, Effect, Event, News};
use super::report::{Formed, Report, Whole};
use super::request::Request;
use super::series::{EngineKind, LEARNING_RUNS, Purpose, Series, alone, same, timeout};
use super::speeds::{Speeds, beginning};
use crate::partition::Shown;

/// A request that is under way.
#[derive(Debug)]
struct Task {
    request: Request,
    series: Option<Series>,
    /// The plan that is awaited: its number, over which places.
    planning: Option<(u64, Vec<usize>)>,
    whole: Option<Whole>,
    restarts: u32,
    replanned: Option<Replanned>,
}

/// A group that is ready.
#[derive(Debug)]
struct Ready {
    group: Group,
    weight_bytes: Vec<u64>,
    relayed: Vec<(usize, usize)>,
}

/// One call of the machine: when, what the coordinator has said, and what the shell is to do.
struct Turn {
    now: Micros,
    said: VecDeque<CoordinatorEffect>,
    out: Vec<Effect>,
}

impl Turn {
    fn news(&mut self, news: News) {
        self.out.push(Effect::News(news));
    }
}

/// The machine of the worker that has the image and gets the answer.
#[derive(Debug)]
pub struct Cooperation {
    coordinator: Coordinator,
    engine: EngineKind,
    crew: Crew,
    /// Everybody has answered, or failed to.
    is_assembled: bool,
    speeds: Speeds,
    /// What was planned last, until it is ready.
    forming: Option<Group>,
    ready: Option<Ready>,
    task: Option<Box<Task>>,
    runs: u64,
    plans: u64,
}

impl Cooperation {
    /// A machine that will connect to these members; their places count from 1.
    pub fn new(config: Config, members: &[Candidate]) -> Self {
        let Config { name, place, engine, handshake_timeout, seed } = config;
        let crew = Crew::new(&name, &place, members);
        let config = CoordinatorConfig { name, handshake_timeout, seed, ..CoordinatorConfig::default() };
        let specs = members.iter().map(|member| member.spec.clone()).collect();
        Self {
            coordinator: Coordinator::new(config, specs),
            engine,
            crew,
            is_assembled: false,
            speeds: Speeds::new(members),
            forming: None,
            ready: None,
            task: None,
            runs: 0,
            plans: 0,
        }
    }

    /// Who takes part.
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Whether nobody was lost, so that another request can be put to these workers.
    pub fn is_whole(&self) -> bool {
        self.crew.gone().is_empty()
    }

    /// When [`Event::Tick`] must come at the latest if nothing else happens.
    pub fn next_wake(&self) -> Option<Micros> {
        self.coordinator.next_wake()
    }

    /// Takes one event at the moment `now` and says what is to be done. `now` must not run backwards.
    pub fn handle(&mut self, event: Event, now: Micros) -> Vec<Effect> {
        let mut turn = Turn { now, said: VecDeque::new(), out: Vec::new() };
        match event {
            Event::Run(request) => self.run(*request, &mut turn),
            Event::Stop => self.stop(&mut turn),
            Event::Planned { number, chosen } => self.planned(number, chosen, &mut turn),
            Event::Start => self.tell(CoordinatorEvent::Connect, &mut turn),
            Event::Leave => {
                self.task = None;
                self.tell(CoordinatorEvent::Leave, &mut turn);
            }
            Event::Socket { place, event } => self.tell(CoordinatorEvent::Socket { place, event }, &mut turn),
            Event::Engine(event) => self.tell(CoordinatorEvent::Engine(event), &mut turn),
            Event::Tick => self.tell(CoordinatorEvent::Tick, &mut turn),
        }
        while let Some(effect) = turn.said.pop_front() {
            self.follow(effect, &mut turn);
        }
        turn.out
    }

    fn tell(&mut self, event: CoordinatorEvent, turn: &mut Turn) {
        turn.said.extend(self.coordinator.handle(event, turn.now));
    }

    fn follow(&mut self, effect: CoordinatorEffect, turn: &mut Turn) {
        match effect {
            CoordinatorEffect::Connect { place } => turn.out.push(Effect::Connect { place }),
            CoordinatorEffect::Send { place, bytes } => turn.out.push(Effect::Send { place, bytes }),
            CoordinatorEffect::Disconnect { place } => turn.out.push(Effect::Disconnect { place }),
            CoordinatorEffect::Engine(call) => turn.out.push(Effect::Engine(call)),
            CoordinatorEffect::Status { place, status } => {
                self.crew.note(place, &status);
                turn.news(News::Member(place, status));
            }
            CoordinatorEffect::NeedPlan { places } => {
                // Of several that came the last one counts.
                let is_need = |effect: &CoordinatorEffect| matches!(effect, CoordinatorEffect::NeedPlan { .. });
                if !turn.said.iter().any(is_need) {
                    self.need_plan(&places, turn);
                }
            }
            CoordinatorEffect::PlanRefused(why) => self.end(Err(why.into()), turn),
            CoordinatorEffect::Ready { weight_bytes, relayed, latencies } => {
                // A group whose connections broke forms itself anew.
                let Some(group) = self.forming.take().or_else(|| Some(self.ready.take()?.group)) else { return };
                self.speeds.reach(&group.places, &latencies);
                self.ready = Some(Ready { group, weight_bytes, relayed });
                if let Some(series) = self.task.as_mut().and_then(|task| task.series.as_mut()) {
                    series.is_warm = false;
                    self.submit(turn);
                }
            }
            CoordinatorEffect::Answered { run, values } => {
                if let Some(series) = self.series_of(run) {
                    series.values = values;
                }
            }
            CoordinatorEffect::Ended(report) => self.ended(*report, turn),
            CoordinatorEffect::Failed { run, error } => {
                if self.series_of(run).is_some() {
                    self.end(Err(error.into()), turn);
                }
            }
        }
    }

    fn series_of(&mut self, run: u64) -> Option<&mut Series> {
        self.task.as_mut()?.series.as_mut().filter(|series| series.run == Some(run))
    }

    // ---- requests

    fn run(&mut self, request: Request, turn: &mut Turn) {
        self.stop(turn);
        self.speeds.begin(&request);
        self.task =
            Some(Box::new(Task { request, series: None, planning: None, whole: None, restarts: 0, replanned: None }));
        match self.is_assembled {
            true if self.is_whole() => self.advance(turn),
            true => self.end(Err(CooperationError::Missing(self.crew.gone().to_vec())), turn),
            false => turn.news(News::Phase(LongWork::StartWorkers, 0, 0)),
        }
    }

    fn stop(&mut self, turn: &mut Turn) {
        let run = self.task.take().and_then(|task| task.series?.run);
        run.into_iter().for_each(|run| self.tell(CoordinatorEvent::Cancel { run }, turn));
    }

    fn end(&mut self, result: Result<Box<Report>, CooperationError>, turn: &mut Turn) {
        if self.task.is_some() {
            self.stop(turn);
            turn.out.push(Effect::Ended(result));
        }
    }

    /// The next phase of the request.
    fn advance(&mut self, turn: &mut Turn) {
        let Some(task) = &self.task else { return };
        let (request, places) = (&task.request, self.crew.places());
        if let Some(place) = self.speeds.unknown(&places) {
            let series = self.learning(place, request);
            turn.news(News::Phase(LongWork::LearnSpeeds, place, request.workers.cluster.len()));
            return self.begin(series, turn);
        }
        if request.compare && task.whole.is_none() {
            let whole_ms = request.times.whole_ms(request.network.operators().len());
            let slowdown = self.speeds.slowdown(0).max(request.workers.slowdown(0));
            let timeout = timeout(self.engine, whole_ms * slowdown);
            let group = alone(&request.network, 0, &request.weights);
            let images = request.images.clone();
            let runs = images.len();
            turn.news(News::Phase(LongWork::RunWhole, 0, 0));
            return self.begin(Series::new(Purpose::Whole, group, images, runs, timeout), turn);
        }
        self.plan(places, turn);
    }

    fn learning(&self, place: usize, request: &Request) -> Series {
        let beginning = beginning(&request.network);
        let image = vec![0.5; beginning.input().values() as usize];
        // What a member is made slower by counts; one that is not may be slow by itself.
        let slowdown = request.workers.slowdown(place).max(1.0);
        let whole_ms = request.times.whole_ms(beginning.operators().len()) * slowdown;
        // The weights do not count, only their number.
        let group = alone(&beginning, place, &Weights::Seeded(0));
        let timeout = timeout(self.engine, whole_ms);
        Series::new(Purpose::Learn(place), group, vec![image], LEARNING_RUNS, timeout)
    }

    // ---- plans

    /// Somebody was lost, or everybody has answered that will.
    fn need_plan(&mut self, places: &[usize], turn: &mut Turn) {
        (self.forming, self.ready) = (None, None);
        let is_first = !std::mem::replace(&mut self.is_assembled, true);
        let Some(task) = &mut self.task else { return };
        let gone = self.crew.gone();
        let is_begun = |series: &Series| series.purpose == Purpose::Share && !series.answers.is_empty();
        let has_answered = task.series.as_ref().is_some_and(is_begun);
        let is_refused = !has_answered && gone.iter().any(Gone::is_refusal);
        if (is_first && !gone.is_empty()) || is_refused {
            let gone = gone.to_vec();
            return self.end(Err(CooperationError::Missing(gone)), turn);
        }
        let Some(series) = &task.series else { return self.advance(turn) };
        if task.planning.is_none() && series.group.places.iter().all(|place| places.contains(place)) {
            let group = series.group.clone();
            return self.form(group, turn);
        }
        match series.purpose {
            Purpose::Share => self.plan(places.to_vec(), turn),
            // Whoever is lost needs no speed.
            Purpose::Learn(_) | Purpose::Whole => {
                let run = task.series.take().and_then(|series| series.run);
                run.into_iter().for_each(|run| self.tell(CoordinatorEvent::Cancel { run }, turn));
                self.advance(turn);
            }
        }
    }

    /// Has a plan made over these places, unless it was made before.
    fn plan(&mut self, places: Vec<usize>, turn: &mut Turn) {
        let Some(task) = &mut self.task else { return };
        let request = &task.request;
        if let Some(chosen) = self.speeds.planned(request, &places) {
            return self.share(places, chosen, turn);
        }
        let facts = match self.speeds.facts(request, &places, &[]) {
            Ok(facts) => facts,
            Err(why) => return self.end(Err(why.into()), turn),
        };
        self.plans += 1;
        // What is on show is a plan over all.
        let shown = if places.len() == request.workers.cluster.len() { request.shown.clone() } else { Shown::Nothing };
        let plan = PlanTask { number: self.plans, facts, strategy: request.strategy, shown };
        task.planning = Some((self.plans, places));
        turn.news(News::Phase(LongWork::PlanPartition, 0, 0));
        turn.out.push(Effect::Plan(Box::new(plan)));
    }

    fn planned(&mut self, number: u64, chosen: Result<Chosen, PartitionError>, turn: &mut Turn) {
        let Some(task) = &mut self.task else { return };
        let Some((_, places)) = task.planning.take_if(|(awaited, _)| *awaited == number) else { return };
        match chosen {
            // The coordinator does not tell of a loss that concerns no group.
            Ok(_) if !self.crew.are_there(&places) => self.plan(self.crew.places(), turn),
            Ok(chosen) => {
                self.speeds.keep(&task.request, &places, &chosen);
                self.share(places, chosen, turn);
            }
            Err(why) => self.end(Err(why.into()), turn),
        }
    }

    /// Runs a plan over these places.
    fn share(&mut self, places: Vec<usize>, chosen: Chosen, turn: &mut Turn) {
        let Some(task) = &mut self.task else { return };
        let request = &task.request;
        task.planning = None;
        let is_less = places.len() < request.workers.cluster.len();
        task.replanned = if is_less { Some(Replanned::Lost) } else { chosen.replanned };
        let uplinks = match request.workers.uplinks() {
            Ok(all) => places.iter().map(|place| all.get(*place).copied().unwrap_or(Uplink::UNSHAPED)).collect(),
            // Whoever reads requests has refused these.
            Err(_) => vec![Uplink::UNSHAPED; places.len()],
        };
        let timeout = timeout(self.engine, chosen.plan.total_ms());
        let (network, weights) = (request.network.clone(), request.weights.clone());
        let group = Group { graph: network, partition: chosen.plan.partition, places, weights, uplinks };
        match task.series.as_mut().filter(|series| series.purpose == Purpose::Share) {
            Some(series) => {
                (series.group, series.timeout) = (group.clone(), timeout);
                self.form(group, turn);
            }
            None => {
                let series = Series::new(Purpose::Share, group, request.images.clone(), request.runs, timeout);
                turn.news(News::Phase(LongWork::RunPartition, 0, request.runs));
                self.begin(series, turn);
            }
        }
    }

    // ---- runs

    /// Forms the group, unless it is there already.
    fn begin(&mut self, series: Series, turn: &mut Turn) {
        let Some(task) = &mut self.task else { return };
        let group = series.group.clone();
        task.series = Some(series);
        match self.ready.as_ref().is_some_and(|ready| same(&ready.group, &group)) {
            true => self.submit(turn),
            false => self.form(group, turn),
        }
    }

    fn form(&mut self, group: Group, turn: &mut Turn) {
        (self.forming, self.ready) = (Some(group.clone()), None);
        self.tell(CoordinatorEvent::Plan(group), turn);
    }

    /// The next run, unless one waits already.
    fn submit(&mut self, turn: &mut Turn) {
        let Some(series) = self.task.as_mut().and_then(|task| task.series.as_mut()) else { return };
        if series.run.is_some() {
            return;
        }
        self.runs += 1;
        series.run = Some(self.runs);
        let submit = CoordinatorEvent::Submit { run: self.runs, inputs: vec![series.image()], timeout: series.timeout };
        self.tell(submit, turn);
    }

    fn ended(&mut self, report: RunReport, turn: &mut Turn) {
        let Some(task) = &mut self.task else { return };
        let Some(series) = task.series.as_mut().filter(|series| series.run == Some(report.run)) else { return };
        task.restarts += report.restarts;
        let before = series.answers.len();
        series.ended(report);
        let (done, runs) = (series.answers.len(), series.runs);
        if series.purpose == Purpose::Share && done > before {
            turn.news(News::Phase(LongWork::RunPartition, done, runs));
            turn.news(News::Answered);
        }
        if done < runs {
            return self.submit(turn);
        }
        let Some(series) = task.series.take() else { return };
        match series.purpose {
            Purpose::Learn(place) => self.speeds.learn(place, &series.answers, &task.request),
            Purpose::Whole => {
                self.speeds.learn_whole(&series.answers, &task.request);
                let mut ms: Vec<f64> = series.answers.iter().map(|answer| answer.report.took().as_millis()).collect();
                ms.sort_by(f64::total_cmp);
                let ms = ms.get(ms.len() / 2).copied().unwrap_or_default();
                let answers = series.answers.into_iter().map(|answer| answer.values).collect();
                task.whole = Some(Whole { answers, ms });
            }
            Purpose::Share => {
                let report = self.report(series);
                return self.end(report, turn);
            }
        }
        self.advance(turn);
    }

    /// What came of it, with its plan priced by what is known now.
    fn report(&mut self, series: Series) -> Result<Box<Report>, CooperationError> {
        let (Some(task), Some(ready)) = (&mut self.task, &self.ready) else {
            return Err(RunError::Dismissed.into());
        };
        let (request, places) = (&task.request, &ready.group.places);
        let facts = self.speeds.facts(request, places, &ready.relayed)?;
        let formed = Formed {
            places: places.clone(),
            plan: facts.price(ready.group.partition.clone())?,
            weight_bytes: ready.weight_bytes.clone(),
            relayed: ready.relayed.clone(),
            latencies_ms: places.iter().map(|place| self.speeds.latency_ms(*place)).collect(),
            slowdowns: facts.slowdowns,
        };
        Ok(Box::new(Report {
            strategy: request.strategy,
            formed,
            answers: series.answers,
            whole: task.whole.take(),
            restarts: task.restarts,
            gone: self.crew.gone().to_vec(),
            replanned: task.replanned,
        }))
    }
}
