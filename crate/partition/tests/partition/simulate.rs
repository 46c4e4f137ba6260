//! The simulation: by hand, against closed forms, and what holds for every schedule.

use crate::cases::{between, problem, random_cluster, random_link, random_partition, random_speeds};
use cleave_graph::SplitMix64;
use cleave_graph::{Graph, Partition, Schedule, Shares, Split, Step};
use cleave_partition::{
    Activity, Cluster, Link, Medium, Plan, Problem, Span, Speed, Speeds, chain, iop_greedy, output_channel, simulate,
};

/// 1 MAC/ms, 1 ms for each added value.
const SLOW: Speed = Speed { macs_per_s: 1e3, bytes_per_s: 8e3, fixed_ms: 0.0 };

fn spans(plan: &Plan, worker: usize) -> Vec<(Activity, usize, f64, f64)> {
    plan.timeline.spans[worker].iter().map(|s| (s.activity, s.operator, s.from_ms, s.to_ms)).collect()
}

#[test]
fn a_pair_by_hand() {
    let network: Graph = "1x2x2: conv 2 k1, conv 2 k1".parse().unwrap();
    // 16 bytes take 0.5 ms and 32 bytes 1 ms, after 1 ms of set-up.
    let link = Link { setup_ms: 1.0, mbps: 0.256, delay_ms: 0.5 };
    let steps = vec![Step::new(Split::Outputs(Shares::even(2, 2))), Step::new(Split::Inputs(Shares::even(2, 2)))];
    for medium in [Medium::Switched, Medium::Shared] {
        let cluster = Cluster::uniform(2, link, medium).unwrap();
        let times = Speeds::new(&network, vec![SLOW; 2]).unwrap();
        let problem = problem(&network, &cluster, &times);
        let plan = Plan::new(&problem, Partition { workers: 2, steps: steps.clone() }).unwrap();
        let send = |to, bytes| Activity::Send { to, bytes };
        use Activity::{Add, Layer, Wait};
        assert_eq!(
            spans(&plan, 0),
            [
                (Layer, 0, 0.0, 4.0),
                (Layer, 1, 4.0, 12.0),
                (send(1, 16), 0, 0.0, 1.5),
                (Wait, 1, 12.0, 16.5),
                (Add, 1, 16.5, 24.5)
            ]
        );
        assert_eq!(
            spans(&plan, 1),
            [(Wait, 0, 0.0, 2.0), (Layer, 0, 2.0, 6.0), (Layer, 1, 6.0, 14.0), (send(0, 32), 1, 14.0, 16.0)]
        );
        let timeline = &plan.timeline;
        assert_eq!((timeline.total_ms, timeline.messages, timeline.bytes), (24.5, 2, 48));
        assert_eq!((timeline.busy_ms.as_slice(), timeline.sending_ms.as_slice()), (&[20.0, 12.0][..], &[1.5, 2.0][..]));
        assert!((timeline.energy_joules - (5.0 * 32.0 + 3.5) / 1e3).abs() < 1e-12);
        // max_j (F_1 + F_2) + R, after the image; the coordinator's sum of 8 ms belongs to its F.
        let closed = chain(&problem).unwrap().cost(&[2]);
        assert_eq!((closed, closed + 2.0), (22.5, timeline.total_ms));
    }
}

#[test]
fn messages_go_out_when_they_are_ready_and_one_after_another() {
    // Set-up alone: 3 ms for each message. The first operator takes 4 ms for a channel, the second 12.
    let network: Graph = "1x2x2: conv 3 k1, conv 3 k1".parse().unwrap();
    let link = Link { setup_ms: 3.0, mbps: f64::INFINITY, delay_ms: 0.0 };
    let steps = vec![Step::new(Split::Outputs(Shares::even(3, 3))); 2];
    // All messages are ready at the same times: 0, 0 (image), 4, 4, 7, 7, 10, 10; worker 0 has all at 13 or 21, worker 1
    // at 16 or 24 and answers last. Either way worker 0 sends while others compute.
    for (medium, from_worker_0, total_ms) in [
        (Medium::Switched, [(0.0, 3.0), (3.0, 6.0), (6.0, 9.0), (9.0, 12.0)], 31.0),
        (Medium::Shared, [(0.0, 3.0), (3.0, 6.0), (6.0, 9.0), (9.0, 12.0)], 39.0),
    ] {
        let cluster = Cluster::uniform(3, link, medium).unwrap();
        let times = Speeds::new(&network, vec![SLOW; 3]).unwrap();
        let problem = problem(&network, &cluster, &times);
        let plan = Plan::new(&problem, Partition { workers: 3, steps: steps.clone() }).unwrap();
        let sends = spans(&plan, 0).into_iter().filter(|span| matches!(span.0, Activity::Send { .. }));
        assert_eq!(sends.map(|span| (span.2, span.3)).collect::<Vec<_>>(), from_worker_0);
        assert_eq!(plan.total_ms(), total_ms, "{medium:?}");
    }
}

#[test]
fn real_links_delay_what_is_imposed() {
    let link = Link { setup_ms: 3.0, mbps: 10.0, delay_ms: 0.5 };
    let cluster = Cluster::uniform(3, link, Medium::Switched).unwrap().with_relayed(&[(1, 2)]).unwrap();
    let cluster = cluster.with_latencies(&[0.0, 2.0, 4.0]).unwrap();
    let delay = |from, to| cluster.link(from, to).delay_ms;
    assert_eq!([delay(0, 1), delay(1, 0), delay(0, 2), delay(1, 2), delay(2, 1)], [2.5, 2.5, 4.5, 3.5, 3.5]);
    assert_eq!((cluster.link(0, 1).setup_ms, cluster.is_relayed(2, 1)), (3.0, true));
    let wrong = |ms: &[f64]| cluster.clone().with_latencies(ms).unwrap_err().to_string();
    assert!(wrong(&[0.0, 1.0]).contains("2 latencies"), "{}", wrong(&[0.0, 1.0]));
    assert!(wrong(&[0.0, -9.0, 1.0]).contains("delay"), "{}", wrong(&[0.0, -9.0, 1.0]));
}

#[test]
fn what_is_relayed_takes_the_coordinators_uplink_too() {
    let network: Graph = "1x2x2: conv 3 k1, conv 3 k1".parse().unwrap();
    let link = Link { setup_ms: 3.0, mbps: f64::INFINITY, delay_ms: 0.5 };
    let cluster = Cluster::uniform(3, link, Medium::Switched).unwrap().with_relayed(&[(1, 2)]).unwrap();
    assert_eq!((cluster.message_ms(0, 2, 9), cluster.message_ms(1, 2, 9)), (3.0, 6.0));
    let times = Speeds::new(&network, vec![SLOW; 3]).unwrap();
    let problem = problem(&network, &cluster, &times);
    // Worker 1 makes the first operator, worker 2 the second.
    let steps = vec![Step::new(Split::Alone(1)), Step::new(Split::Alone(2))];
    let plan = Plan::new(&problem, Partition { workers: 3, steps }).unwrap();
    let (to_1, to_2) = (Activity::Send { to: 1, bytes: 16 }, Activity::Send { to: 2, bytes: 48 });
    // Image 0–3.5, 12 ms of computing, 15.5–18.5 and 0.5 to the coordinator, 19–22 and 0.5 to worker 2, 36 ms, back.
    assert_eq!(spans(&plan, 0), [(to_1, 0, 0.0, 3.0), (to_2, 1, 19.0, 22.0)]);
    assert_eq!((plan.total_ms(), plan.timeline.messages, plan.timeline.bytes), (62.0, 3, 16 + 48 + 48));
    // Of these the coordinator and worker 2 are left: nothing to relay.
    let two = cluster.only(&[0, 2]).unwrap();
    assert_eq!((two.len(), two.workers()[1].name.as_str(), two.message_ms(1, 0, 9)), (2, "worker 2", 3.0));
    assert_eq!(cluster.only(&[0, 2, 1]).unwrap().message_ms(1, 2, 9), 6.0);
}

#[test]
fn without_links_only_computing_counts() {
    let network: Graph = "3x12x12: conv 9 k3 p1, relu, conv 8 k3 p1, maxpool 2, flatten, linear 7".parse().unwrap();
    let mut rng = SplitMix64::new(1);
    for workers in 1..=4 {
        let times = random_speeds(&mut rng, &network, workers);
        let cluster = Cluster::uniform(workers, Link::FREE, Medium::Shared).unwrap();
        let problem = problem(&network, &cluster, &times);
        // All need what all make: each operator takes as long as its slowest worker, which is the closed form.
        let all_alone = chain(&problem).unwrap().cost(&[1, 1, 1]);
        let by_output = output_channel(&problem).unwrap();
        assert!((by_output.total_ms() - all_alone).abs() < 1e-9);
        let one = Plan::new(&problem, Partition::whole(workers, 3, workers - 1)).unwrap();
        assert!((one.total_ms() - one.timeline.busy_ms[workers - 1]).abs() < 1e-9);
        assert_eq!(one.timeline.messages, if workers > 1 { 2 } else { 0 });
    }
}

/// Over one channel the closed form says when the last message of an exchange has arrived and all go on together. The
/// simulation is equal where nobody can go on earlier (two workers that end with a pair, by hand above) and lower where
/// somebody has everything before the last message is sent. It is never higher.
#[test]
fn over_a_shared_medium_the_closed_form_bounds_the_simulation() {
    let network: Graph =
        "3x16x16: conv 12 k3 p1, relu, conv 12 k3 p1, relu, conv 12 k3 p1, maxpool 2, flatten, linear 24, relu, linear 10"
            .parse()
            .unwrap();
    let mut rng = SplitMix64::new(2);
    let mut lower = 0;
    for _ in 0..200 {
        let workers = 2 + rng.below(3);
        let link = Link { delay_ms: 0.0, ..random_link(&mut rng) };
        let cluster = Cluster::uniform(workers, link, Medium::Shared).unwrap();
        let times = random_speeds(&mut rng, &network, workers);
        let problem = problem(&network, &cluster, &times);
        let chain = chain(&problem).unwrap();
        for (plan, segments) in
            [(output_channel(&problem).unwrap(), vec![1; 5]), (iop_greedy(&problem).unwrap(), chain.greedy())]
        {
            let closed = cluster.exchange_ms(&plan.schedule.stages[0].gather) + chain.cost(&segments);
            assert!(plan.total_ms() <= closed + 1e-9, "{} > {closed}", plan.total_ms());
            lower += usize::from(plan.total_ms() < closed - 1e-9);
        }
    }
    assert!(lower > 300, "{lower}");
}

#[test]
fn of_every_schedule() {
    let chains = [
        "3x12x12: conv 8 k3 p1, relu, conv 7 k3 p1, norm, relu, maxpool 2, flatten, linear 9, relu, linear 4",
        "3x12x12: conv 8 k3 p1, relu, lrn 3, conv 6 k3 p1, maxpool 2, flatten, linear 9",
    ];
    let mut rng = SplitMix64::new(3);
    for case in 0..400 {
        let network: Graph = chains[case % 2].parse().unwrap();
        let workers = 1 + rng.below(4);
        let cluster = random_cluster(&mut rng, workers);
        let times = Speeds::new(&network, (0..workers).map(|_| Speed::of_macs(between(&mut rng, 1e5, 1e7))).collect());
        let times = times.unwrap();
        let problem = problem(&network, &cluster, &times);
        let partition = random_partition(&mut rng, &network, workers);
        let schedule = Schedule::new(&network, &partition).unwrap();
        let timeline = simulate(&problem, &schedule);
        assert_eq!(timeline, simulate(&problem, &schedule));
        // Nothing is computed in vain, so that the answer waits for all of it.
        for (busy, spans) in timeline.busy_ms.iter().zip(&timeline.spans) {
            assert!(timeline.total_ms >= busy - 1e-9, "{partition:?}");
            let (sends, computes): (Vec<&Span>, Vec<&Span>) =
                spans.iter().partition(|span| matches!(span.activity, Activity::Send { .. }));
            for one_at_a_time in [sends, computes] {
                assert!(one_at_a_time.windows(2).all(|two| two[0].to_ms <= two[1].from_ms), "{one_at_a_time:?}");
            }
        }
        let mut sends: Vec<(f64, f64)> = Vec::new();
        for span in timeline.spans.iter().flatten() {
            if matches!(span.activity, Activity::Send { .. }) {
                sends.push((span.from_ms, span.to_ms));
            }
            assert!(span.to_ms >= span.from_ms);
        }
        let relayed = schedule.transfers().filter(|transfer| cluster.is_relayed(transfer.from, transfer.to)).count();
        assert_eq!(sends.len(), timeline.messages + relayed);
        sends.sort_by(|a, b| a.0.total_cmp(&b.0));
        if cluster.medium() == Medium::Shared {
            assert!(sends.windows(2).all(|two| two[0].1 <= two[1].0));
        }
    }
}

/// Where uplinks are the senders' own, better links never make a schedule slower. Over a shared medium they can: who is
/// first there may change.
#[test]
fn better_links_do_not_make_a_schedule_slower() {
    let network: Graph =
        "3x12x12: conv 8 k3 p1, relu, conv 7 k3 p1, relu, maxpool 2, flatten, linear 9, relu, linear 4"
            .parse()
            .unwrap();
    let mut rng = SplitMix64::new(4);
    for _ in 0..400 {
        let workers = 2 + rng.below(3);
        let times = random_speeds(&mut rng, &network, workers);
        let partition = random_partition(&mut rng, &network, workers);
        let link = random_link(&mut rng);
        let total_ms = |link| {
            let cluster = Cluster::uniform(workers, link, Medium::Switched).unwrap();
            let problem = Problem::new(&network, &cluster, &times).unwrap();
            Plan::new(&problem, partition.clone()).unwrap().total_ms()
        };
        let worse = total_ms(link);
        let (setup_ms, mbps) = (link.setup_ms * between(&mut rng, 0.0, 1.0), link.mbps * between(&mut rng, 1.0, 9.0));
        assert!(total_ms(Link { setup_ms, ..link }) <= worse + 1e-9);
        assert!(total_ms(Link { mbps, ..link }) <= worse + 1e-9);
        assert!(total_ms(Link { delay_ms: 0.0, ..link }) <= worse + 1e-9);
        assert!(total_ms(Link::FREE) <= worse + 1e-9);
    }
}
