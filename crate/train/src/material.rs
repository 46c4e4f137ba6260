//! What is learned from: labelled samples of a task, point clouds or text graphs, as they are and as training alters them.

use crate::evaluate::logits;
use crate::{Augment, TrainError};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cleave_arch::array::softmax;
use cleave_arch::{GraphSource, SplitMix64, Task};
use cleave_data::modelnet::Dataset;
use cleave_data::text::{DIMENSIONS, Document, NEIGHBOURS, NODES, TextGraph, Vectors, graph};
use cleave_model::{Gnn, State, WordVectors};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Flat `[n, channels]`.
    pub features: Vec<f32>,
    /// Flat `[n, k]` where the task's graph is given, else empty.
    pub neighbours: Vec<i32>,
    /// Of a text which word stands at each node, `[n]`, [`BLANK`] for none; else empty.
    pub words: Vec<u32>,
}

/// No word.
pub const BLANK: u32 = u32::MAX;

/// Labelled samples.
pub trait Material: Sync {
    /// Class of every sample.
    fn labels(&self) -> &[u8];

    /// Names of the classes.
    fn classes(&self) -> &[String];

    /// Nodes and channels of a sample, and whether it brings its graph.
    fn form(&self) -> (usize, usize, GraphSource);

    /// A sample as it is.
    fn sample(&self, index: usize) -> Sample;

    /// A sample as training sees it, a function of the seed; `n` nodes of it.
    fn altered(&self, index: usize, n: usize, augment: &Augment, seed: u64) -> Sample;

    /// What a teacher says of a sample: a probability for every class.
    fn taught(&self, _index: usize) -> Option<&[f32]> {
        None
    }

    /// At most `n` samples, spread evenly over the set; of clouds only the first `points` points.
    fn spread(&self, n: usize, points: usize) -> Box<dyn Material>;

    /// Refuses what a network of this task cannot read.
    ///
    /// # Errors
    /// [`TrainError::Data`] with what is there and what is needed.
    fn check(&self, task: &Task) -> Result<(), TrainError> {
        let words = |(nodes, channels, graph): (usize, usize, GraphSource), n_classes: usize| {
            let graph = if graph == GraphSource::Given { "a graph" } else { "no graph" };
            format!("{nodes} nodes with {channels} channels, {graph} and {n_classes} classes")
        };
        let needed = (task.n_points, task.in_channels, task.graph);
        if (self.form(), self.classes().len()) == (needed, task.n_classes) {
            return Ok(());
        }
        Err(TrainError::Data {
            found: words(self.form(), self.classes().len()),
            expected: words(needed, task.n_classes),
        })
    }
}

/// Samples with what a teacher says of each (knowledge distillation; Hinton, Vinyals and Dean 2015).
pub struct Taught<'a> {
    material: &'a dyn Material,
    probabilities: Vec<Vec<f32>>,
}

impl<'a> Taught<'a> {
    /// Asks a trained network about every sample as it is, once. Logits are divided by the temperature.
    ///
    /// # Errors
    /// Samples that the teacher cannot read.
    pub fn new(material: &'a dyn Material, teacher: &Gnn, temperature: f32) -> Result<Self, TrainError> {
        let logits = logits(teacher, material)?;
        let probability = |row: &[f32]| softmax(&row.iter().map(|logit| logit / temperature).collect::<Vec<_>>());
        Ok(Self { material, probabilities: logits.chunks_exact(teacher.task().n_classes).map(probability).collect() })
    }
}

impl Material for Taught<'_> {
    fn labels(&self) -> &[u8] {
        self.material.labels()
    }

    fn classes(&self) -> &[String] {
        self.material.classes()
    }

    fn form(&self) -> (usize, usize, GraphSource) {
        self.material.form()
    }

    fn sample(&self, index: usize) -> Sample {
        self.material.sample(index)
    }

    fn altered(&self, index: usize, n: usize, augment: &Augment, seed: u64) -> Sample {
        self.material.altered(index, n, augment, seed)
    }

    fn taught(&self, index: usize) -> Option<&[f32]> {
        self.probabilities.get(index).map(Vec::as_slice)
    }

    fn spread(&self, n: usize, points: usize) -> Box<dyn Material> {
        self.material.spread(n, points)
    }
}

/// Samples side by side as what a network starts from: features `[b, n, channels]`, the graph `[b, n, k]` if given.
pub fn state(samples: &[Sample], n: usize, device: &Device) -> State {
    let side_by_side = samples.iter().flat_map(|sample| sample.features.iter().copied()).collect::<Vec<_>>();
    let (b, per_node) = (samples.len(), side_by_side.len() / (samples.len() * n).max(1));
    let features = Tensor::from_data(TensorData::new(side_by_side, [b, n, per_node]), device);
    let neighbours = samples.iter().flat_map(|sample| sample.neighbours.iter().copied()).collect::<Vec<_>>();
    if neighbours.is_empty() {
        return State::input(features);
    }
    let k = neighbours.len() / (b * n).max(1);
    let graph = Tensor::<3, Int>::from_data(TensorData::new(neighbours, [b, n, k]), device);
    State::with_graph(features, graph)
}

impl Material for Dataset {
    fn labels(&self) -> &[u8] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn form(&self) -> (usize, usize, GraphSource) {
        (self.n_points, 3, GraphSource::Sampled)
    }

    fn sample(&self, index: usize) -> Sample {
        Sample { features: self.cloud(index).unwrap_or_default().to_vec(), neighbours: Vec::new(), words: Vec::new() }
    }

    fn altered(&self, index: usize, n: usize, augment: &Augment, seed: u64) -> Sample {
        let features = augment.apply(self.cloud(index).unwrap_or_default(), n, seed);
        Sample { features, neighbours: Vec::new(), words: Vec::new() }
    }

    fn spread(&self, n: usize, points: usize) -> Box<dyn Material> {
        Box::new(Self::spread(self, n).thinned(points))
    }
}

/// The words of a corpus with their vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    words: BTreeMap<String, u32>,
    /// Flat `[words, 50]`, in the order of the words.
    pub vectors: Vec<f32>,
}

impl Vocabulary {
    /// Every word of the documents, with its vector.
    pub fn new<'a>(documents: impl IntoIterator<Item = &'a Document>, vectors: &Vectors) -> Self {
        let words: BTreeSet<&String> = documents.into_iter().flat_map(|document| &document.tokens).collect();
        Self {
            vectors: words.iter().flat_map(|word| vectors.vector(word)).collect(),
            words: words.into_iter().cloned().zip(0..).collect(),
        }
    }

    /// Takes trained vectors in, of those words that it has.
    ///
    /// # Errors
    /// Vectors of another size.
    pub fn take(&mut self, trained: &WordVectors) -> Result<(), TrainError> {
        if trained.channels() != DIMENSIONS {
            let found = format!("vectors of {} numbers", trained.channels());
            return Err(TrainError::Data { found, expected: format!("{DIMENSIONS}") });
        }
        for (word, vector) in trained.words.iter().zip(trained.vectors.chunks_exact(DIMENSIONS)) {
            if let Some(word) = self.words.get(word) {
                self.vectors[*word as usize * DIMENSIONS..][..DIMENSIONS].copy_from_slice(vector);
            }
        }
        Ok(())
    }

    /// The words of some texts, to be kept.
    pub fn of(&self, texts: &Texts) -> WordVectors {
        let used: BTreeSet<u32> = texts.words.iter().flatten().copied().collect();
        let used = self.words.iter().filter(|(_, word)| used.contains(word));
        let (words, vectors): (Vec<String>, Vec<&[f32]>) =
            used.map(|(text, word)| (text.clone(), self.vector(*word))).unzip();
        WordVectors { words, vectors: vectors.concat() }
    }

    fn vector(&self, word: u32) -> &[f32] {
        &self.vectors[word as usize * DIMENSIONS..][..DIMENSIONS]
    }
}

/// Documents as graphs of [`NODES`] words.
#[derive(Clone, Debug)]
pub struct Texts {
    vocabulary: Arc<Vocabulary>,
    /// The words of every document's nodes.
    words: Vec<Vec<u32>>,
    /// Flat `[n, k]` of every document.
    neighbours: Vec<Vec<u32>>,
    labels: Vec<u8>,
    classes: Vec<String>,
}

impl Texts {
    /// Builds every graph.
    ///
    /// # Errors
    /// A document without words.
    pub fn new(documents: &[&Document], vocabulary: Arc<Vocabulary>) -> Result<Self, TrainError> {
        let build = |document: &&Document| Ok(graph(&document.tokens, &Vectors::default(), NEIGHBOURS)?.sized(NODES));
        let graphs: Vec<TextGraph> = documents.par_iter().map(build).collect::<Result<_, TrainError>>()?;
        let word = |word: &String| vocabulary.words.get(word).copied().unwrap_or(BLANK);
        Ok(Self {
            words: graphs.iter().map(|graph| graph.words.iter().map(word).collect()).collect(),
            neighbours: graphs.into_iter().map(|graph| graph.neighbours).collect(),
            labels: documents.iter().map(|document| document.label).collect(),
            classes: cleave_data::text::CLASSES.map(str::to_owned).to_vec(),
            vocabulary,
        })
    }

    /// The same documents with other vectors.
    pub fn with_vectors(&self, vectors: Vec<f32>) -> Self {
        let vocabulary = Vocabulary { words: self.vocabulary.words.clone(), vectors };
        Self { vocabulary: Arc::new(vocabulary), ..self.clone() }
    }

    /// Its words.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn with_words(&self, index: usize, words: Vec<u32>) -> Sample {
        Sample {
            features: features(&self.vocabulary.vectors, &words),
            neighbours: self.neighbours[index].iter().map(|other| *other as i32).collect(),
            words,
        }
    }
}

/// The vectors of some words side by side; zeros for a blank.
pub(crate) fn features(vectors: &[f32], words: &[u32]) -> Vec<f32> {
    let vector = |word: &u32| match *word {
        BLANK => &[0.0; DIMENSIONS][..],
        word => &vectors[word as usize * DIMENSIONS..][..DIMENSIONS],
    };
    words.iter().flat_map(vector).copied().collect()
}

impl Material for Texts {
    fn labels(&self) -> &[u8] {
        &self.labels
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn form(&self) -> (usize, usize, GraphSource) {
        (NODES, DIMENSIONS, GraphSource::Given)
    }

    fn sample(&self, index: usize) -> Sample {
        self.with_words(index, self.words[index].clone())
    }

    /// Some words say nothing: their vectors are 0 wherever they stand. All nodes are kept.
    fn altered(&self, index: usize, _: usize, augment: &Augment, seed: u64) -> Sample {
        let is_blank = |word: u32| {
            SplitMix64::new(seed ^ SplitMix64::new(word.into()).next_u64()).between(0.0, 1.0) < f64::from(augment.blank)
        };
        let words = self.words[index].iter().map(|word| if is_blank(*word) { BLANK } else { *word });
        self.with_words(index, words.collect())
    }

    fn spread(&self, n: usize, _: usize) -> Box<dyn Material> {
        let n = n.min(self.labels.len());
        let at = |i: usize| i * self.labels.len() / n.max(1);
        Box::new(Self {
            vocabulary: Arc::clone(&self.vocabulary),
            words: (0..n).map(|i| self.words[at(i)].clone()).collect(),
            neighbours: (0..n).map(|i| self.neighbours[at(i)].clone()).collect(),
            labels: (0..n).map(|i| self.labels[at(i)]).collect(),
            classes: self.classes.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cleave_data::text::Part;

    fn texts() -> Texts {
        let document = |words: &str, label| Document {
            tokens: words.split(' ').map(str::to_owned).collect(),
            label,
            part: Part::Train,
        };
        let documents = [document("a fine film", 1), document("dull and long", 0), document("a film", 1)];
        let vocabulary = Arc::new(Vocabulary::new(&documents, &Vectors::default()));
        Texts::new(&documents.iter().collect::<Vec<_>>(), vocabulary).unwrap()
    }

    #[test]
    fn a_text_has_the_tasks_form_and_another_task_is_refused() {
        let texts = texts();
        assert_eq!(texts.check(&Task::mr()), Ok(()));
        let refused = texts.check(&Task::modelnet10()).unwrap_err().to_string();
        assert!(refused.contains("48 nodes with 50 channels, a graph and 2 classes"), "{refused}");
        let sample = texts.sample(0);
        assert_eq!((sample.features.len(), sample.neighbours.len()), (48 * 50, 48 * 12));
        assert_eq!(texts.spread(2, 48).labels(), [1, 0]);
    }

    #[test]
    fn trained_vectors_are_kept_by_word() {
        let texts = texts();
        let mut kept = texts.vocabulary().of(&texts);
        assert_eq!(kept.words, ["a", "and", "dull", "film", "fine", "long"]);
        assert_eq!(kept.vectors, texts.vocabulary().vectors);
        kept.vectors.fill(0.5);
        let mut other = Vocabulary::new(
            &[Document { tokens: vec!["film".into(), "new".into()], label: 0, part: Part::Test }],
            &Vectors::default(),
        );
        let before = other.vectors.clone();
        other.take(&kept).unwrap();
        assert!(other.vectors[..50] == [0.5; 50] && other.vectors[50..] == before[50..]);
        assert!(other.take(&WordVectors { words: vec!["a".into()], vectors: vec![1.0] }).is_err());
    }

    #[test]
    fn a_blanked_word_is_blank_wherever_it_stands() {
        let texts = texts();
        let augment = Augment { blank: 0.5, ..Augment::default() };
        let blank = |sample: &Sample, node: usize| sample.features[node * 50..][..50].iter().all(|value| *value == 0.0);
        let mut seen = [false; 2];
        for seed in 0..20 {
            let sample = texts.altered(0, 48, &augment, seed);
            assert!((0..48).all(|node| blank(&sample, node) == blank(&sample, node % 3)));
            seen[usize::from(blank(&sample, 1))] = true;
            assert_eq!(sample, texts.altered(0, 48, &augment, seed));
        }
        assert_eq!(seen, [true; 2]);
    }
}
