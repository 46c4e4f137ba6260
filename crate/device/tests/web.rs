//! The worker in a browser, driven as the page drives it: intents in, events out. The same bodies run
//! on wasm SIMD and, where the browser has an adapter, on WebGPU.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use burn::tensor::Device;
use cleave_app::network::Network;
use cleave_arch::array::Array;
use cleave_arch::tolerance::{SPLIT_F16, SPLIT_F32, SPLIT_I8, distance};
use cleave_arch::{Codec, LinkCodec, Mapping, Plan, SplitMix64, Task, space};
use cleave_contract::{Backend, Crash, Event, Frame, Intent, Link, Outcome, Place, Preference, PriceBasis};
use cleave_cost::Profile;
use cleave_device::browser::turn;
use cleave_device::cooperating::Site;
use cleave_device::engines::load;
use cleave_device::input::Input;
use cleave_device::mailbox::Mailbox;
use cleave_device::port::Page;
use cleave_device::worker::serve;
use cleave_model::{Card, Storage, Weights};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

#[path = "web/cooperation.rs"]
mod cooperation;

/// A page without a face.
struct Visitor {
    mailbox: Mailbox<Input>,
    events: Rc<RefCell<VecDeque<Event>>>,
}

impl Visitor {
    async fn start(preference: Preference) -> Self {
        let (mailbox, events) = (Mailbox::default(), Rc::new(RefCell::new(VecDeque::new())));
        let sink = Rc::clone(&events);
        let page = Page::new(move |event| sink.borrow_mut().push_back(event));
        wasm_bindgen_futures::spawn_local(serve(mailbox.clone(), page, Site::Here));
        let visitor = Self { mailbox, events };
        visitor.until(|event| matches!(event, Event::Ready { .. }).then_some(())).await;
        visitor.say(Intent::Start { base_url: "./".into(), preference, edge: None, link: Link::UNSHAPED });
        visitor
    }

    fn say(&self, intent: Intent) {
        self.mailbox.put(Input::Intent(intent));
    }

    /// Waits for the event that `wanted` takes; those before it are gone.
    async fn until<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        loop {
            while let Some(event) = self.events.borrow_mut().pop_front() {
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            turn().await;
        }
    }

    /// The engine that was chosen, once it has been.
    async fn engine(&self) -> (Backend, String) {
        let chosen = |event: &Event| match event {
            Event::Engine { backend, reason, .. } if !reason.contains("looked for") => Some((*backend, reason.clone())),
            _ => None,
        };
        self.until(chosen).await
    }

    async fn hold(&self, network: &str) {
        self.say(Intent::Network(network.into()));
        self.until(|event| matches!(event, Event::Network(_)).then_some(())).await;
        self.say(Intent::Generate { class: 2, seed: 3 });
        self.until(|event| matches!(event, Event::Cloud(_)).then_some(())).await;
    }

    async fn run(&self, plan: &Plan, codec: Codec) -> Frame {
        self.run_text(&plan.to_string(), codec).await
    }

    async fn run_text(&self, plan: &str, codec: Codec) -> Frame {
        let codec = LinkCodec { codec, ..LinkCodec::default() };
        self.say(Intent::Plan { plan: plan.into(), codec: codec.to_string() });
        self.say(Intent::RunOnce);
        let ended = |event: &Event| match event {
            Event::Frame(frame) => Some(Ok(frame.clone())),
            Event::Failed { what, why } => Some(Err(format!("{what:?}: {why}"))),
            _ => None,
        };
        self.until(ended).await.unwrap()
    }

    async fn failure(&self) -> String {
        let failed = |event: &Event| match event {
            Event::Failed { what, why } => Some(format!("{what:?}: {why}")),
            _ => None,
        };
        self.until(failed).await
    }
}

fn assert_equal(frame: &Frame, bound: f32) {
    assert_eq!(frame.outcome, Outcome::AsPlanned, "{}", frame.plan);
    assert!(frame.bound.is_none_or(|told| told == bound), "the page is told {:?}, not {bound}", frame.bound);
    let delta = frame.delta.unwrap();
    assert!(delta <= bound, "{}: distance {delta} > {bound} with {}", frame.plan, frame.codec);
}

/// Every cut of one network, and both other codecs behind its pool.
async fn every_cut(visitor: &Visitor, network: &str) {
    visitor.hold(network).await;
    let plan: Plan = network.parse().unwrap();
    let n_ops = plan.architecture().ops().len();
    for cut in 0..=n_ops {
        assert_equal(&visitor.run(&plan.with_cuts(vec![cut]).unwrap(), Codec::F32).await, SPLIT_F32);
    }
    let behind_pool = plan.with_cuts(vec![n_ops]).unwrap();
    assert_equal(&visitor.run(&behind_pool, Codec::F16).await, SPLIT_F16);
    assert_equal(&visitor.run(&behind_pool, Codec::I8).await, SPLIT_I8);
}

const SMALL: &str = "3 2 1 3 2 1 4,0 6 2 0 6 3 3";
/// Random neighbours, a minimum, a skip and a sum.
const MIXED: &str = "3 1 2 0 2 1 4,1 1 15 1 8 2 4";
const SHIPPED: &[u8] = include_bytes!("../../../www/model/gnn10.safetensors");
const DGCNN: &str = "3 6 3 6 3 6 3 6 7 1 4,0 3 0 3 0 4 0 5 0 7 3";

#[wasm_bindgen_test]
async fn split_equals_whole_on_wasm_simd() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    assert_eq!(visitor.engine().await.0, Backend::Wasm);
    every_cut(&visitor, SMALL).await;
    every_cut(&visitor, DGCNN).await;
    let mut rng = SplitMix64::new(21);
    for _ in 0..20 {
        let architecture = space::draw_architecture(&mut rng);
        visitor.hold(&architecture.to_string()).await;
        let cut = rng.below(architecture.ops().len() + 1);
        let plan = Plan::new(architecture, vec![cut], LinkCodec::default()).unwrap();
        assert_equal(&visitor.run(&plan, Codec::F32).await, SPLIT_F32);
    }
}

/// A sum and maps side by side, so that several values cross at most cuts.
const BRANCHED: &str = "3x12x12: conv 4 k3 p1, a = relu, conv 4 k3 p1, relu, add with a, b = relu, conv 6 k1, \
                        concat with b, globalpool, flatten, linear 5";

/// Every cut of an image network with every codec, and two cuts.
async fn every_cut_of_an_image_network(visitor: &Visitor) {
    visitor.say(Intent::Network(BRANCHED.into()));
    visitor.until(|event| matches!(event, Event::Network(_)).then_some(())).await;
    let whole = Mapping::parse(BRANCHED, &Task::modelnet10()).unwrap();
    let cuts = (0..whole.n_steps()).map(|cut| vec![cut]).chain([vec![1, 4]]);
    for cuts in cuts {
        let plan = whole.with_cuts(cuts).unwrap().to_string();
        for (codec, bound) in [(Codec::F32, SPLIT_F32), (Codec::F16, SPLIT_F16), (Codec::I8, SPLIT_I8)] {
            assert_equal(&visitor.run_text(&plan, codec).await, bound);
        }
    }
}

#[wasm_bindgen_test]
async fn image_networks_are_cut_on_wasm_simd() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    every_cut_of_an_image_network(&visitor).await;
}

#[wasm_bindgen_test]
async fn every_cut_of_the_shipped_network_on_wasm_simd() {
    let bytes = SHIPPED;
    let network = Network::parse(bytes.to_vec()).unwrap();
    let loaded = load(&network, &Device::flex()).unwrap();
    let points = cleave_data::furniture::generate(2, 1024, 5).unwrap();
    let input = Array::f32([1024, 3], points).unwrap();
    let mut answers = Vec::new();
    let cuts = (0..network.mapping.n_steps()).map(|cut| vec![cut]);
    for cuts in [vec![]].into_iter().chain(cuts) {
        let mut arrays = vec![input.clone()];
        for segment in network.mapping.with_cuts(cuts).unwrap().cut_graph().unwrap().segments() {
            arrays = loaded.compute(segment.nodes, &arrays).await.unwrap();
        }
        answers.push(arrays[0].as_f32().unwrap().to_vec());
    }
    for (cut, split) in answers[1..].iter().enumerate() {
        assert!(distance(split, &answers[0]) <= SPLIT_F32, "cut {cut}: {split:?} for {:?}", answers[0]);
    }
}

#[wasm_bindgen_test]
async fn split_equals_whole_on_webgpu() {
    let visitor = Visitor::start(Preference::Only(Backend::WebGpu)).await;
    let (backend, reason) = visitor.engine().await;
    assert_eq!(backend, Backend::WebGpu, "no WebGPU in this browser: {reason}");
    visitor.hold(SMALL).await;
    let plan: Plan = SMALL.parse().unwrap();
    for cut in [0, 2, 4, 7] {
        assert_equal(&visitor.run(&plan.with_cuts(vec![cut]).unwrap(), Codec::F32).await, SPLIT_F32);
    }
    visitor.hold(MIXED).await;
    let plan: Plan = MIXED.parse().unwrap();
    for cuts in [vec![1], vec![4], vec![3, 6]] {
        assert_equal(&visitor.run(&plan.with_cuts(cuts).unwrap(), Codec::F32).await, SPLIT_F32);
    }
    every_cut_of_an_image_network(&visitor).await;
    // The shipped network in the middle, DGCNN behind its pool: one cut each, for a software adapter takes seconds.
    for (bytes, cut) in [(Some(SHIPPED), 4), (None, 11)] {
        let plan = match bytes {
            Some(bytes) => {
                visitor.say(Intent::Open { name: "gnn10.safetensors".into(), bytes: bytes.to_vec() });
                Card::from_safetensors(bytes).unwrap().plan
            }
            None => {
                visitor.say(Intent::Network(DGCNN.into()));
                DGCNN.parse().unwrap()
            }
        };
        visitor.until(|event| matches!(event, Event::Network(_)).then_some(())).await;
        assert_equal(&visitor.run(&plan.with_cuts(vec![cut]).unwrap(), Codec::F32).await, SPLIT_F32);
    }
    // Here, as WebGPU is opened once.
    visitor.networks_shared_by_two_answer_the_same().await;
}

#[wasm_bindgen_test]
async fn a_broken_link_loses_no_frame_and_comes_back() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.hold(SMALL).await;
    let plan = SMALL.parse::<Plan>().unwrap().with_cuts(vec![7]).unwrap();
    visitor.say(Intent::Plan { plan: plan.to_string(), codec: "f32".into() });
    visitor.say(Intent::RunStream { in_flight: 3 });
    let (mut local, mut ids) = (0, Vec::new());
    loop {
        let frame =
            visitor.until(|event| if let Event::Frame(frame) = event { Some(frame.clone()) } else { None }).await;
        ids.push(frame.id);
        match frame.outcome {
            Outcome::AsPlanned if local > 0 => break, // the edge is used again
            Outcome::AsPlanned if ids.len() == 3 => visitor.say(Intent::Break),
            Outcome::AsPlanned => {}
            // The first says that the link is broken, later ones may say that it is being made again.
            Outcome::Local { why } => {
                assert!(local > 0 || why.contains("on purpose"), "{why}");
                local += 1;
            }
            Outcome::Failed { why } => panic!("frame {}: {why}", frame.id),
        }
    }
    visitor.say(Intent::Stop);
    // Frames may end out of order; those under way still end.
    let has_gap = |ids: &mut Vec<u64>| {
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[1] > pair[0] + 1)
    };
    while has_gap(&mut ids) {
        let ended = |event: &Event| if let Event::Frame(frame) = event { Some(frame.id) } else { None };
        ids.push(visitor.until(ended).await);
    }
    assert_eq!(ids, (ids[0]..ids[0] + ids.len() as u64).collect::<Vec<_>>(), "every frame once");
}

#[wasm_bindgen_test]
async fn a_change_of_edges_in_mid_stream_loses_no_frame() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.hold(SMALL).await;
    let plan = SMALL.parse::<Plan>().unwrap().with_cuts(vec![7]).unwrap();
    visitor.say(Intent::Plan { plan: plan.to_string(), codec: "f32".into() });
    visitor.say(Intent::RunStream { in_flight: 3 });
    let mut seen = Vec::new();
    for round in 0..12 {
        let ended = |event: &Event| if let Event::Frame(frame) = event { Some(frame.clone()) } else { None };
        let frame = visitor.until(ended).await;
        assert!(!matches!(frame.outcome, Outcome::Failed { .. }), "{:?}", frame.outcome);
        seen.push(frame.id);
        if round == 2 || round == 5 {
            visitor.say(Intent::Simulate);
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (seen[0]..seen[0] + 12).collect::<Vec<_>>(), "every frame once");
    visitor.say(Intent::Stop);
}

#[wasm_bindgen_test]
async fn a_stream_runs_over_a_shaped_link_until_it_is_stopped() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.hold(SMALL).await;
    let plan: Plan = SMALL.parse().unwrap();
    visitor.say(Intent::Shape(Link { mbps: 40.0, delay_ms: 2.0, jitter_ms: 1.0 }));
    let plan = plan.with_cuts(vec![7]).unwrap();
    visitor.say(Intent::Plan { plan: plan.to_string(), codec: "f32".into() });
    visitor.say(Intent::RunStream { in_flight: 3 });
    let frame = async || visitor.until(|e| if let Event::Frame(frame) = e { Some(frame.clone()) } else { None }).await;
    // The plan takes two delays to be deployed, and frames of a small network less.
    while matches!(frame().await.outcome, Outcome::Local { why } if why.contains("not deployed")) {}
    for _ in 0..6 {
        let frame = frame().await;
        assert_eq!(frame.outcome, Outcome::AsPlanned);
        assert!(frame.total_ms >= 4.0, "two one-way delays of 2 ms are in every frame: {}", frame.total_ms);
        assert!(frame.bytes_up > 64 * 4);
    }
    visitor.say(Intent::Stop);
    let frames = |event: &Event| match event {
        Event::Stream(stream) if !stream.running => Some(stream.frames),
        _ => None,
    };
    assert!(visitor.until(frames).await >= 6);
}

#[wasm_bindgen_test]
async fn a_file_of_several_clouds_is_walked_through() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    let bytes = include_bytes!("../../data/tests/case/modelnet/two.npz").to_vec();
    visitor.say(Intent::Open { name: "two.npz".into(), bytes });
    let cloud = |event: &Event| match event {
        Event::Cloud(cloud) => Some((cloud.class.clone(), cloud.place)),
        _ => None,
    };
    assert_eq!(visitor.until(cloud).await, (Some("table".into()), Some(Place { index: 0, of: 2 })));
    visitor.say(Intent::Pick { index: 1 });
    assert_eq!(visitor.until(cloud).await, (Some("chair".into()), Some(Place { index: 1, of: 2 })));
    visitor.say(Intent::Pick { index: 2 });
    assert!(visitor.failure().await.contains("it holds 2"));
}

#[wasm_bindgen_test]
async fn a_profile_is_measured_and_every_cut_has_its_price() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    let profile = |event: &Event| if let Event::Profile(profile) = event { Some(profile.clone()) } else { None };
    let prices = |event: &Event| if let Event::Prices(prices) = event { Some(prices.clone()) } else { None };
    visitor.say(Intent::Network(SMALL.into()));
    let first = visitor.until(prices).await;
    assert_eq!((first.basis, first.cuts.len()), (PriceBasis::Roofline, 8));
    visitor.say(Intent::Generate { class: 2, seed: 3 });
    visitor.until(|event| matches!(event, Event::Cloud(_)).then_some(())).await;

    visitor.say(Intent::UseProfile { json: "{\"format\":\"cleave-profile\",\"version\":9}".into() });
    let why = visitor.failure().await;
    assert!(why.starts_with("Profile: ") && why.contains("has version 9"), "{why}");

    // An interrupted one keeps what it has, and the next goes on from there.
    visitor.say(Intent::Profile { quick: true });
    let measuring = |event: &Event| matches!(event, Event::Progress { done, .. } if *done > 20).then_some(());
    visitor.until(measuring).await;
    visitor.say(Intent::RunOnce);
    assert!(visitor.failure().await.contains("the machines are being measured"));
    visitor.say(Intent::Stop);
    let interrupted = visitor.until(profile).await;
    assert!(!interrupted.complete && interrupted.rows >= 20, "{} rows", interrupted.rows);
    visitor.say(Intent::Profile { quick: true });
    let whole = visitor.until(profile).await;
    assert!(whole.complete && whole.rows > interrupted.rows && whole.edge.is_none());
    let read = |json: &str| Profile::from_json(json).unwrap().device.unwrap();
    let kept = read(&interrupted.json).rows[0].clone();
    assert_eq!(read(&whole.json).row(&kept.probe), Some(&kept));
    let priced = visitor.until(prices).await;
    assert_eq!(priced.basis, PriceBasis::Table);
    assert!(priced.cuts.iter().all(|price| price.total_ms() > 0.0 && price.device_peak_bytes > 0));

    let frame = visitor.run(&SMALL.parse().unwrap(), Codec::F32).await;
    let predicted = frame.predicted.unwrap();
    assert!(predicted.device_ms > 0.0 && predicted.up_ms == 0.0, "{predicted:?}");
    visitor.say(Intent::Calibrate);
    assert_eq!(visitor.until(profile).await.calibrated, 10);
}

#[wasm_bindgen_test]
async fn a_device_that_is_emulated_slower_is_priced_so_and_answers_the_same() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.hold(SMALL).await;
    let plan = SMALL.parse::<Plan>().unwrap().with_cuts(vec![3]).unwrap();
    let priced = async |times: f64| {
        let prices = |event: &Event| if let Event::Prices(prices) = event { Some(prices.clone()) } else { None };
        visitor.until(|event| prices(event).filter(|prices| prices.slowdown == times)).await
    };
    visitor.say(Intent::Plan { plan: plan.to_string(), codec: "f32".into() });
    let before = priced(1.0).await.plan;
    visitor.say(Intent::SlowDown { times: 0.5 });
    assert!(visitor.failure().await.contains("1 to 100 × slower, not 0.5"));
    visitor.say(Intent::SlowDown { times: 4.0 });
    let after = priced(4.0).await.plan;
    assert!((after.device_ms / before.device_ms - 4.0).abs() < 1e-9, "{before:?} {after:?}");
    assert_eq!((after.edge_ms, after.other_ms), (before.edge_ms, before.other_ms));
    assert_equal(&visitor.run(&plan, Codec::F32).await, SPLIT_F32);
}

#[wasm_bindgen_test]
async fn only_a_worker_for_tests_dies_when_it_is_told_to() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    for crash in [Crash::Panic, Crash::Memory, Crash::LoseGpu] {
        visitor.say(Intent::Crash(crash));
    }
    visitor.hold(SMALL).await;
}

#[wasm_bindgen_test]
async fn bad_input_is_named_and_changes_nothing() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.say(Intent::RunOnce);
    assert!(visitor.failure().await.contains("no network is loaded"));
    visitor.hold(SMALL).await;
    visitor.say(Intent::Network("9 4,0 0".into()));
    let why = visitor.failure().await;
    assert!(why.contains('9'), "{why}");
    let files: [(&str, &[u8], &str); 5] = [
        ("chair.ply", b"ply\nformat ascii 1.0\nelement vertex 9\n", "chair.ply"),
        ("bare.off", b"OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "mesh without faces"),
        ("nan.xyz", b"0 0 0\n1 nan 0\n0 1 0\n", "point 1 is (1, NaN, 0)"),
        ("short.safetensors", &SHIPPED[..SHIPPED.len() - 4], "short.safetensors"),
        ("what.bin", b"\x00\x01\x02\x03", "expected OFF"),
    ];
    for (name, bytes, says) in files {
        visitor.say(Intent::Open { name: name.into(), bytes: bytes.to_vec() });
        let why = visitor.failure().await;
        assert!(why.contains(says), "{name}: {why}");
    }
    let card = Card { plan: SMALL.parse().unwrap(), ..Card::from_safetensors(SHIPPED).unwrap() };
    let other: Plan = "3 2 1 3 2 1 4,0 6 3 0 6 3 3".parse().unwrap();
    let weights = Weights::random(other.architecture(), &card.task, 1).to_safetensors(&card, Storage::F32).unwrap();
    visitor.say(Intent::Open { name: "other.safetensors".into(), bytes: weights });
    let why = visitor.failure().await;
    assert!(why.contains("other.safetensors: weight `op.2.weight`") && why.contains("needs [6, 32]"), "{why}");
    visitor.say(Intent::Plan { plan: DGCNN.into(), codec: "f32".into() });
    let why = visitor.failure().await;
    assert!(why.contains("another network"), "{why}");
    let plan = SMALL.parse::<Plan>().unwrap().with_cuts(vec![3]).unwrap();
    assert_equal(&visitor.run(&plan, Codec::F32).await, SPLIT_F32);
}
