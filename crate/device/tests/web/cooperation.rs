//! Image networks over two workers of this browser, as the page runs them: whole and split give the same answer on both
//! engines, by every strategy, and losing a worker costs no answer. The workers' engines run on this thread.

use super::Visitor;
use cleave_arch::{Mapping, Task};
use cleave_contract::PartitionStrategy::{CoEdge, Iop, Mixed, OutputChannel};
use cleave_contract::{
    Backend, Cooperated, CooperationRequest, Event, Failure, ImageRequest, Intent, LongWork, MemberRequest,
    PartitionRequest, PartitionStrategy, Preference, Replanned, WorkerActivity,
};
use wasm_bindgen_test::wasm_bindgen_test;

/// Every kind of operator once, of sizes that no two workers share evenly.
const ALL_KINDS: &str = "3x13x11: conv 7 k3 p1, norm, relu, lrn 5, maxpool 2, conv 5 k3 s2 p1, relu, avgpool 2 s1, \
                         dropout, flatten, linear 9, relu, linear 4";
/// LeNet-5 as it was published, for images of 32 × 32.
const LENET: &str = "1x32x32: conv 6 k5, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, linear 120, relu, \
                     linear 84, relu, linear 10";

fn request(network: &str, strategy: PartitionStrategy, slower: &[f64]) -> CooperationRequest {
    CooperationRequest {
        partition: PartitionRequest {
            network: network.into(),
            slower: slower.to_vec(),
            setup_ms: 0.2,
            mbps: 1000.0,
            delay_ms: 0.1,
            shared: false,
        },
        strategy,
        members: vec![MemberRequest::Browser; slower.len() - 1],
        runs: 2,
        check: true,
        image: ImageRequest::Noise(5),
    }
}

impl Visitor {
    async fn cooperate(&self, request: CooperationRequest) -> Result<Cooperated, (Failure, String)> {
        self.say(Intent::Cooperate(request));
        self.until(|event| match event {
            Event::Cooperated(cooperated) => Some(Ok((**cooperated).clone())),
            Event::Failed { what, why } => Some(Err((what.clone(), why.clone()))),
            _ => None,
        })
        .await
    }

    /// On whatever engine was chosen.
    pub async fn networks_shared_by_two_answer_the_same(&self) {
        // Neighbours of features, messages along edges, a readout: the graph of a searched network.
        let task = Task { n_points: 96, k: 8, ..Task::modelnet10() };
        let nodes = Mapping::parse("3 6 2 1 0 4 1,0 1 1 2 1 3 2", &task).unwrap().cut_graph().unwrap();
        for network in [ALL_KINDS, LENET, &nodes.graph().to_string()] {
            self.all_strategies(network, &[1.0, 1.0]).await;
        }
    }

    async fn all_strategies(&self, network: &str, slower: &[f64]) {
        for strategy in PartitionStrategy::ALL {
            let ran = self.cooperate(request(network, strategy, slower)).await.unwrap();
            let whole = ran.whole.unwrap();
            assert!(whole.distance <= whole.bound && whole.bound == f64::from(1e-4f32), "{strategy}: {whole:?}");
            assert_eq!((ran.each_ms.len(), ran.restarts, ran.relayed.len()), (2, 0, 0), "{strategy}");
            assert_eq!(ran.measured.messages, ran.predicted.messages, "{strategy}");
            assert_eq!(ran.measured.spans.len(), slower.len(), "{strategy}");
            // Every message is sent after its set-up, one after another.
            let least = 0.2 * ran.measured.messages as f64 / slower.len() as f64;
            assert!(ran.measured.millis >= least, "{strategy}: {} ms < {least} ms", ran.measured.millis);
        }
    }
}

#[wasm_bindgen_test]
async fn networks_shared_by_two_answer_the_same_on_wasm_simd() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    visitor.networks_shared_by_two_answer_the_same().await;
    visitor.all_strategies(ALL_KINDS, &[1.0, 3.0]).await;
    visitor.all_strategies(LENET, &[1.0; 3]).await;
}

#[wasm_bindgen_test]
async fn alexnet_shared_by_two_answers_the_same() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    for strategy in [CoEdge, Iop] {
        let ran = visitor.cooperate(request("alexnet", strategy, &[1.0, 1.0])).await.unwrap();
        let whole = ran.whole.unwrap();
        assert!(whole.distance <= whole.bound, "{strategy}: {whole:?}");
        assert!(!ran.is_trained && ran.scores.len() == 10 && ran.scores[0].probability >= ran.scores[9].probability);
    }
}

#[wasm_bindgen_test]
async fn a_worker_that_is_lost_costs_no_answer() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    let slow = |strategy: PartitionStrategy| {
        let mut request = request(LENET, strategy, &[1.0; 3]);
        (request.partition.setup_ms, request.runs) = (10.0, 10);
        request
    };
    visitor.say(Intent::Cooperate(slow(OutputChannel)));
    let running = |event: &Event| matches!(event, Event::Progress { what: LongWork::RunPartition, done: 2, .. });
    visitor.until(|event| running(event).then_some(())).await;
    visitor.say(Intent::LoseWorker(1));
    let ended = |event: &Event| if let Event::Cooperated(ran) = event { Some((**ran).clone()) } else { None };
    let ran = visitor.until(ended).await;
    assert_eq!((ran.restarts, ran.workers.len(), ran.gone.len()), (1, 2, 1), "{:?} {:?}", ran.workers, ran.gone);
    assert_eq!(ran.replanned, Some(Replanned::Lost));
    assert!(ran.gone[0].contains("browser 2") && ran.gone[0].contains("on purpose"), "{:?}", ran.gone);
    let whole = ran.whole.unwrap();
    assert!(whole.distance <= whole.bound, "{whole:?}");
    // The next request starts whoever is missing.
    let ran = visitor.cooperate(request(LENET, Mixed, &[1.0; 3])).await.unwrap();
    assert_eq!((ran.restarts, ran.gone.len()), (0, 0));
    visitor.say(Intent::Cooperate(slow(OutputChannel)));
    visitor.until(|event| running(event).then_some(())).await;
    visitor.say(Intent::Stop);
    // What was stopped tells nothing any more, and the workers are still there.
    let ran = visitor.cooperate(request(LENET, CoEdge, &[1.0; 3])).await.unwrap();
    assert_eq!(ran.request.strategy, CoEdge);
    visitor.say(Intent::Dismiss);
    visitor.until(|event| matches!(event, Event::Workers(states) if states.is_empty()).then_some(())).await;
}

#[wasm_bindgen_test]
async fn slower_workers_answer_in_turn_and_a_stop_while_they_start_harms_nothing() {
    // Layers take much longer than what follows them.
    let network = "3x48x48: conv 32 k3 p1, relu, maxpool 2, conv 48 k3 p1, relu, maxpool 2, flatten, linear 10";
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    visitor.say(Intent::Cooperate(request(network, Iop, &[1.0, 1.0])));
    visitor.say(Intent::Stop);
    visitor.cooperate(request(network, Iop, &[1.0, 1.0])).await.unwrap();
    visitor.say(Intent::Cooperate(request(network, CoEdge, &[3.0, 2.0])));
    visitor.say(Intent::Dismiss);
    let ran = visitor.cooperate(request(network, Iop, &[3.0, 2.0])).await.unwrap();
    assert_eq!((ran.restarts, &ran.gone[..], ran.workers.len()), (0, &[][..], 2));
    for spans in &ran.measured.spans {
        let computing: Vec<_> = spans.iter().filter(|span| span.activity == WorkerActivity::Compute).collect();
        assert!(computing.len() > 4 && computing.windows(2).all(|two| two[0].to_millis <= two[1].from_millis));
    }
}

#[wasm_bindgen_test]
async fn what_cannot_be_run_is_named() {
    let visitor = Visitor::start(Preference::Only(Backend::Wasm)).await;
    visitor.engine().await;
    let good = request(LENET, Iop, &[1.0, 1.0]);
    let edge = |url: &str| MemberRequest::Edge(cleave_contract::EdgeAddress { url: url.into(), token: "t".into() });
    // Whatever else can be wrong with a request is tested where it is read.
    let wrong = [
        (CooperationRequest { runs: 0, ..good.clone() }, "choose 1 to 100"),
        (CooperationRequest { members: vec![edge("http://a/b")], ..good.clone() }, "ws://HOST:PORT"),
        (CooperationRequest { members: vec![edge("ws://127.0.0.1:9")], ..good.clone() }, "cannot be reached"),
    ];
    for (request, says) in wrong {
        let (_, why) = visitor.cooperate(request).await.unwrap_err();
        assert!(why.contains(says), "{says}: {why}");
    }
    assert!(visitor.cooperate(good).await.is_ok());
}
