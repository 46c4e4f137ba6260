//! The unit that workers share: one operation that mixes channels, rows or values, and what follows it channel by channel.

use crate::graph::{Node, ValueId};
use crate::op::{Axis, Merge, Op, Part, Reduced, Sharing};
use crate::region::Region;
use crate::value::{Shape, ValueType};

/// What follows within an operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tail {
    /// Which node.
    pub node: usize,
    /// Its operation.
    pub op: Op,
    /// What it reads.
    pub input: ValueType,
}

/// An operation with its tail: inputs → made → tail → output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// Its node.
    pub node: usize,
    /// What it is.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<ValueId>,
    /// The types of that.
    pub types: Vec<ValueType>,
    /// After the operation, before the tail: where partial results become one.
    pub made: ValueType,
    /// What follows, each the only reader of what is before it.
    pub tail: Vec<Tail>,
    /// What it makes in the end.
    pub result: ValueId,
    /// The type of that.
    pub output: ValueType,
}

/// Groups nodes: what works channel by channel belongs to the operator whose result it alone reads.
pub(crate) fn group(n_inputs: usize, nodes: &[Node], values: &[ValueType]) -> Vec<Operator> {
    let readers = |value: ValueId| nodes.iter().flat_map(|node| &node.inputs).filter(|read| **read == value).count();
    let mut operators: Vec<Operator> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let (result, types) = (n_inputs + at, node.inputs.iter().map(|value| values[*value]).collect::<Vec<_>>());
        let before = match node.inputs[..] {
            [input] if node.op.operation().is_per_channel() && readers(input) == 1 => {
                operators.iter_mut().find(|operator| operator.result == input)
            }
            _ => None,
        };
        match before {
            Some(operator) => {
                operator.tail.push(Tail { node: at, op: node.op, input: types[0] });
                (operator.result, operator.output) = (result, values[result]);
            }
            None => operators.push(Operator {
                node: at,
                op: node.op,
                inputs: node.inputs.clone(),
                types,
                made: values[result],
                tail: Vec::new(),
                result,
                output: values[result],
            }),
        }
    }
    operators
}

impl Operator {
    /// How its operation is shared.
    pub fn sharing(&self) -> &dyn Sharing {
        self.op.sharing()
    }

    /// Extents of its first input.
    pub fn input(&self) -> Shape {
        self.types.first().map_or(self.made.shape, |input| input.shape)
    }

    /// Whether it can be shared along an axis.
    pub fn has(&self, axis: Axis) -> bool {
        let in_tail = self.tail.iter().all(|tail| tail.op.sharing().axes().contains(&axis));
        self.sharing().axes().contains(&axis) && (axis != Axis::Rows || in_tail)
    }

    /// What there is to share along an axis.
    pub fn units(&self, axis: Axis) -> usize {
        match (axis, self.sharing().reduced()) {
            (Axis::Outputs, _) => self.made.shape.channels,
            (Axis::Rows, _) => self.output.shape.height,
            (Axis::Inputs, Some(Reduced::Rows)) => self.input().height,
            (Axis::Inputs, _) => self.input().channels,
        }
    }

    /// How partial results become one.
    pub fn merge(&self) -> Merge {
        self.sharing().merge(&self.types)
    }

    /// The parts of the inputs that a part of what is made needs.
    pub fn needs(&self, made: &Region) -> Vec<Region> {
        let need = |input| match made.is_empty() {
            true => Region::default(),
            false => self.sharing().needs(input, &self.types, made),
        };
        (0..self.types.len()).map(need).collect()
    }

    /// The part of what is made that a part of the output needs: the tail backwards.
    pub fn made_for(&self, output: &Region) -> Region {
        if output.is_empty() {
            return Region::default();
        }
        let back = |made: Region, tail: &Tail| tail.op.sharing().needs(0, &[tail.input], &made);
        self.tail.iter().rev().fold(output.clone(), back)
    }

    /// How much it reduces of what is read: input channels, or rows of the input.
    pub fn input_units(&self, inputs: &[Region]) -> usize {
        let first = inputs.first();
        first.map_or(0, |first| match self.sharing().reduced() {
            Some(Reduced::Rows) => first.rows.len(),
            _ => first.channels.len(),
        })
    }

    /// Floating-point operations of a part of the operation that reduces so many units.
    pub fn part_flops(&self, made: &Region, units: usize) -> u64 {
        match self.sharing().reduced() {
            Some(_) => self.flops(&self.input_share(made, 0..units), made),
            None => self.flops(&self.needs(made), made),
        }
    }

    /// Floating-point operations of a part of the operation from these regions of its inputs.
    pub fn flops(&self, inputs: &[Region], made: &Region) -> u64 {
        self.sharing().flops(Part { types: &self.types, output: self.made, inputs, made })
    }

    /// All of its multiplications with addition; those of the tail are not counted.
    pub fn macs(&self) -> u64 {
        let made = Region::all(self.made.shape);
        self.flops(&self.needs(&made), &made) / 2
    }

    /// What it computes of its inputs along [`Axis::Inputs`].
    pub(crate) fn input_share(&self, made: &Region, units: std::ops::Range<usize>) -> Vec<Region> {
        let mut needs = self.needs(made);
        if let (Some(first), Some(reduced)) = (needs.first_mut(), self.sharing().reduced()) {
            match reduced {
                Reduced::Channels => first.channels = units,
                Reduced::Rows => first.rows = units,
            }
        }
        needs
    }
}
