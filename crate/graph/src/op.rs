//! The operations, one file each. What the rest of the house asks of an operation is [`Operation`] and
//! [`Sharing`]; which there are stands here and nowhere else.
//!
//! A new operation is a file in `op/` that implements both, its text form, and a line in the list below. An
//! engine then needs its kernel.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::region::Region;
use crate::text::Words;
use crate::value::ValueType;

/// Along what an operation can be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Output channels.
    Outputs,
    /// What it sums (or takes the largest) over: input channels, or rows of its input.
    Inputs,
    /// Rows of its output.
    Rows,
}

/// What an operation reduces its input along; see [`Axis::Inputs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduced {
    /// Channels.
    Channels,
    /// Rows.
    Rows,
}

/// How partial results become one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// They are added.
    Sum,
    /// The largest of each channel counts in this range, in all others they are added.
    MaxWithin(Range<usize>),
}

/// Why an operation cannot stand where it does, or a text is none; the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Misfit(pub String);

impl From<&str> for Misfit {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

/// A weight: the last part of its name, and its extents.
pub type Parameter = (&'static str, Vec<usize>);

/// A part of an operation: which regions of its inputs, which region of its result.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Types of all inputs.
    pub types: &'a [ValueType],
    /// Type of the result.
    pub output: ValueType,
    /// What is read of each input.
    pub inputs: &'a [Region],
    /// What is made of the result.
    pub made: &'a Region,
}

/// What makes a graph valid. Everything is for the exact execution that the engines use; counts saturate.
pub trait Operation: fmt::Display {
    /// What it makes of these inputs.
    ///
    /// # Errors
    /// Why it cannot, as the end of a sentence: "needs a map; before it are …".
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit>;

    /// Its weights.
    fn parameters(&self, _inputs: &[ValueType]) -> Vec<Parameter> {
        Vec::new()
    }

    /// Whether a channel of its output depends on the same channel of its one input alone; it is then done by whoever has
    /// that input.
    fn is_per_channel(&self) -> bool {
        false
    }

    /// Whether it reads neighbours after features.
    fn reads_neighbours(&self) -> bool {
        false
    }
}

/// How it is shared, and what a part of it takes.
pub trait Sharing {
    /// Along what it can be shared.
    fn axes(&self) -> &'static [Axis];

    /// What it reduces, if it can be shared along that.
    fn reduced(&self) -> Option<Reduced> {
        None
    }

    /// How partial results along [`Axis::Inputs`] become one.
    fn merge(&self, _inputs: &[ValueType]) -> Merge {
        Merge::Sum
    }

    /// The region of an input that a region of the result needs, which is not empty.
    fn needs(&self, input: usize, inputs: &[ValueType], made: &Region) -> Region;

    /// Floating-point operations of a part, 2 for a multiplication with addition.
    fn flops(&self, _part: Part) -> u64 {
        0
    }

    /// What an engine holds for a part between runs, bytes: its slice of the weights as the engine wants it.
    fn held_bytes(&self, _part: Part) -> u64 {
        0
    }

    /// What an engine works in beside inputs and result, bytes.
    fn scratch_bytes(&self, _part: Part) -> u64 {
        0
    }
}

/// The text form of an operation: its names, and what follows them.
pub(crate) trait Parse: Sized {
    /// Each begins such a text.
    const NAMES: &'static [&'static str];
    /// One for a message.
    const EXAMPLE: &'static str;
    /// From what follows the name.
    fn parse(name: &str, words: &mut Words) -> Result<Self, Misfit>;
}

macro_rules! operations {
    ($($module:ident :: $Op:ident),* $(,)?) => {
        $(mod $module; pub use $module::$Op;)*

        /// An operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($Op), "`].")] $Op($Op),)*
        }

        impl Op {
            /// What it makes of what.
            pub fn operation(&self) -> &dyn Operation {
                match self { $(Self::$Op(op) => op,)* }
            }

            /// How it is shared. Apart, so that who only reads graphs does not carry it.
            pub fn sharing(&self) -> &dyn Sharing {
                match self { $(Self::$Op(op) => op,)* }
            }

            /// From a text like `conv 64 k3 p1`, without operands.
            pub(crate) fn parse(name: &str, words: &mut Words) -> Result<Self, Misfit> {
                $(if $Op::NAMES.contains(&name) { return $Op::parse(name, words).map(Self::$Op); })*
                Err(Misfit(format!("an operation is one of {}", [$($Op::EXAMPLE),*].map(|example| format!("`{example}`")).join(", "))))
            }
        }

        $(impl From<$Op> for Op { fn from(op: $Op) -> Self { Self::$Op(op) } })*
    };
}

operations! {
    conv::Conv,
    linear::Linear,
    pool::Pool,
    global_pool::GlobalPool,
    relu::Relu,
    norm::Norm,
    lrn::Lrn,
    flatten::Flatten,
    dropout::Dropout,
    add::Add,
    concat::Concat,
    knn::Knn,
    random::Random,
    aggregate::Aggregate,
    attend::Attend,
    edge_conv::EdgeConv,
    combine::Combine,
    project::Project,
    skip::Skip,
    readout::Readout,
}

pub use aggregate::{Message, Reducer};
pub use lrn::{LRN_ALPHA, LRN_BETA, LRN_K};
pub use pool::PoolKind;

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.operation().fmt(f)
    }
}

/// The one input of an operation.
fn one(inputs: &[ValueType]) -> Result<&ValueType, Misfit> {
    match inputs {
        [one] => Ok(one),
        _ => Err(Misfit(format!("needs one input and has {}", inputs.len()))),
    }
}

/// What an operation on another layout says.
fn wrong(needs: &str, found: ValueType) -> Misfit {
    Misfit(format!("needs {needs}; before it are {found}"))
}

fn product(factors: &[usize]) -> u64 {
    factors.iter().fold(1, |product, factor| product.saturating_mul(*factor as u64))
}

fn sum(terms: &[u64]) -> u64 {
    terms.iter().fold(0, |sum, term| sum.saturating_add(*term))
}

/// A linear layer with its bias, bytes.
fn linear_bytes(inputs: usize, outputs: usize) -> u64 {
    product(&[inputs.saturating_add(1), outputs, 4])
}

/// All channels of the same rows.
fn same_rows(input: &ValueType, made: &Region) -> Region {
    Region::of_rows(made.rows.clone(), input.shape)
}
