//! What is wrong is said: addresses, tokens, versions, names, plans, weights, inputs. Nothing hangs.

use std::sync::Arc;

use cleave_graph::{Partition, Shares, Split, Step};
use cleave_session::cooperate::{
    CoordinatorEvent, MemberError, MemberSpec, MemberStatus, PlanError, RunError, greeting,
};
use cleave_session::{Micros, Model, Weights};
use cleave_wire::cooperate::{Part, ToCoordinator, ToMember};
use cleave_wire::{Call, Limits, ModelHash, RefusalCode, ToDevice};

use crate::sim::{Fate, Settings, World};

fn spec(place: usize) -> MemberSpec {
    MemberSpec { name: format!("edge {place}"), token: "right".into(), address: format!("place {place}") }
}

/// One run with two members of which the first is changed: it is left behind, and this is said of it.
fn said(change: impl FnOnce(&mut World)) -> String {
    let mut world = World::new(Settings::default());
    change(&mut world);
    world.run_once();
    world.check([1]);
    assert_eq!(world.gone.keys().copied().collect::<Vec<_>>(), [1], "{:?}", world.gone);
    assert_eq!(world.reports[0].places, [0, 2]);
    world.gone[&1].to_string()
}

#[test]
fn an_address_where_nobody_is() {
    let why = said(|world| world.nodes[0].is_reachable = false);
    assert_eq!(why, "it cannot be reached (connection refused); check its address, and that it runs");
    let why = said(|world| world.befall(1, Fate::Mute));
    assert_eq!(why, "it did not answer within 5000.0 ms; check its address and its machine");
}

#[test]
fn another_token() {
    let config = Settings::default();
    let mut specs = vec![spec(1), spec(2)];
    specs[0].token = "wrong".into();
    let mut world = World::with_specs(config, specs);
    world.run_once();
    world.check([1]);
    let MemberError::Refused(refusal) = &world.gone[&1] else { panic!("{:?}", world.gone) };
    assert_eq!(refusal.code, RefusalCode::BadToken);
    assert!(refusal.to_string().contains("use the token"), "{refusal}");
}

#[test]
fn another_version_on_either_side() {
    let stamp = |from: usize| {
        move |world: &mut World| {
            world.tamper = Some(Box::new(move |place, bytes: &mut Vec<u8>| {
                // A hello to the first member, or all that it says.
                let is_first_hello = place == 0 && bytes[5] == 32;
                if (from == 0 && is_first_hello) || (from == 1 && place == 1) {
                    bytes[4] = 77;
                }
            }));
        }
    };
    let why = said(stamp(1));
    assert!(why.contains("version 77"), "{why}");
    // The coordinator is of another version: nobody can work with it, and each says so.
    let mut world = World::new(Settings::default());
    stamp(0)(&mut world);
    world.run_once();
    world.check([1]);
    assert_eq!(world.reports[0].places, [0]);
    // Even the refusal is in the coordinator's version, which is not the one of this build: the stamp shows.
    assert!(world.gone.values().all(|error| error.to_string().contains("version 77")), "{:?}", world.gone);
}

#[test]
fn names() {
    let why = said(|world| world.nodes[0].config.host.name = "stranger".into());
    assert_eq!(why, "\"stranger\" answered where \"edge 1\" was expected; check the addresses");

    let name_of = |name: &str, first: &str| {
        let mut specs = vec![spec(1), spec(2)];
        specs.iter_mut().for_each(|spec| spec.name.clear());
        let mut world = World::with_specs(Settings::default(), specs);
        world.nodes[0].config.host.name = first.into();
        world.nodes[1].config.host.name = name.into();
        world.run_once();
        world.check([1]);
        assert_eq!((world.gone.len(), world.reports[0].places.len()), (1, 2), "{:?}", world.gone);
        world.gone.values().next().unwrap().to_string()
    };
    let twice = name_of("twin", "twin");
    assert!(twice.starts_with("there is another worker called \"twin\""), "{twice}");
    assert!(name_of("page", "edge").starts_with("there is another worker called \"page\""));
    assert!(name_of("", "edge").starts_with("its name has 0 bytes"));
    assert!(name_of(&"x".repeat(65), "edge").starts_with("its name has 65 bytes"));
}

#[test]
fn an_edge_that_is_no_member() {
    let why = said(|world| {
        world.tamper = Some(Box::new(|place, bytes| {
            if place == 1 {
                *bytes = ToDevice::Credit { n: 1 }.encode();
            }
        }));
    });
    assert_eq!(why, "it sent what no member sends: message kind 135 is not one that goes to the coordinator");
}

#[test]
fn addresses_among_members_that_do_not_work_are_relayed() {
    let mut specs = vec![spec(1), spec(2)];
    specs[0].address = "nowhere".into();
    let mut world = World::with_specs(Settings::default(), specs);
    world.run_once();
    world.check([1]);
    assert_eq!(world.ready[0].1, [(2, 1)], "only towards the wrong address");
    assert!(world.gone.is_empty() && world.relays > 0);
}

#[test]
fn plans() {
    let mut world = World::new(Settings::default());
    world.is_planless = true;
    let plan = world.plan(vec![0, 1, 2]);
    world.tell(CoordinatorEvent::Plan(plan.clone()));
    assert_eq!(world.refused, [PlanError::Untimely]);
    world.connect();
    world.submit(1);
    world.run_for(Micros::from_millis(100));
    assert_eq!(world.needed, [[0, 1, 2]]);
    let mut refused = |change: &dyn Fn(&mut cleave_session::cooperate::Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        world.tell(CoordinatorEvent::Plan(plan));
        world.refused.last().unwrap().to_string()
    };
    assert!(refused(&|plan| plan.places = vec![0, 1]).starts_with("2 places and 3 uplinks for 3 workers"));
    for places in [[1, 0, 2], [0, 1, 1], [0, 1, 7]] {
        assert!(refused(&|plan| plan.places = places.to_vec()).starts_with("place "), "{places:?}");
    }
    let wrong = Shares::new(vec![1, 1, 1]);
    let why = refused(&|plan| plan.partition.steps[0].split = Split::Outputs(wrong.clone()));
    assert!(why.contains("they must sum to 5 output channels"), "{why}");
    assert!(refused(&|plan| plan.partition.steps.clear()).starts_with("0 steps"));
    // Nobody answers: the run fails in time, with the reason.
    world.run_for(Micros::from_millis(30_000));
    let [(1, error)] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert!(error.to_string().contains("there is no plan by which it could be run: 0 steps"), "{error}");
    // A worker without a share is none that is refused.
    let shares = Shares::new(vec![2, 0, 3]);
    let mut idle = world.plan(vec![0, 1, 2]);
    idle.partition = Partition { workers: 3, steps: vec![Step::new(Split::Alone(2)); 4] };
    idle.partition.steps[0] = Step::new(Split::Outputs(shares));
    world.tell(CoordinatorEvent::Plan(idle));
    world.submit(2);
    world.run_for(Micros::from_millis(1_000));
    world.check([2]);
    assert_eq!(world.reports[0].workers[1].spans, []);
    assert_eq!(world.reports[0].missing, Vec::<usize>::new());
}

#[test]
fn parts_that_fit_into_no_message() {
    let mut settings = Settings::default();
    settings.coordinator.limits = Limits { max_frame_bytes: 300, ..Limits::DEFAULT };
    let mut world = World::new(settings);
    world.nodes[0].config.host.limits.max_frame_bytes = 400;
    world.connect();
    world.run_for(Micros::from_millis(100));
    assert_eq!(world.refused, [PlanError::Part { bytes: 512, most: 265 }]);
}

#[test]
fn a_member_without_memory() {
    let why = said(|world| world.nodes[0].config.max_peak_bytes = 100);
    assert!(why.starts_with("it refused: its part takes ") && why.contains("allows 100"), "{why}");
}

fn file(bytes: usize) -> Weights {
    let bytes: Arc<[u8]> = vec![7; bytes].into();
    Weights::File(Model { hash: ModelHash([bytes.len() as u8; 32]), bytes })
}

#[test]
fn weights_travel_once_and_are_checked() {
    let mut world = World::new(Settings { weights: file(1_000_003), ..Settings::default() });
    world.run_once();
    world.check([1]);
    let sent = |place: usize| {
        let of = |(at, status): &&(usize, MemberStatus)| {
            *at == place && matches!(status, MemberStatus::Sending { sent: 1_000_003, total: 1_000_003 })
        };
        world.statuses.iter().filter(of).count()
    };
    assert_eq!([sent(1), sent(2)], [1, 1]);
    // Members keep the file: the next group needs it not.
    world.befall(1, Fate::Kill);
    world.submit(2);
    world.run_for(Micros::from_millis(5_000));
    world.check(1..=2);
    let sending =
        |(place, status): &&(usize, MemberStatus)| *place == 2 && matches!(status, MemberStatus::Sending { .. });
    let last = world.statuses.iter().rposition(|entry| sending(&entry)).unwrap();
    let joined = |(place, status): &(usize, MemberStatus)| *place == 2 && matches!(status, MemberStatus::Joined { .. });
    assert!(world.statuses[last..].iter().filter(|entry| joined(entry)).count() >= 2);

    let mut world = World::new(Settings { weights: file(500_000), ..Settings::default() });
    world.nodes[0].config.host.limits.max_model_bytes = 400_000;
    world.run_once();
    world.check([1]);
    let why = world.gone[&1].to_string();
    let limit = "this worker takes at most 400000 bytes; start it so that it takes more";
    assert_eq!(why, format!("it refused: the file of weights has 500000 bytes; {limit}"));

    let wrong = Weights::File(Model { hash: ModelHash([9; 32]), bytes: vec![7; 100_000].into() });
    let mut world = World::new(Settings { weights: wrong, ..Settings::default() });
    world.run_once();
    world.check([1]);
    assert_eq!(world.reports[0].places, [0], "both have refused the file");
    assert!(world.gone[&2].to_string().contains("its hash is another"), "{:?}", world.gone);
}

#[test]
fn inputs() {
    let mut world = World::new(Settings::default());
    world.connect();
    let timeout = Micros::from_millis(2_000);
    world.tell(CoordinatorEvent::Submit { run: 1, inputs: vec![vec![0.0; 100]], timeout });
    world.submit(2);
    world.run_for(Micros::from_millis(2_000));
    world.check([2]);
    let [(1, error)] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert_eq!(error.to_string(), "the inputs have [100] numbers, the network reads [128]");
    for run in 3..80 {
        world.submit(run);
    }
    assert_eq!(world.failed.last(), Some(&(79, RunError::Busy { most: 64 })));
    world.run_for(Micros::from_millis(9_000));
    assert_eq!(world.answers.len() + world.failed.len(), 79);
}

#[test]
fn first_messages() {
    let limits = Limits::DEFAULT;
    assert!(greeting(&ToMember::Link(Call::Close).encode(), &limits).is_err());
    assert!(greeting(b"GET / HTTP/1.1", &limits).is_err());
    let answer = greeting(b"CLVE\x4dxxxxxxxx", &limits).unwrap_err();
    assert_eq!(answer[4], 0x4d, "an old program can read it");
}

#[test]
fn a_part_that_is_not_the_schedules_is_named() {
    let why = |change: fn(&mut Part)| {
        let mut world = World::new(Settings { direct: false, ..Settings::default() });
        world.tamper = Some(Box::new(move |place, bytes| {
            if place == 1
                && let Ok(ToCoordinator::Part(mut part)) = ToCoordinator::decode(bytes, &Limits::DEFAULT)
            {
                change(&mut part);
                *bytes = ToCoordinator::Part(part).encode();
            }
        }));
        world.run_once();
        world.check([1]);
        world.gone[&1].to_string()
    };
    let length = why(|part| _ = part.values.pop());
    assert!(length.contains("a part of stage 1 (Gather) from worker 1 has"), "{length}");
    let input = why(|part| part.input = 9);
    assert!(input.contains("a part of stage 1 (Gather, input 9) came from worker 1 for worker"), "{input}");
}
