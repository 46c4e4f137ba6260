//! Labelled data from a folder, for a task: ModelNet10's clouds or MR's texts.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use cleave_arch::{GraphSource, Task};
use cleave_data::ASIDE;
use cleave_data::modelnet::{self, Dataset};
use cleave_data::text::{Corpus, Document, Vectors};
use cleave_model::WordVectors;
use cleave_train::{Material, Texts, Vocabulary};

use crate::file;

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What a network is trained on.
    Train,
    /// What it is tested on.
    Test,
    /// What shared weights are trained on: the training part without what is kept aside.
    Rest,
    /// What is kept aside for searches.
    Aside,
}

/// A part of a task's data. Texts take the vectors of `words`, and the folder's for words that are not there.
pub(crate) fn read(task: &Task, folder: &Path, words: Option<&Path>, part: Part) -> Result<Box<dyn Material>> {
    match task.graph {
        GraphSource::Sampled => Ok(Box::new(clouds(folder, part)?)),
        GraphSource::Given => Ok(Box::new(texts(folder, words, part)?)),
    }
}

fn clouds(folder: &Path, part: Part) -> Result<Dataset> {
    let path = folder.join(if part == Part::Test { modelnet::TEST } else { modelnet::TRAIN });
    let all = file::parse("the data", &path, modelnet::decode)?;
    Ok(match part {
        Part::Train | Part::Test => all,
        Part::Rest => all.split(ASIDE).0,
        Part::Aside => all.split(ASIDE).1,
    })
}

/// The texts of MR.
pub(crate) fn texts(folder: &Path, words: Option<&Path>, part: Part) -> Result<Texts> {
    let folder = folder.join("mr");
    let file = |name: &str| file::read("the data", &folder.join(name));
    let within = || format!("the data in {}", folder.display());
    let corpus = Corpus::decode(&file("corpus_mr.clean.txt")?, &file("mr.txt")?).with_context(within)?;
    let vectors = Vectors::decode(&file("glove50_mr_vocab_f16.npz")?).with_context(within)?;
    let mut vocabulary = Vocabulary::new(&corpus.documents, &vectors);
    if let Some(path) = words {
        vocabulary.take(&file::parse("the words", path, WordVectors::from_safetensors)?)?;
    }
    let documents: Vec<&Document> = match part {
        Part::Train => corpus.train().collect(),
        Part::Test => corpus.test().collect(),
        Part::Rest => corpus.aside(ASIDE).0,
        Part::Aside => corpus.aside(ASIDE).1,
    };
    Ok(Texts::new(&documents, Arc::new(vocabulary))?)
}
