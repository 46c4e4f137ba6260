//! Searches by the shipped supernet, in virtual time: from the limits to a design that runs.

use crate::world::World;
use cleave_contract::{Design, Event, Failure, Intent, Judge, Link, Search, SearchRequest, Strategy};

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

fn world() -> World {
    let mut world = World::new();
    let supernet = include_bytes!("../../../../www/model/supernet/points.safetensors");
    world.files.insert("model/supernet/points.safetensors".into(), supernet.to_vec());
    world.start(None);
    world
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
