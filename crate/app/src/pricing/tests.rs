//! Prices of a made-up pair of machines, whose tables hold what a roofline says, disturbed by a seed.

use super::*;
use cleave_arch::{LinkCodec, Probe, SplitMix64, space};
use cleave_cost::graph::{FEATURES, Meta, Standard};
use cleave_cost::stats::Estimate;
use cleave_cost::{Effort, Lut, Roofline, Size, Subject, Table};
use cleave_graph::{Graph, Partition, Region, Schedule, Split, Step, Tier};
use cleave_model::GinWeights;
use cleave_partition::{Cluster, ComputeTimes, Link, Medium, Problem};
use cleave_session::{Micros, Outcome, Span};

fn table(name: &str, roofline: Roofline, seed: u64) -> Table {
    let (lut, mut rng) = (Lut::unmeasured(roofline), SplitMix64::new(seed));
    let mut table = Table::new(name, "engine");
    for probe in Subject::Task(Task::modelnet10()).probes(Effort::Quick) {
        let (ms, bytes) = match probe {
            Probe::Op { op, rows, channels, k } => (lut.op_ms(op, Size { rows, channels, k }), 0),
            Probe::Classifier { channels, .. } => (lut.classifier_ms(channels), 0),
            Probe::Graph(_) => panic!("a task's operations are no graphs"),
            Probe::Move { values } => (lut.move_ms(values), 0),
            Probe::Encode { codec, values } => (lut.encode_ms(codec, values), 3 * values as u64),
            Probe::Decode { codec, values } => (lut.decode_ms(codec, values), 0),
        };
        let ms = ms * (0.9 + 0.2 * f64::from(rng.unit_f32()));
        table.put(probe, Estimate { ms, half_width: ms / 30.0, kept: 5 }, bytes);
    }
    table
}

/// A whole profile of a device and an edge that is five times as fast.
pub(crate) fn profile() -> Profile {
    let mut profile = Profile::default();
    profile.complete = true;
    profile.device = Some(table("device", Roofline { gflops: 6.0, gbytes: 4.0, call_ms: 0.01 }, 1));
    profile.edge = Some(table("edge", Roofline { gflops: 30.0, gbytes: 20.0, call_ms: 0.002 }, 2));
    profile.link =
        Some(LinkFigures { rtt_ms: 0.8, up_mbps: 300.0, down_mbps: 280.0, up_ms_per_mb: 2.0, down_ms_per_mb: 1.5 });
    profile
}

/// With something changed.
fn but(mut profile: Profile, change: impl FnOnce(&mut Profile)) -> Profile {
    change(&mut profile);
    profile
}

/// The same after frames have shown that a tier takes `factor` of what its table says.
pub(crate) fn calibrated(device: f64, edge: f64) -> Profile {
    let calibration = Calibration { device, edge, up_ms: 0.3, down_ms: 0.1, rest_ms: 0.2, frames: 10 };
    but(profile(), |profile| profile.calibration = calibration)
}

/// A native edge behind so many megabits a second.
pub(crate) fn native(mbps: f64) -> Conditions {
    Conditions { link: contract::Link { mbps, ..contract::Link::UNSHAPED }, edge: EdgeSite::Native }
}

/// The file of a predictor that says e^`log_ratio` times the table's sum.
pub(crate) fn predictor_file(log_ratio: f32) -> Vec<u8> {
    let mut weights = GinWeights::random(FEATURES, 8, 1);
    weights.values.insert("head.1.bias".into(), ([1, 1], vec![log_ratio]));
    let standard = Standard { cost: [0.0, 1.0], log_cost: [0.0, 1.0] };
    let meta = Meta { standard, trained_on: "nothing".into(), validation: 0.0 };
    weights.meta = serde_json::to_string(&meta).unwrap();
    weights.to_safetensors().unwrap()
}

fn learned(profile: Profile) -> Pricing {
    let mut pricing = Pricing::of(profile);
    pricing.set_predictor(Predictor::from_safetensors(&predictor_file(0.25)).unwrap());
    pricing
}

fn plan(text: &str) -> Plan {
    text.parse().unwrap()
}

fn mapping(text: &str) -> Mapping {
    Mapping::parse(text, &Task::modelnet10()).unwrap()
}

const SPLIT: &str = "3 2 5 1 4,0 6 0 3 0";

fn price(pricing: &mut Pricing, conditions: Conditions) -> Price {
    pricing.under(conditions).price(&mapping(SPLIT))
}

#[test]
fn a_predictor_counts_for_whole_uncalibrated_profiles_with_an_edge_of_its_own() {
    let table = price(&mut Pricing::of(profile()), native(40.0));
    let mut pricing = learned(profile());
    let found = price(&mut pricing, native(40.0));
    let expected = f64::from(0.25f32.exp()) * table.latency_ms();
    assert!((found.latency_ms() / expected - 1.0).abs() < 1e-6, "{} for {expected}", found.latency_ms());
    assert_eq!(pricing.under(native(40.0)).basis(), PriceBasis::Learned);
    assert_eq!(pricing.under(native(40.0)).unused(), None);
    let same_tab = Conditions { edge: EdgeSite::InThisTab, ..native(40.0) };
    let no_edge = but(profile(), |profile| profile.edge = None);
    let unfinished = but(profile(), |profile| profile.complete = false);
    for (profile, conditions, why, basis) in [
        (Profile::default(), native(40.0), Unused::Unfinished, PriceBasis::Roofline),
        (unfinished, native(40.0), Unused::Unfinished, PriceBasis::Unfinished),
        (no_edge, native(40.0), Unused::NoEdge, PriceBasis::Table),
        (calibrated(0.5, 1.0), native(40.0), Unused::Calibrated, PriceBasis::Table),
        (profile(), same_tab, Unused::OneThread, PriceBasis::Table),
    ] {
        let (mut with, mut without) = (learned(profile.clone()), Pricing::of(profile));
        assert_eq!(price(&mut with, conditions), price(&mut without, conditions), "{why:?}");
        let prices = with.under(conditions);
        assert_eq!((prices.unused(), prices.basis()), (Some(why), basis));
        assert_eq!(without.under(conditions).unused(), None, "what is not there is not missed");
    }
}

/// What filters, what ranks and what is shown are one figure, with and without a predictor, however calibrated.
#[test]
fn a_search_asks_for_the_prices_that_are_shown() {
    let task = Task::modelnet10();
    for mut pricing in [Pricing::of(profile()), Pricing::of(calibrated(0.5, 1.7)), learned(profile())] {
        pricing.set_slowdown(2.0).unwrap();
        let prices = pricing.under(native(20.0));
        let search = prices.for_search(task);
        let mut rng = SplitMix64::new(3);
        let plans: Vec<Plan> = (0..200).map(|i| space::draw(&mut rng).with_codec(LinkCodec::ALL[i % 6])).collect();
        let refined = search.refined(&plans);
        assert_eq!(refined.is_some(), prices.basis() == PriceBasis::Learned);
        for (at, plan) in plans.iter().enumerate() {
            let by_table = search.metrics(plan);
            let quick = search.quick_ms(plan);
            assert!((quick - by_table.latency_ms).abs() <= 1e-9 * quick, "{plan}: {quick} {by_table:?}");
            let best = refined.as_ref().map_or(by_table, |refined| refined[at]);
            let shown = metrics(&prices.price(&Mapping::of_plan(plan.clone(), task)));
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * b;
            assert!(near(best.latency_ms, shown.latency_ms) && near(best.energy_mj, shown.energy_mj), "{plan}");
            assert_eq!((best.device_bytes, best.link_bytes), (shown.device_bytes, shown.link_bytes));
        }
    }
}

#[test]
fn energy_follows_a_learned_latency() {
    let (table, learned) =
        (price(&mut Pricing::of(profile()), native(40.0)), price(&mut learned(profile()), native(40.0)));
    let Stages { device, up, edge, down, .. } = learned.stages;
    assert_eq!(learned.energy_mj, EnergyProfile::default().frame_mj(device, up + down, edge));
    assert!(learned.energy_mj > table.energy_mj);
}

#[test]
fn conditions_slow_the_link_and_the_tab_has_none() {
    let mut pricing = Pricing::of(profile());
    let free = price(&mut pricing, native(0.0));
    let shaped = price(&mut pricing, native(10.0));
    assert!(shaped.stages.up > 10.0 * free.stages.up && shaped.stages.device == free.stages.device);
    let late = contract::Link { mbps: 0.0, delay_ms: 3.0, jitter_ms: 2.0 };
    let late = price(&mut pricing, Conditions { link: late, edge: EdgeSite::Native });
    assert!((late.stages.up - free.stages.up - 4.0).abs() < 1e-9, "delay and half of the jitter");
    let tab = price(&mut pricing, Conditions { edge: EdgeSite::InThisTab, ..native(0.0) });
    assert!(tab.stages.up < 0.01 && tab.stages.edge > free.stages.edge);
    let shape = LinkShape { bits_per_second: 10_000_000, delay_micros: 3_000, jitter_micros: 500 };
    let link = contract::Link { mbps: 10.0, delay_ms: 3.0, jitter_ms: 0.5 };
    assert_eq!(Conditions::native(&shape), Conditions { link, edge: EdgeSite::Native });
}

#[test]
fn a_slow_device_and_other_powers_are_its_own_and_nonsense_is_refused() {
    let mut pricing = Pricing::of(profile());
    let plain = price(&mut pricing, native(40.0));
    pricing.set_slowdown(4.0).unwrap();
    let slow = price(&mut pricing, native(40.0));
    assert!((slow.stages.device / plain.stages.device - 4.0).abs() < 1e-9 && slow.stages.edge == plain.stages.edge);
    let why = pricing.set_slowdown(0.5).unwrap_err().to_string();
    assert_eq!((why.as_str(), pricing.slowdown()), ("a device can be emulated 1 to 100 × slower, not 0.5", 4.0));
    let powers = |active_milliwatts| contract::Powers {
        active_milliwatts,
        communicating_milliwatts: 0.0,
        static_milliwatts: 0.0,
    };
    pricing.set_powers(powers(1000.0)).unwrap();
    let found = price(&mut pricing, native(40.0));
    assert!((found.energy_mj - found.stages.device).abs() < 1e-9, "a watt for a millisecond is a millijoule");
    for wrong in [-1.0, f64::NAN, 2e7] {
        assert!(pricing.set_powers(powers(wrong)).is_err());
    }
    assert_eq!(pricing.profile().energy.active_mw, 1000.0, "the powers before are kept");
    assert_eq!(pricing.with(profile(), 2.0).unwrap().slowdown(), 2.0);
    assert!(pricing.with(profile(), f64::NAN).is_err());
}

#[test]
fn a_calibration_shows_in_all_that_is_listed() {
    let whole = mapping("3 2 1 4,0 6 3 0");
    let list = |profile| Pricing::of(profile).under(native(40.0)).list(&whole);
    let (plain, halved) = (list(profile()), list(calibrated(0.5, 1.0)));
    assert_eq!((plain.cuts.len(), plain.op_ms.len(), plain.basis), (5, 5, PriceBasis::Table));
    assert!((halved.whole.device_ms / plain.whole.device_ms - 0.5).abs() < 1e-9);
    assert!(halved.op_ms.iter().zip(&plain.op_ms).all(|(half, all)| (half - 0.5 * all).abs() < 1e-9));
    assert_eq!(plain.plan, plain.whole);
    let mut pricing = Pricing::of(profile());
    let pairs: Vec<(Stages, Stages)> = (1..=10)
        .map(|i| Stages { device: f64::from(i), ..Stages::default() })
        .map(|stages| (stages, Stages { device: 0.5 * stages.device, ..stages }))
        .collect();
    pricing.calibrate(&pairs);
    let found = pricing.under(native(40.0)).list(&whole);
    assert!((found.whole.device_ms - halved.whole.device_ms).abs() < 1e-9);
    let view = pricing.profile_view();
    assert_eq!((view.calibrated, view.complete, view.device.as_str()), (10, true, "device, engine"));
    assert_eq!((view.edge.as_deref(), view.link), (Some("edge, engine"), Some([0.8, 300.0, 280.0])));
    assert_eq!(Profile::from_json(&view.json).unwrap(), *pricing.profile());
}

#[test]
fn an_inspection_is_the_price_operation_by_operation() {
    let (plan, task) = (plan(SPLIT), Task::modelnet10());
    let found = Pricing::of(profile()).under(native(40.0)).inspection(&plan, &task);
    let price = price(&mut Pricing::of(profile()), native(40.0));
    assert_eq!((found.plan.as_str(), found.n_points, found.op_ms.len()), (SPLIT, 1024, 5));
    assert_eq!(found.price, price_view(price));
    let ops: f64 = found.op_ms.iter().sum();
    assert!(ops < price.stages.device + price.stages.edge);
}

#[test]
fn prices_are_kept_until_something_changes() {
    let split = mapping(SPLIT);
    let mut pricing = Pricing::of(profile());
    let first = pricing.under(native(40.0));
    assert!(Rc::ptr_eq(&first, &pricing.under(native(40.0))));
    let frame = |pricing: &mut Pricing, mbps| pricing.of_frame(native(mbps), &split);
    let price = frame(&mut pricing, 40.0);
    assert_eq!(price, frame(&mut pricing, 40.0));
    assert_eq!(price, first.price(&split));
    assert_ne!(price, frame(&mut pricing, 20.0));
    pricing.set_slowdown(2.0).unwrap();
    assert_ne!(price, frame(&mut pricing, 40.0), "a price is not kept beyond what it rests on");
    assert_eq!(first.price(&split), price, "what was handed out stays as it is");
}

#[test]
fn two_profiles_make_a_pair_and_factors_go_with_their_machines() {
    let device = calibrated(0.5, 0.8);
    let factors = Calibration { device: 1.5, edge: 3.0, ..Calibration::default() };
    let other = but(profile(), |profile| profile.calibration = factors);
    let paired = pair(device.clone(), other.clone());
    assert_eq!((&paired.device, &paired.edge), (&device.device, &other.edge));
    assert_eq!((paired.calibration.device, paired.calibration.edge, paired.calibration.frames), (0.5, 3.0, 10));
    let alone = pair(device.clone(), but(other.clone(), |other| (other.edge, other.complete) = (None, false)));
    assert_eq!((&alone.edge, alone.calibration.edge, alone.complete), (&other.device, 1.5, false));
    assert_eq!(pair(device.clone(), device.clone()), device);
}

#[test]
fn a_damaged_predictor_is_refused() {
    assert!(Predictor::from_safetensors(b"no weights").is_err());
    let mut weights = GinWeights::random(FEATURES, 8, 1);
    weights.meta = "{}".into();
    let why = Predictor::from_safetensors(&weights.to_safetensors().unwrap()).err().unwrap().to_string();
    assert!(why.contains("metadata cannot be read"), "{why}");
}

#[test]
fn stages_of_a_frame_are_its_lanes_and_what_is_left() {
    let span = |lane, start, end| Span { lane, start: Micros(start), end: Micros(end) };
    let report = FrameReport {
        submitted: Micros(0),
        ended: Micros(10_000),
        spans: vec![
            span(Lane::Device, 0, 3_000),
            span(Lane::Uplink, 3_000, 5_000),
            span(Lane::Edge, 5_000, 6_000),
            span(Lane::Downlink, 6_500, 7_000),
        ],
        ..crate::report::tests::report(Outcome::AsPlanned, 10)
    };
    assert_eq!(measured_stages(&report), Stages { device: 3.0, up: 2.0, edge: 1.0, down: 0.5, rest: 3.5 });
}

#[test]
fn an_image_network_is_priced_by_its_own_rows_or_by_the_roofline() {
    let split = mapping("lenet5@2");
    let mut pricing = learned(profile());
    let prices = pricing.under(native(40.0));
    let list = prices.list(&split);
    assert_eq!((list.network.as_str(), list.cuts.len(), list.op_ms.len()), ("lenet5", 5, 5));
    assert_eq!((prices.basis(), list.basis, list.hgnas_peak_bytes), (PriceBasis::Learned, PriceBasis::Roofline, None));
    let graph = split.graph().unwrap().clone();
    let with_rows = but(profile(), |profile| {
        for probe in Subject::Graph(graph.clone()).probes(Effort::Full) {
            let estimate = Estimate { ms: 4.0, half_width: 0.1, kept: 5 };
            if matches!(probe, Probe::Graph(_)) {
                profile
                    .device
                    .iter_mut()
                    .chain(&mut profile.edge)
                    .for_each(|table| table.put(probe.clone(), estimate, 0));
            }
        }
    });
    let list = learned(with_rows).under(native(40.0)).list(&split);
    assert_eq!((list.basis, &list.op_ms[..]), (PriceBasis::Table, &[4.0; 5][..]));
    assert!(list.plan.device_ms > 8.0 && list.plan.edge_ms > 12.0 && list.whole.device_ms > 20.0);
}

/// The table's times of a graph's operators on two tiers.
struct Tiers<'a>(&'a Machines, &'a Graph);

impl ComputeTimes for Tiers<'_> {
    fn layer_ms(&self, worker: usize, operator: usize, _: usize, _: &Region) -> f64 {
        let lut = if worker == 0 { &self.0.device } else { &self.0.edge };
        lut.operator_ms(self.1, operator)
    }

    fn tail_ms(&self, _: usize, _: usize, _: &Region) -> f64 {
        0.0
    }

    fn add_ms(&self, _: usize, _: u64) -> f64 {
        0.0
    }
}

/// What a frame is priced by and what a partition is simulated by are one thing: two workers, each of which computes its
/// steps alone. Prices know besides what it takes to bring values to an engine, and the head of a message.
#[test]
fn a_cut_is_priced_as_two_workers_are_simulated() {
    for text in ["lenet5@2", "alexnet@3", "resnet@4", "resnet@4@9", "vgg11@0"] {
        let mapping = mapping(text);
        let prices = Pricing::default().under(native(40.0));
        let (machines, graph) = (prices.machines(), mapping.graph().unwrap());
        let link = Link { setup_ms: 0.0, mbps: machines.link.up_mbps, delay_ms: machines.link.rtt_ms / 2.0 };
        let (cluster, times) = (Cluster::uniform(2, link, Medium::Switched).unwrap(), Tiers(machines, graph));
        let problem = Problem::new(graph, &cluster, &times).unwrap();
        let worker = |step: usize| usize::from(mapping.tier_of(step) == Tier::Edge);
        let steps = (0..mapping.n_steps()).map(|step| Step::new(Split::Alone(worker(step)))).collect();
        let plan = cleave_partition::Plan::new(&problem, Partition { workers: 2, steps }).unwrap();
        let Price { stages, device_peak_bytes, edge_peak_bytes, .. } = prices.price(&mapping);
        let priced = stages.device + stages.up + stages.edge + stages.down;
        let simulated = plan.total_ms();
        assert!(priced >= simulated && priced <= 1.02 * simulated + 0.2, "{text}: {priced} ms, simulated {simulated}");
        let values = [0, 1].map(|worker| plan.memory[worker].activations);
        let whole = Schedule::new(graph, &Partition::whole(1, mapping.n_steps(), 0)).unwrap();
        let weights = whole.memory(graph)[0].weights;
        assert_eq!([device_peak_bytes, edge_peak_bytes], values.map(|values| values + weights), "{text}");
    }
}
