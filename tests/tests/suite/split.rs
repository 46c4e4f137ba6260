//! Split equals whole: every placement of a network gives the unsplit answer, over real TCP.

use std::collections::BTreeMap;

use cleave_app::cooperation::noise;
use cleave_arch::tolerance::{Bound, Engines, bound, distance, top_1};
use cleave_arch::{Architecture, Array, Codec, Compression, LinkCodec, Mapping, Plan, SplitMix64, Task, Tier};
use cleave_cli::network::{self, Network};
use cleave_session::{LocalReason, Outcome};
use cleave_tests::link::{Link, Loaded, cloud};
use cleave_tests::random;

use crate::workspace;

const LOSSY: [Codec; 2] = [Codec::F16, Codec::I8];
const N_RANDOM: usize = 200;

fn plain(codec: Codec) -> LinkCodec {
    LinkCodec { codec, compression: Compression::None }
}

/// What a set of runs showed, for the bounds that hold for sets and for people who read the output.
#[derive(Default)]
struct Tally {
    runs: usize,
    local: usize,
    worst: BTreeMap<String, f32>,
    /// Equal classes of runs, by least share and codec.
    agreement: BTreeMap<String, (f64, usize, usize)>,
}

impl Tally {
    /// Runs one frame of what is deployed and holds it against the unsplit answer.
    fn check(&mut self, link: &mut Link, loaded: &Loaded, plan: &Mapping, cloud: &Array, unsplit: &[f32]) {
        link.deploy(loaded, plan.clone()).unwrap_or_else(|why| panic!("{plan}: {why:#}"));
        let report = link.run(cloud).unwrap();
        let output = report.output.as_ref().unwrap_or_else(|| panic!("{plan}: {:?}", report.outcome));
        let answer = output.as_f32().unwrap();
        self.runs += 1;
        let codec = plan.codec();
        let far = distance(answer, unsplit);
        match (&report.outcome, bound(&plan.cut_graph().unwrap(), codec.codec, Engines::One)) {
            // A value that f16 or i8 cannot carry: the device says so and goes on alone, exactly.
            (Outcome::Local { why: LocalReason::CannotSend { .. } }, _) if codec.codec != Codec::F32 => {
                self.local += 1;
                assert_eq!(answer, unsplit, "{plan} {codec}: finished locally");
            }
            (Outcome::AsPlanned, Bound::Distance(most)) => {
                let worst = self.worst.entry(codec.to_string()).or_default();
                *worst = worst.max(far);
                assert!(far <= most, "{plan} with {codec}: distance {far:e}, at most {most:e} is allowed");
            }
            (Outcome::AsPlanned, Bound::Agreement(least)) => {
                let (_, equal, all) = self.agreement.entry(codec.to_string()).or_insert((least, 0, 0));
                *equal += usize::from(top_1(answer) == top_1(unsplit));
                *all += 1;
            }
            (outcome, _) => panic!("{plan} with {codec}: {outcome:?}"),
        }
    }

    /// Every placement with one cut, exactly; with the lossy codecs too if asked.
    fn check_every_cut(&mut self, link: &mut Link, loaded: &Loaded, codecs: &[Codec], cloud: &Array) {
        let unsplit = loaded.engine.whole(cloud).unwrap();
        for plan in random::every_cut(&loaded.network.mapping) {
            for codec in codecs {
                self.check(link, loaded, &plan.clone().with_codec(plain(*codec)), cloud, &unsplit);
            }
        }
    }

    fn conclude(&self, what: &str) {
        println!(
            "{what}: {} runs, {} finished locally because the codec could not carry a value",
            self.runs, self.local
        );
        for (codec, worst) in &self.worst {
            println!("  {codec}: largest distance {worst:.2e}");
        }
        for (codec, (least, equal, all)) in &self.agreement {
            println!("  {codec} with a kNN behind the cut: {equal} of {all} classes equal");
            assert!(
                *equal as f64 >= least * *all as f64,
                "{what}, {codec}: {equal} of {all} equal, {least} is the least share"
            );
        }
    }
}

fn task(loaded: &Loaded) -> &Task {
    loaded.network.mapping.plan().map(|(_, _, task)| task).unwrap()
}

fn dgcnn(task: Task) -> Loaded {
    Loaded::random(Plan::whole(Architecture::dgcnn(), Tier::Device), task, 1).unwrap()
}

#[test]
fn every_cut_of_dgcnn() {
    let loaded = dgcnn(Task { n_points: 128, ..Task::dgcnn40() });
    let (mut link, mut tally) = (Link::start().unwrap(), Tally::default());
    tally.check_every_cut(&mut link, &loaded, &[Codec::F32, Codec::F16, Codec::I8], &cloud(task(&loaded), 2).unwrap());
    tally.conclude("DGCNN, 128 points");
}

#[test]
fn dgcnn_at_full_size() {
    let loaded = dgcnn(Task::dgcnn40());
    let cloud = cloud(task(&loaded), 3).unwrap();
    let unsplit = loaded.engine.whole(&cloud).unwrap();
    let (mut link, mut tally) = (Link::start().unwrap(), Tally::default());
    // Three joined values cross, then the joined tensor, then one row; and there and back.
    for cuts in [vec![7], vec![9], vec![11], vec![2, 11]] {
        let plan = loaded.network.mapping.with_cuts(cuts).unwrap();
        tally.check(&mut link, &loaded, &plan, &cloud, &unsplit);
        tally.check(&mut link, &loaded, &plan.with_codec("f32+lz4".parse().unwrap()), &cloud, &unsplit);
    }
    tally.conclude("DGCNN, 1024 points");
}

#[test]
fn every_cut_of_every_shipped_network() {
    let models = workspace("www/model");
    let names = network::names(&models);
    assert!(!names.is_empty(), "www/model ships no network");
    let mut link = Link::start().unwrap();
    for name in names {
        let loaded = Loaded::new(Network::from_model(&models, &name).unwrap()).unwrap();
        let mut tally = Tally::default();
        for seed in 1..=4 {
            let cloud = cloud(task(&loaded), seed).unwrap();
            tally.check_every_cut(&mut link, &loaded, &[Codec::F32, Codec::F16, Codec::I8], &cloud);
        }
        tally.conclude(&name);
    }
}

/// Trained ones, a residual one among them, and one of which nothing is a chain with seeded weights.
#[test]
fn every_cut_and_two_cuts_of_image_networks() {
    const BRANCHED: &str = "3x12x12: conv 4 k3 p1, a = relu, conv 4 k3 p1, relu, add with a, b = relu, conv 6 k1, \
                            concat with b, globalpool, flatten, linear 5";
    let (models, mut link) = (workspace("www/model"), Link::start().unwrap());
    for name in ["lenet5", "resnet", BRANCHED] {
        let loaded = Loaded::new(Network::image(&models, name, 3).unwrap()).unwrap();
        let mapping = &loaded.network.mapping;
        let shape = mapping.graph().unwrap().input();
        let image = noise(shape, 5).next().unwrap();
        let image = Array::f32([shape.channels, shape.height, shape.width], image).unwrap();
        let mut tally = Tally::default();
        tally.check_every_cut(&mut link, &loaded, &[Codec::F32, Codec::F16, Codec::I8], &image);
        let unsplit = loaded.engine.whole(&image).unwrap();
        for first in 0..mapping.n_steps() {
            for second in first + 1..mapping.n_steps() {
                let plan = mapping.with_cuts(vec![first, second]).unwrap();
                tally.check(&mut link, &loaded, &plan, &image, &unsplit);
            }
        }
        tally.conclude(name);
    }
}

#[test]
fn random_architectures() {
    let (mut link, mut tally) = (Link::start().unwrap(), Tally::default());
    let mut rng = SplitMix64::new(11);
    for (i, architecture) in random::architectures(N_RANDOM, 7).into_iter().enumerate() {
        let seed = i as u64;
        let cuts = random::cuts(&architecture, &mut rng);
        let loaded = Loaded::random(Plan::whole(architecture, Tier::Device), random::task(), seed).unwrap();
        let cloud = cloud(&random::task(), seed).unwrap();
        let unsplit = loaded.engine.whole(&cloud).unwrap();
        for cuts in cuts {
            let plan = loaded.network.mapping.with_cuts(cuts).unwrap();
            tally.check(&mut link, &loaded, &plan, &cloud, &unsplit);
            let lossy = plan.clone().with_codec(plain(LOSSY[rng.below(2)]));
            tally.check(&mut link, &loaded, &lossy, &cloud, &unsplit);
        }
        tally.check_every_cut(&mut link, &loaded, &[Codec::F32], &cloud);
    }
    tally.conclude("200 random architectures");
}
