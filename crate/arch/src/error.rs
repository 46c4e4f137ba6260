//! What can be wrong with an architecture, a plan or their text form.
//!
//! Positions count from 0. In an error about a text they count the communicates too, as a person reading the text
//! would; in an error about a list of operations they index that list.

use thiserror::Error;

use cleave_graph::{GraphError, MAX_CUTS};

use crate::op::{MAX_CHANNELS, MAX_OPS, MIN_CHANNELS, Op};
use crate::task::GraphSource;

/// Why a list of operations, a placement or a text is refused: what was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArchError {
    /// A graph that is none.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A cut behind a graph's last step.
    #[error("a cut before step {cut} does not exist; there are the steps 0 to {last}")]
    NoStep {
        /// The cut given.
        cut: usize,
        /// The last step.
        last: usize,
    },
    /// Something behind a graph's `@` that is no place of a cut.
    #[error(
        "`{text}` is no place of a cut; write the number of the step before which the network is cut, as in `lenet5@2`"
    )]
    NoCut {
        /// What was written.
        text: String,
    },
    /// No operation at all.
    #[error("no operation is given; an architecture has 1 to {MAX_OPS} operations, one of them a pool")]
    Empty,
    /// More operations than [`MAX_OPS`].
    #[error("{n_ops} operations are too many; an architecture has 1 to {MAX_OPS}, communicates not counted")]
    TooLong {
        /// Operations given.
        n_ops: usize,
    },
    /// No pool.
    #[error("there is no pool; exactly one pool (operation 4) must turn the nodes into one row for the classifier")]
    NoPool,
    /// A second pool.
    #[error("second pool at position {position}; exactly one is allowed and position {first} has it already")]
    SecondPool {
        /// Where the second one stands.
        position: usize,
        /// Where the first one stands.
        first: usize,
    },
    /// A sample, aggregate, edge convolution or join after the pool.
    #[error(
        "`{op}` at position {position} follows the pool at position {pool}, where one row is left; only connect, \
         combine and communicate may follow it"
    )]
    AfterPool {
        /// Where it stands.
        position: usize,
        /// What stands there.
        op: Op,
        /// Where the pool stands.
        pool: usize,
    },
    /// An aggregate or edge convolution before any graph exists.
    #[error(
        "`{op}` at position {position} has no graph to read; put a sample (operation 3) before it, or write `given: ` \
         before a network whose input brings its graph"
    )]
    NoGraph {
        /// Where it stands.
        position: usize,
        /// What stands there.
        op: Op,
    },
    /// A join before any edge convolution.
    #[error("`join` at position {position} has nothing to join; put an edge convolution (operation 6) before it")]
    NothingToJoin {
        /// Where it stands.
        position: usize,
    },
    /// A width that has no function id.
    #[error(
        "{channels} channels at position {position}; a combine or an edge convolution has a power of two from \
         {MIN_CHANNELS} to {MAX_CHANNELS}"
    )]
    Channels {
        /// Where it stands.
        position: usize,
        /// The width given.
        channels: usize,
    },
    /// More cuts than [`MAX_CUTS`].
    #[error("{n_cuts} communicates are too many; at most {MAX_CUTS} are allowed (device → edge → device)")]
    TooManyCuts {
        /// Cuts given.
        n_cuts: usize,
    },
    /// A cut beyond the classifier.
    #[error("a cut before operation {cut} does not exist; cuts are 0 to {n_ops}, {n_ops} being before the classifier")]
    CutOutOfRange {
        /// The cut given.
        cut: usize,
        /// Operations of the architecture.
        n_ops: usize,
    },
    /// Cuts that go backwards.
    #[error("cut {second} comes after cut {first}; give cuts in the order of execution")]
    CutsOutOfOrder {
        /// The cut given first.
        first: usize,
        /// The smaller one given after it.
        second: usize,
    },
    /// Not exactly one comma.
    #[error("{n_commas} commas in the text; write the operation ids, one comma, the function ids: `3 2 4,0 6 0`")]
    Commas {
        /// Commas found.
        n_commas: usize,
    },
    /// Two lists of different length.
    #[error("{n_ops} operation ids but {n_functions} function ids; each operation has exactly one function")]
    LengthMismatch {
        /// Ids before the comma.
        n_ops: usize,
        /// Ids after the comma.
        n_functions: usize,
    },
    /// Something that is not a small number.
    #[error("`{token}` at position {position} of the {list} ids is not an id; write whole numbers separated by blanks")]
    NotAnId {
        /// "operation" or "function".
        list: &'static str,
        /// Where it stands in its list.
        position: usize,
        /// What stands there, shortened.
        token: String,
    },
    /// An operation id nobody has.
    #[error("operation id {id} at position {position} is unknown; ids are 0 to 7")]
    UnknownOp {
        /// Where it stands.
        position: usize,
        /// The id given.
        id: usize,
    },
    /// A function id this operation does not have.
    #[error("function id {function} at position {position} is unknown; `{op}` has functions 0 to {last}")]
    UnknownFunction {
        /// Where it stands.
        position: usize,
        /// Name of the operation.
        op: &'static str,
        /// The id given.
        function: usize,
        /// The largest id it has.
        last: usize,
    },
    /// A text of another graph source than the task that stands beside it.
    #[error("the network is for {found}, but its task is for {wanted}; name a network or a task that fits the other")]
    Source {
        /// The text's.
        found: GraphSource,
        /// The task's.
        wanted: GraphSource,
    },
    /// A communicate where only an architecture is wanted.
    #[error("communicate at position {position}; an architecture has none, read the text as a plan")]
    Communicate {
        /// Where it stands.
        position: usize,
    },
    /// A link codec that does not exist.
    #[error("link codec `{text}` is unknown; write f32, f16 or i8, each alone or followed by +lz4")]
    UnknownCodec {
        /// What was given, shortened.
        text: String,
    },
    /// No probe's text form.
    #[error(
        "`{text}` is no probe; write `op ID FUNCTION ROWS CHANNELS K`, `classifier CHANNELS CLASSES`, `move VALUES`, `encode CODEC VALUES` or `decode CODEC VALUES`"
    )]
    UnknownProbe {
        /// What was given, shortened.
        text: String,
    },
    /// A probe that no machine is asked to run.
    #[error("a probe of {value} {what} is not run; 1 to {most} are")]
    Probe {
        /// Which size.
        what: &'static str,
        /// Its value.
        value: usize,
        /// The largest allowed.
        most: usize,
    },
    /// A task no network can run.
    #[error("{what} is {value}; it must be {wanted}")]
    Task {
        /// Which field.
        what: &'static str,
        /// Its value.
        value: usize,
        /// What would be right.
        wanted: &'static str,
    },
}

impl ArchError {
    /// The same error with positions of a text that has a communicate before each operation in `cuts`.
    pub(crate) fn in_text(mut self, cuts: &[usize]) -> Self {
        let in_text = |p: &mut usize| *p += cuts.iter().filter(|cut| **cut <= *p).count();
        match &mut self {
            Self::SecondPool { position, first } => [position, first].into_iter().for_each(in_text),
            Self::AfterPool { position, pool, .. } => [position, pool].into_iter().for_each(in_text),
            Self::NoGraph { position, .. } | Self::NothingToJoin { position } | Self::Channels { position, .. } => {
                in_text(position);
            }
            _ => {}
        }
        self
    }
}

/// At most the first 24 characters, so that an error never repeats a long foreign text.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 24;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
