//! Messages that are garbled, swapped or repeated, in both directions, at any moment: nothing panics, nothing hangs,
//! and every run ends.

use cleave_arch::SplitMix64;
use cleave_session::cooperate::{Line, Member, MemberConfig, MemberEffect, MemberEvent};
use cleave_session::{Host, Micros, Model, TokenCheck, Weights};
use cleave_wire::cooperate::{Missed, Part, Phase, Role, ToCoordinator, ToMember};
use cleave_wire::header::HEADER_BYTES;
use cleave_wire::{Answer, Call, Limits, ModelHash, RefusalCode, Subject, WeightSource};

use crate::sim::{RESIDUAL, Settings, World};
use crate::toy;

const TINY: &str = "1x6x6: conv 4 k3 p1, relu, conv 3 k3, relu, flatten, linear 4, relu, linear 3";

fn garble(bytes: &mut Vec<u8>, seen: &mut Vec<Vec<u8>>, rng: &mut SplitMix64) {
    let honest = bytes.clone();
    match rng.below(5) {
        0 => *bytes = seen.get(rng.below(seen.len().max(1))).cloned().unwrap_or(honest.clone()),
        1 => bytes.truncate(rng.below(bytes.len())),
        _ => {
            for _ in 0..=rng.below(4) {
                let at = rng.below(bytes.len());
                bytes[at] = [0, 1, 2, 127, 255, rng.below(256) as u8][rng.below(6)];
            }
            if rng.below(4) > 0 {
                bytes[..5].copy_from_slice(&honest[..5]);
                let length = (bytes.len() - HEADER_BYTES) as u32;
                bytes[6..10].copy_from_slice(&length.to_le_bytes());
            }
        }
    }
    seen.push(honest);
}

#[test]
fn garbled_messages_end_in_answers_or_errors() {
    let (mut answered, mut failed, mut gone) = (0, 0, 0);
    for seed in 0..100 {
        let mut settings =
            Settings { seed, graph: [TINY, RESIDUAL][seed as usize % 2], direct: seed % 3 > 0, ..Settings::default() };
        settings.members = 1 + seed as usize % 3;
        settings.coordinator.join_timeout = Micros::from_millis(4_000);
        let mut world = World::new(settings);
        world.partition =
            Box::new(move |graph, workers| toy::random_partition(graph, workers, &mut SplitMix64::new(seed)));
        let (mut rng, mut seen) = (SplitMix64::new(seed), Vec::new());
        let once_in = 5 + rng.below(60);
        world.tamper = Some(Box::new(move |_, bytes| {
            if rng.below(once_in) == 0 {
                garble(bytes, &mut seen, &mut rng);
            }
        }));
        world.connect();
        (1..=4).for_each(|run| world.submit(run));
        world.run_for(Micros::from_millis(60_000));
        assert_eq!(world.answers.len() + world.failed.len(), 4, "seed {seed}: every run ends");
        assert_eq!(world.answers.len(), world.reports.len(), "seed {seed}");
        (answered, failed, gone) =
            (answered + world.answers.len(), failed + world.failed.len(), gone + world.gone.len());
    }
    assert!(answered > 250 && gone > 40, "{answered} answered, {failed} failed, {gone} gone: the test exercises all");
}

/// Members that report broken connections, or ask for the weights, again and again do not keep a run from its answer.
#[test]
fn a_member_that_never_has_enough_delays_no_run_for_ever() {
    let is_pong = |message: &ToCoordinator| matches!(message, ToCoordinator::Link(Answer::Pong { .. }));
    for members in 2..=3 {
        let mut world = World::new(Settings { members, graph: TINY, ..Settings::default() });
        let mut group = 0;
        world.tamper = Some(Box::new(move |place, bytes| match ToCoordinator::decode(bytes, &Limits::DEFAULT) {
            Ok(ToCoordinator::Joined { group: joined, .. }) => group = joined,
            Ok(message) if place == 1 && is_pong(&message) => {
                let missed = (0..9).map(|worker| Missed { worker, why: "so it says".into() }).collect();
                *bytes = ToCoordinator::Linked { group, missed }.encode();
            }
            _ => {}
        }));
        world.connect();
        for run in 1..=4 {
            world.submit(run);
            world.run_for(Micros::from_millis(2_500));
        }
        world.check(1..=4);
        assert!(world.ready.len() <= 2 && world.gone.is_empty(), "{} {:?}", world.ready.len(), world.gone);
    }

    let mut settings = Settings { weights: file(), graph: TINY, ..Settings::default() };
    settings.coordinator.join_timeout = Micros::from_millis(1_000);
    let mut world = World::new(settings);
    world.tamper = Some(Box::new(|place, bytes| {
        if place == 1
            && matches!(ToCoordinator::decode(bytes, &Limits::DEFAULT), Ok(ToCoordinator::Link(Answer::Pong { .. })))
        {
            *bytes = ToCoordinator::Link(Answer::NeedWeights { model: ModelHash([100; 32]) }).encode();
        }
        if place == 1 && matches!(ToCoordinator::decode(bytes, &Limits::DEFAULT), Ok(ToCoordinator::Joined { .. })) {
            bytes.truncate(0);
        }
    }));
    world.run_once();
    world.check([1]);
    assert!(world.gone.contains_key(&1));
}

fn file() -> Weights {
    Weights::File(Model { hash: ModelHash([100; 32]), bytes: vec![7; 100].into() })
}

/// Everything a member can be told, in any order, with and without a greeting.
#[test]
fn a_member_survives_any_order_of_messages() {
    let part = |group, run, to| {
        let values = vec![0.5; 36];
        ToMember::Part(Part { group, run, stage: 0, phase: Phase::Gather, input: 0, from: 0, to, values }).encode()
    };
    let mut world = World::new(Settings { members: 1, graph: TINY, ..Settings::default() });
    let recorded = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    let sink = recorded.clone();
    world.tamper = Some(Box::new(move |_, bytes| sink.borrow_mut().push(bytes.clone())));
    world.run_once();
    let mut messages = recorded.borrow().clone();
    messages.extend([part(0, 0, 0), part(1, u64::MAX, 1), ToMember::Begin { group: 0, run: 3 }.encode()]);
    messages.extend([ToMember::Cancel { group: 0, run: u64::MAX }.encode()]);
    for seed in 0..300 {
        let mut rng = SplitMix64::new(seed);
        let config = MemberConfig::new(Host::new(TokenCheck::open(), "edge 1"));
        let mut member = Member::new(config, Micros(0));
        let mut jobs = 0;
        for step in 0..60 {
            let group = member.group().unwrap_or_default();
            let lines = [Line::Coordinator, Line::To { group, worker: 0 }, Line::From { group, worker: 1 }];
            let line = lines[rng.below(12).saturating_sub(9)];
            let event = match rng.below(10) {
                0 => MemberEvent::Opened { line },
                1 if step > 40 => MemberEvent::Closed { line, why: String::new() },
                _ => MemberEvent::Received { line, bytes: messages[rng.below(messages.len())].clone() },
            };
            let effects = member.handle(event, Micros(step * 1_000));
            jobs += effects.iter().filter(|effect| matches!(effect, MemberEffect::Engine(_))).count();
        }
        assert!(jobs < 500);
    }
}

fn greeted() -> (Member, impl FnMut(&mut Member, ToMember) -> Vec<ToCoordinator>) {
    let say = |member: &mut Member, message: ToMember| {
        let event = MemberEvent::Received { line: Line::Coordinator, bytes: message.encode() };
        let answers = member.handle(event, Micros(5)).into_iter().filter_map(|effect| match effect {
            MemberEffect::Send { line: Line::Coordinator, bytes } => {
                Some(ToCoordinator::decode(&bytes, &Limits::DEFAULT).unwrap())
            }
            _ => None,
        });
        answers.collect::<Vec<_>>()
    };
    let mut member = Member::new(MemberConfig::new(Host::new(TokenCheck::open(), "edge 1")), Micros(0));
    let hello = ToMember::Link(Call::Hello { token: "any".into(), name: "page".into(), role: Role::Coordinator });
    assert!(matches!(say(&mut member, hello)[..], [ToCoordinator::Link(Answer::Welcome { .. })]));
    (member, say)
}

fn refusal(answers: &[ToCoordinator]) -> (Subject, RefusalCode, String) {
    match answers {
        [ToCoordinator::Link(Answer::Refused(refusal))] => (refusal.subject, refusal.code, refusal.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_member_says_what_is_wrong() {
    let (mut member, mut say) = greeted();
    let world = World::new(Settings::default());
    let plan = world.plan(vec![0, 1]);
    let join = cleave_wire::cooperate::Join {
        group: 1 << 40 | 77,
        worker: 1,
        names: vec!["page".into(), "edge 1".into()],
        graph: world.graph.to_string(),
        partition: plan.partition,
        weights: WeightSource::Seeded(1),
        uplink: plan.uplinks[0],
    };
    let mut refused = |change: &dyn Fn(&mut cleave_wire::cooperate::Join)| {
        let mut join = join.clone();
        change(&mut join);
        refusal(&say(&mut member, ToMember::Join(Box::new(join))))
    };
    let (subject, code, why) = refused(&|join| join.names[1] = "edge 2".into());
    assert_eq!((subject, code), (Subject::Deployment(77), RefusalCode::BadPlan));
    assert!(why.starts_with("this worker is called \"edge 1\", not \"edge 2\""), "{why}");
    let (_, code, why) = refused(&|join| join.graph = "2x8x8: conv".into());
    assert!(code == RefusalCode::BadPlan && why.contains("\"conv\" is not understood"), "{why}");
    let (_, _, why) = refused(&|join| join.partition.steps.truncate(1));
    assert!(why.contains("1 steps for a network of 4 operators"), "{why}");
    assert!(member.is_open());

    let (mut member, mut say) = greeted();
    let hello = ToMember::Link(Call::Hello { token: "any".into(), name: "page".into(), role: Role::Coordinator });
    let (subject, code, _) = refusal(&say(&mut member, hello));
    assert!((subject, code) == (Subject::Session, RefusalCode::Malformed) && !member.is_open());
}
