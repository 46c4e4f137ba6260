//! Shapes, FLOPs, weights, memory and liveness, against figures worked out by hand or published.

use cleave_arch::{Architecture, Codec, GraphSource, Live, Op, ParamSpec, Plan, Slot, SplitMix64, Task, Trace, space};

fn traced(text: &str, task: &Task) -> Trace {
    let plan = Plan::parse_beside(text, task.graph).expect("a valid text");
    plan.architecture().trace(task)
}

/// Four nodes of two channels, two neighbours, three classes.
const TINY: Task = Task { n_points: 4, in_channels: 2, k: 2, n_classes: 3, graph: GraphSource::Sampled };

fn shown(live: &[Live]) -> String {
    let one = |live: &Live| format!("{:?} {}x{}", live.slot, live.rows, live.cols);
    live.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check_live(text: &str, wanted: &[&str]) {
    let trace = traced(text, &TINY);
    let all: Vec<_> = (0..=trace.steps.len()).map(|op| shown(trace.live_before(op))).collect();
    assert_eq!(all, wanted, "{text}");
    assert!(trace.live_before(trace.steps.len() + 1).is_empty());
}

#[test]
fn dgcnn_has_the_published_shapes() {
    let trace = Architecture::dgcnn().trace(&Task::dgcnn40());
    let widths: Vec<_> = trace.steps.iter().map(|step| step.output[1]).collect();
    assert_eq!(widths, [3, 64, 64, 64, 64, 128, 128, 256, 512, 1024, 2048]);
    let rows: Vec<_> = trace.steps.iter().map(|step| step.output[0]).collect();
    assert_eq!((rows[9], rows[10]), (1024, 1));
    assert_eq!(trace.classifier.layers, [(2048, 512), (512, 256), (256, 40)]);
}

#[test]
fn dgcnn_has_the_published_weights() {
    let specs = Architecture::dgcnn().parameters(&Task::dgcnn40());
    let count = |keep: fn(&ParamSpec) -> bool| specs.iter().filter(|s| keep(s)).map(ParamSpec::len).sum::<u64>();
    // Published: 1,809,576, all trainable. There no linear layer in front of a norm has a bias, except the
    // classifier's second. Ours have one each, which the norm makes redundant: 64 + 64 + 128 + 256 + 1024 + 512.
    let redundant_biases = 64 + 64 + 128 + 256 + 1024 + 512;
    assert_eq!(count(ParamSpec::is_trainable), 1_809_576 + redundant_biases);
    // The file also holds the mean and variance that each norm has observed; 256 is the classifier's second.
    let observed = 2 * (redundant_biases + 256);
    assert_eq!(count(|_| true), 1_809_576 + redundant_biases + observed);
    assert_eq!(Architecture::dgcnn().trace(&Task::dgcnn40()).params(), 1_816_232);
}

#[test]
fn dgcnn_has_the_published_flops_per_edge_and_fewer_per_node() {
    let trace = Architecture::dgcnn().trace(&Task::dgcnn40());
    let knn: u64 = trace.steps.iter().filter(|s| matches!(s.op, Op::Sample(_))).map(|s| s.flops).sum();
    assert_eq!(knn, 2 * 1024 * 1024 * (3 + 64 + 64 + 128)); // 0.27 GMAC published
    let products = |input: u64, output: u64| 2 * 1024 * input * output;
    let macs = products(3, 64) + products(64, 64) + products(64, 128) + products(128, 256);
    let others = 1024 * 512 * 1024 + 2048 * 512 + 512 * 256 + 256 * 40;
    assert_eq!((20 * macs + others + 5_000_000) / 10_000_000, 239); // 2.39 GMAC published, per edge
    let reduce_and_add = 1024 * (20 + 1) * (64 + 64 + 128 + 256);
    assert_eq!(trace.flops(), knn + 2 * (macs + others) + reduce_and_add + 2 * 1024 * 1024);
}

#[test]
fn weights_have_the_documented_names_and_shapes() {
    let architecture: Architecture = "3 6 1 4,0 0 1 0".parse().unwrap();
    let specs = architecture.parameters(&TINY);
    let shown: Vec<_> = specs.iter().map(|spec| format!("{} {:?}", spec.name, spec.shape)).collect();
    assert_eq!(
        shown,
        [
            "op.1.weight [4, 8]",
            "op.1.bias [8]",
            "op.1.norm.weight [8]",
            "op.1.norm.bias [8]",
            "op.1.norm.mean [8]",
            "op.1.norm.var [8]",
            "op.2.weight [8, 16]",
            "op.2.bias [16]",
            "op.2.norm.weight [16]",
            "op.2.norm.bias [16]",
            "op.2.norm.mean [16]",
            "op.2.norm.var [16]",
            "classifier.0.weight [16, 512]",
            "classifier.0.bias [512]",
            "classifier.0.norm.weight [512]",
            "classifier.0.norm.bias [512]",
            "classifier.0.norm.mean [512]",
            "classifier.0.norm.var [512]",
            "classifier.1.weight [512, 256]",
            "classifier.1.bias [256]",
            "classifier.1.norm.weight [256]",
            "classifier.1.norm.bias [256]",
            "classifier.1.norm.mean [256]",
            "classifier.1.norm.var [256]",
            "classifier.2.weight [256, 3]",
            "classifier.2.bias [3]",
        ]
    );
}

#[test]
fn a_graph_is_live_until_its_last_reader() {
    // kNN, aggregate [x_j], combine 8, pool
    check_live(
        "3 2 1 4,0 3 0 0",
        &["Features 4x2", "Features 4x2, Graph 4x2", "Features 4x2", "Features 4x8", "Features 1x8"],
    );
    check_live("3 0 4,0 0 0", &["Features 4x2", "Features 4x2", "Features 4x2", "Features 1x2"]);
}

#[test]
fn a_given_graph_is_live_from_the_input_if_it_is_read() {
    let given = Task { graph: GraphSource::Given, ..TINY };
    let trace = traced("1 2 4,0 3 0", &given);
    assert_eq!(shown(trace.live_before(0)), "Features 4x2, Graph 4x2");
    assert_eq!(shown(trace.live_before(2)), "Features 4x8");
    let resampled = traced("3 2 4,0 3 0", &given);
    assert_eq!(shown(resampled.live_before(0)), "Features 4x2");
}

#[test]
fn a_skip_source_is_live_between_its_reader_and_the_operation_it_was_the_input_of() {
    // combine 8, identity, skip, skip, combine 16, pool
    check_live(
        "1 0 0 0 1 4,0 0 1 1 1 0",
        &[
            "Features 4x2",
            "Features 4x8, SkipSource 4x2",
            "Features 4x8, SkipSource 4x2",
            "Features 4x8, SkipSource 4x2",
            "Features 4x8",
            "Features 4x16",
            "Features 1x16",
        ],
    );
    // A pool forgets the source; a combine behind it makes a new one; a skip without a source does nothing.
    check_live(
        "0 1 4 0 1 0,1 0 0 1 1 1",
        &[
            "Features 4x2",
            "Features 4x2",
            "Features 4x8",
            "Features 1x8",
            "Features 1x8",
            "Features 1x16, SkipSource 1x8",
            "Features 1x16",
        ],
    );
}

#[test]
fn outputs_of_edge_convolutions_are_live_until_the_last_join() {
    // kNN, edge convolution 8, edge convolution 16, identity, join, pool
    check_live(
        "3 6 6 0 7 4,0 0 1 0 0 0",
        &[
            "Features 4x2",
            "Features 4x2, Graph 4x2",
            "Features 4x8, Graph 4x2",
            "Features 4x16, Joined(0) 4x8",
            "Features 4x16, Joined(0) 4x8",
            "Features 4x24",
            "Features 1x24",
        ],
    );
    // A combine after the edge convolution is joined beside it, and a second join has everything again.
    check_live(
        "3 6 1 7 7 4,0 0 1 0 0 0",
        &[
            "Features 4x2",
            "Features 4x2, Graph 4x2",
            "Features 4x8",
            "Features 4x16, Joined(0) 4x8",
            "Features 4x24, Joined(0) 4x8",
            "Features 4x32",
            "Features 1x32",
        ],
    );
}

#[test]
fn all_slots_stand_in_their_order() {
    let trace = traced("3 6 6 0 2 7 4,0 0 0 1 3 0 0", &TINY);
    let wanted = "Features 4x8, Graph 4x2, SkipSource 4x8, Joined(0) 4x8";
    assert_eq!(shown(trace.live_before(3)), wanted);
}

#[test]
fn cuts_send_what_is_live_in_the_format_of_the_link() {
    let dgcnn = Architecture::dgcnn().trace(&Task::dgcnn40());
    assert_eq!(dgcnn.cut_bytes(0, Codec::F32), 1024 * 3 * 4);
    assert_eq!(dgcnn.cut_bytes(1, Codec::F32), 1024 * 3 * 4 + 1024 * 20 * 2);
    // Before the third kNN: the second output is current, the first is kept for the join.
    assert_eq!(dgcnn.cut_bytes(4, Codec::F32), 2 * 1024 * 64 * 4);
    assert_eq!(dgcnn.cut_bytes(4, Codec::F16), 2 * 1024 * 64 * 2);
    assert_eq!(dgcnn.cut_bytes(4, Codec::I8), 2 * (1024 * 64 + 64 * 4));
    assert_eq!(dgcnn.cut_bytes(1, Codec::I8), 1024 * 3 + 3 * 4 + 1024 * 20 * 2);
    assert_eq!(dgcnn.cut_bytes(11, Codec::F32), 2048 * 4);
    let graph = Live { slot: Slot::Graph, rows: 5, cols: 2 };
    assert_eq!([Codec::F32, Codec::F16, Codec::I8].map(|codec| graph.bytes(codec)), [20; 3]);
}

#[test]
fn a_sample_that_nobody_reads_is_dead_and_free() {
    // kNN (replaced), random (read), aggregate, kNN (never read), pool
    let trace = traced("3 3 2 3 4,0 1 3 0 0", &TINY);
    let dead: Vec<_> = trace.steps.iter().map(|step| step.dead).collect();
    assert_eq!(dead, [true, false, false, true, false]);
    assert_eq!((trace.steps[0].flops, trace.steps[3].flops), (0, 0));
    assert_eq!(trace.steps[0].peak_bytes, 4 * 2 * 4);
}

#[test]
fn flops_and_memory_of_every_operation_are_those_worked_out_by_hand() {
    // kNN, aggregate full, combine 8, skip, edge convolution 16, aggregate [x_i], pool max ‖ mean
    let trace = traced("3 2 1 0 6 2 4,0 0 0 1 1 16 3", &TINY);
    let flops: Vec<_> = trace.steps.iter().map(|step| step.flops).collect();
    assert_eq!(
        flops,
        [
            2 * 4 * 4 * 2,
            4 * 2 * 2 + 4 * 2 + 4 * 2 * (3 * 2 + 1),
            2 * 4 * 7 * 8,
            4 * 7, // the source has 7 channels, the features 8
            4 * 4 * 8 * 16 + 4 * 2 * 16 + 4 * 16,
            0,
            2 * 4 * 16,
        ]
    );
    let peaks: Vec<_> = trace.steps.iter().map(|step| step.peak_bytes).collect();
    let graph = 4 * 2 * 4;
    let features = |c: u64| 4 * 4 * c;
    assert_eq!(
        peaks,
        [
            features(2) + graph + 2 * 4 * 4 + 4 * 2 * 4 + 4 * 128 * 128,
            // x_j, x_j − x_i and the distance before they stand side by side.
            features(2) + graph + features(7) + 2 * features(2) + features(1),
            features(7) + graph + features(8),
            // The source is let go before the sum and the rest stand side by side.
            features(8) + graph + 2 * features(8),
            features(8) + graph + 3 * features(16),
            features(16) + graph,
            features(16) + 32 * 4,
        ]
    );
    // Combine, both halves of the edge convolution, the classifier; each with its bias, norms folded in.
    let weights = 8 * 8 + 2 * (8 + 1) * 16 + (32 + 1) * 512 + 513 * 256 + 257 * TINY.n_classes as u64;
    assert_eq!(trace.weight_bytes(), 4 * weights);
    assert_eq!(trace.peak_bytes(), peaks[0] + 4 * weights);
}

#[test]
fn weights_of_the_trace_are_the_sum_of_the_specs_for_every_draw() {
    let mut rng = SplitMix64::new(5);
    let task = Task::modelnet10();
    for _ in 0..300 {
        let architecture = space::draw_architecture(&mut rng);
        let trace = architecture.trace(&task);
        let specs = architecture.parameters(&task);
        assert_eq!(trace.params(), specs.iter().map(ParamSpec::len).sum::<u64>(), "{architecture}");
    }
}

#[test]
fn boundaries_hold_together_for_every_draw() {
    let mut rng = SplitMix64::new(6);
    let task = Task::modelnet10();
    for _ in 0..300 {
        let architecture = space::draw_architecture(&mut rng);
        let trace = architecture.trace(&task);
        for (op, step) in trace.steps.iter().enumerate() {
            let [before, after] = [trace.live_before(op)[0], trace.live_before(op + 1)[0]];
            assert_eq!((before.slot, [before.rows, before.cols]), (Slot::Features, step.input));
            assert_eq!((after.slot, [after.rows, after.cols]), (Slot::Features, step.output));
            let has = |at, slot| trace.live_before(at).iter().any(|live| live.slot == slot);
            // Nothing is live that was neither live before nor just made.
            assert!(!has(op + 1, Slot::Graph) || has(op, Slot::Graph) || matches!(step.op, Op::Sample(_)));
            let makes_source = step.op.makes_skip_source();
            assert!(!has(op + 1, Slot::SkipSource) || has(op, Slot::SkipSource) || makes_source);
            // What an operation reads is live before it.
            assert!(!step.op.reads_graph() || has(op, Slot::Graph), "{architecture}");
        }
        assert_eq!(trace.live_before(0).len(), 1, "{architecture}");
        assert_eq!(trace.live_before(12).len(), 1, "{architecture}");
    }
}

#[test]
fn an_absurdly_wide_network_is_huge_and_not_a_crash() {
    let text = format!("3 {}4,0 {}5", "2 ".repeat(62), "0 ".repeat(62));
    let trace = traced(&text, &Task::modelnet10());
    assert_eq!((trace.flops(), trace.peak_bytes(), trace.classifier.input), (u64::MAX, u64::MAX, usize::MAX));
    assert_eq!(trace.cut_bytes(62, Codec::I8), usize::MAX);
}
