//! What a command prints: text for people, one line of JSON for programs.

use std::io::{self, Write};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

/// Who reads the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A person.
    Text,
    /// A program: one line.
    Json,
}

impl Format {
    /// From the `--json` flag.
    pub(crate) fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Prints `text()` or `json()` to standard output. A reader that went away (`| head`) is no error.
    pub(crate) fn print(self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> Result<()> {
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

/// Rows of cells under a heading, columns as wide as their widest cell. A name behind `>` stands on the right with its
/// column, as numbers do.
pub(crate) fn table(heading: &[impl AsRef<str>], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let columns: Vec<(bool, &str)> = heading
        .iter()
        .map(|name| name.as_ref().strip_prefix('>').map_or((false, name.as_ref()), |name| (true, name)))
        .collect();
    let mut lines = vec![columns.iter().map(|(_, name)| (*name).to_owned()).collect()];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&columns).zip(&widths);
        let padded = cells.map(|((cell, (is_right, _)), width)| match is_right {
            false => format!("{cell:<width$}"),
            true => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// A bar of so many steps on standard error, drawn by a template of `indicatif`.
pub(crate) fn bar(steps: usize, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps as u64).with_style(style)
}

/// A whole number with blanks between groups of three digits: `2 656 043 008`.
pub(crate) fn grouped(number: u64) -> String {
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
        let rows = [["kNN", "7"], ["x ‖ y", "1 024"]].map(|row| row.map(str::to_owned).to_vec());
        let shown = table(&["op", ">n"], rows);
        assert_eq!(shown, "op         n\nkNN        7\nx ‖ y  1 024\n");
    }

    #[test]
    fn digits_stand_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
