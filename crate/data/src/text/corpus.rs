//! Labelled documents from two files of TextGCN's form: the documents as words, one a line, and a list that says of
//! each whether it is for training, and its label.

use crate::error::quote;
use crate::{DataError, Format, Place};

/// Names of the labels 0 and 1.
pub const CLASSES: [&str; 2] = ["negative", "positive"];

/// Labelled documents in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corpus {
    /// All of them, for training and for tests.
    pub documents: Vec<Document>,
}

/// A sentence and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its words and marks, in order, at least one.
    pub tokens: Vec<String>,
    /// Index into [`CLASSES`].
    pub label: u8,
    /// What it is for.
    pub part: Part,
}

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// For training, and for validation, see [`Corpus::aside`].
    Train,
    /// For the final test.
    Test,
}

impl Corpus {
    /// Decodes the documents (`corpus_mr.clean.txt`: tokens between spaces) and their list (`mr.txt`: id from 0,
    /// `train` or `test`, label, between tabs). Line i of the one is about line i of the other.
    ///
    /// # Errors
    /// [`DataError::Malformed`] with the line: bytes that are no UTF-8, an empty document, a wrong id, part or label, a
    /// file that ends before the other.
    pub fn decode(corpus: &[u8], split: &[u8]) -> Result<Self, DataError> {
        let texts = lines(Format::Corpus, corpus)?.into_iter().enumerate();
        let texts = texts.map(|(index, line)| words(index, line)).collect::<Result<Vec<_>, _>>()?;
        let entries = lines(Format::Split, split)?.into_iter().enumerate();
        let entries = entries.map(|(index, line)| entry(index, line)).collect::<Result<Vec<_>, _>>()?;
        let n = texts.len().max(entries.len()).max(1);
        for (format, has) in [(Format::Corpus, texts.len()), (Format::Split, entries.len())] {
            if has < n {
                let expected = format!("document {has}, counted from 0: both files have a line for each");
                return Err(bad(format, has, "the end of the file".into(), expected));
            }
        }
        let document = |(tokens, (part, label))| Document { tokens, label, part };
        Ok(Self { documents: texts.into_iter().zip(entries).map(document).collect() })
    }

    /// The documents for training, validation included.
    pub fn train(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(|document| document.part == Part::Train)
    }

    /// The documents for the final test.
    pub fn test(&self) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(|document| document.part == Part::Test)
    }

    /// The training documents without, and those that are, every `n`-th of each class: the latter for validation.
    pub fn aside(&self, n: usize) -> (Vec<&Document>, Vec<&Document>) {
        let mut seen = [0usize; CLASSES.len()];
        self.train().partition(|document| {
            let count = &mut seen[usize::from(document.label)];
            *count += 1;
            !count.is_multiple_of(n.max(1))
        })
    }
}

fn words(index: usize, line: &str) -> Result<Vec<String>, DataError> {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    match words.is_empty() {
        true => Err(bad(Format::Corpus, index, "no word".into(), "the words of a document, between spaces".into())),
        false => Ok(words),
    }
}

fn entry(index: usize, line: &str) -> Result<(Part, u8), DataError> {
    let wrong = |found: &str, expected: String| bad(Format::Split, index, quote(found), expected);
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, part, label] = fields[..] else {
        return Err(wrong(line, "three fields between tabs: id, train or test, label".into()));
    };
    if id.parse() != Ok(index) {
        return Err(wrong(id, format!("the id {index}: ids count the lines from 0")));
    }
    let part = match part {
        "train" => Part::Train,
        "test" => Part::Test,
        other => return Err(wrong(other, "train or test".into())),
    };
    match label {
        "0" => Ok((part, 0)),
        "1" => Ok((part, 1)),
        other => Err(wrong(other, format!("the label 0 ({}) or 1 ({})", CLASSES[0], CLASSES[1]))),
    }
}

fn lines(format: Format, bytes: &[u8]) -> Result<Vec<&str>, DataError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|error| {
        let (before, after) = bytes.split_at(error.valid_up_to());
        let line = before.iter().filter(|&&byte| byte == b'\n').count();
        bad(
            format,
            line,
            format!("the byte \"{}\"", after[..after.len().min(1)].escape_ascii()),
            "text in UTF-8".into(),
        )
    })?;
    Ok(text.lines().collect())
}

/// Error about the line at this index, from 0.
fn bad(format: Format, index: usize, found: String, expected: String) -> DataError {
    DataError::Malformed { format, place: Place::Line(index + 1), found, expected }
}
