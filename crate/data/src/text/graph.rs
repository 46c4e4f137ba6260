//! From words to a graph, as TextING builds it: each word is a node once, and words that stand near each other
//! anywhere in the document are neighbours.

use std::collections::BTreeMap;

use super::{DIMENSIONS, Vectors};
use crate::DataError;

/// Length of the sliding window in tokens: two words within it are neighbours.
pub const WINDOW: usize = 3;

/// Usual number of neighbours of a node. In MR 99.8 % of the nodes have no more, and 93.6 % have a number that
/// divides 12, so that each of them counts equally in a mean.
pub const NEIGHBOURS: usize = 12;

/// A document as a graph of its words.
#[derive(Debug, Clone, PartialEq)]
pub struct TextGraph {
    /// The words in order of their first occurrence, `[n]`.
    pub words: Vec<String>,
    /// Their vectors, flat `[n, 50]`.
    pub features: Vec<f32>,
    /// Indices of the neighbours of each, flat `[n, k]`.
    pub neighbours: Vec<u32>,
    /// Number of nodes, at least one.
    pub n: usize,
    /// Entries of `neighbours` for each node.
    pub k: usize,
}

/// Nodes of a document for a network, which has room for a fixed number of them: MR's longest has 46.
pub const NODES: usize = 48;

impl TextGraph {
    /// The same graph with `n` nodes. Of a shorter one the nodes are repeated from the first on, as if the document had
    /// been said again: a maximum over them is exact, a mean counts some words once more than others. Of a longer one the
    /// last nodes are left out.
    pub fn sized(&self, n: usize) -> Self {
        let row = |node: usize| {
            let row = &self.neighbours[node * self.k..][..self.k];
            filled(row.iter().copied().filter(|other| (*other as usize) < n).collect(), node as u32, self.k)
        };
        let nodes = || (0..n).map(|i| i % self.n);
        Self {
            words: nodes().map(|node| self.words[node].clone()).collect(),
            features: nodes().flat_map(|node| &self.features[node * DIMENSIONS..][..DIMENSIONS]).copied().collect(),
            neighbours: nodes().flat_map(row).collect(),
            n,
            k: self.k,
        }
    }
}

/// Builds the graph of a document: both directions, no weights, no node its own neighbour.
///
/// The engine wants exactly `k` neighbours for each node: a row repeats a node's neighbours, in order of their first
/// co-occurrence, until it is full. A maximum over them is exact, a mean where their number divides `k`. Of more
/// than `k` the last are left out; a node without any, the only word of its document, has itself.
///
/// # Errors
/// [`DataError::NoWords`] without a token.
pub fn graph<T: AsRef<str>>(tokens: &[T], vectors: &Vectors, k: usize) -> Result<TextGraph, DataError> {
    let (words, sequence) = nodes(tokens);
    if words.is_empty() {
        return Err(DataError::NoWords);
    }
    let neighbours = co_occurrences(&sequence, words.len(), k);
    Ok(TextGraph {
        features: words.iter().flat_map(|word| vectors.vector(word)).collect(),
        neighbours: (0u32..).zip(neighbours).flat_map(|(node, row)| filled(row, node, k)).collect(),
        n: words.len(),
        k,
        words,
    })
}

/// Each word once, and the node of each token.
fn nodes<T: AsRef<str>>(tokens: &[T]) -> (Vec<String>, Vec<u32>) {
    let mut words: Vec<String> = Vec::new();
    let mut known = BTreeMap::new();
    let mut sequence = Vec::with_capacity(tokens.len());
    for token in tokens.iter().map(AsRef::as_ref) {
        let node = *known.entry(token).or_insert(words.len() as u32);
        if node as usize == words.len() {
            words.push(token.to_owned());
        }
        sequence.push(node);
    }
    (words, sequence)
}

/// For each of `n` nodes at most `limit` others that share a window with it, in order of the first such window.
fn co_occurrences(sequence: &[u32], n: usize, limit: usize) -> Vec<Vec<u32>> {
    let mut rows = vec![Vec::new(); n];
    let mut add = |node: u32, other: u32| {
        let row: &mut Vec<u32> = &mut rows[node as usize];
        if node != other && row.len() < limit && !row.contains(&other) {
            row.push(other);
        }
    };
    for (at, &node) in sequence.iter().enumerate() {
        for &before in &sequence[at.saturating_sub(WINDOW - 1)..at] {
            add(node, before);
            add(before, node);
        }
    }
    rows
}

/// The row repeated to `k` entries. A node without neighbours has itself.
fn filled(row: Vec<u32>, node: u32, k: usize) -> impl Iterator<Item = u32> {
    let row = if row.is_empty() { vec![node] } else { row };
    (0..k).map(move |i| row[i % row.len()])
}
