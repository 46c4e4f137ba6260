//! Lines and numbers of the text formats, with the line's number for messages.

use std::borrow::Cow;
use std::str::FromStr;

use super::Format;
use crate::error::quote;
use crate::{DataError, Place};

/// The bytes as text: without a byte-order mark, and with anything that is not UTF-8 (a comment, usually) replaced.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
}

/// Blank, or a comment as text formats have it.
pub(crate) fn is_comment(line: &str) -> bool {
    line.is_empty() || line.starts_with('#') || line.starts_with("//")
}

/// The lines that carry something.
pub(crate) struct Lines<'a> {
    format: Format,
    /// Number of the latest line in the file, from 1.
    number: usize,
    rest: std::str::Lines<'a>,
}

/// One of them: trimmed, up to any `#`.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    format: Format,
    /// From 1.
    pub number: usize,
    pub text: &'a str,
}

impl<'a> Lines<'a> {
    pub fn new(format: Format, text: &'a str) -> Self {
        Self { format, number: 0, rest: text.lines() }
    }

    /// For text that stands behind so many other lines of its file.
    pub fn starting_after(self, n_lines: usize) -> Self {
        Self { number: n_lines, ..self }
    }

    /// The next line, which must be there.
    pub fn expect(&mut self, expected: impl Fn() -> String) -> Result<Line<'a>, DataError> {
        self.next().ok_or_else(|| DataError::Malformed {
            format: self.format,
            place: Place::Line(self.number + 1),
            found: "the end of the file".into(),
            expected: expected(),
        })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        for line in self.rest.by_ref() {
            self.number += 1;
            let text = line.split_once('#').map_or(line, |(before, _)| before).trim();
            if !is_comment(text) {
                return Some(Line { format: self.format, number: self.number, text });
            }
        }
        None
    }
}

impl<'a> Line<'a> {
    /// The parts between white space.
    pub fn words(self) -> std::str::SplitWhitespace<'a> {
        self.text.split_whitespace()
    }

    /// The same line from a later part on.
    pub fn with(self, text: &'a str) -> Self {
        Self { text, ..self }
    }

    /// Error about a part of this line.
    pub fn bad(self, found: &str, expected: impl Into<String>) -> DataError {
        DataError::Malformed {
            format: self.format,
            place: Place::Line(self.number),
            found: quote(found),
            expected: expected.into(),
        }
    }

    /// One number from its text.
    pub fn number<T: FromStr>(self, word: Option<&str>, expected: &str) -> Result<T, DataError> {
        match word {
            Some(word) => word.parse().map_err(|_| self.bad(word, expected)),
            None => Err(self.bad(self.text, expected)),
        }
    }

    /// The next three words as coordinates.
    pub fn point<'w>(self, words: &mut impl Iterator<Item = &'w str>) -> Result<[f32; 3], DataError> {
        let mut next = || self.number(words.next(), "three numbers x y z");
        Ok([next()?, next()?, next()?])
    }
}
