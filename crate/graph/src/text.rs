//! The text form of a graph: its inputs, a colon, its operations with commas between.
//!
//! `1x28x28: conv 6 k5 p2, relu, maxpool 2, flatten, linear 10`. An operation reads the latest features, and where it wants
//! neighbours the latest of these. What else it reads has a name: `a = relu, conv 16 k3 p1, norm, add with a` adds `a` to
//! the latest features, `conv 32 k1 s2 of a` reads `a` alone. The inputs are `in`, `in1` and so on. A stride that is not
//! given is 1 for a convolution and the window for a pooling; a padding that is not given is 0. Weights are named by their
//! position as in torchvision (see [`Graph::weights_of`]), or as given: `combine 64 'op.3'`. Inputs are `3x224x224` for a
//! map, `1024x3` for 1024 nodes of 3 channels, `48n12` for 12 neighbours of each of 48 nodes.
//!
//! A text that parsed prints in one way, whatever blanks and names it had: equal graphs have equal texts, which is what
//! their hash is of.

use std::fmt;
use std::str::FromStr;

use crate::error::GraphError;
use crate::graph::{Builder, Graph, ValueId};
use crate::op::{Misfit, Op};
use crate::value::{Layout, Shape, ValueType};

/// The words after the name of an operation.
pub(crate) struct Words<'a> {
    plain: std::vec::IntoIter<&'a str>,
    keys: Vec<(char, usize)>,
}

impl<'a> Words<'a> {
    fn parse(words: &[&'a str]) -> Result<Self, Misfit> {
        let (mut plain, mut keys) = (Vec::new(), Vec::<(char, usize)>::new());
        for word in words {
            let mut rest = word.chars();
            let key = rest.next().filter(|key| matches!(key, 'k' | 's' | 'p'));
            match (key, rest.as_str().parse()) {
                (Some(key), Ok(_)) if keys.iter().any(|(known, _)| *known == key) => {
                    return Err(Misfit(format!("`{key}` is given twice")));
                }
                (Some(key), Ok(number)) => keys.push((key, number)),
                _ => plain.push(*word),
            }
        }
        Ok(Self { plain: plain.into_iter(), keys })
    }

    /// The next word.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        self.plain.next()
    }

    /// The next word as a number.
    pub(crate) fn number(&mut self) -> Result<usize, Misfit> {
        let word = self.word().ok_or("a number is missing")?;
        word.parse().map_err(|_| Misfit(format!("`{word}` is no number")))
    }

    /// A number like `k3`.
    pub(crate) fn key(&mut self, key: char) -> Option<usize> {
        let at = self.keys.iter().position(|(known, _)| *known == key)?;
        Some(self.keys.swap_remove(at).1)
    }

    fn done(mut self) -> Result<(), Misfit> {
        match (self.plain.next(), self.keys.pop()) {
            (Some(word), _) => Err(Misfit(format!("`{word}` is too much"))),
            (None, Some((key, number))) => Err(Misfit(format!("`{key}{number}` is too much"))),
            (None, None) => Ok(()),
        }
    }
}

fn wrong(found: &str, expected: impl Into<String>) -> GraphError {
    GraphError::Text { found: found.chars().take(60).collect(), expected: expected.into() }
}

impl FromStr for Graph {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Self, GraphError> {
        let (inputs, nodes) =
            text.split_once(':').ok_or_else(|| wrong(text, "write the input, a colon, the operations"))?;
        let inputs = inputs.split_whitespace().map(parse_input).collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<(String, ValueId)> = (0..inputs.len()).map(|at| (input_name(at), at)).collect();
        let mut latest = Latest::of(&inputs);
        let mut builder = Builder::new(inputs)?;
        for text in nodes.split(',') {
            let Written { name, op, operands, weights } = Written::parse(text.trim())?;
            let find = |name: &&str| {
                let known = names.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value);
                known.ok_or_else(|| wrong(text.trim(), format!("no operation before it is named `{name}`")))
            };
            let operands_are_all = operands.is_all;
            let named = operands.names.iter().map(find).collect::<Result<Vec<_>, _>>()?;
            let inputs = if operands_are_all { named } else { [latest.inputs(&op), named].concat() };
            let value = builder.add(op, inputs, weights.map(str::to_owned))?;
            latest.note(value, builder.value(value));
            if let Some(name) = name {
                names.push((name.to_owned(), value));
            }
        }
        builder.finish()
    }
}

/// What operations read that do not say so.
struct Latest {
    features: Option<ValueId>,
    neighbours: Option<ValueId>,
}

impl Latest {
    fn of(inputs: &[ValueType]) -> Self {
        let mut latest = Self { features: None, neighbours: None };
        inputs.iter().enumerate().for_each(|(at, input)| latest.note(at, *input));
        latest
    }

    fn note(&mut self, value: ValueId, of: ValueType) {
        match of.layout {
            Layout::Neighbours => self.neighbours = Some(value),
            _ => self.features = Some(value),
        }
    }

    fn inputs(&self, op: &Op) -> Vec<ValueId> {
        let neighbours = self.neighbours.filter(|_| op.operation().reads_neighbours());
        self.features.into_iter().chain(neighbours).collect()
    }
}

/// One operation as it is written.
struct Written<'a> {
    name: Option<&'a str>,
    op: Op,
    operands: Operands<'a>,
    weights: Option<&'a str>,
}

struct Operands<'a> {
    /// These, and not the latest features.
    is_all: bool,
    names: Vec<&'a str>,
}

impl<'a> Written<'a> {
    fn parse(text: &'a str) -> Result<Self, GraphError> {
        let (rest, weights) = match text.strip_suffix('\'').and_then(|text| text.rsplit_once('\'')) {
            Some((rest, weights)) => (rest, Some(weights)),
            None => (text, None),
        };
        let (name, rest) = match rest.split_once('=') {
            Some((name, rest)) => (Some(name.trim()), rest),
            None => (None, rest),
        };
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        if !name.is_none_or(is_name) {
            return Err(wrong(text, "a name has letters and digits"));
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let at = words.iter().position(|word| matches!(*word, "with" | "of")).unwrap_or(words.len());
        let operands = Operands {
            is_all: words.get(at) == Some(&"of"),
            names: words.get(at + 1..).map(<[&str]>::to_vec).unwrap_or_default(),
        };
        if operands.names.is_empty() && at < words.len() {
            return Err(wrong(text, format!("a name belongs after `{}`", words[at])));
        }
        let op = parse_op(&words[..at]).map_err(|why| wrong(text, why.to_string()))?;
        Ok(Self { name, op, operands, weights })
    }
}

fn parse_op(words: &[&str]) -> Result<Op, Misfit> {
    let [name, rest @ ..] = words else { return Err("an operation is missing".into()) };
    let mut words = Words::parse(rest)?;
    let op = Op::parse(name, &mut words)?;
    words.done()?;
    Ok(op)
}

fn parse_input(text: &str) -> Result<ValueType, GraphError> {
    let extents = |by: &[char]| -> Option<Vec<usize>> { text.split(by).map(|extent| extent.parse().ok()).collect() };
    match (extents(&['x', '×']).as_deref(), extents(&['n']).as_deref()) {
        (Some([channels, height, width]), _) => Ok(ValueType::map(*channels, *height, *width)),
        (Some([nodes, channels]), _) => Ok(ValueType::nodes(*nodes, *channels)),
        (_, Some([nodes, k])) => Ok(ValueType::neighbours(*nodes, *k)),
        _ => Err(wrong(
            text,
            "an input is channels×height×width, like 3x224x224, or nodes×channels, like 1024x3, or neighbours, like 48n12",
        )),
    }
}

fn input_name(at: usize) -> String {
    if at == 0 { "in".into() } else { format!("in{at}") }
}

/// `a` to `z`, then `a1` and so on.
fn letter(at: usize) -> String {
    let letter = char::from(b'a' + (at % 26) as u8);
    if at < 26 { letter.into() } else { format!("{letter}{}", at / 26) }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, input) in self.inputs().iter().enumerate() {
            let Shape { channels, height, width } = input.shape;
            let blank = if at == 0 { "" } else { " " };
            match input.layout {
                Layout::Map | Layout::Flat => write!(f, "{blank}{channels}x{height}x{width}")?,
                Layout::Nodes => write!(f, "{blank}{height}x{channels}")?,
                Layout::Neighbours => write!(f, "{blank}{height}n{channels}")?,
            }
        }
        f.write_str(":")?;
        let operands = self.written_operands();
        let first = self.inputs().len();
        let is_named = |value: &ValueId| operands.iter().any(|(_, values)| values.contains(value));
        let named: Vec<ValueId> = (first..=self.answer()).filter(is_named).collect();
        let place = |value: ValueId| named.iter().position(|named| *named == value);
        let name = |value: &ValueId| place(*value).map_or_else(|| input_name(*value), letter);
        for (at, (node, (word, values))) in self.nodes().iter().zip(&operands).enumerate() {
            f.write_str(if at == 0 { " " } else { ", " })?;
            if let Some(place) = place(first + at) {
                write!(f, "{} = ", letter(place))?;
            }
            write!(f, "{}", node.op)?;
            if !values.is_empty() {
                write!(f, " {word} {}", values.iter().map(name).collect::<Vec<_>>().join(" "))?;
            }
            if let Some(weights) = &node.weights {
                write!(f, " '{weights}'")?;
            }
        }
        Ok(())
    }
}

impl Graph {
    /// How each node says what it reads: `with` or `of`, and which values.
    fn written_operands(&self) -> Vec<(&'static str, Vec<ValueId>)> {
        let mut latest = Latest::of(self.inputs());
        let written = |(at, node): (usize, &crate::graph::Node)| {
            let default = latest.inputs(&node.op);
            let value = self.inputs().len() + at;
            latest.note(value, self.value(value));
            match node.inputs.strip_prefix(&default[..]) {
                Some(rest) if !default.is_empty() => ("with", rest.to_vec()),
                _ => ("of", node.inputs.clone()),
            }
        };
        self.nodes().iter().enumerate().map(written).collect()
    }
}
