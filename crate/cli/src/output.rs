//! What a command prints: text for people, one line of JSON for programs.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde_json::Value;

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A person.
    Text,
    /// A program: one line.
    Json,
}

impl Format {
    /// From the `--json` flag.
    pub fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints `text()` or `json()` to standard output.
    ///
    /// # Errors
    /// If standard output cannot be written; a reader that went away (`| head`) is none.
    pub fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<()> {
        let written = match self {
            Self::Text => text(),
            Self::Json => json().to_string(),
        };
        match writeln!(io::stdout().lock(), "{}", written.trim_end()) {
            Err(why) if why.kind() != io::ErrorKind::BrokenPipe => {
                Err(why).context("standard output cannot be written")
            }
            _ => Ok(()),
        }
    }
}

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells under a heading, columns as wide as their widest cell.
pub fn table(heading: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].0.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let cells = cells.into_iter().zip(heading).zip(&widths);
        let padded = cells.map(|((cell, (_, align)), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(heading.iter().map(|(name, _)| *name).collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// A whole number with blanks between groups of three digits: `2 656 043 008`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["kNN".to_owned(), "7".to_owned()], vec!["x ‖ y".to_owned(), "1 024".to_owned()]];
        let shown = table(&[("op", Align::Left), ("n", Align::Right)], &rows);
        assert_eq!(shown, "op         n\nkNN        7\nx ‖ y  1 024\n");
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
