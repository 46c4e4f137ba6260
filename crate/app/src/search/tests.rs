//! Searches of made-up machines in virtual time, with accuracies that are a function of the architecture.

use super::*;
use crate::evaluation::{Evaluation, EvaluationSet};
use crate::pricing::Pricing;
use crate::pricing::tests::{calibrated, native, predictor_file, profile};
use cleave_arch::{Op, Plan};
use cleave_cost::Profile;
use cleave_search::{Budget, FURNITURE, Pricer};
use std::rc::Rc;

/// At most 6 ms, NSGA-II.
pub(crate) fn request() -> contract::SearchRequest {
    contract::SearchRequest {
        strategy: contract::Strategy::Nsga,
        latency_ms: Some(6.0),
        energy_millijoules: Some(60.0),
        device_megabytes: Some(8.0),
        candidates: 3_000,
        evaluations: 12,
        seed: 9_007_199_254_740_993,
        codec: "f16".into(),
        judge: contract::Judge::Furniture,
    }
}

/// Two combines are better than one.
fn accuracy(architecture: &Architecture) -> f64 {
    let combines = architecture.ops().iter().filter(|op| matches!(op, Op::Combine { .. })).count();
    1.0 - 0.5f64.powi(1 + combines as i32) - architecture.ops().len() as f64 / 1e3
}

fn prices(profile: Profile, mbps: f64) -> SearchPrices {
    Pricing::of(profile).under(native(mbps)).for_search(Task::modelnet10())
}

fn run(request: &contract::SearchRequest, prices: SearchPrices) -> SearchRun {
    SearchRun::new(Request::from(request).settings(FURNITURE), &Task::modelnet10(), None, prices).unwrap()
}

/// A clock that goes on by so many milliseconds whenever it is looked at.
struct Clock(f64, f64);

impl Clock {
    fn now(&mut self) -> f64 {
        self.0 += self.1;
        self.0
    }
}

/// Drives to the end; the reports on the way.
fn drive(run: &mut SearchRun, clock: &mut Clock, budget_ms: f64) -> Vec<contract::Search> {
    let mut reports = Vec::new();
    loop {
        let turn = run.slice(budget_ms, || clock.now());
        reports.extend(run.report(clock.now(), turn != Turn::Done));
        match turn {
            Turn::Working => {}
            Turn::Evaluate(architecture) => {
                assert_eq!(run.slice(budget_ms, || clock.now()), Turn::Waiting, "nothing goes on without the accuracy");
                run.evaluated(&architecture, accuracy(&architecture));
            }
            Turn::Waiting => unreachable!("every accuracy was told"),
            Turn::Done => return reports,
        }
    }
}

/// As the command does it: one portion after another.
fn finished(run: SearchRun) -> SearchRun {
    let mut run = run;
    drive(&mut run, &mut Clock(0.0, 0.1), 0.0);
    run
}

#[test]
fn the_pages_request_and_the_commands_arguments_are_one_search() {
    let request = request();
    let arguments = Request {
        strategy: Strategy::Nsga,
        latency_ms: Some(6.0),
        energy_mj: Some(60.0),
        device_mb: Some(8.0),
        budget: Budget { candidates: 3_000, evaluations: 12 },
        codec: "f16".into(),
        seed: 9_007_199_254_740_993,
        ..Request::default()
    };
    assert_eq!(Request::from(&request), arguments);
    let settings = arguments.settings(FURNITURE);
    assert_eq!((settings.limits.device_bytes, settings.judge.as_str()), (Some(8e6), FURNITURE));
    // A tab works in slices of 25 ms between messages, the command in a loop: the same to the last bit.
    let mut of_page = run(&request, prices(profile(), 40.0));
    drive(&mut of_page, &mut Clock(0.0, 0.7), 25.0);
    let of_command = SearchRun::new(settings, &Task::modelnet10(), None, prices(profile(), 40.0)).unwrap();
    let of_command = finished(of_command);
    assert!(!of_page.search().zoo().is_empty());
    assert_eq!(of_page.search().to_json(), of_command.search().to_json());
    assert_eq!(of_page.references(), of_command.references());
}

#[test]
fn a_search_that_was_stopped_goes_on_to_the_same_designs() {
    let whole = finished(run(&request(), prices(profile(), 40.0)));
    for slices in [1, 3, 8] {
        let (mut first, mut clock) = (run(&request(), prices(profile(), 40.0)), Clock(0.0, 1.0));
        for _ in 0..slices {
            if let Turn::Evaluate(architecture) = first.slice(2.0, || clock.now()) {
                first.evaluated(&architecture, accuracy(&architecture));
            }
        }
        // Stopped while an accuracy is awaited, which never comes: it is asked for again.
        while !matches!(first.slice(2.0, || clock.now()), Turn::Evaluate(_)) {}
        let saved = first.report(clock.now(), false).and_then(|report| report.state).unwrap();
        let second = finished(SearchRun::resume(&saved, FURNITURE, prices(profile(), 40.0)).unwrap());
        assert_eq!(second.search().to_json(), whole.search().to_json(), "stopped after {slices} slices");
    }
}

#[test]
fn reports_and_states_keep_their_distance() {
    let mut clock = Clock(0.0, 5.0);
    let mut run = run(&request(), prices(profile(), 40.0));
    let mut at = Vec::new();
    let mut states = Vec::new();
    loop {
        let turn = run.slice(10.0, || clock.now());
        let now = clock.now();
        if let Some(report) = run.report(now, turn != Turn::Done) {
            at.push(now);
            states.extend(report.state.is_some().then_some(now));
            assert_eq!((report.running, report.wanted), (turn != Turn::Done, 3_000));
        }
        match turn {
            Turn::Evaluate(architecture) => {
                clock.0 += 150.0;
                run.evaluated(&architecture, accuracy(&architecture));
            }
            Turn::Done => break,
            _ => {}
        }
    }
    let gaps = |moments: &[f64]| moments.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    let (reports, saves) = (gaps(&at), gaps(&states));
    assert!(
        reports.len() > 4 && reports[..reports.len() - 1].iter().all(|gap| (250.0..450.0).contains(gap)),
        "{reports:?}"
    );
    assert!(!saves.is_empty() && saves[..saves.len() - 1].iter().all(|gap| *gap >= 1000.0), "{saves:?}");
    assert_eq!(states.last(), at.last(), "the end is always saved");
}

#[test]
fn a_report_says_what_is_known() {
    let mut run = run(&request(), prices(profile(), 40.0));
    let last = drive(&mut run, &mut Clock(0.0, 1.0), 25.0).pop().unwrap();
    let funnel = run.search().funnel();
    assert_eq!((last.drawn, last.by_table, last.evaluated), (funnel.drawn, funnel.by_table, funnel.evaluated));
    assert_eq!((last.judged_on.as_str(), last.slowdown, last.binding), (FURNITURE, 1.0, None));
    assert!(last.per_second > 0.0 && last.per_second.is_finite());
    assert_eq!(last.designs.len(), run.search().zoo().len());
    let baselines: Vec<contract::Baseline> = last.references.iter().map(|reference| reference.baseline).collect();
    assert_eq!(baselines, [contract::Baseline::OnDevice, contract::Baseline::OnEdge, contract::Baseline::BestCut]);
    assert!(last.references.iter().all(|reference| reference.design.accuracy < 0.0), "nobody knows it");
    let [device, edge, cut] = run.references() else { panic!("three references") };
    assert!(device.metrics.link_bytes == 0 && edge.metrics.link_bytes > 0 && cut.plan.cuts().len() == 1);
}

#[test]
fn a_limit_that_nothing_keeps_is_told_as_data() {
    let request = contract::SearchRequest { latency_ms: Some(1e-6), ..request() };
    let mut run = run(&request, prices(profile(), 40.0));
    let last = drive(&mut run, &mut Clock(0.0, 1.0), 25.0).pop().unwrap();
    let binding = last.binding.unwrap();
    assert_eq!((binding.limit, binding.bound), (contract::Limit::Latency, 1e-6));
    assert!(binding.best > 1e-6 && last.designs.is_empty());
}

/// A device that is twice as fast as its table: designs that only the calibrated figure lets pass are found, and their
/// latency is the calibrated one. The other way round, none is found that only the table would let pass.
#[test]
fn a_calibration_changes_filter_and_result() {
    let task = Task::modelnet10();
    for (factor, wider) in [(0.5, true), (2.0, false)] {
        let (plain, corrected) = (prices(profile(), 40.0), prices(calibrated(factor, 1.0), 40.0));
        let request = contract::SearchRequest {
            strategy: contract::Strategy::Random,
            latency_ms: Some(if wider { 3.0 } else { 8.0 }),
            energy_millijoules: None,
            device_megabytes: None,
            candidates: 8_000,
            evaluations: 40,
            ..request()
        };
        let limit = request.latency_ms.unwrap();
        let [before, after] = [plain.clone(), corrected.clone()].map(|prices| finished(run(&request, prices)));
        let (few, many) = (before.search().funnel().by_table, after.search().funnel().by_table);
        assert!(if wider { many > few } else { many < few }, "{factor}: {few} became {many}");
        assert_ne!(before.search().zoo(), after.search().zoo());
        assert!(!after.search().zoo().is_empty());
        let mut only_calibrated = 0;
        for design in after.search().zoo() {
            let plan: Plan = design.plan.parse::<Plan>().unwrap().with_codec(design.codec.parse().unwrap());
            assert_eq!(design.metrics, corrected.metrics(&plan));
            assert!(design.metrics.latency_ms <= limit && corrected.quick_ms(&plan) <= limit * (1.0 + 1e-9));
            only_calibrated += usize::from(plain.quick_ms(&plan) > limit);
            let shown = corrected.prices().price(&cleave_arch::Mapping::of_plan(plan.clone(), task));
            assert_eq!(shown.latency_ms(), design.metrics.latency_ms, "what is found and what is shown are one figure");
        }
        assert!(!wider || only_calibrated > 0, "no design keeps the limit only as calibrated");
    }
}

#[test]
fn a_learned_predictor_filters_and_ranks_by_its_own_figures() {
    let mut pricing = Pricing::of(profile());
    pricing.set_predictor(crate::pricing::Predictor::from_safetensors(&predictor_file(0.4)).unwrap());
    let prices = pricing.under(native(40.0)).for_search(Task::modelnet10());
    let found = finished(run(&contract::SearchRequest { energy_millijoules: Some(20.0), ..request() }, prices.clone()));
    let funnel = found.search().funnel();
    assert!(funnel.by_predictor < funnel.by_table, "{funnel:?}");
    for design in found.search().zoo() {
        let plan: Plan = design.plan.parse::<Plan>().unwrap().with_codec(design.codec.parse().unwrap());
        let by_predictor = prices.design(&plan);
        assert!((design.metrics.latency_ms / by_predictor.latency_ms - 1.0).abs() < 1e-6, "{design:?}");
        assert!(
            (design.metrics.energy_mj / by_predictor.energy_mj - 1.0).abs() < 1e-6 && design.metrics.energy_mj <= 20.0
        );
    }
}

#[test]
fn what_cannot_begin_says_why() {
    let prices = || prices(profile(), 40.0);
    let task = Task::modelnet10();
    let functions: Halves = "1 3 6 0 3 / 1 3 6 0 3".parse().unwrap();
    let begin = |strategy, functions| {
        SearchRun::new(Request { strategy, ..Request::default() }.settings(FURNITURE), &task, functions, prices())
    };
    let why = begin(Strategy::Nsga, Some(functions)).err().unwrap().to_string();
    assert!(why.contains("1 3 6 0 3 / 1 3 6 0 3") && why.ends_with("search in stages"), "{why}");
    let fixed = begin(Strategy::Stages, Some(functions)).unwrap();
    assert_eq!(fixed.search().functions(), Some(functions), "the first stage is left out");
    let none = Request { budget: Budget { candidates: 0, evaluations: 1 }, ..Request::default() };
    assert!(SearchRun::new(none.settings(FURNITURE), &task, None, prices()).is_err());
    let saved = run(&request(), prices()).search().to_json();
    let why = SearchRun::resume(&saved, "ModelNet10, 190 clouds (3f2a9c41)", prices()).err().unwrap();
    assert_eq!(why.to_string(), "it was evaluated on generated furniture, not on ModelNet10, 190 clouds (3f2a9c41)");
    assert!(matches!(SearchRun::resume("{}", FURNITURE, prices()), Err(RunError::Search(_))));
}

/// The whole way: what the search asks for is evaluated batch by batch, and what comes of that is in the design.
#[test]
fn an_evaluation_tells_a_search_its_accuracy() {
    let set = Rc::new(EvaluationSet::furniture(10, 16).unwrap());
    let settings = Request::from(&request()).settings(set.name());
    let mut run = SearchRun::new(settings, &Task::modelnet10(), None, prices(profile(), 40.0)).unwrap();
    let mut clock = Clock(0.0, 1.0);
    let architecture = loop {
        if let Turn::Evaluate(architecture) = run.slice(25.0, || clock.now()) {
            break architecture;
        }
    };
    let mut evaluation = Evaluation::new(set, architecture);
    while let Some(batch) = evaluation.batch() {
        // Always class 3.
        let row = (0..10).map(|class| if class == 3 { 1.0 } else { 0.0 });
        evaluation.take(&row.collect::<Vec<f32>>().repeat(batch.shape[0])).unwrap();
    }
    let accuracy = evaluation.accuracy().unwrap();
    assert_eq!(accuracy, 0.1);
    run.evaluated(evaluation.architecture(), accuracy);
    let state = run.search().to_json();
    assert!(state.contains(&format!("[\"{}\",0.1]", evaluation.architecture())), "{state}");
}
