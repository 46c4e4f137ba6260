//! What a network looks like when it is cut: every step with its tier and shape, and every boundary with the bytes that
//! a cut there would send. All of it is derived from the mapping's text and the input; the worker is not asked.

use crate::format;
use crate::state::settings::Cuts;
use cleave_arch::{
    ArchError, Codec, Connect, Crossing, LinkCodec, Mapping, Message, Op, Plan, Pool, Reducer, Sampler, Slot, Task,
    Tier,
};
use cleave_contract::{Network, NetworkInput};
use cleave_graph::Shape;

/// The network that the worker holds, the mapping on show, and what follows from both.
#[derive(Debug)]
pub struct Held {
    /// As the worker described it.
    pub about: Network,
    /// Who runs what.
    pub mapping: Mapping,
    /// The mapping as it came with the network.
    own: Mapping,
}

/// One step: of an architecture an operation, or the classifier at the end; of an image network an operation with what
/// follows it channel by channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it does: `combine`, `aggregate max`, `conv`.
    pub label: String,
    /// With what: `→ 64`, `x_i ‖ x_j − x_i`, `64 k11 s4 p2 · relu · maxpool 3 s2`.
    pub detail: String,
    /// Its output, `1024 × 64`, `64 × 27 × 27`.
    pub shape: String,
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

/// What a cut before one step would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Bytes before compression with the codec in use.
    pub bytes: usize,
    /// Those of every codec: f32, f16, i8.
    pub by_codec: [usize; 3],
    /// What is in them: `features 1024 × 64, graph 1024 × 20`, `map 64 × 27 × 27`.
    pub content: String,
}

/// The codecs, in the order of [`Boundary::by_codec`].
pub const CODECS: [Codec; 3] = [Codec::F32, Codec::F16, Codec::I8];

impl Held {
    /// Parses the mapping of a network.
    ///
    /// # Errors
    /// The network's own error if the text form is not one.
    pub fn new(about: Network, codec: LinkCodec) -> Result<Held, ArchError> {
        let mapping = read(&about, &about.plan)?.with_codec(codec);
        Ok(Held { own: mapping.clone(), mapping, about })
    }

    /// The same network, cut elsewhere.
    ///
    /// # Errors
    /// Says which cut is beyond the network.
    pub fn cut(self, cuts: &Cuts) -> Result<Held, ArchError> {
        let at = match cuts {
            Cuts::At(at) => at.clone(),
            Cuts::Default if self.own.cuts().is_empty() => vec![self.last() / 2],
            Cuts::Default => self.own.cuts().to_vec(),
        };
        let mapping = self.mapping.with_cuts(at)?;
        Ok(Held { mapping, ..self })
    }

    /// The same network under another mapping of it.
    pub fn with_mapping(&self, mapping: Mapping) -> Held {
        Held { about: self.about.clone(), own: self.own.clone(), mapping }
    }

    /// The mapping that a text is, if it is of the same network.
    pub fn same(&self, text: &str) -> Option<Mapping> {
        read(&self.about, text).ok().filter(|mapping| self.mapping.is_of_same_network(mapping))
    }

    /// Whether this is its network's text without cuts.
    pub fn is_called(&self, network: &str) -> bool {
        self.mapping.network() == network
    }

    /// Extents of the image that it reads, if it reads one.
    pub fn image(&self) -> Option<Shape> {
        match self.about.input {
            NetworkInput::Image { channels, height, width } => Some(Shape { channels, height, width }),
            NetworkInput::Cloud { .. } => None,
        }
    }

    /// The last place of a cut: before the last step.
    pub fn last(&self) -> usize {
        self.mapping.n_steps() - 1
    }

    /// Every place where the network can be cut: before each step.
    pub fn boundaries(&self) -> Vec<Boundary> {
        (0..=self.last()).map(|step| boundary(&self.mapping, step)).collect()
    }

    /// Where a cut is, in words: `before 4 combine → 64`.
    pub fn place(&self, step: usize) -> String {
        match row(&self.mapping, step) {
            Some(_) if is_classifier(&self.mapping, step) => "before the classifier".into(),
            Some(Row { label, detail, .. }) => format!("before {} {label} {detail}", step + 1).trim_end().to_owned(),
            None => "no cut: the device runs everything".into(),
        }
    }
}

/// A mapping of this network by its text. Whether an architecture's first graph is given, the text says.
fn read(about: &Network, text: &str) -> Result<Mapping, ArchError> {
    let NetworkInput::Cloud { n_points, in_channels, k } = about.input else {
        return Mapping::parse(text, &Task::modelnet10());
    };
    let plan: Plan = text.parse()?;
    let graph = plan.architecture().graph_source();
    Ok(Mapping::of_plan(plan, Task { n_points, in_channels, k, n_classes: about.classes.len(), graph }))
}

fn is_classifier(mapping: &Mapping, step: usize) -> bool {
    mapping.plan().is_some() && step + 1 == mapping.n_steps()
}

/// What a cut before a step is before, shortly: `operation 4`, `the classifier`.
pub fn step_word(mapping: &Mapping, step: usize) -> String {
    if is_classifier(mapping, step) { "the classifier".into() } else { format!("operation {}", step + 1) }
}

/// Every step of a network in order.
pub fn rows(mapping: &Mapping) -> Vec<Row> {
    (0..mapping.n_steps()).filter_map(|step| row(mapping, step)).collect()
}

/// One step; none past the last.
fn row(mapping: &Mapping, step: usize) -> Option<Row> {
    let row = |(label, detail): (String, String), extents: &[usize]| {
        let (shape, tier) = (format::shape(extents), mapping.tier_of(step));
        Row { label, detail, shape, tier, use_: Use::Needed }
    };
    if let Some(graph) = mapping.graph() {
        let operator = graph.operators().get(step)?;
        let head = operator.op.to_string();
        let (label, sizes) = head.split_once(' ').unwrap_or((&head, ""));
        let tail = operator.tail.iter().map(|tail| tail.op.to_string());
        let detail: Vec<String> = [sizes.to_owned()].into_iter().chain(tail).filter(|part| !part.is_empty()).collect();
        return Some(row((label.to_owned(), detail.join(" · ")), &graph.extents(operator.result)));
    }
    let (_, trace, task) = mapping.plan()?;
    match trace.steps.get(step) {
        Some(of) => {
            let use_ = if of.dead { Use::Skipped } else { Use::Needed };
            Some(Row { use_, ..row(words(&of.op, task.k), &of.output) })
        }
        None => is_classifier(mapping, step)
            .then(|| row(("classify".into(), format!("→ {}", task.n_classes)), &[1, task.n_classes])),
    }
}

/// What a cut before a step sends, written as the mapping says.
pub fn boundary(mapping: &Mapping, step: usize) -> Boundary {
    Boundary {
        bytes: mapping.cut_bytes(step, mapping.codec().codec),
        by_codec: CODECS.map(|codec| mapping.cut_bytes(step, codec)),
        content: mapping.live_before(step).iter().map(content).collect::<Vec<_>>().join(", "),
    }
}

fn content(crossing: &Crossing) -> String {
    let name = match crossing.slot {
        Some(Slot::Features) => "features",
        Some(Slot::Graph) => "graph",
        Some(Slot::SkipSource) => "skip source",
        Some(Slot::Joined(_)) => "kept for the join",
        None if crossing.extents.len() > 2 => "map",
        None => "row",
    };
    format!("{name} {}", format::shape(&crossing.extents))
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
            input: NetworkInput::Cloud { n_points: 1024, in_channels: 3, k: 20 },
            classes: (0..10).map(|i| format!("class {i}")).collect(),
            accuracy: None,
            params: 0,
        }
    }

    /// An image network on grey images of 28 × 28.
    pub(crate) fn image_network(plan: &str) -> Network {
        Network { input: NetworkInput::Image { channels: 1, height: 28, width: 28 }, ..network(plan) }
    }

    const SMALL: &str = "3 2 1 4,0 6 3 0";

    fn held(plan: &str, cuts: Cuts) -> Held {
        let about = if Mapping::is_graph_text(plan) { image_network(plan) } else { network(plan) };
        Held::new(about, LinkCodec::default()).and_then(|held| held.cut(&cuts)).unwrap()
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
        assert_eq!(held(SMALL, Cuts::Default).mapping.cuts(), [2]);
        assert_eq!(held("3 2 1 5 4,0 6 3 0 0", Cuts::Default).mapping.cuts(), [3]);
        assert_eq!(held("3 2 1 5 4,0 6 3 0 0", Cuts::At(vec![])).mapping.cuts(), [0usize; 0]);
    }

    #[test]
    fn two_cuts_bring_the_work_back_to_the_device() {
        use Tier::{Device, Edge};
        let tiers: Vec<Tier> = rows(&held(SMALL, Cuts::At(vec![1, 3])).mapping).iter().map(|row| row.tier).collect();
        assert_eq!(tiers, [Device, Edge, Edge, Device, Device]);
    }

    #[test]
    fn a_cut_beyond_the_network_is_refused() {
        assert!(Held::new(network(SMALL), LinkCodec::default()).unwrap().cut(&Cuts::At(vec![5])).is_err());
    }

    #[test]
    fn rows_and_places_are_told_in_words() {
        let held = held(SMALL, Cuts::Default);
        let labels: Vec<String> =
            rows(&held.mapping).iter().map(|row| format!("{} {}", row.label, row.detail)).collect();
        assert_eq!(
            labels,
            ["kNN graph k = 20", "aggregate max xᵢ ‖ xⱼ−xᵢ", "combine → 64", "pool max", "classify → 10"]
        );
        assert_eq!(rows(&held.mapping)[2].shape, "1024 × 64");
        assert_eq!(held.place(2), "before 3 combine → 64");
        assert_eq!([held.place(4), held.place(5)], ["before the classifier", "no cut: the device runs everything"]);
    }

    #[test]
    fn an_image_network_is_told_by_its_operators() {
        let held = held("lenet5@2", Cuts::Default);
        let rows = rows(&held.mapping);
        let told: Vec<[&str; 3]> =
            rows.iter().map(|row| [&row.label, &row.detail, &row.shape].map(String::as_str)).collect();
        assert_eq!(
            told,
            [
                ["conv", "6 k5 p2 · relu · maxpool 2", "6 × 14 × 14"],
                ["conv", "16 k5 · relu · maxpool 2 · flatten", "16 × 5 × 5"],
                ["linear", "120 · relu", "1 × 120"],
                ["linear", "84 · relu", "1 × 84"],
                ["linear", "10", "10"],
            ]
        );
        use Tier::{Device, Edge};
        assert_eq!(rows.iter().map(|row| row.tier).collect::<Vec<_>>(), [Device, Device, Edge, Edge, Edge]);
        assert!(rows.iter().all(|row| row.use_ == Use::Needed));
        assert_eq!(
            [held.place(1), held.place(4)],
            ["before 2 conv 16 k5 · relu · maxpool 2 · flatten", "before 5 linear 10"]
        );
        assert_eq!(
            (held.place(5).as_str(), step_word(&held.mapping, 4)),
            ("no cut: the device runs everything", "operation 5".into())
        );
    }

    #[test]
    fn a_cut_of_an_image_network_sends_maps_and_rows() {
        let boundaries = held("lenet5@2", Cuts::Default).boundaries();
        let bytes: Vec<usize> = boundaries.iter().map(|boundary| boundary.bytes).collect();
        assert_eq!(bytes, [4 * 28 * 28, 4 * 6 * 14 * 14, 4 * 16 * 5 * 5, 4 * 120, 4 * 84]);
        assert_eq!(boundaries[2].by_codec, [1600, 800, 400 + 16 * 4]);
        assert_eq!([&boundaries[1].content, &boundaries[3].content], ["map 6 × 14 × 14", "row 1 × 120"]);
        // Both the latest result and what is added later.
        let boundaries = held("resnet", Cuts::Default).boundaries();
        assert_eq!(boundaries[2].content, "map 32 × 14 × 14, map 32 × 14 × 14");
    }

    #[test]
    fn an_image_network_is_cut_where_it_says_or_in_the_middle() {
        assert_eq!(held("lenet5", Cuts::Default).mapping.cuts(), [2]);
        assert_eq!(held("lenet5@1@3", Cuts::Default).mapping.to_string(), "lenet5@1@3");
        assert_eq!(held("alexnet", Cuts::At(vec![7])).mapping.cuts(), [7]);
        assert!(Held::new(image_network("lenet5"), LinkCodec::default()).unwrap().cut(&Cuts::At(vec![5])).is_err());
    }

    #[test]
    fn a_text_is_of_the_held_network_wherever_it_is_cut() {
        let image = held("lenet5@2", Cuts::Default);
        assert_eq!(image.same("lenet5@4").map(|mapping| mapping.cuts().to_vec()), Some(vec![4]));
        assert!(image.same("resnet@2").is_none() && image.same(SMALL).is_none());
        assert!(image.is_called("lenet5") && !image.is_called("lenet5@2"));
        let points = held(SMALL, Cuts::Default);
        assert!(points.same("3 2 5 1 4,0 6 0 3 0").is_some() && points.same("lenet5").is_none());
        assert!(points.is_called(SMALL));
    }
}
