//! Searches with prices and accuracies that are functions of the network: what they keep, refuse, repeat and resume.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use cleave_arch::{Architecture, GraphSource, Op, Plan, SplitMix64, Task, Tier};
use cleave_search::{
    Budget, Design, FURNITURE, Limit, Limits, Metrics, Pricer, Search, SearchError, Settings, Step, Strategy,
};

const STRATEGIES: [Strategy; 4] =
    [Strategy::Random, Strategy::Stages, Strategy::Nsga, Strategy::Exhaustive { positions: 6 }];

/// Prices by arithmetic and bytes: a device of 10, an edge of 100 GFLOP/s, 40 Mbps between them.
struct ByArithmetic;

impl ByArithmetic {
    fn of(plan: &Plan) -> Metrics {
        let task = Task::modelnet10();
        let trace = plan.architecture().trace(&task);
        let (mut metrics, mut tier) = (Metrics::default(), Tier::Device);
        for segment in plan.segments() {
            let flops: u64 = segment.ops.clone().map(|at| trace.steps[at].flops).sum();
            let speed = if segment.tier == Tier::Device { 10e6 } else { 100e6 };
            metrics.latency_ms += flops as f64 / speed;
            if segment.tier != tier {
                metrics.link_bytes += trace.cut_bytes(segment.ops.start, plan.codec().codec) as u64;
            }
            let bytes = if segment.tier == Tier::Device { &mut metrics.device_bytes } else { &mut metrics.edge_bytes };
            *bytes = (*bytes).max(trace.segment_peak_bytes(&segment) + trace.weight_bytes());
            tier = segment.tier;
        }
        metrics.latency_ms += metrics.link_bytes as f64 * 8.0 / 40e3;
        metrics.energy_mj = 3.0 * metrics.latency_ms;
        metrics
    }
}

impl Pricer for ByArithmetic {
    fn quick_ms(&self, plan: &Plan) -> f64 {
        Self::of(plan).latency_ms
    }

    fn metrics(&self, plan: &Plan) -> Metrics {
        Self::of(plan)
    }

    /// A little more than the table says, in time as in energy.
    fn refined(&self, plans: &[Plan]) -> Option<Vec<Metrics>> {
        let more = |plan: &Plan| {
            let metrics = Self::of(plan);
            Metrics { latency_ms: 1.1 * metrics.latency_ms, energy_mj: 1.1 * metrics.energy_mj, ..metrics }
        };
        Some(plans.iter().map(more).collect())
    }
}

/// More combines and aggregates of combined features are better, with diminishing returns.
fn accuracy(architecture: &Architecture) -> f64 {
    let (mut worth, mut combined) = (0.0f64, false);
    for op in architecture.ops() {
        match op {
            Op::Combine { channels } => {
                worth += (*channels as f64).log2() / 8.0;
                combined = true;
            }
            Op::Aggregate { .. } => worth += if combined { 1.0 } else { 0.5 },
            _ => {}
        }
    }
    1.0 - 0.7 * (-0.5 * worth).exp()
}

fn settings(strategy: Strategy, limits: Limits, seed: u64) -> Settings {
    let budget = Budget { candidates: 6_000, evaluations: 24 };
    Settings { strategy, limits, budget, seed, ..Settings::default() }
}

fn run(search: &mut Search) {
    while step(search) {}
}

fn step(search: &mut Search) -> bool {
    match search.advance(&ByArithmetic) {
        Step::Working => true,
        Step::Evaluate(architectures) => {
            architectures.iter().for_each(|architecture| search.evaluated(architecture, accuracy(architecture)));
            true
        }
        Step::Done => false,
    }
}

fn finished(settings: Settings) -> Search {
    let mut search = Search::new(settings, &Task::modelnet10()).unwrap();
    run(&mut search);
    search
}

#[test]
fn every_strategy_finds_designs_within_the_limits_and_spends_its_budget() {
    let limits = Limits { latency_ms: Some(20.0), device_bytes: Some(3e6), ..Limits::default() };
    for strategy in STRATEGIES {
        let search = finished(settings(strategy, limits, 1));
        let funnel = search.funnel();
        assert!(funnel.drawn >= 1000 && funnel.valid <= funnel.drawn, "{strategy:?}: {funnel:?}");
        assert!(funnel.by_predictor <= funnel.valid && funnel.evaluated <= 24, "{strategy:?}: {funnel:?}");
        let best = search.best().unwrap_or_else(|| panic!("{strategy:?} found nothing: {funnel:?}"));
        assert!(best.metrics.latency_ms <= 20.0 && best.metrics.device_bytes <= 3_000_000, "{strategy:?}");
        assert!(best.accuracy > 0.6, "{strategy:?}: {best:?}");
        for design in search.zoo() {
            let plan: Plan = design.plan.parse().unwrap();
            assert!(design.accuracy == accuracy(plan.architecture()), "judged by what was told, never guessed");
            let table = ByArithmetic::of(&plan);
            let (refined, table) = (design.metrics, (1.1 * table.latency_ms, 1.1 * table.energy_mj));
            assert_eq!((refined.latency_ms, refined.energy_mj), table, "limits of both are of one model");
        }
    }
}

/// The bar of the tracker: over 1,000 random sets of limits nothing is returned that breaks one.
#[test]
fn no_design_breaks_a_limit() {
    let mut rng = SplitMix64::new(7);
    let (mut found, mut bound_by) = (0, 0);
    for seed in 0..1_000 {
        let mut draw = |low: f64, high: f64| {
            let value = low * (high / low).powf(f64::from(rng.unit_f32()));
            (rng.below(2) == 0).then_some(value)
        };
        let limits = Limits {
            latency_ms: draw(0.5, 50.0),
            energy_mj: draw(1.5, 150.0),
            device_bytes: draw(5e5, 2e7),
            edge_bytes: draw(5e5, 2e7),
            link_bytes: draw(40.0, 5e5),
        };
        let strategy = STRATEGIES[seed as usize % 3];
        let budget = Budget { candidates: 1_024, evaluations: 8 };
        let search = finished(Settings { budget, ..settings(strategy, limits, seed) });
        for design in search.zoo() {
            assert!(limits.allow(&design.metrics), "{limits:?}: {design:?}");
        }
        found += usize::from(!search.zoo().is_empty());
        bound_by += usize::from(search.zoo().is_empty() && search.binding().is_some());
    }
    assert!(found > 500, "{found} of 1000 sets gave a design, {bound_by} named what binds");
}

#[test]
fn an_impossible_set_names_what_binds() {
    for strategy in STRATEGIES {
        let limits = Limits { latency_ms: Some(1e-6), device_bytes: Some(1e9), ..Limits::default() };
        let search = finished(settings(strategy, limits, 1));
        assert!(search.zoo().is_empty());
        let binding = search.binding().unwrap();
        assert_eq!((binding.limit, binding.bound), (Limit::LatencyMs, 1e-6), "{strategy:?}");
        assert!(binding.best > 1e-6);
        assert!(finished(settings(strategy, Limits::default(), 1)).binding().is_none());
    }
}

#[test]
fn a_search_is_a_function_of_its_seed_and_goes_on_where_it_was_saved() {
    let limits = Limits { latency_ms: Some(25.0), ..Limits::default() };
    for strategy in STRATEGIES {
        let whole = finished(settings(strategy, limits, 3));
        assert!(whole.to_json() == finished(settings(strategy, limits, 3)).to_json(), "{strategy:?}");
        for at in [1, 4, 9] {
            let mut first = Search::new(settings(strategy, limits, 3), &Task::modelnet10()).unwrap();
            (0..at).for_each(|_| {
                step(&mut first);
            });
            let mut second = Search::from_json(&first.to_json()).unwrap();
            run(&mut second);
            assert!(second.to_json() == whole.to_json(), "{strategy:?} saved after {at} steps");
        }
    }
    let other = finished(settings(Strategy::Random, limits, 4));
    assert_ne!(other.zoo(), finished(settings(Strategy::Random, limits, 3)).zoo());
}

/// Prices whose table and fast sum differ in the last digits, as those of two ways through one sum do.
struct Jittered(f64);

impl Pricer for Jittered {
    fn quick_ms(&self, plan: &Plan) -> f64 {
        self.0 * ByArithmetic::of(plan).latency_ms
    }

    fn metrics(&self, plan: &Plan) -> Metrics {
        ByArithmetic::of(plan)
    }

    fn refined(&self, _: &[Plan]) -> Option<Vec<Metrics>> {
        None
    }
}

/// Whether a candidate passes depends on it alone: a fast sum that says more than the table refuses what it refuses from the
/// first candidate on, before anything has passed.
#[test]
fn a_candidate_passes_or_not_whatever_came_before_it() {
    let limits = Limits { latency_ms: Some(20.0), ..Limits::default() };
    for factor in [1.0, 1.5, 0.5] {
        let mut search = Search::new(settings(Strategy::Random, limits, 5), &Task::modelnet10()).unwrap();
        loop {
            match search.advance(&Jittered(factor)) {
                Step::Working => {}
                Step::Evaluate(all) => all.iter().for_each(|one| search.evaluated(one, accuracy(one))),
                Step::Done => break,
            }
        }
        let funnel = search.funnel();
        assert!(funnel.by_table > 0 && funnel.by_table == funnel.by_predictor, "{funnel:?}");
        let bound = 20.0 / f64::max(1.0, factor);
        for design in search.zoo() {
            assert!(design.metrics.latency_ms <= bound, "{factor}: {design:?}");
        }
    }
}

/// States of before a plan's text said that the input brings the graph go on as those of today do.
#[test]
fn a_search_for_texts_goes_on_from_a_state_whose_plans_do_not_name_their_graph_source() {
    for strategy in STRATEGIES {
        let begin = || Search::new(settings(strategy, Limits::default(), 3), &Task::mr()).unwrap();
        let (mut whole, mut first) = (begin(), begin());
        run(&mut whole);
        (0..9).for_each(|_| {
            step(&mut first);
        });
        let (now, before) = (first.to_json(), first.to_json().replace("given: ", ""));
        assert!(now.len() > before.len(), "{strategy:?} keeps plans");
        let mut second = Search::from_json(&before).unwrap();
        assert!(second.to_json() == now, "{strategy:?}");
        run(&mut second);
        assert!(second.to_json() == whole.to_json(), "{strategy:?}");
        let source = |design: &Design| design.plan.parse::<Plan>().map(|plan| plan.architecture().graph_source());
        assert!(whole.zoo().iter().all(|design| source(design) == Ok(GraphSource::Given)), "{:?}", whole.zoo());
        assert!(!whole.zoo().is_empty());
        let foreign = now.replace("\"given_graph\":true", "\"given_graph\":false");
        let why = Search::from_json(&foreign).err().unwrap().to_string();
        assert!(why.contains("its task is for sampled graphs"), "{why}");
    }
}

/// Saved while accuracies are awaited, a search asks for the same again.
#[test]
fn what_was_asked_is_asked_again() {
    let mut search = Search::new(settings(Strategy::Random, Limits::default(), 1), &Task::modelnet10()).unwrap();
    let asked = loop {
        if let Step::Evaluate(asked) = search.advance(&ByArithmetic) {
            break asked;
        }
    };
    let mut again = Search::from_json(&search.to_json()).unwrap();
    assert_eq!(again.advance(&ByArithmetic), Step::Evaluate(asked));
}

#[test]
fn evolution_beats_drawing() {
    let limits = Limits { latency_ms: Some(15.0), ..Limits::default() };
    let mean = |strategy| {
        let values = (0..8).map(|seed| {
            let budget = Budget { candidates: 20_000, evaluations: 32 };
            let search = finished(Settings { budget, ..settings(strategy, limits, seed) });
            let best = search.best().unwrap();
            search.settings().value(best.accuracy, &best.metrics)
        });
        values.sum::<f64>() / 8.0
    };
    let (random, nsga) = (mean(Strategy::Random), mean(Strategy::Nsga));
    assert!(nsga > random, "NSGA-II {nsga}, random {random}");
}

#[test]
fn a_saved_search_says_what_judged_and_an_older_one_was_judged_on_furniture() {
    let judge = "ModelNet10, 190 clouds (3f2a9c41)".to_owned();
    let search = Search::new(Settings { judge: judge.clone(), ..Settings::default() }, &Task::modelnet10()).unwrap();
    let json = search.to_json();
    assert_eq!(Search::from_json(&json).unwrap().settings().judge, judge);
    let older = json.replace(&format!(",\"judge\":\"{judge}\""), "").replace("\"version\":3", "\"version\":2");
    assert!(!older.contains("judge\""), "{older}");
    let older = Search::from_json(&older).unwrap();
    assert_eq!(older.settings().judge, FURNITURE);
    assert!(older.to_json().contains("\"version\":3"), "it is of this version from now on");
    assert!(Search::from_json(&json.replace("\"version\":3", "\"version\":4")).is_err());
}

#[test]
fn nonsense_is_refused_by_name() {
    let task = Task::modelnet10();
    let refused = |settings: Settings| match Search::new(settings, &task) {
        Err(why) => why.to_string(),
        Ok(_) => String::new(),
    };
    let limits = Limits { latency_ms: Some(-1.0), ..Limits::default() };
    assert!(refused(settings(Strategy::Random, limits, 1)).starts_with("a limit is -1"));
    let strategy = Strategy::Exhaustive { positions: 12 };
    assert!(refused(settings(strategy, Limits::default(), 1)).contains("1 to 8"));
    let codec = Settings { codec: "f8".into(), ..Settings::default() };
    assert!(refused(codec).starts_with("the codec is f8"));
    let state = Search::from_json("{}").err().unwrap();
    assert!(matches!(state, SearchError::State { .. }) && state.to_string().contains("start it anew"));
}
