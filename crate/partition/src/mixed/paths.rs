//! The best chains of choices: a dynamic program over operators and the layout of their input that keeps several chains
//! at each (list Viterbi). Without limits of memory the best few are exact; with limits, half of what is kept is what
//! uses memory most evenly, because the fastest may leave no room for what comes.

use super::space::{Choice, Space};

/// A chain that ends here.
struct Node {
    choice: usize,
    before: Option<usize>,
    weight_bytes: Vec<u64>,
    other_bytes: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Label {
    ms: f64,
    node: Option<usize>,
}

/// The best chains, fastest first: one choice for each operator, at most `keep` chains. Of every exchange a part
/// `exchanged` counts.
pub(super) fn best(space: &Space, keep: usize, limits: &[Option<u64>], exchanged: f64) -> Vec<Vec<usize>> {
    let mut search = Search { keep, limits, nodes: Vec::new() };
    let mut states: Vec<Vec<Label>> =
        space.start.iter().map(|ms| vec![Label { ms: exchanged * ms, node: None }]).collect();
    for level in &space.levels {
        let ends = level.onward.first().map_or(0, Vec::len);
        let mut next = vec![Vec::new(); ends];
        for (number, choice) in level.choices.iter().enumerate() {
            for label in &states[choice.need] {
                let Some(node) = search.extended(*label, number, choice) else { continue };
                let ms = label.ms + choice.ms;
                let onward = next.iter_mut().zip(&level.onward[choice.onward]);
                onward.for_each(|(labels, more)| labels.push(Label { ms: ms + exchanged * more, node: Some(node) }));
            }
        }
        states = next.into_iter().map(|labels| search.kept(labels)).collect();
    }
    let mut ends = states.pop().unwrap_or_default();
    ends.sort_by(|a, b| a.ms.total_cmp(&b.ms));
    ends.into_iter().map(|label| search.path(label)).collect()
}

struct Search<'a> {
    keep: usize,
    limits: &'a [Option<u64>],
    nodes: Vec<Node>,
}

impl Search<'_> {
    /// The chain with one more choice, if it fits.
    fn extended(&mut self, label: Label, number: usize, choice: &Choice) -> Option<usize> {
        let mut node = Node { choice: number, before: label.node, weight_bytes: Vec::new(), other_bytes: Vec::new() };
        if self.limits.iter().any(Option::is_some) {
            (node.weight_bytes, node.other_bytes) = (choice.weight_bytes.clone(), choice.other_bytes.clone());
            if let Some(before) = label.node.map(|node| &self.nodes[node]) {
                node.weight_bytes.iter_mut().zip(&before.weight_bytes).for_each(|(sum, bytes)| *sum += bytes);
                node.other_bytes.iter_mut().zip(&before.other_bytes).for_each(|(most, b)| *most = (*most).max(*b));
            }
            let peaks = node.weight_bytes.iter().zip(&node.other_bytes).map(|(weights, other)| weights + other);
            if peaks.zip(self.limits).any(|(peak, limit)| limit.is_some_and(|limit| peak > limit)) {
                return None;
            }
        }
        self.nodes.push(node);
        Some(self.nodes.len() - 1)
    }

    fn kept(&self, mut labels: Vec<Label>) -> Vec<Label> {
        labels.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        if labels.len() > self.keep && self.limits.iter().any(Option::is_some) {
            let rest = labels.split_off(self.keep.div_ceil(2));
            let mut rest: Vec<(f64, Label)> = rest.into_iter().map(|label| (self.pressure(label), label)).collect();
            rest.sort_by(|a, b| a.0.total_cmp(&b.0));
            labels.extend(rest.into_iter().map(|(_, label)| label));
        }
        labels.truncate(self.keep);
        labels
    }

    /// The fullest worker's part of its limit.
    fn pressure(&self, label: Label) -> f64 {
        let bytes = label.node.map_or(&[][..], |node| &self.nodes[node].weight_bytes);
        let parts = bytes.iter().zip(self.limits).filter_map(|(bytes, limit)| Some(*bytes as f64 / (*limit)? as f64));
        parts.fold(0.0, f64::max)
    }

    fn path(&self, end: Label) -> Vec<usize> {
        let nodes = std::iter::successors(end.node, |node| self.nodes[*node].before);
        let mut path: Vec<usize> = nodes.map(|node| self.nodes[node].choice).collect();
        path.reverse();
        path
    }
}
