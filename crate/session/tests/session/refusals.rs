//! What must be refused is refused in words, on both sides, and only what deserves it ends the session.

use cleave_arch::array::Array;
use cleave_arch::{GraphSource, Mapping, Task};
use cleave_session::{
    DeviceEvent, DeviceSession, EdgeConfig, EdgeEffect, EdgeEvent, EdgeSession, FrameError, Host, LinkStatus,
    LocalReason, Micros, Outcome, StopReason, TokenCheck, Weights, Work,
};
use cleave_wire::{
    Answer, Call, Header, Limits, Packed, Refusal, RefusalCode, Subject, ToDevice, ToEdge, WeightSource, WireError,
};

use crate::sim::{Settings, World};
use crate::toy;

const SECOND: Micros = Micros::from_millis(1_000);
const NOW: Micros = Micros(1_000);

#[test]
fn a_wrong_token_stops_and_says_so() {
    let mut settings = Settings::default();
    settings.device.token = "wrong".into();
    let mut world = World::new(toy::work(&[4], "f32"), settings);
    world.device(DeviceEvent::Connect);
    world.submit(1, SECOND);
    world.run_for(Micros::from_millis(60_000));
    assert_eq!(world.connects.len(), 1, "trying again would not help");
    let LinkStatus::Stopped(StopReason::Refused(refusal)) = world.device.status() else { panic!("not stopped") };
    assert_eq!(refusal.code, RefusalCode::BadToken);
    assert!(refusal.to_string().contains("URL"), "{refusal}");
    world.check(|report| matches!(report.outcome, Outcome::Local { .. }));
}

#[test]
fn a_device_told_in_another_version_stops() {
    let work = toy::work(&[4], "f32");
    let mut device = DeviceSession::new(Default::default(), work);
    device.handle(DeviceEvent::Connect, NOW);
    device.handle(DeviceEvent::Opened { connection: 1 }, NOW);
    let mut bytes = ToDevice::Credit { n: 1 }.encode();
    bytes[4] = 77;
    device.handle(DeviceEvent::Received { connection: 1, bytes }, NOW);
    let LinkStatus::Stopped(StopReason::Version(error)) = device.status() else { panic!("not stopped") };
    assert_eq!(*error, WireError::Version { theirs: 77, ours: cleave_wire::PROTOCOL_VERSION });
    assert_eq!(device.next_wake(), None);
}

#[test]
fn a_model_too_large_for_the_edge_leaves_the_device_alone_with_its_frames() {
    let mut settings = Settings::default();
    settings.edge.host.limits.max_model_bytes = 1_000;
    let mut world = World::new(toy::work(&[4], "f32"), settings);
    world.device(DeviceEvent::Connect);
    world.run_for(SECOND);
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.check(|report| matches!(report.outcome, Outcome::Local { why: LocalReason::Refused(_) }));
    let LinkStatus::Refused { refusal, .. } = world.device.status() else { panic!("{:?}", world.device.status()) };
    assert_eq!(refusal.code, RefusalCode::ModelTooLarge);
    assert_eq!(world.connects.len(), 1);
}

#[test]
fn a_network_too_large_for_the_edge_is_refused_with_both_numbers() {
    let mut settings = Settings::default();
    settings.edge.max_peak_bytes = 1_000_000;
    let mut world = World::new(toy::work(&[4], "f32"), settings);
    world.device(DeviceEvent::Connect);
    world.run_for(SECOND);
    let LinkStatus::Refused { refusal, .. } = world.device.status() else { panic!("not refused") };
    assert_eq!((refusal.subject, refusal.code), (Subject::Deployment(1), RefusalCode::BadPlan));
    assert!(refusal.right.contains("1000000"), "{refusal}");
}

#[test]
fn a_frame_too_large_for_the_edge_is_run_here() {
    let mut settings = Settings::default();
    settings.edge.host.limits.max_frame_bytes = 301_000;
    let mut world = World::connected(toy::work(&[0], "f32"), settings);
    world.submit(1, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.outcomes(), [1, 0, 0]);

    let mut settings = Settings::default();
    settings.edge.host.limits.max_frame_bytes = 1_000;
    let mut world = World::connected(toy::work_with(&[4], "f32", 100), settings);
    world.submit(1, SECOND);
    world.run_for(SECOND);
    let Outcome::Local { why: LocalReason::CannotSend { why } } = &world.reports[0].outcome else { panic!() };
    assert!(why.contains("at most 1000"), "{why}");
    assert!(world.is_ready());
}

#[test]
fn an_input_of_another_shape_is_an_error() {
    let mut world = World::connected(toy::work(&[4], "f32"), Settings::default());
    let input = vec![Array::f32(vec![2, 3], vec![0.0; 6]).unwrap()];
    let deadline = world.now + SECOND;
    world.device(DeviceEvent::Submit { frame: 1, input, deadline });
    let Outcome::Failed(FrameError::BadInput { why }) = &world.reports[0].outcome else { panic!() };
    assert!(why.contains("[2, 3]") && why.contains("[4, 3]"), "{why}");
}

// ---- the edge against clients that do not keep to the protocol

fn deploy(deployment: u32, work: &Work) -> ToEdge {
    let (cut, weights, codec) = (work.cut(), work.weights().source(), work.mapping().codec());
    ToEdge::Deploy { deployment, graph: cut.graph().to_string(), cuts: cut.cuts().to_vec(), weights, codec }
}

struct Client {
    edge: EdgeSession,
    said: Vec<ToDevice>,
    others: Vec<EdgeEffect>,
}

impl Client {
    fn new() -> Self {
        let edge = EdgeSession::new(EdgeConfig::new(Host::new(TokenCheck::new(|token| token == "right"), "edge")), NOW);
        Self { edge, said: Vec::new(), others: Vec::new() }
    }

    fn greeted() -> Self {
        let mut client = Self::new();
        client.send(&ToEdge::Link(Call::Hello { token: "right".into(), name: String::new(), role: () }));
        assert!(matches!(client.said.pop(), Some(ToDevice::Link(Answer::Welcome { .. }))));
        client
    }

    fn deployed(work: &Work) -> Self {
        let mut client = Self::greeted();
        client.send(&deploy(1, work));
        client.event(EdgeEvent::ModelReady { deployment: 1 });
        assert!(matches!(client.said.pop(), Some(ToDevice::Deployed { deployment: 1 })));
        client.others.clear();
        client
    }

    fn send(&mut self, message: &ToEdge) {
        self.event(EdgeEvent::Received(message.encode()));
    }

    fn frame(&mut self, deployment: u32, segment: u8, arrays: &[Array]) {
        let tensors = Packed::pack(arrays, Default::default()).unwrap();
        self.send(&ToEdge::Frame { id: 9, deployment, segment, deadline_ms: 1_000, tensors });
    }

    fn event(&mut self, event: EdgeEvent) {
        for effect in self.edge.handle(event, NOW) {
            match effect {
                EdgeEffect::Send { bytes, .. } => {
                    self.said.push(ToDevice::decode(&bytes, &Limits::DEFAULT).unwrap());
                }
                other => self.others.push(other),
            }
        }
    }

    fn closed(&self) -> bool {
        !self.edge.is_open() && self.others.iter().any(|effect| matches!(effect, EdgeEffect::Close { .. }))
    }

    #[track_caller]
    fn refusal(&mut self) -> Refusal {
        match self.said.remove(0) {
            ToDevice::Link(Answer::Refused(refusal)) => {
                assert!(!refusal.wrong.is_empty() && !refusal.right.is_empty());
                refusal
            }
            other => panic!("not refused: {other:?}"),
        }
    }
}

#[test]
fn an_old_client_is_answered_in_its_own_version() {
    let mut edge = EdgeSession::new(EdgeConfig::new(Host::new(TokenCheck::open(), "edge")), NOW);
    let mut bytes = ToEdge::Link(Call::Hello { token: String::new(), name: String::new(), role: () }).encode();
    bytes[4] = 0;
    let effects = edge.handle(EdgeEvent::Received(bytes), NOW);
    let [EdgeEffect::Send { bytes, .. }, EdgeEffect::Close { .. }] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(Header::read(bytes).unwrap().version, 0);
    let mut bytes = bytes.clone();
    bytes[4] = cleave_wire::PROTOCOL_VERSION;
    let Ok(ToDevice::Link(Answer::Refused(refusal))) = ToDevice::decode(&bytes, &Limits::DEFAULT) else { panic!() };
    assert_eq!(refusal.code, RefusalCode::WrongVersion);
    let ours = format!("version {}", cleave_wire::PROTOCOL_VERSION);
    assert!(refusal.wrong.contains("version 0") && refusal.wrong.contains(&ours), "{refusal}");
}

#[test]
fn whatever_breaks_the_protocol_ends_the_session() {
    let close = |mut client: Client, break_it: &dyn Fn(&mut Client), code| {
        break_it(&mut client);
        let refusal = client.refusal();
        assert_eq!((refusal.subject, refusal.code), (Subject::Session, code));
        assert!(client.closed());
        assert!(client.edge.handle(EdgeEvent::Tick, NOW + Micros(1 << 40)).is_empty(), "closed stays closed");
    };
    let ping = ToEdge::Link(Call::Ping { id: 1, sent_micros: 0 });
    let hello = ToEdge::Link(Call::Hello { token: "right".into(), name: String::new(), role: () });
    close(Client::new(), &|client| client.send(&ping), RefusalCode::NotGreeted);
    close(Client::greeted(), &|client| client.send(&hello), RefusalCode::Malformed);
    close(Client::greeted(), &|client| client.event(EdgeEvent::Received(vec![1, 2, 3])), RefusalCode::Malformed);
    close(Client::greeted(), &|client| client.event(EdgeEvent::Shutdown), RefusalCode::ShuttingDown);
    let work = toy::work(&[4], "f32");
    let graph = work.cut().graph();
    let zeros = |value| {
        let extents = graph.extents(value);
        Array::f32(extents.clone(), vec![0.0; extents.iter().product()]).unwrap()
    };
    let arrays: Vec<Array> = graph.live_before(4).into_iter().map(zeros).collect();
    let flood = |client: &mut Client| (0..5).for_each(|_| client.frame(1, 1, &arrays));
    close(Client::deployed(&work), &flood, RefusalCode::CreditExceeded);
}

#[test]
fn silence_ends_the_session() {
    for (client, wait) in [(Client::new(), 5_000), (Client::greeted(), 30_000)] {
        let (mut client, wait) = (client, Micros::from_millis(wait));
        assert_eq!(client.edge.next_wake(), Some(NOW + wait));
        assert!(client.edge.handle(EdgeEvent::Tick, NOW + wait - Micros(1)).is_empty());
        assert!(!client.edge.handle(EdgeEvent::Tick, NOW + wait).is_empty());
        client.event(EdgeEvent::Tick);
        assert!(!client.edge.is_open());
    }
}

#[test]
fn a_bad_frame_is_refused_and_its_credit_returned() {
    let neighbours = |index| Array::u16(vec![4, 2], vec![index; 8]).unwrap();
    let features = |rows: usize, value| Array::f32(vec![rows, 3], vec![value; rows * 3]).unwrap();
    let cases: [(u32, u8, Vec<Array>, RefusalCode, &str); 9] = [
        (2, 1, vec![], RefusalCode::UnknownDeployment, "deployment 2"),
        (1, 0, vec![features(4, 0.0), neighbours(0)], RefusalCode::BadTensors, "segment 0"),
        (1, 200, vec![features(4, 0.0), neighbours(0)], RefusalCode::BadTensors, "segment 200"),
        (1, 1, vec![features(4, 0.0)], RefusalCode::BadTensors, "1 tensors"),
        (1, 1, vec![features(5, 0.0), neighbours(0)], RefusalCode::BadTensors, "[5, 3]"),
        (1, 1, vec![neighbours(0), features(4, 0.0)], RefusalCode::BadTensors, "[4, 2]"),
        (1, 1, vec![features(4, 0.0), Array::f32(vec![4, 2], vec![0.0; 8]).unwrap()], RefusalCode::BadTensors, "f32"),
        (1, 1, vec![features(4, 0.0), neighbours(4)], RefusalCode::BadTensors, "node 4"),
        (1, 1, vec![features(4, f32::NAN), neighbours(0)], RefusalCode::BadTensors, "NaN"),
    ];
    // Behind the first search for neighbours the points are alive, and whom it found.
    let mut client = Client::deployed(&toy::work(&[1], "f32"));
    for (deployment, segment, arrays, code, word) in cases {
        client.frame(deployment, segment, &arrays);
        let refusal = client.refusal();
        assert_eq!((refusal.subject, refusal.code), (Subject::Frame(9), code), "{refusal}");
        assert!(refusal.wrong.contains(word), "{refusal}");
        assert_eq!(client.said.remove(0), ToDevice::Credit { n: 1 });
        assert!(client.others.is_empty() && client.edge.is_open());
    }
    client.frame(1, 1, &[features(4, 0.0), neighbours(3)]);
    assert!(client.said.is_empty() && matches!(client.others[..], [EdgeEffect::Compute { .. }]));
}

#[test]
fn a_bad_network_or_cut_is_refused_alone() {
    let work = toy::work(&[4], "f32");
    let good = work.cut().graph().to_string();
    let cases: [(&str, &[usize], &str); 6] = [
        ("", &[], "colon"),
        ("4x3: enlarge 5", &[], "enlarge"),
        ("4x3: readout max, conv 5 k3", &[], "conv 5 k3"),
        (&good, &[14], "[14]"),
        (&good, &[5, 4], "[5, 4]"),
        ("65536x3: combine 4096, readout max, project 5", &[1], "bytes"),
    ];
    let mut client = Client::greeted();
    for (graph, cuts, word) in cases {
        let (weights, codec) = (work.weights().source(), work.mapping().codec());
        client.send(&ToEdge::Deploy { deployment: 1, graph: graph.into(), cuts: cuts.to_vec(), weights, codec });
        let refusal = client.refusal();
        assert_eq!((refusal.subject, refusal.code), (Subject::Deployment(1), RefusalCode::BadPlan));
        assert!(refusal.wrong.contains(word), "{refusal}");
        assert!(client.said.is_empty() && client.others.is_empty() && client.edge.is_open());
    }
    client.send(&deploy(2, &work));
    assert!(matches!(client.others[..], [EdgeEffect::NeedModel { deployment: 2, .. }]));
    client.send(&deploy(2, &work));
    assert!(client.said.is_empty() && client.others.len() == 1, "the same again is no mistake");
    let seeded = toy::work_of(work.mapping().clone(), "f32", Weights::Seeded(1));
    for other in [toy::work(&[5], "f32"), toy::work(&[4], "f16"), toy::work_with(&[4], "f32", 9), seeded] {
        client.send(&deploy(2, &other));
        assert_eq!(client.refusal().code, RefusalCode::BadPlan);
    }
    assert_eq!(client.others.len(), 1);
}

#[test]
fn a_network_is_the_same_however_its_text_is_written() {
    let mut client = Client::greeted();
    let mut ask = |graph: &str| {
        let (graph, cuts, weights) = (graph.into(), vec![0], WeightSource::Seeded(1));
        client.send(&ToEdge::Deploy { deployment: 1, graph, cuts, weights, codec: Default::default() });
        (client.others.len(), client.said.len())
    };
    assert_eq!(ask("4x3 4n2: aggregate max source, readout max, project 5"), (1, 0));
    assert_eq!(
        ask("4×3  4n2:a= aggregate max source of in in1 ,readout max of a, project 5"),
        (1, 0),
        "the same again"
    );
    assert_eq!(ask("4x3 4n2: aggregate add source, readout max, project 5"), (1, 1));
}

/// Where the input brings the neighbours they cross the link with it, and the device does not take what the edge would
/// refuse.
#[test]
fn neighbours_that_are_given_must_exist() {
    let task = Task { graph: GraphSource::Given, ..toy::TASK };
    let mapping = Mapping::parse("given: 2 5 1 4,3 0 0 0", &task).unwrap().with_cuts(vec![0]).unwrap();
    let mut world = World::connected(toy::work_of(mapping, "i8+lz4", toy::file(1_000)), Settings::default());
    world.submit(1, SECOND);
    world.run_for(SECOND);
    world.check(|report| report.outcome == Outcome::AsPlanned && report.bytes_up > 0);
    let features = Array::f32(vec![4, 3], vec![0.0; 12]).unwrap();
    let mut input = vec![features, Array::u16(vec![4, 2], vec![0, 1, 2, 3, 0, 1, 2, 4]).unwrap()];
    let deadline = world.now + SECOND;
    world.device(DeviceEvent::Submit { frame: 2, input: input.clone(), deadline });
    let Outcome::Failed(FrameError::BadInput { why }) = &world.reports[1].outcome else { panic!() };
    assert!(why.contains("node 4"), "{why}");
    input.pop();
    world.device(DeviceEvent::Submit { frame: 3, input, deadline });
    let Outcome::Failed(FrameError::BadInput { why }) = &world.reports[2].outcome else { panic!() };
    assert!(why.contains("1 tensors came, the segment needs 2"), "{why}");
}

#[test]
fn seeded_weights_are_asked_of_the_leaf_and_of_nobody_else() {
    let work = toy::work_of(toy::dgcnn(toy::TASK, &[4]), "f32", Weights::Seeded(77));
    let mut client = Client::greeted();
    client.send(&deploy(1, &work));
    let [EdgeEffect::NeedModel { deployment: 1, weights: WeightSource::Seeded(77), graph }] = &client.others[..] else {
        panic!("{:?}", client.others)
    };
    assert_eq!(graph, work.cut().graph());
    client.event(EdgeEvent::ModelReady { deployment: 1 });
    assert_eq!(client.said, [ToDevice::Deployed { deployment: 1 }]);
    // A leaf that cannot draw them must not make the device send a file.
    let mut client = Client::greeted();
    client.send(&deploy(1, &work));
    client.event(EdgeEvent::ModelMissing { deployment: 1 });
    let refusal = client.refusal();
    assert_eq!((refusal.subject, refusal.code), (Subject::Deployment(1), RefusalCode::ModelInvalid));
    assert!(client.said.is_empty() && client.edge.is_open());
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let (mut client, work) = (Client::greeted(), toy::work(&[4], "f32"));
    let WeightSource::File(model) = work.weights().source() else { panic!("no file") };
    client.send(&deploy(1, &work));
    client.event(EdgeEvent::ModelMissing { deployment: 1 });
    assert_eq!(client.said.remove(0), ToDevice::Link(Answer::NeedWeights { model }));
    let piece = |offset, chunk: &[u8]| ToEdge::Link(Call::Weights { model, offset, total: 6, chunk: chunk.to_vec() });
    client.send(&piece(0, &[1, 2, 3]));
    assert_eq!(client.said.remove(0), ToDevice::Link(Answer::WeightsProgress { model, received: 3, total: 6 }));
    client.send(&piece(3, &[4, 5, 6]));
    client.said.clear();
    client.event(EdgeEvent::ModelRejected { model, why: "its hash is another".into() });
    let refusal = client.refusal();
    assert_eq!((refusal.subject, refusal.code), (Subject::Deployment(1), RefusalCode::ModelInvalid));
    assert!(client.edge.is_open());

    let mut client = Client::greeted();
    client.send(&deploy(1, &work));
    client.event(EdgeEvent::ModelMissing { deployment: 1 });
    client.said.clear();
    client.send(&piece(2, &[1]));
    assert_eq!(client.refusal().code, RefusalCode::BadWeights);
    assert!(client.closed());
}

#[test]
fn a_validation_set_that_is_not_there_is_refused_with_words() {
    for offset in [0, 1, u32::MAX] {
        let mut client = Client::greeted();
        client.send(&ToEdge::Validation { offset });
        let refusal = client.refusal();
        assert_eq!((refusal.code, refusal.subject), (RefusalCode::Malformed, Subject::Session));
        assert!(refusal.wrong.contains(&format!("byte {offset} of a validation set of 0 bytes")), "{refusal}");
        assert!(client.closed());
    }
}
