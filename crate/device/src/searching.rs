//! A search under way: portions between messages, accuracies by the shared weights on what judges.

use crate::browser::{now_millis, turn};
use crate::gpu;
use crate::judges::Judges;
use crate::mailbox::Mailbox;
use crate::pricing::Prices;
use crate::worker::Input;
use burn::tensor::Device;
use cleave_arch::{Architecture, LinkCodec, Plan, Task};
use cleave_contract as contract;
use cleave_cost::Price;
use cleave_model::{Card, State, Storage, SupernetWeights};
use cleave_search::{Budget, Limits, Metrics, Search, Settings, Step, Strategy};
use std::rc::Rc;

/// Milliseconds of portions before messages are looked at again.
const SLICE: f64 = 25.0;
/// Milliseconds between two reports, and between two saved states.
const REPORT: f64 = 250.0;
const SAVE: f64 = 1000.0;
/// Clouds that run together; points of each while judging.
const TOGETHER: usize = 4;
pub const POINTS: usize = 256;
/// An accuracy that nobody knows.
const UNKNOWN: f64 = -1.0;

/// The search with what the page is told of it.
pub struct Searching {
    search: Search,
    supernet: Rc<SupernetWeights>,
    judges: Rc<Judges>,
    prices: Prices,
    references: Vec<contract::Reference>,
    /// Of this run, so that an answer to an earlier one is known as such.
    pub number: u32,
    pricing_millis: f64,
    priced: u64,
    reported: f64,
    saved: f64,
    judging: bool,
}

/// What comes of a slice.
pub enum Slice {
    /// Go on at once.
    Working,
    /// Accuracies are being measured.
    Judging,
    /// Finished.
    Done,
}

impl Searching {
    /// Begins anew.
    pub fn new(
        wish: &contract::SearchWish,
        supernet: Rc<SupernetWeights>,
        judges: Rc<Judges>,
        prices: Prices,
        number: u32,
    ) -> Result<Self, String> {
        let search = Search::new(settings(wish, &judges), &supernet.task).map_err(|why| why.to_string())?;
        Ok(Self::with(search, supernet, judges, prices, number))
    }

    /// Goes on with a saved one, whose settings name these judges.
    pub fn with(
        search: Search,
        supernet: Rc<SupernetWeights>,
        judges: Rc<Judges>,
        prices: Prices,
        number: u32,
    ) -> Self {
        let references = references(&prices, &search.settings().codec);
        let (priced, pricing_millis, reported, saved, judging) = (0, 0.0, 0.0, 0.0, false);
        Self { search, supernet, judges, prices, references, number, pricing_millis, priced, reported, saved, judging }
    }

    /// Works through portions for a few milliseconds, or begins to judge.
    pub fn slice(&mut self, device: &Device, mailbox: &Mailbox<Input>) -> Slice {
        if self.judging {
            return Slice::Judging;
        }
        let (started, before) = (now_millis(), self.search.funnel().drawn);
        let mut asked = None;
        let done = loop {
            match self.search.advance(&self.prices) {
                Step::Working => {}
                Step::Done => break true,
                Step::Evaluate(architectures) => {
                    asked = architectures.into_iter().next();
                    break false;
                }
            }
            if now_millis() - started > SLICE {
                break false;
            }
        };
        self.pricing_millis += now_millis() - started;
        self.priced += self.search.funnel().drawn - before;
        match asked {
            Some(architecture) => {
                self.judging = true;
                let (supernet, judges) = (Rc::clone(&self.supernet), Rc::clone(&self.judges));
                let (device, mailbox, number) = (device.clone(), mailbox.clone(), self.number);
                wasm_bindgen_futures::spawn_local(async move {
                    let accuracy = judge(&supernet, &judges, &architecture, &device).await;
                    mailbox.put(Input::Judged(number, architecture, accuracy));
                });
                Slice::Judging
            }
            None if done => Slice::Done,
            None => Slice::Working,
        }
    }

    /// Takes an accuracy.
    pub fn judged(&mut self, architecture: &Architecture, accuracy: f64) {
        self.judging = false;
        self.search.evaluated(architecture, accuracy);
    }

    /// What the page is told, a few times a second; `None` in between.
    pub fn view(&mut self, running: bool) -> Option<contract::Search> {
        let now = now_millis();
        if running && now - self.reported < REPORT {
            return None;
        }
        self.reported = now;
        let due = !running || now - self.saved > SAVE;
        if due {
            self.saved = now;
        }
        let funnel = self.search.funnel();
        let words = |blame: cleave_search::Blame| {
            format!(
                "{} binds: at most {} is asked for, {:.3} was the lowest seen",
                blame.limit.words(),
                blame.bound,
                blame.best
            )
        };
        Some(contract::Search {
            running,
            stage: self.search.stage(),
            drawn: funnel.drawn,
            wanted: self.search.settings().budget.candidates,
            valid: funnel.valid,
            by_table: funnel.by_table,
            by_predictor: funnel.by_predictor,
            evaluated: funnel.evaluated,
            judged_on: self.judges.name().into(),
            per_second: if self.pricing_millis > 0.0 { self.priced as f64 / self.pricing_millis * 1e3 } else { 0.0 },
            designs: self.search.zoo().iter().map(|found| design(&found.plan, found.accuracy, found.metrics)).collect(),
            slowdown: self.prices.slowdown,
            references: self.references.clone(),
            binding: self.search.blame().map(words),
            state: due.then(|| self.search.to_json()),
        })
    }
}

fn design(plan: &str, accuracy: f64, metrics: Metrics) -> contract::Design {
    let Metrics { latency_ms, energy_mj, device_bytes, edge_bytes, link_bytes } = metrics;
    contract::Design {
        plan: plan.into(),
        accuracy,
        latency_millis: latency_ms,
        energy_millijoules: energy_mj,
        device_peak_bytes: device_bytes,
        edge_peak_bytes: edge_bytes,
        link_bytes,
    }
}

/// DGCNN on the device, on the edge, and cut where it is fastest. No weights are needed for that, and no accuracy is known.
fn references(prices: &Prices, codec: &str) -> Vec<contract::Reference> {
    let codec = codec.parse::<LinkCodec>().unwrap_or_default();
    let dgcnn = Architecture::dgcnn();
    let n = dgcnn.ops().len();
    let cut = |cuts: Vec<usize>| Plan::new(dgcnn.clone(), cuts, codec).ok().map(|plan| (prices.design(&plan), plan));
    let faster = |a: (Metrics, Plan), b: (Metrics, Plan)| if b.0.latency_ms < a.0.latency_ms { b } else { a };
    let best = (1..=n).filter_map(|at| cut(vec![at])).reduce(faster);
    let named =
        [("DGCNN on the device", cut(vec![])), ("DGCNN on the edge", cut(vec![0])), ("DGCNN at its best cut", best)];
    let reference = |(name, found): (&str, Option<(Metrics, Plan)>)| {
        found.map(|(metrics, plan)| contract::Reference {
            name: name.into(),
            design: design(&plan.to_string(), UNKNOWN, metrics),
        })
    };
    named.into_iter().filter_map(reference).collect()
}

fn settings(wish: &contract::SearchWish, judges: &Judges) -> Settings {
    let strategy = match wish.strategy {
        contract::Strategy::Random => Strategy::Random,
        contract::Strategy::Stages => Strategy::Stages,
        contract::Strategy::Nsga => Strategy::Nsga,
    };
    let limits = Limits {
        latency_ms: wish.latency_millis,
        energy_mj: wish.energy_millijoules,
        device_bytes: wish.device_megabytes.map(|megabytes| 1e6 * megabytes),
        ..Limits::default()
    };
    let budget = Budget { candidates: wish.candidates, evaluations: wish.evaluations };
    let (seed, codec, judge) = (wish.seed, wish.codec.clone(), judges.name().to_owned());
    Settings { strategy, limits, budget, seed, codec, judge, ..Settings::default() }
}

/// A price as a search asks for it.
pub fn metrics(price: &Price) -> Metrics {
    Metrics {
        latency_ms: price.latency_ms(),
        energy_mj: price.energy_mj,
        device_bytes: price.device_peak_bytes,
        edge_bytes: price.edge_peak_bytes,
        link_bytes: (price.bytes_up + price.bytes_down) as u64,
    }
}

/// Accuracy on the judges' clouds, 0..=1; other messages are looked at between batches.
async fn judge(
    supernet: &SupernetWeights,
    judges: &Judges,
    architecture: &Architecture,
    device: &Device,
) -> Result<f64, String> {
    let k = (supernet.task.k * POINTS).div_ceil(supernet.task.n_points);
    let small = SupernetWeights { task: Task { n_points: POINTS, k, ..supernet.task }, ..supernet.clone() };
    let (gnn, _) = small
        .network(architecture, State::input(judges.calibration(POINTS, device)?), device)
        .await
        .map_err(|why| why.to_string())?;
    let mut correct = 0;
    for first in (0..judges.count()).step_by(TOGETHER) {
        turn().await;
        let batch = first..(first + TOGETHER).min(judges.count());
        let logits = gnn.forward(judges.clouds(batch.clone(), POINTS, device)?).into_data_async();
        let logits = gpu::read_back(logits).await;
        let logits =
            logits.map_err(|why| format!("{why:?}"))?.try_into_vec::<f32>().map_err(|why| format!("{why:?}"))?;
        for (at, row) in batch.zip(logits.chunks_exact(supernet.task.n_classes)) {
            let best = (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            correct += usize::from(best == judges.class(at));
        }
    }
    Ok(correct as f64 / judges.count() as f64)
}

/// The weights file of a design: its part of the shared weights, statistics measured on generated clouds of full size.
pub async fn deploy(
    supernet: Rc<SupernetWeights>,
    plan: Plan,
    codec: LinkCodec,
    device: Device,
) -> Result<Vec<u8>, String> {
    let points = supernet.task.n_points;
    let calibration = Judges::furniture().calibration(points, &device)?;
    let network = supernet.network(plan.architecture(), State::input(calibration), &device).await;
    let (_, weights) = network.map_err(|why| why.to_string())?;
    let card = Card {
        name: format!("searched {plan}"),
        plan: plan.with_codec(codec),
        task: supernet.task,
        classes: supernet.classes.clone(),
        accuracy: None,
    };
    weights.to_safetensors(&card, Storage::F32).map_err(|why| why.to_string())
}
