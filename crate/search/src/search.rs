//! The state of a search: what it is looking for, how far it is, what it has found.

use crate::archive::{Design, admit};
use crate::funnel::Funnel;
use crate::genes::Space;
use crate::goal::{Binding, Ledger, Limits, Metrics};
use crate::strategy::{Progress, Strategy};
use crate::surrogate::Surrogate;
use cleave_arch::{ArchError, Architecture, GraphSource, Halves, LinkCodec, Plan, SplitMix64, Task, fnv_1a};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Candidates of one portion.
const PORTION: usize = 512;
/// Accuracies that are asked for at once.
const BATCH: usize = 4;
/// Candidates that wait to be judged.
const WAITING: usize = 64;
/// First field of the saved state.
const FORMAT: &str = "cleave-search";
/// Raised when an older program would misread a saved state.
const VERSION: u32 = 3;
/// The oldest that is read. Before 3 the page's searches were judged on generated furniture and did not say so.
const OLDEST: u32 = 2;
/// What judges unless something else is said.
pub const FURNITURE: &str = "generated furniture";

/// Prices plans.
pub trait Pricer {
    /// Latency by the table, milliseconds: fast enough for every candidate, and that of [`Pricer::metrics`].
    fn quick_ms(&self, plan: &Plan) -> f64;

    /// All figures by the table.
    fn metrics(&self, plan: &Plan) -> Metrics;

    /// All figures by a better predictor, in the order of the plans; `None` where there is none, and the table's stand.
    fn refined(&self, plans: &[Plan]) -> Option<Vec<Metrics>>;
}

/// How much may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Candidates to look at.
    pub candidates: u64,
    /// Architectures to judge by the shared weights.
    pub evaluations: u64,
}

impl Budget {
    /// Architectures of a first sample: a quarter of those that may be judged, 40 at most.
    pub(crate) fn sample(self) -> usize {
        (self.evaluations / 4).clamp(1, 40) as usize
    }
}

/// What is wanted. Together with prices and accuracies it determines the search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How candidates are made.
    pub strategy: Strategy,
    /// What no design may exceed.
    pub limits: Limits,
    /// What may be spent.
    pub budget: Budget,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Weight of latency against accuracy: a design as slow as its limit loses so much accuracy.
    pub weight: f64,
    /// Codec of what crosses.
    pub codec: String,
    /// What accuracies are measured on: those of another are never told to this search.
    #[serde(default = "furniture")]
    pub judge: String,
}

fn furniture() -> String {
    FURNITURE.to_owned()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::Random,
            limits: Limits::default(),
            budget: Budget { candidates: 200_000, evaluations: 48 },
            seed: 1,
            weight: 0.1,
            codec: "f32".into(),
            judge: furniture(),
        }
    }
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Go on.
    Working,
    /// Tell the accuracies of these, then go on.
    Evaluate(Vec<Architecture>),
    /// The budget is spent, or the space is exhausted.
    Done,
}

/// Why a search does not start or a state is none.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SearchError {
    /// A setting out of range.
    #[error("{what} is {value}; {wanted} is expected")]
    Setting {
        /// Which.
        what: &'static str,
        /// What it is.
        value: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// A saved state that cannot be read.
    #[error("the saved search cannot be continued: {why}; start it anew")]
    State {
        /// What is wrong.
        why: String,
    },
}

/// A priced candidate that waits for its accuracy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) plan: Plan,
    pub(crate) metrics: Metrics,
    /// By how much it breaks the limits.
    pub(crate) excess: f64,
}

impl Candidate {
    /// What is saved of it.
    pub(crate) fn kept(&self) -> (String, Metrics) {
        (self.plan.to_string(), self.metrics)
    }
}

/// The part of a search that its strategy works on.
pub(crate) struct Bench<'a> {
    pub(crate) space: &'a Space,
    pub(crate) pricer: &'a dyn Pricer,
    pub(crate) settings: &'a Settings,
    pub(crate) known: &'a BTreeMap<String, f64>,
    pub(crate) surrogate: &'a Surrogate,
    pub(crate) funnel: &'a mut Funnel,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) rng: SplitMix64,
}

/// A search under way.
pub struct Search {
    space: Space,
    saved: Saved,
    /// Best candidates whose architecture is not judged yet, best first.
    waiting: Vec<Candidate>,
    /// What follows from the judged ones.
    known: BTreeMap<String, f64>,
    surrogate: Surrogate,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Saved {
    format: String,
    version: u32,
    settings: Settings,
    n_points: usize,
    in_channels: usize,
    given_graph: bool,
    k: usize,
    n_classes: usize,
    /// Portions done.
    portions: u64,
    funnel: Funnel,
    ledger: Ledger,
    /// Every judged architecture and its accuracy, in the order of judging.
    judged: Vec<(String, f64)>,
    zoo: Vec<Design>,
    progress: Progress,
    waiting: Vec<(String, Metrics)>,
    asked: Vec<String>,
    done: bool,
}

impl Search {
    /// The beginning of a search for a task.
    ///
    /// # Errors
    /// A setting that is out of range.
    pub fn new(settings: Settings, task: &Task) -> Result<Self, SearchError> {
        let bad = |what, value: String, wanted| Err(SearchError::Setting { what, value, wanted });
        let limits = &settings.limits;
        let bounds = [limits.latency_ms, limits.energy_mj, limits.device_bytes, limits.edge_bytes, limits.link_bytes];
        if let Some(wrong) = bounds.into_iter().flatten().find(|bound| !(bound.is_finite() && *bound > 0.0)) {
            return bad("a limit", wrong.to_string(), "a number above 0");
        }
        if !(settings.weight.is_finite() && (0.0..=10.0).contains(&settings.weight)) {
            return bad("the weight of latency", settings.weight.to_string(), "a number in 0..=10");
        }
        if settings.budget.candidates == 0 || settings.budget.evaluations == 0 {
            return bad("the budget", "0".into(), "at least one candidate and one evaluation");
        }
        let Ok(codec) = settings.codec.parse::<LinkCodec>() else {
            return bad("the codec", settings.codec, "f32, f16 or i8, with +lz4 or without");
        };
        settings.strategy.check()?;
        let progress = settings.strategy.begin(task.graph);
        let saved = Saved {
            format: FORMAT.into(),
            version: VERSION,
            settings,
            n_points: task.n_points,
            in_channels: task.in_channels,
            given_graph: task.graph == GraphSource::Given,
            k: task.k,
            n_classes: task.n_classes,
            portions: 0,
            funnel: Funnel::default(),
            ledger: Ledger::default(),
            judged: Vec::new(),
            zoo: Vec::new(),
            progress,
            waiting: Vec::new(),
            asked: Vec::new(),
            done: false,
        };
        let space = Space::new(task, codec);
        Ok(Self { space, saved, waiting: Vec::new(), known: BTreeMap::new(), surrogate: Surrogate::default() })
    }

    /// Works through one portion of candidates, unless accuracies are awaited.
    pub fn advance(&mut self, pricer: &dyn Pricer) -> Step {
        if !self.saved.asked.is_empty() {
            return self.awaited();
        }
        if self.saved.done {
            return Step::Done;
        }
        let spent = self.saved.funnel.drawn >= self.saved.settings.budget.candidates;
        if spent || self.saved.progress.is_exhausted() {
            return self.end();
        }
        let Saved { settings, funnel, ledger, progress, portions, .. } = &mut self.saved;
        let (known, surrogate) = (&self.known, &self.surrogate);
        let rng = SplitMix64::new(SplitMix64::new(settings.seed ^ SplitMix64::new(*portions).next_u64()).next_u64());
        let mut bench = Bench { space: &self.space, pricer, settings, known, surrogate, funnel, ledger, rng };
        let candidates = progress.portion(&mut bench, PORTION);
        *portions += 1;
        self.take(candidates);
        self.ask()
    }

    /// Asks for the accuracies that are not told yet.
    fn awaited(&self) -> Step {
        Step::Evaluate(self.saved.asked.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Takes priced candidates: judged architectures go to the zoo, the best others wait.
    fn take(&mut self, candidates: Vec<Candidate>) {
        for candidate in candidates.into_iter().filter(|candidate| candidate.excess == 0.0) {
            match self.known.get(&candidate.plan.architecture().to_string()) {
                Some(accuracy) => {
                    admit(&mut self.saved.zoo, design(&candidate, *accuracy));
                }
                None => self.waiting.push(candidate),
            }
        }
        let task = *self.space.task();
        let (settings, surrogate) = (&self.saved.settings, &self.surrogate);
        // Until something is known, whoever waits is as good as another: the first judged are a sample of what keeps the
        // limits, not the fastest.
        let explores = self.known.len() < settings.budget.sample();
        let value = |candidate: &Candidate| match explores {
            true => SplitMix64::new(settings.seed ^ hash(&candidate.plan)).unit_f32().into(),
            false => settings.value(surrogate.of(candidate.plan.architecture(), &task), &candidate.metrics),
        };
        let mut valued: Vec<(f64, Candidate)> =
            self.waiting.drain(..).map(|candidate| (value(&candidate), candidate)).collect();
        valued.sort_by(|a, b| b.0.total_cmp(&a.0));
        valued.truncate(WAITING);
        self.waiting = valued.into_iter().map(|(_, candidate)| candidate).collect();
    }

    /// Spends evaluations evenly over the budget of candidates.
    fn ask(&mut self) -> Step {
        let Saved { settings, funnel, progress, asked, .. } = &mut self.saved;
        let Budget { candidates, evaluations } = settings.budget;
        let part = (funnel.drawn as f64 / candidates as f64).min(1.0);
        let due = (part * evaluations as f64) as u64;
        let wanted = progress.wanted(&self.known);
        let waiting = self.waiting.iter().map(|candidate| candidate.plan.architecture().to_string());
        let mut texts: Vec<String> = Vec::new();
        let ahead = funnel.evaluated + BATCH as u64 <= due.max(BATCH as u64 * u64::from(funnel.evaluated == 0));
        for text in wanted.into_iter().chain(waiting.filter(|_| ahead)) {
            if texts.len() < BATCH && funnel.evaluated + (texts.len() as u64) < evaluations && !texts.contains(&text) {
                texts.push(text);
            }
        }
        if texts.is_empty() {
            return Step::Working;
        }
        *asked = texts;
        self.awaited()
    }

    fn end(&mut self) -> Step {
        // What waits is judged while the budget lasts, the best first.
        let left = self.saved.settings.budget.evaluations.saturating_sub(self.saved.funnel.evaluated) as usize;
        let mut texts: Vec<String> = Vec::new();
        for candidate in &self.waiting {
            let text = candidate.plan.architecture().to_string();
            if texts.len() < left.min(BATCH) && !texts.contains(&text) {
                texts.push(text);
            }
        }
        if texts.is_empty() {
            self.saved.done = true;
            return Step::Done;
        }
        self.saved.asked = texts;
        self.awaited()
    }

    /// Takes the accuracy, 0..=1, of an architecture that was asked for.
    pub fn evaluated(&mut self, architecture: &Architecture, accuracy: f64) {
        let text = architecture.to_string();
        let Some(at) = self.saved.asked.iter().position(|asked| *asked == text) else { return };
        self.saved.asked.remove(at);
        self.saved.funnel.evaluated += 1;
        self.saved.judged.push((text.clone(), accuracy));
        self.learn(text, architecture, accuracy);
        let (known, others): (Vec<_>, Vec<_>) =
            self.waiting.drain(..).partition(|candidate| candidate.plan.architecture() == architecture);
        self.waiting = others;
        for candidate in known {
            admit(&mut self.saved.zoo, design(&candidate, accuracy));
        }
    }

    fn learn(&mut self, text: String, architecture: &Architecture, accuracy: f64) {
        self.surrogate.learn(architecture, self.space.task(), accuracy);
        self.known.insert(text, accuracy);
    }

    /// The designs that no other beats, by accuracy, latency, energy and memory; all within the limits.
    pub fn zoo(&self) -> &[Design] {
        &self.saved.zoo
    }

    /// The design with the best value, as the settings weigh accuracy and latency.
    pub fn best(&self) -> Option<&Design> {
        let value = |design: &Design| self.saved.settings.value(design.accuracy, &design.metrics);
        self.saved.zoo.iter().max_by(|a, b| value(a).total_cmp(&value(b)))
    }

    /// The limit that binds, while no candidate has kept them all.
    pub fn binding(&self) -> Option<Binding> {
        if self.saved.funnel.by_predictor > 0 { None } else { self.saved.ledger.binding(&self.saved.settings.limits) }
    }

    /// How many candidates came how far.
    pub fn funnel(&self) -> Funnel {
        self.saved.funnel
    }

    /// What is wanted.
    pub fn settings(&self) -> &Settings {
        &self.saved.settings
    }

    /// The functions that HGNAS's first stage has chosen, once it has.
    pub fn functions(&self) -> Option<Halves> {
        self.saved.progress.functions()
    }

    /// Leaves HGNAS's first stage out: the functions are these. Other strategies fix none.
    pub fn fix(&mut self, functions: Halves) {
        self.saved.progress.fix(functions);
    }

    /// What it is doing, in words.
    pub fn stage(&self) -> String {
        self.saved.progress.words()
    }

    /// All of its state.
    pub fn to_json(&self) -> String {
        let waiting = self.waiting.iter().map(Candidate::kept).collect();
        // Maps with text keys, numbers and texts: nothing that JSON cannot hold.
        serde_json::to_string(&Saved { waiting, ..self.saved.clone() }).unwrap_or_default()
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// [`SearchError::State`] with what the text is instead.
    pub fn from_json(text: &str) -> Result<Self, SearchError> {
        let bad = |why: String| SearchError::State { why };
        let mut saved: Saved = serde_json::from_str(text).map_err(|why| bad(why.to_string()))?;
        if saved.format != FORMAT || !(OLDEST..=VERSION).contains(&saved.version) {
            return Err(bad(format!("it is {} version {}", saved.format, saved.version)));
        }
        let graph = if saved.given_graph { GraphSource::Given } else { GraphSource::Sampled };
        let Saved { n_points, in_channels, k, n_classes, .. } = saved;
        let task = Task { n_points, in_channels, k, n_classes, graph };
        let task = task.checked().map_err(|why| bad(why.to_string()))?;
        saved.renew(graph).map_err(|why| bad(why.to_string()))?;
        let mut search = Self::new(saved.settings.clone(), &task)?;
        let codec = search.space.codec();
        let waiting = saved.waiting.iter().map(|(text, metrics)| {
            let plan = text.parse::<Plan>().map_err(|why| bad(why.to_string()))?.with_codec(codec);
            Ok(Candidate { plan, metrics: *metrics, excess: 0.0 })
        });
        search.waiting = waiting.collect::<Result<_, SearchError>>()?;
        for (text, accuracy) in &saved.judged {
            let architecture = text.parse().map_err(|why: ArchError| bad(why.to_string()))?;
            search.learn(text.clone(), &architecture, *accuracy);
        }
        search.saved = Saved { version: VERSION, waiting: Vec::new(), ..saved };
        Ok(search)
    }
}

impl Saved {
    /// Writes every plan as it is written now: states of before `given:` existed have the graph source beside them only.
    fn renew(&mut self, graph: GraphSource) -> Result<(), ArchError> {
        let judged = self.judged.iter_mut().map(|(text, _)| text);
        let waiting = self.waiting.iter_mut().map(|(text, _)| text);
        let zoo = self.zoo.iter_mut().map(|design| &mut design.plan);
        for text in judged.chain(waiting).chain(zoo).chain(&mut self.asked).chain(self.progress.texts()) {
            *text = Plan::parse_beside(text, graph)?.to_string();
        }
        Ok(())
    }
}

/// A number for a plan. It is that of the text without the graph source, as when texts had none: seeds keep their meaning.
fn hash(plan: &Plan) -> u64 {
    let text = plan.to_string();
    fnv_1a(text.split_once(": ").map_or(text.as_str(), |(_, ids)| ids).as_bytes())
}

impl Settings {
    /// GCoDE's score with a reconstruction of its weights: accuracy − weight · latency / limit. Without a limit, latency
    /// counts against 100 ms.
    pub fn value(&self, accuracy: f64, metrics: &Metrics) -> f64 {
        accuracy - self.weight * metrics.latency_ms / self.limits.latency_ms.unwrap_or(100.0)
    }
}

impl Bench<'_> {
    /// Takes candidates through the cascade: table, then predictor. Those that break a limit by the table are only
    /// counted, unless `all` are wanted, as by strategies that breed from them.
    pub(crate) fn price(&mut self, plans: Vec<Option<Plan>>, all: bool) -> Vec<Candidate> {
        self.funnel.drawn += plans.len() as u64;
        let limits = &self.settings.limits;
        let mut kept = Vec::new();
        for plan in plans.into_iter().flatten() {
            self.funnel.valid += 1;
            // By the fast sum alone where latency is broken: most candidates end here. What binds is looked for only while
            // nothing keeps the limits, so that whether a candidate passes does not depend on those before it.
            let is_slow = !all && limits.latency_ms.is_some_and(|bound| self.pricer.quick_ms(&plan) > bound);
            if is_slow && self.funnel.by_predictor > 0 {
                continue;
            }
            let metrics = self.pricer.metrics(&plan);
            self.ledger.note(&metrics, limits);
            if is_slow {
                continue;
            }
            let excess = limits.excess(&metrics);
            self.funnel.by_table += u64::from(excess == 0.0);
            if all || excess == 0.0 {
                kept.push(Candidate { plan, metrics, excess });
            }
        }
        let plans: Vec<Plan> = kept.iter().map(|candidate| candidate.plan.clone()).collect();
        for (candidate, metrics) in kept.iter_mut().zip(self.pricer.refined(&plans).into_iter().flatten()) {
            candidate.metrics = metrics;
            candidate.excess = limits.excess(&metrics);
        }
        self.funnel.by_predictor += kept.iter().filter(|candidate| candidate.excess == 0.0).count() as u64;
        kept.retain(|candidate| all || candidate.excess == 0.0);
        kept
    }

    /// Candidates that were kept as text.
    pub(crate) fn again(&self, kept: &[(String, Metrics)]) -> Vec<Candidate> {
        let candidate = |(text, metrics): &(String, Metrics)| {
            let plan = text.parse::<Plan>().ok()?.with_codec(self.space.codec());
            Some(Candidate { plan, metrics: *metrics, excess: self.settings.limits.excess(metrics) })
        };
        kept.iter().filter_map(candidate).collect()
    }

    /// Known or guessed accuracy.
    pub(crate) fn accuracy(&self, architecture: &Architecture) -> f64 {
        let known = self.known.get(&architecture.to_string()).copied();
        known.unwrap_or_else(|| self.surrogate.of(architecture, self.space.task()))
    }
}

fn design(candidate: &Candidate, accuracy: f64) -> Design {
    Design {
        plan: candidate.plan.to_string(),
        codec: candidate.plan.codec().to_string(),
        metrics: candidate.metrics,
        accuracy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_mean_what_they_meant_before_texts_named_their_graph_source() {
        for text in ["3 2 5 4,0 6 0 3", "given: 2 5 4,6 0 3"] {
            let ids = text.trim_start_matches("given: ");
            assert_eq!(hash(&text.parse().unwrap()), fnv_1a(ids.as_bytes()), "{text}");
        }
    }
}
