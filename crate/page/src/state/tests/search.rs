//! Searches: what the form holds, which design is on show, what is compared, and links.

use super::*;
use crate::inspect::tests::inspection;
use cleave_contract::SearchRequest;

const CUT: &str = "3 2 5 1 4,0 6 0 3 0";

#[test]
fn a_search_runs_alone_is_kept_and_ends_by_itself_or_by_failing() {
    let mut state = running();
    assert_eq!(names(&state.act(Act::Search(request()))), ["search"]);
    state.hear(Event::Search(search(true)));
    assert_eq!((state.run, names(&state.act(Act::RunOnce)).len()), (Run::Searching, 0));
    assert_eq!(names(&state.hear(Event::Search(search(false)))), ["runonce"]);
    assert_eq!(state.search.kept.as_deref(), Some("{}"));
    assert_eq!(names(&state.act(Act::ResumeSearch)), ["stop", "resumesearch"]);
    state.hear(failed());
    assert_eq!(state.run, Run::Idle, "it did not begin");
}

#[test]
fn a_design_runs_where_it_was_found_to_be_best() {
    let mut state = running();
    let plan = "3 2 1 4,0 6 3 0".to_owned();
    assert_eq!(names(&state.act(Act::Deploy(plan.clone()))), ["deploy"]);
    assert_eq!(state.settings.cuts, Cuts::At(vec![]));
    let intents = state.hear(Event::Network(network(&plan)));
    assert_eq!(names(&intents)[0], format!("plan {plan} f32"));
}

#[test]
fn the_form_holds_the_request_of_the_search_under_way() {
    let mut state = running();
    assert_eq!(
        (state.search.request.latency_ms, state.search.request.candidates),
        (Some(30.0), 60_000),
        "as on a first visit"
    );
    state.act(Act::Request(SearchRequest { seed: 7, ..request() }));
    assert_eq!(state.search.request.seed, 7);
    state.act(Act::Search(request()));
    assert_eq!(
        (&state.search.request, &state.search.searched),
        (&request(), &None),
        "the search on show is still another"
    );
    state.hear(Event::Search(search(true)));
    state.act(Act::Request(SearchRequest { seed: 9, ..request() }));
    state.hear(Event::Search(search(false)));
    assert_eq!(state.search.searched, Some(request()), "the form may go on, the result is that of its own request");
    assert_eq!(state.search.kept_request, Some(request()));
    state.act(Act::ResumeSearch);
    assert_eq!(state.search.request, request(), "a search that goes on shows its own limits");
}

#[test]
fn numbers_of_the_form_stay_exact_in_javascript() {
    let mut state = running();
    state.act(Act::Request(SearchRequest { seed: u64::MAX, candidates: 0, ..request() }));
    assert_eq!((state.search.request.seed, state.search.request.candidates), (crate::url::SEEDS - 1, 1));
}

#[test]
fn a_search_that_does_not_begin_leaves_the_one_on_show_as_it_was() {
    let mut state = running();
    state.act(Act::Search(request()));
    state.hear(Event::Search(search(false)));
    state.act(Act::Search(SearchRequest { seed: 2, ..request() }));
    state.hear(failed());
    assert_eq!(state.search.searched, Some(request()));
    assert!(state.search.recorded().is_some_and(|run| run.request == Some(request())));
}

#[test]
fn a_design_is_selected_and_priced_and_running_it_is_another_act() {
    let mut state = running();
    assert_eq!(names(&state.act(Act::Inspect(CUT.into()))), ["inspect"]);
    assert_eq!(state.design.plan.as_deref(), Some(CUT));
    assert_eq!(state.settings.cuts, Cuts::Default, "what runs is what ran before");
    state.hear(Event::Inspected(inspection("3 2 1 4,0 6 3 0")));
    assert!(state.design.inspection.is_none(), "that is the price of another");
    state.hear(Event::Inspected(inspection("3  2 5 1 4, 0 6 0 3 0")));
    assert!(state.design.inspection.is_some());
    state.act(Act::Inspect("3 2 1 4,0 6 3 0".into()));
    assert!(state.design.inspection.is_none(), "not priced yet");
    state.act(Act::CloseDesign);
    assert_eq!((state.design.plan.is_none(), state.design.inspection.is_none()), (true, true));
}

#[test]
fn a_design_on_show_is_priced_again_when_link_or_profile_change() {
    let mut state = running();
    let link = Link { mbps: 40.0, ..state.settings.link };
    assert_eq!(names(&state.act(Act::Shaping(link))), ["shape", "runonce"], "nothing is on show");
    state.hear(Event::Frame(frame(2, 0.0)));
    state.act(Act::Inspect(CUT.into()));
    let link = Link { mbps: 10.0, ..link };
    assert_eq!(names(&state.act(Act::Shaping(link))), ["shape", "inspect", "runonce"]);
    assert_eq!(names(&state.hear(Event::Profile(profile()))), ["inspect"]);
}

#[test]
fn a_run_is_kept_when_it_has_ended_and_compared_with_the_next() {
    let mut state = running();
    state.act(Act::Search(request()));
    state.hear(Event::Search(search(true)));
    state.act(Act::KeepRun);
    assert!(state.search.kept_run.is_none(), "it is still under way");
    state.hear(Event::Search(search(false)));
    state.act(Act::KeepRun);
    assert!(
        state.search.kept_run.is_some() && state.search.compared().is_none(),
        "there is nothing to compare with yet"
    );
    state.act(Act::Search(SearchRequest { seed: 2, ..request() }));
    state.hear(Event::Search(search(true)));
    let seeds = state.search.compared().map(|runs| runs.map(|run| run.request.map(|request| request.seed)));
    assert_eq!(seeds, Some([Some(1), Some(2)]));
    state.act(Act::DropRun);
    assert!(state.search.kept_run.is_none() && state.search.compared().is_none());
}

#[test]
fn a_link_is_made_of_the_form_and_forgotten_when_the_form_changes() {
    let mut state = running();
    let intents = state.act(Act::Share);
    assert!(matches!(&intents[..], [Intent::Share(shared)] if *shared == state.search.request));
    let told = Event::Shared { request: state.search.request.clone(), text: "Ab-_".into() };
    assert!(state.hear(told).is_empty());
    assert_eq!(state.search.sharing, Sharing::Told("Ab-_".into()));
    state.act(Act::Request(state.search.request.clone()));
    assert_eq!(state.search.sharing, Sharing::Told("Ab-_".into()), "nothing has changed");
    state.act(Act::Request(request()));
    assert_eq!(state.search.sharing, Sharing::Not);
    state.act(Act::Share);
    state.hear(failed());
    assert_eq!(state.search.sharing, Sharing::Not);
    state.hear(Event::Shared { request: SearchRequest { seed: 5, ..request() }, text: "late".into() });
    assert_eq!((state.search.request.seed, state.search.sharing), (1, Sharing::Not), "nobody waits for it");
}

#[test]
fn a_link_is_opened_once_the_worker_has_a_network_and_shows_its_own_limits() {
    let mut state = State::new(Settings::default(), None, String::new());
    assert!(state.act(Act::OpenShared("Ab-_".into())).is_empty());
    state.act(Act::List(vec![]));
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "network dgcnn"]);
    state.hear(cloud());
    let intents = state.hear(Event::Network(network(SMALL)));
    assert_eq!(names(&intents), ["plan 3 2 5 1 4,0 6 0 3 0 f32", "openshared"], "no frame is run before it");
    assert!(matches!(&intents[1], Intent::OpenShared { text } if text == "Ab-_"));
    assert_eq!(state.run, Run::Searching);
    state.hear(Event::Shared { request: request(), text: "Ab-_".into() });
    assert_eq!((&state.search.request, &state.search.sharing), (&request(), &Sharing::Not));
    state.hear(Event::Search(search(true)));
    assert_eq!(state.search.searched, Some(request()));
    assert_eq!(names(&state.hear(Event::Search(search(false)))), ["runonce"]);
    assert!(!names(&state.hear(Event::Network(network(SMALL)))).contains(&"openshared".to_owned()), "once");
}

#[test]
fn a_link_that_is_opened_later_begins_at_once_and_in_place_of_what_runs() {
    let mut state = running();
    state.act(Act::RunStream);
    assert_eq!(names(&state.act(Act::OpenShared("x".into()))), ["stop", "openshared"]);
    state.hear(failed());
    assert_eq!(state.run, Run::Idle, "it is no search");
}

#[test]
fn a_link_that_is_asked_for_during_the_search_of_another_is_not_mixed_up() {
    let mut state = running();
    state.act(Act::OpenShared("x".into()));
    state.act(Act::Share);
    state.hear(Event::Shared { request: request(), text: "x".into() });
    assert_eq!(
        (&state.search.request, &state.search.sharing),
        (&request(), &Sharing::Not),
        "the form has changed: the link is stale"
    );
}

fn connected(validation: Option<contract::Validation>) -> Event {
    let (url, name) = ("ws://e/ws".into(), "edge".into());
    Event::Edge(EdgeStatus::Connected { url, name, threads: 2, rtt_ms: 1.0, validation })
}

#[test]
fn clouds_of_the_edge_can_be_chosen_while_it_has_some_and_otherwise_the_reason_is_told() {
    let mut state = running();
    assert!(state.edge.judges().unwrap_err().contains("connect a native edge"));
    state.hear(connected(None));
    assert!(state.edge.judges().unwrap_err().contains("--data"));
    let set = contract::Validation { name: "ModelNet10".into(), clouds: 190 };
    state.hear(connected(Some(set.clone())));
    assert_eq!(state.edge.judges(), Ok(set));
    state.hear(Event::Edge(EdgeStatus::Lost { url: "u".into(), why: "w".into(), retry_ms: 1.0 }));
    assert!(state.edge.judges().is_err());
}

#[test]
fn what_judges_is_part_of_the_request_and_outlives_a_search_that_does_not_begin() {
    let mut state = running();
    state.act(Act::Search(request()));
    state.hear(Event::Search(search(false)));
    let on_edge = SearchRequest { judge: contract::Judge::Edge, ..request() };
    state.act(Act::Request(on_edge.clone()));
    let intents = state.act(Act::Search(on_edge.clone()));
    assert!(matches!(intents.last(), Some(Intent::Search(asked)) if *asked == on_edge));
    // The worker has no such clouds.
    state.hear(failed());
    assert_eq!((state.run, &state.search.request), (Run::Idle, &on_edge));
    assert_eq!(state.search.kept_request.as_ref().map(|request| request.judge), Some(contract::Judge::Furniture));
    assert!(state.search.recorded().is_some_and(|run| run.search.judged_on == "generated furniture"), "it is kept");
    state.act(Act::Search(on_edge.clone()));
    let judged_on = "ModelNet10, 190 clouds (3f2a9c41)".to_owned();
    state.hear(Event::Search(contract::Search { judged_on: judged_on.clone(), ..search(false) }));
    assert!(crate::front::funnel(state.search.shown.as_ref().unwrap()).contains("1 judged on ModelNet10, 190 clouds"));
    assert_eq!(state.search.recorded().map(|run| run.search.judged_on.clone()), Some(judged_on));
    assert_eq!(state.search.kept_request, Some(on_edge));
}
