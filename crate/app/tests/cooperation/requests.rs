//! The page's form and the command's file: what is wrong is named, and the same request is the same plan and the same run.

use cleave_app::cooperation::{Trained, read, view};
use cleave_app::partition::view::partitions;
use cleave_app::partition::{OnShow, Planning, Shown, Workers};
use cleave_contract::{
    Backend, CooperationRequest, ImageRequest, MemberRequest, PartitionRequest, PartitionStrategy, WorkerActivity,
};
use cleave_partition::Strategy;
use serde_json::json;

use crate::world::{NETWORK, World, network, times};

fn request() -> CooperationRequest {
    CooperationRequest {
        partition: PartitionRequest {
            network: NETWORK.into(),
            slower: vec![1.0, 1.0, 2.0],
            setup_ms: 0.3,
            mbps: 50.0,
            delay_ms: 0.2,
            shared: false,
        },
        strategy: PartitionStrategy::Iop,
        members: vec![MemberRequest::Browser; 2],
        runs: 2,
        check: true,
        image: ImageRequest::Noise(5),
    }
}

fn planning(workers: Workers) -> Planning {
    Planning::new(network(), workers, times(&network()), Strategy::ALL.to_vec())
}

#[test]
fn the_form_and_the_file_make_the_same_plans() {
    let file = json!({
        "link": { "setup_ms": 0.3, "mbps": 50, "delay_ms": 0.2 },
        "workers": [{ "name": "a" }, { "name": "b", "slower": 1 }, { "name": "c", "slower": 2 }],
    });
    let form = planning(Workers::of_request(&request().partition).unwrap()).run().unwrap();
    let file = planning(Workers::of_file(&file).unwrap()).run().unwrap();
    assert_eq!((form.plans.len(), form.plans), (Strategy::ALL.len(), file.plans));
}

#[test]
fn planning_goes_step_by_step_and_sweeps_over_set_up_times() {
    let mut planning = planning(Workers::of_request(&request().partition).unwrap()).with_sweep(0.3);
    let (mut steps, total) = (0, planning.progress().1);
    while planning.step().unwrap() {
        steps += 1;
        assert_eq!(planning.progress(), (steps, total));
    }
    let planned = planning.finish();
    let told = partitions(request().partition, &planned);
    let strategies = PartitionStrategy::ALL.len();
    assert_eq!((steps, told.plans.len(), told.sweep.len()), (9 * strategies, strategies, 8));
    assert!(told.sweep.windows(2).all(|two| two[0].setup_ms < two[1].setup_ms));
    // The request's own set-up is among them, and planned the same but for the strategy that is made less effort for.
    let own = told.sweep.iter().find(|point| point.setup_ms == 0.3).unwrap();
    for (plan, swept) in told.plans.iter().zip(&own.millis).take(4) {
        assert!((plan.millis - swept.unwrap()).abs() < 1e-9 && plan.steps.len() == network().operators().len());
    }
    assert!(told.plans.iter().all(|plan| plan.spans.iter().flatten().any(|s| s.activity == WorkerActivity::Compute)));
    let mut on_show = OnShow::default();
    assert_eq!(on_show.of(&request().partition, Strategy::Iop), Shown::Other);
    let iop = planned.plans[2].1.as_ref().unwrap().partition.clone();
    on_show.put(request().partition, planned);
    assert_eq!(on_show.of(&request().partition, Strategy::Iop), Shown::Plan(iop));
    let other = PartitionRequest { mbps: 51.0, ..request().partition };
    assert_eq!(on_show.of(&other, Strategy::Iop), Shown::Other);
}

#[test]
fn a_page_is_told_what_it_asked_for_and_what_came_of_it() {
    let (request, trained) = (request(), Trained::seeded(3));
    let read = read(&request).unwrap();
    let mut on_show = OnShow::default();
    on_show.put(request.partition.clone(), planning(read.workers.clone()).run().unwrap());
    let begun = read.request(&request, times(&read.network), trained.weights.clone(), &on_show);
    let mut world = World::new();
    world.slowness[2] = 2.0;
    let report = world.answer(begun).unwrap();
    let told = view::cooperated(&request, Backend::Wasm, &read, &trained, &report);
    assert_eq!((told.replanned, told.workers), (None, vec!["page".to_owned(), "edge 1".into(), "edge 2".into()]));
    assert_eq!((told.each_ms.len(), told.measured.messages), (2, told.predicted.messages));
    assert_eq!((told.measured.spans.len(), told.measured.memory_bytes[1][0]), (3, report.formed.weight_bytes[1]));
    assert!(
        told.measured.energy_joules > 0.0 && told.measured.millis == told.each_ms.iter().copied().fold(0.0, f64::max)
    );
    let whole = told.whole.unwrap();
    assert!(whole.distance <= whole.bound && whole.millis > 0.0, "{whole:?}");
    assert_eq!((told.scores.len(), told.is_trained, told.image.as_str()), (4, false, "noise of seed 5"));
    assert_eq!(told.weights, "random, of seed 3");
}

#[test]
fn what_cannot_be_run_is_named_before_anything_is_begun() {
    let good = request();
    let shaped = |partition: PartitionRequest| CooperationRequest { partition, ..good.clone() };
    let partition = good.partition.clone();
    let pixels = ImageRequest::Pixels { name: "cat.png".into(), rgba: vec![0; 12] };
    let wrong = [
        (shaped(PartitionRequest { shared: true, ..partition.clone() }), "shared medium"),
        (shaped(PartitionRequest { slower: vec![1.0, 0.5, 1.0], ..partition.clone() }), "worker 2 is to be 0.5 times"),
        (shaped(PartitionRequest { slower: vec![1.0; 2], ..partition.clone() }), "2 workers beside this tab"),
        (shaped(PartitionRequest { network: "lenet".into(), ..partition.clone() }), "lenet5"),
        (shaped(PartitionRequest { setup_ms: 1e6, ..partition }), "cannot be imposed"),
        (CooperationRequest { runs: 0, ..good.clone() }, "choose 1 to 100"),
        (CooperationRequest { image: pixels, ..good.clone() }, "cat.png: "),
    ];
    for (request, says) in wrong {
        let why = read(&request).map(|_| ()).unwrap_err().to_string();
        assert!(why.contains(says), "{says}: {why}");
    }
    assert!(read(&good).is_ok());
}

#[test]
fn strategies_that_find_no_plan_say_so_in_their_place() {
    let worker = |name: &str| json!({ "name": name, "memory_mb": 0.0001 });
    let link = json!({ "setup_ms": 0.3, "mbps": 50, "delay_ms": 0.2 });
    let workers = Workers::of_file(&json!({ "link": link, "workers": [worker("a"), worker("b")] })).unwrap();
    let planned = planning(workers).with_sweep(0.3).run().unwrap();
    let told = partitions(request().partition, &planned);
    assert_eq!(told.plans.iter().map(|plan| plan.strategy).collect::<Vec<_>>(), PartitionStrategy::ALL);
    assert!(told.plans.iter().all(|plan| plan.failed.is_some() && plan.steps.is_empty()), "{:?}", told.plans);
    assert!(told.sweep.iter().all(|point| point.millis == [None; PartitionStrategy::ALL.len()]), "{:?}", told.sweep);
    let mut on_show = OnShow::default();
    on_show.put(request().partition, planned);
    assert_eq!(on_show.of(&request().partition, Strategy::Iop), Shown::Other, "what failed is not on show");
}

#[test]
fn a_file_that_holds_no_weights_of_the_network_is_refused() {
    for bytes in [b"none".to_vec(), Vec::new()] {
        assert!(Trained::from_file(&network(), bytes).is_err());
    }
    assert_eq!(Trained::seeded(3).words(), "random, of seed 3");
}
