//! A worker that dies: what the next one is told, in which order, what goes on, and when no other is started.

use super::*;
use cleave_contract::{Death, Place, SearchRequest};

const PLANNED: &str = "plan 3 2 5 1 4,0 6 0 3 0 f32";

fn panicked() -> Death {
    Death::Panicked { message: "index out of bounds".into() }
}

fn die_of(state: &mut State, death: Death, at_ms: f64) {
    assert!(state.act(Act::Die { death, at_ms }).is_empty(), "nobody is there to be told anything");
}

fn die(state: &mut State) {
    die_of(state, Death::OutOfMemory, 0.0);
    assert_eq!(state.worker.loading, Loading::Starting);
}

/// What the next worker is told when it listens, and when it has a network.
fn revive(state: &mut State) -> [Vec<String>; 2] {
    let first = names(&state.hear(ready()));
    assert!(state.hear(cloud()).is_empty(), "the network is not there yet");
    [first, names(&state.hear(Event::Network(network(SMALL))))]
}

/// How the next worker begins: the same network and shape.
const FIRST: [&str; 3] = ["start", "generate", "network compact"];

fn why(state: &State) -> String {
    state.notice.as_ref().map(|notice| format!("{} {}", notice.what, notice.why)).unwrap_or_default()
}

fn of_file(name: &str, index: usize) -> Event {
    let place = Some(Place { index, of: 5 });
    Event::Cloud(Cloud { name: name.into(), class: None, points: vec![0.0; 3], place })
}

#[test]
fn the_next_worker_is_told_all_that_the_last_one_was() {
    let mut state = running();
    state.act(Act::SlowDown(4.0));
    state.hear(Event::Frame(frame(2, 0.0)));
    state.act(Act::Shaping(Link { mbps: 40.0, ..Link::UNSHAPED }));
    state.hear(Event::Frame(frame(3, 0.0)));
    state.hear(Event::Profile(profile()));
    state.act(Act::MoveCut { cut: 0, to: 3 });
    die(&mut state);
    assert!(why(&state).contains("out of memory"), "{}", why(&state));
    assert!(state.act(Act::RunOnce).is_empty() && state.act(Act::AnotherSeed).is_empty());
    let told = state.hear(ready());
    assert_eq!(names(&told), ["start", "slowdown", "useprofile", "generate", "network compact"]);
    assert!(matches!(&told[0], Intent::Start { link, .. } if link.mbps == 40.0));
    assert!(matches!(&told[3], Intent::Generate { seed: 2, .. }), "what was set meanwhile counts");
    assert!(state.hear(ready()).is_empty(), "once");
    state.hear(cloud());
    assert_eq!(state.frames.answer.as_ref().map(|answer| answer.freshness), Some(Freshness::Stale), "it stays on show");
    let then = names(&state.hear(Event::Network(network(SMALL))));
    assert_eq!(then, ["plan 3 2 1 5 4,0 6 3 0 0 f32", "runonce"], "the frame that was under way, at its cut");
}

#[test]
fn a_stream_goes_on() {
    let mut state = running();
    state.act(Act::RunStream);
    die(&mut state);
    assert_eq!(state.run, Run::Stream);
    assert_eq!(revive(&mut state), [FIRST.map(String::from).to_vec(), vec![PLANNED.into(), "runstream".into()]]);
    assert!(why(&state).contains("The stream goes on"), "{}", why(&state));
}

#[test]
fn a_stream_that_is_stopped_or_begun_meanwhile_is_what_the_person_wants() {
    let mut state = running();
    state.act(Act::RunStream);
    die(&mut state);
    state.act(Act::Stop);
    assert_eq!(revive(&mut state)[1], [PLANNED, "runonce"]);
    die_of(&mut state, panicked(), 60_000.0);
    state.hear(ready());
    assert!(state.act(Act::RunStream).is_empty(), "there is no network to run");
    state.hear(cloud());
    assert_eq!(names(&state.hear(Event::Network(network(SMALL)))), [PLANNED, "runstream"]);
}

#[test]
fn a_search_goes_on_from_its_latest_state() {
    let mut state = running();
    state.act(Act::Search(request()));
    die(&mut state);
    assert_eq!(revive(&mut state)[1], [PLANNED, "search"], "it has told of no state");
    let told = contract::Search { state: Some("half".into()), ..search(true) };
    state.hear(Event::Search(told));
    die_of(&mut state, panicked(), 60_000.0);
    state.hear(ready());
    let then = state.hear(Event::Network(network(SMALL)));
    assert!(matches!(&then[1..], [Intent::ResumeSearch { json }] if json == "half"), "{:?}", names(&then));
    assert_eq!((state.run, state.search.sought.clone()), (Run::Searching, Some(request())));
}

#[test]
fn the_state_of_the_search_before_is_not_gone_on_with() {
    let mut state = running();
    state.act(Act::Search(request()));
    state.hear(Event::Search(search(true)));
    state.act(Act::Search(SearchRequest { seed: 2, ..request() }));
    state.hear(Event::Search(contract::Search { running: true, state: None, ..search(true) }));
    die(&mut state);
    state.hear(ready());
    let then = state.hear(Event::Network(network(SMALL)));
    assert!(matches!(&then[1..], [Intent::Search(again)] if again.seed == 2), "{:?}", names(&then));
}

#[test]
fn a_search_of_a_link_begins_again_by_the_figures_of_the_link() {
    let mut state = running();
    state.act(Act::OpenShared("Ab-_".into()));
    state.hear(Event::Search(search(true)));
    die(&mut state);
    assert_eq!(revive(&mut state)[1], [PLANNED, "openshared"]);
}

#[test]
fn a_search_that_is_stopped_meanwhile_is_not_shown_as_running() {
    let mut state = running();
    state.act(Act::Search(request()));
    state.hear(Event::Search(search(true)));
    die(&mut state);
    state.act(Act::Stop);
    assert_eq!(revive(&mut state)[1], [PLANNED, "runonce"]);
    assert!(state.search.shown.is_some_and(|search| !search.running));
}

#[test]
fn the_dispatcher_chooses_again_in_a_stream() {
    let target = contract::Target { goal: contract::Goal::Fastest, accuracy: Some(0.8), latency_ms: None };
    let mut state = running();
    state.act(Act::Dispatch(Some(target)));
    state.hear(Event::Dispatch(crate::dispatch::tests::dispatch(true, 0, 0)));
    state.act(Act::RunStream);
    die(&mut state);
    assert_eq!(revive(&mut state)[1], [PLANNED, "runstream", "dispatch"]);
    assert_eq!((state.dispatcher.target, state.dispatcher.dispatching), (target, Dispatching::Asked));
}

#[test]
fn an_opened_file_is_opened_again_at_the_same_cloud() {
    let mut state = running();
    let opened = Act::Open { name: "shapes.npz".into(), bytes: vec![7; 3] };
    assert_eq!(names(&state.act(opened)), ["open"]);
    state.hear(of_file("shapes.npz", 0));
    state.act(Act::Pick(2));
    state.hear(of_file("shapes.npz", 2));
    die(&mut state);
    let told = state.hear(ready());
    assert_eq!(names(&told), ["start", "open", "pick", "network compact"]);
    assert!(matches!(&told[1], Intent::Open { name, bytes } if name == "shapes.npz" && *bytes == [7; 3]));
    assert!(matches!(told[2], Intent::Pick { index: 2 }));
    state.hear(of_file("shapes.npz", 0));
    state.hear(of_file("shapes.npz", 2));
    state.hear(Event::Network(network(SMALL)));
    state.act(Act::Shape(1));
    state.hear(cloud());
    die_of(&mut state, panicked(), 60_000.0);
    assert_eq!(names(&state.hear(ready())), FIRST, "the file is no longer on show");
}

#[test]
fn a_file_that_was_being_read_is_left_out_and_named() {
    for name in ["evil.npz", "evil.safetensors"] {
        // What is opened while nobody listens is opened as soon as somebody does.
        let mut state = running();
        die(&mut state);
        state.act(Act::Open { name: name.into(), bytes: vec![] });
        assert!(names(&state.hear(ready())).contains(&"open".to_owned()), "{name}");

        let mut state = running();
        state.act(Act::Open { name: name.into(), bytes: vec![] });
        die_of(&mut state, panicked(), 0.0);
        assert!(why(&state).contains(name) && why(&state).contains("index out of bounds"), "{}", why(&state));
        assert_eq!(names(&state.hear(ready())), FIRST);
    }
}

#[test]
fn opened_weights_and_a_design_are_brought_back_as_they_came() {
    let mut state = running();
    state.act(Act::Open { name: "own.safetensors".into(), bytes: vec![7] });
    state.hear(Event::Network(contract::Network { name: "own".into(), ..network(SMALL) }));
    die(&mut state);
    assert!(!why(&state).contains("left out"), "they were here: {}", why(&state));
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "open"]);
    assert!(state.act(Act::RunOnce).is_empty(), "the network is on its way");
    state.hear(Event::Network(contract::Network { name: "own".into(), ..network(SMALL) }));
    assert_eq!((state.network.in_use.as_str(), state.network_name().as_str()), ("own", "own"));
    state.act(Act::Deploy("3 2 5 1 4,0 6 0 3 0".into()));
    state.hear(Event::Network(contract::Network { name: "searched".into(), ..network(SMALL) }));
    die_of(&mut state, panicked(), 60_000.0);
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "deploy"]);
    state.hear(Event::Network(contract::Network { name: "searched".into(), ..network(SMALL) }));
    die_of(&mut state, panicked(), 120_000.0);
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "deploy"], "a second time, too");
}

#[test]
fn a_network_that_was_being_loaded_is_left_out() {
    let mut state = running();
    state.act(Act::Choose("huge".into()));
    die(&mut state);
    assert_eq!(
        (names(&state.hear(ready())), state.network_name().as_str()),
        (FIRST.map(String::from).to_vec(), "compact")
    );
}

#[test]
fn a_first_network_gets_a_second_chance_and_then_gives_way() {
    let settings = Settings { network: "huge".into(), ..Settings::default() };
    let mut state = State::new(settings, None, String::new());
    state.act(Act::List(vec![Listed { name: "compact".into(), accuracy: None }]));
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "network huge"]);
    die(&mut state);
    assert_eq!(names(&state.hear(ready())), ["start", "generate", "network huge"]);
    die(&mut state);
    assert_eq!(revive(&mut state), [FIRST.map(String::from).to_vec(), vec![PLANNED.into(), "runonce".into()]]);
}

#[test]
fn what_cannot_go_on_ends_and_is_named() {
    let mut state = running();
    state.act(Act::Profile { quick: true });
    die(&mut state);
    assert_eq!(state.run, Run::Idle);
    assert!(why(&state).contains("The measurement has ended"), "{}", why(&state));
    assert_eq!(revive(&mut state)[1], [PLANNED, "runonce"]);
}

#[test]
fn the_third_death_in_a_row_is_the_last() {
    let mut state = running();
    state.act(Act::RunStream);
    for at_ms in [0.0, 9_000.0] {
        die_of(&mut state, panicked(), at_ms);
        assert_eq!(state.worker.loading, Loading::Starting);
        revive(&mut state);
    }
    die_of(&mut state, panicked(), 18_000.0);
    assert_eq!((state.worker.loading.clone(), state.run), (Loading::Failed, Run::Idle));
    assert!(state.notice.as_ref().is_some_and(|notice| notice.remedy.contains("Reload")));
    assert!(state.act(Act::RunOnce).is_empty() && state.act(Act::RunStream).is_empty());
    assert_eq!(state.run, Run::Idle, "nobody computes");
}

#[test]
fn deaths_far_apart_are_not_in_a_row_unless_nothing_was_brought_back_between() {
    let mut state = running();
    for at_ms in [0.0, 11_000.0, 22_000.0, 33_000.0] {
        die_of(&mut state, panicked(), at_ms);
        assert_eq!(state.worker.loading, Loading::Starting);
        revive(&mut state);
    }
    for at_ms in [50_000.0, 70_000.0, 90_000.0] {
        assert_eq!(state.worker.loading, Loading::Ready { version: "1".into() });
        die_of(&mut state, panicked(), at_ms);
        state.hear(ready());
    }
    assert!(state.notice.is_some_and(|notice| notice.what.contains("three times")));
}

#[test]
fn a_death_before_it_listens_means_that_it_could_not_be_loaded() {
    let mut state = State::new(Settings::default(), None, String::new());
    state.act(Act::Load(Loading::Starting));
    die_of(&mut state, Death::Trapped { message: "worker.js is missing".into() }, 0.0);
    assert_eq!(state.worker.loading, Loading::Failed);
    assert_eq!(why(&state), "The compute engine could not be loaded. worker.js is missing");
}

#[test]
fn a_lost_gpu_leaves_wasm_and_can_be_chosen_again() {
    let lost = |in_use| Death::LostGpu { why: "Destroyed".into(), in_use };
    let mut state = running();
    state.act(Act::Prefer(Preference::Only(Backend::WebGpu)));
    state.act(Act::RunStream);
    die_of(&mut state, lost(true), 0.0);
    assert!(why(&state).contains("WebGPU was lost: Destroyed"), "{}", why(&state));
    let told = state.hear(ready());
    assert!(matches!(told[0], Intent::Start { preference: Preference::Only(Backend::Wasm), .. }));
    assert_eq!(names(&state.hear(Event::Network(network(SMALL)))), [PLANNED, "runstream"]);
    assert_eq!(names(&state.act(Act::Prefer(Preference::Only(Backend::WebGpu)))), ["prefer"]);
    // Its module could not open it a second time.
    die_of(&mut state, lost(false), 60_000.0);
    let told = state.hear(ready());
    assert!(matches!(told[0], Intent::Start { preference: Preference::Only(Backend::WebGpu), .. }));
}

#[test]
fn an_edge_is_connected_again() {
    let address = EdgeAddress { url: "ws://h/ws".into(), token: "t".into() };
    let mut state = running();
    state.act(Act::Connect(address.clone()));
    die(&mut state);
    assert_eq!(state.edge.status, EdgeStatus::Connecting { url: "ws://h/ws".into() });
    let told = state.hear(ready());
    assert!(matches!(&told[0], Intent::Start { edge: Some(edge), .. } if *edge == address));
}
