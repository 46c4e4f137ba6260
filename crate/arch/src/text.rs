//! The text form: operation ids, one comma, function ids, as GCoDE's released code writes them.
//!
//! `3 2 5 1 4,0 6 0 3 3` samples by kNN, aggregates max [x_i ‖ x_j − x_i], moves to the edge, combines to 64
//! channels and pools by max ‖ mean. `given: ` stands before a network whose input brings its graph (ours: GCoDE's code
//! leaves that to the data set): `given: 2 4,6 3`. A text that parsed prints as itself, up to the number of blanks.

use std::fmt;
use std::str::FromStr;

use crate::architecture::Architecture;
use crate::codec::LinkCodec;
use crate::error::{ArchError, shortened};
use crate::op::{Connect, MIN_CHANNELS, Message, Op, Pool, Reducer, Sampler};
use crate::plan::Plan;
use crate::task::GraphSource;

/// What a text begins with whose network's input brings the graph.
const GIVEN: &str = "given:";
const COMMUNICATE: usize = 5;
/// The function that a communicate has; there is only one.
const COMMUNICATE_FUNCTION: usize = 0;

/// Names and numbers of functions by operation id.
const OPERATIONS: [(&str, usize); 8] = [
    ("connect", 2),
    ("combine", 8),
    ("aggregate", 28),
    ("sample", 2),
    ("pool", 6),
    ("communicate", 1),
    ("edge convolution", 8),
    ("join", 1),
];

const CONNECTS: [Connect; 2] = [Connect::Identity, Connect::Skip];
const SAMPLERS: [Sampler; 2] = [Sampler::Knn, Sampler::Random];
const POOLS: [Pool; 6] = [Pool::Max, Pool::Mean, Pool::Add, Pool::MaxMean, Pool::MaxAdd, Pool::MeanAdd];
/// GCoDE's messages, in the order of its indexes.
const MESSAGES: [Message; 4] = [Message::Full, Message::Source, Message::TargetRelative, Message::Relative];
/// Those that only HGNAS has.
const MORE_MESSAGES: [Message; 3] = [Message::Target, Message::SourceRelative, Message::Distance];
/// GCoDE's three, then the one that only HGNAS has.
const REDUCERS: [Reducer; 4] = [Reducer::Max, Reducer::Mean, Reducer::Add, Reducer::Min];

impl Op {
    /// Operation id and function id of the text form.
    pub fn ids(self) -> (usize, usize) {
        match self {
            Self::Connect(connect) => (0, connect as usize),
            Self::Combine { channels } => (1, width_id(channels)),
            Self::Aggregate { message, reducer } => (2, aggregate_id(message, reducer)),
            Self::Sample(sampler) => (3, sampler as usize),
            Self::Pool(pool) => (4, pool as usize),
            Self::EdgeConv { channels } => (6, width_id(channels)),
            Self::Join => (7, 0),
        }
    }

    /// The operation with these ids; none for a communicate (5) and for ids that nobody has.
    pub fn from_ids(id: usize, function: usize) -> Option<Self> {
        let (_, n_functions) = OPERATIONS.get(id)?;
        if function >= *n_functions {
            return None;
        }
        Some(match id {
            0 => Self::Connect(CONNECTS[function]),
            1 => Self::Combine { channels: MIN_CHANNELS << function },
            2 => aggregate(function),
            3 => Self::Sample(SAMPLERS[function]),
            4 => Self::Pool(POOLS[function]),
            6 => Self::EdgeConv { channels: MIN_CHANNELS << function },
            7 => Self::Join,
            _ => return None,
        })
    }
}

/// f of 8·2^f.
fn width_id(channels: usize) -> usize {
    (channels / MIN_CHANNELS).max(1).ilog2() as usize
}

fn aggregate(function: usize) -> Op {
    let (message, reducer) = match function {
        0..12 => (MESSAGES[function / 3], REDUCERS[function % 3]),
        12..16 => (MESSAGES[function - 12], Reducer::Min),
        _ => (MORE_MESSAGES[(function - 16) / 4 % 3], REDUCERS[(function - 16) % 4]),
    };
    Op::Aggregate { message, reducer }
}

fn aggregate_id(message: Message, reducer: Reducer) -> usize {
    let (message, reducer) = (message as usize, reducer as usize);
    match (message.checked_sub(MESSAGES.len()), reducer) {
        (None, 0..3) => 3 * message + reducer,
        (None, _) => 12 + message,
        (Some(more), _) => 16 + 4 * more + reducer,
    }
}

impl Plan {
    /// Reads a text that stands beside its task: in a card, a saved search, a checkpoint, a message or a command line.
    /// Texts of before `given:` existed leave it to the task whether the input brings the graph, so the prefix may be
    /// missing here; everything else is read by [`FromStr`].
    ///
    /// # Errors
    /// [`ArchError::Source`] for a prefix that contradicts the task, else as [`FromStr`].
    pub fn parse_beside(text: &str, task: GraphSource) -> Result<Self, ArchError> {
        match text.trim_start().strip_prefix(GIVEN) {
            Some(_) if task == GraphSource::Sampled => {
                Err(ArchError::Source { found: GraphSource::Given, wanted: task })
            }
            Some(ids) => Self::of_ids(ids, GraphSource::Given),
            None => Self::of_ids(text, task),
        }
    }

    /// The two lists behind the prefix; the codec is the default one.
    fn of_ids(text: &str, graph: GraphSource) -> Result<Self, ArchError> {
        let (mut ops, mut cuts) = (Vec::new(), Vec::new());
        for (position, (id, function)) in id_pairs(text)?.into_iter().enumerate() {
            let (op, n_functions) = *OPERATIONS.get(id).ok_or(ArchError::UnknownOp { position, id })?;
            match Op::from_ids(id, function) {
                Some(op) => ops.push(op),
                None if id == COMMUNICATE && function == COMMUNICATE_FUNCTION => cuts.push(ops.len()),
                None => {
                    return Err(ArchError::UnknownFunction { position, op, function, last: n_functions - 1 });
                }
            }
        }
        let architecture = Architecture::for_graph(ops, graph).map_err(|error| error.in_text(&cuts))?;
        Self::new(architecture, cuts, LinkCodec::default())
    }
}

fn id_pairs(text: &str) -> Result<Vec<(usize, usize)>, ArchError> {
    let (ops, functions) = match text.split(',').collect::<Vec<_>>()[..] {
        [ops, functions] => (ids("operation", ops)?, ids("function", functions)?),
        ref parts => {
            return Err(ArchError::Commas { n_commas: parts.len() - 1 });
        }
    };
    if ops.len() != functions.len() {
        return Err(ArchError::LengthMismatch { n_ops: ops.len(), n_functions: functions.len() });
    }
    Ok(ops.into_iter().zip(functions).collect())
}

fn ids(list: &'static str, text: &str) -> Result<Vec<usize>, ArchError> {
    let read = |(position, token): (usize, &str)| {
        let id = token.parse::<u8>().ok().filter(|id| id.to_string() == token);
        id.map(usize::from).ok_or_else(|| ArchError::NotAnId { list, position, token: shortened(token) })
    };
    text.split_whitespace().enumerate().map(read).collect()
}

/// The inverse of printing, for either graph source; the codec is the default one. Errors have positions of the text.
impl FromStr for Plan {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        match text.trim_start().strip_prefix(GIVEN) {
            Some(ids) => Self::of_ids(ids, GraphSource::Given),
            None => Self::of_ids(text, GraphSource::Sampled),
        }
    }
}

impl FromStr for Architecture {
    type Err = ArchError;

    fn from_str(text: &str) -> Result<Self, ArchError> {
        let plan: Plan = text.parse()?;
        match plan.cuts().first() {
            Some(position) => Err(ArchError::Communicate { position: *position }),
            None => Ok(plan.architecture().clone()),
        }
    }
}

/// The text form, a communicate at every cut.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self.architecture(), self.cuts())
    }
}

/// The text form.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self, &[])
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, architecture: &Architecture, cuts: &[usize]) -> fmt::Result {
    let ops = architecture.ops();
    let mut pairs = Vec::with_capacity(ops.len() + cuts.len());
    for position in 0..=ops.len() {
        let n_here = cuts.iter().filter(|cut| **cut == position).count();
        pairs.extend(std::iter::repeat_n((COMMUNICATE, COMMUNICATE_FUNCTION), n_here));
        pairs.extend(ops.get(position).map(|op| op.ids()));
    }
    let (ids, functions): (Vec<String>, Vec<String>) =
        pairs.into_iter().map(|(id, function)| (id.to_string(), function.to_string())).unzip();
    if architecture.graph_source() == GraphSource::Given {
        write!(f, "{GIVEN} ")?;
    }
    write!(f, "{},{}", ids.join(" "), functions.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_graph::SplitMix64;

    /// Measured examples of GCoDE's authors.
    const EXAMPLES: [&str; 4] = [
        "1 5 3 2 3 2 1 2 0 2 2 4,2 0 0 6 0 6 4 6 0 6 6 3",
        "3 0 5 0 1 0 1 2 0 2 2 4,0 0 0 0 2 0 4 6 0 6 6 3",
        "1 0 0 1 3 2 1 2 5 1 0 4,2 0 0 2 0 6 4 6 0 4 0 3",
        "1 5 1 0 3 0 2 0 1 0 4 1,2 0 2 0 0 0 6 0 4 0 3 4",
    ];
    const DGCNN: &str = "3 6 3 6 3 6 3 6 7 1 4,0 3 0 3 0 4 0 5 0 7 3";

    #[test]
    fn what_parsed_prints_as_itself() {
        let placed = ["4,0", "5 4,0 0", "4 5,0 0", "5 5 4,0 0 0", "5 4 5,0 0 0", "4 5 5,0 0 0", "3 5 5 2 4,0 0 0 27 5"];
        for text in EXAMPLES.into_iter().chain([DGCNN]).chain(placed) {
            assert_eq!(text.parse::<Plan>().map(|plan| plan.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn blanks_may_be_many() {
        let plan: Plan = "  3  2\t4 ,\n0 6 3 ".parse().unwrap();
        assert_eq!(plan.to_string(), "3 2 4,0 6 3");
    }

    #[test]
    fn the_texts_mean_what_they_say() {
        let dgcnn: Architecture = DGCNN.parse().unwrap();
        assert_eq!(dgcnn, Architecture::dgcnn());
        let first: Plan = EXAMPLES[0].parse().unwrap();
        assert_eq!(first.cuts(), [1]);
        let shown: Vec<_> = first.architecture().ops()[..3].iter().map(Op::to_string).collect();
        assert_eq!(shown, ["combine 32", "sample kNN", "aggregate max [x_i ‖ x_j − x_i]"]);
        assert_eq!("4 5,0 0".parse::<Plan>().unwrap().cuts(), [1]);
        assert_eq!("5 4 5,0 0 0".parse::<Plan>().unwrap().cuts(), [0, 1]);
    }

    #[test]
    fn aggregate_indexes_are_gcodes_first_then_hgnas() {
        let shown = |function| Op::from_ids(2, function).unwrap().to_string();
        assert_eq!(shown(0), "aggregate max [x_i ‖ x_j ‖ x_j − x_i ‖ dist]");
        assert_eq!(shown(5), "aggregate add [x_j]");
        assert_eq!(shown(7), "aggregate mean [x_i ‖ x_j − x_i]");
        assert_eq!(shown(9), "aggregate max [x_j − x_i]");
        assert_eq!(shown(14), "aggregate min [x_i ‖ x_j − x_i]");
        assert_eq!(shown(16), "aggregate max [x_i]");
        assert_eq!(shown(21), "aggregate mean [x_j ‖ x_j − x_i]");
        assert_eq!(shown(27), "aggregate min [dist]");
    }

    #[test]
    fn ids_and_operations_are_one_to_one() {
        let mut n_ops = 0;
        for (id, (name, n_functions)) in OPERATIONS.into_iter().enumerate() {
            for function in 0..n_functions {
                let op = Op::from_ids(id, function);
                assert_eq!(op.map(Op::ids), (id != COMMUNICATE).then_some((id, function)));
                assert!(op.is_none_or(|op| op.name() == name));
                n_ops += usize::from(op.is_some());
            }
            assert_eq!(Op::from_ids(id, n_functions), None);
        }
        assert_eq!((n_ops, Op::from_ids(8, 0)), (2 + 8 + 28 + 2 + 6 + 8 + 1, None));
    }

    #[track_caller]
    fn check(text: &str, wanted: &[&str]) {
        let message = text.parse::<Plan>().unwrap_err().to_string();
        for part in wanted {
            assert!(message.contains(part), "`{message}` should say `{part}`");
        }
    }

    #[test]
    fn a_bad_text_says_what_where_and_what_would_be_right() {
        check("", &["0 commas", "one comma"]);
        check("4,0,0", &["2 commas"]);
        check(",", &["no operation"]);
        check("3 4,0", &["2 operation ids but 1 function ids"]);
        check("3 x 4,0 0 0", &["`x` at position 1 of the operation ids"]);
        check("3 4,0 -1", &["`-1` at position 1 of the function ids"]);
        check("3 4,0 +1", &["`+1`"]);
        check("3 4,0 01", &["`01`"]);
        check("99999999999999999999999999999 4,0 0", &["`999999999999999999999999…`"]);
        check("3 8 4,0 0 0", &["operation id 8 at position 1", "0 to 7"]);
        check("1 4,8 0", &["function id 8 at position 0", "`combine` has functions 0 to 7"]);
        check("3 2 4,0 28 0", &["function id 28 at position 1", "`aggregate` has functions 0 to 27"]);
        check("5 4,1 0", &["`communicate` has functions 0 to 0"]);
        check("5 5 5 4,0 0 0 0", &["3 communicates", "at most 2"]);
    }

    #[test]
    fn positions_in_errors_count_communicates() {
        check("5 3 4 5 3,0 0 0 0 0", &["`sample kNN` at position 4", "pool at position 2"]);
        check("5 2 4,0 0 0", &["at position 1 has no graph"]);
        check("4 5 5 4,0 0 0 0", &["second pool at position 3", "position 0 has"]);
        check("3 5 7 4,0 0 0 0", &["`join` at position 2"]);
    }

    #[test]
    fn a_given_graph_is_part_of_the_text_and_old_texts_are_read_beside_their_task() {
        check("2 4,0 0", &["no graph", "`given: `"]);
        let given: Plan = " given:2  5 4,0 0 0".parse().unwrap();
        assert_eq!(given.architecture().graph_source(), GraphSource::Given);
        assert_eq!(given.to_string(), "given: 2 5 4,0 0 0");
        for text in ["2 5 4,0 0 0", "given: 2 5 4,0 0 0"] {
            assert_eq!(Plan::parse_beside(text, GraphSource::Given).as_ref(), Ok(&given));
        }
        assert_eq!(Plan::parse_beside("3 4,0 0", GraphSource::Sampled), "3 4,0 0".parse());
        let message = Plan::parse_beside("given: 4,0", GraphSource::Sampled).unwrap_err().to_string();
        assert!(message.contains("for given graphs") && message.contains("for sampled graphs"), "{message}");
        check("given: given: 4,0", &["`given:` at position 0 of the operation ids"]);
        check("given: 3 2 4,0 28 0", &["function id 28 at position 1"]);
    }

    /// Any operations, edge convolutions and joins among them, with any cuts, on either graph source.
    #[test]
    fn every_plan_reads_what_it_prints() {
        let ops: Vec<Op> =
            (0..8).flat_map(|id| (0..28).filter_map(move |function| Op::from_ids(id, function))).collect();
        let (mut rng, mut n) = (SplitMix64::new(4), [0; 2]);
        for _ in 0..40_000 {
            let source = [GraphSource::Sampled, GraphSource::Given][rng.below(2)];
            let drawn = (0..1 + rng.below(5)).map(|_| ops[rng.below(ops.len())]).collect();
            let Ok(architecture) = Architecture::for_graph(drawn, source) else { continue };
            let mut cuts: Vec<usize> = (0..rng.below(3)).map(|_| rng.below(architecture.ops().len() + 1)).collect();
            cuts.sort_unstable();
            let plan = Plan::new(architecture, cuts, LinkCodec::default()).unwrap();
            assert_eq!(plan.to_string().parse().as_ref(), Ok(&plan), "{plan}");
            n[usize::from(source == GraphSource::Given)] += 1;
        }
        assert!(n.iter().all(|n| *n > 500), "{n:?} valid ones");
    }

    #[test]
    fn an_unplaced_network_has_no_communicate() {
        let message = "3 5 4,0 0 0".parse::<Architecture>().unwrap_err().to_string();
        assert!(message.contains("communicate at position 1"), "{message}");
    }

    #[test]
    fn length_is_bounded_without_the_communicates() {
        let text = |n: usize| format!("{}5 4,{}0 0", "0 ".repeat(n), "0 ".repeat(n));
        assert!(text(63).parse::<Plan>().is_ok());
        check(&text(64), &["65 operations", "1 to 64"]);
    }
}
