//! Whole sessions over loopback: a network is deployed and answers, and whatever is said wrongly is refused with words
//! while the edge goes on serving others.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use std::time::{Duration, Instant};

use burn::tensor::Device;
use cleave_arch::tolerance::{SPLIT_F32, distance};
use cleave_arch::{Array, CutGraph, LinkCodec, Mapping, Plan, SplitMix64, Task, Tier};
use cleave_model::exec::{Executor, Params, noise};
use cleave_model::{Card, Storage, Weights};
use cleave_wire::{Answer, Call, LinkShape, PROTOCOL_VERSION, RefusalCode, Subject, ToDevice, ToEdge, WeightSource};
use common::client::{Client, hash, hello};
use common::{Running, TOKEN, config, start};
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::Message;

const NETWORK: &str = "3 6 2 1 0 4 1,0 1 1 2 1 3 2";
const TASK: Task = Task { n_points: 64, in_channels: 3, k: 6, n_classes: 10, graph: cleave_arch::GraphSource::Sampled };

/// The network here, and its file.
fn network() -> (Executor, Vec<u8>) {
    let plan: Plan = NETWORK.parse().unwrap();
    let weights = Weights::random(plan.architecture(), &TASK, 7);
    let graph = cut(&[]).graph().clone();
    let card = Card { name: "test".into(), plan, task: TASK, classes: vec!["a".into(); 10], accuracy: None };
    let file = weights.to_safetensors(&card, Storage::F32).unwrap();
    (Executor::whole(&graph, &weights, &Device::flex()).unwrap(), file)
}

/// Cut before these operations.
fn cut(cuts: &[usize]) -> CutGraph {
    Mapping::parse(NETWORK, &TASK).unwrap().with_cuts(cuts.to_vec()).unwrap().cut_graph().unwrap()
}

fn cloud(seed: u64) -> Vec<Array> {
    let mut rng = SplitMix64::new(seed);
    let values = (0..TASK.n_points * TASK.in_channels).map(|_| 2.0 * rng.unit_f32() - 1.0).collect();
    vec![Array::f32([TASK.n_points, TASK.in_channels], values).unwrap()]
}

fn furthest(a: &[Array], b: &[Array]) -> f32 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b).map(|(a, b)| (a.as_f32().unwrap(), b.as_f32().unwrap()));
    pairs.map(|(a, b)| distance(a, b)).fold(0.0, f32::max)
}

/// That sessions are still served.
async fn serves(edge: &Running) {
    let mut client = Client::greeted(edge).await;
    client.say(&ToEdge::Link(Call::Ping { id: 3, sent_micros: 4 })).await;
    assert!(matches!(client.hear().await, ToDevice::Link(Answer::Pong { id: 3, sent_micros: 4, .. })));
}

#[tokio::test]
async fn every_cut_answers_like_the_local_network() {
    let edge = start(config()).await;
    let (local, file) = network();
    let (points, n_ops) = (cloud(1), Mapping::parse(NETWORK, &TASK).unwrap().n_steps() - 1);
    let whole = local.compute(0..local.graph().nodes().len(), &points).await.unwrap();
    let mut client = Client::greeted(&edge).await;
    for at in 0..=n_ops {
        let cut = cut(&[at]);
        let was_asked = client.deploy(at as u32, &cut, &file).await;
        assert_eq!(was_asked, at == 0, "the file is sent once");
        let inputs = local.compute(0..cut.cuts()[0], &points).await.unwrap();
        let segment = cut.segments().iter().position(|segment| segment.tier == Tier::Edge).unwrap();
        client.frame(100 + at as u64, at as u32, segment as u8, &inputs).await;
        let heard = client.hear().await;
        let ToDevice::Result { id, timing, tensors } = heard else { panic!("{heard:?}") };
        assert_eq!(id, 100 + at as u64);
        assert!(timing.received_micros <= timing.started_micros, "{timing:?}");
        assert!(
            timing.started_micros <= timing.finished_micros && timing.finished_micros <= timing.sent_micros,
            "{timing:?}"
        );
        let answer = tensors.unpack(&cleave_wire::Limits::DEFAULT).unwrap();
        assert_eq!(answer[0].shape, [TASK.n_classes]);
        assert!(furthest(&answer, &whole) <= SPLIT_F32, "cut {at}");
        assert!(matches!(client.hear().await, ToDevice::Credit { n: 1 }));
    }
    let mut second = Client::greeted(&edge).await;
    assert!(!second.deploy(0, &cut(&[2]), &file).await, "another session needs no file either");
    edge.stop().await;
}

#[tokio::test]
async fn an_edge_in_the_middle_returns_what_lives_there() {
    let edge = start(config()).await;
    let ((local, file), cut) = (network(), cut(&[1, 3]));
    let inputs = local.compute(0..cut.cuts()[0], &cloud(2)).await.unwrap();
    let local = local.compute(cut.segments()[1].nodes.clone(), &inputs).await.unwrap();
    let mut client = Client::greeted(&edge).await;
    client.deploy(0, &cut, &file).await;
    client.frame(1, 0, 1, &inputs).await;
    let ToDevice::Result { tensors, .. } = client.hear().await else { panic!("no result") };
    assert!(furthest(&tensors.unpack(&cleave_wire::Limits::DEFAULT).unwrap(), &local) <= SPLIT_F32);
    edge.stop().await;
}

#[tokio::test]
async fn as_many_frames_as_the_credit_are_under_way() {
    let edge = start(config()).await;
    let (_, file) = network();
    let mut client = Client::greeted(&edge).await;
    client.deploy(0, &cut(&[0]), &file).await;
    for id in 0..8 {
        client.frame(id, 0, 0, &cloud(id)).await;
    }
    let (mut answered, mut credit) = (Vec::new(), 0);
    while credit < 8 {
        match client.hear().await {
            ToDevice::Result { id, .. } => answered.push(id),
            ToDevice::Credit { n } => credit += n,
            other => panic!("{other:?}"),
        }
    }
    answered.sort();
    assert_eq!(answered, (0..8).collect::<Vec<_>>());
    edge.stop().await;
}

#[tokio::test]
async fn a_wrong_greeting_is_refused_with_words() {
    let edge = start(config()).await;
    let right = hello(TOKEN).encode();
    let mut old = right.clone();
    old[4] = PROTOCOL_VERSION + 1;
    let short = right[..right.len() - 1].to_vec();
    let mut long = right.clone();
    long.push(0);
    let cases = [
        (hello(&TOKEN.replace('0', "1")).encode(), RefusalCode::BadToken, "token"),
        (hello("").encode(), RefusalCode::BadToken, "token"),
        (short, RefusalCode::Malformed, "bytes follow"),
        (long, RefusalCode::Malformed, "bytes follow"),
        (b"GET / HTTP/1.1".to_vec(), RefusalCode::Malformed, "not a Cleave message"),
        (ToEdge::Link(Call::Ping { id: 1, sent_micros: 1 }).encode(), RefusalCode::NotGreeted, "Hello"),
    ];
    for (bytes, code, says) in cases {
        let mut client = Client::connect(&edge).await.unwrap();
        client.say_bytes(bytes).await;
        let refusal = client.refused().await;
        assert_eq!((refusal.code, refusal.subject), (code, Subject::Session), "{refusal}");
        assert!(refusal.to_string().contains(says), "{refusal}");
        assert!(!refusal.to_string().contains(TOKEN));
    }
    let mut client = Client::connect(&edge).await.unwrap();
    client.say_bytes(old).await;
    let answer = client.hear_bytes().await.unwrap();
    assert_eq!(answer[4], PROTOCOL_VERSION + 1, "an old client reads its own version");
    assert!(String::from_utf8_lossy(&answer).contains("update the older"));
    serves(&edge).await;
    edge.stop().await;
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused_with_words() {
    let mut config = config();
    config.bounds.wire.max_frame_bytes = 100_000;
    let edge = start(config).await;
    for bytes in [100_001, 150_000, 500_000] {
        let mut client = Client::greeted(&edge).await;
        client.say_bytes(vec![0; bytes]).await;
        let refusal = client.refused().await;
        assert_eq!(refusal.code, RefusalCode::Malformed, "{refusal}");
    }
    let mut frame =
        ToEdge::Link(Call::Weights { model: hash(b""), offset: 0, total: 120_000, chunk: vec![0; 120_000] }).encode();
    let mut client = Client::greeted(&edge).await;
    client.say_bytes(std::mem::take(&mut frame)).await;
    let refusal = client.refused().await;
    assert!(refusal.wrong.contains("at most 100000 bytes"), "{refusal}");
    serves(&edge).await;
    edge.stop().await;
}

#[tokio::test]
async fn text_is_refused_with_words() {
    let edge = start(config()).await;
    let mut client = Client::greeted(&edge).await;
    client.0.send(Message::Text("hello".into())).await.unwrap();
    assert_eq!(client.refused().await.code, RefusalCode::Malformed);
    serves(&edge).await;
    edge.stop().await;
}

#[tokio::test]
async fn a_wrong_model_is_refused_and_the_session_goes_on() {
    let edge = start(config()).await;
    let (_, mut file) = network();
    let (own, other) = (cut(&[0]).graph().to_string(), "64x3: readout max, project 10 'op.3'");
    let mut client = Client::greeted(&edge).await;
    let deploy = |deployment, graph: &str, model| ToEdge::Deploy {
        deployment,
        graph: graph.into(),
        cuts: vec![0],
        weights: WeightSource::File(model),
        codec: LinkCodec::default(),
    };
    // Bytes of another hash.
    client.say(&deploy(0, &own, hash(b"other"))).await;
    assert!(matches!(client.hear().await, ToDevice::Link(Answer::NeedWeights { .. })));
    client.upload(hash(b"other"), &file).await;
    expect_refusal(&mut client, Subject::Deployment(0), RefusalCode::ModelInvalid, "hash").await;
    // The file of another network.
    client.say(&deploy(1, other, hash(&file))).await;
    assert!(matches!(client.hear().await, ToDevice::Link(Answer::NeedWeights { .. })));
    client.upload(hash(&file), &file).await;
    expect_refusal(&mut client, Subject::Deployment(1), RefusalCode::ModelInvalid, "op.").await;
    // No safetensors at all.
    file.truncate(100);
    client.say(&deploy(2, &own, hash(&file))).await;
    assert!(matches!(client.hear().await, ToDevice::Link(Answer::NeedWeights { .. })));
    client.upload(hash(&file), &file).await;
    expect_refusal(&mut client, Subject::Deployment(2), RefusalCode::ModelInvalid, "safetensors").await;
    // A graph that is none.
    client.say(&deploy(3, "64x3: seek 9", hash(&file))).await;
    expect_refusal(&mut client, Subject::Deployment(3), RefusalCode::BadPlan, "").await;
    // A frame for none of them.
    client.frame(5, 0, 0, &cloud(0)).await;
    expect_refusal(&mut client, Subject::Frame(5), RefusalCode::UnknownDeployment, "").await;
    edge.stop().await;
}

/// A residual image network with weights that both sides draw: nothing is sent but the graph and the values.
#[tokio::test]
async fn an_image_network_with_seeded_weights_answers_at_every_cut() {
    let edge = start(config()).await;
    let mapping = Mapping::parse("resnet", &TASK).unwrap();
    let graph = mapping.graph().unwrap();
    let local = Executor::whole(graph, &Params::Seeded(9), &Device::flex()).unwrap();
    let image = noise(graph, 0, 3);
    let whole = local.compute(0..graph.nodes().len(), &image).await.unwrap();
    let mut client = Client::greeted(&edge).await;
    for at in 0..mapping.n_steps() {
        let cut = mapping.with_cuts(vec![at]).unwrap().cut_graph().unwrap();
        let (deployment, codec, weights) = (at as u32, LinkCodec::default(), WeightSource::Seeded(9));
        let (graph, cuts) = (graph.to_string(), cut.cuts().to_vec());
        let inputs = local.compute(0..cuts[0], &image).await.unwrap();
        client.say(&ToEdge::Deploy { deployment, graph, cuts, weights, codec }).await;
        assert!(matches!(client.hear().await, ToDevice::Deployed { .. }), "nothing is asked for");
        client.frame(at as u64, deployment, u8::from(at > 0), &inputs).await;
        let ToDevice::Result { tensors, .. } = client.hear().await else { panic!("no result at {at}") };
        assert!(furthest(&tensors.unpack(&cleave_wire::Limits::DEFAULT).unwrap(), &whole) <= SPLIT_F32, "{at}");
        assert!(matches!(client.hear().await, ToDevice::Credit { n: 1 }));
    }
    edge.stop().await;
}

async fn expect_refusal(client: &mut Client, subject: Subject, code: RefusalCode, says: &str) {
    loop {
        match client.hear().await {
            ToDevice::Link(Answer::WeightsProgress { .. }) => {}
            ToDevice::Link(Answer::Refused(refusal)) => {
                assert_eq!((refusal.subject, refusal.code), (subject, code), "{refusal}");
                assert!(refusal.wrong.contains(says), "{refusal}");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn wrong_tensors_are_refused_and_the_session_goes_on() {
    let edge = start(config()).await;
    let (_, file) = network();
    let mut client = Client::greeted(&edge).await;
    client.deploy(0, &cut(&[0]), &file).await;
    let mut not_a_number = cloud(0);
    let values = vec![f32::NAN; not_a_number[0].len()];
    not_a_number[0] = Array::f32(not_a_number[0].shape.clone(), values).unwrap();
    for (inputs, says) in
        [(vec![], "0 tensors"), (not_a_number, "NaN"), (vec![Array::f32([2, 3], vec![0.0; 6]).unwrap()], "[2, 3]")]
    {
        client.frame(1, 0, 0, &inputs).await;
        expect_refusal(&mut client, Subject::Frame(1), RefusalCode::BadTensors, says).await;
        assert!(matches!(client.hear().await, ToDevice::Credit { n: 1 }), "the credit comes back");
    }
    client.frame(2, 0, 0, &cloud(2)).await;
    assert!(matches!(client.hear().await, ToDevice::Result { id: 2, .. }));
    edge.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_greet_is_sent_away() {
    let mut config = config();
    config.bounds.handshake = Duration::from_millis(200);
    let edge = start(config).await;
    let mut client = Client::connect(&edge).await.unwrap();
    assert_eq!(client.refused().await.code, RefusalCode::TimedOut);
    edge.stop().await;
}

#[tokio::test]
async fn the_link_is_shaped_as_the_edge_or_the_session_says() {
    let mut config = config();
    config.shape = LinkShape { bits_per_second: 0, delay_micros: 60_000, jitter_micros: 0 };
    let edge = start(config).await;
    let begin = Instant::now();
    let mut client = Client::greeted(&edge).await;
    assert!(begin.elapsed() >= Duration::from_millis(60), "{:?}", begin.elapsed());
    // 54 bytes of one pong take 4.3 ms at 100 kbit/s: ten of them 43 ms, one after the other.
    client.say(&ToEdge::Shape(LinkShape { bits_per_second: 100_000, ..LinkShape::UNSHAPED })).await;
    let begin = Instant::now();
    for id in 0..10 {
        client.say(&ToEdge::Link(Call::Ping { id, sent_micros: 0 })).await;
    }
    for expected in 0..10 {
        assert!(
            matches!(client.hear().await, ToDevice::Link(Answer::Pong { id, .. }) if id == expected),
            "the order is kept"
        );
    }
    let pong =
        ToDevice::Link(Answer::Pong { id: 0, sent_micros: 0, received_micros: 0, answered_micros: 0, state: () })
            .encode();
    let wanted = Duration::from_secs_f64(10.0 * pong.len() as f64 * 8.0 / 100_000.0);
    assert!(begin.elapsed() >= wanted, "{:?} instead of {wanted:?}", begin.elapsed());
    edge.stop().await;
}

#[tokio::test]
async fn a_client_that_only_asks_is_not_held_in_memory() {
    let edge = start(config()).await;
    let mut client = Client::greeted(&edge).await;
    // Slow enough that answers pile up, fast enough that the test ends: the edge must stop reading, not run over.
    client.say(&ToEdge::Shape(LinkShape { bits_per_second: 4_000_000, ..LinkShape::UNSHAPED })).await;
    for id in 0..2000 {
        client.say(&ToEdge::Link(Call::Ping { id, sent_micros: 0 })).await;
    }
    for expected in 0..2000 {
        assert!(matches!(client.hear().await, ToDevice::Link(Answer::Pong { id, .. }) if id == expected));
    }
    serves(&edge).await;
    edge.stop().await;
}

#[tokio::test]
async fn sessions_hear_that_the_edge_goes_away() {
    let edge = start(config()).await;
    let mut client = Client::greeted(&edge).await;
    let (took, refusal) = tokio::join!(edge.stop(), client.refused());
    assert_eq!(refusal.code, RefusalCode::ShuttingDown);
    assert!(took < Duration::from_millis(1500), "{took:?}");
}
