//! Shaped uplinks take the time that they should, and the timeline is that of the coordinator's clock.

use cleave_session::Micros;
use cleave_session::cooperate::{Activity, Relaying, RunReport, Span, Uplink};
use cleave_wire::LinkShape;

use crate::sim::{AHEAD, Settings, World};
use crate::toy;

const GRAPH: &str = "1x8x8: conv 6 k3 p1, relu, conv 4 k3 p1, relu, flatten, linear 6";

fn shaped(settings: Settings) -> World {
    let shape = LinkShape { bits_per_second: 8_000_000, delay_micros: 500, jitter_micros: 0 };
    let uplink = Uplink { setup_micros: 3_000, shape };
    let strategy = settings.strategy;
    let mut world = World::new(Settings { uplink, delay: Micros(1), compute: Micros(200), graph: GRAPH, ..settings });
    world.partition = Box::new(move |graph, workers| toy::partition(graph, strategy, workers, true));
    world.run_once();
    world.check([1]);
    world
}

fn sends(report: &RunReport) -> Vec<(usize, Span, u32)> {
    let of = |span: &Span| match span.activity {
        Activity::Send { bytes, .. } | Activity::Relay { bytes, .. } => Some(bytes),
        _ => None,
    };
    let all = report.workers.iter().enumerate();
    all.flat_map(|(worker, told)| told.spans.iter().filter_map(move |span| Some((worker, *span, of(span)?)))).collect()
}

#[test]
fn every_message_occupies_its_senders_uplink_for_set_up_and_bytes() {
    let world = shaped(Settings::default());
    let mut free = [0; 3];
    for (worker, span, bytes) in sends(&world.reports[0]) {
        assert!(span.start_micros >= free[worker], "one after another");
        free[worker] = span.end_micros;
        assert!(
            (span.end_micros - span.start_micros).abs_diff(3_000 + u64::from(bytes)) <= 2,
            "8 Mbps are a byte a µs"
        );
    }
}

/// Nobody goes on before what it waits for has come: a gather is computed upon at the earliest one delay after it was
/// sent.
#[test]
fn the_timeline_holds_together() {
    for direct in [true, false] {
        let world = shaped(Settings { direct, strategy: "direct", members: 3, ..Settings::default() });
        let report = &world.reports[0];
        assert_eq!(report.workers.len(), 4);
        for (worker, told) in report.workers.iter().enumerate() {
            assert!(told.clock_error <= Micros(5) && told.peak_bytes == 1_000 * (worker as u64 + 1), "{told:?}");
            let busy = |span: &&Span| !matches!(span.activity, Activity::Send { .. } | Activity::Relay { .. });
            let spans: Vec<&Span> = told.spans.iter().filter(busy).collect();
            assert!(spans.windows(2).all(|pair| pair[0].end_micros <= pair[1].start_micros + 5), "{spans:?}");
            assert!(spans.windows(2).all(|pair| pair[0].stage <= pair[1].stage), "{spans:?}");
            let within = |at: u64| (report.started.0 - 5..=report.answered.0 + 5).contains(&at);
            assert!(spans.iter().all(|span| within(span.start_micros) && within(span.end_micros)), "{spans:?}");
            assert!(AHEAD > 1_000 * report.answered.0, "a clock that is not translated would show");
        }
        let ends = |worker: usize, stage: u16, activity: fn(&Activity) -> bool| {
            let of = report.workers[worker].spans.iter().filter(|span| span.stage == stage && activity(&span.activity));
            of.map(|span| [span.start_micros, span.end_micros]).collect::<Vec<_>>()
        };
        let image = ends(0, 0, |activity| matches!(activity, Activity::Send { .. }));
        for (worker, [_, sent]) in (1..4).zip(image) {
            let [[started, _]] = ends(worker, 0, |activity| matches!(activity, Activity::Compute))[..] else {
                panic!()
            };
            assert!((sent + 500..sent + 520).contains(&started), "{sent} {started}");
        }
    }
}

/// As the prediction has it, what is relayed waits for the coordinator's uplink; or not, if that is wished.
#[test]
fn relaying_takes_the_coordinators_uplink_unless_told_otherwise() {
    let run = |relaying, direct| {
        let mut settings = Settings { direct, members: 3, ..Settings::default() };
        settings.coordinator.relaying = relaying;
        let world = shaped(settings);
        let report = &world.reports[0];
        (report.answered - report.started).0
    };
    let (shaped, at_once) = (run(Relaying::Shaped, false), run(Relaying::AtOnce, false));
    let direct = run(Relaying::Shaped, true);
    assert!(direct <= at_once + 20 && at_once + 20_000 < shaped, "{direct} {at_once} {shaped}");
}

/// A part of seconds does not keep pings waiting, so that nobody who sends is taken for dead.
#[test]
fn pings_pass_what_waits_for_a_slow_uplink() {
    let shape = LinkShape { bits_per_second: 1_000, ..LinkShape::UNSHAPED };
    let uplink = Uplink { setup_micros: 0, shape };
    let (graph, timeout) = ("1x4x4: conv 2 k3 p1, conv 2 k3 p1", Micros::from_millis(6_000));
    let mut world = World::new(Settings { uplink, graph, timeout, ..Settings::default() });
    world.run_once();
    world.check([1]);
    let took = world.reports[0].answered - world.reports[0].started;
    assert!(took > Micros::from_millis(1_500) && world.gone.is_empty() && world.reports[0].restarts == 0, "{took}");
    assert!(world.reports[0].workers[1].clock_error < Micros::from_millis(1));
}
