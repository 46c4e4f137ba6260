//! Searches by the shipped supernet, in virtual time: from the limits to a design that runs.

use crate::world::{World, validation};
use cleave_app::pricing::Conditions;
use cleave_app::search::SharedSearch;
use cleave_contract::{Design, Event, Failure, Intent, Judge, Link, LongWork, Search, SearchRequest, Strategy};
use cleave_cost::Profile;
use cleave_session::Micros;

/// A search that evaluates three architectures.
fn request() -> SearchRequest {
    SearchRequest {
        strategy: Strategy::Random,
        latency_ms: Some(50.0),
        energy_millijoules: None,
        device_megabytes: None,
        candidates: 3_000,
        evaluations: 3,
        seed: 7,
        codec: "f32".into(),
        judge: Judge::Furniture,
    }
}

const SUPERNET: &str = "model/supernet/points.safetensors";

fn shipped() -> World {
    let mut world = World::new();
    let supernet = include_bytes!("../../../../www/model/supernet/points.safetensors");
    world.files.insert(SUPERNET.into(), supernet.to_vec());
    world
}

fn world() -> World {
    let mut world = shipped();
    world.start(None);
    world
}

/// With a native edge that has clouds of this name, about to be connected to.
fn with_clouds(name: &str) -> World {
    let mut world = shipped();
    world.validation = Some(validation(name, 5));
    world.start(World::native());
    world.hold("3 2 4,0 6 0");
    world
}

/// A search that the edge's clouds judge.
fn by_edge() -> SearchRequest {
    SearchRequest { judge: Judge::Edge, ..request() }
}

fn told(world: &mut World, running: bool) -> Search {
    world.until(|event| match event {
        Event::Search(search) if search.running == running => Some(search.clone()),
        Event::Failed { what, why } => panic!("{what:?}: {why}"),
        _ => None,
    })
}

fn found(world: &mut World, request: SearchRequest) -> Vec<Design> {
    world.say(Intent::Search(request));
    let search = told(world, false);
    assert!(search.evaluated <= 3 && !search.designs.is_empty(), "{search:?}");
    search.designs
}

#[test]
fn a_search_keeps_its_limits_and_one_that_was_stopped_goes_on_to_the_same_designs() {
    let mut world = world();
    let whole = found(&mut world, request());
    assert!(whole.iter().all(|design| design.latency_ms <= 50.0 && design.accuracy > 0.0));
    world.say(Intent::Search(request()));
    told(&mut world, true);
    world.say(Intent::Stop);
    let half = told(&mut world, false);
    assert!(half.evaluated < 3, "it was stopped before its end");
    world.say(Intent::ResumeSearch { json: half.state.unwrap() });
    assert_eq!(told(&mut world, false).designs, whole);
}

#[test]
fn a_link_finds_the_same_designs_under_other_conditions() {
    let mut world = world();
    world.say(Intent::Shape(Link { mbps: 20.0, ..Link::UNSHAPED }));
    world.say(Intent::SlowDown { times: 2.0 });
    let own = found(&mut world, request());
    world.say(Intent::Share(request()));
    let shared = |event: &Event| if let Event::Shared { text, .. } = event { Some(text.clone()) } else { None };
    let text = world.until(shared);
    let mut other = self::world();
    other.say(Intent::OpenShared { text: text.clone() });
    other.until(shared);
    assert_eq!(told(&mut other, false).designs, own);
    other.say(Intent::OpenShared { text: text[..text.len() - 9].into() });
    assert_eq!(other.failure().0, Failure::OpenShared);
}

#[test]
fn what_cannot_be_evaluated_or_kept_is_named() {
    let mut world = world();
    world.say(Intent::Search(SearchRequest { judge: Judge::Edge, ..request() }));
    assert_eq!(world.failure().0, Failure::Evaluation);
    world.say(Intent::Search(SearchRequest { latency_ms: Some(-1.0), ..request() }));
    assert_eq!(world.failure().0, Failure::Search);
    world.say(Intent::ResumeSearch { json: "{}".into() });
    assert_eq!(world.failure().0, Failure::Search);
    world.say(Intent::Search(SearchRequest { latency_ms: Some(0.001), ..request() }));
    let none = told(&mut world, false);
    let binding = none.binding.expect("the limit that binds");
    assert!(none.designs.is_empty() && binding.bound == 0.001 && binding.best > 0.001, "{binding:?}");
}

#[test]
fn a_supernet_that_is_missing_is_told_and_fetched_again_when_asked() {
    let mut world = World::started(None);
    world.say(Intent::Search(request()));
    assert!(matches!(world.failure(), (Failure::Supernet, why) if why.contains("missing")));
    world.files.insert(SUPERNET.into(), b"none".to_vec());
    world.say(Intent::Search(request()));
    assert!(matches!(world.failure(), (Failure::Supernet, why) if !why.contains("missing")));
    let good = shipped().files.remove(SUPERNET).unwrap();
    world.files.insert(SUPERNET.into(), good);
    world.say(Intent::Search(request()));
    told(&mut world, true);
}

#[test]
fn a_design_that_was_found_runs_split() {
    let mut world = world();
    let best = found(&mut world, request()).remove(0).plan;
    world.say(Intent::Inspect { plan: best.clone() });
    let inspected = world.until(|event| match event {
        Event::Inspected(inspection) => Some(inspection.clone()),
        _ => None,
    });
    assert_eq!(inspected.plan, best);
    world.say(Intent::Deploy { plan: best.clone() });
    let name = world.until(|event| if let Event::Network(network) = event { Some(network.name.clone()) } else { None });
    assert_eq!(name, format!("searched {best}"));
    world.say(Intent::Generate { class: 2, seed: 3 });
    world.plan(&best.parse::<cleave_arch::Plan>().unwrap().with_cuts(vec![1]).unwrap().to_string());
    world.say(Intent::RunOnce);
    let frame = world.frame();
    assert!(frame.is_split() && frame.delta.is_some());
    world.say(Intent::Deploy { plan: "no plan".into() });
    assert_eq!(world.failure().0, Failure::Deploy);
}

#[test]
fn clouds_of_an_edge_judge_and_are_kept_when_it_is_gone() {
    let mut world = with_clouds("ModelNet10");
    world.say(Intent::Search(by_edge()));
    let search = told(&mut world, false);
    assert_eq!(search.judged_on, "ModelNet10, 10 clouds (00000005)");
    assert!(!search.designs.is_empty() && search.designs.iter().all(|design| (design.accuracy * 10.0) % 1.0 < 1e-9));
    world.kill_edge();
    world.run_for(Micros::from_millis(1_000));
    assert_eq!(found(&mut world, by_edge()), search.designs);
    // A search of other clouds cannot go on with those.
    let state = search.state.unwrap();
    let mut other = with_clouds("ModelNet40");
    other.connected();
    other.say(Intent::ResumeSearch { json: state.clone() });
    let (what, why) = other.failure();
    assert!(what == Failure::Evaluation && why.contains("ModelNet10") && why.contains("ModelNet40"), "{why}");
    let mut none = self::world();
    none.say(Intent::ResumeSearch { json: state });
    assert!(matches!(none.failure(), (Failure::Evaluation, why) if why.contains("which no connected edge has")));
}

#[test]
fn an_edge_that_is_lost_while_its_clouds_come_ends_the_wait_with_words() {
    let mut world = with_clouds("ModelNet10");
    world.connected();
    world.say(Intent::Search(by_edge()));
    let is_fetching = |event: &Event| matches!(event, Event::Progress { what: LongWork::FetchValidation, .. });
    world.until(|event| is_fetching(event).then_some(()));
    world.kill_edge();
    assert_eq!(world.failure().0, Failure::Evaluation);
    world.edge_is_up = true;
    world.connected();
    found(&mut world, by_edge());
}

#[test]
fn an_edge_without_clouds_or_that_does_not_answer_judges_nothing() {
    let mut world = with_clouds("ModelNet10");
    world.validation = None;
    world.kill_edge();
    world.say(Intent::Share(by_edge()));
    assert_eq!(world.failure().0, Failure::Share);
    for is_up in [false, true] {
        world.edge_is_up = is_up;
        world.say(Intent::Connect(World::native().unwrap()));
        world.say(Intent::Search(by_edge()));
        assert!(
            matches!(world.failure(), (Failure::Evaluation, why) if why.contains("no edge with clouds")),
            "{is_up}"
        );
    }
}

/// The last that was told of this work's progress.
fn last(world: &World, work: LongWork) -> Option<(u64, u64)> {
    let told = world.events.iter().rev();
    told.filter_map(|event| match event {
        Event::Progress { what, done, total } if *what == work => Some((*done, *total)),
        _ => None,
    })
    .next()
}

#[test]
fn the_progress_of_a_search_that_waits_ends_with_the_wait_however_it_ends() {
    let ends: [fn(&mut World); 6] = [
        |world| world.say(Intent::Stop),
        |world| world.kill_edge(),
        |world| world.say(Intent::Simulate),
        |world| world.say(Intent::Network("3 2 1 4,0 6 3 0".into())),
        |world| world.say(Intent::Search(request())),
        |_| {},
    ];
    for is_connected in [false, true] {
        for (at, end) in ends.iter().enumerate() {
            let mut world = shipped();
            world.validation = Some(validation("ModelNet10", 5));
            world.edge_is_silent = !is_connected;
            world.start(World::native());
            world.hold("3 2 4,0 6 0");
            if is_connected {
                world.connected();
                world.edge_is_silent = true;
            }
            world.say(Intent::Search(by_edge()));
            let is_fetching = |event: &Event| matches!(event, Event::Progress { what: LongWork::FetchValidation, .. });
            world.until(|event| is_fetching(event).then_some(()));
            end(&mut world);
            world.run_for(Micros::from_millis(60_000));
            assert_eq!(last(&world, LongWork::FetchValidation), Some((1, 1)), "end {at}, connected: {is_connected}");
        }
    }
    // It comes to its own end, too, where the edge turns out to have no clouds.
    let mut world = shipped();
    world.start(World::native());
    world.hold("3 2 4,0 6 0");
    world.say(Intent::Search(by_edge()));
    world.run_for(Micros::from_millis(5_000));
    assert!(world.events.iter().any(|event| matches!(event, Event::Failed { what: Failure::Evaluation, .. })));
    assert!(last(&world, LongWork::FetchValidation).is_none_or(|progress| progress == (1, 1)));
}

#[test]
fn an_engine_that_fails_stops_a_search_which_goes_on_to_the_same_designs() {
    let mut world = with_clouds("ModelNet10");
    let whole = found(&mut world, by_edge());
    world.say(Intent::Search(by_edge()));
    told(&mut world, true);
    world.run_for(Micros(2_500));
    world.engine_fails = true;
    let stopped = world.until(|event| match event {
        Event::Search(search) if !search.running => Some(search.clone()),
        _ => None,
    });
    assert_eq!(world.failure(), (Failure::SearchStopped, "the engine is broken".into()));
    world.run_for(Micros::from_millis(1_000));
    assert!(!world.events.iter().any(|event| matches!(event, Event::Search(_) | Event::Failed { .. })));
    world.engine_fails = false;
    world.say(Intent::ResumeSearch { json: stopped.state.unwrap() });
    assert_eq!(told(&mut world, false).designs, whole);
}

#[test]
fn a_search_in_the_place_of_another_takes_nothing_from_it() {
    let other = || SearchRequest { seed: 8, latency_ms: Some(20.0), ..by_edge() };
    let alone = found(&mut with_clouds("ModelNet10"), other());
    let mut world = with_clouds("ModelNet10");
    world.say(Intent::Search(by_edge()));
    told(&mut world, true);
    world.run_for(Micros(2_500));
    world.say(Intent::Search(other()));
    let before = told(&mut world, false);
    assert!(before.evaluated < 3, "the one before is told of once more");
    assert_eq!(told(&mut world, false).designs, alone);
}

#[test]
fn what_is_stopped_before_it_has_begun_never_begins() {
    let mut world = shipped();
    world.late.insert(SUPERNET.into(), Micros::from_millis(1_000));
    world.start(None);
    for intent in [Intent::Search(request()), Intent::Deploy { plan: "3 2 1 4,0 6 3 0".into() }] {
        world.say(intent);
        world.say(Intent::Stop);
        assert_eq!(last(&world, LongWork::LoadSupernet), Some((1, 1)));
    }
    world.run_for(Micros::from_millis(5_000));
    let is_begun = |event: &Event| matches!(event, Event::Search(_) | Event::Network(_) | Event::Failed { .. });
    assert!(!world.events.iter().any(is_begun));
}

#[test]
fn a_link_by_figures_that_no_machine_has_and_designs_that_are_none_are_refused() {
    let mut world = world();
    let shared = |slowdown| SharedSearch {
        request: request(),
        conditions: Conditions::native_at(Some(20.0)),
        slowdown,
        profile: Profile::default(),
        set: "generated furniture".into(),
    };
    world.say(Intent::OpenShared { text: shared(0.5).to_text() });
    assert!(matches!(world.failure(), (Failure::Search, why) if why.contains("1 to 100")));
    let mut negative = shared(1.0);
    negative.profile.calibration.edge = -2.0;
    world.say(Intent::OpenShared { text: negative.to_text() });
    assert!(matches!(world.failure(), (Failure::OpenShared, why) if why.contains("\"edge\" -2")));
    let set = SharedSearch { set: "ModelNet10, 10 clouds (00000005)".into(), ..shared(1.0) };
    world.say(Intent::OpenShared { text: set.to_text() });
    assert!(matches!(world.failure(), (Failure::Evaluation, why) if why.contains("ModelNet10, 10 clouds (00000005)")));
    world.say(Intent::Inspect { plan: "9 9 9".into() });
    assert_eq!(world.failure().0, Failure::Inspect);
    world.load("3 2 4,0 6 0");
    world.engine_fails = true;
    world.say(Intent::Deploy { plan: "3 2 1 4,0 6 3 0".into() });
    assert_eq!(world.failure(), (Failure::Network, "the engine is broken".into()));
    world.engine_fails = false;
    world.say(Intent::Generate { class: 2, seed: 3 });
    world.say(Intent::RunOnce);
    assert_eq!(world.frame().plan, "3 2 4,0 6 0", "the network before is kept");
}
