//! Searching, and running what was found: the supernet and the set that evaluates are got first, then slices of the search
//! alternate with evaluations on the engine.

use super::App;
use super::networks::LoadError;
use crate::effect::{Effect, FetchError, File, Purpose};
use crate::evaluation::{self, Evaluation, EvaluationError, EvaluationSet};
use crate::network::Network;
use crate::search::{Request, SearchRun, SharedSearch, Turn};
use cleave_arch::{LinkCodec, Mapping, Plan, Task};
use cleave_contract::{self as contract, Event, Failure, LongWork};
use cleave_model::{Card, Storage, SupernetWeights, Weights};
use cleave_search::{FURNITURE, Search};
use cleave_session::{DeviceEvent, DownloadError, EngineError, Fetched};
use std::rc::Rc;
use std::sync::Arc;
use thiserror::Error;

/// The supernet's file.
const SUPERNET: &str = "model/supernet/points.safetensors";
/// Milliseconds of portions before other messages are looked at.
const SLICE_MS: f64 = 25.0;

/// What waits for the supernet, and then for what evaluates.
pub(super) enum Awaiting {
    /// A search to begin.
    Search(contract::SearchRequest),
    /// A search that came by a link.
    Shared(Box<SharedSearch>),
    /// A search to go on with.
    Resume(Box<Search>),
    /// A design to run.
    Deploy(String),
}

/// What a search waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The welcome of the edge.
    Edge,
    /// The edge's set.
    Set,
}

/// The supernet as it is, and for samples of an evaluation's size.
#[derive(Clone)]
struct Supernet {
    whole: Rc<SupernetWeights>,
    sized: Rc<SupernetWeights>,
}

/// Everything about searches.
#[derive(Default)]
pub(super) struct Searching {
    supernet: Option<Supernet>,
    /// What waits for the supernet.
    asked: Option<Awaiting>,
    /// What an edge has sent, kept while the application lives.
    set: Option<Rc<EvaluationSet>>,
    /// A search that waits for what evaluates it.
    waiting: Option<(Wait, Awaiting)>,
    run: Option<(SearchRun, Rc<EvaluationSet>)>,
    evaluation: Option<Evaluation>,
    /// Number of the latest search; answers to an earlier one concern nobody.
    number: u32,
    /// A design that is being derived: the request's number and its plan.
    deploying: Option<(u32, Plan)>,
    /// The predictor is here, or will not come; a shared search that waits for that.
    knows_predictor: bool,
    shared: Option<String>,
}

/// Why there is nothing to evaluate on.
#[derive(Debug, Error)]
enum NoSet {
    #[error("it is evaluated on {wanted}, and this edge has {offered}")]
    Other { wanted: String, offered: String },
    #[error("it is evaluated on {0}, which no connected edge has")]
    Gone(String),
    #[error("no edge with clouds that judge is connected")]
    NoEdge,
    #[error("{0}")]
    Lost(#[from] DownloadError),
    #[error("{0}")]
    Unusable(#[from] EvaluationError),
}

fn read_supernet(file: Result<Vec<u8>, FetchError>) -> Result<SupernetWeights, LoadError> {
    Ok(SupernetWeights::from_safetensors(&file?)?)
}

/// The network of weights that were taken out of the supernet.
fn designed(weights: Result<Weights, EngineError>, card: &Card) -> Result<Network, LoadError> {
    Ok(Network::parse(weights?.to_safetensors(card, Storage::F32)?)?)
}

enum Found {
    Here(Rc<EvaluationSet>),
    Later(Wait),
}

impl Awaiting {
    /// Name of the set that evaluates; `None`: whatever the edge has.
    fn set(&self) -> Option<&str> {
        match self {
            Self::Search(request) => (request.judge == contract::Judge::Furniture).then_some(FURNITURE),
            Self::Shared(shared) => Some(&shared.set),
            Self::Resume(search) => Some(&search.settings().judge),
            Self::Deploy(_) => Some(FURNITURE),
        }
    }
}

impl App {
    /// Fetches the supernet once, then does it.
    pub(super) fn with_supernet(&mut self, then: Awaiting) {
        if self.searching.supernet.is_some() {
            return self.go_on(then);
        }
        let is_first = self.searching.asked.replace(then).is_none();
        if is_first {
            self.progress(LongWork::LoadSupernet, 0, 0);
            self.effects.push(Effect::Fetch(File::Supernet, SUPERNET.into()));
        }
    }

    pub(super) fn supernet_came(&mut self, file: Result<Vec<u8>, FetchError>) {
        let then = self.take_asked();
        match read_supernet(file) {
            Ok(whole) => {
                let sized = Rc::new(evaluation::sized(&whole, evaluation::POINTS));
                self.searching.supernet = Some(Supernet { whole: Rc::new(whole), sized });
                if let Some(then) = then {
                    self.go_on(then);
                }
            }
            Err(why) if then.is_some() => self.fail(Failure::Supernet, why),
            Err(_) => {}
        }
    }

    /// What waits for the supernet, which waits no more.
    fn take_asked(&mut self) -> Option<Awaiting> {
        let then = self.searching.asked.take()?;
        self.progress(LongWork::LoadSupernet, 1, 1);
        Some(then)
    }

    /// What waits for this, and so for what evaluates it, which waits no more.
    fn take_waiting(&mut self, is_here: impl FnOnce(Wait) -> bool) -> Option<Awaiting> {
        let (_, then) = self.searching.waiting.take_if(|(wait, _)| is_here(*wait))?;
        self.progress(LongWork::FetchValidation, 1, 1);
        Some(then)
    }

    fn go_on(&mut self, then: Awaiting) {
        match then {
            Awaiting::Deploy(plan) => self.deploy(&plan),
            then => self.begin_evaluated(then),
        }
    }

    // ---- what evaluates

    /// Begins a search as soon as what evaluates it is here.
    fn begin_evaluated(&mut self, then: Awaiting) {
        let Some(Supernet { sized, .. }) = self.searching.supernet.clone() else { return };
        let found = self.find_set(then.set()).and_then(|found| match found {
            Found::Here(set) => set.check(&sized).map(|()| Found::Here(set)).map_err(NoSet::from),
            later => Ok(later),
        });
        match found {
            Ok(Found::Here(set)) => self.begin(set, then),
            Ok(Found::Later(wait)) => {
                self.progress(LongWork::FetchValidation, 0, 0);
                self.searching.waiting = Some((wait, then));
                if wait == Wait::Set {
                    self.offload_event(DeviceEvent::FetchValidation);
                }
            }
            Err(why) => self.fail(Failure::Evaluation, why),
        }
    }

    /// The set of this name; without a name that of the edge, or the one that it had when it was last here.
    fn find_set(&self, name: Option<&str>) -> Result<Found, NoSet> {
        if name == Some(FURNITURE) {
            let set = EvaluationSet::furniture(evaluation::CLOUDS, evaluation::POINTS)?;
            return Ok(Found::Here(Rc::new(set)));
        }
        let offered = self.offered();
        let wanted = name.or(offered.as_deref());
        let kept = self.searching.set.as_ref().filter(|set| wanted.is_none_or(|wanted| wanted == set.name()));
        match (kept, name, &offered) {
            (Some(set), ..) => Ok(Found::Here(Rc::clone(set))),
            (None, _, Some(offered)) if wanted == Some(offered) => Ok(Found::Later(Wait::Set)),
            (None, Some(name), Some(offered)) => Err(NoSet::Other { wanted: name.into(), offered: offered.clone() }),
            (None, ..) if self.offload.is_connecting() => Ok(Found::Later(Wait::Edge)),
            (None, Some(name), None) => Err(NoSet::Gone(name.into())),
            (None, None, _) => Err(NoSet::NoEdge),
        }
    }

    /// Name of the set that the connected edge has.
    fn offered(&self) -> Option<String> {
        self.offload.validation().map(ToString::to_string)
    }

    /// The edge that a search waits for may have answered, or will not.
    pub(super) fn edge_changed(&mut self) {
        if let Some(then) = self.take_waiting(|wait| wait == Wait::Edge) {
            self.begin_evaluated(then);
        }
    }

    /// The edge's set, which is kept, also if the search that asked for it was stopped meanwhile.
    pub(super) fn validation_came(&mut self, fetched: Fetched) {
        let read = match fetched {
            Fetched::Part { bytes, total } => {
                if self.searching.waiting.is_some() {
                    self.progress(LongWork::FetchValidation, bytes, total);
                }
                return;
            }
            Fetched::Whole(set, body) => {
                EvaluationSet::of_edge(set.to_string(), &body, evaluation::POINTS).map_err(NoSet::from)
            }
            Fetched::Failed(why) => Err(why.into()),
        };
        let waiting = self.take_waiting(|_| true);
        match (read, waiting) {
            (Ok(set), waiting) => {
                self.searching.set = Some(Rc::new(set));
                if let Some(then) = waiting {
                    self.begin_evaluated(then);
                }
            }
            (Err(why), Some(_)) => self.fail(Failure::Evaluation, why),
            (Err(_), None) => {}
        }
    }

    // ---- a search

    fn begin(&mut self, set: Rc<EvaluationSet>, then: Awaiting) {
        let Some(Supernet { whole, .. }) = self.searching.supernet.clone() else { return };
        let task = whole.task;
        let here = self.pricing.under(self.conditions());
        let begun = match then {
            Awaiting::Search(request) => {
                let settings = Request::from(&request).settings(set.name());
                SearchRun::new(settings, &task, whole.functions, here.for_search(task)).map_err(|why| why.to_string())
            }
            Awaiting::Shared(shared) => {
                let SharedSearch { request, conditions, slowdown, profile, .. } = *shared;
                let pricing = self.pricing.with(profile, slowdown).map_err(|why| why.to_string());
                pricing.and_then(|mut pricing| {
                    let prices = pricing.under(conditions).for_search(task);
                    let settings = Request::from(&request).settings(set.name());
                    SearchRun::new(settings, &task, whole.functions, prices).map_err(|why| why.to_string())
                })
            }
            Awaiting::Resume(search) => {
                SearchRun::go_on(*search, set.name(), here.for_search(task)).map_err(|why| why.to_string())
            }
            Awaiting::Deploy(_) => return,
        };
        match begun {
            Ok(run) => {
                self.stop();
                self.searching.number += 1;
                self.searching.run = Some((run, set));
                self.effects.push(Effect::Continue);
            }
            Err(why) => self.fail(Failure::Search, why),
        }
    }

    /// Goes on with a saved search.
    pub(super) fn resume(&mut self, json: &str) {
        match Search::from_json(json) {
            Ok(search) => self.with_supernet(Awaiting::Resume(Box::new(search))),
            Err(why) => self.fail(Failure::Search, why),
        }
    }

    /// One slice; then the other messages, then the next.
    pub(super) fn search_on(&mut self) {
        let Some((run, set)) = &mut self.searching.run else { return };
        let stopwatch = self.stopwatch;
        let turn = run.slice(SLICE_MS, || stopwatch().as_millis());
        let view = run.report(self.now.as_millis(), turn != Turn::Done);
        let set = Rc::clone(set);
        if let Some(view) = view {
            self.tell(Event::Search(view));
        }
        match turn {
            Turn::Working => self.effects.push(Effect::Continue),
            Turn::Waiting => {}
            Turn::Evaluate(architecture) => {
                let Some(Supernet { sized, .. }) = self.searching.supernet.clone() else { return };
                let evaluation = Evaluation::new(set, architecture.clone());
                let calibration = evaluation.calibration();
                self.searching.evaluation = Some(evaluation);
                let purpose = Purpose::Evaluation(self.searching.number);
                self.effects.push(Effect::Derive { purpose, supernet: sized, architecture, calibration });
            }
            Turn::Done => self.searching.run = None,
        }
    }

    pub(super) fn derived(&mut self, purpose: Purpose, result: Result<Weights, EngineError>) {
        match (purpose, result) {
            (Purpose::Deployment(number), result) => self.design_derived(number, result),
            (Purpose::Evaluation(number), _) if number != self.searching.number => {}
            (Purpose::Evaluation(_), Ok(_)) => self.classify(),
            (Purpose::Evaluation(_), Err(why)) => self.search_failed(why),
        }
    }

    /// The next batch, or the accuracy when all have come.
    fn classify(&mut self) {
        let Some(evaluation) = &self.searching.evaluation else { return };
        if let Some(batch) = evaluation.batch() {
            return self.effects.push(Effect::Classify(self.searching.number, batch));
        }
        let (accuracy, architecture) = (evaluation.accuracy(), evaluation.architecture().clone());
        self.searching.evaluation = None;
        if let (Some(accuracy), Some((run, _))) = (accuracy, &mut self.searching.run) {
            run.evaluated(&architecture, accuracy);
            self.effects.push(Effect::Continue);
        }
    }

    pub(super) fn classified(&mut self, number: u32, result: Result<Vec<f32>, EngineError>) {
        let Some(evaluation) = self.searching.evaluation.as_mut().filter(|_| number == self.searching.number) else {
            return;
        };
        match result.map(|logits| evaluation.take(&logits)) {
            Ok(Ok(())) => self.classify(),
            Ok(Err(why)) => self.search_failed(why),
            Err(why) => self.search_failed(why),
        }
    }

    fn search_failed(&mut self, why: impl ToString) {
        self.end_search();
        self.fail(Failure::SearchStopped, why);
    }

    /// Stops; the state that the page is told goes on later.
    pub(super) fn end_search(&mut self) {
        // What waits is dropped with its progress.
        let _dropped = (self.take_asked(), self.take_waiting(|_| true));
        self.searching.evaluation = None;
        // What is still computed for it concerns nobody.
        self.searching.number += 1;
        let Some((mut run, _)) = self.searching.run.take() else { return };
        if let Some(view) = run.report(self.now.as_millis(), false) {
            self.tell(Event::Search(view));
        }
    }

    // ---- links

    /// Puts a search under the conditions of now into a link.
    pub(super) fn share(&mut self, request: contract::SearchRequest) {
        let kept = || self.searching.set.as_ref().map(|set| set.name().to_owned());
        let set = match request.judge {
            contract::Judge::Furniture => Some(FURNITURE.into()),
            contract::Judge::Edge => self.offered().or_else(kept),
        };
        let Some(set) = set else { return self.fail(Failure::Share, NoSet::NoEdge) };
        let (conditions, slowdown) = (self.conditions(), self.pricing.slowdown());
        let profile = self.pricing.profile().clone();
        let shared = SharedSearch { request: request.clone(), conditions, slowdown, profile, set };
        self.tell(Event::Shared { request, text: shared.to_text() });
    }

    /// Begins the search of a link, by the figures that it holds; once it is known whether there is a predictor.
    pub(super) fn open_shared(&mut self, text: String) {
        if !self.searching.knows_predictor {
            self.searching.shared = Some(text);
            return;
        }
        match SharedSearch::from_text(&text) {
            Ok(shared) => {
                self.tell(Event::Shared { request: shared.request.clone(), text });
                self.with_supernet(Awaiting::Shared(Box::new(shared)));
            }
            Err(why) => self.fail(Failure::OpenShared, why),
        }
    }

    pub(super) fn predictor_is_known(&mut self) {
        self.searching.knows_predictor = true;
        if let Some(text) = self.searching.shared.take() {
            self.open_shared(text);
        }
    }

    // ---- designs

    /// Tells what a design costs.
    pub(super) fn inspect(&mut self, text: &str) {
        let task = self.searching.supernet.as_ref().map_or_else(Task::modelnet10, |supernet| supernet.whole.task);
        match text.parse::<Plan>() {
            Ok(plan) => {
                let inspection = self.pricing.under(self.conditions()).inspection(&plan, &task);
                self.tell(Event::Inspected(inspection));
            }
            Err(why) => self.fail(Failure::Inspect, why),
        }
    }

    fn deploy(&mut self, text: &str) {
        let Some(Supernet { whole, .. }) = self.searching.supernet.clone() else { return };
        let codec = self.networks.mapping.as_ref().map_or_else(LinkCodec::default, Mapping::codec);
        let plan = match text.parse::<Plan>() {
            Ok(plan) => plan.with_codec(codec),
            Err(why) => return self.fail(Failure::Deploy, why),
        };
        let calibration = match evaluation::deployment_calibration(whole.task.n_points) {
            Ok(calibration) => calibration,
            Err(why) => return self.fail(Failure::Deploy, why),
        };
        let number = self.networks.next_request();
        self.progress(LongWork::LoadNetwork, 0, 0);
        let (purpose, architecture) = (Purpose::Deployment(number), plan.architecture().clone());
        self.searching.deploying = Some((number, plan));
        self.effects.push(Effect::Derive { purpose, supernet: whole, architecture, calibration });
    }

    fn design_derived(&mut self, number: u32, result: Result<Weights, EngineError>) {
        let Some((_, plan)) = self.searching.deploying.take_if(|(of, _)| *of == number) else { return };
        let Some(Supernet { whole, .. }) = self.searching.supernet.clone() else { return };
        let (name, classes) = (format!("searched {plan}"), whole.classes.clone());
        let card = Card { name, plan, task: whole.task, classes, accuracy: None };
        match designed(result, &card) {
            Ok(network) => self.prepare_network(number, Arc::new(network)),
            Err(why) => self.not_loaded(why),
        }
    }
}
