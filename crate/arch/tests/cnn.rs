//! Image networks: known sizes, the text form, what is refused; and of schedules that everybody gets exactly what is
//! needed, from somebody who has it, over as many connections as the papers count.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use cleave_arch::SplitMix64;
use cleave_arch::cnn::{
    COORDINATOR, Kind, Network, NetworkError, Partition, Reduce, Region, Schedule, Shape, Shares, Split, Step,
    Transfer, zoo,
};
use std::collections::HashSet;

fn params(network: &Network) -> u64 {
    network.parameters().iter().map(|spec| spec.len()).sum()
}

#[test]
fn known_networks_have_known_sizes() {
    let sizes = ["lenet5", "alexnet", "vgg11"].map(|name| {
        let network = zoo::network(name).unwrap();
        (network.operators().len(), params(&network), network.macs())
    });
    // Parameters as torchvision's documentation and LeCun et al. 1998 have them (fully connected C3).
    let (lenet, alexnet, vgg) = ((5, 61_706, 416_520), (8, 61_100_840, 714_188_480), (11, 132_863_336, 7_609_090_048));
    assert_eq!(sizes, [lenet, alexnet, vgg]);
    let lrn = zoo::network("alexnet-lrn").unwrap();
    assert_eq!(lrn.operators().len(), 10);
    assert_eq!(lrn.operators()[6].output, Shape { channels: 256, height: 6, width: 6 });
}

#[test]
fn weights_are_named_as_in_torchvision() {
    let names = |name: &str| -> Vec<String> {
        let specs = zoo::network(name).unwrap().parameters();
        specs.into_iter().map(|spec| spec.name).filter(|name| name.ends_with("weight")).collect()
    };
    let alexnet = ["features.0", "features.3", "features.6", "features.8", "features.10"];
    let classifier = ["classifier.1", "classifier.4", "classifier.6"];
    assert_eq!(names("alexnet"), [&alexnet[..], &classifier].concat().map_weight());
    let vgg = [0, 3, 6, 8, 11, 13, 16, 18].map(|at| format!("features.{at}"));
    let classifier = [0, 3, 6].map(|at| format!("classifier.{at}"));
    assert_eq!(names("vgg11"), [&vgg[..], &classifier].concat().map_weight());
}

trait MapWeight {
    fn map_weight(self) -> Vec<String>;
}

impl<T: AsRef<str>> MapWeight for Vec<T> {
    fn map_weight(self) -> Vec<String> {
        self.iter().map(|name| format!("{}.weight", name.as_ref())).collect()
    }
}

#[test]
fn texts_print_as_they_were_written() {
    for (_, text) in zoo::NETWORKS {
        let network: Network = text.parse().unwrap();
        let printed = network.to_string();
        assert_eq!(printed.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(printed.parse::<Network>().unwrap(), network);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let why = |text: &str| text.parse::<Network>().unwrap_err().to_string();
    for (text, says) in [
        ("conv 6 k5", "write the input, a colon, the layers"),
        ("1x28: relu", "an input is channels×height×width"),
        ("1x28x28: convolve 6", "\"convolve 6\" is not understood; a layer is `conv 64 k3 s1 p1`"),
        ("1x28x28: conv 6", "a convolution needs its kernel"),
        ("1x28x28: conv 6 k5 k5", "is not understood"),
        ("1x28x28: conv 6 k5, relu 3", "is not understood"),
        ("1x28x28: conv 6 k5 p5", "the padding must be less than the kernel"),
        ("1x28x28: conv 0 k5", "must be from 1 to 65536"),
        ("1x28x28: conv 4 k3, lrn 4", "the size must be odd"),
        ("1x4x4: conv 6 k5", "`conv 6 k5` at position 0: its window does not fit into a map of 1×4×4"),
        ("1x28x28: relu, conv 6 k5", "`relu` begins the network"),
        ("1x28x28: conv 6 k5, linear 10", "needs flattened features; before it are a map; put flatten before it"),
        ("1x28x28: conv 6 k5, flatten, linear 3, maxpool 2", "needs a map; before it are flattened features"),
        ("1x28x28: conv 6 k5, flatten, relu, linear 3", "nothing but dropout may stand between flatten (position 1)"),
        ("1x28x28: conv 6 k5, flatten", "nothing but dropout may stand between"),
        ("1x0x28: conv 6 k5", "each from 1 to 4096"),
        ("4096x4096x4096: conv 65536 k3", "2^28 numbers at most"),
    ] {
        assert!(why(text).contains(says), "{text}: {}", why(text));
    }
    let unknown = zoo::network("resnet").unwrap_err().to_string();
    assert!(unknown.contains("no network \"resnet\"; there are lenet5, alexnet"), "{unknown}");
}

#[test]
fn partitions_that_do_not_fit_are_refused() {
    let network: Network = "1x8x8: conv 6 k3 p1, relu, lrn 3, flatten, linear 2".parse().unwrap();
    let refused = |at: usize, step: Step| {
        let mut partition = Partition::whole(2, 3, 0);
        partition.steps[at] = step;
        Schedule::new(&network, &partition).unwrap_err().to_string()
    };
    let shares = |units: &[usize]| Shares::new(units.to_vec());
    for (at, split, says) in [
        (0, Split::Outputs(shares(&[3, 2])), "shares [3, 2] over 2 workers; they must sum to 6 output channels"),
        (0, Split::Rows(shares(&[8])), "they must sum to 8 rows"),
        (1, Split::Inputs(shares(&[3, 3])), "(`lrn 3`) cannot be split by input channel"),
        (2, Split::Rows(shares(&[1, 0])), "(`linear 2`) cannot be split by rows"),
        (2, Split::Alone(2), "there is no worker 2; they are numbered 0 to 1"),
    ] {
        let why = refused(at, Step::new(split));
        assert!(why.contains(says), "{why}");
    }
    let scatter = Step { split: Split::Inputs(shares(&[3, 3])), reduce: Reduce::Scatter(shares(&[1, 2])) };
    assert!(refused(2, scatter).contains("must sum to 2 output channels"));
    let steps = |workers| Schedule::new(&network, &Partition::whole(workers, 2, 0)).unwrap_err();
    assert_eq!(steps(2), NetworkError::Steps { steps: 2, operators: 3 });
    assert_eq!(steps(0), NetworkError::Workers { workers: 0 });
}

/// IOP's count: a pair by output channels twice sends 2m(m−1) messages, interleaved m(m−1).
#[test]
fn a_pair_costs_as_many_connections_as_the_paper_counts() {
    let network: Network = "3x9x9: conv 8 k3 p1, relu, conv 8 k3 p1, relu, conv 8 k3 p1".parse().unwrap();
    for m in 2..=4 {
        let outputs = || Step::new(Split::Outputs(Shares::even(8, m)));
        let inputs = |reduce| Step { split: Split::Inputs(Shares::even(8, m)), reduce };
        let per_pair = |second: Step| {
            let partition = Partition { workers: m, steps: vec![outputs(), second, outputs()] };
            let schedule = Schedule::new(&network, &partition).unwrap();
            let first = schedule.stages[0].sums.len();
            first
                + schedule.stages[1..].iter().map(|stage| stage.gather.len()).sum::<usize>()
                + schedule.stages[1].sums.len()
        };
        assert_eq!(per_pair(outputs()), 2 * m * (m - 1));
        assert_eq!(per_pair(inputs(Reduce::Direct)), m * (m - 1));
        assert_eq!(per_pair(inputs(Reduce::Root(0))), 2 * (m - 1));
        assert_eq!(per_pair(inputs(Reduce::Scatter(Shares::even(8, m)))), 2 * m * (m - 1));
    }
}

#[test]
fn rows_send_halos_to_neighbours_alone() {
    let network: Network = "2x12x5: conv 4 k3 p1, relu, conv 4 k3 p1".parse().unwrap();
    let rows = || Step::new(Split::Rows(Shares::even(12, 3)));
    let schedule = Schedule::new(&network, &Partition { workers: 3, steps: vec![rows(), rows()] }).unwrap();
    let halos: Vec<_> = schedule.stages[1].gather.iter().map(|t| (t.from, t.to, t.region.rows.clone())).collect();
    assert_eq!(halos, [(1, 0, 4..5), (0, 1, 3..4), (2, 1, 8..9), (1, 2, 7..8)]);
}

/// Values as (channel, row) pairs.
fn cells(region: &Region) -> HashSet<(usize, usize)> {
    region.channels.clone().flat_map(|channel| region.rows.clone().map(move |row| (channel, row))).collect()
}

/// Follows a gather: everyone sends what it has, and nobody gets what it has.
fn exchange(has: &[Region], transfers: &[Transfer]) -> Vec<HashSet<(usize, usize)>> {
    let mut held: Vec<_> = has.iter().map(cells).collect();
    for transfer in transfers {
        assert_ne!(transfer.from, transfer.to);
        assert!(has[transfer.from].contains(&transfer.region) && !transfer.region.is_empty());
        for cell in cells(&transfer.region) {
            assert!(held[transfer.to].insert(cell), "sent twice or in vain: {transfer:?}");
        }
    }
    held
}

fn random_shares(rng: &mut SplitMix64, units: usize, workers: usize) -> Shares {
    let weights: Vec<f64> = (0..workers).map(|_| f64::from(rng.unit_f32()) * rng.below(3) as f64).collect();
    Shares::by_weight(units, &weights)
}

fn random_partition(rng: &mut SplitMix64, network: &Network) -> Partition {
    let workers = 1 + rng.below(4);
    let step = |operator: &cleave_arch::cnn::Operator| {
        let legal: Vec<usize> = match operator.kind {
            Kind::Conv { .. } => vec![0, 1, 2, 3, 4],
            Kind::Linear => vec![0, 1, 2, 3],
            Kind::Lrn { .. } => vec![0, 1, 2, 4],
        };
        let split = match legal[rng.below(legal.len())] {
            0 => Split::Copies,
            1 => Split::Alone(rng.below(workers)),
            2 => Split::Outputs(random_shares(rng, operator.made.channels, workers)),
            3 => Split::Inputs(random_shares(rng, operator.input.channels, workers)),
            _ => Split::Rows(random_shares(rng, operator.output.height, workers)),
        };
        let reduce = match rng.below(3) {
            0 => Reduce::Direct,
            1 => Reduce::Root(rng.below(workers)),
            _ => Reduce::Scatter(random_shares(rng, operator.made.channels, workers)),
        };
        Step { split, reduce }
    };
    Partition { workers, steps: network.operators().iter().map(step).collect() }
}

#[test]
fn everybody_gets_exactly_what_is_needed() {
    let chains = [
        "3x17x13: conv 8 k5 s2 p2, relu, lrn 3, maxpool 3 s2, conv 7 k3 p1, norm, relu, maxpool 2, flatten, linear 9, relu, \
         linear 4",
        "2x11x11: conv 5 k3, relu, maxpool 3 s3, conv 6 k2 s2 p1, avgpool 2 s1, flatten, dropout, linear 3",
        "1x28x28: conv 6 k5 p2, relu, maxpool 2, conv 16 k5, relu, maxpool 2, flatten, linear 12, relu, linear 10",
    ];
    let mut rng = SplitMix64::new(5);
    for case in 0..600 {
        let network: Network = chains[case % 3].parse().unwrap();
        let partition = random_partition(&mut rng, &network);
        let schedule = Schedule::new(&network, &partition).unwrap();
        let everything = |shape| {
            (0..partition.workers).map(move |j| if j == COORDINATOR { Region::all(shape) } else { Region::default() })
        };
        let mut has: Vec<Region> = everything(network.input()).collect();
        for (operator, stage) in network.operators().iter().zip(&schedule.stages) {
            let held = exchange(&has, &stage.gather);
            let mut made = HashSet::new();
            for (held, work) in held.iter().zip(&stage.work) {
                let Some(work) = work else { continue };
                assert!(cells(&work.input).is_subset(held), "{partition:?}");
                made.extend(cells(&work.made));
            }
            let biases = stage.work.iter().flatten().filter(|work| work.bias).count();
            if stage.partial {
                assert_eq!(biases, 1);
                for (to, complete) in stage.complete.iter().enumerate().filter(|(_, region)| !region.is_empty()) {
                    let partials = (0..partition.workers).filter(|j| stage.work[*j].is_some() && *j != to);
                    let sent: Vec<_> = stage.sums.iter().filter(|sum| sum.to == to).map(|sum| sum.from).collect();
                    assert_eq!(sent, partials.collect::<Vec<_>>());
                    assert!(stage.sums.iter().filter(|sum| sum.to == to).all(|sum| sum.region == *complete));
                }
            } else {
                assert_eq!(biases, stage.work.iter().flatten().count());
                assert!(stage.sums.is_empty());
            }
            for (complete, output) in stage.complete.iter().zip(&stage.output).filter(|(_, output)| !output.is_empty())
            {
                assert!(cells(complete).is_subset(&made), "{partition:?}");
                assert!(complete.contains(&operator.made_for(output)));
            }
            has.clone_from(&stage.output);
        }
        let held = exchange(&has, &schedule.answer);
        assert_eq!(held[COORDINATOR], cells(&Region::all(network.output())), "{partition:?}");
    }
}

#[test]
fn shares_follow_the_largest_remainder() {
    assert_eq!(Shares::even(10, 3).units(), [4, 3, 3]);
    assert_eq!(Shares::by_weight(10, &[1.0, 2.0, 1.0]).units(), [3, 5, 2]);
    assert_eq!(Shares::by_weight(7, &[0.0, f64::NAN, -1.0]).units(), [7, 0, 0]);
    assert_eq!(Shares::by_weight(2, &[1.0, 0.0, 1.0]).ranges(), [0..1, 1..1, 1..2]);
}
