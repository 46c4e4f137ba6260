//! Workers that share an image network over real sockets: the answer is the unsplit one, what is sent is what the
//! schedule says, a worker that dies is done without, and a worker that cannot be had is named in seconds.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cleave_app::cooperation::{Answer, News, Report, Request};
use cleave_app::operators::{OperatorTimes, Probing, Work};
use cleave_app::partition::{Shown, Workers};
use cleave_arch::SplitMix64;
use cleave_arch::tolerance::{SPLIT_F32, distance, relative_distance};
use cleave_cli::loopback::LoopbackEdge;
use cleave_cli::partition::cooperate;
use cleave_graph::{Graph, zoo};
use cleave_partition::{Link, Medium, Strategy, probes};
use cleave_session::Model;
use cleave_session::Weights;
use cleave_session::cooperate::{MemberSpec, MemberStatus};
use cleave_wire::ModelHash;
use sha2::{Digest, Sha256};

const LENET: &str = "1x28x28: conv 6 k5 p2, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, \
                     linear 120, relu, linear 84, relu, linear 10";
const FAST: Link = Link { setup_ms: 0.0, mbps: f64::INFINITY, delay_ms: 0.0 };
const SLOW: Link = Link { setup_ms: 60.0, mbps: 100.0, delay_ms: 0.2 };

fn edges() -> Vec<LoopbackEdge> {
    ["worker 1", "worker 2"].map(|name| LoopbackEdge::worker(name).unwrap()).into()
}

fn members(edges: &[LoopbackEdge]) -> Vec<MemberSpec> {
    edges.iter().zip(1..).map(|(edge, number)| edge.member(&format!("worker {number}"))).collect()
}

fn images(network: &Graph, n: usize) -> Vec<Vec<f32>> {
    let mut rng = SplitMix64::new(3);
    let image: Vec<f32> = (0..network.input().values()).map(|_| rng.unit_f32()).collect();
    vec![image; n]
}

/// What operators take an engine of 100 million multiplications a second.
fn times(network: &Graph) -> OperatorTimes {
    let (mut probing, probes) = (Probing::new(network), probes(network));
    while let Some(step) = probing.next() {
        probing.took(match step.work {
            Work::Layer(at) => {
                let (probe, operator) = (&probes[at], &network.operators()[probes[at].operator]);
                Some(0.02 + probe.share * operator.macs() as f64 / 1e5)
            }
            Work::Tail(_) => Some(0.01),
            Work::Add => Some(1.0),
        });
    }
    probing.finish().unwrap()
}

/// Runs one image so many times, over three workers or over this process alone.
fn cooperate(
    network: &str,
    strategy: Strategy,
    link: Link,
    (members, runs): (Vec<MemberSpec>, usize),
    heard: &mut dyn FnMut(&News),
) -> anyhow::Result<Report> {
    cooperate_with(Weights::Seeded(5), network, strategy, link, (members, runs), heard)
}

fn cooperate_with(
    weights: Weights,
    network: &str,
    strategy: Strategy,
    link: Link,
    (members, runs): (Vec<MemberSpec>, usize),
    heard: &mut dyn FnMut(&News),
) -> anyhow::Result<Report> {
    let network: Graph = network.parse()?;
    let request = Request {
        workers: Workers::alike(members.len() + 1, link, Medium::Switched)?,
        times: Arc::new(times(&network)),
        images: images(&network, 1),
        network: Arc::new(network),
        learn: false,
        strategy,
        weights,
        runs,
        compare: false,
        shown: Shown::Nothing,
    };
    cooperate::run(request, members, heard)
}

fn alone() -> Vec<f32> {
    let outcome = cooperate(LENET, Strategy::Mixed, FAST, (Vec::new(), 1), &mut |_| ()).unwrap();
    outcome.answers[0].values.clone()
}

fn sent(answer: &Answer) -> u32 {
    answer.report.traffic.iter().flatten().map(|traffic| traffic.messages).sum()
}

#[test]
fn shared_by_every_strategy_it_answers_as_alone() {
    let (edges, alone) = (edges(), alone());
    for strategy in Strategy::ALL {
        let outcome = cooperate(LENET, strategy, FAST, (members(&edges), 2), &mut |_| ()).unwrap();
        for answer in &outcome.answers {
            let far = distance(&answer.values, &alone);
            assert!(far <= SPLIT_F32, "{strategy}: distance {far:e}");
            assert_eq!(sent(answer) as usize, outcome.formed.plan.timeline.messages, "{strategy}");
            assert_peaks(&outcome, 40_000.0, 0.0, strategy.name());
            assert!(answer.report.missing.is_empty() && answer.report.restarts == 0, "{strategy}: {:?}", answer.report);
        }
        assert!(outcome.formed.relayed.is_empty(), "{strategy}: the workers reach each other");
    }
}

/// Every worker's peak is what was predicted, to so many bytes and so much of it.
fn assert_peaks(outcome: &Report, bytes: f64, part: f64, of: &str) {
    let plan = &outcome.formed.plan;
    for (worker, report) in outcome.answers[0].report.workers.iter().enumerate() {
        let (predicted, measured) = (plan.memory[worker].peak() as f64, report.peak_bytes as f64);
        let is_idle = plan.schedule.stages.iter().all(|stage| stage.work[worker].is_none());
        let is_near = (measured - predicted).abs() <= bytes + part * predicted;
        assert!(is_idle || is_near, "{of}, worker {worker}: {predicted} bytes predicted, {measured} measured");
    }
}

#[test]
fn alexnet_answers_as_alone_in_the_memory_that_was_predicted() {
    let (edges, alexnet) = (edges(), zoo::network("alexnet").unwrap().to_string());
    let alone = cooperate(&alexnet, Strategy::Iop, FAST, (Vec::new(), 1), &mut |_| ()).unwrap();
    for strategy in [Strategy::CoEdge, Strategy::Iop] {
        let outcome = cooperate(&alexnet, strategy, FAST, (members(&edges), 1), &mut |_| ()).unwrap();
        let far = relative_distance(&outcome.answers[0].values, &alone.answers[0].values);
        assert!(far <= SPLIT_F32, "{strategy}: {far:e}");
        assert_peaks(&outcome, 0.0, 0.05, strategy.name());
    }
}

#[test]
fn a_file_of_weights_reaches_every_worker() {
    let bytes = include_bytes!("../../../www/model/image/lenet5.safetensors");
    let model = Model { hash: ModelHash(Sha256::digest(bytes).into()), bytes: Arc::from(&bytes[..]) };
    let run = |members| {
        let weights = Weights::File(model.clone());
        cooperate_with(weights, LENET, Strategy::Iop, FAST, (members, 1), &mut |_| ()).unwrap().answers[0]
            .values
            .clone()
    };
    let (edges, whole) = (edges(), run(Vec::new()));
    assert!(distance(&run(members(&edges)), &whole) <= SPLIT_F32);
    assert!(distance(&whole, &alone()) > 0.1, "other weights answer otherwise");
    let broken = Model { hash: ModelHash([7; 32]), ..model.clone() };
    let (weights, members) = (Weights::File(broken), members(&edges));
    let why = cooperate_with(weights, LENET, Strategy::Iop, FAST, (members, 1), &mut |_| ()).unwrap_err().to_string();
    assert!(why.contains("worker \"worker ") && why.contains("have the hash"), "{why}");
}

#[test]
fn a_pair_of_operators_takes_six_messages_instead_of_twelve() {
    // Image and answer are two messages each beside those between the operators.
    let network = "8x8x8: conv 12 k3 p1, relu, conv 12 k3 p1, relu, conv 3 k3 p1";
    let (edges, link) = (edges(), Link { setup_ms: 5.0, ..FAST });
    for (strategy, between) in [(Strategy::OutputChannel, 12), (Strategy::Iop, 6)] {
        let outcome = cooperate(network, strategy, link, (members(&edges), 1), &mut |_| ()).unwrap();
        let traffic = &outcome.answers[0].report.traffic;
        assert_eq!(sent(&outcome.answers[0]), between + 4, "{strategy}: {traffic:?}");
    }
}

#[test]
fn a_worker_that_dies_in_mid_run_is_done_without() {
    let (mut edges, alone) = (edges(), alone());
    let members = members(&edges);
    let (mut last, mut gone) = (edges.pop(), Vec::new());
    let mut heard = |news: &News| match news {
        // The next run takes hundreds of milliseconds.
        News::Answered => {
            if let Some(edge) = last.take() {
                std::thread::spawn(|| {
                    std::thread::sleep(Duration::from_millis(100));
                    edge.kill();
                });
            }
        }
        News::Member(place, MemberStatus::Gone(why)) => gone.push(format!("worker {place}: {why}")),
        News::Member(..) | News::Phase(..) => {}
    };
    let outcome = cooperate(LENET, Strategy::OutputChannel, SLOW, (members, 3), &mut heard).unwrap();
    assert_eq!((outcome.answers.len(), &outcome.formed.places[..]), (3, &[0, 1][..]), "{gone:?}");
    assert_eq!((outcome.restarts, outcome.gone.len()), (1, 1), "{gone:?}");
    assert!(gone.len() == 1 && gone[0].starts_with("worker 2: its connection broke"), "{gone:?}");
    for answer in &outcome.answers {
        assert!(distance(&answer.values, &alone) <= SPLIT_F32);
    }
}

#[test]
fn workers_that_cannot_be_had_are_named() {
    let edges = edges();
    let good = members(&edges);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}", silent.local_addr().unwrap());
    let with = |change: &dyn Fn(&mut MemberSpec)| {
        let mut members = good.clone();
        change(&mut members[1]);
        let start = Instant::now();
        let why = cooperate(LENET, Strategy::Iop, FAST, (members, 1), &mut |_| ()).unwrap_err().to_string();
        assert!(start.elapsed() < Duration::from_secs(9), "{why}: {:?}", start.elapsed());
        assert!(why.starts_with("worker \"worker "), "{why}");
        why
    };
    let why = with(&|member| member.address = "ws://127.0.0.1:1".into());
    assert!(why.contains("cannot be reached") && why.contains("refused"), "{why}");
    let why = with(&|member| member.address = "http://127.0.0.1:1/".into());
    assert!(why.contains("ws://HOST:PORT"), "{why}");
    let why = with(&|member| member.address = silent.clone());
    assert!(why.contains("did not open the connection within"), "{why}");
    let why = with(&|member| member.token = "another-token".into());
    assert!(why.contains("the token is not this worker's"), "{why}");
    let why = with(&|member| member.name = "worker 3".into());
    assert!(why.contains("\"worker 2\" answered where \"worker 3\" was expected"), "{why}");
    let why = with(&|member| *member = MemberSpec { name: String::new(), ..good[0].clone() });
    assert!(why.contains("another worker called \"worker 1\""), "{why}");
}
