//! Random neighbours, the same wherever they are drawn.

use std::fmt;

use super::{Axis, Misfit, Operation, Parse, Part, Sharing, knn, product};
use crate::region::Region;
use crate::text::Words;
use crate::value::ValueType;

/// Drawn anew for each `seed`; an engine holds them with the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    /// Neighbours of each node.
    pub k: usize,
    /// Another seed, other neighbours.
    pub seed: usize,
}

impl Operation for Random {
    fn output(&self, inputs: &[ValueType]) -> Result<ValueType, Misfit> {
        knn::neighbours(inputs, self.k)
    }
}

impl Sharing for Random {
    fn axes(&self) -> &'static [Axis] {
        &[Axis::Rows]
    }

    /// How many nodes there are is known without them.
    fn needs(&self, _: usize, _: &[ValueType], _: &Region) -> Region {
        Region::default()
    }

    fn held_bytes(&self, part: Part) -> u64 {
        product(&[part.made.rows.len(), self.k, 4])
    }
}

impl Parse for Random {
    const NAMES: &'static [&'static str] = &["random"];
    const EXAMPLE: &'static str = "random 20 s1";

    fn parse(_: &str, words: &mut Words) -> Result<Self, Misfit> {
        Ok(Self { k: words.number()?, seed: words.key('s').unwrap_or(0) })
    }
}

impl fmt::Display for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random {}", self.k)?;
        if self.seed != 0 { write!(f, " s{}", self.seed) } else { Ok(()) }
    }
}
