//! Networks: known sizes, the text form, what is refused; and of schedules that everybody gets exactly what is needed, from
//! somebody who has it, over as many connections as the papers count.

#![allow(clippy::unwrap_used)] // a test that cannot go on panics

use std::collections::HashSet;

use cleave_graph::testing::random_partition;
use cleave_graph::{
    Axis, COORDINATOR, Graph, GraphError, Op, Partition, Reduce, Region, Schedule, Shape, Shares, Split, SplitMix64,
    Step, Transfer, zoo,
};

fn params(graph: &Graph) -> u64 {
    graph.parameters().iter().map(|spec| spec.len()).sum()
}

#[test]
fn known_networks_have_known_sizes() {
    let sizes = ["lenet5", "alexnet", "vgg11"].map(|name| {
        let graph = zoo::network(name).unwrap();
        let macs = graph.macs();
        (graph.operators().len(), params(&graph), macs)
    });
    // Parameters as torchvision's documentation and LeCun et al. 1998 have them (fully connected C3).
    let (lenet, alexnet, vgg) = ((5, 61_706, 416_520), (8, 61_100_840, 714_188_480), (11, 132_863_336, 7_609_090_048));
    assert_eq!(sizes, [lenet, alexnet, vgg]);
    let lrn = zoo::network("alexnet-lrn").unwrap();
    assert_eq!(lrn.operators().len(), 10);
    assert_eq!(lrn.operators()[6].output.shape, Shape { channels: 256, height: 6, width: 6 });
}

#[test]
fn weights_are_named_as_in_torchvision() {
    let names = |name: &str| -> Vec<String> {
        let specs = zoo::network(name).unwrap().parameters();
        specs.into_iter().filter_map(|spec| spec.name.strip_suffix(".weight").map(str::to_owned)).collect()
    };
    let alexnet = ["features.0", "features.3", "features.6", "features.8", "features.10"];
    let classifier = ["classifier.1", "classifier.4", "classifier.6"];
    assert_eq!(names("alexnet"), [&alexnet[..], &classifier].concat());
    let vgg = [0, 3, 6, 8, 11, 13, 16, 18].map(|at| format!("features.{at}"));
    assert_eq!(names("vgg11"), [&vgg[..], &[0, 3, 6].map(|at| format!("classifier.{at}"))].concat());
    let named: Graph = "8x3: knn 2, edgeconv 4 'op.1', combine 8 'features.2', readout max 'op.3'".parse().unwrap();
    assert_eq!(
        (0..4).map(|node| named.weights_of(node)).collect::<Vec<_>>(),
        ["features.0", "op.1", "features.2", "op.3"]
    );
    assert_eq!(named.parameters_of(1)[5].name, "op.1.norm.var");
    assert!(!named.to_string().contains("features"), "a name that the position gives is not written: {named}");
}

const RESIDUALS: [&str; 3] = [
    "3x16x16: a = conv 8 k3 p1, conv 8 k3 p1, norm, relu, b = add with a, c = conv 12 k3 s2 p1, norm of c, d = relu, \
     conv 12 k1 s2 of b, add with d, relu, globalpool, flatten, linear 5",
    "2x9x9: a = conv 4 k3 p1, b = conv 6 k3 p1, c = conv 4 k5 p2 of a, concat with b a, lrn 3, d = conv 5 k3 p1, conv 5 k3 p1, add with d, \
     maxpool 3, flatten, linear 4",
    "12x3: knn 4, a = edgeconv 8, knn 4, b = edgeconv 16, c = aggregate mean source, concat of a b c, combine 8, skip with a, \
     readout max mean, combine 16, project 3",
];

#[test]
fn texts_print_as_they_were_written() {
    for (_, text) in zoo::NETWORKS {
        let graph: Graph = text.parse().unwrap();
        let printed = graph.to_string();
        assert_eq!(printed.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(printed.parse::<Graph>().unwrap(), graph);
    }
    let texts = [
        "12x3: knn 4, a = edgeconv 8, knn 4, edgeconv 16, b = aggregate mean source, concat of a b",
        "3x16x16: a = conv 8 k3 p1, conv 8 k3 p1, norm, relu, add with a",
        "48x50 48n12: aggregate add full, random 3 s7, aggregate max distance, skip with in",
        "8x3: knn 2, edgeconv 4 'op.1', readout max mean, combine 8 'classifier.0', project 3 'classifier.1'",
    ];
    for text in texts {
        let graph: Graph = text.parse().unwrap();
        assert_eq!((graph.to_string().as_str(), graph.to_string().parse().as_ref()), (text, Ok(&graph)));
    }
    for text in RESIDUALS {
        let graph: Graph = text.parse().unwrap();
        assert_eq!(graph.to_string().parse::<Graph>().unwrap(), graph);
    }
    let named: Graph = "3x16x16: stem = conv 8 k3 p1, conv 8 k3 p1, norm, last = relu, add with stem".parse().unwrap();
    assert_eq!(named.to_string(), texts[1], "names are of no importance");
    assert_eq!(named.hash(), texts[1].parse::<Graph>().unwrap().hash());
}

#[test]
fn what_is_wrong_is_named() {
    let why = |text: &str| text.parse::<Graph>().unwrap_err().to_string();
    for (text, says) in [
        ("conv 6 k5", "write the input, a colon, the operations"),
        ("1x28y3: relu", "an input is channels×height×width"),
        ("1x28x28: convolve 6", "\"convolve 6\" is not understood; an operation is one of `conv 64 k3 s1 p1`"),
        ("1x28x28: conv 6", "a convolution needs its kernel"),
        ("1x28x28: conv 6 k5 k5", "`k` is given twice"),
        ("1x28x28: conv 6 k5, relu 3", "`3` is too much"),
        ("1x28x28: conv 6 k5 p5", "the padding must be less than the kernel"),
        ("1x28x28: conv 0 k5", "must be from 1 to 65536"),
        ("1x28x28: conv 4 k3, lrn 4", "the size must be odd"),
        ("1x4x4: conv 6 k5", "`conv 6 k5` at position 0 has a window that does not fit into a map of 1×4×4"),
        (
            "1x28x28: conv 6 k5, linear 10",
            "needs flattened features; before it are a map of 6×24×24; put flatten before it",
        ),
        ("1x28x28: conv 6 k5, flatten, linear 3, maxpool 2", "needs a map; before it are 3 flattened features"),
        ("1x28x28: conv 6 k5, add with a", "no operation before it is named `a`"),
        ("1x28x28: a = conv 6 k5, add of a", "needs two inputs at least"),
        ("1x28x28: conv 6 k5 of", "a name belongs after `of`"),
        ("1x28x28: a = conv 6 k5, conv 6 k5 of in", "nothing reads what `conv 6 k5` at position 0 makes"),
        ("2x9x9: conv 4 k3 p1, add with in", "needs values of one type; it has a map of 4×9×9 and a map of 2×9×9"),
        ("16x3: edgeconv 8", "put knn before it"),
        ("16x3: knn 17", "from 1 to the 16 nodes"),
        ("16x3: knn 4, aggregate most source", "`most` is none of max"),
        ("1x0x28: conv 6 k5", "each extent is from 1 to 4096"),
        ("4096x4096x4096: conv 65536 k3", "each extent is from 1 to 4096"),
        ("64x2048x2048: conv 65536 k3", "2^28 numbers at most"),
    ] {
        assert!(why(text).contains(says), "{text}: {}", why(text));
    }
    let unknown = zoo::network("lenet").unwrap_err().to_string();
    assert!(unknown.contains("no network \"lenet\"; there are lenet5, resnet, alexnet"), "{unknown}");
}

#[test]
fn what_is_alive_is_what_was_made_and_is_still_read() {
    let graph: Graph = RESIDUALS[0].parse().unwrap();
    let live: Vec<Vec<usize>> = (0..=graph.nodes().len()).map(|node| graph.live_before(node)).collect();
    // Value 0 is the image, value n + 1 the result of node n; the sum of node 4 is read by both branches.
    assert_eq!(live[..6], [vec![0], vec![1], vec![1, 2], vec![1, 3], vec![1, 4], vec![5]]);
    assert_eq!(live[8], [5, 8], "the input of the second branch lives while the first runs");
    assert_eq!(live.last().unwrap(), &[graph.answer()]);
}

#[test]
fn what_reads_a_result_alone_belongs_to_its_operator() {
    let graph: Graph = RESIDUALS[0].parse().unwrap();
    let names: Vec<String> = graph.operators().iter().map(|operator| operator.op.to_string()).collect();
    assert_eq!(names, ["conv 8 k3 p1", "conv 8 k3 p1", "add", "conv 12 k3 s2 p1", "conv 12 k1 s2", "add", "linear 5"]);
    let tails: Vec<usize> = graph.operators().iter().map(|operator| operator.tail.len()).collect();
    assert_eq!(tails, [0, 2, 0, 2, 0, 3, 0]);
    assert!(!graph.operators()[5].has(Axis::Rows), "a mean of all rows needs all rows");
}

#[test]
fn partitions_that_do_not_fit_are_refused() {
    let graph: Graph = "1x8x8: conv 6 k3 p1, relu, lrn 3, flatten, linear 2".parse().unwrap();
    let refused = |at: usize, step: Step| {
        let mut partition = Partition::whole(2, 3, 0);
        partition.steps[at] = step;
        Schedule::new(&graph, &partition).unwrap_err().to_string()
    };
    let shares = |units: &[usize]| Shares::new(units.to_vec());
    for (at, split, says) in [
        (0, Split::Outputs(shares(&[3, 2])), "shares [3, 2] over 2 workers; they must sum to 6 output channels"),
        (0, Split::Rows(shares(&[8])), "they must sum to 8 rows"),
        (1, Split::Inputs(shares(&[3, 3])), "(`lrn 3`) cannot be split by input"),
        (2, Split::Rows(shares(&[1, 0])), "(`linear 2`) cannot be split by row"),
        (2, Split::Alone(2), "there is no worker 2; they are numbered 0 to 1"),
    ] {
        let why = refused(at, Step::new(split));
        assert!(why.contains(says), "{why}");
    }
    let scatter = Step { split: Split::Inputs(shares(&[3, 3])), reduce: Reduce::Scatter(shares(&[1, 2])) };
    assert!(refused(2, scatter).contains("must sum to 2 output channels"));
    let steps = |workers| Schedule::new(&graph, &Partition::whole(workers, 2, 0)).unwrap_err();
    assert_eq!(steps(2), GraphError::Steps { steps: 2, operators: 3 });
    assert_eq!(steps(0), GraphError::Workers { workers: 0 });
}

/// IOP's count: a pair by output channels twice sends 2m(m−1) messages, interleaved m(m−1).
#[test]
fn a_pair_costs_as_many_connections_as_the_paper_counts() {
    let graph: Graph = "3x9x9: conv 8 k3 p1, relu, conv 8 k3 p1, relu, conv 8 k3 p1".parse().unwrap();
    for m in 2..=4 {
        let outputs = || Step::new(Split::Outputs(Shares::even(8, m)));
        let inputs = |reduce| Step { split: Split::Inputs(Shares::even(8, m)), reduce };
        let per_pair = |second: Step| {
            let partition = Partition { workers: m, steps: vec![outputs(), second, outputs()] };
            let schedule = Schedule::new(&graph, &partition).unwrap();
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
    let graph: Graph = "2x12x5: conv 4 k3 p1, relu, conv 4 k3 p1".parse().unwrap();
    let rows = || Step::new(Split::Rows(Shares::even(12, 3)));
    let schedule = Schedule::new(&graph, &Partition { workers: 3, steps: vec![rows(), rows()] }).unwrap();
    let halos: Vec<_> = schedule.stages[1].gather.iter().map(|t| (t.from, t.to, t.region.rows.clone())).collect();
    assert_eq!(halos, [(1, 0, 4..5), (0, 1, 3..4), (2, 1, 8..9), (1, 2, 7..8)]);
}

/// A residual connection whose input was gathered for the convolutions is not sent again for the sum.
#[test]
fn what_was_gathered_is_not_sent_twice() {
    let graph: Graph = "2x8x8: a = conv 4 k3 p1, conv 4 k3 p1, add with a".parse().unwrap();
    let outputs = || Step::new(Split::Outputs(Shares::even(4, 2)));
    let partition = Partition { workers: 2, steps: vec![outputs(), outputs(), outputs()] };
    let schedule = Schedule::new(&graph, &partition).unwrap();
    assert_eq!(schedule.stages.iter().map(|stage| stage.gather.len()).collect::<Vec<_>>(), [1, 2, 0]);
    // The second worker has all of `a` (4 channels of 8 × 8) until the sum.
    assert_eq!(schedule.stages[1].held[1].after_bytes, 4 * 4 * 64);
    assert_eq!(schedule.stages[2].held[1].inputs[1], Region::all(graph.value(1).shape));
}

/// Values as (channel, row) pairs.
fn cells(region: &Region) -> HashSet<(usize, usize)> {
    region.channels.clone().flat_map(|channel| region.rows.clone().map(move |row| (channel, row))).collect()
}

/// Follows every message of a schedule: whoever sends has it, whoever computes has all that it reads, and together they
/// make everything. In a chain nobody gets what it has.
fn follow(graph: &Graph, partition: &Partition) {
    let schedule = Schedule::new(graph, partition).unwrap();
    let is_chain = graph.operators().iter().all(|operator| operator.inputs.len() == 1);
    let workers = partition.workers;
    let mut made: Vec<Vec<Region>> = vec![vec![Region::default(); workers]; graph.answer() + 1];
    let mut held: Vec<Vec<HashSet<(usize, usize)>>> = vec![vec![HashSet::new(); workers]; graph.answer() + 1];
    for value in 0..graph.inputs().len() {
        made[value][COORDINATOR] = Region::all(graph.value(value).shape);
        held[value][COORDINATOR] = cells(&made[value][COORDINATOR]);
    }
    let send = |value: usize, transfer: &Transfer, made: &[Vec<Region>], held: &mut [Vec<HashSet<(usize, usize)>>]| {
        assert_ne!(transfer.from, transfer.to);
        assert!(made[value][transfer.from].contains(&transfer.region) && !transfer.region.is_empty(), "{transfer:?}");
        assert_eq!(transfer.width, graph.value(value).shape.width);
        for cell in cells(&transfer.region) {
            assert!(held[value][transfer.to].insert(cell) || !is_chain, "sent twice or in vain: {transfer:?}");
        }
    };
    for (operator, stage) in graph.operators().iter().zip(&schedule.stages) {
        for transfer in &stage.gather {
            send(operator.inputs[transfer.input], transfer, &made, &mut held);
        }
        let mut all = HashSet::new();
        for (worker, work) in stage.work.iter().enumerate() {
            let Some(work) = work else { continue };
            for (value, region) in operator.inputs.iter().zip(&work.inputs) {
                assert!(cells(region).is_subset(&held[*value][worker]), "{partition:?}");
            }
            all.extend(cells(&work.made));
        }
        let biases = stage.work.iter().flatten().filter(|work| work.bias).count();
        if stage.partial {
            assert_eq!(biases, 1);
            for (to, complete) in stage.complete.iter().enumerate().filter(|(_, region)| !region.is_empty()) {
                let partials = (0..workers).filter(|j| stage.work[*j].is_some() && *j != to);
                let sent: Vec<_> = stage.sums.iter().filter(|sum| sum.to == to).map(|sum| sum.from).collect();
                assert_eq!(sent, partials.collect::<Vec<_>>());
                assert!(stage.sums.iter().filter(|sum| sum.to == to).all(|sum| sum.region == *complete));
            }
        } else {
            assert_eq!(biases, stage.work.iter().flatten().count());
            assert!(stage.sums.is_empty());
        }
        for (worker, (complete, output)) in stage.complete.iter().zip(&stage.output).enumerate() {
            if !output.is_empty() {
                assert!(cells(complete).is_subset(&all), "{partition:?}");
                assert!(complete.contains(&operator.made_for(output)));
            }
            held[operator.result][worker] = cells(output);
        }
        made[operator.result].clone_from(&stage.output);
    }
    let answer = graph.answer();
    schedule.answer.iter().for_each(|transfer| send(answer, transfer, &made, &mut held));
    assert_eq!(held[answer][COORDINATOR], cells(&Region::all(graph.output())), "{partition:?}");
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
    for text in chains.iter().chain(&RESIDUALS) {
        let graph: Graph = text.parse().unwrap();
        (0..200).for_each(|_| follow(&graph, &random_partition(&mut rng, &graph, 4)));
    }
}

#[test]
fn shares_follow_the_largest_remainder() {
    assert_eq!(Shares::even(10, 3).units(), [4, 3, 3]);
    assert_eq!(Shares::by_weight(10, &[1.0, 2.0, 1.0]).units(), [3, 5, 2]);
    assert_eq!(Shares::by_weight(7, &[0.0, f64::NAN, -1.0]).units(), [7, 0, 0]);
    assert_eq!(Shares::by_weight(2, &[1.0, 0.0, 1.0]).ranges(), [0..1, 1..1, 1..2]);
}

#[test]
fn a_readout_by_rows_is_merged_channel_by_channel() {
    let graph: Graph = "8x3: readout max mean".parse().unwrap();
    let operator = &graph.operators()[0];
    assert!(matches!(operator.op, Op::Readout(_)) && operator.units(Axis::Inputs) == 8);
    let step = Step { split: Split::Inputs(Shares::even(8, 2)), reduce: Reduce::Direct };
    let schedule = Schedule::new(&graph, &Partition { workers: 2, steps: vec![step] }).unwrap();
    let work = schedule.stages[0].work[1].as_ref().unwrap();
    assert_eq!(
        (work.input(), &work.made),
        (&Region { channels: 0..3, rows: 4..8 }, &Region { channels: 0..6, rows: 0..1 })
    );
    assert_eq!(schedule.stages[0].sums.len(), 1, "the other's row goes to the coordinator");
}
