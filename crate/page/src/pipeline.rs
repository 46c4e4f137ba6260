//! What a network looks like when it is cut: every operation with its tier, shape and share of the work, and every boundary
//! with the bytes that a cut there would send. All of it is derived from the plan's text and the task; the worker is not asked.

use crate::format;
use crate::state::settings::Cuts;
use cleave_arch::{
    ArchError, Codec, Connect, LinkCodec, Message, Op, Plan, Pool, Reducer, Sampler, Slot, Task, Tier, Trace,
};
use cleave_contract::Network;

/// The network that the worker holds, the plan on show, and what follows from both.
#[derive(Debug)]
pub struct Held {
    /// As the worker described it.
    pub about: Network,
    /// Who runs what.
    pub plan: Plan,
    /// The plan as it came with the network.
    own: Plan,
    trace: Trace,
}

/// One operation, or the classifier at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it does: `combine`, `aggregate max`.
    pub label: String,
    /// With what: `→ 64`, `x_i ‖ x_j − x_i`.
    pub detail: String,
    /// Its output, `1024 × 64`.
    pub shape: String,
    /// Its arithmetic.
    pub flops: u64,
    /// Who runs it.
    pub tier: Tier,
    /// Whether anybody reads what it makes.
    pub use_: Use,
}

/// Whether an operation's output is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is.
    Needed,
    /// It is not, and the operation is skipped.
    Skipped,
}

/// What a cut before one operation would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Bytes before compression with the codec in use.
    pub bytes: usize,
    /// Those of every codec: f32, f16, i8.
    pub by_codec: [usize; 3],
    /// What is in them: `features 1024 × 64, graph 1024 × 20`.
    pub content: String,
}

/// The codecs, in the order of [`Boundary::by_codec`].
pub const CODECS: [Codec; 3] = [Codec::F32, Codec::F16, Codec::I8];

impl Held {
    /// Parses the plan of a network.
    ///
    /// # Errors
    /// The architecture's own error if the text form is not one.
    pub fn new(about: Network, codec: LinkCodec) -> Result<Held, ArchError> {
        let plan: Plan = about.plan.parse()?;
        let plan = plan.with_codec(codec);
        let trace = plan.architecture().trace(&task(&about, &plan));
        Ok(Held { about, own: plan.clone(), plan, trace })
    }

    /// The same network, cut elsewhere.
    ///
    /// # Errors
    /// Says which cut is beyond the network.
    pub fn cut(self, cuts: &Cuts) -> Result<Held, ArchError> {
        let at = match cuts {
            Cuts::At(at) => at.clone(),
            Cuts::Default if self.own.cuts().is_empty() => vec![self.n_ops() / 2],
            Cuts::Default => self.own.cuts().to_vec(),
        };
        let plan = self.plan.with_cuts(at)?;
        Ok(Held { plan, ..self })
    }

    /// The same network under another plan of the same architecture.
    pub fn with_plan(&self, plan: Plan) -> Held {
        let trace = plan.architecture().trace(&task(&self.about, &plan));
        Held { about: self.about.clone(), own: self.own.clone(), plan, trace }
    }

    /// Operations without the classifier; also the last place of a cut.
    pub fn n_ops(&self) -> usize {
        self.plan.architecture().ops().len()
    }

    /// Every operation and then the classifier.
    pub fn rows(&self) -> Vec<Row> {
        rows(&self.plan, &self.trace, &task(&self.about, &self.plan))
    }

    /// Every place where the network can be cut: before each operation and before the classifier.
    pub fn boundaries(&self) -> Vec<Boundary> {
        (0..=self.n_ops()).map(|op| boundary(&self.plan, &self.trace, op)).collect()
    }

    /// Where a cut is, in words: `before 4 combine → 64`.
    pub fn place(&self, op: usize) -> String {
        match self.trace.steps.get(op) {
            Some(step) => {
                let (label, detail) = words(&step.op, self.about.k);
                format!("before {} {label} {detail}", op + 1).trim_end().to_owned()
            }
            None if op == self.n_ops() => "before the classifier".into(),
            None => "no cut: the device runs everything".into(),
        }
    }
}

/// Every operation of a plan and then the classifier.
pub fn rows(plan: &Plan, trace: &Trace, task: &Task) -> Vec<Row> {
    let steps = trace.steps.iter().enumerate().map(|(i, step)| {
        let (label, detail) = words(&step.op, task.k);
        let use_ = if step.dead { Use::Skipped } else { Use::Needed };
        Row { label, detail, shape: format::shape(step.output), flops: step.flops, tier: plan.tier_of(i), use_ }
    });
    let classifier = Row {
        label: "classify".into(),
        detail: format!("→ {}", task.n_classes),
        shape: format::shape([1, task.n_classes]),
        flops: trace.classifier.flops,
        tier: plan.tier_of_classifier(),
        use_: Use::Needed,
    };
    steps.chain([classifier]).collect()
}

/// What a cut before operation `op` sends, written as the plan says.
pub fn boundary(plan: &Plan, trace: &Trace, op: usize) -> Boundary {
    Boundary {
        bytes: trace.cut_bytes(op, plan.codec().codec),
        by_codec: CODECS.map(|codec| trace.cut_bytes(op, codec)),
        content: content(trace, op),
    }
}

fn content(trace: &Trace, op: usize) -> String {
    let name = |slot: &Slot| match slot {
        Slot::Features => "features",
        Slot::Graph => "graph",
        Slot::SkipSource => "skip source",
        Slot::Joined(_) => "kept for the join",
    };
    let live = trace.live_before(op).iter();
    live.map(|live| format!("{} {}", name(&live.slot), format::shape([live.rows, live.cols])))
        .collect::<Vec<_>>()
        .join(", ")
}

fn task(about: &Network, plan: &Plan) -> Task {
    Task {
        n_points: about.n_points,
        in_channels: about.in_channels,
        k: about.k,
        n_classes: about.classes.len(),
        graph: plan.architecture().graph_source(),
    }
}

/// An operation's name and its function, as the pipeline shows them.
fn words(op: &Op, k: usize) -> (String, String) {
    let (label, detail) = match op {
        Op::Connect(Connect::Identity) => ("identity", String::new()),
        Op::Connect(Connect::Skip) => ("skip", "+ earlier input".into()),
        Op::Combine { channels } => ("combine", format!("→ {channels}")),
        Op::Aggregate { message, reducer } => {
            return (format!("aggregate {}", reducer_word(reducer)), message_word(message).into());
        }
        Op::Sample(Sampler::Knn) => ("kNN graph", format!("k = {k}")),
        Op::Sample(Sampler::Random) => ("random graph", format!("k = {k}")),
        Op::Pool(pool) => ("pool", pool_word(pool).into()),
        Op::EdgeConv { channels } => ("edge conv", format!("→ {channels}")),
        Op::Join => ("join", "edge convs".into()),
    };
    (label.into(), detail)
}

fn reducer_word(reducer: &Reducer) -> &'static str {
    match reducer {
        Reducer::Max => "max",
        Reducer::Mean => "mean",
        Reducer::Add => "sum",
        Reducer::Min => "min",
    }
}

fn message_word(message: &Message) -> &'static str {
    match message {
        Message::Full => "xᵢ ‖ xⱼ ‖ xⱼ−xᵢ ‖ dist",
        Message::Source => "xⱼ",
        Message::TargetRelative => "xᵢ ‖ xⱼ−xᵢ",
        Message::Relative => "xⱼ−xᵢ",
        Message::Target => "xᵢ",
        Message::SourceRelative => "xⱼ ‖ xⱼ−xᵢ",
        Message::Distance => "distance",
    }
}

fn pool_word(pool: &Pool) -> &'static str {
    match pool {
        Pool::Max => "max",
        Pool::Mean => "mean",
        Pool::Add => "sum",
        Pool::MaxMean => "max ‖ mean",
        Pool::MaxAdd => "max ‖ sum",
        Pool::MeanAdd => "mean ‖ sum",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small network: kNN, aggregate 13 max (3 → 6), combine 64, pool max, classifier; ten classes.
    pub(crate) fn network(plan: &str) -> Network {
        Network {
            name: "small".into(),
            plan: plan.into(),
            n_points: 1024,
            in_channels: 3,
            k: 20,
            classes: (0..10).map(|i| format!("class {i}")).collect(),
            accuracy: None,
            params: 0,
        }
    }

    const SMALL: &str = "3 2 1 4,0 6 3 0";

    fn held(plan: &str, cuts: Cuts) -> Held {
        Held::new(network(plan), LinkCodec::default()).and_then(|held| held.cut(&cuts)).unwrap()
    }

    #[test]
    fn every_boundary_says_what_it_sends() {
        let held = held(SMALL, Cuts::Default);
        let bytes: Vec<usize> = held.boundaries().iter().map(|b| b.bytes).collect();
        // cloud; cloud and u16 graph; 13-message; 64 channels; one pooled row
        assert_eq!(bytes, [1024 * 3 * 4, 1024 * (3 * 4 + 20 * 2), 1024 * 6 * 4, 1024 * 64 * 4, 64 * 4]);
        assert_eq!(held.boundaries()[1].content, "features 1024 × 3, graph 1024 × 20");
        assert_eq!(held.boundaries()[3].by_codec, [1024 * 64 * 4, 1024 * 64 * 2, 1024 * 64 + 64 * 4]);
    }

    #[test]
    fn the_middle_is_cut_unless_the_network_says_where() {
        assert_eq!(held(SMALL, Cuts::Default).plan.cuts(), [2]);
        assert_eq!(held("3 2 1 5 4,0 6 3 0 0", Cuts::Default).plan.cuts(), [3]);
        assert_eq!(held("3 2 1 5 4,0 6 3 0 0", Cuts::At(vec![])).plan.cuts(), [0usize; 0]);
    }

    #[test]
    fn two_cuts_bring_the_work_back_to_the_device() {
        use Tier::{Device, Edge};
        let tiers: Vec<Tier> = held(SMALL, Cuts::At(vec![1, 3])).rows().iter().map(|row| row.tier).collect();
        assert_eq!(tiers, [Device, Edge, Edge, Device, Device]);
    }

    #[test]
    fn a_cut_beyond_the_network_is_refused() {
        assert!(Held::new(network(SMALL), LinkCodec::default()).unwrap().cut(&Cuts::At(vec![5])).is_err());
    }

    #[test]
    fn rows_and_places_are_told_in_words() {
        let held = held(SMALL, Cuts::Default);
        let labels: Vec<String> = held.rows().iter().map(|row| format!("{} {}", row.label, row.detail)).collect();
        assert_eq!(
            labels,
            ["kNN graph k = 20", "aggregate max xᵢ ‖ xⱼ−xᵢ", "combine → 64", "pool max", "classify → 10"]
        );
        assert_eq!(held.rows()[2].shape, "1024 × 64");
        assert_eq!(held.place(2), "before 3 combine → 64");
        assert_eq!([held.place(4), held.place(5)], ["before the classifier", "no cut: the device runs everything"]);
    }
}
