//! Messages of cooperating workers: their bytes are those committed in `cooperate.txt`, they come back as they went,
//! and no mutation of their bytes can panic the reader or make it believe what a group cannot be.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;

use cleave_arch::SplitMix64;
use cleave_graph::{MAX_NODES, MAX_WORKERS, Partition, Reduce, Shares, Split, Step};
use cleave_wire::cooperate::{
    Activity, Join, MAX_UNITS, Missed, Neighbour, Part, Phase, Report, Role, Span, Standing, ToCoordinator, ToMember,
    Uplink,
};
use cleave_wire::header::HEADER_BYTES;
use cleave_wire::{
    Answer, Call, Header, Limits, LinkShape, ModelHash, PROTOCOL_VERSION, Refusal, RefusalCode, Subject, ToDevice,
    ToEdge, WeightSource, WireError,
};
use proptest::prelude::*;

fn join() -> Join {
    let shares = |units: [usize; 3]| Shares::new(units.to_vec());
    let steps = vec![
        Step::new(Split::Outputs(shares([3, 0, 2]))),
        Step { split: Split::Inputs(shares([3, 0, 2])), reduce: Reduce::Scatter(shares([1, 1, 2])) },
        Step::new(Split::Rows(shares([4, 4, 4]))),
        Step { split: Split::Inputs(shares([1, 1, 2])), reduce: Reduce::Root(2) },
        Step::new(Split::Alone(1)),
        Step::new(Split::Replicated),
    ];
    Join {
        group: 0x0102_0304_0506_0708,
        worker: 2,
        names: vec!["page".into(), "edge é".into(), "tab".into()],
        graph: "1x8x8: conv 5 k3 p1".into(),
        partition: Partition { workers: 3, steps },
        weights: WeightSource::Seeded(9),
        uplink: Uplink {
            setup_micros: 2_000,
            shape: LinkShape { bits_per_second: 100_000_000, delay_micros: 500, jitter_micros: 0 },
        },
    }
}

fn part() -> Part {
    Part { group: 5, run: 2, stage: 1, phase: Phase::Sum, input: 0, from: 1, to: 2, values: vec![1.0, -0.5] }
}

fn hash() -> ModelHash {
    ModelHash(std::array::from_fn(|i| i as u8))
}

fn to_member() -> Vec<(&'static str, ToMember)> {
    let hello = |role| ToMember::Link(Call::Hello { token: "s3cret".into(), name: "tab é".into(), role });
    let neighbours = vec![Neighbour { worker: 1, address: "ws://127.0.0.1:7777/cooperate".into() }];
    let file = Join { weights: WeightSource::File(hash()), ..join() };
    vec![
        ("hello-coordinator", hello(Role::Coordinator)),
        ("hello-peer", hello(Role::Peer { group: 5, worker: 2 })),
        ("join-seeded", ToMember::Join(Box::new(join()))),
        ("join-file", ToMember::Join(Box::new(file))),
        ("weights", ToMember::Link(Call::Weights { model: hash(), offset: 256, total: 260, chunk: vec![9, 8, 7, 6] })),
        ("link", ToMember::Connect { group: 5, neighbours }),
        ("part", ToMember::Part(part())),
        ("part-input", ToMember::Part(Part { phase: Phase::Gather, input: 3, ..part() })),
        ("begin", ToMember::Begin { group: 5, run: 2 }),
        ("cancel", ToMember::Cancel { group: 5, run: 2 }),
        ("ping", ToMember::Link(Call::Ping { id: 3, sent_micros: 1_000_000 })),
        ("leave", ToMember::Link(Call::Close)),
    ]
}

fn to_coordinator() -> Vec<(&'static str, ToCoordinator)> {
    let span = |activity| Span { stage: 3, activity, start_micros: 10, end_micros: 20 };
    let sends = [Activity::Send { to: 2, bytes: 99 }, Activity::Relay { to: 1, bytes: 98 }];
    let spans = [Activity::Compute, Activity::Finish, Activity::Wait].into_iter().chain(sends).map(span).collect();
    let answer = Part { stage: 6, phase: Phase::Answer, to: 0, values: Vec::new(), ..part() };
    let refusal = Refusal {
        subject: Subject::Frame(2),
        code: RefusalCode::BadTensors,
        wrong: "1 value".into(),
        right: "send 2".into(),
    };
    vec![
        (
            "welcome",
            ToCoordinator::Link(Answer::Welcome {
                version: "0.1.0".into(),
                name: "edge".into(),
                threads: 2,
                limits: Limits::DEFAULT,
                offer: (),
            }),
        ),
        ("need-weights", ToCoordinator::Link(Answer::NeedWeights { model: hash() })),
        ("weights-progress", ToCoordinator::Link(Answer::WeightsProgress { model: hash(), received: 256, total: 260 })),
        ("joined", ToCoordinator::Joined { group: 5, weight_bytes: 1_000_000 }),
        ("linked", ToCoordinator::Linked { group: 5, missed: vec![Missed { worker: 2, why: "refused".into() }] }),
        ("part-back", ToCoordinator::Part(part())),
        ("part-answer", ToCoordinator::Part(answer)),
        ("report", ToCoordinator::Report(Report { group: 5, run: 2, spans, peak_bytes: 77 })),
        (
            "pong",
            ToCoordinator::Link(Answer::Pong {
                id: 3,
                sent_micros: 1_000_000,
                received_micros: 20,
                answered_micros: 21,
                state: Standing { run: 2, awaits: 0b101 },
            }),
        ),
        ("refused", ToCoordinator::Link(Answer::Refused(refusal))),
    ]
}

fn all_bytes() -> Vec<(&'static str, Vec<u8>)> {
    let there = to_member().into_iter().map(|(name, message)| (name, message.encode()));
    let back = to_coordinator().into_iter().map(|(name, message)| (name, message.encode()));
    there.chain(back).collect()
}

fn is_read(bytes: &[u8]) -> bool {
    let limits = &Limits::DEFAULT;
    ToMember::decode(bytes, limits).is_ok() || ToCoordinator::decode(bytes, limits).is_ok()
}

/// `BLESS=1 cargo test -p cleave-wire` writes the file anew; then bump `PROTOCOL_VERSION`. The version itself is left
/// out of it.
#[test]
fn bytes_are_those_committed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cooperate.txt");
    let mut text = String::new();
    for (name, bytes) in all_bytes() {
        assert_eq!(bytes[4], PROTOCOL_VERSION);
        let hex = bytes[5..].iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(text, "{name} {hex}").unwrap();
    }
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}

#[test]
fn messages_come_back() {
    for (name, message) in to_member() {
        assert_eq!(ToMember::decode(&message.encode(), &Limits::DEFAULT), Ok(message), "{name}");
    }
    for (name, message) in to_coordinator() {
        assert_eq!(ToCoordinator::decode(&message.encode(), &Limits::DEFAULT), Ok(message), "{name}");
    }
    let message = ToMember::Part(part());
    assert_eq!(message.encode().len() as u64, Part::OVERHEAD_BYTES + 8);
}

/// One machine can serve both protocols on one socket; only a refusal is the same in both.
#[test]
fn kinds_are_those_of_no_other_message() {
    for (name, bytes) in all_bytes() {
        let kind = |error| matches!(error, WireError::Kind { .. });
        assert!(ToEdge::decode(&bytes, &Limits::DEFAULT).is_err_and(kind), "{name}");
        let is_refusal = ToDevice::decode(&bytes, &Limits::DEFAULT).is_ok();
        assert_eq!(is_refusal, name == "refused", "{name}");
    }
}

#[test]
fn what_is_cut_off_or_too_long_is_refused() {
    for (name, bytes) in all_bytes() {
        assert_eq!(Header::read(&bytes).unwrap().length as usize + HEADER_BYTES, bytes.len(), "{name}");
        assert!((0..bytes.len()).all(|cut| !is_read(&bytes[..cut])), "{name}");
    }
    let mut version = ToMember::Link(Call::Close).encode();
    version[4] = 9;
    let theirs = ToMember::decode(&version, &Limits::DEFAULT);
    assert_eq!(theirs, Err(WireError::Version { theirs: 9, ours: PROTOCOL_VERSION }));
    let limits = Limits { max_tensor_bytes: 4, ..Limits::DEFAULT };
    let long = ToMember::decode(&ToMember::Part(part()).encode(), &limits).unwrap_err();
    assert_eq!(long.to_string(), "`values` is 8 bytes, at most 4 bytes are accepted");
}

#[test]
fn groups_that_cannot_be_are_refused() {
    let why = |change: &dyn Fn(&mut Join)| {
        let mut join = join();
        change(&mut join);
        ToMember::decode(&ToMember::Join(Box::new(join)).encode(), &Limits::DEFAULT).unwrap_err().to_string()
    };
    let split = |join: &mut Join, units| join.partition.steps[0].split = Split::Outputs(Shares::new(units));
    let twice = "`name of worker` is 1, it should be a worker with a name that no other has";
    assert_eq!(why(&|join| join.names[1] = "page".into()), twice);
    assert_eq!(why(&|join| join.names[1] = String::new()), twice);
    assert_eq!(why(&|join| join.names[1] = "x".repeat(65)), "`name` is 65 bytes, at most 64 bytes are accepted");
    assert_eq!(why(&|join| join.worker = 3), "`worker` is 3, it should be the number of one of the workers");
    assert_eq!(why(&|join| split(join, vec![1, 1])), "`shares` is 2, it should be one for each worker");
    assert!(why(&|join| split(join, vec![MAX_UNITS, 1, 0])).contains("at most 65536 channels or rows"));
    assert!(why(&|join| split(join, vec![usize::MAX; 3])).contains("at most 65536 channels or rows"));
    assert!(
        why(&|join| join.partition.steps = vec![Step::new(Split::Replicated); MAX_NODES + 1]).contains("at most 256")
    );
    let crowd = |n: usize| (0..n).map(|worker| worker.to_string()).collect();
    assert!(why(&|join| join.names = crowd(MAX_WORKERS + 1)).contains("from 1 to 16"));
    assert!(why(&|join| join.names = Vec::new()).contains("from 1 to 16"));
    assert!(why(&|join| join.uplink.setup_micros = u32::MAX).contains("set-up"));
}

/// Flipped bytes, changed lengths, cuts and joins of every message: an error or a message, never a panic, and what is
/// read is within bounds.
#[test]
fn mutated_bytes_never_panic() {
    let samples = all_bytes();
    let mut rng = SplitMix64::new(0x00C0_0BE7);
    let mut joins = 0;
    for round in 0..60_000 {
        let mut bytes = samples[round % samples.len()].1.clone();
        for _ in 0..=rng.below(3) {
            let at = HEADER_BYTES + rng.below(bytes.len().saturating_sub(HEADER_BYTES).max(1));
            let at = at.min(bytes.len() - 1);
            match rng.below(4) {
                0 => bytes[at] ^= 1 << rng.below(8),
                1 => bytes[at] = [0, 1, 127, 128, 255][rng.below(5)],
                2 => bytes.truncate(at.max(HEADER_BYTES)),
                _ => bytes.insert(at, rng.below(256) as u8),
            }
        }
        let length = (bytes.len() - HEADER_BYTES) as u32;
        bytes[6..10].copy_from_slice(&length.to_le_bytes());
        if let Ok(ToMember::Join(join)) = ToMember::decode(&bytes, &Limits::DEFAULT) {
            joins += 1;
            assert!(join.names.len() <= MAX_WORKERS && join.partition.steps.len() <= MAX_NODES);
            assert!(usize::from(join.worker) < join.partition.workers);
        }
        let _ = ToCoordinator::decode(&bytes, &Limits::DEFAULT);
    }
    assert!(joins > 500, "only {joins} mutated joins were read: the mutation is too coarse to test anything");
}

fn shares(workers: usize) -> impl Strategy<Value = Shares> {
    proptest::collection::vec(0usize..2000, workers).prop_map(Shares::new)
}

fn step(workers: usize) -> impl Strategy<Value = Step> {
    let split = prop_oneof![
        Just(Split::Replicated),
        (0..workers).prop_map(Split::Alone),
        shares(workers).prop_map(Split::Outputs),
        shares(workers).prop_map(Split::Inputs),
        shares(workers).prop_map(Split::Rows),
    ];
    let reduce = prop_oneof![
        Just(Reduce::Direct),
        (0..workers).prop_map(Reduce::Root),
        shares(workers).prop_map(Reduce::Scatter),
    ];
    (split, reduce).prop_map(|(split, reduce)| Step { split, reduce })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn any_partition_comes_back(
        (workers, steps) in (1usize..=MAX_WORKERS)
            .prop_flat_map(|n| (Just(n), proptest::collection::vec(step(n), 0..20)))
    ) {
        let names = (0..workers).map(|worker| format!("worker {worker}")).collect();
        let partition = Partition { workers, steps };
        let message = ToMember::Join(Box::new(Join { worker: 0, names, partition, ..join() }));
        prop_assert_eq!(ToMember::decode(&message.encode(), &Limits::DEFAULT), Ok(message));
    }

    #[test]
    fn any_values_come_back(values in proptest::collection::vec(-1e6f32..1e6, 0..300), stage in 0u16..300, input in 0u16..300) {
        let message = ToCoordinator::Part(Part { stage, input, values, ..part() });
        prop_assert_eq!(ToCoordinator::decode(&message.encode(), &Limits::DEFAULT), Ok(message));
    }
}
