//! One function of each operation for each half of the positions: what HGNAS's first stage fixes, and what a supernet of its
//! second one is trained for.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::architecture::Architecture;
use crate::op::Op;
use crate::space::{Functions, POSITIONS};

/// Functions of connect, combine, aggregate, sample and pool. The text form is five function ids, a slash, five more:
/// `0 3 6 0 3 / 1 4 3 1 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Halves {
    /// In positions 0 to 5, communicates counted.
    pub upper: [u8; 5],
    /// In positions 6 to 11.
    pub lower: [u8; 5],
}

/// Why a text is no pair of halves.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no pair of halves: {why}; `0 3 6 0 3 / 1 4 3 1 0` is, functions of operations 0 to 4")]
pub struct HalvesError {
    text: String,
    why: String,
}

impl Halves {
    /// The function of an operation at a position; a communicate has only one.
    pub fn function(&self, position: usize, id: usize) -> usize {
        let half = if position < POSITIONS / 2 { &self.upper } else { &self.lower };
        half.get(id).copied().map_or(0, usize::from)
    }

    /// Whether an architecture has these functions, wherever communicates stand between its operations.
    pub fn holds(&self, architecture: &Architecture) -> bool {
        let (ops, half) = (architecture.ops(), POSITIONS / 2);
        let communicates = POSITIONS.saturating_sub(ops.len());
        let all = |functions: &[u8; 5], ops: &[Op]| {
            ops.iter().all(|op| functions.get(op.ids().0).is_some_and(|own| usize::from(*own) == op.ids().1))
        };
        let mut upper = half.saturating_sub(communicates)..=half.min(ops.len());
        upper.any(|n| all(&self.upper, &ops[..n]) && all(&self.lower, &ops[n..]))
    }
}

impl fmt::Display for Halves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half = |functions: &[u8; 5]| functions.map(|function| function.to_string()).join(" ");
        write!(f, "{} / {}", half(&self.upper), half(&self.lower))
    }
}

impl FromStr for Halves {
    type Err = HalvesError;

    fn from_str(text: &str) -> Result<Self, HalvesError> {
        let wrong = |why: String| HalvesError { text: text.into(), why };
        let (upper, lower) = text.split_once('/').ok_or_else(|| wrong("there is no slash".into()))?;
        let half = |text: &str| {
            let functions: Result<Vec<u8>, _> = text.split_whitespace().map(str::parse).collect();
            let functions = functions.map_err(|why| wrong(why.to_string()))?;
            let half: [u8; 5] =
                functions.try_into().map_err(|all: Vec<u8>| wrong(format!("a half has {}", all.len())))?;
            match (0..5).find(|id| usize::from(half[*id]) >= Functions::Supernet.count(*id)) {
                Some(id) => Err(wrong(format!("operation {id} has no function {} in the supernet", half[id]))),
                None => Ok(half),
            }
        };
        Ok(Self { upper: half(upper)?, lower: half(lower)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    const HALVES: Halves = Halves { upper: [0, 3, 6, 0, 3], lower: [1, 4, 3, 1, 0] };

    #[test]
    fn a_text_is_read_back_and_another_is_refused() {
        assert_eq!(HALVES.to_string(), "0 3 6 0 3 / 1 4 3 1 0");
        assert_eq!(HALVES.to_string().parse(), Ok(HALVES));
        let refused = |text: &str| text.parse::<Halves>().unwrap_err().to_string();
        assert!(refused("0 3 6 0 3").contains("there is no slash"));
        assert!(refused("0 3 6 0 / 1 4 3 1 0").contains("a half has 4"));
        assert!(refused("0 3 6 0 3 / 1 5 3 1 0").contains("operation 1 has no function 5"));
        assert!(refused("0 3 x 0 3 / 1 4 3 1 0").contains("invalid digit"));
    }

    #[test]
    fn communicates_move_the_middle() {
        let holds = |text: &str| HALVES.holds(text.parse::<Plan>().unwrap().architecture());
        // Six operations of the upper half and six of the lower, or five and six with a communicate among the first.
        assert!(holds("3 2 1 3 2 1 3 2 1 2 1 4,0 6 3 0 6 3 1 3 4 3 4 0"));
        assert!(holds("3 2 1 3 2 3 2 1 2 1 4,0 6 3 0 6 1 3 4 3 4 0"));
        assert!(!holds("3 2 1 3 2 1 3 2 1 2 1 4,0 6 3 0 6 4 1 3 4 3 4 0"));
        assert!(!holds("3 2 1 3 3 2 1 2 1 1 1 4,0 6 3 0 1 3 4 3 4 4 4 0"), "four before the middle");
    }
}
